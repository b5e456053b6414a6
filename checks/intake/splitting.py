"""Splitting a text file into records, a block at a time, so that every byte of it ends in a record or in a rejection.

A file of any size is read in blocks of whole lines. Whether a block is clean (text, no quotes that span lines, the right number
of columns in every line) is seen by the fast parser; a block that is not goes line by line through `careful`, which keeps what is
good and says of the rest, line by line, why not.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import pyarrow as pa

BLOCK = 8 << 20
LONGEST = 1 << 20
"""Bytes of the longest line, and of the longest record with line breaks in quotes, that is read."""
READ_AS: dict[str, pa.DataType] = {
    "TINYINT": pa.int8(), "SMALLINT": pa.int16(), "INTEGER": pa.int32(), "BIGINT": pa.int64(),
    "UTINYINT": pa.uint8(), "USMALLINT": pa.uint16(), "UINTEGER": pa.uint32(), "UBIGINT": pa.uint64(),
    "FLOAT": pa.float32(), "DOUBLE": pa.float64(), "DATE": pa.date32(),
}
"""The types of DuckDB that text is read as at once, with Arrow's. What Arrow reads as one, DuckDB casts to the same; the other
way round is not so, and then a block is read as text."""
_NEWLINE = 10
_MOST_LINES = 100
SHOWN = 64 << 10


@dataclass(frozen=True, slots=True)
class Rejected:
    """What cannot be read: the line it begins on, why, its text (at most the first 64 KiB), and how many records it is."""

    line: int
    reason: str
    text: str
    records: int = 1


@dataclass(frozen=True, slots=True)
class Records:
    """Records that were split: one text column each, NULL where empty, and the line on which each begins."""

    table: pa.Table
    lines: np.ndarray


def blocks(file: BinaryIO, size: int = BLOCK) -> Generator[tuple[bytes, int, bool] | Rejected, bytes | None, None]:
    """Yield whole lines with the number of the first, and whether they are the last; a line that is too long is rejected.

    What the reader of the block could not end yet is sent back: ``generator.send(rest)`` puts it before the next block.
    """
    rest, line = b"", 1
    while True:
        piece = _full(file, size)
        ended = len(piece) < size
        cut = len(piece) if ended else piece.rfind(b"\n") + 1
        if not ended and cut == 0 and (cut := rest.rfind(b"\n") + 1) == 0:
            rest += piece
            if len(rest) > LONGEST:
                yield Rejected(line, _TOO_LONG, shown(rest))
                rest = _rest_of_line(file)
                line += 1
            continue
        if not ended and b"\n" not in piece:
            block, rest = rest[:cut], rest[cut:] + piece
        else:
            block, rest = b"".join((rest, memoryview(piece)[:cut])), piece[cut:]
        back = yield block, line, ended
        line += lines_in(block) - lines_in(back or b"")
        rest = (back or b"") + rest
        if ended:
            return


def lines_in(block: bytes) -> int:
    r"""Return how many lines end in a block.

    Examples
    --------
    >>> lines_in(b"a\nb\nc")
    2
    """
    return int(np.count_nonzero(np.frombuffer(block, np.uint8) == _NEWLINE))


_TOO_LONG = f"The line is longer than {LONGEST:,} bytes."


def _full(file: BinaryIO, size: int) -> bytes:
    found = file.read(size)
    while found and len(found) < size and (more := file.read(size - len(found))):
        found += more
    return found


def _rest_of_line(file: BinaryIO) -> bytes:
    while piece := file.read(LONGEST):
        if (at := piece.find(b"\n")) >= 0:
            return piece[at + 1 :]
    return b""


def shown(data: bytes) -> str:
    """Return bytes as text for the quarantine; what is not UTF-8 is written as escapes."""
    return data[:SHOWN].decode("utf-8", "backslashreplace")


def fast(
    block: bytes, names: Sequence[str], delimiter: str, first: int, types: Mapping[str, pa.DataType] | None = None
) -> Records | None:
    """Return the records of a clean block, or None where a look at each line is needed.

    Parameters
    ----------
    block : bytes
        Whole lines.
    names : sequence of str
        Of its columns.
    delimiter : str
    first : int
        The number of its first line.
    types : mapping of str to DataType, optional
        Columns that are to be read as numbers or days at once; see `READ_AS`. If one value is none, None is returned.

    Returns
    -------
    Records or None
    """
    from pyarrow import csv as arrow_csv

    if len(names) == 1 or not _whole_lines(block):  # blanks alone are no record, and may be one of a single column
        return None
    read = dict.fromkeys(names, pa.string()) | dict(types or {})
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(block),
            read_options=arrow_csv.ReadOptions(column_names=list(names), block_size=len(block) + 1, use_threads=False),
            parse_options=arrow_csv.ParseOptions(
                delimiter=delimiter, quote_char='"' if b'"' in block else False, newlines_in_values=False,
            ),
            convert_options=arrow_csv.ConvertOptions(column_types=read, null_values=[""], strings_can_be_null=True),
        )
    except pa.ArrowInvalid:
        return None
    if _wraps(table, block):
        return None
    lines = lines_in(block) + (not block.endswith(b"\n"))  # an empty line is none for Arrow, and then there are fewer rows
    return Records(table, np.arange(first, first + lines)) if table.num_rows == lines else None


def _whole_lines(block: bytes) -> bool:
    """Say whether a block is lines none of which is too long, without NUL, each ended by one kind of mark."""
    if b"\x00" in block or (b"\r" in block and block.count(b"\r") != block.count(b"\r\n")):
        return False
    at = 0
    while len(block) - at > LONGEST:  # from each line's beginning to the last end of a line that may follow it
        end = block.rfind(b"\n", at, at + LONGEST)
        if end < 0:
            return False
        at = end + 1
    return True


def _wraps(table: pa.Table, block: bytes) -> bool:
    """Say whether a number may be one of hexadecimal digits that Arrow alone reads, as negative where the type is short."""
    import pyarrow.compute as pc

    whole = (column for column in table.columns if pa.types.is_signed_integer(column.type))
    negative = any((pc.min(column).as_py() or 0) < 0 for column in whole)
    return negative and (b"0x" in block or b"0X" in block)


def careful(
    block: bytes, names: Sequence[str], delimiter: str, first: int, ended: bool
) -> tuple[Records, list[Rejected], bytes]:
    """Return the good records of a block, the bad ones, and the bytes of a record that goes on in the next block."""
    lines = block.split(b"\n")
    if lines and not lines[-1]:
        lines.pop()
    good: list[list[str | None]] = []
    begins: list[int] = []
    bad: list[Rejected] = []
    at = 0
    while at < len(lines):
        taken, fields, reason = _record(lines, at, delimiter, len(names))
        if taken == 0:
            rest = b"\n".join(lines[at:]) + b"\n"
            if not ended and len(rest) <= LONGEST:
                return _records(good, begins, names), bad, rest
            taken, reason = 1, "A quote is opened and never closed."
        if reason:
            bad.append(Rejected(first + at, reason, shown(lines[at])))
        elif fields is not None:
            good.append([field or None for field in fields])
            begins.append(first + at)
        at += taken
    return _records(good, begins, names), bad, b""


def _records(good: list[list[str | None]], begins: list[int], names: Sequence[str]) -> Records:
    columns = [pa.array([row[i] for row in good], pa.string()) for i in range(len(names))]
    return Records(pa.table(columns, names=list(names)), np.array(begins, np.int64))


def _record(lines: Sequence[bytes], at: int, delimiter: str, columns: int) -> tuple[int, list[str] | None, str]:
    """Return how many lines the record that begins at `at` takes, its fields, or why it is none; 0 lines: it goes on."""
    if not lines[at].strip():
        return 1, None, ""
    text, reason = _text(lines[at])
    if reason:
        return 1, None, reason
    if '"' not in text:
        return _counted(1, text.split(delimiter), columns)
    fields = _parsed(text, delimiter)
    if fields is not None:
        return _counted(1, fields, columns)
    # A quote that is open at the line's end may close on a later line. Only if the whole is then a record is it taken as one;
    # else one missing quote would swallow the good lines after it.
    for more in range(2, _MOST_LINES + 1):
        if at + more > len(lines):
            return (0 if sum(map(len, lines[at:])) < LONGEST else 1), None, "A quote is opened and never closed."
        added, reason = _text(lines[at + more - 1])
        text = f"{text}\n{added}"
        if reason or len(text) > LONGEST:
            break
        if '"' in added and (fields := _parsed(text, delimiter)) is not None:
            if len(fields) == columns:
                return more, fields, ""
            break
    return 1, None, "A quote is opened and never closed."


def _counted(lines: int, fields: list[str], columns: int) -> tuple[int, list[str] | None, str]:
    if len(fields) == columns:
        return lines, fields, ""
    return lines, None, f"The line has {len(fields):,} column{'' if len(fields) == 1 else 's'}, the header has {columns:,}."


def _parsed(text: str, delimiter: str) -> list[str] | None:
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None


def _text(line: bytes) -> tuple[str, str]:
    """Return a line as text, or why it is none."""
    if len(line) > LONGEST:
        return "", _TOO_LONG
    line = line.removesuffix(b"\r")
    if b"\x00" in line:
        return "", "The line holds a NUL character."
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return "", "The line is not UTF-8 text."
    return (text, "") if "\r" not in text else ("", "The line holds a carriage return that ends no line.")
