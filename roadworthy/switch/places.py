"""Where a workspace keeps its STOP files and its database, read without the workspace's full validation.

A stop must work when ``roadworthy.yaml`` has a mistake in it, so this reads only what it needs and says what it could not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from roadworthy.errors import StorageError
from roadworthy.ledger import database as state
from roadworthy.ledger import postgres_url

FILE = "roadworthy.yaml"
FOLDER = Path(".roadworthy") / "switch"
_DEFAULT_STATE = "sqlite:///.roadworthy/state.sqlite"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


@dataclass(frozen=True, slots=True)
class Places:
    """Where the switch of a workspace lies.

    Attributes
    ----------
    root : pathlib.Path
    folder : pathlib.Path
        The workspace's own folder of STOP files.
    targets : tuple of pathlib.Path
        More folders that get STOP files.
    url : str
        The database, with absolute paths; empty if it cannot be known or is of a kind that this version does not write.
    problem : str
        Why something above is not known; one sentence, empty if all is.
    """

    root: Path
    folder: Path
    targets: tuple[Path, ...] = ()
    url: str = ""
    problem: str = ""

    @property
    def database(self) -> Path | None:
        """The SQLite file; None if a server keeps the state, or nobody knows."""
        return state.file_of(self.url) if self.url else None


def models(root: Path) -> list[str]:
    """Return the models that have a folder in the workspace."""
    folder = root / "models"
    return sorted(p.name for p in folder.iterdir() if p.is_dir() and _NAME.fullmatch(p.name)) if folder.is_dir() else []


def versions(root: Path, model: str) -> list[str]:
    """Return the versions of a model that have a passport file."""
    if not _NAME.fullmatch(model):
        return []
    return sorted(p.stem for p in (root / "models" / model).glob("*.yaml"))


def places(root: Path) -> Places:
    """Read from ``roadworthy.yaml`` where the switch lies."""
    import yaml

    root = root.absolute()
    folder = root / FOLDER
    try:
        with (root / FILE).open("rb") as file:
            data = yaml.safe_load(file)
        if not isinstance(data, dict):
            raise ValueError("it is not a mapping")
        targets = data.get("stop_targets", [])
        url = data.get("state_url", _DEFAULT_STATE)
        if not isinstance(url, str) or not isinstance(targets, list) or not all(isinstance(t, str) and t for t in targets):
            raise ValueError("'state_url' or 'stop_targets' is not what it must be")
    except (OSError, ValueError, yaml.YAMLError) as problem:
        said = " ".join(str(problem).split())
        return Places(root, folder, problem=f"{FILE} cannot be read ({said}), so neither database nor stop_targets are known.")
    found = Places(root, folder, tuple(root / t for t in targets))
    try:
        state.kind_of(url)
    except StorageError as problem:
        return Places(root, folder, found.targets, problem=problem.sentence)
    said = postgres_url.problem_of(url)
    return Places(root, folder, found.targets, "" if said else state.within(url, root), said)
