"""Subjects: labels that come later, and one day alone."""

from __future__ import annotations

from datetime import timedelta

import pytest

from checks.subject import one_day
from tests.support import DAY, make_subject, passport_of, write_parquet

LATE = {"path": "batches/{date}.parquet", "labels": "labels/{date}-*.parquet", "key": "id"}


@pytest.mark.parametrize("column", [{}, {"label": [None, 0, 0]}, {"LABEL": [None, 0, 0]}])
def test_late_labels_join_a_batch_with_or_without_a_label_column(tmp_path, column):
    passport, rows = passport_of(batches=LATE), {"id": [1, 2, 3], "prediction": [1, 0, 1], **column}
    write_parquet({"id": [1, 2], "label": [0, 1]}, tmp_path / f"labels/{DAY}-1.parquet")
    write_parquet({"id": [2], "label": [0]}, tmp_path / f"labels/{DAY}-2.parquet")
    with make_subject(tmp_path, passport, rows, {DAY: rows}) as subject:
        assert not subject.labelled.problem
        found = subject.rows("select id, label from labelled order by id")
    assert [row["label"] for row in found] == [0, 0, None]


def test_late_labels_are_part_of_what_was_read(tmp_path):
    passport, rows = passport_of(batches=LATE), {"id": [1, 2], "prediction": [1, 0]}
    with make_subject(tmp_path, passport, rows, {DAY: rows}) as subject:
        before = subject.labelled
    write_parquet({"id": [1, 2], "label": [0, 1]}, tmp_path / f"labels/{DAY}-1.parquet")
    with make_subject(tmp_path, passport) as subject:
        after = subject.labelled
    assert not before.has("label") and after.has("label")
    assert before.digest != after.digest


def test_one_day_of_a_window_can_be_looked_at_alone(tmp_path):
    days = {DAY - timedelta(days=k): {"id": list(range(k + 1))} for k in range(3)}
    with make_subject(tmp_path, passport_of(windows={"performance": 3}), {"id": [1]}, days) as subject:
        assert subject.labelled.rows == 6
        assert one_day(subject, DAY - timedelta(days=1)).rows == 2
        assert one_day(subject, DAY - timedelta(days=9)).problem
