"""What the first page tells a person who is signed in: latest calls, refusals, stops in force, spend of today."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from gateway.console.listing import list_calls
from gateway.economics.costs import CostRow, whole
from gateway.economics.reading import period_of, sums_of
from gateway.oversight.acts import time_zone
from gateway.oversight.looking import within
from gateway.state.rows import CONTROL, control_of
from gateway.store.evidence import LiveEvidence
from gateway.store.installation import Installation
from ledger.entry import Entry, format_time
from reports.times import day_in
from reports.why.words import name_of, quoted, when

LATEST, REFUSALS = 8, 5
LOOK = 2_000
"""Entries that the first page looks back through: it is opened often and must stay quick."""


@dataclass(frozen=True, slots=True)
class Front:
    """The parts of the page, each within the scope of who looks."""

    calls: tuple[dict[str, Any], ...]
    refusals: tuple[dict[str, Any], ...]
    stops: tuple[dict[str, Any], ...]
    today: CostRow
    day: str


def front(installation: Installation, scope: Collection[str] | None) -> Front:
    """Return what the first page shows."""
    zone = time_zone(installation)
    now = installation.clock()
    period = period_of(day_in(format_time(now), zone), None, zone, now)
    return Front(
        calls=list_calls(installation, {}, scope, None, look=LOOK, most=LATEST).rows,
        refusals=list_calls(installation, {"result": "refused"}, scope, None, look=LOOK, most=REFUSALS).rows,
        stops=tuple(_stops(installation, scope, LiveEvidence(installation, zone))),
        today=whole(sums_of(installation.reader, period, scope)),
        day=str(period.start),
    )


def _stops(
    installation: Installation, scope: Collection[str] | None, evidence: LiveEvidence
) -> Iterator[dict[str, Any]]:
    """Yield the stops in force. What is stopped by a key or a task tells of its workflow, so a scope hides it."""
    for name in control_of({CONTROL: installation.reader.state(CONTROL)})["stops"]:
        noun, _, what = name.partition(":")
        if not (noun == "all" or scope is None or (noun == "workflow" and within(what, scope))):
            continue
        engaged = [one for one in evidence.find("scope", name) if one.kind == "stop.engaged"]
        if engaged:  # a revoked key stands among the stops too, and is none
            yield {
                "what": _named(noun, what, evidence), "who": name_of(str(engaged[-1].act), evidence),
                "at": engaged[-1].at, "shown": when(engaged[-1], evidence), "seq": engaged[-1].seq,
                "reason": quoted(engaged[-1], "reason", evidence),
            }  # fmt: skip


def _named(noun: str, what: str, evidence: LiveEvidence) -> str:
    if noun == "all":
        return "everything"
    if noun != "task":
        return f"{noun} {what}"
    named: Entry | None = next((one for one in evidence.find("task", what) if "task" in one.c), None)
    return f"task {quoted(named, 'task', evidence)}" if named else "a task"
