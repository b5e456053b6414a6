"""Identifiers become pseudonyms, a block of rows at a time: in this process at first, beside it once there are many."""

from __future__ import annotations

import os
from queue import LifoQueue
from types import TracebackType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from checks.intake.plan import Plan
from roadworthy.coding import WIDTH, Beside
from roadworthy.errors import RefusedError
from roadworthy.pseudonyms import Key

BESIDE_FROM = 100_000
"""Values from which on it is worth to start a process for them."""
_LOOKED_AT = 10_000
"""Rows of a block by which it is told whether its identifiers come again."""


class Coding:
    """Codes what a plan says is to be coded, of several blocks at once; the pseudonyms are the same whichever process makes them.

    Parameters
    ----------
    plan : Plan
    key : Key, optional

    Raises
    ------
    RefusedError
        When there is something to be coded and no key.
    """

    def __init__(self, plan: Plan, key: Key | None) -> None:
        self.at_once = max(1, min(4, os.cpu_count() or 1))
        self._scopes, self._key, self._made = plan.coded(), key, 0
        self._free: LifoQueue[Beside | None] = LifoQueue()
        for _ in range(self.at_once):
            self._free.put(None)

    def __enter__(self) -> Coding:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        while not self._free.empty():
            if (beside := self._free.get()) is not None:
                beside.close()

    def of(self, rows: pa.Table) -> pa.Table:
        """Return the rows with pseudonyms."""
        for name, scope in self._scopes.items():
            if self._key is None:
                raise RefusedError("There is no key for pseudonyms.", "Name one under intake.key.")
            made = self._column(rows[name].combine_chunks(), scope, self._key)
            rows = rows.set_column(rows.schema.get_field_index(name), name, made)
        return rows

    def _column(self, values: pa.StringArray, scope: str, key: Key) -> pa.StringArray:
        """Return the pseudonym of each value; where values come again, each is coded once."""
        begin = values.slice(0, _LOOKED_AT)
        if 2 * pc.count_distinct(begin).as_py() <= len(begin):
            words = values.dictionary_encode()
            return self._each(words.dictionary, scope, key).take(words.indices)
        return self._each(values, scope, key)

    def _each(self, values: pa.StringArray, scope: str, key: Key) -> pa.StringArray:
        missing, values = values.is_null(), pc.utf8_trim(values.drop_null(), " ")
        if not pc.all(pc.string_is_ascii(values), min_count=0).as_py():
            values = pc.utf8_normalize(values, "NFC")
        codes = pa.py_buffer(self._joined(values, scope, key))
        ends = np.arange(0, WIDTH * (len(values) + 1), WIDTH, dtype=np.int32)
        made = pa.StringArray.from_buffers(len(values), pa.py_buffer(ends), codes)
        if len(made) == len(missing):
            return made
        return made.take(pc.if_else(missing, None, pc.subtract(pc.cumulative_sum(pc.invert(missing).cast(pa.int64())), 1)))

    def _joined(self, values: pa.StringArray, scope: str, key: Key) -> bytes:
        self._made += len(values)
        if self._made >= BESIDE_FROM and values.offset == 0 and len(values):
            beside = self._free.get()
            try:
                beside = beside or key.beside()
                _, ends, data = values.buffers()
                at = memoryview(ends).cast("B")[: 4 * (len(values) + 1)]
                return beside.joined(scope.encode(), at, memoryview(data).cast("B")[: at[-4:].cast("i")[0]])
            except (OSError, EOFError):  # it may be killed, and then it is done here
                if beside is not None:
                    beside.close()
                beside = None
            finally:
                self._free.put(beside)
        return key.joined(scope, values.cast(pa.binary()).to_pylist())
