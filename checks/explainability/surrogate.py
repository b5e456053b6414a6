"""A surrogate of the model: trees that give nearly the same score from the same columns.

No artifact is loaded here, so the answer is the same for a vendor's model that nobody can run. The surrogate learns what the
model answered on the reference, never what was true, and its fidelity says how far it may be believed. Where a safe artifact
can be run, SHAP values of the model itself will take its place; `Surrogate.predict` is all that importances and explanations
ask of it.

References
----------
.. [1] Molnar, C. (2022). Interpretable Machine Learning, 2nd edition, 8.6 Global surrogate.
.. [2] Ke, G. et al. (2017). LightGBM: a highly efficient gradient boosting decision tree. NeurIPS (the trees of scikit-learn's
       HistGradientBoostingRegressor).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from checks.counts import equals, positive
from checks.explainability.cells import cells, explained
from checks.explainability.encoding import Encoding, Numbers, encoding_of, keys, numbers
from checks.explainability.sample import generator, sample
from checks.intervals import Interval, by_influence
from checks.subject import Subject, Table
from roadworthy.errors import DataError
from roadworthy.passport import Passport
from roadworthy.sql import quote

VERSION = 1
"""Counts up when a surrogate of the same rows would come out another."""
ROWS = 20_000
CELLS = 4_000_000
"""Rows times columns of the sample: a table of 2,000 columns is learned from 2,000 rows."""
MOST_COLUMNS = 128
"""Columns that the surrogate reads: of more, those that alone go furthest with the score."""
MOST_TARGETS = 6
LEAST_ROWS = 100
LEAST_FIDELITY = 0.5
"""Fidelity below which the surrogate is another model, and what it says of columns is not repeated."""
HELD_OUT = 1 / 3
TREES: dict[str, Any] = {"max_iter": 100, "max_leaf_nodes": 15, "learning_rate": 0.1, "min_samples_leaf": 10}
_CELLS_ALONE = 10


@dataclass(frozen=True)
class Target:
    """One number that the model answers with: its score, its forecast, or whether it decides for a class.

    Attributes
    ----------
    column : str
    says : str
        The class that the number speaks of, for models of several classes; else empty.
    """

    column: str
    says: str = ""


def targets_of(passport: Passport, table: Table) -> list[Target]:
    """Return what the model answers with in this table; none if the declared columns are not there.

    Notes
    -----
    Binary: the score, else the decision. Several classes: the score of each class, else its share of the decisions, at most
    six of them. Regression: the predicted number.
    """
    task, there = passport.task, table.columns
    if task.kind == "binary" and task.score in there:
        return [Target(str(task.score))]
    if task.kind == "multiclass":
        if task.class_scores and all(c in there for c in task.class_scores):
            return [Target(c, str(v)) for c, v in zip(task.class_scores, task.classes, strict=True)][:MOST_TARGETS]
        return [Target(str(task.prediction), str(v)) for v in task.classes if task.prediction in there][:MOST_TARGETS]
    return [Target(str(task.prediction))] if task.prediction in there else []


def target_sql(passport: Passport, target: Target, table: Table) -> str:
    """Return SQL of the number that the model answered with; NULL where the answer is not usable."""
    task, column, kind = passport.task, target.column, table.columns[target.column]
    if task.kind == "binary" and column == task.prediction and column != task.score:
        return f"({positive(passport, column, kind)})::double"
    if task.kind == "multiclass" and column == task.prediction:
        value = next(v for v in task.classes if str(v) == target.says)
        return f"cast({equals(column, value, kind)} as integer)::double"
    number = f"try_cast({quote(column)} as double)"
    usable = f"isfinite({number})" if task.kind == "regression" else f"{number} between 0 and 1"
    return f"case when {usable} then {number} end"


@dataclass(frozen=True)
class Surrogate:
    """Trees that stand in for the model, and how far they may be believed.

    Attributes
    ----------
    encoding : Encoding
    targets : list of Target
    fidelity : float
        R squared on rows that the trees have not seen, over all targets together.
    interval : Interval
    rows : int
        Rows that the trees have seen.
    held_out, answers : ndarray of shape (rows, columns) and (rows, targets)
        The rows that they have not seen, and what the model answered there.
    left_out : tuple of str
        Columns that were too many; see `MOST_COLUMNS`.
    """

    encoding: Encoding
    targets: list[Target]
    trees: Sequence[Any]
    fidelity: float
    interval: Interval
    rows: int
    held_out: Numbers = field(repr=False)
    answers: Numbers = field(repr=False)
    left_out: tuple[str, ...] = ()

    def predict(self, rows: Numbers) -> Numbers:
        """Return what the model would answer, shape (rows, targets)."""
        return _predict(self.trees, rows)


def fit(subject: Subject) -> Surrogate:
    """Learn the model's answers on a sample of the reference; of one opening of a subject, once.

    Parameters
    ----------
    subject : checks.subject.Subject
        With a readable reference.

    Raises
    ------
    DataError
        Where there is nothing to learn from: a sentence why.

    Notes
    -----
    Two thirds of the sample are learned from, one third says how well. Everything follows from the subject's seed and the
    reference's content, and runs on one thread, so the same reference gives the same trees.
    """
    key = f"surrogate of {subject.reference.digest}"
    if key not in subject.once:
        subject.once[key] = _fitted(subject)
    found: Surrogate = subject.once[key]
    return found


def _fitted(subject: Subject) -> Surrogate:
    reference, passport = subject.reference, subject.passport
    targets = targets_of(passport, reference)
    if not targets:
        raise DataError("The reference holds no score and no decision of the model to learn from.")
    read = keys(passport.features, reference.columns)
    rows = max(1, min(ROWS, CELLS // max(1, len(read))))
    answers = {f"y{i}": target_sql(passport, target, reference) for i, target in enumerate(targets)}
    drawn = sample(subject, reference, {**read, **answers}, rows)
    y = np.column_stack([numbers(drawn.column(key)) for key in answers])
    usable = np.isfinite(y).all(axis=1)
    if int(usable.sum()) < LEAST_ROWS:
        raise DataError(f"{int(usable.sum())} rows of the reference hold a usable answer of the model; {LEAST_ROWS} are needed.")
    if not (y[usable].std(axis=0) > 0).any():
        raise DataError("The model answers the same in every row of the reference, so no column decides anything.")
    encoding = encoding_of(drawn, passport.features, reference.columns)
    if not encoding.columns:
        raise DataError("The reference holds no declared feature that the surrogate can read.")
    x, y = encoding.matrix(drawn)[usable], y[usable]
    chosen = _furthest(x, y)
    names = list(encoding.columns)
    left_out = tuple(set(names).difference(names[place] for place in chosen))
    encoding, x = encoding.only([names[place] for place in chosen]), x[:, chosen]
    order = generator(subject.seed, reference.digest, "held out").permutation(len(y))
    held, seen = np.sort(order[: round(len(y) * HELD_OUT)]), np.sort(order[round(len(y) * HELD_OUT):])
    trees = _grow(x[seen], y[seen], encoding.categorical, subject.seed)
    fidelity, interval = _agreement(y[held], _predict(trees, x[held]))
    return Surrogate(encoding, targets, trees, fidelity, interval, len(seen), x[held], y[held], left_out)


def _grow(x: Numbers, y: Numbers, categorical: Any, seed: int) -> list[Any]:
    from sklearn.ensemble import HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # threads would wait for each other longer than such small trees take
        return [
            HistGradientBoostingRegressor(
                **TREES, categorical_features=categorical, early_stopping=False, random_state=seed
            ).fit(x, y[:, k])
            for k in range(y.shape[1])
        ]


def _predict(trees: Sequence[Any], rows: Numbers) -> Numbers:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return np.column_stack([one.predict(rows) for one in trees])


def _agreement(answers: Numbers, predicted: Numbers) -> tuple[float, Interval]:
    """Return R squared over all targets together, and its delta-method interval, made where it cannot exceed 1."""
    n = len(answers)
    errors = ((answers - predicted) ** 2).sum(axis=1)
    spread = ((answers - answers.mean(axis=0)) ** 2).sum(axis=1)
    if spread.mean() == 0:
        raise DataError("The model answers the same in nearly every row of the reference, so no column decides anything.")
    share = max(float(errors.mean() / spread.mean()), 1e-12)  # trees that miss nothing at all still have a logarithm
    influence = (errors - share * spread) / (n * float(spread.mean()))
    left = by_influence(share, float((influence**2).sum()), n, scale="log")
    return 1 - share, left._replace(low=1 - left.high, high=1 - left.low, method="log(1 - R2) delta-method")


def _furthest(x: Numbers, y: Numbers) -> list[int]:
    """Return the places of the columns that alone go furthest with the answers, in order; all of them if they are not many."""
    if x.shape[1] <= MOST_COLUMNS:
        return list(range(x.shape[1]))
    strength = [max(explained(cells(x[:, j], _CELLS_ALONE), y[:, k])[0] for k in range(y.shape[1])) for j in range(x.shape[1])]
    return sorted(sorted(range(x.shape[1]), key=lambda j: (-strength[j], j))[:MOST_COLUMNS])
