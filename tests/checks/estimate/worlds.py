"""Worlds in which the calibration is true, and how often the interval of an estimate holds what labels then say.

Nothing in them changes but which cases come (`moved` shifts the inputs), so a miss is chance and the intervals have to allow
for it. The score is wrong as a probability, on purpose: the calibration has to be learnt.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from checks import estimate
from checks.estimate import classes, confidence, direct
from checks.estimate.calibration import binned
from checks.intervals import Interval
from tests.support import DAY, make_subject, passport_of


def expit(x):
    return 1 / (1 + np.exp(-x))


def two_values(random, reference, batch, base=0.0, moved=0.0):
    """Return (metric, estimate, interval, truth) of one reference and one batch of a model that decides between two."""

    def counted(n, shift):
        z = random.normal(base + shift, 1.3, n)
        s, y = expit(0.7 * z + 0.3), random.random(n) < expit(z)
        bins, place = np.unique(binned(s), return_inverse=True)
        cell = (s >= 0.5) * len(bins) + place
        rows, hits = (np.bincount(cell, w, 3 * len(bins)).astype(np.int64).reshape(3, -1) for w in (np.ones(n), y))
        return confidence.Counts(bins, rows, hits)

    known, day = confidence.learn(counted(reference, 0.0)), counted(batch, moved)
    found, truth = confidence.estimates(day, known)[0], confidence.truths(day)
    return [(m, one.value, one.interval, truth[m]) for m, one in found.items() if one.value is not None and m in truth]


def three_classes(random, reference, batch, moved=0.0):
    """The same of a model that decides between three."""

    def rows(n, shift):
        z = random.normal([shift, 0, 0], [1.5, 1, 1], (n, 3))
        p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        q = p**0.6 / (p**0.6).sum(axis=1, keepdims=True)
        y = (random.random(n)[:, None] > p.cumsum(axis=1)).sum(axis=1)
        return classes.Rows(np.minimum(y, 2), q.argmax(axis=1), binned(q), np.arange(n), {}, n)

    day = rows(batch, moved)
    learnt = classes.learn(rows(reference, 0.0), False)
    truth = classes.metrics(day.decision, np.eye(3)[day.truth])
    return [(m, value, interval, truth[m][0]) for m, (value, interval, _) in classes.estimate(day, learnt).items()]


def a_number(random, reference, batch, moved=0.0):
    """The same of a model that predicts a number, whose errors grow with an input."""

    def rows(n, shift):
        x = random.normal([shift, 0, 0, 0], 1, (n, 4))
        error = 0.5 * (x[:, 1] > 0.5) + np.exp(0.25 * x[:, 0]) * random.normal(0, 1, n)
        return direct.Rows(x, error, np.arange(n), {}, n)

    known, day = rows(reference, 0.0), rows(batch, moved)
    truth = {"mae": np.abs(day.error).mean(), "rmse": np.sqrt((day.error**2).mean())}
    folds, found = random.permutation(reference) % direct.FOLDS, []
    with threadpool_limits(1, user_api="openmp"):
        for m, loss in (("mae", np.abs(known.error)), ("rmse", known.error**2)):
            expert = direct._expert(known, loss, folds, np.zeros(4, dtype=bool), False, 1)
            value, interval = direct.estimate(m, expert.expected(day.inputs), expert, day.unit, batch)
            found.append((m, value, interval, float(truth[m])))
    return found


def by_days(random, reference, batch, together=0.8):
    """The same of two values, through files, where the cases of a day share their luck; rows are 50 a day."""

    def rows(n):
        z = random.normal(0, 1.3, n)
        luck = np.repeat(random.normal(0, together, n // 50), 50)
        return {
            "score": expit(0.7 * z), "prediction": (z > 0).astype(int), "day": np.repeat(np.arange(n // 50), 50),
            "label": (random.random(n) < expit(z + luck)).astype(int),
        }

    passport = passport_of(protected=[], independence={"unit": "block", "column": "day"})
    with tempfile.TemporaryDirectory() as root, make_subject(Path(root), passport, rows(reference), {DAY: rows(batch)}) as s:
        measured = estimate.measure(s)
    found = []
    for m in measured:
        if m.metric == "estimate.miss" and m.value is not None:
            truth = m.stats["true"]  # the interval of the miss is that of the estimate, moved by the truth
            interval = Interval(m.low + truth, m.high + truth, 0.0, "linear", "")
            found.append((m.over["metric"], m.stats["estimated"], interval, truth))
    return found


def coverage(world, repeats, seed=1, **kinds):
    """Return by metric the share of runs whose interval held the truth, the mean error and the mean width."""
    random, found = np.random.default_rng(seed), defaultdict(list)
    for _ in range(repeats):
        for metric, value, interval, truth in world(random, **kinds):
            inside = interval.low - 1e-12 <= truth <= interval.high + 1e-12
            found[metric].append((inside, value - truth, interval.high - interval.low))
    return {metric: tuple(np.mean(runs, axis=0).tolist()) for metric, runs in found.items()}
