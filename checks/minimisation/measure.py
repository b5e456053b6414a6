"""Measure what each column is worth to the model, and how many the model could do without.

What is not needed should not be asked for. The artifact's estimator is trained again without a column; the loss on rows that it
did not learn from, less that of the full model on the same rows, is what the column is worth.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from checks.explainability.sample import generator
from checks.intervals import CONFIDENCE, Interval, mean_by_unit
from checks.isolation import Answer, ask
from checks.membership.asking import Ask, NotThereError, column, in_room, pool_of_classes, strata_of
from checks.membership.rows import Rows
from checks.minimisation.inside import CONFIRM
from checks.subject import Subject
from roadworthy.measurement import Measurement, Status, not_measured
from roadworthy.passport import Passport

WITHOUT, UNNEEDED = "privacy.loss_without", "privacy.unneeded_columns"
METRICS = (WITHOUT, UNNEEDED)
JOB = "checks.minimisation.inside"
SECONDS = 20.0
LEAST = 90
"""Units of rows below which nothing is said."""
FOLDS = 2
MOST_ROWS = 1_000
"""Rows of each of the two tables; each column costs several trainings."""
_ONE_SIDED = 0.90
"""The upper end of such an interval is passed by chance in one case of twenty."""


def measure(subject: Subject, asked: Ask = ask, seconds: float = SECONDS) -> list[Measurement]:
    """Measure the loss without each column, and how many columns the model could do without together.

    Parameters
    ----------
    subject : Subject
    asked : callable, optional
        `checks.isolation.ask`, or what stands for it.
    seconds : float
        Processor time. Columns that were not reached in it are ``insufficient``, and so is their number where the search for
        those that can go together was cut short.

    Returns
    -------
    list of Measurement
        ``privacy.unneeded_columns``; its `details` name them, those that speak of a person first, and a sentence. Then
        ``privacy.loss_without`` over each column: by how much the mean loss rises, a paired difference.

    Notes
    -----
    A loss is not measurable if its upper bound (one-sided, 95 %) lies within one standard error of the full model's own loss: the
    rule of Breiman, Friedman, Olshen and Stone 1984, Classification and regression trees, 3.4.3, which takes the smallest model
    that is as good as can be told. Columns are put together on two thirds of the rows and confirmed on the last third, one more
    at a time until one fails; that order was fixed beforehand, so nothing needs to be corrected.
    """
    try:
        return _measured(subject, asked, seconds)
    except NotThereError as problem:
        return [not_measured(UNNEEDED, problem.status, problem.sentence, inputs=problem.inputs)]


def _measured(subject: Subject, asked: Ask, seconds: float) -> list[Measurement]:
    passport = subject.passport
    rows, inputs = pool_of_classes(subject, MOST_ROWS, FOLDS + 1)
    if len(np.unique(rows.unit)) < LEAST:
        said = f"{len(np.unique(rows.unit))} independent rows have a label; {LEAST} are needed."
        raise NotThereError("insufficient", said, inputs)
    strata = strata_of(rows.truth, passport.task.kind, rows.unit)
    fold = folds(rows.unit, strata, int(generator(subject.seed, "minimisation", rows.table.digest).integers(2**31)))
    personal = personal_columns(passport)
    answer = in_room(subject, rows, inputs, asked, JOB, {"personal": personal}, {"fold": fold}, seconds)
    if said := str(answer.values.get("why_not", ""))[:300]:
        status: Status = "not_applicable" if "no estimator" in said else "error"
        raise NotThereError(status, said, inputs)
    tried, path = (_places(answer, key, len(passport.features)) for key in ("tried", "path"))
    late = f"Out of time: {seconds:.0f} s were not enough to train without every column."
    if tried is None or path is None:
        raise NotThereError("error", "The process that ran the model gave no list of columns.", inputs)
    kind = passport.task.kind
    unit_of = "squared error of the probability" if kind != "regression" else f"absolute error of '{passport.task.label}'"
    told = {"loss": unit_of, "isolation": answer.isolation, "rows": len(rows)}
    if len(tried) < len(passport.features):
        found = [not_measured(UNNEEDED, "insufficient", late, inputs=inputs, details=told)]
    else:
        needless = _unneeded(passport, answer, rows, fold, path, personal, inputs, told)
        found = [needless if answer.values.get("late") is False else _at_least(needless, seconds)]
    here = fold != CONFIRM
    full = column(answer, "choosing", "full", int(here.sum()), inputs) if tried else np.zeros(0)
    for place, name in enumerate(passport.features):
        if place not in tried:
            found.append(not_measured(WITHOUT, "insufficient", late, over={"column": name}, inputs=inputs, details=told))
            continue
        lost = column(answer, "choosing", f"w{place}", int(here.sum()), inputs) - full
        interval, units = _mean(lost, rows.unit[here])
        found.append(Measurement(
            WITHOUT, {"column": name}, float(lost.mean()), interval.low, interval.high, CONFIDENCE, n=len(lost),
            stats={"units": units}, method=f"trained again in {FOLDS} folds; paired t interval", inputs=inputs, details=told,
        ))
    return found


def folds(unit: NDArray[np.int64], strata: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Return the fold of each row: a third of the units of each stratum confirm, the others choose in `FOLDS` folds.

    Parameters
    ----------
    unit : ndarray of int, shape (rows,)
        Rows of one unit are in one fold.
    strata : ndarray of int, shape (rows,)
        As `checks.membership.asking.strata_of` gives them. Without them a fold may hold no row of a rare class.
    seed : int

    Returns
    -------
    ndarray of int, shape (rows,)

    Examples
    --------
    >>> made = folds(np.array([0, 0, 1, 2, 3, 4, 5]), np.array([1, 1, 1, 1, 0, 0, 0]), seed=1)
    >>> bool(made[0] == made[1]), sorted(made[1:4].tolist()), sorted(made[4:].tolist())
    (True, [-1, 0, 1], [-1, 0, 1])
    """
    _, first, place = np.unique(unit, return_index=True, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(first))
    order = order[np.argsort(strata[first][order], kind="stable")]
    turn = np.arange(len(first))
    made = np.empty(len(first), dtype=np.int64)
    made[order] = np.where(turn % 3 == 0, CONFIRM, (turn - turn // 3 - 1) % FOLDS)
    return made[place]


def personal_columns(passport: Passport) -> list[str]:
    """Return the features that are a protected attribute, name a person, or help to point at one."""
    named = [*(p.column for p in passport.protected), *(i.column for i in passport.identifiers), *passport.quasi_identifiers]
    return [name for name in passport.features if name in named]


def _places(answer: Answer, key: str, most: int) -> list[int] | None:
    found = answer.values.get(key)
    if not isinstance(found, list) or not all(isinstance(k, int) and not isinstance(k, bool) for k in found):
        return None
    return found if len(set(found)) == len(found) and all(0 <= k < most for k in found) else None


def _mean(values: Any, unit: NDArray[np.int64], confidence: float = CONFIDENCE) -> tuple[Interval, int]:
    _, place = np.unique(unit, return_inverse=True)
    sums, sizes = np.bincount(place, weights=values), np.bincount(place).astype(float)
    interval = mean_by_unit(
        len(sums), len(values), float(values.sum()), totals_squared=float((sums**2).sum()),
        totals_sizes=float((sums * sizes).sum()), sizes_squared=float((sizes**2).sum()), confidence=confidence,
    )
    return interval, len(sums)


def _unneeded(
    passport: Passport, answer: Answer, rows: Rows, fold: NDArray[np.int64], path: Sequence[int], personal: Sequence[str],
    inputs: Mapping[str, str], told: Mapping[str, Any],
) -> Measurement:
    """Return how many columns are confirmed to be of no measurable worth, one more at a time until one is of some."""
    there = fold == CONFIRM
    n, unit = int(there.sum()), rows.unit[there]
    full = column(answer, "confirming", "full", n, inputs)
    within, units = _mean(full, unit)
    count, most = 0, 0.0
    for k in range(1, len(path) + 1):
        bound = _mean(column(answer, "confirming", f"s{k}", n, inputs) - full, unit, _ONE_SIDED)[0].high
        if not math.isfinite(bound) or bound > within.se:
            break
        count, most = k, max(0.0, bound)
    names = [passport.features[k] for k in path[:count]]
    names = [*(c for c in names if c in personal), *(c for c in names if c not in personal)]
    said = sentence([passport.word(c) for c in names], most, str(told["loss"]), float(full.mean()))
    details = {
        **told, "columns": names, "personal": [c for c in names if c in personal], "at_most": most, "margin": within.se,
        "loss_of_the_full_model": float(full.mean()), "says": said, "tried_together": len(path),
    }
    return Measurement(
        UNNEEDED, {}, float(count), n=n, stats={"units": units}, inputs=inputs, details=details,
        method="backward on two thirds of the rows, confirmed on the last third: upper bound within one standard error",
    )


def _at_least(found: Measurement, seconds: float) -> Measurement:
    """Return what a search that was cut short tells: how many columns can go at least, which is no number to be judged by."""
    count, said = len(found.details["columns"]), f"Out of time: {seconds:.0f} s were not enough to leave columns out together."
    if count:
        said += f" {found.details['says'].removesuffix('.')}, and there may be more."
    details = {**found.details, "at_least": count, "says": said}
    return not_measured(UNNEEDED, "insufficient", said, inputs=found.inputs, n=found.n, stats=found.stats, details=details)


def sentence(names: Sequence[str], most: float, unit: str, of: float) -> str:
    """Say which columns the model does as well without.

    Examples
    --------
    >>> sentence(["age", "job"], 0.002, "squared error of the probability", 0.17)
    'The model does as well without: age, job (its squared error of the probability, 0.17, rises by at most 0.002).'
    >>> sentence([], 0.0, "", 0.17)
    'No column was found that the model does as well without.'
    """
    if not names:
        return "No column was found that the model does as well without."
    rises = f"rises by at most {most:.2g}" if most > 0 else "does not rise"
    return f"The model does as well without: {', '.join(names)} (its {unit}, {of:.3g}, {rises})."
