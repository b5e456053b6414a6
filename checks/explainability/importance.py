"""How much of the score each column decides, at least and at most.

A column's values are exchanged between rows of the reference that the surrogate has not seen, and the answers that follow are
compared with those before: half the mean squared difference, as a share of the variance of the answers. For columns that
know nothing of each other this is the total-effect index of a sensitivity analysis: 0 for a column that is not read, 1 for one
that decides alone.

Exchanging a column alone says too little where others tell the same: of two copies the trees may read either, so both would
seem unused. So the upper end of a column counts what it may tell in the place of the columns that go with it: what all of them
decide together, less what the others still decide when they are exchanged only between rows that are alike in the column. And
the upper end allows for what the surrogate leaves open: the part of its misses that goes with the column.

References
----------
.. [1] Breiman, L. (2001). Random forests. Machine Learning 45(1).
.. [2] Fisher, A., Rudin, C. and Dominici, F. (2019). All models are wrong, but many are useful. JMLR 20(177).
.. [3] Jansen, M. J. W. (1999). Analysis of variance designs for model output. Computer Physics Communications 117.
.. [4] Hooker, G., Mentch, L. and Zhou, S. (2021). Unrestricted permutation forces extrapolation. Statistics and Computing 31.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from checks.explainability.cells import Cells, association, cells, explained
from checks.explainability.encoding import Numbers
from checks.explainability.sample import generator
from checks.explainability.surrogate import Surrogate
from checks.intervals import by_influence

ROWS = 1_000
GOES_WITH = 0.3
"""Cramer's V from which one column is taken to tell something of another."""
_CELLS = 5
_ALIKE = 20  # cells of a number within which rows are alike


@dataclass(frozen=True)
class Importance:
    """What one column decides.

    Attributes
    ----------
    share, low, high : float
        In [0, 1], share of the variance of the answers; `high` with what it may tell in the place of others.
    alone : float
        Upper end of the column exchanged alone.
    goes_with : tuple of str
        Columns in whose place it may speak.
    rows : int
    """

    share: float
    low: float
    high: float
    alone: float
    goes_with: tuple[str, ...]
    rows: int


def importances(surrogate: Surrogate, seed: int) -> dict[str, Importance]:
    """Return the importance of each column that the surrogate reads.

    Parameters
    ----------
    surrogate : Surrogate
    seed : int

    Notes
    -----
    The ends are 95 % delta-method intervals of the ratio of two means over rows; the part for the surrogate's misses is added
    to the upper one.
    """
    names = list(surrogate.encoding.columns)
    rng = generator(seed, "permutation")
    chosen = np.sort(rng.permutation(len(surrogate.held_out))[:ROWS])
    rows, answers = surrogate.held_out[chosen], surrogate.answers[chosen]
    exchange = _Exchange(surrogate, rows, rng.permutation(len(rows)))
    cut = [cells(rows[:, place], _CELLS) for place in range(len(names))]
    together = association(cut) >= GOES_WITH
    misses = answers - exchange.before
    found: dict[str, Importance] = {}
    for place, name in enumerate(names):
        moved = exchange.moved([place])
        share, low, high = exchange.share(moved)
        alone = high
        others = [int(other) for other in np.flatnonzero(together[place]) if other != place]
        if others:
            left = exchange.moved(others, within=cells(rows[:, place], _ALIKE))
            high = max(alone, exchange.share(exchange.moved([place, *others]) - left)[2])
        open_part = max(explained(cut[place], misses[:, k])[1] for k in range(misses.shape[1]))
        high = min(1.0, high + max(0.0, 1 - surrogate.fidelity) * open_part)
        found[name] = Importance(share, low, high, alone, tuple(names[other] for other in others), len(rows))
    return found


class _Exchange:
    """Exchanges columns between rows and says how far the answers move."""

    def __init__(self, surrogate: Surrogate, rows: Numbers, order: NDArray[np.int64]) -> None:
        self.rows, self._surrogate, self._order = rows, surrogate, order
        self.before = surrogate.predict(rows)
        self._spread = ((self.before - self.before.mean(axis=0)) ** 2).sum(axis=1)

    def moved(self, places: list[int], within: Cells | None = None) -> Numbers:
        """Return half the squared move of each row's answers; `within`: exchanged only between rows of the same cell."""
        exchanged = self.rows.copy()
        exchanged[:, places] = self.rows[_within(self._order, within)][:, places]
        return np.asarray(((self._surrogate.predict(exchanged) - self.before) ** 2).sum(axis=1) / 2)

    def share(self, moved: Numbers) -> tuple[float, float, float]:
        """Return the mean move as a share of the variance of the answers, with both ends, in [0, 1]."""
        n, spread = len(moved), float(self._spread.mean())
        if spread == 0 or not moved.any():
            return 0.0, 0.0, 0.0
        share = float(moved.mean()) / spread
        influence = (moved - share * self._spread) / (n * spread)
        interval = by_influence(share, float((influence**2).sum()), n)
        low, value, high = (min(1.0, max(0.0, end)) for end in (interval.low, share, interval.high))
        return value, low, high


def _within(order: NDArray[np.int64], cell: Cells | None) -> NDArray[np.int64]:
    """Return the order with values exchanged only between rows of the same cell."""
    if cell is None:
        return order
    places = np.argsort(cell, kind="stable")
    shuffled = order[np.argsort(cell[order], kind="stable")]
    found = np.empty_like(order)
    found[places] = shuffled
    return found
