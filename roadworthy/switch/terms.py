"""What is attached to a row by time: a day to look at a stop again, and the end of a broken glass.

Time alone never loosens anything. A stop whose review is due stays a stop and is told about; a scope that was switched on by
breaking the glass goes back to what it was when its hour is over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields, replace

from roadworthy.ledger.chain import Execute
from roadworthy.switch.files import RANK, Stop
from roadworthy.switch.table import Row

SCHEMA = (
    "create table if not exists switch_terms (model text not null, version text not null, segment text not null, "
    "fence bigint not null, review_by text not null, until text not null, then_state text not null, "
    "primary key (model, version, segment))"
)


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of one row; they hold only while the row has this fence."""

    model: str
    version: str
    segment: str
    fence: int
    review_by: str = ""
    until: str = ""
    then_state: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """The scope: model, version, segment."""
        return self.model, self.version, self.segment


_NAMES = tuple(field.name for field in fields(Terms))


def install(execute: Execute) -> None:
    """Create the table where it is missing."""
    execute(SCHEMA, {})


def put(execute: Execute, terms: Terms) -> None:
    """Write the terms of a scope; inside the transaction that writes its row."""
    install(execute)
    changed = ", ".join(f"{name} = excluded.{name}" for name in _NAMES[3:])
    execute(
        f"insert into switch_terms ({', '.join(_NAMES)}) values ({', '.join(':' + name for name in _NAMES)}) "
        f"on conflict (model, version, segment) do update set {changed}", dict(zip(_NAMES, astuple(terms), strict=True)),
    )


def rows(execute: Execute) -> list[Terms]:
    """Return all terms.

    Raises
    ------
    ValueError
        If a row cannot be understood.
    """
    found = []
    for row in execute(f"select {', '.join(_NAMES)} from switch_terms", {}):
        texts = [cell for index, cell in enumerate(row) if index != 3]
        if not all(isinstance(cell, str) for cell in texts) or not isinstance(row[3], int) or (row[6] and row[6] not in RANK):
            raise ValueError(f"the terms of {row[0]!r} cannot be understood")
        found.append(Terms(*row))
    return found


def of(rows: Sequence[Terms]) -> Mapping[tuple[str, str, str], Terms]:
    """Return terms by scope."""
    return {one.key: one for one in rows}


def applied(row: Row, terms: Mapping[tuple[str, str, str], Terms], now: str) -> Stop:
    """Return what a row amounts to at `now`.

    Examples
    --------
    >>> open_ = Row(Stop("credit", "*", "*", "active", "2026-04-01T06:00", "gustav", "Needed."), 7)
    >>> hour = of([Terms("credit", "*", "*", 7, until="2026-04-01T07:00", then_state="disabled")])
    >>> applied(open_, hour, "2026-04-01T06:30").state, applied(open_, hour, "2026-04-01T07:00").state
    ('active', 'disabled')
    """
    one = terms.get(row.stop.key)
    if one is None or one.fence != row.fence or not one.until or now < one.until:
        return row.stop
    if RANK[one.then_state or "disabled"] <= RANK[row.stop.state]:
        return row.stop
    said = f"The glass was broken until {one.until[:16].replace('T', ' ')} UTC; that time is over."
    return replace(row.stop, state=one.then_state or "disabled", at=one.until, by="automation", reason=said)
