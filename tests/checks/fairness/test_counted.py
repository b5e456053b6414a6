"""The grouped pass: the same counts whichever way they are made, and hostile columns that do not blow up."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from checks.fairness import counted
from checks.fairness.calibration import score_of
from tests.checks.fairness.support import AGE, SEX, measured, passport_of, pick
from tests.support import DAY, make_subject

CAR = {"name": "car", "column": "car", "reference": "1"}


def rows_of(n=600, seed=1):
    random = np.random.default_rng(seed)
    return {
        "sex": random.choice(["male", "female", "it's", None], n).tolist(), "age": random.integers(18, 80, n),
        "car": random.choice([0.0, 1.0, np.nan], n), "label": random.integers(0, 2, n),
        "prediction": random.integers(0, 2, n), "score": random.random(n),
    }


def cells(subject, protected):
    score = score_of(subject.passport, subject.labelled)
    return counted.count(subject, subject.labelled, protected, by_label=True, score=score)


@pytest.mark.parametrize("change", [{}, {"MANY": 1}, {"MAX_CELLS": 5}, {"MANY": 1, "MAX_CELLS": 5}])
def test_columns_of_many_values_and_too_many_cells_change_the_way_and_not_the_counts(tmp_path, monkeypatch, change):
    for name, value in change.items():
        monkeypatch.setattr(counted, name, value)
    rows = rows_of()
    passport = passport_of(protected=[SEX, AGE, CAR])
    with make_subject(tmp_path, passport, rows, {DAY: rows}) as subject:
        found = cells(subject, passport.protected)
    assert not found.refused and bool(found.apart) == ("MAX_CELLS" in change)
    sex = ["(missing)" if s is None else s for s in rows["sex"]]
    age = ["young" if a < 30 else "old" for a in rows["age"]]
    car = ["(missing)" if np.isnan(c) else str(int(c)) for c in rows["car"]]
    for names, groups in ((("sex",), [sex]), (("age", "car"), [age, car]), (("sex", "car"), [sex, car])):
        want = Counter(zip(zip(*groups, strict=True), rows["label"].tolist(), rows["prediction"].tolist(), strict=True))
        assert {cell[:3]: cell.n for cell in found.of(names)} == dict(want)
    score = sum(cell.score for cell in found.of(("sex",)))
    assert score == pytest.approx(rows["score"].sum(), rel=1e-12)
    assert sum(cell.squares for cell in found.of(("age",))) == pytest.approx((rows["score"] ** 2).sum(), rel=1e-12)


def test_scores_that_are_no_probability_are_in_no_sum(tmp_path):
    scores = [0.5, 2.0, float("nan"), None, float("inf"), 0.25]
    rows = {"sex": ["male"] * 6, "label": [1, 0] * 3, "prediction": [1] * 6, "score": scores}
    passport = passport_of()
    with make_subject(tmp_path, passport, rows, {DAY: rows}) as subject:
        found = cells(subject, passport.protected).of(("sex",))
    assert sum(c.scored for c in found) == 2 and sum(c.score for c in found) == 0.75 and sum(c.n for c in found) == 6


def test_an_attribute_of_50_000_values_is_refused_by_name_and_the_others_are_measured(tmp_path):
    rows = rows_of(50_000)
    rows["car"] = [f"{{{i}}}" for i in range(50_000)]
    found = measured(tmp_path, passport_of(protected=[SEX, CAR, AGE]), rows)
    about = [m for m in found if "car" in m.over.get("group", {}) or m.over.get("attribute") == "car"]
    assert {m.status for m in about} == {"error"} and all("'car' has more than 200 groups" in m.reason for m in about)
    assert pick(found, "selection_rate", sex="female").status == "measured"
    assert pick(found, "intersection_selection_rate", sex="female", age="old").status == "measured"
    assert len(found) < 200


def test_two_attributes_of_many_groups_are_measured_and_their_combinations_left_out(tmp_path):
    n = 4000
    rows = rows_of(n)
    rows |= {"sex": [f"s{i % 40}" for i in range(n)], "car": [f"c{i // 40 % 41}" for i in range(n)]}
    found = measured(tmp_path, passport_of(protected=[{**SEX, "reference": "s0"}, {**CAR, "reference": "c0"}]), rows)
    assert len([m for m in found if m.metric == "fairness.selection_rate_ratio" and m.status == "measured"]) == 39 + 40
    pair = [m for m in found if m.metric.startswith("fairness.intersection_selection")]
    assert {m.status for m in pair} == {"insufficient"} and "more than 200 groups together" in pair[0].reason
    assert len(pair) == 3 and dict(pair[0].over) == {"group": {"sex": "(all)", "car": "(all)"}}


def test_no_more_combinations_are_measured_than_a_page_could_hold(tmp_path, monkeypatch):
    from checks.fairness import combinations

    monkeypatch.setattr(combinations, "MAX_COMBINATIONS", 10)
    found = measured(tmp_path, passport_of(protected=[SEX, AGE, CAR]), rows_of())
    rates = [m for m in found if m.metric == "fairness.intersection_selection_rate"]
    assert sum(m.status == "measured" for m in rates) == 8  # four sexes by two ages; with cars there would be more
    assert [m.over["group"] for m in rates if m.status == "insufficient"] == [
        {"sex": "(all)", "car": "(all)"}, {"age": "(all)", "car": "(all)"},
    ]
