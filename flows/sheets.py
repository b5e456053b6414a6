"""Rows as CSV that is safe to open: nothing in a cell is taken for a formula or for a command to the terminal.

A text that a spreadsheet would read as a formula gets an apostrophe before it, as OWASP's page on CSV injection wants; numbers
stay numbers, negative ones too.
"""

from __future__ import annotations

import csv
import io
import os
import unicodedata
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from roadworthy.errors import StorageError, UsageError

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def cell(value: Any) -> str:
    r"""Return a cell as text.

    Examples
    --------
    >>> cell("=cmd|' /C calc'!A0"), cell(-5), cell(None), cell("a\x1b[2Jb")
    ("'=cmd|' /C calc'!A0", '-5', '', 'a\\x1b[2Jb')
    """
    if value is None:
        return ""
    if isinstance(value, bool | int | float | Decimal):
        return str(value)
    text = str(value)
    guarded = f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text
    # Controls and marks that turn the direction of writing move cursors and hide text; they are shown and not done.
    return "".join(c if unicodedata.category(c) not in ("Cc", "Cf", "Zl", "Zp") else ascii(c)[1:-1] for c in guarded)


def text_of(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table as CSV, with the names of its columns in the first line."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([cell(name) for name in columns])
    writer.writerows([[cell(value) for value in row] for row in rows])
    return out.getvalue()


def write(path: Path, text: str) -> None:
    """Write a new file that its owner alone may read.

    Raises
    ------
    UsageError
        If something lies there already, be it a link to nothing.
    StorageError
        If it cannot be written; then nothing of it stays.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
    except FileExistsError:
        raise UsageError(f"{path} is there already and is not written over.", "Name a new file with --out.") from None
    except OSError as problem:
        raise StorageError(f"{path} cannot be written ({problem.strerror}).", "Name another file with --out.") from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
    except OSError as problem:
        path.unlink(missing_ok=True)
        raise StorageError(f"{path} cannot be written ({problem.strerror}).", "Check the disk.") from None
