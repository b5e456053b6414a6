"""Models that decide: shares of right decisions, and how good the scores behind them are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from checks import intervals
from checks.performance import ranking
from checks.performance.columns import Columns
from checks.performance.sheet import Sheet, worth_of
from checks.subject import Subject

# scikit-learn clips probabilities in the same way, so that one certain mistake does not make the mean infinite.
_EPS = 2.220446049250313e-16
BRIER = "power(s - y, 2)"
_LOG_LOSS = f"-ln(least(greatest(case when y = 1 then s else 1 - s end, {_EPS}), 1 - {_EPS}))"

# Each share as what is counted, and of what; each mean as what is summed, and over what.
_PARTS = {
    "accuracy": ("y = d", "y is not null and d is not null"),
    "precision": ("y = 1 and d = 1", "d = 1 and y is not null"),
    "recall": ("y = 1 and d = 1", "y = 1 and d is not null"),
    "specificity": ("y = 0 and d = 0", "y = 0 and d is not null"),
    "f1": ("y = 1 and d = 1", "(y = 1 and d is not null) or (d = 1 and y is not null)"),
}
_MEANS = {"brier": BRIER, "log_loss": _LOG_LOSS}
_SCORED = "y is not null and s is not null"

_NOTHING = {
    "precision": "No row with a mature label was called positive.",
    "recall": "No row with a decision has a positive label.",
    "specificity": "No row with a decision has a negative label.",
    "f1": "No row is positive by label or by decision.",
}
_NO_ROWS = "No row has a mature label and a decision."


def binary(subject: Subject, columns: Columns, sheet: Sheet) -> None:
    """Write down everything about a model that decides between two values."""
    both = subject.passport.task.score is not None
    source = f"(select {columns.rows} from {sheet.table.name})"
    [count] = subject.rows(
        f"""select count(*) as n, count(y) as labelled, count(d) as decided, count(s) as scored,
        count(*) filter (d is not null{" and s is not null" if both else ""}) as usable,
        count(*) filter (y = 1 and d = 1) as tp, count(*) filter (y = 0 and d = 1) as fp,
        count(*) filter (y = 1 and d = 0) as fn, count(*) filter (y = 0 and d = 0) as tn,
        count(*) filter (y = 1 and s is not null) as positives, count(*) filter (y = 0 and s is not null) as negatives,
        approx_count_distinct(s) as different,
        fsum({BRIER}) as brier, fsum(power({BRIER}, 2)) as brier_squares,
        fsum({_LOG_LOSS}) as log_loss, fsum(power({_LOG_LOSS}, 2)) as log_loss_squares from {source}"""
    )
    n = count["n"]
    excluded = {"without_label": n - count["labelled"], "without_decision": n - count["decided"]}
    sheet.details["excluded"] = excluded | ({"without_score": n - count["scored"]} if both else {})
    coverage(sheet, n, count["labelled"], count["usable"])
    tp, fp, fn, tn = (count[cell] for cell in ("tp", "fp", "fn", "tn"))
    shares = {
        "accuracy": (tp + tn, tp + fp + fn + tn), "precision": (tp, tp + fp), "recall": (tp, tp + fn),
        "specificity": (tn, tn + fp), "f1": (tp, tp + fp + fn),
    }
    scored = count["positives"] + count["negatives"]
    means = {name: count[name] / scored for name in _MEANS} if scored else {}
    centres = {name: x / m for name, (x, m) in shares.items() if m} | means
    by_unit = _by_unit(subject, source, centres) if sheet.clustered and "unit" not in columns.gone else {}
    stats = {
        "positives": tp + fn, "negatives": tn + fp,
        "true_positives": tp, "false_positives": fp, "false_negatives": fn, "true_negatives": tn,
    }
    for name, (x, m) in shares.items():
        if name not in sheet.found:
            share(sheet, name, x, m, by_unit.get(name), stats)
    if "error_rate" not in sheet.found:
        share(sheet, "error_rate", fp + fn, tp + fp + fn + tn, by_unit.get("accuracy"), stats)
    stats = {"positives": count["positives"], "negatives": count["negatives"]}
    for name in _MEANS:
        if name not in sheet.found:
            squares = by_unit.get(name, (scored, count[f"{name}_squares"] - scored * means[name] ** 2) if scored else (0, 0.0))
            _mean(sheet, name, means.get(name, 0.0), scored, squares, stats)
    if "roc_auc" not in sheet.found:
        ranking.ordered(subject, source, sheet, count, sheet.clustered)


def coverage(sheet: Sheet, n: int, labelled: int, usable: int) -> None:
    """Write down the share of rows with a label and with a prediction; facts about the rows, so rows are counted."""
    for name, x in (("label_coverage", labelled), ("prediction_coverage", usable)):
        if name not in sheet.found:
            sheet.share(name, x, n, None, {"covered": x, "uncovered": n - x})


def share(sheet: Sheet, name: str, x: int, m: int, squares: tuple[int, float] | None, stats: Mapping[str, Any]) -> None:
    """Write down a share of rows, or F1, of which the share is the Jaccard index; `squares` as `Sheet.share` takes them."""
    if m == 0:
        sheet.refuse(name, "insufficient", _NOTHING.get(name, _NO_ROWS), n=0, stats=stats)
    elif not name.endswith("f1"):
        sheet.share(name, x, m, squares, stats)
    elif squares is None:
        sheet.put(name, 2 * x / (x + m), intervals.f1(x, m - x), n=m, stats=stats, how="count")
    else:
        worth = worth_of(x / m, m, *squares)
        interval = intervals.f1(x / m * worth, (1 - x / m) * worth) if worth else None
        sheet.put(name, 2 * x / (x + m), interval, n=m, stats={**stats, "effective_n": worth}, how="count", units=squares[0])


def _mean(sheet: Sheet, name: str, value: float, n: int, squares: tuple[int, float], stats: Mapping[str, Any]) -> None:
    if n == 0:
        sheet.refuse(name, "insufficient", "No row has a mature label and a usable score.", n=0, stats=stats)
        return
    sheet.mean(name, value, n, squares, stats)


def _by_unit(subject: Subject, source: str, centres: Mapping[str, float]) -> dict[str, tuple[int, float]]:
    """Return for each share or mean the units it has rows of, and the sum over them of (sum - centre * rows) squared."""
    if not centres:
        return {}
    inner, outer = [], []
    for place, name in enumerate(centres):
        of = _PARTS[name][1] if name in _PARTS else _SCORED
        value = f"case when {_PARTS[name][0]} then 1.0 else 0.0 end" if name in _PARTS else _MEANS[name]
        inner.append(f"count(*) filter ({of}) as m{place}, coalesce(sum({value} - $c{place}) filter ({of}), 0) as z{place}")
        outer.append(f"count(*) filter (m{place} > 0) as m{place}, fsum(z{place} * z{place}) as z{place}")
    sql = f"select {', '.join(outer)} from (select {', '.join(inner)} from {source} group by u)"
    row = subject.con.execute(sql, {f"c{place}": centre for place, centre in enumerate(centres.values())}).fetchone() or ()
    return {name: (int(row[2 * place]), float(row[2 * place + 1] or 0.0)) for place, name in enumerate(centres)}
