"""Clocks: one that only runs forward and counts sleep, for ages; and the wall's, for leases, which is believed only upwards."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def _ticks() -> Callable[[], float]:
    """Return the steady clock that goes on while the machine sleeps; a snapshot grows old in a closed laptop too."""
    if sys.platform == "linux":
        return partial(time.clock_gettime, time.CLOCK_BOOTTIME)
    if sys.platform == "darwin":
        return partial(time.clock_gettime, time.CLOCK_MONOTONIC)
    return time.monotonic


@dataclass(frozen=True, slots=True)
class Clock:
    """The two clocks a guard reads; tests hand in their own.

    Attributes
    ----------
    ticks : callable
        Seconds of a clock that nobody can set.
    wall : callable
        Seconds since 1970 by the wall clock.
    """

    ticks: Callable[[], float] = field(default_factory=_ticks)
    wall: Callable[[], float] = time.time


def boot() -> str:
    """Return what tells this boot of the machine from others; empty where the system does not say."""
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def parse(text: object) -> float:
    """Return a moment of the protocol as seconds since 1970.

    Raises
    ------
    ValueError
        If it is not written exactly as the protocol writes it.

    Examples
    --------
    >>> parse("1970-01-01T00:01:00.500000Z")
    60.5
    """
    if not isinstance(text, str) or not _MOMENT.fullmatch(text):
        raise ValueError("a moment is not written as 2026-11-29T03:00:00.000000Z")
    return datetime.fromisoformat(text).timestamp()


def written(moment: float) -> str:
    """Return seconds since 1970 as the protocol writes them.

    Examples
    --------
    >>> written(60.5)
    '1970-01-01T00:01:00.500000Z'
    """
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Upward:
    """The wall's time, never lower than what was seen before plus what the steady clock counted since.

    A clock that is set back would give a lapsed lease its life again. One that jumped ahead for a moment stays ahead here:
    leases look lapsed, which refuses.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._moment = float("-inf")
        self._at = clock.ticks()
        self.set_back = 0.0

    def now(self) -> float:
        """Return the present in seconds since 1970."""
        return self.told(self._clock.wall())

    def told(self, moment: float) -> float:
        """Return the present, of which a clock says that it is `moment`; `set_back` says how far that clock is behind."""
        present = self.passed(moment)
        self.set_back = max(0.0, present - moment)
        return present

    def passed(self, moment: float) -> float:
        """Take note of a moment that is past for certain; return the present."""
        ticks = self._clock.ticks()
        self._moment, self._at = max(moment, self._moment + (ticks - self._at)), ticks
        return self._moment

    def again(self, moment: float) -> None:
        """Believe `moment` whatever was seen: a person has raised the epoch."""
        self._moment, self._at = moment, self._clock.ticks()
