"""What a guard answers, and the error that ends a request which may not be served."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ANY = "*"
ACTIVE, DEGRADED, UNKNOWN, QUARANTINED, DISABLED = "active", "degraded", "unknown", "quarantined", "disabled"
RANK: Mapping[str, int] = {ACTIVE: 0, DEGRADED: 1, UNKNOWN: 2, QUARANTINED: 3, DISABLED: 4}
MINIMAL, LIMITED, HIGH = "minimal", "limited", "high"
TIERS = (MINIMAL, LIMITED, HIGH)


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to "may this model serve this request?".

    Attributes
    ----------
    serves : bool
        True if somebody may answer: the model, or its fallback.
    state : str
        ``active``, ``degraded``, ``unknown``, ``quarantined`` or ``disabled``.
    fallback : bool
        True if the fallback must answer, and the model must not.
    reason : str
        One sentence; empty for a model that is active by fresh knowledge.
    model, version, segment : str
        What was asked about; empty for what the caller did not name.
    epoch, sequence : int
        The state of the switch that this rests on; -1 if there is none.
    fence : int
        The ledger's entry that made the deciding row; 0 if no row decides.

    Examples
    --------
    >>> Decision(serves=False, state="disabled", model="credit").serves
    False
    """

    serves: bool
    state: str
    fallback: bool = False
    reason: str = ""
    model: str = ""
    version: str = ""
    segment: str = ""
    epoch: int = -1
    sequence: int = -1
    fence: int = 0

    @property
    def subject(self) -> str:
        """What was asked about in words, such as ``credit 1.0.0``."""
        return " ".join(part for part in (self.model, self.version, self.segment) if part)


class Refused(Exception):
    """The model may not answer, and no fallback may or can.

    Attributes
    ----------
    decision : Decision
    """

    def __init__(self, decision: Decision, why: str = "") -> None:
        self.decision = decision
        said = f"{decision.subject} does not serve ({decision.state}): {why or decision.reason or 'nothing more is known'}"
        super().__init__(said)

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the way from a worker process to its parent."""
        return _refused, (self.decision, str(self))


def _refused(decision: Decision, said: str) -> Refused:
    made = Refused(decision)
    made.args = (said,)
    return made


class GuardError(Exception):
    """The guard cannot be set up as asked; one sentence says what to do."""
