"""The program of the process inside: ``python -I -m checks.isolation.child FOLDER``.

It raises its walls, imports the job by name, runs its ``main`` and writes what that gives. An error is told by its type and its
first line with every number and quoted word blacked out, for a library's message may repeat a cell of the data.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

from checks.isolation import parcels, walls
from roadworthy.errors import RoadworthyError

FAILED = 3
"""Exit code of a child whose job ended with an error; its answer says which."""
_SAID = 300
_BLACKED = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`|\[[^\]]*\]|[-+]?\d[\d.,:e+-]*|[^\x20-\x7e]+")


def first_line(problem: BaseException) -> str:
    """Return what may be told of an error: a sentence of ours as it is, anything else without words and numbers of the data.

    Examples
    --------
    >>> first_line(ValueError("could not convert string to float: 'Anna'"))
    'could not convert string to float: ...'
    >>> first_line(RoadworthyError("The artifact is of another kind."))
    'The artifact is of another kind.'
    """
    text = str(problem).strip().partition("\n")[0]
    return text[:_SAID] if isinstance(problem, RoadworthyError) else _BLACKED.sub("...", text)[:_SAID]


def peak_memory() -> int:
    """Return the most memory that this process has held, in bytes; 0 where the system does not say."""
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return 0
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def work(folder: Path, order: dict[str, Any]) -> dict[str, Any]:
    """Run the job that the order names; return what is written to the answer, its tables being written already."""
    tables = {name: parcels.read_table(folder / file) for name, file in order["tables"].items()}
    files = {name: folder / file for name, file in order["files"].items()}
    values, made = importlib.import_module(order["job"]).main(order["order"], tables, files)
    written = {}
    for place, (name, table) in enumerate(made.items()):
        written[name] = f"answer-{place}.arrow"
        parcels.write_table(folder / written[name], table)
    return {"values": values, "tables": written}


def main(folder: Path) -> None:
    """Answer the order that lies in `folder`.

    Raises
    ------
    SystemExit
        3 where the job ended with an error; the answer says which.
    """
    order = json.loads((folder / parcels.ORDER).read_bytes())
    walls.bound(order["limits"])
    walls.separate()
    walls.confine(folder)
    began = time.monotonic()
    try:
        answer = work(folder, order)
    except Exception as problem:  # whatever a model does, the asking side is told; it decides nothing else
        out_of_memory = isinstance(problem, MemoryError)  # numpy has a kind of its own
        kind = "MemoryError" if out_of_memory else "" if isinstance(problem, RoadworthyError) else type(problem).__name__
        write(folder, {"error": kind, "said": "" if out_of_memory else first_line(problem)}, began)
        raise SystemExit(FAILED) from problem
    write(folder, answer, began)


def write(folder: Path, answer: dict[str, Any], began: float) -> None:
    """Write the answer, with the walls that stood and what it took."""
    told = {"walls": list(walls.standing()), "seconds": time.monotonic() - began, "peak_memory": peak_memory()}
    parcels.write_json(folder / parcels.ANSWER, answer | told)


if __name__ == "__main__":
    status = 0
    try:
        main(Path(sys.argv[1]))
    except SystemExit:
        status = FAILED
    os._exit(status)  # nothing that a model registered for the end of the process is run
