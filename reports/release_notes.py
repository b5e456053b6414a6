"""Release notes of a model version: what changed, how groups are treated, what else could be done, and the known limits.

Built from the newest evidence of the version and, where there was a version in service before it, from the newest of that one.

Examples
--------
>>> from reports import release_notes                                        # doctest: +SKIP
>>> made = release_notes.build(bundle, snapshot, before)                     # doctest: +SKIP
>>> release_notes.write(made, folder)                                        # doctest: +SKIP
[PosixPath('release-notes.html'), PosixPath('release-notes.md'), PosixPath('release-notes.json')]
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from reports import card as cards
from reports import differences, markdown, mitigation, render
from reports.differences import Beside, Change, PolicyChange
from reports.mitigation import Section, written
from reports.numbers import DASH, plural, tidy
from reports.parts import STATUS, Attribute, Evidence, Figure, Line, Part, Verdict
from reports.source import Source
from reports.withholding import NO_NUMBER
from roadworthy.canonical import canonical_json
from roadworthy.catalogue import catalogue
from roadworthy.measurement import Measurement
from roadworthy.sentences import describe
from roadworthy.sentences import part as part_words

if TYPE_CHECKING:
    from roadworthy.evidence import Bundle

NAME = "release-notes"
_BIAS = (
    "fairness.selection_rate_ratio", "fairness.true_positive_rate_difference", "fairness.false_positive_rate_difference",
    "fairness.mean_error_difference",
)


class Limits(Part):
    """Known limits of one kind."""

    title: str
    items: list[str]


class Group(Part):
    """The bias results of one protected attribute."""

    title: str
    reference: str
    note: str
    lines: list[Line]
    sentences: list[str] = Field(description="The same in words: who, how much, by which definition, of how many.")


class Notes(Part):
    """Release notes as data."""

    schema_version: Literal[1] = 1
    renderer: str = cards.RENDERER
    model: str
    version: str
    title: str
    summary: str
    risk_tier: str
    release: str
    day: str
    run_id: str
    address: str
    note: str
    replayed: str
    verdict: Verdict
    gate: str = Field(description="Empty if these notes rest on a gate; else that none has run.")
    previous: str = Field(description="The version in service before this one; empty for the first.")
    previous_says: str
    changes: list[Change]
    policy_changes: list[PolicyChange]
    loosened: list[str] = Field(description="Everything in the policy that lets more through than before.")
    beside: list[Beside]
    bias: list[Group]
    why_fairness: str
    no_protected: str
    plan: Section | None
    no_plan: str = Field(description="Why there is no mitigation plan, if there is none.")
    limits: list[Limits]
    evidence: list[Evidence]


def build(bundle: Bundle, snapshot: Mapping[str, Any], before: Bundle | str = "", settings_note: str = "") -> Notes:
    """Build the release notes of one version.

    Parameters
    ----------
    bundle : roadworthy.evidence.Bundle
        Of its gate, or of a night where no gate has run.
    snapshot : mapping
        The recorded state, as for a card.
    before : roadworthy.evidence.Bundle or str, optional
        The newest evidence of the version that was in service before; its name where there is none; empty for a first version.
    settings_note : str, optional
        Printed on top of every page of the workspace.

    Raises
    ------
    reports.lint.Contradiction
        If two things of the evidence do not agree.
    """
    card, source = cards.build(bundle, snapshot, settings_note), Source(bundle)
    changes: list[Change] = []
    policy: list[PolicyChange] = []
    beside: list[Beside] = []
    previous = before if isinstance(before, str) else str(before.run["version"])
    said = "This is the first recorded version, so there is none to compare it with."
    if not isinstance(before, str):
        changes = differences.passports(before.run["passport"], bundle.run["passport"])
        policy = differences.policies(before.run["policy"]["content"], bundle.run["policy"]["content"])
        beside = differences.numbers(Source(before), source)
        kind = "gate" if before.run["when"] == "gate" else "night"
        said = f"Compared with version {previous}, by its {kind} on the data of {before.run['day']}."
    elif previous:
        said = f"Version {previous} was in service before, but there is no evidence of it, so nothing can be compared."
    plan = mitigation.section(source)
    return Notes(
        model=card.model,
        version=card.version,
        title=card.title,
        summary=card.summary,
        risk_tier=card.risk_tier,
        release=card.live.release,
        day=card.day,
        run_id=card.run_id,
        address=card.address,
        note=card.note,
        replayed=card.replayed,
        verdict=card.verdict,
        gate="" if card.verdict.when == "gate" else (
            f"No gate has run on this version. These notes rest on the night of {card.day}, which tries no mitigation."
        ),
        previous=previous,
        previous_says=said,
        changes=changes,
        policy_changes=policy,
        loosened=[change.says for change in policy if change.kind == "loosened"],
        beside=beside,
        bias=[_group(source, attribute) for attribute in card.fairness if " × " not in attribute.name],
        why_fairness=card.why_fairness,
        no_protected=card.no_protected,
        plan=plan,
        no_plan="" if plan is not None else _no_plan(source, card),
        limits=list(_limits(card)),
        evidence=card.evidence,
    )


def _no_plan(source: Source, card: cards.Card) -> str:
    if card.verdict.when != "gate":
        return "Options are tried at the gate only, and none has run."
    reasons = [m.reason for m in source.bundle.measurements if m.metric == "mitigation.options_measured" and m.reason]
    return next(iter(reasons), "No option was tried.")


def _group(source: Source, attribute: Attribute) -> Group:
    """Return the comparisons of the groups of one attribute."""
    found = [
        m
        for m in source.bundle.measurements
        if m.metric in _BIAS and m.status != "not_applicable" and list(m.over.get("group", ())) == [attribute.name]
    ]
    found.sort(key=lambda m: (canonical_json(m.over), _BIAS.index(m.metric)))
    return Group(
        title=attribute.title, reference=attribute.reference, note=attribute.note, lines=[source.line(m) for m in found],
        sentences=[_sentence(source, m) for m in found],
    )


def _sentence(source: Source, m: Measurement) -> str:
    metric = catalogue()[m.metric]
    if source.hides(m.metric, m.over, m.n):
        return f"{part_words(m.over, source.word)}: {NO_NUMBER} ({metric.title})."
    return tidy(f"{describe(m, metric, source.word).rstrip('.')}.")


def _limits(card: cards.Card) -> Iterator[Limits]:
    """Yield what is known not to hold, not to be meant, or not to be known."""
    yield Limits(title="Known weakness", items=[card.plain.weakness] if card.plain.weakness else [])
    yield Limits(title="What a reader of its answers must know", items=card.use.limits)
    yield Limits(title="Must not be used for", items=card.use.excluded)
    waived = [f"{w.rule}{f', {w.part}' if w.part else ''}: {w.reason} (until {w.until})" for w in card.waivers if w.honoured]
    if waived:
        yield Limits(title="Waived rules", items=waived)
    unseen = [f"{one.title}: not inspected by this version." for one in card.not_inspected]
    short = sum(1 + c.more for c in card.checks if c.status == "insufficient" and c.applies)
    if short:
        unseen.append(f"Too little data for {plural(short, 'finding')}; each says how many rows would decide.")
    yield Limits(title="Not inspected or not decided", items=unseen)


def write(notes: Notes, folder: Path) -> list[Path]:
    """Write ``release-notes.html``, ``.md`` and ``.json`` into `folder` and return their paths.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    twin = json.dumps(notes.model_dump(mode="json"), ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    return render.write(folder, {f"{NAME}.html": html(notes), f"{NAME}.md": markdown_of(notes), f"{NAME}.json": twin})


def html(notes: Notes) -> str:
    """Return the page."""
    return render.page("release_notes", n=notes, page_title=f"Release notes: {notes.title} {notes.version}")


def markdown_of(notes: Notes) -> str:
    """Return the notes in Markdown; every cell escaped."""
    e = markdown.escape
    lines = [f"# {e(notes.title)} {e(notes.version)}: release notes", "", e(notes.summary, 600), ""]
    lines += [f"**{e(notes.verdict.title)}.** {e(notes.verdict.summary, 600)}", ""]
    lines += [e(text, 600) + "\n" for text in (notes.gate, notes.replayed, notes.note) if text]
    lines += ["## What changed", "", e(notes.previous_says, 600), ""]
    if notes.loosened:
        told = [f"- {e(text, 400)}" for text in notes.loosened]
        lines += ["**Loosened limits.** More gets through than before:", "", *told, ""]
    if notes.changes:
        rows = [(c.title, c.field, c.before or DASH, c.after or DASH) for c in notes.changes]
        lines += [markdown.table(["What", "Field", "Before", "Now"], rows), ""]
    others = [c for c in notes.policy_changes if c.kind != "loosened"]
    lines += [f"- {e(c.says, 400)}" for c in others] + ([""] if others else [])
    if notes.beside:
        numbers = [(b.title + (f" ({b.part})" if b.part else ""), written(b.before), written(b.now)) for b in notes.beside]
        lines += [markdown.table(["Number", f"Version {notes.previous}", f"Version {notes.version}"], numbers), ""]
    lines += ["## Bias results", "", e(notes.why_fairness or notes.no_protected, 600), ""]
    results = [
        (group.title, line.part, line.title, _result(line.figure), "; ".join(line.limits) or "no rule",
         STATUS[line.status][0] if line.status else "not judged")
        for group in notes.bias for line in group.lines
    ]
    if results:
        lines += [markdown.table(["Attribute", "Group", "Definition", "Result", "Has to be", "Status"], results), ""]
        lines += [*(f"- {e(text, 600)}" for group in notes.bias for text in group.sentences), ""]
    lines += ["## Mitigation plan", "", *_plan(notes)]
    lines += ["## Known limits", ""]
    for kind in notes.limits:
        if kind.items:
            lines += [f"### {e(kind.title)}", "", *(f"- {e(item, 600)}" for item in kind.items), ""]
    lines += [f"Evidence `{notes.address}`, run `{notes.run_id}`. Check it with `roadworthy verify`."]
    return "\n".join(lines) + "\n"


def _result(figure: Figure) -> str:
    return written(figure) if figure.value is not None or figure.hidden else tidy(figure.reason)


def _plan(notes: Notes) -> list[str]:
    e = markdown.escape
    if notes.plan is None:
        return [e(notes.no_plan, 600), ""]
    return [*mitigation.markdown_lines(notes.plan), ""]
