"""Findings and verdicts: what the judge says, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

FindingStatus = Literal["pass", "waived", "warn", "insufficient", "fail", "severe", "error"]
ORDER: tuple[FindingStatus, ...] = ("pass", "waived", "warn", "insufficient", "fail", "severe", "error")

NightWord = Literal["clear", "watch", "breach", "undecided", "stop"]
GateWord = Literal["go", "conditional", "no-go", "undecided"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule applied to one measurement.

    Attributes
    ----------
    rule, metric : str
    over : mapping
        The part of the data, as in the measurement.
    status : str
        ``pass``, ``waived``, ``warn``, ``insufficient``, ``fail``, ``severe`` or ``error``.
    sentence : str
        What was found, in one plain sentence with number, limit and n.
    because : str
        Why the rule exists, for the Owner.
    value, low, high, n : optional
        From the measurement.
    limit : str
        As the rule writes it.
    required, must_decide : bool
        From the rule.
    note : str
        What changed the status: "first of 2 nights", the waiver, the rows that would decide.
    details : mapping
        Corrected p-value, needed n, the status before waiver and persistence.
    """

    rule: str
    metric: str
    over: Mapping[str, Any]
    status: FindingStatus
    sentence: str
    because: str
    limit: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    required: bool = True
    must_decide: bool = False
    clauses: tuple[str, ...] = ()
    note: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def family(self) -> str:
        """The check family behind the metric."""
        return self.metric.partition(".")[0]

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values; `from_dict` is the inverse."""
        return {**asdict(self), "clauses": list(self.clauses)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Finding:
        """Build a finding from `as_dict`'s output."""
        return cls(**{**data, "clauses": tuple(data.get("clauses", ()))})


@dataclass(frozen=True, slots=True)
class Verdict:
    """One word for one run.

    Attributes
    ----------
    when : str
        ``nightly`` or ``gate``.
    word : str
        Night: ``clear``, ``watch``, ``breach``, ``undecided``, ``stop``. Gate: ``go``, ``conditional``, ``no-go``, ``undecided``.
    reason : str
        One sentence: the worst finding, or what is fine.
    exit_code : int
        As the table of the design says; for ``stop`` it holds only if this run stopped something.
    counts : mapping
        Findings by status.
    conditions : tuple of str
        Gate: what must be done, one sentence each.
    """

    when: Literal["nightly", "gate"]
    word: str
    reason: str
    exit_code: int
    counts: Mapping[str, int]
    conditions: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values; `from_dict` is the inverse."""
        return {**asdict(self), "conditions": list(self.conditions)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Verdict:
        """Build a verdict from `as_dict`'s output."""
        return cls(**{**data, "conditions": tuple(data.get("conditions", ()))})
