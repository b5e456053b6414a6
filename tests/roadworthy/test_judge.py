"""The judge: pure, worst wins, and missing is never passing."""

from __future__ import annotations

import json
import math
import random
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from roadworthy.canonical import canonical_json
from roadworthy.finding import ORDER, Finding
from roadworthy.judge import (
    FORGOTTEN_AFTER_DAYS,
    REMEMBERED_NIGHTS,
    REMEMBERED_SERIES,
    Context,
    judge,
    verdict_of,
)
from roadworthy.measurement import Measurement, not_measured
from roadworthy.policy import Policy
from tests.roadworthy.judging import (
    ACCURACY,
    BLANKS,
    DAY,
    LOSS,
    PSI,
    RATIO,
    ROWS,
    context,
    error,
    judged,
    only,
    policy,
    rule,
    thin,
    value,
)

NIGHT_RANK = ("clear", "watch", "breach", "undecided", "stop")
GATE_RANK = ("go", "conditional", "no-go", "undecided")
BETWEEN = "between 0.2 and 0.4"
RANK = {"nightly": NIGHT_RANK, "gate": GATE_RANK}
WHENS = pytest.mark.parametrize("when", ["nightly", "gate"])


def finding(status, required=True, must_decide=False):
    weight = {"required": required, "must_decide": must_decide}
    return Finding("r", ACCURACY, {}, status, f"It is {status}.", "Because.", ">= 0.8", **weight)


FINDINGS = st.lists(st.builds(finding, st.sampled_from(ORDER), st.booleans(), st.booleans()), max_size=6)


# ------------------------------------------------------------------------------------------------ the verdict


def night_by_the_table(findings):
    """The night's half of the table, read from the design and not from the code; and no error is silent."""
    kinds = {(f.status, f.required) for f in findings}
    if any(s == "severe" for s, _ in kinds):
        return "stop", 2
    if ("error", True) in kinds:
        return "undecided", 3
    if any(s == "fail" for s, _ in kinds):
        return "breach", 1
    if any(s == "warn" for s, _ in kinds) or kinds & {("insufficient", True), ("error", False)}:
        return "watch", 0
    return "clear", 0


def gate_by_the_table(findings):
    """The gate's half of the table."""
    if any(f.status == "error" and f.required for f in findings):
        return "undecided", 3
    if any(f.status in ("insufficient", "error") and f.must_decide for f in findings):
        return "undecided", 3
    if any(f.status in ("fail", "severe") for f in findings):
        return "no-go", 1
    if any(f.status in ("warn", "error") or (f.status == "insufficient" and f.required) for f in findings):
        return "conditional", 2
    return "go", 4


def nothing_decided(findings):
    """Nothing was decided and nothing required is missing: the table's last row would read silence as approval."""
    return all(f.status in ("error", "insufficient") and not f.required for f in findings)


@given(FINDINGS)
def test_the_night_follows_the_table(findings):
    got = verdict_of(findings, "nightly")
    assert (got.word, got.exit_code) == (("undecided", 3) if nothing_decided(findings) else night_by_the_table(findings))


@given(FINDINGS)
def test_the_gate_follows_the_table(findings):
    got = verdict_of(findings, "gate")
    assert (got.word, got.exit_code) == (("undecided", 3) if nothing_decided(findings) else gate_by_the_table(findings))


@WHENS
@given(findings=FINDINGS)
def test_nothing_clears_a_model_but_a_finding_that_passes(when, findings):
    if not any(f.status in ("pass", "waived") for f in findings):
        assert verdict_of(findings, when).word not in ("clear", "go")


@WHENS
@pytest.mark.parametrize("other", [None, "insufficient", "error", "pass"])
def test_an_estimate_alone_is_no_ground_for_the_best_word(when, other):
    estimates = [Finding(f"r{k}", "estimate.accuracy", {}, "pass", "It holds.", "Because.", ">= 0.8") for k in range(3)]
    others = [finding(other, required=False)] if other else []
    got = verdict_of([*estimates, *others], when)
    assert (got.word in ("clear", "go")) == (other == "pass") and (got.word == "undecided") == (other != "pass")


@WHENS
@given(findings=FINDINGS, required=st.booleans(), must=st.booleans())
def test_an_error_more_never_makes_a_verdict_better(when, findings, required, must):
    rank = RANK[when].index
    before, after = verdict_of(findings, when), verdict_of([*findings, finding("error", required, must)], when)
    assert rank(after.word) >= rank(before.word)


@WHENS
@given(findings=FINDINGS, seed=st.integers(0, 999))
def test_the_order_of_findings_does_not_change_the_word(when, findings, seed):
    shuffled = random.Random(seed).sample(findings, len(findings))
    assert verdict_of(shuffled, when).word == verdict_of(findings, when).word


@WHENS
@given(findings=FINDINGS)
def test_a_verdict_counts_every_finding_and_says_why(when, findings):
    got = verdict_of(findings, when)
    assert sum(got.counts.values()) == len(findings)
    assert all(got.counts[s] == sum(f.status == s for f in findings) for s in ORDER)
    assert got.reason.endswith(".") and got.reason


@WHENS
def test_no_findings_at_all_is_undecided(when):
    got = verdict_of([], when)
    assert (got.word, got.exit_code) == ("undecided", 3)


def test_each_condition_of_the_gate_is_a_sentence_of_what_weighs():
    kinds = [finding("pass"), finding("warn", required=False), finding("insufficient"), finding("insufficient", False)]
    got = verdict_of(kinds, "gate")
    assert (got.word, got.conditions) == ("conditional", ("It is warn.", "It is insufficient."))
    assert verdict_of([finding("fail"), finding("warn")], "gate").conditions == ()


@pytest.mark.parametrize(("statuses", "said"), [
    (["pass", "pass"], "All 2 findings pass."),
    (["pass"], "The only finding passes."),
    (["pass", "waived"], "All 2 findings pass. 1 of them by a waiver."),
])
def test_a_clear_night_says_how_much_passed(statuses, said):
    assert verdict_of([finding(s) for s in statuses], "nightly").reason == said


def test_a_clear_night_hides_nothing_that_could_not_be_decided():
    got = verdict_of([finding("pass"), *[finding("insufficient", required=False)] * 2], "nightly")
    assert got.word == "clear" and got.reason == "1 of 3 findings passes; 2 optional ones could not be decided."


def test_an_error_of_a_rule_that_is_not_required_is_watched_at_night_and_a_condition_at_the_gate():
    kinds = [finding("pass"), finding("error", required=False), finding("insufficient", required=False)]
    night, gate = verdict_of(kinds, "nightly"), verdict_of(kinds, "gate")
    assert (night.word, night.exit_code, night.reason) == ("watch", 0, "It is error.")
    assert (gate.word, gate.exit_code, gate.conditions) == ("conditional", 2, ("It is error.",))


@WHENS
def test_an_error_of_a_rule_that_is_not_required_is_no_ground_beside_nothing_that_passes(when):
    got = verdict_of([finding("error", required=False), finding("insufficient", required=False)], when)
    assert (got.word, got.exit_code) == ("undecided", 3) and "none passes" in got.reason


# ------------------------------------------------------------------------------------------------ rules and what they match


def test_a_required_rule_that_matches_nothing_is_an_error():
    got = judged([value(ROWS, 500)], rule(ROWS), rule(ACCURACY))
    assert [(f.rule, f.status) for f in got.findings] == [("performance.accuracy", "error"), ("data-quality.rows", "pass")]
    assert got.verdict.word == "undecided" and "nothing was measured" in got.verdict.reason


def test_a_rule_that_is_not_required_and_matches_nothing_does_not_weigh_but_shows():
    got = judged([value(ROWS, 500)], rule(ROWS), rule(ACCURACY, required=False))
    assert [(f.status, f.required) for f in got.findings] == [("insufficient", False), ("pass", True)]
    assert got.verdict.word == "clear"


def test_a_check_that_broke_is_not_silenced_by_a_rule_that_is_not_required():
    broke, wrong = error(ACCURACY), value(ACCURACY, 1.7, 1.6, 1.8)  # no accuracy is greater than 1: the check is wrong
    for made in (broke, wrong, value(ACCURACY, 0.9)):  # without the interval that the rule needs
        got = judged([value(ROWS, 500), made], rule(ROWS), rule(ACCURACY, required=False))
        assert [(f.status, f.required) for f in got.findings] == [("error", False), ("pass", True)]
        assert got.verdict.word == "watch" and got.verdict.reason == got.findings[0].sentence


def test_a_rule_that_must_be_decided_holds_up_the_gate_even_if_it_is_not_required():
    got = judged([value(ROWS, 500)], rule(ROWS), rule(ACCURACY, required=False, must_decide=True), when="gate")
    assert got.verdict.word == "undecided"


def test_a_rule_about_one_part_is_not_satisfied_by_another_part():
    got = judged([value(RATIO, 1.0, 0.9, 1.1, group="male")], rule(RATIO, over={"group": {"sex": "female"}}))
    assert (got.findings[0].status, got.verdict.word) == ("error", "undecided")


def test_a_check_that_broke_as_a_whole_reaches_the_rules_about_its_parts():
    got = judged([error(RATIO)], rule(RATIO, over={"group": {"sex": "female"}}))
    assert [(f.status, f.over) for f in got.findings] == [("error", {})] and "The check broke." in got.findings[0].sentence


def test_no_rule_for_this_model_is_undecided():
    assert judged([value(ACCURACY, 0.9, 0.85, 0.95)], rule(ACCURACY, tasks=["regression"])).verdict.word == "undecided"
    assert judged([value(ACCURACY, 0.9, 0.85, 0.95)], rule(ACCURACY, tiers=["high"])).verdict.word == "undecided"
    assert judged([value(ACCURACY, 0.9, 0.85, 0.95)], rule(ACCURACY, when="gate")).verdict.word == "undecided"


def test_rules_of_the_other_occasion_are_silent():
    got = judged([value(ACCURACY, 0.1, 0.05, 0.15), value(ROWS, 500)], rule(ACCURACY, when="gate"), rule(ROWS))
    assert [f.rule for f in got.findings] == ["data-quality.rows"] and got.verdict.word == "clear"


@WHENS
def test_not_applicable_never_passes(when):
    m = not_measured(ACCURACY, "not_applicable", "There is no label.")
    got = judged([m, value(ROWS, 500)], rule(ACCURACY), rule(ROWS), when=when)
    assert [(f.status, f.required) for f in got.findings] == [("insufficient", False), ("pass", True)]
    assert judged([m], rule(ACCURACY), when=when).verdict.word == "undecided"
    assert judged([m, value(ROWS, 500)], rule(ACCURACY, must_decide=True), rule(ROWS), when="gate").verdict.word == "undecided"


@pytest.mark.parametrize("status", ["error", "insufficient", "not_applicable"])
@pytest.mark.parametrize("metric", [ACCURACY, PSI, ROWS, RATIO, BLANKS, LOSS])
def test_what_was_not_measured_never_passes_any_test(metric, status):
    got = only(not_measured(metric, status, "No."), rule(metric))
    assert got.status == ("error" if status == "error" else "insufficient")


@pytest.mark.parametrize(("metric", "number"), [
    (ACCURACY, 1.01), (ACCURACY, -0.01), (ROWS, -1), (BLANKS, 1.5), (BLANKS, -1.5), (PSI, -0.2), (RATIO, -0.1), (LOSS, 1.2),
])
@pytest.mark.parametrize("breach", ["warn", "fail", "severe"])
def test_a_number_outside_its_metrics_range_is_a_defect_of_the_check_and_no_verdict_about_the_model(metric, number, breach):
    got = judged([value(metric, number, number, number, p_value=0.001)], rule(metric, breach=breach))
    assert (got.findings[0].status, got.verdict.word) == ("error", "undecided")
    assert "range" in got.findings[0].note and got.findings[0].note in got.findings[0].sentence
    assert got.state["points"] == {}


@pytest.mark.parametrize(("metric", "number", "status"), [
    (ACCURACY, 1 + 2e-16, "pass"), (ACCURACY, -1e-17, "fail"), (ROWS, 1e18, "pass"), (RATIO, 40.0, "pass"), (BLANKS, 1.0, "fail"),
])
def test_the_edges_of_a_range_and_rounding_over_them_are_fine(metric, number, status):
    assert only(value(metric, number, number, number), rule(metric)).status == status


# ------------------------------------------------------------------------------------------------ exact and interval


@pytest.mark.parametrize(("limit", "number", "good"), [
    (">= 100", 100, True), (">= 100", 99.9, False), ("> 100", 100, False), ("> 100", 101, True), ("<= 100", 100, True),
    ("<= 100", 101, False), ("< 100", 100, False), ("between 5 and 10", 5, True), ("between 5 and 10", 10, True),
    ("between 5 and 10", 4, False), ("between 5 and 10", 11, False),
])
@pytest.mark.parametrize("breach", ["warn", "fail", "severe"])
def test_exact_holds_the_value_against_the_limit(limit, number, good, breach):
    assert only(value(ROWS, number), rule(ROWS, limit=limit, breach=breach)).status == ("pass" if good else breach)


@pytest.mark.parametrize(("limit", "low", "high", "expected"), [
    (">= 0.80", 0.80, 0.90, "pass"), (">= 0.80", 0.79, 0.90, "warn"),
    (">= 0.80", 0.70, 0.80, "warn"), (">= 0.80", 0.70, 0.79, "fail"),
    ("> 0.80", 0.80, 0.90, "warn"), ("> 0.80", 0.81, 0.90, "pass"),
    ("> 0.80", 0.70, 0.80, "fail"), ("> 0.80", 0.80, 0.80, "fail"),
    ("<= 0.20", 0.10, 0.20, "pass"), ("<= 0.20", 0.10, 0.21, "warn"),
    ("<= 0.20", 0.20, 0.30, "warn"), ("<= 0.20", 0.21, 0.30, "fail"),
    ("< 0.20", 0.10, 0.20, "warn"), ("< 0.20", 0.10, 0.19, "pass"), ("< 0.20", 0.20, 0.30, "fail"),
    (BETWEEN, 0.2, 0.4, "pass"), (BETWEEN, 0.1, 0.3, "warn"), (BETWEEN, 0.3, 0.5, "warn"), (BETWEEN, 0.1, 0.5, "warn"),
    (BETWEEN, 0.0, 0.1, "fail"), (BETWEEN, 0.5, 0.6, "fail"), (BETWEEN, 0.1, 0.2, "warn"), (BETWEEN, 0.4, 0.5, "warn"),
])
def test_interval_clear_of_the_limit_passes_beyond_it_fails_and_across_it_warns(limit, low, high, expected):
    assert only(value(ACCURACY, (low + high) / 2, low, high), rule(ACCURACY, limit=limit)).status == expected


@given(st.floats(0, 1), st.floats(0, 1), st.sampled_from([">= 0.3", "> 0.3", "<= 0.4", "< 0.4", BETWEEN]), st.data())
def test_an_interval_that_passes_holds_only_good_values_and_one_that_fails_none(a, b, limit, data):
    low, high = sorted((a, b))
    inside = data.draw(st.floats(low, high))
    got = only(value(ACCURACY, (low + high) / 2, low, high), rule(ACCURACY, limit=limit))
    holds = only(value(ROWS, inside), rule(ROWS, limit=limit, test="exact")).status == "pass"
    assert got.status == "warn" or (got.status == "pass") == holds


def test_an_interval_rule_without_an_interval_and_a_bh_rule_without_a_p_value_are_errors_and_say_so():
    for m, r in ((value(ACCURACY, 0.9), rule(ACCURACY)), (value(PSI, 0.5, column="a"), rule(PSI))):
        got = judged([m], r)
        assert (got.findings[0].status, got.verdict.word) == ("error", "undecided")
        assert "The check gave no" in got.findings[0].sentence


@pytest.mark.parametrize(("stats_", "n", "said"), [
    ({}, 1000, "0 of 5 needed"), ({"positives": 4, "negatives": 99}, 1000, "4 of 5 needed"),
    ({"positives": 9}, 1000, "0 of 5 needed"), ({"positives": 9, "negatives": 9}, 29, "29 of 30 needed"),
    ({"positives": 9, "negatives": 9}, None, "0 of 30 needed"),
    ({"positives": "many", "negatives": 9}, 1000, "0 of 5 needed"),
])
@pytest.mark.parametrize("breach", ["warn", "fail", "severe"])
def test_less_data_than_the_rule_wants_is_insufficient_whatever_the_value(stats_, n, said, breach):
    for number, low, high in ((0.1, 0.05, 0.15), (0.99, 0.98, 1.0)):
        r = rule(RATIO, min={"n": 30, "positives": 5, "negatives": 5}, breach=breach)
        got = only(value(RATIO, number, low, high, n=n, stats=stats_, group="female"), r)
        assert got.status == "insufficient" and said in got.sentence


def test_just_enough_data_is_judged():
    r = rule(RATIO, min={"n": 30, "positives": 5, "negatives": 5})
    got = only(value(RATIO, 0.1, 0.05, 0.15, n=30, stats={"positives": 5, "negatives": 5}, group="female"), r)
    assert got.status == "fail"


# ------------------------------------------------------------------------------------------------ Benjamini and Hochberg


def columns(ps, number=0.5):
    return [value(PSI, number, column=f"c{i}", p_value=p) for i, p in enumerate(ps)]


@given(st.lists(st.floats(0, 1) | st.sampled_from([0.0, 0.01, 0.05, 1.0]), min_size=1, max_size=30), st.floats(0.001, 0.5))
def test_bh_adjusts_as_scipy_does(ps, alpha):
    expected = stats.false_discovery_control(ps)
    got = {f.over["column"]: f for f in judged(columns(ps), rule(PSI, alpha=alpha)).findings}
    for i, adjusted in enumerate(expected):
        assert got[f"c{i}"].details["adjusted_p"] == pytest.approx(adjusted, rel=1e-12, abs=1e-15)
        if not math.isclose(adjusted, alpha, rel_tol=1e-9):
            assert got[f"c{i}"].status == ("fail" if adjusted <= alpha else "insufficient")


@pytest.mark.parametrize(("number", "p", "status"), [
    (0.5, 0.001, "fail"), (0.05, 0.001, "pass"), (0.5, 0.9, "insufficient"), (0.05, 0.9, "pass"), (0.1, 0.001, "fail"),
])
def test_bh_needs_both_a_rejection_and_an_effect_beyond_the_limit(number, p, status):
    assert only(value(PSI, number, column="a", p_value=p), rule(PSI)).status == status


def test_equal_p_values_share_one_decision():
    assert {f.status for f in judged(columns([0.03] * 7), rule(PSI)).findings} == {"fail"}
    assert {f.status for f in judged(columns([0.06] * 7), rule(PSI)).findings} == {"insufficient"}


def test_many_looks_cost_what_they_should():
    assert only(columns([0.04])[0], rule(PSI)).status == "fail"
    assert judged(columns([0.04, *[0.9] * 9]), rule(PSI)).verdict.word == "watch"  # beyond the limit, but not told from chance
    assert judged(columns([0.04, *[0.9] * 9], 0.05), rule(PSI)).verdict.word == "clear"


def test_bh_over_no_measurement_at_all_is_an_error():
    assert judged([], rule(PSI)).findings[0].status == "error"


def test_parts_that_cannot_be_judged_do_not_change_what_bh_says_of_the_others():
    """A tiny part with a tiny p-value would make room for the others; a broken one would crowd them out."""
    others = [
        *(value(PSI, 0.5, column=f"small{i}", p_value=1e-9, n=3) for i in range(20)),
        *(value(PSI, -5.0, column=f"wrong{i}", p_value=1e-9) for i in range(20)),
        error(PSI, over={"column": "broken"}), thin(PSI, over={"column": "empty"}),
    ]
    r = rule(PSI, min={"n": 30})
    alone = {f.over["column"]: f.status for f in judged(columns([0.04, 0.06, 0.5]), r).findings}
    got = {f.over["column"]: f.status for f in judged([*columns([0.04, 0.06, 0.5]), *others], r).findings}
    assert {c: got[c] for c in alone} == alone == dict.fromkeys(["c0", "c1", "c2"], "insufficient")
    assert (got["small0"], got["wrong0"], got["broken"], got["empty"]) == ("insufficient", "error", "error", "insufficient")


# ------------------------------------------------------------------------------------------------ the sequential test


def losses(bad, days=7, first=1, n=80):
    listed = [[f"2026-04-{first + i:02}", [[0.0, n - bad], [1.0, bad]]] for i in range(days)]
    return value(LOSS, bad / n, stats={"days": listed})


def test_sequential_breaches_once_the_evidence_is_enough_and_counts_no_day_twice():
    first = judged([losses(40)], rule(LOSS))
    assert first.findings[0].status == "fail" and first.findings[0].details["rows"] == 560
    again = judged([losses(40)], rule(LOSS), history=first.state, day=DAY + timedelta(days=1))
    assert again.findings[0].details == first.findings[0].details


def test_sequential_keeps_its_evidence_over_nights_without_a_measurement():
    state = judged([losses(40, days=1)], rule(LOSS)).state
    for i in range(1, 4):
        state = judged([error(LOSS)], rule(LOSS), history=state, day=DAY + timedelta(days=i)).state
    later = judged([losses(40, days=1, first=9)], rule(LOSS), history=state, day=DAY + timedelta(days=5))
    assert later.findings[0].details["rows"] == 160


def test_sequential_passes_within_the_limit_and_under_another_limit_starts_again_with_rows_not_judged_before():
    first = judged([losses(10)], rule(LOSS))
    assert first.findings[0].status == "pass"
    other = judged([losses(10)], rule(LOSS, limit="<= 0.30"), history=first.state)
    assert (other.findings[0].status, other.findings[0].details["rows"]) == ("insufficient", 0)
    later = judged([losses(10, days=8)], rule(LOSS, limit="<= 0.30"), history=other.state, day=DAY + timedelta(days=1))
    assert (later.findings[0].status, later.findings[0].details["rows"]) == ("pass", 80)
    assert later.findings[0].details["needed"] == pytest.approx(first.findings[0].details["needed"]), "the second of a year"


@pytest.mark.parametrize("stats_", [
    {}, {"days": [["2026-04-08", [[1.5, 3]]]]}, {"days": [["2026-04-08"]]}, {"days": [3]}, {"days": None},
])
def test_sequential_without_usable_losses_is_an_error_and_forgets_nothing(stats_):
    state = judged([losses(40, days=2)], rule(LOSS)).state
    got = judged([value(LOSS, 0.5, stats=stats_)], rule(LOSS), history=state, day=DAY + timedelta(days=1))
    assert got.findings[0].status == "error" and got.state["sequential"]["series"] == state["sequential"]["series"]


def test_sequential_before_any_label_is_insufficient():
    assert only(value(LOSS, 0.0, stats={"days": []}), rule(LOSS)).status == "insufficient"


# ------------------------------------------------------------------------------------------------ against a baseline


def test_without_a_baseline_a_comparison_is_insufficient_and_never_passes():
    r = rule(ACCURACY, against="reference", limit=">= -0.05")
    got = only(value(ACCURACY, 0.9, 0.88, 0.92), r)
    assert got.status == "insufficient" and "no number of the reference" in got.sentence
    for bad in ([], [error(ACCURACY)], [value(ROWS, 3)]):
        assert only(value(ACCURACY, 0.9, 0.88, 0.92), r, baselines={"reference": bad}).status == "insufficient"
    other = {"champion": [value(ACCURACY, 0.9, 0.88, 0.92)]}
    assert only(value(ACCURACY, 0.9, 0.88, 0.92), r, baselines=other).status == "insufficient"


@pytest.mark.parametrize(("low", "high", "expected"), [(0.88, 0.92, "pass"), (0.70, 0.74, "fail"), (0.80, 0.86, "warn")])
def test_a_comparison_takes_the_widest_interval_that_the_two_allow(low, high, expected):
    base = value(ACCURACY, 0.9, 0.89, 0.91)
    r = rule(ACCURACY, against="reference", limit=">= -0.05")
    got = only(value(ACCURACY, (low + high) / 2, low, high), r, baselines={"reference": [base]})
    assert got.status == expected
    assert (got.value, got.low, got.high) == pytest.approx(((low + high) / 2 - 0.9, low - 0.91, high - 0.89))


def test_a_comparison_is_of_the_same_part():
    r = rule(RATIO, against="reference", limit=">= -0.1")
    base = [value(RATIO, 0.2, 0.19, 0.21, group="male")]
    assert only(value(RATIO, 0.9, 0.88, 0.92, group="female"), r, baselines={"reference": base}).status == "insufficient"


def test_the_rows_that_would_decide_a_difference_of_ratios_are_counted_on_its_own_scale():
    base, now = value(RATIO, 0.9, 0.9, 0.9, group="f"), value(RATIO, 0.85, 0.70, 1.0, group="f", n=100, stats={"scale": "log"})
    got = only(now, rule(RATIO, against="reference", limit=">= -0.10"), baselines={"reference": [base]})
    assert got.details["rows_that_would_decide"] == 900  # half-width 0.15, gap 0.05: (0.15 / 0.05)^2 * 100


# ------------------------------------------------------------------------------------------------ waivers

WAIVER = {"id": "w1", "rule": "performance.accuracy", "over": None, "expires": "2026-05-01", "by": "gustav"}


@pytest.mark.parametrize("breach", ["warn", "fail", "severe"])
def test_a_waiver_lifts_a_breach_and_is_named(breach):
    got = judged([value(ACCURACY, 0.5, 0.4, 0.6)], rule(ACCURACY, breach=breach), waivers=[WAIVER])
    assert (got.findings[0].status, got.findings[0].details["before"], got.verdict.word) == ("waived", breach, "clear")
    assert "Waived by gustav until 2026-05-01 (w1)." in got.findings[0].sentence


@pytest.mark.parametrize("m", [error(ACCURACY), thin(ACCURACY), value(ACCURACY, 0.5), value(ACCURACY, 7.0, 6.0, 8.0)])
def test_what_could_not_be_decided_cannot_be_waived(m):
    plain, waived = judged([m], rule(ACCURACY)), judged([m], rule(ACCURACY), waivers=[WAIVER])
    assert waived.findings == plain.findings and waived.verdict == plain.verdict


def test_a_rule_without_any_measurement_cannot_be_waived():
    assert judged([], rule(ACCURACY), waivers=[WAIVER]).verdict.word == "undecided"


def test_a_waiver_of_one_part_lifts_no_other_part_and_no_other_rule():
    bad = [value(RATIO, 0.5, 0.4, 0.6, group=g) for g in ("female", "other")]
    one = {**WAIVER, "rule": "fairness.selection-rate-ratio", "over": {"group": {"sex": "female"}}}
    got = {f.over["group"]["sex"]: f.status for f in judged(bad, rule(RATIO), waivers=[one]).findings}
    assert got == {"female": "waived", "other": "fail"}
    assert {f.status for f in judged(bad, rule(RATIO), waivers=[WAIVER]).findings} == {"fail"}
    assert {f.status for f in judged(bad, rule(RATIO), waivers=[{**one, "over": None}]).findings} == {"waived"}


def test_a_pass_needs_no_waiver_and_is_not_called_waived():
    assert judged([value(ACCURACY, 0.9, 0.85, 0.95)], rule(ACCURACY), waivers=[WAIVER]).findings[0].status == "pass"


def test_a_waived_night_is_still_remembered_as_a_breach():
    r, bad = rule(ACCURACY, persist={"nights": 2, "of": 2}), value(ACCURACY, 0.5, 0.4, 0.6)
    first = judged([bad], r, waivers=[WAIVER])
    second = judged([bad], r, history=first.state, day=DAY + timedelta(days=1))
    assert (first.findings[0].status, second.findings[0].status) == ("waived", "fail")


# ------------------------------------------------------------------------------------------------ persistence


def run_nights(nights, r, first=DAY):
    """Judge night after night, each from the state of the one before; None is a night that did not run."""
    state, seen = {}, []
    for i, m in enumerate(nights):
        if m is None:
            continue
        got = judged([m], r, history=state, day=first + timedelta(days=i))
        state = json.loads(canonical_json(got.state))
        seen.append(got.findings[0].status)
    return seen, state


BAD, GOOD, ACROSS = value(ACCURACY, 0.5, 0.4, 0.6), value(ACCURACY, 0.9, 0.85, 0.95), value(ACCURACY, 0.8, 0.7, 0.9)


@given(
    st.lists(st.sampled_from(["bad", "good", "across", "thin", "error", "missing"]), max_size=40),
    st.integers(1, 6), st.integers(0, 4), st.sampled_from(["warn", "fail", "severe"]),
)
def test_a_breach_counts_when_it_stood_on_k_of_the_last_n_decided_nights(kinds, k, more, breach):
    made = {"bad": BAD, "good": GOOD, "across": ACROSS, "thin": thin(ACCURACY), "error": error(ACCURACY), "missing": None}
    seen, _ = run_nights([made[k] for k in kinds], rule(ACCURACY, breach=breach, persist={"nights": k, "of": k + more}))
    expected, decided = [], []
    for kind in kinds:
        if kind in ("good", "bad", "across"):
            decided.append(kind == "bad")
        if kind == "bad":
            stands = sum(decided[-(k + more):]) >= k
            expected.append(breach if stands else {"warn": "pass"}.get(breach, "warn"))
        elif kind != "missing":
            expected.append({"good": "pass", "across": "warn", "thin": "insufficient", "error": "error"}[kind])
    assert seen == expected


def test_an_interval_across_the_limit_warns_at_once_even_where_a_breach_would_only_warn():
    assert only(ACROSS, rule(ACCURACY, breach="warn", persist={"nights": 3, "of": 3})).status == "warn"


def test_running_a_night_again_does_not_count_it_twice():
    r = rule(ACCURACY, persist={"nights": 2, "of": 3})
    first = judged([BAD], r)
    for _ in range(3):
        again = judged([BAD], r, history=first.state)
        assert again.findings[0].status == "warn" and again.state["persist"] == first.state["persist"]


def test_what_a_later_night_recorded_is_not_held_against_an_earlier_one():
    r = rule(ACCURACY, persist={"nights": 2, "of": 3})
    _, later = run_nights([BAD, BAD, BAD], r)
    earlier = judged([BAD], r, history=later, day=DAY - timedelta(days=1))
    assert earlier.findings[0].status == "warn"
    assert [day for points in earlier.state["points"].values() for day, *_ in points] == ["2026-04-08"]


def test_a_lowered_breach_says_so_and_keeps_what_it_was():
    got = only(BAD, rule(ACCURACY, breach="severe", persist={"nights": 2, "of": 3}))
    assert (got.status, got.details["before"]) == ("warn", "severe")
    assert "Seen on 1 of the last 3 nights; it counts from 2 on." in got.sentence


def test_each_part_has_a_memory_of_its_own():
    r = rule(RATIO, persist={"nights": 2, "of": 2})
    first = judged([value(RATIO, 0.5, 0.4, 0.6, group="a"), value(RATIO, 0.9, 0.85, 0.95, group="b")], r)
    both = [value(RATIO, 0.5, 0.4, 0.6, group=g) for g in ("a", "b")]
    second = judged(both, r, history=first.state, day=DAY + timedelta(days=1))
    assert {f.over["group"]["sex"]: f.status for f in second.findings} == {"a": "fail", "b": "warn"}


def test_a_part_measured_twice_in_one_night_is_one_night_and_the_worse_counts():
    good, bad = (value(RATIO, v, v - 0.05, v + 0.05, group="a") for v in (0.95, 0.5))
    r = rule(RATIO, persist={"nights": 2, "of": 2})
    states = {canonical_json(judged(order, r).state["persist"]) for order in ([good, bad], [bad, good])}
    assert len(states) == 1 and states.pop().endswith(b'[["2026-04-09",true]]}')


# ------------------------------------------------------------------------------------------------ the state carried forward


def test_the_state_is_bounded_in_nights_and_in_series():
    many = [value(PSI, 0.5, column=f"c{i:04}", p_value=0.001) for i in range(REMEMBERED_SERIES + 50)]
    many.append(value(ACCURACY, 0.5, 0.4, 0.6))
    rules = (rule(PSI, persist={"nights": 2, "of": 3}), rule(ACCURACY, persist={"nights": 2, "of": 3}))
    state = {}
    for i in range(3):
        state = judged(many, *rules, history=state, day=DAY + timedelta(days=i)).state
    assert len(state["points"]) == REMEMBERED_SERIES
    assert any(key.startswith(ACCURACY) for key in state["points"]), "the model as a whole is remembered before its columns"
    _, state = run_nights([BAD] * 70, rules[1])
    assert {len(points) for points in (*state["points"].values(), *state["persist"].values())} == {REMEMBERED_NIGHTS}
    assert next(iter(state["points"].values()))[-1] == ["2026-06-17", 0.5, 0.4, 0.6]
    assert (state["schema_version"], state["day"]) == (1, "2026-06-17")


def test_nights_before_the_first_breach_and_series_that_never_breached_are_not_carried():
    _, state = run_nights([GOOD] * 5, rule(ACCURACY, persist={"nights": 2, "of": 3}))
    assert state["persist"] == {}
    _, state = run_nights([GOOD, GOOD, BAD, GOOD], rule(ACCURACY, persist={"nights": 2, "of": 3}))
    assert list(state["persist"].values()) == [[["2026-04-11", True], ["2026-04-12", False]]]


def test_a_series_nobody_measured_for_a_year_is_forgotten_and_a_year_of_undecided_nights_is_not():
    r = rule(PSI, persist={"nights": 2, "of": 2}, required=False)
    state = judged([value(PSI, 0.5, column="gone", p_value=0.0)], r).state
    kept = judged([], r, history=state, day=DAY + timedelta(days=FORGOTTEN_AFTER_DAYS)).state
    assert list(kept["persist"]) == list(state["persist"])
    assert judged([], r, history=kept, day=DAY + timedelta(days=FORGOTTEN_AFTER_DAYS + 1)).state["persist"] == {}


def test_the_first_days_of_the_calendar_do_not_break_the_memory():
    assert judged([BAD], rule(ACCURACY, persist={"nights": 1, "of": 1}), day=date(1, 1, 1)).findings[0].status == "fail"


# ------------------------------------------------------------------------------------------------ pure and deterministic

SHARE = st.floats(0, 1)
PART = st.sampled_from(["a", "b", "it's", 'we"ird', "日本"])


@st.composite
def measurements(draw):
    made = []
    for metric in draw(st.lists(st.sampled_from([ACCURACY, PSI, ROWS, RATIO, BLANKS]), max_size=10)):
        over = {PSI: "column", BLANKS: "column", RATIO: "group"}.get(metric)
        where = {over: draw(PART)} if over else {}
        kind = draw(st.sampled_from(["measured"] * 5 + ["error", "insufficient", "not_applicable"]))
        if kind != "measured":
            whole = draw(st.booleans())
            part = {} if whole else {k: {"sex": v} if k == "group" else v for k, v in where.items()}
            made.append(not_measured(metric, kind, "No.", over=part))
            continue
        low, number, high = sorted(draw(st.tuples(SHARE, SHARE, SHARE)))
        rest = {"p_value": draw(st.none() | SHARE), "n": draw(st.none() | st.integers(0, 10**6))}
        made.append(value(metric, number, *draw(st.sampled_from([(low, high), (None, None)])), **where, **rest))
    return made


FEWER = settings(max_examples=30)  # whole judgements, several of them an example
RULES = (
    rule(ACCURACY, breach="severe", persist={"nights": 1, "of": 2}), rule(PSI, persist={"nights": 2, "of": 3}),
    rule(ROWS, required=False), rule(RATIO, min={"n": 30}, must_decide=True), rule(BLANKS, breach="warn"),
)


def content(judgement):
    """Everything that a judgement says, as bytes."""
    return canonical_json([[f.as_dict() for f in judgement.findings], judgement.verdict.as_dict(), judgement.state])


@WHENS
@FEWER
@given(made=measurements(), seed=st.integers(0, 999), data=st.data())
def test_order_and_repetition_of_measurements_change_nothing(when, made, seed, data):
    before = judged(data.draw(measurements()), *RULES, day=DAY - timedelta(days=1)).state
    repeated = made + data.draw(st.lists(st.sampled_from(made), max_size=4)) if made else made
    shuffled = random.Random(seed).sample(repeated, len(repeated))
    where = {"when": when, "history": before}
    assert content(judged(shuffled, *RULES, **where)) == content(judged(made, *RULES, **where))


@WHENS
@FEWER
@given(made=measurements(), data=st.data())
def test_what_was_recorded_leads_to_the_same_judgement(when, made, data):
    """Policy, context and measurements go through JSON, as evidence keeps them."""
    before = judged(data.draw(measurements()), *RULES, day=DAY - timedelta(days=1)).state
    others = {"waivers": [{**WAIVER, "over": {}}], "baselines": {"reference": made}, "glossary": {"a": "Age"}}
    where = context(when=when, history=before, **others)
    kept = json.loads(canonical_json([where.as_dict(), policy(*RULES).model_dump(mode="json"), [m.as_dict() for m in made]]))
    again = judge([Measurement.from_dict(m) for m in kept[2]], Policy.model_validate(kept[1]), Context.from_dict(kept[0]))
    assert content(again) == content(judge(made, policy(*RULES), where))
    assert Context.from_dict(kept[0]).as_dict() == where.as_dict()


@WHENS
@FEWER
@given(made=measurements(), data=st.data())
def test_judging_changes_none_of_its_inputs(when, made, data):
    before = judged(data.draw(measurements()), *RULES, day=DAY - timedelta(days=1)).state
    where = context(when=when, history=before)
    kept = canonical_json([where.as_dict(), [m.as_dict() for m in made]])
    judge(made, policy(*RULES), where)
    assert canonical_json([where.as_dict(), [m.as_dict() for m in made]]) == kept


@WHENS
@FEWER
@given(made=measurements(), metric=st.sampled_from([ACCURACY, PSI, RATIO, BLANKS]))
def test_a_check_that_breaks_on_top_never_makes_a_verdict_better(when, made, metric):
    rank = RANK[when].index
    before, after = judged(made, *RULES, when=when).verdict, judged([*made, error(metric)], *RULES, when=when).verdict
    assert rank(after.word) >= rank(before.word)


@WHENS
@FEWER
@given(made=measurements(), metric=st.sampled_from([ACCURACY, PSI, RATIO, BLANKS]))
def test_without_a_required_family_nothing_is_decided(when, made, metric):
    """Only a stop, which rests on what was measured, outweighs that something was not."""
    got = judged([m for m in made if m.metric != metric], *RULES, when=when).verdict
    assert got.word in ("undecided", "stop") and got.exit_code in (2, 3)


@FEWER
@given(made=measurements())
def test_every_rule_has_a_finding_and_the_worst_stands_first(made):
    got = judged(made, *RULES).findings
    assert {f.rule for f in got} == {r["id"] for r in RULES}
    ranks = [ORDER.index(f.status) for f in got]
    assert ranks == sorted(ranks, reverse=True)
    assert all(Finding.from_dict(json.loads(canonical_json(f.as_dict()))) == f for f in got)
