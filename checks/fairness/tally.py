"""Groups of one attribute, or of two together, by label and decision: what every rate is a share of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from checks.fairness.counted import Cell, Names
from checks.fairness.units import Moments
from checks.performance.sheet import worth_of
from checks.subject import Table
from roadworthy.measurement import Status
from roadworthy.passport import Independence, Protected

Code = tuple[int, int]
EVERY: frozenset[Code] = frozenset({(0, 0), (0, 1), (1, 0), (1, 1)})


@dataclass(frozen=True)
class Share:
    """A rate as a share of cells, each a pair of label and decision: 1 favourable, 0 not.

    Attributes
    ----------
    cases, chosen : frozenset of (int, int)
        The cells that the rate is a share of, and those of them that count.
    words : str
        What the cases are called; empty for all rows.
    by_decision : bool
        Whether `positives` and `negatives` are decisions even where labels are known.
    """

    cases: frozenset[Code]
    chosen: frozenset[Code]
    words: str = ""
    by_decision: bool = False


SELECTED = Share(EVERY, frozenset({(0, 1), (1, 1)}))
DESERVING = Share(EVERY, frozenset({(1, 0), (1, 1)}))
TRUE_POSITIVE = Share(frozenset({(1, 0), (1, 1)}), frozenset({(1, 1)}), "rows with a favourable label")
FALSE_POSITIVE = Share(frozenset({(0, 0), (0, 1)}), frozenset({(0, 1)}), "rows with an unfavourable label")
FALSE_NEGATIVE = Share(frozenset({(1, 0), (1, 1)}), frozenset({(1, 0)}), "rows with a favourable label")
PREDICTIVE = Share(frozenset({(0, 1), (1, 1)}), frozenset({(1, 1)}), "rows with a favourable decision", by_decision=True)


@dataclass(frozen=True)
class Part:
    """One attribute, or two together.

    Attributes
    ----------
    protected : tuple of Protected
    """

    protected: tuple[Protected, ...]

    @property
    def names(self) -> Names:
        """The attributes' names."""
        return tuple(p.name for p in self.protected)

    @property
    def reference(self) -> Names:
        """The group that the others are compared with."""
        return tuple(p.reference for p in self.protected)

    @property
    def note(self) -> str:
        """What readers must know of the attributes."""
        return " ".join(p.note for p in self.protected if p.note)

    def over(self, group: Names) -> dict[str, Any]:
        """Return the part of the data that a group is."""
        return {"group": dict(zip(self.names, group, strict=True))}

    @property
    def declared(self) -> list[str]:
        """The groups that the passport names, if it names all of them; of one attribute only."""
        return declared(self.protected[0]) if len(self.protected) == 1 else []


def declared(protected: Protected) -> list[str]:
    """Return the groups that the passport names."""
    return [b.label for b in protected.bins] or list(dict.fromkeys(protected.values.values()))


def said(group: Names) -> str:
    """Write a group's name."""
    return ", ".join(group)


@dataclass(frozen=True)
class Tally:
    """Rows of one table by group, label and decision; or why there are none.

    Attributes
    ----------
    part : Part
    role, digest : str
        Of the table.
    by_label : bool
        Whether a row must have a label to be used.
    counted : tuple of Cell
        Labels and decisions are 1 (favourable), 0 or None (not known).
    status, reason : str
        Why nothing can be measured; the reason is empty where something can.
    independence : Independence
        What counts as one observation.
    moments : dict of tuple of str to Moments, optional
        By group, where rows are not independent.
    threshold : float, optional
        From which score up the model is taken to decide for the positive value, where it gives only a score.
    cells : dict of tuple of str to Counter of (int, int)
        Group to (label, decision) to rows, of the rows that can be used. Where labels play no part they are 0.
    rows : Counter of tuple of str
        All rows of each group.

    Raises
    ------
    ValueError
        If a label or decision is neither 1, 0 nor None: fairlearn would be silent about it and wrong.
    """

    part: Part
    role: str
    digest: str
    by_label: bool
    counted: tuple[Cell, ...] = ()
    status: Status = "measured"
    reason: str = ""
    independence: Independence = field(default_factory=Independence)
    moments: dict[Names, Moments] | None = None
    threshold: float | None = None
    cells: dict[Names, Counter[Code]] = field(init=False, default_factory=dict)
    rows: Counter[Names] = field(init=False, default_factory=Counter)

    def __post_init__(self) -> None:
        for names, label, decision, n, *_ in self.counted:
            if not {label, decision} <= {0, 1, None}:
                raise ValueError("labels and decisions must be 0 or 1 before rates are made of them")
            self.rows[names] += n
            if decision is not None and (label is not None or not self.by_label):
                self.cells.setdefault(names, Counter())[label or 0 if self.by_label else 0, decision] += n

    def n(self, group: Names, cells: Iterable[Code] = EVERY) -> int:
        """Return the usable rows of a group that are in these cells."""
        found = self.cells.get(group, Counter())
        return sum(found[code] for code in cells)

    def sides(self, group: Names, by_decision: bool = False) -> tuple[int, int]:
        """Return the group's favourable and unfavourable labels; without labels, or if so asked, decisions."""
        good = self.n(group, (DESERVING if self.by_label and not by_decision else SELECTED).chosen)
        return good, self.n(group) - good

    def share(self, group: Names, share: Share) -> tuple[float, float]:
        """Return ``(chosen, cases)`` for an interval: rows, or the independent rows that they are worth, 0 where unknown."""
        cases, chosen = self.n(group, share.cases), self.n(group, share.chosen)
        if self.moments is None or cases == 0:
            return chosen, cases
        units, squares = self.moments[group].of(share.cases, share.chosen, chosen / cases) if group in self.moments else (0, 0.0)
        worth = worth_of(chosen / cases, cases, units, squares)
        return chosen / cases * worth, worth

    def units(self, group: Names, share: Share) -> int:
        """Return how many units the cases of a group come from."""
        return self.moments[group].units[share.cases] if self.moments and group in self.moments else 0

    @property
    def how(self) -> str:
        """What a method says of the observations that an interval rests on."""
        if self.independence.unit == "row":
            return ""
        return f", by {self.independence.unit}" if self.moments is not None else ", rows taken as independent"

    @property
    def told(self) -> dict[str, Any]:
        """What every measurement of this table says of its source and of the rows that were left out."""
        excluded = {"without_decision": sum(c.n for c in self.counted if c.decision is None)}
        if self.by_label:
            excluded["without_label"] = sum(c.n for c in self.counted if c.decision is not None and c.label is None)
        told: dict[str, Any] = {"excluded": excluded}
        if self.part.note:
            told["note"] = self.part.note
        if self.threshold is not None:
            told["threshold"] = self.threshold
        return told

    @property
    def inputs(self) -> dict[str, str]:
        """The digest of what was read."""
        return {self.role: self.digest} if self.digest else {}

    @property
    def reference(self) -> str:
        """The reference group's name."""
        return said(self.part.reference)


def empty(part: Part, table: Table, by_label: bool, status: Status, reason: str) -> Tally:
    """Return a tally that says why there is nothing in it."""
    return Tally(part, table.role, table.digest, by_label, status=status, reason=reason)
