"""The heart of a guard: what is held, swapped whole, and the check, which takes no lock and asks no network."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from roadworthy_guard.clock import Clock
from roadworthy_guard.content import BOUNDS, Stop
from roadworthy_guard.deciding import decide
from roadworthy_guard.decision import TIERS, Decision, GuardError
from roadworthy_guard.snapshot import ORDER, Ignored, Snapshot
from roadworthy_guard.stopfiles import StopFiles, flat

log = logging.getLogger("roadworthy_guard")
CHANGED, STALE, READY = "changed", "stale", "ready"
Key = tuple[str, str | None, str | None]
# The ticks until which a decision is given without a look at the disk, the decision, the ticks until which it is good if no
# STOP file comes or goes, and the STOP files that it rests on: path, and whether it was there.
Entry = tuple[float, Decision, float, tuple[tuple[bytes, bool], ...]]
# Seconds for which one question is answered without looking for STOP files again: the look costs ten times what the rest does.
LOOK = 0.005
_MAX_ENTRIES = 4096
_exists = os.access
_F_OK = os.F_OK


class Source(Protocol):
    """Where a guard's knowledge comes from."""

    def start(self) -> None:
        """Begin to bring it."""

    def running(self) -> bool:
        """Say whether it is still being brought."""

    def after_fork(self) -> None:
        """Forget what stayed with the parent process."""

    def close(self) -> None:
        """End."""

    def health(self) -> dict[str, Any]:
        """Return what a person who looks for a fault wants to know."""


class View:
    """What is held at one moment, and the decisions that were made from it. Replaced, never changed, except for `entries`."""

    __slots__ = ("bounds", "entries", "files", "more", "remembered", "snapshot")

    def __init__(
        self, snapshot: Snapshot | None, files: Mapping[str, tuple[Stop, ...]], remembered: tuple[Stop, ...],
        own: Mapping[str, float],
    ) -> None:
        self.snapshot = snapshot
        self.files = files
        self.remembered = remembered
        self.more = (*flat(files), *remembered)
        given = snapshot.content.bounds if snapshot is not None else BOUNDS
        self.bounds = {tier: min(own.get(tier, given[tier]), given[tier]) for tier in TIERS}
        self.entries: dict[Key, Entry] = {}


class Core:
    """Holds what is known and answers from it.

    Parameters
    ----------
    clock : Clock
    bounds : mapping
        Seconds by tier; stricter than the switch's own or of no effect.
    files : StopFiles
    sticky : bool
        Go on holding the stop of a STOP file that vanished, until the source says what became of it.
    """

    def __init__(self, clock: Clock, bounds: Mapping[str, float], files: StopFiles, *, sticky: bool = False) -> None:
        for tier, seconds in bounds.items():
            if tier not in TIERS or isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
                raise GuardError(f"The bound {tier!r}: {seconds!r} cannot be used. Give seconds for one of {', '.join(TIERS)}.")
        self.clock = clock
        self._ticks = clock.ticks
        self._bounds = dict(bounds)
        self._files = files
        self._sticky = sticky
        self.gone: tuple[Stop, ...] = ()
        self._lock = threading.RLock()
        self.view = View(None, {}, (), self._bounds)
        self.source: Source | None = None
        self._pid = os.getpid()
        self._closed = False
        self._counts: dict[str, int] = {}
        self._last_ignored = ""
        self._said: dict[tuple[str, str], str] = {}
        self._say_again = float("inf")
        self._stale: bool | None = None
        self._listeners: list[Callable[[str], None]] = []

    @property
    def order(self) -> tuple[int, int]:
        """Epoch and sequence of what is held; (-1, -1) if nothing is."""
        snapshot = self.view.snapshot
        return snapshot.content.order if snapshot is not None else (-1, -1)

    def check(self, model: str, version: str | None = None, segment: str | None = None) -> Decision:
        """Say whether a model may serve a request now.

        Parameters
        ----------
        model : str
        version, segment : str, optional
            What is left out matches every scope: a stop of any version or segment refuses.

        Returns
        -------
        Decision
            Look at `serves` and `fallback`; never raises for what is unknown, but refuses it.
        """
        entry = self.view.entries.get((model, version, segment))
        if entry is not None and self._ticks() < entry[0]:
            return entry[1]
        return self._look((model, version, segment))

    def check_now(self, model: str, version: str | None = None, segment: str | None = None) -> Decision:
        """Say what `check` says, and look for STOP files whenever that was done last; for what cannot be taken back."""
        return self._look((model, version, segment))

    def _look(self, key: Key) -> Decision:
        """Look for the STOP files that an entry rests on, and give its decision for a while longer if they are as they were."""
        view, now = self.view, self._ticks()  # the clock before the disk: what comes after it is found by the next look
        entry = view.entries.get(key)
        if entry is not None and now < entry[2]:
            _, decision, good, watched = entry
            for path, there in watched:
                if _exists(path, _F_OK) is not there:
                    break
            else:
                view.entries[key] = (_next_look(now, good, watched), decision, good, watched)
                return decision
        return self._decide(key)

    def _decide(self, key: Key) -> Decision:
        """Answer what no entry answers: a first question, one whose time is over, or after a STOP file came or went."""
        source = self.source
        if source is not None and not self._closed and (self._pid != os.getpid() or not source.running()):
            self._start_again(source)
        model, version, segment = key
        asked = (model, None if version in ("", "*") else version, None if segment in ("", "*") else segment)
        view, looked = self.view, self._ticks()
        watched = self._watched(view, model)
        if any(_exists(path, _F_OK) is not there for path, there in watched):
            self.reread()
            view = self.view
            watched = self._watched(view, model)
        now, snapshot = self._ticks(), view.snapshot
        decision, lasts = decide(
            snapshot.content if snapshot else None, view.more, *asked,
            age=snapshot.age_at(now) if snapshot else float("inf"), confirmed=snapshot.confirmed if snapshot else False,
            moment=snapshot.moment_at(now) if snapshot else self.clock.wall(), bounds=view.bounds,
        )
        if len(view.entries) < _MAX_ENTRIES:  # a caller that makes up segments must not fill the memory
            good = now + lasts
            view.entries[key] = (_next_look(looked, good, watched), decision, good, watched)
        return decision

    def _watched(self, view: View, model: str) -> tuple[tuple[bytes, bool], ...]:
        known = view.snapshot is not None and model in view.snapshot.content.service
        return tuple((os.fsencode(path), path in view.files) for path in self._files.paths(model)) if known else ()

    def _start_again(self, source: Source) -> None:
        with self._lock:
            if self._pid != os.getpid():
                self._pid = os.getpid()
                source.after_fork()
            if not self._closed and not source.running():
                try:
                    source.start()
                except RuntimeError as problem:  # no thread can be started, as at the end of a process; the age runs on
                    self.count("not_started")
                    log.warning("The guard's thread could not be started (%s).", problem)

    def forked(self) -> None:
        """Make ready for use in a child process: the first check there begins anew. What is held keeps its age."""
        self._lock = threading.RLock()
        view = self.view
        self.view = View(view.snapshot, view.files, view.remembered, self._bounds)

    def take(self, snapshot: Snapshot, remembered: Sequence[Stop] = (), seen: Sequence[Stop] = ()) -> None:
        """Hold a snapshot that was verified, with stops beside it; `seen` are those of `gone` that went into it.

        Raises
        ------
        Ignored
            If it is older, in (epoch, sequence), than what is held.
        """
        with self._lock:
            before = self.view.snapshot
            if before is not None and snapshot.content.order < before.content.order:
                older, newer = snapshot.content.order, before.content.order
                raise Ignored(ORDER, f"The snapshot {older} is older than {newer}, which was seen.")
            self._forget(seen)
            self.view = View(snapshot, self.view.files, (*remembered, *self.gone), self._bounds)
        changed = before is None or before.content != snapshot.content
        if changed:
            self._tell_states()
        if snapshot.confirmed:
            self._tell_age(stale=False)
        if changed and before is not None:
            self._emit(CHANGED)

    def remember(self, stops: Sequence[Stop], seen: Sequence[Stop] = ()) -> None:
        """Hold these stops beside the snapshot that is held; see `take`."""
        with self._lock:
            self._forget(seen)
            self.view = View(self.view.snapshot, self.view.files, (*stops, *self.gone), self._bounds)

    def _forget(self, seen: Sequence[Stop]) -> None:
        self.gone = tuple(stop for stop in self.gone if stop not in seen)

    def reread(self) -> list[Stop]:
        """Read the STOP files; return their stops."""
        files = self._files.read()
        with self._lock:
            view = self.view
            changed = files != view.files
            if changed:
                there = set(flat(files))
                gone = tuple(stop for stop in flat(view.files) if stop not in there) if self._sticky else ()
                self.gone += gone
                self.view = View(view.snapshot, files, (*view.remembered, *gone), self._bounds)
        if changed:
            log.warning("STOP files: %s", ", ".join(sorted(repr(path) for path in files)) or "none any more")
            self._emit(CHANGED)
        return list(flat(files))

    def tick(self) -> None:
        """Notice that what is held has grown too old for the strictest tier in service; called now and then."""
        view = self.view
        if view.snapshot is None:
            return
        if self._ticks() >= self._say_again and self._tell_states():  # a lease lapsed, or a time was over
            self._emit(CHANGED)
        tiers = {one.tier for versions in view.snapshot.content.service.values() for one in versions.values()}
        bound = min((view.bounds[tier] for tier in tiers), default=min(view.bounds.values()))
        if not view.snapshot.confirmed or view.snapshot.age_at(self._ticks()) > bound:
            self._tell_age(stale=True)

    def ignored(self, ignored: Ignored) -> None:
        """Count what came and changed nothing; say it once until something else comes."""
        self.count(ignored.kind)
        said = str(ignored)
        if said != self._last_ignored:
            self._last_ignored = said
            log.warning("Ignored: %s", said)

    def count(self, kind: str) -> None:
        """Count an event for `health`."""
        self._counts[kind] = self._counts.get(kind, 0) + 1

    def listen(self, listener: Callable[[str], None]) -> None:
        """Call `listener` from the guard's thread with ``changed``, ``stale`` or ``ready``."""
        self._listeners.append(listener)

    def health(self) -> dict[str, Any]:
        """Return how the guard is: what it holds, how old that is, and what it ignored and how often."""
        view = self.view
        snapshot = view.snapshot
        age = snapshot.age_at(self._ticks()) if snapshot else None
        return {
            "epoch": self.order[0], "sequence": self.order[1], "age_s": age, "confirmed": bool(snapshot and snapshot.confirmed),
            "stale": self._stale is not False, "bounds": dict(view.bounds), "stop_files": sorted(view.files),
            "running": self.source is not None and self._pid == os.getpid() and self.source.running(),
            "ignored": dict(sorted(self._counts.items())), "last_ignored": self._last_ignored,
            **(self.source.health() if self.source is not None else {}),
        }

    def close(self) -> None:
        """End the background work; what is held grows old, and refuses when it is too old."""
        self._closed = True
        if self.source is not None and self._pid == os.getpid():
            self.source.close()

    def _tell_states(self) -> bool:
        """Say of each version whose state is another one what it is; return whether there was any."""
        snapshot = self.view.snapshot
        if snapshot is None:
            return False
        changed, now, lasts = False, self._ticks(), float("inf")
        for model, version in _pairs(snapshot, self._said):
            decision, left = decide(
                snapshot.content, self.view.more, model, version, None, age=float("-inf"), confirmed=True,
                moment=snapshot.moment_at(now), bounds=self.view.bounds,
            )
            lasts = min(lasts, left)
            before = self._said.get((model, version))
            self._said[model, version] = decision.state
            if before != decision.state:
                changed = True
                log.warning("%s %r: %s, was %s (%s)", model, version, decision.state, before or "not known", decision.reason)
        self._say_again = now + lasts
        return changed

    def _tell_age(self, *, stale: bool) -> None:
        if stale is self._stale:
            return
        first, self._stale = self._stale is None, stale
        log.log(
            logging.WARNING if stale else logging.INFO,
            "The switch is no longer heard; models of tier high refuse." if stale else "The switch is heard.",
        )
        self._emit(STALE if stale else READY)
        if first and stale:
            self.count("started_stale")

    def _emit(self, what: str) -> None:
        for listener in list(self._listeners):
            try:
                listener(what)
            except Exception:
                # A listener is other people's code; it must not end the thread that brings the stops.
                log.exception("A listener of the guard failed.")


def _next_look(looked: float, good: float, watched: tuple[tuple[bytes, bool], ...]) -> float:
    return min(looked + LOOK, good) if watched else good


def _pairs(snapshot: Snapshot, said: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    there = {(model, version) for model, versions in snapshot.content.service.items() for version in versions}
    return sorted(there | set(said))
