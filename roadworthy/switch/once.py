"""A request that is sent twice is one act: the answer of the first is kept under its key."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
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


def keep(execute: Execute, key: str, body: bytes, answer: Mapping[str, Any], at: datetime) -> None:
    """Keep the answer of a request for a day, in the transaction of its act where there is one."""
    execute(SCHEMA, {})
    execute("delete from switch_once where at <= :old", {"old": stamp(at - KEPT)})
    execute(
        "insert into switch_once (key, digest, answer, at) values (:key, :digest, :answer, :at) on conflict (key) do update "
        "set digest = excluded.digest, answer = excluded.answer, at = excluded.at",
        {"key": key, "digest": digest_bytes(body), "answer": canonical_json(dict(answer)).decode(), "at": stamp(at)},
    )


def run(execute: Execute, key: str, body: bytes, act: Callable[[], Mapping[str, Any]], at: datetime) -> dict[str, Any]:
    """Do an act once for its key and return its answer, the first one's if it was done before."""
    before = answered(execute, key, body, at)
    if before is not None:
        return before
    answer = dict(act())
    keep(execute, key, body, answer, at)
    return answer
