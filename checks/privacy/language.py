"""A spaCy pipeline on this machine: where its files lie, what they are called inside, and their digest. None of it is run.

An installed package of a model is found and not imported; only the folder of data in it is handed over, as copies.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path

from roadworthy.canonical import digest_file, digest_of
from roadworthy.errors import RoadworthyError

CONFIG = "config.cfg"
MOST_FILES = 500
MOST_BYTES = 2 << 30
_PACKAGE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


class NoLanguageModelError(RoadworthyError):
    """The language model that was asked for cannot be used: a sentence why, and what to do."""


def library() -> str | None:
    """Return the version of spaCy, or None if it is not installed; it is not imported."""
    if importlib.util.find_spec("spacy") is None:
        return None
    try:
        return importlib.metadata.version("spacy")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def files_of(model: str, root: Path) -> dict[str, Path]:
    """Return the files of a pipeline by their names in its folder, in a fixed order.

    Parameters
    ----------
    model : str
        Name of an installed package, or path of a folder; a relative one is below `root`.
    root : pathlib.Path
        The workspace's folder.

    Raises
    ------
    NoLanguageModelError
        If there is no such model, or it is too large.

    Examples
    --------
    >>> files_of("no such folder", Path("."))
    Traceback (most recent call last):
    checks.privacy.language.NoLanguageModelError: ...
    """
    folder = _folder(model, root)
    try:
        found = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
        size = sum(path.stat().st_size for path in found.values())
    except OSError as problem:
        raise NoLanguageModelError(f"The language model '{model[:80]}' cannot be read ({problem.strerror}).") from problem
    if len(found) > MOST_FILES or size > MOST_BYTES:
        said = f"The language model '{model[:80]}' has {len(found)} files of {size} bytes together, too much to hand over."
        raise NoLanguageModelError(said, "Name a smaller one.")
    return found


def digest(of_files: Mapping[str, str]) -> str:
    """Return one digest of a pipeline from the digest of each of its files.

    Examples
    --------
    >>> digest({"config.cfg": "0" * 64})[:12] == digest({"config.cfg": "1" * 64})[:12]
    False
    """
    return digest_of(dict(sorted(of_files.items())))


def digest_of_files(files: Mapping[str, Path]) -> str:
    """Return the digest of a pipeline that lies on disk; it is that of the copies, as long as nobody changes it."""
    return digest({name: digest_file(path) for name, path in files.items()})


def _folder(model: str, root: Path) -> Path:
    """Return the folder that holds the pipeline's configuration."""
    named = model.replace("-", "_")
    spec = importlib.util.find_spec(named) if _PACKAGE.fullmatch(model) else None
    places = [Path(place) for place in (spec.submodule_search_locations or ())] if spec is not None else [root / model]
    for place in places:
        inside = [place, *(sorted(one for one in place.iterdir() if one.is_dir()) if place.is_dir() else [])]
        held = [one for one in inside if (one / CONFIG).is_file()]
        if held:
            return held[0]
    raise NoLanguageModelError(
        f"There is no language model '{model[:80]}': it is neither an installed package of a spaCy pipeline nor a folder with "
        f"'{CONFIG}'.", "Install it beside Roadworthy, or write the path of its folder; nothing is downloaded.",
    )
