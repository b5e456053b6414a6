"""The Kolmogorov-Smirnov distance: the widest gap between two distribution functions, on counts or on the samples.

References
----------
.. [1] Massey, F. J. (1951). The Kolmogorov-Smirnov test for goodness of fit. JASA 46(253).
.. [2] Massart, P. (1990). The tight constant in the Dvoretzky-Kiefer-Wolfowitz inequality. Annals of Probability 18(3).
.. [3] Hodges, J. L. (1958). The significance probability of the Smirnov two-sample test. Arkiv for Matematik 3(5).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from checks.drift.statistics import counts_of

EXACT_PATHS = 1_000_000
"""Up to so many pairs of rows the p-value is counted out; beyond, the asymptotic one differs in its third digit at most."""


def ks_from_counts(reference: ArrayLike, batch: ArrayLike) -> float:
    """Return the Kolmogorov-Smirnov distance of two binned samples, their cells in ascending order.

    Returns
    -------
    float
        In [0, 1]. The distance of the two distribution functions at the edges of the cells: equal to the sample's own if
        every value has its own cell, else at most that and below it by no more than `ks_gap`.

    Examples
    --------
    >>> round(ks_from_counts([10, 10, 10], [20, 10, 0]), 6)
    0.333333
    """
    a, b = counts_of(reference, batch)
    return min(1.0, float(np.max(np.abs(np.cumsum(a) / a.sum() - np.cumsum(b) / b.sum()))))


def ks_gap(reference: ArrayLike, batch: ArrayLike) -> float:
    """Return by how much binning may have hidden the Kolmogorov-Smirnov distance, at most.

    Within a cell the two functions move apart at most as if all rows of one sample came first and all of the other last.

    Examples
    --------
    >>> round(ks_gap([50, 50], [50, 50]), 6)
    0.5
    """
    a, b = counts_of(reference, batch)
    p, q = a / a.sum(), b / b.sum()
    before = np.concatenate([[0.0], np.cumsum(p - q)[:-1]])
    worst = np.maximum(np.abs(before + p), np.abs(before - q))
    return max(0.0, min(1.0, float(np.max(worst))) - ks_from_counts(a, b))


def ks_p_value(distance: float, n: int, m: int) -> float:
    """Return the asymptotic two-sided p-value of a Kolmogorov-Smirnov distance of samples of `n` and `m` rows.

    Notes
    -----
    Kolmogorov's distribution at ``sqrt(n m / (n + m)) * distance`` [1]_. On binned counts it is conservative, because
    binning can only lower the distance.

    Examples
    --------
    >>> round(ks_p_value(0.1, 1000, 1000), 6)
    9.1e-05
    """
    return float(special.kolmogorov(math.sqrt(n * m / (n + m)) * distance))


def ks_exact_p_value(distance: float, n: int, m: int) -> float:
    """Return the exact two-sided p-value of a Kolmogorov-Smirnov distance of samples without ties [3]_.

    Parameters
    ----------
    distance : float
        In [0, 1].
    n, m : int
        Rows of the two samples. For more than `EXACT_PATHS` pairs of rows it is `ks_p_value`.

    Notes
    -----
    Every order of the two samples is a path from (0, 0) to (n, m), and all are as likely. The p-value is the share of the
    paths that leave the corridor ``|i/n - j/m| < distance``. With ties it is conservative.

    Examples
    --------
    >>> round(ks_exact_p_value(2 / 3, 3, 3), 12), round(ks_exact_p_value(1.0, 3, 3), 12)
    (0.6, 0.1)
    """
    if n * m > EXACT_PATHS:
        return ks_p_value(distance, n, m)
    reach = round(distance * n * m)  # in whole numbers, so that a path on the border is on it
    if reach <= 0:
        return 1.0
    left = np.arange(m + 1)
    inside = (np.abs(left * n) < reach).astype(float)
    inside[np.cumsum(inside == 0) > 0] = 0  # behind the border there is no way on
    log = 0.0
    for i in range(1, n + 1):
        inside = np.where(np.abs(left * n - i * m) < reach, inside, 0.0)
        inside = np.where(np.abs(left * n - i * m) < reach, np.cumsum(inside), 0.0)
        top = float(inside.max())
        if top == 0:
            return 1.0
        inside, log = inside / top, log + math.log(top)
    if inside[m] == 0:
        return 1.0
    paths = float(special.gammaln(n + m + 1) - special.gammaln(n + 1) - special.gammaln(m + 1))
    return min(1.0, max(0.0, -math.expm1(log + math.log(float(inside[m])) - paths)))


def ks_interval(reference: ArrayLike, batch: ArrayLike, confidence: float = 0.95) -> tuple[float, float]:
    """Return an interval of the distance of the two populations, holding the sample's.

    Notes
    -----
    Each empirical function is within ``sqrt(ln(2 / alpha) / 2n)`` of its own [2]_, at half of the error rate each, and
    binning may hide `ks_gap`. No assumption on the distributions; wide.

    Examples
    --------
    >>> low, high = ks_interval([500, 500], [400, 600])
    >>> round(low, 2), round(high, 2)
    (0.01, 0.69)
    """
    a, b = counts_of(reference, batch)
    distance, reach = ks_from_counts(a, b), ks_reach(float(a.sum()), float(b.sum()), confidence)
    return max(0.0, distance - reach), min(1.0, distance + ks_gap(a, b) + reach)


def ks_reach(n: float, m: float, confidence: float = 0.95) -> float:
    """Return how far the distance of two samples of `n` and `m` rows may be from that of their populations [2]_.

    Examples
    --------
    >>> round(ks_reach(1000, 1000), 3)
    0.094
    """
    error = (1 - confidence) / 2
    return sum(math.sqrt(math.log(2 / error) / (2 * rows)) for rows in (n, m))
