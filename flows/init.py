"""``roadworthy init``: a new workspace, with everything in it that a newcomer has to fill in.

The skeleton is the folder ``flows/starter``; its policies are those of the demo fleet. What is to be filled in is marked
``FILL IN:`` in a comment on the line, and `flows.lint` names each such line until the mark is gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from roadworthy.errors import UsageError

_RENAMED = {"gitignore": ".gitignore"}  # a dotted name would be read by Git in the checkout, and dropped by packagers


def make(folder: Path) -> list[Path]:
    """Make a workspace in `folder`.

    Parameters
    ----------
    folder : pathlib.Path
        Made if it is missing; if it is there, it must be empty.

    Returns
    -------
    list of pathlib.Path
        The files that were written.

    Raises
    ------
    UsageError
        If the folder is not empty or is no folder. Nothing is written then.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file.", "Name a folder that is empty or not there yet.")
    if folder.is_dir() and (there := next(folder.iterdir(), None)) is not None:
        raise UsageError(f"{folder} is not empty: it holds {there.name}.", "Name a folder that is empty or not there yet.")
    made = []
    for steps, source in _files(resources.files("flows").joinpath("starter"), ()):
        target = folder.joinpath(*steps[:-1], _RENAMED.get(steps[-1], steps[-1]))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
        made.append(target)
    return made


def _files(folder: Traversable, above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda e: (e.is_dir(), e.name)):
        if entry.is_dir():
            yield from _files(entry, (*above, entry.name))
        elif not entry.name.startswith("__"):
            yield (*above, entry.name), entry
