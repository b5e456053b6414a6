"""A page that contradicts its evidence, or itself, is not written."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reports import card as cards
from reports.lint import Contradiction, figures, lint
from roadworthy.finding import Verdict
from tests.reports.bundles import CLEAR, measured, snapshot_of


def changed_run(bundle, **fields):
    return replace(bundle, run={**bundle.run, **fields})


BUNDLES = {
    "verdict better than the findings": (
        lambda b: replace(b, verdict=replace(b.verdict, word="clear")),
        "the findings add up to 'watch'",
    ),
    "counts that do not add up": (
        lambda b: replace(b, verdict=replace(b.verdict, counts={**b.verdict.counts, "pass": 99})),
        "the verdict counts",
    ),
    "a finding dropped": (lambda b: replace(b, findings=b.findings[1:]), "the verdict counts"),
    "a finding with another number": (
        lambda b: replace(b, findings=[replace(f, value=0.99, high=1.2) if f.rule == "accuracy" else f for f in b.findings]),
        "does not show the number that was measured",
    ),
    "a measurement changed afterwards": (
        lambda b: replace(
            b, measurements=[replace(m, value=0.75) if m.metric == "performance.accuracy" else m for m in b.measurements]
        ),
        "does not show the number that was measured",
    ),
    "a value outside its interval": (
        lambda b: replace(
            b, measurements=[replace(m, low=0.9, high=0.95) if m.metric == "performance.brier" else m for m in b.measurements]
        ),
        "outside its interval",
    ),
    "a line that ends elsewhere": (
        lambda b: replace(b, state={"points": {'drift.score_psi|{"column":"score"}': [["2026-04-09", 0.9, None, None]]}}),
        "is not tonight's number",
    ),
    "labels that are not final": (
        lambda b: changed_run(
            b, days={**b.run["days"], "labelled": {"first": "2026-04-01", "last": "2026-04-08", "found": 8, "missing": []}}
        ),
        "a label counts only after 7 days",
    ),
    "data from after the day judged": (
        lambda b: changed_run(
            b, days={**b.run["days"], "decided": {"first": "2026-04-01", "last": "2026-04-10", "found": 8, "missing": []}}
        ),
        "after the day judged",
    ),
    "a run that ends before it starts": (
        lambda b: changed_run(b, finished_at="2026-11-22T01:00:00+00:00"),
        "ended before it started",
    ),
    "one person in two roles of a high-risk model": (
        lambda b: replace(b, inputs={**b.inputs, "people": {**b.inputs["people"], "guardian": b.inputs["people"]["owner"]}}),
        "three different people",
    ),
}


@pytest.mark.parametrize("name", BUNDLES)
def test_a_contradiction_in_the_evidence_fails_the_render(make_bundle, name):
    change, sentence = BUNDLES[name]
    bundle = make_bundle()
    cards.build(bundle, snapshot_of(bundle))
    with pytest.raises(Contradiction, match=sentence):
        cards.build(change(bundle), snapshot_of(bundle))


def deep(card, part, **fields):
    return card.model_copy(update={part: getattr(card, part).model_copy(update=fields)})


CARDS = {
    "another word": (lambda c: deep(c, "verdict", word="clear"), "the page says 'clear'"),
    "another sentence": (lambda c: deep(c, "verdict", summary="37 of 37 findings pass."), "the sentence says"),
    "a check left out": (lambda c: c.model_copy(update={"checks": c.checks[1:]}), "the table of checks"),
    "a number without evidence": (
        lambda c: c.model_copy(
            update={
                "performance": [
                    c.performance[0].model_copy(update={"figure": c.performance[0].figure.model_copy(update={"evidence": "E99"})})
                ]
            }
        ),
        "not listed",
    ),
    "a withheld number shown": (
        lambda c: c.model_copy(
            update={
                "performance": [
                    c.performance[0].model_copy(update={"figure": c.performance[0].figure.model_copy(update={"hidden": True})})
                ]
            }
        ),
        "is not withheld",
    ),
    "service without a release": (lambda c: deep(c, "live", release="candidate"), "the page shows it in service"),
    "approval without a record": (lambda c: deep(deep(c, "verdict", title="Go, approved"), "live", release="judged"), "."),
    "a stop that is not recorded": (lambda c: deep(c, "verdict", title="Stop: off the road"), "the switch is 'active'"),
    "completeness that does not add up": (lambda c: deep(c, "provenance", missing=0), "completeness"),
    "a history that says otherwise": (
        lambda c: c.model_copy(update={"history": [c.history[-1].model_copy(update={"word": "clear"})]}),
        "the history says 'clear'",
    ),
}


@pytest.mark.parametrize("name", CARDS)
def test_a_contradiction_on_the_page_is_found(make_bundle, name):
    change, sentence = CARDS[name]
    bundle = make_bundle()
    made = cards.build(bundle, snapshot_of(bundle))
    lint(made, bundle)
    with pytest.raises(Contradiction, match=sentence):
        lint(change(made), bundle)


def test_every_number_of_a_card_is_looked_at(make_bundle):
    bundle = make_bundle()
    made = cards.build(bundle, snapshot_of(bundle))
    lines = len(made.checks) + len(made.performance) + len(made.drift.columns) + len(made.drift.shapes)
    assert sum(1 for _ in figures(made)) > lines


def test_a_verdict_without_findings_is_undecided_and_renders(make_bundle):
    bundle = make_bundle(CLEAR)
    empty = replace(
        bundle, findings=[], verdict=Verdict("nightly", "undecided", "No rule of the policy speaks about this model.", 3, {})
    )
    made = cards.build(empty, snapshot_of(empty))
    assert made.verdict.summary == "There are no findings."


def test_the_numbers_that_the_judge_made_from_a_baseline_are_no_contradiction(make_bundle):
    bundle = make_bundle(measured())
    against = [f for f in bundle.findings if f.rule == "worse-than-accepted"]
    assert against and against[0].value < 0
    cards.build(bundle, snapshot_of(bundle))
