"""Days of the organisation's time zone, and instants as people write them."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from ledger.entry import format_time


@lru_cache(maxsize=1024)
def day_in_zone(zone: str, at: datetime) -> str:
    """Return the date on the wall in a time zone."""
    return at.astimezone(ZoneInfo(zone)).date().isoformat()


def midnight(day: date, zone: str) -> datetime:
    """Return the instant, in UTC, at which a day begins in an IANA time zone."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def end_of(day: date, zone: str) -> datetime:
    """Return the instant, in UTC, at which a day is over."""
    return midnight(day + timedelta(days=1), zone)


def instant(text: str, zone: str) -> str:
    """Return an instant as entries write it: a day like 2026-11-01 begins in `zone`; without an offset a time is of it.

    Raises:
        ValueError: the text is neither a day nor an instant of RFC 3339, or it is outside the calendar.
    """
    try:
        found = datetime.fromisoformat(text)
        return format_time(found.replace(tzinfo=found.tzinfo or ZoneInfo(zone)).astimezone(UTC))
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text!r} is neither a day like 2026-11-01 nor an instant like 2026-11-01T09:00:00Z"
        ) from None
