"""What a model answers in its rows, shared out among the user's columns, by the kind of the model.

Trees are explained along their paths, linear models by their formula against the mean of the reference, both on the columns
that the last step reads, folded back to the user's. Every other model is asked as a whole: the user's columns are coded, and
the answers to rows with some columns taken from other rows tell what each column is worth. This takes many answers, so fewer
rows are explained. How many is a matter of the model's size and never of the clock: the same night gives the same numbers.

References
----------
.. [1] Lundberg, S. and Lee, S.-I. (2017). A unified approach to interpreting model predictions. NeurIPS.
.. [2] Strumbelj, E. and Kononenko, I. (2014). Explaining prediction models and individual predictions with feature
       contributions. Knowledge and Information Systems 41 (antithetic permutations).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from checks.explainability import trees
from checks.explainability.folding import Unfolded, apply, dense, fold
from roadworthy.errors import DataError

Numbers = NDArray[np.float64]

LEAST = 30
"""Rows below which a model that is too large or too slow is not explained at all."""
TREE_STEPS = 2.5e9
"""Steps through trees that the rows of one table may take; about ten seconds."""
INTERACTION_STEPS = 8e8
MOST_INTERACTING_ROWS = 100
MOST_INTERACTING_COLUMNS = 60
ANSWERS = 200_000
"""Answers that a model which is asked as a whole gives for one table."""
BACKGROUND = 25
MOST_ASKED_ROWS = 300
_CELLS = 50_000_000
_LOG_LINK = ("poisson", "gamma")
_AROUND = {  # a search or a threshold around the model that answers, and where that is
    "GridSearchCV": "best_estimator_", "RandomizedSearchCV": "best_estimator_", "HalvingGridSearchCV": "best_estimator_",
    "HalvingRandomSearchCV": "best_estimator_", "FixedThresholdClassifier": "estimator_",
    "TunedThresholdClassifierCV": "estimator_",
}


@dataclass(frozen=True)
class Explanation:
    """SHAP values of some rows in the user's columns.

    Attributes
    ----------
    rows : ndarray of int
        Which of the rows were explained.
    values : ndarray of shape (outputs, rows, columns)
    base : ndarray of shape (outputs,)
    margins : ndarray of shape (outputs, rows)
        What the model answers there, on the scale that is explained.
    kind : {"trees", "linear", "permutation"}
    scale, method : str
    """

    rows: NDArray[np.int64]
    values: Numbers
    base: Numbers
    margins: Numbers
    kind: str
    scale: str
    method: str

    @property
    def errors(self) -> Numbers:
        """By how much base and values together miss the answer of each row, at most over the outputs."""
        return np.asarray(np.abs(self.base[:, None] + self.values.sum(axis=2) - self.margins).max(axis=0))


class Model:
    """A fitted model as the user calls it, and how its outputs are read.

    Parameters
    ----------
    fitted : estimator
    task : {"binary", "multiclass", "regression"}
    classes : sequence of str
        Spelling of the classes whose outputs are wanted: the positive one, or all; empty for a number.
    columns : sequence of str
        The declared features, in their order.

    Raises
    ------
    DataError
        If it is of another kind, reads columns that are not declared, or does not know a class.
    """

    def __init__(self, fitted: Any, task: str, classes: Sequence[str], columns: Sequence[str]) -> None:
        self.fitted, self.task = fitted, task
        whole = getattr(fitted, _AROUND.get(type(fitted).__name__, ""), fitted)
        self.whole = whole
        steps = whole.steps if type(whole).__name__ == "Pipeline" and hasattr(whole, "steps") else [("", whole)]
        self.steps, self.last = [step for _, step in steps[:-1] if step is not None and step != "passthrough"], steps[-1][1]
        if not hasattr(fitted, "predict"):
            raise DataError(f"The artifact holds a {type(fitted).__name__}, which does not predict.")
        named = getattr(fitted, "feature_names_in_", None)
        self.reads = [str(name) for name in named] if named is not None else list(columns)
        undeclared = [name for name in self.reads if name not in columns]
        if undeclared:
            raise DataError(f"The artifact reads '{undeclared[0]}', which the passport does not name among the features.")
        self.places = np.array([list(columns).index(name) for name in self.reads], dtype=np.int64)
        self.outputs = [] if task == "regression" else self._outputs(classes)

    def _outputs(self, classes: Sequence[str]) -> list[int]:
        known = [spelt(value) for value in getattr(self.fitted, "classes_", [])]
        missing = [one for one in classes if one not in known]
        if missing:
            raise DataError("The artifact does not know a class that the passport declares, so its answers cannot be read.")
        return [known.index(one) for one in classes]

    def answers(self, frame: Any) -> Numbers:
        """Return what the model answers as it is recorded, shape (outputs, rows): probabilities, or the number."""
        if self.task == "regression":
            return np.asarray(self.fitted.predict(frame), dtype=float).reshape(1, -1)
        if not hasattr(self.fitted, "predict_proba"):
            decided = [spelt(value) for value in self.fitted.predict(frame)]
            known = [spelt(value) for value in self.fitted.classes_]
            return np.array([[float(one == known[place]) for one in decided] for place in self.outputs])
        return np.asarray(self.fitted.predict_proba(frame), dtype=float)[:, self.outputs].T

    def of_classes(self, made: Numbers) -> Numbers:
        """Return margins as the last step gives them, shape (rows,) or (rows, classes), as (outputs, rows)."""
        made = np.asarray(made, dtype=float)
        if self.task == "regression":
            return made.reshape(1, -1)
        if made.ndim == 1 or made.shape[1] == 1:  # two classes share one margin, that of the second
            one = made.reshape(-1)
            return np.stack([one if place == 1 else -one for place in self.outputs])
        return np.asarray(made[:, self.outputs].T)

    def signed(self, values: Numbers, base: Numbers) -> tuple[Numbers, Numbers]:
        """Return the values and bases of the wanted outputs, turned round where the first of two classes is wanted."""
        if self.task == "regression":
            return values[:1], base[:1]
        if len(values) == 1:
            signs = np.array([1.0 if place == 1 else -1.0 for place in self.outputs])
            return signs[:, None, None] * values, signs * base
        return values[self.outputs], base[self.outputs]


def spelt(value: Any) -> str:
    """Return one spelling of a class, whether it is stored as a number, a truth value or text.

    Examples
    --------
    >>> spelt(1), spelt(1.0), spelt(True), spelt("1")
    ('1', '1', '1', '1')
    """
    plain = value.item() if hasattr(value, "item") else value
    if isinstance(plain, bool):
        return str(int(plain))
    text = str(int(plain)) if isinstance(plain, float) and plain.is_integer() else str(plain)
    return {"true": "1", "false": "0"}.get(text.lower(), text)


def explain(model: Model, frame: Any, background: Any, seed: int) -> Explanation:
    """Return the SHAP values of rows in the user's columns.

    Parameters
    ----------
    model : Model
    frame, background : pandas.DataFrame
        Rows to explain, and rows of the reference, with the declared features.
    seed : int

    Raises
    ------
    DataError
        If the model is too large or too slow to explain `LEAST` rows.
    """
    rows, others = frame[model.reads], background[model.reads]
    try:
        found = _by_last_step(model, rows, others, seed)
    except Unfolded as why:
        found = _as_a_whole(model, rows, others, seed, f"; {why.sentence}")
    if found is None:
        found = _as_a_whole(model, rows, others, seed, "")
    whole = np.zeros((found.values.shape[0], found.values.shape[1], frame.shape[1]))
    whole[:, :, model.places] = found.values
    return Explanation(found.rows, whole, found.base, found.margins, found.kind, found.scale, found.method)


def _by_last_step(model: Model, rows: Any, others: Any, seed: int) -> Explanation | None:
    kind = type(model.last).__name__
    ours = type(model.last).__module__.startswith("sklearn.")
    if ours and kind in trees.KINDS:
        return _trees(model, rows, seed)
    return _linear(model, rows, others, seed) if ours and _is_linear(model.last) else None


def _trees(model: Model, rows: Any, seed: int) -> Explanation:
    grown = trees.trees_of(model.last)
    chosen = _some(len(rows), TREE_STEPS / max(1.0, grown.cost), seed)
    rows = rows.iloc[chosen]
    x = apply(model.steps, rows)
    place = fold(model.steps, rows, x if model.steps else np.empty((len(rows), rows.shape[1])), seed)
    x = x if _keeps_frames(model, x) else _bounded(x)
    values, base = model.signed(*trees.values(grown, x))
    folded = _folded(values, place[grown.columns], rows.shape[1])
    margins = model.of_classes(margin(model.last, x))
    method = "SHAP along the paths of the trees, on the columns that they read, added up for the user's"
    return Explanation(chosen, folded, base, margins, "trees", scale_of(model.last, model.task), method)


def _keeps_frames(model: Model, x: Any) -> bool:
    """Say whether the last step tells its columns apart by their names and types, so that it must be handed a frame."""
    return hasattr(x, "columns") and getattr(model.last, "is_categorical_", None) is not None


def _linear(model: Model, rows: Any, others: Any, seed: int) -> Explanation | None:
    x, reference = apply(model.steps, rows), apply(model.steps, others)
    coef = np.atleast_2d(np.asarray(model.last.coef_, dtype=float))
    place = fold(model.steps, rows, x if model.steps else np.empty(rows.shape), seed)
    margins = model.of_classes(margin(model.last, x))
    x, mean = _bounded(x), np.asarray(reference.mean(axis=0), dtype=float).reshape(-1)
    raw = coef[:, None, :] * (x - mean)[None]
    values, base = model.signed(raw, coef @ mean + np.ravel(model.last.intercept_))
    linear = Explanation(
        np.arange(len(rows)), _folded(values, place, rows.shape[1]), base, margins, "linear", scale_of(model.last, model.task),
        "SHAP of a linear model against the mean of the reference, added up for the user's columns",
    )
    return linear if np.allclose(linear.errors, 0, atol=1e-6 * max(1.0, float(np.abs(margins).max()))) else None


def _is_linear(last: Any) -> bool:
    module = type(last).__module__
    known = module.startswith(("sklearn.linear_model", "sklearn.discriminant_analysis")) or type(last).__name__ in (
        "LinearSVC", "LinearSVR",
    )
    return known and hasattr(last, "coef_") and hasattr(last, "intercept_") and not hasattr(last, "estimator_")


def margin(last: Any, x: Any) -> Numbers:
    """Return what the last step answers on the scale that is explained."""
    if hasattr(last, "decision_function"):
        return np.asarray(last.decision_function(x), dtype=float)
    if hasattr(last, "predict_proba"):
        return np.asarray(last.predict_proba(x), dtype=float)
    made = np.asarray(last.predict(x), dtype=float)
    return np.log(made) if _logarithm(last) else made


def _logarithm(last: Any) -> bool:
    if type(last).__name__ == "HistGradientBoostingRegressor":
        return last.loss in _LOG_LINK
    base = getattr(last, "_base_loss", None) if type(last).__name__.endswith("Regressor") else None
    return base is not None and type(getattr(base, "link", None)).__name__ == "LogLink"


def scale_of(last: Any, task: str) -> str:
    """Return the words for the scale that is explained."""
    if task == "regression":
        return "logarithm of the predicted number" if _logarithm(last) else "predicted number"
    boosted = type(last).__name__ in ("HistGradientBoostingClassifier", "GradientBoostingClassifier", "LogisticRegression")
    if boosted or type(last).__name__ == "LogisticRegressionCV":
        return "log-odds"
    return "decision score" if hasattr(last, "decision_function") else "probability"


def _as_a_whole(model: Model, rows: Any, others: Any, seed: int, why: str) -> Explanation:
    import shap

    width = rows.shape[1]
    background = others.iloc[_some(len(others), BACKGROUND, seed)]
    chosen = _some(len(rows), min(MOST_ASKED_ROWS, ANSWERS / ((2 * width + 1) * len(background))), seed)
    coded, tables = _coded(rows.iloc[chosen], background)
    x, b = coded[: len(chosen)], coded[len(chosen):]

    def answer(codes: Numbers) -> Numbers:
        return model.answers(_decoded(codes, tables)).T

    def taken(mask: NDArray[np.bool_], row: Numbers) -> tuple[Numbers]:
        return (np.where(mask, row, b),)

    explainer = shap.PermutationExplainer(answer, taken, seed=seed % 2**31)
    made = explainer(x, max_evals=2 * width + 1, batch_size=2 * width + 1, silent=True)
    values = np.asarray(made.values, dtype=float)
    values = values[:, :, None] if values.ndim == 2 else values
    base = np.asarray(made.base_values, dtype=float).reshape(len(x), -1)[0]
    scale = "predicted number" if model.task == "regression" else "probability"
    return Explanation(
        chosen, np.moveaxis(values, 2, 0), base, model.answers(rows.iloc[chosen]), "permutation", scale,
        f"SHAP by permutations of the user's columns, against {len(b)} rows of the reference{why}",
    )


def _coded(rows: Any, background: Any) -> tuple[Numbers, list[Any]]:
    """Return both as codes, shape (rows, columns), and for each column the values that its codes stand for."""
    import pandas as pd

    both = pd.concat([rows, background], ignore_index=True)
    codes, tables = np.empty(both.shape), []
    for place in range(both.shape[1]):
        column = both.iloc[:, place]
        made, known = pd.factorize(column, use_na_sentinel=False)
        codes[:, place] = made
        tables.append(pd.Series(known, name=both.columns[place]).astype(column.dtype))
    return codes, tables


def _decoded(codes: Numbers, tables: list[Any]) -> Any:
    import pandas as pd

    places = np.asarray(codes).round().astype(int)
    columns = {table.name: table.take(places[:, j]).reset_index(drop=True) for j, table in enumerate(tables)}
    return pd.DataFrame(columns, copy=False)


def _some(rows: int, most: float, seed: int) -> NDArray[np.int64]:
    """Return which rows are taken where not all can be, in order."""
    if most < min(LEAST, rows) and most != BACKGROUND:
        raise DataError(f"The model is so large or reads so many columns that fewer than {LEAST} rows can be explained.")
    if rows <= most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).permutation(rows)[: int(most)])


def _bounded(x: Any) -> Numbers:
    if x.shape[0] * x.shape[1] > _CELLS:
        raise DataError(f"The model reads {x.shape[1]} columns after its first steps, too many to explain.")
    return dense(x)


def _folded(values: Numbers, place: NDArray[np.int64], width: int) -> Numbers:
    """Return values added up by the user's columns, shape (outputs, rows, width)."""
    lost = place < 0
    if lost.any() and np.abs(values[:, :, lost]).max(initial=0.0) > 1e-9 * max(1.0, float(np.abs(values).max(initial=0.0))):
        raise Unfolded("A column that the model reads was made of none that could be found.")
    found = np.zeros((*values.shape[:2], width))
    for column in range(width):
        found[:, :, column] = values[:, :, place == column].sum(axis=2)
    return found


@dataclass(frozen=True)
class Interactions:
    """How strongly pairs of columns act together.

    Attributes
    ----------
    rows : ndarray of int
        Which of the rows were looked at.
    strength : ndarray of shape (rows, columns, columns)
        Absolute interaction values, summed over the outputs; the diagonal holds what each column does alone. Both halves hold
        half of a pair.
    """

    rows: NDArray[np.int64]
    strength: Numbers


def interact(model: Model, frame: Any, seed: int) -> Interactions | str:
    """Return the interactions of a model of trees on some of the rows, or the sentence why there are none."""
    rows = frame[model.reads]
    if type(model.last).__name__ not in trees.KINDS or not type(model.last).__module__.startswith("sklearn."):
        linear = _is_linear(model.last)
        return (
            "The model adds its columns up on the scale that is explained, so no two act together."
            if linear else "Interactions are read from trees; this model has none."
        )
    grown = trees.trees_of(model.last)
    width = len(grown.columns)
    most = min(MOST_INTERACTING_ROWS, INTERACTION_STEPS / (grown.cost * width))
    if most < LEAST or width > 4 * MOST_INTERACTING_COLUMNS or rows.shape[1] > MOST_INTERACTING_COLUMNS:
        return f"The trees are so large that the interactions of fewer than {LEAST} rows could be read."
    chosen = _some(len(rows), most, seed)
    rows = rows.iloc[chosen]
    x = apply(model.steps, rows)
    place = fold(model.steps, rows, x if model.steps else np.empty(rows.shape), seed)
    x = x if _keeps_frames(model, x) else _bounded(x)
    read = place[grown.columns]
    onto = np.where(read < 0, -1, model.places[read])
    made = trees.interactions(grown, x, onto, frame.shape[1])
    wanted = made if len(made) == 1 else made[model.outputs]
    return Interactions(chosen, np.abs(wanted).sum(axis=0))
