"""Without a service: the tables, the STOP files, and the signatures of two people."""

from __future__ import annotations

import base64
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from roadworthy_guard import Clock, Guard, GuardError
from roadworthy_guard.core import LOOK
from roadworthy_guard.people import load
from roadworthy_guard.store import Reader
from tests.guard.service import Key, stamp
from tests.guard.support import refuses, until
from tests.guard.tables import ADA, FIRST, GUS, NEW, OLGA, PEOPLE, ROOT, Workspace, next_version, person


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@contextmanager
def embedded(workspace: Workspace, **given: Any) -> Iterator[Guard]:
    with Guard.embedded(workspace.root, root=ROOT, **given) as guard:
        yield guard


def look(guard: Guard) -> None:
    """Do now what the thread does each second."""
    assert isinstance(guard._core.source, Reader)
    guard._core.source.look()


def state(guard: Guard, model: str = "credit", segment: str | None = None) -> str:
    look(guard)
    return guard.check(model, "1.0.0", segment).state


def test_tables_are_read_and_a_stop_is_seen_within_its_second(workspace: Workspace) -> None:
    with embedded(workspace) as guard:
        assert guard.check("credit", "1.0.0").serves and guard.check("nobody").state == "unknown"
        workspace.row("disabled", 12)
        until(lambda: refuses(guard), 3.0)
        decision = guard.check("credit", "1.0.0")
        assert (decision.state, decision.fence, decision.epoch, decision.sequence) == ("disabled", 12, 1, 2)
        assert guard.check("bikes", "1.0.0").serves
        workspace.row("degraded", 13, model="bare")
        assert state(guard, "bare") == "degraded" and refuses(guard, "bare")


# --- on again


def test_on_again_takes_the_signatures_of_two_people(workspace: Workspace) -> None:
    workspace.row("disabled", 12)
    with embedded(workspace) as guard:
        workspace.row("active", 20)
        assert state(guard) == "disabled", "a row alone is nothing"
        workspace.sign(20, 12)
        assert state(guard) == "active" and not refuses(guard)


WRONG: list[dict[str, Any]] = [
    {"by": (("ada", ADA),)}, {"by": (("gus", GUS),)}, {"by": (("ada", ADA), ("ada", ADA))},
    {"by": (("ada", ADA), ("olga", OLGA))},
    {"by": (("ada", ADA), ("gus", NEW))}, {"by": (("ada", ADA), ("gus", ADA))}, {"by": (("ada", ADA), ("nobody", GUS))},
    {"by": (("gus", GUS), ("olga", OLGA))}, {"requested_by": "gus", "by": (("gus", GUS), ("ada", ADA))},
    {"lifts": 11}, {"asked": 0.0}, {"model": "bikes"}, {"segment": "region:eu"}, {"version": "1.0.0"}, {"act": "extend"},
    {"schema_version": 2}, {"by": ()}, {"until": stamp(time.time() + 600)}, {"act": "break-glass"},
    {"act": "break-glass", "until": stamp(time.time() + 7200)},
]


@pytest.mark.parametrize("wrong", WRONG, ids="-".join)
def test_anything_less_than_that_leaves_it_stopped(workspace: Workspace, wrong: dict[str, Any]) -> None:
    workspace.row("disabled", 12)
    with embedded(workspace) as guard:
        workspace.row("active", 20)
        workspace.sign(20, **{"lifts": 12, **wrong})
        assert state(guard) == "disabled"


def test_a_guard_that_never_saw_the_stop_wants_the_signatures_too(workspace: Workspace) -> None:
    workspace.row("active", 20)
    with embedded(workspace) as guard:
        assert state(guard) == "unknown" and "two people" in guard.check("credit", "1.0.0").reason
        workspace.sign(20, 12)
        assert state(guard) == "active"


def test_a_stop_that_was_seen_holds_when_its_row_is_deleted_and_after_a_new_start(workspace: Workspace) -> None:
    workspace.row("quarantined", 12)
    with embedded(workspace) as guard:
        assert state(guard) == "quarantined"
        workspace.run("delete from switch")
        assert state(guard) == "quarantined"
    with embedded(workspace) as guard:
        assert guard.check("credit", "1.0.0").state == "quarantined"
        workspace.row("degraded", 13)
        assert state(guard) == "quarantined", "nor is it made looser without signatures"


def test_an_old_enable_does_not_lift_a_newer_stop(workspace: Workspace) -> None:
    workspace.row("disabled", 12)
    with embedded(workspace) as guard:
        workspace.row("active", 20)
        workspace.sign(20, 12)
        assert state(guard) == "active"
        workspace.row("disabled", 25, since=time.time())
        assert state(guard) == "disabled"
        workspace.row("active", 20)
        assert state(guard) == "disabled"


def test_what_was_proved_stays_proved_when_a_guardian_leaves_and_a_new_guardian_may_prove(workspace: Workspace) -> None:
    workspace.row("disabled", 12)
    with embedded(workspace) as guard:
        workspace.row("active", 20)
        workspace.sign(20, 12)
        assert state(guard) == "active"
        second = next_version(FIRST, [person("ada", ADA, "operator"), person("nel", NEW, "guardian")], "gus", GUS)
        workspace.lock([FIRST, second])
        assert state(guard) == "active"
        workspace.row("disabled", 30)
        assert state(guard) == "disabled"
        workspace.row("active", 31)
        workspace.sign(31, 30)  # by gus, who has left
        assert state(guard) == "disabled"
        workspace.sign(31, 30, by=(("ada", ADA), ("nel", NEW)))
        assert state(guard) == "active"
        # A shorter chain, which gus could have kept, is not believed any more.
        workspace.lock([FIRST])
        workspace.row("disabled", 40)
        workspace.row("active", 41)
        workspace.sign(41, 40)
        assert state(guard) == "unknown" and "lost versions" in guard.health()["people"]


@pytest.mark.parametrize("terms", [True, False], ids=["with its terms", "without them"])
def test_a_break_glass_needs_signatures_and_ends_by_itself(workspace: Workspace, terms: bool) -> None:
    workspace.row("disabled", 12)
    wall = [time.time()]
    clock = Clock(wall=lambda: wall[0])
    with embedded(workspace, clock=clock) as guard:
        workspace.row("active", 20)
        if terms:
            row = ("credit", "*", "*", 20, "", stamp(wall[0] + 600), "disabled")
            workspace.run("insert into switch_terms values (?, ?, ?, ?, ?, ?, ?)", *row)
        assert state(guard) == "disabled"
        workspace.sign(20, 12, act="break-glass", until=stamp(wall[0] + 600))
        assert state(guard) == "active"
        wall[0] += 601
        assert state(guard) == "disabled" and "until" in guard.check("credit", "1.0.0").reason
    with embedded(workspace, clock=clock) as guard:
        assert guard.check("credit", "1.0.0").state == "disabled", "nor does a new start believe it"


# --- STOP files


def test_a_touch_stops_within_5_ms_and_taking_it_away_does_not_start_again(workspace: Workspace) -> None:
    with embedded(workspace) as guard:
        assert guard.check("credit", "1.0.0").serves
        (workspace.folder / "STOP.credit").touch()
        time.sleep(LOOK)
        assert guard.check("credit", "1.0.0").state == "disabled"
        (workspace.folder / "STOP.credit").unlink()
        time.sleep(LOOK)
        assert guard.check("credit", "1.0.0").state == "disabled", "before the next look at the tables"
        assert state(guard) == "disabled"
        workspace.row("active", 20)
        workspace.sign(20, 0, asked=time.time() + 1)
        assert state(guard) == "active"
    with embedded(workspace) as guard:
        assert guard.check("credit", "1.0.0").serves


def test_the_stop_of_everything_and_of_a_folder_that_cannot_be_read(workspace: Workspace, tmp_path: Path) -> None:
    with embedded(workspace) as guard:
        (workspace.folder / "STOP").touch()
        assert refuses(guard) and refuses(guard, "bikes")
    (tmp_path / "a file").write_text("")
    other = Workspace(tmp_path / "other")
    with embedded(other, stop_folders=[tmp_path / "a file"]) as guard:
        assert guard.check("credit", "1.0.0").state == "unknown"


# --- faults


@pytest.mark.parametrize("sql", [
    "update switch_clock set value = 'x' where name = 'epoch'", "delete from switch_clock", "drop table switch_clock",
    "alter table switch_service drop column tier",
    "update switch_service set tier = 'medium'", "update switch_service set fallback = 7",
    "update switch_service set lease_until = 'x'",
    "insert into switch values ('credit', '*', '*', 'resting', '', '', '', '', 3)",
    "insert into switch values ('credit', '*', '*', 'active', 'x', '', '', '', 3)",
    "insert into switch values ('credit', '*', '*', 'active', '', '', '', '', 'x')",
    "insert into switch values (null, '*', '*', 'active', '', '', '', '', 3)",
    "insert into switch_signed values (3, 7, x'ff')", "update switch_clock set value = -1 where name = 'sequence'",
])
def test_tables_that_cannot_be_understood_change_nothing_and_high_refuses(workspace: Workspace, sql: str) -> None:
    ahead = [0.0]
    with embedded(workspace, bounds={"high": 5}, clock=Clock(ticks=lambda: time.monotonic() + ahead[0])) as guard:
        workspace.run(sql, sequence=0)
        look(guard)
        assert guard.check("credit", "1.0.0").serves and sum(guard.health()["ignored"].values())
        ahead[0] = 5.1
        look(guard)
        assert guard.check("credit", "1.0.0").state == "unknown" and guard.check("bikes", "1.0.0").serves


def test_a_table_that_nothing_has_needed_yet_is_empty(workspace: Workspace) -> None:
    for table in ("switch", "switch_terms", "switch_signed"):
        workspace.run(f"drop table {table}")
    with embedded(workspace) as guard:
        assert guard.check("credit", "1.0.0").serves
    workspace.run("drop table switch_service")
    with embedded(workspace) as guard:
        assert guard.check("credit", "1.0.0").state == "unknown"


@pytest.mark.parametrize("what", ["gone", "garbage", "empty", "locked", "older"])
def test_a_database_that_is_lost_lets_high_refuse(workspace: Workspace, what: str) -> None:
    ahead = [0.0]
    workspace.row("disabled", 3, model="bikes")
    with embedded(workspace, bounds={"high": 5}, clock=Clock(ticks=lambda: time.monotonic() + ahead[0])) as guard:
        held = None
        if what == "locked":
            workspace.run("pragma user_version = 1", sequence=0)
            held = sqlite3.connect(workspace.database, isolation_level=None)
            held.execute("pragma locking_mode = exclusive")
            held.execute("pragma journal_mode = delete")
            held.execute("begin exclusive")
        elif what == "older":
            workspace.run("update switch_clock set value = 0 where name = 'sequence'", sequence=0)
        else:
            for file in workspace.database.parent.glob("state.sqlite*"):
                file.unlink()
            if what != "gone":
                workspace.database.write_bytes(b"no database" * 100 if what == "garbage" else b"")
        ahead[0] = 5.1
        look(guard)
        assert refuses(guard) and guard.check("bikes", "1.0.0").state == "disabled"
        assert guard.health()["ignored"]
        if held is not None:
            held.close()


def test_a_clock_set_back_revives_no_lease_not_even_after_a_new_start(workspace: Workspace) -> None:
    now = time.time()
    workspace.run("update switch_service set lease_until = ?", stamp(now + 3600))
    wall = [now + 7200]
    clock = Clock(wall=lambda: wall[0])
    with embedded(workspace, clock=clock) as guard:
        assert state(guard) == "degraded" and state(guard, "bare") == "disabled"
        wall[0] = now
        assert state(guard, "bare") == "disabled" and guard.health()["clock_set_back_s"] > 7000
    with embedded(workspace, clock=clock) as guard:
        assert state(guard, "bare") == "disabled"


@pytest.mark.parametrize("data", [
    b"", b"{}", b"no json", b'{"schema_version":1,"stops":[[1]]}', b'{"schema_version":1,"stops":5}',
])
def test_a_file_of_its_own_that_is_damaged_refuses_until_a_person_looks(workspace: Workspace, data: bytes) -> None:
    (workspace.root / ".roadworthy" / "guard.json").write_bytes(data)
    with embedded(workspace) as guard:
        assert guard.check("bikes", "1.0.0").state == "unknown" and "guard.json" in guard.check("bikes", "1.0.0").reason
        assert (workspace.root / ".roadworthy" / "guard.json").read_bytes() == data
        (workspace.root / ".roadworthy" / "guard.json").unlink()
        assert state(guard, "bikes") == "active"


def test_a_restored_backup_is_not_believed_after_a_new_start_until_the_epoch_is_raised(workspace: Workspace) -> None:
    workspace.row("degraded", 12)
    with embedded(workspace) as guard:
        assert state(guard) == "degraded"
    workspace.run("update switch_clock set value = 1 where name = 'sequence'", sequence=0)
    with embedded(workspace) as guard:
        assert state(guard, "bare") == "unknown" and guard.health()["ignored"]["order"]
        workspace.run("update switch_clock set value = 2 where name = 'epoch'")
        assert state(guard, "bare") == "active"


def test_two_guards_that_share_a_file_know_each_other_s_stops(workspace: Workspace) -> None:
    with embedded(workspace) as one, embedded(workspace) as two:
        (workspace.folder / "STOP.credit").touch()
        assert refuses(one)
        look(one)
        (workspace.folder / "STOP.credit").unlink()
        look(one)
        assert state(two) == "disabled"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_child_reads_the_tables_itself(workspace: Workspace) -> None:
    with embedded(workspace) as guard:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                assert guard.check("credit", "1.0.0").serves
                workspace.row("disabled", 12)
                until(lambda: refuses(guard), 5.0)
                status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        until(lambda: refuses(guard), 5.0)


# --- people.lock


def signed(before: dict[str, Any], key: Key, by: str = "gus", people: Any = PEOPLE) -> dict[str, Any]:
    return next_version(before, people, by, key)


def test_a_chain_is_followed_from_its_pinned_root(workspace: Workspace) -> None:
    second = signed(FIRST, GUS, people=[*PEOPLE, person("nel", NEW, "guardian")])
    workspace.lock([FIRST, second, signed(second, NEW, "nel")])
    found = load(workspace.root / "people.lock", ROOT)
    assert len(found.digests) == 3 and found.digests[0] == ROOT and set(found.persons) == {"ada", "gus", "olga", "ned"}


@pytest.mark.parametrize("versions", [
    [], [{**FIRST, "people": [*PEOPLE, person("eve", NEW, "guardian")]}], [FIRST, signed(FIRST, NEW)],
    [FIRST, signed(FIRST, ADA, "ada")],
    [FIRST, signed(FIRST, GUS, "ada")], [FIRST, {**signed(FIRST, GUS), "previous": ""}], [FIRST, FIRST], [signed(FIRST, GUS)],
    [FIRST, signed({**FIRST, "people": []}, GUS)],
    [FIRST, {**signed(FIRST, GUS), "people": [person("eve", NEW, "guardian")]}], [FIRST, signed(FIRST, GUS, people=[{"id": 1}])],
    [FIRST, {**signed(FIRST, GUS), "signature": base64.b64encode(bytes(64)).decode()}], [FIRST, "x"],
    [FIRST, signed(FIRST, GUS, people=[PEOPLE[0], PEOPLE[0]])],
    [FIRST, signed(FIRST, GUS, people=[*PEOPLE, person("eve", GUS, "operator")])],
])
def test_a_chain_with_anything_wrong_in_it_is_not_believed(workspace: Workspace, versions: Any) -> None:
    workspace.lock(versions)
    with pytest.raises(ValueError, match=r"."):
        load(workspace.root / "people.lock", ROOT)


@pytest.mark.parametrize("root", ["", "abc", None, ROOT.upper()])
def test_a_root_must_be_pinned(workspace: Workspace, root: Any) -> None:
    with pytest.raises(GuardError):
        Guard.embedded(workspace.root, root=root)
