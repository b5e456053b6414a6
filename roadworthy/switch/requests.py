"""What is asked when a model is to be switched on again, and what two people sign.

A request is bound to the fence of the row that it would lift: a newer stop makes it void. It is used once and expires.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from roadworthy.canonical import canonical_json
from roadworthy.errors import RefusedError
from roadworthy.ledger import chain
from roadworthy.ledger.chain import Execute, stamp
from roadworthy.switch.files import MAX_REASON, scope_of

if TYPE_CHECKING:
    from roadworthy.people import Person

SCHEMAS = (
    "create table if not exists switch_request (id text not null primary key, model text not null, version text not null, "
    "segment text not null, fence bigint not null, statement text not null, requested_by text not null, asked_at text not null, "
    "expires_at text not null, signature text not null, used bigint not null)",
    "create table if not exists switch_signed (fence bigint not null primary key, statement text not null, "
    "signatures text not null)",
)
DOMAIN = b"roadworthy-enable-v1\n"
EXPIRES = timedelta(hours=24)
#: The longest that a broken glass stays open.
GLASS = timedelta(minutes=60)
Act = Literal["enable", "break-glass"]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked: to switch a scope on again, by whom, why, and on which gate runs.

    Attributes
    ----------
    model, version, segment : str
        The scope of the stop that is to be lifted, ``*`` where it names none.
    requested_by : str
        Id of a person.
    reason : str
    asked_at : datetime
    gates : tuple of str
        Addresses of gate runs, at least 12 characters each; by default the newest of each version is looked up.
    until : datetime, optional
        Break the glass: without a green gate, for at most an hour.
    """

    model: str
    version: str
    segment: str
    requested_by: str
    reason: str
    asked_at: datetime
    gates: tuple[str, ...] = ()
    until: datetime | None = None

    @property
    def act(self) -> Act:
        """``enable``, or ``break-glass``."""
        return "enable" if self.until is None else "break-glass"

    @property
    def key(self) -> tuple[str, str, str]:
        """The scope: model, version, segment."""
        return self.model, self.version, self.segment

    @property
    def scope(self) -> str:
        """The scope in words."""
        return scope_of(self.model, self.version, self.segment)

    def statement(self, state: str, fence: int) -> bytes:
        """Return the exact bytes that are signed, after `DOMAIN`.

        Examples
        --------
        >>> from datetime import UTC
        >>> wish = Wish("credit", "*", "*", "oscar", "Mended.", datetime(2026, 4, 1, tzinfo=UTC))
        >>> wish.statement("disabled", 7)[:60]
        b'{"act":"enable","asked_at":"2026-04-01T00:00:00.000000Z","fe'
        """
        said: dict[str, Any] = {
            "schema_version": 1, "act": self.act, "model": self.model, "version": self.version, "segment": self.segment,
            "from": state, "fence": fence, "gates": list(self.gates), "reason": self.reason[:MAX_REASON],
            "requested_by": self.requested_by, "asked_at": stamp(self.asked_at),
        }
        if self.until is not None:
            said["until"] = stamp(self.until)
        return canonical_json(said)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it is kept; `statement` is what was signed, `signature` the requester's or empty."""

    id: str
    model: str
    version: str
    segment: str
    fence: int
    statement: str
    requested_by: str
    asked_at: str
    expires_at: str
    signature: str
    used: int = 0

    @property
    def wish(self) -> Wish:
        """What was asked."""
        import json

        said = json.loads(self.statement)
        until = said.get("until")
        return Wish(
            self.model, self.version, self.segment, self.requested_by, said["reason"], chain.moment(self.asked_at),
            tuple(said["gates"]), chain.moment(until) if until else None,
        )


_NAMES = tuple(field.name for field in fields(Asked))


def install(execute: Execute) -> None:
    """Create the tables where they are missing."""
    for sql in SCHEMAS:
        execute(sql, {})


def keep(execute: Execute, wish: Wish, statement: bytes, fence: int, signature: str) -> Asked:
    """Write a request that was checked, with its entry in the ledger."""
    asked = Asked(
        secrets.token_hex(8), *wish.key, fence, statement.decode(), wish.requested_by, stamp(wish.asked_at),
        stamp(wish.asked_at + EXPIRES), signature,
    )
    execute(
        f"insert into switch_request ({', '.join(_NAMES)}) values ({', '.join(':' + name for name in _NAMES)})",
        dict(zip(_NAMES, astuple(asked), strict=True)),
    )
    body = {
        "model": wish.model, "version": wish.version, "segment": wish.segment, "request": asked.id, "act": wish.act,
        "fence": fence, "reason": wish.reason[:MAX_REASON], "gates": list(wish.gates), "signed": bool(signature),
    }
    chain.append(execute, "switch-request", wish.requested_by, body, at=wish.asked_at)
    return asked


def find(execute: Execute, request: str) -> Asked:
    """Return a request that may still be approved as far as it alone can say.

    Raises
    ------
    RefusedError
        If there is none of that id, or it was used.
    """
    found = execute(f"select {', '.join(_NAMES)} from switch_request where id = :id", {"id": request})
    if not found:
        raise RefusedError(f"There is no request '{request}'.", "See 'roadworthy switch requests'.")
    asked = Asked(*found[0])
    if asked.used:
        raise RefusedError(f"The request {request} was used already; one approval is one act.", "Ask again.")
    return asked


def waiting(execute: Execute, now: datetime) -> list[Asked]:
    """Return the requests that nobody has answered and that have not expired, the oldest first."""
    install(execute)
    found = execute(
        f"select {', '.join(_NAMES)} from switch_request where used = 0 and expires_at > :now order by asked_at",
        {"now": stamp(now)},
    )
    return [Asked(*row) for row in found]


def use(execute: Execute, asked: Asked) -> None:
    """Mark a request as used; inside the transaction that makes the change."""
    execute("update switch_request set used = 1 where id = :id and used = 0", {"id": asked.id})


def keep_signed(execute: Execute, fence: int, statement: str, signatures: Sequence[tuple[str, str]]) -> None:
    """Write what two people signed beside the row that has this fence."""
    said = canonical_json([{"by": by, "signature": signature} for by, signature in signatures]).decode()
    execute(
        "insert into switch_signed (fence, statement, signatures) values (:fence, :statement, :signatures)",
        {"fence": fence, "statement": statement, "signatures": said},
    )


def check_signature(person: Person, statement: bytes, signature: str, *, needed: bool, domain: bytes = DOMAIN) -> bool:
    """Say whether a person signed; refuse where that must be and is not. `domain` is what stands before the statement.

    Returns
    -------
    bool
        False only where nothing was signed and nothing had to be.

    Raises
    ------
    RefusedError
        If a signature is wrong, or missing where one is needed.
    """
    from roadworthy.signing import is_signed_by

    if not signature:
        if person.public_key or needed:
            if person.public_key:
                raise RefusedError(f"{person.name} has a key and did not sign.", "Sign with --key FILE.")
            said = f"{person.name} has no public key in people.yaml, so nothing proves who this is."
            raise RefusedError(said, "Make a key with 'roadworthy people key' and have it signed in.")
        return False
    if person.public_key is None:
        raise RefusedError(f"{person.name} signed, but people.yaml holds no public key of theirs.", "Have the key signed in.")
    if not is_signed_by(person.public_key, domain + statement, signature):
        raise RefusedError(f"The signature is not {person.name}'s over this request.", "Sign the statement as it is shown.")
    return True
