"""Whether a distribution moved: a test on counts that keeps its promise where alarms are decided, and how far it moved.

With thirty columns a night, a false alarm is decided at p-values near 0.0002, far out in the tail. There the chi-square
approximation holds only for dense cells, so sparse ones are merged before anything is tested.

References
----------
.. [1] Yurdakul, B. and Naranjo, J. (2020). Statistical properties of the population stability index. Journal of Risk
       Model Validation 14(4).
.. [2] Pearson, K. (1900). On the criterion that a given system of deviations ... Philosophical Magazine 50.
.. [3] Cochran, W. G. (1954). Some methods for strengthening the common chi-square tests. Biometrics 10(4).
.. [4] Fisher, R. A. (1935). The logic of inductive inference. J. Royal Statistical Society 98(1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from checks.drift.statistics import Counts, chi_square, counts_of, psi, psi_debiased, psi_interval, psi_p_value

LEAST_EXPECTED = 10.0
"""Cells are merged until both samples expect this many rows in each: below it the chi-square tail is too light."""



class Shift(NamedTuple):
    """How far two samples are apart, judged on merged cells; see `shift`.

    Attributes
    ----------
    effect : float
        Debiased PSI, >= 0.
    psi : float
        PSI as it is usually quoted, on the same cells, smoothed.
    low, high : float
        Interval around the effect.
    p_value : float
    cells : int
        Cells left after merging.
    method : str
        How the p-value was found.
    merged : tuple of ndarray
        The counts of reference and batch that it was found on.
    """

    effect: float
    psi: float
    low: float
    high: float
    p_value: float
    cells: int
    method: str
    merged: tuple[Counts, Counts]


def two_shares(successes: int, n: int, reference: int, reference_n: int) -> float:
    """Return the two-sided p-value of equal shares.

    Fisher's exact test [4]_ where a cell expects fewer than 10 rows, Pearson's chi-square otherwise.

    Examples
    --------
    >>> round(two_shares(8, 10, 1, 6), 6), two_shares(0, 10, 0, 10)
    (0.034965, 1.0)
    """
    if min(n, reference_n) <= 0:
        raise ValueError("a sample without rows has no share")
    hits = successes + reference
    smaller = min(hits, n + reference_n - hits) * min(n, reference_n) / (n + reference_n)
    if hits in (0, n + reference_n):
        return 1.0
    if smaller >= LEAST_EXPECTED:
        return chi_square([reference, reference_n - reference], [successes, n - successes])[1]
    chances = _hypergeometric(n, reference_n, hits)
    least = max(0, hits - reference_n)
    here = chances[successes - least]
    return min(1.0, float(chances[chances <= here * (1 + 1e-7)].sum()))


def more_than(successes: int, n: int, reference: int, reference_n: int) -> float:
    """Return the one-sided exact p-value that the share is no larger than the reference's [4]_.

    Examples
    --------
    >>> round(more_than(8, 10, 1, 6), 6), more_than(0, 10, 3, 10)
    (0.024476, 1.0)
    """
    if min(n, reference_n) <= 0:
        raise ValueError("a sample without rows has no share")
    chances = _hypergeometric(n, reference_n, successes + reference)
    return min(1.0, float(chances[successes - max(0, successes + reference - reference_n):].sum()))


def _hypergeometric(n: int, m: int, hits: int) -> Counts:
    """Return the chance of every possible number of hits among the first `n` of `n + m` rows, given all hits."""
    k = np.arange(max(0, hits - m), min(n, hits) + 1, dtype=float)
    log = _log_choose(n, k) + _log_choose(m, hits - k)
    chances = np.exp(log - log.max())
    return np.asarray(chances / chances.sum(), dtype=float)


def _log_choose(n: float, k: Counts) -> Counts:
    return np.asarray(special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1), dtype=float)


class Vanished(NamedTuple):
    """Categories of the reference that a batch no longer has; see `vanished`.

    Attributes
    ----------
    cells : tuple of int
        Those that are gone: none of the batch's rows, where many were expected.
    untold : tuple of int
        Those without a row that are too rare for it to mean anything.
    tested : int
        Categories frequent enough to be missed.
    p_value : float
        Of the surest one, corrected for all that were tested; 1 if none is gone.
    """

    cells: tuple[int, ...]
    untold: tuple[int, ...]
    tested: int
    p_value: float


def vanished(reference: ArrayLike, batch: ArrayLike, categories: int, least: float = LEAST_EXPECTED) -> Vanished:
    """Say which categories a batch no longer has.

    Parameters
    ----------
    reference, batch : array-like of shape (cells,)
        Counts over the same cells.
    categories : int
        How many of the first cells are a category each; the others only count as rows.
    least : float
        Rows that the batch must expect of a category, by its share of the reference, before its absence can be told.

    Notes
    -----
    The p-value is the hypergeometric chance that none of a category's rows fall into the batch, given how many both samples
    hold together [4]_, times the categories tested (Bonferroni).

    Examples
    --------
    >>> found = vanished([500, 400, 100, 2], [66, 44, 0, 0], categories=4)
    >>> found.cells, found.untold, found.tested, found.p_value < 1e-3
    ((2,), (3,), 3, True)
    """
    a, b = counts_of(reference, batch)
    n, m = float(b.sum()), float(a.sum())
    named = np.arange(a.size) < categories
    frequent = named & (a * n / m >= least * (1 - 1e-12))
    absent = named & (a > 0) & (b == 0)
    gone, untold = (tuple(int(i) for i in np.flatnonzero(absent & which)) for which in (frequent, ~frequent))
    tested = int(frequent.sum())
    chance = min((math.exp(float(_log_choose(m, a[[i]])[0] - _log_choose(n + m, a[[i]])[0])) for i in gone), default=1.0)
    return Vanished(gone, untold, tested, min(1.0, chance * max(1, tested)) if gone else 1.0)


def merge_ordered(reference: ArrayLike, batch: ArrayLike, least: float = LEAST_EXPECTED) -> tuple[Counts, Counts]:
    """Join neighbouring cells, left to right, until both samples expect `least` rows in each [3]_.

    Which cells are joined depends on the sum of both samples only, so the null distribution of a test stays right.

    Examples
    --------
    >>> merge_ordered([5, 5, 100, 3], [5, 5, 100, 3])
    (array([ 10., 103.]), array([ 10., 103.]))
    """
    a, b = counts_of(reference, batch)
    expected = (a + b) * min(a.sum(), b.sum()) / (a.sum() + b.sum())
    groups: list[list[int]] = [[]]
    filled = 0.0
    for cell, amount in enumerate(expected):
        if filled >= least * (1 - 1e-12):
            groups.append([])
            filled = 0.0
        groups[-1].append(cell)
        filled += float(amount)
    if filled < least * (1 - 1e-12) and len(groups) > 1:
        short = groups.pop()
        groups[-1] += short
    return _grouped(a, groups), _grouped(b, groups)


def merge_unordered(reference: ArrayLike, batch: ArrayLike, least: float = LEAST_EXPECTED) -> tuple[Counts, Counts]:
    """Join the rarest cells into one until both samples expect `least` rows in each; as `merge_ordered`, for categories.

    Examples
    --------
    >>> merge_unordered([3, 100, 4, 50, 5], [3, 100, 4, 50, 5])
    (array([100.,  50.,  12.]), array([100.,  50.,  12.]))
    """
    a, b = counts_of(reference, batch)
    expected = (a + b) * min(a.sum(), b.sum()) / (a.sum() + b.sum())
    order = [int(i) for i in np.argsort(-expected, kind="stable")]
    groups = [[i] for i in order if expected[i] >= least]
    rare = [i for i in order if expected[i] < least]
    while rare and groups and float(expected[rare].sum()) < least * (1 - 1e-12):
        rare = groups.pop() + rare
    if rare:
        groups.append(rare)
    return _grouped(a, groups), _grouped(b, groups)


def _grouped(counts: Counts, groups: Sequence[Sequence[int]]) -> Counts:
    return np.array([counts[list(group)].sum() for group in groups], dtype=float)


def shift(reference: ArrayLike, batch: ArrayLike, *, ordered: bool) -> Shift:
    """Judge whether and how far a distribution moved.

    Parameters
    ----------
    reference, batch : array-like of shape (cells,)
        Counts over the same cells, sparse or not.
    ordered : bool
        True if the cells are bins of a number, so that only neighbours may be merged.

    Returns
    -------
    Shift

    Notes
    -----
    The p-value is the larger of PSI's closed form [1]_ and Pearson's chi-square [2]_ on the merged cells. Each of the two has
    a tail that is somewhat too light on one side (PSI for a rare cell that empties, Pearson for one that fills); asking both
    keeps the promised error rate where Benjamini and Hochberg's procedure reads it, near 0.0002. If merging leaves one cell
    (a column that is nearly constant), Fisher's exact test of that cell against the rest takes their place.

    Examples
    --------
    >>> found = shift([1000] * 10, [50] * 5 + [150] * 5, ordered=True)
    >>> round(found.effect, 2), found.p_value < 1e-6, found.cells
    (0.26, True, 10)
    """
    a, b = counts_of(reference, batch)
    x, y = (merge_ordered if ordered else merge_unordered)(a, b)
    if x.size > 1:
        p, method = max(psi_p_value(x, y), chi_square(x, y)[1]), "larger p of PSI's closed form and Pearson's chi-square"
    else:
        main = int(np.argmax(a + b))
        x, y = (np.array([c[main], c.sum() - c[main]], dtype=float) for c in (a, b))
        p = two_shares(int(y[1]), int(y.sum()), int(x[1]), int(x.sum()))
        method = "Fisher's exact test of the main cell against the rest"
    low, high = psi_interval(x, y)
    return Shift(psi_debiased(x, y), psi(x, y), low, high, p, int(x.size), method, (x, y))
