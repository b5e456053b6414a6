"""What a worker of a cluster does: it counts a part of a table, and only if it sees the very data and runs the very code.

Nothing of Prefect or Dask is imported here, so that a worker is ready soon. A worker reads the files by the same paths as the
machine that asks.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from checks.drift.plan import Plan, kind_of
from checks.drift.profile import Profile, profile
from checks.subject import Table
from flows.inspect import code_digest
from roadworthy.errors import DataError
from roadworthy.sql import DISABLED_OPTIMIZERS, connect, literal, quote

PART_ROWS = 500_000
"""Rows of a part, if the row groups of the files allow: enough to be worth sending, few enough to lose."""


@dataclass(frozen=True)
class Stretch:
    """Rows of one file that follow each other, in whole row groups.

    Attributes
    ----------
    file : str
    size : int
        Bytes of the whole file: a file that has another size on the worker is not the same file.
    first, rows : int
    whole : bool
        Whether these are all rows of the file.
    """

    file: str
    size: int
    first: int
    rows: int
    whole: bool


@dataclass(frozen=True)
class Part:
    """Some rows of a table: what one task counts."""

    stretches: tuple[Stretch, ...]

    @property
    def rows(self) -> int:
        """Rows of the part."""
        return sum(stretch.rows for stretch in self.stretches)


def parts_of(files: Sequence[Path], most: int = PART_ROWS) -> list[Part]:
    """Return the rows of files in parts of at most `most` rows, unless a single row group holds more.

    Raises
    ------
    OSError, pyarrow.ArrowException
        If the footer of a file cannot be read.
    """
    found: list[Part] = []
    open_part: list[Stretch] = []
    for stretch in (one for path in files for one in _stretches(path, most)):
        if open_part and sum(one.rows for one in open_part) + stretch.rows > most:
            found.append(Part(tuple(open_part)))
            open_part = []
        open_part.append(stretch)
    return [*found, Part(tuple(open_part))] if open_part else found


def _stretches(path: Path, most: int) -> Iterator[Stretch]:
    from pyarrow import parquet

    footer, size = parquet.read_metadata(path), path.stat().st_size
    first = rows = 0
    for more in (footer.row_group(i).num_rows for i in range(footer.num_row_groups)):
        if rows and rows + more > most:
            yield Stretch(str(path), size, first, rows, rows == footer.num_rows)
            first, rows = first + rows, 0
        rows += more
    if rows:
        yield Stretch(str(path), size, first, rows, rows == footer.num_rows)


def count_part(part: Part, types: Mapping[str, str], plan: Plan, code: str) -> Profile:
    """Count one part of a table under a plan.

    Parameters
    ----------
    part : Part
    types : mapping of str to str
        The planned columns and their DuckDB types in the whole table. A file that lacks one holds NULL.
    plan : Plan
    code : str
        `flows.inspect.code_digest` of who asks.

    Returns
    -------
    Profile
        Equal to that of these rows counted anywhere else.

    Raises
    ------
    DataError
        If the code is another, a file is not the one that was meant, or a column cannot be counted as in the whole table.
    """
    if code_digest() != code:
        raise DataError("The worker runs another version of Roadworthy.", "Install the same on every machine.")
    with tempfile.TemporaryDirectory(prefix="roadworthy-part-") as spill:
        con = connect(threads=1, spill=Path(spill))
        try:
            _load(con, part, types)
            return _checked(profile(con, Table("part", "part", dict(types), part.rows), plan), part, con)
        finally:
            con.close()


def _load(con: duckdb.DuckDBPyConnection, part: Part, types: Mapping[str, str]) -> None:
    """Copy the rows and columns into memory, of the types that the whole table has.

    Copied, because only with filters pushed into the scan does DuckDB skip the row groups of others, and only without them
    are its answers right where values are NaN (see `roadworthy.sql`). The filter here is on row numbers alone.
    """
    con.execute("set disabled_optimizers = 'statistics_propagation'")
    con.execute(f"create temp table part as {' union all '.join(_selects(con, part.stretches, types))}")
    con.execute(f"set disabled_optimizers = '{DISABLED_OPTIMIZERS}'")


def _selects(con: duckdb.DuckDBPyConnection, stretches: Iterable[Stretch], types: Mapping[str, str]) -> Iterator[str]:
    for stretch in stretches:
        if any(c in stretch.file for c in "*?["):
            raise DataError("A file's name holds a character that DuckDB takes for a pattern.")
        if Path(stretch.file).stat().st_size != stretch.size:
            raise DataError("A file is of another size on the worker.", "Give all machines the same files.")
        scan = f"read_parquet([{literal(stretch.file)}], hive_partitioning=false"
        described = con.execute(f"describe select * from {scan})").fetchall()
        there = {str(row[0]).lower(): str(row[1]) for row in described}  # names are compared in small letters, as SQL does
        asked = ", ".join(_as(name, wanted, there.get(name.lower())) for name, wanted in types.items())
        last = stretch.first + stretch.rows
        rows = "" if stretch.whole else f" where file_row_number >= {stretch.first} and file_row_number < {last}"
        yield f"select {asked} from {scan}{', file_row_number=true' if rows else ''}){rows}"


def _as(name: str, wanted: str, there: str | None) -> str:
    column = quote(name)
    if there == wanted:
        return column
    if kind_of(wanted) == "other" or wanted.upper().startswith("ENUM"):
        raise DataError(f"'{name}' is of another type in some files.")
    return f"cast({column if there is not None else 'null'} as {wanted}) as {column}"


def _checked(found: Profile, part: Part, con: duckdb.DuckDBPyConnection) -> Profile:
    rows = con.execute("select count(*) from part").fetchall()[0][0]
    if rows != part.rows:
        raise DataError(f"A part should hold {part.rows:,} rows and holds {rows:,}.", "Give all machines the same files.")
    if found.problems:
        raise DataError(next(iter(found.problems.values())))
    return found
