"""How often a check looks for STOP files: often enough that a stop holds at once, and seldom enough to cost nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from roadworthy_guard import Clock, Guard, Refused
from roadworthy_guard.content import read
from roadworthy_guard.core import LOOK, Core
from roadworthy_guard.snapshot import Snapshot
from roadworthy_guard.stopfiles import StopFiles
from tests.guard.service import canonical, content


class Watched:
    """A core with a stop folder, and a clock that stands still until a test moves it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.now = folder, 100.0
        self.core = Core(Clock(ticks=lambda: self.now), {"high": 10.0}, StopFiles([folder]))
        self.core.take(Snapshot(read(canonical(content(1))), self.now, 0.0, 0.0))
        self.guard = Guard(self.core, None)

    def serves(self) -> bool:
        return self.core.check("credit", "1.0.0", "region:eu").serves


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_the_window_is_a_twentieth_of_what_a_stop_may_take() -> None:
    assert 0 < LOOK <= 0.1 / 20


@pytest.mark.parametrize("asked_before", [1, 2, 50])
def test_a_stop_file_is_found_when_the_window_of_the_last_look_is_over(watched: Watched, asked_before: int) -> None:
    for _ in range(asked_before):
        assert watched.serves()
        watched.now += LOOK / 3  # a check that does not look makes the window no longer
    (watched.folder / "STOP.credit").touch()
    watched.now += LOOK
    assert not watched.serves()
    (watched.folder / "STOP.credit").unlink()
    watched.now += LOOK
    assert watched.serves()


def test_checks_in_the_window_cannot_put_the_next_look_off(watched: Watched) -> None:
    began = watched.now
    assert watched.serves()
    (watched.folder / "STOP").touch()
    while watched.serves():
        watched.now += LOOK / 100
    assert watched.now - began <= LOOK * 1.02


def test_a_question_that_was_not_asked_before_looks_at_once(watched: Watched) -> None:
    assert watched.serves()
    (watched.folder / "STOP.credit").touch()
    assert not watched.core.check("credit", "1.0.0", "region:us").serves


def test_a_child_looks_at_once(watched: Watched) -> None:
    assert watched.serves()
    (watched.folder / "STOP.credit").touch()
    watched.core.forked()
    assert not watched.serves()


def test_a_stop_read_in_the_background_holds_without_a_look(watched: Watched) -> None:
    assert watched.serves()
    (watched.folder / "STOP.credit").touch()
    watched.core.reread()
    assert not watched.serves()


def test_a_window_does_not_outlast_the_bound(watched: Watched) -> None:
    watched.now += 10.0 - LOOK / 2
    assert watched.serves()
    watched.now += LOOK * 0.6
    assert not watched.serves()


def test_what_cannot_be_taken_back_looks_at_once(watched: Watched) -> None:
    chunks = watched.guard.chunks([1, 2], "credit", "1.0.0", "region:eu")
    assert next(chunks) == 1 and watched.serves()
    with pytest.raises(Refused), watched.guard.publishing("credit", "1.0.0", "region:eu"):
        (watched.folder / "STOP.credit").touch()
    with pytest.raises(Refused):
        next(chunks)
    (watched.folder / "STOP.credit").unlink()
    assert watched.guard.require("credit", "1.0.0", "region:eu", now=True).serves
    (watched.folder / "STOP.credit").touch()
    with pytest.raises(Refused):
        watched.guard.require("credit", "1.0.0", "region:eu", now=True)
