"""Calibration by group: whether a score of 70 % means 70 % for everyone.

The gap of a group is its mean score minus its share of positive labels: above 0 the score promises more than comes. Both are
of the rows with a usable score and a label, and both speak of the passport's positive value, favourable or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scipy.special import stdtrit

from checks.counts import group, is_numeric, positive, spellings
from checks.fairness.counted import Cell, Names, free_names
from checks.fairness.rates import ALL, measured
from checks.fairness.tally import Tally
from checks.intervals import CONFIDENCE, Interval, normal_quantile, wilson
from checks.subject import Subject, Table
from roadworthy.measurement import Measurement, not_measured
from roadworthy.passport import Passport, Protected
from roadworthy.sql import quote

METRIC = "fairness.calibration_gap"
Sums = dict[Names, tuple[int, float]]


def score_of(passport: Passport, table: Table) -> str:
    """Return SQL of the score as a double, usable from 0 to 1; empty if the table holds no declared score."""
    column = passport.task.score
    if passport.task.kind != "binary" or column is None or not table.has(column):
        return ""
    kind = table.columns[column]
    name = quote(column)
    return f"cast({name} as double)" if is_numeric(kind) else f"try_cast(cast({name} as varchar) as double)"


def measure_calibration(
    passport: Passport, names: list[Names], tally: Tally, by_unit: Sums | None, *, has_score: bool
) -> Iterator[Measurement]:
    """Yield the gap of each group of an attribute.

    Parameters
    ----------
    passport : Passport
        Of a binary task that declares a score.
    names : list of tuple of str
    tally : Tally
        Of labelled rows, with the sums of their scores.
    by_unit : dict, optional
        Units of each group and the sum over them of ``(sum of residuals - gap * rows) ** 2``, where rows are not independent.
    has_score : bool
        Whether the table holds the score.
    """
    column = passport.task.score
    status, reason = tally.status, tally.reason
    if not reason and not has_score:
        status, reason = "error", f"The column '{column}' is not in the data."
    if reason:
        for group_ in tally.part.declared or [ALL]:
            over, told = tally.part.over((group_,)), {"reference_group": tally.reference, **tally.told}
            yield not_measured(METRIC, status, reason, over=over, inputs=tally.inputs, details=told)
        return
    task = passport.task
    positive_code = int(set(spellings(task.positive or 0)) == set(spellings(task.favourable or 0)))
    for name in names:
        cells = [c for c in tally.counted if c.names == name and c.label is not None and c.scored]
        yield _gap(name, tally, cells, positive_code, by_unit)


def _gap(name: Names, tally: Tally, cells: list[Cell], positive_code: int, by_unit: Sums | None) -> Measurement:
    n, score = sum(c.scored for c in cells), sum(c.score for c in cells)
    came = sum(c.scored for c in cells if c.label == positive_code)
    told: dict[str, Any] = {
        "over": tally.part.over(name), "n": n, "stats": {"positives": came, "negatives": n - came}, "inputs": tally.inputs,
        "details": {
            "reference_group": tally.reference, **tally.told,
            **({"expected": score / n, "observed": came / n} if n else {}),
        },
    }
    if n < 2:
        said = "one row" if n else "no row"
        return not_measured(METRIC, "insufficient", f"The group '{', '.join(name)}' has {said} with a score and a label.", **told)
    gap, observed = (score - came) / n, came / n
    if by_unit is None:
        squares = sum(c.squares - (2 * c.score - c.scored) * (c.label == positive_code) for c in cells)
        units, variance = n, max(0.0, squares - n * gap * gap) / (n - 1) / n
    else:
        units, left = by_unit.get(name, (0, 0.0))
        if units < 2:
            unit, column = tally.independence.unit, tally.independence.column
            reason = f"The rows of the group '{', '.join(name)}' are of one {unit} ({column}); an interval needs two."
            return not_measured(METRIC, "insufficient", reason, **told)
        variance = left * units / (units - 1) / n**2
        told["stats"] |= {"units": units}
    return measured(METRIC, gap, calibration_interval(gap, observed, variance, units), "sums", told, tally.how)


def calibration_interval(gap: float, observed: float, variance: float, units: int) -> Interval:
    """Return the interval of mean score minus observed share.

    Parameters
    ----------
    gap : float
    observed : float
        Share of positive labels.
    variance : float
        Of the gap, estimated.
    units : int
        Independent observations, at least 2.

    Notes
    -----
    The Wilson interval of the observed share, on as many rows as would give a share the variance of the gap (less, where that
    is estimated from few: by the squared ratio of the t quantile to the normal one, as Korn and Graubard 1998). It is narrower
    than the share's own where scores foretell the labels, and unlike the t interval of the residuals it does not shrink to
    nothing where none of a small group is positive. In simulations over seven shapes of scores, calibrated and not, at n of
    20, 100 and 500 it held the truth in 95.1 % of draws (t: 94.2 %).

    Examples
    --------
    >>> low, high, *_ = calibration_interval(0.05, 0.3, 0.04**2, 100)
    >>> round(low, 3), round(high, 3)
    (-0.034, 0.123)
    """
    stretch = float(stdtrit(units - 1, (1 + CONFIDENCE) / 2)) / normal_quantile(CONFIDENCE)
    known = variance > 0 and 0 < observed < 1
    worth = observed * (1 - observed) / (variance * stretch**2) if known else float(units)
    share = wilson(observed * worth, worth)
    low, high = gap - (share.high - observed), gap + (observed - share.low)
    return Interval(max(-1.0, low), min(1.0, high), share.se, "linear", "Wilson of the residual variance")


def residuals_by_unit(subject: Subject, table: Table, protected: Protected, score: str) -> Sums:
    """Return for each group its units and the sum over them of ``(sum of residuals - gap * rows) ** 2``.

    Raises
    ------
    duckdb.Error
        If DuckDB cannot count the rows.
    """
    passport, free = subject.passport, free_names(table)
    g, r, total, m = (next(free) for _ in range(4))
    label, unit = passport.task.label, quote(passport.independence.column or "")
    residual = f"case when {score} between 0 and 1 then {score} - {positive(passport, label, table.columns[label])} end"
    rows = f"select {group(protected)} as {g}, {unit}, {residual} as {r} from {table.name}"
    inner = f"select {g}, sum({r}) as {total}, count({r}) as {m} from ({rows}) where {r} is not null group by {g}, {unit}"
    sums = f"count(*), sum({total}), sum({m}), sum({total} * {total}), sum({total} * {m}), sum({m} * {m})"
    found: Sums = {}
    for name, units, t, n, tt, tm, mm in subject.con.execute(f"select {g}, {sums} from ({inner}) group by {g}").fetchall():
        gap = float(t) / float(n)
        found[str(name),] = (int(units), max(0.0, float(tt) - 2 * gap * float(tm) + gap * gap * float(mm)))
    return found
