"""Estimate: how good the model most likely is on the days whose labels have not come.

Models that decide
    Confidence-based estimation: what the scores were worth on the reference says how many of today's decisions are right.
Models that predict a number
    Direct loss estimation: a model of the size of the error, learnt on the reference from inputs and prediction.

Both suppose that cases with the same score, or the same inputs, still turn out as they did (no concept drift), and neither
can see it when that is no longer so. Every measurement says it in its details, and the judge takes no estimate for the sole
ground of a pass. When labels come, ``estimate.miss`` is the estimate made for those very rows minus what their labels say.

Rows are those of ``subject.batch``; for ``estimate.miss`` those of ``subject.labelled``.
"""

from __future__ import annotations

import duckdb

from checks.estimate import binary, classes, confidence, direct
from checks.estimate.sheet import FAMILY, WHOLE, Sheet
from checks.subject import Subject
from roadworthy.measurement import Measurement
from roadworthy.passport import Task

__all__ = ["FAMILY", "measure"]



def measure(subject: Subject) -> list[Measurement]:
    """Estimate every performance metric that the kind of model allows, overall and for each protected group.

    Parameters
    ----------
    subject : Subject
        ``reference``, ``batch`` and ``labelled`` are read; ``kept`` holds what the reference taught.

    Returns
    -------
    list of Measurement
        In the catalogue's order. Each metric at least once, if only to say why there is no number.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from tests.support import DAY, make_subject, passport_of
    >>> decided = {"prediction": [1] * 80 + [0] * 80, "score": [0.9] * 80 + [0.2] * 80}
    >>> rows = {"label": [1, 1, 1, 0] * 20 + [0, 0, 0, 1] * 20, **decided}
    >>> with TemporaryDirectory() as folder, make_subject(Path(folder), passport_of(protected=[]), rows, {DAY: rows}) as subject:
    ...     found = {m.metric: m for m in measure(subject)}
    >>> found["estimate.accuracy"].value, found["estimate.accuracy"].details["estimate"], found["estimate.mae"].status
    (0.75, True, 'not_applicable')
    """
    sheet = Sheet(subject)
    _does_not_apply(subject.passport.task, sheet)
    write = {"binary": binary.binary, "multiclass": classes.multiclass, "regression": direct.regression}
    try:
        write[subject.passport.task.kind](subject, sheet)
    except duckdb.Error as problem:
        reason = f"The rows cannot be counted ({str(problem).splitlines()[0][:160]})."
        there = {m.metric for m in sheet.found}
        sheet.refuse([m.partition(".")[2] for m in FAMILY if m not in there], WHOLE, "error", reason, subject.batch)
    return sheet.finished()


def _does_not_apply(task: Task, sheet: Sheet) -> None:
    two, number, decides = "decides between two values", "predicts a number", "decides"
    refused: dict[str, list[tuple[str, tuple[str, ...]]]] = {
        "binary": [(number, direct.METRICS)],
        "multiclass": [(number, direct.METRICS), (two, ("roc_auc", "specificity"))],
        "regression": [(decides, confidence.METRICS)],
    }
    for what, metrics in refused[task.kind]:
        sheet.refuse(metrics, WHOLE, "not_applicable", f"This is for a model that {what}.")
