"""Fairness: published answers, fairlearn on rows against fairlearn on counts, and data that should not break it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checks import fairness, intervals
from checks.subject import on_reference
from roadworthy.catalogue import catalogue
from tests.support import DAY, make_subject, passport_of

SOURCE = Path(__file__).parents[2] / "data" / "source"
FAMILY = {metric for metric in catalogue() if metric.startswith("fairness.")}
NUMBERS = {metric for metric in FAMILY if metric.endswith(("mean_error", "mean_absolute_error", "error_difference"))}
CLASSES = {metric for metric in FAMILY if metric.startswith("fairness.class_")}
COMBINED = {metric for metric in FAMILY if metric.startswith("fairness.intersection_")}


def measured(root, passport, rows, **rest):
    with make_subject(root, passport, rows, {DAY: rows}, **rest) as subject:
        return fairness.measure(subject)


def pick(found, short, **over):
    """Return the one measurement of that metric over that group or attribute."""
    wanted = {"attribute": over["attribute"]} if "attribute" in over else {"group": over}
    [one] = [m for m in found if m.metric == f"fairness.{short}" and dict(m.over) == wanted]
    return one


def that_apply(found):
    """Return what a binary model of one attribute is measured by; all else must say that it does not apply."""
    assert {m.metric for m in found} == FAMILY
    rest = [m for m in found if m.metric in NUMBERS | CLASSES | COMBINED]
    assert all(m.status == "not_applicable" and m.reason for m in rest)
    return [m for m in found if m not in rest]


def ages(first_old):
    return [{"name": "age", "column": "age", "reference": "old",
             "bins": [{"label": "young", "below": first_old}, {"label": "old", "at_least": first_old}]}]


def german(root, protected):
    """Measure with the label as the decision: how the published figures are computed."""
    rows = pd.read_parquet(SOURCE / "german_credit.parquet")
    passport = passport_of(task={"label": "good_credit", "prediction": "decision", "score": None}, protected=protected)
    return measured(root, passport, rows.assign(decision=rows["good_credit"]))


def test_german_credit_by_sex_is_what_aif360_prints(tmp_path):
    found = german(tmp_path, [{"name": "sex", "column": "sex", "reference": "male"}])
    assert pick(found, "selection_rate_difference", sex="female").value == pytest.approx(-0.0748013090229, abs=5e-14)
    assert pick(found, "selection_rate_ratio", sex="female").value == pytest.approx(0.896567328205, abs=5e-13)
    assert pick(found, "demographic_parity_difference", attribute="sex").value == pytest.approx(0.0748013090229, abs=5e-14)
    assert pick(found, "selection_rate_ratio", sex="female").n == 310


@pytest.mark.parametrize(("first_old", "difference", "ratio"), [(26, -0.149448, 0.794826), (25, -0.128550, None)])
def test_german_credit_by_age_is_what_aif360_prints_and_a_year_moves_it(tmp_path, first_old, difference, ratio):
    found = german(tmp_path, ages(first_old))
    assert pick(found, "selection_rate_difference", age="young").value == pytest.approx(difference, abs=5e-7)
    if ratio is not None:
        assert pick(found, "selection_rate_ratio", age="young").value == pytest.approx(ratio, abs=5e-7)


def test_employment_by_disability_is_the_breach_that_it_is(tmp_path):
    rows = pd.read_parquet(SOURCE / "ma_employment.parquet")
    passport = passport_of(
        task={"label": "employed", "prediction": "prediction", "score": "predicted_probability"},
        protected=[{"name": "dis", "column": "DIS", "reference": "2"}, {"name": "cit", "column": "CIT", "reference": "4"}],
    )
    found = measured(tmp_path, passport, rows)
    ratio = pick(found, "selection_rate_ratio", dis="1")
    assert (round(ratio.value, 3), round(ratio.low, 3), round(ratio.high, 3)) == (0.159, 0.145, 0.174)
    ratio = pick(found, "selection_rate_ratio", cit="2")
    counts = [ratio.stats[k] for k in ("selected_group", "cases_group", "selected_reference", "cases_reference")]
    katz = intervals.katz_log(*counts)  # the published figures are Katz's
    assert (round(ratio.value, 3), round(katz.low, 3), round(katz.high, 3)) == (0.675, 0.608, 0.751)
    assert (ratio.low, ratio.high) == pytest.approx(katz[:2], abs=0.004)


def fairlearn_on_rows(groups, true, chosen):
    """Return every metric of the family as fairlearn computes it on the rows themselves."""
    from fairlearn.metrics import (
        MetricFrame,
        demographic_parity_difference,
        equalized_odds_difference,
        false_positive_rate,
        selection_rate,
        true_positive_rate,
    )

    frame = MetricFrame(
        metrics={"selection": selection_rate, "tpr": true_positive_rate, "fpr": false_positive_rate},
        y_true=true, y_pred=chosen, sensitive_features=groups,
    )
    return (
        frame.by_group,
        demographic_parity_difference(true, chosen, sensitive_features=groups),
        equalized_odds_difference(true, chosen, sensitive_features=groups),
    )


def agrees_with_rows(found, name, reference, groups, true, chosen):
    table, parity, odds = fairlearn_on_rows(groups, true, chosen)
    assert pick(found, "demographic_parity_difference", attribute=name).value == pytest.approx(parity, abs=1e-12)
    assert pick(found, "equalized_odds_difference", attribute=name).value == pytest.approx(odds, abs=1e-12)
    there = table.loc[reference]
    for label, here in table.iterrows():
        assert pick(found, "selection_rate", **{name: label}).value == pytest.approx(here["selection"], abs=1e-12)
        if label == reference:
            continue
        for short, of in (("selection_rate", "selection"), ("true_positive_rate", "tpr"), ("false_positive_rate", "fpr")):
            value = pick(found, f"{short}_difference", **{name: label}).value
            assert value is None or value == pytest.approx(here[of] - there[of], abs=1e-12)
        ratio = pick(found, "selection_rate_ratio", **{name: label}).value
        assert ratio == pytest.approx(here["selection"] / there["selection"], abs=1e-12)


@pytest.mark.parametrize(("column", "reference"), [("SEX", "1"), ("RAC1P", "1"), ("DIS", "2"), ("CIT", "1")])
def test_counts_give_what_fairlearn_gives_on_the_rows_of_employment(tmp_path, column, reference):
    rows = pd.read_parquet(SOURCE / "ma_employment.parquet").query("year == 2018")
    both = rows.groupby(column)["employed"].nunique()
    rows = rows[rows[column].isin(both[both == 2].index)]
    passport = passport_of(
        task={"label": "employed", "prediction": "prediction", "score": "predicted_probability"},
        protected=[{"name": "a", "column": column, "reference": reference}],
    )
    agrees_with_rows(measured(tmp_path, passport, rows), "a", reference, rows[column], rows["employed"], rows["prediction"])


@pytest.mark.parametrize("favourable", [0, 1])
def test_counts_give_what_fairlearn_gives_on_the_rows_of_german_credit(tmp_path, favourable):
    rows = pd.read_parquet(SOURCE / "german_credit.parquet")
    rows["decision"] = np.random.default_rng(7).integers(0, 2, len(rows))
    passport = passport_of(
        task={"label": "good_credit", "prediction": "decision", "score": None, "favourable": favourable},
        protected=[{"name": "sex", "column": "sex", "reference": "male"}],
    )
    true, chosen = ((rows[c] == favourable).astype(int) for c in ("good_credit", "decision"))
    agrees_with_rows(measured(tmp_path, passport, rows), "sex", "male", rows["sex"], true, chosen)


ROW = st.tuples(st.sampled_from(["a", "b", "it's <b>", ""]), st.integers(0, 1), st.integers(0, 1))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ROW, min_size=1, max_size=40))
def test_small_tables_agree_with_fairlearn_or_say_why_not(tmp_path, rows):
    frame = pd.DataFrame(rows, columns=["sex", "label", "prediction"])
    found = measured(tmp_path, passport_of(protected=[{"name": "sex", "column": "sex", "reference": "a"}]), frame)
    table, parity, _ = fairlearn_on_rows(frame["sex"], frame["label"], frame["prediction"])
    assert {m.metric for m in found} <= FAMILY
    for m in found:
        assert (m.status == "measured") == (m.value is not None)
        if m.low is not None:
            assert m.low <= m.value <= m.high
    widest = pick(found, "demographic_parity_difference", attribute="sex")
    assert widest.status == "insufficient" if len(table) < 2 else widest.value == pytest.approx(parity, abs=1e-12)
    for label in set(table.index) - {"a"}:
        here, there = frame[frame["sex"] == label], frame[frame["sex"] == "a"]
        tpr = pick(found, "true_positive_rate_difference", sex=label)
        if here["label"].sum() and there["label"].sum():
            assert tpr.value == pytest.approx(table.loc[label, "tpr"] - table.loc["a", "tpr"], abs=1e-12)
        else:
            assert tpr.status == "insufficient" and tpr.value is None
        assert tpr.stats["positives"] == min(here["label"].sum(), there["label"].sum())
        assert tpr.n == min(len(here), len(there))


# The traps of fairlearn, one by one.

def people(**columns):
    base = {"sex": ["male"] * 10 + ["female"] * 10, "label": [1, 0] * 10, "prediction": [1] * 6 + [0] * 4 + [1] * 4 + [0] * 6}
    return base | columns


def test_text_labels_are_not_silently_equal(tmp_path):
    words = {1: "yes", 0: "no"}
    rows = people()
    rows |= {c: [words[v] for v in rows[c]] for c in ("label", "prediction")}
    found = measured(tmp_path, passport_of(task={"positive": "yes", "negative": "no", "favourable": "yes"}), rows)
    assert pick(found, "demographic_parity_difference", attribute="sex").value == pytest.approx(0.2)
    assert pick(found, "selection_rate_difference", sex="female").value == pytest.approx(-0.2)


def test_what_reaches_fairlearn_is_zero_or_one():
    with pytest.raises(ValueError, match="0 or 1"):
        fairness.Tally(fairness.Part(tuple(passport_of().protected)), "decided", "", False, (fairness.Cell(("a",), None, 2, 5),))


@pytest.mark.parametrize("nothing", [pa.nulls(20, pa.int64()), pa.array([float("nan")] * 20)])
def test_a_missing_decision_is_not_a_refusal(tmp_path, nothing):
    some = people(prediction=[1, 1, None, 0, 0, 1, 1, None, 0, 0] * 2)
    found = measured(tmp_path / "some", passport_of(), some)
    rate = pick(found, "selection_rate", sex="female")
    assert rate.value == 0.5 and rate.n == 8 and rate.details["excluded"]["without_decision"] == 4
    none = measured(tmp_path / "none", passport_of(), people(prediction=nothing))
    assert {m.status for m in that_apply(none)} == {"insufficient"}


def test_a_group_without_positives_is_insufficient_and_does_not_widen_the_gap(tmp_path):
    rows = {
        "sex": ["male"] * 10 + ["female"] * 10 + ["x"] * 5,
        "label": [1, 0] * 10 + [0] * 5, "prediction": [1, 0, 0, 1] * 5 + [0] * 5,
    }
    found = measured(tmp_path, passport_of(), rows)
    tpr = pick(found, "true_positive_rate_difference", sex="x")
    assert tpr.status == "insufficient" and tpr.value is None and "'x'" in tpr.reason
    odds = pick(found, "equalized_odds_difference", attribute="sex")
    assert odds.value < 0.5 and odds.details["left_out"] == ["x"] and odds.details["groups"]["x"] == 5
    assert pick(found, "false_positive_rate_difference", sex="x").status == "measured"


def test_a_null_attribute_is_a_group_of_its_own(tmp_path):
    rows = people(sex=["male"] * 10 + ["female"] * 7 + [None] * 3)
    found = measured(tmp_path, passport_of(), rows)
    assert pick(found, "selection_rate", sex="(missing)").n == 3
    assert pick(found, "selection_rate_difference", sex="(missing)").status == "measured"
    share = pick(found, "uncovered_share", attribute="sex")
    assert share.value == pytest.approx(0.15) and share.stats["missing"] == 3


def test_rows_outside_every_bin_are_listed_and_measured(tmp_path):
    protected = [{"name": "age", "column": "age", "reference": "old",
                  "bins": [{"label": "young", "at_least": 18, "below": 25}, {"label": "old", "at_least": 25, "below": 70}]}]
    rows = people(age=[20, 30, 40, 50, 99] * 4)
    found = measured(tmp_path, passport_of(protected=protected), rows)
    assert pick(found, "uncovered_share", attribute="age").value == pytest.approx(0.2)
    assert pick(found, "selection_rate", age="(outside)").n == 4


# What a passport may say.

def test_a_declared_group_that_nobody_is_in_does_not_vanish(tmp_path):
    protected = [{"name": "sex", "column": "sex", "reference": "men", "values": {"male": "men", "female": "women", "x": "other"}}]
    found = measured(tmp_path, passport_of(protected=protected), people())
    gone = pick(found, "selection_rate_ratio", sex="other")
    assert gone.status == "insufficient" and gone.n == 0 and "'other'" in gone.reason


def test_without_its_reference_group_an_attribute_is_insufficient(tmp_path):
    found = measured(tmp_path, passport_of(protected=[{"name": "sex", "column": "sex", "reference": "m"}]), people())
    for short in ("selection_rate_ratio", "selection_rate_difference", "true_positive_rate_difference"):
        one = pick(found, short, sex="female")
        assert one.status == "insufficient" and "reference group 'm'" in one.reason
    assert not [m for m in found if m.metric.endswith("ratio") and m.over.get("group") == {"sex": "m"}]


def test_a_reference_group_that_gets_nothing_has_no_ratio(tmp_path):
    found = measured(tmp_path, passport_of(), people(prediction=[0] * 10 + [1] * 10))
    assert pick(found, "selection_rate_ratio", sex="female").status == "insufficient"
    assert pick(found, "selection_rate_difference", sex="female").value == 1.0


def test_the_decision_can_come_from_the_score(tmp_path):
    rows = people(score=[0.9, 0.5, 0.49, 0.1, float("nan")] * 4)
    found = measured(tmp_path, passport_of(task={"prediction": None, "favourable": 0}), rows)
    rate = pick(found, "selection_rate", sex="female")
    assert rate.value == 0.5 and rate.n == 8 and rate.details["excluded"]["without_decision"] == 4
    assert rate.details["threshold"] == 0.5
    assert "threshold" not in pick(measured(tmp_path / "both", passport_of(), rows), "selection_rate", sex="female").details


def test_multiclass_is_judged_on_its_favourable_class(tmp_path):
    task = {"kind": "multiclass", "label": "label", "prediction": "prediction", "classes": ["a", "b", "c"], "favourable": "b"}
    rows = people(label=["a", "b", "c", "b"] * 5, prediction=["b"] * 5 + ["a"] * 5 + ["b"] * 2 + ["c"] * 8)
    found = measured(tmp_path, passport_of(task=task), rows)
    assert pick(found, "selection_rate_difference", sex="female").value == pytest.approx(-0.3)


@pytest.mark.parametrize(("overrides", "said"), [
    ({"protected": [], "no_protected_because": "It decides about machines."}, "about machines"),
    ({"task": {"favourable": None}}, "favourable"),
])
def test_where_fairness_does_not_apply_every_metric_says_why(tmp_path, overrides, said):
    found = measured(tmp_path, passport_of(**overrides), people())
    assert {m.metric for m in found} == FAMILY
    assert all(m.status == "not_applicable" and (said in m.reason or m.metric in NUMBERS | CLASSES) for m in found)


def test_a_model_that_predicts_a_number_makes_no_decision(tmp_path):
    task = {"kind": "regression", "label": "label", "prediction": "prediction"}
    found = measured(tmp_path, passport_of(task=task), people())
    assert {m.metric for m in found if m.status == "not_applicable" and "predicts a number" in m.reason} == FAMILY - NUMBERS


# What the data may be.

def rule_would_match(found):
    """Every metric of the family must be there, so that no required rule is left without a measurement."""
    return {m.metric for m in found} == FAMILY


def test_a_missing_day_and_an_empty_day_are_insufficient(tmp_path):
    passport = passport_of()
    with make_subject(tmp_path / "none", passport, people()) as subject:
        none = fairness.measure(subject)
    empty = measured(tmp_path / "empty", passport, pa.table(people()).slice(0, 0))
    for found in (none, empty):
        assert {m.status for m in that_apply(found)} == {"insufficient"}


def test_a_file_cut_short_is_an_error(tmp_path):
    passport = passport_of()
    with make_subject(tmp_path, passport, people(), {DAY: people()}):
        pass
    file = tmp_path / f"batches/{DAY}.parquet"
    file.write_bytes(file.read_bytes()[:200])
    with make_subject(tmp_path, passport) as subject:
        found = fairness.measure(subject)
    assert {m.status for m in that_apply(found)} == {"error"}


@pytest.mark.parametrize("column", ["sex", "prediction", "label"])
def test_a_missing_column_is_an_error_that_names_it(tmp_path, column):
    rows = people(score=[0.5] * 20)
    rows[f"{column} (old)"] = rows.pop(column)
    found = measured(tmp_path, passport_of(), rows)
    assert rule_would_match(found)
    wrong = [m for m in found if m.status == "error"]
    assert wrong and all(f"'{column}'" in m.reason for m in wrong)
    assert (wrong == that_apply(found)) == (column != "label")


def test_labels_that_have_not_come_are_insufficient(tmp_path):
    rows = people(label=pa.nulls(20, pa.int8()))
    found = measured(tmp_path, passport_of(), rows)
    assert {m.status for m in found if "label" in m.reason} == {"insufficient"}
    assert pick(found, "selection_rate_difference", sex="female").value == pytest.approx(-0.2)


@pytest.mark.parametrize("rows", [
    {"sex": ["male"], "label": [1], "prediction": [1]},
    people(label=[1] * 20),
    people(prediction=[0] * 20),
    people(sex=["male"] * 20),
    people(sex=pa.nulls(20, pa.string())),
    people(sex=[1.5] * 20),
    people(sex=[float("inf")] * 20),
    people(sex=[[1]] * 20),
    people(prediction=[float("inf")] * 20),
    people(label=["banana"] * 20),
    people(label=pa.array([True, False] * 10), prediction=[str(v) for v in people()["prediction"]]),
])
def test_degenerate_data_end_as_measurements(tmp_path, rows):
    found = measured(tmp_path, passport_of(), rows)
    assert rule_would_match(found)
    assert all(m.value is None or m.low is None or m.low <= m.value <= m.high for m in found)


@pytest.mark.parametrize("name", ['we"ird; --', "a b", "x=y*", "{{ 7*7 }}", "<b>", "性别", "n", "it's"])
def test_hostile_names_and_categories_are_only_names(tmp_path, name):
    rows = {name: ["male"] * 5 + [name] * 5, f"{name}?": [1, 0] * 5, f"{name}!": [1, 1, 0, 0, 1] * 2, "N_": [1] * 10}
    passport = passport_of(
        task={"label": f"{name}?", "prediction": f"{name}!", "score": None},
        protected=[{"name": "a", "column": name, "reference": "male"}],
    )
    found = measured(tmp_path, passport, rows)
    assert pick(found, "selection_rate", a=name).n == 5


def test_forty_groups_and_one_group_work_and_too_many_are_refused(tmp_path):
    def rows(groups):
        return {"sex": [f"g{i}" for i in range(groups)] * 4, "label": [1, 0, 1, 0] * groups, "prediction": [1, 1, 0, 0] * groups}

    passport = passport_of(protected=[{"name": "sex", "column": "sex", "reference": "g0"}])
    forty = measured(tmp_path / "40", passport, rows(40))
    assert len([m for m in forty if m.metric == "fairness.selection_rate_ratio"]) == 39
    one = measured(tmp_path / "1", passport, rows(1))
    assert pick(one, "demographic_parity_difference", attribute="sex").status == "insufficient"
    many = measured(tmp_path / "500", passport, rows(500))
    assert {m.status for m in that_apply(many)} == {"error"} and "bins" in many[0].reason


def test_late_labels_are_counted_where_they_are_and_decisions_everywhere(tmp_path):
    passport = passport_of(task={"maturity_days": 2}, windows={"fairness": 3})
    days = {DAY - timedelta(days=k): people() for k in range(3)}
    with make_subject(tmp_path, passport, people(), days) as subject:
        found = fairness.measure(subject)
    assert pick(found, "selection_rate", sex="male").n == 30
    assert pick(found, "base_rate", sex="male").n == 10
    assert pick(found, "selection_rate", sex="male").inputs.keys() == {"decided"}
    assert pick(found, "base_rate", sex="male").inputs.keys() == {"labelled"}


def test_the_reference_can_be_measured_in_the_same_way(tmp_path):
    with make_subject(tmp_path, passport_of(), people(), {DAY: people(prediction=[0] * 20)}) as subject:
        found = fairness.measure(on_reference(subject))
    assert pick(found, "selection_rate_difference", sex="female").value == pytest.approx(-0.2)


def test_a_random_model_is_rarely_called_unfair_by_its_intervals(tmp_path):
    """The intervals of groups that differ by chance alone hold 0 about as often as they promise."""
    random = np.random.default_rng(20261122)
    rows = {
        "sex": [f"g{i % 41}" for i in range(41 * 120)], "label": random.integers(0, 2, 41 * 120),
        "prediction": (random.random(41 * 120) < 0.6).astype(int),
    }
    found = measured(tmp_path, passport_of(protected=[{"name": "sex", "column": "sex", "reference": "g0"}]), rows)
    held = [m.low <= 0 <= m.high for m in found if m.metric == "fairness.selection_rate_difference"]
    assert len(held) == 40 and np.mean(held) >= 0.85
