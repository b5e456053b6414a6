"""Looks closer at the columns that moved, for which a night can afford it, and at single decisions that went against people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from checks.subject import Subject
from flows.measuring import guarded
from roadworthy.measurement import Measurement, not_measured

Investigate = Callable[[Subject, Sequence[str], Path], list[Measurement]]


def _exact_distances(subject: Subject, columns: Sequence[str], restricted: Path) -> list[Measurement]:
    """Compare numbers on every row; a column that the passport names was compared so in the night already."""
    from checks import drift
    from checks.drift.plan import kind_of

    ordered = {"number", "date", "clock"}
    done, types = subject.passport.drift.exact, subject.baseline.columns
    return list(drift.exact(subject, [c for c in columns if c not in done and c in types and kind_of(types[c]) in ordered]))


def _explanation(subject: Subject, columns: Sequence[str], restricted: Path) -> list[Measurement]:
    from checks.drift.explanation import explain

    return explain(subject, columns, restricted)


def _drill_down(subject: Subject, columns: Sequence[str], restricted: Path) -> list[Measurement]:
    from checks.drift.drill_down import drill_down

    return drill_down(subject, columns, restricted)


INVESTIGATIONS: tuple[tuple[str, tuple[str, ...], Investigate], ...] = (
    ("exact distances", ("drift.ks_exact", "drift.wasserstein_exact"), _exact_distances),
    ("explanation", ("drift.score_move", "drift.segment_move"), _explanation),
    ("drill_down", ("drift.drill_down",), _drill_down),
)
"""Name, the metrics it measures, and what measures them, from subject, columns and the folder of what holds rows."""


def investigate(
    subject: Subject,
    columns: Sequence[str],
    restricted: Path,
    investigations: tuple[tuple[str, tuple[str, ...], Investigate], ...] = INVESTIGATIONS,
) -> tuple[list[Measurement], dict[str, float]]:
    """Return what each investigation of the moved columns measured, and the seconds it took.

    One that raises gives an ``error`` measurement for each of its metrics and does not stop the others. Without a moved column
    there is nothing to look at, and that is said.
    """
    if not columns:
        return [not_measured("drift.drill_down", "not_applicable", "No column moved, so none was looked at closer.")], {}
    found: list[Measurement] = []
    seconds: dict[str, float] = {}
    for name, metrics, run in investigations:
        made, seconds[name] = guarded(name, metrics, partial(run, subject, columns, restricted), subject)
        found += made
    return found, seconds


def _reasons(subject: Subject, restricted: Path) -> list[Measurement]:
    from checks.explainability.reasons import measure

    return measure(subject, restricted)


def review(
    subject: Subject,
    restricted: Path,
    families: Sequence[tuple[str, Any]],
    reasons: Callable[[Subject, Path], list[Measurement]] = _reasons,
) -> tuple[list[Measurement], dict[str, float]]:
    """Return what came of writing down the reasons of unfavourable decisions, and the seconds it took.

    Nothing where explainability is not asked for, which it rests on. If it raises, the measurement is an ``error``.
    """
    if not any(name == "explainability" for name, _ in families):
        return [], {}
    made, seconds = guarded("reasons", ("explainability.reason_codes",), lambda: reasons(subject, restricted), subject)
    return made, {"reasons": seconds}
