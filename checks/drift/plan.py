"""The plan of a drift comparison: into which cells each column is counted, chosen from the reference.

A number is counted by the deciles of the reference. A value that fills a decile alone (a spike at zero) gets a cell of its
own, a column of few values gets one cell for each, and what lies outside the range of the reference is counted apart. A word
is counted by the most frequent categories of the reference, the other known ones, and those never seen.

Deciles, and not bins of equal width: a single far value stretches bins of equal width until they see nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, TypeVar

import duckdb

from checks.drift import edges
from checks.subject import Table
from roadworthy.canonical import digest_of
from roadworthy.sql import literal, quote

Kind = Literal["number", "truth", "text", "date", "clock", "empty", "other"]
T = TypeVar("T")

TOP = 20
FEW_VALUES = 20
_DECILES = [edges.LEVELS.index(decile) for decile in edges.DECILES]
MOST_LEVELS = 100_000
SAMPLE = 200_000
_WORDS_AT_ONCE = 40  # columns of one query: DuckDB's grouping() has 63 bits
_NUMBERS_AT_ONCE = 100  # quantiles keep their columns in memory: 160 MB

_SHOWN = 60
_LAST_SECOND = 6e10  # about the year 3870; further off than any calendar needs

_INTEGERS = {
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT", "BIGNUM",
}
_FLOATS = {"FLOAT", "DOUBLE"}


def kind_of(type_name: str) -> Kind:
    """Return what a column of a DuckDB type is to drift.

    Examples
    --------
    >>> kind_of("DECIMAL(18,3)"), kind_of("VARCHAR"), kind_of("INTEGER[]"), kind_of("TIMESTAMP WITH TIME ZONE")
    ('number', 'text', 'other', 'date')
    """
    plain = type_name.strip('"').upper()
    if plain.endswith("]"):
        return "other"
    if plain in _INTEGERS | _FLOATS or plain.startswith("DECIMAL"):
        return "number"
    if plain in ("VARCHAR", "UUID") or plain.startswith("ENUM"):
        return "text"
    if plain == "DATE" or plain.startswith("TIMESTAMP"):
        return "date"
    if plain.startswith("TIME"):
        return "clock"
    return "truth" if plain == "BOOLEAN" else "empty" if plain == "NULL" else "other"


def step_of(type_name: str) -> float:
    """Return what all values of a DuckDB type are multiples of, as `number_sql` tells them; 0 if nothing.

    Examples
    --------
    >>> step_of("BIGINT"), step_of("DATE"), step_of("DOUBLE")
    (1.0, 86400.0, 0.0)
    """
    plain = type_name.upper()
    return 1.0 if plain in _INTEGERS else 86_400.0 if plain == "DATE" else 0.0


def may_be_not_finite(type_name: str) -> bool:
    """Say whether a column of a DuckDB type can hold NaN or infinity as a number."""
    return type_name.upper() in _FLOATS


@dataclass(frozen=True)
class ColumnPlan:
    """Into which cells one column is counted.

    Attributes
    ----------
    name : str
    kind : str
        What the column is in the reference; see `kind_of`.
    edges : tuple of float
        Numbers, dates, clocks: ascending, finite. A cell holds what is above the edge before it and at most its own edge;
        the last cell holds what is above the last edge.
    top : tuple of str
        Words: the most frequent categories of the reference, a cell each.
    rest : tuple of str
        Words: the other categories of the reference, which share a cell; what is in neither is new.
    singles : int
        Words: categories that the reference holds once. Their share of the rows is what a batch is expected to hold of new
        categories without any drift (Good 1953, The population frequencies of species).
    whole : bool
        Numbers: whether the column's type holds whole numbers only.
    why_not : str
        Why the column cannot be counted; empty if it can.
    fine : tuple of float
        Numbers, dates, clocks: finer edges, all of `edges` among them, for distances that look between; may be empty.
    spread : float
        Numbers, dates (seconds), clocks (seconds): the reference's standard deviation; 0 if it has none.
    """

    name: str
    kind: Kind
    edges: tuple[float, ...] = ()
    top: tuple[str, ...] = ()
    rest: tuple[str, ...] = ()
    singles: int = 0
    whole: bool = False
    why_not: str = ""
    fine: tuple[float, ...] = ()
    spread: float = 0.0

    @property
    def ordered(self) -> bool:
        """Whether the cells are bins of a number."""
        return self.kind in ("number", "date", "clock")

    @property
    def cells(self) -> int:
        """How many cells a profile has for this column: with words, the last two are other and new."""
        if self.why_not or self.kind in ("empty", "other"):
            return 0
        return len(self.edges) + 1 if self.ordered else len(self.top) + 2

    @property
    def grid(self) -> tuple[float, ...]:
        """The finest edges that the column is counted by."""
        return self.fine or self.edges

    def comparable(self, counts: Sequence[int]) -> tuple[int, ...]:
        """Return counts of the cells as two samples may be compared in them: categories never seen stand with the rare ones.

        The baseline holds none of what it has never seen, and every further day of the same world holds some (Good 1953). A cell
        that is empty on one side by construction would call that a shift; together with the other rare categories it is none.

        Examples
        --------
        >>> ColumnPlan("x", "text", top=("a",), rest=("b", "c")).comparable((50, 9, 1))
        (50, 10)
        >>> ColumnPlan("x", "text", top=("a",)).comparable((50, 0, 1))
        (50, 0, 1)
        """
        return (*counts[:-2], counts[-2] + counts[-1]) if self.rest else tuple(counts)

    def labels(self) -> list[str]:
        """Return a short name for each cell; the ends of the reference's range are not told, because they are single rows.

        Examples
        --------
        >>> ColumnPlan("x", "number", edges=(0.5, 1.0, 2.0, 3.0)).labels()
        ['below the range', '0.5 to 1', '1 to 2', '2 to the end', 'above the range']
        >>> ColumnPlan("x", "text", top=("a",)).labels()
        ['a', '(other)', '(new)']
        """
        if not self.cells:
            return []
        if not self.ordered:
            return [*(word if len(word) <= _SHOWN else word[:_SHOWN] + "..." for word in self.top), "(other)", "(new)"]
        if not self.edges:
            return ["any"]
        inner = [
            self._shown(right) if right == math.nextafter(left, math.inf) or (self.whole and right - left == 1)
            else f"{self._shown(left)} to {self._shown(right) if right < self.edges[-1] else 'the end'}"
            for left, right in pairwise(self.edges)
        ]
        return ["below the range", *inner, "above the range"]

    def _shown(self, value: float) -> str:
        if self.kind == "date" and abs(value) < _LAST_SECOND:
            return datetime.fromtimestamp(value, UTC).isoformat(sep=" ", timespec="minutes").removesuffix("+00:00")
        return f"{value:.6g}"


@dataclass(frozen=True)
class Plan:
    """The cells of every column, by its name.

    Attributes
    ----------
    columns : dict of str to ColumnPlan
    problems : dict of str to str
        Columns of the reference that could not be read, with the sentence why.
    """

    columns: dict[str, ColumnPlan]
    problems: dict[str, str] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all cells: what was counted under the same digest adds up."""
        return digest_of([asdict(column) for column in self.columns.values()])


def plan_of(con: duckdb.DuckDBPyConnection, reference: Table, columns: Sequence[str]) -> Plan:
    """Choose the cells of each of `columns` from the reference.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
    reference : Table
        Readable, with at least one row.
    columns : sequence of str
        Those that the reference lacks are left out.

    Notes
    -----
    Edges are quantiles of at most about 200,000 rows, chosen by their number in the file, so that they are the same on every
    machine. A column of text of which more than half of the values differ names its rows and has no distribution.
    """
    here = [c for c in dict.fromkeys(columns) if c in reference.columns]
    kinds = {c: kind_of(reference.columns[c]) for c in here}
    found: dict[str, ColumnPlan] = {}
    problems: dict[str, str] = {}
    for name, kind in kinds.items():
        if kind == "other":
            holds = reference.columns[name].lower()[:_SHOWN]
            found[name] = ColumnPlan(name, kind, why_not=f"'{name}' holds {holds}, which has no distribution to compare.")
        elif kind == "empty":
            found[name] = ColumnPlan(name, kind)
    for plan, wanted, at_once in (
        (_plan_numbers, ("number", "date", "clock"), _NUMBERS_AT_ONCE), (_plan_words, ("text", "truth"), _WORDS_AT_ONCE),
    ):
        some = [c for c in here if kinds[c] in wanted]
        found |= each_alone_if_needed(partial(plan, con, reference), some, at_once, problems)
    return Plan({name: found[name] for name in here if name in found}, problems)


def each_alone_if_needed(
    count: Callable[[list[str]], dict[str, T]], columns: Sequence[str], at_once: int, problems: dict[str, str]
) -> dict[str, T]:
    """Run a query over many columns at once; where it fails, over each alone, so that one broken column is one problem.

    Parameters
    ----------
    count : callable
        Takes names, returns a result for each; may raise duckdb.Error.
    columns : sequence of str
    at_once : int
    problems : dict
        Gets a sentence for each column that fails alone.
    """
    found: dict[str, T] = {}
    for start in range(0, len(columns), at_once):
        some = list(columns[start:start + at_once])
        try:
            found |= count(some)
        except duckdb.Error as failed:
            if len(some) > 1:
                found |= each_alone_if_needed(count, some, 1, problems)
            else:
                problems[some[0]] = f"'{some[0]}' cannot be read ({str(failed).splitlines()[0][:160]})."
    return found


def number_sql(column: str, type_name: str) -> str:
    """Return the column as a double in which NaN and infinite dates are NULL; infinite numbers stay."""
    name, kind = quote(column), kind_of(type_name)
    if kind in ("date", "clock"):
        return f"epoch({name})"
    if may_be_not_finite(type_name):
        return f"nullif({name}::double, 'nan'::double)"
    return f"{name}::double"


def groups_sql(columns: Sequence[str], table: str) -> str:
    """Return SQL of (col, word, n): each category of each column with its rows, in one pass."""
    names = [f"c{i}" for i in range(len(columns))]
    inner = ", ".join(f"cast({quote(c)} as varchar) as {n}" for c, n in zip(columns, names, strict=True))
    every = ", ".join(names)
    all_but = (1 << len(names)) - 1
    which = " ".join(f"when {all_but ^ (1 << (len(names) - 1 - i))} then {i}" for i in range(len(names)))
    grouping = f"case grouping({every}) {which} end"
    sets = ", ".join(f"({n})" for n in names)
    word = f"coalesce({every})" if len(names) > 1 else every
    rows = f"select {inner} from {table}"
    return f"select {grouping} as col, {word} as word, count(*) as n from ({rows}) group by grouping sets ({sets})"


def one_row(con: duckdb.DuckDBPyConnection, sql: str, parameters: object = None) -> tuple[Any, ...]:
    """Return the only row of a query. Fetched as a list, because a connection refuses other work while rows are left."""
    rows = (con.execute(sql) if parameters is None else con.execute(sql, parameters)).fetchall()
    return tuple(rows[0]) if rows else ()


def file_list(files: Sequence[Path]) -> str:
    """Return paths as SQL literals, with DuckDB's glob characters taken literally."""
    return ", ".join(literal("".join(f"[{c}]" if c in "*?[" else c for c in str(path))) for path in files)


def _sampled(reference: Table) -> str:
    """Return what to select from: the whole table, or a fixed pseudo-random part of its rows."""
    if reference.rows <= SAMPLE or not reference.files:
        return reference.name
    keep = int(2**32 * SAMPLE / reference.rows)
    scan = f"read_parquet([{file_list(reference.files)}], union_by_name=true, hive_partitioning=false, file_row_number=true)"
    return f"(select * from {scan} where (file_row_number * 2654435761) % 4294967296 < {keep})"


def _plan_numbers(con: duckdb.DuckDBPyConnection, reference: Table, columns: Sequence[str]) -> dict[str, ColumnPlan]:
    inner = ", ".join(f"{number_sql(c, reference.columns[c])} as x{i}" for i, c in enumerate(columns))
    source = f"(select {inner} from {_sampled(reference)})"
    finite = [f"case when isfinite(x{i}) then x{i} end" for i in range(len(columns))]
    asked = ", ".join(f"quantile_disc({x}, ?::double[]), min({x}), max({x}), approx_count_distinct({x})" for x in finite)
    row = one_row(con, f"select {asked} from {source}", [edges.LEVELS] * len(columns))
    few = [i for i in range(len(columns)) if 0 < row[4 * i + 3] <= 2 * FEW_VALUES]  # the count is approximate
    values: dict[int, list[float]] = {}
    if few:
        lists = one_row(con, f"select {', '.join(f'list(distinct {finite[i]})' for i in few)} from {source}")
        values = {i: sorted(v for v in found if v is not None) for i, found in zip(few, lists, strict=True)}
    ends = [(row[4 * i + 1], row[4 * i + 2]) for i in range(len(columns))]
    spreads = _spreads(con, f"(select {inner} from {reference.name})", ends)
    plans = {}
    for i, name in enumerate(columns):
        type_name = reference.columns[name]
        kind, whole = kind_of(type_name), type_name.upper() in _INTEGERS
        levels, (low, high) = row[4 * i], ends[i]
        if low is None:
            plans[name] = ColumnPlan(name, kind, whole=whole)
            continue
        if 0 < len(values.get(i, ())) <= FEW_VALUES:
            coarse = edges.of_values(values[i])
        else:
            coarse = edges.of_quantiles([levels[k] for k in _DECILES], low, high)
        fine = edges.fine(coarse, levels, low, high, spread=spreads[i], step=step_of(type_name))
        plans[name] = ColumnPlan(name, kind, coarse, whole=whole, fine=fine, spread=spreads[i])
    return plans


def _spreads(con: duckdb.DuckDBPyConnection, source: str, ends: Sequence[tuple[float | None, float | None]]) -> list[float]:
    """Return the standard deviation of each column x0, x1, ...; 0 where it has none that a double can hold.

    Found on values divided by the largest, because the square of a large one is more than a double can hold; and rounded to
    nine digits, because the last ones depend on which thread saw which rows.
    """
    scales = [max(abs(low or 0.0), abs(high or 0.0)) or 1.0 for low, high in ends]
    scaled = ", ".join(f"x{i} / ?::double as y{i}" for i in range(len(ends)))
    asked = ", ".join(f"stddev_pop(case when abs(y{i}) <= 1e100 then y{i} end)" for i in range(len(ends)))
    found = one_row(con, f"select {asked} from (select {scaled} from {source})", scales)
    spreads = [float(f"{float(one or 0) * scale:.9g}") for one, scale in zip(found, scales, strict=True)]
    return [spread if math.isfinite(spread) else 0.0 for spread in spreads]


def _plan_words(con: duckdb.DuckDBPyConnection, reference: Table, columns: Sequence[str]) -> dict[str, ColumnPlan]:
    asked = ", ".join(f"count({quote(c)}), approx_count_distinct(cast({quote(c)} as varchar))" for c in columns)
    row = one_row(con, f"select {asked} from {reference.name}")
    plans: dict[str, ColumnPlan] = {}
    seen: dict[str, list[tuple[str, int]]] = {}
    for i, name in enumerate(columns):
        present, distinct = int(row[2 * i]), int(row[2 * i + 1])
        why = ""
        if distinct > TOP and 2 * distinct > present:
            why = f"'{name}' has a value of its own for most rows: it names rows and has no distribution to compare."
        elif distinct > MOST_LEVELS:
            why = f"'{name}' has about {distinct:,} different values, more than can be compared."
        if why:
            plans[name] = ColumnPlan(name, kind_of(reference.columns[name]), why_not=why)
        else:
            seen[name] = []
    if seen:
        names = list(seen)
        grouped = f"select col, word, n from ({groups_sql(names, reference.name)}) where word is not null"
        for col, word, n in con.execute(grouped).fetchall():
            seen[names[col]].append((word, n))
    for name, words in seen.items():
        words.sort(key=lambda one: (-one[1], one[0]))
        top, rest = [w for w, _ in words[:TOP]], sorted(w for w, _ in words[TOP:])
        singles = sum(n == 1 for _, n in words)
        plans[name] = ColumnPlan(name, kind_of(reference.columns[name]), top=tuple(top), rest=tuple(rest), singles=singles)
    return plans
