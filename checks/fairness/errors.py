"""Models that predict a number: how far off they are for each group, and which way.

A group's mean error (prediction minus truth) says whether people of the group are taken for more or for less than they are;
its mean absolute error says how well the model knows them. Both are compared with the reference group's. DuckDB adds up errors,
less the mean of all so that a large number in front costs no digits, and their squares by group; means, spreads and
combinations of two attributes come from the sums.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import duckdb
from scipy.special import stdtrit

from checks.counts import group
from checks.fairness.combinations import MAX_COMBINATIONS, TOO_MANY
from checks.fairness.counted import MAX_GROUPS, Counted, Names, Sums, counted_by, free_names, many_valued
from checks.fairness.rates import ALL, measured
from checks.fairness.tally import Part, said
from checks.intervals import CONFIDENCE, Interval
from checks.performance.columns import number
from checks.subject import Subject, Table
from roadworthy.measurement import Measurement, Status, not_measured
from roadworthy.passport import Protected
from roadworthy.sql import quote

KINDS = ("mean_error", "mean_absolute_error")
METRICS = tuple(
    f"fairness.{short}" for kind in KINDS for short in (kind, f"{kind}_difference", f"intersection_{kind}_difference")
)


class Mean(NamedTuple):
    """A group's mean with the variance of that mean and the independent observations behind it."""

    value: float
    variance: float
    units: int


@dataclass
class _Errors:
    """What the errors of a table add up to."""

    subject: Subject
    table: Table
    offset: dict[str, float] = field(default_factory=dict)
    counted: Counted[Sums] = field(default_factory=Counted)
    error: str = ""

    @property
    def rows(self) -> str:
        """SQL of the rows as truth, prediction and error."""
        y, d, e = self.columns
        task = self.subject.passport.task
        label, prediction = number(self.table, task.label), number(self.table, task.prediction)
        inner = f"select *, {label} as {y}, {prediction} as {d} from {self.table.name}"
        return f"(select *, case when isfinite({d} - {y}) then {d} - {y} end as {e} from ({inner}))"

    @property
    def columns(self) -> tuple[str, str, str]:
        """Free names for truth, prediction and error."""
        free = free_names(self.table)
        return next(free), next(free), next(free)

    @property
    def clustered(self) -> bool:
        """Whether rows are not the independent observations."""
        return self.subject.passport.independence.unit != "row"


def measure_errors(subject: Subject) -> list[Measurement]:
    """Measure error and absolute error of every group, of the rows of ``subject.labelled`` with label and prediction."""
    table, passport = subject.labelled, subject.passport
    parts = [Part((p,)) for p in passport.protected]
    status, reason = _problem(subject, table)
    if reason:
        return [m for part in parts for m in _refused(part, table, status, reason)]
    errors = _Errors(subject, table)
    here = [p for p in passport.protected if table.has(p.column)]
    try:
        _add_up(errors, here)
        found: list[Measurement] = []
        for part in parts:
            found += _attribute(errors, part)
        left = MAX_COMBINATIONS
        for i, first in enumerate(here):
            for second in here[i + 1 :]:
                pair = Part((first, second))
                made, groups = _pair(errors, pair, left)
                left -= groups
                found += made
    except duckdb.Error as problem:
        reason = f"The {table.role} rows cannot be counted ({str(problem).splitlines()[0][:160]})."
        return [m for part in parts for m in _refused(part, table, "error", reason)]
    return found


def _problem(subject: Subject, table: Table) -> tuple[Status, str]:
    task, independence = subject.passport.task, subject.passport.independence
    if not table:
        return ("error" if table.broken else "insufficient"), table.problem
    gone = [c for c in (task.prediction, task.label) if not table.has(c)]
    if gone == [task.label] and subject.passport.batches.labels is not None:
        return "insufficient", "No labels have come yet."
    if gone:
        return "error", f"The column '{gone[0]}' is not in the data."
    if independence.unit != "row" and not table.has(independence.column):
        return "error", f"The column '{independence.column}', the unit of independence, is not in the data."
    return "measured", ""


def _add_up(errors: _Errors, attributes: Sequence[Protected]) -> None:
    """Sum errors by group; the means of all, which are taken away from them first, come from a pass of their own."""
    subject, table = errors.subject, errors.table
    y, d, e = errors.columns
    [means] = subject.con.execute(f"select coalesce(favg({e}), 0), coalesce(favg(abs({e})), 0) from {errors.rows}").fetchall()
    errors.offset = dict(zip(KINDS, (float(x) for x in means), strict=True))
    if not all(math.isfinite(x) for x in errors.offset.values()):
        errors.error = "The numbers are too large to compute with."
        return
    many = many_valued(subject, table, [p.column for p in attributes]) if attributes else set()

    def cells(chosen: Sequence[Protected], most: int) -> list[Sums] | None:
        listed = ", ".join(group(p) for p in chosen)
        sums = [f"count(*), count(*) - count({y}), count(*) - count({d}), count({e})"]
        for value in _values(e):
            sums += [f"coalesce(fsum({value}), 0), coalesce(fsum(power({value}, 2)), 0)"]
        sql = f"select {listed}, {', '.join(sums)} from {errors.rows} group by all"
        rows = subject.con.execute(sql, errors.offset).fetchmany(most + 1)
        width = len(chosen)
        made = [
            Sums(tuple(str(x) for x in r[:width]), None, None, *(int(x) for x in r[width : width + 4]),
                 *(float(x) for x in r[width + 4 :]))
            for r in rows
        ]
        return sorted(made) if len(made) <= most else None

    errors.counted = counted_by(subject, table, attributes, cells, many, 1)


def _values(e: str) -> tuple[str, str]:
    return f"({e} - $mean_error)", f"(abs({e}) - $mean_absolute_error)"


def _attribute(errors: _Errors, part: Part) -> list[Measurement]:
    table, protected = errors.table, part.protected[0]
    if errors.error:
        return list(_refused(part, table, "error", errors.error))
    if not table.has(protected.column):
        return list(_refused(part, table, "error", f"The column '{protected.column}' is not in the data."))
    if reason := errors.counted.refused.get(part.names):
        return list(_refused(part, table, "error", reason))
    sums = {one.names: one for one in errors.counted.of(part.names)}
    if not any(one.known for one in sums.values()):
        return list(_refused(part, table, "insufficient", "No row has a mature label and a prediction."))
    names = sorted({part.reference, *((name,) for name in part.declared), *sums})
    means = _means(errors, part, sums)
    found = []
    for kind in KINDS:
        for name in names:
            found.append(_own(errors, part, name, kind, sums, means))
        for name in names:
            if name != part.reference:
                found.append(_difference(errors, part, name, kind, f"fairness.{kind}_difference", sums, means))
    return found


def _pair(errors: _Errors, part: Part, left: int) -> tuple[list[Measurement], int]:
    """Return the differences of a pair of attributes and how many combinations it has."""
    if any((name,) in errors.counted.refused for name in part.names) or errors.error:
        return [], 0
    sums = {one.names: one for one in errors.counted.of(part.names)} if part.names not in errors.counted.refused else {}
    reason = errors.counted.refused.get(part.names, "")
    if not reason and len(sums) > MAX_GROUPS:
        reason = f"The attributes '{part.names[0]}' and '{part.names[1]}' have more than {MAX_GROUPS} groups together."
    if not reason and len(sums) > left:
        reason = TOO_MANY
    if reason:
        over, details = part.over((ALL, ALL)), {"reference_group": said(part.reference)}
        return [
            not_measured(f"fairness.intersection_{kind}_difference", "insufficient", reason, over=over, details=details)
            for kind in KINDS
        ], 0
    means = _means(errors, part, sums)
    return [
        _difference(errors, part, name, kind, f"fairness.intersection_{kind}_difference", sums, means)
        for kind in KINDS for name in sorted(sums) if name != part.reference
    ], len(sums)


def _means(errors: _Errors, part: Part, sums: dict[Names, Sums]) -> dict[tuple[str, Names], Mean]:
    """Return every group's means with their variances, by unit of independence."""
    found = {}
    by_unit = _by_unit(errors, part) if errors.clustered else {}
    for name, one in sums.items():
        for kind, total, squares in ((KINDS[0], one.error, one.error_squares), (KINDS[1], one.size, one.size_squares)):
            if not one.known:
                continue
            shift = total / one.known
            if errors.clustered:
                units, tt, tn, nn = by_unit[name, kind]
                left = tt - 2 * shift * tn + shift * shift * nn
            else:
                units, left = one.known, squares - one.known * shift * shift
            variance = max(0.0, left) * units / (units - 1) / one.known**2 if units > 1 else 0.0
            found[kind, name] = Mean(errors.offset[kind] + shift, variance, units)
    return found


def _by_unit(errors: _Errors, part: Part) -> dict[tuple[Names, str], tuple[int, float, float, float]]:
    """Return units and, over them, the sums of squared totals, of totals times rows, and of squared rows."""
    free = free_names(errors.table)
    e = [next(free) for _ in range(3)][2]
    names = [next(free) for _ in part.protected]
    n, first, second = (next(free) for _ in range(3))
    spelled = ", ".join(f"{group(p)} as {name}" for p, name in zip(part.protected, names, strict=True))
    listed, unit = ", ".join(names), quote(errors.subject.passport.independence.column or "")
    values = ", ".join(f"sum({value}) as {name}" for value, name in zip(_values(e), (first, second), strict=True))
    rows = f"select {spelled}, {unit}, {e} from {errors.rows} where {e} is not null"
    inner = f"select {listed}, count(*)::double as {n}, {values} from ({rows}) group by {listed}, {unit}"
    sums = ", ".join(f"fsum({t} * {t}), fsum({t} * {n})" for t in (first, second))
    sql = f"select {listed}, count(*), fsum({n} * {n}), {sums} from ({inner}) group by {listed}"
    found = {}
    for row in errors.subject.con.execute(sql, errors.offset).fetchall():
        name, (units, nn, *rest) = tuple(str(x) for x in row[: len(names)]), row[len(names) :]
        for kind, (tt, tn) in zip(KINDS, (rest[:2], rest[2:]), strict=True):
            found[name, kind] = (int(units), float(tt), float(tn), float(nn))
    return found


def _told(errors: _Errors, part: Part, name: Names, sums: dict[Names, Sums]) -> dict[str, Any]:
    one = sums.values()
    excluded = {
        "without_label": sum(s.without_label for s in one), "without_prediction": sum(s.without_prediction for s in one),
    }
    details: dict[str, Any] = {"reference_group": said(part.reference), "excluded": excluded}
    if part.note:
        details["note"] = part.note
    return {"over": part.over(name), "inputs": {errors.table.role: errors.table.digest}, "details": details}


def _how(errors: _Errors) -> str:
    return f", by {errors.subject.passport.independence.unit}" if errors.clustered else ""


def _own(
    errors: _Errors, part: Part, name: Names, kind: str, sums: dict[Names, Sums], means: dict[tuple[str, Names], Mean]
) -> Measurement:
    """Return a group's own mean."""
    known = sums[name].known if name in sums else 0
    told = {**_told(errors, part, name, sums), "n": known, "stats": {}}
    mean = means.get((kind, name))
    if reason := _too_few(errors, part, name, mean):
        return not_measured(f"fairness.{kind}", "insufficient", reason, **told)
    assert mean is not None
    told["stats"] = {"units": mean.units} if errors.clustered else {}
    interval = difference_of_means(mean, Mean(0.0, 0.0, 2))
    if kind == "mean_absolute_error":
        interval = interval._replace(low=max(0.0, interval.low))
    return _checked(f"fairness.{kind}", mean.value, interval._replace(method="t"), "mean", told, _how(errors))


def _difference(
    errors: _Errors, part: Part, name: Names, kind: str, metric: str, sums: dict[Names, Sums],
    means: dict[tuple[str, Names], Mean],
) -> Measurement:
    """Return a group's mean minus that of the reference group."""
    known = [sums[g].known if g in sums else 0 for g in (name, part.reference)]
    told = {**_told(errors, part, name, sums), "n": min(known)}
    told["stats"] = {"n_group": known[0], "n_reference": known[1], "cases_group": known[0], "cases_reference": known[1]}
    here, there = means.get((kind, name)), means.get((kind, part.reference))
    for group_, mean in ((part.reference, there), (name, here)):
        if reason := _too_few(errors, part, group_, mean):
            return not_measured(metric, "insufficient", reason, **told)
    assert here is not None and there is not None
    told["stats"] |= {"mean_group": here.value, "mean_reference": there.value}
    if errors.clustered:
        told["stats"] |= {"units_group": here.units, "units_reference": there.units}
    return _checked(metric, here.value - there.value, difference_of_means(here, there), "sums", told, _how(errors))


def _checked(metric: str, value: float, interval: Interval, how: str, told: dict[str, Any], by: str) -> Measurement:
    if all(math.isfinite(x) for x in (value, interval.low, interval.high, interval.se, *(v for v in told["stats"].values()))):
        return measured(metric, value, interval, how, told, by)
    return not_measured(metric, "error", "The numbers are too large to compute with.", **{**told, "stats": {}})


def _too_few(errors: _Errors, part: Part, name: Names, mean: Mean | None) -> str:
    who = "reference group" if name == part.reference else "group"
    if mean is None:
        return f"The {who} '{said(name)}' has no rows with a mature label and a prediction."
    if mean.units < 2:
        unit = errors.subject.passport.independence.unit
        return f"The {who} '{said(name)}' has one {unit} with a mature label and a prediction; an interval needs two."
    return ""


def difference_of_means(here: Mean, there: Mean) -> Interval:
    """Return the interval of a difference of two independent means.

    Notes
    -----
    Welch 1947, The generalization of Student's problem when several different population variances are involved: t with the
    degrees of freedom of Welch and Satterthwaite; units, not rows, are counted where rows hang together.

    Examples
    --------
    >>> low, high, *_ = difference_of_means(Mean(3.0, 0.5, 5), Mean(2.0, 0.25, 10))
    >>> round(low, 3), round(high, 3)
    (-0.993, 2.993)
    """
    variance = here.variance + there.variance
    value, se = here.value - there.value, math.sqrt(variance)
    if variance == 0 or not math.isfinite(variance):
        return Interval(value - se, value + se, se, "linear", "Welch t")
    parts = sum((one.variance / variance) ** 2 / (one.units - 1) for one in (here, there))
    reach = float(stdtrit(1 / parts, (1 + CONFIDENCE) / 2)) * se
    return Interval(value - reach, value + reach, se, "linear", "Welch t")


def _refused(part: Part, table: Table, status: Status, reason: str) -> Iterator[Measurement]:
    inputs, details = ({table.role: table.digest} if table.digest else {}), {"reference_group": said(part.reference)}
    others = [name for name in part.declared if (name,) != part.reference]
    for kind in KINDS:
        for short, groups in ((kind, part.declared), (f"{kind}_difference", others)):
            for name in groups or [ALL]:
                over = part.over((name,))
                yield not_measured(f"fairness.{short}", status, reason, over=over, inputs=inputs, details=details)
