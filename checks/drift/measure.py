"""Compare a batch with the reference, column by column, and say in measurements what was found.

Examples
--------
>>> from checks import drift
>>> measurements = drift.measure(subject)            # doctest: +SKIP
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np

from checks.counts import columns_of
from checks.drift import statistics, tables
from checks.drift.blocks import hold_back
from checks.drift.plan import ColumnPlan, Plan, may_be_not_finite, plan_of
from checks.drift.profile import ColumnCounts, Profile, frequent_new, profile
from checks.drift.shift import LEAST_EXPECTED, more_than, shift, two_shares
from checks.intervals import CONFIDENCE, newcombe, wilson
from checks.subject import Subject, Table
from roadworthy.measurement import Measurement, Status, not_measured

LEAST_ROWS = int(2 * LEAST_EXPECTED)
"""Values of a column in either sample below which two cells cannot be told apart."""

OF_COLUMNS = (
    "drift.psi", "drift.score_psi", "drift.jensen_shannon", "drift.ks", "drift.missing_change", "drift.new_category_share",
    "drift.not_finite_share",
)
_NOT_THERE = {
    "drift.psi": "The passport declares no column that can be compared.",
    "drift.score_psi": "The passport declares no score, and no predicted number.",
    "drift.jensen_shannon": "The passport declares no column that can be compared.",
    "drift.ks": "No compared column holds numbers.",
    "drift.missing_change": "The passport declares no column that can be compared.",
    "drift.new_category_share": "No compared column holds categories.",
    "drift.not_finite_share": "No compared column can hold NaN or infinity.",
}
_SAYS_WHICH_ROW = {
    "identifier": "names rows", "key": "names rows", "time": "is the time of the event", "unit": "names what is independent",
}
_SMALL_CELL = 5
_WORTH_A_LOOK = 0.05  # naming new categories takes another pass; a column of many rare ones always has some


def measure(subject: Subject) -> list[Measurement]:
    """Return every measurement of the family ``drift``, at least one for each of its metrics.

    Parameters
    ----------
    subject : checks.subject.Subject

    Returns
    -------
    list of Measurement
        Nothing in the data raises: a table or column that is missing, broken, of another type or too small is a measurement
        with that status and a reason.
    """
    return [*hold_back(subject, _columns(subject)), *_schema(subject), tables.volume(subject), tables.label_rate(subject)]


def _trouble(table: Table, due: bool = False) -> Status:
    """Return what an unusable table means: there is no data (``insufficient``), or it should be there or readable."""
    return "error" if table.broken or (due and not table.files) else "insufficient"


def _schema(subject: Subject) -> list[Measurement]:
    batch = subject.batch
    if not batch.columns:
        status = _trouble(batch, subject.passport.batches.due)
        return [not_measured(metric, status, batch.problem) for metric in tables.OF_SCHEMA]
    return tables.schema(subject)


def _columns(subject: Subject) -> list[Measurement]:
    batch, reference = subject.batch, subject.reference
    inputs = {t.role: t.digest for t in (batch, reference) if t.digest}
    for table, due in ((batch, subject.passport.batches.due), (reference, False)):
        if not table:
            return [not_measured(m, _trouble(table, due), table.problem, inputs=inputs) for m in OF_COLUMNS]
    compared = _compared(subject)
    plan = plan_of(subject.con, reference, [name for name, why_not in compared.items() if not why_not])
    there = profile(subject.con, reference, plan)
    here = there if batch.name == reference.name else profile(subject.con, batch, plan)
    found: list[Measurement] = []
    for name, why_not in compared.items():
        column = _Column(subject, name, plan, there, here, inputs)
        found += [column.without("drift.psi", "not_applicable", why_not)] if why_not else column.measure()
    measured = {m.metric for m in found}
    return found + [not_measured(m, "not_applicable", _NOT_THERE[m], inputs=inputs) for m in OF_COLUMNS if m not in measured]


def _compared(subject: Subject) -> dict[str, str]:
    """Return each column that is read, protected or answered with, and why it is not compared, if it is not."""
    found = {}
    for name, roles in columns_of(subject.passport).items():
        if not {"feature", "protected", "score", "prediction"} & set(roles) or "label" in roles:
            continue
        why = next((said for role, said in _SAYS_WHICH_ROW.items() if role in roles), "")
        found[name] = f"'{name}' {why}: it has no distribution to compare." if why else ""
    return found


@dataclass(frozen=True)
class _Column:
    """One column of both tables, and the measurements of it."""

    subject: Subject
    name: str
    plans: Plan
    reference: Profile
    batch: Profile
    inputs: dict[str, str]

    @property
    def shift_metric(self) -> str:
        """The score has a metric of its own, because it sums up all inputs."""
        task = self.subject.passport.task
        score = task.prediction if task.kind == "regression" and task.score is None else task.score
        return "drift.score_psi" if self.name == score else "drift.psi"

    def measure(self) -> list[Measurement]:
        broken = self._broken()
        if broken:
            status, reason = broken
            return [self.without(m, status, reason) for m in (self.shift_metric, "drift.missing_change")]
        plan, there, here = self.plans.columns[self.name], self.reference.columns[self.name], self.batch.columns[self.name]
        found = [self._missing(there, here)]
        if plan.why_not:
            return [*found, self.without(self.shift_metric, "not_applicable", plan.why_not)]
        metrics = [self.shift_metric, "drift.jensen_shannon", "drift.ks" if plan.ordered else "drift.new_category_share"]
        if tables.changed_kind(self.subject, self.name):
            types = f"{self._type(self.subject.batch)} in the batch and {self._type(self.subject.reference)} in the reference"
            said = f"'{self.name}' is {types}: the two cannot be compared."
            return [*found, *(self.without(m, "error", said) for m in metrics)]
        if not plan.ordered and plan.cells:
            found.append(self._new(plan, there, here))
        if may_be_not_finite(self._type(self.subject.batch)):
            found.append(self._not_finite(there, here))
        return found + self._distances(plan, there, here)

    def without(self, metric: str, status: Status, reason: str, n: int | None = None) -> Measurement:
        return not_measured(metric, status, reason, over={"column": self.name}, n=n, inputs=self.inputs)

    def _broken(self) -> tuple[Status, str] | None:
        if self.name not in self.subject.batch.columns:
            return "error", f"The batch has no column '{self.name}'."
        if self.name not in self.subject.reference.columns:
            return "insufficient", f"The reference has no column '{self.name}' to compare with."
        of_reference = {**self.plans.problems, **self.reference.problems}
        for where, problems in (("reference", of_reference), ("batch", self.batch.problems)):
            if self.name in problems:
                return "error", f"In the {where}, {problems[self.name]}"
        return None

    def _type(self, table: Table) -> str:
        return table.columns[self.name][:60]

    def _missing(self, there: ColumnCounts, here: ColumnCounts) -> Measurement:
        n, m = self.batch.rows, self.reference.rows
        interval = newcombe(here.null, n, there.null, m)
        return Measurement(
            "drift.missing_change", {"column": self.name}, here.null / n - there.null / m, interval.low, interval.high,
            CONFIDENCE, two_shares(here.null, n, there.null, m), min(n, m),
            {"missing": here.null, "reference_missing": there.null},
            f"difference of shares; {interval.method} interval", self.inputs,
        )

    def _share(
        self, metric: str, hits: int, n: int, p_value: float, stats: dict[str, Any], details: dict[str, Any]
    ) -> Measurement:
        interval = wilson(hits, n)
        return Measurement(
            metric, {"column": self.name}, hits / n, interval.low, interval.high, CONFIDENCE, p_value, n, stats,
            f"share of rows; {interval.method} interval", self.inputs, details=details,
        )

    def _not_finite(self, there: ColumnCounts, here: ColumnCounts) -> Measurement:
        n, m = self.batch.rows - here.null, self.reference.rows - there.null
        if n == 0:
            return self.without("drift.not_finite_share", "insufficient", f"The batch holds no value of '{self.name}'.", 0)
        stats = {"nan": here.not_a_number, "plus_infinity": here.plus_infinity, "minus_infinity": here.minus_infinity}
        p_value = more_than(here.not_finite, n, there.not_finite, m) if m else 1.0
        return self._share("drift.not_finite_share", here.not_finite, n, p_value, stats, {"reference": there.not_finite})

    def _new(self, plan: ColumnPlan, there: ColumnCounts, here: ColumnCounts) -> Measurement:
        metric, n, m = "drift.new_category_share", sum(here.cells), sum(there.cells)
        if not n or not m:
            empty = "batch" if not n else "reference"
            return self.without(metric, "insufficient", f"The {empty} holds no value of '{self.name}'.", n)
        new = here.cells[-1]
        details: dict[str, Any] = {"expected_share": plan.singles / m}
        p_value = more_than(new, n, plan.singles, m)
        if p_value < _WORTH_A_LOOK:
            try:
                details["most_frequent"] = frequent_new(self.subject.con, self.subject.batch, plan)
            except duckdb.Error:
                details["most_frequent"] = []  # the names are a help to the reader; the share is the measurement
        stats = {"new": new, "reference_singles": plan.singles}
        return self._share(metric, new, n, p_value, stats, details)

    def _distances(self, plan: ColumnPlan, there: ColumnCounts, here: ColumnCounts) -> list[Measurement]:
        metrics = [self.shift_metric, "drift.jensen_shannon", *(["drift.ks"] if plan.ordered else [])]
        n, m = sum(here.cells), sum(there.cells)
        if min(n, m) < LEAST_ROWS:
            table, rows = ("batch", n) if n < LEAST_ROWS else ("reference", m)
            said = f"The {table} holds {rows} values of '{self.name}'; a shift cannot be told from chance below {LEAST_ROWS}."
            return [self.without(metric, "insufficient", said, min(n, m)) for metric in metrics]
        reference, batch, over, least = np.array(there.cells), np.array(here.cells), {"column": self.name}, min(n, m)
        moved = shift(reference, batch, ordered=plan.ordered)
        sizes = {"batch_n": n, "reference_n": m}
        # A column that is shared by the rows of a block (a day's weather) seems surer than it is; the reader must know.
        alone = "" if self.subject.passport.independence.unit == "row" else "; rows taken as independent"
        found = [Measurement(
            self.shift_metric, over, moved.effect, moved.low, moved.high, CONFIDENCE, moved.p_value, least,
            {"psi": moved.psi, "cells": moved.cells, **sizes},
            f"PSI without its bias, cells of {LEAST_EXPECTED:g} expected rows; delta-method interval; {moved.method}{alone}",
            self.inputs, details={"cells": _cells(plan, there, here)},
        )]
        low, high = statistics.jensen_shannon_interval(reference, batch)
        found.append(Measurement(
            "drift.jensen_shannon", over, statistics.jensen_shannon(reference, batch), low, high, CONFIDENCE, moved.p_value,
            least, sizes, f"base 2, on counts; delta-method interval; {moved.method}{alone}", self.inputs,
        ))
        if plan.ordered:
            distance = statistics.ks_from_counts(reference, batch)
            low, high = statistics.ks_interval(reference, batch)
            found.append(Measurement(
                "drift.ks", over, distance, low, high, CONFIDENCE, statistics.ks_p_value(distance, n, m), least,
                {**sizes, "gap": statistics.ks_gap(reference, batch)},
                f"on binned counts; Dvoretzky-Kiefer-Wolfowitz interval with what binning may hide{alone}", self.inputs,
            ))
        return found


def _cells(plan: ColumnPlan, there: ColumnCounts, here: ColumnCounts) -> list[list[Any]]:
    """Return [label, rows of the reference, rows of the batch] of each cell that either sample fills, rare words unnamed."""
    found: list[list[Any]] = []
    for label, before, now in zip(plan.labels(), there.cells, here.cells, strict=True):
        if before or now:
            rare = not plan.ordered and before < _SMALL_CELL and not label.startswith("(")
            found.append(["(rare)" if rare else label, before, now])
    return found
