"""Identifiers of people in a day's data that the passport does not declare.

A passport may declare columns that name a person or a case, with purpose and legal basis (`identifiers`). What is measured is
what stands in the data besides them: a card number in a comment, a phone number in a column nobody thought of. Evidence holds
counts, kinds and shapes, never a value.

Examples
--------
>>> from pathlib import Path
>>> from tempfile import TemporaryDirectory
>>> from tests.support import DAY, make_subject, passport_of
>>> rows = {"note": ["write to jane@example.org", "nothing to say"], "age": [41, 42]}
>>> with TemporaryDirectory() as folder, make_subject(Path(folder), passport_of(), None, {DAY: rows}) as subject:
...     for m in measure(subject):
...         print(m.metric.partition(".")[2], dict(m.over), m.value, *m.details.get("kinds", {}).items())
identifier_columns {} 1.0
undeclared_identifiers {'column': 'note'} 0.5 ('e-mail', 1)
undeclared_identifiers {'column': 'age'} 0.0
"""

from __future__ import annotations

import duckdb

from checks.identifiers import Found, find
from checks.intervals import wilson
from checks.intervals.scale import CONFIDENCE
from checks.subject import Subject, Table, one_day
from roadworthy.measurement import Measurement, Status, not_measured

__all__ = ["COLUMNS", "UNDECLARED", "measure"]

UNDECLARED = "privacy.undeclared_identifiers"
COLUMNS = "privacy.identifier_columns"
_METHOD = "patterns and validators on every row; Wilson"


def measure(subject: Subject) -> list[Measurement]:
    """Measure which columns of the day's rows hold identifiers of people.

    Parameters
    ----------
    subject : Subject

    Returns
    -------
    list of Measurement
        ``privacy.identifier_columns``: columns that hold identifiers, declared or not. ``privacy.undeclared_identifiers`` over
        ``{"column": name}``: the share of the column's values that hold one, for each column of text or whole numbers that
        the passport does not declare under `identifiers`; `details` hold the kinds with their rows, and a shape. Where the day
        cannot be read, one measurement of each over nothing, ``error`` or ``insufficient`` as the batch is.

    Notes
    -----
    The day's own rows are read, not the whole window: a row is looked at on the night it came. Wilson 1927 is the interval;
    for a share of 0 of n it ends at about 3.8 / n, which is what a reader may conclude about rows to come.
    """
    table = one_day(subject, subject.day)
    if not table and subject.batch:
        table = subject.batch
    if not table:
        due = not table.files and subject.passport.batches.due
        status: Status = "error" if table.broken or due else "insufficient"
        reason = subject.batch.problem or table.problem
        return [not_measured(metric, status, reason) for metric in (COLUMNS, UNDECLARED)]
    try:
        found = find(subject.con, table.name, table.columns)
    except duckdb.Error as problem:  # its text may quote a cell
        reason = f"The day's rows could not be read to their end ({type(problem).__name__})."
        return [not_measured(metric, "error", reason, inputs=_inputs(table)) for metric in (COLUMNS, UNDECLARED)]
    return _told(subject, table, found)


def _told(subject: Subject, table: Table, found: list[Found]) -> list[Measurement]:
    declared = {one.column for one in subject.passport.identifiers}
    holding = [one.column for one in found if one.rows]
    made = [Measurement(
        COLUMNS, value=len(holding), n=table.rows, method="patterns and validators on every row", inputs=_inputs(table),
        details={"columns": holding[:100], "declared": sorted(declared & set(holding)), "looked_at": len(found)},
    )]
    undeclared = [one for one in found if one.column not in declared]
    if not undeclared:
        reason = "The day holds no undeclared column of text or whole numbers, so nothing in it can be an identifier."
        return [*made, not_measured(UNDECLARED, "not_applicable", reason, inputs=_inputs(table))]
    return [*made, *(_share(table, one) for one in undeclared)]


def _share(table: Table, one: Found) -> Measurement:
    over = {"column": one.column}
    if not one.values:
        reason = "The column holds no value on this day, so it holds no identifier either."
        return not_measured(UNDECLARED, "not_applicable", reason, over=over, inputs=_inputs(table))
    interval = wilson(one.rows, one.values)
    return Measurement(
        UNDECLARED, over, one.rows / one.values, interval.low, interval.high, CONFIDENCE, n=one.values,
        stats={"rows": one.rows, "values": one.values}, method=_METHOD, inputs=_inputs(table),
        details={
            "kinds": {kind: of.rows for kind, of in one.kinds.items()}, "shape": one.example,
            "whole": any(of.whole for of in one.kinds.values()),
        },
    )


def _inputs(table: Table) -> dict[str, str]:
    return {"batch": table.digest} if table.digest else {}
