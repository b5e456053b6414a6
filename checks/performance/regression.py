"""Models that predict a number: how far off, which way, and how much of the ups and downs is explained."""

from __future__ import annotations

import math

from checks.intervals import by_influence
from checks.performance.classification import coverage
from checks.performance.columns import Columns
from checks.performance.sheet import Sheet
from checks.subject import Subject

_METRICS = ("mae", "rmse", "r2", "bias")


def regression(subject: Subject, columns: Columns, sheet: Sheet) -> None:
    """Write down everything about a model that predicts a number.

    Two passes: the first makes the means, the second the spread around them, so that a large number in front (years,
    prices in cents) costs no digits.
    """
    source = f"(select y, d, u, d - y as e from (select {columns.rows} from {sheet.table.name}))"
    [first] = subject.rows(
        f"""select count(*) as n, count(y) as labelled, count(d) as predicted, count(e) as known,
        favg(e) as bias, favg(abs(e)) as mae, favg(e * e) as mse, favg(y) filter (e is not null) as mean from {source}"""
    )
    n, known = first["n"], first["known"]
    sheet.details["excluded"] = {"without_label": n - first["labelled"], "without_prediction": n - first["predicted"]}
    coverage(sheet, n, first["labelled"], first["predicted"])
    wanted = [name for name in _METRICS if name not in sheet.found]
    if known < 2:
        reason = "One row has no spread to make an interval from." if known else "No row has a mature label and a prediction."
        for name in wanted:
            sheet.refuse(name, "insufficient", reason, n=known)
        return
    means = {name: float(first[name]) for name in ("bias", "mae", "mse", "mean")}
    if not all(math.isfinite(value) for value in means.values()):
        for name in wanted:
            sheet.refuse(name, "error", "The numbers are too large to compute with.", n=known)
        return
    unit = "group by u" if sheet.clustered else ""
    [spread] = subject.rows(f"select fsum(power(y - $m, 2)) as total from {source} where e is not null", {"m": means["mean"]})
    variance = float(spread["total"]) / known
    share = means["mse"] / variance if variance > 0 else 0.0
    parts = {
        "bias": "e - $bias", "mae": "abs(e) - $mae", "rmse": "e * e - $mse", "r2": "e * e - $share * power(y - $mean, 2)",
    }
    inner = ", ".join(f"sum({sql}) as {name}" if unit else f"{sql} as {name}" for name, sql in parts.items())
    outer = ", ".join(f"fsum(power({name}, 2)) as {name}" for name in parts)
    by_unit = f"(select {inner} from {source} where e is not null {unit})"
    [squares] = subject.rows(f"select count(*) as units, {outer} from {by_unit}", {**means, "share": share})
    units = int(squares["units"])
    for name in wanted:
        if name == "r2" and variance == 0:
            sheet.refuse(name, "insufficient", "All labels are the same, so there are no ups and downs to explain.", n=known)
            continue
        value = {"bias": means["bias"], "mae": means["mae"], "rmse": math.sqrt(means["mse"]), "r2": 1 - share}[name]
        if units < 2:
            sheet.put(name, value, None, n=known, stats={}, how="mean", units=units)
            continue
        if name == "r2" and not math.isfinite(variance):
            sheet.refuse(name, "error", "The numbers are too large to compute with.", n=known)
            continue
        influence = float(squares[name]) / known**2
        if name == "r2":  # made on the log scale of the share that is not explained, which keeps it below 1
            relative = math.sqrt(influence) / variance  # squared last: a tiny variance would vanish first
            left = by_influence(share, relative * relative, units, scale="log")
            interval = left._replace(low=1 - left.high, high=1 - left.low, method="log(1 - R2) delta-method")
        elif name == "rmse":
            square = by_influence(means["mse"], influence, units, scale="log")
            low, high = math.sqrt(square.low), math.sqrt(square.high)
            interval = square._replace(low=low, high=high, se=square.se / 2, method="log delta-method")
        else:
            interval = by_influence(value, influence, units)
        sheet.put(name, value, interval, n=known, stats={}, how="mean", units=units if sheet.clustered else None)
