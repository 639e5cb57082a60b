"""What a pack states, computed from entries in one pass: rows of calls, of human acts, of gaps."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ledger.amounts import eur
from ledger.entry import Entry
from reports.ports import Evidence
from reports.why.words import ACTIONS, REASON_CODES, REASONS, RESULTS, clock, person, quoted

MAX_ROWS = 500
_PEOPLE = {
    "config.activated": "activated the configuration",
    "workflow.released": "released workflow",
    "stop.engaged": "stopped",
    "stop.released": "lifted a stop of",
    "key.issued": "issued a gateway key for",
    "key.revoked": "revoked a gateway key",
    "person.enrolled": "enrolled a person",
    "role.granted": "granted a role",
    "role.revoked": "took a role",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PackFacts:
    """The tables of a pack. `calls` and the others hold at most `MAX_ROWS` rows; the numbers say how many there are."""

    calls: tuple[dict[str, Any], ...]
    number_of_calls: int
    overrides: tuple[dict[str, Any], ...]
    acts: tuple[dict[str, Any], ...]
    number_of_acts: int
    refusals: tuple[tuple[str, str, int], ...]
    flags: tuple[tuple[str, int], ...]
    models: tuple[tuple[str, int, str], ...]
    gaps: tuple[str, ...]
    simulated: int


def gather(entries: Sequence[Entry], workflow: str | None, evidence: Evidence) -> PackFacts:
    """Compute the facts over the entries of a range, restricted to a workflow if one is given."""
    mine = [entry for entry in entries if workflow is None or entry.workflow == workflow]
    rows = _calls(mine)
    acts = [
        entry for entry in entries if entry.kind in _PEOPLE and (workflow is None or entry.workflow in (workflow, None))
    ]
    overrides = [entry for entry in mine if entry.kind == "override.recorded"]
    refused = Counter(str(entry.facts["reason_ref"]) for entry in mine if entry.kind == "call.refused")
    flagged = Counter(
        str(check["id"])
        for entry in mine
        if entry.kind in ("call.opened", "call.closed")
        for check in entry.facts["checks"]
    )
    return PackFacts(
        calls=tuple(rows[:MAX_ROWS]),
        number_of_calls=len(rows),
        overrides=tuple(_override(entry, evidence) for entry in overrides[:MAX_ROWS]),
        acts=tuple(_act(entry, evidence) for entry in acts[:MAX_ROWS]),
        number_of_acts=len(acts),
        refusals=tuple((code, REASONS.get(code, code), count) for code, count in sorted(refused.items())),
        flags=tuple(sorted(flagged.items())),
        models=_models(mine),
        gaps=tuple(_gaps(entries, mine)),
        simulated=sum(
            any(target.get("simulated") for target in entry.facts["targets"])
            for entry in mine
            if entry.kind == "call.opened"
        ),
    )


def _calls(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for entry in entries:
        if not entry.call or not entry.kind.startswith("call."):
            continue
        empty = {
            "call": entry.call,
            "at": clock(entry.at),
            "seq": entry.seq,
            "route": "",
            "result": "open",
            "cost": "",
            "served": "",
        }
        row = rows.setdefault(entry.call, empty)
        facts = entry.facts
        row["route"] = row["route"] or str(facts.get("route_ref") or facts.get("route") or "")
        if entry.kind == "call.refused":
            row["result"] = f"refused: {facts['reason_ref']}"
        elif entry.kind in ("call.closed", "call.interrupted"):
            row["result"] = str(facts.get("result", "interrupted"))
            row["cost"] = eur(facts["cost_nano_eur"]) + ("*" if facts["cost_state"] == "upper_bound" else "")
            row["served"] = str((facts.get("served") or {}).get("model", facts.get("cache") == "hit" and "cache" or ""))
    return list(rows.values())


def _override(entry: Entry, evidence: Evidence) -> dict[str, Any]:
    code = str(entry.facts["reason_code_ref"])
    return {
        "at": clock(entry.at),
        "seq": entry.seq,
        "call": entry.call,
        "person": person(entry, evidence),
        "action": ACTIONS[entry.facts["action"]],
        "code": f"{code} {REASON_CODES.get(code, '')}",
        "reason": quoted(entry, "reason", evidence),
    }


def _act(entry: Entry, evidence: Evidence) -> dict[str, Any]:
    what = entry.facts.get("scope", "").partition(":")[0] or entry.workflow or ""
    return {
        "at": clock(entry.at),
        "seq": entry.seq,
        "person": person(entry, evidence),
        "what": f"{_PEOPLE[entry.kind]} {what}".strip(),
        "reason": quoted(entry, "reason", evidence) if "reason" in entry.c else "",
    }


def _models(entries: Sequence[Entry]) -> tuple[tuple[str, int, str], ...]:
    calls: Counter[str] = Counter()
    cost: Counter[str] = Counter()
    for entry in entries:
        if entry.kind == "call.closed" and entry.facts.get("served"):
            served = entry.facts["served"]
            name = f"{served['model']} at {served['provider']}" + (" (simulated)" if served.get("simulated") else "")
            calls[name] += 1
            cost[name] += entry.facts["cost_nano_eur"]
    return tuple((name, calls[name], eur(cost[name])) for name in sorted(calls))


def _gaps(entries: Sequence[Entry], mine: Sequence[Entry]) -> list[str]:
    gaps = []
    starts = [entry for entry in entries if entry.kind == "gateway.started"]
    stops = [entry for entry in entries if entry.kind == "gateway.stopped"]
    gaps.append(f"Gateway processes: {len(starts)} started and {len(stops)} stopped in the period.")
    crashed = {entry.facts["boot"] for entry in starts} - {entry.facts["boot"] for entry in stops}
    if crashed:
        gaps.append(
            f"{len(crashed)} process(es) started in the period have no recorded stop in it: "
            "still running, or ended without one."
        )
    interrupted = sum(entry.kind == "call.interrupted" for entry in mine)
    if interrupted:
        gaps.append(f"{interrupted} call(s) {RESULTS['interrupted']}; charged at their worst case.")
    gaps += [
        f"A loss was declared: {one.facts['held_size']} entries had been signed, {one.facts['found_size']} were found."
        for one in entries
        if one.kind == "gap.declared"
    ]
    corrected = sum(entry.kind == "cost.corrected" for entry in mine)
    if corrected:
        gaps.append(f"{corrected} cost(s) were corrected by named persons afterwards; the sums here are as charged.")
    unknown = sum(
        int(entry.facts.get("count", 0)) for entry in entries if entry.facts.get("reason_ref") == "unknown_key"
    )
    gaps.append(f"{unknown} request(s) with unknown keys were turned away; they are counted, not recorded one by one.")
    return gaps
