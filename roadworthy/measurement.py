"""A measurement: a number with its uncertainty and where it came from, and no opinion.

Checks make measurements, the judge reads them, evidence keeps them. NaN and infinity never get in: a check that
computed one has not measured anything and must say so with a status and a reason.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from roadworthy.canonical import plain

Status = Literal["measured", "not_applicable", "insufficient", "error"]
STATUSES: tuple[Status, ...] = ("measured", "not_applicable", "insufficient", "error")


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number about one part of the data.

    Parameters
    ----------
    metric : str
        An id of the catalogue, such as ``"fairness.selection_rate_ratio"``.
    over : mapping, optional
        The part measured: ``{"group": {"sex": "female"}}``, ``{"column": "age"}``, or empty for the whole. Names may
        hold any character.
    value : float, optional
        The estimate, in the catalogue's unit. None unless `status` is ``"measured"``.
    low, high : float, optional
        The interval around `value`. Both or neither.
    confidence : float, optional
        The level of the interval, in (0, 1).
    p_value : float, optional
        Uncorrected; only the judge corrects for many looks.
    n : int, optional
        Rows behind the number. For a comparison of two groups: rows of the smaller one.
    stats : mapping, optional
        Sufficient statistics or counts, small: ``{"positives": 12, "negatives": 88}``. A rule's ``min`` reads them.
    method : str, optional
        How value and interval were computed: ``"fairlearn on counts; Katz log interval"``.
    inputs : mapping, optional
        Digests of the data read, by role: ``{"batch": "9f..", "reference": "03.."}``.
    status : str
        ``measured``, ``not_applicable``, ``insufficient`` (too little data) or ``error`` (could not be measured).
    reason : str, optional
        Required unless `status` is ``measured``: one sentence.
    details : mapping, optional
        Anything else a reader of the evidence may want; JSON values only, aggregates only.

    Raises
    ------
    ValueError
        If a number is not finite or cannot be (a p-value of 2, a negative n), a mapping holds what JSON cannot keep, a
        status lacks its reason, or the interval does not make sense.

    Examples
    --------
    >>> m = Measurement("performance.accuracy", value=0.8, low=0.7, high=0.88, confidence=0.95, n=100, method="Wilson")
    >>> m.status
    'measured'
    >>> Measurement("performance.accuracy", value=float("nan"))
    Traceback (most recent call last):
    ...
    ValueError: performance.accuracy: value is nan; a number that is not finite is not a measurement
    """

    metric: str
    over: Mapping[str, Any] = field(default_factory=dict)
    value: float | None = None
    low: float | None = None
    high: float | None = None
    confidence: float | None = None
    p_value: float | None = None
    n: int | None = None
    stats: Mapping[str, Any] = field(default_factory=dict)
    method: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)
    status: Status = "measured"
    reason: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("value", "low", "high", "confidence", "p_value"):
            number = getattr(self, name)
            if number is None:
                continue
            number = float(number)  # numpy scalars become plain floats
            if not math.isfinite(number):
                raise ValueError(f"{self.metric}: {name} is {number}; a number that is not finite is not a measurement")
            object.__setattr__(self, name, number)
        if self.n is not None:
            object.__setattr__(self, "n", int(self.n))
        for name in ("over", "stats", "inputs", "details"):  # what evidence cannot keep must fail here, in the check that made it
            object.__setattr__(self, name, plain(getattr(self, name), f"{self.metric}: {name}"))
        if self.p_value is not None and not 0 <= self.p_value <= 1:
            raise ValueError(f"{self.metric}: a p-value lies between 0 and 1, not at {self.p_value}")
        if self.confidence is not None and not 0 < self.confidence < 1:
            raise ValueError(f"{self.metric}: a confidence lies between 0 and 1, not at {self.confidence}")
        if self.n is not None and self.n < 0:
            raise ValueError(f"{self.metric}: there cannot be {self.n} rows")
        if self.status not in STATUSES:
            raise ValueError(f"{self.metric}: there is no status {self.status!r}")
        if self.status == "measured" and self.value is None:
            raise ValueError(f"{self.metric}: measured, but there is no value")
        if self.status != "measured" and (self.value is not None or not self.reason):
            raise ValueError(f"{self.metric}: {self.status} needs a reason and no value")
        if (self.low is None) != (self.high is None):
            raise ValueError(f"{self.metric}: an interval needs both ends")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"{self.metric}: the interval runs from {self.low} to {self.high}")

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values; `from_dict` is the inverse."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Measurement:
        """Build a measurement from `as_dict`'s output."""
        return cls(**data)


def not_measured(metric: str, status: Status, reason: str, **rest: Any) -> Measurement:
    """Return a measurement without a number.

    Examples
    --------
    >>> not_measured("drift.psi", "insufficient", "The batch has 3 rows.").value is None
    True
    """
    return Measurement(metric, status=status, reason=reason, **rest)
