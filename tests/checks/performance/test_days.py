"""Days counted together say what each of them says alone; what is not there yet is told day by day."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from checks import intervals, performance
from checks.subject import one_day
from tests.support import DAY, make_subject, passport_of, write_parquet

REGRESSION = {"kind": "regression", "label": "label", "prediction": "prediction", "loss_bound": 2.0}
MULTICLASS = {"kind": "multiclass", "label": "label", "prediction": "prediction", "classes": [0, 1, 2]}
LATE = {"path": "batches/{date}.parquet", "labels": "labels/{date}-*.parquet", "key": "id"}


def days_back(count):
    return [DAY - timedelta(days=k) for k in range(count)][::-1]


def rows_of(random, task, n):
    if task.get("kind") == "regression":
        return {"label": random.normal(0, 1, n), "prediction": random.normal(0, 1, n)}
    label = random.integers(0, 3 if task else 2, n)
    return {"label": label, "prediction": np.where(random.random(n) < 0.3, 1 - label.clip(0, 1), label)}


def found(measurements):
    return {m.metric.partition(".")[2]: m for m in measurements}


@pytest.mark.parametrize("task", [{"score": None}, REGRESSION, MULTICLASS])
def test_a_window_counted_at_once_holds_what_each_day_holds_alone(tmp_path, task):
    """Each day is also measured as the only day of its window."""
    random, days = np.random.default_rng(4), days_back(5)
    batches = {day: rows_of(random, {} if "score" in task else task, 20 + 7 * k) for k, day in enumerate(days) if k != 1}
    with make_subject(tmp_path, passport_of(task=task, windows={"performance": 5}), None, batches) as subject:
        window = found(performance.measure(subject))
        year = performance.by_day(subject, days)
    assert list(year) == days
    counts = []
    for day in days:
        with make_subject(tmp_path, passport_of(task=task), day=day) as subject:
            alone = found(performance.measure(subject))
        here = found(year[day])
        metric = "day_mae" if task.get("kind") == "regression" else "day_error_rate"
        assert list(here) == [metric, "label_coverage", "loss"]
        for name, m in here.items():
            assert m.details["day"] == str(day) and m.status == alone[name].status, (day, name, m)
            assert (m.low, m.high, m.n) == (alone[name].low, alone[name].high, alone[name].n)
            assert m.value == pytest.approx(alone[name].value) if m.value is not None else "no batch" in m.reason
        if day in batches:
            counts += alone["loss"].stats["days"]
            assert here["loss"].stats["days"] == alone["loss"].stats["days"]
    assert window["loss"].stats["days"] == counts and len(counts) == 4
    assert window["loss"].stats["coverage"] == [[str(day), len(b["label"]), len(b["label"])] for day, b in batches.items()]
    assert window[metric].value == year[DAY][0].value


def test_the_error_of_a_day_is_that_of_numpy(tmp_path):
    random = np.random.default_rng(6)
    batches = {day: rows_of(random, REGRESSION, 50) for day in days_back(3)}
    with make_subject(tmp_path, passport_of(task=REGRESSION), None, batches) as subject:
        year = performance.by_day(subject, list(batches))
    for day, rows in batches.items():
        error = np.abs(rows["prediction"] - rows["label"])
        expected = intervals.mean(50, error.sum(), (error**2).sum())
        mae, _, loss = year[day]
        assert mae.value == pytest.approx(error.mean()) and (mae.low, mae.high) == pytest.approx(expected[:2])
        steps = np.floor(np.minimum(1, error / 2) * 64) / 64
        assert loss.value == pytest.approx(steps.mean())
        assert loss.stats["days"] == [[str(day), [[v, int((steps == v).sum())] for v in np.unique(steps)]]]


def test_labels_that_come_later_make_a_day_more_complete(tmp_path):
    passport = passport_of(batches=LATE, windows={"performance": 2}, task={"score": None})
    days = days_back(2)
    batches = {day: {"id": [1, 2, 3, 4], "prediction": [1, 1, 0, 0]} for day in days}
    write_parquet({"id": [1, 2], "label": [1, 0]}, tmp_path / f"labels/{days[0]}-1.parquet")
    with make_subject(tmp_path, passport, None, batches) as subject:
        first = found(performance.measure(subject))
    assert first["loss"].stats["days"] == [[str(days[0]), [[0.0, 1], [1.0, 1]]]]
    assert first["loss"].stats["coverage"] == [[str(days[0]), 2, 4], [str(days[1]), 0, 4]]
    assert first["day_error_rate"].status == "insufficient" and str(DAY) in first["day_error_rate"].reason
    write_parquet({"id": [3], "label": [1]}, tmp_path / f"labels/{days[0]}-2.parquet")
    write_parquet({"id": [1, 2, 3, 4], "label": [1, 1, 0, 0]}, tmp_path / f"labels/{days[1]}-1.parquet")
    with make_subject(tmp_path, passport) as subject:
        second = found(performance.measure(subject))
        assert second["loss"].stats["days"] == [[str(days[0]), [[0.0, 1], [1.0, 2]]], [str(days[1]), [[0.0, 4]]]]
        assert second["loss"].stats["coverage"] == [[str(days[0]), 3, 4], [str(days[1]), 4, 4]]
        assert second["day_error_rate"].value == 0.0
        assert found(performance.by_day(subject, days)[days[0]])["label_coverage"].value == 0.75


def test_a_key_that_stands_in_two_days_is_two_cases(tmp_path):
    passport, days = passport_of(batches=LATE, task={"score": None}), days_back(2)
    for day, label in zip(days, (0, 1), strict=True):
        write_parquet({"id": [7], "label": [label]}, tmp_path / f"labels/{day}-1.parquet")
    with make_subject(tmp_path, passport, None, {day: {"id": [7], "prediction": [1]} for day in days}) as subject:
        assert [here[0].value for here in performance.by_day(subject, days).values()] == [1.0, 0.0]


def test_one_day_that_cannot_be_read_takes_no_other_day_with_it(tmp_path):
    days = days_back(6)
    rows = {"label": [1, 0], "prediction": [1, 1]}
    with make_subject(tmp_path, passport_of(task={"score": None}), None, {day: rows for day in days}) as subject:
        (tmp_path / f"batches/{days[2]}.parquet").write_bytes(b"PAR1 no")
        write_parquet({"label": [[1], [0]], "prediction": [{"a": 1}] * 2}, tmp_path / f"batches/{days[4]}.parquet")
        found = performance.by_day(subject, days)
    assert {m.status for m in found[days[2]]} == {"error"} and str(days[2]) in found[days[2]][0].reason
    assert [here[0].value for day, here in found.items() if day not in (days[2], days[4])] == [0.5] * 4
    assert {m.status for m in found[days[4]]} <= {"measured", "insufficient", "error"} and found[days[4]][0].value is None


def test_a_day_that_lacks_a_column_says_which(tmp_path):
    days = days_back(2)
    passport = passport_of(task={"score": None}, windows={"performance": 2})
    batches = {days[0]: {"label": [1, 0], "prediction": [1, 1]}, days[1]: {"label": [1], "other": [1]}}
    with make_subject(tmp_path, passport, None, batches) as subject:
        for m in (found(performance.measure(subject))["day_error_rate"], performance.by_day(subject, days)[DAY][0]):
            assert m.status == "error" and m.reason == f"The column 'prediction' is not in the data of {DAY}."
        assert found(performance.measure(subject))["loss"].stats["days"] == [[str(days[0]), [[0.0, 1], [1.0, 1]]]]


@pytest.mark.parametrize("rows", [
    {"label": [None], "prediction": [1]}, {"label": [1], "prediction": [None]}, {"label": ["x"], "prediction": ["y"]},
    {"label": [], "prediction": []}, {"label": [float("nan")], "prediction": [float("inf")]}, {"x": [1]},
    {"label": [1e308], "prediction": [-1e308]}, {"label": [[1]], "prediction": [[1]]},
])
@pytest.mark.parametrize("task", [{"score": None}, REGRESSION, MULTICLASS])
def test_days_of_nothing_end_as_measurements(tmp_path, rows, task):
    with make_subject(tmp_path, passport_of(task=task), None, {DAY: rows}) as subject:
        here = performance.by_day(subject, [DAY])[DAY]
        assert [m.metric for m in here][1:] == ["performance.label_coverage", "performance.loss"]
        assert here[0].value is None and here[0].reason
    with make_subject(tmp_path, passport_of()) as subject:
        assert performance.by_day(subject, []) == {}


def test_a_window_is_read_in_one_pass(tmp_path):
    """No day of the window is opened alone, however many there are."""
    days = days_back(12)
    rows = {"label": [1, 0], "prediction": [1, 1]}
    passport = passport_of(task={"score": None}, windows={"performance": 12})
    with make_subject(tmp_path, passport, None, {day: rows for day in days}) as subject:
        performance.measure(subject)
        views = {row["view_name"] for row in subject.rows("select view_name from duckdb_views() where not internal")}
        assert sum(name.startswith("days ") for name in views) == 1 and not any(name.startswith("day ") for name in views)
        one_day(subject, DAY)
        assert f"day {DAY}" in {row["view_name"] for row in subject.rows("select view_name from duckdb_views()")}
