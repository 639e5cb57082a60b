"""Incidents that open by rules: what is on record is read once, in its order, by the process that signs."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, NamedTuple

from gateway.configuration.incidents import IncidentRule
from gateway.configuration.model import Configuration
from gateway.days import day_in_zone
from gateway.state.changes import changes_of_all
from gateway.state.rows import human_row
from gateway.store.installation import Installation
from ledger.entry import Draft, Entry, decode, format_time, parse_time
from ledger.ids import new_id
from ledger.unit import State, Step, Unit

CURSOR = "incident-watch"
AT_ONCE = 500
MOST_NAMED = 64
"""Calls that an entry names."""
GOES_ON = timedelta(minutes=10)
"""An incident that goes on is told of once in this time."""
_READ = tuple(f'"kind":"{kind}"'.encode() for kind in (
    "call.opened", "call.closed", "call.refused", "call.interrupted", "alert.raised"
))  # fmt: skip


class Match(NamedTuple):
    """Something that a rule counts: by which rule, in which workflow, when, in which entry and call."""

    rule: str
    workflow: str | None
    at: str
    entry: str
    call: str | None

    @property
    def row(self) -> str:
        return f"{CURSOR}:{self.rule}|{self.workflow or ''}"


class IncidentWatch:
    """Opens incidents, and says what else belongs to those that are open."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation

    def look(self, configuration: Configuration) -> None:
        """Read on. What was on record before there was a rule is history."""
        if not configuration.incidents or not self._installation.checkpointer.has_turn():
            return
        size, row = self._installation.reader.head().size, self._installation.reader.state(CURSOR)
        low = int(row["next"]) if row else size
        high = min(low + AT_ONCE, size)
        found = list(self._matches(low, high, configuration.incidents))
        if row and low == high:
            return
        rows = sorted({one.row for one in found})
        known = {name: self._installation.reader.state(name) or {} for name in rows}
        rows += [f"incident:{one['open']}" for one in known.values() if one.get("open")]
        day = day_in_zone(configuration.organisation.time_zone, self._installation.clock())
        rows += sorted({human_row(day, one.workflow) for one in found})
        deliver = configuration.alerts.webhook is not None

        def run(state: State, at: Any) -> Step:
            if ((state.get(CURSOR) or {}).get("next") if row else None) != (low if row else None):
                return Step()
            drafts: list[Draft] = []
            moved: dict[str, Any] = {CURSOR: {"next": high}}
            for name in {one.row: None for one in found}:
                mine = [one for one in found if one.row == name]
                rule = configuration.incidents[mine[0].rule]
                made, moved[name] = _after(rule, mine, state.get(name) or {}, state, at, day, deliver)
                drafts += made
            return Step(drafts=drafts, changes=changes_of_all(drafts, state) | moved)

        keys = [CURSOR, *rows]
        self._installation.log.append(Unit(keys=lambda _at: keys, run=run))

    def _matches(self, low: int, high: int, rules: Mapping[str, IncidentRule]) -> Iterable[Match]:
        for data in self._installation.reader.raw(low, high):
            if not any(one in data for one in _READ):
                continue
            entry = decode(data)
            for name, rule in rules.items():
                if (not rule.workflows or entry.workflow in rule.workflows) and counts(rule, entry):
                    yield Match(name, entry.workflow, entry.at, entry.id, entry.call)


def counts(rule: IncidentRule, entry: Entry) -> bool:
    """Tell whether an entry is one of those that a rule counts."""
    facts = entry.facts
    if entry.kind == "alert.raised":
        return facts["rule"] in rule.alerts
    if entry.kind == "call.refused" and facts["reason_ref"] in rule.refusals:
        return True
    result = "interrupted" if entry.kind == "call.interrupted" else facts.get("result")
    if result in rule.results:
        return True
    checks = [one for one in facts.get("checks", ()) if not one["reason"].startswith("in shadow")]
    policies = {one["inputs"].get("policy") for one in checks} | {facts.get("inputs", {}).get("policy")}
    return bool(policies & set(rule.policies))


def _after(
    rule: IncidentRule, found: list[Match], row: Mapping[str, Any], state: State, at: Any, day: str, deliver: bool
) -> tuple[list[Draft], dict[str, Any]]:
    """Return what is put on record, and the row of the rule in the workflow."""
    seen = [*(tuple(one) for one in row.get("seen", ())), *((one.at, one.call or one.entry) for one in found)]
    incident, now = row.get("open"), format_time(at)
    if incident and (state.get(f"incident:{incident}") or {}).get("open"):
        if parse_time(row["told"]) + GOES_ON > at:
            return [], dict(row) | {"seen": seen[-MOST_NAMED:]}
        told = _goes_on(found[0], incident, seen, at, deliver)
        return [told], {"open": incident, "told": now, "seen": []}
    since = format_time(parse_time(seen[-1][0]) - timedelta(minutes=rule.within_minutes))
    seen = [one for one in seen if one[0] >= since][-MOST_NAMED:]
    if len(seen) < rule.at_least:
        return [], {"seen": seen}
    incident = new_id("inc", at)
    drafts = [_opened(rule, found[0], incident, seen, at, day, deliver)]
    drafts += [_frozen(found[0], incident, seen, at)] if rule.freeze else []
    return drafts, {"open": incident, "told": now, "seen": []}


def _draft(kind: str, of: Match, at: Any, facts: Mapping[str, Any]) -> Draft:
    return Draft(id=new_id("ent", at), kind=kind, workflow=of.workflow, facts=facts)


def _named(seen: list[tuple[str, str]]) -> dict[str, Any]:
    return {"seen": len(seen), "since": seen[0][0], "named": list(dict.fromkeys(name for _, name in seen))}


def _opened(
    rule: IncidentRule, of: Match, incident: str, seen: list[tuple[str, str]], at: Any, day: str, deliver: bool
) -> Draft:
    facts: dict[str, Any] = {
        "incident_ref": incident,
        "rule": of.rule,
        "severity": str(rule.severity),
        "day": day,
        "deliver": deliver,
    }
    facts |= {"harm": "unknown", "limited": "unknown"}  # a rule cannot know
    return _draft("incident.opened", of, at, facts | _named(seen))


def _goes_on(of: Match, incident: str, seen: list[tuple[str, str]], at: Any, deliver: bool) -> Draft:
    facts: dict[str, Any] = {"incident_ref": incident, "rule": of.rule, "state": "updated", "deliver": deliver}
    return _draft("incident.updated", of, at, facts | _named(seen))


def _frozen(of: Match, incident: str, seen: list[tuple[str, str]], at: Any) -> Draft:
    facts = {
        "hold_ref": new_id("hold", at), "reason": "incident", "incident_ref": incident, "placed_at": format_time(at),
        "from": seen[0][0][:10],
    }  # fmt: skip
    return _draft("hold.placed", of, at, facts)
