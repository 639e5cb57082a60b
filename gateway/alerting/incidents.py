"""Incidents that open by rules: what is on record is read once, in its order, by the process that signs."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from gateway.configuration.incidents import IncidentRule
from gateway.configuration.model import Configuration
from gateway.days import day_in_zone
from gateway.state.changes import changes_of_all
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


Seen = tuple[str, str]
"""Something that a rule counts: its instant, and the call that it is of, else its entry."""


class _Of(NamedTuple):
    """What an incident is of: by which rule, in which workflow, and when it is put on record."""

    rule: str
    workflow: str | None
    at: datetime
    day: str
    deliver: bool


class IncidentWatch:
    """Opens incidents, and says what else belongs to those that are open."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation

    def look(self, configuration: Configuration) -> None:
        """Read on. What was on record before there was a rule is history."""
        if not configuration.incidents or not self._installation.checkpointer.has_turn():
            return
        reader, now = self._installation.reader, self._installation.clock()
        size, row = reader.head().size, reader.state(CURSOR)
        low = int(row["next"]) if row else size
        high = min(low + AT_ONCE, size)
        found: dict[str, list[Seen]] = {}
        for name, one in self._matches(low, high, configuration.incidents):
            found.setdefault(name, []).append(one)
        known = reader.states(f"{CURSOR}:")
        found |= {name: [] for name, one in known.items() if name not in found and _is_due(one, now)}
        if row and low == high and not found:
            return
        rows = [
            CURSOR,
            *found,
            *(f"incident:{known[name]['open']}" for name in found if known.get(name, {}).get("open")),
        ]
        day = day_in_zone(configuration.organisation.time_zone, now)
        deliver = configuration.alerts.webhook is not None

        def run(state: State, at: datetime) -> Step:
            if state.get(CURSOR) != row:
                return Step()
            drafts: list[Draft] = []
            moved: dict[str, Any] = {CURSOR: {"next": high}}
            for name, seen in found.items():
                rule, _, workflow = name.removeprefix(f"{CURSOR}:").partition("|")
                of = _Of(rule, workflow or None, at, day, deliver)
                if rule in configuration.incidents:
                    made, moved[name] = _after(of, configuration.incidents[rule], seen, state.get(name) or {}, state)
                    drafts += made
            return Step(drafts=drafts, changes=changes_of_all(drafts, state) | moved)

        self._installation.log.append(Unit(keys=lambda _at: rows, run=run))

    def _matches(self, low: int, high: int, rules: Mapping[str, IncidentRule]) -> Iterator[tuple[str, Seen]]:
        """Yield what rules count, with the row of the rule in the workflow."""
        for data in self._installation.reader.raw(low, high):
            if not any(one in data for one in _READ):
                continue
            entry = decode(data)
            for name, rule in rules.items():
                if (not rule.workflows or entry.workflow in rule.workflows) and counts(rule, entry):
                    yield f"{CURSOR}:{name}|{entry.workflow or ''}", (entry.at, entry.call or entry.id)


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


def _is_due(row: Mapping[str, Any], now: datetime) -> bool:
    """Tell whether something came after what was told last of an incident, a while ago."""
    return bool(row.get("open") and row.get("seen")) and parse_time(row["told"]) + GOES_ON <= now


def _after(
    of: _Of, rule: IncidentRule, found: Sequence[Seen], row: Mapping[str, Any], state: State
) -> tuple[list[Draft], dict[str, Any]]:
    """Return what is put on record, and the row of the rule in the workflow."""
    seen: list[Seen] = [(at, name) for at, name in row.get("seen", ())]
    incident, now = row.get("open"), format_time(of.at)
    if incident and (state.get(f"incident:{incident}") or {}).get("open"):
        counted = row.get("more", 0) + len(found)
        seen = [*seen, *found][:MOST_NAMED]
        if not seen or parse_time(row["told"]) + GOES_ON > of.at:
            return [], dict(row) | {"seen": seen, "more": counted}
        return [_goes_on(of, incident, seen, counted)], {"open": incident, "told": now, "seen": []}
    seen = [] if incident else seen  # what came before it was closed belongs to it
    for place, one in enumerate(found):
        since = format_time(parse_time(one[0]) - timedelta(minutes=rule.within_minutes))
        seen = [*(each for each in seen if each[0] >= since and each[1] != one[1]), one]
        if len(seen) >= rule.at_least:
            rest = found[place + 1 :]
            new = new_id("inc", of.at)
            drafts = _opened(of, rule, new, [*seen, *rest][:MOST_NAMED], len(seen) + len(rest))
            return drafts, {"open": new, "told": now, "seen": []}
    return [], {"seen": seen}


def _draft(of: _Of, kind: str, facts: Mapping[str, Any]) -> Draft:
    return Draft(id=new_id("ent", of.at), kind=kind, workflow=of.workflow, facts=facts)


def _named(seen: Sequence[Seen], counted: int) -> dict[str, Any]:
    return {"seen": counted, "since": seen[0][0], "named": list(dict.fromkeys(name for _, name in seen))}


def _opened(of: _Of, rule: IncidentRule, incident: str, seen: Sequence[Seen], counted: int) -> list[Draft]:
    facts: dict[str, Any] = {"incident_ref": incident, "rule": of.rule, "day": of.day, "deliver": of.deliver}
    facts |= {"severity": str(rule.severity), "harm": "unknown", "limited": "unknown"}  # a rule cannot know more
    drafts = [_draft(of, "incident.opened", facts | _named(seen, counted))]
    hold: dict[str, Any] = {"hold_ref": new_id("hold", of.at), "reason": "incident", "incident_ref": incident}
    hold |= {"placed_at": format_time(of.at), "from": seen[0][0][:10]}
    return [*drafts, _draft(of, "hold.placed", hold)] if rule.freeze else drafts


def _goes_on(of: _Of, incident: str, seen: Sequence[Seen], counted: int) -> Draft:
    facts: dict[str, Any] = {"incident_ref": incident, "rule": of.rule, "state": "updated", "deliver": of.deliver}
    return _draft(of, "incident.updated", facts | _named(seen, counted))
