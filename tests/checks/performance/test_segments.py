"""Parts say what they would say as tables of their own; hostile values, many values and few rows end as measurements."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from checks import performance
from checks.performance.segments import LEAST, MOST
from checks.subject import Subject
from roadworthy.policy import Rule
from tests.support import DAY, make_subject, passport_of

REGRESSION = {"kind": "regression", "label": "label", "prediction": "prediction", "quantile": 0.8}
MULTICLASS = {"kind": "multiclass", "label": "label", "prediction": "prediction", "classes": [0, 1, 2]}
UNIT = {"unit": "block", "column": "day"}


def found_of(root, rows, **passport):
    with make_subject(root, passport_of(**passport), None, {DAY: rows}) as subject:
        found = performance.measure(subject)
    assert all(m.low is None or m.low <= m.value <= m.high for m in found)
    return found


def parts_of(found, column="origin"):
    return {(m.metric.partition(".")[2], m.over["segment"][column]): m for m in found if column in m.over.get("segment", {})}


def rows_of(task, n=900, seed=1):
    random = np.random.default_rng(seed)
    day, origin = random.integers(0, 15, n), random.choice(["JFK", "LGA", "EWR"], n, p=[0.6, 0.3, 0.1])
    if task.get("kind") == "regression":
        label = 1e4 * (origin == "LGA") + random.normal(0, 2, n)
        rows = {"label": label, "prediction": label + random.normal(0.3, 1, n) + random.normal(0, 1, 15)[day]}
    else:
        label = random.integers(0, 3 if task else 2, n)
        wrong = random.random(n) < 0.1 + 0.4 * random.random(15)[day] * (origin != "JFK")
        score = np.clip(0.5 + 0.3 * (label - 0.5) + random.normal(0, 0.2, n), 0, 1)
        rows = {"label": label, "prediction": np.where(wrong, (label + 1) % (3 if task else 2), label), "score": score}
    return pd.DataFrame({**rows, "origin": origin, "day": day})


@pytest.mark.parametrize("independence", [{"unit": "row"}, UNIT])
@pytest.mark.parametrize("task", [{}, REGRESSION, MULTICLASS])
def test_a_part_says_what_it_says_as_a_table_of_its_own(tmp_path, task, independence):
    rows = rows_of(task)
    parts = parts_of(found_of(tmp_path, rows, task=task, independence=independence, segments=["origin"]))
    names = {name for name, _ in parts}
    assert len(names) == {"binary": 8, "regression": 5, "multiclass": 2}[task.get("kind", "binary")]
    assert {(name, value) for name, value in parts} == {(name, value) for name in names for value in ("JFK", "LGA", "EWR")}
    for value in ("JFK", "LGA", "EWR"):
        alone = found_of(tmp_path / value, rows[rows["origin"] == value], task=task, independence=independence)
        for m in alone:
            name = m.metric.partition(".")[2]
            if name not in names or m.over:
                continue
            here = parts[name, value]
            assert (here.n, here.method) == (m.n, m.method) and here.status == "measured"
            assert (here.value, here.low, here.high) == pytest.approx((m.value, m.low, m.high), rel=1e-6)
            assert {k: v for k, v in here.stats.items() if isinstance(v, int)} == {
                k: v for k, v in m.stats.items() if isinstance(v, int)}


def test_parts_come_after_the_wholes_and_rules_over_the_whole_do_not_see_them(tmp_path):
    found = found_of(tmp_path, rows_of({}), segments=["origin"])
    first = next(k for k, m in enumerate(found) if m.over)
    assert all(m.over for m in found[first:]) and found[first].metric == "performance.accuracy"
    rule = {"id": "r", "metric": "performance.accuracy", "limit": ">= 0.5", "test": "interval", "breach": "warn",
            "because": "Parts and wholes."}
    overs = ({}, {"segment": "any"}, {"segment": {"origin": "LGA"}})
    whole, every, one = (Rule.model_validate({**rule, "over": over}) for over in overs)
    assert [m.over for m in found if whole.matches(m.metric, m.over)] == [{}]
    assert len([m for m in found if every.matches(m.metric, m.over)]) == 3
    assert [m.over for m in found if one.matches(m.metric, m.over)] == [{"segment": {"origin": "LGA"}}]
    assert {m.metric.partition(".")[2] for m in found if m.over} == {
        "accuracy", "error_rate", "precision", "recall", "specificity", "f1", "brier", "log_loss"}


VALUES = [None, "", "it's", 'a"b', "x; drop table labelled;--", "<b>", "{{ 7*7 }}", "日本", "a\nb", "(missing)", "%", "NaN"]


def test_values_of_any_text_are_only_values_and_a_missing_one_is_a_part(tmp_path):
    rows = {"label": [1, 0] * 180, "prediction": [1, 1] * 180, "score": [0.5] * 360}
    rows['o"; --'] = [value for value in VALUES for _ in range(30)]
    parts = parts_of(found_of(tmp_path, rows, segments=['o"; --']), 'o"; --')
    counted = {value: m.n for (name, value), m in parts.items() if name == "accuracy"}
    assert counted == {**{v: 30 for v in VALUES if v not in (None, "(missing)", "NaN")}, "(missing)": 90}


@pytest.mark.parametrize("stored", [
    pa.array([1.0, 2.0, float("nan"), None] * 30), pa.array([[1], [2], None, [3]] * 30), pa.array([{"a": 1}, None] * 60),
    pa.array([True, False, None, True] * 30), pa.array([b"a", b"\xff", None, b"b"] * 30), pa.array([DAY, None] * 60),
    pa.array(["a", "b"] * 60).dictionary_encode(), pa.nulls(120),
])
@pytest.mark.parametrize("task", [{}, REGRESSION])
def test_a_column_of_any_type_has_parts(tmp_path, stored, task):
    rows = {"label": [1, 0] * 60, "prediction": [1, 1] * 60, "score": [0.5, 0.4] * 60, "origin": stored}
    parts = parts_of(found_of(tmp_path, rows, task=task, segments=["origin"]))
    name = "mae" if task else "accuracy"
    assert sum(m.n for (metric, _), m in parts.items() if metric == name) == 120


@pytest.mark.parametrize("task", [{}, REGRESSION])
def test_of_many_values_those_with_most_rows_are_measured_and_the_rest_is_counted(tmp_path, task):
    many = 50_000
    origin = np.concatenate([np.arange(many), np.repeat(np.arange(60), 10 * np.arange(60, 0, -1))])
    n = len(origin)
    rows = {"label": np.arange(n) % 2, "prediction": np.ones(n, dtype=int), "score": np.full(n, 0.5)}
    rows |= {"origin": origin, "day": origin % 9}
    found = found_of(tmp_path, rows, task=task, segments=["origin"], independence=UNIT)
    name = "mae" if task else "accuracy"
    parts = {value: m for (metric, value), m in parts_of(found).items() if metric == name}
    assert list(parts) == [str(k) for k in range(MOST)] and parts["0"].n == 601
    left = {"values": many - MOST, "rows": n - sum(10 * (60 - k) + 1 for k in range(MOST))}
    assert all(m.details["left_out"] == left for m in parts.values())


def test_a_part_of_few_rows_is_insufficient_with_its_number(tmp_path):
    few = LEAST - 1
    rows = {"label": [1, 0] * 30 + [1] * few, "prediction": [1, 1] * 30 + [1] * few, "origin": ["a"] * 60 + ["b"] * few}
    parts = parts_of(found_of(tmp_path, rows, segments=["origin"], task={"score": None}))
    assert parts["accuracy", "a"].value == 0.5 and "left_out" not in parts["accuracy", "a"].details
    m = parts["accuracy", "b"]
    assert (m.status, m.n, m.details["estimate"]) == ("insufficient", few, 1.0) and f"{few} rows" in m.reason
    assert parts["specificity", "b"].n == 0 and parts["specificity", "b"].status == "insufficient"


def test_rows_without_label_are_told_part_by_part(tmp_path):
    rows = {"label": [1, 0] * 20 + [None] * 20, "prediction": [1] * 60, "score": [0.5] * 60, "origin": ["a", "b"] * 30}
    parts = parts_of(found_of(tmp_path, rows, segments=["origin"]))
    assert parts["accuracy", "a"].details["excluded"] == {"without_label": 10, "without_decision": 0, "without_score": 0}


def test_a_column_that_is_not_there_is_an_error_of_the_parts_alone(tmp_path):
    found = found_of(tmp_path, rows_of({}), segments=["gate", "origin"])
    gone = [m for m in found if "gate" in m.over.get("segment", {})]
    assert len(gone) == 8 and {m.status for m in gone} == {"error"} and "'gate'" in gone[0].reason
    assert len(parts_of(found)) == 24
    assert next(m for m in found if m.metric == "performance.accuracy").status == "measured"


def test_a_whole_that_could_not_be_measured_stands_for_its_parts(tmp_path):
    found = found_of(tmp_path, rows_of({}).assign(label=0), segments=["origin"])
    assert not {name for name, _ in parts_of(found)} & {"recall"} and ("accuracy", "JFK") in parts_of(found)
    assert found_of(tmp_path / "none", {"origin": ["a"]}, segments=["origin"])[0].status == "error"


def test_a_column_costs_one_query_whatever_its_values(tmp_path, monkeypatch):
    asked, ask = [], Subject.rows
    monkeypatch.setattr(Subject, "rows", lambda self, sql, *rest: asked.append(sql) or ask(self, sql, *rest))
    for n in (2, 40):
        asked.clear()
        rows = {"label": [1, 0] * 400, "prediction": [1, 1] * 400, "score": [0.5] * 800, "origin": np.arange(800) % n}
        found = found_of(tmp_path / str(n), rows, segments=["origin"])
        assert len([m for m in found if m.metric == "performance.accuracy"]) == n + 1
        assert sum('"origin"' in sql for sql in asked) == 1


@pytest.mark.parametrize("values", [[1e200, -1e200], [5e-324, 0.0], [1.0, 1.0]])
def test_numbers_that_cannot_be_squared_end_as_measurements(tmp_path, values):
    rows = {"label": values * 30, "prediction": values[::-1] * 30, "origin": ["a", "b", "a"] * 20}
    found = found_of(tmp_path, rows, task=REGRESSION, segments=["origin"])
    assert {m.status for m in found if m.over} <= {"measured", "error", "insufficient"}
