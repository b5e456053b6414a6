"""Workspaces for the embedded guard, with the tables of docs/switch-protocol.md made by hand."""

from __future__ import annotations

import base64
import hashlib
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.guard.service import Key, canonical, stamp

ADA, GUS, OLGA, NEW = Key(10), Key(11), Key(12), Key(13)
_TABLES = (
    "create table switch (model text, version text, segment text, state text, since text, actor text, reason text, "
    "evidence text, fence bigint, primary key (model, version, segment))",
    "create table switch_clock (name text primary key, value bigint)",
    "create table switch_service (model text, version text, tier text, fallback bigint, since text, lease_until text, "
    "alert_at text, renewed_by text, extended_by text, primary key (model, version))",
    "create table switch_terms (model text, version text, segment text, fence bigint, review_by text, until text, "
    "then_state text, primary key (model, version, segment))",
    "create table switch_signed (fence bigint primary key, statement text, signatures text)",
    "insert into switch_clock values ('epoch', 1), ('sequence', 1)",
    "insert into switch_service values ('credit', '1.0.0', 'high', 1, '2026-01-01T00:00:00.000000Z', '', '', '', '')",
    "insert into switch_service values ('bare', '1.0.0', 'high', 0, '2026-01-01T00:00:00.000000Z', '', '', '', '')",
    "insert into switch_service values ('bikes', '1.0.0', 'minimal', 0, '2026-01-01T00:00:00.000000Z', '', '', '', '')",
)


def person(name: str, key: Key | None, *roles: str) -> dict[str, Any]:
    return {"id": name, "public_key": key.public if key else "", "roles": list(roles)}


PEOPLE = [
    person("ada", ADA, "operator"), person("gus", GUS, "guardian"), person("olga", OLGA, "owner"), person("ned", None, "owner"),
]


def digest(version: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical({key: value for key, value in version.items() if key != "signature"})).hexdigest()


def next_version(before: Mapping[str, Any], people: list[dict[str, Any]], by: str, key: Key) -> dict[str, Any]:
    made = {"by": by, "people": people, "previous": digest(before)}
    return {**made, "signature": base64.b64encode(key.private.sign(b"roadworthy-people-v1\n" + canonical(made))).decode()}


FIRST: dict[str, Any] = {"by": "", "people": PEOPLE, "previous": "", "signature": ""}
ROOT = digest(FIRST)


class Workspace:
    """A workspace folder; each change raises the sequence, as the store does."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / ".roadworthy" / "switch"
        self.folder.mkdir(parents=True)
        self.database = root / ".roadworthy" / "state.sqlite"
        self.lock([FIRST])
        with closing(sqlite3.connect(self.database, isolation_level=None)) as con:
            con.execute("pragma journal_mode = wal")
            for table in _TABLES:
                con.execute(table)

    def lock(self, versions: list[dict[str, Any]]) -> None:
        (self.root / "people.lock").write_bytes(canonical(versions) + b"\n")

    def run(self, sql: str, *values: Any, sequence: int = 1) -> None:
        with closing(sqlite3.connect(self.database, isolation_level=None)) as con:
            con.execute("begin immediate")
            con.execute(sql, values)
            if sequence:
                con.execute("update switch_clock set value = value + ? where name = 'sequence'", (sequence,))
            con.execute("commit")

    def row(
        self, state: str, fence: int, *, model: str = "credit", version: str = "*", segment: str = "*",
        since: float | None = None,
    ) -> None:
        at = stamp(time.time() - 10 if since is None else since)
        self.run("replace into switch values (?, ?, ?, ?, ?, 'x', 'x', '', ?)", model, version, segment, state, at, fence)

    def sign(
        self, fence: int, lifts: int, *, by: tuple[tuple[str, Key], ...] = (("ada", ADA), ("gus", GUS)),
        asked: float | None = None, **changes: Any,
    ) -> None:
        """Write what was signed beside the row of `fence`."""
        said = {
            "act": "enable", "asked_at": stamp(time.time() if asked is None else asked), "fence": lifts, "from": "disabled",
            "gates": [], "model": "credit", "reason": "mended",
            "requested_by": "ada", "schema_version": 1, "segment": "*", "version": "*",
            **changes,
        }
        said = {name: value for name, value in said.items() if value is not None}
        raw = canonical(said)
        signatures = [
            {"by": who, "signature": base64.b64encode(key.private.sign(b"roadworthy-enable-v1\n" + raw)).decode()}
            for who, key in by
        ]
        self.run("replace into switch_signed values (?, ?, ?)", fence, raw.decode(), canonical(signatures).decode())
