"""One way to open the state database: WAL, full synchronisation, waiting for others, and errors as sentences.

Standard library only, for the same reason as `roadworthy.ledger.chain`.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from roadworthy.errors import StorageError
from roadworthy.ledger.chain import Dialect, Execute

PREFIX = "sqlite:///"
WAIT_SECONDS = 30.0
_RESTORE = "Keep the file and restore a copy."

TRIGGERS = {
    "ledger_no_update": (
        "CREATE TRIGGER ledger_no_update before update on ledger begin select raise(abort, 'the ledger is append-only'); end"
    ),
    "ledger_no_delete": (
        "CREATE TRIGGER ledger_no_delete before delete on ledger begin select raise(abort, 'the ledger is append-only'); end"
    ),
    # INSERT OR REPLACE deletes without firing delete triggers, so the insert itself is watched too.
    "ledger_in_order": (
        "CREATE TRIGGER ledger_in_order before insert on ledger "
        "when new.seq <> (select coalesce(max(seq), 0) + 1 from ledger) or exists (select 1 from ledger where key = new.key) "
        "begin select raise(abort, 'the ledger is append-only'); end"
    ),
}
SCHEMA = (
    "create table if not exists ledger (seq integer primary key, at text not null, kind text not null, actor text not null, "
    "model text, key text unique, bytes blob not null, prev text not null, hash text not null)",
    "create index if not exists ledger_kind on ledger (kind, seq)",
    "create index if not exists ledger_model on ledger (model, seq)",
    *(sql.replace("CREATE TRIGGER", "CREATE TRIGGER IF NOT EXISTS", 1) for sql in TRIGGERS.values()),
)
DIALECT = Dialect("sqlite", SCHEMA, "select name from sqlite_master where type = 'table'")

# What `roadworthy.ledger.log` asks of a kind of database.
ENGINE = "sqlite://"
ENGINE_OPTIONS: Mapping[str, Any] = {}


class DamagedError(StorageError):
    """The database file is there, but its bytes are not a database's."""


def path_of(url: str) -> Path:
    """Return the file behind an SQLite URL.

    Examples
    --------
    >>> path_of("sqlite:////srv/state.sqlite").as_posix()
    '/srv/state.sqlite'

    Raises
    ------
    StorageError
        If the URL is another kind of database.
    """
    if not url.startswith(PREFIX) or len(url) == len(PREFIX):
        kind = url.partition(":")[0]
        raise StorageError(
            f"state_url names a database of kind '{kind}', which this version cannot use.",
            "Write sqlite:///PATH or postgresql://USER@HOST/DATABASE.",
        )
    return Path(url.removeprefix(PREFIX))


def connect(path: Path, *, wait: float = WAIT_SECONDS, read_only: bool = False) -> sqlite3.Connection:
    """Open the database at `path`; a writable one is created where it is missing.

    Parameters
    ----------
    path : pathlib.Path
    wait : float
        Seconds to wait for another writer.
    read_only : bool
        Never create or change anything, not even on a medium that cannot be written.

    Raises
    ------
    StorageError
        If the file cannot be opened or is not a database.
    """
    try:
        return _connect(path, wait, read_only)
    except (sqlite3.Error, OSError, UnicodeDecodeError) as problem:
        raise storage_error(problem, path) from problem


def _connect(path: Path, wait: float, read_only: bool) -> sqlite3.Connection:
    if read_only:
        path.stat()  # a missing file is said as such, not as "unable to open"
        uri = f"file:{quote(str(path.absolute()))}?mode=ro"
        try:
            con = _open(uri, wait)
            con.execute("select count(*) from sqlite_master").fetchone()
        except sqlite3.OperationalError:
            # A WAL database on a read-only medium needs a -shm file that cannot be made. Without a WAL there is nothing in
            # it to miss, and the file can be read as it lies.
            wal = path.with_name(path.name + "-wal")
            if wal.exists() and wal.stat().st_size:
                raise
            con = _open(uri + "&immutable=1", wait)
            con.execute("select count(*) from sqlite_master").fetchone()
        return con
    path.parent.mkdir(parents=True, exist_ok=True)
    con = _open(f"file:{quote(str(path.absolute()))}", wait)
    try:
        _to_wal(con, wait)
        con.execute("pragma synchronous = full")
    except BaseException:
        con.close()
        raise
    return con


def _open(uri: str, wait: float) -> sqlite3.Connection:
    # isolation_level None: transactions are begun and ended by name, never guessed by the driver.
    con = sqlite3.connect(uri, timeout=wait, isolation_level=None, check_same_thread=False, uri=True)
    con.text_factory = _text
    return con


def _text(raw: bytes) -> str:
    """Decode a cell; one that was changed into no text at all must still be read to be named."""
    return raw.decode("utf-8", "surrogateescape")


def _to_wal(con: sqlite3.Connection, wait: float) -> None:
    """Turn WAL on; SQLite does not wait for others while it changes the mode, so two first openers need patience."""
    deadline = time.monotonic() + wait
    while True:
        try:
            con.execute("pragma journal_mode = wal").fetchone()
            return
        except sqlite3.OperationalError as problem:
            if "locked" not in str(problem) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


@dataclass(frozen=True, slots=True)
class _Executor:
    con: sqlite3.Connection

    @property
    def dialect(self) -> Dialect:
        return DIALECT

    def __call__(self, sql: str, parameters: Mapping[str, Any], /) -> list[tuple[Any, ...]]:
        return self.con.execute(sql, dict(parameters)).fetchall()


def executor(con: sqlite3.Connection) -> Execute:
    """Return the function that `roadworthy.ledger.chain` asks for."""
    return _Executor(con)


@contextmanager
def writing(con: sqlite3.Connection) -> Iterator[Execute]:
    """Hold the write lock from the first statement on, commit at the end, undo everything on an error."""
    con.execute("begin immediate")
    try:
        yield executor(con)
        con.execute("commit")
    except BaseException:
        with suppress(sqlite3.Error):
            con.execute("rollback")
        raise


@contextmanager
def transaction(url: str, *, wait: float, read_only: bool = False) -> Iterator[Execute]:
    """Open the database, run one transaction and close it: for what must not wait for SQLAlchemy.

    Raises
    ------
    StorageError
        Whatever the database says, in a sentence.
    """
    path = path_of(url)
    with closing(connect(path, wait=wait, read_only=read_only)) as con:
        try:
            if read_only:
                con.execute("begin")
                yield executor(con)
            else:
                with writing(con) as execute:
                    yield execute
        except (sqlite3.Error, UnicodeDecodeError) as problem:
            raise storage_error(problem, path) from problem


def connector(url: str, *, wait: float, read_only: bool) -> tuple[Callable[[], sqlite3.Connection], str]:
    """Return a function that connects, and the database's name as people read it."""
    path = path_of(url)
    return partial(connect, path, wait=wait, read_only=read_only), str(path)


def aborted(con: sqlite3.Connection) -> bool:
    """Say whether nothing of the transaction can be kept: here a statement that failed undoes itself alone."""
    return False


def errors() -> tuple[type[Exception], ...]:
    """Return what the driver raises."""
    return sqlite3.Error, UnicodeDecodeError


def begin(writes: bool, wait: float, read_only: bool = False) -> str:
    """Return the statement that begins a transaction; how long it waits, and whether it may write, is set at opening."""
    return "begin immediate" if writes else "begin"


def translated(sql: str) -> str:
    """Return a statement as the driver reads it: sqlite3 knows ``:name``."""
    return sql


def structure_problems(execute: Execute) -> Iterator[str]:
    """Say which trigger is gone or another one, and what SQLite finds damaged in its own file."""
    found = {str(name): str(sql) for name, sql in execute("select name, sql from sqlite_master where type = 'trigger'", {})}
    for name, sql in TRIGGERS.items():
        if name not in found:
            yield f"the trigger '{name}', which keeps entries from being changed, is gone"
        elif found[name] != sql:
            yield f"the trigger '{name}', which keeps entries from being changed, is not the one that was installed"
    for (said,) in execute("pragma integrity_check(20)", {}):
        if said != "ok":
            yield f"the database itself is damaged: {said}"


def storage_error(problem: BaseException, where: object) -> StorageError:
    """Return what a database or file error means to the reader."""
    said = str(problem)
    if isinstance(problem, FileNotFoundError):
        return StorageError(f"There is no database {where}.", "Nothing has been recorded yet, or state_url names another place.")
    if isinstance(problem, UnicodeDecodeError):  # sqlite3 could not even say what is wrong: its message quotes a damaged name
        return DamagedError(f"The database {where} is damaged: its description of itself is no text.", _RESTORE)
    known = (
        ("locked", "is held by another process", "Try again when it has finished."),
        ("readonly", "is on a disk or has permissions that do not allow writing", "Make it writable."),
        ("disk is full", "cannot grow because the disk is full", "Free some space; nothing half-written was kept."),
        ("malformed", "is damaged: a page of it cannot be read", _RESTORE),
        ("not a database", "is not a database", _RESTORE),
        ("append-only", "refused a change of what was recorded", "Entries are only ever added."),
        ("unable to open", "cannot be opened", "Check that its folder exists and may be written."),
        ("disk i/o", "cannot be read or written (the disk reports an error or a limit)", "Check disk and quota."),
    )
    for word, means, do in known:
        if word in said.lower():
            kind = DamagedError if word in ("malformed", "not a database") else StorageError
            return kind(f"The database {where} {means}.", do)
    return StorageError(f"The database {where} cannot be used ({said}).", "Check disk and permissions.")
