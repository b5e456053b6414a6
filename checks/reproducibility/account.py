"""What a recipe says of its own training, and what differs between two such accounts.

A recipe that is given ``{record}`` writes there, as JSON, any of ``seed``, ``row_order``, ``threads`` and ``rows``: a short
digest of each training row, in the order of training. What it wrote when the artifact was made is kept beside the artifact. The
digests may be made in any way, as long as equal rows have equal ones and they tell nothing of a row; only whether they are equal
is read.

An account is a help to name what differs. It proves nothing: a recipe may lie, and whether the artifact is the same is decided
by its bytes and its predictions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from checks.isolation import parcels
from checks.reproducibility.words import shown
from roadworthy.errors import DataError

MOST_BYTES = 64 << 20
_LONGEST = 128
_MOST_COLUMNS = 1_000


@dataclass(frozen=True)
class Account:
    """What was used in a training; None is not told.

    Attributes
    ----------
    seed, threads : int, optional
    row_order : tuple of str, optional
        Columns by which the rows were sorted.
    rows : tuple of str, optional
        A digest of each row, in the order of training.
    """

    seed: int | None = None
    row_order: tuple[str, ...] | None = None
    threads: int | None = None
    rows: tuple[str, ...] | None = field(default=None, repr=False)

    def filled(self, seed: int | None = None, row_order: tuple[str, ...] | None = None, threads: int | None = None) -> Account:
        """Return the account with what it does not tell taken from elsewhere."""
        return replace(
            self,
            seed=seed if self.seed is None else self.seed,
            row_order=row_order if self.row_order is None else self.row_order,
            threads=threads if self.threads is None else self.threads,
        )


@dataclass(frozen=True)
class Rows:
    """How two lists of rows differ.

    Attributes
    ----------
    recorded, used : int
        How many rows each holds.
    changed, added, removed : int
        Of the rows that are in one list only, as many as possible are taken for changed ones.
    moved : bool
        True for the same rows in another order.
    """

    recorded: int
    used: int
    changed: int
    added: int
    removed: int
    moved: bool

    @property
    def differ(self) -> int:
        """How many rows are not the same."""
        return self.changed + self.added + self.removed

    def sentence(self) -> str:
        """Say how many training rows differ; empty if none does.

        Examples
        --------
        >>> compared_rows(["a", "b", "c"], ["a", "x", "c", "d"]).sentence()
        'training rows (1 changed and 1 added; 3 recorded, 4 used)'
        """
        if not self.differ:
            return ""
        parts = [(self.changed, "changed"), (self.added, "added"), (self.removed, "removed")]
        told = " and ".join(f"{n:,} {what}" for n, what in parts if n)
        return f"training rows ({told}; {self.recorded:,} recorded, {self.used:,} used)"


def compared_rows(recorded: Sequence[str], used: Sequence[str]) -> Rows:
    """Compare two lists of row digests, as multisets and in order.

    Examples
    --------
    >>> compared_rows(["a", "a", "b"], ["b", "a", "a"])
    Rows(recorded=3, used=3, changed=0, added=0, removed=0, moved=True)
    >>> compared_rows(["a", "a", "b"], ["a", "b"])
    Rows(recorded=3, used=2, changed=0, added=0, removed=1, moved=False)
    """
    here, there = Counter(recorded), Counter(used)
    gone, new = (here - there).total(), (there - here).total()
    changed = min(gone, new)
    moved = not gone and not new and list(recorded) != list(used)
    return Rows(len(recorded), len(used), changed, new - changed, gone - changed, moved)


def read(content: bytes, whose: str) -> Account:
    """Return an account from the JSON that a recipe wrote.

    Parameters
    ----------
    content : bytes
    whose : str
        For the sentence: what is read.

    Raises
    ------
    DataError
        If it is not JSON, or one of the four is of another kind; what it holds is not repeated.

    Examples
    --------
    >>> read(b'{"seed": 7, "rows": ["0a", "1b"], "more": true}', "the record").seed
    7
    >>> read(b'{"seed": "7"}', "the record")
    Traceback (most recent call last):
    roadworthy.errors.DataError: In the record 'seed' is no whole number.
    """
    if len(content) > MOST_BYTES:
        raise DataError(f"{whose[:1].upper()}{whose[1:]} is larger than {MOST_BYTES >> 20} MB.")
    try:
        found = parcels.parse_json(content)
    except parcels.Unreadable as problem:
        raise DataError(f"{whose[:1].upper()}{whose[1:]} is no JSON of names and values.") from problem
    for name in ("seed", "threads"):
        if found.get(name) is not None and (not isinstance(found[name], int) or isinstance(found[name], bool)):
            raise DataError(f"In {whose} '{name}' is no whole number.")
    return Account(
        found.get("seed"), _texts(found.get("row_order"), "row_order", whose, _MOST_COLUMNS), found.get("threads"),
        _texts(found.get("rows"), "rows", whose, MOST_BYTES),
    )


def _texts(found: Any, name: str, whose: str, most: int) -> tuple[str, ...] | None:
    if found is None:
        return None
    if not isinstance(found, list) or len(found) > most or not all(isinstance(x, str) and len(x) <= _LONGEST for x in found):
        raise DataError(f"In {whose} '{name}' is no list of short texts.")
    return tuple(found)


def settings(recorded: Account, used: Account, rows: Rows | None) -> tuple[list[str], list[str]]:
    """Return the names of the settings that could be compared, and a sentence of each that differs.

    Parameters
    ----------
    recorded, used : Account
    rows : Rows, optional
        How the rows differ, where both tell them: the same rows in another order are another row order, whatever was said of it.

    Examples
    --------
    >>> settings(Account(seed=7, threads=1), Account(seed=8), None)
    (['seed'], ['seed (recorded 7, used 8)'])
    """
    compared, differ = [], []
    for name in ("seed", "row_order", "threads"):
        one, other = getattr(recorded, name), getattr(used, name)
        moved = name == "row_order" and rows is not None and rows.moved
        if (one is None or other is None) and not moved:
            continue
        compared.append(name)
        if one != other and one is not None and other is not None:
            differ.append(f"{name.replace('_', ' ')} (recorded {_said(one)}, used {_said(other)})")
        elif moved:
            differ.append("row order (the same rows in another order)")
    return compared, differ


def _said(value: int | tuple[str, ...]) -> str:
    if isinstance(value, int):
        return str(value)[:40]
    return ", ".join(shown(name) for name in value[:5]) + (f" and {len(value) - 5} more" if len(value) > 5 else "") or "none"
