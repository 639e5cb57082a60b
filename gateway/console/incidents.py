"""Incidents as people see them: the list, and one with its timeline, its calls, its clock and its holds."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.days import day_in_zone
from gateway.oversight.acts import time_zone
from gateway.oversight.holds import holds
from gateway.oversight.looking import within
from gateway.store.evidence import LiveEvidence
from gateway.store.installation import Installation
from ledger.entry import Entry
from ledger.ids import is_id
from reports.registers import counted_by, in_words, registers, report_by
from reports.times import clock
from reports.why.words import name_of, quoted

MOST_CALLS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Something that happened in an incident."""

    at: str
    shown: str
    who: str
    """A person by name, or a rule."""
    what: str
    words: str
    entry: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One incident."""

    id: str
    workflow: str | None
    is_open: bool
    severity: str
    """1 (the worst) to 5; empty where nobody and no rule has said."""
    stated: Mapping[str, Any]
    """Its fields as they were stated last."""
    report_by: str | None
    """The last day for a report to the authority, if the duty applies; None where there is none to give."""
    report_why: str
    timeline: tuple[Moment, ...]
    calls: tuple[str, ...]
    """Calls that a rule named, each once."""
    alert: str
    held: tuple[str, ...]
    """Holds in force for it."""


def listed(
    installation: Installation, scope: Collection[str] | None, *, open_only: bool = False, limit: int = 200
) -> list[dict[str, Any]]:
    """Return incidents, the latest first."""
    rows = sorted(installation.reader.states("incident:").items(), reverse=True)
    found = [(name.removeprefix("incident:"), row) for name, row in rows if within(row["workflow"], scope)]
    held = {row.get("incident_ref") for row in holds(installation).values()}
    return [
        {
            "incident": name, "workflow": row["workflow"], "day": row["day"], "state": _state(row),
            "severity": row.get("severity"), "held": name in held,
        }
        for name, row in found if row["open"] or not open_only
    ][:limit]  # fmt: skip


def _state(row: Mapping[str, Any]) -> str:
    return "open" if row["open"] else "closed"


def incident(installation: Installation, name: str, scope: Collection[str] | None) -> Incident | None:
    """Return one incident; None where there is none within a scope."""
    row = installation.reader.state(f"incident:{name}") if is_id(name, "inc") else None
    if row is None or not within(row["workflow"], scope):
        return None
    zone = time_zone(installation)
    evidence = LiveEvidence(installation, zone)
    entries = list(evidence.find("incident", name))
    own = [one for one in entries if one.kind.startswith("incident.")]
    stated = {field: value for one in own for field, value in one.facts.items() if field in _fields()}
    last, why = report_by({"harm": "unknown", "limited": "unknown"} | stated, day_in_zone(zone, installation.clock()))
    calls = dict.fromkeys(call for one in own for call in one.facts.get("named", ()))
    return Incident(
        id=name, workflow=row["workflow"], is_open=row["open"], severity=row.get("severity", ""), stated=stated,
        report_by=last, report_why=why, timeline=tuple(_moment(one, evidence, zone) for one in entries),
        calls=tuple(calls)[:MOST_CALLS], alert=str(own[0].facts.get("alert_ref", "")),
        held=tuple(hold for hold, one in holds(installation).items() if one.get("incident_ref") == name),
    )  # fmt: skip


def _fields() -> Mapping[str, Any]:
    fields: Mapping[str, Any] = registers()["incident"]["fields"]
    return fields


def _moment(entry: Entry, evidence: LiveEvidence, zone: str) -> Moment:
    who = name_of(entry.act, evidence) if entry.act else "a rule"
    words = quoted(entry, "words", evidence) if "words" in entry.c else ""
    return Moment(
        at=entry.at, shown=clock(entry.at, zone), who=who, what=_what(entry), words=words,
        entry=entry.seq,
    )  # fmt: skip


def _what(entry: Entry) -> str:
    facts = entry.facts
    if entry.kind == "hold.placed":
        return f"placed the hold {facts['hold_ref']}"
    if entry.kind == "hold.lifted":
        return f"lifted the hold {facts['hold_ref']}"
    what = {"incident.opened": "opened it", "incident.closed": "closed it"}.get(entry.kind, "went on with it")
    said = in_words(registers()["incident"], {name: one for name, one in facts.items() if name != "state"})
    return "; ".join(filter(None, (what, counted_by(facts), said)))
