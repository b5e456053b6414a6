"""The model card: what is known of one model version after one run, verdict first.

A card is built from an evidence bundle and a recorded state snapshot, and from nothing else; it is checked for
contradictions; then it is written as a page and as its JSON twin. The same bundle, snapshot and renderer give the same
bytes.

Examples
--------
>>> from reports import card                                     # doctest: +SKIP
>>> made = card.build(bundle, snapshot, "Demo workspace")        # doctest: +SKIP
>>> card.write(made, folder)                                     # doctest: +SKIP
[PosixPath('card.html'), PosixPath('card.json'), PosixPath('card.md')]
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from reports import drivers, markdown, numbers, render, sections
from reports.duties import SWITCH, VERDICTS, duties_of, people_of, verdict_title
from reports.lint import lint
from reports.parts import (
    STATUS,
    Attribute,
    Check,
    Drift,
    Drivers,
    Duty,
    Estimate,
    Evidence,
    Kind,
    Line,
    Live,
    Matrix,
    Night,
    NotInspected,
    Part,
    Person,
    Plain,
    Provenance,
    Quality,
    Series,
    Table,
    Use,
    Verdict,
    Waiver,
)
from reports.provenance import not_inspected, provenance
from reports.source import FAMILIES, Source, applies
from reports.wording import decisive, masked, plain_of, summary_of
from roadworthy.canonical import digest_of
from roadworthy.sentences import part as part_words

if TYPE_CHECKING:
    from roadworthy.evidence import Bundle

RENDERER = "1"
HOME = "../../../night.html"
_TABLES = {
    "reference": ("Reference", "what the model was accepted on"),
    "batch": ("Batch", "what drift and data quality were measured on"),
    "labelled": ("Labelled", "rows whose outcome is final; performance"),
    "decided": ("Decided", "decisions; fairness"),
}


class Card(Part):
    """A model card as data; its JSON Schema is `schema`."""

    schema_version: Literal[1] = 1
    renderer: str = RENDERER
    model: str
    version: str
    title: str
    summary: str
    risk_tier: Literal["minimal", "limited", "high"]
    task: str
    day: str
    as_of: str
    run_id: str
    address: str
    policy: str
    policy_title: str
    policy_digest: str
    passport_digest: str
    artifact: str
    note: str
    replayed: str
    home: str
    banner: str = Field(default="", description="Why the model is held, and who may switch it on again; empty while it is on.")
    verdict: Verdict
    duties: list[Duty]
    people: list[Person]
    plain: Plain
    live: Live
    checks: list[Check]
    waivers: list[Waiver]
    use: Use
    data: list[Table]
    facts: dict[str, str]
    performance: list[Line]
    trend: Series | None = Field(default=None, description="The last nights of the model's errors.")
    performance_parts: list[Matrix] = Field(default_factory=list, description="By class and by segment.")
    estimates: list[Estimate] = Field(default_factory=list, description="Performance before labels come.")
    fairness: list[Attribute]
    drivers: Drivers | None = None
    why_fairness: str
    no_protected: str
    drift: Drift
    quality: Quality
    not_inspected: list[NotInspected]
    history: list[Night]
    evidence: list[Evidence]
    provenance: Provenance
    reproduce: dict[str, str]
    extensions: dict[str, str] = Field(default_factory=dict)

    @property
    def card_id(self) -> str:
        """SHA-256 of the card's content."""
        return digest_of(self.model_dump(mode="json"))


def build(bundle: Bundle, snapshot: Mapping[str, Any], settings_note: str = "", home: str = HOME) -> Card:
    """Build the card of one run and check it for contradictions.

    Parameters
    ----------
    bundle : roadworthy.evidence.Bundle
    snapshot : mapping
        The recorded state: ``switch``, ``release``, ``ledger``, ``history``.
    settings_note : str, optional
        Printed on top of every page of the workspace.
    home : str, optional
        Relative address of the night report; empty for none.

    Raises
    ------
    reports.lint.Contradiction
        If two things on the card do not agree.
    """
    source = Source(bundle)
    run, passport, inputs = bundle.run, bundle.run["passport"], bundle.inputs
    people = people_of(run, inputs)
    live = _live(bundle, snapshot)
    made = Card(
        model=run["model"],
        version=run["version"],
        title=passport["title"],
        summary=passport["summary"],
        risk_tier=passport["risk_tier"],
        task=passport["task"]["kind"],
        day=run["day"],
        as_of=run["as_of"],
        run_id=run["run_id"],
        address=bundle.address,
        policy=run["policy"]["name"],
        policy_title=run["policy"].get("title", ""),
        policy_digest=run["policy"]["digest"],
        passport_digest=run["passport_digest"],
        artifact=(passport.get("artifact") or {}).get("sha256", ""),
        note=settings_note,
        replayed=(passport.get("replay") or {}).get("says", ""),
        home=home,
        banner=_banner(source, live, people),
        verdict=_verdict(source, live),
        duties=duties_of(run, people, bundle.verdict.word, live.switch, live.release, bundle.address),
        people=people,
        plain=Plain(**{k: passport["plain"][k] for k in ("what", "affected", "weakness", "switch_off")}),
        live=live,
        checks=sections.checks(source),
        waivers=_waivers(source),
        use=_use(passport, inputs),
        data=_data(source),
        facts=_facts(source),
        performance=sections.performance(source),
        trend=sections.trend(source),
        performance_parts=sections.parts_of_performance(source),
        estimates=sections.estimates(source),
        drivers=drivers.drivers(source),
        fairness=sections.fairness(source),
        why_fairness=passport.get("why_this_definition", ""),
        no_protected=passport.get("no_protected_because") or "",
        drift=sections.drift(source),
        quality=sections.quality(source),
        not_inspected=not_inspected(source),
        history=_history(snapshot),
        evidence=sections.evidence(source),
        provenance=provenance(source),
        reproduce=_reproduce(run),
        extensions=dict(passport.get("extensions", {})),
    )
    lint(made, bundle)
    return made


def write(card: Card, folder: Path) -> list[Path]:
    """Write ``card.html``, ``card.json`` and ``card.md`` into `folder` and return their paths.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    twin = (
        json.dumps({"card_id": card.card_id, **card.model_dump(mode="json")}, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    )
    return render.write(folder, {"card.html": html(card), "card.json": twin, "card.md": summary_markdown(card)})


def html(card: Card) -> str:
    """Return the page."""
    return render.page("card", card=card, families=FAMILIES, page_title=f"{card.title} {card.version}: {card.verdict.title}")


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a card."""
    return Card.model_json_schema()


def summary_markdown(source: Card | Bundle, link: str = "") -> str:
    """Return the short twin in Markdown: verdict, reason, what to do, the checks that do not pass.

    Parameters
    ----------
    source : Card or roadworthy.evidence.Bundle
        A bundle is summed up without the recorded state.
    link : str, optional
        Address of the page.
    """
    card = source if isinstance(source, Card) else build(source, {})
    e = markdown.escape
    lines = [f"## {e(card.verdict.title)}: {e(card.title)} {e(card.version)}", "", e(card.verdict.reason, 1000), ""]
    if card.banner:
        since = f" since {card.live.since[:16].replace('T', ' ')} UTC" if card.live.since else ""
        lines += [f"**{e(card.live.switch_words)}{e(since)}.** {e(card.banner, 1000)}", ""]
    if card.verdict.plain:
        lines += [e(card.verdict.plain, 1000), ""]
    lines += [
        f"{e(card.verdict.summary)} Night of {card.day}." if card.verdict.when == "nightly" else e(card.verdict.summary),
        "",
    ]
    for duty in card.duties:
        lines.append(
            f"- **{e(duty.role.capitalize())} {e(duty.who)}:** {e(duty.what)}"
            + (f" `{duty.command.replace('`', '')}`" if duty.command else "")
        )
    told = [c for c in card.checks if c.status not in ("pass", "waived")][:10]
    if told:
        rows = [
            (
                STATUS[c.status][0],
                c.title + (f" ({c.part})" if c.part else ""),
                numbers.figure(c.figure.value, c.figure.unit, c.figure.low, c.figure.high),
                c.limit_words,
                c.note or c.because,
            )
            for c in told
        ]
        lines += ["", markdown.table(["Status", "Check", "Result", "Limit", "Why"], rows)]
    if card.replayed:
        lines += ["", f"Replayed: {e(card.replayed)}"]
    lines += ["", f"Evidence `{card.address}`" + (f". {markdown.link('Open the card', link)}" if link else "")]
    return "\n".join(lines) + "\n"


def _verdict(source: Source, live: Live) -> Verdict:
    found = source.bundle.verdict
    title, kind = verdict_title(found.word, live.switch, live.release, len(found.conditions))
    deciding = decisive(source) if found.word not in ("clear", "go") else None
    return Verdict(
        when=found.when,
        word=found.word,
        title=title,
        kind=kind,
        reason=masked(source, found.reason),
        plain=plain_of(source, deciding),
        because=deciding.because if deciding is not None else "",
        summary=summary_of(found.counts, sum(not applies(source, f) for f in source.bundle.findings)),
        counts=dict(found.counts),
        conditions=[masked(source, c) for c in found.conditions],
        exit_code=found.exit_code,
        evidence=next(item.id for item in sections.evidence(source) if item.file == "verdict.json"),
    )


def _live(bundle: Bundle, snapshot: Mapping[str, Any]) -> Live:
    switch, release, ledger = (snapshot.get(key) or {} for key in ("switch", "release", "ledger"))
    state, released = str(switch.get("state") or "unknown"), str(release.get("state") or "unknown")
    kind: Kind
    words, kind = SWITCH.get(state, ("Not recorded", "none"))
    if state == "active" and released != "live":
        words, kind = "Not in service", "none"
    run, fallback = bundle.run, bundle.run["passport"].get("fallback") or {}
    return Live(
        switch=state,
        switch_words=words,
        switch_kind=kind,
        reason=str(switch.get("reason") or ""),
        since=str(switch.get("since") or ""),
        by=str(switch.get("by") or ""),
        scope=str(switch.get("scope") or ""),
        release=released,
        release_since=str(release.get("since") or ""),
        fallback=str(fallback.get("what") or ""),
        inspected=run["finished_at"],
        started=run["started_at"],
        actor=run["actor"],
        ledger_head=str(ledger.get("head") or ""),
        ledger_entries=ledger.get("entries"),
    )


def _banner(source: Source, live: Live, people: Sequence[Person]) -> str:
    if live.switch not in ("degraded", "quarantined", "disabled"):
        return ""
    why = f"Why: {masked(source, live.reason)} " if live.reason else ""
    guardian = next((person.name for person in people if person.role == "guardian"), "its Guardian")
    return f"{why}Only {guardian} (Guardian) may switch it on again, when somebody else asks and the gate is green."


def _waivers(source: Source) -> list[Waiver]:
    return [
        Waiver(
            id=w["id"],
            rule=w.get("rule", ""),
            part=part_words(w["over"], source.word) if w.get("over") else "",
            by=w.get("granted_by", ""),
            until=w.get("expires", ""),
            reason=w.get("reason", ""),
            honoured=bool(w.get("honoured")),
            why_not=w.get("why_not", ""),
        )
        for w in source.bundle.inputs.get("waivers", [])
    ]


def _use(passport: Mapping[str, Any], inputs: Mapping[str, Any]) -> Use:
    use, risk = passport["use"], passport["risk_assessment"]
    names = {p["id"]: p["name"] for p in inputs.get("people", {}).values()}
    attributes = [p["note"] for p in passport.get("protected", []) if p.get("note")]
    return Use(
        intended=use["intended"],
        excluded=use["excluded"],
        limits=[*use.get("limits", []), *attributes],
        oversight=use["human_oversight"],
        risk=risk["summary"],
        risk_by=f"{names.get(risk['by'], risk['by'])}, {risk['dated']}",
    )


def _data(source: Source) -> list[Table]:
    run, reference = source.run, source.passport["reference"]
    found = []
    run_id = next(item.id for item in sections.evidence(source) if item.file == "run.json")
    for role, (title, what) in _TABLES.items():
        days = run.get("days", {}).get(role) or {}
        declared = reference if role == "reference" else {}
        found.append(
            Table(
                role=role,
                title=title,
                what=what,
                rows=run["rows"].get(role),
                first=days.get("first") or declared.get("first") or "",
                last=days.get("last") or declared.get("last") or "",
                days=days.get("found") if role != "reference" else None,
                missing=days.get("missing", []),
                digest=run.get("inputs_digests", {}).get(role, ""),
                problem=run.get("problems", {}).get(role, ""),
                evidence=run_id,
            )
        )
    return found


def _facts(source: Source) -> dict[str, str]:
    passport = source.passport
    task = passport["task"]
    label = source.word(task["label"])
    facts = {"Task": task["kind"].capitalize(), "Outcome": label, "Features": numbers.count(len(passport["features"]))}
    if task.get("favourable") is not None:
        facts["Good for the person"] = f"{label} = {task['favourable']}"
    matures = task.get("maturity_days", 0)
    facts["An outcome counts"] = f"{numbers.plural(matures, 'day')} later" if matures else "at once"
    facts["One observation is"] = passport["independence"]["unit"] + (
        f" ({passport['independence']['column']})" if passport["independence"].get("column") else ""
    )
    return facts


def _history(snapshot: Mapping[str, Any]) -> list[Night]:
    found = []
    for day, word, address in snapshot.get("history") or []:
        title, kind = VERDICTS.get(word, (word, "none"))
        found.append(Night(day=day, word=word, title=title.partition(":")[0], kind=kind, address=address or ""))
    return found


def _reproduce(run: Mapping[str, Any]) -> dict[str, str]:
    code = run.get("code", {})
    return {
        "Code": f"roadworthy {code.get('version', '')}, digest {str(code.get('digest') or code.get('commit') or 'missing')[:12]}",
        "Tools": ", ".join(f"{name} {version}" for name, version in sorted(run.get("tools", {}).items())),
        "Seed": str(run.get("seed", "missing")),
        "Seconds by family": ", ".join(
            f"{name.replace('_', ' ')} {seconds:.1f}" for name, seconds in run.get("timings", {}).items()
        ),
    }
