"""What decisions and their scores add up to, of the whole or part by part, and the numbers that come from the sums.

Each row falls into a cell: true or false, positive or negative; with several classes, right or wrong. Every share is a few cells
of a few cells. Where rows hang together, the spread of a share over its units comes from the products of what pairs of cells hold
in a unit, so one pass is enough whatever the shares are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations_with_replacement
from typing import Any

from checks import intervals
from checks.performance.sheet import Sheet, worth_of

# scikit-learn clips probabilities in the same way, so that one certain mistake does not make the mean infinite.
_EPS = 2.220446049250313e-16
MEANS = {
    "brier": "power(s - y, 2)",
    "log_loss": f"-ln(least(greatest(case when y = 1 then s else 1 - s end, {_EPS}), 1 - {_EPS}))",
}
_CELLS = {
    "binary": {"tp": "y = 1 and d = 1", "fp": "y = 0 and d = 1", "fn": "y = 1 and d = 0", "tn": "y = 0 and d = 0"},
    "multiclass": {"hit": "y = d", "miss": "y <> d"},
}
# Each share as the cells that are counted, and those that they are counted of.
_SHARES = {
    "binary": {
        "accuracy": ("tp tn", "tp fp fn tn"), "error_rate": ("fp fn", "tp fp fn tn"), "precision": ("tp", "tp fp"),
        "recall": ("tp", "tp fn"), "specificity": ("tn", "tn fp"), "f1": ("tp", "tp fp fn"),
    },
    "multiclass": {"accuracy": ("hit", "hit miss"), "error_rate": ("miss", "hit miss")},
}
_STATS = {
    "tp": "true_positives", "fp": "false_positives", "fn": "false_negatives", "tn": "true_negatives",
    "hit": "right", "miss": "wrong",
}
_NOTHING = {
    "precision": "No row with a mature label was called positive.",
    "recall": "No row with a decision has a positive label.",
    "specificity": "No row with a decision has a negative label.",
    "f1": "No row is positive by label or by decision.",
}
_NO_ROWS = "No row has a mature label and a decision."


def cells_sql(kind: str, source: str, by_unit: bool, scored: bool) -> str:
    """Return SQL of one row for each part.

    Parameters
    ----------
    kind : {"binary", "multiclass"}
    source : str
        SQL with the columns y, d, s, u and g, the part.
    by_unit : bool
        Whether rows hang together by u.
    scored : bool
        Whether a row without a score is one without a usable prediction.

    Returns
    -------
    str
        A query with g, n, labelled, decided, scored, usable, the cells, rated (rows with label and score) and the positives of
        them, the sum and the squares of each mean; by unit, the products of pairs of cells and the units of each share.
    """
    cells, means = _CELLS[kind], MEANS if kind == "binary" else {}
    counts = {
        "n": "true", "labelled": "y is not null", "decided": "d is not null", "scored": "s is not null",
        "usable": "d is not null and s is not null" if scored else "d is not null", **cells,
        "rated": "y is not null and s is not null", "positives": "y = 1 and s is not null",
    }
    counted = ", ".join(f"count(*) filter ({sql}) as {name}" for name, sql in counts.items())
    sums = "".join(f", coalesce(fsum({sql}), 0) as {name}" for name, sql in means.items())
    if not by_unit:
        squares = "".join(f", coalesce(fsum(power({sql}, 2)), 0) as {name}_{name}" for name, sql in means.items())
        return f"select g, {counted}{sums}{squares} from {source} group by g"
    added = ", ".join(f"sum({name}) as {name}" for name in (*counts, *means))
    pairs = [*combinations_with_replacement(cells, 2), *((a, b) for a in means for b in (a, "rated")), ("rated", "rated")]
    products = ", ".join(f"fsum({a}::double * {b}) as {a}_{b}" for a, b in pairs)
    bases = {name: base.replace(" ", " + ") for name, (_, base) in _SHARES[kind].items()} | dict.fromkeys(means, "rated")
    units = ", ".join(f"count(*) filter ({base} > 0) as {name}_units" for name, base in bases.items())
    return f"select g, {added}, {products}, {units} from (select g, u, {counted}{sums} from {source} group by g, u) group by g"


def write_cells(sheet: Sheet, kind: str, row: Mapping[str, Any], wanted: Sequence[str]) -> None:
    """Write down what one row of `cells_sql` says."""
    cells = {cell: int(row[cell]) for cell in _CELLS[kind]}
    stats = {_STATS[cell]: n for cell, n in cells.items()}
    if kind == "binary":
        stats = {"positives": cells["tp"] + cells["fn"], "negatives": cells["tn"] + cells["fp"], **stats}
    for name in wanted:
        if name in MEANS:
            _write_mean(sheet, name, row)
            continue
        hits, base = (text.split() for text in _SHARES[kind][name])
        x, m = sum(cells[cell] for cell in hits), sum(cells[cell] for cell in base)
        squares = None
        if sheet.clustered and m:
            weight = {cell: (cell in hits) - x / m for cell in base}
            pairs = ((a, b) for a, b in combinations_with_replacement(cells, 2) if a in base and b in base)
            total = sum(weight[a] * weight[b] * float(row[f"{a}_{b}"]) * (1 if a == b else 2) for a, b in pairs)
            squares = int(row[f"{name}_units"]), max(0.0, total)
        share(sheet, name, x, m, squares, stats)


def _write_mean(sheet: Sheet, name: str, row: Mapping[str, Any]) -> None:
    n, positives = int(row["rated"]), int(row["positives"])
    stats = {"positives": positives, "negatives": n - positives}
    if not n:
        sheet.refuse(name, "insufficient", "No row has a mature label and a usable score.", n=0, stats=stats)
        return
    mean, own = float(row[name]) / n, float(row[f"{name}_{name}"])
    squares = n, own - n * mean * mean
    if sheet.clustered:
        spread = own - 2 * mean * float(row[f"{name}_rated"]) + mean * mean * float(row["rated_rated"])
        squares = int(row[f"{name}_units"]), spread
    sheet.mean(name, mean, n, squares, stats)


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


def coverage(sheet: Sheet, n: int, labelled: int, usable: int) -> None:
    """Write down the share of rows with a label and with a prediction; facts about the rows, so rows are counted."""
    for name, x in (("label_coverage", labelled), ("prediction_coverage", usable)):
        if name not in sheet.found:
            sheet.share(name, x, n, None, {"covered": x, "uncovered": n - x})
