"""Models that sort into several classes: how often they are right, over all, for each class, and as the mean of the classes.

DuckDB counts the rows of each pair of label and decision; everything else is arithmetic on that table. Means over the classes are
those of scikit-learn with its defaults: over the classes that occur as label or decision, with 0 where a class is never decided
(precision) or never true (recall).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from checks import intervals
from checks.counts import spellings
from checks.intervals import Interval, normal_quantile
from checks.performance.cells import coverage, share
from checks.performance.columns import Columns
from checks.performance.sheet import Sheet, worth_of
from checks.subject import Subject
from roadworthy.measurement import Measurement
from roadworthy.passport import Value

LEAST = 20
KINDS = ("precision", "recall", "f1")
MACRO = tuple(f"macro_{kind}" for kind in KINDS)
OF_CLASS = tuple(f"class_{kind}" for kind in KINDS)

_NOTHING = {
    "precision": "No row with a mature label was decided to be of this class.",
    "recall": "No row with a decision has this class as its label.",
    "f1": "No row is of this class by label or by decision.",
}

Key = tuple[str, int]  # what is measured, and of which class
Squares = tuple[int, float]


@dataclass(frozen=True)
class _Share:
    """One class and kind as a proportion of rows; F1 is a function of the proportion that the Jaccard index is."""

    kind: str
    place: int
    x: int
    m: int
    weights: np.ndarray  # what a row of each cell adds to x less what it adds to m times the share

    @property
    def value(self) -> float:
        """The metric; 0 where scikit-learn would divide by 0."""
        if self.m == 0:
            return 0.0
        return 2 * self.x / (self.x + self.m) if self.kind == "f1" else self.x / self.m

    @property
    def slope(self) -> float:
        """How much the metric changes with the proportion."""
        return 2 / (1 + self.x / self.m) ** 2 if self.kind == "f1" else 1.0

    def interval(self, worth: float) -> Interval:
        """Return the interval from so many independent rows."""
        part = self.x / self.m
        if self.kind == "f1":
            return intervals.f1(part * worth, (1 - part) * worth)
        return intervals.wilson(part * worth, worth)


def multiclass(subject: Subject, columns: Columns, sheet: Sheet) -> list[Measurement]:
    """Write down the whole of a model that decides between several values, and return what each class says."""
    classes = subject.passport.task.classes
    source = f"(select {columns.rows} from {sheet.table.name})"
    table, known = np.zeros((len(classes), len(classes)), dtype=np.int64), "y is not null and d is not null"
    n = labelled = decided = 0
    for row in subject.rows(f"select y, d, count(*) as n from {source} group by all"):
        n += row["n"]
        labelled += row["n"] if row["y"] is not None else 0
        decided += row["n"] if row["d"] is not None else 0
        if row["y"] is not None and row["d"] is not None:
            table[row["y"], row["d"]] = row["n"]
    sheet.details["excluded"] = {"without_label": n - labelled, "without_decision": n - decided}
    coverage(sheet, n, labelled, decided)
    shares = {(kind, place): _share_of(table, kind, place) for kind in KINDS for place in range(len(classes))}
    occurs = [place for place in range(len(classes)) if table[place].sum() + table[:, place].sum()]
    hits, all_rows = int(np.trace(table)), int(table.sum())
    weights: dict[Key, np.ndarray] = {key: one.weights for key, one in shares.items() if one.m}
    if all_rows:
        weights["accuracy", 0] = np.eye(len(classes)) - hits / all_rows
        weights |= {(f"macro_{kind}", 0): _mean_weights(shares, occurs, kind) for kind in KINDS}
    clustered = sheet.clustered and "unit" not in columns.gone
    by_unit = _by_unit(subject, f"{source} where {known}", table, weights) if clustered and all_rows else {}
    for name, x in (("accuracy", hits), ("error_rate", all_rows - hits)):
        if name not in sheet.found:
            share(sheet, name, x, all_rows, by_unit.get(("accuracy", 0)), {"right": hits, "wrong": all_rows - hits})
    of_class = [Sheet(sheet.table, sheet.independence, sheet.details, {"class": word_of(one)}, LEAST) for one in classes]
    if "class_precision" in sheet.found:  # a column is missing; what is said of the whole stands for every class
        return []
    for (kind, place), one in shares.items():
        said = of_class[place]
        stats = _counts(table, place)
        if one.m == 0:
            said.refuse(f"class_{kind}", "insufficient", _NOTHING[kind], n=0, stats=stats)
        else:
            share(said, f"class_{kind}", one.x, one.m, by_unit.get((kind, place)), stats)
    _name_few(sheet, table, classes)
    for kind in KINDS:
        if all_rows:
            _macro(sheet, kind, [shares[kind, place] for place in occurs], table, weights[f"macro_{kind}", 0], by_unit)
        else:
            sheet.refuse(f"macro_{kind}", "insufficient", "No row has a mature label and a decision.", n=0)
    return [said.found[name] for said in of_class for name in OF_CLASS]


def word_of(value: Value) -> str:
    """Return a class as text, under which measurements of it are found.

    Examples
    --------
    >>> word_of(3), word_of("high"), word_of(True)
    ('3', 'high', '1')
    """
    return (spellings(value) or (str(value),))[0]


def _share_of(table: np.ndarray, kind: str, place: int) -> _Share:
    base = np.zeros(table.shape)
    if kind != "precision":
        base[place, :] = 1
    if kind != "recall":
        base[:, place] = 1
    hit = np.zeros(table.shape)
    hit[place, place] = 1
    x, m = int(table[place, place]), int((table * base).sum())
    return _Share(kind, place, x, m, hit - (x / m if m else 0.0) * base)


def _mean_weights(shares: Mapping[Key, _Share], occurs: Sequence[int], kind: str) -> np.ndarray:
    """Return what a row of each cell adds to the mean of the classes, to first order."""
    total = np.zeros((len(shares) // len(KINDS),) * 2)
    for one in (shares[kind, place] for place in occurs):
        total += one.slope / one.m * one.weights if one.m else 0.0
    return total / len(occurs)


def _by_unit(subject: Subject, known: str, table: np.ndarray, weights: Mapping[Key, np.ndarray]) -> dict[Key, Squares]:
    """Return for each of the weights the units with a row that they speak of, and the sum over them of their squared sums."""
    keys, values = list(weights), []
    for number, (kind, place) in enumerate(keys):
        base = np.ones(table.shape)
        if kind in KINDS:
            base[:] = 0
            base[place, :] = kind != "precision"
            base[:, place] = np.maximum(base[:, place], kind != "recall")
        for y, d in zip(*np.nonzero((table > 0) & (base > 0)), strict=True):
            values.append(f"({number}, {y}, {d}, {float(weights[kind, place][y, d])!r}::double)")
    found = subject.rows(
        f"""with cells as materialized (select u, y, d, count(*) as n from {known} group by all),
        weights(number, y, d, w) as (values {', '.join(values)})
        select number, count(*) as units, fsum(z * z) as squares from (
            select number, u, fsum(n * w) as z from cells join weights using (y, d) group by number, u
        ) group by number"""
    )
    return {keys[row["number"]]: (int(row["units"]), float(row["squares"])) for row in found}


def _macro(
    sheet: Sheet, kind: str, own: Sequence[_Share], table: np.ndarray, weights: np.ndarray, by_unit: Mapping[Key, Squares]
) -> None:
    """Write down the mean over the classes.

    The distances of the classes' own ends from their shares are added as squares (Zou and Donner 2008, Construction of confidence
    limits about effect measures), so a class in which all or none are right still adds its doubt; the result is stretched by what
    the delta method says of classes that go together (Takahashi et al. 2022, Confidence interval for micro-averaged F1 and
    macro-averaged F1 scores): the square root of the variance of the mean over that of independent classes.
    """
    name, n, k, stats = f"macro_{kind}", int(table.sum()), len(own), {"classes": len(own)}
    value, how = sum(one.value for one in own) / k, f"mean over {k} classes"
    units, together = by_unit.get((name, 0), (None, float((table * weights**2).sum())))
    if units is not None and units < 2:
        sheet.put(name, value, None, n=n, stats=stats, how=how, units=units)
        return
    apart = below = above = 0.0
    for one in (one for one in own if one.m):
        part = one.x / one.m
        squares = by_unit.get((kind, one.place))
        apart += (one.slope / one.m / k) ** 2 * (squares[1] if squares else one.m * part * (1 - part))
        interval = one.interval(max(1.0, worth_of(part, one.m, *squares)) if squares else one.m)
        below += (one.value - interval.low) ** 2
        above += (interval.high - one.value) ** 2
    stretch = math.sqrt(together / apart) if apart > 0 else 1.0
    low, high = max(0.0, value - stretch * math.sqrt(below) / k), min(1.0, value + stretch * math.sqrt(above) / k)
    se = (high - low) / (2 * normal_quantile(intervals.CONFIDENCE))
    sheet.put(name, value, Interval(low, high, se, "linear", "MOVER-Wilson"), n=n, stats=stats, how=how, units=units)


def _counts(table: np.ndarray, place: int) -> dict[str, int]:
    hit, row, column = int(table[place, place]), int(table[place].sum()), int(table[:, place].sum())
    negatives = int(table.sum()) - row
    return {
        "positives": row, "negatives": negatives, "true_positives": hit, "false_positives": column - hit,
        "false_negatives": row - hit, "true_negatives": negatives - (column - hit),
    }


def _name_few(sheet: Sheet, table: np.ndarray, classes: Sequence[Value]) -> None:
    """Say beside every number which classes have few rows, none, or are never decided."""
    rows, decided = table.sum(axis=1), table.sum(axis=0)
    few = {word_of(one): int(k) for one, k in zip(classes, rows, strict=True) if 0 < k < LEAST}
    none = [word_of(one) for one, k, j in zip(classes, rows, decided, strict=True) if not k and not j]
    never = [word_of(one) for one, k, j in zip(classes, rows, decided, strict=True) if k and not j]
    sheet.details |= {name: said for name, said in (("few", few), ("absent", none), ("never_decided", never)) if said}
