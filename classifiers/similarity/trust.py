"""When a cache may serve: as long as hits that were verified show that few of them are wrong.

A share of the hits is verified in the shadow: the model is called all the same and its answer compared. Standard
library only. Source: C. J. Clopper and E. S. Pearson, Biometrika 26 (1934) 404.
"""

from math import exp, lgamma, log, log1p

CONFIDENCE = 0.95
LIMIT = 0.02
"""Share of wrong answers among the hits that is accepted: with none wrong, 149 verified hits show it."""
_HALVINGS = 50


def upper_limit(n: int, k: int, confidence: float = CONFIDENCE) -> float:
    """Return the one-sided upper limit of Clopper and Pearson for a share, between 0 and 1.

    Whatever the true share is, the limit is below it in at most 1 - `confidence` of all samples.

    Args:
        n: hits that were verified. With none the limit is 1.
        k: of them, wrong.
        confidence: strictly between 0 and 1.

    Raises:
        ValueError: the counts are no counts, or the confidence is none.
    """
    if not 0 <= k <= n or not 0 < confidence < 1:
        raise ValueError("k of n needs 0 <= k <= n, and a confidence strictly between 0 and 1")
    if k == n:
        return 1.0
    low, high = k / n, 1.0
    for _ in range(_HALVINGS):  # at most k of n are likely below the limit, and become unlikely above it
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(k, n, middle) > 1 - confidence else (low, middle)
    return high


def may_serve(n: int, k: int, limit: float = LIMIT, confidence: float = CONFIDENCE) -> bool:
    """Say whether `k` wrong of `n` verified hits show that at most a share of `limit` of the hits is wrong.

    The statement holds for one look at the counts. Whoever looks after every hit and switches back and forth should
    look at counts of fixed size, or ask for a higher confidence.

    Raises:
        ValueError: as `upper_limit`.
    """
    return upper_limit(n, k, confidence) <= limit


def _at_most(k: int, n: int, share: float) -> float:
    """Return the probability of at most k of n, each with a probability of `share`, strictly between 0 and 1."""
    yes, no, all_ways = log(share), log1p(-share), lgamma(n + 1)
    return sum(
        exp(all_ways - lgamma(wrong + 1) - lgamma(n - wrong + 1) + wrong * yes + (n - wrong) * no)
        for wrong in range(k + 1)
    )
