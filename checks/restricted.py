"""Files that hold rows: they lie in the restricted store, for few eyes and free to be erased, and never in the evidence."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from checks.subject import Subject
from roadworthy.canonical import digest_bytes


def folder_of(subject: Subject, restricted: Path, what: str) -> Path:
    """Make ``model=.../version=.../date=.../<what>/`` under the restricted folder, each with mode 0700, and return it.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    passport = subject.passport
    folder = restricted
    for part in ("", f"model={passport.model}", f"version={passport.version}", f"date={subject.day.isoformat()}", what):
        folder = folder / part
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            continue
        folder.chmod(0o700)  # whatever the umask left of it
    return folder


def write(folder: Path, content: bytes, ending: str) -> Path:
    """Write a file under the SHA-256 of its bytes, whole or not at all, for its owner's eyes only, and return its path.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    path = folder / f"{digest_bytes(content)}.{ending}"
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".", suffix=".part", delete=False) as file:  # made with mode 0600
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except OSError:
            Path(file.name).unlink(missing_ok=True)
            raise
    return path
