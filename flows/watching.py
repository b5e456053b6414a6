"""Rules for auditd: which folders of a workspace it has to watch; the rules themselves are in `checks.artifact.auditd`."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from checks.artifact.auditd import rules
from roadworthy.errors import UsageError
from roadworthy.workspace import Workspace


def rules_of(workspace: Workspace) -> str:
    """Return a rules file for every folder that holds a declared artifact; one inside another is watched with it.

    Raises
    ------
    UsageError
        If no passport declares an artifact, or a folder cannot stand in a rules file.
    """
    artifacts = (workspace.passport(identity).artifact for identity in workspace.passports())
    folders = sorted({(workspace.root / artifact.path).absolute().parent for artifact in artifacts if artifact is not None})
    if not folders:
        raise UsageError("No passport of this workspace declares an artifact, so there is no folder to watch.")
    return rules([PurePosixPath(folder) for folder in _outermost(folders)])


def _outermost(folders: list[Path]) -> list[Path]:
    return [folder for folder in folders if not any(other in folder.parents for other in folders)]
