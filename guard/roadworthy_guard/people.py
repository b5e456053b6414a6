"""The people whose signatures switch a model on again: ``people.lock``, from a root that is pinned here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from roadworthy_guard import words
from roadworthy_guard.decision import GuardError
from roadworthy_guard.keys import verifies

PREFIX = b"roadworthy-people-v1\n"
FILE = "people.lock"
GUARDIAN = "guardian"
AUTHORITY = frozenset(("owner", GUARDIAN, "operator"))
_ROOT = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may sign; `key` is None for one who has given no public key."""

    roles: frozenset[str]
    key: Ed25519PublicKey | None


@dataclass(frozen=True, slots=True)
class People:
    """The version of the people that is in force.

    Attributes
    ----------
    persons : mapping
        Id to `Person`.
    digests : tuple of str
        SHA-256 of each version, the root first.
    """

    persons: Mapping[str, Person]
    digests: tuple[str, ...]


def root_of(text: object) -> str:
    """Return a root as given.

    Raises
    ------
    GuardError
        If it is not the SHA-256 of anything.
    """
    if not isinstance(text, str) or not _ROOT.fullmatch(text):
        raise GuardError("'root' must be the SHA-256, in 64 small hex digits, of the first version of people.lock.")
    return text


def load(path: Path, root: str) -> People:
    """Read ``people.lock`` and check it from the pinned root to the version in force.

    Raises
    ------
    ValueError
        If a version is not what its predecessor's Guardian signed, or the first is not the pinned one.
    OSError
        If it cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(words.MAX_BYTES + 1)
    versions = [words.mapping(one) for one in words.sequence(words.parse(data))]
    if not versions:
        raise ValueError("it holds no version")
    before: Mapping[str, Person] = {}
    digests: list[str] = []
    for number, version in enumerate(versions, start=1):
        signed = words.canonical({key: value for key, value in version.items() if key != "signature"})
        if not digests:
            if words.digest(signed) != root:
                raise ValueError("its first version is not the one that is pinned")
        else:
            if version.get("previous") != digests[-1]:
                raise ValueError(f"its version {number} does not follow on the one before")
            _check_signer(version, before, signed, number)
        digests.append(words.digest(signed))
        before = _persons(version)
    return People(before, tuple(digests))


def _check_signer(version: Mapping[str, Any], before: Mapping[str, Person], signed: bytes, number: int) -> None:
    signer = before.get(words.text(version.get("by")))
    if signer is None or GUARDIAN not in signer.roles:
        raise ValueError(f"its version {number} is signed by nobody who was Guardian before")
    if not verifies(signer.key, words.from_base64(version.get("signature"), 64), PREFIX + signed):
        raise ValueError(f"the signature under its version {number} is not the Guardian's")


def _persons(version: Mapping[str, Any]) -> Mapping[str, Person]:
    found: dict[str, Person] = {}
    seen: list[Mapping[str, Any]] = []
    for one in words.sequence(version.get("people")):
        person = words.mapping(one)
        who, key = words.text(person.get("id")), person.get("public_key")
        if who in found:
            raise ValueError("a person stands there twice")
        if key and any(key == other.get("public_key") for other in seen):
            raise ValueError("a key stands there twice")
        seen.append(person)
        roles = frozenset(words.text(role) for role in words.sequence(person.get("roles")))
        found[who] = Person(roles, Ed25519PublicKey.from_public_bytes(words.from_base64(key, 32)) if key else None)
    return found
