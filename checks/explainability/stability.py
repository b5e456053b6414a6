"""Whether the model still answers for the same reasons: as on the reference, as last night, as the version before it.

Each explanation is kept as sums over batches of ten rows and more, by the artifact and the rows that it was made of. So a night
that finds what it compares with explains only its own rows, and nothing that is kept tells of a single row.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from checks.explainability import shares
from checks.explainability.asking import Asked, Explained, drawn, of_artifact, wanted
from checks.explainability.sample import generator
from checks.explainability.surrogate import VERSION as SURROGATE_VERSION
from checks.intervals import CONFIDENCE
from checks.isolation import IsolationError
from checks.opening import Opening
from checks.subject import Subject
from roadworthy.canonical import digest_of
from roadworthy.errors import DataError, RoadworthyError
from roadworthy.measurement import Measurement, Status, not_measured
from roadworthy.window import Window, files_of

RANKS, TOP, SHIFT = METRICS = ("explainability.rank_agreement", "explainability.top_overlap", "explainability.shift")
REFERENCE, NIGHT, PREVIOUS = "reference", "previous night", "previous version"

VERSION = 1
"""Counts up when the same rows would be explained otherwise."""
LEAST_BATCHES = 10
_BATCHES, _PAIRS = "shap-batches", "shap-interactions"
_DIGITS = 9
_NAMED = 3


@dataclass(frozen=True)
class Past:
    """What was explained before.

    Attributes
    ----------
    reference, night : Batches, optional
        Of the reference, and of the window that ended a day earlier; None where they are not kept.
    pairs : tuple of dict
        Measurements of the interactions on the reference.
    why_no_night : str
    """

    reference: shares.Batches | None
    night: shares.Batches | None
    pairs: tuple[dict[str, Any], ...] = ()
    why_no_night: str = ""

    def with_reference(self, batches: shares.Batches, pairs: Sequence[dict[str, Any]]) -> Past:
        """Return the same past with a reference that was explained tonight."""
        return replace(self, reference=batches, pairs=tuple(pairs))


def mixed(subject: Subject, found: Explained, unit: shares.Places, content: str) -> shares.Batches:
    """Return an explanation as batches; the same rows are mixed in the same way whatever model is explained."""
    made = shares.batches(found.strength, unit, generator(subject.seed, "batches", content))
    rounded = [[float(f"{number:.{_DIGITS}g}") for number in row] for row in made.sums.tolist()]
    return replace(made, sums=np.array(rounded, dtype=float).reshape(made.sums.shape))


def known(subject: Subject, asked: Asked) -> Past:
    """Return what was explained before, as far as it is kept."""
    kept = subject.kept
    if kept is None:
        return Past(None, None, (), "Nothing is kept of earlier nights.")
    of_reference = kept.get(_BATCHES, _key(subject, asked, subject.reference.digest))
    pairs = kept.get(_PAIRS, _key(subject, asked, subject.reference.digest)) if of_reference is not None else None
    reference = shares.Batches.from_json(of_reference) if of_reference is not None and pairs is not None else None
    night, why = None, ""
    content = _answered(subject, days_before=1)
    if not content:
        why = "There are no rows of a window that ends a day earlier."
    else:
        of_night = kept.get(_BATCHES, _key(subject, asked, content))
        night = shares.Batches.from_json(of_night) if of_night is not None else None
        why = "" if night is not None else "The window that ends a day earlier was not explained as it now is."
    return Past(reference, night, tuple(pairs or ()) if reference is not None else (), why)


def keep(subject: Subject, asked: Asked, here: shares.Batches, past: Past, fresh: bool) -> None:
    """Keep tonight's explanation, and the reference's if it was made tonight."""
    if subject.kept is None:
        return
    if fresh and past.reference is not None:
        key = _key(subject, asked, subject.reference.digest)
        subject.kept.put(_BATCHES, key, past.reference.as_json())
        subject.kept.put(_PAIRS, key, list(past.pairs))
    content = _answered(subject)
    if content:
        subject.kept.put(_BATCHES, _key(subject, asked, content), here.as_json())


def _key(subject: Subject, asked: Asked, content: str) -> dict[str, Any]:
    """Return everything that an explanation of some rows depends on."""
    model = asked.passport.artifact.sha256 if asked.passport.artifact is not None else ""
    return {
        "model": model, "surrogate": SURROGATE_VERSION if not model else None, "reference": subject.reference.digest,
        "rows": content, "features": list(asked.passport.features), "task": asked.passport.task.model_dump(mode="json"),
        "unit": asked.passport.independence.column, "seed": subject.seed, "version": VERSION,
        "tools": {name: importlib.metadata.version(name) for name in ("shap", "scikit-learn")},
    }


def _answered(subject: Subject, days_before: int = 0) -> str:
    """Return a digest of the batches of the window, or of one that ends earlier; labels that come later do not change it."""
    window = subject.decided.window
    if window is None:
        return ""
    back = timedelta(days=days_before)
    opening = Opening(subject.con, subject.root, subject.passport, subject.links, subject.digests)
    try:
        days = Window(window.first - back, window.last - back).days()
        files: list[Path] = [path for day in days for path in files_of(subject.root, subject.passport.batches.path, day)]
        return digest_of([[str(path.relative_to(subject.root)), opening.digest(path)] for path in files]) if files else ""
    except (OSError, RoadworthyError):  # a batch of a day before that cannot be read is no explanation of that day
        return ""


def measure(
    subject: Subject, found: Explained, here: shares.Batches, unit: shares.Places, past: Past, rows: pa.Table,
    inputs: dict[str, str],
) -> list[Measurement]:
    """Return how tonight's explanation agrees with each that it can be compared with."""
    made = [*_against(subject, REFERENCE, found.columns, here, past.reference, "The reference was not explained.", inputs)]
    made += _against(subject, NIGHT, found.columns, here, past.night, past.why_no_night, inputs)
    return made + _previous_version(subject, found, unit, rows, inputs)


def _previous_version(
    subject: Subject, found: Explained, unit: shares.Places, rows: pa.Table, inputs: dict[str, str]
) -> list[Measurement]:
    """Explain tonight's rows by the version that was in service before, and compare."""
    before = subject.predecessor
    if before is None:
        return _without(PREVIOUS, "not_applicable", "No version was in service before this one.", inputs)
    if before.artifact is None or found.explained != "model":
        which = f"version {before.version}" if before.artifact is None else "this version"
        said = f"The artifact of {which} is not declared, so the two cannot be compared."
        return _without(PREVIOUS, "not_applicable", said, inputs)
    inputs = inputs | {"previous artifact": before.artifact.sha256}
    try:
        asked = of_artifact(subject, before)
        if asked.passport.features != subject.passport.features:
            rows = _with_their_columns(subject, asked, rows)
        there = asked.explain({"tonight": rows}, drawn(subject, subject.reference, _theirs(subject, asked)))["tonight"]
    except (IsolationError, DataError) as problem:
        return _without(PREVIOUS, "error", f"Version {before.version} could not be explained: {problem.sentence}", inputs)
    both, mine, theirs = np.intersect1d(found.rows, there.rows, return_indices=True)
    columns = tuple(dict.fromkeys([*found.columns, *there.columns]))
    of_both = [
        shares.batches(strength, unit[mine], generator(subject.seed, "batches", subject.decided.digest))
        for strength in (_spread(found, mine, columns), _spread(there, theirs, columns))
    ]
    more: dict[str, Any] = {"version": before.version, "rows": len(both)}
    if there.scale != found.scale:
        more["scales"] = [found.scale, there.scale]
    return _compared(subject, PREVIOUS, columns, of_both[0], of_both[1], inputs, more, paired=True)


def _theirs(subject: Subject, asked: Asked) -> dict[str, str]:
    return wanted(replace(subject, passport=asked.passport), subject.reference)


def _with_their_columns(subject: Subject, asked: Asked, rows: pa.Table) -> pa.Table:
    """Return the very rows with the columns that another version reads."""
    theirs = wanted(replace(subject, passport=asked.passport), subject.decided)
    return drawn(subject, subject.decided, theirs, rows.num_rows)


def _spread(found: Explained, places: shares.Places, columns: Sequence[str]) -> shares.Numbers:
    made = np.zeros((len(places), len(columns)))
    made[:, [columns.index(name) for name in found.columns]] = found.strength[places]
    return made


def _against(
    subject: Subject, name: str, columns: Sequence[str], here: shares.Batches, there: shares.Batches | None, why_not: str,
    inputs: dict[str, str],
) -> list[Measurement]:
    if there is None:
        return _without(name, "insufficient", why_not, inputs)
    return _compared(subject, name, columns, here, there, inputs, {})


def _compared(
    subject: Subject, name: str, columns: Sequence[str], here: shares.Batches, there: shares.Batches, inputs: dict[str, str],
    more: dict[str, Any], paired: bool = False,
) -> list[Measurement]:
    fewest = min(len(here.sums), len(there.sums))
    if fewest < LEAST_BATCHES:
        said = (
            f"The rows make {fewest} batches of {shares.BATCH} rows or one unit of independence; {LEAST_BATCHES} are needed to "
            "tell a change from chance."
        )
        return _without(name, "insufficient", said, inputs)
    rng = generator(subject.seed, "stability", name, subject.decided.digest)
    made, n = shares.compared(here, there, rng, paired), min(here.rows, there.rows)
    moved = shares.shares(here.sums.sum(axis=0)), shares.shares(there.sums.sum(axis=0))
    far = np.argsort(-np.abs(moved[0] - moved[1]), kind="stable")[:_NAMED]
    details = more | {
        "tonight": {columns[place]: float(moved[0][place]) for place in far},
        "before": {columns[place]: float(moved[1][place]) for place in far},
    }
    stats = {"batches": len(here.sums), "batches_before": len(there.sums)}
    how = f"shares of mean absolute SHAP values, tonight against {name}; bootstrap interval over batches"
    exchanged = "the two of each pair" if paired else "batches"
    few = len(columns) <= shares.TOP
    return [
        _one(RANKS, name, made.ranks, n, stats, f"Spearman's rank correlation of {how}", inputs, details)
        if len(columns) > 2 else not_measured(
            RANKS, "not_applicable", "Of fewer than three columns no order can be told.", over={"with": name}, inputs=inputs
        ),
        _one(TOP, name, made.top, n, stats, f"overlap of the {shares.TOP} largest {how}", inputs, details)
        if not few else not_measured(
            TOP, "not_applicable", f"All {len(columns)} columns are among the {shares.TOP} strongest.", over={"with": name},
            inputs=inputs,
        ),
        _one(
            SHIFT, name, made.shift, n, stats, f"total variation of {how}, reflected; p-value by exchanging {exchanged}", inputs,
            details, made.p_value,
        ),
    ]


def _one(
    metric: str, name: str, one: shares.Estimate, n: int, stats: dict[str, Any], method: str, inputs: dict[str, str],
    details: dict[str, Any], p_value: float | None = None,
) -> Measurement:
    return Measurement(
        metric, {"with": name}, one.value, one.low, one.high, CONFIDENCE, p_value, n, stats, method, inputs, details=details
    )


def _without(name: str, status: Status, reason: str, inputs: dict[str, str]) -> list[Measurement]:
    return [not_measured(metric, status, reason, over={"with": name}, inputs=inputs) for metric in METRICS]
