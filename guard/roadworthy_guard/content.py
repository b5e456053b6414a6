"""What the switch says: the versions in service and the stops, checked by hand to the last type."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from roadworthy_guard import clock, words
from roadworthy_guard.decision import ANY, HIGH, LIMITED, MINIMAL, RANK, TIERS

BOUNDS: Mapping[str, float] = {HIGH: 15.0, LIMITED: 300.0, MINIMAL: 3600.0}
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}", re.ASCII)
_MAX_ITEMS = 200_000


@dataclass(frozen=True, slots=True)
class Service:
    """A version in service; `lease_until` in seconds since 1970, infinity for one without a lease."""

    tier: str
    fallback: bool
    lease_until: float = math.inf


@dataclass(frozen=True, slots=True)
class Stop:
    """A row of the switch, or a stop from a STOP file; `until` in seconds since 1970, infinity if nothing ends by time."""

    model: str
    version: str
    segment: str
    state: str
    since: str = ""
    fence: int = 0
    until: float = math.inf
    then_state: str = ""
    said: str = ""

    @property
    def scope(self) -> tuple[str, str, str]:
        """Model, version, segment."""
        return self.model, self.version, self.segment

    def concerns(self, version: str | None, segment: str | None) -> bool:
        """Say whether it speaks of a request for its model; what a request leaves out matches every scope."""
        return (version is None or self.version in (ANY, version)) and (segment is None or self.segment in (ANY, segment))

    def state_at(self, moment: float) -> str:
        """Return the state at a moment. Time alone never makes a row looser, whatever `then_state` says."""
        if moment < self.until or not self.then_state:
            return self.state
        return max(self.state, self.then_state, key=RANK.__getitem__)


@dataclass(frozen=True, slots=True)
class Content:
    """One state of the switch.

    Attributes
    ----------
    epoch, sequence : int
    bounds : mapping
        Seconds that knowledge may be old, by tier.
    service : mapping
        Model to version to `Service`.
    stops : mapping
        Model, or ``*``, to its rows.
    digest : str
        SHA-256 of the bytes it was read from; empty for one read from tables.
    """

    epoch: int
    sequence: int
    bounds: Mapping[str, float]
    service: Mapping[str, Mapping[str, Service]]
    stops: Mapping[str, tuple[Stop, ...]]
    digest: str = ""

    @property
    def order(self) -> tuple[int, int]:
        """Epoch and sequence; a reader never goes back."""
        return self.epoch, self.sequence


def read(data: bytes) -> Content:
    """Return the content of a snapshot.

    Raises
    ------
    ValueError
        If anything in it is not what the protocol says; nothing of it is used then.
    """
    found = words.mapping(words.parse(data))
    if found.get("schema_version") != 1 or type(found.get("schema_version")) is not int:
        raise ValueError("its schema_version is not 1")
    bounds = words.mapping(found.get("bounds"))
    service: dict[str, dict[str, Service]] = {}
    for model, versions in words.mapping(found.get("service")).items():
        service[name(model)] = {
            words.text(version): _service(words.mapping(one)) for version, one in words.mapping(versions).items()
        }
    return Content(
        words.whole(found.get("epoch")), words.whole(found.get("sequence")), {tier: _seconds(bounds.get(tier)) for tier in TIERS},
        service, by_model(_stop(words.mapping(row)) for row in words.sequence(found.get("stops"))), words.digest(data),
    )


def name(value: object) -> str:
    """Return the name of a model.

    Raises
    ------
    ValueError
        If no model can have it.
    """
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError("a model's name is not a name")
    return value


def tier(value: object) -> str:
    """Return a risk tier.

    Raises
    ------
    ValueError
        If it is none.
    """
    if not isinstance(value, str) or value not in TIERS:
        raise ValueError("a tier is not a tier")
    return value


def state(value: object) -> str:
    """Return a state of the switch.

    Raises
    ------
    ValueError
        If it is none.
    """
    if not isinstance(value, str) or value not in RANK:
        raise ValueError("a state is not a state")
    return value


def ends(value: object) -> float:
    """Return a moment that may be empty as seconds since 1970; infinity if it is.

    Raises
    ------
    ValueError
        If it is neither.
    """
    return math.inf if value == "" else clock.parse(value)


def by_model(stops: Iterable[Stop]) -> Mapping[str, tuple[Stop, ...]]:
    """Return rows by their model.

    Raises
    ------
    ValueError
        If there are more than any switch holds.
    """
    found: dict[str, list[Stop]] = {}
    for count, stop in enumerate(stops):
        if count >= _MAX_ITEMS:
            raise ValueError("it has too many rows")
        found.setdefault(stop.model, []).append(stop)
    return {model: tuple(rows) for model, rows in found.items()}


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ValueError("a bound is not a number of seconds")
    return float(value)


def _service(found: Mapping[str, Any]) -> Service:
    fallback = found.get("fallback")
    if not isinstance(fallback, bool):
        raise ValueError("a fallback is neither true nor false")
    return Service(tier(found.get("tier")), fallback, ends(found.get("lease_until")))


def _stop(found: Mapping[str, Any]) -> Stop:
    model = found.get("model")
    then = found.get("then_state", "")
    return Stop(
        ANY if model == ANY else name(model), words.text(found.get("version")), words.text(found.get("segment")),
        state(found.get("state")), words.text(found.get("since")), words.whole(found.get("fence")),
        ends(found.get("until", "")), state(then) if then != "" else "",
    )
