"""Reading what a period did cost and came to, from the rows that entries keep; nothing here scans the log."""

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from gateway.configuration.model import Configuration
from gateway.configuration.outcomes import OutcomeType
from gateway.days import midnight
from gateway.economics.attempts import Attempt, OutcomeCosts, attempts_of, outcome_costs, tasks_of
from gateway.economics.costs import QuestionInvalid
from gateway.oversight.looking import within
from gateway.pricing.money import nano_eur
from gateway.state.outcomes import done_row
from gateway.state.rollup import PREFIX, slice_of
from ledger.entry import format_time
from ledger.store.reader import Reader

AT_ONCE = 1000
"""Outcomes whose rows are held at once."""
FIRST_YEAR, LAST_YEAR = 2000, 2999


class Period:
    """Days of the organisation: `start` included, `end` not."""

    def __init__(self, start: date, end: date, zone: str) -> None:
        if start >= end:
            raise QuestionInvalid("the period ends before it begins; --to is the first day after it")
        self.start, self.end, self.zone = start, end, zone

    @property
    def ended_at(self) -> str:
        """The instant at which it is over, RFC 3339."""
        return format_time(midnight(self.end, self.zone))

    @property
    def before(self) -> "Period":
        """The period of the same length just before; before a calendar month, the month before."""
        if self.start.day == 1 and self.end.day == 1:
            months = (self.end.year - self.start.year) * 12 + self.end.month - self.start.month
            index = self.start.year * 12 + self.start.month - 1 - months
            return Period(date(index // 12, index % 12 + 1, 1), self.start, self.zone)
        return Period(self.start - (self.end - self.start), self.start, self.zone)

    def __str__(self) -> str:
        return f"{self.start} to {self.end - timedelta(days=1)}"


def period_of(start: str | None, end: str | None, zone: str, now: datetime) -> Period:
    """Return a period as it was asked for; without days the calendar month that runs.

    Raises:
        QuestionInvalid: no days, or none between them.
    """
    today = now.astimezone(ZoneInfo(zone)).date()
    try:
        first = date.fromisoformat(start) if start else today.replace(day=1)
        last = date.fromisoformat(end) if end else today + timedelta(days=1)
    except ValueError:
        raise QuestionInvalid("a day is written like 2026-11-01") from None
    if first.year < FIRST_YEAR or last.year > LAST_YEAR:
        raise QuestionInvalid(f"a period lies between the years {FIRST_YEAR} and {LAST_YEAR}")
    return Period(first, last, zone)


def sums_of(reader: Reader, period: Period, scope: Collection[str] | None = None) -> dict[str, Mapping[str, Any]]:
    """Return the rows of sums of a period, of the workflows of a scope."""
    rows = reader.states_between(f"{PREFIX}{period.start}", f"{PREFIX}{period.end}")
    return rows if scope is None else {row: sums for row, sums in rows.items() if within(slice_of(row).workflow, scope)}


def outcomes_of(reader: Reader, type_: str, definition: OutcomeType, period: Period) -> OutcomeCosts:
    """Return what the outcomes of a type cost in a period."""
    rows = reader.each_state_between(done_row(type_, str(period.start)), done_row(type_, str(period.end)))
    attempts, outside = list[Attempt](), 0
    while done := dict(islice(rows, AT_ONCE)):
        tasks = reader.states_of(tasks_of(done, definition))
        found, left_out = attempts_of(done, tasks, definition)
        attempts += found
        outside += left_out
    target = None if definition.target is None else nano_eur(definition.target)
    return outcome_costs(type_, attempts, outside, end=period.ended_at, target=target)


def every_outcome(
    reader: Reader, configuration: Configuration, period: Period, scope: Collection[str] | None,
    workflow: str | None = None,
) -> dict[str, OutcomeCosts]:  # fmt: skip
    """Return what the outcomes of a period cost, by type.

    Args:
        scope: what may be looked at; a type with a workflow outside is left out, for its cost would tell of that one.
        workflow: only the types that this one has a part in.
    """
    return {
        type_: outcomes_of(reader, type_, definition, period)
        for type_, definition in configuration.outcomes.items()
        if all(within(one, scope) for one in definition.workflows)
        and (workflow is None or workflow in definition.workflows)
    }


def age_of_prices(configuration: Configuration, now: datetime) -> str:
    """Say how old rate and prices are that amounts rest on."""
    days = (now.astimezone(UTC).date() - date.fromisoformat(configuration.fx.date)).days
    return (
        f"Amounts by the price row and rate of each call. Rate in force: {configuration.fx.usd_per_eur} USD per EUR of "
        f"{configuration.fx.date} ({days} days old), {configuration.fx.source}."
    )
