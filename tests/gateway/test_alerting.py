"""CUSUM as simulated: a rise is found, quiet months are quiet; and a day's sums raise, remind and resolve."""

import random
import statistics

import pytest

from gateway.configuration.load import ConfigurationError, load
from gateway.evaluation import cusum

A_DAY, THRESHOLD = 50, 100_000


def run(draw: random.Random, rates: list[float]) -> int | None:
    """Return after how many scored answers a series alarms; None where it does not."""
    row = cusum.fresh()
    for number, rate in enumerate(rates, start=1):
        row = cusum.seen(row, "c", bad=draw.random() < rate, threshold_ppm=THRESHOLD)
        if row["sum"] >= cusum.LIMIT:
            return number
    return None


def test_at_most_one_in_a_hundred_quiet_runs_of_ninety_days_alarms() -> None:
    draw, runs = random.Random(3), 1000
    alarmed = sum(run(draw, [0.05] * (90 * A_DAY)) is not None for _ in range(runs))
    assert alarmed <= 0.02 * runs  # 1 % and what chance does to a thousand runs


def test_a_shift_from_five_to_twelve_percent_is_found_after_a_median_of_at_most_two_hundred_and_ten() -> None:
    draw = random.Random(4)
    found = []
    for _ in range(400):
        number = run(draw, [0.05] * 500 + [0.12] * 2000)
        if number is not None and number > 500:
            found.append(number - 500)
    assert len(found) > 390
    assert statistics.median(found) <= 210


def test_the_alert_states_what_was_before_and_since_and_ends_when_the_evidence_is_gone() -> None:
    row = cusum.fresh()
    for number in range(100):
        row = cusum.seen(row, f"good{number}", bad=False, threshold_ppm=THRESHOLD)
    assert (row["before"], row["since"], row["sum"]) == ([0, 100], [0, 0], 0)
    bad = 0
    while row["sum"] < cusum.LIMIT:
        row, bad = cusum.seen(row, f"bad{bad}", bad=True, threshold_ppm=THRESHOLD), bad + 1
    assert row["since"] == [bad, bad]
    assert row["worst"] == [f"bad{number}" for number in range(bad - 5, bad)]
    after, row = 0, row | {"sum": cusum.LIMIT // 2}
    while row["sum"]:
        row, after = cusum.seen(row, "good", bad=False, threshold_ppm=THRESHOLD), after + 1
    assert 40 <= after <= 100
    assert (row["before"], row["since"], row["worst"]) == ([bad, 100 + bad + after], [0, 0], [])


@pytest.mark.parametrize(
    "text",
    [
        "incorrect: {mood: 0.1}",
        "incorrect: {answer: 10}",
        "incorrect: {answer: 0}",
        "webhook: {url: 'https://[::1', secret: 'env:X'}",
        "errors: 0",
        "cap_share: 1.5",
        "webhook: {url: 'ftp://x', secret: 'env:X'}",
    ],
)
def test_a_threshold_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        load(f"alerts: {{{text}}}\n")


def test_the_sum_never_grows_beyond_its_limit_so_that_an_alarm_can_end() -> None:
    row = cusum.fresh()
    for _ in range(1000):
        row = cusum.seen(row, "c", bad=True, threshold_ppm=THRESHOLD)
    assert row["sum"] == cusum.LIMIT
