"""Everything that the state database says of the switch, read in one transaction.

What cannot be read or understood is one row of state ``unknown`` for every model, and that refuses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from roadworthy.ledger.chain import Execute
from roadworthy.switch import clock, served, table, terms
from roadworthy.switch.files import ACTIVE, ANY, UNKNOWN, Stop
from roadworthy.switch.served import Served
from roadworthy.switch.table import Row
from roadworthy.switch.terms import Terms

TABLES = ("switch", "switch_clock", "switch_service", "switch_terms")


@dataclass(frozen=True, slots=True)
class Stored:
    """The switch as one read of the database found it.

    Attributes
    ----------
    epoch, sequence : int
        The order of the last change.
    rows : sequence of Row
    service : sequence of Served
        Every version in service.
    terms : mapping of scope to Terms
    """

    epoch: int = 1
    sequence: int = 0
    rows: Sequence[Row] = ()
    service: Sequence[Served] = ()
    terms: Mapping[tuple[str, str, str], Terms] = field(default_factory=dict)

    def stops(self, now: str) -> list[Stop]:
        """Return what is held at `now`: every row that is not active, with its terms applied."""
        found = (terms.applied(row, self.terms, now) for row in self.rows)
        return [stop for stop in found if stop.state != ACTIVE]


def install(execute: Execute) -> None:
    """Create every table of the switch that is missing."""
    for part in (table, clock, served, terms):
        part.install(execute)


def load(execute: Execute, there: Sequence[str] = TABLES) -> Stored:
    """Read the switch.

    Parameters
    ----------
    execute : callable
        In one transaction, or what is read may belong to two moments.
    there : sequence of str
        The tables that exist; one that does not has nothing in it.

    Raises
    ------
    ValueError
        If something in it cannot be understood.
    """
    epoch, sequence = clock.read(execute) if "switch_clock" in there else (1, 0)
    return Stored(
        epoch,
        sequence,
        table.rows(execute) if "switch" in there else (),
        served.rows(execute) if "switch_service" in there else (),
        terms.of(terms.rows(execute)) if "switch_terms" in there else {},
    )


def lost(why: str) -> Stored:
    """Return what stands for a database that cannot be read: every model is unknown."""
    return Stored(rows=(Row(Stop(ANY, ANY, ANY, UNKNOWN, "", "", why), 0),))
