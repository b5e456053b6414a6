"""Following a reference to a secret at the moment it is used; configuration never holds the secret itself."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from roadworthy.errors import RefusedError

_REFERENCE = re.compile(r"(?:env|prefect):\S+|file:\S(?:.*\S)?")  # a folder may have a space in its name


def is_reference(value: str) -> bool:
    """Say whether `value` points at a secret instead of holding one.

    Examples
    --------
    >>> is_reference("env:SLACK_URL"), is_reference("hunter2")
    (True, False)
    """
    return _REFERENCE.fullmatch(value) is not None


def resolve(reference: str, root: Path, environment: Mapping[str, str], prefect: Callable[[str], str] | None = None) -> str:
    """Return the secret that `reference` points at.

    Parameters
    ----------
    reference : str
        ``env:NAME``, ``file:PATH`` (relative to the workspace, readable by its owner only) or ``prefect:BLOCK``.
    root : pathlib.Path
        The workspace.
    environment : mapping
        Where ``env:`` looks.
    prefect : callable, optional
        Loads a Prefect secret block by name; given by the flows, which know Prefect.

    Raises
    ------
    RefusedError
        If there is no such secret, or the file can be read by others.
    """
    if not is_reference(reference):
        raise RefusedError("A literal secret stands where a reference must be.", "Write env:NAME, file:PATH or prefect:BLOCK.")
    kind, _, name = reference.partition(":")
    if kind == "env":
        found = environment.get(name, "")
        if not found:
            raise RefusedError(f"The environment variable {name} is not set.", f"Set it, or change the reference '{reference}'.")
        return found
    if kind == "prefect":
        if prefect is None:
            raise RefusedError(f"'{reference}' is a Prefect secret, which only flows can read.", "Use env: or file: here.")
        try:
            return prefect(name)
        except Exception as problem:  # noqa: BLE001 - what a block's loader raises is its own; its text may hold the secret
            raise RefusedError(f"'{reference}' could not be read ({type(problem).__name__}).", "Check the block.") from None
    try:
        path = root / Path(name).expanduser()
        status = path.stat()
        mode = stat.S_IMODE(status.st_mode)
        if not stat.S_ISREG(status.st_mode):
            raise RefusedError(f"The secret file {name} is not a file.", "Check the reference.")
        if mode & 0o077:
            raise RefusedError(f"The secret file {name} has mode {mode:04o}: others can read it.", f"Run: chmod 600 {name}")
        found = path.read_text(encoding="utf-8").strip()
    except OSError as problem:
        raise RefusedError(f"The secret file {name} cannot be read ({problem.strerror}).", "Check the reference.") from None
    except (RuntimeError, ValueError):  # no such home; not text
        raise RefusedError(f"The secret file {name} cannot be read as text.", "Check the reference.") from None
    if not found:
        raise RefusedError(f"The secret file {name} is empty.", "Write the secret into it.")
    return found
