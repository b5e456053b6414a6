"""Rows of a table for what needs rows: drawn by their content and a seed, so every machine draws the same.

Nights count in DuckDB and see no row. What trains or asks a model needs some, and takes no more than it says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

from checks.opening import Opening, view
from checks.subject import Subject, Table
from roadworthy.errors import DataError, RoadworthyError
from roadworthy.sql import quote
from roadworthy.window import files_of

if TYPE_CHECKING:
    import pyarrow as pa


def content_of(subject: Subject, table: Table) -> str:
    """Return SQL of a number by which the rows of a table are put into an order that their content and the seed decide."""
    return f"hash({subject.seed}, {', '.join(quote(c) for c in table.columns)})"


def drawn(subject: Subject, table: Table, query: str, wanted: str) -> pa.Table:
    """Return the rows that a query gives.

    Parameters
    ----------
    subject : Subject
    table : Table
        What the query reads.
    query : str
    wanted : str
        What each row must have, as a sentence says it: ``"a label"``.

    Raises
    ------
    DataError
        If DuckDB cannot read the rows, or none is left: a sentence without any value of the data.
    """
    try:
        with subject.con.cursor() as cursor:  # a connection holds one open result, and another family may have left one
            found = cursor.sql(query).to_arrow_table()
    except duckdb.Error as problem:
        raise DataError(f"The {table.role} rows cannot be read ({type(problem).__name__}).") from problem
    if found.num_rows == 0:
        raise DataError(f"No row of the {table.role} has {wanted}.")
    return found


def learned_from(subject: Subject, path: str) -> Table:
    """Return the table that the recipe names as trained on; with a problem if it is not there or cannot be read."""
    opening = Opening(subject.con, subject.root, subject.passport, subject.links, subject.digests)
    try:
        found = files_of(subject.root, path)
    except RoadworthyError as problem:
        return Table("training", problem=problem.sentence, broken=True)
    if not found:
        return Table("training", problem=f"The training data '{path}' do not exist.", broken=True)
    return view(opening, Table("training", files=tuple(found)))
