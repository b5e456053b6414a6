"""The log of serving, added up by day. Rows of it stay in DuckDB.

A line counts on its own day, and never after the day judged. A line that cannot be read (no day, a negative time, a number that
is none) is left out of sums of time and counted; a sum of money with such a line is not given, because it would be too small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import duckdb

from checks.counts import equals
from checks.opening import Opening, Table, view
from checks.performance.columns import number
from checks.subject import Subject
from roadworthy.errors import RoadworthyError
from roadworthy.measurement import Status
from roadworthy.passport import Passport
from roadworthy.sql import quote
from roadworthy.window import Window, files_of

ROLES = ("rows", "wall_ms", "cpu_ms", "calls", "failed", "input_tokens", "output_tokens", "amount", "energy_kwh")
MOST = 1e15
"""A larger number is taken for a mistake: so many milliseconds are thirty thousand years."""


@dataclass(frozen=True)
class LogDay:
    """What the lines of one day add up to.

    Attributes
    ----------
    day : date
    lines, unusable : int
        All lines of the day, and those of them with a declared column that cannot be read.
    calls, failed : float
        Calls of which it is known whether they were answered, and those that were not.
    many : bool
        Whether a line stands for several calls.
    sums : dict of str to float
        By role, over the lines on which it can be read.
    rows_with : dict of str to float
        By role, the rows served by those lines.
    bad : dict of str to int
        By role, the lines on which it cannot be read.
    """

    day: date
    lines: int
    unusable: int
    calls: float
    failed: float
    many: bool
    sums: dict[str, float]
    rows_with: dict[str, float]
    bad: dict[str, int]


@dataclass(frozen=True)
class Log:
    """The log over some days.

    Attributes
    ----------
    window : Window
    days : tuple of LogDay
        Those that have a line, oldest first.
    undated : int
        Lines whose day cannot be read; they belong to no day.
    table : Table
        A view over its files; see `day_sql` for the day of a line.
    status, problem : str
        Why nothing can be said; an empty problem if something can.
    gone : dict of str to str
        Role to column, of declared columns that the log does not have.
    """

    window: Window
    days: tuple[LogDay, ...] = ()
    undated: int = 0
    table: Table = field(default_factory=lambda: Table("telemetry"))
    status: Status = "insufficient"
    problem: str = ""
    gone: dict[str, str] = field(default_factory=dict)

    @property
    def inputs(self) -> dict[str, str]:
        """Digest of the log."""
        return {"telemetry": self.table.digest} if self.table.digest else {}

    def within(self, window: Window) -> list[LogDay]:
        """Return the days of a window that lies in the log's own."""
        return [one for one in self.days if window.first <= one.day <= window.last]


def read_log(subject: Subject, window: Window) -> Log:
    """Read the log that the passport names and add it up by day.

    Parameters
    ----------
    subject : Subject
    window : Window
        It ends with the day judged or before.

    Returns
    -------
    Log
        Nothing in the files raises; what is wrong is said in `Log.problem`.
    """
    declared = subject.passport.telemetry
    if declared is None:
        return Log(window, problem="The passport names no log of serving ('telemetry').")
    if declared.date is None:
        return Log(window, problem="The passport names no column with the day of a line ('telemetry.date').")
    try:
        found = files_of(subject.root, declared.path)
    except RoadworthyError as problem:
        return Log(window, status="error", problem=problem.sentence)
    if not found:
        return Log(window, problem=f"There is no log at '{declared.path}'.")
    table = view(opening_of(subject), Table("telemetry", files=tuple(found)))
    if not table:
        return Log(window, table=table, status="error" if table.broken else "insufficient", problem=table.problem)
    named = {role: column for role in (*ROLES, "date", "status") if (column := getattr(declared, role)) is not None}
    gone = {role: column for role, column in named.items() if not table.has(column)}
    for role in ("date", "rows"):
        if role in gone:
            said = f"The log has no column '{gone[role]}', which the passport names under 'telemetry.{role}'."
            return Log(window, table=table, status="error", problem=said, gone=gone)
    try:
        days, undated = _add_up(subject, table, window, {r: c for r, c in named.items() if r not in gone})
    except duckdb.Error as problem:
        said = f"The log cannot be added up ({str(problem).splitlines()[0][:160]})."
        return Log(window, table=table, status="error", problem=said, gone=gone)
    said = "" if days else f"The log has no line from {window.first} to {window.last}."
    return Log(window, tuple(days), undated, table, problem=said, gone=gone)


def opening_of(subject: Subject) -> Opening:
    """Return what the log is opened with: no label belongs to its lines."""
    batches = subject.passport.batches.model_copy(update={"labels": None, "key": None})
    bare: Passport = subject.passport.model_copy(update={"batches": batches})
    return Opening(subject.con, subject.root, bare, subject.links, subject.digests)


def day_sql(table: Table, column: str) -> str:
    """Return SQL of the day of a line, in UTC where the time carries a zone; NULL where it cannot be read."""
    return f"cast({moment_sql(quote(column), table.columns[column])} as date)"


def moment_sql(name: str, kind: str) -> str:
    """Return SQL of a moment in UTC, whatever time zone the machine has; NULL where it cannot be read.

    Examples
    --------
    >>> moment_sql('"day"', "DATE")
    'try_cast("day" as timestamp)'
    """
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"make_timestamp(epoch_us({name}))"
    if kind == "VARCHAR":  # a cast to a time without a zone would drop an offset without a word
        zoned = f"regexp_matches(trim({name}), '[0-9]{{2}}:[0-9]{{2}}.*(Z|z|[+-][0-9]{{2}}(:?[0-9]{{2}})?)$')"
        return (
            f"case when {zoned} then make_timestamp(epoch_us(try_cast(trim({name}) as timestamptz))) "
            f"else try_cast(trim({name}) as timestamp) end"
        )
    return f"try_cast({name} as timestamp)" if kind == "DATE" or kind.startswith("TIMESTAMP") else "null::timestamp"


def _add_up(subject: Subject, table: Table, window: Window, named: dict[str, str]) -> tuple[list[LogDay], int]:
    declared = subject.passport.telemetry
    if declared is None:
        raise ValueError("a log that was opened was declared")
    roles = [role for role in ROLES if role in named]
    values = [f"{_amount(table, named[role])} as {quote(role)}" for role in roles]
    ended = "true"
    if "status" in named:
        kind = table.columns[named["status"]]
        good = " or ".join(equals(named["status"], value, kind) for value in declared.answered)
        ended = f"case when {quote(named['status'])} is not null then ({good}) end"
    calls = "calls" if "calls" in roles else "1"
    failed = f"case when ended then 0 else {calls} end" if "status" in named else "null::double"
    failed = '"failed"' if "failed" in roles else failed
    good_end = [*([f"({failed}) > {calls}"] if "failed" in roles else []), *(["ended is null"] if "status" in named else [])]
    bad = " or ".join([*(f"{quote(role)} is null" for role in roles), *good_end])
    known = f"ended is not null and ({failed}) <= {calls}"
    sums = ", ".join(
        f"coalesce(fsum({quote(r)}), 0) as {quote('sum ' + r)}, "
        f"coalesce(fsum({quote('rows')}) filter ({quote(r)} is not null), 0) as {quote('rows ' + r)}, "
        f"count(*) filter ({quote(r)} is null) as {quote('bad ' + r)}"
        for r in roles
    )
    lines = f"select {day_sql(table, named['date'])} as day, {ended} as ended, {', '.join(values)} from {table.name}"
    found = subject.rows(
        f"select day, count(*) as lines, count(*) filter ({bad}) as unusable, "
        f"coalesce(fsum({calls}) filter ({known}), 0) as calls, coalesce(fsum({failed}) filter ({known}), 0) as failed, "
        f"coalesce(bool_or({calls} > 1), false) as many, count(*) filter (ended is null) as {quote('bad status')}, {sums} "
        f"from ({lines}) where day is null or day between ? and ? group by day order by day",
        [window.first, window.last],
    )
    undated = sum(int(row["lines"]) for row in found if row["day"] is None)
    return [_day(row, roles) for row in found if row["day"] is not None], undated


def _day(row: dict[str, Any], roles: Sequence[str]) -> LogDay:
    return LogDay(
        row["day"], int(row["lines"]), int(row["unusable"]), float(row["calls"]), float(row["failed"]), bool(row["many"]),
        {r: float(row[f"sum {r}"]) for r in roles}, {r: float(row[f"rows {r}"]) for r in roles},
        {r: int(row[f"bad {r}"]) for r in (*roles, "status")},
    )


def _amount(table: Table, column: str) -> str:
    """Return SQL of a number that is neither negative nor beyond all measure, or NULL."""
    value = number(table, column)
    return f"case when {value} between 0 and {MOST} then {value} end"
