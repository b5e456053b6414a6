"""The parts of the data that the passport names: the same numbers for each value of a column, from one grouped query a column.

At most `MOST` values of a column are measured, those with the most rows; how many were left out, and their rows, is said beside
each number. A part of few rows is `insufficient` with its `n`. A metric whose whole could not be measured is not measured in
parts: what is said of the whole stands for them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from checks.counts import MISSING, group
from checks.performance.cells import cells_sql, write_cells
from checks.performance.columns import Columns
from checks.performance.regression import Errors, pinball, write_errors
from checks.performance.sheet import Sheet
from checks.subject import Subject
from roadworthy.catalogue import catalogue
from roadworthy.measurement import Measurement
from roadworthy.passport import Protected

MOST = 50
LEAST = 20
METRICS = tuple(m.id.partition(".")[2] for m in catalogue().values() if m.family == "performance" and "segment" in m.by)

_WITHOUT = {
    "without_label": "labelled", "without_decision": "decided", "without_prediction": "decided", "without_score": "scored",
}


def segments(subject: Subject, columns: Columns, whole: Sheet) -> list[Measurement]:
    """Measure each value of each column that the passport names under `segments`.

    Parameters
    ----------
    subject : Subject
    columns : Columns
        Of the whole.
    whole : Sheet
        With what was measured of the whole.

    Returns
    -------
    list of Measurement
        Over ``{"segment": {column: value}}``, the value as text as `checks.counts.group` writes it. Columns in the passport's
        order, values by their number of rows.

    Raises
    ------
    duckdb.Error
        If DuckDB cannot count the rows.
    """
    wanted = [name for name in METRICS if name in whole.found and whole.found[name].status == "measured"]
    number, found = subject.passport.task.kind == "regression", list[Measurement]()
    for column in subject.passport.segments if wanted else ():
        if not whole.table.has(column):
            sheet = Sheet(whole.table, whole.independence, over={"segment": {column: "(not in the data)"}})
            for name in wanted:
                sheet.refuse(name, "error", f"The column '{column}', which names segments, is not in the data.")
            found += sheet.found.values()
            continue
        part = group(Protected(name="segment", column=column, reference=MISSING))
        source = f"(select {columns.rows}, {part} as g from {whole.table.name})"
        rows = subject.rows((_errors_sql if number else _cells_sql)(subject, source, whole.clustered))
        left = rows[0]["parts"] - len(rows), int(rows[0]["of_rows"]) - sum(int(row["n"]) for row in rows)
        said = {"left_out": {"values": left[0], "rows": left[1]}} if left[0] else {}
        for row in rows:
            details = {**whole.details, "excluded": _excluded(row, whole.details.get("excluded", {})), **said}
            sheet = Sheet(whole.table, whole.independence, details, {"segment": {column: row["g"]}}, LEAST)
            if number:
                _write_errors(sheet, row, wanted)
            else:
                write_cells(sheet, subject.passport.task.kind, row, wanted)
            found += (sheet.found[name] for name in wanted)
    return found


def _excluded(row: Mapping[str, Any], names: Mapping[str, int]) -> dict[str, int]:
    """Return the rows of a part that were left out, under the names that the whole has for them."""
    return {name: int(row["n"] - row[_WITHOUT[name]]) for name in names}


def _cells_sql(subject: Subject, source: str, clustered: bool) -> str:
    """Return SQL of one row for each part, those with the most rows."""
    parts = cells_sql(subject.passport.task.kind, source, clustered, subject.passport.task.score is not None)
    return f"select *, count(*) over () as parts, sum(n) over () as of_rows from ({parts}) order by n desc, g limit {MOST}"


def _errors_sql(subject: Subject, source: str, clustered: bool) -> str:
    """Return SQL of one row for each part: its means, then the spread of its units around them."""
    by, loss = ("g, u" if clustered else ""), pinball(subject.passport.task)
    mean_of = {"bias": "e", "mae": "abs(e)", "mse": "e * e", "quantile_loss": loss}
    means = ", ".join(f"favg({sql}) as {name}" for name, sql in mean_of.items())
    away = {f"z_{name}": f"{sql} - {name}" for name, sql in mean_of.items()} | {"ee": "e * e", "v": "power(y - mean, 2)"}
    inner = ", ".join(f"sum({sql}) as {name}" if by else f"{sql} as {name}" for name, sql in away.items())
    products = ", ".join(f"fsum({a} * {b}) as {a}_{b}" for a, b in (*((z, z) for z in away), ("ee", "v")))
    return f"""with counted as materialized (select g, count(*) as n from {source} group by g),
        chosen as materialized (select * from counted order by n desc, g limit {MOST}),
        rows as (select g, y, d, u, d - y as e from {source} semi join chosen using (g)),
        means as materialized (
            select g, count(y) as labelled, count(d) as decided, count(e) as known, {means},
            favg(y) filter (e is not null) as mean from rows group by g
        ),
        units as (select g, {inner} from rows join means using (g) where e is not null {f"group by {by}" if by else ""}),
        spread as (select g, count(*) as units, fsum(v) as total, {products} from units group by g)
        select *, (select count(*) from counted) as parts, (select sum(n) from counted) as of_rows
        from chosen join means using (g) left join spread using (g) order by n desc, g"""


def _write_errors(sheet: Sheet, row: Mapping[str, Any], wanted: Sequence[str]) -> None:
    known = int(row["known"])
    if known < 2:
        write_errors(sheet, wanted, Errors(known, known, {}))
        return
    means = {name: float(row[name]) for name in ("bias", "mae", "mse", "mean", "quantile_loss")}
    variance = float(row["total"]) / known
    part = means["mse"] / variance if variance > 0 else 0.0
    squares = {name: float(row[f"z_{mean}_z_{mean}"]) for name, mean in (
        ("bias", "bias"), ("mae", "mae"), ("rmse", "mse"), ("quantile_loss", "quantile_loss"))}
    unexplained = float(row["ee_ee"]) - 2 * part * float(row["ee_v"]) + part * part * float(row["v_v"])
    squares["r2"] = max(0.0, unexplained) if math.isfinite(unexplained) else math.inf
    write_errors(sheet, wanted, Errors(known, int(row["units"]), means, variance, squares))
