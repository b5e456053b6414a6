"""Each night of the demo finds what data/README.md says: by plain pandas, and by the checks and the judge."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from functools import cache

import pytest

from checks.subject import open_subject
from flows.measuring import measure_all
from roadworthy.finding import Finding
from roadworthy.judge import Context, Judgement, judge
from roadworthy.measurement import Measurement
from roadworthy.sentences import part
from roadworthy.workspace import Workspace
from tests.data_fleet.independent import DATA, answer
from tests.data_fleet.nights import Outcome, outcomes
from tests.once import ONCE

OUTCOMES = outcomes()
NIGHTS = sorted({(o.night, o.model) for o in OUTCOMES})
NOTHING_KEPT = DATA / "nothing is kept here"
"""As on a first night: what is kept of earlier ones is looked at, and there is nothing."""


@cache
def night(day: date, model: str) -> tuple[list[Measurement], Judgement]:
    """Measure and judge one model on one day, as on a first night."""
    workspace = Workspace.open(DATA)
    identity = next(i for i in workspace.passports() if i.startswith(f"{model}@"))
    passport = workspace.passport(identity)
    with open_subject(DATA, passport, day) as subject:
        measured, _ = measure_all(replace(subject, restricted=NOTHING_KEPT), ONCE)
    context = Context(passport.risk_tier, passport.task.kind, "nightly", day, glossary=passport.glossary)
    return measured, judge(measured, workspace.policy(passport.policy_name), context)


def findings(outcome: Outcome) -> Iterator[Finding]:
    for finding in night(outcome.night, outcome.model)[1].findings:
        if finding.metric == outcome.metric and part(finding.over, str) == outcome.over:
            yield finding


def test_the_table_covers_the_cast_and_every_family() -> None:
    assert {o.verdict for o in OUTCOMES} == {"clear", "watch", "breach", "stop"}
    assert {o.metric.partition(".")[0] for o in OUTCOMES} == {"data_quality", "drift", "performance", "fairness"}
    assert len({o.night for o in OUTCOMES if o.model == "employment"}) == 3


@pytest.mark.parametrize("outcome", OUTCOMES, ids=str)
def test_plain_pandas_gives_the_value_of_the_table(outcome: Outcome) -> None:
    found = answer(outcome.night, outcome.model, outcome.metric, outcome.over)
    assert round(found, outcome.digits) == pytest.approx(outcome.value, abs=1e-12)


@pytest.mark.parametrize("outcome", OUTCOMES, ids=str)
def test_the_checks_and_the_judge_give_value_and_finding_of_the_table(outcome: Outcome) -> None:
    found = next(findings(outcome))  # the worst comes first, where two rules speak about one number
    assert found.value is not None
    assert round(found.value, outcome.digits) == pytest.approx(outcome.value, abs=1e-12)
    assert found.status == outcome.finding


@pytest.mark.parametrize(("day", "model"), NIGHTS, ids=str)
def test_a_night_ends_with_the_verdict_of_the_table(day: date, model: str) -> None:
    wanted = {o.verdict for o in OUTCOMES if (o.night, o.model) == (day, model)}
    assert wanted == {night(day, model)[1].verdict.word}


@pytest.mark.parametrize("day", [d for d, m in NIGHTS if m == "employment"], ids=str)
def test_the_stable_control_raises_no_drift_alarm_in_any_year(day: date) -> None:
    alarms = [f for f in night(day, "employment")[1].findings if f.family == "drift" and f.status not in ("pass", "insufficient")]
    assert not alarms
