"""How an entry becomes bytes and a link of the chain.

Standard library only: ``roadworthy switch stop`` records through this module before SQLAlchemy could have been imported.
Everything here is given a function that executes SQL inside a transaction, so the same statements serve SQLite and PostgreSQL,
through a bare connection and through SQLAlchemy. What differs between the two stands in a `Dialect`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from roadworthy.canonical import canonical_json, digest_bytes
from roadworthy.errors import TamperedError

SCHEMA_VERSION = 1
GENESIS = "0" * 64
MAX_BODY = 64 * 1024
_KIND = re.compile(r"[a-z][a-z0-9-]{0,39}")
_SAFE_INTEGER = 2**53 - 1

_COLUMNS = "seq, at, kind, actor, model, key, bytes, prev, hash"


@dataclass(frozen=True, slots=True)
class Dialect:
    """What one kind of database says differently.

    Attributes
    ----------
    name : str
        ``sqlite`` or ``postgresql``.
    schema : tuple of str
        The statements that make the ledger's table, indexes and triggers where they are missing.
    tables : str
        A query for the names of the tables that an unqualified name can reach.
    """

    name: str
    schema: tuple[str, ...]
    tables: str


class Execute(Protocol):
    """Runs one statement with parameters named ``:name`` inside the caller's transaction and returns its rows."""

    @property
    def dialect(self) -> Dialect:
        """What kind of database runs it."""
        ...

    def __call__(self, sql: str, parameters: Mapping[str, Any], /) -> list[tuple[Any, ...]]:
        """Execute `sql`."""
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """One act.

    Attributes
    ----------
    seq : int
        From 1, without gaps.
    at : datetime
        When, in UTC.
    kind : str
        What kind of act: ``run``, ``release``, ``switch``, ...
    actor : str
        Who: the id of a person, or ``automation`` or another principal.
    body : dict
        Digests, ids and words; JSON values without floats.
    prev, hash : str
        SHA-256 of the entry before, and of this one's bytes (which hold `prev`).
    key : str, optional
        What makes the act unique; appending the same key again returns this entry.
    """

    seq: int
    at: datetime
    kind: str
    actor: str
    body: dict[str, Any]
    prev: str
    hash: str
    key: str | None = None

    @property
    def model(self) -> str | None:
        """The model that the entry speaks of."""
        found = self.body.get("model")
        return found if isinstance(found, str) else None


def stamp(at: datetime) -> str:
    """Return a moment as UTC text of fixed width, so that text order is time order.

    Examples
    --------
    >>> stamp(datetime(2026, 4, 1, 6, 0, tzinfo=UTC))
    '2026-04-01T06:00:00.000000Z'
    """
    if at.tzinfo is None:
        raise ValueError("a moment in the ledger needs a time zone")
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment(text: str) -> datetime:
    """Return the moment that `stamp` wrote."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


def install(execute: Execute) -> None:
    """Create table, indexes and triggers where they are missing."""
    for sql in execute.dialect.schema:
        execute(sql, {})


def tables(execute: Execute) -> list[str]:
    """Return the names of the tables that are there."""
    return [str(name) for (name,) in execute(execute.dialect.tables, {})]


def seal(seq: int, prev: str, *, kind: str, actor: str, body: Mapping[str, Any], at: datetime, key: str | None = None) -> bytes:
    """Return the canonical bytes of an entry; their SHA-256 is its hash.

    Raises
    ------
    ValueError
        If the body holds a float, a number that JSON readers round, a value that is not JSON, or is larger than 64 KB.
    """
    if not _KIND.fullmatch(kind):
        raise ValueError(f"{kind!r} cannot be a kind of entry: use small letters, digits and '-'")
    if not actor:
        raise ValueError("an entry needs an actor")
    for problem in _problems(body, "body"):
        raise ValueError(problem)
    if "\0" in f"{actor}{key}{body.get('model')}":
        raise ValueError("an entry's actor, key or model holds the character NUL, which PostgreSQL cannot keep in a column")
    envelope = {
        "schema_version": SCHEMA_VERSION, "seq": seq, "at": stamp(at), "kind": kind, "actor": actor, "key": key,
        "body": body, "prev": prev,
    }
    try:
        sealed = canonical_json(envelope)
    except UnicodeEncodeError:
        raise ValueError("an entry holds text that is not Unicode (half of a surrogate pair)") from None
    if len(sealed) > MAX_BODY:
        raise ValueError(f"an entry of {len(sealed)} bytes is too large; the ledger holds digests and ids")
    return sealed


def append(execute: Execute, kind: str, actor: str, body: Mapping[str, Any], *, at: datetime, key: str | None = None) -> Entry:
    """Append one entry inside the caller's write transaction, or return the one that has `key` already."""
    if key is not None:
        rows = execute(f"select {_COLUMNS} from ledger where key = :key", {"key": key})
        if rows:
            found = entry_of(rows[0])
            if found.kind != kind:
                raise ValueError(f"the key {key!r} belongs to entry {found.seq}, a '{found.kind}', and cannot be a '{kind}' too")
            return found
    last = execute("select seq, hash from ledger order by seq desc limit 1", {})
    seq, prev = (int(last[0][0]) + 1, str(last[0][1])) if last else (1, GENESIS)
    sealed = seal(seq, prev, kind=kind, actor=actor, body=body, at=at, key=key)
    row = (seq, stamp(at), kind, actor, body.get("model"), key, sealed, prev, digest_bytes(sealed))
    names = [name.strip() for name in _COLUMNS.split(",")]
    execute(f"insert into ledger ({_COLUMNS}) values ({', '.join(':' + n for n in names)})", dict(zip(names, row, strict=True)))
    return entry_of(row)


def head(execute: Execute) -> tuple[int, str]:
    """Return sequence number and hash of the last entry; (0, 64 zeros) for an empty ledger."""
    rows = execute("select seq, hash from ledger order by seq desc limit 1", {})
    return (int(rows[0][0]), str(rows[0][1])) if rows else (0, GENESIS)


def page(
    execute: Execute, start: int, kind: str | None = None, model: str | None = None, *, backwards: bool = False
) -> list[tuple[Any, ...]]:
    """Return up to 500 rows that follow entry `start` in order, or those before it, the newest first."""
    wanted: dict[str, Any] = {"start": start}
    where, order = ("seq < :start", "desc") if backwards else ("seq > :start", "asc")
    for name, value in (("kind", kind), ("model", model)):
        if value is not None:
            where += f" and {name} = :{name}"
            wanted[name] = value
    return execute(f"select {_COLUMNS} from ledger where {where} order by seq {order} limit 500", wanted)


def entry_of(row: tuple[Any, ...]) -> Entry:
    """Return a row as an entry.

    Raises
    ------
    TamperedError
        If the row is not what was recorded.
    """
    for problem in row_problems(row):
        raise TamperedError(f"The ledger was changed: {problem}.", "Run 'roadworthy verify'.")
    envelope = json.loads(row[6])
    return Entry(
        seq=envelope["seq"], at=moment(envelope["at"]), kind=envelope["kind"], actor=envelope["actor"], body=envelope["body"],
        prev=envelope["prev"], hash=row[8], key=envelope["key"],
    )


def row_problems(row: tuple[Any, ...]) -> Iterator[str]:
    """Say what in a stored row contradicts its own hash."""
    seq, at, kind, actor, model, key, sealed, prev, stored = row
    if not isinstance(sealed, bytes | memoryview) or digest_bytes(bytes(sealed)) != stored:
        yield f"entry {seq} does not have the hash that was recorded for it"
        return
    try:
        envelope = json.loads(bytes(sealed))
        copies = {"seq": seq, "at": at, "kind": kind, "actor": actor, "key": key, "prev": prev}
        body_model = envelope["body"].get("model")
        differing = [name for name, value in copies.items() if type(envelope[name]) is not type(value) or envelope[name] != value]
    except (ValueError, KeyError, AttributeError, TypeError):
        yield f"entry {seq} is not an entry"
        return
    if model != body_model:
        differing.append("model")
    for name in differing:
        yield f"entry {seq} has another '{name}' in its column than in its sealed bytes"


def chain_problems(execute: Execute) -> Iterator[str]:
    """Walk the whole chain and yield a sentence for each break."""
    expected, before = 1, GENESIS
    after = -(2**63)
    while rows := page(execute, after):
        for row in rows:
            seq, prev, stored = row[0], row[7], row[8]
            after = seq
            if seq != expected:
                gone = f"entry {expected} is missing" if seq == expected + 1 else f"entries {expected} to {seq - 1} are missing"
                yield gone if seq > expected else f"entry {seq} has a number that no entry can have"
            yield from row_problems(row)
            if seq == expected and prev != before:
                yield f"entry {seq} does not follow entry {seq - 1}: the hash it names is another one"
            expected, before = max(seq, 0) + 1, stored


def _problems(value: Any, where: str) -> Iterator[str]:
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return
    if isinstance(value, int):
        if abs(value) > _SAFE_INTEGER:
            yield f"{where} is {value}, which JSON readers round"
    elif isinstance(value, float):
        yield f"{where} is a float; the ledger holds digests and ids, numbers belong to the evidence"
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                yield f"{where} has the key {key!r}, which is not text"
            else:
                yield from _problems(inner, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _problems(inner, f"{where}[{index}]")
    else:
        yield f"{where} is a {type(value).__name__}, which is not JSON"
