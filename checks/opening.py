"""Tables opened in DuckDB: views over the files of a window, with the labels that came later and, if asked for, each row's day.

A `Table` is a view, with what went wrong where its files could not be read. Opening never raises for bad data: the family that
needs the table says so in a measurement.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import duckdb

from roadworthy.canonical import digest_file, digest_of
from roadworthy.errors import DataError, RoadworthyError
from roadworthy.passport import Passport
from roadworthy.sql import literal, quote
from roadworthy.window import Window, files_of

DAY_COLUMN = "roadworthy day"
"""The day of each row, in the tables that `days_table` makes; the data's own column of that name, if any, is not in them."""


@dataclass(frozen=True)
class Table:
    """A view over the files of one role.

    Attributes
    ----------
    role : str
        ``reference``, ``batch`` (the drift window), ``labelled`` (the performance window, mature days), ``decided``
        (the fairness window), ``day`` (`one_day`), ``days`` (`days_table`) or ``training`` (what the recipe names).
    name : str
        Quoted SQL name of the view; write it after FROM. Not there when `problem` is set.
    columns : dict of str to str
        DuckDB type of each column, in file order, by its unquoted name.
    rows : int
    days, missing_days : tuple of date
        Days with and without a file (empty for the reference).
    digest : str
        SHA-256 over the files' names and digests.
    problem : str
        Why the table cannot be read: one sentence; empty when it can.
    broken : bool
        True if a file exists but cannot be read (an ``error``), False if there is just no data (``insufficient``).
    """

    role: str
    name: str = ""
    columns: dict[str, str] = field(default_factory=dict)
    rows: int = 0
    window: Window | None = None
    days: tuple[date, ...] = ()
    missing_days: tuple[date, ...] = ()
    files: tuple[Path, ...] = ()
    digest: str = ""
    problem: str = ""
    broken: bool = False

    def __bool__(self) -> bool:
        return not self.problem

    def has(self, *columns: str | None) -> bool:
        """Say whether the table can be read and holds all these columns."""
        return bool(self) and all(c is not None and c in self.columns for c in columns)


@dataclass(frozen=True)
class Opening:
    """What every table is opened with."""

    con: duckdb.DuckDBPyConnection
    root: Path
    passport: Passport
    links: Path | None
    digests: dict[tuple[Path, int, int], str] = field(default_factory=dict)

    def digest(self, path: Path) -> str:
        """Return the SHA-256 of a file; one that stands in several tables and has not changed is read once."""
        found = path.stat()
        key = path, found.st_size, found.st_mtime_ns
        if key not in self.digests:
            self.digests[key] = digest_file(path)
        return self.digests[key]


def of_days(opening: Opening, role: str, window: Window, wanted: Sequence[date], due: bool = False) -> Table:
    """Open some days of a window; where its last day is due and missing, older days do not stand in for it."""
    found: list[Path] = []
    days: list[date] = []
    missing: list[date] = []
    try:
        for day in wanted:
            here = files_of(opening.root, opening.passport.batches.path, day)
            found += here
            (days if here else missing).append(day)
    except RoadworthyError as problem:
        return Table(role, window=window, problem=problem.sentence, broken=True)
    if not found or (due and window.last in missing):
        alone = window.first == window.last or bool(found)
        when = f"{window.last}" if alone else f"{window.first} to {window.last}"
        return Table(role, window=window, missing_days=tuple(missing), problem=f"There is no batch for {when}.")
    return view(opening, Table(role, window=window, days=tuple(days), missing_days=tuple(missing), files=tuple(found)))


def view(opening: Opening, table: Table) -> Table:
    """Return `table` with a view over its files, or with the reason why there is none."""
    con, root, later = opening.con, opening.root, list[Path]()
    digest = ""
    try:
        later = _label_files(opening, table)
        digest = digest_of([[str(path.relative_to(root)), opening.digest(path)] for path in (*table.files, *later)])
        name = quote(_name(table))
        late = _labels_come_late(opening, table)
        by_day = table.role == "days" or (bool(later) and len(table.days) > 1)
        scan = _by_day(opening, table, name) if by_day else _scan(opening, table.files, name)
        query = _with_late_labels(opening, table, scan, later, name, by_day) if late else f"select * from {scan}"
        con.execute(f"create or replace view {name} as {query}")
        columns = {row[0]: row[1] for row in con.execute(f"describe {name}").fetchall()}
        counted = con.execute(f"select count(*) from {name}").fetchone()
    except (duckdb.Error, OSError, ValueError, RoadworthyError) as problem:  # ValueError: a name that is not UTF-8
        said = problem.sentence if isinstance(problem, DataError) else _unreadable(opening, table, later, problem)
        return replace(table, digest=digest, problem=said, broken=True)
    rows = int(counted[0]) if counted else 0
    return replace(
        table, name=name, columns=columns, rows=rows, digest=digest, problem="" if rows else f"The {table.role} has no rows."
    )


def _name(table: Table) -> str:
    """Return the name of the view: tables of days stand beside each other."""
    if table.role == "day":
        return f"day {table.days[0]}"
    return f"days {digest_of([day.isoformat() for day in table.days])[:16]}" if table.role == "days" else table.role


def _scan(opening: Opening, files: Sequence[Path], name: str, *options: str) -> str:
    named = f"[{', '.join(_listed(opening, files, name))}]"
    return f"read_parquet({', '.join((named, 'union_by_name=true', 'hive_partitioning=false', *options))})"


def _by_day(opening: Opening, table: Table, name: str) -> str:
    """Return a scan of the files with the day of each row, which only the file's name tells."""
    con, files = opening.con, list(dict.fromkeys(table.files))
    there = _columns(con, _scan(opening, files, name))
    file = next(one for one in (_FILE + " " * k for k in itertools.count()) if one not in there)
    scan = _scan(opening, files, name, f"filename={literal(file)}")
    listed = dict(zip(files, _listed(opening, files, name), strict=True))
    held = {day: files_of(opening.root, opening.passport.batches.path, day) for day in table.days}
    days = ", ".join(f"({listed[path]}, date '{day}')" for day, paths in held.items() for path in paths if path in listed)
    hidden = ", ".join(quote(column) for column in (file, DAY_COLUMN) if column == file or column in there)
    return (
        f"(select b.* exclude ({hidden}), d.day as {quote(DAY_COLUMN)} from {scan} b "
        f"join (values {days}) d(file, day) on b.{quote(file)} = d.file)"
    )


def _unreadable(opening: Opening, table: Table, later: Sequence[Path], problem: Exception) -> str:
    bad = _first_broken(opening, (*table.files, *later))
    where = f"'{bad.relative_to(opening.root)}'" if bad else f"{len(table.files)} file(s)"
    said = str(problem).splitlines()[0][:160]
    return f"The {table.role} file {where} cannot be read as Parquet ({said}).".encode(errors="replace").decode()


def _labels_come_late(opening: Opening, table: Table) -> bool:
    own_labels = ("reference", "training")  # accepted and trained on with the outcomes that they hold
    return table.role not in own_labels and opening.passport.batches.labels is not None


def _label_files(opening: Opening, table: Table) -> list[Path]:
    """Return the files of labels that came after these days' batches, once each; none if the passport declares none."""
    declared = opening.passport.batches.labels
    if declared is None or not _labels_come_late(opening, table):
        return []
    return list(dict.fromkeys(path for day in table.days for path in files_of(opening.root, declared, day)))


def _with_late_labels(
    opening: Opening, table: Table, scan: str, later: Sequence[Path], name: str, by_day: bool
) -> str:
    """Return a query for the batch with the labels that came later, the newest that is known for each key of a day.

    A key that stands on two days means two cases, so labels find the rows of their own day. A label column in the batch itself
    is left out: before the outcome is known it can only hold a guess.
    """
    con, batches, column = opening.con, opening.passport.batches, opening.passport.task.label
    key, label = quote(batches.key or ""), quote(column)
    there = _columns(con, scan)
    hidden = [label] if column.lower() in there else []
    if by_day and table.role != "days":
        hidden.append(quote(DAY_COLUMN))
    kept = f"b.* exclude ({', '.join(hidden)})" if hidden else "b.*"
    if not later:
        return f"select {kept} from {scan} b"
    files = _scan(opening, later, name + " labels", "file_row_number=true", f"filename={literal(_FILE)}")
    came = _columns(con, files)
    for where, has, wanted in (("batch", there, batches.key), ("label files", came, batches.key), ("label files", came, column)):
        if (wanted or "").lower() not in has:
            raise DataError(f"There is no column '{wanted}' in the {where}, so late labels cannot be joined.")
    # A number in one file and text in the other are compared as text: a key that is no number must not end the query.
    as_text = ("VARCHAR" in there[(batches.key or "").lower()]) != ("VARCHAR" in came[(batches.key or "").lower()])
    mine, theirs = (f"cast({t}.{key} as varchar)" if as_text else f"{t}.{key}" for t in ("b", "l"))
    newest = f"last({label} order by {quote(_FILE)}, file_row_number) filter ({label} is not null) as {label}"
    if not by_day:
        newest = f"select {key}, {newest} from {files} group by {key}"
        return f"select {kept}, l.{label} from {scan} b left join ({newest}) l on {mine} = {theirs}"
    days, places = _places(opening, table, dict(zip(later, _listed(opening, later, name + " labels"), strict=True)))
    newest = (
        f"select p.place, f.{key}, {newest} from {files} f join (values {places}) p(file, place) on f.{quote(_FILE)} = p.file "
        f"group by p.place, f.{key}"
    )
    return (
        f"select {kept}, l.{label} from {scan} b left join (values {days}) d(day, place) on b.{quote(DAY_COLUMN)} = d.day "
        f"left join ({newest}) l on l.place = d.place and {mine} = {theirs}"
    )


def _places(opening: Opening, table: Table, listed: dict[Path, str]) -> tuple[str, str]:
    """Return SQL values of the days and of the label files, each with the number of a set of files.

    Days whose labels lie in the same files share a number, so that one file for all the days is counted once and not once
    a day.
    """
    of_day = {day: tuple(files_of(opening.root, opening.passport.batches.labels or "", day)) for day in table.days}
    sets = {files: place for place, files in enumerate(dict.fromkeys(of_day.values()))}
    days = ", ".join(f"(date '{day}', {sets[files]})" for day, files in of_day.items())
    places = ", ".join(f"({listed[path]}, {place})" for files, place in sets.items() for path in files if path in listed)
    return days, places


_FILE = "roadworthy file"


def _columns(con: duckdb.DuckDBPyConnection, scan: str) -> dict[str, str]:
    """Return the type of each column by its name in small letters, as SQL compares names."""
    return {str(row[0]).lower(): str(row[1]) for row in con.execute(f"describe select * from {scan}").fetchall()}


def _first_broken(opening: Opening, files: Sequence[Path]) -> Path | None:
    for path in files:
        try:
            opening.con.execute(f"select count(*) from {_scan(opening, [path], 'broken')}")
        except (duckdb.Error, OSError, ValueError, RuntimeError):  # the last two: a name that is not UTF-8
            return path
    return None


def _listed(opening: Opening, files: Sequence[Path], name: str) -> list[str]:
    """Return the files as SQL literals, in an order that their names keep.

    DuckDB takes ``*``, ``?`` and ``[`` in a name for a pattern and knows no sure way to say otherwise, so files with such
    names, and their neighbours, are reached through links.
    """
    plain = not any(c in str(path) for path in files for c in "*?[")
    if plain or opening.links is None:
        return [literal(str(path)) for path in files]
    folder = opening.links / digest_of([name, [str(path) for path in files]])[:16]
    folder.mkdir(exist_ok=True)
    linked = []
    for index, path in enumerate(files):
        link = folder / f"{index:06}.parquet"
        if not link.is_symlink():
            link.symlink_to(path.absolute())
        linked.append(literal(str(link)))
    return linked
