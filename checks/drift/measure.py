"""Compare a batch with what the passport says it is compared with, and say in measurements what was found.

Examples
--------
>>> from checks import drift
>>> measurements = drift.measure(subject)            # doctest: +SKIP
"""

from __future__ import annotations

import duckdb

from checks.drift import tables
from checks.drift.compare import OF_COLUMNS, compare
from checks.drift.exact import OF_EXACT, exact
from checks.drift.plan import ColumnPlan
from checks.drift.profile import frequent_new, profile
from checks.drift.reference import reference_profile
from checks.subject import Subject, Table
from roadworthy.measurement import Measurement, Status, not_measured


def measure(subject: Subject) -> list[Measurement]:
    """Return every measurement of the family ``drift`` that a night can afford, at least one for each of its metrics.

    Parameters
    ----------
    subject : checks.subject.Subject

    Returns
    -------
    list of Measurement
        Nothing in the data raises: a table or column that is missing, broken, of another type or too small is a measurement
        with that status and a reason. Columns are compared with the baseline, the table's columns with the reference.
    """
    return [
        *_columns(subject), *_schema(subject), tables.volume(subject), tables.weekday_volume(subject), tables.label_rate(subject)
    ]


def _trouble(table: Table, due: bool = False) -> Status:
    """Return what an unusable table means: there is no data (``insufficient``), or it should be there or readable."""
    return "error" if table.broken or (due and not table.files) else "insufficient"


def _schema(subject: Subject) -> list[Measurement]:
    batch = subject.batch
    if not batch.columns:
        status = _trouble(batch, subject.passport.batches.due)
        return [not_measured(metric, status, batch.problem) for metric in tables.OF_SCHEMA]
    return tables.schema(subject)


def _columns(subject: Subject) -> list[Measurement]:
    batch, baseline, wanted = subject.batch, subject.baseline, subject.passport.drift.exact
    inputs = {t.role: t.digest for t in (batch, baseline) if t.digest}
    for table, due in ((batch, subject.passport.batches.due), (baseline, False)):
        if not table:
            said = table.problem
            if table is baseline and baseline.role == "baseline" and not baseline.broken:
                said = f"There is nothing to compare with ({subject.passport.drift.against}): {said}"
            return [not_measured(m, _trouble(table, due), said, inputs=inputs) for m in (*OF_COLUMNS, *OF_EXACT)]
    plan, there = reference_profile(subject)
    if batch.name == baseline.name:
        here = there
    else:
        here = subject.count(batch, plan) if subject.count is not None else profile(subject.con, batch, plan)

    def name_new(column: ColumnPlan) -> list[tuple[str, int]]:
        try:
            return frequent_new(subject.con, batch, column)
        except duckdb.Error:
            return []  # the names are a help to the reader; the share is the measurement

    found = compare(subject, plan, there, here, batch, name_new)
    if not wanted:
        said = "No column is asked for without bins."
        return [*found, *(not_measured(metric, "not_applicable", said, inputs=inputs) for metric in OF_EXACT)]
    return [*found, *exact(subject, wanted, plan)]
