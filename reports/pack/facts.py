"""What a pack states, computed from entries in one pass: rows of calls, of human acts, of gaps."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ledger.amounts import counted
from ledger.entry import Entry
from reports.pack.acts import DECISIONS, KINDS, act, decision, is_approval
from reports.pack.calls import MAX_ROWS, Calls
from reports.pack.words import COSTS, RESULTS, cents, served, spaced
from reports.ports import Evidence
from reports.times import UTC, day_in
from reports.why.words import REASONS


@dataclass(frozen=True, slots=True, kw_only=True)
class PackFacts:
    """The tables of a pack. `calls` and the others hold at most `MAX_ROWS` rows; the numbers say how many there are."""

    calls: tuple[dict[str, Any], ...]
    """Exceptions first, then a drawn sample; in the order of the log."""
    number_of_calls: int
    number_of_exceptions: int
    results: tuple[tuple[str, int], ...]
    """How calls ended: all that ended in the period."""
    costs: tuple[tuple[str, int, str], ...]
    """How the cost of a call is known: calls, sum."""
    approvals: tuple[dict[str, Any], ...]
    number_of_approvals: int
    overrides: tuple[dict[str, Any], ...]
    number_of_overrides: int
    acts: tuple[dict[str, Any], ...]
    number_of_acts: int
    refusals: tuple[tuple[str, str, int], ...]
    flags: tuple[tuple[str, int], ...]
    models: tuple[tuple[str, int, str, int, int], ...]
    """Model, calls, cost to the cent, cost in nano-EUR, and how many of the calls are charged at an upper bound."""
    days: tuple[tuple[str, int], ...]
    """Calls that ended or were refused, by day in the time zone of the pack."""
    gaps: tuple[str, ...]
    simulated: int
    last: str
    """The instant of the last entry of the range, empty when there is none."""


class _Gathering:
    """What has been seen so far of a range. Keeps rows that are shown, and of the rest only what is counted."""

    def __init__(self, workflow: str | None, calls: Calls, zone: str) -> None:
        self._workflow = workflow
        self.calls = calls
        self._zone = zone
        self.days: Counter[str] = Counter()
        self.approvals: list[Entry] = []
        self.overrides: list[Entry] = []
        self.decided: Counter[str] = Counter()
        self.acts: list[Entry] = []
        self.number_of_acts = 0
        self.refused: Counter[str] = Counter()
        self.flagged: Counter[str] = Counter()
        self.served: Counter[str] = Counter()
        self.cost: Counter[str] = Counter()
        self.bounded: Counter[str] = Counter()
        self.results: Counter[str] = Counter()
        self.states: Counter[str] = Counter()
        self.charged: Counter[str] = Counter()
        self.last = ""
        self.gaps = _Gaps()
        self.simulated = 0

    def see(self, entry: Entry) -> None:
        mine = self._workflow is None or entry.workflow == self._workflow
        self.gaps.see(entry, mine=mine)
        self.last = entry.at
        if entry.kind in KINDS and (mine or entry.workflow is None):
            self.number_of_acts += 1
            if len(self.acts) < MAX_ROWS:
                self.acts.append(entry)
        if mine:
            self._see_mine(entry)

    def _see_mine(self, entry: Entry) -> None:
        facts = entry.facts
        self.calls.see(entry)
        if entry.kind in DECISIONS:
            self._see_decision(entry)
        elif entry.kind == "call.refused":
            self.refused[str(facts["reason_ref"])] += 1
            self.results["refused"] += 1
            self.days[day_in(entry.at, self._zone)] += 1
        elif entry.kind == "call.opened":
            self.simulated += any(target.get("simulated") for target in facts["targets"])
        elif entry.kind in ("call.closed", "call.interrupted"):
            self._see_end(entry)
        if entry.kind in ("call.opened", "call.closed"):
            self.flagged.update(str(check["id"]) for check in facts["checks"])

    def _see_decision(self, entry: Entry) -> None:
        approved = is_approval(entry)
        self.decided["approvals" if approved else "overrides"] += 1
        rows = self.approvals if approved else self.overrides
        if len(rows) < MAX_ROWS:
            rows.append(entry)

    def _see_end(self, entry: Entry) -> None:
        facts = entry.facts
        self.results[str(facts.get("result", "interrupted"))] += 1
        self.days[day_in(entry.at, self._zone)] += 1
        self.states[str(facts["cost_state"])] += 1
        self.charged[str(facts["cost_state"])] += facts["cost_nano_eur"]
        if target := facts.get("served"):
            name = f"{served(facts)} at {target['provider']}" + (" (simulated)" if target.get("simulated") else "")
            self.served[name] += 1
            self.cost[name] += facts["cost_nano_eur"]
            self.bounded[name] += facts["cost_state"] == "upper_bound"


class Sees(Protocol):
    """Whatever else looks at the entries of a range while they are read."""

    def see(self, entry: Entry) -> None: ...


def gather(
    entries: Iterable[Entry], workflow: str | None, evidence: Evidence, *, calls: Calls | None = None,
    also: Sequence[Sees] = (), zone: str = UTC,
) -> PackFacts:  # fmt: skip
    """Compute the facts over the entries of a range in one pass, restricted to a workflow if one is given.

    Args:
        calls: takes the calls; it writes the complete table of them.
        zone: of the days that calls are counted by.
        also: shown every entry of the range too.
    """
    calls = calls or Calls("", len)
    seen = _Gathering(workflow, calls, zone)
    for entry in entries:
        seen.see(entry)
        for other in also:
            other.see(entry)
    return PackFacts(
        calls=calls.finish(),
        number_of_calls=calls.number,
        number_of_exceptions=calls.exceptions,
        days=tuple(sorted(seen.days.items())),
        results=tuple((RESULTS.get(result, spaced(result)), count) for result, count in seen.results.most_common()),
        costs=tuple(
            (COSTS.get(one, spaced(one)), seen.states[one], cents(seen.charged[one], one == "upper_bound"))
            for one in seen.states
        ),
        approvals=tuple(decision(entry, evidence) for entry in seen.approvals),
        number_of_approvals=seen.decided["approvals"],
        overrides=tuple(decision(entry, evidence) for entry in seen.overrides),
        number_of_overrides=seen.decided["overrides"],
        acts=tuple(act(entry, evidence) for entry in seen.acts),
        number_of_acts=seen.number_of_acts,
        refusals=tuple((code, REASONS.get(code, code), count) for code, count in sorted(seen.refused.items())),
        flags=tuple(sorted(seen.flagged.items())),
        models=tuple(
            (name, seen.served[name], cents(seen.cost[name], seen.bounded[name]), seen.cost[name], seen.bounded[name])
            for name in sorted(seen.served)
        ),
        gaps=tuple(seen.gaps.lines()),
        simulated=seen.simulated,
        last=seen.last,
    )


class _Gaps:
    """What was not recorded, or not as it should have been."""

    def __init__(self) -> None:
        self._started: list[str] = []
        self._stopped: list[str] = []
        self._losses: list[str] = []
        self._interrupted = self._corrected = self._unknown = 0

    def see(self, entry: Entry, *, mine: bool) -> None:
        facts = entry.facts
        if entry.kind == "gateway.started":
            self._started.append(facts["boot"])
        elif entry.kind == "gateway.stopped":
            self._stopped.append(facts["boot"])
        elif entry.kind == "gap.declared":
            self._losses.append(
                f"A loss was declared: {facts['held_size']} entries had been signed, {facts['found_size']} were found."
            )
        elif entry.kind == "call.interrupted":
            self._interrupted += mine
        elif entry.kind == "cost.corrected":
            self._corrected += mine
        if facts.get("reason_ref") == "unknown_key":
            self._unknown += int(facts.get("count", 0))

    def lines(self) -> Iterator[str]:
        yield f"Gateway processes: {len(self._started)} started and {len(self._stopped)} stopped in the period."
        if crashed := set(self._started) - set(self._stopped):
            yield (
                f"Processes started in the period without a recorded stop in it: {len(crashed)}, "
                "still running, or ended without one."
            )
        if self._interrupted:
            number = counted(self._interrupted, "call")
            yield f"{number} interrupted: {RESULTS['interrupted']}; charged at their worst case."
        yield from self._losses
        if self._corrected:
            yield (f"Costs corrected by named persons afterwards: {self._corrected}; the sums here are as charged.")
        turned_away = f"Requests with unknown keys that were turned away: {self._unknown}"
        yield f"{turned_away}; they are counted, not recorded one by one."
