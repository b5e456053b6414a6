"""The rows of the attacks: those that the model learned from, those it never saw, and what is recorded of both.

An attack needs rows, so both are bounded, drawn by their content and a seed, and leave the process only for the one that asks
and trains. Nobody can tell from a table whether a model learned from it; the passport says so, or nothing is measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from checks.performance.columns import columns_of, number
from checks.sampling import content_of, drawn, learned_from
from checks.subject import Subject, Table
from roadworthy.errors import DataError
from roadworthy.sql import quote

if TYPE_CHECKING:
    import pyarrow as pa

Numbers = NDArray[np.float64]

MOST_ROWS = 20_000
"""Rows of a table whose recorded answers are held against each other."""
UNKNOWN = "The passport does not say which rows were learned from; declare 'seen' under reference or 'training' under recipe."
HELD_OUT = "The reference was held out, and the passport names no rows that were learned from ('training' under recipe)."


@dataclass(frozen=True)
class Rows:
    """Rows of one table that have a label.

    Attributes
    ----------
    table : Table
    truth : ndarray of shape (rows,)
        1 or 0 for the positive value or the other, the place of the class, or the number.
    unit : ndarray of int, shape (rows,)
        The same number for rows that hang together, by the passport's independence; without one each row has its own.
    recorded : ndarray of shape (outputs, rows)
        What stands in the table as the model's answer: the chance of the positive value, that of each class, or the number.
        NaN where nothing usable stands.
    features : pyarrow.Table or None
        The passport's features, row by row the same; None if a column is missing.
    lacking : tuple of str
        Features that the table does not have.
    """

    table: Table
    truth: Numbers
    unit: NDArray[np.int64]
    recorded: Numbers
    features: pa.Table | None
    lacking: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.truth)


def members(subject: Subject) -> Table:
    """Return the table of rows that the version learned from, as the passport declares it; with a problem if it does not."""
    passport = subject.passport
    if passport.recipe is not None and passport.recipe.training is not None:
        return learned_from(subject, passport.recipe.training)
    if passport.reference.seen in ("out_of_fold", "in_sample"):
        return subject.reference
    return Table("training", problem=HELD_OUT if passport.reference.seen == "held_out" else UNKNOWN)


def read(subject: Subject, table: Table, most: int = MOST_ROWS, *, features: bool = False) -> Rows:
    """Return at most `most` rows of a table that have a label.

    Parameters
    ----------
    subject : Subject
    table : Table
        Readable.
    most : int
        At least 1.
    features : bool
        Whether the features are wanted.

    Raises
    ------
    DataError
        If there is no label column, DuckDB cannot read the rows, or no row has a label.
    """
    passport = subject.passport
    if not table.has(passport.task.label):
        raise DataError(f"The {table.role} has no column '{passport.task.label}', the label.")
    columns = columns_of(passport, table)
    lacking = tuple(c for c in passport.features if not table.has(c))
    chosen = list(passport.features) if features and not lacking else []
    answers = _recorded(subject, table)
    picked = [f"{columns.truth} as y", f"cast({columns.unit} as varchar) as u", f"{content_of(subject, table)} as h"]
    picked += [f"{sql} as a{k}" for k, sql in enumerate(answers)] + [f"{quote(c)} as f{k}" for k, c in enumerate(chosen)]
    names = ["y", "u", *(f"a{k}" for k in range(len(answers))), *(f"f{k}" for k in range(len(chosen)))]
    sql = (
        f"select {', '.join(names)} from (select {', '.join(picked)} from {table.name}) where y is not null "
        f"order by h, {', '.join(names)} limit {int(most)}"
    )
    found = drawn(subject, table, sql, "a label")
    recorded = np.array([_floats(found.column(f"a{k}")) for k in range(len(answers))]).reshape(len(answers), found.num_rows)
    handed = found.select([f"f{k}" for k in range(len(chosen))]).rename_columns(chosen) if chosen else None
    return Rows(table, _floats(found.column("y")), units(found.column("u").to_pylist()), recorded, handed, lacking)


def _recorded(subject: Subject, table: Table) -> list[str]:
    """Return SQL of what is recorded as the model's answer; an empty list where the table holds none."""
    task = subject.passport.task
    if task.kind == "multiclass":
        there = bool(task.class_scores) and all(table.has(c) for c in task.class_scores)
        return [number(table, c) for c in task.class_scores] if there else []
    if task.kind == "regression":
        return [number(table, task.prediction)] if table.has(task.prediction) else []
    return [columns_of(subject.passport, table).score] if table.has(task.score) else []


def units(names: list[Any]) -> NDArray[np.int64]:
    """Return a number for each name; a row without a name is a unit of its own.

    Examples
    --------
    >>> units(["a", None, "b", "a", None]).tolist()
    [0, 1, 2, 0, 3]
    """
    known: dict[Any, int] = {}
    return np.array([known.setdefault(name if name is not None else (place,), len(known)) for place, name in enumerate(names)])


def _floats(column: Any) -> Numbers:
    import pyarrow as pa

    return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=float)
