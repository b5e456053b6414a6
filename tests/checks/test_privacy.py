"""Undeclared identifiers in a day's rows: measured for each column, never told."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from checks.intervals import wilson
from checks.privacy.undeclared import COLUMNS, UNDECLARED, measure
from roadworthy.catalogue import catalogue
from roadworthy.measurement import Measurement
from tests.support import DAY, make_subject, passport_of

MAILS = [f"person{i}@example.org" for i in range(40)]
DECLARED = [{"column": "mail", "purpose": "Answers.", "basis": "Consent."}]


def by_column(measured: list[Measurement]) -> dict[str, Measurement]:
    return {str(m.over.get("column", "")): m for m in measured if m.metric == UNDECLARED}


def test_a_share_of_rows_with_its_interval_and_no_value_in_the_evidence(tmp_path: Path) -> None:
    rows = {"note": [f"ask {m}" if i < 10 else "nothing" for i, m in enumerate(MAILS)], "age": list(range(40))}
    with make_subject(tmp_path, passport_of(), None, {DAY: rows}) as subject:
        measured = measure(subject)
    note = by_column(measured)["note"]
    low, high, *_ = wilson(10, 40)
    assert (note.value, note.n, note.low, note.high) == (0.25, 40, low, high)
    assert note.details["kinds"] == {"e-mail": 10} and by_column(measured)["age"].value == 0
    assert "@example.org" not in repr(measured)
    assert all(m.metric in catalogue() for m in measured)


def test_what_is_declared_is_counted_and_is_no_finding(tmp_path: Path) -> None:
    with make_subject(tmp_path, passport_of(identifiers=DECLARED), None, {DAY: {"mail": MAILS, "word": ["a"] * 40}}) as subject:
        measured = measure(subject)
    assert set(by_column(measured)) == {"word"}
    whole = next(m for m in measured if m.metric == COLUMNS)
    assert whole.value == 1 and whole.details["declared"] == ["mail"]


def test_only_the_day_is_read_where_the_window_is_longer(tmp_path: Path) -> None:
    batches = {DAY - timedelta(days=1): {"note": MAILS}, DAY: {"note": ["nothing"] * 40}}
    with make_subject(tmp_path, passport_of(windows={"drift": 2}), None, batches) as subject:
        assert by_column(measure(subject))["note"].value == 0


@pytest.mark.parametrize(("due", "status"), [(True, "error"), (False, "insufficient")])
def test_a_day_without_data_is_never_clean(tmp_path: Path, due: bool, status: str) -> None:
    with make_subject(tmp_path, passport_of(batches={"due": due}), None, {}) as subject:
        assert {m.status for m in measure(subject)} == {status}


def test_a_file_that_is_no_parquet_is_an_error(tmp_path: Path) -> None:
    passport = passport_of()
    path = tmp_path / passport.batches.path.replace("{date}", DAY.isoformat())
    path.parent.mkdir(parents=True)
    path.write_bytes(b"PAR1 nothing PAR1")
    with make_subject(tmp_path, passport) as subject:
        assert {m.status for m in measure(subject)} == {"error"}


def test_a_day_of_decimals_and_dates_has_nothing_that_could_be_one(tmp_path: Path) -> None:
    with make_subject(tmp_path, passport_of(), None, {DAY: {"yes": pa.array([True, False])}}) as subject:
        assert by_column(measure(subject))[""].status == "not_applicable"
