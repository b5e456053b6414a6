"""The interval of a difference of two proportions of the same rows."""

from __future__ import annotations

import math

from checks.intervals.proportions import wilson
from checks.intervals.scale import CONFIDENCE, Interval, normal_quantile


def newcombe_paired(both: int, first: int, second: int, neither: int, confidence: float = CONFIDENCE) -> Interval:
    """Return the interval of a difference of two proportions of the same rows, ``(first - second) / n``.

    Two ways of deciding the same cases are right on mostly the same ones. Taken as independent, the interval of the difference
    would be far too wide.

    Parameters
    ----------
    both, first, second, neither : int
        Rows that count in both proportions, in the first only, in the second only, in none; at least one row in all.
    confidence : float
        In (0, 1).

    Returns
    -------
    Interval
        Within [-1, 1]; holds the difference. Where the two agree on every row it says what so many rows can tell, and is not a
        point.

    Raises
    ------
    ValueError
        If a count is negative or there is no row.

    Notes
    -----
    Method 10 of Newcombe 1998, Improved confidence intervals for the difference between binomial proportions based on paired
    data, Statistics in Medicine 17, 2635-2650: the distances of the two Wilson intervals' ends are added as squares, less what
    their correlation takes away; the correlation is corrected for continuity.

    Examples
    --------
    Fagerland, Lydersen and Laake 2014 print -0.507 to -0.026 for airways before and after a transplantation.

    >>> low, high, *_ = newcombe_paired(1, 1, 7, 12)
    >>> round(low, 3), round(high, 3)
    (-0.507, -0.026)
    """
    n = both + first + second + neither
    if min(both, first, second, neither) < 0 or n == 0:
        raise ValueError(f"{both}, {first}, {second} and {neither} are not counts of pairs")
    here, there = wilson(both + first, n, confidence), wilson(both + second, n, confidence)
    p, q = (both + first) / n, (both + second) / n
    phi = _correlation(both, first, second, neither)
    down, up = (p - here.low, there.high - q), (here.high - p, q - there.low)
    low = max(-1.0, p - q - _added(down, phi))
    high = min(1.0, p - q + _added(up, phi))
    return Interval(low, high, (high - low) / (2 * normal_quantile(confidence)), "linear", "Newcombe paired")


def _correlation(both: int, first: int, second: int, neither: int) -> float:
    n = both + first + second + neither
    product = (both + first) * (second + neither) * (both + second) * (first + neither)
    if product == 0:
        return 0.0
    above = both * neither - first * second
    return (max(above - n / 2, 0.0) if above > 0 else above) / math.sqrt(product)


def _added(ends: tuple[float, float], phi: float) -> float:
    one, other = ends
    return math.sqrt(max(0.0, one * one - 2 * phi * one * other + other * other))
