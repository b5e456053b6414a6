"""Confidence-based estimation: the confusion matrix that calibrated scores lead one to expect, and metrics of it.

Method: each row with calibrated probability p and decision 1 is p of a true positive and 1 - p of a false one (NannyML,
confidence-based performance estimation). Everything is a sum over the bins of the score, so rows are only counted.

What is added to it
    An isotonic curve lies a little too low before any cut and too high after it, which flatters every metric; and a decision
    may rest on more than the score. Both are seen on the reference, as the mean residual of the rows with each decision,
    and taken off. On 50,000 rows that is in the fourth digit.

How sure it is
    The interval is for the figure that will be measured on these very rows when their labels come. Two things can move it:
    which labels the rows get (independent given the scores, p (1 - p) each), and that the curve was learnt from a finite
    reference. Both enter by the delta method, by the derivative of the metric to the probability of each row. Where
    the passport says that rows of one day or person hang together, both parts grow by the design effect of the residuals
    seen on the reference.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from checks.estimate.calibration import Curve, Floats, Togetherness, Whole, design_effect, isotonic
from checks.intervals import CONFIDENCE, Interval, normal_quantile, on_scale

METRICS = ("accuracy", "roc_auc", "f1", "precision", "recall", "specificity")
LEAST_CASES = 10
LEAST_FREEDOM = 4


@dataclass(frozen=True)
class Counts:
    """Rows of a window by bin of the score.

    Attributes
    ----------
    bins : numpy.ndarray of int
        Rising, each once.
    rows : numpy.ndarray of int, shape (3, bins)
        With decision 0, with decision 1, and without a decision that is known.
    positives : numpy.ndarray of int, shape (3, bins)
        Those with the positive label, where labels are known.
    size, units : float, int
        As in `Togetherness`, of this window.
    """

    bins: Whole
    rows: Whole
    positives: Whole
    size: float = 1.0
    units: int = 0


@dataclass(frozen=True)
class Known:
    """What the reference taught of a score.

    Attributes
    ----------
    curve : Curve
    decided : sequence of (int, float, float)
        For decision 0 and 1: rows of the reference, what the curve gives them too much on average, and their mean p (1 - p).
    lift : float
        By how much the curve overstates the area under the ROC curve of the reference.
    together : Togetherness
    """

    curve: Curve
    decided: tuple[tuple[int, float, float], ...] = ((0, 0.0, 0.0), (0, 0.0, 0.0))
    lift: float = 0.0
    together: Togetherness = field(default_factory=Togetherness)

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values; `from_dict` is the inverse."""
        together = self.together
        return {
            "curve": self.curve.as_dict(), "decided": [list(one) for one in self.decided], "lift": self.lift,
            "together": {"units": together.units, "size": together.size, "cross": together.cross, "own": together.own},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Known:
        """Build it from `as_dict`'s output."""
        decided = tuple((int(n), float(off), float(spread)) for n, off, spread in data["decided"])
        return cls(Curve.from_dict(data["curve"]), decided, data["lift"], Togetherness(**data["together"]))


class Estimate(NamedTuple):
    """A metric with its interval, and the rows that it is a share of; or the reason why there is none."""

    value: float | None
    interval: Interval | None
    n: int
    reason: str = ""


def learn(counts: Counts) -> Known:
    """Return what labelled counts teach, without what rows of one unit have in common; at least one row."""
    rows, positives = counts.rows.sum(axis=0), counts.positives.sum(axis=0)
    curve = isotonic(counts.bins, rows, positives)
    p = curve.at(counts.bins).read(curve.heights)
    decided = []
    for d in (0, 1):
        n = int(counts.rows[d].sum())
        over = float(counts.rows[d] @ p - counts.positives[d].sum())
        decided.append((n, over / n if n else 0.0, float(counts.rows[d] @ (p * (1 - p))) / n if n else 0.0))
    lift = 0.0
    if 0 < positives.sum() < rows.sum():
        lift = area(rows, p)[0] - area(rows, positives / rows, exact=True)[0]
    return Known(curve, tuple(decided), lift)


def estimates(counts: Counts, known: Known) -> tuple[dict[str, Estimate], dict[str, float]]:
    """Return each metric and the expected cells of the confusion matrix.

    Examples
    --------
    Of ten rows decided 1, on a step where 80 of 100 were positive, eight are expected to be right.

    >>> curve = Curve(np.array([5]), np.array([5]), np.array([100]), np.array([80]))
    >>> rows = np.array([[0], [10], [0]])
    >>> found, cells = estimates(Counts(np.array([5]), rows, 0 * rows), Known(curve))
    >>> found["precision"].value, round(found["precision"].interval.low, 2), cells["true_positives"]
    (0.8, 0.44, 8.0)
    """
    curve, together, steps = known.curve, known.together, known.curve.at(counts.bins)
    p, doubtful = steps.read(curve.heights), steps.read(curve.doubtful)
    n0, n1 = int(counts.rows[0].sum()), int(counts.rows[1].sum())
    expected = [min(max(float(counts.rows[d] @ p) - n * known.decided[d][1], 0.0), float(n)) for d, n in enumerate((n0, n1))]
    cells = {
        "true_positives": expected[1], "false_positives": n1 - expected[1],
        "false_negatives": expected[0], "true_negatives": n0 - expected[0],
    }
    found = {}
    for name in METRICS:
        area = name == "roc_auc"
        value, weights, n, reason = _ranking(counts, p) if area else _share(name, cells, len(p))
        if reason:
            found[name] = Estimate(None, None, n, reason)
            continue
        own = float(np.sum(counts.rows * weights**2 * (doubtful * (1 - doubtful))))
        gathered = steps.gather(np.sum(counts.rows * weights, axis=0), len(curve.rows))
        learnt = float(np.sum(gathered**2 * curve.doubtful * (1 - curve.doubtful) / curve.rows))
        direction = (0.0, 0.0, 1.0)
        if area:
            value = min(1.0, max(0.0, value - known.lift))
        else:
            direction = (float(weights[0, 0]), float(weights[1, 0]), 0.0)
            by_decision = zip((n0, n1), direction, known.decided, strict=False)
            learnt = max(learnt, sum((n * w) ** 2 * spread / m for n, w, (m, _, spread) in by_decision if m))
        shared = together.correlation(direction)
        variance = own * design_effect(shared, counts.size) + learnt * design_effect(shared, together.size)
        found[name] = Estimate(value, interval_of(value, math.sqrt(variance), min(together.units, counts.units)), n)
    return found, cells


def truths(counts: Counts) -> dict[str, float]:
    """Return the metrics that the labels of these rows give, as far as they are defined."""
    (n0, n1, _), (fn, tp, _) = counts.rows.sum(axis=1).tolist(), counts.positives.sum(axis=1).tolist()
    rows, positives = counts.rows.sum(axis=0), counts.positives.sum(axis=0)
    fp, tn, total, good = n1 - tp, n0 - fn, int(rows.sum()), int(positives.sum())
    parts = {
        "accuracy": (tp + tn, n0 + n1), "precision": (tp, n1), "recall": (tp, tp + fn), "specificity": (tn, tn + fp),
        "f1": (2 * tp, 2 * tp + fp + fn),
    }
    found = {name: x / n for name, (x, n) in parts.items() if n}
    if 0 < good < total:
        found["roc_auc"] = area(rows, positives / rows, exact=True)[0]
    return found


def interval_of(value: float, se: float, units: int, method: str = "delta-method") -> Interval:
    """Return the interval of a share with that standard error, on the logit scale where it can be."""
    made = on_scale(value, se, "logit" if 1e-9 < value < 1 - 1e-9 else "linear", quantile_of(units), method)
    low, high = max(0.0, min(made.low, value)), min(1.0, max(made.high, value))
    return made._replace(low=low, high=high, method=f"{method} {made.scale}")


def quantile_of(units: int) -> float:
    """Return how many standard errors an interval reaches: normal where rows are the units (0), else of t.

    The sum of a few units is further from normal than the design effect says, so t has units - 1 degrees of freedom, those of the
    window or of the reference, whichever has fewer; at least `LEAST_FREEDOM`, as the spread itself comes from the reference.
    """
    if not units:
        return normal_quantile(CONFIDENCE)
    from scipy.special import stdtrit

    return float(stdtrit(max(LEAST_FREEDOM, units - 1), (1 + CONFIDENCE) / 2))


def _share(name: str, cells: dict[str, float], bins: int) -> tuple[float, Floats, int, str]:
    """Return a metric of the confusion matrix, its derivative by decision, what it is a share of, and why there is none."""
    tp, fp, fn, tn = (cells[c] for c in ("true_positives", "false_positives", "false_negatives", "true_negatives"))
    total, what = {
        "accuracy": (tp + fp + fn + tn, "with a decision and a score"), "precision": (tp + fp, "called positive"),
        "recall": (tp + fn, "expected to be positive"), "specificity": (fp + tn, "expected to be negative"),
        "f1": ((2 * tp + fp + fn) / 2, "positive by decision or expectation"),
    }[name]
    if total < LEAST_CASES:
        reason = f"About {total:.0f} rows are {what}, fewer than the {LEAST_CASES} that an estimate of it needs."
        return 0.0, np.zeros((3, bins)), round(total), reason
    value = (tp + tn if name == "accuracy" else tn if name == "specificity" else tp) / total
    when_0, when_1 = {
        "accuracy": (-1 / total, 1 / total), "precision": (0.0, 1 / total), "recall": (-value / total, (1 - value) / total),
        "specificity": ((value - 1) / total, value / total), "f1": (-value / total / 2, (2 - value) / total / 2),
    }[name]
    weights = np.repeat([[when_0], [when_1], [0.0]], bins, axis=1)
    return min(1.0, value), weights, round(total), ""


def _ranking(counts: Counts, p: Floats) -> tuple[float, Floats, int, str]:
    """Return the same of the expected area under the ROC curve."""
    rows = counts.rows.sum(axis=0)
    n, none = int(rows.sum()), np.zeros((3, len(p)))
    positives = float(rows @ p)
    if min(positives, n - positives) < LEAST_CASES:
        which = "positive" if positives < n - positives else "negative"
        said = f"About {min(positives, n - positives):.0f} rows are expected to be {which}, fewer than {LEAST_CASES}."
        return 0.0, none, n, said
    if np.count_nonzero(rows) < 2:
        return 0.0, none, n, "All scores are alike, so they put the rows in no order."
    value, weights = area(rows, p)
    return value, np.repeat(weights[None, :], 3, axis=0), n, ""


def area(rows: Whole, p: Floats, exact: bool = False) -> tuple[float, Floats]:
    """Return the area under the ROC curve of bins in which a share p is positive, and its derivative to one row's p.

    Rows of one bin are ties. No row is paired with itself; where the labels are known (`exact`) it cannot be.
    """
    up, down = rows * p, rows * (1 - p)
    positives, negatives = float(up.sum()), float(down.sum())
    selves = 0.0 if exact else float(rows @ (p * (1 - p)))
    pairs = max(positives * negatives - selves, 1e-300)
    below = np.cumsum(down) - down / 2
    above = positives - np.cumsum(up) + up / 2
    value = min(1.0, max(0.0, (float(up @ below) - selves / 2) / pairs))
    return value, np.asarray((below - value * negatives - above + value * positives) / pairs)
