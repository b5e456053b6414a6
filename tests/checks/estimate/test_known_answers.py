"""Estimates beside those that NannyML makes of its own data sets, and beside sums over rows."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from sklearn.isotonic import IsotonicRegression

from checks import estimate
from checks.estimate.calibration import binned, isotonic
from checks.estimate.classes import metrics
from tests.support import DAY, make_subject, passport_of, write_parquet

REFERENCE = Path(__file__).parents[2] / "data" / "reference"
MADE = json.loads((REFERENCE / "nannyml_estimates.json").read_text(encoding="utf-8"))
CARDS = ("prepaid_card", "highstreet_card", "upmarket_card")
CAR = ["car_age", "km_driven", "price_new", "accident_count", "door_count", "fuel", "transmission"]


def chunks(root, passport, rows, size):
    """Write the reference, and the rest as days of `size` rows; return the days."""
    write_parquet(rows.filter(pc.equal(rows["period"], "reference")), root / passport.reference.path)
    rest = rows.filter(pc.equal(rows["period"], "analysis"))
    days = {DAY + timedelta(days=k): rest.slice(size * k, size) for k in range(len(rest) // size)}
    with make_subject(root, passport, None, days):
        return list(days)


def whole(found):
    return {m.metric.partition(".")[2]: m for m in found if not m.over}


def misses(found):
    return {m.over["metric"]: m for m in found if m.metric == "estimate.miss" and m.over}


def test_every_chunk_of_the_car_loan_set_is_estimated_as_nannyml_does(tmp_path):
    passport = passport_of(task={"label": "repaid", "prediction": "y_pred", "score": "y_pred_proba"}, protected=[])
    days = chunks(tmp_path, passport, pq.read_table(REFERENCE / "nannyml_car_loan.parquet"), 5000)
    for day, expected in zip(days, MADE["car_loan analysis"], strict=True):
        with make_subject(tmp_path, passport, day=day) as subject:
            found = whole(estimate.measure(subject))
        assert len(expected) == 6
        for name, value in expected.items():
            assert found[name].value == pytest.approx(value, abs=0.0005), (day, name)
            assert found[name].low < value < found[name].high


def test_several_classes_are_estimated_as_nannyml_does(tmp_path):
    task = {
        "kind": "multiclass", "label": "y_true", "prediction": "y_pred", "classes": list(CARDS), "class_scores": list(CARDS),
    }
    rows = pq.read_table(REFERENCE / "nannyml_credit_cards.parquet")
    for card in CARDS:
        rows = rows.append_column(card, pc.divide(pc.cast(rows[f"percent_{card}"], pa.float64()), 100))
    passport = passport_of(task=task, protected=[])
    days = chunks(tmp_path, passport, rows, 6000)
    for day, expected in zip(days, MADE["cards analysis"], strict=True):
        with make_subject(tmp_path, passport, day=day) as subject:
            measured = estimate.measure(subject)
        found, missed = whole(measured), misses(measured)
        for name, figure in expected.items():
            # It calibrates all 30,000 rows of the reference, and a class only if that seems to help; here it is 20,000 and all.
            assert found[name].value == pytest.approx(figure["value"], abs=0.005), (day, name)
            assert missed[name].stats["true"] == pytest.approx(figure["realized"], abs=1e-6)
            assert missed[name].value == pytest.approx(found[name].value - figure["realized"], abs=1e-6)
    assert missed["accuracy"].low > 0.05  # the second chunk holds a change that no score shows


def test_errors_of_car_prices_are_estimated_as_nannyml_does(tmp_path):
    task = {"kind": "regression", "label": "y_true", "prediction": "y_pred"}
    passport = passport_of(task=task, features=CAR, protected=[])
    days = chunks(tmp_path, passport, pq.read_table(REFERENCE / "nannyml_car_price.parquet"), 6000)
    for day, expected in zip(days, MADE["car prices analysis"], strict=True):
        with make_subject(tmp_path, passport, day=day) as subject:
            measured = estimate.measure(subject)
        found, missed = whole(measured), misses(measured)
        for name, figure in expected.items():
            assert found[name].value == pytest.approx(figure["value"], rel=0.015), (day, name)
            assert missed[name].stats["true"] == pytest.approx(figure["realized"], abs=1e-3)
            assert missed[name].low < 0 < missed[name].high or day != days[0]


# Independent sums.


def test_the_curve_is_that_of_isotonic_regression_on_the_rows():
    random = np.random.default_rng(4)
    s = np.round(random.random(3000), 2)
    y = (random.random(3000) < s**2).astype(int)
    bins, place = np.unique(binned(s), return_inverse=True)
    curve = isotonic(bins, np.bincount(place), np.bincount(place, y).astype(np.int64))
    on_rows = IsotonicRegression(out_of_bounds="clip").fit(s, y).predict(s)
    assert curve.at(binned(s)).read(curve.heights) == pytest.approx(on_rows, abs=1e-12)
    apart = np.linspace(0, 1, 997)  # scores that the reference does not have lie on the straight line between
    near = IsotonicRegression(out_of_bounds="clip").fit(s, y).predict(apart)
    assert np.abs(curve.at(binned(apart)).read(curve.heights) - near).max() < 0.05


def test_macro_metrics_of_certain_rows_are_those_of_scikit_learn():
    from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score

    random = np.random.default_rng(5)
    y, d = random.integers(0, 4, 500), random.integers(0, 4, 500)
    found = {name: value for name, (value, _) in metrics(d, np.eye(4)[y]).items()}
    assert found["accuracy"] == pytest.approx(accuracy_score(y, d))
    for name, score in (("f1", f1_score), ("precision", precision_score), ("recall", recall_score)):
        assert found[name] == pytest.approx(score(y, d, average="macro")), name


@pytest.mark.parametrize("name", ["accuracy", "f1", "precision", "recall"])
def test_the_derivatives_of_macro_metrics_are_right(name):
    random = np.random.default_rng(6)
    p, d = random.dirichlet(np.ones(3), 40), random.integers(0, 3, 40)
    value, weights = metrics(d, p)[name]
    for row, k in ((0, 0), (7, 1), (39, 2)):
        moved = p.copy()
        moved[row, k] += 1e-6
        assert (metrics(d, moved)[name][0] - value) / 1e-6 == pytest.approx(weights[row, k], abs=1e-6)


def test_the_miss_is_the_estimate_minus_what_performance_measures(tmp_path):
    from checks import performance

    random = np.random.default_rng(7)
    s = random.random(4000)
    rows = {"score": s, "prediction": (s > 0.4).astype(int), "label": (random.random(4000) < s).astype(int)}
    day = {name: column[:1500] for name, column in rows.items()}
    with make_subject(tmp_path, passport_of(protected=[]), rows, {DAY: day}) as subject:
        measured = estimate.measure(subject)
        truth = {m.metric.partition(".")[2]: m.value for m in performance.measure(subject)}
    found, missed = whole(measured), misses(measured)
    assert set(missed) == {"accuracy", "roc_auc", "f1", "precision", "recall", "specificity"}
    for name, one in missed.items():
        near = 1e-4 if name == "roc_auc" else 1e-9  # scores of one bin count as ties
        assert one.stats["true"] == pytest.approx(truth[name], abs=near), name
        assert one.value == pytest.approx(found[name].value - truth[name], abs=near)
        assert one.high - one.low == pytest.approx(found[name].high - found[name].low)
