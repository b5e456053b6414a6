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

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb

from roadworthy.canonical import digest_file, digest_of
from roadworthy.passport import Passport
from roadworthy.sql import connect, literal, quote
from roadworthy.window import Window, files_of

SEED = 20261122


@dataclass(frozen=True)
class Table:
    """A view over the files of one role.

    Attributes
    ----------
    role : str
        ``reference``, ``batch`` (the drift window), ``labelled`` (the performance window, mature days) or ``decided``
        (the fairness window).
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
    seed : int
        For every sample and every random choice.
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
    root: Path, passport: Passport, day: date, *, memory_limit: str = "1GB", threads: int | None = None, spill: Path | None = None
) -> Iterator[Subject]:
    """Open the reference and the windows that end with `day`."""
    con = connect(memory_limit, threads, spill)
    try:
        windows, mature = passport.windows, day - timedelta(days=passport.task.maturity_days)
        yield Subject(
            passport,
            root,
            day,
            con,
            reference=_reference(con, root, passport),
            batch=_days(con, root, passport, "batch", Window.ending(day, windows.drift)),
            labelled=_days(con, root, passport, "labelled", Window.ending(mature, windows.performance)),
            decided=_days(con, root, passport, "decided", Window.ending(day, windows.fairness)),
        )
    finally:
        con.close()


def on_reference(subject: Subject) -> Subject:
    """Return the same subject looking at its reference as if it were the batch: the baseline for ``against: reference``."""
    from dataclasses import replace

    table = subject.reference
    return replace(subject, batch=table, labelled=table, decided=table)


def one_day(subject: Subject, day: date) -> Table:
    """Return the rows of one day, with the labels that have come, as a table of their own."""
    return _days(subject.con, subject.root, subject.passport, "day", Window(day, day))


def _reference(con: duckdb.DuckDBPyConnection, root: Path, passport: Passport) -> Table:
    declared = passport.reference
    table = _view(con, "reference", root, [(None, p) for p in files_of(root, declared.path)], passport)
    if not table.files:
        return Table("reference", problem=f"The reference '{declared.path}' does not exist.", broken=True)
    if table and declared.sha256 is not None:
        found = digest_file(table.files[0]) if len(table.files) == 1 else table.digest
        if found != declared.sha256:
            return Table(
                "reference",
                files=table.files,
                digest=table.digest,
                broken=True,
                problem=(
                    f"The reference '{declared.path}' has digest {found[:12]}..., "
                    f"but the passport says {declared.sha256[:12]}...: it is not the accepted data."
                ),
            )
    return table


def _days(con: duckdb.DuckDBPyConnection, root: Path, passport: Passport, role: str, window: Window) -> Table:
    found: list[tuple[date | None, Path]] = []
    missing = []
    for day in window.days():
        here = files_of(root, passport.batches.path, day)
        found += [(day, path) for path in here]
        if not here:
            missing.append(day)
    if not found:
        when = f"{window.last}" if window.first == window.last else f"{window.first} to {window.last}"
        return Table(role, window=window, missing_days=tuple(missing), problem=f"There is no batch for {when}.")
    return _view(con, role, root, found, passport, window, tuple(missing))


def _view(
    con: duckdb.DuckDBPyConnection,
    role: str,
    root: Path,
    found: list[tuple[date | None, Path]],
    passport: Passport,
    window: Window | None = None,
    missing: tuple[date, ...] = (),
) -> Table:
    files = tuple(path for _, path in found)
    days = tuple(sorted({day for day, _ in found if day is not None}))
    digest = ""
    if not files:
        return Table(role, window=window, missing_days=missing, problem="There are no files.")
    try:
        later = _label_files(root, passport, days) if role != "reference" else []
        digest = digest_of([[str(path.relative_to(root)), digest_file(path)] for path in (*files, *later)])
        listed = ", ".join(literal(_unglobbed(path)) for path in files)
        name = quote(role)
        scan = f"read_parquet([{listed}], union_by_name=true, hive_partitioning=false)"
        if later:
            key, label = quote(passport.batches.key or ""), quote(passport.task.label)
            names = [str(row[0]).lower() for row in con.execute(f"describe select * from {scan}").fetchall()]
            kept = f"b.* exclude ({label})" if passport.task.label.lower() in names else "b.*"
            con.execute(
                f"create or replace view {name} as "
                f"select {kept}, l.{label} from {scan} b left join ({_late_labels(passport, later)}) l using ({key})"
            )
        else:
            con.execute(f"create or replace view {name} as select * from {scan}")
        columns = {row[0]: row[1] for row in con.execute(f"describe {name}").fetchall()}
        counted = con.execute(f"select count(*) from {name}").fetchone()
    except (duckdb.Error, OSError) as problem:
        bad = _first_broken(con, files)
        where = f"'{bad.relative_to(root)}'" if bad else f"{len(files)} file(s)"
        said = str(problem).splitlines()[0][:160]
        return Table(
            role,
            window=window,
            days=days,
            missing_days=missing,
            files=files,
            digest=digest,
            broken=True,
            problem=f"The {role} file {where} cannot be read as Parquet ({said}).",
        )
    rows = int(counted[0]) if counted else 0
    return Table(
        role, name, columns, rows, window, days, missing, files, digest, problem="" if rows else f"The {role} has no rows."
    )


def _label_files(root: Path, passport: Passport, days: tuple[date, ...]) -> list[Path]:
    """Return the files of labels that came after these days' batches; none if the passport declares none."""
    declared = passport.batches.labels
    return [] if declared is None else [path for day in days for path in files_of(root, declared, day)]


def _late_labels(passport: Passport, files: list[Path]) -> str:
    """Return a query for labels that came after their batch, the newest per key."""
    listed = ", ".join(literal(_unglobbed(path)) for path in files)
    key, label = quote(passport.batches.key or ""), quote(passport.task.label)
    return (
        f"select {key}, last({label} order by filename) as {label} "
        f"from read_parquet([{listed}], union_by_name=true, hive_partitioning=false, filename=true) group by {key}"
    )


def _first_broken(con: duckdb.DuckDBPyConnection, files: tuple[Path, ...]) -> Path | None:
    for path in files:
        try:
            con.execute(f"select count(*) from read_parquet([{literal(_unglobbed(path))}], hive_partitioning=false)")
        except duckdb.Error:
            return path
    return None


def _unglobbed(path: Path) -> str:
    """Return the path with DuckDB's glob characters taken literally."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in str(path))
