"""The rule about names of people: notes without a name hold it, notes with names break it, sent through a night.

No data alone can break it where no language model is. A double stands for the process inside; with spaCy, so does the process.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
import yaml

from checks.privacy import names
from flows.inspect import inspect
from flows.measuring import Measure
from roadworthy.evidence import Bundle
from roadworthy.ledger import Ledger
from roadworthy.policy import read_policy
from tests.acceptance.fleet import FLEET, Change, copy_fleet, identity_of, unchanged
from tests.checks.privacy.doubles import Inside, model_folder

NIGHT: date = yaml.safe_load((FLEET / "expected.yaml").read_text(encoding="utf-8"))["night"]
RULES = [
    (policy.policy, rule)
    for policy in [read_policy(path) for path in sorted((FLEET / "policies").glob("*.yaml"))]
    for rule in policy.rules
    if rule.metric == names.METRIC
]
MODEL = {"high": "employment", "limited": "flights"}
WITH_SPACY: Measure = names.measure
DOUBLE: Measure = partial(names.measure, asked=Inside("Anna Beispiel"), installed=lambda: "3.8.0")
MISSING: Measure = partial(names.measure, asked=Inside(), installed=lambda: None)


def noted(*, named: int) -> Change:
    """Write a note into each row; so many of ten hold a name."""

    def change(table: pd.DataFrame) -> pd.DataFrame:
        who = ["Anna Beispiel" if i % 10 < named else "somebody" for i in range(len(table))]
        return table.assign(note=[f"{one} rang about case {i}" for i, one in enumerate(who)])

    return change


def night(root: Path, policy: str, change: Change, measure: Measure) -> Bundle:
    workspace = copy_fleet(root, MODEL[policy], until=NIGHT, change=change)
    if not (root / "pipeline").exists():
        model_folder(root)
    with (root / "roadworthy.yaml").open("a", encoding="utf-8") as file:
        file.write("privacy: {names: {model: pipeline}}\n")
    workspace = type(workspace).open(root)
    with Ledger.open(workspace.state_url) as ledger:
        identity, only = identity_of(workspace), (("privacy", measure),)
        return inspect(workspace, ledger, identity, NIGHT, "nightly", "automation", datetime.now(UTC), only).bundle


def said(bundle: Bundle, rule: str) -> set[str]:
    return {one.status for one in bundle.findings if one.rule == rule and one.over.get("column", "note") == "note"}


def test_both_policies_of_people_have_the_rule() -> None:
    assert {policy for policy, _ in RULES} == set(MODEL)


@pytest.mark.parametrize(("policy", "rule"), [(policy, rule.id) for policy, rule in RULES])
def test_names_in_notes_break_the_rule(tmp_path: Path, policy: str, rule: str) -> None:
    assert said(night(tmp_path / "clean", policy, noted(named=0), DOUBLE), rule) == {"pass"}
    broken = night(tmp_path / "named", policy, noted(named=3), DOUBLE)
    assert said(broken, rule) == {"warn"}
    assert "Anna" not in repr(broken.measurements) + repr(broken.findings)


def test_the_fleet_as_it_is_holds_no_free_text(tmp_path: Path) -> None:
    found = night(tmp_path, "high", unchanged, DOUBLE)
    assert {m.status for m in found.measurements if m.metric == names.METRIC} == {"not_applicable"}


def test_a_language_model_that_is_not_there_is_an_error_and_no_pass(tmp_path: Path) -> None:
    [(policy, rule), *_] = RULES
    assert said(night(tmp_path, policy, noted(named=0), MISSING), rule.id) == {"error"}


def test_the_same_through_the_process_inside(tmp_path: Path) -> None:
    spacy = pytest.importorskip("spacy", reason="spaCy is not installed: pip install 'roadworthy[pii]'")
    made = spacy.blank("en")
    made.add_pipe("entity_ruler", name="ner").add_patterns([{"label": "PERSON", "pattern": "Anna Beispiel"}])
    [(policy, rule), *_] = RULES
    for root, named, wanted in ((tmp_path / "clean", 0, "pass"), (tmp_path / "named", 3, "warn")):
        root.mkdir()
        made.to_disk(root / "pipeline")
        assert said(night(root, policy, noted(named=named), WITH_SPACY), rule.id) == {wanted}
