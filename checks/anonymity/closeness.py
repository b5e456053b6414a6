"""The sensitive values within classes: how many different ones a class has, and how far it is from the whole table.

DuckDB counts rows by class and value; the counts of each class come out in pieces and are added up here, so that no row does and
the memory does not grow with the table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import numpy as np

from checks.anonymity.classes import Sizes, class_sql, value_sql
from checks.counts import is_numeric
from checks.subject import Subject, Table

MOST_VALUES = 50
"""A sensitive number with more different values than this is cut into at most so many parts of equal numbers of rows."""
PIECE = 250_000
"""Cells, each the rows of one class with one value, that lie in memory at a time."""
_DATES = ("DATE", "TIMESTAMP")
# Values in their order, what is missing last; cut, a value is in the part in which its first row comes.
_EACH = "select s, n, row_number() over (order by s nulls last) - 1 as place from ({values})"
_CUT = (
    "select s, n, dense_rank() over (order by part) - 1 as place from (select s, n, case when s is null then {parts} else "
    "(sum(n) over (order by s nulls last) - n) * {parts} // sum(n) filter (s is not null) over () end as part from ({values}))"
)


@dataclass(frozen=True)
class Sensitive:
    """What the classes say of one sensitive column.

    Attributes
    ----------
    values : int
        Different values, what is missing being one of them.
    ordered : bool
        True for numbers and dates, whose distance counts how far apart values are; False for words, which are all as far apart.
    parts : int
        Values after a number was cut; `values` if it was not.
    fewest : int
        Different values in the class that has fewest, which is the l of l-diversity.
    farthest : float
        Distance of the farthest class from the table, in [0, 1], which is the t of t-closeness.
    alike : int
        Rows in classes of one value only: to know the class is to know the value.
    """

    values: int
    ordered: bool
    parts: int
    fewest: int
    farthest: float
    alike: int


@dataclass
class _Sums:
    sizes: Counter[int] = field(default_factory=Counter)
    fewest: int = 2**62
    farthest: float = 0.0
    alike: int = 0


def look(
    subject: Subject, table: Table, columns: Sequence[str], sensitive: str, piece: int = PIECE
) -> tuple[Sizes, Sensitive]:
    """Return the sizes of the classes, and what they say of a sensitive column.

    Parameters
    ----------
    subject : Subject
    table : Table
        That holds all the columns.
    columns : sequence of str
        The quasi-identifiers.
    sensitive : str
        None of them.
    piece : int
        Cells that are looked at together.

    Raises
    ------
    duckdb.Error
        If the rows cannot be read to their end.

    Notes
    -----
    With p the shares of the m values in the table and q those in a class, the distance of words is ``sum |q - p| / 2``. That of
    numbers is ``sum over i of |sum over j <= i of (q_j - p_j)| / (m - 1)``, values in their order. Both are the earth mover's
    distance, with equal and with ordered ground distance (Li, Li and Venkatasubramanian 2007, 4.1). The number of different
    values is distinct l-diversity (Machanavajjhala et al. 2007, 4). What is missing is the last value of an order.
    """
    kind = table.columns[sensitive]
    value, ordered = value_sql(sensitive, kind), is_numeric(kind) or kind.startswith(_DATES)
    values = f"select s, count(*) as n from (select {value} as s from {table.name}) group by s"
    different = subject.rows(f"select count(*) as n from ({values})")[0]["n"]
    way = _CUT if ordered and different > MOST_VALUES else _EACH
    placed = way.format(values=values, parts=MOST_VALUES)
    shares = np.asarray(_column(subject, f"select sum(n)::double as n from ({placed}) group by place order by place"), float)
    p, sums = shares / shares.sum(), _Sums()
    for sizes, owner, place, n in _pieces(subject, table, columns, value, placed, piece):
        held = np.bincount(owner, minlength=len(sizes))
        far = _ordered(sizes, owner, place, n, p) if ordered else _equal(sizes, owner, place, n, p)
        sums.sizes.update(dict(zip(*(part.tolist() for part in np.unique(sizes, return_counts=True)), strict=True)))
        sums.fewest = min(sums.fewest, int(held.min()))
        sums.farthest = max(sums.farthest, float(far.max()))
        sums.alike += int(sizes[held == 1].sum())
    told = Sensitive(different, ordered, len(shares), sums.fewest, min(1.0, max(0.0, sums.farthest)), sums.alike)
    return Sizes(dict(sorted(sums.sizes.items()))), told


def _column(subject: Subject, sql: str) -> Any:
    """Return the one column of a query, without a Python object for each of its values."""
    return subject.con.execute(sql).fetchnumpy()["n"]


Whole = np.ndarray[Any, np.dtype[np.int64]]


def _pieces(
    subject: Subject, table: Table, columns: Sequence[str], value: str, placed: str, piece: int
) -> Iterator[tuple[Whole, Whole, Whole, Whole]]:
    """Yield whole classes in pieces: rows of each class; then class, place of the value and rows of each cell."""
    inner = f"select {class_sql(columns, table.columns)}, {value} as s from {table.name}"
    cells = f"select h, g, s, count(*) as n from ({inner}) group by h, g, s"
    found = f"select c.h, c.g, v.place, c.n from ({cells}) c join ({placed}) v on c.s is not distinct from v.s order by c.h, c.g"
    names, left = ("h", "g", "place", "n"), None
    for batch in subject.con.sql(found).to_arrow_reader(piece):
        here = [batch.column(name).to_numpy(zero_copy_only=False) for name in names]
        if left is not None:
            here = [np.concatenate(pair) for pair in zip(left, here, strict=True)]
        starts = np.flatnonzero((here[0][1:] != here[0][:-1]) | (here[1][1:] != here[1][:-1])) + 1
        if len(starts):  # the last class may go on in the next batch
            yield _classes([column[: starts[-1]] for column in here], starts[:-1])
        left = [column[starts[-1] if len(starts) else 0 :] for column in here]
    if left is not None and len(left[0]):
        yield _classes(left, np.array([], np.int64))


def _classes(cells: Sequence[Any], starts: Whole) -> tuple[Whole, Whole, Whole, Whole]:
    """Return sizes, owner, place and rows of cells that lie class by class, the second one from the first of `starts`."""
    place, n = (np.asarray(column, np.int64) for column in cells[2:])
    first = np.zeros(len(n), np.int64)
    first[starts] = 1
    owner = np.cumsum(first)
    return np.bincount(owner, weights=n).astype(np.int64), owner, place, n


def _equal(sizes: Any, owner: Any, place: Any, n: Any, p: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return half the sum of absolute differences; values that a class lacks add what is left of the table's shares."""
    q, there = n / sizes[owner], p[place]
    apart = np.bincount(owner, weights=np.abs(q - there) - there, minlength=len(sizes))
    return np.asarray(0.5 * (apart + 1.0), float)


def _ordered(sizes: Any, owner: Any, place: Any, n: Any, p: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the earth mover's distance of values in their order."""
    if len(p) < 2:
        return np.zeros(len(sizes))
    cells = np.bincount(owner * len(p) + place, weights=n, minlength=len(sizes) * len(p))
    apart = cells.reshape(len(sizes), len(p)) / sizes[:, None]
    apart -= p
    np.cumsum(apart, axis=1, out=apart)
    return np.asarray(np.abs(apart).sum(axis=1) / (len(p) - 1), float)


def problem_of(problem: duckdb.Error, table: Table) -> str:
    """Say that the rows could not be counted; DuckDB's own text may quote a cell and is left out.

    Examples
    --------
    >>> problem_of(duckdb.InvalidInputException("Could not convert 'Jane Doe'"), Table("reference"))
    'The reference rows could not be counted to their end (InvalidInputException).'
    """
    return f"The {table.role} rows could not be counted to their end ({type(problem).__name__})."
