"""Which versions are in service, and until when their leases let them serve.

A version that is not in this table is unknown and refused. One of tier ``high`` serves on a lease: a night that decided renews
it, silence lets it lapse. What is here is written when a version goes live or is adopted, and taken out when it is retired.
Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any

from roadworthy.ledger import chain
from roadworthy.ledger.chain import Execute, stamp
from roadworthy.switch import clock
from roadworthy.switch.files import DEGRADED, DISABLED, Stop

SCHEMA = (
    "create table if not exists switch_service (model text not null, version text not null, tier text not null, "
    "fallback bigint not null, since text not null, lease_until text not null, alert_at text not null, renewed_by text not null, "
    "extended_by text not null, primary key (model, version))"
)
#: How long a decided night lets a version serve, by risk tier; a tier that is not here needs no lease.
LEASES: Mapping[str, timedelta] = {"high": timedelta(hours=72)}
TIERS = ("minimal", "limited", "high")


@dataclass(frozen=True, slots=True)
class Served:
    """A version in service.

    Attributes
    ----------
    model, version, tier : str
    fallback : bool
        It declares what answers in its place.
    since : str
        When it was put in service, UTC.
    lease_until : str
        When its lease lapses, UTC; empty for a tier without one.
    alert_at : str
        When someone is told that no night has renewed it; half of the lease.
    renewed_by : str
        Address of the evidence of the night that renewed it last; empty for the first lease.
    extended_by : str
        The Guardian who signed the one extension, if there was one since.
    """

    model: str
    version: str
    tier: str
    fallback: bool
    since: str
    lease_until: str = ""
    alert_at: str = ""
    renewed_by: str = ""
    extended_by: str = ""

    def lapse(self, now: str) -> Stop | None:
        """Return what a lapsed lease amounts to at `now`, or None while it holds.

        Examples
        --------
        >>> one = Served("credit", "1.0.0", "high", True, "2026-04-01", lease_until="2026-04-04T00:00:00.000000Z")
        >>> one.lapse("2026-04-03T00:00:00.000000Z"), one.lapse("2026-04-04T00:00:00.000000Z").state
        (None, 'degraded')
        """
        if not self.lease_until or now < self.lease_until:
            return None
        said = f"The lease lapsed on {self.lease_until[:16].replace('T', ' ')} UTC: no night has decided about it in time."
        return Stop(self.model, self.version, "*", DEGRADED if self.fallback else DISABLED, self.lease_until, "automation", said)


_NAMES = tuple(field.name for field in fields(Served))
_COLUMNS = ", ".join(_NAMES)


def install(execute: Execute) -> None:
    """Create the table where it is missing."""
    execute(SCHEMA, {})


def rows(execute: Execute, model: str | None = None) -> list[Served]:
    """Return every version in service, or those of one model.

    Raises
    ------
    ValueError
        If a row cannot be understood.
    """
    where = "" if model is None else "where model = :model"
    found = execute(f"select {_COLUMNS} from switch_service {where} order by model, version", {"model": model} if model else {})
    return [_served(row) for row in found]


def _served(row: tuple[Any, ...]) -> Served:
    texts = [cell for name, cell in zip(_NAMES, row, strict=True) if name != "fallback"]
    if row[2] not in TIERS or row[3] not in (0, 1) or not all(isinstance(cell, str) for cell in texts):
        raise ValueError(f"the row of {row[0]!r} in service cannot be understood")
    return Served(**{**dict(zip(_NAMES, row, strict=True)), "fallback": bool(row[3])})


def put_in(
    execute: Execute, live: Iterable[tuple[str, str, str, bool]], at: datetime, *, unread: Iterable[str] = (),
    keep: Iterable[str] = (),
) -> bool:
    """Make the table say exactly which versions are in service; inside the caller's write transaction.

    A version that is new gets its first lease. A stop is never touched: putting a model in service again does not switch it on.

    Parameters
    ----------
    execute : callable
    live : iterable of (model, version, tier, fallback)
    at : datetime
    unread : iterable of str
        ``model@version`` of which nobody can know now whether it is live; left as it is.
    keep : iterable of str
        Names that are put in and taken out by others, such as the drill's canary; every version of them is left as it is.

    Returns
    -------
    bool
        True if anything changed.
    """
    install(execute)
    there = {(one.model, one.version): one for one in rows(execute)}
    kept = {tuple(identity.partition("@")[::2]) for identity in unread}
    wanted = {(model, version): (tier, fallback) for model, version, tier, fallback in live}
    changed = False
    for key, (tier, fallback) in wanted.items():
        old = there.get(key)
        if old is None:
            _put(execute, _leased(Served(*key, tier, fallback, stamp(at)), at, ""))
        elif (old.tier, old.fallback) != (tier, fallback):
            renewed = replace(old, tier=tier, fallback=fallback)
            _put(execute, renewed if bool(old.lease_until) == (tier in LEASES) else _leased(renewed, at, old.renewed_by))
        else:
            continue
        changed = True
    others = set(keep)
    for key in (key for key in set(there) - set(wanted) - kept if key[0] not in others):
        execute("delete from switch_service where model = :model and version = :version", {"model": key[0], "version": key[1]})
        changed = True
    if changed:
        clock.advance(execute)
    return changed


def put_canary(execute: Execute, model: str, version: str, at: datetime) -> None:
    """Put a version of the drill's canary in service in the place of any other: tier ``high``, no fallback, with a lease."""
    install(execute)
    execute("delete from switch_service where model = :model", {"model": model})
    _put(execute, _leased(Served(model, version, "high", False, stamp(at)), at, ""))
    clock.advance(execute)


def renew(execute: Execute, model: str, version: str, *, evidence: str, at: datetime) -> bool:
    """Renew a lease because a night decided; the same evidence renews once.

    Parameters
    ----------
    execute : callable
        Inside a write transaction.
    model, version : str
    evidence : str
        Address of the night's bundle.
    at : datetime
        Wall time.

    Returns
    -------
    bool
        False if the version is not in service, has no lease, or was renewed on this evidence before.
    """
    install(execute)
    one = next((r for r in rows(execute, model) if r.version == version), None)
    key = f"lease:{model}@{version}:{evidence}"
    if one is None or one.tier not in LEASES or execute("select 1 from ledger where key = :key", {"key": key}):
        return False
    renewed = _leased(one, at, evidence)
    if renewed.lease_until <= one.lease_until:
        return False  # a clock that was set back shortens nothing
    _put(execute, renewed)
    clock.advance(execute)
    body = {"model": model, "version": version, "until": renewed.lease_until, "evidence": evidence}
    chain.append(execute, "lease", "automation", body, at=at, key=key)
    return True


def extend(execute: Execute, one: Served, *, until: str, owner: str, guardian: str, at: datetime) -> int:
    """Write an extension that was checked before, and return the ledger's entry."""
    body = {
        "model": one.model, "version": one.version, "from": one.lease_until, "until": until, "owner": owner, "guardian": guardian,
    }
    entry = chain.append(execute, "lease", guardian, body, at=at)
    _put(execute, replace(one, lease_until=until, alert_at=until, extended_by=guardian))
    clock.advance(execute)
    return entry.seq


def lapsed(versions: Sequence[Served], now: str) -> list[Stop]:
    """Return what the lapsed leases among `versions` amount to."""
    return [stop for one in versions if (stop := one.lapse(now)) is not None]


def _leased(one: Served, at: datetime, evidence: str) -> Served:
    length = LEASES.get(one.tier)
    if length is None:
        return replace(one, lease_until="", alert_at="", renewed_by=evidence, extended_by="")
    until, alert = stamp(at + length), stamp(at + length / 2)
    return replace(one, lease_until=until, alert_at=alert, renewed_by=evidence, extended_by="")


def _put(execute: Execute, one: Served) -> None:
    values: dict[str, Any] = {**dict(zip(_NAMES, astuple(one), strict=True)), "fallback": int(one.fallback)}
    changed = ", ".join(f"{name} = excluded.{name}" for name in _NAMES[2:])
    execute(
        f"insert into switch_service ({_COLUMNS}) values ({', '.join(':' + name for name in _NAMES)}) "
        f"on conflict (model, version) do update set {changed}", values,
    )
