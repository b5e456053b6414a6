"""How far scores are from the shares that they promise: the calibration error over bins of the score, without its upward bias."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, stdtrit

from checks.intervals.scale import CONFIDENCE, Interval, normal_quantile


class ScoreBin(NamedTuple):
    """The rows of one bin of the score.

    Attributes
    ----------
    n, positives : int
        Rows, and the positive ones among them.
    scores : float
        Sum of their scores.
    """

    n: int
    positives: int
    scores: float

    @property
    def gap(self) -> float:
        """Share of positives less mean score."""
        return (self.positives - self.scores) / self.n


def plain_calibration_error(bins: Sequence[ScoreBin]) -> float:
    """Return the expected calibration error as it is usually printed: the mean over the rows of their bin's absolute gap.

    It is biased upward: scores that are exactly right get a positive number, the larger the fewer the rows (Naeini, Cooper and
    Hauskrecht 2015, Obtaining well calibrated probabilities using Bayesian binning).

    Examples
    --------
    The example of torchmetrics' ``BinaryCalibrationError(n_bins=2, norm="l1")``.

    >>> round(plain_calibration_error([ScoreBin(2, 0, 0.5), ScoreBin(3, 3, 0.55 + 0.75 + 0.75)]), 4)
    0.29
    """
    return sum(abs(one.positives - one.scores) for one in bins) / sum(one.n for one in bins)


def calibration_error(
    bins: Sequence[ScoreBin], covariance: Sequence[Sequence[float]], units: float, confidence: float = CONFIDENCE
) -> tuple[float, Interval]:
    """Return the root mean squared gap of the bins, freed from what sampling alone adds, and its interval.

    Parameters
    ----------
    bins : sequence of ScoreBin
        Made without looking at the labels.
    covariance : square of float
        Of the bins' gaps, over repeated samples.
    units : float
        Independent observations behind the covariance, at least 2.

    Returns
    -------
    value : float
        In [0, 1]; 0 where the gaps are no larger than chance makes them.
    interval : Interval
        Holds the value; its lower end is 0 where scores that are exactly right could give such gaps.

    Notes
    -----
    ``sqrt(max(0, sum(p * (gap^2 - variance of gap))))`` with p the share of rows in the bin: the debiased estimator of Kumar,
    Liang and Ma 2019, Verified uncertainty calibration (section 4.2), whose variance is that of bins of one score each. The sum
    of squared gaps is spread like a scaled noncentral chi-square: the central part by Satterthwaite's two moments, the slope by
    the delta method. The interval is the set of noncentralities that would not find the sum extreme (in Sankaran's normal
    approximation, 1963), so it holds its level at 0 too, where the delta method alone fails.

    Examples
    --------
    >>> bins = [ScoreBin(500, 100, 50.0), ScoreBin(500, 300, 250.0)]
    >>> value, interval = calibration_error(bins, [[0.00018, 0], [0, 0.00048]], 1000)
    >>> round(value, 4), round(interval.low, 4), round(interval.high, 4)
    (0.0983, 0.0715, 0.1271)
    """
    n = sum(one.n for one in bins)
    root = np.sqrt([one.n / n for one in bins])
    gaps = root * np.array([one.gap for one in bins])
    noise = root[:, None] * np.array(covariance, dtype=float) * root[None, :]
    raw, chance = float(gaps @ gaps), float(np.trace(noise))
    value = math.sqrt(max(0.0, raw - chance))
    z, tail = normal_quantile(confidence), (1 - confidence) / 2
    if chance <= 0:  # no gap varies: only certain scores do that, all right or all wrong; then nobody was seen to differ
        reach = min(1.0, math.sqrt(len(bins)) * z * z / (n + z * z))
        low, high = max(0.0, value - reach), min(1.0, value + reach)
        return value, Interval(low, high, (high - low) / (2 * z), "linear", "score bound")
    few = (float(stdtrit(units - 1, 1 - tail)) / z) ** 2  # few units know their own spread badly
    scale = float((noise**2).sum()) / chance
    if raw > chance:
        scale = max(scale, float(gaps @ noise @ gaps) / raw)
    seen, freedom = raw / (scale * few), chance / scale
    low = math.sqrt(scale * few * _noncentrality(seen, freedom, 1 - tail))
    high = math.sqrt(scale * few * _noncentrality(max(seen, freedom), freedom, tail))
    low, high = min(low, value), min(1.0, max(high, value))
    return value, Interval(low, high, (high - low) / (2 * z), "linear", "noncentral chi-square")


def _noncentrality(x: float, freedom: float, share: float) -> float:
    """Return the noncentrality with which that share of draws is at most x; 0 where even without it no more are."""
    if _below(x, freedom, 0.0) <= share:
        return 0.0
    low, high = 0.0, max(1.0, x)
    while _below(x, freedom, high) > share:
        low, high = high, 2 * high
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if _below(x, freedom, middle) > share else (low, middle)
    return high


def _below(x: float, k: float, nc: float) -> float:
    """Return the share of a noncentral chi-square at most x, by Sankaran 1963, Approximations to the non-central chi-square."""
    h = 1 - 2 * (k + nc) * (k + 3 * nc) / (3 * (k + 2 * nc) ** 2)
    p, m = (k + 2 * nc) / (k + nc) ** 2, (h - 1) * (1 - 3 * h)
    centre, spread = 1 + h * p * (h - 1 - (2 - h) * m * p / 2), h * math.sqrt(2 * p) * (1 + m * p / 2)
    return float(ndtr(((x / (k + nc)) ** h - centre) / spread))
