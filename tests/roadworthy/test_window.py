"""Days of a window, and the files that hold them, whatever their names."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.errors import DataError, DocumentError
from roadworthy.window import Window, files_of, newest_day

DAY = date(2026, 4, 9)


def put(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


@given(st.dates(date(1900, 1, 1)), st.integers(1, 366))
def test_a_window_has_its_days_in_order_and_ends_with_the_last(last, days):
    got = Window.ending(last, days).days()
    assert len(got) == days and got[-1] == last
    assert all(b - a == timedelta(days=1) for a, b in pairwise(got))


@pytest.mark.parametrize("name", [
    "plain", "a b", "a*b", "a?b", "[a]", "a[b", "a]b", "[!a]", "**", "it's", 'a"b', "日本", "a;b", "--", "a\\b", "$HOME", "~",
    "{a,b}",
    "{{ x }}", "<b>", "a=b", "%41", "#", "a\nb", "é", "\u202etxt", "x" * 200,
])
def test_a_path_that_names_a_file_is_that_file_whatever_its_name(tmp_path, name):
    put(tmp_path, f"{name}/{DAY}.parquet", f"{name}.parquet", "other/2026-04-09.parquet", "b.parquet")
    assert files_of(tmp_path, f"{name}.parquet") == [tmp_path / f"{name}.parquet"]
    assert files_of(tmp_path, f"{name}/{{date}}.parquet", DAY) == [tmp_path / name / "2026-04-09.parquet"]
    assert newest_day(tmp_path, f"{name}/{{date}}.parquet", DAY) == DAY


@pytest.mark.parametrize("root", ["w [1]", "w*", "w?x", "w s"])
def test_the_name_of_the_workspace_is_never_a_pattern(tmp_path, root):
    put(tmp_path / root, "b/2026-04-09-1.parquet", "b/2026-04-09-2.parquet")
    put(tmp_path / "w 1", "b/2026-04-09-3.parquet")
    put(tmp_path / "wax", "b/2026-04-09-3.parquet")
    got = [p.name for p in files_of(tmp_path / root, "b/{date}-*.parquet", DAY)]
    assert got == ["2026-04-09-1.parquet", "2026-04-09-2.parquet"]
    assert newest_day(tmp_path / root, "b/{date}-*.parquet", DAY) == DAY


def test_a_pattern_finds_files_sorted_and_no_folders(tmp_path):
    put(tmp_path, "b/2026-04-09-b.parquet", "b/2026-04-09-a.parquet", "b/2026-04-08-a.parquet", "b/2026-04-09-dir.parquet/x")
    assert [p.name for p in files_of(tmp_path, "b/{date}-*.parquet", DAY)] == ["2026-04-09-a.parquet", "2026-04-09-b.parquet"]
    put(tmp_path, "deep/1/2/2026-04-09.parquet", "deep/2026-04-09.parquet")
    assert len(files_of(tmp_path, "deep/**/{date}.parquet", DAY)) == 2


def test_every_date_in_a_path_is_the_day(tmp_path):
    put(tmp_path, "2026-04-09/x=2026-04-09.parquet", "2026-04-08/x=2026-04-09.parquet")
    assert files_of(tmp_path, "{date}/x={date}.parquet", DAY) == [tmp_path / "2026-04-09/x=2026-04-09.parquet"]
    assert newest_day(tmp_path, "{date}/x={date}.parquet", DAY) == DAY


@pytest.mark.parametrize("pattern", ["nothing/{date}.parquet", "b/{date}", "b", "", ".", "b/{date}.parquet/x", "b\x00c"])
def test_no_file_is_an_empty_list_and_no_error(tmp_path, pattern):
    put(tmp_path, "b/2026-04-09.parquet")
    assert files_of(tmp_path, pattern, DAY) == []


@pytest.mark.parametrize("pattern", ["/etc/{date}", "../{date}", "a/../../{date}", "a/..", "//x", "..", "b/../b/{date}.parquet"])
def test_a_path_that_leaves_the_workspace_is_refused(tmp_path, pattern):
    put(tmp_path, "b/2026-04-09.parquet")
    with pytest.raises(DocumentError, match="leaves the workspace; paths are relative to it"):
        files_of(tmp_path, pattern, DAY)


def test_a_link_is_what_it_links_to_and_a_loop_is_nothing(tmp_path):
    """Data lakes are mounted and linked in; what may be linked is decided by who may write the workspace."""
    put(tmp_path, "elsewhere/x.parquet")
    root = tmp_path / "w"
    (root / "b").mkdir(parents=True)
    (root / "b" / "2026-04-09.parquet").symlink_to(tmp_path / "elsewhere" / "x.parquet")
    (root / "b" / "loop.parquet").symlink_to("loop.parquet")
    (root / "b" / "gone.parquet").symlink_to("gone-too.parquet")
    assert files_of(root, "b/{date}.parquet", DAY) == [root / "b" / "2026-04-09.parquet"]
    assert files_of(root, "b/loop.parquet") == [] and files_of(root, "b/gone.parquet") == []
    assert files_of(root, "b/*.parquet") == [root / "b" / "2026-04-09.parquet"]


def test_what_the_disk_refuses_is_a_sentence(tmp_path):
    with pytest.raises(DataError, match=r"The path 'xxx.* cannot be looked at \(File name too long\)\."):
        files_of(tmp_path, "x" * 300)


@pytest.mark.parametrize(("names", "newest"), [
    ([], None), (["b/2026-04-10.parquet"], None), (["b/2026-04-01.parquet", "b/2026-03-31.parquet"], date(2026, 4, 1)),
    (["b/2026-04-09.parquet", "b/2026-04-10.parquet"], DAY), (["b/2026-13-45.parquet", "b/9999-99-99.parquet"], None),
    (["b/2026-W15-4.parquet"], None), (["c/2026-04-09.parquet"], None),
])
def test_the_newest_day_is_the_last_one_with_a_file_and_not_after(tmp_path, names, newest):
    put(tmp_path, *names)
    assert newest_day(tmp_path, "b/{date}.parquet", DAY) == newest
