"""The subject of a check: a model version, its reference and its windows of data, opened in DuckDB.

Every check is handed one of these. Rows stay in Parquet; a `Table` is a view over files, with what went wrong when
they could not be read. Opening never raises for bad data: the family that needs the table says so in a measurement.

Examples
--------
>>> from checks.subject import open_subject          # doctest: +SKIP
>>> with open_subject(workspace.root, passport, date(2026, 4, 9)) as subject:   # doctest: +SKIP
...     measurements = drift.measure(subject)
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Protocol

import duckdb

from roadworthy.canonical import digest_file, digest_of
from roadworthy.errors import DataError, RoadworthyError
from roadworthy.passport import Drift, Passport
from roadworthy.sql import connect, literal, quote
from roadworthy.window import Window, files_of

SEED = 20261122
DAY_COLUMN = "roadworthy day"
"""The day of each row, in the tables that `days_table` makes; the data's own column of that name, if any, is not in them."""


@dataclass(frozen=True)
class Table:
    """A view over the files of one role.

    Attributes
    ----------
    role : str
        ``reference``, ``batch`` (the drift window), ``labelled`` (the performance window, mature days), ``decided``
        (the fairness window), ``day`` (`one_day`) or ``days`` (`days_table`).
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


class Kept(Protocol):
    """Keeps what is computed once, by what it was computed from; see `roadworthy.kept`."""

    def get(self, kind: str, key: Mapping[str, Any]) -> Any | None:
        """Return what was kept under the key, or None."""

    def put(self, kind: str, key: Mapping[str, Any], content: Any) -> None:
        """Keep JSON values under the key."""


@dataclass(frozen=True)
class Subject:
    """What a check is handed.

    Attributes
    ----------
    passport : roadworthy.passport.Passport
    root : pathlib.Path
        The workspace's folder; declared paths are relative to it.
    day : date
        The day judged.
    con : duckdb.DuckDBPyConnection
        In-memory connection with the views; nothing is ever written through it.
    reference, batch, labelled, decided : Table
    baseline : Table
        What drift compares with: the reference, or the days that the passport's ``drift.against`` names.
    kept : Kept, optional
        Where what is computed once of a reference is kept; without one it is computed each time.
    count : callable, optional
        Counts a table under a plan somewhere else than on this connection, such as on a cluster; see
        `checks.drift.profile.profile`, whose answer it must equal.
    seed : int
        For every sample and every random choice.
    links : pathlib.Path, optional
        Folder of links to files whose names DuckDB would take for patterns; gone when the subject is closed.
    """

    passport: Passport
    root: Path
    day: date
    con: duckdb.DuckDBPyConnection
    reference: Table
    batch: Table
    labelled: Table
    decided: Table
    seed: int = SEED
    links: Path | None = None
    baseline: Table = field(default_factory=lambda: Table("baseline", problem="No baseline was opened."))
    kept: Kept | None = None
    count: Callable[[Table, Any], Any] | None = None

    @property
    def pool(self) -> dict[str, Any] | None:
        """The block of days that drift is measured on, if the passport declares blocks; closed once it holds enough rows."""
        block, window = self.passport.windows.drift, self.batch.window
        if isinstance(block, int) or window is None:
            return None
        return {
            "since": window.first.isoformat(), "through": window.last.isoformat(), "rows": self.batch.rows, "needed": block.rows,
            "closed": self.batch.rows >= block.rows,
        }

    @property
    def inputs(self) -> dict[str, str]:
        """Digest of each table that was read, by role."""
        return {t.role: t.digest for t in (self.reference, self.batch, self.labelled, self.decided) if t.digest}

    def rows(self, sql: str, parameters: list[Any] | dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """Run a query and return its (few) rows as dictionaries. For counts and aggregates, never for raw rows."""
        cursor = self.con.execute(sql, parameters) if parameters is not None else self.con.execute(sql)
        names = [d[0] for d in cursor.description or []]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@contextmanager
def open_subject(
    root: Path, passport: Passport, day: date, *, memory_limit: str = "1GB", threads: int | None = None,
    spill: Path | None = None, since: date | None = None, kept: Kept | None = None,
    count: Callable[[Table, Any], Any] | None = None,
) -> Iterator[Subject]:
    """Open the reference and the windows that end with `day`.

    Parameters
    ----------
    root : pathlib.Path
    passport : Passport
    day : date
    memory_limit, threads, spill
        As `roadworthy.sql.connect` takes them.
    since : date, optional
        First day of the open block, where the passport declares blocks; by default a block of the greatest length.
    kept, count
        See `Subject`.
    """
    con = connect(memory_limit, threads, spill)
    try:
        with tempfile.TemporaryDirectory(prefix="roadworthy-") as links:
            opening = _Opening(con, root, passport, Path(links))
            windows, mature = passport.windows, day - timedelta(days=passport.task.maturity_days)
            reference, pooled = _reference(opening), drift_window(passport, day, since)
            yield Subject(
                passport,
                root,
                day,
                con,
                reference=reference,
                batch=_days(opening, "batch", pooled, due=passport.batches.due),
                labelled=_days(opening, "labelled", Window.ending(mature, windows.performance)),
                decided=_days(opening, "decided", Window.ending(day, windows.fairness)),
                links=opening.links,
                baseline=_baseline(opening, reference, pooled),
                kept=kept,
                count=count,
            )
    finally:
        con.close()


def drift_window(passport: Passport, day: date, since: date | None = None) -> Window:
    """Return the days that drift is measured on: so many days, or the open block, which is never longer than declared."""
    block = passport.windows.drift
    if isinstance(block, int):
        return Window.ending(day, block)
    longest = Window.ending(day, block.days)
    return Window(max(longest.first, since), day) if since is not None and since <= day else longest


def on_reference(subject: Subject) -> Subject:
    """Return the same subject looking at its reference as if it were the batch: the baseline for ``against: reference``."""
    table = subject.reference
    return replace(subject, batch=table, labelled=table, decided=table, baseline=table)


def one_day(subject: Subject, day: date) -> Table:
    """Return the rows of one day, with the labels that have come, as a table of their own."""
    return _days(_Opening(subject.con, subject.root, subject.passport, subject.links), "day", Window(day, day))


def days_table(subject: Subject, days: Sequence[date]) -> Table:
    """Return the rows of many days as one table that says of each row which day it is of, for counting them in one pass.

    Parameters
    ----------
    subject : Subject
    days : sequence of date
        In any order, at least one.

    Returns
    -------
    Table
        The columns of all the days, missing ones filled with NULL, and `DAY_COLUMN`, a DATE. Its rows are those of `one_day`
        for each of the days: late labels find the rows of their own day, so that a key which stands in two days means two
        cases. A file whose name holds two of the days belongs to both.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from tests.support import DAY, make_subject, passport_of
    >>> before = DAY - timedelta(days=1)
    >>> batches = {before: {"label": [1, 0]}, DAY: {"label": [1]}}
    >>> with TemporaryDirectory() as folder, make_subject(Path(folder), passport_of(), None, batches) as subject:
    ...     table = days_table(subject, [before, DAY])
    ...     counted = f"select {quote(DAY_COLUMN)}, count(*) from {table.name} group by 1 order by 1"
    ...     subject.con.execute(counted).fetchall()
    [(datetime.date(2026, 4, 8), 2), (datetime.date(2026, 4, 9), 1)]
    """
    wanted = sorted(set(days))
    opening = _Opening(subject.con, subject.root, subject.passport, subject.links)
    return _of_days(opening, "days", Window(wanted[0], wanted[-1]), wanted)


@dataclass(frozen=True)
class _Opening:
    """What every table is opened with."""

    con: duckdb.DuckDBPyConnection
    root: Path
    passport: Passport
    links: Path | None


def _reference(opening: _Opening) -> Table:
    declared = opening.passport.reference
    try:
        found = files_of(opening.root, declared.path)
    except RoadworthyError as problem:
        return Table("reference", problem=problem.sentence, broken=True)
    if not found:
        return Table("reference", problem=f"The reference '{declared.path}' does not exist.", broken=True)
    table = _view(opening, Table("reference", files=tuple(found)))
    if table and declared.sha256 is not None:
        digest = digest_file(table.files[0]) if len(table.files) == 1 else table.digest
        if digest != declared.sha256:
            said = (
                f"The reference '{declared.path}' has digest {digest[:12]}..., "
                f"but the passport says {declared.sha256[:12]}...: it is not the accepted data."
            )
            return Table("reference", files=table.files, digest=table.digest, problem=said, broken=True)
    return table


def _baseline(opening: _Opening, reference: Table, window: Window) -> Table:
    """Return what the window is compared with; days that moving references name, as far as they are there."""
    declared = opening.passport.drift
    if declared.against == "fixed":
        return reference
    return _of_days(opening, "baseline", Window(window.first - timedelta(days=366), window.last), baseline_days(declared, window))


def baseline_days(declared: Drift, window: Window) -> list[date]:
    """Return the days that a window is compared with, oldest first; none of them is in the window.

    Examples
    --------
    >>> baseline_days(Drift(against="same_weekday", days=2), Window.ending(date(2026, 4, 9), 1))
    [datetime.date(2026, 3, 26), datetime.date(2026, 4, 2)]
    """
    first, n = window.first, declared.days
    if declared.against == "rolling":
        return Window.ending(first - timedelta(days=1), n).days()
    if declared.against == "same_weekday":
        wanted = {day.weekday() for day in window.days()}
        before = (first - timedelta(days=back) for back in range(1, 7 * n + 7))
        return sorted(itertools.islice((day for day in before if day.weekday() in wanted), n * len(wanted)))
    # 364 days are whole weeks, so weekdays stay where they were.
    middle = first + (window.last - first) / 2 - timedelta(days=364)
    return [day for day in Window(middle - timedelta(days=n // 2), middle + timedelta(days=(n - 1) // 2)).days() if day < first]


def _days(opening: _Opening, role: str, window: Window, due: bool = False) -> Table:
    """Open the days of a window; where the last of them is due and missing, older days do not stand in for it."""
    return _of_days(opening, role, window, window.days(), due)


def _of_days(opening: _Opening, role: str, window: Window, wanted: Sequence[date], due: bool = False) -> Table:
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
    return _view(opening, Table(role, window=window, days=tuple(days), missing_days=tuple(missing), files=tuple(found)))


def _view(opening: _Opening, table: Table) -> Table:
    """Return `table` with a view over its files, or with the reason why there is none."""
    con, root, later = opening.con, opening.root, list[Path]()
    digest = ""
    try:
        later = _label_files(opening, table)
        digest = digest_of([[str(path.relative_to(root)), digest_file(path)] for path in (*table.files, *later)])
        name = quote(_name(table))
        scan = _by_day(opening, table, name) if table.role == "days" else _scan(opening, table.files, name)
        late = _labels_come_late(opening, table)
        query = _with_late_labels(opening, table, scan, later, name) if late else f"select * from {scan}"
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


def _scan(opening: _Opening, files: Sequence[Path], name: str, *options: str) -> str:
    named = f"[{', '.join(_listed(opening, files, name))}]"
    return f"read_parquet({', '.join((named, 'union_by_name=true', 'hive_partitioning=false', *options))})"


def _by_day(opening: _Opening, table: Table, name: str) -> str:
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


def _unreadable(opening: _Opening, table: Table, later: Sequence[Path], problem: Exception) -> str:
    bad = _first_broken(opening, (*table.files, *later))
    where = f"'{bad.relative_to(opening.root)}'" if bad else f"{len(table.files)} file(s)"
    said = str(problem).splitlines()[0][:160]
    return f"The {table.role} file {where} cannot be read as Parquet ({said}).".encode(errors="replace").decode()


def _labels_come_late(opening: _Opening, table: Table) -> bool:
    return table.role != "reference" and opening.passport.batches.labels is not None


def _label_files(opening: _Opening, table: Table) -> list[Path]:
    """Return the files of labels that came after these days' batches, once each; none if the passport declares none."""
    declared = opening.passport.batches.labels
    if declared is None or not _labels_come_late(opening, table):
        return []
    return list(dict.fromkeys(path for day in table.days for path in files_of(opening.root, declared, day)))


def _with_late_labels(opening: _Opening, table: Table, scan: str, later: Sequence[Path], name: str) -> str:
    """Return a query for the batch with the labels that came later, the newest that is known for each key.

    A label column in the batch itself is left out: before the outcome is known it can only hold a guess.
    """
    con, batches, column = opening.con, opening.passport.batches, opening.passport.task.label
    key, label = quote(batches.key or ""), quote(column)
    there = _columns(con, scan)
    kept = f"b.* exclude ({label})" if column.lower() in there else "b.*"
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
    if table.role != "days":
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


def _places(opening: _Opening, table: Table, listed: dict[Path, str]) -> tuple[str, str]:
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


def _first_broken(opening: _Opening, files: Sequence[Path]) -> Path | None:
    for path in files:
        try:
            opening.con.execute(f"select count(*) from {_scan(opening, [path], 'broken')}")
        except (duckdb.Error, OSError, ValueError, RuntimeError):  # the last two: a name that is not UTF-8
            return path
    return None


def _listed(opening: _Opening, files: Sequence[Path], name: str) -> list[str]:
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
