"""How well columns tell which group a row belongs to, on rows that were not learned from, and how sure that is.

Trees learn the groups on one half of the rows and are asked about the other half. The answer is an area under the ROC curve:
of two rows, one of the group and one of the others, the share of pairs in which the trees give the first one the higher
chance. One half is one half, and not a rotation of parts: where nothing tells the groups, the parts of a rotation err in the
same direction, and its interval misses one half three times as often as it says (docs/proxies.md has the numbers).

References
----------
.. [1] DeLong, E., DeLong, D. and Clarke-Pearson, D. (1988). Comparing the areas under two or more correlated ROC curves.
.. [2] Provost, F. and Domingos, P. (2003). Tree induction for probability-based ranking. Machine Learning 52 (several groups:
       each against all others, weighted by its share).
.. [3] Bengio, Y. and Grandvalet, Y. (2004). No unbiased estimator of the variance of K-fold cross-validation. JMLR 5.
.. [4] Breiman, L. (2001). Random forests. Machine Learning 45(1) (what is lost when a column is exchanged between rows).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from checks.explainability.cells import cells, explained
from checks.explainability.encoding import Numbers
from checks.explainability.sample import generator
from checks.intervals import Interval, RankSums, by_influence, delong
from roadworthy.errors import DataError

Codes = NDArray[np.int64]

LEAST_IN_HALF = 10
"""Rows of a group that each half must hold."""
MOST_COLUMNS = 48
"""Columns that the trees read: of more, those that alone go furthest with the groups among the rows learned from."""
EXCHANGED = 5
"""Columns whose part is asked for: those that go furthest with what the trees answer."""
TREES: dict[str, Any] = {"max_iter": 30, "max_leaf_nodes": 8, "learning_rate": 0.1, "min_samples_leaf": 10}
_CELLS = 10
_SMOOTHING = 10.0  # rows of the whole that each cell is mixed with


@dataclass(frozen=True)
class Area:
    """An area under the ROC curve with what each row asked about changes of it.

    Attributes
    ----------
    value : float
        In [0, 1].
    influence : ndarray of shape (rows,)
    """

    value: float
    influence: Numbers


@dataclass(frozen=True)
class Told:
    """How well the groups are told.

    Attributes
    ----------
    together : Area
        By all columns.
    alone : list of Area
        By each column for itself, in order.
    without : dict of int to Area
        By all columns, with the values of one exchanged between rows; of the columns that go furthest with the answers.
    learned, asked : ndarray of int
        Places of the rows learned from and of those asked about.
    """

    together: Area
    alone: list[Area]
    without: dict[int, Area]
    learned: Codes
    asked: Codes


def tell(x: Numbers, categorical: NDArray[np.bool_], codes: Codes, units: Codes | None, seed: int) -> Told:
    """Say how well columns tell the groups.

    Parameters
    ----------
    x : ndarray of shape (rows, columns)
        Numbers, NaN where missing; words as codes.
    categorical : ndarray of shape (columns,)
        Which columns hold words.
    codes : ndarray of shape (rows,)
        Group of each row: 0, 1, ..., each of them present.
    units : ndarray of shape (rows,), optional
        What is independent, 0, 1, ..., where rows are not: all rows of a unit stand in the same half.
    seed : int

    Raises
    ------
    DataError
        If a half does not hold enough rows of a group.
    """
    rng = generator(seed, "proxies")
    k = int(codes.max()) + 1
    later = _second_half(codes, units, rng)
    seen, held = np.flatnonzero(~later), np.flatnonzero(later)
    if min(np.bincount(codes[half], minlength=k).min() for half in (seen, held)) < LEAST_IN_HALF:
        raise DataError("A group stands in too few independent units to be learned on one half of them and told on the other.")
    chosen = _furthest(x[seen], codes[seen])
    trees = _grow(x[np.ix_(seen, chosen)], codes[seen], categorical[chosen], seed)
    there = x[np.ix_(held, chosen)]
    before = _chances(trees, there, k)
    alone = [_alone(x[:, place], bool(categorical[place]), codes, seen, held, k) for place in range(x.shape[1])]
    without: dict[int, Area] = {}
    order = rng.permutation(len(held))
    for place in _goes_with(there, before):
        exchanged = there.copy()
        exchanged[:, place] = there[order, place]
        without[int(chosen[place])] = area_of(_chances(trees, exchanged, k), codes[held])
    return Told(area_of(before, codes[held]), [area_of(one, codes[held]) for one in alone], without, seen, held)


def area_of(chances: Numbers, codes: Codes) -> Area:
    """Return the area under the ROC curve, ties counted half; of several groups the mean weighted by their shares.

    Parameters
    ----------
    chances : ndarray of shape (rows, groups)
    codes : ndarray of shape (rows,)

    Examples
    --------
    >>> told = np.array([0.1, 0.4, 0.4, 0.9])
    >>> area_of(np.column_stack([1 - told, told]), np.array([0, 0, 1, 1])).value
    0.875
    """
    k = chances.shape[1]
    if k == 2:
        return _against_others(chances[:, 1], codes == 1)
    each = [_against_others(chances[:, g], codes == g) for g in range(k)]
    shares, values = np.bincount(codes, minlength=k) / len(codes), np.array([area.value for area in each])
    value = float(shares @ values)
    influence = sum((share * area.influence for share, area in zip(shares, each, strict=True)), np.zeros(len(codes)))
    return Area(value, influence + (values[codes] - value) / len(codes))  # the shares are known from these rows only


def interval_of(area: Area, codes: Codes, units: Codes | None) -> Interval:
    """Return the 95 % interval of an area, within [0, 1].

    Parameters
    ----------
    area : Area
    codes, units : ndarray of shape (rows,)
        Of the rows asked about.

    Notes
    -----
    DeLong's, on the logit scale. Where no row makes a difference because the groups do not overlap, the score interval that
    stands in for it in `checks.intervals.delong`, for the smallest group.
    """
    squares, n = spread(area.influence, codes, units)
    if squares > 1e-15 and 0 < area.value < 1:
        return by_influence(area.value, squares, n, scale="logit", method="DeLong logit")
    sizes = np.bincount(codes)
    m = int(sizes[sizes > 0].min())
    rest = len(codes) - m
    return delong(RankSums(m, rest, round(2 * m * rest * area.value), m * area.value**2, rest * area.value**2))


def spread(influence: Numbers, codes: Codes, units: Codes | None) -> tuple[float, int]:
    """Return the sum of squared influences of what is independent, and how many independent observations speak for it.

    Notes
    -----
    Where rows are independent, one more than Welch's degrees of freedom (Welch 1947): a group of ten rows beside thousands of
    others makes an interval of about ten rows.
    """
    if units is not None:
        each = np.bincount(np.unique(units, return_inverse=True)[1], influence)
        return float((each**2).sum()), len(each)
    parts, sizes = np.bincount(codes, influence**2), np.bincount(codes)
    there = sizes > 1
    doubt = float((parts[there] ** 2 / (sizes[there] - 1)).sum())
    squares = float(parts.sum())
    return squares, max(2, int(squares**2 / doubt) + 1) if doubt > 0 else len(influence)


def _against_others(scores: Numbers, positive: NDArray[np.bool_]) -> Area:
    from scipy.stats import rankdata

    m, n = int(positive.sum()), int((~positive).sum())
    ranks = rankdata(scores)
    below = (ranks[positive] - rankdata(scores[positive])) / n
    above = 1 - (ranks[~positive] - rankdata(scores[~positive])) / m
    value = float(below.mean())
    influence = np.zeros(len(scores))
    influence[positive] = (below - value) / m * np.sqrt(m / max(1, m - 1))
    influence[~positive] = (above - value) / n * np.sqrt(n / max(1, n - 1))
    return Area(value, influence)


def _second_half(codes: Codes, units: Codes | None, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return which rows are asked about: every other row of each group, or whole units, at random."""
    if units is not None:
        return np.asarray(rng.permutation(int(units.max()) + 1)[units] % 2 == 1)
    order = rng.permutation(len(codes))
    order = order[np.argsort(codes[order], kind="stable")]
    found = np.empty(len(codes), dtype=bool)
    found[order] = np.arange(len(codes)) % 2 == 1
    return found


def _grow(x: Numbers, codes: Codes, categorical: NDArray[np.bool_], seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return HistGradientBoostingClassifier(
            **TREES, categorical_features=categorical, early_stopping=False, random_state=seed
        ).fit(x, codes)


def _chances(trees: Any, x: Numbers, k: int) -> Numbers:
    """Return the chance of each group, shape (rows, k)."""
    from threadpoolctl import threadpool_limits

    made = np.zeros((len(x), k))
    with threadpool_limits(1):
        made[:, trees.classes_] = trees.predict_proba(x)
    return made


def _alone(column: Numbers, words: bool, codes: Codes, seen: Codes, held: Codes, k: int) -> Numbers:
    """Return the chance of each group as the cell of one column has it among the rows learned from."""
    cell = cells(column, 256 if words else _CELLS)
    base = np.bincount(codes[seen], minlength=k) / len(seen)
    counts = np.zeros((int(cell.max()) + 1, k))
    np.add.at(counts, (cell[seen], codes[seen]), 1)
    chances = (counts + _SMOOTHING * base) / (counts.sum(axis=1, keepdims=True) + _SMOOTHING)
    return np.asarray(chances[cell[held]])


def _furthest(x: Numbers, codes: Codes) -> Codes:
    """Return the places of the columns that alone go furthest with the groups, in order; all of them if they are not many."""
    if x.shape[1] <= MOST_COLUMNS:
        return np.arange(x.shape[1])
    strength = _strength(x, np.column_stack([codes == g for g in range(int(codes.max()) + 1)]).astype(float))
    return np.sort(np.argsort(-strength, kind="stable")[:MOST_COLUMNS])


def _goes_with(x: Numbers, answered: Numbers) -> list[int]:
    """Return the columns that go furthest with what the trees answer, furthest first."""
    strength = _strength(x, answered)
    return [int(place) for place in np.argsort(-strength, kind="stable")[:EXCHANGED] if strength[place] > 0]


def _strength(x: Numbers, y: Numbers) -> Numbers:
    """Return how far each column alone goes with any of the answers: of two groups one says it all."""
    asked = range(1, 2) if y.shape[1] == 2 else range(y.shape[1])
    cut = [cells(x[:, place], _CELLS) for place in range(x.shape[1])]
    return np.array([max(explained(cell, y[:, g])[0] for g in asked) for cell in cut])
