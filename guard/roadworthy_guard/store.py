"""Embedded: the switch's tables read from the SQLite file each second, without a service."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from roadworthy_guard import clock as clocks
from roadworthy_guard import content as contents
from roadworthy_guard import words
from roadworthy_guard.beats import Beats
from roadworthy_guard.content import BOUNDS, Content, Service, Stop
from roadworthy_guard.core import Core
from roadworthy_guard.decision import ANY
from roadworthy_guard.memory import Memory
from roadworthy_guard.people import FILE, People, load
from roadworthy_guard.snapshot import GARBAGE, ORDER, Ignored, Snapshot

EVERY = 1.0
_WAIT = 2.0


class Tables:
    """What one read of the tables gives.

    Attributes
    ----------
    epoch, sequence : int
    service : mapping
        Model to version to `Service`.
    rows : tuple of Stop
        Every row of ``switch`` with its terms, the active ones too.
    signed : mapping
        Fence to statement and signatures.
    """

    def __init__(self, connected: Callable[[str], list[tuple[Any, ...]]]) -> None:
        there = {row[0] for row in connected("select name from sqlite_master where type = 'table'")}

        def execute(sql: str) -> list[tuple[Any, ...]]:
            """Return no rows of a table that nothing has needed yet."""
            return connected(sql) if sql.rpartition(" ")[2] in there else []

        moved = dict(execute("select name, value from switch_clock"))
        self.epoch, self.sequence = words.whole(moved.get("epoch", 1)), words.whole(moved.get("sequence", 0))
        service: dict[str, dict[str, Service]] = {}
        every = execute("select model, version, tier, fallback, lease_until from switch_service")
        for model, version, tier, fallback, lease in every:
            if fallback not in (0, 1):
                raise ValueError("a fallback is neither 0 nor 1")
            one = Service(contents.tier(tier), fallback == 1, contents.ends(lease))
            service.setdefault(contents.name(model), {})[words.text(version)] = one
        self.service: Mapping[str, Mapping[str, Service]] = service
        terms = {
            (model, version, segment, fence): (contents.ends(until), then)
            for model, version, segment, fence, until, then in
            execute("select model, version, segment, fence, until, then_state from switch_terms")
        }
        self.rows = tuple(
            _row(row, terms) for row in execute("select model, version, segment, state, since, fence from switch")
        )
        self.signed = {
            words.whole(fence): (_text(statement), _text(signatures))
            for fence, statement, signatures in execute("select fence, statement, signatures from switch_signed")
        }


def _row(row: tuple[Any, ...], terms: Mapping[tuple[Any, ...], tuple[float, str]]) -> Stop:
    model, version, segment, state, since, fence = row
    contents.ends(since)  # a moment, or nothing
    until, then = terms.get((model, version, segment, fence), (float("inf"), ""))
    return Stop(
        ANY if model == ANY else contents.name(model), words.text(version), words.text(segment), contents.state(state),
        words.text(since), words.whole(fence), until, contents.state(then) if then != "" else "",
    )


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > words.MAX_BYTES:
        raise ValueError("a statement is not a text")
    return value


def read(path: Path) -> Tables:
    """Read the tables in one transaction.

    The file is opened anew each time, so one that was replaced is seen, and no connection lives through a fork.

    Raises
    ------
    Ignored
        If the file is not there, not a database, or holds what cannot be understood.
    """
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=_WAIT, isolation_level=None)) as con:
            con.execute("begin")
            return Tables(lambda sql: con.execute(sql).fetchall())
    except (sqlite3.Error, ValueError, TypeError, UnicodeError) as problem:
        raise Ignored(GARBAGE, f"The tables of the switch in {path.name} cannot be read: {problem}.") from None


class Reader:
    """Reads the tables each second in a thread of its own.

    Parameters
    ----------
    core : Core
        Gets what is read.
    database : pathlib.Path
    people : pathlib.Path
        ``people.lock``.
    root : str
        SHA-256 of its first version.
    memory : Memory
    clock : clocks.Clock
    beats : Beats
        Tells that this process lives, and what it acts by.
    """

    def __init__(
        self, core: Core, database: Path, people: Path, root: str, memory: Memory, clock: clocks.Clock, beats: Beats
    ) -> None:
        self._core, self._database, self._people, self._root = core, database, people, root
        self._memory, self._clock, self._beats = memory, clock, beats
        self._upward = clocks.Upward(clock)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._known: tuple[tuple[int, int, int], People] | None = None
        self.people_problem = ""

    def start(self) -> None:
        """Read once, then go on reading in the background."""
        self._stop.clear()
        self.look()
        self._thread = threading.Thread(target=self._run, name="roadworthy-guard-reader", daemon=True)
        self._thread.start()

    def running(self) -> bool:
        """Say whether the thread lives; after a fork it does not."""
        return self._thread is not None and self._thread.is_alive()

    def after_fork(self) -> None:
        """Forget the thread and the locks, which stayed with the parent."""
        self._thread, self._lock, self._stop = None, threading.Lock(), threading.Event()
        self._beats.begin()

    def close(self) -> None:
        """End the thread and take the heartbeat away."""
        self._stop.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(2 * EVERY)
        self._beats.leave()

    def health(self) -> dict[str, Any]:
        """Return what is wrong, if anything is."""
        return {
            "mode": "embedded", "instance": self._beats.instance, "people": self.people_problem, "kept": self._memory.problem,
            "heartbeat": self._beats.problem,
            "clock_set_back_s": round(self._upward.set_back, 3),
        }

    def _run(self) -> None:
        while not self._stop.wait(EVERY):
            self.look()

    def look(self) -> None:
        """Read STOP files, tables and people once, and hand on what holds."""
        with self._lock:
            sent = self._clock.ticks()
            files, gone = self._core.reread(), self._core.gone
            now = self._upward.now()
            everything = self._memory.load()
            now = self._upward.passed(max(now, self._memory.wall))
            for stop in (*files, *gone):
                self._memory.see(stop, now)
            try:
                tables = read(self._database)
                if (tables.epoch, tables.sequence) < max(self._memory.order, self._core.order):
                    raise Ignored(ORDER, "The tables of the switch are older than what was seen.")
                self._take(tables, everything, gone, sent, now)
            except Ignored as ignored:
                self._core.ignored(ignored)
                self._core.remember([*everything, *self._memory.stops.values()], gone)
            self._memory.wall = max(self._memory.wall, self._clock.wall())
            self._memory.save()
            if not self._stop.is_set():
                self._beats.beat(self._core.order, self._clock.wall())
        self._core.tick()

    def _take(self, tables: Tables, everything: list[Stop], gone: tuple[Stop, ...], sent: float, now: float) -> None:
        seen = [clocks.parse(row.since) for row in tables.rows if row.since]
        now = self._upward.passed(max([now, *seen]))
        holding = self._memory.holding(tables.rows, tables.signed, self._trusted(), now)
        self._memory.order = (tables.epoch, tables.sequence)
        try:
            content = Content(tables.epoch, tables.sequence, BOUNDS, tables.service, contents.by_model(holding))
        except ValueError as problem:
            raise Ignored(GARBAGE, f"The switch cannot be held: {problem}.") from None
        self._core.take(Snapshot(content, sent, 0.0, now), everything, gone)

    def _trusted(self) -> People | None:
        """Return the people in force; None if the chain is broken or shorter than one that was seen."""
        try:
            about = self._people.stat()
            mark = (about.st_mtime_ns, about.st_size, about.st_ino)
            if self._known is None or self._known[0] != mark:
                self._known = (mark, load(self._people, self._root))
            people = self._known[1]
            if people.digests[: len(self._memory.people)] != self._memory.people:
                raise ValueError("it has lost versions that were seen before")
        except (OSError, ValueError) as problem:
            self.people_problem = f"{FILE} cannot be believed: {problem}"
            return None
        self._memory.people, self.people_problem = people.digests, ""
        return people
