"""The bounded loss of each mature day, as counts: what a sequential test needs and no more.

A decision's loss is 1 if it was wrong and 0 if it was right. A predicted number's loss is its absolute error as a share of
the passport's `loss_bound`, at most 1, counted in steps of 1/64 and rounded down: a test on it stays valid and only loses
a little power.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from checks.performance.sheet import Sheet
from checks.subject import Subject
from roadworthy.passport import Task

if TYPE_CHECKING:
    from checks.performance.days import Day

STEPS = 64


def loss_sql(task: Task) -> str:
    """Return SQL of a row's loss from y and d; without a bound that makes a number's error a loss, 0.

    Examples
    --------
    >>> from tests.support import passport_of
    >>> loss_sql(passport_of().task)
    'case when d = y then 0.0 else 1.0 end'
    """
    if task.kind != "regression":
        return "case when d = y then 0.0 else 1.0 end"
    if task.loss_bound is None:
        return "0.0"
    return f"floor(least(1.0, abs(d - y) / {float(task.loss_bound)!r}) * {STEPS}) / {STEPS}"


def losses(subject: Subject, days: Sequence[Day], sheet: Sheet) -> None:
    """Write ``performance.loss`` with the loss counts of each day in its `stats`.

    ``stats["days"]`` is ``[[day, [[loss, rows], ...]], ...]``, oldest first, of the days with a row that counts;
    ``stats["coverage"]`` is ``[[day, labelled rows, rows], ...]`` of every day with a batch, so that a reader sees how much of a
    day may still come; ``stats["by_day"]`` says that a day, and not a row, is one independent observation.
    """
    task, table = subject.passport.task, sheet.table
    if task.kind == "regression" and task.loss_bound is None:
        sheet.refuse("loss", "not_applicable", "The passport declares no loss_bound, the error that counts as a whole loss.")
        return
    if not table.days:
        sheet.refuse("loss", "insufficient", "The reference is not kept by days." if table else table.problem)
        return
    coverage = [[one.day.isoformat(), one.labelled, one.rows] for one in days]
    days = [one for one in days if one.known]
    rows = sum(one.known for one in days)
    if not rows:
        reason = "No row of the window has a final label and a prediction."
        sheet.refuse("loss", "insufficient", reason, stats={"coverage": coverage})
        return
    sums = [(sum(loss * n for loss, n in one.losses), one.known) for one in days]
    mean = sum(total for total, _ in sums) / rows
    if sheet.clustered:
        squares = (len(sums), sum((total - mean * n) ** 2 for total, n in sums))
    else:
        squares = (rows, sum(n * (loss - mean) ** 2 for one in days for loss, n in one.losses))
    counts = [[one.day.isoformat(), [[loss, n] for loss, n in one.losses]] for one in days]
    stats = {"days": counts, "coverage": coverage, "by_day": subject.passport.independence.unit != "row"}
    sheet.mean("loss", mean, rows, squares, stats)
