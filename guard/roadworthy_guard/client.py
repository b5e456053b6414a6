"""The background of a remote guard: one thread asks for snapshots and sends heartbeats, another waits for events."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from roadworthy_guard import words
from roadworthy_guard.clock import Clock, Upward, written
from roadworthy_guard.core import Core, log
from roadworthy_guard.decision import GuardError
from roadworthy_guard.kept import KeptEnvelope
from roadworthy_guard.snapshot import GARBAGE, Ignored, Snapshot, envelope, fits, fresh
from roadworthy_guard.wire import Failed, Place, Secret, Wire

TIMEOUT = 1.0
POLL = 2.0           # without a stream of events
POLL_STREAMING = 5.0
BEAT = 4.0           # looked at each second, so that no two are further apart than 5 s
QUIET = 12.0         # a stream sends a heartbeat every 5 s
_LONGEST_BACK_OFF = 2.0
_MAX_MODELS = 1000   # in a heartbeat
_KEEP = 30.0         # how often what is kept is made young on disk
_GAP = 0.05          # a flood of events asks at most 20 times a second


class Client:
    """Keeps a guard's knowledge young.

    Parameters
    ----------
    core : Core
    place : Place
    token : Secret
    keys : mapping
        The pinned keys by id.
    instance : str
        The name in heartbeats; empty for one made of host, process and chance.
    kept : KeptEnvelope or None
    clock : Clock
    poll : float
        Longest pause between two requests without a stream, in seconds.
    models : sequence of str
        What heartbeats name; by default every model in service.
    """

    def __init__(
        self, core: Core, place: Place, token: Secret, keys: dict[str, Ed25519PublicKey], instance: str,
        kept: KeptEnvelope | None, clock: Clock, poll: float = POLL,
        models: Sequence[str] = (),
    ) -> None:
        self._core, self._place, self._token, self._keys = core, place, token, keys
        self._named, self._kept, self._clock, self._poll = instance, kept, clock, poll
        self._models = sorted(models)
        self._threads: list[threading.Thread] = []
        self._wires: list[Wire] = []
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._upward = Upward(clock)
        self._etag = ""
        self._acted = ""
        self._beat_at = float("-inf")
        self._beaten: tuple[int, int] | None = None
        self._streaming = False
        self._failures = 0
        self._heard: bool | None = None
        self._kept_problem = ""
        self._kept_at = float("-inf")
        self._body = b""
        self.instance = self._name()

    def _name(self, child: bool = False) -> str:
        if self._named and not child:
            return self._named
        base = self._named or socket.gethostname()[:60]
        return f"{base}-{os.getpid()}-{os.urandom(4).hex()}"

    def load(self) -> None:
        """Hold what was kept of the last run, unconfirmed."""
        if self._kept is None:
            return
        try:
            snapshot = self._kept.read()
            if snapshot is not None:
                self._core.take(snapshot)
        except Ignored as ignored:
            self._core.ignored(ignored)
        except OSError as problem:
            self._kept_problem = f"it cannot be read: {problem.strerror}"

    def start(self) -> None:
        """Start both threads."""
        self._stop.clear()
        wires = [Wire(self._place, self._token, TIMEOUT) for _ in range(2)]
        self._wires = wires
        self._threads = [
            threading.Thread(target=self._ask, args=(wires[0],), name="roadworthy-guard-asks", daemon=True),
            threading.Thread(target=self._wait, args=(wires[1],), name="roadworthy-guard-waits", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def running(self) -> bool:
        """Say whether the thread that asks lives; after a fork it does not."""
        return bool(self._threads) and self._threads[0].is_alive()

    def after_fork(self) -> None:
        """Take a name of its own, and forget threads, events and connections: those belong to the parent."""
        self._threads, self._wires = [], []
        self._stop, self._wake = threading.Event(), threading.Event()
        self._beat_at, self._beaten, self._streaming, self._failures = float("-inf"), None, False, 0
        self.instance = self._name(child=True)

    def close(self) -> None:
        """End both threads and say good-bye to the service, for at most a second."""
        self._stop.set()
        self._wake.set()
        for wire in self._wires:
            wire.interrupt()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(TIMEOUT)
        if self._heard:
            wire = Wire(self._place, self._token, TIMEOUT / 2)
            try:
                self._post(wire, {"instance": self.instance, "leaving": True})
            except (*Failed, GuardError) as problem:
                log.info("The service did not hear that %s leaves (%s).", self.instance, type(problem).__name__)
            finally:
                wire.close()
        self._threads, self._wires = [], []

    def health(self) -> dict[str, Any]:
        """Return how the connection is."""
        return {
            "mode": "remote", "instance": self.instance, "connected": self._heard is True, "streaming": self._streaming,
            "kept": self._kept_problem, "clock_set_back_s": round(self._upward.set_back, 3),
        }

    # --- the thread that asks

    def _ask(self, wire: Wire) -> None:
        stop, wake = self._stop, self._wake
        while not stop.is_set():
            began = time.monotonic()
            wake.clear()  # before the request: what is announced while it runs is asked for again
            self._core.reread()
            try:
                self._fetch(wire)
                self._connected(None)
            except Ignored as ignored:
                self._core.ignored(ignored)
                self._failures += 1
            except (*Failed, GuardError) as problem:
                self._connected(problem)
                self._failures += 1
            else:
                self._failures = 0
                self._beat(wire)
            self._core.tick()
            left = self._pause()
            while left > 0 and not stop.is_set() and not wake.wait(min(left, 1.0)):
                left -= 1.0
                self._core.reread()
                self._core.tick()
                if not self._failures:
                    self._beat(wire)
            stop.wait(max(0.0, _GAP - (time.monotonic() - began)))

    def _pause(self) -> float:
        """Return the seconds until the next request: the shortest bound must see three of them."""
        if self._failures:
            return _back_off(self._failures)
        pause = self._poll if not self._streaming else max(self._poll, POLL_STREAMING)
        return min(pause, min(self._core.view.bounds.values()) / 3) * _jitter(0.9, 1.1)

    def _fetch(self, wire: Wire) -> None:
        nonce = os.urandom(16).hex()
        headers = {"Roadworthy-Nonce": nonce, "Accept": "application/json"}
        before = self._core.view.snapshot
        if self._etag and before is not None:
            headers["If-None-Match"] = self._etag
        sent = self._clock.ticks()
        status, found, body = wire.ask("GET", "/v1/snapshot", headers)
        if status == 200:
            content = envelope(body, self._keys)
        elif status == 304 and before is not None:
            content = before.content
        else:
            self._core.count(f"http_{status}")
            raise ValueError(f"the service answered {status}")
        token = fresh(found.get("roadworthy-fresh"), self._keys, nonce)
        fits(content, token)
        if before is not None and content.epoch > before.content.epoch:
            self._upward.again(token.moment)
        moment = self._upward.told(token.moment)
        self._core.take(Snapshot(content, sent, token.age, moment))
        self._etag = f'"{content.digest}"'
        if before is None or not before.confirmed or content.order != before.content.order:
            self._acted = written(moment)
        self._keep(body, found.get("roadworthy-fresh", ""), sent)

    def _keep(self, body: bytes, header: str, sent: float) -> None:
        """Keep what is new at once, and what is confirmed now and then, so that it is not older on disk than it is."""
        self._body = body or self._body
        now = time.monotonic()
        if self._kept is None or not self._body or (not body and now - self._kept_at < _KEEP):
            return
        self._kept_at = now
        try:
            self._kept.write(self._body, header, sent)
            self._kept_problem = ""
        except (OSError, UnicodeError) as problem:
            self._kept_problem = f"it cannot be written: {problem}"

    def _beat(self, wire: Wire) -> None:
        """Tell the service what has been applied: every 5 s, and at once when it is new."""
        now, order = time.monotonic(), self._core.order
        if order == self._beaten and now - self._beat_at < BEAT:
            return
        snapshot = self._core.view.snapshot
        models = self._models or (sorted(snapshot.content.service) if snapshot is not None else [])
        body = {
            "instance": self.instance, "models": models[:_MAX_MODELS], "epoch": order[0], "sequence": order[1],
            "acted_at": self._acted,
        }
        try:
            self._post(wire, body)
            self._beaten = order
        except (*Failed, GuardError):
            self._core.count("heartbeat_failed")
        self._beat_at = now

    def _post(self, wire: Wire, body: dict[str, Any]) -> None:
        status, _, _ = wire.ask("POST", "/v1/heartbeat", {"Content-Type": "application/json"}, words.canonical(body))
        if status >= 300:
            raise ValueError(f"the heartbeat was answered with {status}")

    def _connected(self, problem: Exception | None) -> None:
        heard = problem is None
        if heard is not self._heard:
            self._heard = heard
            if problem is None:
                log.info("The switch service answers.")
            else:
                log.warning("The switch service does not answer (%s).", type(problem).__name__)
        if problem is not None:
            self._core.count("unreachable" if isinstance(problem, OSError) else GARBAGE)

    # --- the thread that waits

    def _wait(self, wire: Wire) -> None:
        stop, failures = self._stop, 0
        while not stop.is_set():
            try:
                for line in wire.lines("/v1/events", {"Accept": "text/event-stream"}, QUIET):
                    if stop.is_set():
                        return
                    if not line and not self._streaming:  # what happened before the stream was open is asked for
                        self._streaming, failures = True, 0
                        self._wake.set()
                    if line.startswith("data:") and _refetch(line[5:]):
                        self._wake.set()
            except (*Failed, GuardError):
                self._streaming = False
                failures += 1
                stop.wait(_back_off(failures))


def _refetch(data: str) -> bool:
    """Say whether an event asks for a request. It carries nothing that is believed."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.get("type") == "refetchEvaluation"


def _back_off(failures: int) -> float:
    return min(_LONGEST_BACK_OFF, 0.1 * float(2 ** min(failures, 10))) * _jitter(0.5, 1.0)


def _jitter(low: float, high: float) -> float:
    """Return a number between two others, so that a thousand guards do not come back at the same moment."""
    return low + (high - low) * int.from_bytes(os.urandom(2), "big") / 65_535
