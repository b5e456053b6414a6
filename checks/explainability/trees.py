"""SHAP values of ensembles of trees, along the paths that their training rows took.

The explainer is asked for the path-dependent values, never for those against a background: with one, a value that lies exactly
on a split was explained wrongly without a word. Three kinds of trees it does not know are written down for it here: those with
splits by sets of categories, which it would read as splits by numbers, forests that learned where to send what is missing, and
gradient boosting of several classes.

A split by a set of categories becomes a split by a column of its own, which is 0 for rows that go left and 1 for those that go
right; what such columns carry is added up for the column that the categories stand in.

References
----------
.. [1] Lundberg, S. et al. (2020). From local explanations to global understanding with explainable AI for trees. Nature
       Machine Intelligence 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

_HIST = ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor")
_BOOSTED = ("GradientBoostingClassifier", "GradientBoostingRegressor")
_AVERAGED = (
    "RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor", "DecisionTreeClassifier",
    "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor",
)
KINDS = (*_HIST, *_BOOSTED, *_AVERAGED)


@dataclass(frozen=True)
class Trees:
    """An ensemble as the explainer is to read it.

    Attributes
    ----------
    explained : list
        What each explainer is made from: one, or one for each class.
    columns : ndarray of shape (columns of the trees,)
        The place of the estimator's column that each column of the trees stands for.
    cost : float
        Steps that the values of one row take: the square of the depth of each leaf, summed over leaves and trees.
    """

    explained: list[Any]
    columns: NDArray[np.int64]
    cost: float
    _estimator: Any
    _sets: list[tuple[int, NDArray[np.bool_]]]

    def rows(self, x: Any) -> Numbers:
        """Return the estimator's rows as its trees read them."""
        if not self._sets and getattr(self._estimator, "_preprocessor", None) is None:
            return np.asarray(x, dtype=float)
        read = np.asarray(self._estimator._preprocess_X(x, reset=False), dtype=float)
        virtual = []
        for place, left in self._sets:
            code = read[:, place]
            known = np.isfinite(code) & (code >= 0)
            right = ~left[np.where(known, code, 0).astype(int)]
            virtual.append(np.where(known, right.astype(float), np.nan))
        return np.column_stack([read, *virtual])


def trees_of(estimator: Any) -> Trees:
    """Return the trees of an estimator of one of `KINDS`."""
    kind = type(estimator).__name__
    if kind in _HIST:
        return _histogram(estimator)
    width = int(estimator.n_features_in_)
    if kind in _BOOSTED:
        grown = [[tree.tree_ for tree in row] for row in estimator.estimators_]
        several = len(grown[0]) > 1
        explained = [_boosted_class(estimator, grown, k) for k in range(len(grown[0]))] if several else [estimator]
        flat = [tree for row in grown for tree in row]
    else:
        flat = [one.tree_ for one in getattr(estimator, "estimators_", [estimator])]
        explained = [estimator]
        if any(tree.missing_go_to_left.any() for tree in flat):
            outputs = flat[0].value.shape[2]
            explained = [_written(flat, k, 1 / len(flat), 0.0) for k in range(outputs)]
    cost = sum(_steps(tree.compute_node_depths()[tree.children_left < 0]) for tree in flat)
    return Trees(explained, np.arange(width), cost, estimator, [])


def _steps(depths: Any) -> float:
    return float(((np.asarray(depths, dtype=float) + 1) ** 2).sum())


def _boosted_class(estimator: Any, grown: list[list[Any]], k: int) -> dict[str, Any]:
    """Return the trees of one class of gradient boosting, with the number that they start from."""
    zero = np.zeros((1, estimator.n_features_in_), dtype=np.float32)
    told = sum(float(row[k].predict(zero)[0, 0]) for row in grown) * estimator.learning_rate
    start = float(estimator.decision_function(zero)[0, k]) - told
    return _written([row[k] for row in grown], 0, estimator.learning_rate, start)


def _written(grown: list[Any], output: int, weight: float, start: float) -> dict[str, Any]:
    """Return trees with one of their outputs; the explainer would send what is missing to the right, whatever they learned."""
    trees = [
        {
            "children_left": tree.children_left, "children_right": tree.children_right,
            "children_default": np.where(tree.missing_go_to_left.astype(bool), tree.children_left, tree.children_right),
            "feature": tree.feature, "threshold": tree.threshold.astype(float),
            "value": tree.value[:, 0, [output]] * weight, "node_sample_weight": tree.weighted_n_node_samples,
        }
        for tree in grown
    ]
    return {"trees": trees, "base_offset": start, "input_dtype": np.float32}


def _histogram(estimator: Any) -> Trees:
    width = int(estimator.n_features_in_)
    predictors = estimator._predictors
    cost = sum(_steps(one.nodes["depth"][one.nodes["is_leaf"].astype(bool)]) for row in predictors for one in row)
    categorical = estimator.is_categorical_
    if categorical is None or not categorical.any():
        return Trees([estimator], np.arange(width), cost, estimator, [])
    # Columns of categories come first once they are coded.
    order = np.concatenate([np.flatnonzero(categorical), np.flatnonzero(~categorical)])
    sets: list[tuple[int, NDArray[np.bool_]]] = []
    numbered: dict[tuple[int, bytes], int] = {}
    baseline = np.ravel(estimator._baseline_prediction)
    explained = [
        {"trees": [_tree(row[k], numbered, sets, width) for row in predictors], "base_offset": float(baseline[k])}
        for k in range(len(predictors[0]))
    ]
    columns = np.concatenate([order, [order[place] for place, _ in sets]]).astype(np.int64)
    return Trees(explained, columns, cost, estimator, sets)


def _tree(
    predictor: Any, numbered: dict[tuple[int, bytes], int], sets: list[tuple[int, NDArray[np.bool_]]], width: int
) -> dict[str, Any]:
    """Return a tree in which each split by a set of categories is one by a column of its own; new sets are added to `sets`."""
    nodes = predictor.nodes
    leaf = nodes["is_leaf"].astype(bool)
    left, right = nodes["left"].astype(np.int32), nodes["right"].astype(np.int32)
    default = np.where(nodes["missing_go_to_left"].astype(bool), left, right)
    feature, threshold = nodes["feature_idx"].astype(np.int32), nodes["num_threshold"].astype(float)
    for node in np.flatnonzero(nodes["is_categorical"].astype(bool) & ~leaf):
        bits = np.ascontiguousarray(predictor.raw_left_cat_bitsets[nodes["bitset_idx"][node]])
        key = int(feature[node]), bits.tobytes()
        if key not in numbered:
            numbered[key] = len(sets)
            sets.append((key[0], np.unpackbits(bits.view(np.uint8), bitorder="little").astype(bool)))
        feature[node], threshold[node] = width + numbered[key], 0.5
    return {
        "children_left": np.where(leaf, -1, left), "children_right": np.where(leaf, -1, right),
        "children_default": np.where(leaf, -1, default), "feature": np.where(leaf, -2, feature), "threshold": threshold,
        "value": nodes["value"].astype(float).reshape(-1, 1), "node_sample_weight": nodes["count"].astype(float),
    }


def values(trees: Trees, x: Any) -> tuple[Numbers, Numbers]:
    """Return the SHAP values of rows, shape (outputs, rows, columns of the trees), and the base of each output."""
    found, bases = [], []
    rows = trees.rows(x)
    for explainer in _explainers(trees):
        made = np.asarray(explainer.shap_values(rows, check_additivity=False), dtype=float)
        found.append(made[None] if made.ndim == 2 else np.moveaxis(made, 2, 0))
        bases.append(np.ravel(explainer.expected_value))
    return np.concatenate(found), np.concatenate(bases)


def interactions(trees: Trees, x: Any, fold: NDArray[np.int64], width: int) -> Numbers:
    """Return the SHAP interaction values of rows, folded, shape (outputs, rows, width, width).

    Parameters
    ----------
    trees : Trees
    x : array of shape (rows, columns of the estimator)
    fold : ndarray of shape (columns of the trees,)
        The column in which each is counted, below `width`; one below 0 is counted nowhere.
    width : int
    """
    onto = np.zeros((len(fold), width))
    onto[np.flatnonzero(fold >= 0), fold[fold >= 0]] = 1.0
    found = []
    rows = trees.rows(x)
    for explainer in _explainers(trees):
        made = np.asarray(explainer.shap_interaction_values(rows), dtype=float)
        each = made[None] if made.ndim == 3 else np.moveaxis(made, 3, 0)
        found.append(np.einsum("ornm,na,mb->orab", each, onto, onto, optimize=True))
    return np.concatenate(found)


def _explainers(trees: Trees) -> list[Any]:
    import shap

    return [shap.TreeExplainer(one, feature_perturbation="tree_path_dependent") for one in trees.explained]
