"""Who calls the service: a token names a person of ``people.yaml`` or a service, and a table says what each kind may do.

Tokens are 256 random bits. ``people.yaml`` holds their SHA-256, so reading it gives nobody a way in; a slow hash would protect
nothing that is random and would throttle the stop.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from roadworthy.people import People

Action = Literal["read", "serve", "see", "stop", "stop-all", "ask", "approve", "alert"]
PREFIX = "rw_"

#: What each role or kind of service may do; everything else is refused.
ALLOWED: Mapping[str, frozenset[Action]] = {
    "owner": frozenset({"read", "see", "stop", "stop-all", "ask"}),
    "guardian": frozenset({"read", "see", "stop", "stop-all", "ask", "approve"}),
    "operator": frozenset({"read", "see", "stop", "stop-all", "ask"}),
    "auditor": frozenset({"see"}),
    "serving": frozenset({"read", "serve"}),
    "automation": frozenset({"read", "see", "stop", "alert"}),
    "monitor": frozenset({"see"}),
}


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a token belongs to.

    Attributes
    ----------
    id : str
    roles : tuple of str
        Roles of a person, or the kind of a service.
    person : bool
    models : tuple of str
        The models that a service may name; ``*`` is every one. A person's are decided by the passports.
    """

    id: str
    roles: tuple[str, ...]
    person: bool
    models: tuple[str, ...] = ("*",)

    def may(self, action: Action) -> bool:
        """Say whether any of the roles allows it."""
        return any(action in ALLOWED.get(role, frozenset()) for role in self.roles)

    def covers(self, model: str) -> bool:
        """Say whether the principal may name this model at all."""
        return "*" in self.models or model in self.models


class Principals:
    """Everyone who holds a token.

    Parameters
    ----------
    people : People
    """

    def __init__(self, people: People) -> None:
        self._by_digest: dict[str, Principal] = {}
        for person in people.people:
            for digest in person.tokens:
                self._by_digest[digest] = Principal(person.id, tuple(person.roles), True)
        for service in people.services:
            for digest in service.tokens:
                self._by_digest[digest] = Principal(service.id, (service.kind,), False, tuple(service.models))

    def find(self, token: str) -> Principal | None:
        """Return whose token it is, or None.

        Examples
        --------
        >>> from roadworthy.people import People
        >>> token, digest = new_token()
        >>> row = {"id": "olga", "name": "Olga", "roles": ["owner"], "tokens": [digest]}
        >>> known = Principals(People.model_validate({"schema_version": 1, "people": [row]}))
        >>> known.find(token).id, known.find("rw_guess")
        ('olga', None)
        """
        return self._by_digest.get(digest_of(token))  # by digest: how long a lookup takes tells nothing about the token


def digest_of(token: str) -> str:
    """Return what ``people.yaml`` holds of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def new_token() -> tuple[str, str]:
    """Make a token; return it and its digest."""
    token = PREFIX + secrets.token_urlsafe(32)
    return token, digest_of(token)
