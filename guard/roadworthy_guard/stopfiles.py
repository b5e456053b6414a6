"""STOP files: asked for by name at each check, read once a second and whenever one comes or goes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from roadworthy_guard import clock, words
from roadworthy_guard.content import Stop, name, state
from roadworthy_guard.decision import ACTIVE, ANY, DISABLED, UNKNOWN

_MAX_FILE = 1024 * 1024
_MAX_FILES = 10_000


class StopFiles:
    """The STOP files of some folders.

    Parameters
    ----------
    folders : sequence of pathlib.Path
        A folder that is not there holds no stop; one that cannot be read holds a stop of everything.
    """

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        self.folders = tuple(folders)
        self._names = tuple(str(folder) for folder in self.folders)

    def paths(self, model: str) -> list[str]:
        """Return the paths whose existence stops a model."""
        return [f"{folder}{os.sep}{end}" for folder in self._names for end in ("STOP", f"STOP.{model}")]

    def read(self) -> Mapping[str, tuple[Stop, ...]]:
        """Return the stops of each file that is there, by its path."""
        found: dict[str, tuple[Stop, ...]] = {}
        for folder in self.folders:
            try:
                with os.scandir(folder) as listing:
                    there = [entry.name for entry in listing if entry.name == "STOP" or entry.name.startswith("STOP.")]
            except FileNotFoundError:
                continue
            except OSError as problem:
                found[str(folder)] = (_unknown(ANY, f"the folder of STOP files cannot be read ({problem.strerror})"),)
                continue
            if len(there) > _MAX_FILES:
                found[str(folder)] = (_unknown(ANY, f"there are more than {_MAX_FILES} STOP files"),)
                there = ["STOP"] if "STOP" in there else []
            for one in there:
                stops = _file(folder / one)
                if stops:
                    found[str(folder / one)] = stops
        return found


def _file(path: Path) -> tuple[Stop, ...]:
    try:
        model = ANY if path.name == "STOP" else name(path.name.removeprefix("STOP."))
    except ValueError:
        return ()  # it names nothing that could be a model; asking for that model is refused anyway
    try:
        since = _changed(path)
        if path.is_dir():  # `mkdir STOP.credit` is a stop as well
            return (Stop(model, ANY, ANY, DISABLED, since),)
        # Not blocking: a named pipe of that name must stop the model, and not the guard.
        with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
            data = file.read(_MAX_FILE + 1) or b""
    except FileNotFoundError:
        return ()
    except OSError as problem:
        return (_unknown(model, f"{path.name} cannot be read ({problem.strerror})"),)
    if not data.strip():
        return (Stop(model, ANY, ANY, DISABLED, since),)
    if len(data) > _MAX_FILE:
        return (_unknown(model, f"{path.name} is larger than 1 MB", since),)
    return tuple(_line(line, model, path.name, since) for line in data.splitlines() if line.strip())


def _line(line: bytes, model: str, file: str, since: str) -> Stop:
    try:
        found = words.mapping(words.parse(line))
        stop = Stop(
            words.text(found["model"]), words.text(found["version"]), words.text(found["segment"]), state(found["state"]),
            words.text(found["at"]),
        )
        clock.parse(stop.since)
        if stop.model == model and stop.state not in (ACTIVE, UNKNOWN) and words.whole(found["schema_version"]) == 1:
            return stop
    except (ValueError, KeyError):
        pass
    return _unknown(model, f"{file} holds what cannot be understood", since)


def _unknown(model: str, said: str, since: str = "") -> Stop:
    return Stop(model, ANY, ANY, UNKNOWN, since, said=said)


def _changed(path: Path) -> str:
    try:
        return clock.written(path.stat().st_mtime)
    except (OverflowError, ValueError):
        return ""


def flat(files: Mapping[str, tuple[Stop, ...]]) -> Iterable[Stop]:
    """Return the stops of all files."""
    return [stop for stops in files.values() for stop in stops]
