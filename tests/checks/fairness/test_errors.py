"""Models that predict a number: errors of groups as scipy computes them on the rows, by row and by unit."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest

from checks.fairness.errors import METRICS
from tests.checks.fairness.support import AGE, SEX, measured, passport_of, pick

TASK = {"kind": "regression", "label": "label", "prediction": "prediction"}


def rows_of(n=400, offset=0.0, seed=1):
    random = np.random.default_rng(seed)
    sex = random.choice(["male", "female"], n, p=[0.7, 0.3])
    label = offset + random.normal(0, 3, n)
    return pd.DataFrame({
        "sex": sex, "age": random.integers(18, 60, n), "label": label,
        "prediction": label + random.normal(0, 1, n) + (sex == "female") * 0.5, "person": np.arange(n),
    })


@pytest.mark.parametrize("offset", [0.0, 1e9])
def test_differences_and_intervals_are_those_of_welchs_test_on_the_rows(tmp_path, offset):
    from scipy.stats import ttest_ind

    rows = rows_of(offset=offset)
    found = measured(tmp_path, passport_of(task=TASK, protected=[SEX, AGE]), rows)
    error, women = rows["prediction"] - rows["label"], rows["sex"] == "female"
    for kind, of in (("mean_error", error), ("mean_absolute_error", error.abs())):
        m = pick(found, f"{kind}_difference", sex="female")
        test = ttest_ind(of[women], of[~women], equal_var=False).confidence_interval()
        assert m.value == pytest.approx(of[women].mean() - of[~women].mean(), abs=1e-12)
        assert (m.low, m.high) == pytest.approx((test.low, test.high), rel=1e-9)
        assert pick(found, kind, sex="male").value == pytest.approx(of[~women].mean(), abs=1e-12)
        assert m.n == women.sum() and m.stats["se"] > 0


def test_combinations_are_compared_with_the_combination_of_the_references(tmp_path):
    from scipy.stats import ttest_ind

    rows = rows_of()
    found = measured(tmp_path, passport_of(task=TASK, protected=[SEX, AGE]), rows)
    error, old = rows["prediction"] - rows["label"], rows["age"] >= 30
    there = error[(rows["sex"] == "male") & old]
    for sex, age in product(["male", "female"], ["young", "old"]):
        if (sex, age) == ("male", "old"):
            continue
        here = error[(rows["sex"] == sex) & (old == (age == "old"))]
        m = pick(found, "intersection_mean_error_difference", sex=sex, age=age)
        test = ttest_ind(here, there, equal_var=False).confidence_interval()
        assert m.value == pytest.approx(here.mean() - there.mean(), abs=1e-12)
        assert (m.low, m.high) == pytest.approx((test.low, test.high), rel=1e-9)


def test_too_many_cells_are_counted_apart_with_the_same_sums(tmp_path, monkeypatch):
    from checks.fairness import counted

    passport, rows = passport_of(task=TASK, protected=[SEX, AGE]), rows_of()
    whole = measured(tmp_path / "whole", passport, rows)
    monkeypatch.setattr(counted, "MAX_CELLS", 3)
    apart = measured(tmp_path / "apart", passport, rows)
    assert [(m.metric, m.over) for m in whole] == [(m.metric, m.over) for m in apart]
    pairs = [(a, b) for a, b in zip(whole, apart, strict=True) if a.value is not None or b.value is not None]
    assert len(pairs) > 10
    for a, b in pairs:
        assert (a.value, a.low, a.high) == pytest.approx((b.value, b.low, b.high), rel=1e-9)


def test_an_attribute_of_too_many_groups_is_refused_by_name(tmp_path):
    rows = rows_of(1200).assign(sex=[f"s{i}" for i in range(1200)])
    found = measured(tmp_path, passport_of(task=TASK, protected=[SEX, AGE]), rows)
    about = [m for m in found if "sex" in m.over.get("group", {})]
    assert {m.status for m in about} == {"error"} and "more than 200 groups" in about[0].reason
    assert pick(found, "mean_error_difference", age="young").status == "measured"


def test_a_person_seen_five_times_is_one_observation(tmp_path):
    rows = rows_of()
    five = pd.concat([rows] * 5)
    once = measured(tmp_path / "once", passport_of(task=TASK, protected=[SEX, AGE]), rows)
    passport = passport_of(task=TASK, protected=[SEX, AGE], independence={"unit": "entity", "column": "person"})
    often = measured(tmp_path / "often", passport, five)
    for short, over in (("mean_error", {"sex": "female"}), ("mean_absolute_error_difference", {"sex": "female"}),
                        ("intersection_mean_error_difference", {"sex": "female", "age": "young"})):
        a, b = pick(once, short, **over), pick(often, short, **over)
        assert (b.value, b.low, b.high) == pytest.approx((a.value, a.low, a.high), rel=1e-9)
        assert b.n == 5 * a.n and "by entity" in b.method


def test_rows_that_cannot_be_compared_are_left_out_and_counted(tmp_path):
    rows = {"sex": ["male"] * 4 + ["female"] * 4 + [None] * 2, "label": [1.0, 2.0, None, 4.0] * 2 + [1.0, 5.0],
            "prediction": [1.5, 2.0, 3.0, float("nan"), 2.5, 2.0, 3.0, float("inf"), 1.0, 1.0]}
    found = measured(tmp_path, passport_of(task=TASK), rows)
    m = pick(found, "mean_error_difference", sex="female")
    assert m.value == pytest.approx(0.75 - 0.25) and m.n == 2
    assert m.details["excluded"] == {"without_label": 2, "without_prediction": 2}
    assert pick(found, "mean_error", sex="(missing)").value == pytest.approx(-2.0)


@pytest.mark.parametrize(("rows", "status"), [
    ({"sex": [], "label": [], "prediction": []}, "insufficient"),
    ({"sex": ["male"] * 3, "label": [None] * 3, "prediction": [1.0] * 3}, "insufficient"),
    ({"sex": ["male", "female"], "label": [1e308, 1.0], "prediction": [-1e308, 1e308]}, None),
    ({"sex": ["male", "female", "x"], "label": [1.0, 2.0, 3.0], "prediction": [1.0, 2.0, 3.0]}, None),
    ({"sex": ["male"] * 3, "label": [1.0, 2.0, 3.0], "prediction": ["a", "2", ""]}, None),
    ({"age": [1], "label": [1.0], "prediction": [1.0]}, "error"),
    ({"sex": ["male"], "label": [1.0]}, "error"),
])
def test_degenerate_data_end_as_measurements_of_every_metric(tmp_path, rows, status):
    frame = pd.DataFrame({k: pd.Series(v, dtype=object if k == "sex" else None) for k, v in rows.items()})
    found = [m for m in measured(tmp_path, passport_of(task=TASK), frame) if m.metric in METRICS]
    assert {m.metric for m in found} == set(METRICS)
    shown = {m.status for m in found if "intersection" not in m.metric}
    assert shown == {status} if status else shown <= {"measured", "insufficient", "error"}


def test_the_interval_holds_the_truth_about_as_often_as_it_promises():
    """Errors of two spreads in groups of very different size, and absolute errors, which are skewed."""
    from checks.fairness.errors import Mean, difference_of_means

    random, rates = np.random.default_rng(20261122), []
    for n, spread in product((20, 100, 500), (0.5, 1.0, 3.0)):
        for absolute in (False, True):
            here, there = random.normal(0, spread, (400, n)), random.normal(0, 1, (400, 1000))
            truth = (spread - 1) * np.sqrt(2 / np.pi) if absolute else 0.0
            here, there = (np.abs(here), np.abs(there)) if absolute else (here, there)
            held = 0
            for a, b in zip(here, there, strict=True):
                found = difference_of_means(*(Mean(float(x.mean()), float(x.var(ddof=1)) / len(x), len(x)) for x in (a, b)))
                held += found.low <= truth <= found.high
            rates.append(held / 400)
    assert min(rates) >= 0.92 and 0.94 <= np.mean(rates) <= 0.97
