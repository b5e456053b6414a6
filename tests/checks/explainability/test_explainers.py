"""SHAP values held against what is known without SHAP: formulas, brute force over all coalitions, and the model's own answer."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, PolynomialFeatures, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from checks.explainability.explainers import Explanation, Model, explain, interact
from checks.explainability.folding import Unfolded, fold
from roadworthy.errors import DataError

COLUMNS = ["size", "word", "rare", "noise"]


def rows(n: int = 300, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({
        "size": rng.normal(size=n), "word": rng.choice(["a", "b", "c"], n), "rare": rng.choice([f"w{i}" for i in range(12)], n),
        "noise": rng.normal(size=n),
    })
    frame.loc[::17, "size"] = np.nan
    frame.loc[::13, "word"] = None
    return frame


def labels(frame: pd.DataFrame) -> Any:
    return (frame["size"].fillna(0) + (frame["word"] == "b") + (frame["rare"] < "w3") > 0.5).astype(int)


def encoded(last: Any) -> Any:
    sparse = not type(last).__name__.startswith("Hist")
    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()) if sparse else "passthrough"
    columns = ColumnTransformer([
        ("words", OneHotEncoder(handle_unknown="ignore", drop="first", min_frequency=20, sparse_output=sparse), ["word", "rare"]),
        ("numbers", numbers, ["size", "noise"]),
    ])
    return make_pipeline(columns, last)


def explained(fitted: Any, frame: pd.DataFrame, task: str = "binary", classes: tuple[str, ...] = ("1",)) -> Explanation:
    model = Model(fitted, task, () if task == "regression" else classes, COLUMNS)
    return explain(model, frame, rows(200, 7), 5)


@pytest.mark.parametrize("last", [
    HistGradientBoostingClassifier(max_iter=10), GradientBoostingClassifier(n_estimators=10), DecisionTreeClassifier(max_depth=4),
    RandomForestClassifier(5, max_depth=4), LogisticRegression(),
], ids=lambda last: type(last).__name__)
def test_base_and_values_are_the_answer_of_the_class_that_is_asked_for(last: Any) -> None:
    frame = rows()
    words = np.where(labels(frame) == 1, "no", "yes")  # "no" comes first among the classes
    fitted = encoded(last).fit(frame, words)
    made, other = explained(fitted, frame.head(60), classes=("no",)), explained(fitted, frame.head(60), classes=("yes",))
    assert made.errors.max() < 1e-9 and other.errors.max() < 1e-9
    chance = fitted.predict_proba(frame.head(60))[:, 0]
    told = made.base[0] + made.values[0].sum(axis=1)
    np.testing.assert_allclose(told if made.scale == "probability" else 1 / (1 + np.exp(-told)), chance, atol=1e-9)
    np.testing.assert_allclose(made.values, -other.values, atol=1e-9)
    assert np.abs(made.values[0, :, 3]).mean() < np.abs(made.values[0, :, 0]).mean(), "noise decides less than size"


def test_a_linear_model_gets_the_values_of_its_formula() -> None:
    frame = rows()[["size", "noise"]].fillna(0.0)
    other = rows(200, 7)[["size", "noise"]].fillna(0.0)
    fitted = LinearRegression().fit(frame, 3 * frame["size"] - frame["noise"])
    made = explain(Model(fitted, "regression", (), ["noise", "size"]), frame[["noise", "size"]], other[["noise", "size"]], 5)
    np.testing.assert_allclose(made.values[0][:, 1], 3 * (frame["size"] - other["size"].mean()), atol=1e-9)
    np.testing.assert_allclose(made.values[0][:, 0], -(frame["noise"] - other["noise"].mean()), atol=1e-9)
    assert made.kind == "linear"


def by_coalitions(tree: Any, row: Any, width: int) -> Any:
    """Shapley values over all coalitions, where what is not known follows the shares of the training rows (Lundberg 2020)."""

    def answer(node: int, known: tuple[int, ...]) -> float:
        left, right = tree.children_left[node], tree.children_right[node]
        if left < 0:
            return float(tree.value[node, 0, 0])
        if tree.feature[node] in known:
            return answer(left if np.float32(row[tree.feature[node]]) <= tree.threshold[node] else right, known)
        n = tree.weighted_n_node_samples
        return float((n[left] * answer(left, known) + n[right] * answer(right, known)) / n[node])

    found = np.zeros(width)
    for j in range(width):
        for size in range(width):
            for known in itertools.combinations([i for i in range(width) if i != j], size):
                weight = math.factorial(size) * math.factorial(width - size - 1) / math.factorial(width)
                found[j] += weight * (answer(0, (*known, j)) - answer(0, known))
    return found


def test_a_tree_gets_the_values_that_all_coalitions_give() -> None:
    frame = rows().assign(third=lambda t: t["noise"] ** 2)[["size", "noise", "third"]].fillna(0.0)
    fitted = DecisionTreeRegressor(max_depth=4, random_state=0).fit(frame, frame["size"] * frame["noise"] + frame["third"])
    made = explain(Model(fitted, "regression", (), list(frame.columns)), frame.head(5), frame, 5)
    for place in range(5):
        np.testing.assert_allclose(made.values[0, place], by_coalitions(fitted.tree_, frame.to_numpy()[place], 3), atol=1e-9)


@pytest.mark.parametrize("task", ["regression", "binary", "multiclass"])
def test_splits_by_sets_of_categories_are_explained_exactly(task: str) -> None:
    """The explainer of the library reads them as splits by numbers, and the columns in another order, without a word."""
    frame = rows().astype({"word": "category", "rare": "category"})
    target = labels(rows()) + (frame["rare"].astype(str) > "w8") * (task == "multiclass")
    kind = HistGradientBoostingRegressor if task == "regression" else HistGradientBoostingClassifier
    fitted = kind(max_iter=12, categorical_features="from_dtype", min_samples_leaf=5).fit(frame, target)
    asked = rows(80, 3)
    asked.loc[0, "word"] = "never seen"
    made = explained(fitted, asked, task, ("0", "1", "2") if task == "multiclass" else ("1",))
    assert made.errors.max() < 1e-9 and made.kind == "trees"
    share = np.abs(made.values).mean(axis=(0, 1))
    assert share[2] > share[3] and share[0] > share[3], "columns are not taken for each other"


@pytest.mark.parametrize("last", [
    RandomForestClassifier(5, max_depth=5), DecisionTreeClassifier(max_depth=5), ExtraTreesRegressor(5, max_depth=5),
], ids=lambda last: type(last).__name__)
def test_trees_that_learned_where_to_send_what_is_missing_are_explained_exactly(last: Any) -> None:
    """The explainer of the library sends it to the right, whatever they learned."""
    frame = rows().assign(absent=lambda t: t["size"].isna())
    names = ["size", "noise"]
    frame["noise"] = frame["noise"].where(frame["noise"] < 1)
    task = "regression" if "Regressor" in type(last).__name__ else "binary"
    fitted = last.fit(frame[names], (frame["size"].fillna(-5) + frame["noise"].isna() < 0).astype(int))
    grown = getattr(fitted, "estimators_", [fitted])
    assert any(one.tree_.missing_go_to_left.any() for one in grown), "some are sent to the left"
    model = Model(fitted, task, ("1",) if task == "binary" else (), names)
    made = explain(model, frame[names], frame[names], 5)
    assert made.errors.max() < 1e-9 and made.kind == "trees"


def test_gradient_boosting_of_several_classes_is_explained_exactly() -> None:
    frame = rows()
    target = np.array(["x", "y", "z"])[labels(frame) + (frame["noise"] > 1)]
    fitted = encoded(GradientBoostingClassifier(n_estimators=5)).fit(frame, target)
    made = explained(fitted, frame.head(40), "multiclass", ("z", "x", "y"))
    assert made.errors.max() < 1e-9
    np.testing.assert_allclose(made.margins, fitted.decision_function(frame.head(40))[:, [2, 0, 1]].T)


@pytest.mark.parametrize("last", [ExtraTreesRegressor(5, max_depth=4), PoissonRegressor(), HistGradientBoostingRegressor(
    loss="poisson", max_iter=5)], ids=lambda last: type(last).__name__)
def test_numbers_are_explained_on_the_scale_that_is_told(last: Any) -> None:
    frame = rows()
    fitted = encoded(last).fit(frame, labels(frame) + 1.0)
    made = explained(fitted, frame.head(40), "regression")
    told = made.base[0] + made.values[0].sum(axis=1)
    expected = fitted.predict(frame.head(40))
    np.testing.assert_allclose(np.exp(told) if "logarithm" in made.scale else told, expected, atol=1e-7)


@pytest.mark.parametrize("first", [
    make_pipeline(ColumnTransformer([("n", SimpleImputer(), ["size", "noise"])]), PCA(2)),
    make_pipeline(ColumnTransformer([("n", SimpleImputer(), ["size", "noise"])]), PolynomialFeatures(2)),
], ids=["components", "crosses"])
def test_columns_that_were_mixed_are_explained_by_asking_the_whole(first: Any) -> None:
    frame = rows()
    fitted = make_pipeline(first, LogisticRegression()).fit(frame, labels(frame))
    made = explained(fitted, frame.head(40))
    assert made.kind == "permutation" and "made of several" in made.method and made.scale == "probability"
    assert made.errors.max() < 1e-9
    assert np.abs(made.values[0][:, [1, 2]]).max() == 0, "columns that are not read carry nothing"


def test_any_other_model_is_asked_as_a_whole_with_words_and_blanks() -> None:
    frame = rows()
    fitted = encoded(KNeighborsClassifier()).fit(frame, labels(frame))
    made = explained(fitted, frame.head(40))
    assert made.kind == "permutation" and made.errors.max() < 1e-9
    np.testing.assert_allclose(made.margins[0], fitted.predict_proba(frame.head(40))[:, 1])
    again = explained(fitted, frame.head(40))
    np.testing.assert_array_equal(made.values, again.values)


def test_an_unknown_step_is_asked_what_its_columns_are_made_of() -> None:
    frame = rows()[["size", "noise"]].fillna(0.0)
    turned = FunctionTransformer(lambda t: np.column_stack([t["noise"], t["size"] ** 2, np.ones(len(t))])).fit(frame)
    assert fold([turned], frame, turned.transform(frame), 0).tolist() == [1, 0, -1]
    mixed = FunctionTransformer(lambda t: np.column_stack([t["noise"] * t["size"]])).fit(frame)
    with pytest.raises(Unfolded, match="made of several"):
        fold([mixed], frame, mixed.transform(frame), 0)


@pytest.mark.parametrize("encoder", [
    OneHotEncoder(), OneHotEncoder(drop="if_binary"), OneHotEncoder(drop="first", sparse_output=False),
    OneHotEncoder(min_frequency=20, handle_unknown="infrequent_if_exist"), OneHotEncoder(max_categories=3), OrdinalEncoder(),
], ids=str)
def test_what_is_read_from_a_step_is_what_asking_shows(encoder: Any) -> None:
    frame = rows()[["word", "rare", "size"]].assign(flag=lambda t: np.where(t["size"] > 0, "y", "n"))
    columns = ColumnTransformer([("size", SimpleImputer(add_indicator=True), [2]), ("words", encoder, ["flag", "rare"])],
                                remainder="drop").fit(frame)
    made = columns.transform(frame)
    asking = fold([FunctionTransformer(columns.transform)], frame, made, 0)
    np.testing.assert_array_equal(fold([columns], frame, made, 0), asking)


def test_a_forest_that_is_too_large_is_explained_in_fewer_rows_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    from checks.explainability import explainers, trees

    frame = rows()
    fitted = encoded(RandomForestClassifier(5, max_depth=4)).fit(frame, labels(frame))
    cost = trees.trees_of(fitted[-1]).cost
    monkeypatch.setattr(explainers, "TREE_STEPS", cost * 40)
    made = explained(fitted, frame)
    assert len(made.rows) == 40 and (np.diff(made.rows) > 0).all() and made.errors.max() < 1e-9
    monkeypatch.setattr(explainers, "TREE_STEPS", cost * 5)
    with pytest.raises(DataError, match="fewer than 30 rows"):
        explained(fitted, frame)


def test_what_stands_around_a_model_is_not_the_model() -> None:
    frame = rows()
    within = encoded(HistGradientBoostingClassifier(max_iter=5))
    fitted = FixedThresholdClassifier(within, threshold=0.3).fit(frame, labels(frame))
    made = explained(fitted, frame.head(40))
    assert made.kind == "trees" and made.errors.max() < 1e-9
    searched = GridSearchCV(encoded(LogisticRegression()), {"logisticregression__C": [0.1, 1.0]}, cv=2).fit(frame, labels(frame))
    assert explained(searched, frame.head(40)).kind == "linear"


def test_what_a_passport_does_not_agree_with_is_said() -> None:
    frame = rows()
    fitted = encoded(LogisticRegression()).fit(frame, labels(frame))
    with pytest.raises(DataError, match="does not know a class"):
        Model(fitted, "binary", ("good",), COLUMNS)
    with pytest.raises(DataError, match="reads 'noise', which the passport does not name"):
        Model(fitted, "binary", ("1",), ["size", "word", "rare"])
    with pytest.raises(DataError, match="does not predict"):
        Model(StandardScaler(), "binary", ("1",), COLUMNS)


def test_columns_that_act_together_are_found_and_others_are_not() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(600, 4)), columns=COLUMNS)
    both = 2.0 * ((frame["size"] > 0) & (frame["word"] > 0)) + frame["rare"]
    fitted = HistGradientBoostingRegressor(max_iter=20, max_leaf_nodes=8).fit(frame, both)
    found = interact(Model(fitted, "regression", (), COLUMNS), frame, 0)
    assert not isinstance(found, str)
    mean = found.strength.mean(axis=0)
    pairs = {(a, b): mean[a, b] + mean[b, a] for a, b in itertools.combinations(range(4), 2)}
    assert max(pairs, key=lambda pair: pairs[pair]) == (0, 1)
    assert pairs[0, 1] > 3 * max(v for pair, v in pairs.items() if pair != (0, 1))
    sums = LinearRegression().fit(frame, frame["size"])
    assert "adds its columns up" in str(interact(Model(sums, "regression", (), COLUMNS), frame, 0))
