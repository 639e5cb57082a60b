"""What the first page tells a person who is signed in: latest calls, refusals, stops in force, spend of today."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from gateway.console.listing import list_calls
from gateway.console.lists import list_stops, page_of, stop_said
from gateway.economics.costs import CostRow, whole
from gateway.economics.reading import period_of, sums_of
from gateway.oversight.acts import time_zone
from gateway.store.installation import Installation
from ledger.entry import format_time
from reports.times import clock, day_in
from reports.why.words import shorten

LATEST, REFUSALS, STOPS = 8, 5, 100
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
        calls=list_calls(installation, {}, scope, None, look=LOOK, limit=LATEST).rows,
        refusals=list_calls(installation, {"result": "refused"}, scope, None, look=LOOK, limit=REFUSALS).rows,
        stops=tuple(_stops(installation, scope, zone)),
        today=whole(sums_of(installation.reader, period, scope)),
        day=str(period.start),
    )


def _stops(installation: Installation, scope: Collection[str] | None, zone: str) -> Iterator[dict[str, Any]]:
    """Yield the stops in force in words, the latest first."""
    for row in page_of(list_stops(installation, scope), STOPS, None).rows:
        yield {
            "what": stop_said(row), "who": row["stopped_by"], "at": row["stopped_at"],
            "shown": clock(row["stopped_at"], zone), "seq": row["entry"],
            "reason": f"\u201c{shorten(row['reason'])}\u201d" if row["reason"] else "the reason is not readable",
        }  # fmt: skip
