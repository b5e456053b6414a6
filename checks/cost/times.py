"""Processor time, time taken and latency, from the log of serving."""

from __future__ import annotations

import math
from typing import Any

from checks.cost.log import MOST, Log, LogDay, day_sql
from checks.cost.sheet import Sheet, ratio_by_day
from checks.intervals import CONFIDENCE
from checks.intervals.quantiles import Ranks, fewest, ranks
from checks.performance.columns import number
from checks.performance.sheet import worth_of
from checks.subject import Subject
from roadworthy.window import Window

LOG = {"source": "log"}
RATES = {"cpu_ms_per_1000": "cpu_ms", "wall_ms_per_1000": "wall_ms"}
LATENCIES = {"latency_p50": 0.50, "latency_p95": 0.95, "latency_p99": 0.99}


def per_thousand(log: Log, sheet: Sheet, column: str | None, short: str, role: str, over: dict[str, Any]) -> None:
    """Write down an amount of the log for each thousand rows served.

    Parameters
    ----------
    log : Log
    sheet : Sheet
    column : str or None
        As the passport declares it; None if it does not.
    short, role : str
        Metric without the family, and role in the log.
    over : dict
    """
    if column is None:
        sheet.refuse(short, "insufficient", f"The passport names no column for it ('telemetry.{role}').", over=over)
        return
    if role in log.gone:
        sheet.refuse(short, "error", f"The log has no column '{column}', which the passport names.", over=over)
        return
    days = [one for one in log.days if one.rows_with[role] > 0]
    lines, bad = sum(one.lines for one in log.days), sum(one.bad[role] for one in log.days)
    rows = round(math.fsum(one.rows_with[role] for one in days))
    details = {"lines": lines, "lines_left_out": bad}
    if not days:
        sheet.refuse(short, "insufficient", "No line of the log has rows served and this.", over=over, n=0, details=details)
        return
    value, interval = ratio_by_day([1000 * one.sums[role] for one in days], [one.rows_with[role] for one in days])
    if interval is None:
        reason = f"The log speaks of one day ({days[0].day}); an interval needs two."
        sheet.refuse(short, "insufficient", reason, over=over, n=rows, details=details)
        return
    how = f"sum over sum of rows, by {len(days)} days"
    sheet.put(short, value, interval, n=rows, how=how, over=over, stats={"units": len(days)}, details=details)


def latencies(subject: Subject, log: Log, sheet: Sheet) -> None:
    """Write down the median, the 95th and the 99th percentile of the time that a call took."""
    found = Latency.read(subject, log)
    for short, share in LATENCIES.items():
        if isinstance(found, str):
            sheet.refuse(short, log.status if log.problem else "error" if "wall_ms" in log.gone else "insufficient", found)
            continue
        ends = found.ranks(share)
        if ends is None:
            sheet.refuse(short, "insufficient", found.too_few(share), n=found.n)
            continue
        value, low, high = found.at(ends)
        how = f"order statistics {ends.low} and {ends.high} of {found.n}"
        sheet.put(short, value, (low, high), n=found.n, how=how, stats={"units": found.units, "effective_n": found.worth(share)})


class Latency:
    """The time that calls took, asked by rank; the values stay in DuckDB.

    Attributes
    ----------
    n : int
        Calls with a time.
    units : int
        Days that have one.
    """

    def __init__(self, subject: Subject, sql: str, n: int, units: int) -> None:
        self._subject, self._sql, self.n, self.units = subject, sql, n, units
        self._at: dict[int, float] = {}
        self._worth: dict[float, float] = {}

    @classmethod
    def read(cls, subject: Subject, log: Log, window: Window | None = None) -> Latency | str:
        """Return the calls of the log, or of some of its days; or the sentence why their times cannot be told."""
        declared, window = subject.passport.telemetry, window or log.window
        if log.problem or declared is None or declared.date is None:
            return log.problem or "There is no log."
        if declared.wall_ms is None:
            return "The passport names no column for it ('telemetry.wall_ms')."
        if "wall_ms" in log.gone:
            return f"The log has no column '{declared.wall_ms}', which the passport names."
        days: list[LogDay] = log.within(window)
        if any(one.many for one in days):
            return "A line of the log stands for several calls, so it does not tell how long one took."
        with_time = [one for one in days if one.lines > one.bad["wall_ms"]]
        if not with_time:
            return "No line of the log has a time."
        value = number(log.table, declared.wall_ms)
        lines = f"select {day_sql(log.table, declared.date)} as day, {value} as ms from {log.table.name}"
        days_meant = f"date '{window.first}' and date '{window.last}'"
        sql = f"(select * from ({lines}) where ms between 0 and {MOST} and day between {days_meant})"
        return cls(subject, sql, sum(one.lines - one.bad["wall_ms"] for one in with_time), len(with_time))

    def worth(self, share: float) -> float:
        """Return how many independent calls these are worth for a quantile: calls of one day share its load."""
        if share not in self._worth:
            self._worth[share] = float(self.n) if self.units == self.n else self._worth_by_day(share)
        return self._worth[share]

    def _worth_by_day(self, share: float) -> float:
        value = self._values([max(1, math.ceil(round(share * self.n, 9)))])[0]
        below = self._subject.rows(
            f"select count(*) filter (ms <= ?) as b, count(*) as n from {self._sql} group by day order by day", [value]
        )
        p = sum(int(one["b"]) for one in below) / self.n
        if not 0 < p < 1:
            return float(self.units)
        squares = math.fsum((int(one["b"]) - p * int(one["n"])) ** 2 for one in below)
        return worth_of(p, self.n, self.units, squares)

    def ranks(self, share: float) -> Ranks | None:
        """Return the ranks that enclose a quantile, or None."""
        return ranks(self.n, share, CONFIDENCE, self.worth(share))

    def at(self, wanted: Ranks) -> tuple[float, float, float]:
        """Return the times at three ranks: estimate, low, high."""
        value, low, high = self._values(list(wanted))
        return value, low, high

    def too_few(self, share: float) -> str:
        """Say how many calls would tell a quantile."""
        least, worth = fewest(share), math.floor(self.worth(share))
        as_many = "" if worth >= self.n else f", worth {worth:,} independent ones,"
        return f"{self.n:,} calls{as_many} do not resolve the {share:.0%} quantile; it takes {least:,} independent ones."

    def _values(self, places: list[int]) -> list[float]:
        missing = sorted({place for place in places if place not in self._at})
        if missing:
            found = self._subject.rows(
                f"select place, ms from (select ms, row_number() over (order by ms) as place from {self._sql}) "
                f"where place in ({', '.join(str(place) for place in missing)})"
            )
            self._at |= {int(row["place"]): float(row["ms"]) for row in found}
        return [self._at[place] for place in places]
