"""Compare two profiles, column by column, and say in measurements what was found; no data are read.

A night compares the day with its baseline; a backfill compares every day of a year, counted in one pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from checks.drift import kolmogorov, statistics
from checks.drift.blocks import hold_back
from checks.drift.plan import ColumnPlan, Plan, kind_of, may_be_not_finite, step_of
from checks.drift.profile import ColumnCounts, Profile
from checks.drift.reference import compared
from checks.drift.shift import LEAST_EXPECTED, Shift, more_than, shift, two_shares, vanished
from checks.drift.transport import wasserstein_from_counts
from checks.intervals import CONFIDENCE, newcombe, wilson
from checks.subject import Subject, Table
from roadworthy.measurement import Measurement, Status, not_measured

LEAST_ROWS = int(2 * LEAST_EXPECTED)
"""Values of a column in either sample below which two cells cannot be told apart."""

OF_ORDERED = ("drift.ks", "drift.wasserstein")
OF_WORDS = ("drift.new_category_share", "drift.vanished_category_share")
OF_ALL = ("drift.jensen_shannon", "drift.total_variation", "drift.cramers_v")

_NOT_THERE = {
    "drift.psi": "The passport declares no column that can be compared.",
    "drift.score_psi": "The passport declares no score, and no predicted number.",
    **dict.fromkeys((*OF_ALL, "drift.missing_change"), "The passport declares no column that can be compared."),
    **dict.fromkeys(OF_ORDERED, "No compared column holds numbers."),
    **dict.fromkeys(OF_WORDS, "No compared column holds categories."),
    "drift.not_finite_share": "No compared column can hold NaN or infinity.",
}
OF_COLUMNS = tuple(_NOT_THERE)
"""The metrics of columns that two profiles give."""

_SMALL_CELL = 5
_WORTH_A_LOOK = 0.05  # naming new categories takes another pass; a column of many rare ones always has some

NameNew = Callable[[ColumnPlan], list[tuple[str, int]]]


def compare(
    subject: Subject, plan: Plan, there: Profile, here: Profile, batch: Table, name_new: NameNew | None = None
) -> list[Measurement]:
    """Return the measurements of every column that two profiles give, at least one of each metric in `OF_COLUMNS`.

    Parameters
    ----------
    subject : checks.subject.Subject
        Its passport says what is compared, its baseline with what.
    plan : Plan
    there, here : Profile
        Baseline and batch, counted under the plan.
    batch : Table
        What `here` counts: its column types, digest and days. No row of it is read.
    name_new : callable, optional
        Returns the most frequent new categories of a column with their rows. Without it they are not named.

    Returns
    -------
    list of Measurement
        Held back while the batch is part of a block that is still open; see `checks.drift.blocks`.
    """
    inputs = {t.role: t.digest for t in (batch, subject.baseline) if t.digest}
    both = _Both(subject, subject.baseline, batch, plan, there, here, inputs, name_new)
    found: list[Measurement] = []
    for name, why_not in compared(subject.passport).items():
        column = _Column(both, name)
        found += [column.without("drift.psi", "not_applicable", why_not)] if why_not else column.measure()
    measured = {m.metric for m in found}
    found += [not_measured(m, "not_applicable", _NOT_THERE[m], inputs=inputs) for m in OF_COLUMNS if m not in measured]
    return hold_back(replace(subject, batch=batch), found)


@dataclass(frozen=True)
class _Both:
    """Baseline and batch, and what is said of both in every measurement."""

    subject: Subject
    baseline: Table
    batch: Table
    plan: Plan
    there: Profile
    here: Profile
    inputs: dict[str, str]
    name_new: NameNew | None

    @property
    def alone(self) -> str:
        """What a reader must know of a method that takes rows as independent, where they are not.

        A column that is shared by the rows of a block (a day's weather) seems surer than it is.
        """
        return "" if self.subject.passport.independence.unit == "row" else "; rows taken as independent"


@dataclass(frozen=True)
class _Column:
    """One column of both tables, and the measurements of it."""

    both: _Both
    name: str

    @property
    def shift_metric(self) -> str:
        """The score has a metric of its own, because it sums up all inputs."""
        task = self.both.subject.passport.task
        score = task.prediction if task.kind == "regression" and task.score is None else task.score
        return "drift.score_psi" if self.name == score else "drift.psi"

    def measure(self) -> list[Measurement]:
        broken = self._broken()
        if broken:
            status, reason = broken
            return [self.without(m, status, reason) for m in (self.shift_metric, "drift.missing_change")]
        plan, both = self.both.plan.columns[self.name], self.both
        there, here = both.there.columns[self.name], both.here.columns[self.name]
        found = [self._missing(there, here)]
        if plan.why_not:
            return [*found, self.without(self.shift_metric, "not_applicable", plan.why_not)]
        metrics = [self.shift_metric, *OF_ALL, *(OF_ORDERED if plan.ordered else OF_WORDS)]
        if self._changed_kind(there, here):
            types = f"{self._type(both.batch)} in the batch and {self._type(both.baseline)} in the {both.baseline.role}"
            said = f"'{self.name}' is {types}: the two cannot be compared."
            return [*found, *(self.without(m, "error", said) for m in metrics)]
        if not plan.ordered and plan.cells:
            found += [self._new(plan, there, here), self._vanished(plan, there, here)]
        if may_be_not_finite(self._type(both.batch)):
            found.append(self._not_finite(there, here))
        return found + self._distances(plan, there, here)

    def without(self, metric: str, status: Status, reason: str, n: int | None = None) -> Measurement:
        return not_measured(metric, status, reason, over={"column": self.name}, n=n, inputs=self.both.inputs)

    def _measured(self, metric: str, value: float, low: float, high: float, method: str, **more: Any) -> Measurement:
        return Measurement(
            metric, {"column": self.name}, value, low, high, CONFIDENCE, method=method, inputs=self.both.inputs, **more
        )

    def _broken(self) -> tuple[Status, str] | None:
        both, role = self.both, self.both.baseline.role
        if self.name not in both.batch.columns:
            return "error", f"The batch has no column '{self.name}'."
        if self.name not in both.baseline.columns:
            return "insufficient", f"The {role} has no column '{self.name}' to compare with."
        for where, problems in ((role, {**both.plan.problems, **both.there.problems}), ("batch", both.here.problems)):
            if self.name in problems:
                return "error", f"In the {where}, {problems[self.name]}"
        for where, counted in ((role, both.there), ("batch", both.here)):
            if not counted.rows:
                return "insufficient", f"The {where} has no rows."
            if self.name not in counted.columns:
                return "error", f"'{self.name}' was not counted in the {where}."
        return None

    def _type(self, table: Table) -> str:
        return table.columns[self.name][:60]

    def _changed_kind(self, there: ColumnCounts, here: ColumnCounts) -> bool:
        """Say whether the column is another kind of thing in the batch, and both hold values of it."""
        before, now = (kind_of(table.columns[self.name]) for table in (self.both.baseline, self.both.batch))
        filled = there.null < self.both.there.rows and here.null < self.both.here.rows
        return before != now and "empty" not in (before, now) and filled

    def _missing(self, there: ColumnCounts, here: ColumnCounts) -> Measurement:
        n, m = self.both.here.rows, self.both.there.rows
        interval = newcombe(here.null, n, there.null, m)
        return self._measured(
            "drift.missing_change", here.null / n - there.null / m, interval.low, interval.high,
            f"difference of shares; {interval.method} interval", p_value=two_shares(here.null, n, there.null, m), n=min(n, m),
            stats={"missing": here.null, "reference_missing": there.null},
        )

    def _share(
        self, metric: str, hits: int, n: int, p_value: float, stats: dict[str, Any], details: dict[str, Any]
    ) -> Measurement:
        interval = wilson(hits, n)
        return self._measured(
            metric, hits / n, interval.low, interval.high, f"share of rows; {interval.method} interval", p_value=p_value, n=n,
            stats=stats, details=details,
        )

    def _not_finite(self, there: ColumnCounts, here: ColumnCounts) -> Measurement:
        n, m = self.both.here.rows - here.null, self.both.there.rows - there.null
        if n == 0:
            return self.without("drift.not_finite_share", "insufficient", f"The batch holds no value of '{self.name}'.", 0)
        stats = {"nan": here.not_a_number, "plus_infinity": here.plus_infinity, "minus_infinity": here.minus_infinity}
        p_value = more_than(here.not_finite, n, there.not_finite, m) if m else 1.0
        return self._share("drift.not_finite_share", here.not_finite, n, p_value, stats, {"reference": there.not_finite})

    def _new(self, plan: ColumnPlan, there: ColumnCounts, here: ColumnCounts) -> Measurement:
        metric, n, m = "drift.new_category_share", sum(here.cells), sum(there.cells)
        if not n or not m:
            return self._no_value(metric, n)
        new = here.cells[-1]
        details: dict[str, Any] = {"expected_share": plan.singles / m}
        p_value = more_than(new, n, plan.singles, m)
        if p_value < _WORTH_A_LOOK and self.both.name_new is not None:
            details["most_frequent"] = self.both.name_new(plan)
        return self._share(metric, new, n, p_value, {"new": new, "reference_singles": plan.singles}, details)

    def _vanished(self, plan: ColumnPlan, there: ColumnCounts, here: ColumnCounts) -> Measurement:
        metric, n, m = "drift.vanished_category_share", sum(here.cells), sum(there.cells)
        if not n or not m:
            return self._no_value(metric, n)
        found = vanished(there.cells, here.cells, len(plan.top))
        if not found.tested:
            role = self.both.baseline.role
            said = (
                f"The batch holds {n} values of '{self.name}': too few to expect {LEAST_EXPECTED:g} rows of any category "
                f"of the {role}, so none can be missed."
            )
            return self.without(metric, "insufficient", said, n)
        gone, untold = (sum(there.cells[i] for i in cells) for cells in (found.cells, found.untold))
        labels = plan.labels()
        return self._measured(
            metric, gone / m, wilson(gone, m).low, wilson(gone + untold, m).high,
            f"reference's rows in categories of which {LEAST_EXPECTED:g} were expected and none came; Wilson interval, its upper "
            f"end with those too rare to tell; exact hypergeometric p, Bonferroni over categories{self.both.alone}",
            p_value=found.p_value, n=min(n, m),
            stats={"vanished": len(found.cells), "tested": found.tested, "too_rare": len(found.untold), **_sizes(there, here)},
            details={"categories": [[labels[i], there.cells[i]] for i in found.cells if there.cells[i] >= _SMALL_CELL]},
        )

    def _no_value(self, metric: str, n: int) -> Measurement:
        empty = "batch" if not n else self.both.baseline.role
        return self.without(metric, "insufficient", f"The {empty} holds no value of '{self.name}'.", n)

    def _distances(self, plan: ColumnPlan, there: ColumnCounts, here: ColumnCounts) -> list[Measurement]:
        n, m = sum(here.cells), sum(there.cells)
        if min(n, m) < LEAST_ROWS:
            metrics = [self.shift_metric, *OF_ALL, *(OF_ORDERED if plan.ordered else ())]
            table, rows = ("batch", n) if n < LEAST_ROWS else (self.both.baseline.role, m)
            said = f"The {table} holds {rows} values of '{self.name}'; a shift cannot be told from chance below {LEAST_ROWS}."
            return [self.without(metric, "insufficient", said, min(n, m)) for metric in metrics]
        a, b = np.array(plan.comparable(there.cells)), np.array(plan.comparable(here.cells))
        moved = shift(a, b, ordered=plan.ordered)
        found = [self._psi(plan, there, here, moved), *self._of_shares(a, b, _sizes(there, here), moved)]
        return [*found, self._ks(there, here), self._wasserstein(plan, there, here, moved)] if plan.ordered else found

    def _psi(self, plan: ColumnPlan, there: ColumnCounts, here: ColumnCounts, moved: Shift) -> Measurement:
        return self._measured(
            self.shift_metric, moved.effect, moved.low, moved.high,
            f"PSI without its bias, cells of {LEAST_EXPECTED:g} expected rows; delta-method interval; {self._tested(moved)}",
            p_value=moved.p_value, n=min(sum(here.cells), sum(there.cells)),
            stats={"psi": moved.psi, "cells": moved.cells, **_sizes(there, here)},
            details={"cells": _cells(plan, there, here)},
        )

    def _of_shares(
        self, a: NDArray[np.int64], b: NDArray[np.int64], sizes: dict[str, int], moved: Shift
    ) -> list[Measurement]:
        """Return the distances that do not ask for an order."""
        least = min(sizes.values())
        x, y = moved.merged
        statistic, p_value = statistics.chi_square(x, y)
        chi_square = {"statistic": statistic, "freedom": int(((x + y) > 0).sum()) - 1, "p": p_value}
        return [
            self._measured(
                "drift.jensen_shannon", statistics.jensen_shannon(a, b), *statistics.jensen_shannon_interval(a, b),
                f"base 2, on counts; delta-method interval; {self._tested(moved)}", p_value=moved.p_value, n=least, stats=sizes,
            ),
            self._measured(
                "drift.total_variation", statistics.total_variation(a, b), *statistics.total_variation_interval(a, b),
                f"on counts; delta-method interval without its bias; {self._tested(moved)}", p_value=moved.p_value, n=least,
                stats=sizes,
            ),
            self._measured(
                "drift.cramers_v", statistics.cramers_v(x, y), *statistics.cramers_v_interval(x, y),
                f"bias-corrected, cells of {LEAST_EXPECTED:g} expected rows; non-central chi-square interval; "
                f"{self._tested(moved)}", p_value=moved.p_value, n=least, stats={"chi_square": chi_square, **sizes},
            ),
        ]

    def _tested(self, moved: Shift) -> str:
        return moved.method + self.both.alone

    def _ks(self, there: ColumnCounts, here: ColumnCounts) -> Measurement:
        a, b = _finest(there, here)
        sizes, distance = _sizes(there, here), kolmogorov.ks_from_counts(a, b)
        return self._measured(
            "drift.ks", distance, *kolmogorov.ks_interval(a, b),
            f"on counts of {len(a)} cells; Dvoretzky-Kiefer-Wolfowitz interval with what binning may hide{self.both.alone}",
            p_value=kolmogorov.ks_p_value(distance, sizes["batch_n"], sizes["reference_n"]), n=min(sizes.values()),
            stats={**sizes, "gap": kolmogorov.ks_gap(a, b)},
        )

    def _wasserstein(self, plan: ColumnPlan, there: ColumnCounts, here: ColumnCounts, moved: Shift) -> Measurement:
        metric, sizes, role = "drift.wasserstein", _sizes(there, here), self.both.baseline.role
        if not plan.spread or not plan.fine:
            said = f"'{self.name}' does not vary in the {role}, so there is no standard deviation to measure by."
            return self.without(metric, "not_applicable", said, min(sizes.values()))
        steps = [step_of(self._type(table)) for table in (self.both.baseline, self.both.batch)]
        lows, highs = ([e for e in ends if e is not None]
                       for ends in ((there.lowest, here.lowest), (there.highest, here.highest)))
        found = wasserstein_from_counts(
            plan.fine, there.fine, here.fine, spread=plan.spread, step=steps[0] if steps[0] == steps[1] else 0.0,
            lowest=min(lows, default=None), highest=max(highs, default=None),
        )
        if not np.isfinite(found).all():
            said = f"The values of '{self.name}' are further from the {role} than a number can tell in its standard deviations."
            return self.without(metric, "error", said, min(sizes.values()))
        return self._measured(
            metric, found.distance, found.low, found.high,
            f"on counts of {len(there.fine)} cells, in standard deviations of the {role}; delta-method interval with what "
            f"binning may hide; {self._tested(moved)}", p_value=moved.p_value, n=min(sizes.values()),
            stats={**sizes, "least": found.least, "most": found.most, "spread": plan.spread},
        )


def _sizes(there: ColumnCounts, here: ColumnCounts) -> dict[str, int]:
    return {"batch_n": sum(here.cells), "reference_n": sum(there.cells)}


def _finest(there: ColumnCounts, here: ColumnCounts) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return (there.fine, here.fine) if there.fine and here.fine else (there.cells, here.cells)


def _cells(plan: ColumnPlan, there: ColumnCounts, here: ColumnCounts) -> list[list[Any]]:
    """Return [label, rows of the reference, rows of the batch] of each cell that either sample fills, rare words unnamed."""
    found: list[list[Any]] = []
    for label, before, now in zip(plan.labels(), there.cells, here.cells, strict=True):
        if before or now:
            rare = not plan.ordered and before < _SMALL_CELL and not label.startswith("(")
            found.append(["(rare)" if rare else label, before, now])
    return found
