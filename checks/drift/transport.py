"""The Wasserstein distance: how far rows must be moved, on average, to turn one sample into the other.

It is the area between the two distribution functions. On counts the functions are known at the edges of the cells only, so the
distance comes with what binning can hide; on sorted rows (`checks.drift.exact`) it is the samples' own.

An area between two samples is never zero. How much of it noise alone would make, and how sure the rest is, is found from the
same walk along the cells: see `Area`.

References
----------
.. [1] Villani, C. (2009). Optimal Transport, Old and New. Springer, chapter 6.
.. [2] Ramdas, A., Garcia Trillos, N. and Cuturi, M. (2017). On Wasserstein two-sample testing and related families of
       nonparametric tests. Entropy 19(2).
.. [3] Del Barrio, E., Gine, E. and Matran, C. (1999). Central limit theorems for the Wasserstein distance between the
       empirical and the true distributions. Annals of Probability 27(2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from checks.drift.statistics import counts_of

Numbers = NDArray[np.float64]


class Transport(NamedTuple):
    """How far two samples are apart; all in one unit, such as the reference's standard deviation.

    Attributes
    ----------
    distance : float
        Of the two samples; between cells known by their counts only, as if rows lay evenly in each.
    least, most : float
        Between them lies the distance of the samples, wherever in its cell each row is.
    low, high : float
        Interval of the distance of the two populations.
    """

    distance: float
    least: float
    most: float
    low: float
    high: float


class Area(NamedTuple):
    """What a walk along two distribution functions adds up.

    Attributes
    ----------
    noise : float
        The integral of ``sqrt(H (1 - H))`` over both samples' common function H: times ``sqrt(2/pi (1/n + 1/m))`` it is the
        distance that is expected without any shift [3]_.
    variances : tuple of float
        Of the Kantorovich potential [1]_, the integral of the sign of the difference, in reference and batch: what one row
        of each sample contributes to the distance.
    """

    noise: float
    variances: tuple[float, float]


def interval(least: float, most: float, area: Area, n: float, m: float, confidence: float = 0.95) -> tuple[float, float]:
    """Return an interval of the populations' distance.

    Parameters
    ----------
    least, most : float
        The ends between which the samples' distance lies.
    area : Area
    n, m : float
        Rows of reference and batch.

    Notes
    -----
    Delta method: the distance is linear in both samples as long as the sign of the difference stays [3]_. The lower end is
    lower by what noise alone makes, because the samples' distance is biased upward.
    """
    half = float(special.ndtri(0.5 + confidence / 2)) * math.sqrt(area.variances[0] / n + area.variances[1] / m)
    return max(0.0, least - expected_noise(area.noise, n, m) - half), most + half


def expected_noise(noise: float, n: float, m: float) -> float:
    """Return the distance of two samples that is expected without any shift; see `Area`."""
    return math.sqrt(2 / math.pi * (1 / n + 1 / m)) * noise


def wasserstein_from_counts(
    edges: Sequence[float], reference: ArrayLike, batch: ArrayLike, *, spread: float = 1.0, step: float = 0.0,
    lowest: float | None = None, highest: float | None = None,
) -> Transport:
    """Return the Wasserstein distance of order one of two binned samples [1]_, with what binning hides of it.

    Parameters
    ----------
    edges : sequence of float of shape (cells - 1,)
        Ascending. A cell holds what is above the edge before it and at most its own edge.
    reference, batch : array-like of shape (cells,)
    spread : float
        Unit of the result, such as the reference's standard deviation; above 0.
    step : float, optional
        What all values are multiples of, if anything: 1 for whole numbers. Whole cells then hide nothing.
    lowest, highest : float, optional
        The ends of both samples; needed where the first or the last cell holds rows.

    Returns
    -------
    Transport
        Not finite if the ends are further apart than a double can tell.

    Raises
    ------
    ValueError
        If an end is needed and missing, or the counts are not those of these edges.

    Notes
    -----
    Within a cell both functions rise from one edge to the other; how they do it is not known. The area is least if they
    stay as close, and most if they part as far, as their ends allow.

    Examples
    --------
    >>> found = wasserstein_from_counts([0, 1, 2], [0, 100, 100, 0], [0, 100, 100, 0])
    >>> found.distance, found.least, found.most
    (0.0, 0.0, 1.0)
    >>> wasserstein_from_counts([0, 1, 2], [0, 50, 50, 0], [0, 0, 100, 0], step=1).most
    0.5
    """
    a, b = counts_of(reference, batch)
    if a.size != len(edges) + 1:
        raise ValueError(f"{len(edges)} edges make {len(edges) + 1} cells, not {a.size}")
    filled = np.flatnonzero(a + b)
    if (filled[0] == 0 and lowest is None) or (filled[-1] == a.size - 1 and highest is None):
        raise ValueError("rows beyond the edges have no end")
    left, right = _ends(np.asarray(edges, dtype=float), step, lowest, highest)
    n, m = float(a.sum()), float(b.sum())
    with np.errstate(over="ignore", invalid="ignore"):
        left, right = left[filled] / spread, right[filled] / spread
        width, gap = right - left, np.maximum(left[1:] - right[:-1], 0)
    a, b = a[filled], b[filled]
    f1, g1 = np.cumsum(a) / n, np.cumsum(b) / m
    f0, g0 = np.concatenate([[0.0], f1[:-1]]), np.concatenate([[0.0], g1[:-1]])
    before, after = f0 - g0, f1 - g1
    with np.errstate(invalid="ignore"):
        between = float(np.sum(gap * np.abs(after[:-1])))
        least = between + float(np.sum(width * np.maximum(0, np.maximum(f0 - g1, g0 - f1))))
        most = between + float(np.sum(width * np.maximum(f1 - g0, g1 - f0)))
        found = between + float(np.sum(width * _mean_size(before, after)))
        area = _area(a, b, width, gap, before + after, after)
    low, high = interval(least, most, area, n, m)
    return Transport(min(max(found, least), most), least, most, low, high)


def _ends(edges: Numbers, step: float, lowest: float | None, highest: float | None) -> tuple[Numbers, Numbers]:
    """Return the first and the last place of each cell where a row can be."""
    first, last = (math.nan if end is None else end for end in (lowest, highest))
    left, right = np.concatenate([[first], edges]), np.concatenate([edges, [last]])
    if step:
        left[1:] = np.floor(left[1:] / step) * step + step
        right[:-1] = np.floor(right[:-1] / step) * step
    return left, np.maximum(left, right)


def _mean_size(start: Numbers, end: Numbers) -> Numbers:
    """Return the mean of the absolute value of a line from `start` to `end`."""
    size = np.abs(start) + np.abs(end)
    crossing = (start**2 + end**2) / np.where(size > 0, 2 * size, 1)
    return np.where(start * end >= 0, size / 2, crossing)


def _area(a: Numbers, b: Numbers, width: Numbers, gap: Numbers, inside: Numbers, after: Numbers) -> Area:
    n, m = float(a.sum()), float(b.sum())
    common = np.cumsum(a + b) / (n + m)
    start = np.concatenate([[0.0], common[:-1]])
    middle = np.clip(0.5, start, common)  # where sqrt(H (1 - H)) is largest in the cell
    noise = float(np.sum(width * np.sqrt(middle * (1 - middle))))
    noise += float(np.sum(gap * np.sqrt(np.maximum(common[:-1] * (1 - common[:-1]), 0))))
    across, along = width * np.sign(inside), gap * np.sign(after[:-1])
    potential = np.concatenate([[0.0], np.cumsum(across[:-1] + along)]) + across / 2
    variances = []
    for counts, rows in ((a, n), (b, m)):
        mean = float(np.sum(counts * potential)) / rows
        variances.append(float(np.sum(counts * (potential - mean) ** 2)) / rows)
    return Area(noise, (variances[0], variances[1]))
