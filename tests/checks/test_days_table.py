"""Many days as one table: its rows are those of each day alone, whatever the files and columns are called."""

from __future__ import annotations

from datetime import timedelta

import pytest

from checks.subject import DAY_COLUMN, days_table, one_day
from roadworthy.sql import quote
from tests.checks.test_subject import HOSTILE_PAIRS, LATE, NAMES
from tests.support import DAY, make_subject, passport_of, write_parquet

BEFORE = DAY - timedelta(days=1)


def counted(subject, table, column="x"):
    sql = f"select {quote(DAY_COLUMN)} as day, {quote(column)} as x from {table.name} order by all"
    return [(row["day"], row["x"]) for row in subject.rows(sql)]


def alone(subject, days, column="x"):
    """The same rows from one table a day."""
    tables = {day: one_day(subject, day) for day in days}
    rows = [
        (day, row["x"]) for day, table in tables.items() if table
        for row in subject.rows(f"select {quote(column)} as x from {table.name}")
    ]
    return sorted(rows, key=lambda row: (row[0], row[1] is None, row[1] or 0))


def test_rows_say_their_day_and_a_missing_day_is_named(tmp_path):
    days = [DAY - timedelta(days=k) for k in range(4)]
    batches = {day: {"x": [k, k + 10]} for k, day in enumerate(days) if k != 2}
    with make_subject(tmp_path, passport_of(), None, batches) as subject:
        table = days_table(subject, days)
        assert counted(subject, table) == alone(subject, days) and table.rows == 6
        assert table.missing_days == (days[2],) and table.days == (days[3], days[1], days[0])
        assert table.columns == {"x": "BIGINT", DAY_COLUMN: "DATE"}
        nothing = days_table(subject, [DAY + timedelta(days=9)])
        assert not nothing and not nothing.broken and "There is no batch" in nothing.problem


def test_two_tables_of_days_stand_beside_each_other_and_days_need_not_follow(tmp_path):
    days = [DAY - timedelta(days=k) for k in range(5)]
    with make_subject(tmp_path, passport_of(), None, {day: {"x": [k]} for k, day in enumerate(days)}) as subject:
        first, second = days_table(subject, [days[0], days[4], days[0]]), days_table(subject, days[1:3])
        assert counted(subject, first) == [(days[4], 4), (days[0], 0)]
        assert counted(subject, second) == [(days[2], 2), (days[1], 1)]
        assert first.digest != second.digest and len(first.digest) == 64


def test_the_digest_is_that_of_the_files_and_changes_with_them(tmp_path):
    with make_subject(tmp_path, passport_of(), None, {DAY: {"x": [1]}}) as subject:
        first = days_table(subject, [DAY]).digest
        assert first == one_day(subject, DAY).digest
        write_parquet({"x": [2]}, tmp_path / f"batches/{DAY}.parquet")
        assert days_table(subject, [DAY]).digest != first


def test_a_column_that_a_day_lacks_is_null_there(tmp_path):
    with make_subject(tmp_path, passport_of(), None, {BEFORE: {"y": [7]}, DAY: {"x": [1], "y": [8]}}) as subject:
        table = days_table(subject, [BEFORE, DAY])
        assert counted(subject, table) == [(BEFORE, None), (DAY, 1)]
        assert counted(subject, table, "y") == [(BEFORE, 7), (DAY, 8)]


@pytest.mark.parametrize("name", NAMES)
def test_files_and_columns_of_any_name_are_read_and_only_they(tmp_path, name):
    passport = passport_of(batches={"path": f"{name}/{{date}}{name}.parquet"})
    for other in ("a", "axb", "a*b", "\\"):
        if other != name:
            write_parquet({name: [666]}, tmp_path / name / f"{DAY}{other}.parquet")
    with make_subject(tmp_path, passport, None, {BEFORE: {name: [1]}, DAY: {name: [2]}}) as subject:
        table = days_table(subject, [BEFORE, DAY])
        assert table.problem == ""
        assert counted(subject, table, name) == [(BEFORE, 1), (DAY, 2)]


OWN = ["day", "file", "roadworthy file", "ROADWORTHY FILE", "filename", "file_index", "b", "d", "place"]


@pytest.mark.parametrize("name", OWN)
def test_columns_named_like_those_that_tell_the_day_are_read_as_they_are(tmp_path, name):
    with make_subject(tmp_path, passport_of(), None, {BEFORE: {name: [1]}, DAY: {name: [2]}}) as subject:
        table = days_table(subject, [BEFORE, DAY])
        assert counted(subject, table, name) == [(BEFORE, 1), (DAY, 2)]
        assert list(table.columns) == [name, DAY_COLUMN]


def test_a_column_named_like_the_day_itself_gives_way(tmp_path):
    rows = {"Roadworthy Day": ["no day"], "x": [3]}
    with make_subject(tmp_path, passport_of(), None, {DAY: rows}) as subject:
        table = days_table(subject, [DAY])
        assert counted(subject, table) == [(DAY, 3)] and list(table.columns) == ["x", DAY_COLUMN]


def test_several_files_a_day_and_a_file_of_two_days(tmp_path):
    passport = passport_of(batches={"path": "batches/*{date}*.parquet"})
    write_parquet({"x": [1]}, tmp_path / f"batches/a {BEFORE}.parquet")
    write_parquet({"x": [2]}, tmp_path / f"batches/b {BEFORE}.parquet")
    write_parquet({"x": [3]}, tmp_path / f"batches/c {BEFORE} {DAY}.parquet")
    with make_subject(tmp_path, passport) as subject:
        found = counted(subject, days_table(subject, [BEFORE, DAY]))
        assert found == alone(subject, [BEFORE, DAY]) == [(BEFORE, 1), (BEFORE, 2), (BEFORE, 3), (DAY, 3)]


def test_a_file_that_is_no_parquet_is_broken_and_named(tmp_path):
    with make_subject(tmp_path, passport_of(), None, {BEFORE: {"x": [1]}}) as subject:
        (tmp_path / f"batches/{DAY}.parquet").write_bytes(b"PAR1 no")
        table = days_table(subject, [BEFORE, DAY])
        assert table.broken and f"'batches/{DAY}.parquet' cannot be read" in table.problem


# Labels that come later.

def test_late_labels_find_the_rows_of_their_own_day(tmp_path):
    for day, name, ids, labels in ((BEFORE, "1", [1, 2], [0, 1]), (BEFORE, "2", [2], [0]), (DAY, "1", [1], [1])):
        write_parquet({"id": ids, "label": labels}, tmp_path / f"labels/{day}-{name}.parquet")
    with make_subject(tmp_path, passport_of(batches=LATE), None, {BEFORE: {"id": [1, 2]}, DAY: {"id": [1, 2]}}) as subject:
        table = days_table(subject, [BEFORE, DAY])
        assert table.rows == 4
        assert counted(subject, table, "label") == [(BEFORE, 0), (BEFORE, 0), (DAY, 1), (DAY, None)]
        assert counted(subject, table, "label") == alone(subject, [BEFORE, DAY], "label")


@pytest.mark.parametrize("labels", ["labels/all.parquet", "labels/*{date}*.parquet"])
def test_label_files_that_days_share_count_for_each_of_them_once(tmp_path, labels):
    passport = passport_of(batches={**LATE, "labels": labels})
    write_parquet({"id": [1, 2], "label": [0, 1]}, tmp_path / "labels/all.parquet")
    write_parquet({"id": [1, 2], "label": [0, 1]}, tmp_path / f"labels/{BEFORE} {DAY}.parquet")
    write_parquet({"id": [2], "label": [0]}, tmp_path / f"labels/later {DAY}.parquet")
    with make_subject(tmp_path, passport, None, {BEFORE: {"id": [1, 2]}, DAY: {"id": [2]}}) as subject:
        table = days_table(subject, [BEFORE, DAY])
        second = 1 if "all" in labels else 0
        expected = [(BEFORE, 0), (BEFORE, 1), (DAY, second)]
        assert counted(subject, table, "label") == alone(subject, [BEFORE, DAY], "label") == expected


def test_labels_that_have_not_come_for_a_day_or_for_any(tmp_path):
    with make_subject(tmp_path, passport_of(batches=LATE), None, {BEFORE: {"id": [1]}, DAY: {"id": [1]}}) as subject:
        assert days_table(subject, [BEFORE, DAY]).has("id", DAY_COLUMN) and not days_table(subject, [DAY]).has("label")
        write_parquet({"id": [1], "label": [1]}, tmp_path / f"labels/{DAY}-1.parquet")
        assert counted(subject, days_table(subject, [BEFORE, DAY]), "label") == [(BEFORE, None), (DAY, 1)]


@pytest.mark.parametrize(("key", "label"), HOSTILE_PAIRS)
def test_late_labels_of_any_name_in_files_of_any_name(tmp_path, key, label):
    passport = passport_of(task={"label": label}, batches={**LATE, "labels": "l [[]1]/{date}-*[[]x].parquet", "key": key})
    for day, n, value in ((BEFORE, 1, 0), (DAY, 1, 0), (DAY, 2, 1)):
        write_parquet({key: [1], label: [value]}, tmp_path / "l [1]" / f"{day}-{n}[x].parquet")
    with make_subject(tmp_path, passport, None, {BEFORE: {key: [1]}, DAY: {key: [1]}}) as subject:
        assert counted(subject, days_table(subject, [BEFORE, DAY]), label) == [(BEFORE, 0), (DAY, 1)]
