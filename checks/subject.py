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

from checks.opening import DAY_COLUMN, Opening, Table, of_days, view
from roadworthy.errors import RoadworthyError
from roadworthy.naming import Names
from roadworthy.operating import Drilled
from roadworthy.passport import Drift, Passport
from roadworthy.permissions import Guarded
from roadworthy.serving import Probing
from roadworthy.sql import connect
from roadworthy.window import Window, files_of

__all__ = [
    "DAY_COLUMN", "SEED", "Kept", "Subject", "Table", "baseline_days", "days_table", "drift_window", "on_reference", "one_day",
    "open_subject",
]

SEED = 20261122


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
    predecessor : roadworthy.passport.Passport, optional
        The version of the model that was in service before this one.
    approved : mapping, optional
        Digests that were approved of this version, ``artifact`` and ``image``, or ``problem``; None if none were.
    receipts : mapping, optional
        Digest that the ledger recorded of each intake receipt, by ``batch 2026-04-09`` or ``labels 2026-04-09``; None if nobody
        asked the ledger.
    probing : roadworthy.serving.Probing, optional
        Which endpoint may be asked, and what the switch says of the model; None if none may.
    naming : roadworthy.naming.Names, optional
        The language model that looks for names of people; None if nobody asked for them.
    guarded : sequence of roadworthy.permissions.Guarded, optional
        Files and folders of state, keys and rows whose permissions are looked at; None if nobody named them.
    restricted : pathlib.Path, optional
        The folder of what holds rows, so that its age can be looked at; see `checks.restricted`.
    drilled : roadworthy.operating.Drilled, optional
        The last green drill of the kill switch; None where nobody asks, as at night.
    once : dict
        What several checks need and one of them has made, by what it was made from; gone when the subject is closed.
    seed : int
        For every sample and every random choice.
    links : pathlib.Path, optional
        Folder of links to files whose names DuckDB would take for patterns; gone when the subject is closed.
    digests : dict
        Of each file that was read, so that it is read for its digest once.
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
    digests: dict[tuple[Path, int, int], str] = field(default_factory=dict, compare=False, repr=False)
    baseline: Table = field(default_factory=lambda: Table("baseline", problem="No baseline was opened."))
    kept: Kept | None = None
    count: Callable[[Table, Any], Any] | None = None
    predecessor: Passport | None = None
    approved: Mapping[str, str] | None = None
    receipts: Mapping[str, str] | None = None
    probing: Probing | None = None
    naming: Names | None = None
    guarded: Sequence[Guarded] | None = None
    restricted: Path | None = None
    drilled: Drilled | None = None
    once: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def pool(self) -> dict[str, Any] | None:
        """The block of days that drift is measured on, if the passport declares blocks; closed once it holds enough rows."""
        block, window = self.passport.windows.drift, self.batch.window
        if isinstance(block, int) or window is None:
            return None
        return {
            "since": window.first.isoformat(), "through": window.last.isoformat(), "rows": self.batch.rows, "needed": block.rows,
            "closed": self.batch.rows >= block.rows, "longest": block.days,
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
    count: Callable[[Table, Any], Any] | None = None, predecessor: Passport | None = None,
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
    kept, count, predecessor
        See `Subject`.
    """
    con = connect(memory_limit, threads, spill)
    try:
        with tempfile.TemporaryDirectory(prefix="roadworthy-") as links:
            opening = Opening(con, root, passport, Path(links))
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
                digests=opening.digests,
                baseline=_baseline(opening, reference, pooled),
                kept=kept,
                count=count,
                predecessor=predecessor,
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
    return _days(_opening(subject), "day", Window(day, day))


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
    >>> from roadworthy.sql import quote
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
    opening = _opening(subject)
    return of_days(opening, "days", Window(wanted[0], wanted[-1]), wanted)


def _opening(subject: Subject) -> Opening:
    return Opening(subject.con, subject.root, subject.passport, subject.links, subject.digests)


def _reference(opening: Opening) -> Table:
    declared = opening.passport.reference
    try:
        found = files_of(opening.root, declared.path)
    except RoadworthyError as problem:
        return Table("reference", problem=problem.sentence, broken=True)
    if not found:
        return Table("reference", problem=f"The reference '{declared.path}' does not exist.", broken=True)
    table = view(opening, Table("reference", files=tuple(found)))
    if table and declared.sha256 is not None:
        digest = opening.digest(table.files[0]) if len(table.files) == 1 else table.digest
        if digest != declared.sha256:
            said = (
                f"The reference '{declared.path}' has digest {digest[:12]}..., "
                f"but the passport says {declared.sha256[:12]}...: it is not the accepted data."
            )
            return Table("reference", files=table.files, digest=table.digest, problem=said, broken=True)
    return table


def _baseline(opening: Opening, reference: Table, window: Window) -> Table:
    """Return what the window is compared with; days that moving references name, as far as they are there."""
    declared = opening.passport.drift
    if declared.against == "fixed":
        return reference
    return of_days(opening, "baseline", Window(window.first - timedelta(days=366), window.last), baseline_days(declared, window))


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


def _days(opening: Opening, role: str, window: Window, due: bool = False) -> Table:
    """Open the days of a window; where the last of them is due and missing, older days do not stand in for it."""
    return of_days(opening, role, window, window.days(), due)
