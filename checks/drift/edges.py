"""The edges of cells: where a number's range is cut, chosen from the reference.

There are two sets. The few edges of `of_values` and `of_quantiles` make the cells that are tested and shown. The many of `fine`
hold them all and are for distances that look between: the Kolmogorov-Smirnov and the Wasserstein distance.

Deciles, and not bins of equal width: a single far value stretches bins of equal width until they see nothing. The fine edges
stand where they hide least: what binning can hide of a Wasserstein distance is the sum of mass times width, and that sum is
least if each cell has the same square root of mass times width (as in Bennett 1948, Spectra of quantized signals, for a
quantiser's error). A skewed column so gets many narrow cells where its rows are and few wide ones in its tail.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

FINE = 100
_LEVELS = 128
_BEYOND = [2.0**k for k in range(-2, 11)]
"""Edges outside the reference's range, in standard deviations from its ends."""

DECILES = [i / 10 for i in range(1, 10)]
LEVELS = sorted({*DECILES, *(i / _LEVELS for i in range(1, _LEVELS)), 1e-3, 1e-4, 1 - 1e-3, 1 - 1e-4})
"""The quantiles that `fine` chooses from; `DECILES` are among them."""


def of_values(values: Sequence[float]) -> tuple[float, ...]:
    """Return edges that give each value a cell of its own, with a cell for what lies between unless they are neighbours.

    Examples
    --------
    >>> len(of_values([1.0, 2.0, 4.0]))
    5
    """
    edges = [below(values[0])]
    for left, right in pairwise(values):
        edges.append(left)
        if not (right - left == 1 and left.is_integer()):
            edges.append(below(right))
    return ascending([*edges, values[-1]])


def of_quantiles(quantiles: Sequence[float], low: float, high: float) -> tuple[float, ...]:
    """Return the quantiles as edges, with a cell of its own for a value that stands twice, and the ends of the range.

    Examples
    --------
    >>> len(of_quantiles([0.0, 0.0, 1.0, 2.0], -1.0, 3.0))
    6
    """
    edges = [below(low), high]
    for value in quantiles:
        edges.append(value)
        if quantiles.count(value) > 1:
            edges.append(below(value))
    return ascending(edges)


def fine(
    coarse: Sequence[float], levels: Sequence[float], low: float, high: float, *, spread: float, step: float = 0.0
) -> tuple[float, ...]:
    """Return finer edges that hold the coarse ones, inside the range and beyond its ends.

    Parameters
    ----------
    coarse : sequence of float
        Ascending.
    levels : sequence of float of shape (len(LEVELS),)
        The column's quantiles at `LEVELS`.
    low, high : float
        The ends of the range.
    spread : float
        Standard deviation. 0 for a column that does not vary, which needs no finer edges.
    step : float, optional
        What all values are multiples of, if anything: 1 for whole numbers. Few enough values get a cell each.

    Returns
    -------
    tuple of float
        Ascending, finite; about 150 of them, empty if there is no spread.

    Examples
    --------
    >>> found = fine([0.0, 1.0], [level for level in LEVELS], 0.0, 1.0, spread=0.29)
    >>> 120 < len(found) < 160, found[0] < -200, found[-1] > 200, {0.0, 1.0} <= set(found)
    (True, True, True, True)
    """
    if not spread > 0:
        return ()
    inner: Iterable[float]
    if step and (high - low) / step <= FINE:
        inner = (low + step * i for i in range(round((high - low) / step)))
    else:
        inner = _equal_root_mass(levels, low, high)
        if step:
            inner = (math.floor(edge / step) * step for edge in inner)
    tails = [edge for k in _BEYOND for edge in (low - spread * k, high + spread * k)]
    return ascending([*coarse, *inner, *tails])


def _equal_root_mass(levels: Sequence[float], low: float, high: float) -> list[float]:
    """Return about `FINE` edges between which the square root of mass times width is alike."""
    masses: dict[float, float] = {below(low): 0.0}
    for level, value in zip(LEVELS, levels, strict=True):
        masses.setdefault(below(value), level)
        masses[value] = level
    masses[high] = 1.0
    points = np.array(sorted(x for x in masses if abs(x) < sys.float_info.max))
    scale = float(np.abs(points).max()) or 1.0
    at: NDArray[np.float64] = points / scale  # the range itself may be more than a double can hold
    mass = np.maximum(np.diff([masses[float(x)] for x in points]), 0)
    filled = np.concatenate([[0.0], np.cumsum(np.sqrt(mass * np.diff(at)))])
    wanted = np.linspace(0.0, filled[-1], FINE + 1)[1:-1]
    edges = [float(edge * scale) for edge in np.interp(wanted, filled, at)]
    spikes = {value for value, following in pairwise(levels) if value == following}
    return [*edges, *spikes, *(below(value) for value in spikes)]


def below(value: float) -> float:
    """Return the next smaller number."""
    return math.nextafter(value, -math.inf)


def ascending(edges: Iterable[float]) -> tuple[float, ...]:
    """Return the edges that a double can hold, sorted, each once."""
    return tuple(sorted({float(e) for e in edges if abs(e) < sys.float_info.max}))
