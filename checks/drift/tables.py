"""Drift of a table as a whole: its columns and their types, its volume, and the rate of the outcome."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from math import comb
from statistics import median
from typing import Any

import duckdb

from checks.counts import columns_of, positive
from checks.drift.plan import file_list, kind_of, one_row
from checks.drift.shift import two_shares
from checks.intervals import effective_n, newcombe
from checks.subject import Subject, Table
from roadworthy.measurement import Measurement, Status, not_measured
from roadworthy.sql import quote
from roadworthy.window import Window, files_of

OF_SCHEMA = ("drift.missing_columns", "drift.type_changes", "drift.new_columns")
EARLIER_DAYS = 28
LEAST_DAYS = 7
EARLIER_WEEKS = 8
LEAST_WEEKS = 4
_NAMED = 50
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

_READ = {"feature", "protected", "prediction", "score"}
_CARRIED = {"identifier", "time", "unit", "key", "segment"}


def schema(subject: Subject) -> list[Measurement]:
    """Measure missing, changed and new columns of the batch.

    Notes
    -----
    Missing is a column that the model reads, protects or answers with, wherever it is missing, and a column that names or
    groups rows (identifier, time, unit, key, segment) if the reference has it. The label is not counted: it may come later,
    and performance speaks of it. A type has changed if the column is another kind of thing: text instead of a number, not a
    wider number. A column without a single value has no kind.
    """
    batch, reference, declared = subject.batch, subject.reference, columns_of(subject.passport)
    inputs = {t.role: t.digest for t in (batch, reference) if t.digest}
    wanted = [c for c, roles in declared.items() if _READ & set(roles) or (_CARRIED & set(roles) and c in reference.columns)]
    missing = [c for c in wanted if c not in batch.columns]
    found = [_named("drift.missing_columns", missing, len(wanted), "declared columns not in the batch", inputs)]
    if not reference:
        status: Status = "error" if reference.broken else "insufficient"
        return [*found, *(not_measured(metric, status, reference.problem, inputs=inputs) for metric in OF_SCHEMA[1:])]
    both = [c for c in batch.columns if c in reference.columns]
    changed = {c: f"{reference.columns[c]} -> {batch.columns[c]}"[:200] for c in both if changed_kind(subject, c)}
    new = [c for c in batch.columns if c not in reference.columns and c not in declared]
    return [
        *found,
        _named("drift.type_changes", [*changed], len(both), "kind of a column's type, against the reference", inputs, changed),
        _named("drift.new_columns", new, len(batch.columns), "columns neither declared nor in the reference", inputs),
    ]


def changed_kind(subject: Subject, column: str) -> bool:
    """Say whether a column that both tables have is another kind of thing in the batch, and both hold values of it."""
    there, here = kind_of(subject.reference.columns[column]), kind_of(subject.batch.columns[column])
    if there == here or "empty" in (there, here):
        return False
    return _any_value(subject, subject.batch, column) and _any_value(subject, subject.reference, column)


def _any_value(subject: Subject, table: Table, column: str) -> bool:
    try:
        return bool(one_row(subject.con, f"select 1 from {table.name} where {quote(column)} is not null limit 1"))
    except duckdb.Error:
        return True  # unreadable is a problem of its own; it must not hide the change


def _named(
    metric: str, names: list[str], of: int, method: str, inputs: dict[str, str], types: dict[str, str] | None = None
) -> Measurement:
    details: dict[str, Any] = {"columns": names[:_NAMED]}
    if types:
        details["types"] = {name: types[name] for name in names[:_NAMED]}
    return Measurement(metric, value=len(names), n=of, method=method, inputs=inputs, details=details)


def volume(subject: Subject) -> Measurement:
    """Measure the rows of the day judged against the median of the 28 days before it; at least 7 of them must be there.

    Notes
    -----
    The day alone, even where the batch is a window of days, in whose mean a delivery cut short would not show. Rows are
    counted in the footers of the files. The interval comes from that of the median by order statistics (David and Nagaraja
    2003, Order Statistics, 7.1), which assumes nothing about the days but that they are alike.
    """
    earlier = Window.ending(subject.day - timedelta(days=1), EARLIER_DAYS).days()
    return _volume(subject, "drift.volume_ratio", earlier, LEAST_DAYS, "days before")


def weekday_volume(subject: Subject) -> Measurement:
    """Measure the rows of the day judged against the median of its weekday in eight weeks; four of them must be there.

    A Sunday is not a cut delivery because it is not a Friday. Notes as for `volume`; with four weeks the interval covers
    the median 87 times in 100, with eight 99 times.
    """
    earlier = [subject.day - timedelta(weeks=back) for back in range(EARLIER_WEEKS, 0, -1)]
    return _volume(subject, "drift.weekday_volume_ratio", earlier, LEAST_WEEKS, f"{_WEEKDAYS[subject.day.weekday()]}s before")


def _volume(subject: Subject, metric: str, earlier: Sequence[date], least: int, called: str) -> Measurement:
    day = subject.day
    inputs = {"batch": subject.batch.digest} if subject.batch.digest else {}
    if subject.batch.window is None:
        return not_measured(metric, "not_applicable", "The table is no day's batch, so it has no days before it.", inputs=inputs)
    today = _rows_of(subject, day)
    if today is None:
        there = files_of(subject.root, subject.passport.batches.path, day)
        text = f"The batch of {day} cannot be read." if there else f"There is no batch for {day}."
        return not_measured(metric, "error" if there or subject.passport.batches.due else "insufficient", text, inputs=inputs)
    rows = sorted(n for n in (_rows_of(subject, before) for before in earlier) if n is not None)
    usual = median(rows) if rows else 0
    if len(rows) < least or usual == 0:
        text = f"Only {len(rows)} of the {len(earlier)} {called} have a batch; the usual volume needs {least}."
        if len(rows) >= least:
            text = f"Most of the {called} are empty, so there is no usual volume."
        return not_measured(metric, "insufficient", text, n=today, inputs=inputs)
    low, high, confidence = _median_interval(rows)
    ends = (today / high, today / low, confidence) if low > 0 else (None, None, None)
    return Measurement(
        metric, value=today / usual, low=ends[0], high=ends[1], confidence=ends[2], n=today,
        stats={"rows": today, "usual": usual, "days": len(rows)}, inputs=inputs,
        method=f"rows of the day over the median of {len(rows)} {called}; interval of the median by order statistics",
    )


def _rows_of(subject: Subject, day: date) -> int | None:
    """Return the rows of a day's files, from their footers; None if there are none or one cannot be read."""
    files = files_of(subject.root, subject.passport.batches.path, day)
    if not files:
        return None
    try:
        row = one_row(subject.con, f"select sum(num_rows) from parquet_file_metadata([{file_list(files)}])")
    except duckdb.Error:
        return None
    return int(row[0]) if row[0] is not None else None


def _median_interval(values: list[int], confidence: float = 0.95) -> tuple[int, int, float]:
    """Return the narrowest symmetric pair of order statistics that covers the median so often, and how often it does.

    Examples
    --------
    >>> _median_interval([1, 2, 3, 4, 5, 6, 7])
    (1, 7, 0.984375)
    """
    n = len(values)
    outside, k = 0.0, 0
    while k + 1 <= n // 2 and 2 * (outside + comb(n, k) / 2**n) <= 1 - confidence:
        outside += comb(n, k) / 2**n
        k += 1
    k = max(k, 1)
    outside = sum(comb(n, i) for i in range(k)) / 2**n
    return values[k - 1], values[n - k], 1 - 2 * outside


def label_rate(subject: Subject) -> Measurement:
    """Measure the change of the positive outcome's share, matured labels against the reference.

    Notes
    -----
    Newcombe's interval. Where the passport says that rows come in blocks or by entity, both samples count as many rows as
    would be as informative if they were independent.
    """
    metric, passport = "drift.label_rate_change", subject.passport
    inputs = {t.role: t.digest for t in (subject.labelled, subject.reference) if t.digest}
    if passport.task.kind != "binary":
        return not_measured(metric, "not_applicable", f"A {passport.task.kind} model has no rate of one outcome.", inputs=inputs)
    label, shares = passport.task.label, []
    for table in (subject.labelled, subject.reference):
        if not table:
            return not_measured(metric, "error" if table.broken else "insufficient", table.problem, inputs=inputs)
        if not table.has(label):
            return not_measured(metric, "insufficient", f"The {table.role} table has no column '{label}'.", inputs=inputs)
        try:
            shares.append(_share(subject, table, positive(passport, label, table.columns[label])))
        except duckdb.Error as failed:
            text = f"The label of the {table.role} table cannot be read ({str(failed).splitlines()[0][:160]})."
            return not_measured(metric, "error", text, inputs=inputs)
        if shares[-1][1] == 0:
            return not_measured(metric, "insufficient", f"The {table.role} table has no usable label.", inputs=inputs)
    (k, n, e), (k0, n0, e0) = shares
    interval = newcombe(k / n * e, e, k0 / n0 * e0, e0)
    units = "" if passport.independence.unit == "row" else f" on the effective number of rows by {passport.independence.unit}"
    return Measurement(
        metric, value=k / n - k0 / n0, low=interval.low, high=interval.high, confidence=0.95,
        p_value=two_shares(round(k / n * e), max(1, round(e)), round(k0 / n0 * e0), max(1, round(e0))), n=min(n, n0),
        stats={"positives": k, "negatives": n - k, "reference_positives": k0, "reference_negatives": n0 - k0, "effective_n": e},
        method=f"difference of shares; {interval.method} interval{units}", inputs=inputs,
    )


def _share(subject: Subject, table: Table, expression: str) -> tuple[int, int, float]:
    """Return positives, rows with a label, and how many independent rows these are worth."""
    unit = subject.passport.independence.column
    by = quote(unit) if unit is not None and subject.passport.independence.unit != "row" and unit in table.columns else None
    units = f"select sum(x) as k, count(x) as n from (select {expression} as x{f', {by} as u' if by else ''} from {table.name}) "
    asked = "sum(k), sum(n), sum(k * k), sum(k * n), sum(n * n), count(*)"
    row = one_row(subject.con, f"select {asked} from ({units} {'group by u' if by else ''}) where n > 0")
    k, n, kk, kn, nn, blocks = (int(v or 0) for v in row)
    if by is None or n == 0:
        return k, n, float(n)
    if blocks < 2:
        return k, n, 1.0  # one block is one observation
    p = k / n
    between = max(0.0, kk - 2 * p * kn + p * p * nn)
    return k, n, max(1.0, effective_n(p, between / n**2 * blocks / (blocks - 1), n))
