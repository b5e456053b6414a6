"""Models that predict a number: how far off, which way, and how much of the ups and downs is explained."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from checks.intervals import by_influence
from checks.performance.cells import coverage
from checks.performance.columns import Columns
from checks.performance.sheet import Sheet
from checks.subject import Subject
from roadworthy.passport import Task

METRICS = ("mae", "rmse", "r2", "bias", "quantile_loss")
_TOO_LARGE = "The numbers are too large to compute with."


@dataclass(frozen=True)
class Errors:
    """What the numbers of some rows come from.

    Attributes
    ----------
    known, units : int
        Rows with label and prediction, and the independent observations among them.
    means : mapping of str to float
        ``bias``, ``mae``, ``mse``, ``mean`` (of the labels) and ``quantile_loss``.
    variance : float
        Of the labels.
    squares : mapping of str to float
        For each metric the sum over the units of the squared sum of its rows' distances from the mean; for ``rmse`` those of the
        squared errors, for ``r2`` those of the squared errors less the unexplained share of the squared distances of the labels.
    """

    known: int
    units: int
    means: Mapping[str, float]
    variance: float = 0.0
    squares: Mapping[str, float] | None = None


def pinball(task: Task) -> str:
    """Return SQL of the quantile (pinball) loss of e, prediction minus truth; half the absolute error where none is declared.

    Koenker and Bassett 1978, Regression quantiles.

    Examples
    --------
    >>> from tests.support import passport_of
    >>> pinball(passport_of(task={"kind": "regression", "label": "y", "prediction": "d", "quantile": 0.9}).task)
    'greatest((1 - 0.9) * e, -0.9 * e)'
    """
    q = float(task.quantile if task.quantile is not None else 0.5)
    return f"greatest((1 - {q!r}) * e, -{q!r} * e)"


def regression(subject: Subject, columns: Columns, sheet: Sheet) -> None:
    """Write down everything about a model that predicts a number.

    Two passes: the first makes the means, the second the spread around them, so that a large number in front (years,
    prices in cents) costs no digits.
    """
    loss = pinball(subject.passport.task)
    source = f"(select y, d, u, d - y as e from (select {columns.rows} from {sheet.table.name}))"
    [first] = subject.rows(
        f"""select count(*) as n, count(y) as labelled, count(d) as predicted, count(e) as known, favg(e) as bias,
        favg(abs(e)) as mae, favg(e * e) as mse, favg(y) filter (e is not null) as mean, favg({loss}) as quantile_loss
        from {source}"""
    )
    n, known = first["n"], first["known"]
    sheet.details["excluded"] = {"without_label": n - first["labelled"], "without_prediction": n - first["predicted"]}
    coverage(sheet, n, first["labelled"], first["predicted"])
    wanted = [name for name in METRICS if name not in sheet.found]
    means = {name: float(first[name]) for name in ("bias", "mae", "mse", "mean", "quantile_loss")} if known else {}
    if known < 2 or not all(math.isfinite(value) for value in means.values()):
        write_errors(sheet, wanted, Errors(known, known, means))
        return
    unit = "group by u" if sheet.clustered else ""
    [spread] = subject.rows(f"select fsum(power(y - $m, 2)) as total from {source} where e is not null", {"m": means["mean"]})
    variance = float(spread["total"]) / known
    share = means["mse"] / variance if variance > 0 else 0.0
    parts = {
        "bias": "e - $bias", "mae": "abs(e) - $mae", "rmse": "e * e - $mse", "r2": "e * e - $share * power(y - $mean, 2)",
        "quantile_loss": f"{loss} - $quantile_loss",
    }
    inner = ", ".join(f"sum({sql}) as {name}" if unit else f"{sql} as {name}" for name, sql in parts.items())
    outer = ", ".join(f"fsum(power({name}, 2)) as {name}" for name in parts)
    by_unit = f"(select {inner} from {source} where e is not null {unit})"
    [squares] = subject.rows(f"select count(*) as units, {outer} from {by_unit}", {**means, "share": share})
    found = {name: float(squares[name]) for name in parts}
    write_errors(sheet, wanted, Errors(known, int(squares["units"]), means, variance, found))


def write_errors(sheet: Sheet, wanted: Sequence[str], errors: Errors) -> None:
    """Write the metrics down, or why they cannot be."""
    known, units, means, variance = errors.known, errors.units, errors.means, errors.variance
    if known < 2:
        reason = "One row has no spread to make an interval from." if known else "No row has a mature label and a prediction."
        for name in wanted:
            sheet.refuse(name, "insufficient", reason, n=known)
        return
    if errors.squares is None or not all(math.isfinite(value) for value in means.values()):
        for name in wanted:
            sheet.refuse(name, "error", _TOO_LARGE, n=known)
        return
    share = means["mse"] / variance if variance > 0 else 0.0
    for name in wanted:
        if name == "r2" and variance == 0:
            sheet.refuse(name, "insufficient", "All labels are the same, so there are no ups and downs to explain.", n=known)
            continue
        value = {**means, "rmse": math.sqrt(means["mse"]), "r2": 1 - share}[name]
        if units < 2:
            sheet.put(name, value, None, n=known, stats={}, how="mean", units=units)
            continue
        if name == "r2" and not math.isfinite(variance):
            sheet.refuse(name, "error", _TOO_LARGE, n=known)
            continue
        influence = errors.squares[name] / known**2
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
