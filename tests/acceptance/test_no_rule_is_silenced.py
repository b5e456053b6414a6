"""No rule of a policy of the demo fleet passes over what was tried and could not be told, nor speaks of what does not apply."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import yaml

from roadworthy.judge import Context, judge
from roadworthy.measurement import Measurement, Status, not_measured
from roadworthy.policy import Policy, Rule, When, read_policy
from tests.acceptance.fleet import FLEET, copy_fleet, run_night

NIGHT: date = yaml.safe_load((FLEET / "expected.yaml").read_text(encoding="utf-8"))["night"]
GOOD = Measurement("data_quality.rows", value=500.0, n=500)
ALWAYS = Rule.model_validate({
    "id": "always-good", "metric": "data_quality.rows", "limit": ">= 1", "test": "exact", "breach": "fail",
    "because": "Something has to pass, or every verdict is undecided.",
})
MUST_BE_SEEN = ("data-leak-absent", "people-no-name", "kept-no-longer", "members-hidden", "inputs-needed")


def _rules() -> list[tuple[str, Rule]]:
    found = [(path.stem, rule) for path in sorted((FLEET / "policies").glob("*.yaml")) for rule in read_policy(path).rules]
    assert len(found) > 100
    return found


def _word(rule: Rule, status: Status) -> str:
    """Return the verdict on a model of which one rule passes and of this one it is said why it was not measured."""
    when: When = "gate" if rule.when == "gate" else "nightly"
    alone = Policy(schema_version=1, policy="limited", title="A test", rules=[ALWAYS, rule])
    context = Context(tier="limited", task=rule.tasks[0] if rule.tasks else "binary", when=when, day=NIGHT)
    return judge([GOOD, not_measured(rule.metric, status, "It is so.")], alone, context).verdict.word


@pytest.mark.parametrize(("policy", "rule"), [pytest.param(p, r, id=f"{p}-{r.id}") for p, r in _rules()])
def test_what_broke_is_seen_and_what_does_not_apply_is_not(policy: str, rule: Rule) -> None:
    assert _word(rule, "error") == ("undecided" if rule.required else "conditional" if rule.when == "gate" else "watch")
    assert _word(rule, "not_applicable") == ("go" if rule.when == "gate" else "clear")


@pytest.mark.parametrize(
    ("policy", "rule"), [pytest.param(p, r, id=f"{p}-{r.id}") for p, r in _rules() if r.id in MUST_BE_SEEN],
)
def test_a_rule_about_people_or_leaks_is_not_silent_where_too_little_was_there_to_tell(policy: str, rule: Rule) -> None:
    assert _word(rule, "error") == "undecided"
    assert _word(rule, "insufficient") == ("conditional" if rule.when == "gate" else "watch")


def test_a_fact_about_people_that_is_gone_from_the_batch_weighs_and_one_that_nobody_declared_does_not(tmp_path: Path) -> None:
    passport = yaml.safe_load((FLEET / "models" / "credit" / "1.0.0.yaml").read_text(encoding="utf-8"))
    gone = copy_fleet(
        tmp_path / "gone", "credit", until=NIGHT, change=lambda table: table.drop(columns=passport["quasi_identifiers"][0]),
    )
    none = copy_fleet(tmp_path / "none", "flights", until=NIGHT)
    weighs = {}
    for workspace in (gone, none):
        for finding in run_night(workspace, NIGHT, only=["privacy"]).bundle.findings:
            if finding.rule == "people-no-finer":
                weighs[workspace.root.name] = finding.status, finding.required
    assert weighs == {"gone": ("error", False), "none": ("insufficient", False)}
