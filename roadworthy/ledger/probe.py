"""What a database server must be for state to be safe in it, tried and not believed."""

from __future__ import annotations

from dataclasses import dataclass

from roadworthy.ledger import chain, database

WAIT_SECONDS = 5.0
_CONNECTION = """select current_setting('server_version'),
    coalesce(inet_server_addr() <<= '127.0.0.0/8' or inet_server_addr() = '::1', true),
    coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false)"""
_DURABILITY = """select name || ' = ' || setting from pg_settings
    where name in ('fsync', 'full_page_writes') and setting = 'off' order by name"""
_TRIAL = """insert into ledger (seq, at, kind, actor, bytes, prev, hash)
    values (:seq, '', 'trial', 'doctor', :bytes, :prev, '')"""


@dataclass(frozen=True, slots=True)
class Probe:
    """What was found of a server.

    Attributes
    ----------
    name : str
        Database and host.
    version : str
        Of the server, as it says it.
    loses : tuple of str
        Settings with which it may lose what it has acknowledged, such as ``fsync = off``.
    local : bool
        It was reached by a socket or the loopback address, so nobody can listen between.
    encrypted : bool
        The connection is under TLS.
    """

    name: str
    version: str
    loses: tuple[str, ...]
    local: bool
    encrypted: bool


class _UndoError(Exception):
    """Ends the transaction of a trial, so that nothing of it stays."""


def probe(url: str) -> Probe:
    """Connect, write an entry as every act does, undo it, and look at what keeps it.

    Parameters
    ----------
    url : str
        Of a PostgreSQL database.

    Raises
    ------
    StorageError
        If the server cannot be reached, is older than PostgreSQL 13, or does not let this user write.
    """
    found: Probe | None = None
    try:
        with database.writing(url, WAIT_SECONDS) as execute:
            ((version, local, encrypted),) = execute(_CONNECTION, {})
            loses = execute(_DURABILITY, {})
            chain.install(execute)
            sequence, before = chain.head(execute)
            execute(_TRIAL, {"seq": sequence + 1, "bytes": b"", "prev": before})
            found = Probe(database.name_of(url), str(version), tuple(str(row[0]) for row in loses), bool(local), bool(encrypted))
            raise _UndoError
    except _UndoError:
        pass
    assert found is not None
    return found
