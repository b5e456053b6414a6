"""Performance: published tables, scikit-learn on random tables, units of independence, and data that should not break it."""

from __future__ import annotations

import json
import math
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checks import intervals, performance
from checks.subject import on_reference
from roadworthy.catalogue import catalogue
from tests.support import DAY, make_subject, passport_of, write_parquet

REFERENCE = Path(__file__).parents[1] / "data" / "reference"
PUBLISHED = json.loads((REFERENCE / "nannyml_published.json").read_text(encoding="utf-8"))
FAMILY = [metric for metric in catalogue() if metric.startswith("performance.")]
NUMBERS = ("mae", "rmse", "r2", "bias", "quantile_loss", "day_mae")
REGRESSION = {"kind": "regression", "label": "label", "prediction": "prediction"}


def measured(root, passport, rows, **rest):
    with make_subject(root, passport, rows, {DAY: rows}, **rest) as subject:
        return by_name(performance.measure(subject))


def by_name(found):
    """Every metric of the whole once, and every one a measurement that a rule can find; one that only parts have, in parts."""
    wholes, parts = [m for m in found if not m.over], [m for m in found if m.over]
    assert found == [*wholes, *parts]
    assert [m.metric for m in wholes] == [m for m in FAMILY if not (catalogue()[m].over and m in {p.metric for p in parts})]
    assert all(m.low is None or m.low <= m.value <= m.high for m in found)
    assert all(list(m.over) == catalogue()[m.metric].over or list(m.over) in catalogue()[m.metric].by_part for m in parts)
    return {m.metric.partition(".")[2]: m for m in wholes}


@pytest.mark.parametrize("period", ["reference", "analysis"])
def test_every_chunk_of_the_car_loan_set_is_as_nannyml_prints_it(tmp_path, period):
    rows = pq.read_table(REFERENCE / "nannyml_car_loan.parquet", filters=[("period", "=", period)])
    passport = passport_of(task={"label": "repaid", "prediction": "y_pred", "score": "y_pred_proba"}, protected=[])
    days = {DAY + timedelta(days=k): rows.slice(5000 * k, 5000) for k in range(10)}
    write_parquet(rows, tmp_path / passport.reference.path)
    with make_subject(tmp_path, passport, None, days):
        pass
    for day, expected in zip(days, PUBLISHED[f"car_loan {period}"], strict=True):
        with make_subject(tmp_path, passport, day=day) as subject:
            found = by_name(performance.measure(subject))
        assert len(expected) == 7
        for name, figure in expected.items():
            assert found[name].value == pytest.approx(figure["value"], abs=5.1e-7), (day, name)
            assert found[name].low < figure["value"] < found[name].high


# scikit-learn, on tables small enough to hold every corner.

ROW = st.tuples(st.integers(0, 1), st.integers(0, 1), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0]))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ROW, min_size=1, max_size=30))
def test_small_tables_with_ties_agree_with_scikit_learn(tmp_path, rows):
    from sklearn import metrics

    frame = pd.DataFrame(rows, columns=["label", "prediction", "score"])
    found = measured(tmp_path, passport_of(), frame)
    y, d, s = frame["label"], frame["prediction"], frame["score"]
    expected = {
        "accuracy": metrics.accuracy_score(y, d), "error_rate": metrics.zero_one_loss(y, d),
        "precision": metrics.precision_score(y, d, zero_division=np.nan),
        "recall": metrics.recall_score(y, d, zero_division=np.nan),
        "specificity": metrics.recall_score(y, d, pos_label=0, zero_division=np.nan),
        "f1": metrics.f1_score(y, d, zero_division=np.nan),
        "roc_auc": metrics.roc_auc_score(y, s) if y.nunique() == 2 else np.nan,
        "average_precision": metrics.average_precision_score(y, s) if y.nunique() == 2 else np.nan,
        "brier": metrics.brier_score_loss(y, s) if len(y) > 1 else np.nan,
        "log_loss": metrics.log_loss(y, s, labels=[0, 1]) if len(y) > 1 else np.nan,
    }
    for name, value in expected.items():
        if math.isnan(value):
            assert found[name].status == "insufficient", name
        else:
            assert found[name].value == pytest.approx(value, abs=1e-12), name
    assert found["day_error_rate"].value == pytest.approx(expected["error_rate"])
    assert [found["accuracy"].stats[k] for k in ("positives", "negatives")] == [y.sum(), len(y) - y.sum()]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=2, max_size=30))
def test_small_tables_of_numbers_agree_with_scikit_learn(tmp_path, rows):
    from sklearn import metrics

    frame = pd.DataFrame(rows, columns=["label", "prediction"])
    found = measured(tmp_path, passport_of(task=REGRESSION), frame)
    y, d = frame["label"], frame["prediction"]
    assert found["mae"].value == pytest.approx(metrics.mean_absolute_error(y, d))
    assert found["rmse"].value == pytest.approx(metrics.root_mean_squared_error(y, d))
    assert found["bias"].value == pytest.approx((d - y).mean(), abs=1e-9)
    if y.nunique() > 1 and y.std() > 1e-6 * y.abs().max():
        truth = metrics.r2_score(y, d)
        if found["r2"].status == "error":  # its square does not fit a double, so there is no interval and hence no number
            assert abs(truth) > 1e150 and "too large" in found["r2"].reason
        else:
            assert found["r2"].value == pytest.approx(truth, rel=1e-6, abs=1e-9)
    elif y.nunique() == 1:
        assert found["r2"].status == "insufficient"


@pytest.mark.parametrize("quantile", [0.05, 0.5, 0.9])
def test_the_loss_of_a_quantile_is_that_of_scikit_learn(tmp_path, quantile):
    from sklearn.metrics import mean_pinball_loss

    random = np.random.default_rng(2)
    y, d = random.normal(0, 3, 200), random.normal(0, 3, 200)
    task = {**REGRESSION, "quantile": quantile}
    m = measured(tmp_path, passport_of(task=task), {"label": y, "prediction": d})["quantile_loss"]
    assert m.value == pytest.approx(mean_pinball_loss(y, d, alpha=quantile))
    losses = np.maximum(quantile * (y - d), (quantile - 1) * (y - d))
    assert (m.low, m.high) == pytest.approx(intervals.mean(200, losses.sum(), (losses**2).sum())[:2])


def test_without_a_declared_quantile_there_is_no_loss_of_it(tmp_path):
    found = measured(tmp_path, passport_of(task=REGRESSION), {"label": [1.0, 2.0, 3.0], "prediction": [1.0, 2.0, 4.0]})
    assert found["quantile_loss"].status == "not_applicable" and found["mae"].status == "measured"


def test_a_far_mean_costs_no_digits(tmp_path):
    random = np.random.default_rng(1)
    y = random.normal(0, 1, 500)
    d = y + random.normal(0.1, 0.5, 500)
    near = measured(tmp_path / "near", passport_of(task=REGRESSION), {"label": y, "prediction": d})
    far = measured(tmp_path / "far", passport_of(task=REGRESSION), {"label": y + 1e8, "prediction": d + 1e8})
    for name in ("mae", "rmse", "r2", "bias"):
        for part in ("value", "low", "high"):
            assert getattr(far[name], part) == pytest.approx(getattr(near[name], part), abs=1e-6)


def test_intervals_come_from_the_counts(tmp_path):
    rows = {"label": [1] * 60 + [0] * 40, "prediction": [1] * 45 + [0] * 15 + [1] * 10 + [0] * 30, "score": [0.5] * 100}
    found = measured(tmp_path, passport_of(), rows)
    for name, counts in {"accuracy": (75, 100), "precision": (45, 55), "recall": (45, 60), "specificity": (30, 40)}.items():
        assert (found[name].low, found[name].high) == intervals.wilson(*counts)[:2]
        assert found[name].n == counts[1]
    assert (found["f1"].low, found["f1"].high) == intervals.f1(45, 25)[:2]
    assert (found["day_error_rate"].low, found["day_error_rate"].high) == intervals.clopper_pearson(25, 100)[:2]
    assert found["accuracy"].stats["true_positives"] == 45 and found["accuracy"].stats["false_positives"] == 10
    assert found["roc_auc"].value == 0.5


def test_area_and_interval_from_sql_are_those_of_the_pure_functions(tmp_path):
    random = np.random.default_rng(3)
    y = random.integers(0, 2, 400)
    s = np.clip(np.round(0.5 + 0.2 * (y - 0.5) + random.normal(0, 0.2, 400), 2), 0, 1)
    found = measured(tmp_path, passport_of(task={"prediction": None}), {"label": y, "score": s})
    counts = [(int(((s == v) & (y == 1)).sum()), int(((s == v) & (y == 0)).sum())) for v in np.unique(s)]
    expected = intervals.delong(intervals.rank_sums(counts))
    assert (found["roc_auc"].low, found["roc_auc"].high) == pytest.approx(expected[:2], abs=1e-12)
    assert found["accuracy"].value == ((s >= 0.5) == y).mean()


# Units of independence.

def blocks(task, repeat):
    """Twenty days whose rows say the same thing `repeat` times."""
    random = np.random.default_rng(5)
    label = random.integers(0, 2, 20) if task == "binary" else random.normal(0, 1, 20)
    wrong = random.random(20) < 0.3
    prediction = np.where(wrong, 1 - label, label) if task == "binary" else label + random.normal(0, 1, 20)
    score = np.clip(0.5 + 0.3 * (prediction - 0.5) + random.normal(0, 0.1, 20), 0, 1)
    days = pd.DataFrame({"label": label, "prediction": prediction, "score": score, "day": np.arange(20)})
    return days.loc[np.repeat(np.arange(20), repeat)]


@pytest.mark.parametrize("unit", ["block", "entity"])
@pytest.mark.parametrize("task", ["binary", "regression"])
def test_rows_that_repeat_their_unit_add_no_certainty(tmp_path, unit, task):
    kind = {} if task == "binary" else REGRESSION
    passport = passport_of(task=kind, independence={"unit": unit, "column": "day"})
    once, often = (measured(tmp_path / str(k), passport, blocks(task, k)) for k in (1, 50))
    rows = measured(tmp_path / "rows", passport_of(task=kind), blocks(task, 50))
    names = ("accuracy", "precision", "recall", "specificity", "f1", "brier", "log_loss", "roc_auc", "average_precision")
    for name in names if task == "binary" else ("mae", "rmse", "r2", "bias"):
        assert often[name].value == pytest.approx(once[name].value)
        width = often[name].high - often[name].low
        assert width == pytest.approx(once[name].high - once[name].low, rel=0.15), name
        assert width > 3 * (rows[name].high - rows[name].low), name
        assert often[name].stats["units"] <= 20 and f"{unit}s" in often[name].method
    assert often["label_coverage"].n == 1000


def test_the_mean_error_by_unit_is_the_cluster_robust_one(tmp_path):
    random = np.random.default_rng(8)
    unit = random.integers(0, 12, 300)
    error = random.normal(0, 1, 12)[unit] + random.normal(0, 1, 300)
    passport = passport_of(task=REGRESSION, independence={"unit": "entity", "column": "who"})
    found = measured(tmp_path, passport, {"label": np.zeros(300) + 5, "prediction": 5 + error, "who": unit})
    sums, sizes = np.bincount(unit, error, 12), np.bincount(unit, minlength=12)
    expected = intervals.mean_by_unit(
        12, 300, error.sum(), totals_squared=(sums**2).sum(), totals_sizes=(sums * sizes).sum(), sizes_squared=(sizes**2).sum()
    )
    assert (found["bias"].low, found["bias"].high) == pytest.approx(expected[:2])


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_one_unit_gives_no_interval_and_so_no_number(tmp_path, task):
    passport = passport_of(task={} if task == "binary" else REGRESSION, independence={"unit": "block", "column": "day"})
    found = measured(tmp_path, passport, blocks(task, 30).assign(day=1))
    for name in ("accuracy", "roc_auc", "brier", "f1") if task == "binary" else ("mae", "r2"):
        assert found[name].status == "insufficient" and "one block" in found[name].reason
    assert found["label_coverage"].value == 1.0


def test_a_unit_that_is_not_in_the_data_is_an_error_not_a_guess(tmp_path):
    passport = passport_of(independence={"unit": "block", "column": "week"})
    found = measured(tmp_path, passport, blocks("binary", 3))
    assert found["accuracy"].status == "error" and "'week'" in found["accuracy"].reason
    assert found["label_coverage"].status == "measured"


# Which rows count.

def test_only_mature_days_are_read_and_the_newest_of_them_is_told_apart(tmp_path):
    good = {"label": [1, 0] * 10, "prediction": [1, 0] * 10, "score": [0.9, 0.1] * 10}
    bad = good | {"prediction": [0, 1] * 10}
    passport = passport_of(task={"maturity_days": 2}, windows={"performance": 3})
    days = {DAY - timedelta(days=k): bad if k < 3 else good for k in range(5)}
    with make_subject(tmp_path, passport, good, days) as subject:
        found = by_name(performance.measure(subject))
    assert found["accuracy"].n == 60 and found["accuracy"].value == pytest.approx(2 / 3)
    assert found["day_error_rate"].value == 1.0 and found["day_error_rate"].n == 20
    assert found["day_error_rate"].details["day"] == str(DAY - timedelta(days=2))


def test_a_newest_day_without_a_file_is_insufficient_and_the_rest_is_measured(tmp_path):
    rows = {"label": [1, 0], "prediction": [1, 0], "score": [0.9, 0.1]}
    with make_subject(tmp_path, passport_of(windows={"performance": 2}), rows, {DAY - timedelta(days=1): rows}) as subject:
        found = by_name(performance.measure(subject))
    assert found["day_error_rate"].status == "insufficient" and str(DAY) in found["day_error_rate"].reason
    assert found["accuracy"].value == 1.0 and found["accuracy"].details["missing_days"] == 1


def test_the_reference_can_be_measured_in_the_same_way(tmp_path):
    rows = {"label": [1, 0] * 5, "prediction": [1, 0] * 5, "score": [0.9, 0.1] * 5}
    with make_subject(tmp_path, passport_of(), rows) as subject:
        found = by_name(performance.measure(on_reference(subject)))
    assert found["accuracy"].value == 1.0
    assert found["day_error_rate"].status == "insufficient"


def test_rows_that_cannot_be_used_are_left_out_and_counted(tmp_path):
    nan, inf = float("nan"), float("inf")
    rows = {
        "label": [1.0, 0.0, nan, None, inf, 2.0, 1.0, 0.0, 1.0, 0.0],
        "prediction": [1, 0, 1, 1, 1, 1, None, 3, 1, 0],
        "score": [0.9, 0.1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, nan, 1.5],
    }
    found = measured(tmp_path, passport_of(), rows)
    assert (found["label_coverage"].value, found["prediction_coverage"].value) == (0.6, 0.6)
    assert found["accuracy"].n == 4 and found["roc_auc"].n == 4
    assert found["accuracy"].details["excluded"] == {"without_label": 4, "without_decision": 2, "without_score": 2}


@pytest.mark.parametrize("stored", [
    pa.array([1, 0, None, 1], pa.int8()), pa.array([True, False, None, True]), pa.array(["1", "0", None, "1"]),
    pa.array([1.0, 0.0, None, 1.0]), pa.array(["1", "0", None, "1"]).dictionary_encode(),
])
def test_a_label_may_be_stored_in_any_type(tmp_path, stored):
    found = measured(tmp_path, passport_of(), {"label": stored, "prediction": [1, 1, 1, 1], "score": [0.9, 0.8, 0.7, 0.6]})
    assert found["accuracy"].value == pytest.approx(2 / 3) and found["label_coverage"].value == 0.75


def test_multiclass_is_right_or_wrong(tmp_path):
    task = {"kind": "multiclass", "label": "label", "prediction": "prediction", "classes": ["a", "b", 3]}
    rows = {"label": ["a", "b", "3", "3.0", "x", None], "prediction": ["a", "a", "3", "b", "a", "a"]}
    found = measured(tmp_path, passport_of(task=task), rows)
    assert (found["accuracy"].value, found["error_rate"].value, found["accuracy"].n) == (0.5, 0.5, 4)
    assert found["day_error_rate"].value == 0.5
    assert found["prediction_coverage"].value == 1.0 and found["label_coverage"].value == pytest.approx(4 / 6)
    assert found["f1"].status == found["mae"].status == "not_applicable"


def test_a_model_without_score_has_no_ranking_and_a_number_no_accuracy(tmp_path):
    rows = {"label": [1, 0] * 5, "prediction": [1, 0] * 5}
    found = measured(tmp_path / "a", passport_of(task={"score": None}), rows)
    assert found["roc_auc"].status == "not_applicable" and found["accuracy"].value == 1.0
    found = measured(tmp_path / "b", passport_of(task=REGRESSION), rows)
    assert found["accuracy"].status == "not_applicable" and found["mae"].value == 0.0


# What the data may be.

def test_a_missing_day_and_an_empty_day_are_insufficient(tmp_path):
    rows = {"label": [1, 0], "prediction": [1, 0], "score": [0.9, 0.1]}
    with make_subject(tmp_path / "none", passport_of(), rows) as subject:
        none = by_name(performance.measure(subject))
    empty = measured(tmp_path / "empty", passport_of(), pa.table(rows).slice(0, 0))
    for found in (none, empty):
        applies = {name: m for name, m in found.items() if name not in NUMBERS and not name.startswith(("macro_", "class_"))}
        assert {m.status for m in applies.values()} == {"insufficient"}
        assert found["mae"].status == "not_applicable"


def test_a_file_cut_short_is_an_error(tmp_path):
    rows = {"label": [1, 0], "prediction": [1, 0], "score": [0.9, 0.1]}
    with make_subject(tmp_path, passport_of(), rows, {DAY: rows}):
        pass
    file = tmp_path / f"batches/{DAY}.parquet"
    file.write_bytes(file.read_bytes()[:150])
    with make_subject(tmp_path, passport_of()) as subject:
        found = by_name(performance.measure(subject))
    assert found["accuracy"].status == found["label_coverage"].status == found["day_error_rate"].status == "error"


@pytest.mark.parametrize(("column", "broken", "whole"), [
    ("label", ("label_coverage", "accuracy", "roc_auc", "day_error_rate", "loss"), ("prediction_coverage",)),
    ("prediction", ("prediction_coverage", "accuracy", "f1", "day_error_rate", "loss"), ("label_coverage", "roc_auc", "brier")),
    ("score", ("prediction_coverage", "roc_auc", "log_loss"), ("label_coverage", "accuracy", "day_error_rate")),
])
def test_a_missing_column_breaks_what_needs_it_and_nothing_else(tmp_path, column, broken, whole):
    rows = {"label": [1, 0] * 5, "prediction": [1, 0] * 5, "score": [0.9, 0.1] * 5}
    rows[f"{column} (old)"] = rows.pop(column)
    found = measured(tmp_path, passport_of(), rows)
    assert {found[name].status for name in broken} == {"error"} and all(f"'{column}'" in found[name].reason for name in broken)
    assert {found[name].status for name in whole} == {"measured"}


def test_labels_that_have_not_come_are_no_coverage_and_no_error(tmp_path):
    passport = passport_of(batches={"path": "batches/{date}.parquet", "labels": "labels/{date}.parquet", "key": "id"})
    found = measured(tmp_path, passport, {"id": [1, 2], "prediction": [1, 0], "score": [0.9, 0.1]})
    assert found["label_coverage"].value == 0.0
    assert found["accuracy"].status == found["day_error_rate"].status == found["roc_auc"].status == "insufficient"


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("changed", [
    {"label": [1] * 6}, {"label": [0] * 6}, {"prediction": [0] * 6}, {"prediction": [1] * 6}, {"score": [0.5] * 6},
    {"label": pa.nulls(6, pa.int8())}, {"prediction": pa.nulls(6)}, {"score": pa.nulls(6, pa.float64())},
    {"score": [NAN] * 6}, {"score": [INF, -INF, NAN, 0.0, 1.0, 0.5]}, {"score": [2.0] * 6}, {"score": ["0.9"] * 6},
    {"score": ["high"] * 6}, {"score": [[0.9]] * 6}, {"score": pa.array([{"a": 1}] * 6)}, {"label": [[1]] * 6},
    {"label": ["banana"] * 6}, {"prediction": [0.9] * 6}, {"label": [DAY] * 6}, {"score": [DAY] * 6},
])
@pytest.mark.parametrize("task", [{}, REGRESSION, {"prediction": None}])
def test_degenerate_data_end_as_measurements(tmp_path, changed, task):
    rows = {"label": [1, 0, 1, 0, 1, 0], "prediction": [1, 0, 0, 1, 1, 0], "score": [0.9, 0.1, 0.4, 0.6, 0.8, 0.3]} | changed
    measured(tmp_path, passport_of(task=task), rows)


@pytest.mark.parametrize("task", [{}, REGRESSION])
def test_one_row_is_enough_for_a_share_and_not_for_a_mean(tmp_path, task):
    found = measured(tmp_path, passport_of(task=task), {"label": [1], "prediction": [1], "score": [0.9]})
    if task:
        assert {found[name].status for name in ("mae", "rmse", "r2", "bias")} == {"insufficient"}
    else:
        assert found["accuracy"].value == 1.0 and found["accuracy"].low < 0.25
        assert found["brier"].status == found["roc_auc"].status == "insufficient"


def test_numbers_too_large_to_square_are_an_error_and_not_infinite(tmp_path):
    found = measured(tmp_path, passport_of(task=REGRESSION), {"label": [1e200, -1e200, 3.0], "prediction": [-1e200, 1e200, 3.0]})
    assert found["rmse"].status == "error" and "too large" in found["rmse"].reason
    assert found["label_coverage"].value == 1.0
    rows = {"label": [1e200, -1e200, 3.0], "prediction": [1e200, -1e200, 4.0]}
    found = measured(tmp_path / "labels", passport_of(task=REGRESSION), rows)
    assert found["r2"].status == "error" and found["bias"].status == "measured"


@pytest.mark.parametrize("tiny", [1e-138, 5e-324, 1e-300])
def test_labels_that_hardly_differ_do_not_divide_by_zero(tmp_path, tiny):
    for prediction in ([0.0, 0.0, 0.0], [1.0, 2.0, 3.0]):
        rows = {"label": [0.0, tiny, 0.0], "prediction": prediction}
        measured(tmp_path / str(prediction[0]), passport_of(task=REGRESSION), rows)


@pytest.mark.parametrize("name", ['we"ird; --', "a b", "x=y*", "{{ 7*7 }}", "<b>", "性别", "y", "s", "u", "it's"])
def test_hostile_names_are_only_names(tmp_path, name):
    names = {"label": f"{name}?", "prediction": f"{name}!", "score": name}
    rows = {names["label"]: [1, 0] * 4, names["prediction"]: [1, 1] * 4, names["score"]: [0.9, 0.1] * 4}
    rows |= {"p": [1] * 8, "q": [2] * 8}
    unit = {"unit": "entity", "column": "u "}
    found = measured(tmp_path / "rows", passport_of(task=names), rows)
    assert found["accuracy"].value == 0.5 and found["roc_auc"].value == 1.0
    found = measured(tmp_path / "units", passport_of(task=names, independence=unit), rows | {"u ": [1, 1, 2, 2, 3, 3, 4, 4]})
    assert found["accuracy"].stats["units"] == 4


def test_many_scores_stay_within_little_memory(tmp_path):
    random = np.random.default_rng(9)
    y = random.integers(0, 2, 150_000)
    rows = {"label": y, "prediction": y, "score": np.clip(random.random(150_000) * 0.9 + 0.1 * y, 0, 1)}
    small = measured(tmp_path / "small", passport_of(), rows, memory_limit="40MB", threads=1, spill=tmp_path / "spill")
    large = measured(tmp_path / "large", passport_of(), rows)
    assert small["roc_auc"].value == large["roc_auc"].value


# How often the interval holds the truth.

@pytest.mark.long
def test_coverage_of_means_and_of_explained_variance(tmp_path):
    random = np.random.default_rng(20261122)
    held = {name: 0 for name in ("mae", "rmse", "r2", "bias")}
    truth = {"mae": math.sqrt(2 / math.pi), "rmse": 1.0, "r2": 0.75, "bias": 0.0}
    for k in range(300):
        y = random.normal(0, 2, 150)
        rows = {"label": y, "prediction": y + random.normal(0, 1, 150)}
        found = measured(tmp_path / str(k), passport_of(task=REGRESSION), rows)
        for name, value in truth.items():
            held[name] += found[name].low <= value <= found[name].high
    assert all(0.90 <= count / 300 <= 0.985 for count in held.values()), held


@pytest.mark.long
def test_coverage_by_unit(tmp_path):
    random = np.random.default_rng(20261122)
    passport = passport_of(independence={"unit": "block", "column": "day"})
    names, held = ("accuracy", "roc_auc"), [0, 0]
    day = np.repeat(np.arange(25), 40)
    big = np.repeat(np.arange(10_000), 40)

    def draw(day):
        luck = random.normal(0, 1, day.max() + 1)[day]
        label = random.integers(0, 2, day.size)
        score = 1 / (1 + np.exp(-(luck + 1.5 * (label - 0.5) + random.normal(0, 1, day.size))))
        return pd.DataFrame({"label": label, "score": score, "prediction": (score >= 0.5).astype(int), "day": day})

    from sklearn.metrics import accuracy_score, roc_auc_score

    all_days = draw(big)
    truth = (accuracy_score(all_days["label"], all_days["prediction"]), roc_auc_score(all_days["label"], all_days["score"]))
    for k in range(200):
        found = measured(tmp_path / str(k), passport, draw(day))
        for place, name in enumerate(names):
            held[place] += found[name].low <= truth[place] <= found[name].high
    assert all(0.90 <= count / 200 <= 0.99 for count in held), held
