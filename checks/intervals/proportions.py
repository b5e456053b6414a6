"""Intervals of proportions, of their differences and ratios, and of F1, from counts."""

from __future__ import annotations

import math
from functools import lru_cache

from scipy.optimize import brentq
from scipy.special import betainc, betaincinv

from checks.intervals.scale import CONFIDENCE, Interval, normal_quantile


def wilson(successes: float, n: float, confidence: float = CONFIDENCE) -> Interval:
    """Return the score interval of a proportion.

    Parameters
    ----------
    successes, n : float
        0 <= successes <= n, n > 0; whole numbers, or fractions after `effective_n`.
    confidence : float
        In (0, 1).

    Returns
    -------
    Interval
        Within [0, 1]; holds successes / n; never of width 0.

    Raises
    ------
    ValueError
        If the counts are not those of a proportion.

    Notes
    -----
    Wilson 1927, Probable inference, the law of succession, and statistical inference; method 3 in Newcombe 1998,
    Two-sided confidence intervals for the single proportion, whose example is 81 of 263.

    Examples
    --------
    >>> low, high, *_ = wilson(81, 263)
    >>> round(low, 4), round(high, 4)
    (0.2553, 0.3662)
    >>> wilson(0, 20).low, round(wilson(0, 20).high, 4)
    (0.0, 0.1611)
    """
    _proportion(successes, n)
    z = normal_quantile(confidence)
    p, z2 = successes / n, z * z
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = z / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    low = 0.0 if successes == 0 else max(0.0, min(p, middle - half))
    high = 1.0 if successes == n else min(1.0, max(p, middle + half))
    return Interval(low, high, (high - low) / (2 * z), "linear", "Wilson")


def clopper_pearson(successes: float, n: float, confidence: float = CONFIDENCE) -> Interval:
    """Return the exact interval of a proportion: it holds the truth at least as often as promised, for any n.

    Parameters and errors as in `wilson`.

    Notes
    -----
    Clopper and Pearson 1934, The use of confidence or fiducial limits illustrated in the case of the binomial.

    Examples
    --------
    >>> low, high, *_ = clopper_pearson(81, 263)
    >>> round(low, 4), round(high, 4)
    (0.2527, 0.3676)
    >>> round(clopper_pearson(0, 20).high, 4)
    0.1684
    """
    _proportion(successes, n)
    z, tail = normal_quantile(confidence), (1 - confidence) / 2
    low = 0.0 if successes == 0 else float(betaincinv(successes, n - successes + 1, tail))
    high = 1.0 if successes == n else float(betaincinv(successes + 1, n - successes, 1 - tail))
    return Interval(low, high, (high - low) / (2 * z), "linear", "Clopper-Pearson")


@lru_cache(maxsize=50_000)
def mid_p(successes: float, n: float, confidence: float = CONFIDENCE) -> Interval:
    """Return the mid-P interval of a proportion: exact tails in which the number seen itself counts half.

    Parameters and errors as in `wilson`.

    Notes
    -----
    Lancaster 1961, Significance tests in discrete distributions; method 6 of Newcombe 1998, Two-sided confidence intervals for
    the single proportion. Far out in the tail, where Wilson's interval is too short for rare events, it errs about as often as
    it says; `clopper_pearson` errs less often than that and is longer.

    Examples
    --------
    Newcombe's table I has 0.2544 and 0.3658 for 81 of 263, and 0.1391 for none of 20.

    >>> low, high, *_ = mid_p(81, 263)
    >>> round(low, 4), round(high, 4), round(mid_p(0, 20).high, 4)
    (0.2544, 0.3658, 0.1391)
    """
    _proportion(successes, n)
    z, tail, x = normal_quantile(confidence), (1 - confidence) / 2, successes

    def above(p: float) -> float:  # P(X > x) + P(X = x) / 2
        at_least = 1.0 if x == 0 else float(betainc(x, n - x + 1, p))
        more = 0.0 if x == n else float(betainc(x + 1, n - x, p))
        return (at_least + more) / 2

    low = 0.0 if x == 0 else float(brentq(lambda p: above(p) - tail, 0.0, x / n, xtol=1e-12))
    high = 1.0 if x == n else float(brentq(lambda p: above(p) - (1 - tail), x / n, 1.0, xtol=1e-12))
    return Interval(low, high, (high - low) / (2 * z), "linear", "mid-P")


def newcombe(successes: float, n: float, reference: float, reference_n: float, confidence: float = CONFIDENCE) -> Interval:
    """Return the interval of a difference of two independent proportions, ``successes / n - reference / reference_n``.

    Returns
    -------
    Interval
        Within [-1, 1]; holds the difference; never of width 0.

    Notes
    -----
    Method 10 of Newcombe 1998, Interval estimation for the difference between independent proportions: the distances of
    the two Wilson intervals' ends from their estimates are added as squares. Its table II (a) is 56/70 against 48/80.

    Examples
    --------
    >>> low, high, *_ = newcombe(56, 70, 48, 80)
    >>> round(low, 4), round(high, 4)
    (0.0524, 0.3339)
    """
    here, there = wilson(successes, n, confidence), wilson(reference, reference_n, confidence)
    p, q = successes / n, reference / reference_n
    low = max(-1.0, p - q - math.hypot(p - here.low, there.high - q))
    high = min(1.0, p - q + math.hypot(here.high - p, q - there.low))
    return Interval(low, high, (high - low) / (2 * normal_quantile(confidence)), "linear", "Newcombe")


def ratio(successes: float, n: float, reference: float, reference_n: float, confidence: float = CONFIDENCE) -> Interval:
    """Return the interval of a ratio of two independent proportions, ``(successes / n) / (reference / reference_n)``.

    Returns
    -------
    Interval
        Within [0, inf); holds the ratio; never of width 0. `se` is Katz's, on the log scale.

    Raises
    ------
    ValueError
        As `katz_log`.

    Notes
    -----
    Donner and Zou 2012, Closed-form confidence intervals for functions of the normal mean and standard deviation (MOVER-R):
    Fieller's argument with the distances of the two Wilson intervals' ends in place of normal standard errors, the
    counterpart of `newcombe` for a ratio. No cell needs a correction. Where rates are high and one group is small it keeps
    the promised coverage, which `katz_log` does not: at 20 against 400 with rates 0.7 and 0.9 it is 95.2 % against 91.3 %.

    Examples
    --------
    >>> low, high, *_ = ratio(56, 70, 48, 80)
    >>> round(low, 3), round(high, 3)
    (1.078, 1.663)
    >>> ratio(0, 30, 20, 40).low
    0.0
    """
    katz = katz_log(successes, n, reference, reference_n, confidence)
    here, there = wilson(successes, n, confidence), wilson(reference, reference_n, confidence)
    p, q = successes / n, reference / reference_n
    below = here.low * there.high * (2 * p - here.low) * (2 * q - there.high)
    above = here.high * there.low * (2 * p - here.high) * (2 * q - there.low)
    low = (p * q - math.sqrt(max(0.0, (p * q) ** 2 - below))) / (there.high * (2 * q - there.high))
    high = (p * q + math.sqrt(max(0.0, (p * q) ** 2 - above))) / (there.low * (2 * q - there.low))
    return Interval(max(0.0, min(low, p / q)), max(high, p / q), katz.se, "log", "MOVER-R (Wilson)")


def katz_log(successes: float, n: float, reference: float, reference_n: float, confidence: float = CONFIDENCE) -> Interval:
    """Return the interval of a ratio of two independent proportions, ``(successes / n) / (reference / reference_n)``.

    Returns
    -------
    Interval
        Within [0, inf); holds the ratio; on the log scale.

    Raises
    ------
    ValueError
        If the counts are not those of two proportions, or `reference` is 0: then there is no ratio.

    Notes
    -----
    Katz, Baptista, Azen and Pike 1978, Obtaining confidence intervals for the risk ratio in cohort studies: the logarithm
    of the ratio is taken as normal with variance ``1/a - 1/n + 1/b - 1/m``. If one of the four cells (successes and
    failures of both groups) is 0, that variance calls a group of 5 out of 5 certain; then 0.5 is added to each cell
    (Haldane 1956, Pettigrew, Gart and Thomas 1986) and the interval is stretched, where needed, to hold the estimate.

    Examples
    --------
    Aspirin against placebo in the Physicians' Health Study (Agresti, Categorical Data Analysis, 3.1): infarction in
    189 of 11,034 without and 104 of 11,037 with.

    >>> low, high, *_ = katz_log(189, 11034, 104, 11037)
    >>> round(low, 2), round(high, 2)
    (1.43, 2.31)
    >>> katz_log(0, 30, 20, 40).low
    0.0
    """
    _proportion(successes, n)
    _proportion(reference, reference_n)
    if reference == 0:
        raise ValueError("the reference group has no success, so there is no ratio to it")
    ratio = (successes / n) / (reference / reference_n)
    method, a, b, size, other = "Katz log", successes, reference, n, reference_n
    if 0 in (successes, n - successes, reference_n - reference):
        method, a, b, size, other = "Katz log (0.5 added to each cell)", a + 0.5, b + 0.5, n + 1, reference_n + 1
    se = math.sqrt(1 / a - 1 / size + 1 / b - 1 / other)
    middle, reach = (a / size) / (b / other), math.exp(normal_quantile(confidence) * se)
    low = 0.0 if successes == 0 else min(ratio, middle / reach)
    return Interval(low, max(ratio, middle * reach), se, "log", method)


def f1(true_positives: float, errors: float, confidence: float = CONFIDENCE) -> Interval:
    """Return the interval of ``F1 = 2 tp / (2 tp + errors)``, where errors are false positives and false negatives.

    F1 is a rising function of the Jaccard index ``J = tp / (tp + errors)``, ``F1 = 2 J / (1 + J)``, and J is a proportion
    of the rows that the model or the truth calls positive. So the Wilson interval of J is carried over. To first order it
    is the delta method of Takahashi et al. 2022, Confidence interval for micro-averaged F1 and macro-averaged F1 scores;
    unlike it, it stays within [0, 1] and does not shrink to a point when all are right.

    Examples
    --------
    >>> low, high, *_ = f1(80, 40)
    >>> round(low, 3), round(high, 3)
    (0.733, 0.854)
    >>> f1(5, 0).high, round(f1(5, 0).low, 3)
    (1.0, 0.722)
    """
    jaccard = wilson(true_positives, true_positives + errors, confidence)
    low, high = (2 * j / (1 + j) for j in (jaccard.low, jaccard.high))
    se = (high - low) / (2 * normal_quantile(confidence))
    return Interval(low, high, se, "linear", "Jaccard-Wilson")


def effective_n(value: float, variance: float, n: float) -> float:
    """Return the number of independent rows on which a proportion would have that variance, at most n.

    Notes
    -----
    ``p (1 - p) / variance``: Korn and Graubard 1998, Confidence intervals for proportions with small expected number of
    positive counts estimated from survey data. At 0 and 1, where the variance says nothing, all n count.

    Examples
    --------
    >>> round(effective_n(0.5, 0.01, 100))
    25
    >>> effective_n(1.0, 0.0, 100)
    100
    """
    return n if variance <= 0 or not 0 < value < 1 else min(n, value * (1 - value) / variance)


def _proportion(successes: float, n: float) -> None:
    if not (n > 0 and 0 <= successes <= n):
        raise ValueError(f"{successes} of {n} is not a proportion")
