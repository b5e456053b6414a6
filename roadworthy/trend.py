"""Joins what the nights remember with what was recorded of days past, so that a trend has no gap where a night is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from roadworthy.memory import REMEMBERED_NIGHTS, REMEMBERED_SERIES


def joined(state: Mapping[str, Any], past: Mapping[str, Any]) -> dict[str, Any]:
    """Return a state with the points of another beside its own: of each series the newest, and of one day its own.

    Nothing but points is taken over: what was recorded after the fact stands in the trend, and neither in the count of nights
    that a breach has stood nor in a test over nights.

    Parameters
    ----------
    state : mapping
        What a night carried forward; may be empty.
    past : mapping
        What a backfill carried forward; may be empty.

    Examples
    --------
    >>> night = {"points": {"drift.psi|{}": [["2026-04-02", 0.2, 0.1, 0.3]]}}
    >>> past = {"points": {"drift.psi|{}": [["2026-04-01", 0.1, 0.0, 0.2], ["2026-04-02", 0.9, 0.8, 1.0]]}, "persist": {}}
    >>> joined(night, past)
    {'points': {'drift.psi|{}': [['2026-04-01', 0.1, 0.0, 0.2], ['2026-04-02', 0.2, 0.1, 0.3]]}}
    """
    more = past.get("points", {})
    if not more:
        return dict(state)
    points = {key: list(mine) for key, mine in state.get("points", {}).items()}
    for key, theirs in more.items():
        mine = points.get(key, [])
        if mine or len(points) < REMEMBERED_SERIES:
            days = {point[0] for point in mine}
            both = [*mine, *(point for point in theirs if point[0] not in days)]
            points[key] = sorted(both, key=lambda point: str(point[0]))[-REMEMBERED_NIGHTS:]
    return {**state, "points": points}
