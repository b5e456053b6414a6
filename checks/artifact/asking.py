"""Have the artifact looked at inside, once for the same bytes.

What is asked is named by the digests of everything that is handed over, so that the same file under the same declarations is
looked at once: in this process, and with `checks.subject.Kept` in any. The process inside says which bytes it read; where those
are others than were asked about, somebody changed the file meanwhile, and the answer is none.
"""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from checks.artifact import seal
from checks.auditor.opinion import VERSION
from checks.isolation import IsolationError, Limits, ask
from checks.isolation.artifact import order_of
from checks.subject import Subject
from roadworthy.canonical import digest_file, digest_of
from roadworthy.errors import RoadworthyError
from roadworthy.supply import Artifact

LIMITS = Limits(seconds=120, memory=6 << 30, file=2 << 30, answer=1 << 20)
MOST_FILES = 2_000
_KEPT = "artifact-looked-at"
_OF_GIT = {".git", ".gitattributes", ".github", ".gitignore"}  # which model-signing never signs


class NotAsked(RoadworthyError):
    """The artifact could not be looked at: a sentence why."""


@dataclass(frozen=True)
class _Question:
    """What is asked, the same for the same bytes wherever they lie."""

    key: str
    order: dict[str, Any] = field(compare=False)
    files: dict[str, Path] = field(compare=False)
    digests: dict[str, str] = field(compare=False)


def looked_at(subject: Subject, artifact: Artifact) -> dict[str, Any]:
    """Return what the process inside found; see `checks.artifact.inside`.

    Raises
    ------
    NotAsked
        If a file is missing, changed meanwhile, or the process inside gave no answer.
    """
    try:
        question = _question(subject, artifact)
        kept = subject.kept.get(_KEPT, {"question": question.key}) if subject.kept is not None else None
        if kept is not None:
            return dict(kept)
        found = _answer(question)
    except IsolationError as problem:
        raise NotAsked(f"The artifact could not be looked at. {problem.sentence}") from problem
    except OSError as problem:
        raise NotAsked(f"A file of the artifact cannot be read ({problem.strerror}).") from problem
    if subject.kept is not None:
        subject.kept.put(_KEPT, {"question": question.key}, found)
    return found


def _question(subject: Subject, artifact: Artifact) -> _Question:
    root, signature = subject.root, artifact.signature
    files = {"artifact": root / artifact.path}
    signed: dict[str, str] = {}
    if signature is not None:
        files |= {"signature": root / signature.path, "public_key": root / signature.public_key}
        signed = {".": "artifact"}
        if signature.covers == "folder":
            inside = _folder(files["artifact"].parent)
            files |= {f"signed-{place}": path for place, path in enumerate(inside.values())}
            signed = {name: f"signed-{place}" for place, name in enumerate(inside)}
    digests = {name: digest_file(path) for name, path in files.items()}
    order = {**order_of(subject.passport), "signed": signed}
    made_with = [VERSION, seal.VERSION, importlib.metadata.version("skops"), _version("model-signing")]
    return _Question(digest_of([order, digests, made_with]), order, files, digests)


def _folder(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if name.parts[0] in _OF_GIT or (path.is_dir() and not path.is_symlink()):
            continue
        if path.is_symlink() or not path.is_file():
            raise NotAsked(f"The folder that is signed holds {name.name[:80]!a}, which is no file.")
        found[str(PurePosixPath(name))] = path
        if len(found) > MOST_FILES:
            raise NotAsked(f"The folder that is signed holds more than {MOST_FILES:,} files.")
    return found


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


@lru_cache(maxsize=64)
def _answer(question: _Question) -> dict[str, Any]:
    answer = ask("checks.artifact.inside", question.order, files=question.files, limits=LIMITS)
    if answer.digests != question.digests or answer.values.get("sha256") != question.digests["artifact"]:
        raise NotAsked("A file of the artifact was changed while it was looked at.", "Run it again.")
    if set(answer.values) != {"sha256", "opinion", "unknown", "signature"}:
        raise NotAsked("What the process inside answered is no answer.")
    return answer.values
