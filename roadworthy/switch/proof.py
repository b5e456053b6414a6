"""Proof of a stop: which serving instances have acknowledged it, and which have not.

An instance that holds a guard tells every few seconds by which (epoch, sequence) it acts. The ledger's entry of a stop holds the
pair that the stop made, so what instances said later can be held against it. Confirmed means that every instance with a live
heartbeat has acknowledged; with no instance at all nothing is confirmed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from roadworthy.ledger import chain
from roadworthy.ledger.chain import Execute, stamp
from roadworthy.switch.files import ACTIVE, ANY, scope_of
from roadworthy.switch.service.instances import Instance, alive, rows

if TYPE_CHECKING:
    from roadworthy.ledger import Entry

Word = Literal["confirmed", "late", "lost", "never seen"]
#: What each word means, for people.
MEANS: dict[Word, str] = {
    "confirmed": "acknowledged the stop",
    "late": "alive, and acts by something older",
    "lost": "was heard of after the stop, did not acknowledge it and is silent now; it refuses once its bound has passed",
    "never seen": "not heard of since the stop; it refuses once its bound has passed",
}


@dataclass(frozen=True, slots=True)
class Receipt:
    """What is known of one instance about one stop; `acted_at` is when it acted by what it acts by now."""

    instance: str
    word: Word
    seen_at: str
    acted_at: str


@dataclass(frozen=True, slots=True)
class Proof:
    """Where one stop has arrived.

    Attributes
    ----------
    scope, state, since : str
        The stop.
    fence, epoch, sequence : int
        Its entry in the ledger, and the order of the change that it made.
    confirmed : bool
        Every instance with a live heartbeat has acknowledged it, and there is at least one.
    receipts : tuple of Receipt
    """

    scope: str
    state: str
    since: str
    fence: int
    epoch: int
    sequence: int
    confirmed: bool
    receipts: tuple[Receipt, ...]

    @property
    def last_at(self) -> str:
        """When the last instance that has acknowledged acted; empty before."""
        return max((one.acted_at for one in self.receipts if one.word == "confirmed"), default="")

    def named(self, word: Word) -> list[str]:
        """Return the instances of which a word is true."""
        return [one.instance for one in self.receipts if one.word == word]

    def as_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {**asdict(self), "receipts": [asdict(one) for one in self.receipts], "last_at": self.last_at}


def receipts(
    known: Iterable[Instance], epoch: int, sequence: int, since: str, now: datetime, model: str | None = None
) -> tuple[Receipt, ...]:
    """Return what each instance that guards a model said of (epoch, sequence); one that said good-bye is not asked.

    Examples
    --------
    >>> from datetime import UTC
    >>> now = datetime(2026, 4, 1, 6, 1, 0, tzinfo=UTC)
    >>> def beat(name, sequence, second, minute=0):
    ...     return Instance(name, ("credit",), 1, sequence, f"2026-04-01T06:{minute:02}:{second:02}.000000Z")
    >>> beats = [beat("a", 7, 58), beat("b", 6, 58), beat("c", 6, 20), beat("d", 6, 1)]
    >>> [one.word for one in receipts(beats, 1, 7, "2026-04-01T06:00:10.000000Z", now, "credit")]
    ['confirmed', 'late', 'lost', 'never seen']
    """
    found = []
    for one in known:
        if one.left_at or (model not in (None, ANY) and model not in one.models and ANY not in one.models):
            continue
        word: Word
        if (one.epoch, one.sequence) >= (epoch, sequence):
            word = "confirmed"
        elif alive(one, now):
            word = "late"
        else:
            word = "lost" if one.seen_at >= since else "never seen"
        found.append(Receipt(one.instance, word, one.seen_at, one.acted_at or one.seen_at))
    return tuple(sorted(found, key=lambda one: (one.word, one.instance)))


def last_stop(execute: Execute, model: str) -> Entry | None:
    """Return the ledger's newest entry that made a model, or all models, stricter; None if there is none."""
    start = 2**63 - 1
    while page := chain.page(execute, start, "switch", backwards=True):
        for row in page:
            entry = chain.entry_of(row)
            if entry.body.get("model") in (model, ANY) and entry.body.get("to") != ACTIVE:
                return entry
        start = page[-1][0]
    return None


def proof_of(
    execute: Execute, entry: Entry, now: datetime, model: str | None = None, embedded: Iterable[Instance] = ()
) -> Proof:
    """Return where a recorded stop has arrived.

    Parameters
    ----------
    execute : callable
    entry : Entry
        Of kind ``switch``. One written before entries held their sequence is confirmed by nobody.
    now : datetime
    model : str, optional
        Only instances that guard it; by default the stopped one.
    embedded : iterable of Instance, optional
        Guards without a service, which tell by files; see `roadworthy.switch.beats`.
    """
    body, since = entry.body, stamp(entry.at)
    epoch, sequence = int(body.get("epoch", 0)), int(body.get("sequence", 0))
    there = "switch_instance" in chain.tables(execute)
    known = [*(rows(execute) if there else ()), *embedded] if sequence else []
    found = receipts(known, epoch, sequence, since, now, model or str(body["model"]))
    words = {one.word for one in found}
    return Proof(
        scope_of(str(body["model"]), str(body["version"]), str(body["segment"])), str(body["to"]), since, entry.seq, epoch,
        sequence, "confirmed" in words and "late" not in words, found,
    )
