"""Which database a URL names, and one transaction on it without SQLAlchemy.

Standard library only until a PostgreSQL is asked for: ``roadworthy switch stop`` writes its STOP file before that.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType

from roadworthy.ledger import postgres, postgres_url, sqlite
from roadworthy.ledger.chain import Execute


def kind_of(url: str) -> ModuleType:
    """Return the module that speaks with the database behind `url`: `sqlite` or `postgres`.

    Raises
    ------
    StorageError
        If the URL is of another kind, or of one of these and cannot be read.
    """
    if postgres_url.is_one(url):
        return postgres
    sqlite.path_of(url)
    return sqlite


def within(url: str, root: Path) -> str:
    """Return `url` with the paths in it made absolute: a relative one is inside the workspace at `root`.

    Examples
    --------
    >>> within("sqlite:///state.sqlite", Path("/srv/models"))
    'sqlite:////srv/models/state.sqlite'
    >>> within("postgresql://rw@db/state?password=file:secrets/db", Path("/srv/models"))
    'postgresql://rw@db/state?password=file:/srv/models/secrets/db'
    """
    if postgres_url.is_one(url):
        return postgres_url.within(url, root)
    path = url.removeprefix(sqlite.PREFIX)
    return url if path == url or not path else f"{sqlite.PREFIX}{root / path}"


def file_of(url: str) -> Path | None:
    """Return the SQLite file behind `url`, or None where a server keeps the state."""
    return None if postgres_url.is_one(url) else sqlite.path_of(url)


def name_of(url: str) -> str:
    """Return the database's name as people read it: never the whole URL."""
    return postgres_url.name_of(url) if postgres_url.is_one(url) else str(sqlite.path_of(url))


def reading(url: str, wait: float = sqlite.WAIT_SECONDS) -> AbstractContextManager[Execute]:
    """Connect, let queries run on one consistent view, and close.

    Parameters
    ----------
    url : str
        With absolute paths; see `within`.
    wait : float
        Seconds after which a busy or silent database is given up. Connecting to a server has its own limit, at least 3 s.

    Raises
    ------
    StorageError
        Whatever the database says, in a sentence; its cause is FileNotFoundError where there is no SQLite file yet.
    """
    held: AbstractContextManager[Execute] = kind_of(url).transaction(url, wait=wait, read_only=True)
    return held


def writing(url: str, wait: float = sqlite.WAIT_SECONDS) -> AbstractContextManager[Execute]:
    """Connect, let statements run under the write lock, keep all of them or none, and close; see `reading`."""
    held: AbstractContextManager[Execute] = kind_of(url).transaction(url, wait=wait)
    return held
