"""Rates from counts are those of fairlearn and scikit-learn on the rows, for one attribute and for two together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.checks.fairness.support import AGE, SEX, SOURCE, credit, measured, one, passport_of, pick, tally_of
from tests.support import DAY, make_subject

REASONS = {"fairness.intersection_selection_rate", "fairness.intersection_true_positive_rate_difference"}


def tables():
    employment = pd.read_parquet(SOURCE / "ma_employment.parquet").query("year == 2018")
    yield "employment", employment, "employed", "prediction", [
        {"name": "sex", "column": "SEX", "reference": "1"}, {"name": "dis", "column": "DIS", "reference": "2"},
        {"name": "race", "column": "RAC1P", "reference": "1"}, {"name": "cit", "column": "CIT", "reference": "1"},
    ]
    german = pd.read_parquet(SOURCE / "german_credit.parquet")
    german["decision"] = np.random.default_rng(3).integers(0, 2, len(german))
    yield "credit", german, "good_credit", "decision", [SEX, {"name": "housing", "column": "housing", "reference": "own"}]


@pytest.mark.parametrize("table", tables(), ids=lambda t: t[0])
def test_every_rate_agrees_with_the_rows(tmp_path, table):
    from fairlearn.metrics import false_negative_rate, false_positive_rate, selection_rate, true_positive_rate
    from sklearn.metrics import precision_score

    _, rows, label, decision, protected = table
    task = {"label": label, "prediction": decision, "score": None}
    found = measured(tmp_path, passport_of(task=task, protected=protected), rows)
    rates = {
        "selection_rate_difference": selection_rate, "true_positive_rate_difference": true_positive_rate,
        "false_positive_rate_difference": false_positive_rate, "false_negative_rate_difference": false_negative_rate,
        "predictive_parity_difference": lambda y, d: precision_score(y, d, zero_division=0),
    }
    checked = 0
    for attribute in protected:
        groups = rows[attribute["column"]].astype(str)
        there = rows[groups == attribute["reference"]]
        for name in sorted(set(groups) - {attribute["reference"]}):
            here = rows[groups == name]
            for short, rate in rates.items():
                m = pick(found, short, **{attribute["name"]: name})
                if m.value is not None:
                    want = rate(here[label], here[decision]) - rate(there[label], there[decision])
                    assert m.value == pytest.approx(want, abs=1e-12)
                    checked += 1
    assert checked > 8


@pytest.mark.parametrize("table", tables(), ids=lambda t: t[0])
def test_combinations_of_two_attributes_agree_with_the_rows(tmp_path, table):
    from fairlearn.metrics import MetricFrame, false_positive_rate, selection_rate, true_positive_rate

    _, rows, label, decision, protected = table
    first, second = protected[:2]
    task = {"label": label, "prediction": decision, "score": None}
    found = measured(tmp_path, passport_of(task=task, protected=[first, second]), rows)
    features = pd.DataFrame({p["name"]: rows[p["column"]].astype(str).to_numpy() for p in (first, second)})
    metrics = {"selection": selection_rate, "true_positive": true_positive_rate, "false_positive": false_positive_rate}
    frame = MetricFrame(
        metrics=metrics, y_true=rows[label].to_numpy(), y_pred=rows[decision].to_numpy(), sensitive_features=features,
    ).by_group.dropna()
    there = frame.loc[first["reference"], second["reference"]]
    assert len(frame) >= 4
    for (a, b), here in frame.iterrows():
        over = {first["name"]: a, second["name"]: b}
        assert pick(found, "intersection_selection_rate", **over).value == pytest.approx(here["selection"], abs=1e-12)
        if (a, b) == (first["reference"], second["reference"]):
            continue
        ratio = pick(found, "intersection_selection_rate_ratio", **over)
        assert ratio.value == pytest.approx(here["selection"] / there["selection"], abs=1e-12)
        assert ratio.low < ratio.value < ratio.high and ratio.stats["scale"] == "log"
        for short in ("selection", "true_positive", "false_positive"):
            m = pick(found, f"intersection_{short}_rate_difference", **over)
            assert m.value is None or m.value == pytest.approx(here[short] - there[short], abs=1e-12)


@pytest.mark.parametrize("favourable", [0, 1])
def test_whichever_value_is_good_the_counts_are_those_of_the_rows(tmp_path, favourable):
    rows, found = credit(tmp_path, favourable=favourable)
    good, chosen = rows["good_credit"] == favourable, rows["decision"] == favourable
    women = rows["sex"] == "female"
    for short, cases, hit in (
        ("false_negative_rate_difference", good, ~chosen), ("predictive_parity_difference", chosen, good),
    ):
        want = hit[women & cases].mean() - hit[~women & cases].mean()
        m = pick(found, short, sex="female")
        assert m.value == pytest.approx(want, abs=1e-12) and m.low < m.value < m.high
        assert m.stats["cases_group"] == (women & cases).sum() and m.stats["selected_group"] == (women & cases & hit).sum()


def test_what_decides_about_predictive_parity_is_decisions():
    from checks.fairness.rates import COMPARED, compared

    tally = tally_of({"a": {(1, 1): 40, (0, 1): 10, (1, 0): 20, (0, 0): 30}, "b": {(1, 1): 4, (0, 1): 2, (1, 0): 9, (0, 0): 1}})
    [parity] = [c for c in COMPARED[True] if c.short == "predictive_parity_difference"]
    m = compared(("b",), parity, tally, tally)
    assert (m.value, m.stats["positives"], m.stats["negatives"]) == (pytest.approx(4 / 6 - 0.8), 6, 10)


def test_a_group_that_no_rate_is_defined_for_is_insufficient_in_each_and_never_0_or_1(tmp_path):
    rows = {
        "sex": ["male"] * 10 + ["female"] * 10 + ["x"] * 5, "label": [1, 0] * 10 + [0] * 5,
        "prediction": [1, 0, 0, 1] * 5 + [0] * 5, "age": [20, 40, 40, 40, 20] * 5,
    }
    found = measured(tmp_path, passport_of(protected=[SEX, AGE]), rows)
    for short in ("true_positive_rate_difference", "false_negative_rate_difference", "predictive_parity_difference"):
        m = pick(found, short, sex="x")
        assert (m.status, m.value, m.n) == ("insufficient", None, 5) and "'x'" in m.reason
    m = pick(found, "intersection_true_positive_rate_difference", sex="x", age="young")
    assert (m.status, m.value, m.n) == ("insufficient", None, 2) and "'x, young'" in m.reason


def test_the_widest_gaps_have_an_interval_that_holds_them_and_name_the_groups(tmp_path):
    _, found = credit(tmp_path)
    for short in ("demographic_parity_difference", "equalized_odds_difference"):
        for attribute in ("sex", "age"):
            m = pick(found, short, attribute=attribute)
            assert 0 <= m.low <= m.value < m.high <= 1 and m.confidence == 0.95 and "simultaneous" in m.method
            assert {m.details["lowest"], m.details["highest"]} == set(m.details["groups"])


def test_a_single_attribute_has_no_combinations_and_says_so(tmp_path):
    rows = pd.read_parquet(SOURCE / "german_credit.parquet").assign(decision=1)
    task = {"label": "good_credit", "prediction": "decision", "score": None}
    found = measured(tmp_path, passport_of(task=task, protected=[SEX]), rows)
    assert {one(found, m.partition(".")[2]).status for m in REASONS} == {"not_applicable"}


def test_decisions_and_labels_of_different_days_are_combined_each_from_its_own(tmp_path):
    from datetime import timedelta

    rows = {
        "sex": ["male", "female"] * 10, "age": [20, 20, 40, 40] * 5,
        "label": [1, 0, 0, 1, 1] * 4, "prediction": [1, 0, 1, 1, 0] * 4,
    }
    passport = passport_of(task={"maturity_days": 2}, windows={"fairness": 3}, protected=[SEX, AGE])
    days = {DAY - timedelta(days=k): rows for k in range(3)}
    with make_subject(tmp_path, passport, rows, days) as subject:
        from checks import fairness

        found = fairness.measure(subject)
    assert pick(found, "intersection_selection_rate", sex="male", age="old").n == 15
    assert pick(found, "intersection_true_positive_rate_difference", sex="female", age="old").n == 5
