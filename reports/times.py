"""Instants of entries (RFC 3339, UTC) as people read them: in a time zone, with the offset beside the time."""

from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

UTC = "UTC"


def clock(at: str, zone: str = UTC) -> str:
    """Write an instant to the second: `2026-11-23 09:00:00 UTC`, or `2026-11-23 10:00:00 +01:00` in another zone."""
    if zone == UTC:
        return f"{at[:10]} {at[11:19]} UTC"
    day, hour, offset = _local(at[:16], zone)
    return f"{day} {hour}:{at[17:19]} {offset}"


def instant(at: str, zone: str = UTC) -> str:
    """As `clock`, with the fraction of the second where there is one."""
    fraction = at[19:].rstrip("Z").rstrip("0").rstrip(".")
    day, hour, offset = clock(at, zone).split(" ")
    return f"{day} {hour}{fraction} {offset}"


def day_in(at: str, zone: str = UTC) -> str:
    """Return the day of an instant in a zone."""
    return at[:10] if zone == UTC else _local(at[:16], zone)[0]


@lru_cache(maxsize=4096)
def _local(minute: str, zone: str) -> tuple[str, str, str]:
    """Return day, hour and minute, and offset; a minute of the log is asked for as often as it has entries."""
    local = datetime.fromisoformat(f"{minute}:00+00:00").astimezone(ZoneInfo(zone))
    sign = local.isoformat()[19:25]
    return local.date().isoformat(), f"{local:%H:%M}", sign
