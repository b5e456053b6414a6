"""The rows of the switch, beside the ledger, changed in one transaction with the ledger's entry.

Standard library only; the statements run through whatever connection the caller holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from roadworthy.ledger import chain
from roadworthy.ledger.chain import Execute
from roadworthy.switch import clock
from roadworthy.switch.files import ACTIVE, ANY, RANK, Stop

SCHEMA = (
    "create table if not exists switch (model text not null, version text not null, segment text not null, state text not null, "
    "since text not null, actor text not null, reason text not null, evidence text not null, fence bigint not null, "
    "primary key (model, version, segment))"
)
_COLUMNS = "model, version, segment, state, since, actor, reason, evidence, fence"


@dataclass(frozen=True, slots=True)
class Row:
    """What the table holds of one scope; `fence` is the ledger's entry that made it so, 0 if none could be written."""

    stop: Stop
    fence: int


def install(execute: Execute) -> None:
    """Create the table where it is missing."""
    execute(SCHEMA, {})


def rows(execute: Execute, model: str | None = None) -> list[Row]:
    """Return every row, or those that may concern a model.

    Raises
    ------
    ValueError
        If a row is not a switch's row.
    """
    where = "" if model is None else "where model in (:model, '*')"
    found = execute(f"select {_COLUMNS} from switch {where} order by model, version, segment", {"model": model} if model else {})
    result = []
    for row in found:
        if row[3] not in RANK or not all(isinstance(cell, str) for cell in row[:8]) or not isinstance(row[8], int):
            raise ValueError(f"the switch's row of {row[0]!r} cannot be understood")
        result.append(Row(Stop(*row[:8]), row[8]))
    return result


def strictest(stops: Sequence[Stop]) -> Stop | None:
    """Return the most restrictive, and of equal ones the oldest."""
    worst = max((RANK[s.state] for s in stops), default=-1)
    return min((s for s in stops if RANK[s.state] == worst), key=lambda s: s.at, default=None)


def tighten(execute: Execute, stop: Stop, *, record: bool = True) -> tuple[bool, int]:
    """Make a scope as strict as `stop` says, never looser, and record it; inside the caller's write transaction.

    Returns
    -------
    changed : bool
        True if what may serve is different now; a scope that a wider stop holds already does not change.
    fence : int
        The ledger's entry that holds this scope; 0 if it was not recorded.
    """
    install(execute)
    there = rows(execute, stop.model)
    mine = next((r for r in there if r.stop.key == stop.key), None)
    if mine is not None and RANK[mine.stop.state] >= RANK[stop.state]:
        if mine.fence or not record:
            return False, mine.fence
        put(execute, mine.stop, fence := _record(execute, mine.stop, ACTIVE))  # it could not be recorded when it was made
        return False, fence
    wider = [r for r in there if r.stop.version in (ANY, stop.version) and r.stop.segment in (ANY, stop.segment)]
    changed = all(RANK[r.stop.state] < RANK[stop.state] for r in wider)
    fence = _record(execute, stop, mine.stop.state if mine else ACTIVE) if record else 0
    put(execute, stop, fence)
    return changed, fence


def _record(execute: Execute, stop: Stop, before: str) -> int:
    chain.install(execute)
    clock.install(execute)
    epoch, sequence = clock.read(execute)
    body = {
        "model": stop.model, "version": stop.version, "segment": stop.segment, "from": before, "to": stop.state,
        "reason": stop.reason, "evidence": stop.evidence,
        "epoch": epoch, "sequence": sequence + 1,  # of this change, so that receipts can be held against it later
    }
    return chain.append(execute, "switch", stop.by, body, at=chain.moment(stop.at), key=f"switch:{stop.digest}").seq


def done_before(execute: Execute, stop: Stop) -> bool:
    """Say whether the ledger has a change to this state of this scope on this evidence, lifted since or not."""
    wanted = {"version": stop.version, "segment": stop.segment, "to": stop.state, "evidence": stop.evidence}
    start = 2**63 - 1
    while rows_ := chain.page(execute, start, "switch", stop.model, backwards=True):
        for row in rows_:
            body = chain.entry_of(row).body
            if all(body.get(name) == value for name, value in wanted.items()):
                return True
        start = rows_[-1][0]
    return False


def put(execute: Execute, stop: Stop, fence: int) -> None:
    """Write the row of a scope; readers see by the clock that something changed."""
    values = {
        "model": stop.model, "version": stop.version, "segment": stop.segment, "state": stop.state, "since": stop.at,
        "actor": stop.by, "reason": stop.reason, "evidence": stop.evidence, "fence": fence,
    }
    changed = ", ".join(f"{name} = excluded.{name}" for name in list(values)[3:])
    execute(
        f"insert into switch ({_COLUMNS}) values ({', '.join(':' + name for name in values)}) "
        f"on conflict (model, version, segment) do update set {changed}", values,
    )
    clock.advance(execute)
