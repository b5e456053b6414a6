"""Intervals of means and of anything smooth, from sums over independent units."""

from __future__ import annotations

import math

from scipy.special import stdtrit

from checks.intervals.scale import CONFIDENCE, Interval, Scale, on_scale


def mean(n: int, total: float, squares: float, confidence: float = CONFIDENCE) -> Interval:
    """Return the t interval of a mean from the sum and the sum of squares of n independent values.

    The squares should be taken about a number near the mean (and `total` too) where the mean is far from 0.

    Examples
    --------
    >>> low, high, *_ = mean(5, 15.0, 55.0)  # 1, 2, 3, 4, 5
    >>> round(low, 4), round(high, 4)
    (1.0368, 4.9632)
    """
    centre = total / n
    return by_influence(centre, max(0.0, squares - n * centre * centre) / n**2, n, confidence=confidence)


def mean_by_unit(
    units: int, n: int, total: float, *, totals_squared: float, totals_sizes: float, sizes_squared: float,
    confidence: float = CONFIDENCE,
) -> Interval:
    """Return the interval of a mean of rows that are independent between units (days, people) but not within them.

    Parameters
    ----------
    units, n : int
        Units and rows.
    total : float
        Sum of the rows' values.
    totals_squared, totals_sizes, sizes_squared : float
        Over the units: sum of the squares of their sums, of sum times rows, of rows squared.

    Notes
    -----
    The linearised variance of a ratio of totals with units as first stage (Cochran 1977, Sampling Techniques, 6.3 and
    9A), the same as the cluster-robust variance of a mean (Liang and Zeger 1986) with factor units / (units - 1); t with
    units - 1 degrees of freedom.

    Examples
    --------
    Three days of two rows each, sums 2, 4 and 6: as uncertain as three values 1, 2, 3.

    >>> by_days = mean_by_unit(3, 6, 12.0, totals_squared=4 + 16 + 36, totals_sizes=4 + 8 + 12, sizes_squared=12)
    >>> by_days == mean(3, 6.0, 14.0)
    True
    """
    centre = total / n
    left = max(0.0, totals_squared - 2 * centre * totals_sizes + centre * centre * sizes_squared)
    return by_influence(centre, left / n**2, units, confidence=confidence)


def by_influence(
    value: float, squares: float, units: int, *, scale: Scale = "linear", confidence: float = CONFIDENCE, method: str = ""
) -> Interval:
    """Return the interval of any smooth estimate from the squared influence of its independent units.

    Parameters
    ----------
    value : float
        The estimate. On the log scale > 0, on the logit scale in (0, 1).
    squares : float
        Sum over the units of ``influence ** 2``; the influence of a unit is the change of the estimate that the unit
        makes, to first order (for a mean: ``(x - mean) / n``). This is the delta method.
    units : int
        At least 2.
    scale : {"linear", "log", "logit"}
        Where the interval is made and then carried back.

    Notes
    -----
    Infinitesimal jackknife (Jaeckel 1972; Efron 1982, The jackknife, the bootstrap and other resampling plans, 6) with
    factor units / (units - 1), which for a mean is the t interval.

    Examples
    --------
    >>> round(by_influence(2.0, 2 / 9, 3).high, 3)
    4.484
    """
    if units < 2:
        raise ValueError("the spread of an estimate needs two independent observations")
    se = math.sqrt(squares * units / (units - 1))
    return on_scale(value, se, scale, float(stdtrit(units - 1, (1 + confidence) / 2)), method or "t")
