"""What a night remembers for the next: breaches, points of trends, and blocks of days. Plain JSON in, plain JSON out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from roadworthy.canonical import canonical_json
from roadworthy.deciding import Outcome, possible
from roadworthy.finding import Finding, FindingStatus
from roadworthy.measurement import Measurement
from roadworthy.policy import Rule

REMEMBERED_NIGHTS = 30
REMEMBERED_SERIES = 400
FORGOTTEN_AFTER_DAYS = 366  # a breach that has not been looked at again for a year says nothing about tonight

_LOWER: dict[FindingStatus, FindingStatus] = {"severe": "warn", "fail": "warn", "warn": "pass"}


def series(name: str, over: Mapping[str, Any]) -> str:
    """Return the key of a series: a rule or metric over one part of the data."""
    return f"{name}|{canonical_json(over).decode()}"


def days_back(day: date, days: int) -> str:
    """Return the ISO date so many days earlier, or the calendar's first."""
    return (day - timedelta(days=min(days, day.toordinal() - 1))).isoformat()


# ------------------------------------------------------------------------------------------------ persistence


def persisted(
    rule: Rule, m: Measurement, day: date, history: Mapping[str, Any], nights: dict[str, list[list[Any]]], outcome: Outcome
) -> tuple[FindingStatus, str]:
    """Remember tonight and lower a breach that has not stood long enough.

    Where days are pooled, only nights that close a block come here, so what must stand is a breach of so many blocks.
    """
    if rule.persist is None:
        return outcome.status, outcome.note
    key, today = series(rule.id, m.over), day.isoformat()
    seen = nights.get(key, [])  # a part measured twice tonight is breached if either says so
    earlier = [night for night in history.get("persist", {}).get(key, []) if night[0] < today]
    nights[key] = ([*earlier, [today, outcome.breached or any(b for d, b in seen if d == today)]])[-REMEMBERED_NIGHTS:]
    stood = sum(bool(b) for _, b in nights[key][-rule.persist.of :])
    if not outcome.breached or stood >= rule.persist.nights:
        return outcome.status, outcome.note
    unit = "blocks" if "pool" in m.details else "nights"
    note = f"Seen on {stood} of the last {rule.persist.of} {unit}; it counts from {rule.persist.nights} on."
    return _LOWER[outcome.status], note


def remembered(nights: Mapping[str, list[list[Any]]], day: date, history: Mapping[str, Any]) -> dict[str, list[list[Any]]]:
    """Return what tomorrow must know of breaches: nights before a series' first breach count for nothing and are dropped."""
    today, oldest = day.isoformat(), days_back(day, FORGOTTEN_AFTER_DAYS)
    # A night without a decision forgets nothing.
    kept = {key: [night for night in past if night[0] < today] for key, past in history.get("persist", {}).items()}
    found = {}
    for key, past in {**kept, **nights}.items():
        first = next((i for i, (_, breached) in enumerate(past) if breached), None)
        if first is not None and past[-1][0] >= oldest:
            found[key] = past[first:]
    return found


# ------------------------------------------------------------------------------------------------ trends


def points(
    measurements: Sequence[Measurement], findings: Sequence[Finding], day: date, history: Mapping[str, Any]
) -> dict[str, list[list[Any]]]:
    """Carry the last nights of every judged series forward, so that a trend needs one predecessor and not a year of bundles."""
    judged = {(f.metric, canonical_json(f.over)) for f in findings}
    today, before = day.isoformat(), history.get("points", {})
    found: dict[str, list[list[Any]]] = {}
    for m in sorted(measurements, key=lambda m: bool(m.over)):  # the model as a whole comes before its parts
        where = (m.metric, canonical_json(m.over))
        if m.value is None or where not in judged or len(found) >= REMEMBERED_SERIES or not possible(m):
            continue
        key = series(m.metric, m.over)
        earlier = [point for point in before.get(key, []) if point[0] < today]
        found[key] = ([*earlier, [today, m.value, m.low, m.high]])[-REMEMBERED_NIGHTS:]
    for key, past in before.items():  # a series that was not measured tonight keeps its past
        kept = [point for point in past if point[0] < today]
        if key not in found and len(found) < REMEMBERED_SERIES and kept:
            found[key] = kept
    return found


# ------------------------------------------------------------------------------------------------ blocks of days


@dataclass(frozen=True)
class Pool:
    """The block of days that the columns were measured on tonight, as `checks.drift.blocks` tells it.

    Attributes
    ----------
    since, through : date
    rows, needed : int
    closed : bool
        It holds enough rows, so tonight decides.
    longest : int, optional
        How many days a block may have; None if the measurements do not say.
    """

    since: date
    through: date
    rows: int
    needed: int
    closed: bool
    longest: int | None = None

    @classmethod
    def of(cls, measurements: Sequence[Measurement]) -> Pool | None:
        """Read the block from the measurements; None if none of them speaks of one."""
        told = next((m.details["pool"] for m in measurements if m.details.get("pool")), None)
        if told is None:
            return None
        longest = told.get("longest")
        return cls(
            date.fromisoformat(told["since"]),
            date.fromisoformat(told["through"]),
            int(told["rows"]),
            int(told["needed"]),
            bool(told["closed"]),
            int(longest) if longest is not None else None,
        )

    @property
    def left_behind(self) -> bool:
        """Whether the block has reached its greatest length and is still too small."""
        return not self.closed and self.longest is not None and (self.through - self.since).days + 1 >= self.longest

    def carried(self) -> dict[str, str]:
        """Return what tomorrow must know: the first day of the block that is then open."""
        begins_anew = self.closed or self.left_behind
        return {"since": (self.through + timedelta(days=1) if begins_anew else self.since).isoformat()}


def standing(rule: Rule, m: Measurement, pool: Pool | None, history: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what the last closed block decided of this series, if it stands while the next block is open."""
    if pool is None or pool.closed or pool.left_behind or "pool" not in m.details:
        return None
    block = history.get("block")
    if block is None or date.fromisoformat(block["through"]) + timedelta(days=1) != pool.since:
        return None  # days lie between the two: what was decided then says nothing about now
    found = block["series"].get(f"{series(rule.id, m.over)}|{rule.limit}")
    if found is None:
        return None
    status, value, low, high, confidence, n, note, required = found
    return {
        "status": status, "value": value, "low": low, "high": high, "confidence": confidence, "n": n, "note": note,
        "required": required, "since": block["since"], "through": block["through"],
    }


def block_of(
    pool: Pool | None, decided: Mapping[str, list[Any]], history: Mapping[str, Any]
) -> dict[str, Any]:
    """Return ``pool`` and ``block`` of tomorrow's state: where the next block begins, and what the last one decided.

    A block that is left behind undecided takes the findings of the one before it away: they have stood long enough.
    """
    if pool is None:  # nothing was pooled tonight, or nothing was there; what is known stays
        return {name: history[name] for name in ("pool", "block") if name in history}
    state: dict[str, Any] = {"pool": pool.carried()}
    if pool.closed:
        state["block"] = {"since": pool.since.isoformat(), "through": pool.through.isoformat(), "series": dict(decided)}
    elif not pool.left_behind and "block" in history:
        state["block"] = history["block"]
    return state
