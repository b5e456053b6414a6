"""The state database in PostgreSQL: connections, one transaction at a time, and errors as sentences.

Every write transaction takes one advisory lock before it looks at anything, so a sequence number is given under the lock and a
rollback leaves no gap. Limits are set inside each transaction, not on the session: a pooler may hand the next one to another.

Nothing but the standard library is imported until somebody connects, for the same reason as in `roadworthy.ledger.chain`.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from roadworthy.errors import StorageError
from roadworthy.ledger.chain import Dialect, Execute
from roadworthy.ledger.postgres_tables import DIALECT, structure_problems, translated
from roadworthy.ledger.postgres_url import name_of, parameters
from roadworthy.ledger.sqlite import DamagedError

if TYPE_CHECKING:
    import psycopg

__all__ = ["DIALECT", "ENGINE", "UnreachableError", "connect", "storage_error", "structure_problems", "transaction", "translated"]

ENGINE = "postgresql+psycopg://"
ENGINE_OPTIONS: Mapping[str, Any] = {"use_native_hstore": False}  # looking for the type would cost a query a connection
OLDEST = 13
CONNECT_SECONDS = (3.0, 10.0)
#: Writers of one database take turns by this lock, whatever schema their tables are in. The number says "roadwrth".
LOCK = int.from_bytes(b"roadwrth", "big")
_CHECK = "Check that the server runs, host, port and database in state_url, and where the password comes from."


class UnreachableError(StorageError):
    """The server does not answer, refuses the connection, or broke it off."""


def connect(url: str, *, wait: float) -> psycopg.Connection[tuple[Any, ...]]:
    """Connect, without a transaction begun.

    Parameters
    ----------
    url : str
    wait : float
        Seconds; a third of it, but 3 to 10 s, is the time to connect.

    Raises
    ------
    StorageError
        If the URL is wrong, the server cannot be reached, or it is too old or keeps text in another encoding than UTF-8.
    """
    try:
        import psycopg
    except ImportError as problem:
        raise StorageError(
            f"state_url names a PostgreSQL database, and its driver is not installed ({problem}).",
            "Run: pip install 'psycopg[binary]'",
        ) from problem
    wanted = parameters(url, os.environ)
    where = name_of(url)
    least, most = CONNECT_SECONDS
    options: dict[str, Any] = {
        "fallback_application_name": "roadworthy", "tcp_user_timeout": 20_000, "keepalives_idle": 10, "keepalives_interval": 5,
        "keepalives_count": 3, **wanted, "connect_timeout": round(min(most, max(least, wait / 3))),
    }
    try:
        # Prepared statements belong to a session, which a pooler may take away between two transactions.
        con = psycopg.connect(**options, autocommit=True, prepare_threshold=None)
    except (psycopg.Error, OSError, UnicodeError) as problem:
        said = " ".join(str(problem).split())
        for secret in (wanted.get("password"), wanted.get("sslpassword")):
            said = said.replace(secret, "***") if secret else said
        raise UnreachableError(f"The database {where} cannot be reached ({said[:400].rstrip('.')}).", _CHECK) from None
    encoding = con.info.parameter_status("server_encoding")
    if con.info.server_version < OLDEST * 10_000 or encoding != "UTF8":
        version = con.info.server_version // 10_000
        con.close()
        raise StorageError(
            f"The database {where} is of PostgreSQL {version} with encoding {encoding}; needed are {OLDEST} or newer and UTF8.",
            "Name another one in state_url.",
        )
    return con


def connector(url: str, *, wait: float, read_only: bool) -> tuple[Callable[[], psycopg.Connection[tuple[Any, ...]]], str]:
    """Return a function that connects, and the database's name as people read it; `begin` sees to `read_only`."""
    return partial(connect, url, wait=wait), name_of(url)


def errors() -> tuple[type[Exception], ...]:
    """Return what the driver raises."""
    import psycopg

    return psycopg.Error, UnicodeError


def begin(writes: bool, wait: float, read_only: bool = False) -> str:
    """Return the statements that begin a transaction, in one round trip.

    Parameters
    ----------
    writes : bool
        Take the write lock. Read committed, because a snapshot taken before the lock would not hold the last entry.
    wait : float
        Seconds to wait for the lock; a statement may take twice as long, and so may the caller between two.
    read_only : bool
        Refuse every change.
    """
    level = "read committed" if writes else "repeatable read"
    first, twice = round(wait * 1000), round(wait * 2000)
    lines = [
        f"begin isolation level {level}{', read only' if read_only or not writes else ''}",
        f"set local lock_timeout = {first}", f"set local statement_timeout = {twice}",
        f"set local idle_in_transaction_session_timeout = {twice}",
        "set local standard_conforming_strings = on", "set local client_min_messages = warning",
    ]
    if writes:
        lines += [
            # An entry is acknowledged when it is on disk; where a standby must have it too, that stays.
            "select set_config('synchronous_commit', 'on', true) "
            "where current_setting('synchronous_commit') not in ('on', 'remote_apply')",
            f"select pg_advisory_xact_lock({LOCK})",
        ]
    return "; ".join(lines)


@dataclass(frozen=True, slots=True)
class _Executor:
    con: psycopg.Connection[tuple[Any, ...]]

    @property
    def dialect(self) -> Dialect:
        return DIALECT

    def __call__(self, sql: str, parameters: Mapping[str, Any], /) -> list[tuple[Any, ...]]:
        cursor = self.con.execute(translated(sql), dict(parameters))
        return cursor.fetchall() if cursor.description is not None else []


def executor(con: psycopg.Connection[tuple[Any, ...]]) -> Execute:
    """Return the function that `roadworthy.ledger.chain` asks for."""
    return _Executor(con)


@contextmanager
def writing(con: psycopg.Connection[tuple[Any, ...]], *, wait: float, read_only: bool = False) -> Iterator[Execute]:
    """Hold the write lock from the first statement on, commit at the end, undo everything on an error.

    With `read_only`, hold one consistent view instead.
    """
    import psycopg

    execute = executor(con)
    try:
        execute(begin(not read_only, wait, read_only), {})
        yield execute
        if aborted(con):
            raise StorageError(*_PASSED_OVER)
        execute("commit", {})
    except BaseException:
        with suppress(psycopg.Error):
            execute("rollback", {})
        raise


_PASSED_OVER = ("A statement of a transaction failed and was passed over, so PostgreSQL kept nothing of it.", "Report this.")


def aborted(con: psycopg.Connection[Any]) -> bool:
    """Say whether a statement of the transaction failed: PostgreSQL then answers a commit with a silent rollback."""
    from psycopg.pq import TransactionStatus

    return con.info.transaction_status == TransactionStatus.INERROR


@contextmanager
def transaction(url: str, *, wait: float, read_only: bool = False) -> Iterator[Execute]:
    """Connect, run one transaction and close: for what must not wait for SQLAlchemy, nor for a server that is frozen.

    Raises
    ------
    StorageError
        Whatever the database says, in a sentence.
    """
    con = connect(url, wait=wait)
    try:
        with _cut_after(wait, con), writing(con, wait=wait * 0.8, read_only=read_only) as execute:
            yield execute
    except errors() as problem:
        raise storage_error(problem, name_of(url)) from problem
    finally:
        con.close()


@contextmanager
def _cut_after(seconds: float, con: psycopg.Connection[Any]) -> Iterator[None]:
    """Break the connection off when the time is up: a server that is frozen keeps no time-out of its own."""
    with socket.socket(fileno=os.dup(con.fileno())) as line:

        def cut() -> None:
            with suppress(OSError):  # broken off already
                line.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(seconds, cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()


def storage_error(problem: BaseException, where: object) -> StorageError:
    """Return what an error of the database means to the reader; of the server's words only the first line, which holds no row."""
    import psycopg

    if isinstance(problem, UnicodeError):
        return StorageError(f"The database {where} was given text that is not Unicode.", "Nothing of it was kept.")
    state = getattr(problem, "sqlstate", None) or ""
    first = problem.diag.message_primary if isinstance(problem, psycopg.Error) else None
    said = " ".join((first or str(problem)).split())[:300].rstrip(".")
    if "append-only" in said:
        return StorageError(f"The database {where} refused a change of what was recorded.", "Entries are only ever added.")
    for start, means, do in _MEANS:
        if state.startswith(start):
            kind = DamagedError if start == "XX00" else StorageError
            return kind(f"The database {where} {means.format(said)}.", do)
    if state[:2] in ("08", "57") or (not state and isinstance(problem, psycopg.OperationalError)):
        return UnreachableError(
            f"The connection to the database {where} was broken off ({said}).",
            "What it had not confirmed may or may not be kept; run it again when the server is back.",
        )
    return StorageError(f"The database {where} cannot be used ({said}).", "Look into the server's log.")


_MEANS = (
    ("55P03", "is held by another process", "Try again when it has finished."),
    ("57014", "did not answer in time", "Look at its load and try again."),
    ("25P03", "gave up waiting for this process, which held it too long", "Nothing was kept; try again."),
    ("25006", "is opened, or has permissions, that do not allow writing", "Make it writable, or name the primary in state_url."),
    ("42501", "has permissions that do not allow this user to do that ({0})", "Let the user own the schema of its tables."),
    ("3F000", "has no schema in which this user may make tables ({0})", "Let the user own the schema of its tables."),
    ("42P01", "has no such table ({0})", "Nothing has been recorded yet, or state_url names another place."),
    ("53100", "cannot grow because the disk is full", "Free some space; nothing half-written was kept."),
    ("53", "has no more room for what was asked ({0})", "Look at its connections and memory."),
    ("XX00", "is damaged: {0}", "Keep it and restore a copy."),
)
