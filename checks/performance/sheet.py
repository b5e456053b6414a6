"""What the measurements of one run share, and how one is written down or refused."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scipy.special import stdtrit

from checks.intervals import CONFIDENCE, Interval, by_influence, effective_n, normal_quantile, wilson
from checks.subject import Table
from roadworthy.catalogue import catalogue
from roadworthy.measurement import Measurement, Status, not_measured
from roadworthy.passport import Independence

FAMILY = tuple(metric for metric in catalogue() if metric.startswith("performance."))


@dataclass
class Sheet:
    """Collects one measurement for each metric of the family, of the whole or of one part.

    Attributes
    ----------
    table : Table
        Where the numbers come from.
    independence : Independence
        What counts as one observation; the intervals follow it.
    details : dict
        Said by every measurement: the rows that were left out, the days that are missing.
    over : dict
        The part of the data that all of them are about; empty for the whole.
    least : int
        Rows below which a number of this part is not given.
    found : dict of str to Measurement
        By metric.
    """

    table: Table
    independence: Independence
    details: dict[str, Any] = field(default_factory=dict)
    over: dict[str, Any] = field(default_factory=dict)
    least: int = 0
    found: dict[str, Measurement] = field(default_factory=dict)

    @property
    def _inputs(self) -> dict[str, str]:
        return {self.table.role: self.table.digest} if self.table.digest else {}

    @property
    def clustered(self) -> bool:
        """Whether rows are not the independent observations."""
        return self.independence.unit != "row"

    def put(
        self, short: str, value: float, interval: Interval | None, *, n: int, stats: Mapping[str, Any], how: str,
        units: int | None = None,
    ) -> None:
        """Write a number down; one that is not finite becomes an error, one that rests on a single unit is insufficient."""
        unit = self.independence.unit
        if n < self.least:
            reason = f"{n} rows are too few for a number of their own; {self.least} are needed."
            self.refuse(short, "insufficient", reason, n=n, stats=stats, estimate=value)
            return
        if units is not None and units < 2 and interval is None:
            which = {0: f"no {unit}", 1: f"one {unit}"}[units]
            self.refuse(short, "insufficient", f"The rows are of {which} ({self.independence.column}); an interval needs two.",
                        n=n, stats=stats, estimate=value)
            return
        if interval is None or not all(math.isfinite(x) for x in (value, interval.low, interval.high, interval.se)):
            self.refuse(short, "error", "The numbers are too large to compute with.", n=n)
            return
        least, most = catalogue()[f"performance.{short}"].range
        low = interval.low if least is None else max(least, interval.low)
        high = interval.high if most is None else min(most, interval.high)
        by = f", by {units} {unit}s" if units is not None else ""
        counted = {"units": units} if units is not None else {}
        self.found[short] = Measurement(
            f"performance.{short}", over=self.over, value=value, low=low, high=high, confidence=CONFIDENCE, n=n,
            stats={**stats, **counted, "scale": interval.scale, "se": interval.se},
            method=f"{how}; {interval.method} interval{by}", inputs=self._inputs, details=self.details,
        )

    def refuse(
        self, short: str, status: Status, reason: str, *, n: int | None = None, stats: Mapping[str, Any] | None = None,
        estimate: float | None = None,
    ) -> None:
        """Say why there is no number."""
        told = {**self.details, "estimate": estimate} if estimate is not None and math.isfinite(estimate) else self.details
        metric = f"performance.{short}"
        self.found[short] = not_measured(
            metric, status, reason, over=self.over, n=n, stats=stats or {}, inputs=self._inputs, details=told
        )

    def share(self, short: str, successes: int, n: int, squares: tuple[int, float] | None, stats: Mapping[str, Any]) -> None:
        """Write a proportion down, with the rows that its units are worth.

        Parameters
        ----------
        short : str
            Metric without the family.
        successes, n : int
            n > 0.
        squares : (int, float) or None
            Units, and the sum over them of ``(successes - share * n) ** 2``; None where rows are the units.
        stats : mapping
        """
        if squares is None:
            self.put(short, successes / n, wilson(successes, n), n=n, stats=stats, how="count")
            return
        worth = worth_of(successes / n, n, *squares)
        interval = wilson(successes / n * worth, worth) if worth else None
        self.put(short, successes / n, interval, n=n, stats={**stats, "effective_n": worth}, how="count", units=squares[0])

    def mean(self, short: str, value: float, n: int, squares: tuple[int, float], stats: Mapping[str, Any]) -> None:
        """Write a mean down.

        Parameters
        ----------
        short : str
            Metric without the family.
        value : float
        n : int
            Rows.
        squares : (int, float)
            Independent units, and the sum over them of ``(sum - value * rows) ** 2``.
        stats : mapping
        """
        units, left = squares
        interval = by_influence(value, max(0.0, left) / n**2, units) if units >= 2 else None
        if interval is None and not self.clustered:
            self.refuse(short, "insufficient", "One row has no spread to make an interval from.", n=n, stats=stats)
            return
        self.put(short, value, interval, n=n, stats=stats, how="mean", units=units if self.clustered else None)


def worth_of(share: float, n: float, units: int, squares: float) -> float:
    """Return how many independent rows n rows in units are worth for the interval of a share; 0 if it cannot be known.

    Parameters
    ----------
    share : float
        The proportion.
    n, units : float, int
        Rows and units.
    squares : float
        Sum over the units of ``(successes - share * rows) ** 2``.

    Notes
    -----
    Korn and Graubard 1998: the rows are divided by the design effect, and again by the squared ratio of the t quantile
    with units - 1 degrees of freedom to the normal one. Where every unit agrees that nobody or everybody counts, the
    variance says nothing and each unit counts as one row.

    Examples
    --------
    Ten days of ten rows; on five of them all were right, on five of them none: ten observations, less the price of few.

    >>> round(worth_of(0.5, 100, 10, 10 * 25), 1)
    6.8
    """
    if units < 2:
        return 0.0
    variance = squares * units / (units - 1) / n**2
    rows = effective_n(share, variance, n) if 0 < share < 1 else float(min(n, units))
    return rows * (normal_quantile(CONFIDENCE) / float(stdtrit(units - 1, (1 + CONFIDENCE) / 2))) ** 2
