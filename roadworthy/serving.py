"""The endpoint section of a passport: how the address where a model answers may be asked, and what is promised of it.

Only the passport's own `inference_url` is ever asked, and only where the workspace allows its host (`probe_endpoints`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from roadworthy.arrival import Secret
from roadworthy.documents import Strict
from roadworthy.paths import Inside

WHOLE = ("disabled", "quarantined")
"""States of the switch in which no request may be answered."""


class Credentials(Strict):
    """What a caller shows. The secret itself never stands here."""

    secret: Secret = Field(description="Reference to the secret.")
    header: str = Field(
        default="Authorization", pattern=r"^[A-Za-z][A-Za-z0-9-]{0,60}$", description="The header that carries it.",
    )
    prefix: str = Field(default="Bearer ", pattern=r"^[ -~]{0,40}$", description="What stands before it in the header.")


class Probe(Strict):
    """A request that changes nothing: it is sent to a model in service, every night."""

    method: Literal["GET", "POST"] = Field(default="POST", description="How it is sent.")
    body: dict[str, Any] | Inside | None = Field(
        default=None, description="What is sent with it, as JSON: written here, or the path of a file relative to the workspace.",
    )


class RateLimit(Strict):
    """What one caller may ask at most."""

    requests: int = Field(ge=1, le=190, description="So many requests are answered.")
    seconds: Annotated[float | int, Field(gt=0, le=3600)] = Field(description="In so many seconds; the next one is refused.")


class Stopped(Strict):
    """How an answer says that the model is stopped, where it says so with a status of 200."""

    field: str = Field(description="Key of the answer's JSON object.")
    equals: bool | int | str = Field(description="Its value when the model is stopped.")


class Endpoint(Strict):
    """How the model's `inference_url` may be asked, and what is promised of it."""

    probe: Probe = Probe()
    credentials: Credentials | None = None
    rate_limit: RateLimit | None = None
    stopped: Stopped | None = None
    ca: Inside | None = Field(
        default=None, description="Certificates to trust, a PEM file relative to the workspace; by default the system's.",
    )
    most_requests: int = Field(default=30, ge=4, le=200, description="More requests than this are never sent in one inspection.")


@dataclass(frozen=True)
class Probing:
    """What the flows tell the endpoint check, which reads neither the clock, nor the switch, nor the environment itself.

    Attributes
    ----------
    now : datetime
        Wall time, with time zone.
    state : str
        What the switch answers for the version: ``active``, ``degraded``, ``quarantined``, ``disabled``, ``unknown``; ``partly``
        where only segments of it are stopped, ``aside`` where it is not in service.
    hosts : tuple of str
        The hosts that the workspace allows, each with or without a port.
    past : bool
        True for a night of a day that is not the newest due: an endpoint can only be asked now.
    seconds : float
        How long one exchange may take; a whole inspection may take four times as long.
    environment : mapping
        Where ``env:`` references look.
    """

    now: datetime
    state: str
    hosts: tuple[str, ...] = ()
    past: bool = False
    seconds: float = 5.0
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
