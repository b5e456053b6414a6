"""Drift statistics as pure functions of counts.

Every function takes two vectors of counts over the same cells, ``reference`` and ``batch``, and returns plain floats.
Where the counts come from (bins of a number, categories, a partition of a cluster) does not matter, because counts add up.

A distance between two samples is not zero when nothing has changed: sampling noise alone makes it positive. So each
distance that is judged comes with what noise alone would give (`psi_debiased`), with a p-value, or with an interval.

References
----------
.. [1] Yurdakul, B. and Naranjo, J. (2020). Statistical properties of the population stability index. Journal of Risk
       Model Validation 14(4).
.. [2] Lin, J. (1991). Divergence measures based on the Shannon entropy. IEEE Trans. Information Theory 37(1).
.. [3] Pearson, K. (1900). On the criterion that a given system of deviations ... Philosophical Magazine 50.
.. [4] Bergsma, W. (2013). A bias-correction for Cramer's V and Tschuprow's T. J. Korean Statistical Society 42(3).
.. [5] Smithson, M. (2003). Confidence Intervals. Sage, chapter 4: non-central intervals of the chi-square statistic.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Counts = NDArray[np.float64]

SMOOTHING = 0.5
"""Added to every cell before a logarithm is taken (Jeffreys' prior), so that an empty cell is not infinite surprise."""


def counts_of(reference: ArrayLike, batch: ArrayLike) -> tuple[Counts, Counts]:
    """Return both vectors as floats, or say in a ValueError why they are not counts over the same cells."""
    a, b = np.asarray(reference, dtype=float), np.asarray(batch, dtype=float)
    if a.ndim != 1 or a.shape != b.shape or a.size == 0:
        raise ValueError(f"two vectors of counts over the same cells are needed, not shapes {a.shape} and {b.shape}")
    if not (np.isfinite(a).all() and np.isfinite(b).all() and (a >= 0).all() and (b >= 0).all()):
        raise ValueError("counts are finite and not negative")
    if a.sum() == 0 or b.sum() == 0:
        raise ValueError("a sample without rows has no distribution")
    return a, b


def noise(a: Counts, b: Counts) -> float:
    """Return 1/n + 1/m, the scale of what sampling alone makes of a distance."""
    return 1 / float(a.sum()) + 1 / float(b.sum())


def psi(reference: ArrayLike, batch: ArrayLike, smoothing: float = SMOOTHING) -> float:
    """Return the population stability index, the symmetrised Kullback-Leibler divergence of two binned samples.

    Parameters
    ----------
    reference, batch : array-like of shape (cells,)
        Counts over the same cells.
    smoothing : float
        Added to every count. With 0, a cell that is empty in one sample only raises.

    Returns
    -------
    float
        In [0, inf): ``sum((b - r) * ln(b / r))`` over the shares of the cells.

    Raises
    ------
    ValueError
        If the vectors do not match, are empty, or need smoothing.

    Notes
    -----
    [1]_. Its expectation without any shift is about ``(cells - 1) * (1/n + 1/m)``: see `psi_debiased`.

    Examples
    --------
    >>> round(psi([10, 20, 70], [20, 20, 60], smoothing=0), 6)
    0.08473
    """
    a, b = counts_of(reference, batch)
    a, b = a + smoothing, b + smoothing
    both = (a > 0) | (b > 0)  # a cell that neither sample has says nothing
    a, b = a[both], b[both]
    if (a == 0).any() or (b == 0).any():
        raise ValueError("a cell is empty in one sample only: PSI is infinite without smoothing")
    p, q = b / b.sum(), a / a.sum()
    return max(0.0, float(np.sum((p - q) * np.log(p / q))))


def psi_debiased(reference: ArrayLike, batch: ArrayLike, smoothing: float = SMOOTHING) -> float:
    """Return the part of PSI that sampling noise does not explain: ``max(0, PSI - (cells - 1)(1/n + 1/m))``.

    Parameters and errors as in `psi`.

    Notes
    -----
    Without a shift ``PSI / (1/n + 1/m)`` is asymptotically chi-square with ``cells - 1`` degrees of freedom [1]_, whose mean
    is subtracted. 80 rows in ten cells have a PSI of 0.11 by noise alone.

    Examples
    --------
    >>> psi_debiased([1000] * 10, [8] * 10)
    0.0
    >>> round(psi_debiased([1000] * 2, [60, 20], smoothing=0), 3)
    0.262
    """
    a, b = counts_of(reference, batch)
    return max(0.0, psi(a, b, smoothing) - (a.size - 1) * noise(a, b))


def psi_p_value(reference: ArrayLike, batch: ArrayLike, smoothing: float = SMOOTHING) -> float:
    """Return the probability of so large a PSI without a shift, from its closed-form distribution.

    Parameters and errors as in `psi`. Cells must be dense: see `checks.drift.shift`.

    Returns
    -------
    float
        In [0, 1]; 1 for a single cell.

    Examples
    --------
    >>> psi_p_value([1000] * 10, [100] * 10)
    1.0
    >>> psi_p_value([1000] * 2, [60, 40]) < 0.1
    True
    """
    a, b = counts_of(reference, batch)
    return chi_square_tail(psi(a, b, smoothing) / noise(a, b), a.size - 1)


def chi_square_tail(statistic: float, freedom: int) -> float:
    """Return the upper tail of the chi-square distribution; 1 with no degree of freedom.

    Examples
    --------
    >>> round(chi_square_tail(3.841458820694124, 1), 12)
    0.05
    """
    return float(special.chdtrc(freedom, statistic)) if freedom > 0 else 1.0


def psi_interval(
    reference: ArrayLike, batch: ArrayLike, smoothing: float = SMOOTHING, confidence: float = 0.95
) -> tuple[float, float]:
    """Return an interval around `psi_debiased`.

    Returns
    -------
    low, high : float
        0 <= low <= effect <= high.

    Notes
    -----
    Normal, by the delta method: the multinomial variance of the gradient of PSI in both samples, plus the variance
    ``2 (cells - 1)(1/n + 1/m)**2`` that the closed form [1]_ gives where the gradient vanishes, without a shift.

    Examples
    --------
    >>> low, high = psi_interval([1000] * 10, [80, 80, 80, 80, 80, 120, 120, 120, 120, 120])
    >>> low < psi_debiased([1000] * 10, [80, 80, 80, 80, 80, 120, 120, 120, 120, 120]) < high
    True
    """
    a, b = counts_of(reference, batch)
    found, scale, cells = psi(a, b, smoothing), noise(a, b), a.size
    effect = max(0.0, found - (cells - 1) * scale)
    p, q = _smooth(b, smoothing), _smooth(a, smoothing)
    ratio = np.log(p / q)
    variance = _multinomial(p, ratio + 1 - q / p, b.sum()) + _multinomial(q, -ratio + 1 - p / q, a.sum())
    half = float(special.ndtri(0.5 + confidence / 2)) * math.sqrt(variance + 2 * (cells - 1) * scale**2)
    centre = found - (cells - 1) * scale
    return min(effect, max(0.0, centre - half)), max(effect, centre + half)


def _smooth(counts: Counts, smoothing: float) -> Counts:
    return np.asarray((counts + smoothing) / (counts.sum() + smoothing * counts.size), dtype=float)


def _multinomial(shares: Counts, gradient: Counts, n: float) -> float:
    """Return the variance of a linear function of multinomial shares."""
    return max(0.0, float(np.sum(shares * gradient**2) - np.sum(shares * gradient) ** 2) / float(n))


def jensen_shannon(reference: ArrayLike, batch: ArrayLike) -> float:
    """Return the Jensen-Shannon distance to base 2, the square root of the divergence.

    Returns
    -------
    float
        In [0, 1]: 0 for equal shares, 1 for samples that have no cell in common.

    Notes
    -----
    [2]_. The same number as ``scipy.spatial.distance.jensenshannon(reference, batch, base=2)``.

    Examples
    --------
    >>> jensen_shannon([1, 1], [2, 2]), jensen_shannon([5, 0], [0, 5])
    (0.0, 1.0)
    """
    a, b = counts_of(reference, batch)
    p, q = a / a.sum(), b / b.sum()
    middle = (p + q) / 2
    nats = np.sum(special.rel_entr(p, middle) + special.rel_entr(q, middle)) / 2
    return math.sqrt(min(1.0, max(0.0, float(nats) / math.log(2))))


def jensen_shannon_interval(reference: ArrayLike, batch: ArrayLike, confidence: float = 0.95) -> tuple[float, float]:
    """Return an interval around `jensen_shannon`, holding it.

    Notes
    -----
    On the divergence, as in `psi_interval`: delta method, the noise without a shift (an eighth of PSI's, since the two
    agree to second order) taken off for the lower end; then the square root.

    Examples
    --------
    >>> jensen_shannon_interval([1000] * 4, [10] * 4)[0]
    0.0
    """
    a, b = counts_of(reference, batch)
    distance = jensen_shannon(a, b)
    p, q = a / a.sum(), b / b.sum()
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        to_p = np.where(p > 0, np.log2(p / middle) / 2, 0.0)
        to_q = np.where(q > 0, np.log2(q / middle) / 2, 0.0)
    freedom = max(0, int(((a + b) > 0).sum()) - 1)
    null = noise(a, b) / (8 * math.log(2))
    variance = _multinomial(p, to_p, a.sum()) + _multinomial(q, to_q, b.sum()) + 2 * freedom * null**2
    half = float(special.ndtri(0.5 + confidence / 2)) * math.sqrt(variance)
    centre = distance**2 - freedom * null
    return math.sqrt(min(distance**2, max(0.0, centre - half))), math.sqrt(min(1.0, max(distance**2, centre + half)))


def chi_square(reference: ArrayLike, batch: ArrayLike) -> tuple[float, float]:
    """Return Pearson's statistic of homogeneity and its p-value; cells that both samples lack are left out.

    Notes
    -----
    [3]_; equal to ``scipy.stats.chi2_contingency(correction=False)``. Merge sparse cells first: `checks.drift.shift`.

    Examples
    --------
    >>> statistic, p = chi_square([10, 20], [20, 10])
    >>> round(statistic, 6), round(p, 6)
    (6.666667, 0.009823)
    """
    a, b = counts_of(reference, batch)
    both = a + b
    a, b, both = a[both > 0], b[both > 0], both[both > 0]
    share = both / both.sum()
    statistic = sum(float(np.sum((c - c.sum() * share) ** 2 / (c.sum() * share))) for c in (a, b))
    return statistic, chi_square_tail(statistic, a.size - 1)


def total_variation(reference: ArrayLike, batch: ArrayLike) -> float:
    """Return half the sum of the absolute differences of the shares: the share of rows that changed cell.

    Examples
    --------
    >>> round(total_variation([50, 50], [70, 30]), 6)
    0.2
    """
    a, b = counts_of(reference, batch)
    return min(1.0, float(np.sum(np.abs(a / a.sum() - b / b.sum())) / 2))


def cramers_v(reference: ArrayLike, batch: ArrayLike) -> float:
    """Return Cramer's V between cell and sample, bias-corrected; in [0, 1].

    Notes
    -----
    [4]_. The uncorrected V of two equal samples over many sparse cells is far from 0: 0.495 was seen on 50,000 levels.

    Examples
    --------
    >>> cramers_v([100, 100], [100, 100]), round(cramers_v([100, 0], [0, 100]), 6)
    (0.0, 1.0)
    """
    a, b = counts_of(reference, batch)
    cells, n = int(((a + b) > 0).sum()), float(a.sum() + b.sum())
    if cells < 2 or n <= 1:
        return 0.0
    phi2 = max(0.0, chi_square(a, b)[0] / n - (cells - 1) / (n - 1))
    rows = 2 - 1 / (n - 1)
    columns = cells - (cells - 1) ** 2 / (n - 1)
    least = min(rows - 1, columns - 1)
    return min(1.0, math.sqrt(phi2 / least)) if least > 0 else 0.0


def total_variation_interval(reference: ArrayLike, batch: ArrayLike, confidence: float = 0.95) -> tuple[float, float]:
    """Return an interval around `total_variation`, holding it.

    Notes
    -----
    Delta method: linear in the shares as long as the sign of each difference stays. The lower end is lower by what noise
    alone makes, the mean of each cell's absolute difference without a shift, because the distance is biased upward.

    Examples
    --------
    >>> total_variation_interval([1000] * 4, [10] * 4)[0]
    0.0
    """
    a, b = counts_of(reference, batch)
    distance, p, q, both = total_variation(a, b), a / a.sum(), b / b.sum(), (a + b) / (a.sum() + b.sum())
    sign = np.sign(q - p) / 2
    half = float(special.ndtri(0.5 + confidence / 2)) * math.sqrt(_multinomial(p, sign, a.sum()) + _multinomial(q, sign, b.sum()))
    alone = float(np.sum(np.sqrt(2 / math.pi * noise(a, b) * both * (1 - both)))) / 2
    return max(0.0, distance - alone - half), min(1.0, distance + half)


def cramers_v_interval(reference: ArrayLike, batch: ArrayLike, confidence: float = 0.95) -> tuple[float, float]:
    """Return an interval around `cramers_v`, holding it.

    Notes
    -----
    Pearson's statistic is taken as non-central chi-square; the non-centralities under which it would be that large, or that
    small, with half of the error rate each are the ends [5]_, over the same divisor as V. Cells must be dense.

    Examples
    --------
    >>> low, high = cramers_v_interval([500, 500], [400, 600])
    >>> round(low, 3), round(high, 3)
    (0.057, 0.144)
    """
    a, b = counts_of(reference, batch)
    value, freedom, n = cramers_v(a, b), int(((a + b) > 0).sum()) - 1, float(a.sum() + b.sum())
    if freedom < 1 or n <= 1:
        return value, value
    statistic, error = chi_square(a, b)[0], (1 - confidence) / 2
    ends = [_non_centrality(statistic, freedom, 1 - error), _non_centrality(statistic, freedom, error)]
    low, high = (min(1.0, math.sqrt(end / n)) for end in ends)
    return min(low, value), max(high, value)


def _non_centrality(statistic: float, freedom: int, level: float) -> float:
    """Return the non-centrality under which the chi-square distribution is `level` at the statistic; 0 if there is none."""
    if special.chdtr(freedom, statistic) <= level:
        return 0.0
    if statistic < 10_000:
        return max(0.0, float(special.chndtrinc(statistic, freedom, level)))
    # So far out the distribution is normal in its root (Sankaran 1963), and the exact inverse is slow.
    root = math.sqrt(statistic - (freedom - 1) / 2) - float(special.ndtri(level))
    return max(0.0, root**2 - (freedom - 1) / 2)
