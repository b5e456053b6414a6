"""How much of the answers each column carries, how sure that is, and whether it is still as it was.

A column's share is its part of the mean absolute SHAP value. Rows, or units where several rows hang together, are drawn anew to
say how sure a share is. What is kept for another night are sums over batches of ten rows and more, never single rows: batches
of the same making can be exchanged between two samples as rows can.

References
----------
.. [1] Efron, B. and Tibshirani, R. (1993). An introduction to the bootstrap, 10 and 13.
.. [2] Phipson, B. and Smyth, G. (2010). Permutation p-values should never be zero. Statistical Applications in Genetics and
       Molecular Biology 9(1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from checks.intervals import CONFIDENCE

Numbers = NDArray[np.float64]
Places = NDArray[np.int64]

BATCH = 10
"""Rows of a batch, at least."""
LEAST_UNITS = 10
"""Units or batches below which nothing is said of how sure a number is."""
DRAWS = 500
EXCHANGES = 1_999
TOP = 5
_ENDS = (2.5, 97.5)


@dataclass(frozen=True)
class Batches:
    """Sums of absolute SHAP values over small batches of rows.

    Attributes
    ----------
    sums : ndarray of shape (batches, columns)
    rows : int
        Rows in all of them.
    """

    sums: Numbers
    rows: int

    def as_json(self) -> dict[str, Any]:
        """Return JSON values; `from_json` is the inverse."""
        return {"sums": self.sums.tolist(), "rows": self.rows}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Batches:
        """Return what `as_json` made."""
        return cls(np.array(content["sums"], dtype=float), int(content["rows"]))


@dataclass(frozen=True)
class Estimate:
    """A number with both ends of its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """How two explanations agree.

    Attributes
    ----------
    ranks : Estimate
        Rank correlation of the shares, in [-1, 1].
    top : Estimate
        Part of the strongest columns of one that are among the strongest of the other, in [0, 1].
    shift : Estimate
        Total variation between the shares, in [0, 1], without what chance alone adds.
    p_value : float
        Of the shift, if nothing had changed.
    """

    ranks: Estimate
    top: Estimate
    shift: Estimate
    p_value: float


def units_of(n: int, names: Any | None) -> Places:
    """Return the number of the unit that each row belongs to; without names each row is one.

    Examples
    --------
    >>> units_of(3, None).tolist(), units_of(3, ["b", "a", "b"]).tolist()
    ([0, 1, 2], [1, 0, 1])
    """
    if names is None:
        return np.arange(n)
    return np.asarray(np.unique(np.asarray([str(name) for name in names]), return_inverse=True)[1])


def batches(strength: Numbers, unit: Places, rng: np.random.Generator) -> Batches:
    """Return the sums over batches of whole units with at least `BATCH` rows each; the rows left over are not counted.

    Parameters
    ----------
    strength : ndarray of shape (rows, columns)
        Absolute SHAP values.
    unit : ndarray of shape (rows,)
    rng : numpy.random.Generator
        Mixes the units; the same one gives the same batches of the same rows.

    Examples
    --------
    >>> made = batches(np.ones((25, 2)), np.arange(25), np.random.default_rng(0))
    >>> made.sums.tolist(), made.rows
    ([[10.0, 10.0], [10.0, 10.0]], 20)
    """
    sizes = np.bincount(unit)
    order = rng.permutation(len(sizes))
    place = np.full(len(sizes), -1)
    batch, held = 0, 0
    begun: list[int] = []
    for one in order:
        begun.append(int(one))
        held += int(sizes[one])
        if held >= BATCH:
            place[begun] = batch
            batch, held, begun = batch + 1, 0, []
    of_row = place[unit]
    sums = np.zeros((batch, strength.shape[1]))
    np.add.at(sums, of_row[of_row >= 0], strength[of_row >= 0])
    return Batches(sums, int((of_row >= 0).sum()))


def by_unit(strength: Numbers, unit: Places) -> Numbers:
    """Return the sums over the rows of each unit, shape (units, columns)."""
    sums = np.zeros((int(unit.max()) + 1, strength.shape[1]))
    np.add.at(sums, unit, strength)
    return sums


def shares(sums: Numbers) -> Numbers:
    """Return each column's part of the whole, over the last axis; zeros where there is nothing."""
    total = sums.sum(axis=-1, keepdims=True)
    return np.asarray(np.divide(sums, total, out=np.zeros_like(sums), where=total > 0))


def drawn_anew(units: int, rng: np.random.Generator, draws: int = DRAWS) -> Numbers:
    """Return how often each unit is drawn, shape (draws, units)."""
    return np.asarray(rng.multinomial(units, np.full(units, 1 / units), size=draws), dtype=float)


def estimated(sums: Numbers, rng: np.random.Generator) -> list[Estimate]:
    """Return each column's share with its interval, by drawing units anew.

    Parameters
    ----------
    sums : ndarray of shape (units, columns)
    rng : numpy.random.Generator
    """
    value = shares(sums.sum(axis=0))
    low, high = np.percentile(shares(drawn_anew(len(sums), rng) @ sums), _ENDS, axis=0)
    ends = zip(value.tolist(), np.minimum(low, value).tolist(), np.maximum(high, value).tolist(), strict=True)
    return [Estimate(*each) for each in ends]


def direction(column: Numbers, values: Numbers, unit: Places, rng: np.random.Generator) -> Estimate | None:
    """Return the rank correlation of a column with its SHAP values; None where one of them is the same in every row.

    Parameters
    ----------
    column, values : ndarray of shape (rows,)
        Rows in which the column is missing must have been left out.
    unit : ndarray of shape (rows,)
    rng : numpy.random.Generator

    Examples
    --------
    >>> x = np.arange(40.0)
    >>> direction(x, -(x**3), np.arange(40), np.random.default_rng(0)).value
    -1.0
    """
    from scipy.stats import rankdata

    x, y = rankdata(column), rankdata(values)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    x, y = (x - x.mean()) / x.std(), (y - y.mean()) / y.std()
    dense = np.unique(unit, return_inverse=True)[1]
    weights = drawn_anew(int(dense.max()) + 1, rng)[:, dense]
    n = weights.sum(axis=1)
    mean_x, mean_y = weights @ x / n, weights @ y / n
    spread = (weights @ x**2 / n - mean_x**2) * (weights @ y**2 / n - mean_y**2)
    made = (weights @ (x * y) / n - mean_x * mean_y) / np.sqrt(np.where(spread > 1e-12, spread, np.inf))
    value = float(np.clip((x * y).mean(), -1, 1))
    low, high = (float(end) for end in np.clip(np.percentile(made, _ENDS), -1, 1))
    return Estimate(value, min(low, value), max(high, value))


def compared(one: Batches, other: Batches, rng: np.random.Generator, paired: bool = False) -> Comparison:
    """Return how two explanations of the same columns agree.

    Parameters
    ----------
    one, other : Batches
        At least `LEAST_UNITS` batches each; `paired`: the same rows in the same batches.
    rng : numpy.random.Generator
    paired : bool

    Notes
    -----
    Drawing batches anew adds as much chance again as the samples hold already. So the upper end of an agreement is where the
    agreement would lie if it had been lowered as drawing anew lowers it, and the shift and its interval are reflected about
    the value. The p-value exchanges batches between the two, or, where they are pairs, the two of each pair.
    """
    a, b = one.sums, other.sums
    first = drawn_anew(len(a), rng)
    second = first if paired else drawn_anew(len(b), rng)
    drawn_a, drawn_b = shares(first @ a), shares(second @ b)
    seen_a, seen_b = shares(a.sum(axis=0)), shares(b.sum(axis=0))
    ranks = _lowered(float(_ranks(seen_a, seen_b)), _ranks(drawn_a, drawn_b), -1.0)
    top = _lowered(float(_overlap(seen_a, seen_b)), _overlap(drawn_a, drawn_b), 0.0)
    moved = float(_variation(seen_a, seen_b))
    made = _variation(drawn_a, drawn_b)
    low, high = (float(np.clip(2 * moved - end, 0, 1)) for end in np.percentile(made, (97.5, 2.5)))
    shift = float(np.clip(2 * moved - made.mean(), 0, 1))
    exchanged = _paired(a, b, rng) if paired else _exchanged(a, b, rng)
    p_value = (1 + int((exchanged >= moved - 1e-12).sum())) / (1 + len(exchanged))
    if p_value > 1 - CONFIDENCE:
        low = 0.0  # what chance alone explains is not surely a shift
    return Comparison(ranks, top, Estimate(shift, min(low, shift), max(high, shift)), p_value)


def _lowered(value: float, drawn: Numbers, least: float) -> Estimate:
    low, high = np.percentile(drawn, _ENDS)
    reflected = min(1.0, 2 * value - float(low))
    return Estimate(value, max(least, min(float(low), value)), max(float(high), reflected, value))


def _ranks(a: Numbers, b: Numbers) -> Numbers:
    """Return Spearman's rank correlation over the last axis; 1 where all shares of both are equal, 0 where those of one are."""
    from scipy.stats import rankdata

    x, y = rankdata(a, axis=-1), rankdata(b, axis=-1)
    x, y = x - x.mean(axis=-1, keepdims=True), y - y.mean(axis=-1, keepdims=True)
    spread = np.sqrt((x**2).sum(axis=-1) * (y**2).sum(axis=-1))
    both_flat = (x == 0).all(axis=-1) & (y == 0).all(axis=-1)
    made = (x * y).sum(axis=-1) / np.where(spread > 0, spread, np.inf)
    return np.asarray(np.clip(np.where(both_flat, 1.0, made), -1, 1))


def _overlap(a: Numbers, b: Numbers) -> Numbers:
    """Return which part of the `TOP` strongest columns two explanations have in common."""
    most = min(TOP, a.shape[-1])
    strongest = [np.argsort(-one, axis=-1, kind="stable")[..., :most] for one in (a, b)]
    shared = (strongest[0][..., :, None] == strongest[1][..., None, :]).any(axis=-1).sum(axis=-1)
    return np.asarray(shared / most)


def _variation(a: Numbers, b: Numbers) -> Numbers:
    return np.asarray(np.abs(a - b).sum(axis=-1) / 2)


def _exchanged(a: Numbers, b: Numbers, rng: np.random.Generator) -> Numbers:
    """Return the shifts that batches put together at random give."""
    both = np.concatenate([a, b])
    places = rng.permuted(np.tile(np.arange(len(both)), (EXCHANGES, 1)), axis=1)[:, : len(a)]
    chosen = np.zeros((EXCHANGES, len(both)))
    np.put_along_axis(chosen, places, 1.0, axis=1)
    of_one = chosen @ both
    return _variation(shares(of_one), shares(both.sum(axis=0) - of_one))


def _paired(a: Numbers, b: Numbers, rng: np.random.Generator) -> Numbers:
    """Return the shifts that pairs turned round at random give."""
    turned = rng.integers(0, 2, (EXCHANGES, len(a))).astype(float)
    return _variation(shares(a.sum(axis=0) + turned @ (b - a)), shares(b.sum(axis=0) + turned @ (a - b)))
