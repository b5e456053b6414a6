"""Reads the store and the STOP files, over and over, and knows how old what it read is.

A read that fails changes nothing and renews nothing: what is known stays, its age runs, and every reader closes at its bound. A
stop that could not be stored is kept here and written again until it is.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from roadworthy.errors import RoadworthyError
from roadworthy.ledger import chain
from roadworthy.ledger.chain import stamp
from roadworthy.switch import files, snapshot, stopping, store
from roadworthy.switch.files import Stop
from roadworthy.switch.matching import Decision, decide
from roadworthy.switch.places import Places, places
from roadworthy.switch.served import lapsed
from roadworthy.switch.snapshot import Signed, Signer
from roadworthy.switch.store import Stored
from roadworthy.workspace import Workspace

log = logging.getLogger("roadworthy.switch")
EVERY = 0.25
WAIT = 2.0


@dataclass(frozen=True, slots=True)
class View:
    """The switch as the last read found it; never changed, only replaced.

    Attributes
    ----------
    stored : Stored
    lines : tuple of Stop
        From STOP files, and stops that could not be stored yet.
    signed : Signed
    read_at : float
        Monotonic seconds at which the read of the store began.
    """

    stored: Stored
    lines: tuple[Stop, ...]
    signed: Signed
    read_at: float
    lapsed: tuple[str, ...] = ()

    def decide(self, model: str, version: str | None, segment: str | None, now: datetime) -> Decision:
        """Answer a request."""
        moment = stamp(now)
        return decide([*self.lines, *self.stored.stops(moment)], self.stored.service, model, version, segment, moment)


@dataclass
class Watcher:
    """Keeps a `View` young.

    Parameters
    ----------
    workspace : Workspace
    signer : Signer
    bounds : mapping of tier to int
        Seconds, signed into each snapshot.
    changed : callable, optional
        Called after every change, from the watching thread.
    """

    workspace: Workspace
    signer: Signer
    bounds: Mapping[str, int] = field(default_factory=lambda: dict(snapshot.BOUNDS))
    changed: Callable[[], None] = lambda: None
    problem: str = "The store has not been read yet."
    _view: View | None = None
    _pending: list[Stop] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Read once, then go on in a thread of its own."""
        self.look()
        self._thread = threading.Thread(target=self._run, name="switch-watcher", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(timeout=WAIT + 1)

    def _run(self) -> None:
        while not self._over.wait(EVERY):
            self.look()

    @property
    def view(self) -> View | None:
        """What is known; None before the first read that succeeded."""
        return self._view

    def age(self) -> float:
        """Return the seconds since the store was read; infinite before the first read."""
        return time.monotonic() - self._view.read_at if self._view else float("inf")

    def bound(self, tier: str) -> int:
        """Return the seconds for which a tier may go on by an old read."""
        return self.bounds.get(tier, min(self.bounds.values()))

    def hold(self, stop: Stop) -> None:
        """Keep a stop that could not be stored; it holds here at once and is written again until it is stored."""
        with self._lock:
            if not any(s.key == stop.key and files.RANK[s.state] >= files.RANK[stop.state] for s in self._pending):
                self._pending.append(stop)
        self.look()

    def look(self) -> None:
        """Read store and STOP files now; whoever changed something calls this before answering."""
        with self._lock:
            try:
                changed = self._look()
            except (RoadworthyError, ValueError, OSError) as problem:  # whatever it is, it must not end the thread that looks
                self._problem(_sentence(problem))
                changed = False
        if changed:
            self.changed()

    def _look(self) -> bool:
        began, before = time.monotonic(), self._view
        here = places(self.workspace.root)
        # What waits is counted before it is written: once it is stored, the next look finds it in the store.
        lines = tuple(dict.fromkeys((*_lines(here), *self._pending)))
        try:
            with stopping.reading(here, WAIT) as execute:
                stored = store.load(execute, chain.tables(execute))
            self._check_order(stored)
            problem = ""
        except (RoadworthyError, ValueError, OSError) as found:
            if before is None:
                raise
            stored, began, problem = before.stored, before.read_at, _sentence(found)
        changed = self._take(stored, lines, began)
        self._problem(problem or self._write_pending(here))
        return changed

    def _take(self, stored: Stored, lines: tuple[Stop, ...], read_at: float) -> bool:
        before = self._view
        moment = stamp(datetime.now(UTC))
        gone = tuple(f"{s.model}@{s.version}" for s in lapsed(stored.service, moment))
        content = snapshot.content(stored, lines, self.bounds)
        if before is not None and before.signed.content == content:
            self._view = replace(before, stored=stored, lines=lines, read_at=read_at, lapsed=gone)
            return before.lapsed != gone
        signed = self.signer.sign(content, stored.epoch, stored.sequence)
        self._view = View(stored, lines, signed, read_at, gone)
        return True

    def _check_order(self, stored: Stored) -> None:
        seen = self._view.stored if self._view else None
        if seen is not None and (stored.epoch, stored.sequence) < (seen.epoch, seen.sequence):
            raise ValueError(
                f"the sequence went back from {seen.sequence} to {stored.sequence}; if a backup was restored, run 'roadworthy "
                "switch epoch'"
            )

    def _write_pending(self, here: Places) -> str:
        """Store what waits; return why it could not be, or nothing."""
        for stop in list(self._pending):
            try:
                outcome = stopping.finish(here, stop, stopping.write_own(here, stop), stopping.direct(here, WAIT))
            except (RoadworthyError, ValueError, OSError) as problem:
                return _sentence(problem)
            if not outcome.fence:
                return outcome.unreached[-1] if outcome.unreached else f"The stop of {stop.scope} could not be stored."
            self._pending.remove(stop)
            log.info("The stop of %s, which held in memory, is stored now.", stop.scope)
        return ""

    def _problem(self, said: str) -> None:
        if said != self.problem:
            if said:
                log.warning("%s Nothing looser is learnt until it can be read.", said)
            elif self._view is not None:
                log.info("The store can be read again.")
        self.problem = said


def _lines(here: Places) -> list[Stop]:
    return [stop for folder in (here.folder, *here.targets) for stop in files.everything(folder)]


def _sentence(problem: Exception) -> str:
    return problem.sentence if isinstance(problem, RoadworthyError) else f"The switch cannot be read: {problem}."


def strictest_first(stops: Sequence[Stop]) -> list[Stop]:
    """Return stops in the order in which people want to see them."""
    return sorted(stops, key=lambda s: (-files.RANK[s.state], s.model, s.version, s.segment))
