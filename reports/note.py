"""The simple note: one page about a model for those who have to live with it and know no statistics.

Why there is this model, what goes in, what drives it, who may be treated differently, how good it is, what it must not be used
for, what happens when it is switched off, and who answers for it. Every sentence is composed from the card, which is built from
evidence and passport; nothing is computed here. `reports.readability` says how hard it is to read.

Examples
--------
>>> from reports import note                                     # doctest: +SKIP
>>> note.write(note.build(card, bundle), folder)                 # doctest: +SKIP
[PosixPath('note.html'), PosixPath('note.md')]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from reports import markdown, render
from reports.numbers import figure, plural, tidy
from reports.parts import Drivers, Figure, Kind, Line, Part, Person
from reports.source import Source, limit_words, rank
from reports.wording import plain_of
from roadworthy.catalogue import catalogue
from roadworthy.finding import Finding
from roadworthy.policy import Limit

if TYPE_CHECKING:
    from reports.card import Card
    from roadworthy.evidence import Bundle

SHOWN_INPUTS = 24
SHOWN_DRIVERS = 5
_GOES_IN, _DRIVES = "What goes in", "What drives it"
_RATIO = "fairness.selection_rate_ratio"
_DUTIES = {
    "owner": "answers for the model and its use",
    "guardian": "approves it, and alone may switch it back on",
    "operator": "runs it, and may stop it at any time",
}


class Driver(Part):
    """One thing that drives the answer, and how much of it."""

    title: str
    figure: Figure


class Note(Part):
    """A note as data: short sentences by the question that they answer."""

    schema_version: Literal[1] = 1
    model: str
    version: str
    title: str
    summary: str
    day: str
    address: str
    note: str
    replayed: str
    stopped: str = Field(description="What to know first if the model may not serve; else empty.")
    verdict: str
    kind: Kind
    verdict_says: str
    why: list[str]
    intended: list[str]
    reads: list[str] = Field(description="What goes in, in the words of the glossary.")
    more_reads: int
    inputs: list[str] = Field(description="What else has to be known of what goes in.")
    drivers: list[Driver]
    driven: list[str]
    different: list[str]
    good: list[str]
    excluded: list[str]
    oversight: str
    off: list[str]
    people: list[Person]


def build(card: Card, bundle: Bundle) -> Note:
    """Compose the note of a card.

    Parameters
    ----------
    card : reports.card.Card
    bundle : roadworthy.evidence.Bundle
        The evidence that the card was built from.
    """
    source = Source(bundle)
    passport = source.passport
    features = [source.word(column) for column in passport["features"]]
    off = [card.plain.switch_off, *([f"Until it is back: {_lower(card.live.fallback)}"] if card.live.fallback else [])]
    stopped = card.live.switch in ("disabled", "quarantined")
    return Note(
        model=card.model,
        version=card.version,
        title=card.title,
        summary=card.summary,
        day=card.day,
        address=card.address,
        note=card.note,
        replayed=card.replayed,
        stopped=f"{card.live.switch_words}. Until it is back: {_lower(card.live.fallback)}" if stopped else "",
        verdict=card.verdict.title,
        kind=card.verdict.kind,
        verdict_says=card.verdict.plain or card.verdict.because,
        why=[card.plain.what, f"Whom it touches: {_lower(card.plain.affected)}"],
        intended=card.use.intended,
        reads=features[:SHOWN_INPUTS],
        more_reads=max(0, len(features) - SHOWN_INPUTS),
        inputs=_inputs(source),
        drivers=[Driver(title=line.title, figure=line.figure) for line in _drivers(card.drivers)[:SHOWN_DRIVERS]],
        driven=_driven(card.drivers),
        different=_different(source),
        good=[*_good(card, source), card.plain.weakness],
        excluded=card.use.excluded,
        oversight=f"A person stays in charge: {_lower(card.use.oversight)}",
        off=off,
        people=[person.model_copy(update={"duty": _DUTIES.get(person.role, person.duty)}) for person in card.people],
    )


def write(note: Note, folder: Path) -> list[Path]:
    """Write ``note.html`` and ``note.md`` into `folder` and return their paths.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    return render.write(folder, {"note.html": html(note), "note.md": text(note)})


def html(note: Note) -> str:
    """Return the page."""
    return render.page("note", note=note, page_title=f"{note.title} {note.version} in plain words")


def text(note: Note) -> str:
    """Return the note in Markdown."""
    e = markdown.escape
    lines = [f"# {e(note.title)} {e(note.version)} in plain words", "", e(note.summary, 1000), ""]
    if note.stopped:
        lines += [f"**{e(note.stopped, 1000)}**", ""]
    lines += [f"**{e(note.verdict)}** ({e(note.day)}). {e(note.verdict_says, 1000)}", ""]
    for title, said, listed in _sections(note):
        lines += [f"## {title}", ""]
        if said:
            lines += [" ".join(e(one, 1000) for one in said), ""]
        if listed:
            lines += [*(f"- {e(one, 600)}" for one in listed), ""]
    if note.replayed or note.note:
        lines += [e(f"{note.replayed} {note.note}".strip(), 1000), ""]
    return "\n".join([*lines, f"Composed from evidence `{note.address}`."]) + "\n"


def prose(note: Note) -> str:
    """Return every sentence of the note, a line each, for a test of how hard it is to read.

    The names of what goes in and of what drives it are left out: they are no sentences, and would make any text look easy.
    """
    lines = [note.summary, note.verdict_says]
    for title, said, listed in _sections(note):
        lines += [*said, *(listed if title not in (_GOES_IN, _DRIVES) else [])]
    return "\n".join(line for line in lines if line)


def _sections(note: Note) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield each section: its title, its sentences, its list."""
    yield "Why there is this model", [*note.why, "It is made for this:"], note.intended
    more = [f"and {plural(note.more_reads, 'more thing')}"] if note.more_reads else []
    yield _GOES_IN, note.inputs, [*note.reads, *more]
    yield _DRIVES, note.driven, [f"{one.title}: {_span(one.figure)}" for one in note.drivers]
    yield "Who may be treated differently", note.different, []
    yield "How good it is", note.good, []
    yield "What it must not be used for", [note.oversight, "Never use it for this:"], note.excluded
    yield "When it is switched off", note.off, []
    yield "Who answers for it", [], [f"{one.name} ({one.role}) {one.duty}." for one in note.people]


def _span(f: Figure) -> str:
    return figure(f.value, f.unit, f.low, f.high)


def _inputs(source: Source) -> list[str]:
    """Say which protected attributes go in, which are only kept to check fairness, and why people can be found."""
    passport = source.passport
    features = set(passport["features"])
    columns = list(dict.fromkeys(p["column"] for p in passport.get("protected", [])))
    read = [source.word(c) for c in columns if c in features]
    beside = [source.word(c) for c in columns if c not in features]
    said = []
    if read:
        said.append(f"Of these, {_and(read)} {'is' if len(read) == 1 else 'are'} watched: nobody may be treated worse by it.")
    if beside:
        said.append(f"It is not told {_and(beside)}; we keep {'it' if len(beside) == 1 else 'them'} to see whether it is fair.")
    for one in passport.get("identifiers", []):
        goes = "goes into the model" if one["column"] in features else "does not go into the model"
        said.append(f"The {source.word(one['column'])} {goes}. It is kept for this: {_lower(one['purpose'])}")
    return said


def _drivers(found: Drivers | None) -> list[Line]:
    return [line for line in found.columns if line.figure.value is not None] if found is not None else []


def _driven(found: Drivers | None) -> list[str]:
    """Say what the list of drivers is and how far it may be believed."""
    told = _drivers(found)
    if found is None or not told:
        why = found.missing if found is not None else ""
        return ["What drives its answer is not known.", *([why] if why else [])]
    said = ["The list shows how much of its answer each thing decides, the strongest first."]
    if found.explained == "model":
        return [*said, "This was measured on the model itself."]
    said.append("This was not read off the model itself, but off a copy that learned to give the same answers.")
    agrees = found.fidelity.figure if found.fidelity is not None else None
    if agrees is not None and agrees.value is not None:
        explained = figure(agrees.value, "share", agrees.low, agrees.high)
        said.append(f"The copy explains {explained} of the ups and downs of its answers.")
    return said


def _different(source: Source) -> list[str]:
    """Say the worst that was found about a group, by which definition, and on how many people."""
    passport = source.passport
    if not passport.get("protected"):
        return [str(passport.get("no_protected_because") or "No group of people is named to compare.")]
    told = [
        f for f in source.bundle.findings
        if f.family == "fairness" and "group" in f.over and f.value is not None and not source.hides(f.metric, f.over, f.n)
        and f.status in ("severe", "fail", "warn", "pass") and source.against.get(f.rule, "absolute") == "absolute"
    ]
    if not told:
        return ["Whether a group is treated differently could not be settled: too few people are known in each group."]
    worst = min(told, key=lambda f: (-rank(f.status), f.metric != _RATIO, f.value, f.sentence))
    metric = catalogue()[worst.metric]
    limit = limit_words(worst, metric, "absolute")
    least = Limit.parse(worst.limit).at_least
    if worst.metric == _RATIO and least is not None:
        limit = f"{round(100 * least)} of 100"
    ends = {
        "pass": f"That is inside the limit, which is {limit}. No group does worse by the rules.",
        "warn": f"The limit is {limit}. The cases seen so far do not settle whether it is kept.",
    }
    said = [_of_group(source, worst), ends.get(worst.status, f"That breaks the limit, which is {limit}.")]
    said.append(f"This compares the share of good answers, on {plural(worst.n or 0, 'person', 'people')} in the smaller group."
                if worst.metric == _RATIO else
                f"Measured as '{_lower(metric.title)}', on {plural(worst.n or 0, 'person', 'people')} in the smaller group.")
    return [*said, *_guessed(source)]


def _of_group(source: Source, finding: Finding) -> str:
    group = finding.over["group"]
    if finding.metric != _RATIO or finding.value is None or not isinstance(group, Mapping) or len(group) != 1:
        return plain_of(source, finding)
    name, value = next(iter(group.items()))
    declared: Mapping[str, Any] = next((p for p in source.passport["protected"] if p["name"] == name), {})
    what = source.word(str(declared.get("column", name)))
    return (
        f"By {what}, the group '{value}' fares worst: where 100 people of the group '{declared.get('reference', '')}' get a good "
        f"answer, about {round(100 * finding.value)} of as many of theirs do."
    )


def _guessed(source: Source) -> list[str]:
    """Say which attribute the inputs give away most surely."""
    found = [
        m for m in source.bundle.measurements
        if m.metric == "explainability.proxy_strength" and m.value is not None and m.low is not None and m.low > 0.5
    ]
    if not found:
        return []
    most = max(found, key=lambda m: (m.value or 0.0, str(m.over.get("attribute"))))
    declared = {p["name"]: p for p in source.passport["protected"]}
    name = str(most.over.get("attribute"))
    what = source.word(str(declared.get(name, {}).get("column", name)))
    return [
        f"What goes in gives people away by {what}: of two people of different groups one could tell who is who about "
        f"{round(100 * (most.value or 0.0))} times of 100. Guessing would be right 50 times."
    ]


def _good(card: Card, source: Source) -> list[str]:
    """Say how often the model is right, in one number and its interval; before labels come, as far as scores tell."""
    known = {line.metric: line.figure for line in card.performance if line.figure.value is not None}
    early = {e.line.metric: e.line.figure for e in card.estimates if e.line.figure.value is not None and not e.line.part}
    for family, lines, when in (("performance", known, ""), ("estimate", early, "As far as its scores tell: ")):
        f = lines.get(f"{family}.accuracy")
        if f is not None and f.value is not None:
            said = f"{when}of 100 answers, about {round(100 * f.value)} are right."
            return [_upper(said), *_between(f, lambda end: str(round(100 * end)))]
        f = lines.get(f"{family}.mae")
        if f is not None and f.value is not None:
            said = f"{when}on average it misses '{source.word(source.passport['task']['label'])}' by {_span(f)}."
            return [_upper(said), *_between(f, lambda end, f=f: figure(end, f.unit, f.low, f.high))]
    return ["How good it is could not be measured: too few outcomes are known."]


def _between(f: Figure, written: Any) -> list[str]:
    if f.low is None or f.high is None:
        return []
    seen = f", from {plural(f.n, 'case')} whose outcome is known" if f.n else ""
    return [f"The true number most likely lies between {written(f.low)} and {written(f.high)}{seen}."]


def _and(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _lower(text: str) -> str:
    """Return a sentence as it stands after a colon; a word that is written large throughout stays so."""
    return tidy(text[:1].lower() + text[1:] if text[1:2].islower() or text[1:2] == " " else text)


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
