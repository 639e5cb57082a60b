"""Alerts of a day's sums: errors, caps, spend, gaps, looked at each minute by the process that signs."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from gateway.configuration.model import Configuration
from gateway.days import day_in_zone
from gateway.economics.costs import CostRow, grouped
from gateway.pricing.money import nano_eur
from gateway.state.changes import changes_of_all
from gateway.state.rollup import PREFIX
from gateway.state.rows import alert_row
from gateway.store.installation import Installation
from ledger.entry import Draft, format_time
from ledger.ids import new_id
from ledger.unit import GAP, State, Step, Unit
from reports.statistics import FEWEST_FOR_PERCENT, wilson

REMIND = timedelta(hours=24)
DAYS_BEFORE, FEWEST_DAYS = 7, 3
"""Over how many days a usual spend is taken, and on how many of them something must have been spent."""
LEAST_SPEND = 10**9
"""Nano-EUR a day below which a spend is never told of."""


class Finding(NamedTuple):
    """Something out of bounds: what is watched, of which workflow, and the figures."""

    rule: str
    subject: str
    workflow: str | None
    figures: Mapping[str, Any]

    @property
    def row(self) -> str:
        return alert_row(self.rule, self.subject)


class Watch:
    """Raises what is out of bounds, reminds each day, resolves what no longer is."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation

    def look(self, configuration: Configuration) -> None:
        """Compare what is out of bounds now with what is raised."""
        if not self._installation.checkpointer.has_turn():
            return
        active = self._installation.reader.states("alert:")
        now = {one.row: one for one in (*_of_scores(active), *self._found(configuration))}
        if not now and not active:
            return
        deliver, rows = configuration.alerts.webhook is not None, sorted({*now, *active})

        def run(state: State, at: datetime) -> Step:
            drafts = [
                draft
                for row in rows
                if (draft := _due(row, state.get(row), now.get(row), at, deliver=deliver)) is not None
            ]
            return Step(drafts=drafts, changes=changes_of_all(drafts, state))

        self._installation.log.append(Unit(keys=lambda _at: rows, run=run))

    def _found(self, configuration: Configuration) -> Iterator[Finding]:
        alerts = configuration.alerts
        day = day_in_zone(configuration.organisation.time_zone, self._installation.clock())
        today = grouped(self._installation.reader.states(f"{PREFIX}{day}|"), ["workflow"])
        if alerts.errors is not None:
            yield from _failing(today, day, float(alerts.errors))
        if alerts.cap_share is not None:
            yield from self._near_caps(configuration, day, alerts.cap_share)
        if alerts.spend is not None:
            yield from self._spending(today, day, alerts.spend)
        if alerts.gaps:
            yield from self._gaps(today, day)

    def _spending(self, today: Sequence[CostRow], day: str, factor: Decimal) -> Iterator[Finding]:
        """Yield workflows that spend more than a multiple of what they usually do in a day."""
        first = date.fromisoformat(day) - timedelta(days=DAYS_BEFORE)
        rows = self._installation.reader.states_between(f"{PREFIX}{first}", f"{PREFIX}{day}")
        before: dict[str, list[int]] = {}
        for one in grouped(rows, ["workflow", "day"]):
            before.setdefault(one.name[0], []).append(one.sums["cost"])
        for one in today:
            days = before.get(one.name[0], [])
            spent, usual = one.sums["cost"], sum(days) // DAYS_BEFORE
            known = sum(cost > 0 for cost in days) >= FEWEST_DAYS
            if known and spent >= LEAST_SPEND and spent > usual * factor:
                figures = {"spent_nano_eur": spent, "usual_nano_eur": usual, "day": day}
                yield Finding("spend", one.name[0], one.name[0] or None, figures)

    def _gaps(self, today: Sequence[CostRow], day: str) -> Iterator[Finding]:
        for one in today:
            if count := one.sums["results"].get("interrupted", 0):
                yield Finding("interrupted", one.name[0], one.name[0] or None, {"calls": count, "day": day})
        gap = self._installation.reader.state(GAP)
        if gap and gap.get("day") == day:
            yield Finding("gap", gap["id"], None, {"day": day})

    def _near_caps(self, configuration: Configuration, day: str, share: Decimal) -> Iterator[Finding]:
        for row, used in self._installation.reader.states("budget:").items():
            scope, _, of = row.removeprefix("budget:").rpartition(":")
            cap = _cap(configuration, scope) if of == day else None
            counted = used["spent"] + used["reserved"]
            if cap and counted >= cap * share:
                workflow = scope.split(":", 2)[2] if scope.startswith("workflow:") else None
                figures = {"counted_nano_eur": counted, "cap_nano_eur": cap, "day": day}
                yield Finding("cap_share", scope, workflow, figures)


def _failing(today: Sequence[CostRow], day: str, most: float) -> Iterator[Finding]:
    for one in today:
        if one.ended >= FEWEST_FOR_PERCENT and wilson(one.error_calls, one.ended)[0] > most:
            figures = {"errors": one.error_calls, "calls": one.ended, "day": day}
            yield Finding("errors", one.name[0], one.name[0] or None, figures)


def _of_scores(active: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what scores have raised: scores alone resolve it, and it is reminded of as everything else."""
    for row, one in active.items():
        rule, _, subject = row.removeprefix("alert:").partition("|")
        if rule == "incorrect":
            yield Finding(rule, subject, one["workflow"], {})


def _cap(configuration: Configuration, scope: str) -> int | None:
    """Return the daily cap of a scope, nano-EUR; nothing for one that the file does not set (a key's own)."""
    kind, _, rest = scope.partition(":")
    name = rest.partition(":")[2]
    section: Any = configuration.environments.get(rest) if kind == "environment" else None
    if kind == "route":
        section = configuration.route(name)
    elif kind == "workflow":
        section = configuration.workflows.get(name)
    return None if section is None or section.max_budget_daily is None else nano_eur(section.max_budget_daily)


def _due(
    row: str, active: Mapping[str, Any] | None, now: Finding | None, at: datetime, *, deliver: bool
) -> Draft | None:
    rule, _, subject = row.removeprefix("alert:").partition("|")
    common = {"rule": rule, "subject": subject, "said_at": format_time(at), "deliver": deliver}
    if active is None and now is not None:
        facts = common | dict(now.figures) | {"alert_ref": new_id("alert", at)}
        return Draft(id=new_id("ent", at), kind="alert.raised", workflow=now.workflow, facts=facts)
    if active is None:
        return None
    facts = common | {"alert_ref": active["alert"]}
    if now is None:
        return Draft(id=new_id("ent", at), kind="alert.resolved", workflow=active["workflow"], facts=facts)
    if active["said_at"] < format_time(at - REMIND):
        return Draft(
            id=new_id("ent", at), kind="alert.reminded", workflow=now.workflow, facts=facts | dict(now.figures)
        )
    return None
