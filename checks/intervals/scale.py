"""What an interval is, and how one is made on a scale."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from scipy.special import ndtri

Scale = Literal["linear", "log", "logit"]
CONFIDENCE = 0.95


class Interval(NamedTuple):
    """Two ends, and what is needed to compute others.

    Attributes
    ----------
    low, high : float
        The ends, low <= high.
    se : float
        Standard error on `scale`. For the score intervals (Wilson, Clopper-Pearson, Newcombe) it is half their width over
        the normal quantile, which unlike the textbook formula is not zero when nobody or everybody was counted.
    scale : {"linear", "log", "logit"}
        Where the estimate is roughly normal with `se`.
    method : str
        What a page calls it.
    """

    low: float
    high: float
    se: float
    scale: Scale
    method: str


def on_scale(value: float, se: float, scale: Scale, quantile: float, method: str) -> Interval:
    """Return value +- quantile * se, made on `scale`; `se` is given on the linear scale and returned on `scale`.

    Examples
    --------
    >>> on_scale(2.0, 0.2, "log", 2.0, "")
    Interval(low=1.637..., high=2.442..., se=0.1, scale='log', method='')
    """
    if scale == "linear" or se == 0:
        return Interval(value - quantile * se, value + quantile * se, se, "linear", method)
    if scale == "log":
        se /= value
        reach = math.exp(min(700.0, quantile * se))
        return Interval(value / reach, value * reach, se, scale, method)
    se /= value * (1 - value)
    middle = math.log(value / (1 - value))
    return Interval(_expit(middle - quantile * se), _expit(middle + quantile * se), se, scale, method)


def normal_quantile(confidence: float) -> float:
    """Return how many standard errors a two-sided interval reaches.

    Examples
    --------
    >>> round(normal_quantile(0.95), 2)
    1.96
    """
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence of {confidence} is not between 0 and 1")
    return float(ndtri((1 + confidence) / 2))


def _expit(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))
