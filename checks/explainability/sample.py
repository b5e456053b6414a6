"""A bounded sample of a table's rows, the same on every machine.

Rows stay in DuckDB. What needs rows all the same (a surrogate, a closer look at columns that moved) takes at most so many of
them, drawn without replacement by a seed. The rows are drawn by their place in the files, which the number of threads, the
order in which a query returns them and the folder of the workspace do not change.
"""

from __future__ import annotations

from collections.abc import Mapping

import duckdb
import numpy as np
import pyarrow as pa

from checks.drift.plan import file_list
from checks.subject import Subject, Table
from roadworthy.canonical import digest_of
from roadworthy.errors import DataError
from roadworthy.sql import quote

_INDEX, _PLACE = quote("roadworthy index"), quote("roadworthy place")  # names that no column has by chance

def sample(subject: Subject, table: Table, wanted: Mapping[str, str], rows: int) -> pa.Table:
    """Return at most `rows` rows of a table, each as likely as any other, in the order of the files.

    Parameters
    ----------
    subject : checks.subject.Subject
        Its seed decides, together with the table's content.
    table : checks.subject.Table
        Readable. Late labels are not joined: a label is NULL unless the batch itself holds it.
    wanted : mapping of str to str
        SQL of each value wanted, by the name it gets.
    rows : int
        At least 1.

    Raises
    ------
    DataError
        If the files cannot be sampled: a sentence without any value of the data.

    Notes
    -----
    Only the footers of the files are read to draw, and the wanted columns to fetch.
    """
    files = file_list(table.files)
    try:
        footers = f"select num_rows from parquet_file_metadata([{files}])"
        sizes = np.array([n for (n,) in subject.con.execute(footers).fetchall()], dtype=np.int64)
        ends = np.cumsum(sizes)
        places = draw(int(ends[-1]), rows, subject.seed, table.digest)
        index = np.searchsorted(ends, places, side="right")
        names = ", ".join(f"{sql} as {quote(name)}" for name, sql in wanted.items())
        return subject.con.sql(
            f"select {names} from read_parquet([{files}], union_by_name=true, hive_partitioning=false) "
            f"join (select unnest($index::bigint[]) as {_INDEX}, unnest($place::bigint[]) as {_PLACE}) "
            f"on file_index = {_INDEX} and file_row_number = {_PLACE} order by {_INDEX}, {_PLACE}",
            params={"index": index.tolist(), "place": (places - (ends - sizes)[index]).tolist()},
        ).to_arrow_table()
    except duckdb.Error as problem:
        said = f"The {table.role} could not be sampled ({type(problem).__name__})."
        raise DataError(said, "See whether a column has a type that cannot be read as a number or text.") from problem


def draw(total: int, rows: int, seed: int, content: str) -> np.ndarray:
    """Return the places of the rows that are drawn, ascending; all of them if there are not more.

    Examples
    --------
    >>> draw(3, 10, 0, "").tolist()
    [0, 1, 2]
    >>> draw(10**12, 4, 0, "ab").size
    4
    """
    if total <= rows:
        return np.arange(total, dtype=np.int64)
    rng = generator(seed, content)
    return np.sort(rng.choice(total, rows, replace=False, shuffle=False)).astype(np.int64)


def generator(seed: int, *parts: object) -> np.random.Generator:
    """Return a random generator for one purpose: the same seed and parts give the same numbers."""
    return np.random.default_rng([seed, int(digest_of([str(part) for part in parts])[:12], 16)])
