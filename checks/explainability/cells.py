"""Columns cut into cells: what a column alone explains, and which columns say the same."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Cells = NDArray[np.int64]


def cells(values: Numbers, most: int) -> Cells:
    """Return the cell of each value: its rank among quantiles, or itself where there are few; NaN has a cell of its own.

    Examples
    --------
    >>> cells(np.array([1.0, 2, 3, 4, np.nan]), 2).tolist()
    [0, 0, 1, 1, 2]
    """
    present = values[np.isfinite(values)]
    different = np.unique(present)
    if different.size > most:
        edges = np.unique(np.quantile(present, np.arange(1, most) / most, method="inverted_cdf"))
    else:
        edges = different[:-1]
    found = np.searchsorted(edges, values, side="left")
    found[~np.isfinite(values)] = edges.size + 1
    return found


def explained(cell: Cells, y: Numbers) -> tuple[float, float]:
    """Return the share of the variance that cells explain, without what chance alone explains, and its upper 97.5 % end.

    Notes
    -----
    Epsilon squared (Kelley 1935); the end is that of the chi-square law of the sum of squares between cells, by its first two
    moments.

    Examples
    --------
    >>> y = np.array([0.0, 0, 1, 1] * 50)
    >>> share, end = explained(np.array([0, 0, 1, 1] * 50), y)
    >>> share, round(explained(np.array([0, 1, 0, 1] * 50), y)[1], 3)
    (1.0, 0.014)
    """
    n, total = len(y), float(((y - y.mean()) ** 2).sum())
    _, place = np.unique(cell, return_inverse=True)
    k = int(place.max()) + 1
    if total <= 0 or k < 2 or n <= k:
        return 0.0, 0.0
    sums, sizes = np.bincount(place, y - y.mean(), k), np.bincount(place, minlength=k)
    between = float((sums**2 / sizes).sum())
    within = max(0.0, total - between) / (n - k)
    share = max(0.0, between - (k - 1) * within) / total
    se = math.sqrt(2 * (k - 1) * within**2 + 4 * share * total * within) / total
    return share, min(1.0, share + 1.96 * se)


def association(columns: list[Cells]) -> Numbers:
    """Return how far each column tells each other, shape (columns, columns), in [0, 1].

    Notes
    -----
    Cramer's V on the cells, without its bias (Bergsma 2013): 1 between a column and its copy, and between a column and one
    that follows from it. A cell of less than a hundredth of the rows joins the fullest one: a single row in which all columns
    are missing would tie them together. All tables of counts come out of one product of matrices.

    Examples
    --------
    >>> a = np.arange(1000) % 5
    >>> association([a, 4 - a, np.arange(1000) // 500]).round(6).tolist()
    [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    n = len(columns[0])
    places = [_dense(column, n // 100) for column in columns]
    sizes = [int(place.max()) + 1 for place in places]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    indicator = np.zeros((n, int(starts[-1])))
    for place, start in zip(places, starts, strict=False):
        indicator[np.arange(n), place + start] = 1
    together = indicator.T @ indicator
    rows = np.diag(together)
    squares = together**2 / np.outer(rows, rows)
    sums = np.add.reduceat(np.add.reduceat(squares, starts[:-1], axis=0), starts[:-1], axis=1)  # phi squared is this minus 1
    k = np.array(sizes, dtype=float)
    phi = np.maximum(0.0, sums - 1 - np.outer(k - 1, k - 1) / (n - 1))
    unbiased = k - (k - 1) ** 2 / (n - 1)
    least = np.minimum.outer(unbiased, unbiased) - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.clip(np.where(least > 1e-9, np.sqrt(phi / least), 0.0), 0.0, 1.0)


def _dense(column: Cells, least: int) -> Cells:
    """Return cells numbered from 0, with rare ones joined to the fullest."""
    _, place, sizes = np.unique(column, return_inverse=True, return_counts=True)
    joined = np.where(sizes < least, int(sizes.argmax()), np.arange(sizes.size))
    return np.asarray(np.unique(joined[place], return_inverse=True)[1])
