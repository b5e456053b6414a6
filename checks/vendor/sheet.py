"""How a fact about a vendor is written down, and how it is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from checks.intervals import CONFIDENCE
from roadworthy.catalogue import catalogue
from roadworthy.measurement import Measurement, Status, not_measured
from roadworthy.vendors import FILE

FAMILY = tuple(metric for metric in catalogue() if metric.startswith("vendor."))


@dataclass
class Sheet:
    """Collects the measurements of the family.

    Attributes
    ----------
    vendor : str
        Id of the vendor; every measurement names it.
    inputs : dict of str to str
        Digests of what was read.
    file : str
        The register, as messages call it.
    found : list of Measurement
    """

    vendor: str
    inputs: dict[str, str] = field(default_factory=dict)
    file: str = FILE
    found: list[Measurement] = field(default_factory=list)

    def put(
        self, short: str, value: float, ends: tuple[float, float] | None = None, *, n: int, how: str,
        over: Mapping[str, Any] | None = None, stats: Mapping[str, Any] | None = None, details: Mapping[str, Any] | None = None,
    ) -> None:
        """Write a number down; with an interval if it is an estimate."""
        low, high = ends if ends is not None else (None, None)
        self.found.append(Measurement(
            f"vendor.{short}", dict(over or {}), value, low, high, None if ends is None else CONFIDENCE, n=n,
            stats=dict(stats or {}), method=how, inputs=self.inputs, details={"vendor": self.vendor, **(details or {})},
        ))

    def fact(
        self, short: str, holds: bool, *, n: int, how: str, details: Mapping[str, Any], over: Mapping[str, Any] | None = None,
    ) -> None:
        """Write down what holds or does not, as 1 or 0."""
        self.put(short, float(holds), n=n, how=how, details=details, over=over)

    def refuse(
        self, short: str, status: Status, reason: str, *, n: int | None = None, details: Mapping[str, Any] | None = None,
    ) -> None:
        """Say why there is no number."""
        whose = {"vendor": self.vendor} if self.vendor else {}
        self.found.append(not_measured(
            f"vendor.{short}", status, reason, n=n, inputs=self.inputs, details={**whose, **(details or {})},
        ))
