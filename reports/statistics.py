"""Statistics of the scorecard: intervals that stay honest with few cases. Pure; standard library only.

Sources: E. B. Wilson, JASA 22 (1927) 209; B. Efron, Annals of Statistics 7 (1979) 1, percentile bootstrap;
W. G. Cochran, Sampling Techniques (3rd ed., 1977), chapter 6, variance of a ratio.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, inf, sqrt

Z = 1.959963984540054
"""Of a two-sided interval of 95 %."""
FEWEST_SUCCESSES = 5
RESAMPLES = 2000
MOST_RESAMPLED = 500
"""Cases up to which the ratio is resampled; of more, its variance is linearised, which then says the same."""
FEWEST_FOR_PERCENT = 30
"""Below so many cases a percentage would say more than is known."""


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


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often a judge and people said the same of the same answers. A kappa that is undefined is None."""

    same: int
    of: int
    kappa: float | None
    weighted: float | None
    """With linear weights in the order of the rubric."""


def agreement(pairs: Mapping[tuple[str, str], int], order: Sequence[str]) -> Agreement:
    """Return the agreement over pairs of (judged, said by a person).

    Args:
        order: of the rubric, from one end to the other; a weighted kappa takes distances from it.

    Source: J. Cohen, Psychological Bulletin 70 (1968) 213.
    """
    number = sum(pairs.values())
    same = sum(count for (judged, said), count in pairs.items() if judged == said)
    return Agreement(same, number, _kappa(pairs, order, weighted=False), _kappa(pairs, order, weighted=True))


def _kappa(pairs: Mapping[tuple[str, str], int], order: Sequence[str], *, weighted: bool) -> float | None:
    number = sum(pairs.values())
    if not number:
        return None
    apart = {
        (one, other): abs(at - to) / (len(order) - 1) if weighted else float(at != to)
        for at, one in enumerate(order)
        for to, other in enumerate(order)
    }
    rows = {one: sum(pairs.get((one, other), 0) for other in order) / number for one in order}
    columns = {other: sum(pairs.get((one, other), 0) for one in order) / number for other in order}
    expected = sum(distance * rows[one] * columns[other] for (one, other), distance in apart.items())
    found = sum(distance * pairs.get(place, 0) / number for place, distance in apart.items())
    return None if expected == 0 else 1 - found / expected


def corrected_share(
    count: int, of: int, sensitivity: tuple[int, int], specificity: tuple[int, int]
) -> tuple[float, float, float] | None:
    """Return a share that a judge found, corrected by how it errs, with its 95 % interval; None where it cannot be.

    The estimate is that of Rogan and Gladen (American Journal of Epidemiology 107 (1978) 71); the interval that of
    Lang and Reiczigel (Preventive Veterinary Medicine 113 (2014) 13), which counts the uncertainty of the calibration
    in. Ends are clipped to 0 and 1; an estimate that is averaged must not be.

    Args:
        sensitivity: of the answers that people called correct, how many the judge called so, and how many there are.
        specificity: of those that people did not call correct, how many the judge did not either, and how many.
    """
    if not of or not sensitivity[1] or not specificity[1]:
        return None
    square = Z * Z
    size, share = of + square, (count + square / 2) / (of + square)
    found = [((right + 1) / (number + 2), number + 2) for right, number in (sensitivity, specificity)]
    (hit, hits), (clear, clears) = found
    if hit + clear <= 1:
        return None  # a judge no better than a coin says nothing
    middle = (share + clear - 1) / (hit + clear - 1)
    errors = hit * (1 - hit) / hits, clear * (1 - clear) / clears
    shift = 2 * square * (middle * errors[0] - (1 - middle) * errors[1])
    spread = share * (1 - share) / size + middle**2 * errors[0] + (1 - middle) ** 2 * errors[1]
    half = Z * sqrt(spread) / (hit + clear - 1)
    plain = _rogan_gladen(count / of, sensitivity, specificity)
    ends = (min(1.0, max(0.0, middle + shift + side * half)) for side in (-1, 1))
    low, high = ends
    return plain, low, high


def _rogan_gladen(share: float, sensitivity: tuple[int, int], specificity: tuple[int, int]) -> float:
    hit, clear = (right / number for right, number in (sensitivity, specificity))
    return (share + clear - 1) / (hit + clear - 1) if hit + clear > 1 else share
