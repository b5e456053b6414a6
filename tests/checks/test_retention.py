"""Rows kept too long: counted as of the judged day, wherever they lie, and never taken for none where nothing is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from checks.privacy.retention import measure, rests_on
from checks.restricted import folder_of, write
from tests.support import DAY, make_subject, passport_of

KEEP = {"days": 10, "because": "A test."}
LATE = {"path": "batches/{date}.parquet", "labels": "labels/{date}.parquet", "key": "id"}


def back(days: int) -> date:
    return DAY - timedelta(days=days)


def test_days_are_counted_up_to_the_judged_day_and_a_later_one_is_never_too_old(tmp_path: Path) -> None:
    days = {back(k): {"x": [1]} for k in (400, 11, 10, 0, -500)}
    with make_subject(tmp_path, passport_of(retention=KEEP), None, days) as subject:
        [m] = measure(subject)
        assert rests_on(subject) == {"batches": [back(400).isoformat(), back(11).isoformat()]}
    assert (m.value, m.stats["oldest"], m.details["as_of"]) == (2, 400, DAY.isoformat())


def test_labels_raw_files_the_restricted_store_and_the_reference_are_looked_at(tmp_path: Path) -> None:
    passport = passport_of(
        retention=KEEP, batches=LATE, intake={"path": "raw/{date}.csv", "format": "csv"}, reference={"last": back(30)},
    )
    for name in ("labels", "raw"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{back(20)}.{'csv' if name == 'raw' else 'parquet'}").write_bytes(b"x")
    with make_subject(tmp_path, passport, None, {}) as opened:
        subject = replace(opened, restricted=tmp_path / "restricted")
        write(folder_of(replace(subject, day=back(15)), tmp_path / "restricted", "drill-down"), b"rows", "html")
        folder_of(replace(subject, day=back(16)), tmp_path / "restricted", "drill-down")  # empty, so nothing is kept in it
        [m], [unseen] = measure(subject), measure(opened)
    found = {place: told["age"] for place, told in m.details["places"].items()}
    assert found == {"labels": 20, "raw": 20, "restricted": 15, "reference": 30} and m.value == 4
    assert unseen.value == 3 and unseen.details["not_looked_at"] == ["restricted"]


def test_what_is_exempt_is_not_counted_and_is_named(tmp_path: Path) -> None:
    passport = passport_of(retention={**KEEP, "exempt": ["batches", "reference", "restricted"]})
    with make_subject(tmp_path, passport, None, {back(11): {"x": [1]}}) as subject:
        [m] = measure(subject)
    assert m.value == 0 and m.details["exempt"] == ["batches", "reference", "restricted"]


def test_a_place_that_was_not_looked_at_does_not_pass_and_hides_nothing_that_was_found(tmp_path: Path) -> None:
    for age, said in ((9, "insufficient"), (11, "measured")):
        with make_subject(tmp_path / str(age), passport_of(retention=KEEP), None, {back(age): {"x": [1]}}) as subject:
            [m] = measure(subject)
        assert m.status == said
        assert "reference" in (m.reason if age == 9 else m.details["not_looked_at"])


@pytest.mark.parametrize(("changed", "status"), [({}, "insufficient"), ({"protected": []}, "not_applicable")])
def test_without_a_declared_time_nothing_is_in_order_unless_no_data_of_people_are_declared(
    tmp_path: Path, changed: dict[str, list[str]], status: str
) -> None:
    with make_subject(tmp_path, passport_of(**changed), None, {back(4000): {"x": [1]}}) as subject:
        [m] = measure(subject)
    assert m.status == status
