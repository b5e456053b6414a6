"""A column that knows the answer is found, and an honest one or a mere name is not called a leak."""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from checks.data_quality import leakage
from checks.data_quality.leakage import binned, crossed, ranked, strengths
from checks.subject import Subject
from roadworthy.measurement import Measurement
from tests.support import make_subject, passport_of

SOURCE = Path(__file__).parents[3] / "data" / "source"
LIMIT = 0.95


def measured(root: Path, reference: Any, features: list[str], **passport: Any) -> dict[str, Measurement]:
    with make_subject(root, passport_of(features=features, protected=[], **passport), reference, {}) as subject:
        return {m.over.get("column", ""): m for m in strengths(subject)}


def labels(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2, n)


# --- known answers


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(-3, 3)), min_size=2, max_size=40))
def test_the_auc_is_that_of_scikit_learn(rows):
    y, x = np.array([r[0] for r in rows]), np.array([float(r[1]) for r in rows])
    found = ranked(y.astype(float), x, [1])
    if 0 < y.sum() < len(y):
        assert not isinstance(found, str)
        assert math.isclose(found.value, 2 * abs(roc_auc_score(y, x) - 0.5), abs_tol=1e-12)
        assert 0 <= found.low <= found.value <= found.high <= 1
    else:
        assert isinstance(found, str)


def test_the_correlation_ratio_is_that_of_the_textbook(tmp_path):
    # Marks in three subjects, the example of the correlation ratio on Wikipedia: 6780 of 9640 lies between the subjects.
    marks = {"algebra": [45, 70, 29, 15, 21], "geometry": [40, 20, 30, 42], "statistics": [65, 95, 80, 70, 85, 73]}
    rows = {"subject": [s for s, m in marks.items() for _ in m], "mark": [float(v) for m in marks.values() for v in m]}
    found = measured(tmp_path, rows, ["subject"], task={"kind": "regression", "label": "mark", "prediction": "p"})["subject"]
    assert found.value == pytest.approx(1 - ((9640 - 6780) / 12) / (9640 / 14), abs=1e-12)
    assert found.n == 15


@pytest.mark.skipif(not SOURCE.is_dir(), reason="the demo's sources are not here")
def test_the_known_leak_of_the_bikes_is_the_strongest_column(tmp_path):
    table = pq.read_table(SOURCE / "bike_demand_2011.parquet")
    features = [c for c in table.column_names if c != "bikers"]
    found = measured(tmp_path, table, features, task={"kind": "regression", "label": "bikers", "prediction": "p"})
    order = sorted(features, key=lambda c: -(found[c].value or 0))
    assert order[:2] == ["registered", "casual"]
    assert found["registered"].value > LIMIT
    assert found["hr"].value < 0.6


@pytest.mark.skipif(not SOURCE.is_dir(), reason="the demo's sources are not here")
def test_neither_the_strongest_honest_column_nor_a_name_is_near_the_limit(tmp_path):
    table = pq.read_table(SOURCE / "german_credit.parquet")
    features = [c for c in table.column_names if c != "good_credit"]
    found = measured(tmp_path, table, features, task={"label": "good_credit"})
    assert max(features, key=lambda c: found[c].value or 0) == "status_of_existing_checking_account"
    assert max(m.high for m in found.values()) < 0.6
    for name in ("application_id", "pii_full_name", "pii_email", "pii_iban"):
        assert found[name].low == 0.0


# --- leaks are found


def test_every_way_of_knowing_the_answer_is_found(tmp_path):
    n = 2_000
    y = labels(n)
    rng = np.random.default_rng(1)
    start = datetime(2026, 1, 1)
    reference = {
        "label": y,
        "number": y + rng.normal(0, 0.1, n),
        "reversed": -1.0 * y,
        "afterwards": pa.array([float(v) if hit else None for v, hit in zip(rng.random(n), y, strict=True)]),
        "word": [f"status {v}" for v in y],
        "flag": y == 1,
        "when": pa.array([start + timedelta(days=int(v) * 30) for v in y], pa.timestamp("us")),
        "case": [f"{v}-{rng.integers(0, 200)}" for v in y],
        "noted": [None if v else f"note {i % 3}" for i, v in enumerate(y)],
    }
    found = measured(tmp_path, reference, [c for c in reference if c != "label"])
    weak = {c: (m.value, m.reason) for c, m in found.items() if m.value is None or m.value < LIMIT}
    assert not weak
    assert found["word"].low > LIMIT


def test_a_missing_value_that_tells_nothing_makes_no_leak(tmp_path):
    n = 4_000
    rng = np.random.default_rng(2)
    gone = pa.array([None if hit else float(v) for v, hit in zip(rng.normal(size=n), rng.random(n) < 0.3, strict=True)])
    found = measured(tmp_path, {"label": labels(n), "x": gone}, ["x"])["x"]
    assert found.value < 0.08
    assert found.details["missing"] == sum(v is None for v in gone.to_pylist())


@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_a_name_with_thousands_of_levels_is_no_leak(tmp_path, kind):
    n = 10_000
    rng = np.random.default_rng(3)
    y = labels(n) if kind == "binary" else rng.normal(size=n)
    task = {} if kind == "binary" else {"kind": "regression", "label": "label", "prediction": "p"}
    reference = {"label": y, "id": [f"c{v}" for v in rng.integers(0, 5_000, n)], "own": [f"u{i}" for i in range(n)]}
    found = measured(tmp_path, reference, ["id", "own"], task=task)
    assert found["id"].value < 0.1
    assert found["id"].high < 0.2
    assert (found["own"].value or 0.0) < 0.1
    # ranked on the same rows it would look like one
    rate = {v: np.mean(y[np.array(reference["id"]) == v]) for v in set(reference["id"][:300])} if kind == "binary" else {}
    if rate:
        part = [i for i, v in enumerate(reference["id"]) if v in rate]
        assert 2 * roc_auc_score(y[part], [rate[reference["id"][i]] for i in part]) - 1 > 0.5


def test_a_name_that_repeats_with_its_answer_is_a_leak(tmp_path):
    people = labels(500, 4)
    who = np.random.default_rng(4).integers(0, 500, 10_000)
    found = measured(tmp_path, {"label": people[who], "id": [f"p{v}" for v in who]}, ["id"])["id"]
    assert found.low > LIMIT


def test_few_rows_settle_nothing(tmp_path):
    found = measured(tmp_path, {"label": [0, 1, 0, 1], "x": [1.0, 2.0, 1.5, 2.5]}, ["x"])["x"]
    assert found.value == 1.0
    assert found.low < LIMIT


def test_of_many_classes_the_one_told_best_counts(tmp_path):
    rng = np.random.default_rng(5)
    y = rng.integers(0, 3, 3_000)
    task = {"kind": "multiclass", "label": "label", "prediction": "p", "classes": ["a", "b", "c"]}
    reference = {
        "label": [["a", "b", "c"][v] for v in y],
        "c_only": (y == 2) + rng.normal(0, 0.05, 3_000),
        "word": [("yes" if v == 1 else "no") for v in y],
        "nothing": rng.normal(size=3_000),
    }
    found = measured(tmp_path, reference, ["c_only", "word", "nothing"], task=task)
    assert (found["c_only"].value > LIMIT, found["c_only"].details["class"]) == (True, 2)
    assert (found["word"].value > LIMIT, found["word"].details["class"]) == (True, 1)
    assert found["nothing"].value < 0.1


# --- what cannot be measured says so


def test_no_label_no_rows_no_class_no_column(tmp_path):
    assert measured(tmp_path / "a", {"x": [1.0, 2.0]}, ["x"])[""].status == "insufficient"
    assert measured(tmp_path / "b", None, ["x"])[""].status == "error"
    assert "fewer than two classes" in measured(tmp_path / "c", {"x": [1.0, 2.0], "label": [1, 1]}, ["x"])["x"].reason
    assert "No row" in measured(tmp_path / "d", {"x": ["a", "b"], "label": ["?", None]}, ["x"])["x"].reason
    gone = measured(tmp_path / "e", {"x": [1.0, 2.0], "label": [0, 1]}, ["x", "gone"])["gone"]
    assert (gone.status, gone.reason) == ("insufficient", "The reference has no column 'gone'.")


def test_a_label_that_is_no_number_is_left_out(tmp_path):
    y = [1.0, 2.0, math.nan, math.inf, 3.0, 4.0] * 20
    reference = {"label": y, "x": [v if math.isfinite(v) else 0.0 for v in y], "w": [str(v) for v in y]}
    found = measured(tmp_path, reference, ["x", "w"], task={"kind": "regression", "label": "label", "prediction": "p"})
    assert {m.n for m in found.values()} == {80}
    assert found["w"].value > LIMIT


def test_nan_labels_are_left_out_although_parquet_statistics_do_not_tell_of_them(tmp_path):
    reference = {"label": [1.0] * 99 + [math.nan], "w": ["a"] * 100}
    found = measured(tmp_path, reference, ["w"], task={"kind": "regression", "label": "label", "prediction": "p"})["w"]
    assert (found.status, "99 rows" in found.reason) == ("insufficient", True)


def test_a_name_may_hold_any_character(tmp_path):
    names = ['quo"te', "a b", "年", "{{ x }}", "*", "'; drop view reference; --", "<b>"]
    y = labels(200)
    reference = {"label": y, **{c: (y if i % 2 else [f"v{v}" for v in y]) for i, c in enumerate(names)}}
    found = measured(tmp_path, reference, names)
    assert {round(found[c].value, 2) for c in names} == {1.0}


def test_large_references_are_sampled_the_same_way_every_time(tmp_path, monkeypatch):
    monkeypatch.setattr(leakage, "SAMPLE", 500)
    rng = np.random.default_rng(6)
    y = labels(5_000)
    reference = {"label": y, "x": y + rng.normal(size=5_000), "w": [f"{v}" for v in rng.integers(0, 9, 5_000)]}
    first = measured(tmp_path, reference, ["x", "w"])
    again = measured(tmp_path, reference, ["x", "w"])
    assert {c: m.as_dict() for c, m in first.items()} == {c: m.as_dict() for c, m in again.items()}
    assert 300 < first["x"].n < 700
    assert first["w"].n == 5_000
    assert abs(first["x"].value - (2 * roc_auc_score(y, reference["x"]) - 1)) < 0.12
    json.dumps(first["x"].as_dict(), allow_nan=False)


@pytest.mark.long
def test_the_interval_covers_and_a_null_column_is_near_zero():
    rng = np.random.default_rng(7)
    truth = 2 * 0.7602499389065233 - 1  # normal, one standard deviation apart: Phi(1 / sqrt 2)
    hits, nulls, ratios = 0, [], []
    for _ in range(400):
        y = rng.integers(0, 2, 400).astype(float)
        found = ranked(y, y + rng.normal(size=400), [1])
        assert not isinstance(found, str)
        hits += found.low <= truth <= found.high
        levels = np.column_stack([rng.binomial(8, 0.5, 50), np.zeros(50, int), np.ones(50, int)])
        levels[:, 1] = 8 - levels[:, 0]
        null = crossed(levels, (int(rng.integers(1 << 30)), 0))
        assert not isinstance(null, str)
        nulls.append(null.low == 0.0)
        ratio = binned(rng.normal(size=400), rng.normal(size=400))
        assert not isinstance(ratio, str)
        ratios.append(ratio.low == 0.0)
    assert 0.92 < hits / 400 < 0.98
    assert np.mean(nulls) > 0.95
    assert np.mean(ratios) > 0.93


def test_the_subject_is_left_as_it_was(tmp_path):
    with make_subject(tmp_path, passport_of(features=["x"], protected=[]), {"label": [0, 1], "x": [1.0, 2.0]}, {}) as subject:
        assert isinstance(subject, Subject)
        before = subject.con.execute("select view_name from duckdb_views() where not internal order by all").fetchall()
        list(strengths(subject))
        assert subject.con.execute("select view_name from duckdb_views() where not internal order by all").fetchall() == before
