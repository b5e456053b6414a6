"""The asking side: start a process that holds nothing, hand it copies, wait, and believe only what can be checked.

What a model does is its own affair as long as it stays inside: this side never loads what comes back, it reads JSON and plain
Arrow columns of a bounded size. Where a process ends in another way than with an answer, the error says how.
"""

from __future__ import annotations

import hashlib
import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checks.isolation import parcels, walls
from roadworthy.errors import RoadworthyError

if TYPE_CHECKING:
    import pyarrow as pa

_JOB = re.compile(r"checks(\.[a-z_][a-z0-9_]*)+")
_CHUNK = 1 << 20


class IsolationError(RoadworthyError):
    """What was asked could not be answered by the process inside: it took too long or too much, failed, or lied."""


@dataclass(frozen=True)
class Limits:
    """What a process inside may take.

    Attributes
    ----------
    seconds : int
        Of wall time, and of processor time as well; the process and all that it started are killed then.
    memory : int
        Bytes of address space of each of its processes.
    file : int
        Bytes of the largest file that it may write.
    answer : int
        Bytes of its JSON, and of each of its tables, that are read; of a file that it leaves, `file` bytes are.
    """

    seconds: int = 120
    memory: int = 4 << 30
    file: int = 512 << 20
    answer: int = 64 << 20


@dataclass(frozen=True)
class Answer:
    """What the process inside answered.

    Attributes
    ----------
    values : dict
        JSON values; every number is finite. Made by a process that may have run a model's own code: check before use.
    tables : dict of str to pyarrow.Table
    isolation : str
        ``network namespace``, or ``not isolated`` where the kernel refused one.
    walls : tuple of str
        All the walls that stood; see `checks.isolation.walls`.
    seconds : float
        Wall time from the start to the answer.
    peak_memory : int
        The most that it held, in bytes, as it says itself; 0 if unknown.
    digests : dict of str to str
        SHA-256 of the very bytes of each file that was handed over.
    files : dict of str to bytes
        What it left of the files that were asked for. Nothing in them has been looked at.
    """

    values: dict[str, Any]
    tables: dict[str, pa.Table] = field(default_factory=dict)
    isolation: str = walls.NOT_ISOLATED
    walls: tuple[str, ...] = ()
    seconds: float = 0.0
    peak_memory: int = 0
    digests: dict[str, str] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)


def ask(
    job: str, order: Mapping[str, Any] | None = None, tables: Mapping[str, pa.Table] | None = None,
    files: Mapping[str, Path] | None = None, limits: Limits | None = None, wanted: Sequence[str] = (),
) -> Answer:
    """Run ``main(order, tables, files)`` of a module of ours in a process of its own and return what it answers.

    Parameters
    ----------
    job : str
        A module below `checks` whose ``main(order: dict, tables: dict[str, pyarrow.Table], files: dict[str, Path])`` returns
        ``(dict, dict[str, pyarrow.Table])``.
    order : mapping of JSON values
    tables : mapping of str to pyarrow.Table
    files : mapping of str to pathlib.Path
        Handed over as copies; `Answer.digests` are those of the copies, and ``order["digests"]`` tells them to the job.
    limits : Limits
    wanted : sequence of str
        Files that the job may leave, by any names; ``order["leave"]`` tells it where, relative to its folder.

    Raises
    ------
    IsolationError
        If the job took too long or too much, ended with an error, was killed, or gave an answer that is none.

    Notes
    -----
    The process has a session, a folder and an environment of its own, no input, no open file of this process, and the walls of
    `checks.isolation.walls`. Its folder is removed with all that is in it.

    Examples
    --------
    >>> ask("os")
    Traceback (most recent call last):
    checks.isolation.room.IsolationError: 'os' is no job that can be run in isolation.
    """
    if not _JOB.fullmatch(job):
        raise IsolationError(f"{job[:80]!r} is no job that can be run in isolation.")
    limits, left = limits or Limits(), {name: f"left-{place}" for place, name in enumerate(wanted)}
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="roadworthy-inside-", ignore_cleanup_errors=True) as made:
        folder = Path(made).resolve()
        digests = {name: _copy(path, folder / f"file-{place}") for place, (name, path) in enumerate((files or {}).items())}
        for place, table in enumerate((tables or {}).values()):
            parcels.write_table(folder / f"table-{place}.arrow", table)
        parcels.write_json(folder / parcels.ORDER, {
            "job": job,
            "order": {**(order or {}), "digests": digests, **({"leave": dict(left)} if left else {})},
            "tables": {name: f"table-{place}.arrow" for place, name in enumerate(tables or {})},
            "files": {name: f"file-{place}" for place, name in enumerate(files or {})},
            "limits": asdict(limits),
        })
        inside = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            code = _run(folder, limits)
            answer = _answer(inside, code, limits, time.monotonic() - began, digests)
            return replace(answer, files=_left(inside, left, limits))
        finally:
            os.close(inside)


def _copy(source: Path, target: Path) -> str:
    """Copy a file and return the SHA-256 of what was copied."""
    found = hashlib.sha256()
    try:
        place = os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(place, "rb") as read:
            if not stat.S_ISREG(os.fstat(place).st_mode):
                raise IsolationError(f"'{source.name}' is no file, so it cannot be handed to the process inside.")
            with target.open("xb") as write:
                while piece := read.read(_CHUNK):
                    found.update(piece)
                    write.write(piece)
    except OSError as problem:
        raise IsolationError(f"'{source.name}' cannot be read ({problem.strerror}).", "See whether it is there.") from problem
    return found.hexdigest()


def _environment(folder: Path) -> dict[str, str]:
    """Return all variables that the process inside has."""
    made = {
        "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "HOME": str(folder), "TMPDIR": str(folder),
        "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1",
        "DO_NOT_TRACK": "1", "MPLCONFIGDIR": str(folder),
        "NUMBA_DISABLE_JIT": "1",  # compiling anew in each process takes ten seconds, and what is compiled takes one
    }
    if "OPENBLAS_CORETYPE" in os.environ:  # without it the same sums may come out otherwise than in this process
        made["OPENBLAS_CORETYPE"] = os.environ["OPENBLAS_CORETYPE"]
    return made


def _run(folder: Path, limits: Limits) -> int:
    """Run the process inside to its end and return its exit code, below 0 if a signal ended it."""
    command = [sys.executable, "-I", "-B", "-m", "checks.isolation.child", str(folder)]
    with subprocess.Popen(
        command, cwd=folder, env=_environment(folder), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, close_fds=True, start_new_session=True,
    ) as process:
        try:
            code = process.wait(timeout=limits.seconds)
        except subprocess.TimeoutExpired as late:
            raise IsolationError(f"It was stopped, for it had not ended after {limits.seconds} s.") from late
        finally:
            _kill(process.pid)
    return 128 - code if code > 128 else code  # the waiting processes inside pass a signal on as a shell does


def _kill(group: int) -> None:
    """Kill what is left of a session; whoever has left it is killed with the process namespace."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return
    except PermissionError as problem:
        raise IsolationError("What the process inside had started could not be killed.") from problem


def _answer(inside: int, code: int, limits: Limits, seconds: float, digests: dict[str, str]) -> Answer:
    """Read what came back and check that it is an answer."""
    if code < 0:
        raise IsolationError(_killed(-code, limits))
    try:
        found = parcels.parse_json(parcels.read_bytes(inside, parcels.ANSWER, limits.answer))
        stood = _walls(found)
        if "error" in found:
            raise IsolationError(_failed(found, limits))
        values, names = found.get("values"), found.get("tables")
        if code != 0 or not isinstance(values, dict) or not isinstance(names, dict) or len(names) > parcels.MOST_TABLES:
            raise parcels.Unreadable("its answer has another shape")
        if not all(re.fullmatch(r"answer-\d{1,2}\.arrow", str(file)) for file in names.values()):
            raise parcels.Unreadable("its answer has another shape")
        tables = {name: parcels.parse_table(parcels.read_bytes(inside, file, limits.answer)) for name, file in names.items()}
    except parcels.Unreadable as problem:
        raise IsolationError(f"The process inside cannot be believed: {problem}.") from problem
    memory = found.get("peak_memory")
    held = memory if isinstance(memory, int) and 0 <= memory < 1 << 60 else 0
    return Answer(values, tables, walls.NETWORK if walls.NETWORK in stood else walls.NOT_ISOLATED, stood, seconds, held, digests)


def _left(inside: int, left: Mapping[str, str], limits: Limits) -> dict[str, bytes]:
    """Return the bytes of the files that the job was to leave and did leave."""
    there = set(os.listdir(inside))
    try:
        return {name: parcels.read_bytes(inside, file, limits.file) for name, file in left.items() if file in there}
    except parcels.Unreadable as problem:
        raise IsolationError(f"What the process inside left cannot be taken: {problem}.") from problem


def _walls(found: Mapping[str, Any]) -> tuple[str, ...]:
    told = found.get("walls")
    if not isinstance(told, list):
        raise parcels.Unreadable("its answer has another shape")
    return tuple(wall for wall in (walls.NETWORK, walls.PROCESSES, walls.FILES) if wall in told)


def _failed(found: Mapping[str, Any], limits: Limits) -> str:
    kind, said = str(found["error"])[:80], re.sub(r"[^\x20-\x7e]+", " ", str(found.get("said", "")))[:400].strip()
    if kind == "MemoryError":
        return f"It used more than {_bytes(limits.memory)} of memory."
    return f"It ended with {kind}: {said}" if kind and said else f"It ended with {kind}." if kind else said


def _killed(number: int, limits: Limits) -> str:
    """Say in a sentence what a signal means that ended the process inside."""
    if number == signal.SIGXCPU:
        return f"It was stopped, for it had not ended after {limits.seconds} s of processor time."
    if number == signal.SIGABRT:
        return f"It ended itself (SIGABRT), as libraries do that get no more memory; it may use {_bytes(limits.memory)}."
    names = {one.value: one.name for one in signal.Signals}
    return f"It was killed by {names.get(number, f'signal {number}')}."


def _bytes(number: int) -> str:
    return f"{number / (1 << 30):.3g} GB" if number >= 1 << 30 else f"{number / (1 << 20):.3g} MB"
