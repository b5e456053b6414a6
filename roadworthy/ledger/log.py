"""The ledger as others use it: open, append, read, verify."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from types import ModuleType
from typing import TYPE_CHECKING, Any

from roadworthy.errors import StorageError
from roadworthy.ledger import chain, database
from roadworthy.ledger.chain import Dialect, Entry, Execute

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, RootTransaction

WAIT_SECONDS = 30.0


class Ledger:
    """An append-only, hash-chained log in a database.

    Many processes and threads may append at once: a sequence number is given under the database's write lock, so nothing is
    lost or doubled. The clock is read by the caller and passed in.
    """

    def __init__(self, engine: Engine, where: str, kind: ModuleType) -> None:
        self._engine = engine
        self._kind = kind
        self.where = where

    @classmethod
    def open(cls, url: str, *, read_only: bool = False) -> Ledger:
        """Open the ledger at `url`, making it where it is missing.

        Parameters
        ----------
        url : str
            ``sqlite:///PATH``, or ``postgresql://USER@HOST/DATABASE`` without a password; see `roadworthy.ledger.postgres`.
        read_only : bool
            Make and change nothing; for `verify` and readers.

        Raises
        ------
        StorageError
            If the database cannot be opened, made or read.
        """
        import sqlalchemy
        from sqlalchemy import event
        from sqlalchemy.pool import QueuePool

        kind = database.kind_of(url)
        connect, where = kind.connector(url, wait=WAIT_SECONDS, read_only=read_only)
        engine = sqlalchemy.create_engine(kind.ENGINE, creator=connect, poolclass=QueuePool, **kind.ENGINE_OPTIONS)

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            writes = connection.get_execution_options().get("writes", False)
            connection.exec_driver_sql(kind.begin(writes, WAIT_SECONDS, read_only))

        ledger = cls(engine, where, kind)
        try:
            if read_only:
                ledger.head()
            else:
                with ledger.transaction() as execute:
                    chain.install(execute)
        except StorageError:
            engine.dispose()
            raise
        return ledger

    def append(self, kind: str, actor: str, body: Mapping[str, Any], *, at: datetime, key: str | None = None) -> Entry:
        """Append one act and return its entry, durable on disk.

        Parameters
        ----------
        kind : str
            Small letters, digits and ``-``.
        actor : str
            Id of a person or a principal.
        body : mapping
            JSON values without floats, at most 64 KB; ``body["model"]``, where there is one, can be searched for.
        at : datetime
            When, with a time zone.
        key : str, optional
            If an entry with this key exists, it is returned and nothing is appended, whatever the body: an act that is
            repeated after a crash is recorded once.

        Raises
        ------
        ValueError
            If the body cannot be an entry.
        StorageError
            If it could not be written; then nothing of it was kept.
        """
        with self.transaction() as execute:
            return chain.append(execute, kind, actor, body, at=at, key=key)

    def entries(self, kind: str | None = None, model: str | None = None, after: int = 0) -> Iterator[Entry]:
        """Yield entries in order, a page at a time, so that a slow reader holds no lock.

        Raises
        ------
        TamperedError
            If an entry is not what was recorded.
        """
        return self._walk(after, kind, model)

    def newest(
        self, kind: str, limit: int, *, model: str | None = None, before_day: str | None = None, **body: Any
    ) -> list[Entry]:
        """Return up to `limit` entries of a kind, the newest first.

        Parameters
        ----------
        kind : str
        limit : int
        model : str, optional
        before_day : str, optional
            Only entries whose body's ``day`` is earlier; the one of the latest day first, however late it was recorded.
        **body
            What the body must hold, such as ``version="1.0.0"``.
        """
        found = []
        for entry in self._walk(2**63 - 1, kind, model, backwards=True):
            if all(entry.body.get(name) == value for name, value in body.items()):
                if before_day is not None and not str(entry.body.get("day", before_day)) < before_day:
                    continue
                found.append(entry)
                if before_day is None and len(found) >= limit:
                    break
        if before_day is not None:
            found.sort(key=lambda e: (str(e.body["day"]), e.seq), reverse=True)
        return found[:limit]

    def latest(self, kind: str, *, model: str | None = None, before_day: str | None = None, **body: Any) -> Entry | None:
        """Return the first that `newest` would, or None."""
        return next(iter(self.newest(kind, 1, model=model, before_day=before_day, **body)), None)

    def has(self, key: str) -> bool:
        """Say whether an entry has this key."""
        with self.reading() as execute:
            return bool(execute("select 1 from ledger where key = :key", {"key": key}))

    def _walk(self, start: int, kind: str | None, model: str | None, backwards: bool = False) -> Iterator[Entry]:
        while True:
            with self.reading() as execute:
                rows = chain.page(execute, start, kind, model, backwards=backwards)
            for row in rows:
                yield chain.entry_of(row)
            if not rows:
                return
            start = rows[-1][0]

    def head(self) -> tuple[int, str]:
        """Return sequence number and hash of the last entry; (0, 64 zeros) when there is none."""
        with self.reading() as execute:
            return chain.head(execute)

    def verify(self) -> list[str]:
        """Check every entry, every link, the triggers and the database's own structure.

        Returns
        -------
        list of str
            A sentence for each problem, with the entry's number; empty when all is as it was recorded.
        """
        problems: list[str] = []
        try:
            with self.reading() as execute:
                for sentence in chain.chain_problems(execute):
                    problems.append(sentence)  # one by one: what was found before a page that cannot be read stays found
            with self.reading() as execute:
                problems += self._kind.structure_problems(execute)
        except StorageError as problem:
            problems.append(problem.sentence.rstrip("."))
        return problems

    @contextmanager
    def transaction(self) -> Iterator[Execute]:
        """Run statements under the write lock; all of them are kept or none. For tables that live beside the ledger."""
        with self._connected(writes=True) as execute:
            yield execute

    def close(self) -> None:
        """Close all connections; the last one to close folds the write-ahead log into the database."""
        self._engine.dispose()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def reading(self) -> Iterator[Execute]:
        """Run queries on one consistent view. For tables that live beside the ledger."""
        with self._connected(writes=False) as execute:
            yield execute

    @contextmanager
    def _connected(self, writes: bool) -> Iterator[Execute]:
        from sqlalchemy import exc

        try:
            connection, transaction = self._begun(writes)
            with closing(connection), transaction:
                yield _Executor(connection, self._kind)
                if self._kind.aborted(connection.connection.driver_connection):
                    raise StorageError(
                        f"A statement on the database {self.where} failed and was passed over, so nothing was kept.",
                        "Report this.",
                    )
        except exc.DBAPIError as problem:
            raise self._kind.storage_error(problem.orig or problem, self.where) from problem
        except self._kind.errors() as problem:  # what SQLAlchemy does not wrap
            raise self._kind.storage_error(problem, self.where) from problem

    def _begun(self, writes: bool) -> tuple[Connection, RootTransaction]:
        """Begin a transaction, once more if the pool's connection turns out to be dead: nothing has been asked of it yet."""
        from sqlalchemy import exc

        engine = self._engine.execution_options(writes=writes)
        again = True
        while True:
            connection = engine.connect()
            try:
                return connection, connection.begin()
            except exc.DBAPIError as problem:
                connection.close()
                if not (again and problem.connection_invalidated):
                    raise
                again = False
            except BaseException:
                connection.close()
                raise


@dataclass(frozen=True, slots=True)
class _Executor:
    connection: Connection
    kind: ModuleType

    @property
    def dialect(self) -> Dialect:
        found: Dialect = self.kind.DIALECT
        return found

    def __call__(self, sql: str, parameters: Mapping[str, Any], /) -> list[tuple[Any, ...]]:
        result = self.connection.exec_driver_sql(self.kind.translated(sql), dict(parameters))
        return [tuple(row) for row in result] if result.returns_rows else []
