"""A request that is sent twice is one act: the answer of the first is kept under its key."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from roadworthy.canonical import canonical_json, digest_bytes
from roadworthy.errors import RefusedError
from roadworthy.ledger import chain
from roadworthy.ledger.chain import Execute, stamp

SCHEMA = (
    "create table if not exists switch_once (key text not null primary key, digest text not null, answer text not null, "
    "at text not null)"
)
KEPT = timedelta(hours=24)


class ConflictError(RefusedError):
    """The key was used for something else."""


def answered(execute: Execute, key: str, body: bytes, now: datetime) -> dict[str, Any] | None:
    """Return the answer that was given to this key in the last day, or None; nothing is written.

    Raises
    ------
    ConflictError
        If it was given to another body.
    """
    if "switch_once" not in chain.tables(execute):
        return None
    since = stamp(now - KEPT)
    found = execute("select digest, answer from switch_once where key = :key and at > :since", {"key": key, "since": since})
    if not found:
        return None
    if found[0][0] != digest_bytes(body):
        raise ConflictError(f"The idempotency key {key[:40]!r} was used for another request.", "Use a new key.")
    answer: dict[str, Any] = json.loads(found[0][1])
    return answer


def keep(
    execute: Execute, key: str, body: bytes, answer: Mapping[str, Any], at: datetime, instead_of: Mapping[str, Any] | None = None
) -> None:
    """Keep the answer of a request for a day, in the transaction of its act where there is one.

    One that is kept already stays, because it was the first; `instead_of` is one that is no longer true and gives way.
    """
    execute(SCHEMA, {})
    execute("delete from switch_once where at <= :old", {"old": stamp(at - KEPT)})
    execute(
        "insert into switch_once (key, digest, answer, at) values (:key, :digest, :answer, :at) on conflict (key) do update "
        "set digest = excluded.digest, answer = excluded.answer, at = excluded.at where switch_once.answer = :untrue",
        {"key": key, "digest": digest_bytes(body), "answer": canonical_json(dict(answer)).decode(), "at": stamp(at),
         "untrue": canonical_json(dict(instead_of)).decode() if instead_of is not None else ""},
    )  # fmt: skip


@dataclass(slots=True)
class _Turn:
    lock: threading.Lock = field(default_factory=threading.Lock)
    present: int = 0


class Turns:
    """Lets the requests of one key pass one after the other, so that those sent at once find the answer of the first.

    Examples
    --------
    >>> turns = Turns()
    >>> with turns.of("oscar:k-1", 1.0):
    ...     turns.waiting()
    1
    >>> turns.waiting()
    0
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turns: dict[str, _Turn] = {}

    def waiting(self) -> int:
        """Return how many keys have a request under way."""
        return len(self._turns)

    @contextmanager
    def of(self, key: str, seconds: float) -> Iterator[None]:
        """Wait for one's turn, and for no longer than `seconds`: a request that hangs must not hold up the next."""
        with self._lock:
            turn = self._turns.setdefault(key, _Turn())
            turn.present += 1
        mine = turn.lock.acquire(timeout=seconds)
        try:
            yield
        finally:
            if mine:
                turn.lock.release()
            with self._lock:
                turn.present -= 1
                if not turn.present:
                    del self._turns[key]
