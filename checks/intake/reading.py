"""Raw files as records: found, opened, digested and split; whatever is wrong with one is told as a reason and never raised."""

from __future__ import annotations

import csv
import hashlib
import io
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
import pyarrow as pa

from checks.intake.plan import Plan
from checks.intake.splitting import LONGEST, READ_AS, Records, Rejected, blocks, careful, fast, lines_in, shown
from roadworthy.errors import DataError
from roadworthy.sql import literal, quote
from roadworthy.window import files_of

_BROKEN = (OSError, EOFError, zlib.error, ValueError, pa.ArrowException)
_PARQUET_ROWS = 65_536
_MOST_ROWS = 10**10


@dataclass(frozen=True, slots=True)
class Raw:
    """One raw file: its name for people, where fsspec finds it, its size and the SHA-256 of its bytes."""

    name: str
    url: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Block:
    """Records to be turned into rows.

    Attributes
    ----------
    table : pa.Table
    raw : dict of str to str
        SQL of each column's raw text in the table.
    lines : ndarray of int
        The line of each record.
    held : dict of str to str
        The table's column for each column that lies there as it came, not within something else; `raw` names it too.
    typed : frozenset of str
        Columns whose values are of their type already, and no text.
    as_text : callable, optional
        Returns the same records with every value as the text that came, for the quarantine.
    """

    table: pa.Table
    raw: dict[str, str]
    lines: np.ndarray
    held: dict[str, str] = field(default_factory=dict)
    typed: frozenset[str] = frozenset()
    as_text: Callable[[], Block] | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """Something to say of the file as a whole: its columns, or why it was refused."""

    columns: tuple[str, ...] = ()
    refused: str = ""


Event = Block | Rejected | Told
T = TypeVar("T")


def raw_files(root: Path, pattern: str, day: str) -> list[Raw]:
    """Return the raw files of a day, sorted by name.

    Raises
    ------
    DataError
        If the place cannot be looked at.
    """
    return _looked(root, pattern, day, lambda found: [_digested(name, url) for name, url in found])


def any_raw(root: Path, pattern: str, day: str) -> bool:
    """Say whether a day has a raw file, without reading one; raises as `raw_files`."""
    return _looked(root, pattern, day, bool)


def _looked(root: Path, pattern: str, day: str, then: Callable[[list[tuple[str, str]]], T]) -> T:
    import fsspec

    text = pattern.replace("{date}", day)
    try:
        if "://" not in text:
            found = [(str(p.relative_to(root)), str(p)) for p in files_of(root, text)]
        else:
            system, path = fsspec.core.url_to_fs(text)
            found = [(str(p), system.unstrip_protocol(p)) for p in sorted(system.glob(path)) if system.isfile(p)]
        return then(found)
    except (OSError, ValueError, ImportError) as problem:
        said = f"The raw files '{text[:80]}' cannot be read ({type(problem).__name__})."
        raise DataError(said, "Check the path and its permissions.") from None


def _digested(name: str, url: str) -> Raw:
    import fsspec

    digest, size = hashlib.sha256(), 0
    with fsspec.open(url, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
            size += len(piece)
    return Raw(name.encode("utf-8", "backslashreplace").decode(), url, size, digest.hexdigest())


def events(raw: Raw, plan: Plan) -> Iterator[Event]:
    """Yield what a file holds, in order; a file that breaks off ends in a rejection of what could not be read."""
    import fsspec

    if raw.size == 0:
        yield Told(refused="The file is empty.")
        return
    reader = {"csv": _csv, "jsonl": _json_lines, "parquet": _parquet}[plan.intake.format]
    packed = "gzip" if raw.url.endswith(".gz") else None
    place = [1]
    try:
        with fsspec.open(raw.url, "rb", compression=packed) as file:
            yield from reader(file, plan, place)
    except _BROKEN as problem:
        reason = f"The file cannot be read from here on ({type(problem).__name__})."
        yield Told(refused=reason) if place[0] == 1 else Rejected(place[0], reason, "")


def _csv(file: BinaryIO, plan: Plan, place: list[int]) -> Iterator[Event]:
    delimiter, names = plan.intake.delimiter, list[str]()
    refused = ""
    source = blocks(file)
    answer: bytes | None = None
    while True:
        try:
            item = source.send(answer)
        except StopIteration:
            return
        answer = None
        if isinstance(item, Rejected):
            if not names:
                refused, names = "The header is longer than any line may be.", [""]
                yield Told(refused=refused)
            else:
                yield item
            continue
        block, first, ended = item
        if not names:
            head, _, block = block.partition(b"\n")
            names, refused = _header(head, delimiter, plan)
            yield Told(() if refused else tuple(names), refused)
            first += 1
        if block:
            if refused:
                yield from _all_refused(block, first, refused)
            else:
                found, bad, answer = _split(block, names, plan, first, ended)
                yield from bad
                if found.table.num_rows:
                    yield found
        place[0] = first + lines_in(block)


def _split(block: bytes, names: list[str], plan: Plan, first: int, ended: bool) -> tuple[Block, list[Rejected], bytes]:
    """Return a block's records, what is none, and the bytes of a record that goes on in the next block."""
    delimiter = plan.intake.delimiter
    kinds = {one.name: READ_AS[one.type] for one in plan.columns if one.name in names and one.type in READ_AS}
    if kinds and (split := fast(block, names, delimiter, first, kinds)) is not None:
        return _block(split, names, plan, frozenset(kinds), partial(_text, block, names, plan, first)), [], b""
    split, bad, rest = fast(block, names, delimiter, first), list[Rejected](), b""
    if split is None:
        split, bad, rest = careful(block, names, delimiter, first, ended)
    return _block(split, names, plan), bad, rest


def _text(block: bytes, names: list[str], plan: Plan, first: int) -> Block:
    split = fast(block, names, plan.intake.delimiter, first)
    return _block(split if split is not None else careful(block, names, plan.intake.delimiter, first, True)[0], names, plan)


def _block(
    split: Records, names: list[str], plan: Plan, typed: frozenset[str] = frozenset(), as_text: Callable[[], Block] | None = None
) -> Block:
    kept = [name for name in plan.names if name in names]
    # Columns get plain names: those of the file are hostile, and SQL compares names without their case.
    table = split.table.select(kept).rename_columns([f"c{i}" for i in range(len(kept))])
    held = {name: f"c{i}" for i, name in enumerate(kept)}
    return Block(table, held, split.lines, held, typed, as_text)


def _all_refused(block: bytes, first: int, reason: str) -> Iterator[Rejected]:
    for number, line in enumerate(block.removesuffix(b"\n").split(b"\n")):
        if line.strip():
            yield Rejected(first + number, reason, shown(line))


def _header(line: bytes, delimiter: str, plan: Plan) -> tuple[list[str], str]:
    """Return the names of the header, or why it is none."""
    try:
        text = line.removesuffix(b"\r").decode("utf-8-sig")
        names = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True), [])
    except (UnicodeDecodeError, csv.Error, StopIteration):
        return [""], "The header is not UTF-8 text with columns."
    if "\x00" in text or not names:
        return [""], "The header is not UTF-8 text with columns."
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        return [""], f"The column {twice[:60]!r} stands twice in the header."
    missing = [one.name for one in plan.columns if one.needed and one.name not in names]
    if missing:
        return [""], f"The header lacks the column {missing[0][:60]!r}."
    return names, ""


def _json_lines(file: BinaryIO, plan: Plan, place: list[int]) -> Iterator[Event]:
    raw = {name: f"json_extract_string(j, {literal(_pointer(name))})" for name in plan.names}
    yield Told()
    for item in blocks(file):
        if isinstance(item, Rejected):
            yield item
            continue
        block, first, _ = item
        kept: list[str] = []
        lines: list[int] = []
        for number, line in enumerate(block.removesuffix(b"\n").split(b"\n") if block else (), start=first):
            if not line.strip():
                continue
            try:
                text = line.decode()
                if len(line) > LONGEST or "\x00" in text:
                    raise ValueError(line)
            except ValueError:
                yield Rejected(number, "The line is too long, or not UTF-8 text.", shown(line))
                continue
            kept.append(text)
            lines.append(number)
        if kept:
            yield Block(pa.table({"j": pa.array(kept, pa.string())}), raw, np.array(lines, np.int64))
        place[0] = first + lines_in(block)


def _pointer(name: str) -> str:
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _parquet(file: BinaryIO, plan: Plan, place: list[int]) -> Iterator[Event]:
    from pyarrow import parquet

    there = parquet.ParquetFile(file)
    names = there.schema_arrow.names
    missing = [one.name for one in plan.columns if one.needed and one.name not in names]
    kept = [name for name in plan.names if names.count(name) == 1]
    yield Told(tuple(names), f"The file lacks the column {missing[0][:60]!r}." if missing else "")
    if missing:
        if there.metadata.num_rows:
            yield Rejected(1, f"The file lacks the column {missing[0][:60]!r}.", "", _believed(there.metadata.num_rows))
        return
    raw = {name: f"cast(c{i} as varchar)" for i, name in enumerate(kept)}
    try:
        for batch in there.iter_batches(_PARQUET_ROWS, columns=kept):
            table = pa.Table.from_batches([batch]).select(kept).rename_columns([f"c{i}" for i in range(len(kept))])
            yield Block(table, raw, np.arange(place[0], place[0] + table.num_rows))
            place[0] += table.num_rows
    except _BROKEN as problem:
        left = _believed(there.metadata.num_rows - place[0] + 1)
        yield Rejected(place[0], f"The file cannot be read from here on ({type(problem).__name__}).", "", left)


def _believed(rows: int) -> int:
    """Return how many rows a file says it has left; a broken one may say anything, and then it is one thing that is broken."""
    return rows if 0 < rows <= _MOST_ROWS else 1


def selected(block: Block) -> str:
    """Return the columns of a block that hold its raw text, for the quarantine."""
    return ", ".join(f"{sql} as {quote(name)}" for name, sql in block.raw.items())
