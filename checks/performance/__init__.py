"""Performance: how often the model was right, on the days whose labels are final.

Rows are those of ``subject.labelled``, the window that ends `maturity_days` before the day judged. DuckDB makes counts and
sums of them, in one pass for what needs only those, in a second for the area under the curve (one row for each value of
the score, so ties are exact) and for the spread around a mean; the metrics and their intervals come from the sums. Where
the passport says that rows of one day or one person hang together, the intervals rest on those units and not on rows.

A label that is none of the declared values, a prediction that is none, a score that is no number in [0, 1]: such a row
counts in the coverage and nowhere else. Every metric of the family gets exactly one measurement of the whole, if only to say why
there is no number; classes and the segments that the passport names come after them.

What `stats` hold
    ``positives`` and ``negatives``: rows by label, of those that the metric rests on. Shares of decisions also hold the four
    cells ``true_positives``, ``false_positives``, ``false_negatives``, ``true_negatives``. `n` is the number of rows that the
    metric is a share or mean of: for precision the rows called positive, for recall those that are. ``units`` and
    ``effective_n`` are there where rows are not independent.
"""

from __future__ import annotations

import duckdb

from checks.performance import classes, classification, regression
from checks.performance.columns import Columns, columns_of
from checks.performance.days import by_day, count_days, newest
from checks.performance.losses import losses
from checks.performance.segments import segments
from checks.performance.sheet import FAMILY, Sheet
from checks.subject import Subject, days_table
from roadworthy.catalogue import catalogue
from roadworthy.measurement import Measurement, Status
from roadworthy.passport import Task

__all__ = ["FAMILY", "by_day", "measure"]

_COVERAGE = ("label_coverage", "prediction_coverage")
_BINARY = ("precision", "recall", "specificity", "f1")
_SCORE = ("roc_auc", "average_precision", "brier", "log_loss", "calibration_error")
_CLASSES = (*classes.MACRO, *classes.OF_CLASS)
_DECISION = ("accuracy", "error_rate", "day_error_rate")
_NUMBER = (*regression.METRICS, "day_mae")


def measure(subject: Subject) -> list[Measurement]:
    """Measure every performance metric of the catalogue.

    Parameters
    ----------
    subject : Subject
        Only ``subject.labelled`` is read.

    Returns
    -------
    list of Measurement
        One of the whole for each metric of the family, in the catalogue's order, then those of the parts. A metric that only
        parts have (``class_precision``) is there for the whole if it could not be measured, which then stands for every part.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from tests.support import DAY, make_subject, passport_of
    >>> rows = {"label": [1, 1, 0, 0, None], "prediction": [1, 0, 0, 0, 1], "score": [0.9, 0.4, 0.5, 0.1, 0.7]}
    >>> with TemporaryDirectory() as folder, make_subject(Path(folder), passport_of(), rows, {DAY: rows}) as subject:
    ...     found = {m.metric: m for m in measure(subject)}
    >>> found["performance.accuracy"].value, found["performance.roc_auc"].value, found["performance.label_coverage"].value
    (0.75, 0.75, 0.8)
    """
    passport, table = subject.passport, subject.labelled
    sheet = Sheet(table, passport.independence)
    _does_not_apply(passport.task, sheet)
    if table.window is not None:
        sheet.details |= {"days": len(table.days), "missing_days": len(table.missing_days)}
    if not table:
        return _finish(sheet, [], "error" if table.broken else "insufficient", table.problem)
    columns = columns_of(passport, table)
    parts: list[Measurement] = []
    try:
        _missing_columns(subject, columns, sheet)
        if passport.task.kind == "multiclass":
            parts += classes.multiclass(subject, columns, sheet)
        else:
            (classification.binary if passport.task.kind == "binary" else regression.regression)(subject, columns, sheet)
        parts += segments(subject, columns, sheet)
        counted = count_days(subject, days_table(subject, table.days)) if table.days else []
        newest(subject, counted, sheet)
        if "loss" not in sheet.found:
            losses(subject, counted, sheet)
    except duckdb.Error as problem:
        return _finish(sheet, parts, "error", f"The labelled rows cannot be counted ({str(problem).splitlines()[0][:160]}).")
    return _finish(sheet, parts, "error", "It was not measured.")


def _finish(sheet: Sheet, parts: list[Measurement], status: Status, reason: str) -> list[Measurement]:
    """Return the whole in the catalogue's order, with that reason where nothing was written, and then the parts."""
    in_parts = {m.metric for m in parts}
    for metric in FAMILY:
        short = metric.partition(".")[2]
        if short not in sheet.found and not (catalogue()[metric].over and metric in in_parts):
            sheet.refuse(short, status, reason)
    wholes = (sheet.found.get(metric.partition(".")[2]) for metric in FAMILY)
    return [*(m for m in wholes if m is not None), *parts]


def _does_not_apply(task: Task, sheet: Sheet) -> None:
    """Refuse what does not apply to a model of this kind."""
    two, number = "for a model that decides between two values", "for a model that predicts a number"
    several = "for a model that sorts into several classes"
    not_for: dict[str, list[tuple[str, tuple[str, ...]]]] = {
        "binary": [(number, _NUMBER), (several, _CLASSES)],
        "multiclass": [(number, _NUMBER), (two, (*_BINARY, *_SCORE))],
        "regression": [("for a model that decides", (*_DECISION, *_BINARY, *_SCORE)), (several, _CLASSES)],
    }
    for why, metrics in not_for[task.kind]:
        for short in metrics:
            sheet.refuse(short, "not_applicable", f"This is {why}.")
    if task.kind == "binary" and task.score is None:
        for short in _SCORE:
            sheet.refuse(short, "not_applicable", "The passport declares no score.")
    if task.kind == "regression" and task.quantile is None:
        sheet.refuse("quantile_loss", "not_applicable", "The passport declares no quantile that is predicted.")


def _missing_columns(subject: Subject, columns: Columns, sheet: Sheet) -> None:
    """Refuse what needs a column that the data do not have."""
    task = subject.passport.task
    late = subject.passport.batches.labels is not None
    all_but_coverage = (*_DECISION, *_BINARY, *_CLASSES, *_SCORE, *_NUMBER)
    needed = {
        "label": all_but_coverage if late else (*all_but_coverage, "label_coverage", "loss"),
        "prediction": (*_DECISION, *_BINARY, *_CLASSES, *_NUMBER, "prediction_coverage", "loss"),
        "score": (*_SCORE, "prediction_coverage"),
        "unit": all_but_coverage,
    }
    for role, column in columns.gone.items():
        for short in needed[role]:
            if short in sheet.found:
                continue
            if role == "label" and late:
                sheet.refuse(short, "insufficient", "No labels have come yet.")
            elif role == "unit":
                sheet.refuse(short, "error", f"The column '{column}', the unit of independence, is not in the data.")
            elif role == "label" or task.kind == "binary" or role != "score":
                sheet.refuse(short, "error", f"The column '{column}' is not in the data.")
