"""How a fact about an endpoint is written down, and how it is refused."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from roadworthy.catalogue import catalogue
from roadworthy.measurement import Measurement, Status, not_measured

FAMILY = tuple(metric for metric in catalogue() if metric.startswith("endpoint."))
NAMES = tuple(metric.partition(".")[2] for metric in FAMILY)


@dataclass
class Sheet:
    """Collects the measurements of the family; nothing that the server wrote gets into it, for it might repeat what it was sent.

    Attributes
    ----------
    at : datetime, optional
        When the endpoint was asked, on the clock of the wall.
    inputs : dict of str to str
        Digests of the files that were read for it.
    found : list of Measurement
    """

    at: datetime | None = None
    inputs: dict[str, str] = field(default_factory=dict)
    found: list[Measurement] = field(default_factory=list)

    @property
    def _when(self) -> dict[str, str]:
        return {"asked_at": self.at.isoformat(), "clock": "wall"} if self.at is not None else {}

    def put(self, short: str, value: float, *, n: int, how: str, details: Mapping[str, Any]) -> None:
        """Write a fact down. Each is of the moment it was asked at, not of the day judged, and says so."""
        self.found.append(Measurement(
            f"endpoint.{short}", value=value, n=n, method=how, inputs=self.inputs, details={**self._when, **details},
        ))

    def refuse(self, short: str, status: Status, reason: str, details: Mapping[str, Any] | None = None) -> None:
        """Say why there is no number."""
        made = not_measured(f"endpoint.{short}", status, reason, inputs=self.inputs, details={**self._when, **(details or {})})
        self.found.append(made)

    def refuse_all(self, status: Status, reason: str, names: Collection[str] = NAMES) -> None:
        """Say why there is no number of several metrics, one by one."""
        for name in names:
            self.refuse(name, status, reason)
