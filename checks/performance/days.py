"""Each day by itself, from one grouped pass over all: for the newest day, for a sequential test, for a year of the past."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import duckdb

from checks import intervals
from checks.performance.columns import columns_of
from checks.performance.losses import loss_sql, losses
from checks.performance.sheet import Sheet
from checks.subject import DAY_COLUMN, Subject, Table, days_table, one_day
from roadworthy.measurement import Measurement
from roadworthy.passport import Independence
from roadworthy.sql import quote


@dataclass(frozen=True)
class Day:
    """What one day's rows add up to.

    Attributes
    ----------
    day : date
    rows, labelled : int
        All rows, and those with a label.
    losses : tuple of (float, int)
        Each loss with its rows, of the rows with label and prediction; see `checks.performance.losses`.
    positives : int
        Of those, the rows with the positive label (binary).
    total, squares : float
        Of those, the sum of the absolute errors and of their squares (regression).
    """

    day: date
    rows: int = 0
    labelled: int = 0
    losses: tuple[tuple[float, int], ...] = ()
    positives: int = 0
    total: float = 0.0
    squares: float = 0.0

    @property
    def known(self) -> int:
        """Rows with label and prediction."""
        return sum(n for _, n in self.losses)

    @property
    def wrong(self) -> int:
        """Rows with a whole loss: for a decision, the wrong ones."""
        return sum(n for loss, n in self.losses if loss == 1)


def count_days(subject: Subject, table: Table) -> list[Day]:
    """Count the days of a table made by `days_table` in one pass; a day without rows is there with none."""
    columns, number = columns_of(subject.passport, table), subject.passport.task.kind == "regression"
    error = "abs(d - y)" if number else "null::double"
    positive = "y = 1" if subject.passport.task.kind == "binary" else "false"
    found = {day: Day(day) for day in table.days}
    for row in subject.rows(
        f"""select day, case when y is not null and d is not null then {loss_sql(subject.passport.task)} end as loss,
        count(*) as n, count(y) as labelled, count(*) filter ({positive} and d is not null) as positives,
        coalesce(fsum({error}), 0) as total, coalesce(fsum(power({error}, 2)), 0) as squares
        from (select {columns.rows}, {quote(DAY_COLUMN)} as day from {table.name}) group by all order by all"""
    ):
        before = found[row["day"]]
        known = ((float(row["loss"]), int(row["n"])),) if row["loss"] is not None else ()
        found[row["day"]] = replace(
            before, rows=before.rows + row["n"], labelled=before.labelled + row["labelled"], losses=before.losses + known,
            positives=before.positives + row["positives"], total=before.total + row["total"],
            squares=before.squares + row["squares"],
        )
    return list(found.values())


def newest(subject: Subject, counted: Sequence[Day], sheet: Sheet) -> None:
    """Write down the newest mature day alone; that day's rows are taken as they are."""
    window, metric = subject.labelled.window, day_metric(subject)
    if metric in sheet.found:
        return
    if window is None:
        sheet.refuse(metric, "insufficient", "The reference is not kept by days.")
        return
    alone = Sheet(subject.labelled, Independence(), {"day": window.last.isoformat()})
    day = next((one for one in counted if one.day == window.last), None)
    if day is None or not day.rows:
        table = one_day(subject, window.last)
        sheet.refuse(metric, "insufficient", f"The newest day with final labels is {window.last}. {table.problem}")
        return
    if not day.known:
        _nothing_known(subject, alone, day)
    else:
        write_day(subject, alone, day)
    sheet.found |= alone.found


def by_day(subject: Subject, days: Sequence[date]) -> dict[date, list[Measurement]]:
    """Measure each of many days alone, such as a year that is recorded after the fact, from one pass over all of them.

    Parameters
    ----------
    subject : Subject
        Its windows are not read. Labels are those that are there now: whether a day is mature is for the caller to say.
    days : sequence of date

    Returns
    -------
    dict of date to list of Measurement
        For each of the days, oldest first: its share of wrong decisions (``performance.day_error_rate``) or mean absolute error
        (``performance.day_mae``), ``performance.label_coverage`` and ``performance.loss``; ``details["day"]`` names it. A day
        without a batch is ``insufficient``; a file that cannot be read is an ``error`` of its own days.

    Examples
    --------
    >>> from datetime import timedelta
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from tests.support import DAY, make_subject, passport_of
    >>> before = DAY - timedelta(days=1)
    >>> batches = {before: {"label": [1, 0], "prediction": [1, 1]}, DAY: {"label": [1], "prediction": [1]}}
    >>> with TemporaryDirectory() as folder, make_subject(Path(folder), passport_of(), None, batches) as subject:
    ...     found = by_day(subject, [before, DAY])
    >>> [(m.metric, m.value) for m in found[before]]
    [('performance.day_error_rate', 0.5), ('performance.label_coverage', 1.0), ('performance.loss', 0.5)]
    """
    wanted = sorted(set(days))
    if not wanted:
        return {}
    table = days_table(subject, wanted)
    reason = table.problem
    if table:
        try:
            counted = {one.day: one for one in count_days(subject, table)}
            return {day: _measure(subject, table, counted.get(day), day) for day in wanted}
        except duckdb.Error as problem:
            table = replace(table, broken=True)
            reason = f"The labelled rows cannot be counted ({str(problem).splitlines()[0][:160]})."
    if not table.broken or len(wanted) == 1:
        return {day: _refuse(subject, table, day, reason) for day in wanted}
    middle = len(wanted) // 2  # so that one file that cannot be read takes no other day with it
    return by_day(subject, wanted[:middle]) | by_day(subject, wanted[middle:])


def day_metric(subject: Subject) -> str:
    """Return the metric of a day alone, without the family."""
    return "day_mae" if subject.passport.task.kind == "regression" else "day_error_rate"


def _measure(subject: Subject, table: Table, day: Day | None, when: date) -> list[Measurement]:
    if day is None or not day.rows:
        return _refuse(subject, table, when, f"There is no batch for {when}." if day is None else "The day has no rows.")
    sheet = Sheet(table, Independence(), {"day": when.isoformat()})
    if day.known:
        write_day(subject, sheet, day)
    else:
        _nothing_known(subject, sheet, day)
    sheet.share("label_coverage", day.labelled, day.rows, None, {"covered": day.labelled, "uncovered": day.rows - day.labelled})
    losses(subject, [day], sheet)
    return [sheet.found[name] for name in (day_metric(subject), "label_coverage", "loss")]


def _refuse(subject: Subject, table: Table, when: date, reason: str) -> list[Measurement]:
    sheet = Sheet(table, Independence(), {"day": when.isoformat()})
    for name in (day_metric(subject), "label_coverage", "loss"):
        sheet.refuse(name, "error" if table.broken else "insufficient", reason)
    return list(sheet.found.values())


def write_day(subject: Subject, sheet: Sheet, day: Day) -> None:
    """Write down a day with known rows: the share of wrong decisions with an exact interval, or the mean absolute error."""
    if subject.passport.task.kind == "regression":
        mean = day.total / day.known
        spread = day.squares - day.known * mean * mean
        if not math.isfinite(spread):
            sheet.refuse("day_mae", "error", "The numbers are too large to compute with.", n=day.known)
            return
        sheet.mean("day_mae", mean, day.known, (day.known, spread), {})
        return
    stats = {"wrong": day.wrong, "right": day.known - day.wrong}
    if subject.passport.task.kind == "binary":
        stats |= {"positives": day.positives, "negatives": day.known - day.positives}
    interval = intervals.clopper_pearson(day.wrong, day.known)
    sheet.put("day_error_rate", day.wrong / day.known, interval, n=day.known, stats=stats, how="count")


def _nothing_known(subject: Subject, sheet: Sheet, day: Day) -> None:
    """Say why no row of the day has both; a column that this day alone lacks is found in its own table."""
    metric, when, table = day_metric(subject), sheet.details["day"], one_day(subject, day.day)
    gone = columns_of(subject.passport, table).gone if table else {}
    missing = [column for role, column in gone.items() if role in ("label", "prediction")]
    if missing:
        late = missing == [subject.passport.task.label] and subject.passport.batches.labels is not None
        reason = f"The column '{missing[0]}' is not in the data of {when}."
        sheet.refuse(metric, "insufficient" if late else "error", reason)
        return
    what = "a mature label and a prediction" if metric == "day_mae" else "a mature label and a decision"
    sheet.refuse(metric, "insufficient", f"No row has {what} on {when}.", n=0)
