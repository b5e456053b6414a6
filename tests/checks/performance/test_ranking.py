"""Ranks and calibration: published examples, scikit-learn, the pure functions, and both ways of sorting."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checks import intervals, performance
from checks.intervals import ScoreBin
from checks.performance import ranking
from tests.support import DAY, make_subject, passport_of

NAMES = ("roc_auc", "average_precision", "calibration_error")


def measured(root, rows, **passport):
    with make_subject(root, passport_of(**passport), None, {DAY: rows}) as subject:
        return {m.metric.partition(".")[2]: m for m in performance.measure(subject) if m.metric.partition(".")[2] in NAMES}


def scored(n, seed=1, digits=9, shift=0.0):
    random = np.random.default_rng(seed)
    score = np.round(random.random(n), digits)
    label = (random.random(n) < np.clip(score + shift, 0, 1)).astype(int)
    return pd.DataFrame({"label": label, "prediction": label, "score": score})


def parts(m):
    return (m.value, m.low, m.high, m.n, m.status)


@pytest.mark.parametrize("digits", [1, 2, 9])
@pytest.mark.parametrize("unit", [{"unit": "row"}, {"unit": "entity", "column": "who"}])
def test_rows_sorted_as_they_are_and_rows_counted_first_say_the_same(tmp_path, monkeypatch, digits, unit):
    rows = scored(600, digits=digits).assign(who=np.arange(600) % 37)
    found = []
    for few in (0, 10**9):
        monkeypatch.setattr(ranking, "_FEW", few)
        found.append(measured(tmp_path, rows, independence=unit))
    for name in NAMES:
        assert found[0][name].value == pytest.approx(found[1][name].value, rel=1e-12)
        assert (found[0][name].low, found[0][name].high) == pytest.approx((found[1][name].low, found[1][name].high), rel=1e-9)


def test_a_unit_of_one_row_each_is_no_other_than_rows(tmp_path):
    rows = scored(400, shift=0.2).assign(who=np.arange(400))
    plain = measured(tmp_path / "rows", rows)
    each = measured(tmp_path / "units", rows, independence={"unit": "entity", "column": "who"})
    assert each["calibration_error"].value == pytest.approx(plain["calibration_error"].value, rel=1e-2)
    for name in NAMES:
        assert (each[name].low, each[name].high) == pytest.approx((plain[name].low, plain[name].high), abs=4e-3)


def test_a_row_of_no_unit_is_of_one_more_unit(tmp_path):
    named = [k % 5 for k in range(400)]
    unit, columns = {"unit": "entity", "column": "who"}, ([k or None for k in named], named)
    without, with_ = (measured(tmp_path / str(k), scored(400).assign(who=w), independence=unit) for k, w in enumerate(columns))
    for name in NAMES:
        assert parts(without[name]) == pytest.approx(parts(with_[name])) and without[name].stats["units"] == 5


# Calibration.

def test_the_printed_examples_of_torchmetrics():
    """https://lightning.ai/docs/torchmetrics/stable/classification/calibration_error.html: 0.2900 for l1, 0.2918 for l2."""
    bins = [ScoreBin(2, 0, 0.5), ScoreBin(3, 3, 0.55 + 0.75 + 0.75)]
    assert round(intervals.plain_calibration_error(bins), 4) == 0.2900
    value, _ = intervals.calibration_error(bins, [[0.0, 0.0], [0.0, 0.0]], 5)
    assert round(value, 4) == 0.2918


def test_bins_are_those_of_scikit_learns_quantiles(tmp_path):
    from sklearn.calibration import calibration_curve

    rows = scored(1000, shift=0.1)
    found = measured(tmp_path, rows)["calibration_error"]
    truth, mean = calibration_curve(rows["label"], rows["score"], n_bins=10, strategy="quantile")
    assert [n for n, _, _ in found.stats["bins"]] == [100] * 10
    assert [p / n for n, p, _ in found.stats["bins"]] == pytest.approx(truth.tolist())
    assert [s for _, _, s in found.stats["bins"]] == pytest.approx(mean.tolist(), abs=1e-6)
    assert found.stats["plain"] == pytest.approx(np.abs(truth - mean).mean())


def test_the_value_is_the_debiased_estimator_of_kumar_liang_and_ma(tmp_path):
    """Written out from section 4.2 for bins of one score each, where rows of a bin differ in nothing but their label."""
    score = np.repeat([0.1, 0.3, 0.5, 0.7, 0.9], 80)
    label = (np.random.default_rng(3).random(400) < score**2).astype(int)
    found = measured(tmp_path, pd.DataFrame({"label": label, "prediction": label, "score": score}))["calibration_error"]
    total = 0.0
    for s in np.unique(score):
        y = label[score == s].mean()
        total += 80 / 400 * ((s - y) ** 2 - y * (1 - y) / (80 - 1))
    assert found.value == pytest.approx(math.sqrt(total)) and len(found.stats["bins"]) == 5


def test_scores_that_are_right_have_none_whatever_the_number_of_rows(tmp_path):
    """The plain error is far from zero there, which is why it is not the value."""
    for n in (200, 2000):
        found = [measured(tmp_path / f"{n} {k}", scored(n, seed=k))["calibration_error"] for k in range(8)]
        assert sum(m.low == 0 for m in found) >= 7
        assert np.mean([m.value for m in found]) < np.mean([m.stats["plain"] for m in found]) / 1.5


def test_scores_that_are_too_low_are_found(tmp_path):
    found = measured(tmp_path, scored(4000, shift=0.1))["calibration_error"]
    assert found.low > 0.07 and found.high < 0.13 and found.low < found.value < found.high


def test_rows_that_repeat_their_unit_add_no_certainty(tmp_path):
    once = scored(400, shift=0.1).assign(who=np.arange(400))
    often = once.loc[np.repeat(np.arange(400), 20)]
    unit = {"unit": "entity", "column": "who"}
    few, many, rows = (
        measured(tmp_path / str(k), table, independence=by)["calibration_error"]
        for k, (table, by) in enumerate([(once, unit), (often, unit), (often, {"unit": "row"})])
    )
    assert (many.low, many.high) == pytest.approx((few.low, few.high), abs=0.01)
    assert many.high - many.low > 3 * (rows.high - rows.low)


@pytest.mark.parametrize(("label", "score"), [
    ([1] * 40, [1.0] * 40), ([0] * 40, [0.0] * 40), ([1] * 40, [0.0] * 40), ([1] * 40, [0.9] * 40), ([1, 0] * 20, [0.5] * 40),
    ([1, 0] * 20, [1.0, 0.0] * 20), ([1, 0] * 20, [0.0, 1.0] * 20), ([1, 0] * 20, [0.3] * 39 + [0.4]),
    ([0] * 39 + [1], [1e-9] * 40),
])
def test_corners_have_a_number_and_never_a_point_for_an_interval(tmp_path, label, score):
    found = measured(tmp_path, {"label": label, "prediction": label, "score": score})["calibration_error"]
    assert found.status == "measured" and 0 <= found.low <= found.value <= found.high <= 1
    assert found.high - found.low > 0.01
    assert found.low <= found.stats["plain"]


def test_too_few_rows_make_no_bin(tmp_path):
    found = measured(tmp_path, scored(19))
    assert found["calibration_error"].status == "insufficient" and "19 rows" in found["calibration_error"].reason
    assert found["roc_auc"].status == "measured"
    assert len(measured(tmp_path / "20", scored(20))["calibration_error"].stats["bins"]) == 1


def test_one_class_is_enough_for_calibration_and_not_for_an_area(tmp_path):
    found = measured(tmp_path, scored(100).assign(label=1))
    assert found["roc_auc"].status == "insufficient" and found["calibration_error"].value > 0.4


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from([0.0, 0.2, 0.2, 0.2, 0.7, 1.0, 5e-324])), min_size=20, max_size=60))
def test_ties_share_a_bin_and_no_row_is_lost(tmp_path, pairs):
    rows = pd.DataFrame(pairs, columns=["label", "score"]).assign(prediction=0)
    found = measured(tmp_path, rows)["calibration_error"]
    assert found.status == "measured" and found.low <= found.value <= found.high
    assert sum(n for n, _, _ in found.stats["bins"]) == len(rows)
    assert sum(p for _, p, _ in found.stats["bins"]) == rows["label"].sum()
    assert min(n for n, _, _ in found.stats["bins"]) >= 10


@pytest.mark.parametrize("freedom", [1.0, 1.7, 4.0, 10.0])
@pytest.mark.parametrize("more", [0.0, 0.5, 5.0, 80.0, 3000.0])
def test_the_noncentral_chi_square_is_that_of_scipy(freedom, more):
    from scipy.stats import ncx2

    from checks.intervals.calibration import _below, _noncentrality

    x = freedom + more
    for share in (0.025, 0.5, 0.975):
        found = _noncentrality(x, freedom, share)
        exact = ncx2.cdf(x, freedom, found) if found else None
        assert exact == pytest.approx(share, abs=0.012) if found else _below(x, freedom, 0) <= share + 0.012


# How often the interval holds the truth.

@pytest.mark.long
@pytest.mark.parametrize(("n", "shift"), [(200, 0.0), (200, 0.1), (1000, 0.0), (1000, 0.03), (1000, 0.1)])
def test_coverage_of_the_calibration_error(tmp_path, n, shift):
    truth = math.sqrt(np.mean((np.clip((np.arange(1e5) + 0.5) / 1e5 + shift, 0, 1) - (np.arange(1e5) + 0.5) / 1e5) ** 2))
    held = 0
    for k in range(200):
        found = measured(tmp_path / str(k), scored(n, seed=k, shift=shift))["calibration_error"]
        held += found.low <= truth <= found.high + 0.002
    assert held >= 182
