"""Take the times of a model inside, and read them outside: single rows first, as a process that has just started answers them.

The process inside says how long its model took, so its numbers are read like everything that comes from there: of the right
shape, and together no longer than it ran.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from checks.isolation.room import IsolationError

CALLS = 100
"""Calls of each kind; the 95 % time takes 72."""
SECONDS = 1.5
"""After so long no further call of a kind is made."""
_FIELDS = ("wall_ms", "cpu_ms")

Times = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Timed:
    """What calls took.

    Attributes
    ----------
    rows : int
        Of the whole sample.
    single, whole : tuple of (float, float)
        Milliseconds of wall and of processor time of each call with a single row, and with the whole sample.
    """

    rows: int
    single: Times
    whole: Times


def take(answer: Callable[[Any], Any], frame: Any, seconds: float = SECONDS) -> dict[str, Any]:
    """Return what calls of a model took, as JSON values for `read`.

    Parameters
    ----------
    answer : callable
        Takes a data frame.
    frame : pandas.DataFrame
        The sample, at least one row.
    seconds : float
        No call of a kind begins later than that.
    """
    step = max(1, len(frame) // CALLS)
    single = [frame.iloc[[(place * step) % len(frame)]] for place in range(CALLS)]
    return {"rows": len(frame), "single": _calls(answer, single, seconds), "whole": _calls(answer, [frame] * CALLS, seconds)}


def _calls(answer: Callable[[Any], Any], handed: Sequence[Any], seconds: float) -> list[list[float]]:
    found: list[list[float]] = []
    began = time.perf_counter()
    for one in handed:
        if time.perf_counter() - began > seconds:
            break
        wall, cpu = time.perf_counter_ns(), time.process_time_ns()
        answer(one)
        cpu, wall = time.process_time_ns() - cpu, time.perf_counter_ns() - wall
        found.append([wall / 1e6, cpu / 1e6])
    return found


def read(told: Any, rows: int, seconds: float) -> Timed:
    """Return what the process inside said of its times.

    Parameters
    ----------
    told
        As `take` gives it, by way of JSON.
    rows : int
        Of the sample that was handed over.
    seconds : float
        How long the process ran.

    Raises
    ------
    IsolationError
        If it is of another shape, or the calls took longer than the process ran.

    Examples
    --------
    >>> read({"rows": 3, "single": [[2.0, 1.5]], "whole": [[3.0, 2.5]]}, 3, 1.0).whole
    ((3.0, 2.5),)
    >>> read({"rows": 3, "single": [[2000.0, 1.5]], "whole": [[3.0, 2.5]]}, 3, 1.0)
    Traceback (most recent call last):
    checks.isolation.room.IsolationError: The process inside cannot be believed: its calls took longer than it ran.
    """
    single, whole = (_read(told, kind) for kind in ("single", "whole"))
    if not isinstance(told, Mapping) or told.get("rows") != rows:
        raise IsolationError("The process inside cannot be believed: its times have another shape.")
    if sum(wall for wall, _ in (*single, *whole)) > 1000 * seconds:
        raise IsolationError("The process inside cannot be believed: its calls took longer than it ran.")
    return Timed(rows, single, whole)


def _read(told: Any, kind: str) -> Times:
    calls = told.get(kind) if isinstance(told, Mapping) else None
    if isinstance(calls, list) and 0 < len(calls) <= CALLS:
        pairs = [tuple(one) for one in calls if isinstance(one, list) and len(one) == len(_FIELDS)]
        if all(type(x) in (int, float) and 0 <= x < float("inf") for one in pairs for x in one) and len(pairs) == len(calls):
            return tuple((float(wall), float(cpu)) for wall, cpu in pairs)
    raise IsolationError("The process inside cannot be believed: its times have another shape.")
