"""The night report: who is needed now, then every model, worst first.

Examples
--------
>>> from reports import night                                              # doctest: +SKIP
>>> items = [(bundle, snapshot), night.Failed("bikes", "1.0.0", "No passport.")]      # doctest: +SKIP
>>> made = night.build(items, "2026-04-09", "Demo")                        # doctest: +SKIP
>>> night.write(made, folder)                                              # doctest: +SKIP
[PosixPath('night.html'), PosixPath('night.json'), PosixPath('night.md')]
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from reports import card as cards
from reports import markdown, render
from reports.lint import Contradiction
from reports.numbers import plural, tidy
from reports.parts import Duty, Kind, Part, Series

if TYPE_CHECKING:
    from roadworthy.evidence import Bundle

CARD = "models/{model}/{version}/card.html"
WORST_FIRST = ("stop", "no-go", "failed", "undecided", "breach", "conditional", "watch", "go", "clear")
_COUNTED = {
    "stop": ("must be off the road", "must be off the road"),
    "failed": ("could not be inspected", "could not be inspected"),
    "undecided": ("could not be judged", "could not be judged"),
    "breach": ("breaks a rule", "break a rule"),
    "watch": ("is in service with a warning", "are in service with a warning"),
    "clear": ("is clear", "are clear"),
}


@dataclass(frozen=True)
class Failed:
    """A model version that could not be inspected at all.

    Attributes
    ----------
    model, version : str
    sentence : str
        Why not, and what to do.
    """

    model: str
    version: str
    sentence: str


class Row(Part):
    """One model version of the night."""

    model: str
    version: str
    title: str
    word: str
    verdict: str
    kind: Kind
    plain: str
    reason: str
    tier: str
    switch: str
    switch_kind: Kind
    release: str
    score: Series | None
    address: str
    owner: str
    guardian: str
    link: str
    duties: list[Duty]
    replayed: bool


class Night(Part):
    """The night report as data."""

    schema_version: Literal[1] = 1
    renderer: str = cards.RENDERER
    day: str
    name: str
    note: str
    sentence: str
    rows: list[Row]
    as_of: str


def build(
    items: Sequence[tuple[Bundle, Mapping[str, Any]] | Failed], day: str, name: str = "", note: str = "", card: str = CARD
) -> Night:
    """Build the report of one night.

    Parameters
    ----------
    items : sequence of (Bundle, snapshot) or Failed
    day : str
        The day judged.
    name, note : str, optional
        Of the workspace.
    card : str, optional
        Where the card of a model version lies, relative to the report.

    Notes
    -----
    A model whose card contradicts itself is listed with that contradiction; it hides no other model.
    """
    rows = []
    moments = []
    for item in items:
        if isinstance(item, Failed):
            rows.append(_failed(item, day))
            continue
        bundle, snapshot = item
        moments.append(str(bundle.run["as_of"]))
        try:
            rows.append(_row(cards.build(bundle, snapshot, note), card))
        except Contradiction as problem:
            rows.append(_failed(Failed(bundle.run["model"], bundle.run["version"], str(problem)), day))
    rows.sort(key=lambda r: (WORST_FIRST.index(r.word), r.switch_kind != "fail", r.title, r.version))
    return Night(day=day, name=name, note=note, sentence=sentence_of(rows), rows=rows, as_of=max(moments, default=""))


def write(night: Night, folder: Path) -> list[Path]:
    """Write ``night.html``, ``night.json`` and ``night.md`` into `folder` and return their paths.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    twin = json.dumps(night.model_dump(mode="json"), ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    return render.write(folder, {"night.html": html(night), "night.json": twin, "night.md": summary_markdown(night)})


def html(night: Night) -> str:
    """Return the page."""
    return render.page("night", night=night, needed=needed(night), page_title=f"Night of {night.day}: {night.sentence}")


def needed(night: Night) -> list[Row]:
    """Return the models that need someone now."""
    return [row for row in night.rows if any(d.urgent for d in row.duties)]


def sentence_of(rows: Sequence[Row]) -> str:
    """Say how many models there are of each kind.

    Raises
    ------
    Contradiction
        If the kinds do not add up to the models.
    """
    if not rows:
        return "No model version is in service, so nothing was inspected."
    told = []
    total = 0
    for word, (one, many) in _COUNTED.items():
        n = sum(row.word == word for row in rows)
        total += n
        if n:
            told.append(f"{n:,} {one if n == 1 else many}")
    if total != len(rows):
        raise Contradiction(f"the night has {len(rows)} models, but its sentence speaks of {total}.")
    return f"{plural(len(rows), 'model')}: {', '.join(told)}."


def summary_markdown(night: Night) -> str:
    """Return the short twin in Markdown."""
    e = markdown.escape
    lines = [f"## Night of {e(night.day)}", "", e(night.sentence), ""]
    for row in needed(night):
        lines.append(f"- **{e(row.title)} {e(row.version)}** {e(row.verdict)}. {e(row.reason, 600)}")
        lines += [
            f"  - {e(d.role.capitalize())} {e(d.who)}: {e(d.what)}" + (f" `{d.command.replace('`', '')}`" if d.command else "")
            for d in row.duties
            if d.urgent
        ]
    rows = [
        (row.verdict, f"{row.title} {row.version}", row.tier, row.switch, row.owner, row.guardian, row.address[:12])
        for row in night.rows
    ]
    lines += ["", markdown.table(["Verdict", "Model", "Tier", "Switch", "Owner", "Guardian", "Evidence"], rows)]
    return "\n".join(lines) + "\n"


def _row(made: cards.Card, card: str) -> Row:
    by = {p.role: p.name for p in made.people}
    return Row(
        model=made.model,
        version=made.version,
        title=made.title,
        word=made.verdict.word,
        verdict=made.verdict.title,
        kind=made.verdict.kind,
        plain=made.verdict.plain,
        reason="" if made.verdict.word == "clear" else tidy(made.verdict.reason),
        tier=made.risk_tier,
        switch=made.live.switch_words,
        switch_kind=made.live.switch_kind,
        release=made.live.release,
        score=made.drift.score,
        address=made.address,
        owner=by["owner"],
        guardian=by["guardian"],
        link=card.format(model=made.model, version=made.version),
        duties=made.duties,
        replayed=bool(made.replayed),
    )


def _failed(item: Failed, day: str) -> Row:
    rerun = Duty(
        role="operator",
        who="whoever is on duty",
        team="",
        what="Mend this, then run the night again for this model.",
        command=f"roadworthy nightly --date {day} --model {shlex.quote(item.model)}",
    )
    return Row(
        model=item.model,
        version=item.version,
        title=item.model,
        word="failed",
        verdict="Not inspected",
        kind="error",
        plain="",
        reason=tidy(item.sentence),
        tier="not known",
        switch="Not known",
        switch_kind="none",
        release="unknown",
        score=None,
        address="",
        owner="Not known",
        guardian="",
        link="",
        duties=[rerun],
        replayed=False,
    )
