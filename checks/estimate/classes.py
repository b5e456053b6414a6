"""Models that decide between several classes: each class's score is calibrated against all others, then normalised.

A row's probabilities depend on all its scores together, which no small table of counts holds, so the reference and the
window each give a bounded, seeded sample of rows. Metrics over classes are macro means: every class weighs the same.

The interval is made as for two classes: which labels the rows get, a draw from their probabilities; and what the finite
reference taught, by the change of the metric with the height of each calibration step, summed over the reference's rows
(a sandwich variance, by unit of independence).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from checks.counts import group
from checks.estimate.calibration import Curve, Floats, Whole, binned, design_effect, isotonic
from checks.estimate.confidence import interval_of
from checks.estimate.sheet import LEAST_ROWS, SAMPLE, WHOLE, Refusal, Sheet, check, few, sampled
from checks.performance.columns import columns_of, number
from checks.subject import Subject, Table
from roadworthy.measurement import Status
from roadworthy.passport import Protected

METRICS = ("accuracy", "f1", "precision", "recall")
LEAST_LABELLED = 50
HOW = "confidence-based, isotonic calibration one class against the rest, normalised"


@dataclass(frozen=True)
class Rows:
    """Rows of a sample, as arrays over them.

    Attributes
    ----------
    truth : numpy.ndarray of int or None
        Place of the class; None where labels are not read.
    decision : numpy.ndarray of int
    bins : numpy.ndarray of int, shape (rows, classes)
        Of the scores.
    unit : numpy.ndarray of int
        Which unit of independence.
    groups : dict of str to numpy.ndarray of str
        By attribute.
    total : int
        Rows that the sample stands for.
    """

    truth: Whole | None
    decision: Whole
    bins: Whole
    unit: Whole
    groups: dict[str, NDArray[Any]]
    total: int

    def of(self, attribute: str, name: str) -> Rows:
        """Return the rows of a group."""
        mine = self.groups[attribute] == name
        share = float(mine.mean()) if len(mine) else 0.0
        truth = None if self.truth is None else self.truth[mine]
        total = max(int(mine.sum()), round(share * self.total))
        return Rows(truth, self.decision[mine], self.bins[mine], self.unit[mine], {}, total)


@dataclass(frozen=True)
class Learnt:
    """What the reference taught of the scores of all classes.

    Attributes
    ----------
    curves : tuple of Curve
    rows : Rows
        The reference rows behind them.
    clustered : bool
        Whether rows of one unit hang together.
    lift : mapping of str to (float, float)
        By how much the curves flatter each metric on the reference, which is taken off, and the variance of that.
    correlation, size : float
        As in `calibration.Togetherness`.
    """

    curves: tuple[Curve, ...]
    rows: Rows
    clustered: bool
    lift: Mapping[str, tuple[float, float]]
    correlation: float
    size: float


def multiclass(subject: Subject, sheet: Sheet) -> None:
    """Write down every estimate of a model that decides between several classes."""
    task, batch = subject.passport.task, subject.batch
    if not task.class_scores:
        why = "The passport declares no class_scores."
        sheet.refuse(METRICS, WHOLE, "not_applicable", why)
        _refuse_miss(sheet, "not_applicable", why)
        return
    clustered = subject.passport.independence.unit != "row"
    try:
        _check(subject, subject.reference, labelled=True)
    except Refusal as no:
        sheet.refuse(METRICS, WHOLE, no.status, no.reason, batch)
        _refuse_miss(sheet, no.status, no.reason)
        return
    known = take(subject, subject.reference, labelled=True)
    learnt = learn(known, clustered)
    try:
        _check(subject, batch, labelled=False)
    except Refusal as no:
        sheet.refuse(METRICS, WHOLE, no.status, no.reason, batch)
    else:
        rows = take(subject, batch, labelled=False)
        _write(sheet, WHOLE, rows, learnt, batch, {"excluded": {"without_score_or_decision": batch.rows - rows.total}})
        for attribute, names in rows.groups.items():
            for name in np.unique(names).tolist():
                theirs: Learnt | str = "The reference has no such group."
                if attribute in known.groups:
                    theirs = learn(known.of(attribute, name), clustered)
                _write(sheet, {"group": {attribute: name}}, rows.of(attribute, name), theirs, batch, {})
    try:
        _check(subject, subject.labelled, labelled=True)
    except Refusal as no:
        _refuse_miss(sheet, no.status, no.reason)
    else:
        _missed(sheet, take(subject, subject.labelled, labelled=True), learnt)


def _write(
    sheet: Sheet, over: Mapping[str, Any], rows: Rows, learnt: Learnt | str, table: Table, details: Mapping[str, Any]
) -> None:
    n = len(rows.decision)
    if isinstance(learnt, str) or n < LEAST_ROWS:
        reason = learnt if isinstance(learnt, str) else few(n, "a decision and usable scores")
        sheet.refuse(METRICS, over, "insufficient", reason, table, n=n, details=details)
        return
    told = {"sampled": n, "of": rows.total, "calibration": {"rows": len(learnt.rows.decision)}, **details}
    for name, (value, interval, _) in estimate(rows, learnt).items():
        how = HOW if name == "accuracy" else f"macro mean over classes; {HOW}"
        sheet.put(name, over, value, interval, n=n, stats={}, how=how, table=table, details=told)


def _missed(sheet: Sheet, rows: Rows, learnt: Learnt | str) -> None:
    n = len(rows.decision)
    if isinstance(learnt, str) or n < LEAST_ROWS or rows.truth is None:
        reason = learnt if isinstance(learnt, str) else few(n, "a mature label, a decision and usable scores")
        _refuse_miss(sheet, "insufficient", reason)
        return
    # The rows of the sample are compared with their own labels, so nothing else is to be guessed.
    alone = Rows(rows.truth, rows.decision, rows.bins, rows.unit, {}, n)
    true = metrics(rows.decision, _one_hot(rows.truth, rows.bins.shape[1]))
    for name, made in estimate(alone, learnt).items():
        sheet.miss(name, (made[0], made[1], n), true[name][0], f"{HOW}, minus labels", {"sampled": n, "of": rows.total})


def _refuse_miss(sheet: Sheet, status: Status, reason: str) -> None:
    for name in METRICS:
        sheet.refuse(["miss"], {"metric": name}, status, reason, sheet.subject.labelled)


def _check(subject: Subject, table: Table, *, labelled: bool) -> None:
    task, unit = subject.passport.task, subject.passport.independence.column
    check(subject.passport, table, [*task.class_scores, task.prediction, task.label if labelled else None, unit])


def take(subject: Subject, table: Table, *, labelled: bool) -> Rows:
    """Return a bounded, seeded sample of the rows with a decision and usable scores; with labels too if asked."""
    passport, sql = subject.passport, columns_of(subject.passport, table)
    task, unit = passport.task, passport.independence.column
    scores = [number(table, column) for column in task.class_scores]
    usable = " and ".join([f"({sql.decision}) is not null", *(f"({s}) between 0 and 1" for s in scores)])
    usable += f" and ({sql.truth}) is not null" if labelled else ""
    groups: list[Protected] = [p for p in passport.protected if table.has(p.column)]
    columns = [*task.class_scores, task.prediction or "", *(p.column for p in groups)]
    columns += [task.label] if labelled else []
    columns += [unit] if unit else []
    asked = [sql.decision, *scores, f"cast({sql.unit} as varchar)", *(group(p) for p in groups)]
    asked += [sql.truth] if labelled else []
    found, total = sampled(subject, table, columns, usable, asked, SAMPLE)
    k = len(scores)
    shown = {p.name: column.astype(str) for p, column in zip(groups, found[k + 2 :], strict=False)}
    if unit is None:
        whose = np.arange(len(found[0]))
    else:
        whose = np.unique(np.asarray([str(u) for u in found[k + 1]], dtype=object).astype(str), return_inverse=True)[1]
    bins = np.stack([binned(np.asarray(s, dtype=np.float64)) for s in found[1 : k + 1]], axis=1)
    truth = found[-1].astype(np.int64) if labelled else None
    return Rows(truth, found[0].astype(np.int64), bins, whose, shown, total)


def learn(rows: Rows, clustered: bool) -> Learnt | str:
    """Return the curves of all classes, or why there are none."""
    n = len(rows.decision)
    if rows.truth is None or n < LEAST_LABELLED or len(np.unique(rows.truth)) < 2:
        return f"{n} labelled rows to calibrate on, at least {LEAST_LABELLED} of two classes or more are needed."
    if clustered and len(np.unique(rows.unit)) < 2:
        return "The labelled rows of the reference are of one unit; an interval needs two."
    curves = []
    for k in range(rows.bins.shape[1]):
        bins, place = np.unique(rows.bins[:, k], return_inverse=True)
        hits = np.bincount(place, rows.truth == k, len(bins)).astype(np.int64)
        curves.append(isotonic(bins, np.bincount(place).astype(np.int64), hits))
    p, _ = _probabilities(rows, curves)
    there, true = metrics(rows.decision, p), metrics(rows.decision, _one_hot(rows.truth, p.shape[1]))
    correlation, size = 0.0, 1.0
    if clustered:
        mine = p[np.arange(n), rows.decision]
        left = (rows.truth == rows.decision) - mine
        sizes = np.bincount(rows.unit)
        size = float((sizes.astype(float) ** 2).sum() / n)
        own, together = float((mine * (1 - mine)).sum()), float((np.bincount(rows.unit, left) ** 2).sum())
        if size > 1 and own > 0:
            correlation = min(1.0, max(0.0, (together / own - 1) / (size - 1)))
    effect = design_effect(correlation, size)
    lift = {name: (there[name][0] - true[name][0], effect * _own(p, there[name][1])) for name in METRICS}
    return Learnt(tuple(curves), rows, clustered, lift, correlation, size)


def _own(p: Floats, weights: Floats) -> float:
    """Return the variance that comes from which class each row turns out to be."""
    return max(0.0, float(((p * weights**2).sum(axis=1) - (p * weights).sum(axis=1) ** 2).sum()))


def estimate(rows: Rows, learnt: Learnt) -> dict[str, tuple[float, Any, int]]:
    """Return each metric with its interval and the rows that it rests on."""
    n = len(rows.decision)
    p, total = _probabilities(rows, learnt.curves)
    sizes = np.bincount(rows.unit).astype(float)
    size = float((sizes**2).sum() / n) if learnt.clustered else 1.0
    units = min(len(np.unique(learnt.rows.unit)), len(np.unique(rows.unit))) if learnt.clustered else 0
    found = {}
    for name, (plain, weights) in metrics(rows.decision, p).items():
        mean = (p * weights).sum(axis=1)
        own = _own(p, weights) * design_effect(learnt.correlation, size)
        seen = n / max(rows.total, n)  # what the sample leaves open, beside what the labels of all rows leave open
        own = own * seen + (1 - seen) * float(((mean - mean.mean()) ** 2).sum())
        lift, spread = learnt.lift[name]
        taught = max(spread, _taught((weights - mean[:, None]) / np.maximum(total, 1e-12)[:, None], rows, learnt))
        value = min(1.0, max(0.0, plain - lift))
        found[name] = (value, interval_of(value, math.sqrt(own + taught), units), n)
    return found


def _taught(weights: Floats, rows: Rows, learnt: Learnt) -> float:
    """Return the variance that the finite reference leaves: each of its rows moves the step that it lies on, of every class."""
    ours = learnt.rows
    influence = np.zeros(len(ours.decision))
    for k, curve in enumerate(learnt.curves):
        gathered = curve.at(rows.bins[:, k]).gather(weights[:, k], len(curve.rows)) / curve.rows
        steps = curve.at(ours.bins[:, k])
        influence += gathered[steps.left] * ((ours.truth == k) - curve.heights[steps.left])
    summed = np.bincount(ours.unit, influence)
    return float((summed**2).sum())


def metrics(decision: Whole, p: Floats) -> dict[str, tuple[float, Floats]]:
    """Return each metric of rows with these class probabilities, and its derivative to each of them.

    A class that nobody is given, or that nobody is expected to be, does not enter the mean of a metric that divides by it.

    Examples
    --------
    >>> found = metrics(np.array([0, 0, 1]), np.array([[1.0, 0], [0, 1], [0, 1]]))
    >>> {name: round(value, 3) for name, (value, _) in found.items()}
    {'accuracy': 0.667, 'f1': 0.667, 'precision': 0.75, 'recall': 0.75}
    """
    n, k = p.shape
    chosen = _one_hot(decision, k)
    hits, given, due = (p * chosen).sum(axis=0), chosen.sum(axis=0), p.sum(axis=0)
    found = {"accuracy": (float(hits.sum()) / n, chosen / n)}
    for name, below in (("f1", (given + due) / 2), ("precision", given), ("recall", due)):
        there = below > 1e-9
        m, safe = max(1, int(there.sum())), np.where(there, below, 1.0)
        each = np.where(there, hits / safe, 0.0)
        moves = {"f1": each / 2, "precision": 0 * each, "recall": each}[name]  # what the metric loses as `due` grows by one row
        found[name] = (float(each.sum()) / m, np.where(there, (chosen - moves) / safe, 0.0) / m)
    return found


def _probabilities(rows: Rows, curves: Sequence[Curve]) -> tuple[Floats, Floats]:
    """Return each row's probabilities of the classes, and their sum before they were normalised."""
    raw = np.stack([curve.at(rows.bins[:, k]).read(curve.heights) for k, curve in enumerate(curves)], axis=1)
    total = raw.sum(axis=1)
    even = np.full_like(raw, 1 / raw.shape[1])
    return np.divide(raw, total[:, None], out=even, where=total[:, None] > 0), total


def _one_hot(places: Whole, k: int) -> Floats:
    return np.asarray(places[:, None] == np.arange(k), dtype=np.float64)
