"""Intervals of quantiles by order statistics: which ranks of the sorted values hold the true quantile, whatever its distribution.

Nothing is supposed of the values but that they are independent; where they come in blocks, they are judged as the fewer
independent values that they are worth (Woodruff 1952; Korn and Graubard 1998).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from scipy.special import bdtr

from checks.intervals.scale import CONFIDENCE


class Ranks(NamedTuple):
    """Ranks of sorted values, from 1 for the smallest.

    Attributes
    ----------
    value : int
        Of the estimate: the smallest value with at least the wanted share of all at or below it.
    low, high : int
        Of the interval's ends.
    """

    value: int
    low: int
    high: int


def ranks(n: int, share: float, confidence: float = CONFIDENCE, worth: float | None = None) -> Ranks | None:
    """Return the ranks that estimate a quantile and enclose it, or None where so few values cannot enclose it.

    Parameters
    ----------
    n : int
        Values.
    share : float
        Of the values that lie below the quantile, in (0, 1).
    confidence : float
        In (0, 1). Each end misses the quantile with a probability of at most half of what is left.
    worth : float, optional
        How many independent values the n are worth, at most n; by default n.

    Raises
    ------
    ValueError
        If `share` does not lie in (0, 1) or n is less than 1.

    Notes
    -----
    The number of values at or below the quantile is binomial with `share`, so the interval of two order statistics holds it with
    a probability that the binomial distribution gives exactly (David and Nagaraja 2003, Order statistics, 7.1). With `worth` the
    ranks are found for that number and stretched to n, outward.

    Examples
    --------
    The median of ten values lies between the second and the ninth, with 97.9 %; of five values nothing can be said at 95 %.

    >>> ranks(10, 0.5)
    Ranks(value=5, low=2, high=9)
    >>> ranks(5, 0.5) is None
    True
    """
    if not 0 < share < 1 or n < 1:
        raise ValueError(f"there is no quantile {share} of {n} values")
    m = n if worth is None else max(0, min(n, math.floor(worth)))
    tail = (1 - confidence) / 2
    if m < 1 or (1 - share) ** m > tail or share**m > tail:
        return None
    low = _smallest(m, lambda k: bdtr(k, m, share) > tail)
    high = _smallest(m, lambda k: bdtr(k, m, share) >= 1 - tail) + 1
    first, last = math.floor((low - 1) * n / m) + 1, math.ceil(high * n / m)
    value = max(1, math.ceil(round(share * n, 9)))
    return Ranks(value, min(first, value), max(last, value))


def fewest(share: float, confidence: float = CONFIDENCE) -> int:
    """Return the fewest independent values that can enclose a quantile.

    Examples
    --------
    >>> fewest(0.5), fewest(0.95), fewest(0.99)
    (6, 72, 368)
    """
    return math.ceil(math.log((1 - confidence) / 2) / math.log(max(share, 1 - share)) - 1e-12)


def _smallest(m: int, holds: Callable[[int], bool]) -> int:
    """Return the smallest number of values up to m for which something holds that goes on holding."""
    low, high = -1, m
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
