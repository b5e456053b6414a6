"""What cannot come out otherwise is measured once: the artifact, which is looked at without the data.

Looking at it starts a process that imports what artifacts are made of, which takes longer than many a night. Two nights that
find the same files by the same passport are told the same; whatever the artifact's family may read is part of the key.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

from checks.subject import Subject
from flows.measuring import FAMILIES
from roadworthy.canonical import digest_file, digest_of
from roadworthy.measurement import Measurement

Family = tuple[str, Callable[[Subject], list[Measurement]]]
NOT_READ = {"batches", "references", "suites", ".roadworthy"}
"""Folders of a workspace that the artifact's family does not look into; see `checks.artifact.measure`."""

_KNOWN: dict[str, list[Measurement]] = {}


def _key(subject: Subject) -> str:
    """Return a digest of the passport, of all files that it may name, and of the day where the day matters."""
    artifact = subject.passport.artifact
    dated = artifact is not None and (artifact.reports or artifact.exceptions or artifact.access_log)
    day: date | None = subject.day if dated else None
    files = {str(path.relative_to(subject.root)): [path.is_symlink(), digest_file(path)] for path in sorted(_read(subject.root))}
    approved = dict(subject.approved) if subject.approved is not None else None
    return digest_of([subject.passport.model_dump(mode="json"), str(day), approved, files])


def _read(root: Path) -> list[Path]:
    inside = [path for path in root.iterdir() if path.name not in NOT_READ]
    return [path for place in inside for path in (place.rglob("*") if place.is_dir() else [place]) if path.is_file()]


def _artifact(subject: Subject) -> list[Measurement]:
    from checks import artifact

    key = _key(subject)
    if key not in _KNOWN:
        _KNOWN[key] = list(artifact.measure(subject))
    return list(_KNOWN[key])


ONCE: tuple[Family, ...] = tuple((name, _artifact if name == "artifact" else measure) for name, measure in FAMILIES)
"""The families of a night, the artifact's looked at once for the same files."""
