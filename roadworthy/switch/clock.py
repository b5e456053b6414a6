"""The order of changes: an epoch and a sequence number, raised in the transaction that makes a change.

A reader that has seen a pair never accepts a lower one, so an old backup or a replayed answer cannot loosen anything. The
epoch is raised by hand when a backup was restored, because its numbers would otherwise come a second time.
"""

from __future__ import annotations

from roadworthy.ledger.chain import Execute

SCHEMA = "create table if not exists switch_clock (name text not null primary key, value bigint not null)"


def install(execute: Execute) -> None:
    """Create the table where it is missing."""
    execute(SCHEMA, {})


def read(execute: Execute) -> tuple[int, int]:
    """Return epoch and sequence; (1, 0) before the first change.

    Raises
    ------
    ValueError
        If the table does not hold whole numbers.
    """
    found = {str(name): value for name, value in execute("select name, value from switch_clock", {})}
    if not all(isinstance(value, int) and value >= 0 for value in found.values()):
        raise ValueError("the switch's clock does not hold whole numbers")
    return int(found.get("epoch", 1)), int(found.get("sequence", 0))


def advance(execute: Execute) -> tuple[int, int]:
    """Raise the sequence by one and return epoch and sequence; inside the transaction of the change."""
    install(execute)
    epoch, sequence = read(execute)
    return _put(execute, epoch, sequence + 1)


def new_epoch(execute: Execute) -> tuple[int, int]:
    """Begin a new epoch, after a backup was restored; the sequence goes on."""
    install(execute)
    epoch, sequence = read(execute)
    return _put(execute, epoch + 1, sequence + 1)


def _put(execute: Execute, epoch: int, sequence: int) -> tuple[int, int]:
    for name, value in (("epoch", epoch), ("sequence", sequence)):
        execute(
            "insert into switch_clock (name, value) values (:name, :value) "
            "on conflict (name) do update set value = excluded.value",
            {"name": name, "value": value},
        )
    return epoch, sequence
