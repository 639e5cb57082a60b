"""Statistics of the scorecard: intervals that stay honest with few cases. Pure; standard library only.

Sources: E. B. Wilson, JASA 22 (1927) 209; B. Efron, Annals of Statistics 7 (1979) 1, percentile bootstrap;
W. G. Cochran, Sampling Techniques (3rd ed., 1977), chapter 6, variance of a ratio.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, inf, sqrt

Z = 1.959963984540054
"""Of a two-sided interval of 95 %."""
FEWEST_SUCCESSES = 5
RESAMPLES = 2000
MOST_RESAMPLED = 500
"""Cases up to which the ratio is resampled; of more, its variance is linearised, which then says the same."""
FEWEST_FOR_PERCENT = 30


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % interval, or why there is none. `high` is infinite where no upper end can be given."""

    low: float | None
    high: float | None
    how: str

    @property
    def is_open(self) -> bool:
        return self.high == inf


def wilson(count: int, of: int) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion.

    Raises:
        ValueError: the count is not between 0 and `of`, or there is no case.
    """
    if not 0 <= count <= of or of == 0:
        raise ValueError("a proportion needs at least one case, and a count among them")
    share, square = count / of, Z * Z
    middle = (share + square / (2 * of)) / (1 + square / of)
    half = Z * sqrt(share * (1 - share) / of + square / (4 * of * of)) / (1 + square / of)
    return (0.0 if count == 0 else middle - half), (1.0 if count == of else middle + half)


def difference_is_clear(count: int, of: int, before: int, of_before: int) -> bool | None:
    """Tell whether two proportions differ: the interval of their difference excludes 0. None with too few cases.

    Newcombe's interval from two Wilson intervals (Statistics in Medicine 17 (1998) 873, method 10).
    """
    if of < FEWEST_FOR_PERCENT or of_before < FEWEST_FOR_PERCENT:
        return None
    share, other = count / of, before / of_before
    (low, high), (other_low, other_high) = wilson(count, of), wilson(before, of_before)
    down = share - other - sqrt((share - low) ** 2 + (other_high - other) ** 2)
    up = share - other + sqrt((high - share) ** 2 + (other - other_low) ** 2)
    return down > 0 or up < 0


def median(values: Sequence[int]) -> float | None:
    """Return the median: of an even number the mean of the two in the middle. None without values."""
    if not values:
        return None
    ordered, half = sorted(values), len(values) // 2
    return float(ordered[half]) if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def percentile(values: Sequence[int], share: float) -> int | None:
    """Return a percentile by nearest rank: the smallest value that at least `share` of them do not exceed."""
    return sorted(values)[max(0, ceil(share * len(values)) - 1)] if values else None


def ratio_interval(costs: Sequence[int], successes: Sequence[bool], seed: str) -> Interval:
    """Return the interval of cost per success over independent tasks.

    Args:
        costs: of each task, in any unit.
        successes: whether it succeeded.
        seed: draws the resamples, so that whoever recomputes them gets the same.
    """
    reached = sum(successes)
    if reached < FEWEST_SUCCESSES:
        return Interval(None, None, f"no interval: {reached} success(es), at least {FEWEST_SUCCESSES} are needed")
    if len(costs) > MOST_RESAMPLED:
        return _linearised(costs, successes)
    return _resampled(list(zip(costs, map(int, successes), strict=True)), seed)


def _resampled(tasks: Sequence[tuple[int, int]], seed: str) -> Interval:
    draw = random.Random(seed)  # noqa: S311 - resampling, not a secret
    ratios = []
    for _ in range(RESAMPLES):
        drawn = draw.choices(tasks, k=len(tasks))
        reached = sum([one for _, one in drawn])
        ratios.append(sum([cost for cost, _ in drawn]) / reached if reached else inf)
    ratios.sort()
    low, high = ratios[int(0.025 * RESAMPLES)], ratios[int(0.975 * RESAMPLES) - 1]
    how = f"bootstrap over {len(tasks)} tasks, {RESAMPLES} resamples"
    return Interval(low, high, how + ("; too few successes for an upper end" if high == inf else ""))


def _linearised(costs: Sequence[int], successes: Sequence[bool]) -> Interval:
    number, reached = len(costs), sum(successes)
    ratio = sum(costs) / reached
    residuals = sum((cost - ratio * success) ** 2 for cost, success in zip(costs, successes, strict=True))
    error = Z * sqrt(residuals * number / (number - 1)) / reached
    return Interval(max(0.0, ratio - error), ratio + error, f"linearised variance of a ratio over {number} tasks")
