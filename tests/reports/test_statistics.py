"""Statistics against right values that are published, and against SciPy-free recomputation and simulation."""

import random
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.statistics import (
    MOST_RESAMPLED,
    Z,
    _linearised,
    _resampled,
    agreement,
    corrected_share,
    difference_is_clear,
    median,
    percentile,
    ratio_interval,
    wilson,
)


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [
        (0, 29, 0, 0.1170),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 0.8830, 1),
        (7, 10, 0.3968, 0.8922),
        (184, 200, 0.8740, 0.9502),
    ],
)
def test_wilson_has_its_published_values(count: int, of: int, low: float, high: float) -> None:
    assert wilson(count, of) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


@given(st.integers(1, 400).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_the_ends_of_wilson_are_where_the_score_test_turns(case: tuple[int, int]) -> None:
    count, of = case
    for end in wilson(count, of):
        assert 0 <= end <= 1
        if 0 < end < 1:
            assert (count / of - end) ** 2 == pytest.approx(Z * Z * end * (1 - end) / of, rel=1e-6)
    assert wilson(count, of)[0] <= count / of <= wilson(count, of)[1]


@pytest.mark.parametrize(("count", "of"), [(-1, 5), (6, 5), (0, 0)])
def test_no_interval_of_nothing(count: int, of: int) -> None:
    with pytest.raises(ValueError, match="a proportion needs"):
        wilson(count, of)


def test_few_successes_have_no_interval_and_it_says_why() -> None:
    assert (
        ratio_interval([5] * 100, [True] * 3 + [False] * 97, "s").how
        == "no interval: 3 success(es), at least 5 are needed"
    )
    assert ratio_interval([], [], "s").low is None


def test_an_upper_end_that_does_not_exist_is_open() -> None:
    """Three successes in a hundred: 4.8 % of resamples have none, more than the 2.5 % above an upper end."""
    found = _resampled([(10, 1)] * 3 + [(10, 0)] * 97, "s")
    assert (found.high, found.is_open) == (inf, True)
    assert found.how.endswith("too few successes for an upper end")
    assert not ratio_interval([10] * 100, [True] * 5 + [False] * 95, "s").is_open


def test_tasks_that_all_cost_the_same_and_succeed_leave_no_room() -> None:
    found = ratio_interval([10] * 5, [True] * 5, "s")
    assert (found.low, found.high) == (10, 10)


@given(st.lists(st.tuples(st.integers(0, 10**9), st.booleans()), min_size=5, max_size=60))
def test_the_interval_is_the_same_for_the_same_seed_and_holds_only_possible_ratios(
    tasks: list[tuple[int, bool]],
) -> None:
    costs, reached = [cost for cost, _ in tasks], [one for _, one in tasks]
    found = ratio_interval(costs, reached, "seed")
    assert found == ratio_interval(costs, reached, "seed")
    if sum(reached) < 5:
        assert found.low is None
        return
    assert found.low is not None
    assert found.high is not None
    assert min(costs) <= found.low <= found.high


def test_resampling_and_linearising_agree_where_one_takes_over_from_the_other() -> None:
    draw = random.Random(7)
    costs = [int(draw.lognormvariate(0, 1) * 10**6) for _ in range(MOST_RESAMPLED)]
    reached = [draw.random() < 0.8 for _ in costs]
    resampled, linear = ratio_interval(costs, reached, "s"), _linearised(costs, reached)
    assert resampled.low is not None
    assert resampled.high is not None
    assert linear.low == pytest.approx(resampled.low, rel=0.05)
    assert linear.high == pytest.approx(resampled.high, rel=0.05)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    draw, covered, runs = random.Random(11), 0, 200
    for run in range(runs):
        costs = [int(draw.expovariate(1) * 10**6) for _ in range(150)]
        reached = [draw.random() < 0.7 for _ in costs]
        found = ratio_interval(costs, reached, str(run))
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 10**6 / 0.7 <= found.high
    assert covered >= 0.9 * runs


def test_percentiles_are_by_nearest_rank() -> None:
    assert percentile(list(range(1, 101)), 0.95) == 95
    assert percentile([3], 0.95) == 3
    assert percentile([], 0.95) is None
    assert (median([1, 2, 3, 10]), median([5]), median([])) == (2.5, 5.0, None)


def test_a_difference_is_clear_only_when_its_interval_leaves_out_nothing() -> None:
    assert difference_is_clear(12, 100, 5, 100) is False
    assert difference_is_clear(120, 1000, 50, 1000) is True
    assert difference_is_clear(5, 20, 1, 1000) is None


ORDER = ("correct", "partial", "incorrect")


def test_kappa_of_two_constant_equal_raters_is_undefined() -> None:
    found = agreement({("correct", "correct"): 40}, ORDER)
    assert (found.same, found.of, found.kappa, found.weighted) == (40, 40, None, None)
    assert agreement({}, ORDER).kappa is None


def test_kappa_has_the_value_of_a_textbook_table_and_weights_follow_the_rubric_not_the_alphabet() -> None:
    table = {
        ("correct", "correct"): 20,
        ("correct", "incorrect"): 5,
        ("incorrect", "correct"): 10,
        ("incorrect", "incorrect"): 15,
    }
    assert agreement(table, ("correct", "incorrect")).kappa == pytest.approx(0.4)
    near = {("correct", "correct"): 10, ("correct", "partial"): 5, ("incorrect", "incorrect"): 10}
    far = {("correct", "correct"): 10, ("correct", "incorrect"): 5, ("incorrect", "incorrect"): 10}
    one, other = agreement(near, ORDER), agreement(far, ORDER)
    assert one.weighted is not None
    assert other.weighted is not None
    assert one.weighted > other.weighted
    assert one.weighted != pytest.approx(agreement(near, tuple(sorted(ORDER))).weighted)


def test_kappa_is_that_of_scikit_learn_and_wilson_and_newcombe_those_of_statsmodels() -> None:
    """Values of scikit-learn 1.9 and statsmodels 0.15, typed here."""
    counts = (40, 6, 2, 5, 20, 4, 1, 3, 19)
    pairs = dict(zip(((one, other) for one in ORDER for other in ORDER), counts, strict=True))
    found = agreement(pairs, ORDER)
    assert (found.kappa, found.weighted) == (pytest.approx(0.6706398996), pytest.approx(0.7220291869))
    assert wilson(58, 9204) == (pytest.approx(0.00487820485), pytest.approx(0.00813694744))
    assert wilson(180, 196) == (pytest.approx(0.8715210860), pytest.approx(0.9491294485))
    assert difference_is_clear(56, 70, 48, 80) is True  # 0.0524 to 0.3339
    assert difference_is_clear(12, 100, 5, 100) is False  # -0.0095 to 0.1531


def test_the_corrected_interval_covers_the_truth_with_a_judge_of_known_errors() -> None:
    draw, covered, runs = random.Random(5), 0, 1000
    truth, hit, clear = 0.88, 0.92, 0.80

    def judged(right: bool) -> bool:
        return draw.random() < (hit if right else 1 - clear)

    for _ in range(runs):
        called = sum(judged(draw.random() < truth) for _ in range(300))
        reviewed = [draw.random() < truth for _ in range(120)]
        good = sum(reviewed)
        found = corrected_share(
            called, 300, (sum(judged(True) for _ in range(good)), good),
            (sum(not judged(False) for _ in range(120 - good)), 120 - good),
        )  # fmt: skip
        covered += found is not None and found[1] <= truth <= found[2]
    assert covered >= 0.94 * runs


def test_a_correction_that_cannot_be_made_is_none_and_ends_are_clipped_for_display_only() -> None:
    assert corrected_share(5, 10, (0, 0), (5, 5)) is None
    assert corrected_share(5, 10, (5, 10), (5, 10)) is None
    perfect = corrected_share(10, 10, (50, 50), (40, 50))
    assert perfect is not None
    assert perfect[0] == pytest.approx(1.0)
    under = corrected_share(0, 50, (45, 50), (40, 50))
    assert under is not None
    assert under[0] < 0 <= under[1]
