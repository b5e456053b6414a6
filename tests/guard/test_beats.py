"""The heartbeat of an embedded guard: what it acts by, in a file that comes, changes and goes with the process."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from roadworthy_guard import Guard
from roadworthy_guard.beats import EVERY, Beats
from roadworthy_guard.store import Reader
from tests.guard.tables import ROOT, Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def told(workspace: Workspace) -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in sorted(workspace.root.glob(".roadworthy/guards/*"))]


def look(guard: Guard) -> None:
    assert isinstance(guard._core.source, Reader)
    guard._core.source.look()


def test_a_guard_tells_what_it_acts_by_and_takes_its_word_away_when_it_ends(workspace: Workspace) -> None:
    with Guard.embedded(workspace.root, root=ROOT) as guard:
        (first,) = told(workspace)
        assert first == {
            "schema_version": 1, "instance": guard.health()["instance"], "models": ["*"], "epoch": 1, "sequence": 1,
            "acted_at": first["seen_at"], "seen_at": first["seen_at"],
        }
        workspace.row("disabled", 12)
        look(guard)
        (second,) = told(workspace)
        assert (second["sequence"], second["acted_at"]) == (2, second["seen_at"]) and second["acted_at"] > first["acted_at"]
        assert not guard.check("credit", "1.0.0").serves
    assert told(workspace) == []


def test_a_guard_that_cannot_read_goes_on_telling_the_last_that_it_read(workspace: Workspace) -> None:
    with Guard.embedded(workspace.root, root=ROOT) as guard:
        workspace.run("update switch_clock set value = 'x' where name = 'epoch'", sequence=5)
        look(guard)
        assert [one["sequence"] for one in told(workspace)] == [1]


def test_a_heartbeat_is_written_when_it_is_new_or_due_and_its_moment_of_acting_stays(tmp_path: Path) -> None:
    beats = Beats(tmp_path / "guards")
    beats.beat((-1, -1), 1000.0)
    assert not (tmp_path / "guards").exists(), "nothing is acted by yet"
    for moment in (1000.0, 1001.0):
        beats.beat((1, 7), moment)
    (file,) = (tmp_path / "guards").iterdir()
    assert json.loads(file.read_bytes())["seen_at"] == "1970-01-01T00:16:40.000000Z"
    beats._at -= EVERY
    beats.beat((1, 7), 1004.0)
    one = json.loads(file.read_bytes())
    assert (one["seen_at"], one["acted_at"]) == ("1970-01-01T00:16:44.000000Z", "1970-01-01T00:16:40.000000Z")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_child_has_a_word_of_its_own_and_leaves_its_parents_alone(workspace: Workspace) -> None:
    with Guard.embedded(workspace.root, root=ROOT) as guard:
        (parent,) = told(workspace)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                guard._core.view.entries.clear()
                served, there = guard.check("credit", "1.0.0").serves, told(workspace)
                guard.close()
                status = 0 if served and len(there) == 2 and parent in there and told(workspace) == [parent] else 1
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert [one["instance"] for one in told(workspace)] == [parent["instance"]]


def test_a_guard_that_cannot_tell_says_so_and_goes_on(workspace: Workspace) -> None:
    (workspace.root / ".roadworthy" / "guards").write_text("a file where the folder must be")
    with Guard.embedded(workspace.root, root=ROOT) as guard:
        assert guard.check("credit", "1.0.0").serves and "no heartbeat can be written" in guard.health()["heartbeat"]
        (workspace.root / ".roadworthy" / "guards").unlink()
        look(guard)
        assert guard.health()["heartbeat"] == "" and len(told(workspace)) == 1


def test_what_a_killed_process_left_a_day_ago_is_taken_away(workspace: Workspace) -> None:
    folder = workspace.root / ".roadworthy" / "guards"
    folder.mkdir()
    for name, age in (("old.json", 86_500), ("young.json", 80_000)):
        (folder / name).write_text("{}")
        os.utime(folder / name, (time.time() - age, time.time() - age))
    with Guard.embedded(workspace.root, root=ROOT):
        assert {path.name for path in folder.iterdir()} & {"old.json", "young.json"} == {"young.json"}
