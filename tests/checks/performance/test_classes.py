"""Several classes: scikit-learn on random tables, intervals against simulation, and classes of few rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checks import intervals, performance
from checks.performance.classes import KINDS, LEAST
from tests.support import DAY, make_subject, passport_of

CLASSES = ["a", "b", 3, True, "it's; --"]
WORDS = ["a", "b", "3", "1", "it's; --"]


def task_of(classes):
    return {"kind": "multiclass", "label": "label", "prediction": "prediction", "classes": classes}


def measured(root, rows, classes=CLASSES, **passport):
    """Return the wholes by name, and the parts by name and class."""
    with make_subject(root, passport_of(task=task_of(classes), **passport), None, {DAY: rows}) as subject:
        found = performance.measure(subject)
    assert all(m.low is None or m.low <= m.value <= m.high for m in found)
    wholes = {m.metric.partition(".")[2]: m for m in found if not m.over}
    return wholes, {(m.metric.partition(".")[2], m.over["class"]): m for m in found if m.over}


def words(places):
    return [WORDS[k] if WORDS[k] != "1" else "true" for k in places]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60))
def test_means_and_classes_are_those_of_scikit_learn(tmp_path, rows):
    from sklearn import metrics

    y, d = zip(*rows, strict=True)
    wholes, parts = measured(tmp_path, {"label": words(y), "prediction": words(d)})
    options = {"average": "macro", "zero_division": 0}
    for kind, function in zip(KINDS, (metrics.precision_score, metrics.recall_score, metrics.f1_score), strict=True):
        assert wholes[f"macro_{kind}"].value == pytest.approx(function(y, d, **options), abs=1e-12)
        each = function(y, d, labels=range(5), average=None, zero_division=np.nan)
        for word, value in zip(WORDS, each, strict=True):
            m = parts[f"class_{kind}", word]
            if np.isnan(value):
                assert m.status == "insufficient" and m.n == 0
            elif m.n < LEAST:
                assert m.status == "insufficient" and m.details["estimate"] == pytest.approx(value, abs=1e-12)
                assert f"{m.n} rows" in m.reason
            else:
                assert m.value == pytest.approx(value, abs=1e-12)
    assert wholes["accuracy"].value == pytest.approx(metrics.accuracy_score(y, d))
    table = metrics.confusion_matrix(y, d, labels=range(5))
    for k, word in enumerate(WORDS):
        stats = parts["class_recall", word].stats
        assert (stats["true_positives"], stats["positives"]) == (table[k, k], table[k].sum())
        assert stats["true_negatives"] + stats["false_positives"] == stats["negatives"] == len(rows) - table[k].sum()


def drawn(n, seed=0, shares=(0.5, 0.3, 0.2), right=(0.9, 0.7, 0.5)):
    random = np.random.default_rng(seed)
    y = random.choice(len(shares), n, p=shares)
    other = (y + random.integers(1, len(shares), n)) % len(shares)
    return pd.DataFrame({"label": y, "prediction": np.where(random.random(n) < np.array(right)[y], y, other)})


def test_intervals_of_classes_come_from_their_counts(tmp_path):
    rows = drawn(500)
    _, parts = measured(tmp_path, rows, [0, 1, 2])
    y, d = rows["label"], rows["prediction"]
    for k in range(3):
        hit = int(((y == k) & (d == k)).sum())
        for kind, m in (("precision", int((d == k).sum())), ("recall", int((y == k).sum()))):
            found = parts[f"class_{kind}", str(k)]
            assert (found.low, found.high) == intervals.wilson(hit, m)[:2] and found.n == m
        assert parts["class_f1", str(k)].n == int(((y == k) | (d == k)).sum())


def test_large_tables_have_the_interval_of_the_delta_method(tmp_path):
    """Takahashi et al. 2022, written out by differentiating the mean numerically."""
    rows = drawn(20_000)
    wholes, _ = measured(tmp_path, rows, [0, 1, 2])
    cells = np.zeros((3, 3))
    np.add.at(cells, (rows["label"], rows["prediction"]), 1)
    share = cells / cells.sum()

    def mean(p, kind):
        hit, row, column = np.diag(p), p.sum(axis=1), p.sum(axis=0)
        return np.mean({"precision": hit / column, "recall": hit / row, "f1": 2 * hit / (row + column)}[kind])

    for kind in KINDS:
        slopes = np.zeros((3, 3))
        for cell in np.ndindex(3, 3):
            up, down = share.copy(), share.copy()
            up[cell] += 1e-6
            down[cell] -= 1e-6
            slopes[cell] = (mean(up, kind) - mean(down, kind)) / 2e-6
        se = np.sqrt(((share * slopes**2).sum() - (share * slopes).sum() ** 2) / cells.sum())
        m = wholes[f"macro_{kind}"]
        assert m.value == pytest.approx(mean(share, kind))
        assert (m.low, m.high) == pytest.approx((m.value - 1.96 * se, m.value + 1.96 * se), abs=2e-4)


def test_rows_that_repeat_their_unit_add_no_certainty(tmp_path):
    once = drawn(300).assign(who=np.arange(300))
    often = once.loc[np.repeat(np.arange(300), 20)]
    unit = {"unit": "entity", "column": "who"}
    few, many, rows = (
        measured(tmp_path / str(k), table, [0, 1, 2], independence=by)
        for k, (table, by) in enumerate([(once, unit), (often, unit), (often, {"unit": "row"})])
    )
    for name in ("accuracy", "error_rate", "macro_precision", "macro_recall", "macro_f1"):
        assert (many[0][name].low, many[0][name].high) == pytest.approx((few[0][name].low, few[0][name].high), abs=2e-3)
        assert many[0][name].high - many[0][name].low > 3 * (rows[0][name].high - rows[0][name].low)
        assert many[0][name].stats["units"] == 300
    for key, m in many[1].items():
        assert (m.low, m.high) == pytest.approx((few[1][key].low, few[1][key].high), abs=2e-3)
        assert m.stats["units"] == few[1][key].n


def test_one_unit_gives_no_interval_and_so_no_number(tmp_path):
    wholes, parts = measured(tmp_path, drawn(300).assign(who=1), [0, 1, 2], independence={"unit": "entity", "column": "who"})
    for m in (wholes["macro_f1"], wholes["accuracy"], parts["class_f1", "0"]):
        assert m.status == "insufficient" and "one entity" in m.reason and m.details["estimate"] > 0


def test_classes_of_few_rows_are_named_beside_every_number(tmp_path):
    rows = {"label": ["a"] * 50 + ["b"] * 5 + ["c"] * 30, "prediction": ["a"] * 85}
    wholes, parts = measured(tmp_path, rows, ["a", "b", "c", "d"])
    assert wholes["macro_recall"].details["few"] == {"b": 5}
    assert wholes["macro_recall"].details["absent"] == ["d"] and wholes["macro_recall"].details["never_decided"] == ["b", "c"]
    assert wholes["macro_recall"].value == pytest.approx(1 / 3) and wholes["macro_recall"].stats["classes"] == 3
    assert wholes["macro_precision"].value == pytest.approx(50 / 85 / 3)
    assert parts["class_recall", "b"].status == "insufficient" and parts["class_recall", "b"].n == 5
    assert parts["class_precision", "c"].status == "insufficient" and parts["class_recall", "c"].value == 0.0
    assert {parts[f"class_{kind}", "d"].n for kind in KINDS} == {0}


def test_a_mean_of_classes_that_are_all_right_is_no_point(tmp_path):
    rows = {"label": ["a", "b"] * 30, "prediction": ["a", "b"] * 30}
    wholes, _ = measured(tmp_path, rows, ["a", "b"])
    for kind in KINDS:
        assert wholes[f"macro_{kind}"].value == wholes[f"macro_{kind}"].high == 1.0 and wholes[f"macro_{kind}"].low < 0.96


def test_forty_classes(tmp_path):
    from sklearn import metrics

    random = np.random.default_rng(2)
    y = random.integers(0, 40, 4000)
    d = np.where(random.random(4000) < 0.6, y, random.integers(0, 40, 4000))
    rows = {"label": y, "prediction": d, "day": np.arange(4000) % 28}
    wholes, parts = measured(tmp_path, rows, list(range(40)), independence={"unit": "block", "column": "day"})
    assert wholes["macro_f1"].value == pytest.approx(metrics.f1_score(y, d, average="macro"))
    assert len(parts) == 120 and {m.status for m in parts.values()} == {"measured"}
    assert wholes["macro_f1"].high - wholes["macro_f1"].low < 0.08


def test_a_missing_column_is_said_once_for_all_classes(tmp_path):
    wholes, parts = measured(tmp_path, {"label": ["a"] * 5, "other": [1] * 5}, ["a", "b"])
    assert parts == {} and {wholes[name].status for name in ("macro_f1", "class_f1", "accuracy")} == {"error"}
    wholes, parts = measured(tmp_path / "unit", drawn(60), [0, 1, 2], independence={"unit": "entity", "column": "who"})
    assert parts == {} and "'who'" in wholes["class_recall"].reason and wholes["label_coverage"].value == 1.0


@pytest.mark.parametrize("rows", [
    {"label": [None], "prediction": ["a"]}, {"label": [], "prediction": []}, {"label": ["x"], "prediction": ["y"]},
    {"label": ["a"], "prediction": ["a"]}, {"label": [1.5, float("nan")], "prediction": [[1], [2]]},
])
def test_degenerate_data_end_as_measurements(tmp_path, rows):
    wholes, parts = measured(tmp_path, rows)
    assert parts == {} or {m.status for m in parts.values()} == {"insufficient"}
    assert wholes["macro_f1"].status in ("insufficient", "measured")


@pytest.mark.long
@pytest.mark.parametrize(("n", "shares", "right"), [
    (100, (0.5, 0.3, 0.2), (0.9, 0.7, 0.5)), (400, (0.85, 0.1, 0.05), (0.97, 0.9, 0.95)),
    (300, (0.4, 0.3, 0.2, 0.1), (0.99, 0.98, 0.99, 0.97)),
])
def test_coverage_of_the_means_of_classes(tmp_path, n, shares, right):
    from sklearn import metrics

    everyone = drawn(400_000, 1, shares, right)
    functions = dict(zip(KINDS, (metrics.precision_score, metrics.recall_score, metrics.f1_score), strict=True))
    truth = {kind: f(everyone["label"], everyone["prediction"], average="macro") for kind, f in functions.items()}
    held = dict.fromkeys(KINDS, 0)
    for k in range(200):
        wholes, _ = measured(tmp_path / str(k), drawn(n, k + 2, shares, right), list(range(len(shares))))
        for kind in KINDS:
            held[kind] += wholes[f"macro_{kind}"].low <= truth[kind] <= wholes[f"macro_{kind}"].high
    assert all(count >= 184 for count in held.values()), held
