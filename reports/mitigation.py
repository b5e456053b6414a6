"""The mitigation plan on a page: the recommendation first, then what every option would change and for whom."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from reports import markdown, numbers
from reports.parts import Figure, Kind, Part
from reports.source import Source, attribute_name
from reports.withholding import FEWEST_PEOPLE, withheld
from roadworthy import mitigation
from roadworthy.canonical import canonical_json

if TYPE_CHECKING:
    from roadworthy.evidence import Bundle

SHOWN = 6
"""Limits and groups that an option's line names; the evidence holds all of them."""
SHOWN_SHORT = 3

_BESIDE = "a number that is withheld so that the other cannot be worked out"
_WORDS: dict[str, tuple[str, Kind]] = {
    "clears": ("Clears", "pass"),
    "crosses": ("Undecided", "warn"),
    "breaks": ("Beyond", "fail"),
    "too few": ("Too few rows", "none"),
    "not measured": ("Not known", "none"),
}


class Gap(Part):
    """An option held against one rule."""

    rule: str
    where: str
    limit: str
    word: str
    kind: Kind
    figure: Figure


class Changed(Part):
    """How a share of all held-out rows changes, with its sign, and the interval of that."""

    value: float
    low: float
    high: float
    n: int
    shown: str
    span: str


class Row(Part):
    """One option."""

    name: str
    title: str
    tags: list[str]
    why_not: str
    gaps: list[Gap]
    more_gaps: str = Field(description="What of the limits is not listed.")
    accuracy: Figure | None
    accuracy_change: Changed | None
    selection_rate_change: Changed | None
    moved: list[str]
    more_moved: int
    verdict: str
    kind: Kind
    against: list[str]
    says: str


class Section(Part):
    """The plan."""

    title: str
    says: str
    kind: Kind
    notes: list[str]
    rows: list[Row]
    held_out: int
    evidence: str


def plan_of(bundle: Bundle) -> mitigation.Plan | None:
    """Return the plan that lies in a bundle; None if it holds none."""
    if mitigation.ATTACHMENT not in bundle.attachments:
        return None
    return mitigation.Plan.from_dict(json.loads(bundle.attachment(mitigation.ATTACHMENT)))


def section(source: Source) -> Section | None:
    """Return the plan as it is shown; None if nothing called for one."""
    plan = plan_of(source.bundle)
    if plan is None:
        return None
    title, _, says = plan.says.partition(". ")
    return Section(
        title=numbers.tidy(title.removesuffix(".")),
        says=numbers.tidy(says),
        kind="pass" if plan.recommended else "warn" if plan.nearest else "error",
        notes=[numbers.tidy(note) for note in plan.notes],
        rows=[_row(source, plan, option) for option in plan.options],
        held_out=plan.held_out,
        evidence=source.evidence("mitigation."),
    )


def _row(source: Source, plan: mitigation.Plan, option: mitigation.Option) -> Row:
    facts = {"needs the attribute": option.needs_attribute, "a new model": option.retrained, "randomised": option.randomised}
    tags = [word for word, holds in facts.items() if holds]
    if option.seed_changes is not None:
        tags.append(f"another seed changes {numbers.figure(option.seed_changes, 'share')} of decisions")
    verdict, kind = _verdict(plan, option)
    moves = _Moves(source, option.moved)
    return Row(
        name=option.name,
        title=option.title,
        tags=tags,
        why_not=numbers.tidy(option.why_not),
        gaps=[_gap(source, option.name, held) for held in option.held[:SHOWN]],
        more_gaps=_more(option.held[SHOWN:]),
        accuracy=_figure(source, option.accuracy, "share"),
        accuracy_change=_changed(option.accuracy_change),
        selection_rate_change=_changed(option.selection_rate_change),
        moved=[_moved(one, moves) for one in option.moved[:SHOWN]],
        more_moved=len(option.moved[SHOWN:]),
        verdict=verdict,
        kind=kind,
        against=[numbers.tidy(text) for text in option.against],
        says="" if option.why_not else numbers.tidy(
            mitigation.says(option, lambda held: _hidden(source, option.name, held), moves.get)
        ),
    )


def _verdict(plan: mitigation.Plan, option: mitigation.Option) -> tuple[str, Kind]:
    if option.name == mitigation.AS_IS:
        return "Now", "none"
    if option.why_not:
        return "Not run", "none"
    if option.name == plan.recommended:
        return "Recommended", "pass"
    if option.qualifies:
        return "Would do too", "pass"
    if way := mitigation.way_of(option):
        return f"{way[0].upper()}{way[1:]}", "warn"
    return ("Nearest" if option.name == plan.nearest else "Does not do"), "warn"


def _over(option: str, held: mitigation.Held) -> dict[str, Any]:
    return {"option": option, **held.over}


def _metric(held: mitigation.Held) -> str:
    return f"mitigation.{held.metric.partition('.')[2].removeprefix('intersection_')}"


def _hidden(source: Source, option: str, held: mitigation.Held) -> bool:
    return held.value is not None and source.hides(_metric(held), _over(option, held), held.n)


def _gap(source: Source, option: str, held: mitigation.Held) -> Gap:
    word, kind = _WORDS[held.word]
    hidden = _hidden(source, option, held)
    unit = "ratio" if held.metric.endswith("_ratio") else "difference"
    figure = Figure(
        value=None if hidden else held.value, low=None if hidden else held.low, high=None if hidden else held.high,
        n=None if hidden else held.n, unit=unit, hidden=hidden, reason="" if held.value is not None else held.sentence,
        evidence=source.evidence("mitigation."),
    )
    return Gap(
        rule=held.rule, where=held.where, limit=numbers.tidy(held.limit), word=word, kind=kind, figure=figure,
    )


def _figure(source: Source, change: mitigation.Change | None, unit: str) -> Figure | None:
    if change is None:
        return None
    return Figure(
        value=change.value, low=change.low, high=change.high, n=change.n, unit=unit, evidence=source.evidence("mitigation.")
    )


def _changed(change: mitigation.Change | None) -> Changed | None:
    if change is None:
        return None
    shown, _, span = mitigation.points(change).partition(" (95 % interval ")
    return Changed(
        value=change.value, low=change.low, high=change.high, n=change.n, shown=numbers.tidy(shown),
        span=numbers.tidy(span.partition(",")[0]),
    )


def _more(held: Sequence[mitigation.Held]) -> str:
    """Say how many further limits there are, by how the option stands to them."""
    if not held:
        return ""
    found = Counter(_WORDS[one.word][0].lower() for one in held)
    return f"and {len(held):,} more: {', '.join(f'{n:,} {word}' for word, n in found.items())}"


class _Moves:
    """How many of each group gain and lose, in words: what is withheld cannot be worked out from what is shown."""

    def __init__(self, source: Source, moved: Sequence[mitigation.Moved]) -> None:
        self._words: dict[bytes, tuple[str, str]] = {}
        of_attribute: dict[str, dict[bytes, mitigation.Moved]] = {}
        for one in moved:
            of_attribute.setdefault(attribute_name(one.over["group"]), {})[canonical_json(one.over)] = one
        for groups in of_attribute.values():
            small = withheld({key: one.n for key, one in groups.items()})
            gained, lost = (
                self._of({key: getattr(one, kind) for key, one in groups.items()}) for kind in ("gained", "lost")
            )
            few = {key for key, one in groups.items() if source.withholds(one.over["group"])} | small
            self._words |= {key: (gained[key], lost[key]) for key in groups if key not in few}

    def _of(self, counts: dict[bytes, int]) -> dict[bytes, str]:
        gone = withheld(counts)

        def word(key: bytes) -> str:
            if not gone:
                return numbers.count(counts[key])
            # None at all would tell that the others are all there are, so it is "fewer than ten" where one of them is.
            if counts[key] < FEWEST_PEOPLE:
                return f"fewer than {FEWEST_PEOPLE}"
            return _BESIDE if key in gone else numbers.count(counts[key])

        return {key: word(key) for key in counts}

    def get(self, one: mitigation.Moved) -> tuple[str, str] | None:
        """Return the words for those who gain and those who lose; None if nothing may be told."""
        return self._words.get(canonical_json(one.over))


def _moved(one: mitigation.Moved, moves: _Moves) -> str:
    told = moves.get(one)
    if told is None:
        return f"{one.where}: too few people to show a number, or to let another group's be worked out"
    return f"{one.where}: {told[0]} gain, {told[1]} lose, of {numbers.count(one.n)}"


def summary_markdown(bundle: Bundle) -> str:
    """Return the plan in Markdown: recommendation, a table of the options, notes; empty if there is none."""
    found = section(Source(bundle))
    if found is None:
        return ""
    return "\n".join(["### Mitigation plan", "", *markdown_lines(found)]) + "\n"


def markdown_lines(found: Section) -> list[str]:
    """Return the plan as lines of Markdown, without a heading; every cell escaped."""
    e = markdown.escape
    lines = [f"**{e(found.title)}.** {e(found.says, 2000)}", ""]
    if found.rows:
        head = ["Option", "Limits in question", "Accuracy", "Favourable decisions", "Who gains, who loses", "Needs", "Verdict"]
        lines += [markdown.table(head, [_cells(row) for row in found.rows]), ""]
    return [*lines, *(f"- {e(note, 600)}" for note in found.notes)]


def _cells(row: Row) -> list[str]:
    if row.why_not:
        return [row.title, row.why_not, numbers.DASH, numbers.DASH, numbers.DASH, ", ".join(row.tags), row.verdict]
    gaps = [f"{g.where}, {g.rule}: {written(g.figure)}, {g.word.lower()}" for g in row.gaps[:SHOWN_SHORT]]
    gaps += ["and more on the page"] if len(row.gaps) > SHOWN_SHORT or row.more_gaps else []
    changes = [
        f"{c.shown} ({c.span}), n = {c.n:,}" if c is not None else numbers.DASH
        for c in (row.accuracy_change, row.selection_rate_change)
    ]
    if row.accuracy_change is None:
        changes[0] = written(row.accuracy)
    moved = "; ".join(row.moved[:SHOWN_SHORT]) or numbers.DASH
    return [row.title, "; ".join(gaps), *changes, moved, ", ".join(row.tags) or numbers.DASH, row.verdict]


def written(figure: Figure | None) -> str:
    """Write a figure with its interval and its n.

    Examples
    --------
    >>> written(Figure(value=0.95, low=0.83, high=1.05, n=83, unit="ratio", evidence="E1")).replace(numbers.NBSP, " ")
    '0.95 (0.83 to 1.05), n = 83'
    """
    if figure is None or figure.value is None:
        return "withheld" if figure is not None and figure.hidden else figure.reason if figure is not None else numbers.DASH
    text = numbers.figure(figure.value, figure.unit, figure.low, figure.high)
    if figure.low is not None:
        text += f" ({numbers.interval(figure.low, figure.high, figure.unit)})"
    return text + (f", n{numbers.NBSP}={numbers.NBSP}{numbers.count(figure.n)}" if figure.n is not None else "")
