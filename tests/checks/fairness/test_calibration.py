"""Calibration by group: mean score minus share of positive labels."""

from __future__ import annotations

import numpy as np
import pytest

from checks.fairness.calibration import calibration_interval
from checks.intervals import wilson
from tests.checks.fairness.support import credit, measured, one, passport_of, pick


@pytest.mark.parametrize("favourable", [0, 1])
def test_it_is_the_mean_score_minus_the_share_of_positives_whichever_value_is_good(tmp_path, favourable):
    rows, found = credit(tmp_path, favourable=favourable)
    for sex, group in rows.groupby("sex"):
        m = pick(found, "calibration_gap", sex=sex)
        assert m.value == pytest.approx((group["score"] - group["good_credit"]).mean(), abs=1e-12)
        assert m.low < m.value < m.high and m.n == len(group)
        assert (m.stats["positives"], m.stats["negatives"]) == (group["good_credit"].sum(), (group["good_credit"] == 0).sum())


def test_rows_without_a_usable_score_or_a_label_are_left_out(tmp_path):
    rows = {
        "sex": ["male"] * 6 + ["female"] * 6, "label": [1, 0, 1, 0, None, 1] * 2, "prediction": [1, 0] * 6,
        "score": [0.9, 0.2, float("nan"), 1.5, 0.5, None] * 2,
    }
    m = pick(measured(tmp_path, passport_of(), rows), "calibration_gap", sex="female")
    assert m.n == 2 and m.value == pytest.approx(0.55 - 0.5) and m.details["expected"] == pytest.approx(0.55)


def test_where_the_score_foretells_nothing_the_interval_is_the_shares_own():
    share = wilson(30, 100)
    found = calibration_interval(0.0, 0.3, 0.3 * 0.7 / 100 / 1.012**2, 100)
    assert (-found.low, found.high) == pytest.approx((share.high - 0.3, 0.3 - share.low), rel=0.01)


def test_a_group_of_which_none_is_positive_is_not_taken_for_certain(tmp_path):
    rows = {"sex": ["male"] * 20 + ["female"] * 20, "label": [1, 0] * 10 + [0] * 20, "prediction": [1] * 40, "score": [0.05] * 40}
    m = pick(measured(tmp_path, passport_of(), rows), "calibration_gap", sex="female")
    assert m.value == pytest.approx(0.05) and m.low < -0.05 and m.stats["positives"] == 0


@pytest.mark.parametrize(("task", "rows", "status", "said"), [
    ({"score": None}, {}, "not_applicable", "no score"),
    ({}, {}, "error", "'score'"),
    ({}, {"score": [0.5] * 8, "label": [None] * 8}, "insufficient", "No row"),
    ({"kind": "multiclass", "label": "label", "prediction": "prediction", "classes": [0, 1, 2], "favourable": 1}, {},
     "not_applicable", "between two values"),
])
def test_without_scores_or_labels_it_says_why(tmp_path, task, rows, status, said):
    base = {"sex": ["male", "female"] * 4, "label": [1, 0] * 4, "prediction": [1, 0, 0, 1] * 2}
    m = one(measured(tmp_path, passport_of(task=task), base | rows), "calibration_gap")
    assert m.status == status and said in m.reason


@pytest.mark.parametrize("n", [20, 100, 500])
@pytest.mark.parametrize(("a", "b", "shift"), [(1, 1, 0), (2, 2, 0.1), (1, 4, 0), (1, 9, 0), (8, 2, 0), (0.5, 0.5, 0.1)])
def test_its_interval_holds_the_truth_about_as_often_as_it_promises(n, a, b, shift):
    random = np.random.default_rng(20261122)
    many = random.beta(a, b, 200_000)
    truth, held, draws = float((many - np.clip(many - shift, 0, 1)).mean()), 0, 400
    scores = random.beta(a, b, (draws, n))
    labels = random.random((draws, n)) < np.clip(scores - shift, 0, 1)
    for gaps, observed in zip(scores - labels, labels.mean(axis=1), strict=True):
        found = calibration_interval(float(gaps.mean()), float(observed), float(gaps.var(ddof=1)) / n, n)
        held += found.low <= truth <= found.high
    assert held / draws >= 0.92
