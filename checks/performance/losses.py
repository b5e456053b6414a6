"""The bounded loss of each mature day, as counts: what a sequential test needs and no more.

A decision's loss is 1 if it was wrong and 0 if it was right. A predicted number's loss is its absolute error as a share of
the passport's `loss_bound`, at most 1, counted in steps of 1/64 and rounded down: a test on it stays valid and only loses
a little power.
"""

from __future__ import annotations

from datetime import date

from checks.performance.columns import columns_of
from checks.performance.sheet import Sheet
from checks.subject import Subject, one_day

STEPS = 64


def losses(subject: Subject, sheet: Sheet) -> None:
    """Write ``performance.loss`` with the loss counts of each day of the window in its `stats`.

    ``stats["days"]`` is ``[[day, [[loss, rows], ...]], ...]``, oldest first; ``stats["by_day"]`` says that a day, and not a
    row, is one independent observation.
    """
    task, table = subject.passport.task, subject.labelled
    if task.kind == "regression" and task.loss_bound is None:
        sheet.refuse("loss", "not_applicable", "The passport declares no loss_bound, the error that counts as a whole loss.")
        return
    if not table.days:
        sheet.refuse("loss", "insufficient", "The reference is not kept by days." if table else table.problem)
        return
    days: list[list[object]] = []
    counted: dict[float, int] = {}
    sums: list[tuple[float, int]] = []
    for day in table.days:
        counts = _counts(subject, day)
        if counts:
            days.append([day.isoformat(), [[loss, n] for loss, n in counts]])
            sums.append((sum(loss * n for loss, n in counts), sum(n for _, n in counts)))
            for loss, n in counts:
                counted[loss] = counted.get(loss, 0) + n
    rows = sum(n for _, n in sums)
    if not rows:
        sheet.refuse("loss", "insufficient", "No row of the window has a final label and a prediction.")
        return
    mean = sum(total for total, _ in sums) / rows
    if sheet.clustered:
        squares = (len(sums), sum((total - mean * n) ** 2 for total, n in sums))
    else:
        squares = (rows, sum(n * (loss - mean) ** 2 for loss, n in counted.items()))
    sheet.mean("loss", mean, rows, squares, {"days": days, "by_day": sheet.clustered})


def _counts(subject: Subject, day: date) -> list[tuple[float, int]]:
    """Return how many rows of a day have which loss."""
    task = subject.passport.task
    table = one_day(subject, day)
    if not table:
        return []
    columns = columns_of(subject.passport, table)
    if {"label", "prediction"} & set(columns.gone):
        return []
    if task.kind == "regression":
        bound = float(task.loss_bound or 1)
        loss = f"floor(least(1.0, abs(d - y) / {bound!r}) * {STEPS}) / {STEPS}"
    else:
        loss = "case when d = y then 0.0 else 1.0 end"
    found = subject.rows(
        f"select {loss} as loss, count(*) as n from (select {columns.rows} from {table.name}) "
        "where y is not null and d is not null group by 1 order by 1"
    )
    return [(float(row["loss"]), int(row["n"])) for row in found]
