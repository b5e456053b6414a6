"""The one rule that says what a request is answered: the strictest of everything that concerns it.

A pure function, so that the embedded switch, the service and a replay of the past give the same answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from roadworthy.switch.files import ACTIVE, DEGRADED, DISABLED, RANK, SERVING, UNKNOWN, Stop
from roadworthy.switch.served import Served, lapsed
from roadworthy.switch.table import strictest


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to a request to serve.

    Attributes
    ----------
    state : str
        ``active``, ``degraded``, ``quarantined``, ``disabled`` or ``unknown``.
    reason, since, by : str
        Of the stop that decides; empty if there is none.
    scope : str
        What that stop was made for, such as ``credit@1.0.0``.
    """

    state: str
    reason: str = ""
    since: str = ""
    by: str = ""
    scope: str = ""

    @property
    def serves(self) -> bool:
        """True for ``active`` and for ``degraded``, in which the fallback answers."""
        return self.state in SERVING


def decide(
    stops: Sequence[Stop], service: Sequence[Served], model: str, version: str | None, segment: str | None, now: str
) -> Decision:
    """Decide about one request.

    Parameters
    ----------
    stops : sequence of Stop
        Everything that is held, of this model and others.
    service : sequence of Served
        Every version in service.
    model : str
    version, segment : str or None
        What the request does not name matches every scope.
    now : str
        UTC, as `roadworthy.ledger.chain.stamp` writes it.

    Examples
    --------
    >>> live = [Served("credit", "1.0.0", "high", False, "2026-04-01")]
    >>> slow = Stop("credit", "*", "*", "degraded", "2026-04-02", "automation", "Slow.")
    >>> [decide(s, live, m, None, None, "2026-04-03").state for s, m in (([], "credit"), ([slow], "credit"), ([], "other"))]
    ['active', 'disabled', 'unknown']
    """
    known = [one for one in service if one.model == model and version in (None, one.version)]
    refuses = any(one.tier == "high" and not one.fallback for one in known)
    found = [_without_fallback(s) if refuses and s.state == DEGRADED else s for s in (*stops, *lapsed(known, now))]
    decisive = strictest([s for s in found if s.concerns(model, version, segment)])
    if not known and (decisive is None or RANK[decisive.state] < RANK[UNKNOWN]):
        return Decision(UNKNOWN, f"{model if version is None else f'{model}@{version}'} is not in service.")
    if decisive is None or decisive.state == ACTIVE:
        return Decision(ACTIVE)
    return Decision(decisive.state, decisive.reason, decisive.at, decisive.by, decisive.scope)


def _without_fallback(stop: Stop) -> Stop:
    said = f"{stop.reason} It is of tier high and declares no fallback, so requests are refused."
    return replace(stop, state=DISABLED, reason=said)
