"""How a number of the family is written down, and how it is refused."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from checks.intervals import CONFIDENCE, Interval, by_influence
from roadworthy.catalogue import catalogue
from roadworthy.measurement import Measurement, Status, not_measured

FAMILY = tuple(metric for metric in catalogue() if metric.startswith("cost."))


@dataclass
class Sheet:
    """Collects the measurements of the family.

    Attributes
    ----------
    inputs : dict of str to str
        Digests of what was read.
    details : dict
        Said by every measurement.
    found : list of Measurement
    """

    inputs: dict[str, str] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    found: list[Measurement] = field(default_factory=list)

    def put(
        self, short: str, value: float, interval: Interval | tuple[float, float] | None, *, n: int, how: str,
        over: Mapping[str, Any] | None = None, stats: Mapping[str, Any] | None = None, details: Mapping[str, Any] | None = None,
    ) -> None:
        """Write a number down, its interval cut to what the metric can be; one that is not finite becomes an error."""
        metric = f"cost.{short}"
        ends = (None, None) if interval is None else (interval[0], interval[1])
        if not all(math.isfinite(x) for x in (value, *ends) if x is not None):
            self.refuse(short, "error", "The numbers are too large to compute with.", over=over, n=n)
            return
        least = catalogue()[metric].range[0]
        low, high = ends if least is None else (None if end is None else max(float(least), end) for end in ends)
        more = {"scale": interval.scale, "se": interval.se} if isinstance(interval, Interval) else {}
        method = f"{how}; {interval.method} interval" if isinstance(interval, Interval) else how
        self.found.append(Measurement(
            metric, dict(over or {}), value, low, high, None if low is None else CONFIDENCE, n=n, stats={**(stats or {}), **more},
            method=method, inputs=self.inputs, details={**self.details, **(details or {})},
        ))

    def refuse(
        self, short: str, status: Status, reason: str, *, over: Mapping[str, Any] | None = None, n: int | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Say why there is no number."""
        self.found.append(not_measured(
            f"cost.{short}", status, reason, over=dict(over or {}), n=n, inputs=self.inputs,
            details={**self.details, **(details or {})},
        ))


def ratio_by_day(tops: Sequence[float], bottoms: Sequence[float]) -> tuple[float, Interval | None]:
    """Return a ratio of two sums over days, with the interval of days that are independent of each other.

    Parameters
    ----------
    tops, bottoms : sequence of float
        What is summed above and below, day by day; the bottoms are not negative and not all 0.

    Returns
    -------
    value : float
    interval : Interval or None
        By t on the logarithm where the ratio is positive; None with fewer than two days that count.

    Notes
    -----
    The linearised variance of a ratio of totals with days as first stage (Cochran 1977, Sampling Techniques, 6.3).

    Examples
    --------
    >>> value, interval = ratio_by_day([10.0, 12.0, 11.0], [100.0, 100.0, 100.0])
    >>> value, round(interval.low, 4), round(interval.high, 4)
    (0.11, 0.0878, 0.1379)
    """
    below = math.fsum(bottoms)
    value = math.fsum(tops) / below
    units = sum(bottom > 0 or top != 0 for top, bottom in zip(tops, bottoms, strict=True))
    if units < 2:
        return value, None
    squares = math.fsum(((top - value * bottom) / below) ** 2 for top, bottom in zip(tops, bottoms, strict=True))
    return value, by_influence(value, squares, units, scale="log" if value > 0 else "linear")
