"""What a policy lets through that it did not let through before."""

from __future__ import annotations

import pytest

from roadworthy.loosening import compare
from roadworthy.policy import Policy

RULE = {"id": "r", "metric": "fairness.selection_rate_difference", "over": {"group": "any"}, "limit": "between -0.10 and 0.10",
        "test": "interval", "min": {"n": 30}, "breach": "fail", "because": "Groups are alike."}


def policy(settings=None, **rule):
    rules = [{**RULE, **rule}] if rule.get("id") != "" else []
    other = {"id": "other", "metric": "performance.accuracy", "limit": ">= 0.5", "test": "interval", "breach": "warn",
             "because": "It must be right."}
    return Policy.model_validate({"schema_version": 1, "policy": "p", "title": "T", "rules": [other, *rules], **(settings or {})})


LOOSER = [
    ({}, {"limit": "between -0.10 and 0.11"}), ({}, {"limit": "between -0.2 and 0.10"}), ({}, {"limit": ">= -0.10"}),
    ({}, {"limit": "between -0.2 and 0.05"}), ({"limit": "< 0.1"}, {"limit": "<= 0.1"}), ({}, {"breach": "warn"}),
    ({}, {"required": False}), ({"must_decide": True}, {"must_decide": False}), ({}, {"when": "nightly"}),
    ({}, {"tiers": ["high"]}), ({}, {"min": {"n": 31}}), ({}, {"persist": {"nights": 2, "of": 3}}),
]


@pytest.mark.parametrize(("before", "after"), LOOSER)
def test_everything_that_makes_a_failure_rarer_is_loosened_and_its_reverse_tightened(before, after):
    [there] = compare(policy(**before), policy(**after))
    assert (there.kind, there.rule) == ("loosened", "r"), there
    [back] = compare(policy(**after), policy(**before))
    both_ways = after.get("limit") == "between -0.2 and 0.05"  # one end out, one end in: looser whichever way it went
    assert back.kind == ("loosened" if both_ways else "tightened"), back


@pytest.mark.parametrize(("key", "before", "after"), [
    ("fairness_alpha", 0.05, 0.01), ("sequential_alpha", 0.002, 0.001), ("renew_lease_on_breach", False, True),
])
def test_settings_of_the_whole_policy_count_too(key, before, after):
    there, back = (compare(policy({key: a}), policy({key: b})) for a, b in ((before, after), (after, before)))
    assert [c.kind for c in there + back] == ["loosened", "tightened"] and key in there[0].says


def test_a_rule_that_is_gone_is_loosened_and_comes_first():
    found = compare(policy(), policy(id="new", limit="between -0.05 and 0.05"))
    assert [(c.kind, c.rule) for c in found] == [("loosened", "r"), ("tightened", "new")]


def test_another_metric_is_a_change_and_words_alone_are_none():
    [changed] = compare(policy(), policy(metric="fairness.true_positive_rate_difference"))
    assert changed.kind == "changed" and "measures or tests something else" in changed.says
    assert compare(policy(), policy(because="Said in other words.", clauses=["x"])) == []
