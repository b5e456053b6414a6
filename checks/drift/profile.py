"""Profiles: a table's distribution in a few counts a column, found in one pass and merged by addition.

A `Profile` is the counts of one table under a `checks.drift.plan.Plan`. Profiles of parts of a table add up to the profile of
the table, whatever the parts; so a day can be counted on many machines, and a reference can be counted once and kept. NULL,
NaN and both infinities are counted apart from the cells.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import duckdb

from checks.drift.plan import ColumnPlan, Plan, each_alone_if_needed, groups_sql, kind_of, number_sql, one_row
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
    """

    cells: tuple[int, ...]
    null: int
    not_a_number: int = 0
    minus_infinity: int = 0
    plus_infinity: int = 0

    @property
    def not_finite(self) -> int:
        """NaN and both infinities."""
        return self.not_a_number + self.minus_infinity + self.plus_infinity

    def __add__(self, other: ColumnCounts) -> ColumnCounts:
        if len(self.cells) != len(other.cells):
            raise ValueError("counts of different cells do not add up")
        return ColumnCounts(
            tuple(a + b for a, b in zip(self.cells, other.cells, strict=True)),
            self.null + other.null, self.not_a_number + other.not_a_number,
            self.minus_infinity + other.minus_infinity, self.plus_infinity + other.plus_infinity,
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
    here = {c.name: c for c in plan.columns.values() if c.name in table.columns}
    alike = [n for n, c in here.items() if c.cells and kind_of(table.columns[n]) == c.kind]
    numbers, words = [n for n in alike if here[n].ordered], [n for n in alike if not here[n].ordered]
    bare = sorted(set(here) - set(alike))
    found: dict[str, ColumnCounts] = {}
    problems: dict[str, str] = {}
    for count, names, at_once in ((_count_numbers, numbers, 200), (_count_words, words, 40), (_count_nulls, bare, 200)):
        found |= each_alone_if_needed(partial(count, con, table, here), names, at_once, problems)
    return Profile(table.rows, {name: found[name] for name in here if name in found}, plan.digest, problems)


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


def _count_numbers(
    con: duckdb.DuckDBPyConnection, table: Table, plans: Mapping[str, ColumnPlan], names: Sequence[str]
) -> dict[str, ColumnCounts]:
    """Count numbers: DuckDB's histogram with an edge for each infinity; what is neither NULL nor in a bin is NaN."""
    columns = [plans[name] for name in names]
    asked = ", ".join(f"count({quote(n)}), map_values(histogram({number_sql(n, table.columns[n])}, ?::double[]))" for n in names)
    edges = [[-math.inf, *c.edges, sys.float_info.max, math.inf] for c in columns]
    row = one_row(con, f"select count(*), {asked} from {table.name}", edges)
    found = {}
    for i, column in enumerate(columns):
        present = int(row[1 + 2 * i])
        bins = [int(n) for n in row[2 + 2 * i] or [0] * len(edges[i])]  # no value at all: no histogram
        found[column.name] = ColumnCounts(
            tuple(bins[1:-1]), int(row[0]) - present, present - sum(bins), minus_infinity=bins[0], plus_infinity=bins[-1]
        )
    return found


def _count_words(
    con: duckdb.DuckDBPyConnection, table: Table, plans: Mapping[str, ColumnPlan], names: Sequence[str]
) -> dict[str, ColumnCounts]:
    """Count words: a group for each category, mapped to the plan's cells by a join, so that few rows leave the database."""
    columns = [plans[name] for name in names]
    cols, words, cells = [], [], []
    for i, column in enumerate(columns):
        known = [*column.top, *column.rest]
        cols += [i] * len(known)
        words += known
        cells += [min(k, len(column.top)) for k in range(len(known))]
    rows = con.execute(
        "with known as (select unnest(?::integer[]) as col, unnest(?::varchar[]) as word, unnest(?::integer[]) as cell), "
        f"seen as ({groups_sql(names, table.name)}) "
        "select s.col, case when s.word is null then -2 else coalesce(k.cell, -1) end as cell, sum(s.n) "
        "from seen s left join known k on s.col = k.col and s.word = k.word group by all",
        [cols, words, cells],
    ).fetchall()
    counts = [[0] * column.cells for column in columns]
    null = [0] * len(columns)
    for col, cell, n in rows:
        if cell == -2:
            null[col] += int(n)
        else:
            counts[col][cell] += int(n)
    return {column.name: ColumnCounts(tuple(counts[i]), null[i]) for i, column in enumerate(columns)}


def _count_nulls(
    con: duckdb.DuckDBPyConnection, table: Table, plans: Mapping[str, ColumnPlan], names: Sequence[str]
) -> dict[str, ColumnCounts]:
    asked = ", ".join(f"count({quote(name)})" for name in names)
    row = one_row(con, f"select count(*), {asked} from {table.name}")
    return {name: ColumnCounts((), int(row[0]) - int(row[1 + i])) for i, name in enumerate(names)}
