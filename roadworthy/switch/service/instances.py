"""Heartbeats of guards, and the proof that a stop has arrived everywhere.

An instance that is alive tells every few seconds which (epoch, sequence) it acts by. A stop is confirmed when every instance
that is alive has acknowledged it; one that went silent has closed itself once its tier's bound had passed.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from roadworthy.canonical import canonical_json
from roadworthy.ledger.chain import Execute, moment, stamp

SCHEMA = (
    "create table if not exists switch_instance (instance text not null primary key, models text not null, "
    "epoch bigint not null, sequence bigint not null, seen_at text not null, acted_at text not null, left_at text not null)"
)
LEASE = timedelta(seconds=10)
FORGET = timedelta(hours=24)
MOST = 10_000


@dataclass(frozen=True, slots=True)
class Instance:
    """A serving process as its last heartbeat described it."""

    instance: str
    models: tuple[str, ...]
    epoch: int
    sequence: int
    seen_at: str
    acted_at: str = ""
    left_at: str = ""


@dataclass(frozen=True, slots=True)
class Proof:
    """Where a change of the switch has arrived.

    Attributes
    ----------
    confirmed : bool
        Every instance with a live heartbeat has acknowledged it, and there is at least one.
    acknowledged, late, lost : list of str
        `late` is alive and acts by something older; `lost` has not been heard of since, so it refuses by its bound.
    last_at : str
        When the last one acted; empty before.
    """

    confirmed: bool
    acknowledged: list[str]
    late: list[str]
    lost: list[str]
    last_at: str = ""


@dataclass
class Instances:
    """The instances that this service hears of; written to the store in bunches, so that other services see them too."""

    _known: dict[str, Instance] = field(default_factory=dict)
    _unwritten: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def beat(self, one: Instance) -> None:
        """Take a heartbeat; an older one than is known changes nothing but the time."""
        with self._lock:
            self._make_room(one.instance)
            old = self._known.get(one.instance)
            if old is not None and not one.left_at and (old.epoch, old.sequence) == (one.epoch, one.sequence) and old.acted_at:
                one = Instance(one.instance, one.models, one.epoch, one.sequence, one.seen_at, old.acted_at)
            self._known[one.instance] = one
            self._unwritten.add(one.instance)

    def write(self, execute: Execute, now: datetime) -> None:
        """Write what has changed, and read what other services wrote; inside a write transaction."""
        execute(SCHEMA, {})
        with self._lock:
            changed = [self._known[name] for name in sorted(self._unwritten)]
            self._unwritten.clear()
        for one in changed:
            execute(
                "insert into switch_instance (instance, models, epoch, sequence, seen_at, acted_at, left_at) values "
                "(:instance, :models, :epoch, :sequence, :seen_at, :acted_at, :left_at) on conflict (instance) do update set "
                "models = excluded.models, epoch = excluded.epoch, sequence = excluded.sequence, seen_at = excluded.seen_at, "
                "acted_at = excluded.acted_at, left_at = excluded.left_at",
                {
                    "instance": one.instance, "models": canonical_json(list(one.models)).decode(), "epoch": one.epoch,
                    "sequence": one.sequence, "seen_at": one.seen_at, "acted_at": one.acted_at, "left_at": one.left_at,
                },
            )
        execute("delete from switch_instance where seen_at < :old", {"old": stamp(now - FORGET)})
        with self._lock:
            for name in [name for name, one in self._known.items() if one.seen_at < stamp(now - FORGET)]:
                del self._known[name]
        self.take(rows(execute))

    def take(self, others: Iterable[Instance]) -> None:
        """Learn of instances that other services heard of."""
        with self._lock:
            for one in others:
                mine = self._known.get(one.instance)
                if mine is None or mine.seen_at < one.seen_at:
                    self._make_room(one.instance)
                    self._known[one.instance] = one

    def _make_room(self, name: str) -> None:
        """Forget whoever was silent longest, so that no number of names hides one that is alive."""
        if name not in self._known and len(self._known) >= MOST:
            silent = min(self._known.values(), key=lambda one: one.seen_at)
            del self._known[silent.instance]
            self._unwritten.discard(silent.instance)

    @property
    def unwritten(self) -> int:
        """How many heartbeats have not been written yet."""
        return len(self._unwritten)

    def all(self) -> list[Instance]:
        """Return every instance, by name."""
        with self._lock:
            return sorted(self._known.values(), key=lambda one: one.instance)


def rows(execute: Execute) -> list[Instance]:
    """Return the instances that are stored."""
    found = execute("select instance, models, epoch, sequence, seen_at, acted_at, left_at from switch_instance", {})
    return [Instance(str(r[0]), tuple(json.loads(r[1])), int(r[2]), int(r[3]), str(r[4]), str(r[5]), str(r[6])) for r in found]


def prove(known: Iterable[Instance], epoch: int, sequence: int, now: datetime, model: str | None = None) -> Proof:
    """Say where (epoch, sequence) has arrived.

    Parameters
    ----------
    known : iterable of Instance
    epoch, sequence : int
    now : datetime
    model : str, optional
        Only instances that serve it; by default every one.

    Examples
    --------
    >>> from datetime import UTC
    >>> now = datetime(2026, 4, 1, 6, 0, 9, tzinfo=UTC)
    >>> beats = [Instance("a", ("credit",), 1, 7, "2026-04-01T06:00:05.000000Z", "2026-04-01T06:00:01.000000Z"),
    ...          Instance("b", ("credit",), 1, 6, "2026-04-01T06:00:05.000000Z"),
    ...          Instance("c", ("credit",), 1, 6, "2026-04-01T05:00:00.000000Z")]
    >>> proof = prove(beats, 1, 7, now)
    >>> proof.confirmed, proof.acknowledged, proof.late, proof.lost
    (False, ['a'], ['b'], ['c'])
    """
    here, late, lost, times = [], [], [], []
    for one in known:
        if one.left_at or (model is not None and model not in one.models and "*" not in one.models):
            continue
        if (one.epoch, one.sequence) >= (epoch, sequence):
            here.append(one.instance)
            times.append(one.acted_at or one.seen_at)
        elif alive(one, now):
            late.append(one.instance)
        else:
            lost.append(one.instance)
    return Proof(bool(here) and not late, sorted(here), sorted(late), sorted(lost), max(times, default=""))


def alive(one: Instance, now: datetime) -> bool:
    """Say whether an instance's heartbeat is younger than its lease."""
    return not one.left_at and now - moment(one.seen_at) <= LEASE
