"""Intervals of the widest gap among many groups, which is a maximum and therefore biased upward."""

from __future__ import annotations

from collections.abc import Sequence

from checks.intervals.proportions import mid_p, wilson
from checks.intervals.scale import CONFIDENCE, Interval, normal_quantile


def sidak(confidence: float, comparisons: int) -> float:
    """Return the confidence of each of many intervals that makes all of them hold together with `confidence`.

    Parameters
    ----------
    confidence : float
        In (0, 1).
    comparisons : int
        At least 1.

    Notes
    -----
    Sidak 1967, Rectangular confidence regions for the means of multivariate normal distributions: exact for independent
    normal estimates, on the safe side for dependent ones, such as differences that share a group.

    Examples
    --------
    >>> round(sidak(0.95, 1), 4), round(sidak(0.95, 10), 4)
    (0.95, 0.9949)
    """
    if comparisons < 1:
        raise ValueError(f"there cannot be {comparisons} comparisons")
    return float(confidence ** (1 / comparisons))


def widest_gap(families: Sequence[Sequence[tuple[float, float]]], confidence: float = CONFIDENCE) -> Interval:
    """Return the interval of the widest difference of two proportions of one family, over all families.

    Parameters
    ----------
    families : sequence of sequence of (float, float)
        For each rate (one family for selection rates, two for true and false positive rates) the successes and cases of
        every group; at least two groups in each, cases > 0.
    confidence : float
        In (0, 1).

    Returns
    -------
    Interval
        Within [0, 1]; holds the widest observed gap. `se` is half the width over the normal quantile.

    Notes
    -----
    Half of the error is spent on each end.

    The lower end is the largest of the lower limits of all pairs, taken so wide that all of them hold at once (`sidak` over
    the pairs of all families): a gap that chance alone makes between many small groups does not lift it off 0. The upper
    end is the largest of the upper limits of all pairs at the plain level: whichever pair truly lies furthest apart, its own
    limit holds with that level, and the largest limit is no smaller.

    The limits of a pair are Newcombe's (`newcombe`) of Wilson limits for the upper end and, so far out in the tail, of
    mid-P ones (`mid_p`) for the lower: with Wilson limits, 22 groups of 20 and 500 with a true share of 1 in 100 each would show
    a gap in 9 of 100 draws.

    Examples
    --------
    Of the groups 56/70, 48/80 and 20/30 the first two lie furthest apart.

    >>> low, high, *_ = widest_gap([[(56, 70), (48, 80), (20, 30)]])
    >>> round(low, 3), round(high, 3)
    (0.001, 0.334)
    """
    import numpy as np

    tail = (1 + confidence) / 2
    pairs = sum(len(groups) * (len(groups) - 1) // 2 for groups in families)
    low, high = 0.0, 0.0
    for groups in families:
        rates = np.array([x / n for x, n in groups])
        gaps = rates[:, None] - rates[None, :]
        itself = 2 * np.eye(len(groups))  # no group is paired with itself
        plain = [wilson(x, n, confidence) for x, n in groups]
        below, above = rates - np.array([end.low for end in plain]), np.array([end.high for end in plain]) - rates
        high = max(high, float(np.max(gaps + np.hypot(above[:, None], below[None, :]) - itself)))
        wide = [mid_p(x, n, sidak(tail, pairs)) for x, n in groups]
        below, above = rates - np.array([end.low for end in wide]), np.array([end.high for end in wide]) - rates
        low = max(low, float(np.max(gaps - np.hypot(below[:, None], above[None, :]) - itself)))
    high = min(1.0, high)
    return Interval(low, high, (high - low) / (2 * normal_quantile(confidence)), "linear", "simultaneous Newcombe-Sidak")
