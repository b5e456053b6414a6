"""Looks closer at the columns that moved: what a night cannot afford for every column, it does for these."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from checks.subject import Subject
from flows.measuring import guarded
from roadworthy.measurement import Measurement

Investigate = Callable[[Subject, Sequence[str], Path], list[Measurement]]

INVESTIGATIONS: tuple[tuple[str, tuple[str, ...], Investigate], ...] = ()
"""Name, the metrics it measures, and what measures them, from subject, columns and the folder of what holds rows."""


def investigate(
    subject: Subject,
    columns: Sequence[str],
    restricted: Path,
    investigations: tuple[tuple[str, tuple[str, ...], Investigate], ...] = INVESTIGATIONS,
) -> tuple[list[Measurement], dict[str, float]]:
    """Return what each investigation of the moved columns measured, and the seconds it took.

    One that raises gives an ``error`` measurement for each of its metrics and does not stop the others.
    """
    found: list[Measurement] = []
    seconds: dict[str, float] = {}
    for name, metrics, run in investigations:
        made, seconds[name] = guarded(name, metrics, lambda: run(subject, columns, restricted), subject)  # noqa: B023 - called here
        found += made
    return found, seconds
