"""What a plan is: options held against rules, with what each changes, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

ATTACHMENT = "mitigation.json"
AS_IS = "as_is"
TITLES = {
    AS_IS: "As it is",
    "threshold_demographic_parity": "Thresholds by group, for equal shares",
    "threshold_equalized_odds": "Thresholds by group, for equal error rates",
    "retrained": "Trained again, unchanged",
    "reweighing": "Trained on reweighed rows",
    "grid_search": "Grid search over weights",
    "exponentiated_gradient": "Exponentiated gradient",
}

Word = Literal["clears", "crosses", "breaks", "too few", "not measured"]


@dataclass(frozen=True)
class Held:
    """An option held against one rule about one group or attribute.

    Attributes
    ----------
    rule, metric, limit : str
        The rule's id, its metric (of the fairness family) and its limit in words.
    over : mapping
        As in the finding.
    where : str
        `over` in words.
    word : str
        ``clears`` (the whole interval), ``crosses``, ``breaks`` (the whole interval beyond), ``too few`` or ``not measured``.
    value, low, high, n : optional
    sentence : str
        Who, how much, by which definition, of how many.
    """

    rule: str
    metric: str
    limit: str
    over: Mapping[str, Any]
    where: str
    word: Word
    sentence: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None


@dataclass(frozen=True)
class Moved:
    """Who of a group would be decided otherwise.

    Attributes
    ----------
    over : mapping
    where : str
    n : int
        Rows of the group.
    gained, lost : int
        Of those, how many were refused and would get the favourable decision, and the reverse.
    """

    over: Mapping[str, Any]
    where: str
    n: int
    gained: int
    lost: int


@dataclass(frozen=True)
class Change:
    """A change of a share over all held-out rows, with its interval."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Option:
    """One option of the plan.

    Attributes
    ----------
    name, title : str
    why_not : str
        Why it was not run; empty if it was.
    needs_attribute, retrained, randomised : bool
    seed_changes : float, optional
        Share of decisions that another seed changes.
    held : tuple of Held
        Against what warned or failed.
    breaks, weakens : tuple of Held
        Rules that it breaks though they are not broken now; rules that hold for certain now and would not any more.
    accuracy, accuracy_change, selection_rate_change : Change, optional
    moved : tuple of Moved
        Of the attributes in question; of two together only where no rule speaks of one alone.
    qualifies : bool
    against : tuple of str
        What speaks against it, a sentence each; empty if nothing does.
    says : str
        The option in plain words.
    """

    name: str
    title: str
    why_not: str = ""
    needs_attribute: bool = False
    retrained: bool = False
    randomised: bool = False
    seed_changes: float | None = None
    held: tuple[Held, ...] = ()
    breaks: tuple[Held, ...] = ()
    weakens: tuple[Held, ...] = ()
    accuracy: Change | None = None
    accuracy_change: Change | None = None
    selection_rate_change: Change | None = None
    moved: tuple[Moved, ...] = ()
    qualifies: bool = False
    against: tuple[str, ...] = ()
    says: str = ""


@dataclass(frozen=True)
class Plan:
    """The plan as a whole; `as_dict` is the attachment of the evidence.

    Attributes
    ----------
    about : tuple of Held
        What warned or failed, as it is now on the held-out rows.
    options : tuple of Option
        In the order in which they are shown: as it is, then the recommended or nearest, then the others.
    recommended, nearest : str
        Name of an option; at most one of the two is not empty.
    says : str
        The recommendation and its reasons.
    notes : tuple of str
        What whoever follows it must know.
    held_out : int
        Rows.
    """

    about: tuple[Held, ...]
    options: tuple[Option, ...]
    recommended: str
    nearest: str
    says: str
    notes: tuple[str, ...]
    held_out: int
    schema_version: int = field(default=1)

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values; `from_dict` is the inverse."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Plan:
        """Build a plan from `as_dict`'s output."""
        options = tuple(_option_from(o) for o in data["options"])
        about, notes = tuple(Held(**h) for h in data["about"]), tuple(data["notes"])
        return cls(**{**data, "about": about, "options": options, "notes": notes})

    def option(self, name: str) -> Option | None:
        """Return an option by its name."""
        return next((o for o in self.options if o.name == name), None)


def _option_from(data: Mapping[str, Any]) -> Option:
    kinds: dict[str, type] = {"held": Held, "breaks": Held, "weakens": Held, "moved": Moved}
    made: dict[str, Any] = {one.name: data[one.name] for one in fields(Option)}
    for name, kind in kinds.items():
        made[name] = tuple(kind(**one) for one in data[name])
    for name in ("accuracy", "accuracy_change", "selection_rate_change"):
        made[name] = Change(**data[name]) if data[name] is not None else None
    return Option(**{**made, "against": tuple(data["against"])})
