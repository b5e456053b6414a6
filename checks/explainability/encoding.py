"""Columns of any type as numbers that trees can read: words as codes, dates as seconds, what is missing as NaN."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from checks.drift.plan import kind_of, number_sql
from checks.subject import Table
from roadworthy.sql import quote

Numbers = NDArray[np.float64]

MOST_CATEGORIES = 200
"""Categories that get a code of their own; trees take at most 255."""
LEAST_ROWS = 5
"""Rows of the sample below which a category shares a code with the other rare ones."""
MOST_UNTOLD = 0.2
"""Share of the values in that common code above which the column cannot be told apart well enough to speak of it."""


def sql_of(column: str, type_name: str) -> str | None:
    """Return SQL of the column as a number or as text; None for types that are neither (lists, structures, bytes).

    Examples
    --------
    >>> sql_of("age", "INTEGER"), sql_of("married", "BOOLEAN"), sql_of("tags", "VARCHAR[]")
    ('"age"::double', 'cast("married" as integer)::double', None)
    """
    kind = kind_of(type_name)
    if kind == "other":
        return None
    if kind == "truth":
        return f"cast({quote(column)} as integer)::double"
    if kind in ("text", "empty"):
        return f"cast({quote(column)} as varchar)"
    return number_sql(column, type_name)


@dataclass(frozen=True)
class Encoding:
    """How columns become numbers, chosen from a sample of the reference.

    Attributes
    ----------
    columns : dict of str to str
        Those that can be read, in order, with the name that each has in a sample.
    categories : dict of str to dict of str to int
        Code of each frequent word, for columns of words. What is not among them has the next code after the last.
    unread : dict of str to str
        Columns that cannot be read, with the sentence why.
    """

    columns: dict[str, str]
    categories: dict[str, dict[str, int]]
    unread: dict[str, str]

    @property
    def categorical(self) -> NDArray[np.bool_]:
        """Which of the columns hold words, shape (columns,)."""
        return np.array([name in self.categories for name in self.columns], dtype=bool)

    def wanted(self, table: Table) -> dict[str, str]:
        """Return SQL of each column that this table has as the reference has it, by its name in a sample."""
        found = {}
        for name, key in self.columns.items():
            sql = sql_of(name, table.columns[name]) if name in table.columns else None
            if sql is not None and (name in self.categories) == (kind_of(table.columns[name]) == "text"):
                found[key] = sql
        return found

    def matrix(self, rows: pa.Table) -> Numbers:
        """Return the rows as numbers, shape (rows, columns); a column that is not among them is NaN throughout."""
        made, there = np.full((rows.num_rows, len(self.columns)), np.nan), set(rows.column_names)
        for place, (name, key) in enumerate(self.columns.items()):
            if key in there:
                values = rows.column(key)
                made[:, place] = codes(values, self.categories[name]) if name in self.categories else numbers(values)
        return made

    def only(self, names: Sequence[str]) -> Encoding:
        """Return the encoding of some of the columns."""
        chosen = set(names)
        kept = {name: key for name, key in self.columns.items() if name in chosen}
        return Encoding(kept, {n: self.categories[n] for n in kept if n in self.categories}, self.unread)


def keys(names: Sequence[str], types: Mapping[str, str]) -> dict[str, str]:
    """Return SQL of each column that can be read at all, by the name that it gets in a sample, for `encoding_of`."""
    found = {f"x{i}": sql_of(name, types[name]) for i, name in enumerate(names) if name in types}
    return {key: sql for key, sql in found.items() if sql is not None}


def encoding_of(rows: pa.Table, names: Sequence[str], types: Mapping[str, str]) -> Encoding:
    """Choose an encoding from a sample of the reference, taken by `keys`.

    Parameters
    ----------
    rows : pyarrow.Table
    names : sequence of str
    types : mapping of str to str
        DuckDB type of each column of the reference.
    """
    columns: dict[str, str] = {}
    categories: dict[str, dict[str, int]] = {}
    unread: dict[str, str] = {}
    there = set(rows.column_names)
    for i, name in enumerate(names):
        key = f"x{i}"
        if key not in there:
            holds = f"'{name}' holds {types.get(name, '').lower()[:60]}, which the surrogate cannot read."
            unread[name] = holds if name in types else f"The reference has no column '{name}'."
            continue
        values = rows.column(key)
        known: dict[str, int] | None = None
        if kind_of(types[name]) in ("text", "empty"):
            known, untold = _frequent(values)
            if untold > MOST_UNTOLD:
                unread[name] = (
                    f"{100 * untold:.0f} % of the values of '{name}' are rare words, which the surrogate cannot tell apart."
                )
                continue
        made = numbers(values) if known is None else codes(values, known)
        if np.unique(made).size < 2:  # NaN counts once
            unread[name] = f"'{name}' is the same in every row of the reference, which says nothing of how the model uses it."
            continue
        columns[name] = key
        if known is not None:
            categories[name] = known
    return Encoding(columns, categories, unread)


def numbers(values: pa.ChunkedArray) -> Numbers:
    """Return numbers with NaN for what is missing or not finite."""
    made = np.array(values.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=float)
    made[~np.isfinite(made)] = np.nan
    return made


def codes(values: pa.ChunkedArray, known: Mapping[str, int]) -> Numbers:
    """Return the code of each word, the next free code for a word that is not known, NaN for what is missing."""
    found = values.combine_chunks().dictionary_encode()
    words = np.array([known.get(word, len(known)) for word in found.dictionary.to_pylist()] + [np.nan], dtype=float)
    places = found.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return np.asarray(words[places], dtype=float)


def _frequent(values: pa.ChunkedArray) -> tuple[dict[str, int], float]:
    """Return the codes of the frequent words, and the share of the values that are none of them."""
    counted = {one["values"]: one["counts"] for one in values.value_counts().to_pylist() if one["values"] is not None}
    ranked = sorted(Counter(counted).items(), key=lambda one: (-one[1], one[0]))
    kept = [word for word, n in ranked[:MOST_CATEGORIES] if n >= LEAST_ROWS]
    total = sum(counted.values())
    untold = 1 - sum(counted[word] for word in kept) / total if total else 0.0
    return {word: code for code, word in enumerate(kept)}, untold
