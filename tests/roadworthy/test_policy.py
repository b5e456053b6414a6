"""Policies: a rule that can be read, that speaks of what exists, and that can both hold and fail."""

from __future__ import annotations

import copy
import json
import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.canonical import canonical_json
from roadworthy.catalogue import catalogue
from roadworthy.errors import DocumentError, PolicyError
from roadworthy.policy import Limit, Policy, Rule, read_policy
from tests.roadworthy.judging import ACCURACY, BLANKS, LOSS, PSI, RATIO, ROWS, policy, rule

# ------------------------------------------------------------------------------------------------ limits


@pytest.mark.parametrize(("text", "low", "high", "strict"), [
    (">= 0.80", 0.8, None, False), (">0.8", 0.8, None, True), ("  <=  3 ", None, 3, False), ("< -1e-3", None, -0.001, True),
    (">= .5", 0.5, None, False), (">= 5.", 5, None, False), (">= +5", 5, None, False), ("between -0.1 and 0.1", -0.1, 0.1, False),
    ("between 3 and 3", 3, 3, False), ("between 1e2 and 2E2", 100, 200, False),
])
def test_a_limit_is_read(text, low, high, strict):
    limit = Limit.parse(text)
    assert (limit.at_least, limit.at_most, limit.strict, limit.text) == (low, high, strict, text.strip())


@pytest.mark.parametrize("text", [
    "", "0.8", "=> 0.8", "== 0.8", "≥ 0.8", ">= 80 %", ">= 0,8", ">= nan", "<= inf", ">= 1 and <= 2", "between 2 and 1",
    "between 1, 2",
    ">= 1e999", "<= -1e999", "between 0 and 1e999", ">= 0x10", ">= 1_0", ">= 0.8; drop", "Between 1 and 2", ">= 1\n<= 2",
    "> = 1", "x" * 9999,
])
def test_a_limit_that_cannot_be_read_is_a_short_sentence(text):
    with pytest.raises(ValueError, match="the limit") as caught:
        Limit.parse(text)
    assert len(str(caught.value)) < 200


NUMBER = st.floats(-1e6, 1e6)


@given(NUMBER, NUMBER, st.sampled_from([">=", ">", "<=", "<"]))
def test_a_limit_holds_as_its_sign_says(end, value, sign):
    expected = {">=": value >= end, ">": value > end, "<=": value <= end, "<": value < end}[sign]
    assert Limit.parse(f"{sign} {end!r}").holds(value) == expected


@given(NUMBER, NUMBER, NUMBER, NUMBER, st.sampled_from([">=", ">", "<=", "<", "between"]))
def test_an_interval_that_is_excluded_holds_nowhere_and_no_other_is(end, other, a, b, sign):
    (first, last), (low, high) = sorted((end, other)), sorted((a, b))
    limit = Limit.parse(f"between {first!r} and {last!r}" if sign == "between" else f"{sign} {end!r}")
    candidates = [low, high, *(e for e in (first, last, end) if low <= e <= high), (low + high) / 2]
    beside = [math.nextafter(e, to) for e in (first, last, end) for to in (low, high)]
    candidates += [c for c in beside if low <= c <= high]
    assert limit.excludes(low, high) == (not any(limit.holds(c) for c in candidates))


# ------------------------------------------------------------------------------------------------ rules


def mistakes(tmp_path, *rules, name="limited", **top):
    path = tmp_path / f"{name}.yaml"
    content = {"schema_version": 1, "policy": "limited", "title": "T", "rules": list(rules), **top}
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    with pytest.raises(DocumentError) as caught:
        read_policy(path, f"policies/{name}.yaml")
    for sentence in caught.value.problems:
        file, line, _ = sentence.split(":", 2)
        assert file == f"policies/{name}.yaml" and 1 <= int(line) <= path.read_text().count("\n")
        assert "\n" not in sentence
    return caught.value.problems, path.read_text().splitlines()


@pytest.mark.parametrize(("wrong", "said", "line"), [
    (rule(ACCURACY, metric="performance.acuracy"), "names the metric 'performance.acuracy', which the catalogue does not have. "
     "Did you mean 'performance.accuracy'?", "metric:"),
    (rule(ACCURACY, metric="zzz"), "the catalogue does not have. The catalogue is roadworthy/catalogue.yaml.", "metric:"),
    (rule(ACCURACY, over={"column": "any"}), "but measurements of 'performance.accuracy' are over {}", "over:"),
    (rule(PSI, over={}), "but measurements of 'drift.psi' are over {column: any}.", "over:"),
    (rule(PSI, over={"group": "any"}), "are over {column: any}.", "over:"),
    (rule(PSI, over={"column": ["a", "b"]}), "write 'any', or text, whole numbers, true or false.", "over:"),
    (rule(PSI, over={"column": math.nan}), "write 'any', or text, whole numbers, true or false.", "over:"),
    (rule(PSI, over={"column": 1.5}), "write 'any', or text", "over:"),
    (rule(RATIO, over={"group": {"sex": None}}), "write 'any', or text", "over:"),
    (rule(PSI, alpha=None), "has the test 'bh', which needs 'alpha'", "test:"),
    (rule(ACCURACY, alpha=0.05), "has an 'alpha', which the test 'interval' does not read.", "alpha:"),
    (rule(ROWS, alpha=0.05), "has an 'alpha', which the test 'exact' does not read.", "alpha:"),
    (rule(PSI, against="reference"), "knows no 'against'", "against:"),
    (rule(LOSS, against="champion"), "knows no 'against'", "against:"),
    (rule(PSI, breach="severe", persist={"nights": 2, "of": 3}), "would stop a model because drift went on.", "persist:"),
    (rule(PSI, test="sequential", limit="< 0.1", alpha=None), "would stop a model because drift went on.", "test:"),
    (rule(ACCURACY, test="sequential", limit="<= 0.3"), "only a bounded loss of matured labels may have", "test:"),
    (rule(ACCURACY, hardly_used_below=0.01), "which only drift of columns reads.", "hardly_used_below:"),
    (rule(LOSS, hardly_used_below=0.01), "which only drift of columns reads.", "hardly_used_below:"),
    (rule(PSI, hardly_used_below=1.0), "'rules[1].hardly_used_below' cannot be '1.0'", "hardly_used_below:"),
    (rule(LOSS, alpha=0.002), "ask for an alpha of 0.002 in all; 'sequential_alpha', the budget of a model and year, is 0.001.",
     "alpha:"),
    (rule(LOSS, limit=">= 0.2"), "needs a limit such as '<= 0.24'", "limit:"),
    (rule(LOSS, limit="<= 1"), "needs a limit such as '<= 0.24'", "limit:"),
    (rule(LOSS, limit="between 0.1 and 0.2"), "needs a limit such as '<= 0.24'", "limit:"),
    (rule(ACCURACY, limit="0.8"), "cannot be judged: the limit '0.8' cannot be read", "limit:"),
    (rule(ACCURACY, limit=">= 80"), "can never hold: 'Accuracy' is 0 to 1, and the limit is '>= 80'.", "limit:"),
    (rule(ACCURACY, limit="> 1"), "can never hold", "limit:"),
    (rule(ACCURACY, limit="<= 80"), "can never fail: 'Accuracy' is 0 to 1, and the limit is '<= 80'.", "limit:"),
    (rule(ACCURACY, limit=">= 0"), "can never fail", "limit:"),
    (rule(ROWS, limit=">= 0"), "can never fail: 'Rows in the batch' is 0 to inf", "limit:"),
    (rule(ROWS, limit="< 0"), "can never hold", "limit:"),
    (rule(BLANKS, limit="between -10 and 10"), "can never fail", "limit:"),
    (rule(ACCURACY, limit=">= -1", against="reference"), "can never fail: 'Accuracy' changes by -1 to 1", "limit:"),
    (rule(ACCURACY, limit="> 1", against="reference"), "can never hold: 'Accuracy' changes by -1 to 1", "limit:"),
    (rule(ACCURACY, limit=0.8), "'rules[1].limit' is a number ('0.8'), but must be text; put it in quotes.", "limit:"),
    (rule(ACCURACY, id="Accuracy!"), "'Accuracy!' cannot be a name", "id:"),
    (rule(ACCURACY, test="exat"), "is 'exat', but must be 'exact', 'interval', 'bh' or 'sequential'.", "test:"),
    (rule(ACCURACY, breach="stop"), "'rules[1].breach' is 'stop', but must be 'warn', 'fail' or 'severe'.", "breach:"),
    (rule(ACCURACY, because="short"), "'rules[1].because' cannot be 'short'", "because:"),
    (rule(PSI, alpha=1.0), "'rules[1].alpha' cannot be '1.0'", "alpha:"),
    (rule(PSI, alpha=0), "'rules[1].alpha' cannot be '0'", "alpha:"),
    (rule(ACCURACY, persist={"nights": 3, "of": 2}), "persist: 3 of 2 nights can never be.", "persist:"),
    (rule(ACCURACY, persist={"nights": 0, "of": 2}), "'rules[1].persist.nights' cannot be '0'", "nights:"),
    (rule(ACCURACY, persist={"nights": 1, "of": 31}), "'rules[1].persist.of' cannot be '31'", "of: 31"),
    (rule(ACCURACY, min={"n": -1}), "'rules[1].min.n' cannot be '-1'", "n: -1"),
    (rule(ACCURACY, min={"rows": 3}), "'rules[1].min.rows' is not known. Known keys: n, negatives, positives.", "rows: 3"),
    (rule(ACCURACY, limt=">= 1"), "the key 'rules[1].limt' is not known. Did you mean 'limit'?", "limt:"),
    (rule(ACCURACY, required="no"), "'rules[1].required' is text ('no'), but must be true or false.", "required:"),
])
def test_a_rule_that_cannot_be_judged_does_not_load(tmp_path, wrong, said, line):
    wrong = {key: value for key, value in wrong.items() if value is not None}
    problems, lines = mistakes(tmp_path, wrong)
    assert len(problems) == 1 and said in problems[0]
    assert line in lines[int(problems[0].split(":")[1]) - 1]


def test_rules_that_share_the_budget_may_not_ask_for_more_than_it_is(tmp_path):
    two = [rule(LOSS, id=f"r{i}", alpha=0.0006) for i in range(2)]
    problems, _ = mistakes(tmp_path, *two)
    assert len(problems) == 1 and "ask for an alpha of 0.0012 in all" in problems[0]
    problems, _ = mistakes(tmp_path, rule(LOSS, id="all", alpha=0.001), rule(LOSS, id="none"))
    assert "leaves nothing to those that name none" in problems[0]
    apart = [{**two[0], "tasks": ["binary"]}, {**two[1], "tasks": ["regression"]}]
    assert policy(*apart).sequential_alpha == 0.001, "rules that never speak about one model share nothing"


@pytest.mark.parametrize("wrong", [0, 0.06, -0.001])
def test_the_budget_is_small_and_not_nothing(tmp_path, wrong):
    assert "sequential_alpha" in mistakes(tmp_path, rule(LOSS), sequential_alpha=wrong)[0][0]


def test_a_rule_id_that_stands_twice_is_named_on_its_second_line(tmp_path):
    problems, lines = mistakes(tmp_path, rule(ACCURACY), rule(ROWS), rule(ROWS))
    assert problems == [f"policies/limited.yaml:{len(lines) - next(i for i, x in enumerate(lines[::-1]) if 'id: data' in x)}: "
                        "the rule id 'data-quality.rows' stands here a second time. Rename one."]


def test_a_policy_lies_where_its_name_says_and_has_a_rule(tmp_path):
    problems, _ = mistakes(tmp_path, rule(ROWS), name="other")
    assert problems == ["policies/other.yaml:2: says 'limited', but the file is other.yaml. Rename one."]
    assert isinstance(PolicyError([]), DocumentError)
    problems, _ = mistakes(tmp_path)
    assert "'rules' cannot be '[]'" in problems[0]


# ------------------------------------------------------------------------------------------------ which measurements a rule means


@pytest.mark.parametrize(("wanted", "given_", "fits"), [
    ({"group": "any"}, {"group": {"sex": "f"}}, True), ({"group": {"sex": "any"}}, {"group": {"sex": "f"}}, True),
    ({"group": {"sex": "f"}}, {"group": {"sex": "f"}}, True), ({"group": {"sex": "f"}}, {"group": {"sex": "m"}}, False),
    ({"group": {"sex": "any"}}, {"group": {"age": "old"}}, False), ({"group": "sex"}, {"group": {"sex": "f"}}, False),
    ({"group": {"sex": "any"}}, {"group": {"sex": "f", "age": "o"}}, False), ({"group": {"sex": "any"}}, {"group": "sex"}, False),
    ({"group": "any"}, {}, False),
])
def test_over_matches_the_parts_it_names(wanted, given_, fits):
    assert Rule.model_validate(rule(RATIO, over=wanted)).matches(RATIO, given_) is fits


def test_a_rule_means_its_own_metric_only():
    assert not Rule.model_validate(rule(ACCURACY)).matches("performance.precision", {})


@pytest.mark.parametrize(("says", "tier", "task", "when", "applies"), [
    ({}, "high", "binary", "nightly", True), ({"tiers": ["high"]}, "limited", "binary", "nightly", False),
    ({"tiers": ["high"]}, "high", "binary", "gate", True), ({"tasks": ["regression"]}, "high", "binary", "nightly", False),
    ({"when": "gate"}, "high", "binary", "nightly", False), ({"when": "gate"}, "high", "binary", "gate", True),
])
def test_a_rule_speaks_on_its_occasions(says, tier, task, when, applies):
    assert bool(policy(rule(ACCURACY, **says)).rules_for(tier, task, when)) is applies


# ------------------------------------------------------------------------------------------------ the digest


def test_the_digest_changes_with_every_word_that_counts_and_with_nothing_else():
    first = rule(RATIO, min={"n": 30}, persist={"nights": 2, "of": 3})
    digest = policy(first).digest
    assert policy(copy.deepcopy(first)).digest == digest
    assert policy({key: first[key] for key in reversed(first)}).digest == digest
    changes = [
        {"limit": ">= 0.81"}, {"min": {"n": 31}}, {"persist": {"nights": 1, "of": 3}}, {"breach": "severe"}, {"required": False},
        {"over": {"group": {"sex": "any"}}}, {"because": "Another good reason."}, {"must_decide": True}, {"when": "gate"},
    ]
    for change in changes:
        assert policy({**first, **change}).digest != digest, change


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.sampled_from(sorted(catalogue())), TEXT, st.floats(0.01, 0.99))
def test_a_policy_is_the_same_after_it_was_kept_as_json(metric, word, end):
    over = {key: {word: "any"} if key == "group" else word for key in catalogue()[metric].over}
    made = policy({
        "id": "r", "metric": metric, "over": over, "limit": f"<= {end!r}", "test": "exact", "breach": "warn",
        "because": "It is a test.",
    })
    again = Policy.model_validate(json.loads(canonical_json(made.model_dump(mode="json"))))
    assert again == made and again.digest == made.digest
