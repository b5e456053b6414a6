"""Finds contradictions in a card before anyone can read it.

A page that contradicts itself is worse than no page: it is believed. Each check compares two things that must agree, and
the first that does not fails the render with one sentence.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from reports.parts import Figure
from reports.wording import summary_of
from roadworthy.canonical import canonical_json
from roadworthy.errors import EXIT_UNDECIDED, RoadworthyError
from roadworthy.judge import verdict_of

if TYPE_CHECKING:
    from reports.card import Card
    from roadworthy.evidence import Bundle

_NOT_RELEASED = ("candidate", "judged", "awaiting-signatures", "rejected", "expired", "retired")


class Contradiction(RoadworthyError):
    """Two things on a page do not agree."""

    exit_code = EXIT_UNDECIDED


def lint(card: Card, bundle: Bundle) -> None:
    """Raise on the first contradiction.

    Raises
    ------
    Contradiction
        With the sentence that says what does not agree.
    """
    for problem in problems(card, bundle):
        raise Contradiction(
            f"{card.model}@{card.version}, {card.day}: {problem}",
            "The page was not written; read the bundle with 'roadworthy verify'.",
        )


def problems(card: Card, bundle: Bundle) -> Iterator[str]:
    """Yield each contradiction as one sentence."""
    yield from _counts(card, bundle)
    yield from _verdict(card, bundle)
    yield from _numbers(card, bundle)
    yield from _dates(card, bundle)
    yield from _people(card)
    yield from _state(card)


def figures(value: Any) -> Iterator[Figure]:
    """Yield every figure of a card, wherever it stands."""
    if isinstance(value, Figure):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from figures(getattr(value, name))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from figures(item)


def _counts(card: Card, bundle: Bundle) -> Iterator[str]:
    found = Counter(f.status for f in bundle.findings)
    said = {status: n for status, n in card.verdict.counts.items() if n}
    if dict(found) != said:
        yield f"the verdict counts {said}, but the findings are {dict(found)}."
    lines: Counter[str] = Counter()
    for check in card.checks:
        lines[check.status] += 1 + check.more
    if dict(lines) != dict(found):
        yield f"the table of checks stands for {dict(lines)}, but the findings are {dict(found)}."
    told = summary_of(dict(lines), sum(1 + check.more for check in card.checks if not check.applies))
    if card.verdict.summary != told:
        yield f"the sentence says '{card.verdict.summary}', but the table says '{told}'"
    states = Counter(field.state for field in card.provenance.fields)
    if (card.provenance.measured, card.provenance.stated, card.provenance.missing) != (
        states["measured"],
        states["stated"],
        states["missing"],
    ):
        yield "the completeness sentence and the list of fields do not agree."


def _verdict(card: Card, bundle: Bundle) -> Iterator[str]:
    derived = verdict_of(bundle.findings, bundle.verdict.when)
    if derived.word != bundle.verdict.word:
        yield f"the verdict is '{bundle.verdict.word}', but the findings add up to '{derived.word}'."
    if card.verdict.word != bundle.verdict.word:
        yield f"the page says '{card.verdict.word}', the evidence '{bundle.verdict.word}'."
    for night in card.history:
        if night.address == bundle.address and night.word != bundle.verdict.word:
            yield f"the history says '{night.word}' for {night.day}, the evidence '{bundle.verdict.word}'."


def _numbers(card: Card, bundle: Bundle) -> Iterator[str]:
    known = {item.id for item in card.evidence}
    for figure in figures(card):
        if figure.evidence not in known:
            yield f"a number refers to the evidence '{figure.evidence}', which is not listed."
        if figure.hidden and (figure.value is not None or figure.n is not None):
            yield "a number about fewer than ten people is not withheld."
        if figure.value is not None and figure.low is not None and figure.high is not None:
            slack = 1e-9 * max(1.0, abs(figure.value))
            if not figure.low - slack <= figure.value <= figure.high + slack:
                yield f"the value {figure.value:g} lies outside its interval {figure.low:g} to {figure.high:g}."
    against = {rule["id"]: rule.get("against", "absolute") for rule in bundle.run["policy"].get("content", {}).get("rules", [])}
    measured = {(m.metric, canonical_json(m.over)): m for m in bundle.measurements}
    for finding in bundle.findings:
        if finding.value is None or against.get(finding.rule, "absolute") != "absolute":
            continue
        m = measured.get((finding.metric, canonical_json(finding.over)))
        if m is None or (m.value, m.low, m.high, m.n) != (finding.value, finding.low, finding.high, finding.n):
            yield f"the finding of rule '{finding.rule}' does not show the number that was measured."
    series = card.drift.score
    if series is not None and series.points[-1].day == card.day:
        now = {m.value for m in bundle.measurements if m.metric == series.metric}
        if now and not any(v is not None and math.isclose(v, series.points[-1].value, rel_tol=1e-12, abs_tol=1e-15) for v in now):
            yield "the last point of the line of scores is not tonight's number."


def _dates(card: Card, bundle: Bundle) -> Iterator[str]:
    run = bundle.run
    day = date.fromisoformat(run["day"])
    if datetime.fromisoformat(run["finished_at"]) < datetime.fromisoformat(run["started_at"]):
        yield "the run ended before it started."
    labelled = next((t for t in card.data if t.role == "labelled"), None)
    maturity = timedelta(days=run["passport"]["task"].get("maturity_days", 0))
    if labelled is not None and labelled.last and date.fromisoformat(labelled.last) + maturity > day:
        yield f"labels of {labelled.last} are used on {day}, but a label counts only after {maturity.days} days."
    for table in card.data:
        if table.role != "reference" and table.last and date.fromisoformat(table.last) > day:
            yield f"the {table.role} data end on {table.last}, after the day judged ({day})."


def _people(card: Card) -> Iterator[str]:
    names = {person.role: person.name for person in card.people}
    if card.risk_tier == "high" and len(set(names.values())) < len(names):
        yield "a high-risk model needs three different people, but the same name stands for two roles."


def _state(card: Card) -> Iterator[str]:
    if card.live.release in _NOT_RELEASED and card.live.switch_words.startswith("On"):
        yield f"the release is '{card.live.release}', but the page shows it in service."
    if card.verdict.title.endswith("approved") and card.live.release not in ("approved", "live"):
        yield "the page says 'approved', but no approval is recorded."
    if card.verdict.title.endswith("off the road") and card.live.switch not in ("disabled", "quarantined"):
        yield f"the page says 'off the road', but the switch is '{card.live.switch}'."
