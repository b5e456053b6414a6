"""What passes between the two processes: JSON, and Arrow tables of plain columns. Nothing that could run when it is read.

Both sides write with the same two functions. What comes back from the process inside is read with suspicion: a file that is a
link, that is no file, that is larger than agreed or that is not what it says ends the exchange. Nothing of its content is
repeated in what a reader is told.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    import pyarrow as pa

ORDER, ANSWER = "order.json", "answer.json"
MOST_TABLES = 16
MOST_COLUMNS = 10_000


class Unreadable(Exception):
    """What came back is not what was agreed; the text says why, without any of its content."""


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a dictionary of JSON values.

    Raises
    ------
    ValueError, TypeError
        If something in it is not JSON or not finite.
    """
    path.write_bytes(json.dumps(values, ensure_ascii=True, allow_nan=False).encode())


def write_table(path: Path, table: pa.Table) -> None:
    """Write a table as an uncompressed Arrow file, without the metadata that its schema may carry."""
    import pyarrow as pa

    bare = table.replace_schema_metadata(None)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, bare.schema) as file:
        file.write_table(bare)


def read_table(path: Path) -> pa.Table:
    """Return the table that the asking side wrote."""
    import pyarrow as pa

    with path.open("rb") as file:
        return pa.ipc.open_file(pa.py_buffer(file.read())).read_all()


def read_bytes(folder: int, name: str, most: int) -> bytes:
    """Return the content of a file that the process inside wrote.

    Parameters
    ----------
    folder : int
        Descriptor of the folder, opened before that process began: it may have put another in its place.
    name : str
    most : int
        Bytes; a larger file is refused.

    Raises
    ------
    Unreadable
        If it is missing, a link, no file, or too large.
    """
    try:
        place = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError as problem:
        missing = problem.errno in (errno.ENOENT, errno.ENOTDIR)
        raise Unreadable("it gave no answer" if missing else "its answer is no file") from problem
    found = os.fstat(place)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        os.close(place)
        raise Unreadable("its answer is no file")
    with os.fdopen(place, "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise Unreadable(f"its answer is larger than {most} bytes")
    return content


def parse_json(content: bytes) -> dict[str, Any]:
    """Return a dictionary of JSON values; what is not one, or not finite, is refused.

    Raises
    ------
    Unreadable

    Examples
    --------
    >>> parse_json(b'{"a": [1, null]}')
    {'a': [1, None]}
    >>> parse_json(b'{"a": NaN}')
    Traceback (most recent call last):
    checks.isolation.parcels.Unreadable: its answer is not JSON
    """
    try:
        found = json.loads(content, parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError) as problem:
        raise Unreadable("its answer is not JSON") from problem
    if not isinstance(found, dict):
        raise Unreadable("its answer is not JSON")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError("not a number")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError("too large a number")
    return number


def parse_table(content: bytes) -> pa.Table:
    """Return a table of plain columns: numbers, truth values, text, days and times.

    Raises
    ------
    Unreadable
        If it is no Arrow file, has other columns, is compressed, or disagrees with itself.
    """
    import pyarrow as pa

    try:
        source = pa.BufferReader(content)
        reader = pa.ipc.open_file(source)
        if len(reader.schema) > MOST_COLUMNS or not all(_plain(field.type) for field in reader.schema):
            raise Unreadable("its table has columns of an unknown kind")
        before = pa.total_allocated_bytes()
        table = reader.read_all()
        if pa.total_allocated_bytes() - before > len(content):  # plain buffers are views; compressed ones are not
            raise Unreadable("its table is compressed")
        table.validate(full=True)
        return table
    except (pa.ArrowException, OSError, ValueError, MemoryError) as problem:
        raise Unreadable("its table is not an Arrow file") from problem


def _plain(kind: pa.DataType) -> bool:
    import pyarrow as pa

    of = pa.types
    return bool(
        of.is_integer(kind) or of.is_floating(kind) or of.is_boolean(kind) or of.is_string(kind) or of.is_large_string(kind)
        or of.is_null(kind) or of.is_date(kind) or of.is_timestamp(kind)
    )
