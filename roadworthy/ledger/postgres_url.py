"""What a PostgreSQL URL says, without the secret that belongs to it.

``postgresql://USER@HOST:PORT/DATABASE?sslmode=verify-full`` is libpq's own form: several hosts, sockets and every option of libpq
work. A password never stands in it: it comes from ``?password=env:NAME`` or ``?password=file:PATH``, or from where libpq looks by
itself (``PGPASSWORD``, ``~/.pgpass``). A sentence about a database shows its name and host and nothing else of the URL.

Standard library only; psycopg reads the URL when it connects.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, unquote

from roadworthy.errors import RoadworthyError, StorageError
from roadworthy.secrets import is_reference, resolve

_ONE = re.compile(r"postgres(?:ql)?://(?P<who>[^@/]*@)?(?P<rest>.*)", re.DOTALL)
_SECRET = ("password", "sslpassword")
_DO = "Write ?password=env:NAME or ?password=file:PATH, or leave it out and use PGPASSWORD or ~/.pgpass."


def is_one(url: str) -> bool:
    """Say whether a URL names a PostgreSQL database.

    Examples
    --------
    >>> is_one("postgresql://db/state"), is_one("sqlite:///state.sqlite")
    (True, False)
    """
    return _ONE.match(url) is not None


def problem_of(url: str) -> str:
    """Say in a sentence that a URL holds a secret, never the secret; empty if it holds none.

    Examples
    --------
    >>> problem_of("postgresql://rw@db/state?password=env:STATE_PASSWORD")
    ''
    >>> problem_of("postgresql://rw:hunter2@db/state").partition(".")[0]
    "state_url holds the secret 'password' itself"
    """
    for name, value in _options(url):
        if name in _SECRET and value and not is_reference(value):
            return f"state_url holds the secret '{name}' itself. {_DO}"
    return ""


def within(url: str, root: Path) -> str:
    """Return `url` with the path of a secret file made absolute: a relative one is inside `root`."""
    head, mark, query = url.partition("?")
    parts = []
    for part in query.split("&"):
        name, _, value = part.partition("=")
        path = unquote(value).removeprefix("file:")
        refers = name in _SECRET and path != unquote(value)
        parts.append(f"{name}=file:{quote(str(root / Path(path).expanduser()))}" if refers else part)
    return head + mark + "&".join(parts)


def parameters(url: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return what psycopg connects with, secrets included: never to be shown or kept.

    Raises
    ------
    StorageError
        If the URL cannot be read, holds a secret, or refers to one that is not there.
    """
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        found = {name: str(value) for name, value in conninfo_to_dict(url).items() if value is not None}
    except (ProgrammingError, UnicodeError):
        # What psycopg says of it quotes the URL, and with it what may be a password.
        raise StorageError("state_url cannot be read as a URL.", "Write special characters in it as %XX.") from None
    if not found.get("dbname"):
        raise StorageError("state_url names no database.", "Write postgresql://USER@HOST/DATABASE.")
    if not all(port.isdecimal() for port in found.get("port", "5432").split(",") if port):
        raise StorageError("state_url has a port that is no number.", "Write special characters in it as %XX.")
    said = problem_of(url) or next((f"state_url holds the secret '{name}' itself. {_DO}" for name in _SECRET
                                    if found.get(name) and not is_reference(found[name])), "")
    if said:
        raise StorageError(said)
    for name in _SECRET:
        if found.get(name):
            try:
                found[name] = resolve(found[name], Path.cwd(), environment)
            except RoadworthyError as problem:
                raise StorageError(f"The '{name}' of state_url: {problem.sentence}", problem.do) from None
    return found


def name_of(url: str) -> str:
    """Return what people read of a database: its name and host.

    Examples
    --------
    >>> name_of("postgresql://rw@db.example:5432/state?sslmode=require")
    'state at db.example:5432'
    >>> name_of("postgresql:///state?host=/run/postgresql")
    'state at /run/postgresql'
    """
    found = _ONE.match(url)
    place, _, database = (found["rest"] if found else "").partition("?")[0].partition("/")
    options = dict(_options(url))
    where = unquote(place) or options.get("host", "")
    return f"{options.get('dbname') or unquote(database)} at {where or 'this machine'}"


def _options(url: str) -> Iterator[tuple[str, str]]:
    found = _ONE.match(url)
    if found is None:
        return
    _, colon, password = (found["who"] or "").removesuffix("@").partition(":")
    if colon:
        yield "password", unquote(password)
    for part in found["rest"].partition("?")[2].split("&"):
        name, _, value = part.partition("=")
        yield unquote(name), unquote(value)
