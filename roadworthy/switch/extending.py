"""Extending a lease: Owner and Guardian sign that a model may serve longer although no night has decided about it.

Once for each lease, for at most as long as the lease itself, and only while it holds: one that lapsed is renewed by a night that
decides, not by signatures.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from roadworthy.canonical import canonical_json
from roadworthy.errors import RefusedError, UsageError
from roadworthy.ledger.chain import Execute, moment, stamp
from roadworthy.people_lock import check_locked
from roadworthy.switch import requests, served
from roadworthy.switch.served import LEASES, Served

if TYPE_CHECKING:
    from roadworthy.ledger import Ledger
    from roadworthy.people import Person
    from roadworthy.workspace import Workspace

DOMAIN = b"roadworthy-extend-v1\n"


def statement(one: Served, until: datetime) -> bytes:
    """Return the exact bytes that both sign, after `DOMAIN`.

    Examples
    --------
    >>> from datetime import UTC
    >>> one = Served("credit", "1.0.0", "high", True, "2026-04-01", lease_until="2026-04-04T00:00:00.000000Z")
    >>> statement(one, datetime(2026, 4, 5, tzinfo=UTC))[:53]
    b'{"act":"extend","lease_until":"2026-04-04T00:00:00.00'
    """
    return canonical_json(
        {
            "schema_version": 1, "act": "extend", "model": one.model, "version": one.version, "lease_until": one.lease_until,
            "until": stamp(until),
        }
    )


def draft(workspace: Workspace, ledger: Ledger, model: str, version: str, *, until: datetime, at: datetime) -> bytes:
    """Return the statement that Owner and Guardian are to sign, after checking that it could be granted.

    Raises
    ------
    UsageError
        If the version is not in service.
    RefusedError
        If its lease may not be extended, or not until then.
    """
    with ledger.transaction() as execute:
        return statement(_extensible(execute, model, version, until, at), until)


def extend(
    workspace: Workspace, ledger: Ledger, model: str, version: str, *, until: datetime, at: datetime,
    owner: tuple[str, str], guardian: tuple[str, str],
) -> int:
    """Extend a lease and return the ledger's entry; or say in one sentence why not.

    Parameters
    ----------
    workspace : Workspace
    ledger : Ledger
    model, version : str
    until : datetime
    at : datetime
        Wall time.
    owner, guardian : (person, signature)
        The version's own Owner, and its Guardian or deputy; signatures are base64, over `DOMAIN` and `statement`.

    Raises
    ------
    UsageError
        If the version is not in service.
    RefusedError
        If the lease may not be extended, or a person or signature is not what it takes. Nothing is changed then.
    """
    roles = workspace.passport(f"{model}@{version}").roles
    identity = f"{model}@{version}"
    if owner[0] != roles.owner:
        raise RefusedError(f"{owner[0]} is not the Owner of {identity}.", f"Ask {roles.owner}.")
    if guardian[0] not in (roles.guardian, roles.deputy):
        raise RefusedError(f"{guardian[0]} is not the Guardian of {identity}.", f"Ask {roles.guardian}.")
    if owner[0] == guardian[0]:
        raise RefusedError(f"{owner[0]} cannot sign for both; extending takes two people.", "Let someone else sign.")
    signers = [(_signer(workspace, who), signature) for who, signature in (owner, guardian)]
    with ledger.transaction() as execute:
        one = _extensible(execute, model, version, until, at)
        said = statement(one, until)
        for person, signature in signers:
            requests.check_signature(person, said, signature, needed=True, domain=DOMAIN)
        entry = served.extend(execute, one, until=stamp(until), owner=owner[0], guardian=guardian[0], at=at)
        requests.keep_signed(execute, entry, said.decode(), [owner, guardian])
    return entry


def _signer(workspace: Workspace, who: str) -> Person:
    people = workspace.people()
    person = people.find(who)
    if person is None:
        raise RefusedError(f"'{who}' is not in people.yaml and cannot sign.", "Only people extend a lease, never automation.")
    check_locked(workspace.root, people, who)
    return person


def _extensible(execute: Execute, model: str, version: str, until: datetime, at: datetime) -> Served:
    served.install(execute)
    requests.install(execute)
    one = next((row for row in served.rows(execute, model) if row.version == version), None)
    if one is None:
        raise UsageError(f"{model}@{version} is not in service.", "See 'roadworthy switch status'.")
    length = LEASES.get(one.tier)
    if not one.lease_until or length is None:
        raise RefusedError(f"{model}@{version} is of tier {one.tier} and serves without a lease; there is nothing to extend.")
    again = f"Run: roadworthy nightly --model {model}"
    if stamp(at) >= one.lease_until:
        raise RefusedError(f"The lease of {model}@{version} lapsed on {one.lease_until[:16]}; only a night renews it now.", again)
    if one.extended_by:
        raise RefusedError(f"The lease of {model}@{version} was extended already, by {one.extended_by}; once is all.", again)
    if not one.lease_until < stamp(until) <= stamp(moment(one.lease_until) + length):
        hours = int(length.total_seconds() // 3600)
        said = f"The lease of {model}@{version} ends on {one.lease_until[:16]} UTC and can be extended by up to {hours} hours."
        raise RefusedError(said, "Name a moment in that time.")
    return one
