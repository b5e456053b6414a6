"""Subjects: whatever lies on the disk ends as a table, or as a table that says why it is none."""

from __future__ import annotations

import os
import tempfile
from datetime import timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from checks.subject import DAY_COLUMN, on_reference, one_day
from roadworthy.canonical import digest_file
from roadworthy.sql import quote
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


def test_a_key_that_stands_on_two_days_means_two_cases(tmp_path):
    before = DAY - timedelta(days=1)
    passport = passport_of(batches=LATE, windows={"drift": 2, "performance": 2, "fairness": 2})
    for day, labels in ((before, [0, 1]), (DAY, [1, None])):
        write_parquet({"id": pa.array([7, 8]), "label": pa.array(labels, pa.int64())}, tmp_path / f"labels/{day}-1.parquet")
    batches = {before: {"id": [7, 8], "score": [0.1, 0.2]}, DAY: {"id": [7, 8], "score": [0.3, 0.4]}}
    with make_subject(tmp_path, passport, None, batches) as subject:
        for table in (subject.batch, subject.labelled, subject.decided):
            assert [*table.columns] == ["id", "score", "label"], "the day of a row is nobody's column"
            found = subject.rows(f"select score, label from {table.name} order by score")
            assert [row["label"] for row in found] == [0, 1, 1, None]


def test_a_column_of_the_data_that_is_called_as_ours_stays_in_a_day_of_its_own(tmp_path):
    write_parquet({"id": [7], "label": [1]}, tmp_path / f"labels/{DAY}-1.parquet")
    with make_subject(tmp_path, passport_of(batches=LATE), None, {DAY: {"id": [7], DAY_COLUMN: ["mine"]}}) as subject:
        assert subject.rows("select * from labelled") == [{"id": 7, DAY_COLUMN: "mine", "label": 1}]


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


# ------------------------------------------------------------------------------------------------ days and files


def days_of(first, count, rows=None):
    return {first + timedelta(days=k): rows or {"x": [k]} for k in range(count)}


def test_windows_end_with_the_day_judged_and_labels_with_the_last_mature_day(tmp_path):
    passport = passport_of(task={"maturity_days": 3}, windows={"drift": 2, "performance": 4, "fairness": 5})
    with make_subject(tmp_path, passport, {"x": [0]}, days_of(DAY - timedelta(days=9), 10)) as subject:
        spans = {t.role: (t.window.first, t.window.last, t.rows) for t in (subject.batch, subject.labelled, subject.decided)}
    assert spans == {
        "batch": (DAY - timedelta(days=1), DAY, 2), "labelled": (DAY - timedelta(days=6), DAY - timedelta(days=3), 4),
        "decided": (DAY - timedelta(days=4), DAY, 5),
    }


def test_a_month_of_days_is_one_table_and_names_the_missing_ones(tmp_path):
    batches = days_of(DAY - timedelta(days=27), 28)
    gone = [DAY - timedelta(days=k) for k in (5, 9)]
    for day in gone:
        del batches[day]
    with make_subject(tmp_path, passport_of(windows={"fairness": 28}), {"x": [0]}, batches) as subject:
        table = subject.decided
        assert (table.rows, len(table.days), table.missing_days) == (26, 26, tuple(sorted(gone)))
        assert subject.rows("select sum(x) as s from decided") == [{"s": sum(range(28)) - 22 - 18}]


@pytest.mark.parametrize("window", [1, 7])
@pytest.mark.parametrize("due", [True, False])
def test_a_missing_day_is_no_data_and_older_days_do_not_stand_in_for_one_that_is_due(tmp_path, window, due):
    passport = passport_of(windows={"drift": window}, batches={"due": due})
    with make_subject(tmp_path, passport, {"x": [0]}, days_of(DAY - timedelta(days=9), 9)) as subject:
        table = subject.batch
        if window == 7 and not due:
            assert table and table.rows == 6 and table.missing_days == (DAY,)
            return
        assert not table and not table.broken and not table.files and DAY in table.missing_days
        assert table.problem == "There is no batch for 2026-04-09."


def test_a_window_without_any_day_says_so(tmp_path):
    with make_subject(tmp_path, passport_of(windows={"fairness": 3}), {"x": [0]}, {}) as subject:
        assert subject.decided.problem == "There is no batch for 2026-04-07 to 2026-04-09." and not subject.decided.broken
        assert subject.batch.problem == "There is no batch for 2026-04-09."
        assert subject.inputs == {"reference": subject.reference.digest}


def test_zero_rows_are_no_rows_but_their_columns_are_known(tmp_path):
    with make_subject(tmp_path, passport_of(), {"x": [0]}, {DAY: pa.table({"x": pa.array([], pa.int64())})}) as subject:
        table = subject.batch
        assert (bool(table), table.rows, table.broken, table.problem) == (False, 0, False, "The batch has no rows.")
        assert table.columns == {"x": "BIGINT"} and table.digest and not table.has("x")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"x" * 4000, b"PAR1" + b"\x00" * 100 + b"PAR1", "cut", "csv"])
@pytest.mark.parametrize("among", [0, 3])
def test_a_file_that_is_no_whole_parquet_is_broken_and_named(tmp_path, content, among):
    passport = passport_of(windows={"drift": 1 + among}, batches={"path": "b/day={date}/it's <b>.parquet"})
    good = days_of(DAY - timedelta(days=among), 1 + among, {"x": list(range(1000))})
    with make_subject(tmp_path, passport, {"x": [0]}, good):
        pass
    bad = tmp_path / f"b/day={DAY}/it's <b>.parquet"
    whole = bad.read_bytes()
    bad.write_bytes(whole[: len(whole) // 2] if content == "cut" else b"x\n1\n2\n" if content == "csv" else content)
    with make_subject(tmp_path, passport) as subject:
        table = subject.batch
        assert table.broken and not table and table.files
        assert table.problem.startswith(f"The batch file 'b/day={DAY}/it's <b>.parquet' cannot be read as Parquet (")
        assert "\n" not in table.problem and len(table.problem) < 300
        assert subject.reference and not subject.reference.problem, "one broken table hides no other"


def test_a_folder_and_a_pipe_are_no_files(tmp_path):
    (tmp_path / f"batches/{DAY}.parquet").mkdir(parents=True)
    os.mkfifo(tmp_path / f"batches/{DAY - timedelta(days=1)}.parquet")
    with make_subject(tmp_path, passport_of(windows={"fairness": 2}), {"x": [0]}) as subject:
        assert subject.decided.problem == "There is no batch for 2026-04-08 to 2026-04-09."


def test_a_path_the_disk_refuses_is_broken_and_not_raised(tmp_path):
    passport = passport_of(batches={"path": "x" * 300 + "/{date}"}, reference={"path": "y" * 300})
    with make_subject(tmp_path, passport) as subject:
        for table in (subject.reference, subject.batch, subject.labelled):
            assert table.broken and "File name too long" in table.problem


def test_a_name_that_is_not_utf8_is_broken_and_can_be_told(tmp_path):
    write_parquet({"x": [0]}, tmp_path / "good.parquet")
    name = os.fsencode(tmp_path / "batches") + b"/2026-04-09-\xff.parquet"
    (tmp_path / "batches").mkdir()
    Path(os.fsdecode(name)).write_bytes((tmp_path / "good.parquet").read_bytes())
    with make_subject(tmp_path, passport_of(batches={"path": "batches/{date}-*.parquet"}), {"x": [0]}) as subject:
        assert subject.batch.broken
        subject.batch.problem.encode()


# ------------------------------------------------------------------------------------------------ hostile names

NAMES = [
    "a b", "a*b", "a?b", "[a]", "[", "]", "*", "**", "[!a]", "it's", 'a"b', "日本", "a;drop table x;--", "a\\b", "\\", "$HOME",
    "~", "{a,b}",
    "{{ x }}", "<b>", "a=b", "%41", "#", "a\nb", "é", "a,b", "'", "''", "--", "http:", "s3:",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_or_folder_of_any_name_is_read_and_only_it(tmp_path, name):
    """Beside it lie files that its name, taken for a pattern, would match, and one that trips DuckDB's own listing."""
    passport = passport_of(batches={"path": f"{name}/{{date}}{name}.parquet"}, reference={"path": f"{name}.parquet"})
    for other in ("a", "axb", "ab", "x", "b", "a*b", "\\"):
        if other != name:
            write_parquet({"x": [666]}, tmp_path / f"{other}.parquet")
            write_parquet({"x": [666]}, tmp_path / name / f"{DAY}{other}.parquet")
    with make_subject(tmp_path, passport, {"x": [1]}, {DAY: {"x": [2]}}) as subject:
        assert (subject.reference.problem, subject.batch.problem) == ("", "")
        assert subject.rows("select (select sum(x) from reference) as r, (select sum(x) from batch) as b") == [{"r": 1, "b": 2}]


@pytest.mark.parametrize("name", ["w [1]", "w*", "w?x", "w\\x", "w's", "日本 w"])
def test_a_workspace_of_any_name_is_read(tmp_path, name):
    passport = passport_of(windows={"fairness": 3})
    for other in ("w 1", "wax", "wxx"):
        write_parquet({"x": [666]}, tmp_path / other / f"batches/{DAY}.parquet")
    with make_subject(tmp_path / name, passport, {"x": [1]}, days_of(DAY - timedelta(days=2), 3)) as subject:
        assert subject.rows("select list(x order by x) as x from decided") == [{"x": [0, 1, 2]}]


@pytest.mark.parametrize("name", [*NAMES, "select", "x", "X Y", "filename", "file_row_number", "rowid", "a.b", "count(*)", "b"])
def test_a_column_of_any_name_is_read_as_it_is(tmp_path, name):
    rows = {name: ["v'1"], "other": [2]}
    with make_subject(tmp_path, passport_of(), rows, {DAY: rows}) as subject:
        assert subject.batch.columns == {name: "VARCHAR", "other": "BIGINT"} and subject.batch.has(name, "other")
        assert subject.rows(f"select {quote(name)} as found from batch") == [{"found": "v'1"}]
        assert subject.rows(f"select count(*) as n from batch where {quote(name)} = ?", ["v'1"]) == [{"n": 1}]


def test_a_folder_named_like_a_column_adds_no_column_and_changes_none(tmp_path):
    passport = passport_of(batches={"path": "x=7/day={date}/part=0.parquet"}, windows={"fairness": 2})
    with make_subject(tmp_path, passport, {"x": [0]}, days_of(DAY - timedelta(days=1), 2)) as subject:
        assert subject.decided.columns == {"x": "BIGINT"}
        assert subject.rows("select x from decided order by x") == [{"x": 0}, {"x": 1}]


# ------------------------------------------------------------------------------------------------ days that differ


def test_a_column_missing_from_some_days_is_null_there(tmp_path):
    batches = {DAY - timedelta(days=1): {"a": [1], "b": ["x"]}, DAY: {"a": [2]}}
    with make_subject(tmp_path, passport_of(windows={"fairness": 2}), {"a": [0]}, batches) as subject:
        assert subject.rows("select a, b from decided order by a") == [{"a": 1, "b": "x"}, {"a": 2, "b": None}]
        assert subject.batch.columns == {"a": "BIGINT"}, "of the day alone the column is missing"


@pytest.mark.parametrize(("first", "second", "type_"), [
    ([1], [2.5], "DOUBLE"), ([1], ["two"], "VARCHAR"), ([True], [2], "BIGINT"), ([1], [None], "BIGINT"),
    (["a"], [None], "VARCHAR"),
])
def test_a_type_that_differs_between_days_becomes_one_that_holds_both(tmp_path, first, second, type_):
    batches = {DAY - timedelta(days=1): {"a": first}, DAY: {"a": second}}
    with make_subject(tmp_path, passport_of(windows={"fairness": 2}), {"a": [0]}, batches) as subject:
        assert (subject.decided.problem, subject.decided.columns["a"]) == ("", type_)
        assert subject.rows("select count(*) as n from decided") == [{"n": 2}]


def test_types_that_nothing_holds_fail_where_they_are_read_and_nowhere_else(tmp_path):
    batches = {DAY - timedelta(days=1): {"a": [{"x": 1}], "b": [1]}, DAY: {"a": [1], "b": [2]}}
    with make_subject(tmp_path, passport_of(windows={"fairness": 2}), {"a": [0]}, batches) as subject:
        assert subject.rows("select sum(b) as s from decided") == [{"s": 3}]
        assert subject.batch.rows == 1
        with pytest.raises(duckdb.Error):
            subject.rows("select a from decided")


def test_columns_in_another_order_are_joined_by_name(tmp_path):
    batches = {DAY - timedelta(days=1): {"a": [1], "b": [10]}, DAY: {"b": [20], "a": [2]}}
    with make_subject(tmp_path, passport_of(windows={"fairness": 2}), {"a": [0]}, batches) as subject:
        assert subject.rows("select a, b from decided order by a") == [{"a": 1, "b": 10}, {"a": 2, "b": 20}]


# ------------------------------------------------------------------------------------------------ the reference


def test_a_reference_that_is_not_the_accepted_one_is_broken(tmp_path):
    path = write_parquet({"x": [1]}, tmp_path / "reference/loan.parquet")
    for digest, fine in ((digest_file(path), True), ("0" * 64, False)):
        with make_subject(tmp_path, passport_of(reference={"sha256": digest})) as subject:
            assert bool(subject.reference) is fine and subject.reference.broken is not fine
    assert "it is not the accepted data" in subject.reference.problem and "000000000000..." in subject.reference.problem


def test_a_missing_reference_is_broken_and_one_of_several_files_is_whole(tmp_path):
    with make_subject(tmp_path, passport_of()) as subject:
        assert subject.reference.broken and subject.reference.problem == "The reference 'reference/loan.parquet' does not exist."
    for part in ("1", "2"):
        write_parquet({"x": [1]}, tmp_path / f"parts/{part}.parquet")
    passport = passport_of(reference={"path": "parts/*.parquet"})
    with make_subject(tmp_path, passport) as subject:
        assert subject.reference.rows == 2 and len(subject.reference.files) == 2
        digest = subject.reference.digest
    with make_subject(tmp_path, passport_of(reference={"path": "parts/*.parquet", "sha256": digest})) as subject:
        assert subject.reference.rows == 2


def test_the_digest_of_a_table_changes_with_bytes_and_names_and_with_nothing_else(tmp_path):
    def digest():
        with make_subject(tmp_path, passport_of(batches={"path": "b/{date}*.parquet"})) as subject:
            return subject.batch.digest

    path = write_parquet({"x": [1]}, tmp_path / f"b/{DAY}.parquet")
    first = digest()
    os.utime(path, (0, 0))
    assert digest() == first
    path = path.rename(path.with_name(f"{DAY}-b.parquet"))
    second = digest()
    write_parquet({"x": [2]}, path)
    assert len({first, second, digest()}) == 3


def test_the_reference_can_be_looked_at_as_the_batch(tmp_path):
    with make_subject(tmp_path, passport_of(), {"x": [1, 2]}, {DAY: {"x": [3]}}) as subject:
        there = on_reference(subject)
        assert (there.batch, there.labelled, there.decided) == (subject.reference,) * 3 and there.day == subject.day


# ------------------------------------------------------------------------------------------------ labels that come later


def late(tmp_path, labels, batch, **opening):
    """Return the labels of the mature day by id, from label files by name."""
    for name, rows in labels.items():
        write_parquet(rows, tmp_path / f"labels/{DAY}-{name}.parquet")
    with make_subject(tmp_path, passport_of(batches=LATE), {"id": [0]}, {DAY: batch}, **opening) as subject:
        assert subject.labelled.problem == ""
        assert subject.labelled.rows == len(batch["id"]), "joining multiplies no row and loses none"
        return {row["id"]: row["label"] for row in subject.rows("select id, label from labelled")}


def test_the_newest_known_label_wins_and_a_blank_erases_none(tmp_path):
    labels = {"1": {"id": [1, 2, 3], "label": [0, 0, 0]}, "2": {"id": [2, 3], "label": [1, None]}, "3": {"id": [9], "label": [1]}}
    assert late(tmp_path, labels, {"id": [1, 2, 3, 4]}) == {1: 0, 2: 1, 3: 0, 4: None}


def test_a_key_that_stands_twice_multiplies_no_row_and_its_last_line_wins_every_time(tmp_path):
    many = 50_000
    labels = {"1": {"id": [1] * many + [2], "label": [0] * (many - 1) + [1, 0]}}
    for threads in (1, 4, 4):
        assert late(tmp_path, labels, {"id": [1, 2]}, threads=threads) == {1: 1, 2: 0}


def test_a_batch_key_that_stands_twice_keeps_both_rows(tmp_path):
    write_parquet({"id": [1], "label": [1]}, tmp_path / f"labels/{DAY}-1.parquet")
    with make_subject(tmp_path, passport_of(batches=LATE), {"id": [0]}, {DAY: {"id": [1, 1, None]}}) as subject:
        assert sorted(str(row["label"]) for row in subject.rows("select label from labelled")) == ["1", "1", "None"]


@pytest.mark.parametrize(("mine", "theirs"), [
    ([1, 2], [1.0, 2.0]), ([1, 2], ["1", "2"]), (["1", "2"], [1, 2]), (["a", "2"], [7, 2]), ([1, 2], ["x", "2"]),
    (["a", "b"], ["a", "b"]),
])
def test_a_key_of_another_type_is_matched_where_it_means_the_same_and_never_raises(tmp_path, mine, theirs):
    got = late(tmp_path, {"1": {"id": theirs, "label": [0, 1]}}, {"id": mine})
    assert got[mine[1]] == 1
    assert got[mine[0]] == (0 if str(mine[0]) in (str(theirs[0]), str(theirs[0]).removesuffix(".0")) else None)


def test_a_guess_in_the_batch_is_no_label_where_labels_come_later(tmp_path):
    rows = {"id": [1, 2], "Label": [1, 1]}
    with make_subject(tmp_path, passport_of(batches=LATE), {"id": [0]}, {DAY: rows}) as subject:
        assert list(subject.labelled.columns) == ["id"]
    assert late(tmp_path, {"1": {"id": [2], "label": [0]}}, rows) == {1: None, 2: 0}


@pytest.mark.parametrize(("batch", "labels", "said"), [
    ({"x": [1]}, {"id": [1], "label": [1]}, "There is no column 'id' in the batch, so late labels cannot be joined."),
    ({"id": [1]}, {"x": [1], "label": [1]}, "There is no column 'id' in the label files, so late labels cannot be joined."),
    ({"id": [1]}, {"id": [1], "x": [1]}, "There is no column 'label' in the label files, so late labels cannot be joined."),
])
def test_labels_that_cannot_be_joined_are_broken_and_say_why(tmp_path, batch, labels, said):
    write_parquet(labels, tmp_path / f"labels/{DAY}-1.parquet")
    with make_subject(tmp_path, passport_of(batches=LATE), {"id": [0]}, {DAY: batch}) as subject:
        assert subject.labelled.broken and subject.labelled.problem == said


def test_a_broken_label_file_is_named(tmp_path):
    (tmp_path / "labels").mkdir()
    (tmp_path / f"labels/{DAY}-1.parquet").write_bytes(b"PAR1 no")
    with make_subject(tmp_path, passport_of(batches=LATE), {"id": [0]}, {DAY: {"id": [1]}}) as subject:
        assert subject.labelled.broken and f"'labels/{DAY}-1.parquet' cannot be read" in subject.labelled.problem


@pytest.mark.parametrize("extra", ["filename", "file_row_number", "file_index", "b", "l", "rowid"])
def test_columns_of_label_files_named_like_duckdbs_own_do_no_harm(tmp_path, extra):
    write_parquet({"id": [1, 1], "label": [0, 1], extra: [5, 4]}, tmp_path / f"labels/{DAY}-1.parquet")
    with make_subject(tmp_path, passport_of(batches=LATE), {"id": [0]}, {DAY: {"id": [1], extra: [3]}}) as subject:
        if subject.labelled.broken:
            assert extra == "file_row_number"
            return
        assert subject.rows("select label from labelled") == [{"label": 1}]


HOSTILE_PAIRS = [('k"e\'y', 'la"b\'el'), ("key; --", "select"), ("鍵", "結果"), ("a b", "a.b"), ("x" * 80, "y" * 80)]


@pytest.mark.parametrize(("key", "label"), HOSTILE_PAIRS)
def test_late_labels_of_any_name_in_files_of_any_name_are_joined(tmp_path, key, label):
    passport = passport_of(task={"label": label}, batches={**LATE, "labels": "l [[]1]/{date}-*[[]x].parquet", "key": key})
    for n, value in ((1, 0), (2, 1)):
        write_parquet({key: [1], label: [value]}, tmp_path / "l [1]" / f"{DAY}-{n}[x].parquet")
    with make_subject(tmp_path, passport, {key: [0]}, {DAY: {key: [1]}}) as subject:
        assert subject.rows(f"select {quote(label)} as found from labelled") == [{"found": 1}]


# ------------------------------------------------------------------------------------------------ the connection


def test_the_connection_is_closed_and_nothing_is_left_behind(tmp_path, monkeypatch):
    for name in ("tmp", "cwd"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.chdir(tmp_path / "cwd")
    with make_subject(tmp_path / "w*", passport_of(), {"x": [1]}, {DAY: {"x": [2]}}) as subject:
        assert subject.batch.rows == 1 and len(list((tmp_path / "tmp").iterdir())) == 1
    with pytest.raises(duckdb.Error, match="closed"):
        subject.rows("select 1 as x")
    assert list((tmp_path / "tmp").iterdir()) == [] and list((tmp_path / "cwd").iterdir()) == []
    with pytest.raises(KeyError), make_subject(tmp_path / "w*", passport_of()) as subject:
        raise KeyError
    with pytest.raises(duckdb.Error, match="closed"):
        subject.rows("select 1 as x")
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_subject_reaches_for_no_network_and_loads_no_extension(tmp_path):
    with make_subject(tmp_path, passport_of(), {"x": [1]}, {DAY: {"x": [2]}}) as subject:
        said = dict(subject.con.execute("select name, value from duckdb_settings() where name like 'auto%extensions'").fetchall())
        assert set(said.values()) == {"false"}
        with pytest.raises(duckdb.Error):
            subject.rows("select * from read_parquet('http://127.0.0.1:9/x.parquet')")


def test_two_days_alone_are_two_tables(tmp_path):
    with make_subject(tmp_path, passport_of(), {"x": [0]}, days_of(DAY - timedelta(days=1), 2)) as subject:
        first, second = one_day(subject, DAY - timedelta(days=1)), one_day(subject, DAY)
        assert [subject.rows(f"select x from {t.name}") for t in (first, second)] == [[{"x": 0}], [{"x": 1}]]
