"""A cache may serve while few verified hits were wrong, and the limit is that of Clopper and Pearson."""

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers.similarity.trust import may_serve, upper_limit

COUNTS = st.integers(1, 400).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))


def at_most(k: int, n: int, share: Fraction) -> Fraction:
    """Sum the binomial distribution exactly."""
    return sum((comb(n, one) * share**one * (1 - share) ** (n - one) for one in range(k + 1)), Fraction(0))


@pytest.mark.parametrize(
    ("n", "k", "limit"),
    [  # scipy.stats.beta.ppf(0.95, k + 1, n - k) of SciPy 1.17, read on 2026-11-28
        (149, 0, 0.019904816220685),
        (148, 0, 0.020037951689104),
        (299, 0, 0.009969146792899),
        (100, 3, 0.075710793749830),
        (5000, 77, 0.018584577101438),
        (100000, 2500, 0.025827342851889),
        (1, 0, 0.95),
        (0, 0, 1.0),
        (3, 3, 1.0),
    ],
)
def test_the_limit_is_the_one_that_scipy_gives(n: int, k: int, limit: float) -> None:
    assert upper_limit(n, k) == pytest.approx(limit, rel=1e-9)


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n - 1))))
def test_at_the_limit_so_few_wrong_ones_are_as_unlikely_as_was_asked(counts: tuple[int, int]) -> None:
    n, k = counts
    assert float(at_most(k, n, Fraction(upper_limit(n, k)))) == pytest.approx(0.05, rel=1e-7)


@given(COUNTS)
def test_a_wrong_hit_raises_the_limit_and_a_right_one_lowers_it(counts: tuple[int, int]) -> None:
    n, k = counts
    assert k / n <= upper_limit(n, k) <= 1
    assert upper_limit(n + 1, k + 1) > upper_limit(n + 1, k)
    assert upper_limit(n + 1, k) <= upper_limit(n, k)


def test_none_wrong_of_149_is_what_two_percent_take() -> None:
    assert not may_serve(0, 0)
    assert not may_serve(148, 0)
    assert may_serve(149, 0)
    assert not may_serve(149, 1)
    assert may_serve(299, 0, limit=0.01)
    assert not may_serve(298, 0, limit=0.01)
    assert not may_serve(149, 0, confidence=0.99)


@pytest.mark.parametrize(
    ("n", "k", "confidence"), [(3, 4, 0.95), (3, -1, 0.95), (-1, 0, 0.95), (3, 0, 1.0), (3, 0, 0.0)]
)
def test_counts_that_are_none_are_errors(n: int, k: int, confidence: float) -> None:
    with pytest.raises(ValueError, match="0 <= k <= n"):
        upper_limit(n, k, confidence)
