"""What it takes to believe that a model was switched on again: a statement that two people signed.

Whoever can write to the database can write ``active`` into a row. Two private keys, one of them a Guardian's, are not in the
database.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from roadworthy_guard import clock, words
from roadworthy_guard.keys import verifies
from roadworthy_guard.people import AUTHORITY, GUARDIAN, People

PREFIX = b"roadworthy-enable-v1\n"
ENABLE, BREAK_GLASS = "enable", "break-glass"
GLASS = 3600.0  # seconds that a break-glass may last at most


@dataclass(frozen=True, slots=True)
class Enabled:
    """A statement that was checked.

    Attributes
    ----------
    scope : tuple of str
        Model, version, segment.
    lifts : int
        The fence of the row that it lifts.
    asked_at : str
        When it was asked for.
    until : float
        When a break-glass ends, in seconds since 1970; infinity for one that does not end by time.
    """

    scope: tuple[str, str, str]
    lifts: int
    asked_at: str
    until: float = math.inf


def check(statement: str, signatures: str, people: People) -> Enabled:
    """Check a statement and its signatures.

    Parameters
    ----------
    statement, signatures : str
        As they stand in ``switch_signed``.
    people : People
        Who is in force.

    Raises
    ------
    ValueError
        If it is not an enable that two different people signed, the one who asked and a Guardian.
    """
    raw = statement.encode()
    found = words.mapping(words.parse(raw))
    if words.canonical(found) != raw:
        raise ValueError("the statement is not canonical JSON")
    act = found.get("act")
    if act not in (ENABLE, BREAK_GLASS) or found.get("schema_version") != 1 or ("until" in found) is not (act == BREAK_GLASS):
        raise ValueError("the statement does not switch anything on")
    signed = _signers(words.sequence(words.parse(signatures.encode())), raw, people)
    asked = words.text(found.get("requested_by"))
    if asked not in signed or not signed[asked] & AUTHORITY:
        raise ValueError("the one who asked has not signed")
    if not any(GUARDIAN in roles for who, roles in signed.items() if who != asked):
        raise ValueError("no second person who is Guardian has signed")
    asked_at = clock.parse(found.get("asked_at"))
    until = clock.parse(found["until"]) if act == BREAK_GLASS else math.inf
    if act == BREAK_GLASS and not asked_at < until <= asked_at + GLASS:
        raise ValueError("the statement breaks the glass for too long")
    scope = words.text(found.get("model")), words.text(found.get("version")), words.text(found.get("segment"))
    return Enabled(scope, words.whole(found.get("fence")), str(found["asked_at"]), until)


def _signers(signatures: Sequence[Any], raw: bytes, people: People) -> Mapping[str, frozenset[str]]:
    """Return those whose signature holds, with their roles. One that does not hold counts for nothing."""
    if len(signatures) > 16:
        raise ValueError("there are too many signatures")
    found = {}
    for one in signatures:
        given = words.mapping(one)
        who = words.text(given.get("by"))
        person = people.persons.get(who)
        if person is not None and verifies(person.key, words.from_base64(given.get("signature"), 64), PREFIX + raw):
            found[who] = person.roles
    return found
