"""What a day is compared with, and days that are pooled: declared in the passport, found by the calendar."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import drift
from checks.subject import baseline_days, drift_window
from roadworthy.passport import Drift
from roadworthy.window import Window
from tests.support import DAY, make_subject, passport_of

KINDS = ["rolling", "same_weekday", "same_season"]


def rows(n: int, value: float = 0.0) -> dict[str, list[object]]:
    return {"age": [value + k % 50 for k in range(n)], "income": [float(k % 7) for k in range(n)], "sex": ["male"] * n}


def back(days: int) -> date:
    return DAY - timedelta(days=days)


@given(
    kind=st.sampled_from(KINDS), n=st.integers(1, 366), length=st.integers(1, 40),
    last=st.dates(date(1995, 1, 1), date(2100, 1, 1)),
)
def test_no_day_is_compared_with_itself_and_every_day_once(kind, n, length, last):
    window = Window.ending(last, length)
    found = baseline_days(Drift(against=kind, days=n), window)
    assert found == sorted(set(found)) and all(day < window.first for day in found)
    if kind == "rolling":
        assert len(found) == n and found[-1] == window.first - timedelta(days=1)
    if kind == "same_weekday":
        assert {day.weekday() for day in found} == {day.weekday() for day in window.days()}
    if kind == "same_season" and n + length < 300:
        assert len(found) == n and all(abs((last - day).days - 364) <= n // 2 + length for day in found)


def test_days_before_are_the_baseline_and_the_reference_stays_what_it_was(tmp_path: Path):
    days = {back(k): rows(10 + k) for k in range(5)}
    passport = passport_of(drift={"against": "rolling", "days": 3})
    with make_subject(tmp_path, passport, rows(200), days) as subject:
        assert subject.baseline.days == (back(3), back(2), back(1)) and subject.baseline.rows == 36
        assert subject.reference.rows == 200 and subject.batch.rows == 10
        assert subject.baseline.digest not in ("", subject.reference.digest, subject.batch.digest)


def test_a_fixed_baseline_is_the_reference_itself(tmp_path: Path):
    with make_subject(tmp_path, passport_of(), rows(200), {DAY: rows(10)}) as subject:
        assert subject.baseline is subject.reference


@pytest.mark.parametrize("kind", KINDS)
def test_without_any_earlier_day_drift_says_so_and_does_not_raise(tmp_path: Path, kind: str):
    with make_subject(tmp_path, passport_of(drift={"against": kind}), rows(200), {DAY: rows(50)}) as subject:
        assert not subject.baseline
        found = [m for m in drift.measure(subject) if m.metric in ("drift.psi", "drift.jensen_shannon", "drift.missing_change")]
    assert found and all(m.status == "insufficient" and m.reason for m in found)


def test_the_same_weekday_is_compared_where_weekdays_differ(tmp_path: Path):
    days = {back(k): rows(300, 0.0 if back(k).weekday() == DAY.weekday() else 500.0) for k in range(29)}
    same = passport_of(drift={"against": "same_weekday", "days": 4})
    with make_subject(tmp_path, same, rows(300, 500.0), days) as subject:
        assert {day.weekday() for day in subject.baseline.days} == {DAY.weekday()}
        quiet = {m.over["column"]: m.value for m in drift.measure(subject) if m.metric == "drift.psi" and m.value is not None}
    with make_subject(tmp_path, passport_of()) as subject:
        loud = {m.over["column"]: m.value for m in drift.measure(subject) if m.metric == "drift.psi" and m.value is not None}
    assert quiet["age"] == 0 and loud["age"] > 1


# ------------------------------------------------------------------------------------------------ blocks


def test_a_block_grows_until_it_holds_enough_rows_and_decides_nothing_before(tmp_path: Path):
    passport = passport_of(windows={"drift": {"rows": 100, "days": 10}})
    days = {back(k): rows(40, 500.0) for k in range(3)}
    with make_subject(tmp_path, passport, rows(500), days, since=back(1)) as subject:
        assert subject.pool == {
            "since": str(back(1)), "through": str(DAY), "rows": 80, "needed": 100, "closed": False, "longest": 10,
        }
        found = [m for m in drift.measure(subject) if m.metric == "drift.psi" and m.over["column"] in subject.batch.columns]
        assert len(found) == 3 and all(m.status == "insufficient" and m.details["pool"] == subject.pool for m in found)
        assert all(m.value is None and m.details["estimate"] > 0 for m in found if m.over["column"] == "age")
        assert "80 rows; 100 decide" in found[0].reason
    with make_subject(tmp_path, passport, since=back(2)) as subject:
        assert subject.pool is not None and subject.pool["closed"] is True
        found = [m for m in drift.measure(subject) if m.metric == "drift.psi" and m.over["column"] == "age"]
        assert [m.status for m in found] == ["measured"] and found[0].details["pool"]["rows"] == 120


def test_a_block_is_never_longer_than_declared_and_begins_whole_where_nothing_is_known():
    passport = passport_of(windows={"drift": {"rows": 100, "days": 10}})
    assert drift_window(passport, DAY) == Window.ending(DAY, 10)
    assert drift_window(passport, DAY, back(30)) == Window.ending(DAY, 10)
    assert drift_window(passport, DAY, back(2)) == Window(back(2), DAY)
    assert drift_window(passport, DAY, DAY + timedelta(days=3)) == Window.ending(DAY, 10), "a night of the past"
    assert drift_window(passport_of(windows={"drift": 7}), DAY, back(2)) == Window.ending(DAY, 7)


def test_what_is_no_distribution_does_not_wait_for_the_block(tmp_path: Path):
    passport = passport_of(windows={"drift": {"rows": 1000, "days": 10}}, features=["age", "income", "gone"])
    with make_subject(tmp_path, passport, rows(500), {DAY: rows(40)}) as subject:
        found = {m.metric: m for m in drift.measure(subject) if not m.over}
    assert found["drift.missing_columns"].value and found["drift.missing_columns"].status == "measured"
