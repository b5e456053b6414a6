"""Which columns of a relation hold identifiers, decided on every row, in DuckDB.

A column is looked at in up to three passes, each only where the one before found something. A cheap pass over all columns
says which can hold an identifier at all. A column whose whole values look like one is decided by the **share** of its values
that validate: at least 80 % (`WHOLE`), because one order number in ten passes Luhn's check by chance. Everything else is read
as free text, row by row, by patterns that are hardly anything else; hits that chance explains are not counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from checks.counts import is_numeric
from checks.identifiers.kinds import KINDS, Kind
from checks.identifiers.reading import may_hold, read, steps, valid
from checks.identifiers.validators import install
from roadworthy.sql import literal, quote

if TYPE_CHECKING:
    import duckdb

WHOLE = 0.8
"""Share of a column's values that must validate for the column to be of a kind as a whole."""
SAMPLED_FROM = 20_000
SAMPLE = 5_000
SEED = 20261122
_LOOKS_WHOLE = r"[0-9](?:[^0-9]?[0-9]){5}"
_LONGEST_WHOLE = 120
_SURELY = 1e-4  # chance of as many different valid values, by which a column would be taken for another
_AMERICAN = "1?[2-9][0-9]{2}[2-9][0-9]{6}"
_AREAS = 20
_EXACT = 2**53
_SMALL = 1_000_000
_FEW = 200
"""So few values of a sample tell nothing of the column."""


@dataclass(frozen=True, slots=True)
class KindFound:
    """What was found of one kind in one column.

    Attributes
    ----------
    rows : int
        Rows that hold at least one.
    strings : int
        Strings that validate; several may stand in a row.
    looks : int
        Strings of the pattern, valid or not.
    whole : bool
        True if the column as a whole is of this kind.
    """

    rows: int
    strings: int
    looks: int
    whole: bool


@dataclass(frozen=True, slots=True)
class Found:
    """What one column holds.

    Attributes
    ----------
    column : str
    values : int
        Rows with a value.
    rows : int
        Rows that hold an identifier of any kind.
    kinds : dict of str to KindFound
        By name, most rows first; empty for a clean column.
    example : str
        The shape of one identifier: letters as ``x``, digits as ``9``; never the value. For free text, what stands in it.
    """

    column: str
    values: int
    rows: int = 0
    kinds: dict[str, KindFound] = field(default_factory=dict)
    example: str = ""


def find(con: duckdb.DuckDBPyConnection, source: str, columns: Mapping[str, str]) -> list[Found]:
    """Return what each column holds, in the order given.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        Temporary macros are made on it.
    source : str
        What stands after FROM: a quoted name or a query in parentheses.
    columns : mapping of str to str
        DuckDB type of each column. Columns of dates, truth values and bytes hold none and are left out of the answer.

    Examples
    --------
    >>> import duckdb
    >>> con = duckdb.connect()
    >>> table = "(values ('ask jane@example.org', 7), ('nothing', 8), (null, 9)) t(note, n)"
    >>> for one in find(con, table, {"note": "VARCHAR", "n": "INTEGER"}):
    ...     print(one.column, one.values, one.rows, list(one.kinds))
    note 2 1 ['e-mail']
    n 3 0 []
    """
    texts = {name: text for name, kind in columns.items() if (text := text_of(name, kind))}
    if not texts:
        return []
    install(con)
    likely = _likely_whole(con, source, columns, texts)
    asked = ", ".join(_gates(name, columns[name], text, name in likely) for name, text in texts.items())
    counted = con.execute(f"select {asked} from {source}").fetchall()[0]
    found = []
    for number, (name, text) in enumerate(texts.items()):
        values, may, whole = (int(n) for n in counted[3 * number : 3 * number + 3])
        one = None
        if max(may, whole) >= WHOLE * values > 0:
            one = _as_a_whole(con, source, name, text, values)
        if one is None and may and not is_numeric(columns[name]):
            one = _as_text(con, source, name, text, values)
        found.append(one or Found(name, values))
    return found


def text_of(name: str, kind: str) -> str:
    """Return SQL of the column as text, or nothing for types that hold no identifier."""
    column = quote(name)
    if kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION", "ENUM", "JSON")):
        return f"cast({column} as varchar)"
    if kind == "VARCHAR":
        return column
    if not is_numeric(kind) or kind == "BOOLEAN":
        return ""
    if kind.startswith(("FLOAT", "DOUBLE", "DECIMAL")):
        # A column of whole numbers with gaps is often stored as decimals: 4111111111111111.0
        whole = f"{column} = floor({column}) and abs({column}) < {_EXACT}"
        return f"case when {whole} then cast(try_cast({column} as bigint) as varchar) else cast({column} as varchar) end"
    return f"cast({column} as varchar)"


def _likely_whole(
    con: duckdb.DuckDBPyConnection, source: str, columns: Mapping[str, str], texts: Mapping[str, str]
) -> set[str]:
    """Return the columns of which most values may be an identifier as a whole; the others need not be asked row by row.

    Text is asked of a sample: a column of which `WHOLE` look like one shows less than half in `_FEW` sampled values once in
    1e19 (Chernoff). Numbers are asked for their range, which a Parquet file tells without being read.
    """
    words = [name for name in texts if not is_numeric(columns[name])]
    numbers = [name for name in texts if is_numeric(columns[name]) and not _may_be_a_place(name, columns[name])]
    likely = set(texts) - set(words) - set(numbers)
    if words:
        named = ", ".join(f"{texts[name]} as t{i}" for i, name in enumerate(words))
        counts = ", ".join(f"count(t{i}), count(*) filter ({_looks_whole(f't{i}')})" for i in range(len(words)))
        drawn = f"(select {named} from {source} using sample reservoir({SAMPLE} rows) repeatable ({SEED}))"
        row = con.execute(f"select {counts} from {drawn}").fetchall()[0]
        likely |= {name for i, name in enumerate(words) if row[2 * i] < _FEW or 2 * row[2 * i + 1] >= row[2 * i]}
    if numbers:
        ends = ", ".join(f"min({quote(name)}), max({quote(name)})" for name in numbers)
        row = con.execute(f"select {ends} from {source}").fetchall()[0]
        small = [all(end is None or abs(end) < _SMALL for end in row[2 * i : 2 * i + 2]) for i in range(len(numbers))]
        likely |= {name for name, known in zip(numbers, small, strict=True) if not known}
    return likely


def _may_be_a_place(name: str, kind: str) -> bool:
    """Say whether a column of decimals has a name of coordinates, which may be any number."""
    decimals = kind.startswith(("FLOAT", "DOUBLE", "DECIMAL"))
    return decimals and any(kind.hinted_by(name) for kind in KINDS if kind.name == "coordinates")


def _gates(name: str, kind: str, text: str, likely: bool) -> str:
    """Return SQL that counts a column's values, those that may hold an identifier, and those that may be one as a whole."""
    column = quote(name)
    if not is_numeric(kind):
        return f"count({column}), count(*) filter ({may_hold(text)}), {_count(likely, _looks_whole(text))}"
    # Numbers are asked as numbers: writing each as text would cost more than everything else.
    whole = f"abs({column}) >= {_SMALL}"
    if kind.startswith(("FLOAT", "DOUBLE", "DECIMAL")):
        whole = f"{whole} and abs({column}) < {_EXACT} and {column} = floor({column})"
    return f"count({column}), 0, {_count(likely, f'{column} is not null' if _may_be_a_place(name, kind) else whole)}"


def _count(asked: bool, condition: str) -> str:
    return f"count(*) filter ({condition})" if asked else "0"


def _looks_whole(text: str) -> str:
    return f"length({text}) between 6 and {_LONGEST_WHOLE} and regexp_matches({text}, {literal(_LOOKS_WHOLE)})"


def _as_a_whole(con: duckdb.DuckDBPyConnection, source: str, name: str, text: str, values: int) -> Found | None:
    """Return the kind that the column's values are, or None where fewer than `WHOLE` of them validate as any."""
    trimmed = f"(select trim({text}) as t from {source} where {text} is not null)"
    drawn = trimmed
    if values > SAMPLED_FROM:
        drawn = f"(select t from {trimmed} using sample reservoir({SAMPLE} rows) repeatable ({SEED}))"
    likely = [kind for kind, share, _ in _shares(con, drawn, name, KINDS, valid_too=False) if share >= WHOLE - 0.1]
    if drawn != trimmed:
        likely = [kind for kind, share, _ in _shares(con, drawn, name, likely) if share >= WHOLE - 0.1]
    best: tuple[Kind, float, int] | None = None
    for kind, share, different in _shares(con, trimmed, name, likely):
        sure = kind.chance == 0 or kind.hinted_by(name) or kind.chance**different <= _SURELY
        if share >= WHOLE and sure and (best is None or share > best[1]):
            best = kind, share, different
    if best is None:
        return None
    kind, share, _ = best
    rows = round(share * values)
    matches = _matches(kind, name)
    shape = con.execute(f"select min(t) from {trimmed} where {matches}").fetchall()
    return Found(name, values, rows, {kind.name: KindFound(rows, rows, values, True)}, masked(str(shape[0][0])) if shape else "")


def _shares(
    con: duckdb.DuckDBPyConnection, source: str, name: str, kinds: Sequence[Kind], valid_too: bool = True
) -> Iterator[tuple[Kind, float, int]]:
    """Yield each kind with the share of values that are one, or only look like one, and how many different values are."""
    asked = [kind for kind in kinds if kind.whole or (kind.hinted and kind.hinted_by(name))]
    if not asked:
        return
    looks = {kind: _matches(kind, name, valid_too) for kind in asked}
    counts = ", ".join(
        f"count(*) filter ({sql}), {f'approx_count_distinct(t) filter ({sql})' if valid_too else '0'}" for sql in looks.values()
    )
    american = f"regexp_full_match(t, {literal(_AMERICAN)})"
    areas_sql = f"approx_count_distinct(left(right(t, 10), 3)) filter ({american})"
    row = con.execute(f"select count(*), count(*) filter ({american}), {areas_sql}, {counts} from {source}").fetchall()[0]
    total, americans, areas = int(row[0]), int(row[1]), int(row[2])
    if not total:
        return
    for number, kind in enumerate(asked):
        n, different = int(row[3 + 2 * number]), int(row[4 + 2 * number])
        # Ten digits without any mark are a phone number only if area codes are many and none is impossible: counters have one,
        # numbers drawn at random break the rule for codes in three cases of ten.
        if kind.name == "phone number" and americans >= 0.95 * total and areas >= _AREAS:
            n, different = americans, areas
        yield kind, n / total, different


def _matches(kind: Kind, name: str, valid_too: bool = True) -> str:
    pattern = "|".join(f"(?:{p})" for p in (kind.whole, kind.hinted if kind.hinted_by(name) else "") if p)
    looks = f"regexp_full_match(t, {literal(pattern)})"
    return f"(case when {looks} then {valid(kind, 't')} else false end)" if valid_too and kind.validator else looks


def _as_text(con: duckdb.DuckDBPyConnection, source: str, name: str, text: str, values: int) -> Found | None:
    """Return what stands in the column's texts, or None where nothing but chance does."""
    kinds = steps()
    mask = " + ".join(f"(case when h{i} > 0 then {1 << i} else 0 end)" for i, *_ in kinds)
    sums = ", ".join(f"sum(c{i}), sum(h{i})" for i, *_ in kinds)
    candidates = f"(select {text} as v from {source} where {may_hold(text)})"
    rows = con.execute(
        f"select {mask} as mask, count(*), {sums} from ({read(candidates, 'v')}) group by 1"
    ).fetchall()
    totals = {i: [sum(int(r[2 + 2 * i + j]) for r in rows) for j in (0, 1)] for i, *_ in kinds}
    kept = {i: kind for i, kind, *_ in kinds if _more_than_chance(kind, *totals[i])}
    found: dict[str, KindFound] = {}
    for kind_name in dict.fromkeys(kind.name for kind in kept.values()):
        of = [i for i, kind in kept.items() if kind.name == kind_name]
        bits = sum(1 << i for i in of)
        looks, strings = (sum(totals[i][j] for i in of) for j in (0, 1))
        found[kind_name] = KindFound(sum(int(r[1]) for r in rows if int(r[0]) & bits), strings, looks, False)
    if not found:
        return None
    bits = sum(1 << i for i in kept)
    by_rows = dict(sorted(found.items(), key=lambda item: (-item[1].rows, item[0])))
    return Found(name, values, sum(int(r[1]) for r in rows if int(r[0]) & bits), by_rows, f"[{next(iter(by_rows))}] in a text")


def _more_than_chance(kind: Kind, looks: int, strings: int) -> bool:
    """Say whether so many valid strings are more than the pattern's look-alikes would give by chance."""
    if not strings or not kind.chance:
        return strings > 0
    spread = math.sqrt(looks * kind.chance * (1 - kind.chance))
    return strings >= looks / 2 or strings > looks * kind.chance + 5 * spread + 1


def masked(value: str) -> str:
    """Return the shape of a value: letters as x, digits as 9, everything else as it is; at most 40 characters.

    Examples
    --------
    >>> masked("jane.doe@example.org"), masked("+49 170 1234567")
    ('xxxx.xxx@xxxxxxx.xxx', '+99 999 9999999')
    """
    return "".join("9" if c.isdigit() else "x" if c.isalpha() else c for c in value[:40])
