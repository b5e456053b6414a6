"""Models that decide between two values: shares of right decisions, and how good the scores behind them are."""

from __future__ import annotations

from checks.performance import ranking
from checks.performance.cells import cells_sql, coverage, write_cells
from checks.performance.columns import Columns
from checks.performance.sheet import Sheet
from checks.subject import Subject

_NAMES = ("accuracy", "precision", "recall", "specificity", "f1", "error_rate", "brier", "log_loss")


def binary(subject: Subject, columns: Columns, sheet: Sheet) -> None:
    """Write down everything about a model that decides between two values."""
    both = subject.passport.task.score is not None
    source = f"(select {columns.rows}, null as g from {sheet.table.name})"
    [row] = subject.rows(cells_sql("binary", source, sheet.clustered, both))
    n = int(row["n"])
    excluded = {"without_label": n - int(row["labelled"]), "without_decision": n - int(row["decided"])}
    sheet.details["excluded"] = excluded | ({"without_score": n - int(row["scored"])} if both else {})
    coverage(sheet, n, int(row["labelled"]), int(row["usable"]))
    write_cells(sheet, "binary", row, [name for name in _NAMES if name not in sheet.found])
    if "roc_auc" not in sheet.found:
        [different] = subject.rows(f"select approx_count_distinct(s) as scores from {source}")
        positives = int(row["positives"])
        count = {"positives": positives, "negatives": int(row["rated"]) - positives, "different": int(different["scores"])}
        ranking.ordered(subject, source, sheet, count, sheet.clustered)
