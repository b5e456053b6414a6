"""The attacks, and how well they tell members from others: pure functions of confidences.

An attack gives each row a number; the higher, the more it takes the row for one that was learned from. How well it does is the
area under its ROC curve, and the share of members it names while wrongly naming one in a hundred others. The area alone hides
an attack that is sure of a few: those few are the people concerned.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from checks.intervals import CONFIDENCE, Interval, RankSums, by_influence, delong, wilson

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]

FALSE_POSITIVES = 0.01
LEAST_FALSE = 10
"""So many others must be named wrongly at that rate, or the rate cannot be told."""
_HALF = 0.975
"""Level of the two parts of the interval of the share named; together they hold at 0.95 (Bonferroni)."""


@dataclass(frozen=True)
class Told:
    """How well an attack does.

    Attributes
    ----------
    auc : float
    interval : Interval
    named : float or None
        Share of members named at `FALSE_POSITIVES`; None where it cannot be resolved.
    low, high : float
        Its interval.
    members, others : int
        Different rows that were one or the other.
    """

    auc: float
    interval: Interval
    named: float | None
    low: float
    high: float
    members: int
    others: int


def likelihood_ratio(confidences: Numbers, member: Flags) -> Numbers:
    """Return the score of each row under each model, the others serving as its shadows.

    Parameters
    ----------
    confidences : ndarray of shape (models, rows)
    member : ndarray of bool, same shape
        What each model learned from, as `halves` gives it: models come in pairs that learn from opposite halves.

    Returns
    -------
    ndarray of shape (models, rows)
        The log of the likelihood of the confidence under models that learned from the row, over that under models that did not.

    Notes
    -----
    The online attack of Carlini, Chien, Nasr, Song, Terzis and Tramer 2022, Membership inference attacks from first principles,
    algorithm 1, with one variance for all rows as they advise for few shadows (section VI.C); each model is the target in turn.
    Its twin of the opposite half is left out with it: else of a member one shadow fewer learned from it than did not, of another
    row one more, and where nothing leaks the attack would do worse than chance.

    Examples
    --------
    >>> member = np.array([[1, 0], [0, 1], [1, 0], [0, 1], [1, 0], [0, 1]], dtype=bool)
    >>> made = likelihood_ratio(np.where(member, 2.0, 0.0) + np.arange(6.0)[:, None] / 10, member)
    >>> bool((made[member] > 0).all() and (made[~member] < 0).all())
    True
    """
    made = np.zeros_like(confidences)
    for target in range(len(confidences)):
        others = np.arange(len(confidences)) // 2 != target // 2
        parts = []
        for inside in (member[others], ~member[others]):
            counts = inside.sum(axis=0)
            centre = np.where(inside, confidences[others], 0.0).sum(axis=0) / counts
            squares = (np.where(inside, confidences[others] - centre, 0.0) ** 2).sum()
            variance = max(float(squares / max(1, counts.sum() - len(counts))), 1e-12)
            parts.append(-((confidences[target] - centre) ** 2) / (2 * variance) - 0.5 * math.log(variance))
        made[target] = parts[0] - parts[1]
    return made


def told(scores: Numbers, member: Flags, unit: NDArray[np.int64], effect: Numbers | None = None) -> Told:
    """Return how well an attack does, over one target or several on the same rows.

    Parameters
    ----------
    scores : ndarray of shape (targets, rows)
    member : ndarray of bool, same shape
        Each target has members and others.
    unit : ndarray of int, shape (rows,)
        Rows of the same number hang together.
    effect : ndarray of shape (rows,), optional
        By how much each row adds more to the variance than if it stood alone, where its unit is no longer known.

    Notes
    -----
    The area is the mean over the targets. Its variance is the infinitesimal jackknife over units with DeLong's components, the
    mean over the targets, as Obuchowski 1997 takes it over clusters. The share named is pooled over the targets; its interval
    joins Wilson's of the members with the binomial one of how many others truly lie above the threshold, each at 97.5 %, both
    with the number of different units and not of pairs.

    Examples
    --------
    >>> scores, member = np.array([[4.0, 3.0, 2.0, 1.0]]), np.array([[True, True, False, False]])
    >>> found = told(scores, member, np.arange(4))
    >>> found.auc, found.named
    (1.0, None)
    """
    targets, rows = scores.shape
    influence, areas = np.zeros(rows), []
    for score, inside in zip(scores, member, strict=True):
        ours, theirs = score[inside], score[~inside]
        above = _above(ours, theirs)
        below = 1 - _above(theirs, ours)
        auc = float(above.mean())
        areas.append(auc)
        influence[inside] += (above - auc) / len(ours) / targets
        influence[~inside] += (below - auc) / len(theirs) / targets
    auc = float(np.mean(areas))
    influence *= np.sqrt(effect) if effect is not None else 1.0
    by_unit = np.bincount(np.unique(unit, return_inverse=True)[1], weights=influence)
    squares = float((by_unit**2).sum())
    m, n = _different(member, unit), _different(~member, unit)
    if squares > 1e-15 and 0 < auc < 1 and len(by_unit) > 1:
        interval = by_influence(auc, squares, len(by_unit), scale="logit", method="Obuchowski logit")
    else:
        interval = delong(RankSums(m, n, round(2 * auc * m * n), 0.0, 0.0), CONFIDENCE)  # its score interval stands in
    fewer = 1.0 if effect is None else float(np.mean(effect[member.any(axis=0)]))
    named, low, high = _named(scores[member], scores[~member], m / fewer, n)
    return Told(auc, interval, named, low, high, m, n)


def effect_of(values: Numbers, unit: NDArray[np.int64]) -> float:
    """Return how many times the variance of a mean is what it would be if rows did not hang together; at least 1.

    Examples
    --------
    >>> effect_of(np.array([1.0, 1.0, 2.0, 2.0]), np.array([0, 0, 1, 1])), effect_of(np.arange(4.0), np.arange(4))
    (2.0, 1.0)
    """
    gap = values - values.mean()
    by_unit = np.bincount(np.unique(unit, return_inverse=True)[1], weights=gap)
    alone = float((gap**2).sum())
    return max(1.0, float((by_unit**2).sum()) / alone) if alone > 0 else 1.0


def _above(one: Numbers, other: Numbers) -> Numbers:
    """Return for each of `one` the share of `other` below it, ties half."""
    ranked = np.sort(other)
    return np.asarray((np.searchsorted(ranked, one, "left") + np.searchsorted(ranked, one, "right")) / (2 * len(other)))


def _different(member: Flags, unit: NDArray[np.int64]) -> int:
    return len(np.unique(unit[member.any(axis=0)]))


def _named(ours: Numbers, theirs: Numbers, members: float, others: int) -> tuple[float | None, float, float]:
    """Return the share of members named while `FALSE_POSITIVES` of the others are, and its interval."""
    if others * FALSE_POSITIVES < LEAST_FALSE:
        return None, 0.0, 1.0
    from scipy.stats import binom

    fewest, most = (float(binom.ppf(p, others, FALSE_POSITIVES)) / others for p in ((1 - _HALF) / 2, (1 + _HALF) / 2))
    ranked = np.sort(theirs)[::-1]

    def share(rate: float) -> float:
        return float(np.mean(ours > ranked[min(len(ranked) - 1, math.floor(rate * len(ranked)))]))

    value, least, greatest = share(FALSE_POSITIVES), share(fewest), share(most)
    low, high = wilson(least * members, members, _HALF).low, wilson(greatest * members, members, _HALF).high
    return value, low, high


def halves(strata: NDArray[np.int64], unit: NDArray[np.int64], models: int, seed: int) -> Flags:
    """Return which rows each model learns from: half of each stratum, each row by half of the models.

    Parameters
    ----------
    strata : ndarray of int, shape (rows,)
        The class, or a tenth of the numbers. Without strata a model that learned from more rows of a class would be surer of it,
        and its members would be told by their class.
    unit : ndarray of int, shape (rows,)
        Rows of one unit are learned from together or not at all.
    models : int
        Even. Models 0 and 1 learn from opposite halves, 2 and 3 too, and so on.
    seed : int

    Returns
    -------
    ndarray of bool, shape (models, rows)

    Examples
    --------
    >>> made = halves(np.repeat([0, 1], 20), np.arange(40), 16, seed=1)
    >>> set(made[:8].sum(axis=0).tolist()), set(made[:, :20].sum(axis=1).tolist()), bool((made[0] != made[1]).all())
    ({4}, {10}, True)
    """
    rng = np.random.default_rng([seed, models])
    _, first, place = np.unique(unit, return_index=True, return_inverse=True)
    of_unit = strata[first]
    made = np.zeros((models, len(first)), dtype=bool)
    for pair in range(0, models, 2):
        order = rng.permutation(len(first))
        order = order[np.argsort(of_unit[order], kind="stable")]
        coins = rng.integers(0, 2, (len(first) + 1) // 2).astype(bool)
        made[pair, order] = np.stack([coins, ~coins], axis=1).reshape(-1)[: len(first)]  # two neighbours are opposite
        made[pair + 1] = ~made[pair]
    return np.asarray(made[:, place])
