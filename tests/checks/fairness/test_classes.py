"""Models that sort into several classes: each class against all others, with or without a favourable one."""

from __future__ import annotations

import numpy as np
import pytest

from tests.checks.fairness.support import SEX, measured, one, passport_of, pick

TASK = {"kind": "multiclass", "label": "label", "prediction": "prediction", "classes": ["a", "b", "c"]}


def rows_of(n=300, seed=4):
    random = np.random.default_rng(seed)
    return {c: random.choice(values, n) for c, values in (
        ("sex", ["male", "female"]), ("label", ["a", "b", "c"]), ("prediction", ["a", "b", "c", "d"]))}


@pytest.mark.parametrize("favourable", [None, "b"])
def test_each_class_is_compared_as_on_the_rows(tmp_path, favourable):
    rows = rows_of()
    task = TASK if favourable is None else TASK | {"favourable": favourable}
    found = measured(tmp_path, passport_of(task=task, protected=[SEX]), rows)
    known, women = rows["prediction"] != "d", rows["sex"] == "female"
    for value in "abc":
        share = [(rows["prediction"][known & who] == value).mean() for who in (women, ~women)]
        right = [(rows["prediction"][known & who & (rows["label"] == value)] == value).mean() for who in (women, ~women)]
        over = {"cls": value, "sex": "female"}
        assert pick(found, "class_selection_rate", **over).value == pytest.approx(share[0], abs=1e-12)
        assert pick(found, "class_selection_rate_difference", **over).value == pytest.approx(share[0] - share[1], abs=1e-12)
        assert pick(found, "class_selection_rate_ratio", **over).value == pytest.approx(share[0] / share[1], abs=1e-12)
        assert pick(found, "class_true_positive_rate_difference", **over).value == pytest.approx(right[0] - right[1], abs=1e-12)
        if favourable == value:
            assert pick(found, "selection_rate_difference", sex="female").value == pytest.approx(share[0] - share[1], abs=1e-12)
    if favourable is None:
        assert one(found, "selection_rate_ratio").status == "not_applicable"


def test_a_class_that_nobody_truly_has_is_insufficient(tmp_path):
    rows = rows_of() | {"label": ["a", "b"] * 150}
    found = measured(tmp_path, passport_of(task=TASK, protected=[SEX]), rows)
    m = pick(found, "class_true_positive_rate_difference", cls="c", sex="female")
    assert m.status == "insufficient" and "of this class" in m.reason


def test_a_favourable_value_that_is_no_class_does_not_pass_for_a_decision(tmp_path):
    found = measured(tmp_path, passport_of(task=TASK | {"favourable": "z"}, protected=[SEX]), rows_of())
    m = one(found, "selection_rate_ratio")
    assert m.status == "not_applicable" and "'z'" in m.reason
