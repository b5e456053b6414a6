"""What the options make of the held-out rows, measured."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import MetricFrame, selection_rate, true_positive_rate

from checks import fairness, mitigation
from checks.isolation import Answer, IsolationError
from checks.mitigation.options import OPTIONS
from checks.subject import Subject
from tests.checks.mitigation.worlds import FEATURES, decided, here, model_of, rows_of, written
from tests.support import DAY, make_subject, passport_of, write_parquet

SEX = {"name": "sex", "column": "sex", "reference": "male"}
AGE = {"name": "age", "column": "age", "reference": "old",
       "bins": [{"label": "young", "below": 40}, {"label": "old", "at_least": 40}]}
RECIPE = {"command": ["python"], "seed": 1, "row_order": ["case"]}


@contextmanager
def world(root, *, change=lambda rows: rows, recipe=RECIPE, model=None, task=None, held=None):
    train = rows_of(600, 1)
    fitted = model_of(train)
    rows = decided(fitted, rows_of(400, 2, first=1000)) if held is None else held(decided(fitted, train))
    declared = {"artifact": written(root, model or fitted), "recipe": recipe, "no_artifact_because": None} if recipe else {}
    passport = passport_of(features=FEATURES, protected=[SEX, AGE], task=task or {}, **declared)
    with make_subject(root, passport, decided(fitted, train), {DAY: change(rows)}) as subject:
        yield subject, rows


def pick(found, short, option, **over):
    wanted = {"option": option, **over}
    [m] = [m for m in found if m.metric == f"mitigation.{short}" and dict(m.over) == wanted]
    return m


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    with world(tmp_path_factory.mktemp("world")) as (subject, rows):
        return mitigation.measure(subject, [("sex",)], asked=here), rows, fairness.measure(subject)


def test_every_option_is_measured_over_every_group_and_every_number_has_its_interval_and_n(measured):
    found, _, _ = measured
    assert (found[0].metric, found[0].value, found[0].n) == ("mitigation.options_measured", 6.0, 400)
    assert {m.over["option"] for m in found[1:]} == {o.name for o in OPTIONS}
    assert {m.metric for m in found} == set(mitigation.FAMILY)
    assert all(m.low <= m.value <= m.high and m.n > 0 and m.method for m in found[1:]), "nothing without an interval"
    for option in OPTIONS:
        details = pick(found, "accuracy", option.name).details
        assert (details["needs_attribute"], details["retrained"], details["randomised"]) == (
            option.needs_attribute, option.retrained, option.randomised,
        )
        assert ("seed_changes" in details) == option.randomised
        if option.name != "as_is":
            assert (details["trained_on"], details["mitigated"]) == (600, ["sex"])


def test_what_is_recorded_is_measured_as_the_fairness_family_measures_it(measured):
    found, rows, family = measured
    for m in family:
        short = m.metric.removeprefix("fairness.")
        if f"mitigation.{short}" in mitigation.FAMILY and m.status == "measured" and "intersection" not in short:
            ours = pick(found, short, "as_is", **m.over)
            assert (ours.value, ours.low, ours.high, ours.n, ours.stats) == (m.value, m.low, m.high, m.n, m.stats)
    frame = MetricFrame(metrics={"s": selection_rate, "t": true_positive_rate}, y_true=rows["label"], y_pred=rows["prediction"],
                        sensitive_features=rows["sex"]).by_group
    women = {"group": {"sex": "female"}}
    assert pick(found, "selection_rate", "as_is", **women).value == pytest.approx(frame.loc["female", "s"], abs=1e-15)
    gap = frame.loc["female", "t"] - frame.loc["male", "t"]
    assert pick(found, "true_positive_rate_difference", "as_is", **women).value == pytest.approx(gap, abs=1e-15)


def test_the_mitigations_mend_what_is_there_to_mend_and_the_control_does_not(measured):
    found, _, _ = measured
    ratio = {o.name: pick(found, "selection_rate_ratio", o.name, group={"sex": "female"}).value for o in OPTIONS}
    assert ratio["retrained"] == ratio["as_is"] < 0.75
    assert all(ratio[name] > ratio["as_is"] + 0.1 for name in ratio if name not in ("as_is", "retrained"))


def test_changes_are_those_of_the_same_rows(measured):
    found, _, _ = measured
    for option in ("retrained", "reweighing", "threshold_equalized_odds"):
        gained = [pick(found, "gained", option, group={"sex": g}) for g in ("female", "male")]
        lost = [pick(found, "lost", option, group={"sex": g}) for g in ("female", "male")]
        moved = sum(m.stats["positives"] for m in gained) - sum(m.stats["positives"] for m in lost)
        assert pick(found, "selection_rate_change", option).value == pytest.approx(moved / 400)
        right = sum(m.stats["deserving"] - m.stats["not_deserving"] for m in gained)
        right -= sum(m.stats["deserving"] - m.stats["not_deserving"] for m in lost)
        assert pick(found, "accuracy_change", option).value == pytest.approx(right / 400)
        after, now = pick(found, "accuracy", option).value, pick(found, "accuracy", "as_is").value
        assert pick(found, "accuracy_change", option).value == pytest.approx(after - now)
    assert pick(found, "accuracy_change", "retrained").stats["only_after"] == 0


def test_two_attributes_are_mitigated_together_and_measured_together(tmp_path):
    with world(tmp_path) as (subject, _):
        found = mitigation.measure(subject, [("sex",), ("sex", "age")], asked=here)
    assert pick(found, "selection_rate_ratio", "reweighing", group={"sex": "female", "age": "young"}).status == "measured"
    assert pick(found, "accuracy", "reweighing").details["mitigated"] == ["sex", "age"]
    assert "too coarse" in pick(found, "accuracy", "grid_search").reason


def test_rows_that_were_trained_on_are_refused_by_name(tmp_path):
    with world(tmp_path, held=lambda train: train.head(300)) as (subject, _):
        found = mitigation.measure(subject, [("sex",)], asked=here)
    assert found[0].value == 0.0
    reasons = {m.reason for m in found if m.status == "error"}
    assert reasons == {
        "300 of the 300 held-out rows stand in the reference too (by 'case' and all features), so they are not held out."
    }


@pytest.mark.parametrize(("trained_on", "run"), [(10, 2.0), (100, 0.0)])
def test_a_few_rows_alike_are_chance_where_no_column_names_a_case(tmp_path, trained_on, run):
    def mixed(train: pd.DataFrame) -> pd.DataFrame:
        fresh = decided(model_of(rows_of(600, 1)), rows_of(400, 2, first=1000)).iloc[trained_on:]
        return pd.concat([train.head(trained_on), fresh], ignore_index=True).drop(columns="case")

    with world(tmp_path, held=mixed, recipe=None) as (subject, _):
        found = mitigation.measure(subject, [("sex",)], asked=here)
    assert found[0].value == run
    told = [m.reason for m in found if m.status == "error"]
    assert told == ([] if run else ["100 of the 400 held-out rows stand in the reference too (by all features), so they are not "
                                    "held out."] * 2)


def test_a_vendors_model_has_its_thresholds_and_the_reason_why_nothing_is_trained(tmp_path):
    with world(tmp_path, recipe=None) as (subject, _):
        found = mitigation.measure(subject, [("sex",)], asked=here)
    assert found[0].details["options"] == ["threshold_demographic_parity", "threshold_equalized_odds"]
    for name in ("retrained", "reweighing", "grid_search", "exponentiated_gradient"):
        m = pick(found, "accuracy", name)
        assert (m.status, m.reason) == (
            "not_applicable", "The passport declares no artifact (A test needs none.), so no model can be trained again.",
        )


def test_what_the_recipe_names_is_learnt_from_with_its_own_labels_and_the_thresholds_are_those_of_the_reference(tmp_path):
    write_parquet(rows_of(900, 5), tmp_path / "training.parquet")
    with world(tmp_path, recipe={**RECIPE, "training": "training.parquet"}) as (subject, _):
        found = mitigation.measure(subject, [("sex",)], asked=here)
    told = {o: pick(found, "accuracy", o).details for o in ("reweighing", "threshold_demographic_parity")}
    assert [(d["trained_on_table"], d["trained_on"]) for d in told.values()] == [("training", 900), ("reference", 600)]
    assert pick(found, "accuracy_change", "retrained").value != 0, "other rows make another model"


def test_an_unfavourable_positive_value_is_turned_round(tmp_path):
    with world(tmp_path, task={"favourable": 0}) as (subject, rows):
        found = mitigation.measure(subject, [("sex",)], asked=here)
    assert pick(found, "selection_rate", "as_is", group={"sex": "male"}).value == pytest.approx(
        1 - rows[rows["sex"] == "male"]["prediction"].mean()
    )
    assert pick(found, "selection_rate_change", "retrained").value == 0.0
    ratios = [pick(found, "selection_rate_ratio", o, group={"sex": "female"}).value for o in ("as_is", "reweighing")]
    assert abs(ratios[1] - 1) < abs(ratios[0] - 1) / 2


def test_a_crash_costs_its_stage_and_time_that_is_up_is_said(tmp_path):
    def crashes(job, order, **rest):
        if "reweighing" in order["options"]:
            raise IsolationError("It was killed by SIGKILL.")
        return here(job, order, rest["tables"], rest["files"], rest["limits"])

    with world(tmp_path) as (subject, _):
        found = mitigation.measure(subject, [("sex",)], asked=crashes)
        late = mitigation.measure(subject, [("sex",)], seconds=1.0, asked=here)
    m = pick(found, "accuracy", "reweighing")
    assert (m.status, m.reason) == ("error", "The process that ran it gave no answer. It was killed by SIGKILL.")
    assert found[0].value == 4.0
    assert late[0].value == 0.0
    assert {m.reason for m in late if m.over.get("option", "as_is") != "as_is" and m.value is None} == {
        "Not run: out of time. All options together may take 1 s."
    }


@pytest.mark.parametrize("column", [[0] * 399, [2] * 400, [None] * 400])
def test_decisions_that_cannot_be_are_not_believed(tmp_path, column):
    import pyarrow as pa

    def lies(job, order, **rest):
        made = pa.table({name: column for name in order["options"]})
        return Answer({name: {"seed_changes": 0.0, "seconds": 1.0} for name in order["options"]}, {"decisions": made})

    with world(tmp_path) as (subject, _):
        found = mitigation.measure(subject, [("sex",)], asked=lies)
    assert found[0].value == 0.0
    assert pick(found, "accuracy", "reweighing").reason == "The process that ran it gave no decision for each held-out row."


def test_nothing_to_treat_alike_and_a_model_of_numbers_are_not_applicable(tmp_path):
    with world(tmp_path) as (subject, _):
        assert [m.status for m in mitigation.measure(subject, [], asked=here)] == ["not_applicable"]
        assert [m.status for m in mitigation.measure(subject, [("nobody",)], asked=here)] == ["not_applicable"]
    task = {"kind": "regression", "label": "label", "prediction": "prediction"}
    number = passport_of(features=FEATURES, protected=[SEX], task=task)
    rows = rows_of(50, 1).assign(prediction=1.0)
    with make_subject(tmp_path / "number", number, rows, {DAY: rows}) as subject:
        assert [m.status for m in mitigation.measure(subject, [("sex",)], asked=here)] == ["not_applicable"]


def test_the_same_rows_in_another_order_give_the_same_plan(tmp_path, measured):
    def shuffled(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.iloc[np.random.default_rng(3).permutation(len(rows))]

    with world(tmp_path, change=shuffled) as (subject, _):
        assert isinstance(subject, Subject)
        found = mitigation.measure(subject, [("sex",)], asked=here)
    told = [(m.metric, m.over, m.value, m.low, m.high, m.n) for m in found]
    assert told == [(m.metric, m.over, m.value, m.low, m.high, m.n) for m in measured[0]]
