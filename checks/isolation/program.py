"""A job that runs a program of somebody else: copies of what it needs, a folder of its own, and one or two files to write.

The program is started from its arguments, never through a shell. It inherits the walls around this process, and no variable
but those that it is handed. What it prints is not kept, for it may print what the data hold: of an error only the kind is told.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roadworthy.errors import RoadworthyError

if TYPE_CHECKING:
    import pyarrow as pa

WORK, MADE, SAID = "work", "made", "said"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS")
OWN_PYTHON = ("python", "python3")
"""Programs that mean the Python which runs this."""

_TAIL = 1 << 16
_NETWORK = (
    b"network is unreachable", b"name resolution", b"name or service not known", b"nodename nor servname", b"could not resolve",
    b"failed to resolve", b"getaddrinfo failed", b"no address associated with hostname",
)
_KIND = re.compile(r"([A-Za-z_][A-Za-z0-9_.]{0,80}(?:Error|Exception|Warning|Interrupt))(?::|$)")
_MEMORY = (b"memoryerror", b"cannot allocate memory", b"out of memory", b"std::bad_alloc")


class ProgramError(RoadworthyError):
    """The program could not be started: a sentence why."""


def main(
    order: dict[str, Any], tables: dict[str, pa.Table], files: dict[str, Path]
) -> tuple[dict[str, Any], dict[str, pa.Table]]:
    """Run a program to its end.

    Parameters
    ----------
    order : dict
        ``command``, a list of words; ``words``, what stands for ``{name}`` in them; ``made``, by name the file name of each file
        that the program is to write, which has its place for ``{name}``; ``variables``; ``threads``; and ``leave``.
    tables : dict
        Not used.
    files : dict of str to pathlib.Path
        By the path that each has in the program's folder.

    Returns
    -------
    values : dict
        ``code`` (below 0: the signal that ended it), ``said`` (the kind of its last error), and whether it ``wanted`` the
        ``network`` or more ``memory``, as far as its words tell.
    tables : dict
        Empty.

    Raises
    ------
    ProgramError
    """
    folder = Path.cwd()
    work, made, said = folder / WORK, folder / MADE, folder / SAID
    made.mkdir()
    lay_out(files, work)
    places = {name: str(made / file) for name, file in order["made"].items()}
    command = filled(order["command"], {**order["words"], **places})
    try:
        with said.open("wb") as told:
            done = subprocess.run(
                command, cwd=work, env=variables(order), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=told,
                check=False,
            )
    except (OSError, ValueError) as problem:
        name, kind = Path(command[0]).name[:80], type(problem).__name__
        raise ProgramError(f"The program {name!a} cannot be run ({kind}): it is not there, or not allowed.") from problem
    for name, file in order["leave"].items():
        if os.path.lexists(places[name]):
            Path(places[name]).rename(folder / file)
    return {"code": done.returncode, **told_by(tail(said))}, {}


def lay_out(files: Mapping[str, Path], work: Path) -> None:
    """Move each file to its path below `work`.

    Raises
    ------
    ProgramError
        If a path leaves the folder, or cannot be beside another.
    """
    work.mkdir()
    for name, file in files.items():
        target = work / name
        if Path(name).is_absolute() or ".." in Path(name).parts or target == work:
            raise ProgramError(f"{name[:80]!a} is no path of a file in a folder.")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if os.path.lexists(target):
                raise FileExistsError
            file.rename(target)
        except (OSError, ValueError) as problem:
            raise ProgramError(f"{name[:80]!a} cannot be laid beside the other files ({type(problem).__name__}).") from problem


def filled(command: Sequence[str], words: Mapping[str, str]) -> list[str]:
    """Return the words of a command with what stands for ``{name}``; a program of Python is the one that runs this.

    Examples
    --------
    >>> filled(["/usr/bin/env", "{out}", "a{seed}b", "{other}"], {"out": "/made/{seed}", "seed": "7"})
    ['/usr/bin/env', '/made/{seed}', 'a7b', '{other}']
    """
    names = re.compile(r"\{(" + "|".join(map(re.escape, words)) + r")\}")
    made = [names.sub(lambda found: words[found[1]], word) for word in command]
    return [sys.executable, *made[1:]] if made[0] in OWN_PYTHON else made


def variables(order: Mapping[str, Any]) -> dict[str, str]:
    """Return all variables that the program has."""
    own = {name: value for name, value in os.environ.items() if name != "NUMBA_DISABLE_JIT"}  # set for jobs of ours only
    fixed = {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONNOUSERSITE": "1"}
    return {**own, **fixed, **dict.fromkeys(THREADS, str(order["threads"])), **order["variables"]}


def tail(said: Path) -> bytes:
    """Return the end of what the program said of errors; nothing if it put something else in the file's place."""
    try:
        place = os.open(said, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    with os.fdopen(place, "rb") as file:
        size = os.fstat(place).st_size
        return os.pread(file.fileno(), _TAIL, max(0, size - _TAIL))


def told_by(said: bytes) -> dict[str, Any]:
    r"""Return what the end of a program's errors tells.

    Examples
    --------
    >>> told_by(b"Traceback ...\nValueError: Anna owes 4711\n")
    {'said': 'ValueError', 'wanted': {'network': False, 'memory': False}}
    >>> told_by(b"Anna owes 4711")["said"]
    ''
    >>> told_by(b"OSError: [Errno 101] Network is unreachable")["wanted"]["network"]
    True
    """
    lines = said.decode("utf-8", "replace").strip().splitlines()
    small = said.lower()
    wanted = {"network": any(word in small for word in _NETWORK), "memory": any(word in small for word in _MEMORY)}
    kind = _KIND.match(lines[-1]) if lines else None
    return {"said": kind[1] if kind else "", "wanted": wanted}
