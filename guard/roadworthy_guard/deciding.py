"""May this model serve? Pure: what is held, how old it is and what time it is go in, a decision comes out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from roadworthy_guard.clock import written
from roadworthy_guard.content import Content, Service, Stop
from roadworthy_guard.decision import (
    ACTIVE,
    ANY,
    DEGRADED,
    DISABLED,
    HIGH,
    LIMITED,
    MINIMAL,
    RANK,
    TIERS,
    UNKNOWN,
    Decision,
)

NEVER = "the switch has not answered since this process began"


def decide(
    content: Content | None, more: Iterable[Stop], model: str, version: str | None, segment: str | None, *,
    age: float, confirmed: bool, moment: float, bounds: Mapping[str, float],
) -> tuple[Decision, float]:
    """Decide, and say for how many seconds the answer is good if nothing new is learned.

    Parameters
    ----------
    content : Content or None
        None if nothing is known.
    more : iterable of Stop
        Stops from elsewhere: STOP files, and stops that are remembered.
    model : str
    version, segment : str or None
        One that is None matches every scope.
    age : float
        Seconds since what is held was true.
    confirmed : bool
        False for what was read from the guard's own file and not confirmed since.
    moment : float
        The present, in seconds since 1970.
    bounds : mapping
        Seconds that knowledge may be old, by tier.

    Returns
    -------
    decision : Decision
    lasts : float
        Seconds; infinity if time changes nothing.
    """
    rows = [s for s in more if s.model in (ANY, model) and s.concerns(version, segment)]
    if content is not None:
        rows += [s for name in (ANY, model) for s in content.stops.get(name, ()) if s.concerns(version, segment)]
    versions = content.service.get(model, {}) if content is not None else {}
    named = list(versions.values()) if version is None else [versions[version]] if version in versions else []
    lasts = math.inf
    # Each candidate: rank, its state, the sentence, the fence of its row.
    candidates: list[tuple[int, str, str, int]] = []
    for row in rows:
        state = row.state_at(moment)
        candidates.append((RANK[state], state, row.said or _row(row, state), row.fence))
        if moment < row.until and row.then_state:
            lasts = min(lasts, row.until - moment)
    if named:
        one = _strictest(named)
        candidates.append((RANK[ACTIVE], ACTIVE, "", 0))
        lapse, left = _lease(one, moment)
        stale, fresh_for = _age(one, age, confirmed, bounds)
        candidates += [*lapse, *stale]
        lasts = min(lasts, left, fresh_for)
    else:
        one = Service(HIGH, fallback=False)
        what = NEVER if content is None else f"the switch knows no such {'model' if not versions else 'version'} in service"
        candidates.append((RANK[UNKNOWN], UNKNOWN, what, 0))
    rank, state, reason, _ = max(candidates, key=lambda c: (c[0], c[3]))
    fence = max((c[3] for c in candidates if c[1] == state), default=0)
    serves, fallback = rank <= RANK[DEGRADED], False
    if state == DEGRADED:
        fallback = one.fallback
        if not fallback and one.tier == HIGH:
            serves, reason = False, f"{reason}; a model of tier high that has no fallback does not serve degraded"
    if state == ACTIVE and one.tier == MINIMAL and age > bounds[MINIMAL]:
        reason = f"this is {age:.0f} s old, past the bound of {bounds[MINIMAL]:g} s for tier minimal"
    return Decision(
        serves, state, fallback, reason, model, version or "", segment or "",
        content.epoch if content else -1, content.sequence if content else -1, fence,
    ), max(lasts, 0.0)


def _strictest(named: list[Service]) -> Service:
    """Return one that stands for all: a caller that names no version is held to the strictest of every one in service."""
    if len(named) == 1:
        return named[0]
    return Service(
        max((s.tier for s in named), key=TIERS.index), all(s.fallback for s in named), min(s.lease_until for s in named),
    )


def _row(row: Stop, state: str) -> str:
    if state == ACTIVE:
        return ""
    if state != row.state:
        return f"switched on until {written(row.until)} only"
    scope = " ".join(part for part in row.scope if part != ANY) or "every model"
    return f"{scope} was made {state}" + (f" at {row.since}" if row.since else "")


def _lease(one: Service, moment: float) -> tuple[list[tuple[int, str, str, int]], float]:
    if moment < one.lease_until:
        return [], one.lease_until - moment
    state = DEGRADED if one.fallback else DISABLED
    said = f"its lease lapsed at {written(one.lease_until)}, because nights were missing or undecided"
    return [(RANK[state], state, said, 0)], math.inf


def _age(
    one: Service, age: float, confirmed: bool, bounds: Mapping[str, float]
) -> tuple[list[tuple[int, str, str, int]], float]:
    bound = bounds[one.tier]
    if one.tier == HIGH and not confirmed:
        return [(RANK[UNKNOWN], UNKNOWN, NEVER, 0)], math.inf
    if age <= bound:
        return [], bound - age
    said = f"the switch was last heard {age:.1f} s ago, past the bound of {bound:g} s for tier {one.tier}"
    if one.tier == HIGH or (one.tier == LIMITED and not one.fallback):
        return [(RANK[UNKNOWN], UNKNOWN, said, 0)], math.inf
    if one.tier == LIMITED:
        return [(RANK[DEGRADED], DEGRADED, said, 0)], math.inf
    return [], math.inf
