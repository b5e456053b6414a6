"""What a score is worth: how likely the decision that follows from it is right, as far as the reference tells."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from checks.counts import THRESHOLD, positive
from checks.drift.carriers import Numbers
from checks.estimate.calibration import binned, isotonic
from checks.explainability.encoding import numbers
from checks.explainability.sample import sample
from checks.explainability.surrogate import Target, target_sql
from checks.subject import Subject

ROWS = 20_000
LEAST_ROWS = 100
LEAST_AGREEMENT = 0.99


def chance_of_being_right(subject: Subject) -> Callable[[Numbers], Numbers] | None:
    """Return a function from scores to the chance that the decision at 0.5 is right; None where that cannot be told.

    Notes
    -----
    For binary models with a score: the label's share at each score of a sample of the reference, by isotonic regression, as the
    family ``estimate`` has it. It supposes that a score is worth what it was worth there. Where the model decides otherwise than
    at 0.5, where the reference holds fewer than 100 labelled rows, or labels of one value only, nothing is told.
    """
    passport, reference = subject.passport, subject.reference
    task = passport.task
    if task.kind != "binary" or task.score is None or not reference.has(task.score, task.label):
        return None
    asked = {
        "score": target_sql(passport, Target(task.score), reference),
        "label": f"({positive(passport, task.label, reference.columns[task.label])})::double",
    }
    if reference.has(task.prediction) and task.prediction != task.score:
        asked["decision"] = f"({positive(passport, str(task.prediction), reference.columns[str(task.prediction)])})::double"
    drawn = sample(subject, reference, asked, ROWS)
    found = {name: numbers(drawn.column(name)) for name in asked}
    known = np.isfinite(found["score"]) & np.isfinite(found["label"])
    score, label = found["score"][known], found["label"][known]
    if len(score) < LEAST_ROWS or not 0 < label.sum() < len(label):
        return None
    if "decision" in found:
        decision = found["decision"][known]
        decided = np.isfinite(decision)
        if not decided.any() or np.mean((score >= THRESHOLD)[decided] == decision[decided]) < LEAST_AGREEMENT:
            return None
    bins, place = np.unique(binned(score), return_inverse=True)
    rows, positives = np.bincount(place), np.bincount(place, label).astype(np.int64)
    curve = isotonic(bins, rows, positives)

    def right(scores: Numbers) -> Numbers:
        clipped = np.clip(scores, 0.0, 1.0)
        worth = curve.at(binned(clipped)).read(curve.heights)
        return np.where(clipped >= THRESHOLD, worth, 1 - worth)

    return right
