"""Calibration: what a score was worth on the reference, as a rising step curve made from counts.

Scores are counted on a fixed grid, `STEPS` bins for each unit of log-odds, fine at both ends where scores of rare outcomes
crowd. The curve is the isotonic regression of label on score, by pooled counts; between the scores that the reference has
it is a straight line, outside them it stays level, as scikit-learn's is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

STEPS = 256
_LEAST = 1e-14


def grid(score: str) -> str:
    """Return SQL of the bin of a score in [0, 1]; 0.5 begins bin 0, so no bin holds scores of both sides of it.

    Examples
    --------
    >>> import duckdb
    >>> duckdb.connect().sql(f"select {grid('s')} from (values (0.5), (0.4999), (0.51), (0.0), (1.0)) t(s)").fetchall()
    [(0,), (-1,), (10,), (-8253,), (8252,)]
    """
    odds = f"greatest({score}, {_LEAST}) / greatest(1 - {score}, {_LEAST})"
    return f"cast(floor({STEPS} * ln({odds})) as integer)"


def binned(scores: Floats) -> Whole:
    """Return the bins of scores in [0, 1], as `grid` does.

    Examples
    --------
    >>> binned(np.array([0.5, 0.4999, 0.51, 0.0, 1.0])).tolist()
    [0, -1, 10, -8253, 8252]
    """
    odds = np.maximum(scores, _LEAST) / np.maximum(1 - scores, _LEAST)
    return np.asarray(np.floor(STEPS * np.log(odds)), dtype=np.int64)


@dataclass(frozen=True)
class Curve:
    """The steps of an isotonic calibration, lowest score first.

    Attributes
    ----------
    first, last : numpy.ndarray of int
        First and last bin of each step.
    rows, positives : numpy.ndarray of int
        Rows of the reference on each step, and those of them with the positive label.
    """

    first: Whole
    last: Whole
    rows: Whole
    positives: Whole

    @property
    def heights(self) -> Floats:
        """Share of positives on each step."""
        return np.asarray(self.positives / self.rows)

    @property
    def doubtful(self) -> Floats:
        """The shares with half a row added to each side, for variances: a step of three positives is not certain."""
        return np.asarray((self.positives + 0.5) / (self.rows + 1))

    def at(self, bins: Whole) -> Steps:
        """Return on which steps these bins lie."""
        left = np.clip(np.searchsorted(self.first, bins, side="right") - 1, 0, len(self.first) - 1)
        right = np.minimum(left + 1, len(self.first) - 1)
        ends, starts, here = _centre(self.last[left]), _centre(self.first[right]), _centre(bins)
        between = (bins > self.last[left]) & (right > left)
        part = np.where(between, (here - ends) / np.where(between, starts - ends, 1.0), 0.0)
        return Steps(left, right, np.clip(part, 0.0, 1.0))

    def as_dict(self) -> dict[str, list[int]]:
        """Return plain JSON values; `from_dict` is the inverse."""
        return {name: getattr(self, name).tolist() for name in ("first", "last", "rows", "positives")}

    @classmethod
    def from_dict(cls, data: Mapping[str, Sequence[int]]) -> Curve:
        """Build a curve from `as_dict`'s output."""
        return cls(*(np.asarray(data[name], dtype=np.int64) for name in ("first", "last", "rows", "positives")))


@dataclass(frozen=True)
class Steps:
    """Each bin as a mixture of the step at or below it and the next: ``1 - part`` of `left`, ``part`` of `right`."""

    left: Whole
    right: Whole
    part: Floats

    def read(self, heights: Floats) -> Floats:
        """Return the curve's value at each bin."""
        return np.asarray((1 - self.part) * heights[self.left] + self.part * heights[self.right])

    def gather(self, weights: Floats, steps: int) -> Floats:
        """Return the weight that falls on each step when each bin has that weight: the transpose of `read`."""
        found = np.bincount(self.left, (1 - self.part) * weights, steps) + np.bincount(self.right, self.part * weights, steps)
        return np.asarray(found)


@dataclass(frozen=True)
class Togetherness:
    """How much the rows of one unit of independence (a day, a person) err together on the reference.

    Attributes
    ----------
    units : int
        Units of the reference; 0 where rows are the units.
    size : float
        Rows of a unit as a row meets them, the sum of squared rows of the units over the rows.
    cross : list of list of float
        Sum over units of the products of their summed residuals, by decision 0, decision 1 and weight for the ranking.
    own : list of float
        What the diagonal of `cross` would be if rows were independent.
    """

    units: int = 0
    size: float = 1.0
    cross: list[list[float]] = field(default_factory=list)
    own: list[float] = field(default_factory=list)

    def correlation(self, weights: Sequence[float]) -> float:
        """Return the correlation within units of residuals weighted like this, at least 0."""
        if not self.units or self.size <= 1:
            return 0.0
        w = np.asarray(weights)
        alone = float(np.asarray(self.own) @ w**2)
        if alone <= 0:
            return 0.0
        effect = float(w @ np.asarray(self.cross) @ w) / alone
        return min(1.0, max(0.0, (effect - 1) / (self.size - 1)))


def design_effect(correlation: float, size: float) -> float:
    """Return by how much correlation within units of that size makes a variance larger (Kish 1965, Survey Sampling, 5.4).

    Examples
    --------
    >>> design_effect(0.1, 21)
    3.0
    """
    return 1 + correlation * (max(1.0, size) - 1)


def isotonic(bins: Whole, rows: Whole, positives: Whole) -> Curve:
    """Return the curve of counts by bin.

    Parameters
    ----------
    bins : numpy.ndarray of int
        Rising, each once; at least one.
    rows, positives : numpy.ndarray of int
        Of each bin; rows > 0.

    Notes
    -----
    Pool adjacent violators (Ayer et al. 1955), weighted by rows, which gives the same curve as on the rows themselves.

    Examples
    --------
    >>> curve = isotonic(np.array([0, 1, 2]), np.array([4, 4, 2]), np.array([2, 1, 2]))
    >>> curve.heights.tolist(), curve.rows.tolist()
    ([0.375, 1.0], [8, 2])
    """
    from scipy.optimize import isotonic_regression

    fitted = isotonic_regression(positives / rows, weights=rows)
    starts = np.asarray(fitted.blocks[:-1], dtype=np.int64)
    ends = np.asarray(fitted.blocks[1:], dtype=np.int64) - 1
    return Curve(bins[starts], bins[ends], np.add.reduceat(rows, starts), np.add.reduceat(positives, starts))


def _centre(bins: Whole) -> Floats:
    return np.asarray(1 / (1 + np.exp(-(bins + 0.5) / STEPS)))


def told(curve: Curve) -> dict[str, Any]:
    """Return what a measurement says of the curve that it rests on."""
    positives, rows = int(curve.positives.sum()), int(curve.rows.sum())
    return {"rows": rows, "positives": positives, "negatives": rows - positives, "steps": len(curve.first)}
