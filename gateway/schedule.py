"""Packs on a schedule: of the month, quarter or year that ended last, in the organisation's time zone."""

import time
from datetime import date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import structlog

from gateway.configuration.model import Configuration
from gateway.console.packs import Packs
from gateway.days import midnight
from gateway.packing import PackRequest
from gateway.state.rows import scheduled_row
from gateway.store.installation import Installation
from ledger.entry import format_time

log = structlog.get_logger()
Every = Literal["month", "quarter", "year"]
MONTHS: dict[Every, int] = {"month": 1, "quarter": 3, "year": 12}
RETRY_SECONDS = 3600.0


def last_period(every: Every, today: date) -> tuple[date, date]:
    """Return the first day of the period that ended last, and the first day after it."""
    months = MONTHS[every]
    first = date(today.year, (today.month - 1) // months * months + 1, 1)
    before = first - timedelta(days=1)
    return date(before.year, (before.month - 1) // months * months + 1, 1), first


def due(configuration: Configuration, now: datetime) -> list[PackRequest]:
    """Return what the schedule asks for at an instant: one request for each line of `packs`."""
    zone = configuration.organisation.time_zone
    today = now.astimezone(ZoneInfo(zone)).date()
    periods = [(one, *last_period(one.every, today)) for one in configuration.packs]
    return [
        PackRequest(
            start=format_time(midnight(start, zone)), end=format_time(midnight(end, zone)), workflow=one.workflow,
            brief=one.brief, scheduled=one.every,
        )
        for one, start, end in periods
    ]  # fmt: skip


class Schedule:
    """Makes what is due and not on record yet. One that failed is tried again after an hour."""

    def __init__(self, installation: Installation, packs: Packs) -> None:
        self._installation, self._packs = installation, packs
        self._failed: dict[str, float] = {}

    def look(self, configuration: Configuration) -> None:
        """Make what is due, if it is this process that signs: so only one of many does."""
        if not configuration.packs or not self._installation.checkpointer.has_turn():
            return
        for request in due(configuration, self._installation.clock()):
            if self._is_open(request):
                self._make(request)

    def _is_open(self, request: PackRequest) -> bool:
        reader, row = self._installation.reader, _row(request)
        if reader.state(row) or self._failed.get(row, 0.0) > time.monotonic():
            return False
        return reader.head().size > 0 and reader.entry(0).at < request.end  # the log had begun by then

    def _make(self, request: PackRequest) -> None:
        job = self._packs.make_now(self._installation, request)
        if job.failed and not self._installation.reader.state(_row(request)):  # else another process was first
            self._failed[_row(request)] = time.monotonic() + RETRY_SECONDS
            log.error("a pack of the schedule could not be made; tried again in an hour", reason=job.said)


def _row(request: PackRequest) -> str:
    return scheduled_row(str(request.scheduled), request.workflow, request.start, brief=request.brief)
