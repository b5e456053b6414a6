"""Many past days, each compared as its night would have compared it, from one grouped pass over all of them.

A night counts its window of days anew. Here every day is counted once, many days in one pass
(`checks.drift.profile.profile_by_day`), and the profile of a window is the sum of its days' profiles. So a year costs what
one profile of its rows costs, and windows of a week or a month cost additions.

What cannot be counted so without a difference is counted alone, as its night counts it: a window with a file that cannot be
read, a window whose days have not the same columns and types, and every window that is compared with other days instead of
the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import reduce
from pathlib import Path

import duckdb

from checks.drift import tables
from checks.drift.compare import OF_COLUMNS, compare
from checks.drift.measure import measure
from checks.drift.plan import ColumnPlan, Plan, file_list
from checks.drift.profile import Profile, frequent_new, merge, profile_by_day
from checks.drift.reference import reference_profile
from checks.subject import DAY_COLUMN, Subject, Table, baseline_days, days_table, drift_window, open_subject
from roadworthy.canonical import digest_file, digest_of
from roadworthy.errors import RoadworthyError
from roadworthy.measurement import Measurement, Status, not_measured
from roadworthy.sql import quote
from roadworthy.window import Window, files_of

PASS_BYTES, PASS_CELLS = 2**30, 12_500
"""The largest pass: bytes of its files, and days times columns. A year of 34 columns is one pass, and takes about 130 MB."""

METRICS = (*OF_COLUMNS, "drift.volume_ratio", "drift.weekday_volume_ratio")
"""What is measured of a past day."""


@dataclass(frozen=True)
class _Day:
    """A day on disk.

    Attributes
    ----------
    files : tuple of Path
    read : tuple of (str, str)
        Name and digest of each of them.
    later : tuple of (str, str)
        Name and digest of each file of labels that came later.
    schema : str
        Names and types of the columns, as a digest; empty if there are no files or they cannot be read.
    """

    files: tuple[Path, ...] = ()
    read: tuple[tuple[str, str], ...] = ()
    later: tuple[tuple[str, str], ...] = ()
    schema: str = ""
    problem: str = ""


class PastDays:
    """The past days of one model version.

    Parameters
    ----------
    subject : Subject
        Open. Its reference is what days are compared with; its own windows are not read.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from tests.support import DAY, make_subject, passport_of
    >>> rows = {name: list(range(100)) for name in ("age", "income", "sex", "prediction", "score")}
    >>> with TemporaryDirectory() as folder, make_subject(Path(folder), passport_of(), rows, {DAY: rows}) as subject:
    ...     past = PastDays(subject)
    ...     past.count([DAY])
    ...     found = {(m.metric, m.over.get("column")): m.value for m in past.measure(DAY)[1]}
    >>> found["drift.missing_change", "age"]
    0.0
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        fixed = subject.passport.drift.against == "fixed" and subject.reference
        self._compared = reference_profile(subject) if fixed else None
        self._days: dict[date, _Day] = {}
        self._types: dict[str, dict[str, str]] = {}
        self._profiles: dict[date, Profile | None] = {}  # None: the day has files and no rows

    def window(self, day: date, since: date | None = None) -> Window:
        """Return the days that `day` is judged on; `since` is the first day of the open block, where there are blocks."""
        return drift_window(self._subject.passport, day, since)

    def rests_on(self, day: date, since: date | None = None) -> list[date]:
        """Return the days that the measurements of `day` rest on: its window, and the days that it is compared with, if any."""
        window, declared = self.window(day, since), self._subject.passport.drift
        return window.days() if declared.against == "fixed" else [*baseline_days(declared, window), *window.days()]

    def digest(self, days: Sequence[date]) -> str:
        """Return a digest over the names and digests of all files of days; each file is read once for it."""
        self._look(days)
        return digest_of([[one.isoformat(), *_digests(self._days[one])] for one in days])

    def passes(self, days: Sequence[date]) -> list[list[date]]:
        """Return the days in groups, in their order, each of which is counted in one pass within bounded memory."""
        columns = len(self._compared[0].columns) if self._compared is not None else 1
        most = max(1, PASS_CELLS // max(1, columns))
        found: list[list[date]] = []
        held = 0
        for day in days:
            size = self._size(day)
            if not found or len(found[-1]) >= most or held + size > PASS_BYTES:
                found.append([])
                held = 0
            found[-1].append(day)
            held += size
        return found

    def _size(self, day: date) -> int:
        try:
            return sum(path.stat().st_size for path in files_of(self._subject.root, self._subject.passport.batches.path, day))
        except (RoadworthyError, OSError):
            return 0  # the day itself says what is wrong

    def count(self, days: Sequence[date]) -> None:
        """Count days, those of one schema in one pass; those that were counted before are left out."""
        if self._compared is None:
            return
        self._look(days)
        alike: dict[str, list[date]] = {}
        for day in sorted(set(days) - set(self._profiles)):
            if self._days[day].schema:
                alike.setdefault(self._days[day].schema, []).append(day)
        for some in alike.values():
            self._count(some, self._compared[0])

    def measure(self, day: date, since: date | None = None) -> tuple[Table, list[Measurement]]:
        """Return the window of `day`, and what its night would have measured of `METRICS`.

        Days that it needs and that were not counted are counted now.
        """
        window = self.window(day, since)
        self.count(window.days())
        table = self._table(window) if self._compared is not None else None
        if self._compared is None or table is None:
            return self._alone(day, since)
        subject, (plan, there) = replace(self._subject, day=day, batch=table), self._compared
        if table:
            here = reduce(merge, (found for d in table.days if (found := self._profiles[d]) is not None))
            columns = compare(subject, plan, there, here, table, self._name_new(table))
        else:
            status: Status = "error" if self._subject.passport.batches.due and not table.files else "insufficient"
            inputs = {t.role: t.digest for t in (table, subject.baseline) if t.digest}
            columns = [not_measured(metric, status, table.problem, inputs=inputs) for metric in OF_COLUMNS]
        return table, [*columns, tables.volume(subject), tables.weekday_volume(subject)]

    def forget(self, before: date) -> None:
        """Let go of the profiles of days before a day."""
        self._profiles = {day: found for day, found in self._profiles.items() if day >= before}

    def _look(self, days: Sequence[date]) -> None:
        """Find the files of days, once, with their digests and schemas."""
        found = {day: self._found(day) for day in sorted(set(days) - set(self._days))}
        schemas = self._schemas(list(dict.fromkeys(path for day in found.values() for path in day.files)))
        for day, one in found.items():
            held = sorted({schemas.get(path, "") for path in one.files})
            self._days[day] = replace(one, schema=digest_of(held) if held and all(held) else "")

    def _found(self, day: date) -> _Day:
        batches = self._subject.passport.batches
        try:
            files = files_of(self._subject.root, batches.path, day)
            later = files_of(self._subject.root, batches.labels, day) if batches.labels is not None else []
            return _Day(tuple(files), self._digested(files), self._digested(later))
        except (RoadworthyError, OSError, ValueError) as problem:  # ValueError: a name that is not UTF-8
            return _Day(problem=f"{type(problem).__name__}: {problem}"[:200].encode(errors="replace").decode())

    def _digested(self, files: Sequence[Path]) -> tuple[tuple[str, str], ...]:
        return tuple((str(path.relative_to(self._subject.root)), digest_file(path)) for path in files)

    def _schemas(self, files: Sequence[Path]) -> dict[Path, str]:
        """Return a digest of names and types of the columns of each file whose footer can be read."""
        if not files:
            return {}
        held = "list([name, duckdb_type, num_children::varchar] order by column_id)"
        try:
            rows = self._subject.rows(
                f"select file_name, {held} as held from parquet_schema([{file_list(files)}]) group by file_name"
            )
            return {Path(row["file_name"]): digest_of(row["held"]) for row in rows}
        except (duckdb.Error, ValueError):
            middle = len(files) // 2
            return self._schemas(files[:middle]) | self._schemas(files[middle:]) if middle else {}

    def _count(self, days: Sequence[date], plan: Plan) -> None:
        """Count days of one schema; where that fails, each half of them, so that a bad file takes no other day with it."""
        table = days_table(self._subject, days)
        found: dict[date, Profile] = {}
        fine = not table.broken
        if table:
            try:
                found = profile_by_day(self._subject.con, table, plan, quote(DAY_COLUMN))
                fine = not any(one.problems for one in found.values())
            except duckdb.Error:
                fine = False
        if fine:
            self._types[self._days[days[0]].schema] = {n: kind for n, kind in table.columns.items() if n != DAY_COLUMN}
            self._profiles |= {day: found.get(day) for day in days}
        elif len(days) > 1:
            self._count(days[:len(days) // 2], plan)
            self._count(days[len(days) // 2:], plan)

    def _table(self, window: Window) -> Table | None:
        """Return the window as `checks.subject.open_subject` opens it, or None if its days do not add up to it."""
        days = {day: self._days[day] for day in window.days()}
        there = [day for day, one in days.items() if one.files]
        missing = tuple(day for day, one in days.items() if not one.files)
        if any(one.problem for one in days.values()):
            return None
        if not there or (self._subject.passport.batches.due and window.last in missing):
            when = f"{window.last}" if there or window.first == window.last else f"{window.first} to {window.last}"
            return Table("batch", window=window, missing_days=missing, problem=f"There is no batch for {when}.")
        if len({days[day].schema for day in there}) > 1 or any(day not in self._profiles for day in there):
            return None
        files = tuple(path for day in there for path in days[day].files)
        read = [list(one) for day in there for one in days[day].read]
        later = [list(one) for one in dict.fromkeys(one for day in there for one in days[day].later)]
        rows = sum(found.rows for day in there if (found := self._profiles[day]) is not None)
        # The files themselves instead of a view, which would be read once more for each day.
        scan = f"read_parquet([{file_list(files)}], union_by_name=true, hive_partitioning=false)"
        return Table(
            "batch", scan, self._types[days[there[0]].schema], rows, window, tuple(there), missing, files,
            digest_of([*read, *later]), problem="" if rows else "The batch has no rows.",
        )

    def _name_new(self, table: Table) -> Callable[[ColumnPlan], list[tuple[str, int]]]:
        def names(column: ColumnPlan) -> list[tuple[str, int]]:
            try:
                return frequent_new(self._subject.con, table, column)
            except duckdb.Error:
                return []  # the names are a help to the reader; the share is the measurement

        return names

    def _alone(self, day: date, since: date | None) -> tuple[Table, list[Measurement]]:
        """Measure a day as its night does, with all it opens."""
        passport = self._subject.passport
        short = passport.windows.model_copy(update={"performance": 1, "fairness": 1})  # what is not read need not be opened
        narrow = passport.model_copy(update={"windows": short})
        with open_subject(self._subject.root, narrow, day, since=since, kept=self._subject.kept) as opened:
            found = measure(replace(opened, passport=passport))
            return opened.batch, [m for m in found if m.metric in METRICS and set(m.over) <= {"column"}]


def _digests(day: _Day) -> list[list[str]]:
    return [*map(list, day.read), *map(list, day.later), [day.problem]]
