"""Intervals of the two areas that rank cases by score: under the ROC curve and under the precision-recall curve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from checks.intervals.proportions import wilson
from checks.intervals.scale import CONFIDENCE, Interval, normal_quantile, on_scale


class RankSums(NamedTuple):
    """What the area under the curve and its variance need from scores: sums over the two classes.

    Attributes
    ----------
    positives, negatives : int
        Rows of each class.
    twice_u : int
        Twice the Mann-Whitney statistic: 2 for each pair in which the positive scores higher, 1 for each tie.
    positive_squares, negative_squares : float
        Sum over the positives of the squared share of negatives below them (ties half), and over the negatives of the
        squared share of positives above them.
    """

    positives: int
    negatives: int
    twice_u: int
    positive_squares: float
    negative_squares: float

    @property
    def auc(self) -> float:
        """The area under the ROC curve."""
        return self.twice_u / (2 * self.positives * self.negatives)


def rank_sums(counts: Sequence[tuple[int, int]]) -> RankSums:
    """Return the rank sums of a short list of score values; for long ones the database computes them.

    Parameters
    ----------
    counts : sequence of (int, int)
        For each value of the score, rising: how many positives and how many negatives have it.

    Examples
    --------
    >>> rank_sums([(0, 3), (1, 1), (2, 0)]).auc
    0.9583333333333334
    """
    positives, negatives = sum(p for p, _ in counts), sum(q for _, q in counts)
    if positives == 0 or negatives == 0:
        raise ValueError("ranks of two classes need rows of both")
    below_p = below_q = twice_u = 0
    squares_p = squares_q = 0.0
    for p, q in counts:
        twice_u += p * (2 * below_q + q)
        squares_p += p * ((below_q + q / 2) / negatives) ** 2
        squares_q += q * ((positives - below_p - p / 2) / positives) ** 2
        below_p, below_q = below_p + p, below_q + q
    return RankSums(positives, negatives, twice_u, squares_p, squares_q)


def delong(ranks: RankSums, confidence: float = CONFIDENCE) -> Interval:
    """Return the interval of the area under the ROC curve.

    Returns
    -------
    Interval
        Within [0, 1], on the logit scale, with ties counted half.

    Notes
    -----
    Variance of DeLong, DeLong and Clarke-Pearson 1988, on the logit scale (Pepe 2003, 5.2.5), where small samples and
    areas near 1 keep their coverage. That variance is 0 when the classes do not overlap and undefined with one row of a
    class; there the score interval of Newcombe 2006, Confidence intervals for an effect size measure based on the
    Mann-Whitney statistic, part 2, method 5, stands in.

    Examples
    --------
    >>> low, high, *_ = delong(rank_sums([(1, 9), (4, 6), (8, 4), (7, 1)]))
    >>> round(low, 3), round(high, 3)
    (0.65, 0.91)
    >>> round(delong(rank_sums([(0, 10), (10, 0)])).low, 3)
    0.8
    """
    m, n, auc = ranks.positives, ranks.negatives, ranks.auc
    if m > 1 and n > 1:
        variance = (ranks.positive_squares - m * auc**2) / (m - 1) / m + (ranks.negative_squares - n * auc**2) / (n - 1) / n
        if variance > 1e-15 and 0 < auc < 1:
            return on_scale(auc, math.sqrt(variance), "logit", normal_quantile(confidence), "DeLong logit")
    z = normal_quantile(confidence)
    low, high = _newcombe_auc(auc, m, n, z)
    return Interval(low, high, (high - low) / (2 * z), "linear", "Newcombe 2006 (method 5)")


def average_precision(value: float, positives: float, confidence: float = CONFIDENCE) -> Interval:
    """Return the interval of average precision, the area under the precision-recall curve.

    Notes
    -----
    The logit interval of Boyd, Eng and Page 2013, Area under the precision-recall curve: point estimates and confidence
    intervals, with ``positives`` as the number of observations. At 0 or 1, where it has no width, the Wilson interval.

    Examples
    --------
    >>> low, high, *_ = average_precision(0.8, 100)
    >>> round(low, 3), round(high, 3)
    (0.71, 0.867)
    """
    if not 0 < value < 1:
        return wilson(value * positives, positives, confidence)
    return on_scale(value, math.sqrt(value * (1 - value) / positives), "logit", normal_quantile(confidence), "logit")


def _newcombe_auc(auc: float, m: int, n: int, z: float) -> tuple[float, float]:
    """Solve ``|auc - t| = z sd(t)`` for t on both sides, with the Hanley-McNeil variance evened over the classes."""
    star = (m + n) / 2 - 1

    def gap(t: float) -> float:
        variance = t * (1 - t) * (1 + star * (1 - t) / (2 - t) + star * t / (1 + t)) / (m * n)
        return abs(auc - t) - z * math.sqrt(max(0.0, variance))

    def end(edge: float) -> float:
        inner, outer = auc, edge
        for _ in range(200 if inner != outer else 0):
            middle = (inner + outer) / 2
            inner, outer = (inner, middle) if gap(middle) > 0 else (middle, outer)
        return outer

    return end(0.0), end(1.0)
