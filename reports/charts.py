"""Where marks stand: pure geometry for charts that live in table cells.

All positions are percentages of the cell, from 0 (left, or top) to 100, rounded so that the same numbers give the same
bytes. Nothing here is printed as a number; the numbers stand beside the chart as text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

LIMIT_AT = 25.0
_EDGE = 2.0


@dataclass(frozen=True, slots=True)
class Marks:
    """A value with its interval, limits and earlier value on one line."""

    value: float
    low: float | None
    high: float | None
    limits: tuple[float, ...]
    previous: float | None = None


@dataclass(frozen=True, slots=True)
class Headroom:
    """How far a value stands past its limit; the limit is at `LIMIT_AT` in every row, good is to the right."""

    start: float
    width: float
    low: float | None
    high: float | None
    passes: bool


@dataclass(frozen=True, slots=True)
class Spark:
    """A line over days."""

    line: str
    area: str
    dots: tuple[tuple[float, float], ...]
    limit: float | None
    top: float


def domain_of(values: Iterable[float | None], pad: float = 0.08) -> tuple[float, float]:
    """Return the range that holds all values with a margin on both sides.

    Examples
    --------
    >>> domain_of([0.0, None, 1.0], pad=0.1)
    (-0.1, 1.1)
    >>> low, high = domain_of([5.0])
    >>> low < 5.0 < high
    True
    """
    known = [v for v in values if v is not None]
    if not known:
        return 0.0, 1.0
    low, high = min(known), max(known)
    margin = pad * (high - low) if high > low else abs(low) * pad or 1.0
    return low - margin, high + margin


def place(value: float, domain: tuple[float, float]) -> float:
    """Return where `value` stands, in percent, never outside the cell.

    Examples
    --------
    >>> place(0.5, (0.0, 2.0)), place(9.0, (0.0, 2.0))
    (25.0, 98.0)
    """
    low, high = domain
    share = 100.0 * (value - low) / (high - low) if high > low else 50.0
    return round(min(100.0 - _EDGE, max(_EDGE, share)), 2)


def marks(
    value: float | None,
    low: float | None,
    high: float | None,
    limits: Sequence[float] = (),
    previous: float | None = None,
    domain: tuple[float, float] | None = None,
) -> Marks | None:
    """Return the marks of one row, or None without a value.

    Examples
    --------
    >>> marks(0.5, 0.25, 0.75, [0.0], domain=(0.0, 1.0))
    Marks(value=50.0, low=25.0, high=75.0, limits=(2.0,), previous=None)
    """
    if value is None:
        return None
    where = domain or domain_of([value, low, high, previous, *limits])
    return Marks(
        place(value, where),
        None if low is None else place(low, where),
        None if high is None else place(high, where),
        tuple(place(limit, where) for limit in limits),
        None if previous is None else place(previous, where),
    )


def headroom(
    value: float | None,
    low: float | None,
    high: float | None,
    at_least: float | None,
    at_most: float | None,
    best: tuple[float | None, float | None] = (None, None),
) -> Headroom | None:
    """Return the bar from the limit to the value, on a scale on which every row's limit stands at the same place.

    Parameters
    ----------
    value, low, high : float or None
    at_least, at_most : float or None
        The limit's ends.
    best : pair of float or None
        The smallest and the largest possible value; the end on the good side is the right edge. Without one, the right edge
        is as far from the limit as the limit is from zero.

    Examples
    --------
    >>> headroom(0.9, 0.85, 0.95, 0.8, None, (0.0, 1.0))
    Headroom(start=25.0, width=37.5, low=43.75, high=81.25, passes=True)
    >>> headroom(0.2, None, None, None, 0.1, (0.0, None)).passes
    False
    """
    if value is None or (at_least is None and at_most is None):
        return None

    def room(x: float) -> float:
        """Return 0 at the limit, 1 at the best, below 0 beyond the limit."""
        if at_least is not None and at_most is not None:
            half = (at_most - at_least) / 2
            gap = min(x - at_least, at_most - x)
            return gap / half if half > 0 else (1.0 if gap >= 0 else -1.0)
        limit = at_least if at_least is not None else at_most or 0.0
        gap = x - limit if at_least is not None else limit - x
        end = best[1] if at_least is not None else best[0]
        far = max(abs(v) for v in (value, low, high, 1.0) if v is not None)
        span = abs(limit) or far if end is None else abs(end - limit)
        return gap / span if span > 0 else (1.0 if gap >= 0 else -1.0)

    def spot(h: float) -> float:
        return round(min(100.0, max(0.0, LIMIT_AT + (100.0 - LIMIT_AT) * h)), 2)

    here = spot(room(value))
    ends: list[float] = []
    if low is not None and high is not None:
        rooms = [room(low), room(high)]
        if at_least is not None and at_most is not None and low <= (at_least + at_most) / 2 <= high:
            rooms.append(1.0)
        ends = [spot(min(rooms)), spot(max(rooms))]
    return Headroom(
        round(min(here, LIMIT_AT), 2),
        round(abs(here - LIMIT_AT), 2),
        ends[0] if ends else None,
        ends[1] if ends else None,
        room(value) >= 0,
    )


def spark(points: Sequence[tuple[date, float]], limit: float | None = None, floor: float | None = 0.0) -> Spark | None:
    """Return the line through daily values; a day's place follows the calendar, so gaps stay visible as long slopes.

    Parameters
    ----------
    points : sequence of (date, float)
        Oldest first.
    limit : float, optional
    floor : float or None
        The value at the bottom edge; None takes the smallest.

    Examples
    --------
    >>> spark([(date(2026, 4, 1), 0.0), (date(2026, 4, 3), 1.0)], limit=0.5).line
    '0.0,100.0 100.0,9.09'
    """
    if not points:
        return None
    values = [v for _, v in points]
    known = values + ([limit] if limit is not None else [])
    bottom = min(known) if floor is None else min([floor, *known])
    top = bottom + 1.1 * (max(known) - bottom) if max(known) > bottom else bottom + 1.0
    first, last = points[0][0].toordinal(), points[-1][0].toordinal()

    def x(day: date) -> float:
        return round(100.0 * (day.toordinal() - first) / (last - first), 2) if last > first else 100.0

    def y(v: float) -> float:
        return round(100.0 * (top - v) / (top - bottom), 2)

    dots = tuple((x(day), y(v)) for day, v in points)
    line = " ".join(f"{px},{py}" for px, py in dots)
    area = f"{dots[0][0]},100.0 {line} {dots[-1][0]},100.0"
    return Spark(line, area, dots, None if limit is None else y(limit), top)
