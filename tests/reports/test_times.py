"""Times as people read them, against the standard library's own formatting."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from ledger.entry import format_time
from reports.times import clock, day_in, instant

ZONES = ("Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Pacific/Apia")
MOMENTS = st.integers(0, 2**31).map(lambda seconds: datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=7))


@given(MOMENTS, st.sampled_from(ZONES))
def test_a_time_in_a_zone_names_the_same_instant(moment: datetime, zone: str) -> None:
    at = format_time(moment)
    local = moment.astimezone(ZoneInfo(zone))
    assert datetime.fromisoformat(instant(at, zone).replace(" ", "T", 1).replace(" ", "")) == moment
    assert clock(at, zone) == local.replace(microsecond=0).isoformat(" ")[:19] + f" {local.isoformat()[-6:]}"
    assert day_in(at, zone) == local.date().isoformat()


def test_utc_is_named_and_the_hour_that_comes_twice_is_told_apart() -> None:
    assert clock("2026-11-23T09:00:00.000000Z") == "2026-11-23 09:00:00 UTC"
    assert instant("2026-11-23T09:00:00.120000Z") == "2026-11-23 09:00:00.12 UTC"
    twice = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    first, second = (clock(format_time(twice + timedelta(hours=hour)), "Europe/Berlin") for hour in (0, 1))
    assert (first, second) == ("2026-10-25 02:30:00 +02:00", "2026-10-25 02:30:00 +01:00")
