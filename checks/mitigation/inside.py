"""The job that fits and decides, for a process of its own: see `checks.isolation`.

It is handed rows with groups, labels and scores as numbers, and gives back one decision for each held-out row and option. An
option that fails or finds no time left says why; the others are not touched by it.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from sklearn.base import clone

from roadworthy.errors import RoadworthyError

if TYPE_CHECKING:
    import pandas as pd

GRID = 10
"""Points of the grid search, each a training."""
ROUNDS = 5
"""Rounds of the exponentiated gradient; its own bound on them, `max_iter`."""
BOUND = 0.02
"""By how much groups may differ on the training rows, for the two that train under a constraint."""
SEEDS = 5
"""Further seeds by which it is told how many decisions change with the seed."""

Decide = Callable[[int], np.ndarray]


class NotRunError(RoadworthyError):
    """An option that was not run: a sentence why."""


class Timed:
    """An estimator that is trained only while there is time; fairlearn copies it, trains it on weighted rows and has it predict.

    Parameters
    ----------
    estimator : sklearn estimator
    weight : str
        Name of the parameter of its ``fit`` that takes the weight of each row.
    until : float
        Moment of `time.monotonic` after which no further training begins.
    """

    def __init__(self, estimator: Any = None, weight: str = "sample_weight", until: float = float("inf")) -> None:
        self.estimator = estimator
        self.weight = weight
        self.until = until

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Timed:
        """Train a clone.

        Raises
        ------
        NotRunError
            If there is no time left.
        """
        if time.monotonic() > self.until:
            raise NotRunError("It was out of time.")
        told = {} if sample_weight is None else {self.weight: np.asarray(sample_weight)}
        self.estimator_ = clone(self.estimator).fit(X, y, **told)
        self.classes_ = self.estimator_.classes_
        return self

    def predict(self, X: Any) -> Any:
        """Return the trained clone's prediction."""
        return self.estimator_.predict(X)


def main(
    order: Mapping[str, Any], tables: Mapping[str, pa.Table], files: Mapping[str, Path]
) -> tuple[dict[str, Any], dict[str, pa.Table]]:
    """Run options and return what is told of each, and its decisions.

    Parameters
    ----------
    order : mapping
        ``options`` (names, in order), ``seed``, ``seconds`` (for all of them), ``constraint`` (``demographic_parity`` or
        ``equalized_odds``, for what trains under one), ``cut`` (the score from which the model decides for the positive value;
        None for the estimator's own rule), ``favourable_is_positive``, ``threads`` and ``artifact`` (for
        `checks.isolation.artifact.load`).
    tables : mapping
        ``train`` and ``held_out`` with ``group``, ``label`` and ``score``; where something is retrained also ``train_features``
        and ``held_out_features``, row by row the same.
    files : mapping
        ``artifact``, where something is retrained.

    Returns
    -------
    values : dict
        By option: ``seconds`` and either ``why_not`` or ``seed_changes``, the mean share of decisions that another seed changes.
    tables : dict
        ``decisions``: a column of 0 and 1 (favourable) for each option that was run.
    """
    until = time.monotonic() + float(order["seconds"])
    told: dict[str, Any] = {}
    decided: dict[str, Any] = {}
    models: dict[str, Any] = {}
    for name in order["options"]:
        began = time.monotonic()
        try:
            if began > until:
                raise NotRunError("It was out of time.")
            if name.startswith("threshold_"):
                decide = _threshold(name.removeprefix("threshold_"), tables)
            else:
                if not models:
                    models["work"] = _Work(order, tables, files, until)
                decide = models["work"].option(name)
            seed = int(order["seed"])
            first = _checked(decide(seed))
            others = [float(np.mean(_checked(decide(seed + k)) != first)) for k in range(1, SEEDS + 1)]
            decided[name] = pa.array(first)
            told[name] = {"seed_changes": sum(others) / SEEDS}
        except RoadworthyError as problem:
            told[name] = {"why_not": problem.sentence, "failed": not isinstance(problem, NotRunError)}
        except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RuntimeError, AssertionError) as problem:
            # The message of a library may hold a value of a row; its kind does not.
            told[name] = {"why_not": f"It failed ({type(problem).__name__}).", "failed": True}
        told[name]["seconds"] = time.monotonic() - began
    return told, {"decisions": pa.table(decided)} if decided else {}


def _checked(decisions: Any) -> np.ndarray:
    found = np.asarray(decisions).astype(float)
    if found.ndim != 1 or not np.isin(found, (0, 1)).all():
        raise NotRunError("What it decides is neither yes nor no.")
    return found.astype(np.int8)


def _numbers(table: pa.Table, name: str) -> np.ndarray:
    return np.asarray(table.column(name).to_numpy(zero_copy_only=False))


def _threshold(constraint: str, tables: Mapping[str, pa.Table]) -> Decide:
    """Set a threshold for each group on recorded scores (Hardt, Price and Srebro 2016); who has no score is decided as before."""
    from fairlearn.postprocessing import ThresholdOptimizer
    from sklearn.linear_model import LinearRegression

    train, held = tables["train"], tables["held_out"]
    known = ~np.isnan(_numbers(train, "score").astype(float))
    if not known.any():
        raise NotRunError("There are no scores to set thresholds on.")
    group, score = _numbers(train, "group")[known], _numbers(train, "score")[known].astype(float).reshape(-1, 1)
    same = LinearRegression()  # scores that are there already, in the shape of a trained model
    same.coef_, same.intercept_, same.n_features_in_ = np.array([1.0]), 0.0, 1
    fitted = ThresholdOptimizer(
        estimator=same, constraints=constraint, objective="accuracy_score", prefit=True, predict_method="predict",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted.fit(score, _numbers(train, "label")[known], sensitive_features=group)
    there = _numbers(held, "score").astype(float)
    scored = ~np.isnan(there)
    if not scored.any():
        raise NotRunError("The held-out rows have no scores.")

    def decide(seed: int) -> np.ndarray:
        made = _numbers(held, "decision").copy()
        made[scored] = fitted.predict(
            there[scored].reshape(-1, 1), sensitive_features=_numbers(held, "group")[scored], random_state=seed
        )
        return made

    return decide


class _Work:
    """The options that train: the recipe's estimator and the rows that it is trained on."""

    def __init__(
        self, order: Mapping[str, Any], tables: Mapping[str, pa.Table], files: Mapping[str, Path], until: float
    ) -> None:
        from checks.isolation import artifact

        self.order, self.until = order, until
        self.positive = bool(order["favourable_is_positive"])
        label = _numbers(tables["train"], "label").astype(int)
        self.y = label if self.positive else 1 - label
        self.group = _numbers(tables["train"], "group")
        self.rows: pd.DataFrame = tables["train_features"].to_pandas()
        self.held: pd.DataFrame = tables["held_out_features"].to_pandas()
        self.model = artifact.load(files["artifact"], order["artifact"])
        self.weight = weight_parameter(self.model)
        self.one_training = 0.0

    def option(self, name: str) -> Decide:
        """Train what an option needs and return how it decides."""
        from threadpoolctl import threadpool_limits

        run = {
            "retrained": lambda: self._once(None),
            "reweighing": lambda: self._once(reweighing(self.group, self.y)),
            "grid_search": self._grid,
            "exponentiated_gradient": self._gradient,
        }[name]
        with threadpool_limits(int(self.order["threads"])), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return run()

    def _favourable(self, positive: Any) -> np.ndarray:
        found = np.asarray(positive).astype(int)
        return found if self.positive else 1 - found

    def _trained(self, weights: np.ndarray | None) -> Any:
        if weights is not None and not self.weight:
            raise NotRunError(f"A {type(_last(self.model)).__name__} cannot be trained on weighted rows.")
        return Timed(self.model, self.weight, self.until).fit(self.rows, self.y, weights)

    def _decided(self, trained: Any) -> np.ndarray:
        """Decide as the model decides: by its cut on the score, if the recorded decisions follow one."""
        cut, estimator = self.order["cut"], trained.estimator_
        if cut is not None and hasattr(estimator, "predict_proba"):
            place = list(estimator.classes_).index(1)
            return self._favourable(estimator.predict_proba(self.held)[:, place] >= cut)
        return self._favourable(estimator.predict(self.held))

    def _once(self, weights: np.ndarray | None) -> Decide:
        began = time.monotonic()
        made = self._decided(self._trained(weights))
        self.one_training = max(self.one_training, time.monotonic() - began)
        return lambda seed: made

    def _constraint(self) -> Any:
        from fairlearn.reductions import DemographicParity, EqualizedOdds

        kind = DemographicParity if self.order["constraint"] == "demographic_parity" else EqualizedOdds
        return kind(difference_bound=BOUND)

    def _weighted(self) -> Timed:
        if not self.weight:
            raise NotRunError(f"A {type(_last(self.model)).__name__} cannot be trained on weighted rows.")
        return Timed(self.model, self.weight, self.until)

    def _grid(self) -> Decide:
        """Train on a grid of weights for the constraint and take the best of accuracy and gap (Agarwal et al. 2018, 3.2)."""
        from fairlearn.reductions import GridSearch

        if len(np.unique(self.group)) > 2:
            raise NotRunError("Its grid would have to be too coarse for more than two groups.")
        search = GridSearch(self._weighted(), self._constraint(), grid_size=GRID)
        search.fit(self.rows, self.y, sensitive_features=self.group)
        made = self._decided(search.predictors_[search.best_idx_])
        return lambda seed: made

    def _gradient(self) -> Decide:
        """Train a mixture of models under the constraint (Agarwal et al. 2018); each decision picks one of them at random."""
        from fairlearn.reductions import ExponentiatedGradient

        fitted = ExponentiatedGradient(self._weighted(), self._constraint(), eps=BOUND, max_iter=ROUNDS)
        fitted.fit(self.rows, self.y, sensitive_features=self.group)
        return lambda seed: self._favourable(fitted.predict(self.held, random_state=seed))


def reweighing(group: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Return weights under which group and label are independent, the group sizes and the share of labels being kept.

    Parameters
    ----------
    group, label : numpy.ndarray of shape (n,)

    Returns
    -------
    numpy.ndarray of shape (n,)
        Positive; they add up to n.

    Notes
    -----
    ``P(group) P(label) / P(group, label)``: Kamiran and Calders 2012, Data preprocessing techniques for classification without
    discrimination, Knowledge and Information Systems 33, 1-33, section 5.3.

    Examples
    --------
    Their table: of ten people five are women, two of whom have the good label, and four of five men.

    >>> sex, good = np.array([0] * 5 + [1] * 5), np.array([1, 1, 0, 0, 0, 1, 1, 1, 1, 0])
    >>> reweighing(sex, good)[[0, 2, 5, 9]].round(2).tolist()
    [1.5, 0.67, 0.75, 2.0]
    """
    found = np.ones(len(label))
    for g in np.unique(group):
        for y in np.unique(label):
            here = (group == g) & (label == y)
            if here.any():
                found[here] = np.mean(group == g) * np.mean(label == y) / np.mean(here)
    return found


def weight_parameter(model: Any) -> str:
    """Return the name of the parameter by which ``fit`` takes a weight for each row; empty if it takes none.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from sklearn.pipeline import make_pipeline
    >>> weight_parameter(make_pipeline(LogisticRegression())), weight_parameter(KNeighborsClassifier())
    ('logisticregression__sample_weight', '')
    """
    from sklearn.pipeline import Pipeline
    from sklearn.utils.validation import has_fit_parameter

    if not hasattr(model, "fit") or not hasattr(model, "get_params"):
        raise NotRunError("The artifact is no estimator of scikit-learn, so it cannot be trained again.")
    if not has_fit_parameter(_last(model), "sample_weight"):
        return ""
    return f"{model.steps[-1][0]}__sample_weight" if isinstance(model, Pipeline) else "sample_weight"


def _last(model: Any) -> Any:
    return model.steps[-1][1] if hasattr(model, "steps") else model
