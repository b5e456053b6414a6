"""What carries the move of a mean: columns, by exchanging them, and segments, by their size and their level.

Pure functions of numbers; where they come from does not matter.

References
----------
.. [1] Shapley, L. S. (1953). A value for n-person games. Contributions to the Theory of Games II.
.. [2] Strumbelj, E. and Kononenko, I. (2014). Explaining prediction models and individual predictions with feature
       contributions. Knowledge and Information Systems 41(3).
.. [3] Kitagawa, E. M. (1955). Components of a difference between two rates. JASA 50(272).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from checks.intervals import CONFIDENCE, by_influence, normal_quantile

Numbers = NDArray[np.float64]


class Carried(NamedTuple):
    """How much of a move something carries, in the unit of what moved, with an interval."""

    value: float
    low: float
    high: float


def shapley(
    predict: Callable[[Numbers], Numbers], before: Numbers, after: Numbers, players: Sequence[Sequence[int]],
    rng: np.random.Generator,
) -> list[list[Carried]]:
    """Return what each player carries of the move of each mean prediction from `before` to `after`.

    Parameters
    ----------
    predict : callable
        Rows of shape (n, columns) to predictions of shape (n, outputs).
    before, after : ndarray of shape (n, columns)
        Rows paired by chance.
    players : sequence of sequence of int
        Places of the columns of each player, each column in one of them.
    rng : numpy.random.Generator

    Returns
    -------
    list of list of Carried
        For each output, of each player. Those of an output add up to the move of its mean,
        ``predict(after).mean(axis=0) - predict(before).mean(axis=0)``. The interval is that of the pairs and orders drawn.

    Notes
    -----
    The players' values are exchanged one after the other, in an order drawn for each pair of rows [2]_, and once more in the
    opposite order, which halves the noise of orders. Its expectation is Shapley's value [1]_ of the game in which a set of
    players is worth the mean prediction after their exchange.

    Examples
    --------
    >>> before, after = np.zeros((50, 2)), np.ones((50, 2))
    >>> def answer(x):
    ...     return (3 * x[:, 0] + x[:, 0] * x[:, 1])[:, None]
    >>> [one.value for one in shapley(answer, before, after, [[0], [1]], np.random.default_rng(0))[0]]
    [3.5, 0.5]
    """
    n, k = len(before), len(players)
    order = np.argsort(rng.random((n, k)), axis=1)
    start, rows = predict(before), np.arange(n)
    carried = np.zeros((n, k, start.shape[1]))
    for turns in (order, order[:, ::-1]):
        now, value = before.copy(), start
        for turn in range(k):
            for player, places in enumerate(players):
                theirs = turns[:, turn] == player
                now[np.ix_(theirs, places)] = after[np.ix_(theirs, places)]
            moved = predict(now)
            carried[rows, turns[:, turn]] += (moved - value) / 2
            value = moved
    return [[_mean(carried[:, player, output]) for player in range(k)] for output in range(start.shape[1])]


def _mean(values: Numbers) -> Carried:
    mean, n = float(values.mean()), len(values)
    interval = by_influence(mean, float(((values - mean) ** 2).sum()) / n**2, n)
    return Carried(mean, interval.low, interval.high)


class Part(NamedTuple):
    """Rows of one segment: how many, the mean of the score, and its variance."""

    rows: int
    mean: float
    variance: float


class Moved(NamedTuple):
    """What a segment carries of the move of the mean: by its share of the rows (mix) and by its own mean (level)."""

    mix: float
    level: float
    carried: Carried


NOBODY = Part(0, 0.0, 0.0)


def kitagawa(before: Mapping[str, Part], after: Mapping[str, Part]) -> dict[str, Moved]:
    """Return what each segment carries of the move of the overall mean.

    Parameters
    ----------
    before, after : mapping of str to Part
        Each holds every row once; at least one row each.

    Returns
    -------
    dict of str to Moved
        Mix and level of all segments together are the move of the mean.

    Notes
    -----
    Level: the move of the segment's mean, weighted with its mean share of the rows. Mix: the move of its share, weighted with
    how far its mean lies from the overall one [3]_; without that centre a segment that grows would carry a move only because
    scores are positive. A segment that was not there before has no move of its own: it counts as mix. The interval is the
    delta method's, of independent rows.

    Examples
    --------
    >>> before = {"a": Part(50, 0.2, 0.0), "b": Part(50, 0.4, 0.0)}
    >>> found = kitagawa(before, {"a": Part(20, 0.2, 0.0), "b": Part(80, 0.5, 0.0)})
    >>> [(name, round(one.mix, 4), round(one.level, 4)) for name, one in found.items()]
    [('a', 0.051, 0.0), ('b', 0.024, 0.065)]
    """
    n0, n1 = (sum(part.rows for part in side.values()) for side in (before, after))
    middle = sum(p.rows * p.mean for p in before.values()) / n0 / 2 + sum(p.rows * p.mean for p in after.values()) / n1 / 2
    found = {}
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name, NOBODY), after.get(name, NOBODY)
        share0, share1 = old.rows / n0, new.rows / n1
        mean0, mean1 = (old.mean if old.rows else new.mean), (new.mean if new.rows else old.mean)
        distance, weight = (mean0 + mean1) / 2 - middle, (share0 + share1) / 2
        mix, level = (share1 - share0) * distance, (mean1 - mean0) * weight
        of_means = sum(part.variance / part.rows for part in (old, new) if part.rows) if old.rows and new.rows else 0.0
        of_shares = share0 * (1 - share0) / n0 + share1 * (1 - share1) / n1
        half = normal_quantile(CONFIDENCE) * math.sqrt(weight**2 * of_means + distance**2 * of_shares)
        found[name] = Moved(mix, level, Carried(mix + level, mix + level - half, mix + level + half))
    return found
