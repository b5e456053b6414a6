"""The grouped pass: rows of one table by every protected attribute, label and decision at once.

DuckDB counts the rows by the columns as they are, which is fast, and then spells the few combinations out as groups, labels
and decisions. Counts of one attribute, or of two together, are added up from that. A column of many values (amounts, free
text) is spelled out row by row instead, and where the combinations would still be too many, attributes and pairs of them are
counted one by one. An attribute of more than `MAX_GROUPS` groups is refused by name; the others are counted.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

from checks.counts import decision_column, equals, favourable, group
from checks.subject import Subject, Table
from roadworthy.passport import Passport, Protected
from roadworthy.sql import quote

MAX_GROUPS = 200
MAX_CELLS = 50_000
MAX_PAIRS = 15
"""Pairs of attributes that are counted one by one, where all of them at once would be too many cells."""
MANY = 1_000
LOOKED_AT = 200_000
"""Rows that are looked at to see which columns have many values; this decides how rows are counted, never what comes out."""

Names = tuple[str, ...]


class Cell(NamedTuple):
    """Rows that agree in groups, label and decision.

    Attributes
    ----------
    names : tuple of str
        Group in each attribute.
    label, decision : int or None
        Binary: 1 favourable, 0 not. Multiclass: the place of the class. None where not known.
    n : int
        Rows.
    scored : int
        Those of them with a usable score.
    score, squares : float
        Sum of their scores and of their squares.
    """

    names: Names
    label: int | None
    decision: int | None
    n: int
    scored: int = 0
    score: float = 0.0
    squares: float = 0.0


class Sums(NamedTuple):
    """Rows that agree in groups, with sums over those whose error is known: prediction minus truth.

    Attributes
    ----------
    names : tuple of str
    label, decision : int or None
        Always None.
    n, without_label, without_prediction, known : int
        Rows, those without the one or the other, and those with both.
    error, error_squares, size, size_squares : float
        Sums of error and absolute error, less a number near their means (see `checks.fairness.errors`), and of the squares.
    """

    names: Names
    label: int | None
    decision: int | None
    n: int
    without_label: int
    without_prediction: int
    known: int
    error: float
    error_squares: float
    size: float
    size_squares: float


Row = TypeVar("Row", Cell, Sums)


@dataclass
class Counted(Generic[Row]):
    """The counts of one table.

    Attributes
    ----------
    attributes : tuple of str
        Names of the attributes counted together in `cells`.
    cells : list of Cell or Sums
    apart : dict of tuple of str to list of Cell or Sums
        Attributes and pairs that had to be counted by themselves.
    refused : dict of tuple of str to str
        Attributes and pairs that have too many groups, with the reason.
    """

    attributes: Names = ()
    cells: list[Row] = field(default_factory=list)
    apart: dict[Names, list[Row]] = field(default_factory=dict)
    refused: dict[Names, str] = field(default_factory=dict)

    def of(self, names: Names) -> list[Row]:
        """Return the cells of one attribute or of several together, added up over all others, in a fixed order."""
        if names in self.apart:
            return self.apart[names]
        if not self.cells:
            return []
        places = [self.attributes.index(name) for name in names]
        found: dict[tuple[Names, int | None, int | None], list[Any]] = {}
        for cell in self.cells:
            sums = found.setdefault((tuple(cell.names[i] for i in places), cell.label, cell.decision), [0] * (len(cell) - 3))
            for i, more in enumerate(cell[3:]):
                sums[i] += more
        made = type(self.cells[0])
        return sorted((made(*key, *sums) for key, sums in found.items()), key=_order)


def count(
    subject: Subject, table: Table, attributes: Sequence[Protected], *, by_label: bool, score: str = ""
) -> Counted[Cell]:
    """Count a table by all attributes, label and decision.

    Parameters
    ----------
    subject : Subject
    table : Table
        Must hold the columns of the attributes, of the decision, and of the label if `by_label`.
    attributes : sequence of Protected
    by_label : bool
        Whether labels are counted; if not, they are None.
    score : str
        SQL of the score as a double; usable from 0 to 1. Empty where no score is wanted.

    Raises
    ------
    duckdb.Error
        If DuckDB cannot read or count the rows.
    """
    many = many_valued(subject, table, [*(p.column for p in attributes), *_outcomes(subject.passport, by_label)])

    def cells(chosen: Sequence[Protected], most: int) -> list[Cell] | None:
        return _cells(subject, table, chosen, by_label, score, many, most)

    return counted_by(subject, table, attributes, cells, many, (_codes(subject.passport) + 1) ** 2)


def counted_by(
    subject: Subject, table: Table, attributes: Sequence[Protected],
    cells: Callable[[Sequence[Protected], int], list[Row] | None], many: set[str], each: int,
) -> Counted[Row]:
    """Return what `cells` counts of all attributes at once or, where that is too much, of each and of each pair.

    Parameters
    ----------
    subject, table, attributes
        As `count` takes them.
    cells : callable
        Counts rows by these attributes together; None if there are more cells than the number it is given.
    many : set of str
        Columns of many values.
    each : int
        Cells that one group can have.
    """
    counted = Counted[Row]()
    kept: list[Protected] = []
    for protected in attributes:
        if protected.column in many and not protected.bins and _groups(subject, table, protected) > MAX_GROUPS:
            counted.refused[protected.name,] = too_many(protected)
        else:
            kept.append(protected)
    if not kept:
        return counted
    whole = cells(kept, MAX_CELLS)
    if whole is not None:
        counted.attributes, counted.cells = tuple(p.name for p in kept), whole
        for place, protected in enumerate(kept):
            if len({cell.names[place] for cell in whole}) > MAX_GROUPS:
                counted.refused[protected.name,] = too_many(protected)
        return counted
    for number, chosen in enumerate([*((p,) for p in kept), *itertools.combinations(kept, 2)]):
        names = tuple(p.name for p in chosen)
        if any((name,) in counted.refused for name in names):
            continue
        if number >= len(kept) + MAX_PAIRS:
            counted.refused[names] = f"Of the pairs of attributes only the first {MAX_PAIRS} are counted."
            continue
        found = cells(chosen, MAX_GROUPS * each)
        if found is not None and len({cell.names for cell in found}) <= MAX_GROUPS:
            counted.apart[names] = found
        else:
            counted.refused[names] = too_many(*chosen)
    return counted


def too_many(*protected: Protected) -> str:
    """Say that attributes have too many groups."""
    names = " and ".join(f"'{p.name}'" for p in protected)
    if len(protected) > 1:
        return f"The attributes {names} have more than {MAX_GROUPS} groups together."
    return f"The attribute {names} has more than {MAX_GROUPS} groups; declare 'bins' or 'values' for it."


def many_valued(subject: Subject, table: Table, columns: Sequence[str]) -> set[str]:
    """Return the columns with so many values that counting by them as they are would make too many cells."""
    asked = [c for c in dict.fromkeys(columns) if not table.columns[c].startswith(("BOOLEAN", "TINYINT", "UTINYINT"))]
    if not asked:
        return set()
    listed = ", ".join(quote(c) for c in asked)
    each = ", ".join(f"approx_count_distinct({quote(c)})" for c in asked)
    row = subject.con.execute(f"select {each} from (select {listed} from {table.name} limit {LOOKED_AT})").fetchone() or ()
    found = dict(zip(asked, row, strict=True))
    many, product = {c for c, n in found.items() if n > MANY}, 1
    for column, n in sorted(found.items(), key=lambda item: item[1]):
        product *= max(1, n)
        if product > MANY * MANY:
            many.add(column)
    return many


def free_names(table: Table) -> Iterator[str]:
    """Yield names that no column of the table has, whatever its case."""
    taken = {c.lower() for c in table.columns}
    return (name for name in (f"c{k}_" for k in itertools.count()) if name not in taken)


def coded(passport: Passport, column: str, kind: str = "") -> str:
    """Return SQL of the code of a label or decision: see `Cell`."""
    if passport.task.kind != "multiclass":
        return favourable(passport, column, kind)
    cases = " ".join(f"when {equals(column, one, kind)} then {place}" for place, one in enumerate(passport.task.classes))
    return f"case {cases} end"


def _order(cell: Cell | Sums) -> tuple[Any, ...]:
    return (cell.names, *(-1 if code is None else code for code in (cell.label, cell.decision)))


def _codes(passport: Passport) -> int:
    return len(passport.task.classes) if passport.task.kind == "multiclass" else 2


def _outcomes(passport: Passport, by_label: bool) -> list[str]:
    return [decision_column(passport), *([passport.task.label] if by_label else [])]


def _groups(subject: Subject, table: Table, protected: Protected) -> int:
    """Return how many groups an attribute has, at most one more than are allowed."""
    sql = f"select {group(protected)} as g from {table.name} group by all limit {MAX_GROUPS + 1}"
    return len(subject.con.execute(sql).fetchall())


def _cells(
    subject: Subject, table: Table, attributes: Sequence[Protected], by_label: bool, score: str, many: set[str], most: int
) -> list[Cell] | None:
    """Return the cells of these attributes together; None if there are more than `most`."""
    passport, free = subject.passport, free_names(table)
    keys = [(group(p), p.column) for p in attributes]
    keys += [(coded(passport, column, table.columns[column]), column) for column in _outcomes(passport, by_label)]
    inner: list[str] = []
    outer: list[str] = []
    for expression, column in keys:
        if column in many:
            name = next(free)
            inner.append(f"{expression} as {name}")
            outer.append(name)
        else:
            inner.append(quote(column))
            outer.append(expression)
    if not by_label:
        outer.append("null")
    n, usable, total, squares = (next(free) for _ in range(4))
    sums = f"count(*) as {n}"
    added = f"sum({n}), 0, 0, 0"
    if score:  # whether it is usable is one more thing to count by, which is faster than leaving the others out of each sum
        inner.append(f"({score} between 0 and 1) as {usable}")
        sums += f", sum({score}) as {total}, sum({score} * {score}) as {squares}"
        added = f"sum({n}), " + ", ".join(f"coalesce(sum({x}) filter (where {usable}), 0)" for x in (n, total, squares))
    listed = ", ".join(dict.fromkeys(inner))
    sql = f"select {', '.join(outer)}, {added} from (select {listed}, {sums} from {table.name} group by all) group by all"
    rows = subject.con.execute(sql).fetchmany(most + 1)
    if len(rows) > most:
        return None
    width = len(attributes)
    cells = [
        Cell(tuple(str(name) for name in row[:width]), row[width + 1], row[width], int(row[width + 2]), int(row[width + 3]),
             float(row[width + 4]), float(row[width + 5]))
        for row in rows
    ]
    return sorted(cells, key=_order)  # sums of fractions must not hang on the order in which threads finish
