"""Profiles: a table's distribution in a few counts a column, found in one pass and merged by addition.

A `Profile` is the counts of one table under a `checks.drift.plan.Plan`. Profiles of parts of a table add up to the profile of
the table, whatever the parts; so a day can be counted on many machines, and a reference can be counted once and kept. NULL,
NaN and both infinities are counted apart from the cells.
"""

from __future__ import annotations

import math
import sys
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from typing import Any

import duckdb

from checks.drift.plan import ColumnPlan, Plan, each_alone_if_needed, groups_sql, kind_of, number_sql
from checks.subject import Table
from roadworthy.sql import quote

_SMALL_CELL = 5
_SHOWN = 60


@dataclass(frozen=True)
class ColumnCounts:
    """One column of one table, counted.

    Attributes
    ----------
    cells : tuple of int
        Rows in each cell of the plan; empty if the column was not counted by cells.
    null : int
    not_a_number : int
        NaN, and dates that are infinite.
    minus_infinity, plus_infinity : int
    fine : tuple of int
        Rows in each cell of the plan's finer edges, if it has any; they add up to `cells`.
    lowest, highest : float, optional
        The ends of the rows, where any are beyond the finer edges.
    """

    cells: tuple[int, ...]
    null: int
    not_a_number: int = 0
    minus_infinity: int = 0
    plus_infinity: int = 0
    fine: tuple[int, ...] = ()
    lowest: float | None = None
    highest: float | None = None

    @property
    def not_finite(self) -> int:
        """NaN and both infinities."""
        return self.not_a_number + self.minus_infinity + self.plus_infinity

    def __add__(self, other: ColumnCounts) -> ColumnCounts:
        if (len(self.cells), len(self.fine)) != (len(other.cells), len(other.fine)):
            raise ValueError("counts of different cells do not add up")
        lows, highs = ([e for e in ends if e is not None] for ends in
                       ((self.lowest, other.lowest), (self.highest, other.highest)))
        return ColumnCounts(
            tuple(a + b for a, b in zip(self.cells, other.cells, strict=True)),
            self.null + other.null, self.not_a_number + other.not_a_number,
            self.minus_infinity + other.minus_infinity, self.plus_infinity + other.plus_infinity,
            tuple(a + b for a, b in zip(self.fine, other.fine, strict=True)), min(lows, default=None), max(highs, default=None),
        )


@dataclass(frozen=True)
class Profile:
    """A table, counted under a plan.

    Attributes
    ----------
    rows : int
    columns : dict of str to ColumnCounts
    plan : str
        Digest of the plan.
    problems : dict of str to str
        Columns that could not be counted, with the sentence why.
    """

    rows: int
    columns: dict[str, ColumnCounts]
    plan: str = ""
    problems: dict[str, str] = field(default_factory=dict)


_Days = dict[date | None, ColumnCounts]


def merge(left: Profile, right: Profile) -> Profile:
    """Return the profile of both tables together.

    Raises
    ------
    ValueError
        If the two were not counted under one plan.

    Examples
    --------
    >>> half = Profile(2, {"x": ColumnCounts((1, 1), 0)})
    >>> merge(half, half)
    Profile(rows=4, columns={'x': ColumnCounts(cells=(2, 2), null=0, ...)}, plan='', problems={})
    """
    if left.plan != right.plan:
        raise ValueError("profiles of different plans do not add up")
    problems = {**left.problems, **right.problems}
    names = [n for n in left.columns if n not in problems]
    if set(names) != {n for n in right.columns if n not in problems}:
        raise ValueError("profiles of different columns do not add up")
    return Profile(left.rows + right.rows, {n: left.columns[n] + right.columns[n] for n in names}, left.plan, problems)


def profile(con: duckdb.DuckDBPyConnection, table: Table, plan: Plan) -> Profile:
    """Count a table under a plan: one pass for the numbers, one for the words.

    A column that the table lacks is not in the profile. A column of another kind than planned has its NULLs counted and no
    cells. A column that cannot be read is a problem of its own and does not keep the others from being counted.
    """
    counted, problems = _counted(con, table, plan)
    columns = {name: days[None] for name, days in counted.items() if None in days}
    return Profile(table.rows, columns, plan.digest, problems)


def profile_by_day(con: duckdb.DuckDBPyConnection, table: Table, plan: Plan, day_sql: str) -> dict[date, Profile]:
    """Count each day of a table under a plan, all days in the passes of one `profile`.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
    table : Table
        Readable; holds the rows of all days.
    plan : Plan
    day_sql : str
        SQL that gives each row of the table its day, a DATE. A row whose day is NULL or infinite is in no profile.

    Returns
    -------
    dict of date to Profile
        Oldest day first. They add up to the `profile` of the rows that have a day. A problem of a column is one of each day.

    Raises
    ------
    duckdb.Error
        If the days cannot be read.

    Examples
    --------
    >>> con = duckdb.connect()
    >>> _ = con.execute("create view t as select 1.5 * range as x, date '2026-04-08' + range::int as day from range(3)")
    >>> plan = Plan({"x": ColumnPlan("x", "number", edges=(1.0,))})
    >>> days = profile_by_day(con, Table("batch", "t", {"x": "DOUBLE", "day": "DATE"}, 3), plan, "day")
    >>> [(str(day), found.rows, found.columns["x"].cells) for day, found in days.items()]
    [('2026-04-08', 1, (1, 0)), ('2026-04-09', 1, (0, 1)), ('2026-04-10', 1, (0, 1))]
    """
    rows = dict(con.execute(_by_day(table, day_sql, "count(*)")).fetchall())
    counted, problems = _counted(con, table, plan, day_sql)
    return {
        day: Profile(int(rows[day]), {name: days[day] for name, days in counted.items()}, plan.digest, problems)
        for day in sorted(rows)
    }


def _counted(
    con: duckdb.DuckDBPyConnection, table: Table, plan: Plan, day: str | None = None
) -> tuple[dict[str, _Days], dict[str, str]]:
    """Return the counts of each column by day (None if no day is asked for), and what could not be counted."""
    here = {c.name: c for c in plan.columns.values() if c.name in table.columns}
    alike = [n for n, c in here.items() if c.cells and kind_of(table.columns[n]) == c.kind]
    numbers, words = [n for n in alike if here[n].ordered], [n for n in alike if not here[n].ordered]
    bare = sorted(set(here) - set(alike))
    of_words = _count_words if day is None else _count_words_by_day
    found: dict[str, _Days] = {}
    problems: dict[str, str] = {}
    for count, names, at_once in ((_count_numbers, numbers, 200), (of_words, words, 40), (_count_nulls, bare, 200)):
        found |= each_alone_if_needed(partial(count, con, table, here, day), names, at_once, problems)
    return {name: found[name] for name in here if name in found}, problems


def frequent_new(con: duckdb.DuckDBPyConnection, table: Table, column: ColumnPlan, most: int = 5) -> list[tuple[str, int]]:
    """Return the most frequent new categories of a column with their counts; shortened, and none of fewer than 5 rows.

    A category of a few rows may be the name of a person, and evidence holds no rows.
    """
    known = [*column.top, *column.rest]
    text = f"cast({quote(column.name)} as varchar)"
    rows = con.execute(
        f"select left({text}, {_SHOWN}) as word, count(*) as n from {table.name} "
        f"where {text} is not null and {text} not in (select unnest(?::varchar[])) "
        f"group by {text} having count(*) >= {_SMALL_CELL} order by n desc, word limit {int(most)}",
        [known],
    ).fetchall()
    return [(str(word), int(n)) for word, n in rows]


def _by_day(table: Table, day: str | None, asked: str) -> str:
    """Return a query of aggregates over the table, or over each of its days; the first column is the day or NULL."""
    if day is None:
        return f"select null, {asked} from {table.name}"
    return f"select {day} as day, {asked} from {table.name} where isfinite({day}) group by 1"


def _count_numbers(
    con: duckdb.DuckDBPyConnection, table: Table, plans: Mapping[str, ColumnPlan], day: str | None, names: Sequence[str]
) -> dict[str, _Days]:
    """Count numbers: DuckDB's histogram with an edge for each infinity; what is neither NULL nor in a bin is NaN."""
    asked = ", ".join(f"count({quote(n)}), map_values(histogram({number_sql(n, table.columns[n])}, ?::double[]))" for n in names)
    edges = [[-math.inf, *plans[n].grid, sys.float_info.max, math.inf] for n in names]
    found: dict[str, _Days] = {name: {} for name in names}
    for row in con.execute(_by_day(table, day, f"count(*), {asked}"), edges).fetchall():
        for i, name in enumerate(names):
            present = int(row[2 + 2 * i])
            bins = [int(n) for n in row[3 + 2 * i] or [0] * len(edges[i])]  # no value at all: no histogram
            cells = tuple(bins[1:-1])
            found[name][row[0]] = ColumnCounts(
                _coarse(plans[name], cells), int(row[1]) - present, present - sum(bins),
                minus_infinity=bins[0], plus_infinity=bins[-1], fine=cells if plans[name].fine else (),
            )
    _add_ends(con, table, plans, day, found)
    return found


def _coarse(column: ColumnPlan, counts: tuple[int, ...]) -> tuple[int, ...]:
    """Return counts of the finest cells as counts of the plan's cells."""
    if not column.fine:
        return counts
    cells, start = [], 0
    for edge in column.edges:
        end = bisect_left(column.fine, edge) + 1
        cells.append(sum(counts[start:end]))
        start = end
    return (*cells, sum(counts[start:]))


def _add_ends(
    con: duckdb.DuckDBPyConnection, table: Table, plans: Mapping[str, ColumnPlan], day: str | None, found: dict[str, _Days]
) -> None:
    """Add where the rows beyond the finer edges end. Few columns have any, so it is a pass over these alone."""
    names = [name for name, days in found.items() if any(c.fine and (c.fine[0] or c.fine[-1]) for c in days.values())]
    if not names:
        return
    numbers = [f"({number_sql(name, table.columns[name])})" for name in names]
    finite = "{f}(case when isfinite({x}) and {x} {beyond} ?::double then {x} end)"
    asked = ", ".join(finite.format(f=f, x=x, beyond=beyond) for x in numbers for f, beyond in (("min", "<="), ("max", ">")))
    ends = [end for name in names for end in (plans[name].fine[0], plans[name].fine[-1])]
    for row in con.execute(_by_day(table, day, asked), ends).fetchall():
        for i, name in enumerate(names):
            found[name][row[0]] = replace(found[name][row[0]], lowest=row[1 + 2 * i], highest=row[2 + 2 * i])


def _known_words(columns: Sequence[ColumnPlan]) -> list[list[Any]]:
    """Return the parameters of `_KNOWN`: column, word and cell of every category of the reference."""
    cols, words, cells = [], [], []
    for i, column in enumerate(columns):
        known = [*column.top, *column.rest]
        cols += [i] * len(known)
        words += known
        cells += [min(k, len(column.top)) for k in range(len(known))]
    return [cols, words, cells]


_KNOWN = "(select unnest(?::integer[]) as col, unnest(?::varchar[]) as word, unnest(?::integer[]) as cell)"


def _count_words(
    con: duckdb.DuckDBPyConnection, table: Table, plans: Mapping[str, ColumnPlan], _: str | None, names: Sequence[str]
) -> dict[str, _Days]:
    """Count words: a group for each category, mapped to the plan's cells by a join, so that few rows leave the database."""
    columns = [plans[name] for name in names]
    rows = con.execute(
        f"with known as {_KNOWN}, seen as ({groups_sql(names, table.name)}) "
        "select null, s.col, case when s.word is null then -2 else coalesce(k.cell, -1) end as cell, sum(s.n) "
        "from seen s left join known k on s.col = k.col and s.word = k.word group by all",
        _known_words(columns),
    ).fetchall()
    return _words_of(columns, [None], rows)


def _count_words_by_day(
    con: duckdb.DuckDBPyConnection, table: Table, plans: Mapping[str, ColumnPlan], day: str | None, names: Sequence[str]
) -> dict[str, _Days]:
    """Count words of each day: mapped to cells first, because days times categories are nearly as many groups as rows."""
    columns = [plans[name] for name in names]
    keys = [f"c{i}" for i in range(len(names))]
    text = ", ".join(f"cast({quote(n)} as varchar) as w{i}" for i, n in enumerate(names))
    cells = ", ".join(f"case when w{i} is null then -2 else coalesce(k{i}.cell, -1) end as c{i}" for i in range(len(names)))
    joins = " ".join(
        f"left join (select word, cell from known where col = {i}) k{i} on w{i} = k{i}.word" for i in range(len(names))
    )
    column = " ".join(f"when grouping({key}) = 0 then {i}" for i, key in enumerate(keys))
    rows = con.execute(
        f"with known as materialized {_KNOWN} "
        f"select day, case {column} end as col, coalesce({', '.join(keys)}, 0) as cell, count(*) "
        f"from (select day, {cells} from (select {day} as day, {text} from {table.name}) {joins}) where isfinite(day) "
        f"group by grouping sets ({', '.join(f'(day, {key})' for key in keys)})",
        _known_words(columns),
    ).fetchall()
    return _words_of(columns, {row[0] for row in rows}, rows)


def _words_of(columns: Sequence[ColumnPlan], days: Iterable[date | None], rows: Iterable[tuple[Any, ...]]) -> dict[str, _Days]:
    """Return counts from rows of (day, column, cell, rows): cell -1 is new, the last, and -2 is NULL."""
    counts = [{day: [0] * column.cells for day in days} for column in columns]
    null: list[dict[date | None, int]] = [{} for _ in columns]
    for day, col, cell, n in rows:
        if cell == -2:
            null[col][day] = int(n)
        else:
            counts[col][day][cell] += int(n)
    return {
        column.name: {day: ColumnCounts(tuple(cells), null[i].get(day, 0)) for day, cells in counts[i].items()}
        for i, column in enumerate(columns)
    }


def _count_nulls(
    con: duckdb.DuckDBPyConnection, table: Table, plans: Mapping[str, ColumnPlan], day: str | None, names: Sequence[str]
) -> dict[str, _Days]:
    asked = ", ".join(f"count({quote(name)})" for name in names)
    found: dict[str, _Days] = {name: {} for name in names}
    for row in con.execute(_by_day(table, day, f"count(*), {asked}")).fetchall():
        for i, name in enumerate(names):
            found[name][row[0]] = ColumnCounts((), int(row[1]) - int(row[2 + i]))
    return found
