"""What others can read or change is counted, and nothing that they cannot."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from checks import access
from roadworthy.permissions import Guarded, Loose, loose
from tests.support import make_subject, passport_of


@pytest.fixture
def w(tmp_path: Path) -> Path:
    """State, a key and a store of rows, closed to others."""
    for name, mode in (("state", 0o755), ("rows", 0o700), ("rows/model=x", 0o700), ("keys", 0o755)):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(mode)
    for name, mode in (("state/db", 0o644), ("rows/model=x/a", 0o600), ("keys/key", 0o600)):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(mode)
    return tmp_path


def look(root: Path, me: int | None = None) -> list[Loose]:
    return loose([
        Guarded("state", root / "state"), Guarded("state", root / "state" / "db"), Guarded("rows", root / "rows"),
        Guarded("key", root / "keys" / "key"), Guarded("key", root / "keys" / "missing"),
    ], me)


def mode(name: str, bits: int) -> Callable[[Path], None]:
    return lambda root: (root / name).chmod(bits)


def link(name: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        (root / name).rename(root / "elsewhere")
        (root / name).symlink_to(root / "elsewhere")

    return change


def test_what_is_closed_is_not_said_to_be_open(w: Path) -> None:
    assert look(w) == []
    link("state/db")(w)
    assert look(w) == [], "state may lie elsewhere"


@pytest.mark.parametrize(("change", "says", "do"), [
    (mode("state", 0o777), "others can change the state", "chmod go-w"),
    (mode("state/db", 0o646), "others can change the state", "chmod go-w"),
    (mode("keys/key", 0o640), "others can read the key", "chmod 600"),
    (mode("keys/key", 0o604), "others can read the key", "chmod 600"),
    (mode("keys", 0o777), "others can put another file in the place of the key", "chmod go-w"),
    (mode("rows", 0o750), "others can read the store of rows", "chmod 700"),
    (mode("rows/model=x/a", 0o644), "others can read the store of rows", "chmod 600"),
    (link("keys/key"), "symbolic link", "put the file itself"), (link("rows"), "symbolic link", "put the file itself"),
    (lambda root: (root / "keys" / "key").unlink() or (root / "keys" / "key").mkdir(0o700), "is not a file", "put a file"),
])
def test_what_is_open_is_said_with_what_closes_it(w: Path, change: Callable[[Path], None], says: str, do: str) -> None:
    change(w)
    (found,) = look(w)
    assert says in found.says and do in found.do


def test_what_belongs_to_another_user_is_open(w: Path) -> None:
    if os.geteuid() == 0:
        os.chown(w / "state" / "db", 4711, -1)
        assert ["belongs to user 4711" in one.says for one in look(w)] == [True]
    else:
        assert {"belongs to user" in one.says for one in look(w, me=os.geteuid() + 1)} == {True}


def test_a_group_that_is_not_the_users_own_counts_as_others(w: Path) -> None:
    (w / "state" / "db").chmod(0o664)
    if os.geteuid() == 0:
        os.chown(w / "state" / "db", 0, 0)
        assert look(w) == []  # the group of that user alone
        os.chown(w / "state" / "db", 0, 4711)  # a group of which nobody knows the members
        assert len(look(w)) == 1


def test_the_count_is_measured_and_names_no_folder_outside_of_the_workspace(w: Path) -> None:
    mode("keys/key", 0o644)(w)
    mode("state", 0o777)(w)
    root = w / "state"
    guarded = [Guarded("state", root), Guarded("key", w / "keys" / "key"), Guarded("rows", w / "rows")]
    with make_subject(root, passport_of()) as subject:
        (found,) = access.measure(replace(subject, guarded=guarded))
    assert (found.value, found.n) == (2, 3) and found.details["by_kind"] == {"state": 1, "key": 1, "rows": 0}
    assert str(w) not in str(found.as_dict())


def test_what_cannot_be_looked_at_is_an_error_and_not_nothing(w: Path) -> None:
    (w / "loop").symlink_to(w / "loop")
    with make_subject(w, passport_of()) as subject:
        (found,) = access.measure(replace(subject, guarded=[Guarded("state", w / "loop")]))
    assert found.status == "error"
