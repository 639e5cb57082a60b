"""Shares with their uncertainty: the exact interval of Clopper and Pearson (1934)."""

from math import exp, lgamma, log

from reports.statistics import FEWEST_FOR_PERCENT

LEVEL = 0.95


def interval(successes: int, trials: int) -> str:
    """Return the interval as ` (95 %, Clopper-Pearson: 55.5 to 99.7 %)`, with the share where there are enough."""
    low, high = clopper_pearson(successes, trials)
    share = f"{successes / trials * 100:.1f} %; " if trials >= FEWEST_FOR_PERCENT else ""
    return f" ({share}95 %, Clopper-Pearson: {low * 100:.1f} to {high * 100:.1f} %)"


def clopper_pearson(successes: int, trials: int) -> tuple[float, float]:
    """Return the exact interval of a share at the level of 95 %."""
    tail = (1 - LEVEL) / 2
    low = 0.0 if successes == 0 else _quantile(tail, successes, trials - successes + 1)
    high = 1.0 if successes == trials else _quantile(1 - tail, successes + 1, trials - successes)
    return low, high


def _quantile(probability: float, a: float, b: float) -> float:
    """Return the quantile of a beta distribution, by halving."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _beta(middle, a, b) < probability else (low, middle)
    return (low + high) / 2


def _beta(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function."""
    if not 0 < x < 1:
        return float(x >= 1)
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(1 - x))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(x, a, b) / a
    return 1 - front * _fraction(1 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    """Return its continued fraction by the modified method of Lentz."""
    c, d = 1.0, 1 / _not_zero(1 - (a + b) * x / (a + 1))
    found = d
    for m in range(1, 5000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _not_zero(1 + term * d)
            c = _not_zero(1 + term / c)
            found *= c * d
        if abs(c * d - 1) < 1e-13:
            break
    return found


def _not_zero(value: float) -> float:
    return value if abs(value) > 1e-300 else 1e-300
