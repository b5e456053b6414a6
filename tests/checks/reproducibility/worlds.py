"""A small workspace with a recipe that takes a moment: a program without imports that fits a line and writes it as JSON."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

from checks.subject import Subject
from roadworthy.canonical import digest_file
from tests.support import make_subject, passport_of

PROGRAM = '''
import json, sys

SEED, THREADS = 7, 1


def rows():
    table = [line.split(",") for line in open("train/rows.csv").read().split()]
    return sorted(table, key=lambda row: int(row[0]))


def main(out, record, seed):
    used = rows()
    noise = (seed * 2654435761) % 1000 / 1000
    slope = 0.0
    for place, (_, x, y) in enumerate(used):
        slope += float(x) * float(y) / (1 + place) + noise
    json.dump({"slope": slope}, open(out, "w"))
    digests = [f"{hash(tuple(row)) & (1 << 48) - 1:012x}" for row in used]
    json.dump({"seed": seed, "row_order": ["id"], "threads": THREADS, "rows": digests}, open(record, "w"))


main(sys.argv[1], sys.argv[2], SEED)
'''
ROWS = "\n".join(f"{k},{k % 7},{k % 5}" for k in range(40)) + "\n"
COMMAND = ["python", "train/fit.py", "{out}", "{record}"]
CODE, DATA, LOCK, RECORD = "train/fit.py", "train/rows.csv", "train/requirements.lock", "model/record.json"
Edit = Callable[[Path], None]


def nothing(root: Path) -> None:
    """Change nothing."""


@contextmanager
def world(root: Path, spoil: Edit = nothing, program: str = PROGRAM, **recipe: Any) -> Iterator[Subject]:
    """Make the artifact once, record everything, change something, and open the subject.

    `recipe` changes what the passport declares; None takes a key out.
    """
    for folder in ("train", "model"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / CODE).write_text(PROGRAM, encoding="utf-8")
    (root / DATA).write_text(ROWS, encoding="utf-8")
    (root / LOCK).write_text(f"numpy=={metadata.version('numpy')}\n", encoding="utf-8")
    subprocess.run(
        [sys.executable, CODE, "model/model.json", RECORD], cwd=root, check=True, env={"PYTHONHASHSEED": "0"}
    )
    (root / CODE).write_text(program, encoding="utf-8")
    declared: dict[str, Any] = {
        "command": COMMAND, "seed": 7, "row_order": ["id"], "threads": 1, "data": {DATA: digest_file(root / DATA)},
        "code": {CODE: digest_file(root / CODE)}, "lock": LOCK, "lock_sha256": digest_file(root / LOCK),
        "python": platform.python_version(), "record": RECORD, "record_sha256": digest_file(root / RECORD), "seconds": 30,
        "memory_mb": 1024, **recipe,
    }
    passport = passport_of(
        artifact={"path": "model/model.json", "sha256": digest_file(root / "model" / "model.json"), "format": "json"},
        no_artifact_because=None, recipe={key: value for key, value in declared.items() if value is not None},
    )
    spoil(root)
    rows = {"age": [30, 40], "income": [1.0, 2.0], "label": [0, 1], "prediction": [0, 1], "score": [0.2, 0.8]}
    with make_subject(root, passport, rows) as subject:
        yield subject


def rewritten(name: str, this: str, that: str) -> Edit:
    """Return an edit of a file."""
    def change(root: Path) -> None:
        text = (root / name).read_text(encoding="utf-8")
        assert this in text
        (root / name).write_text(text.replace(this, that), encoding="utf-8")

    return change
