"""Writing batch and quarantine: streamed, whole or not at all, and the same bytes for the same rows."""

from __future__ import annotations

import itertools
import json
import os
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import pyarrow as pa

ROWS = 122_880
"""Rows of one group of the Parquet file, whatever the blocks of the raw file were."""


T = TypeVar("T")
U = TypeVar("U")


def ahead(items: Iterator[T]) -> Generator[T]:
    """Yield the same items, the next of which is made while one is used.

    Examples
    --------
    >>> list(ahead(iter([1, 2, 3])))
    [1, 2, 3]
    """
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as pool:
        coming = pool.submit(list, itertools.islice(items, 1))
        while found := coming.result():
            coming = pool.submit(list, itertools.islice(items, 1))
            yield found[0]


def in_order(work: Callable[[T], U], items: Iterator[T], at_once: int) -> Generator[U]:
    """Yield what becomes of each item, in their order; so many are worked on at once, while the one before is used.

    Examples
    --------
    >>> list(in_order(abs, iter([-1, 2, -3]), 2))
    [1, 2, 3]
    """
    with ThreadPoolExecutor(at_once, thread_name_prefix="in order") as pool:
        under_way: deque[Future[U]] = deque()
        for item in items:
            under_way.append(pool.submit(work, item))
            if len(under_way) > at_once:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()


class BatchWriter:
    """Writes rows to a temporary file beside `target`; `finish` makes them durable and gives the file its name."""

    def __init__(self, target: Path, metadata: dict[str, str], plain: Sequence[str] = ()) -> None:
        self.target, self.rows, self._metadata, self._plain = target, 0, metadata, set(plain)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="batch")
        self._busy: Future[None] | None = None
        self.temporary = target.parent / f".{target.name}.intake.part"
        self._waiting: list[pa.Table] = []
        self._held = 0
        self._writer: Any = None

    def write(self, table: pa.Table) -> None:
        """Take rows; full groups are written."""
        self.rows += table.num_rows
        self._waiting.append(table)
        self._held += table.num_rows
        if self._held < ROWS:
            return
        whole = pa.concat_tables(self._waiting)
        full = whole.num_rows // ROWS * ROWS
        self._wait()
        self._busy = self._pool.submit(self._write, whole.slice(0, full))
        self._waiting, self._held = [whole.slice(full)], whole.num_rows - full

    def _wait(self) -> None:
        """Wait for the group that is being written; what went wrong there is raised here."""
        busy, self._busy = self._busy, None
        if busy is not None:
            busy.result()

    def _write(self, table: pa.Table) -> None:
        from pyarrow import parquet

        if self._writer is None:
            self.temporary.parent.mkdir(parents=True, exist_ok=True)
            schema = table.schema.remove_metadata()
            # A dictionary of codes that are all different would only cost time.
            often = [name for name in schema.names if name not in self._plain]
            how = {"compression": "zstd", "compression_level": 1, "store_schema": False, "use_dictionary": often}
            self._writer = parquet.ParquetWriter(self.temporary, schema, **how)
        self._writer.write_table(table.replace_schema_metadata(None).combine_chunks(), row_group_size=ROWS)

    def close(self, schema: pa.Schema) -> None:
        """Write what is left and make it durable, under its temporary name."""
        self._wait()
        self._pool.shutdown()
        rest = pa.concat_tables(self._waiting) if self._waiting else schema.empty_table()
        if rest.num_rows or self._writer is None:
            self._write(rest)
        self._writer.add_key_value_metadata(self._metadata)
        self._writer.close()
        sync(self.temporary)

    def abandon(self) -> None:
        """Leave nothing behind."""
        self._pool.shutdown()
        if self._writer is not None:
            self._writer.close()
        self.temporary.unlink(missing_ok=True)


class Quarantine:
    """Keeps what was not taken in, a JSON line each, for its owner's eyes only."""

    def __init__(self, target: Path) -> None:
        self.target, self.rows, self.reasons = target, 0, Counter[str]()
        self.temporary = target.parent / f".{target.name}.part"
        _private(target.parent)
        handle = os.open(self.temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._out = os.fdopen(handle, "w", encoding="utf-8", newline="\n")

    def __enter__(self) -> Quarantine:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._out.close()

    def put(self, file: str, line: int, reason: str, records: int, **held: Any) -> None:
        """Keep one record, or what stands for several that cannot be told apart."""
        self.rows += records
        self.reasons[reason] += records
        told = {"file": file, "line": line, "reason": reason, "records": records, **held}
        # ASCII, so that no separator of lines in a cell (U+2028) ends a line here.
        self._out.write(json.dumps(told, default=str) + "\n")

    def close(self) -> None:
        """Make it durable, under its temporary name."""
        self._out.flush()
        os.fsync(self._out.fileno())
        self._out.close()


def _private(folder: Path) -> None:
    if not folder.is_dir():
        _private(folder.parent) if folder.parent.name else None
        folder.mkdir(mode=0o700, exist_ok=True)


def publish(temporary: Path, target: Path) -> None:
    """Give a finished file its name, durably."""
    temporary.replace(target)
    sync(target.parent)


def sync(path: Path) -> None:
    """Make a file or a folder's names durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
