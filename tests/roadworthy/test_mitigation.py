"""The mitigation plan: what is recommended, on hand-made measurements."""

from __future__ import annotations

import json

import pytest

from roadworthy import mitigation
from roadworthy.finding import Finding
from roadworthy.measurement import Measurement, not_measured
from roadworthy.mitigation import Plan
from roadworthy.policy import Policy

RULES = [
    {"id": "four-fifths", "metric": "fairness.selection_rate_ratio", "over": {"group": "any"}, "limit": ">= 0.80",
     "test": "interval", "min": {"n": 30}, "breach": "fail", "because": "Every group gets its share."},
    {"id": "missed", "metric": "fairness.true_positive_rate_difference", "over": {"group": "any"},
     "limit": "between -0.20 and 0.20", "test": "interval", "breach": "warn", "because": "Whoever deserves it gets it."},
    {"id": "errors", "metric": "performance.error_rate", "limit": "<= 0.30", "test": "interval", "breach": "fail",
     "because": "It must be right most of the time."},
    {"id": "mitigation-planned", "metric": "mitigation.options_measured", "limit": ">= 1", "test": "exact", "when": "gate",
     "breach": "warn", "required": False, "because": "Somebody must know what else could be done."},
]
POLICY = Policy.model_validate({"schema_version": 1, "policy": "high", "title": "T", "rules": RULES})
YOUNG, WOMEN = {"group": {"age": "young"}}, {"group": {"sex": "female"}}


def finding(status="fail", metric="fairness.selection_rate_ratio", over=YOUNG, rule="four-fifths", **rest):
    return Finding(rule, metric, over, status, "Said.", "Because.", ">= 0.80", **rest)


def option(name, ratio=(0.95, 0.85, 1.05), change=0.01, cost=-0.01, *, women=(1.0, 0.9, 1.1), accuracy=0.75, n=100, **facts):
    """Return what is measured of an option."""

    def m(short, numbers, over=None, n=n, **rest):
        details = {"needs_attribute": False, "retrained": True, "randomised": False, **facts, "reference_group": "old"}
        value, low, high = numbers
        return Measurement(f"mitigation.{short}", {"option": name, **(over or {})}, value, low, high, 0.95, n=n,
                           stats={"scale": "log" if "ratio" in short else "linear", **rest}, details=details)

    found = [m("accuracy", (accuracy, accuracy - 0.03, accuracy + 0.03), n=400), m("selection_rate_ratio", ratio, YOUNG),
             m("selection_rate_ratio", women, WOMEN), m("gained", (0.2, 0.1, 0.3), YOUNG, positives=20),
             m("lost", (0.0, 0.0, 0.1), YOUNG, positives=0)]
    if name != "as_is":
        found += [m("accuracy_change", (cost, cost - 0.02, cost + 0.02), n=400),
                  m("selection_rate_change", (change, change - 0.02, change + 0.02), n=400)]
    return found


AS_IS = option("as_is", (0.70, 0.60, 0.79))


def planned(*options, findings=None, count=None):
    findings = [finding()] if findings is None else findings
    counted = count or Measurement("mitigation.options_measured", value=float(len(options)), n=400)
    measurements = [counted, *AS_IS, *(m for one in options for m in one)]
    return mitigation.plan(measurements, findings, POLICY, "high", "binary")






def test_the_option_that_clears_with_its_whole_interval_is_recommended_with_its_reasons_and_its_cost():
    plan = planned(option("reweighing"), option("retrained", (0.70, 0.60, 0.79), 0.0, 0.0))
    assert (plan.recommended, plan.nearest) == ("reweighing", "")
    assert plan.says == (
        "Recommended: Trained on reweighed rows. Its whole interval clears four-fifths (at least 0.80) for age: young, it "
        "changes the share of favourable decisions by +1.0 points (95 % interval -1.0 to 3.0, n = 400), no more than 5.0 points, "
        "and it breaks no other fairness rule of the policy. It costs: accuracy changes by -1.0 points (95 % interval -3.0 to "
        "1.0, n = 400). It does not need the attribute at the moment of the decision."
    )
    told = plan.option("reweighing")
    assert [h.word for h in told.held] == ["clears"] and [h.word for h in plan.about] == ["breaks"]
    assert "0.95" in mitigation.says(told) and "n = 100" in mitigation.says(told)
    assert "Of 100 with age: young, 20 more would get the favourable decision and 0 would lose it." in mitigation.says(told)


@pytest.mark.parametrize(("changed", "against"), [
    ({"ratio": (0.85, 0.75, 0.95)}, "For age: young, its interval crosses the limit at least 0.80 (rule four-fifths)."),
    ({"change": 0.06}, "It gains its ratio by approving more people: +6.0 points (95 % interval 4.0 to 8.0, n = 400), more than "
                       "5.0 points."),
    ({"change": -0.06}, "It gains its ratio by refusing more people: -6.0 points (95 % interval -8.0 to -4.0, n = 400), more "
                        "than 5.0 points."),
    ({"women": (0.6, 0.5, 0.7)}, "It newly breaks the rule four-fifths (at least 0.80) for sex: female."),
    ({"accuracy": 0.6}, "It newly breaks the rule errors (at most 30.0 %)."),
])
def test_what_speaks_against_an_option_is_said_and_it_is_not_recommended(changed, against):
    plan = planned(option("reweighing", **changed))
    assert plan.recommended == "" and plan.nearest == "reweighing" and against in plan.option("reweighing").against
    assert plan.says.startswith("No option does what is asked. The nearest is: Trained on reweighed rows.")
    assert against in plan.says


def test_among_those_that_do_the_one_without_the_attribute_then_without_chance_then_the_cheapest_comes_first():
    by_group = option("threshold_demographic_parity", cost=0.02, needs_attribute=True, randomised=True)
    mixture = option("exponentiated_gradient", cost=0.01, randomised=True)
    dear, cheap = option("reweighing", cost=-0.02), option("grid_search")
    assert planned(by_group).recommended == "threshold_demographic_parity"
    assert planned(by_group, mixture).recommended == "exponentiated_gradient"
    assert planned(by_group, mixture, dear).recommended == "reweighing"
    plan = planned(by_group, mixture, dear, cheap)
    assert [o.name for o in plan.options] == [
        "as_is", "grid_search", "reweighing", "exponentiated_gradient", "threshold_demographic_parity",
    ]


def test_what_only_warns_may_stay_undecided_and_what_fails_may_not():
    tpr = "true_positive_rate_difference"

    def with_tpr(found, name, numbers):
        details = {"reference_group": "old"}
        return [*found, Measurement(f"mitigation.{tpr}", {"option": name, **YOUNG}, *numbers, 0.95, n=100, details=details)]

    crossing, beyond = (-0.1, -0.25, 0.05), (-0.4, -0.5, -0.3)
    also = finding("warn", f"fairness.{tpr}", rule="missed")
    for now, held, wanted in ((crossing, crossing, "reweighing"), (beyond, crossing, ""), (crossing, beyond, "")):
        measurements = [Measurement("mitigation.options_measured", value=1.0, n=400), *with_tpr(AS_IS, "as_is", now),
                        *with_tpr(option("reweighing"), "reweighing", held)]
        plan = mitigation.plan(measurements, [finding(), also], POLICY, "high", "binary")
        assert plan.recommended == wanted, (now, held)
        if wanted:
            assert "Still undecided: For age: young, its interval crosses the limit between" in plan.says


def test_a_pass_that_becomes_uncertain_is_told_and_a_group_too_small_for_the_rule_decides_nothing():
    plan = planned(option("reweighing", women=(0.85, 0.75, 0.95)))
    assert plan.recommended == "reweighing" and "Less certain than now: four-fifths for sex: female." in plan.says
    few = planned(option("reweighing", n=20))
    assert few.recommended == "" and few.option("reweighing").held[0].word == "too few"


def test_what_was_not_run_is_listed_last_with_its_reason():
    why = not_measured("mitigation.accuracy", "insufficient", "Not run: out of time.", over={"option": "grid_search"},
                       details={"retrained": True, "needs_attribute": False, "randomised": False})
    plan = planned([why], option("reweighing"))
    assert [(o.name, o.why_not) for o in plan.options] == [
        ("as_is", ""), ("reweighing", ""), ("grid_search", "Not run: out of time."),
    ]


def test_without_a_trigger_there_is_no_plan_and_without_options_it_says_so():
    assert planned(option("reweighing"), findings=[finding("pass")]) is None
    assert planned(option("reweighing"), findings=[finding("warn", "fairness.uncovered_share", {"attribute": "age"})]) is None
    none = not_measured("mitigation.options_measured", "not_applicable", "No rule warns.")
    assert planned(count=none) is None
    broken = not_measured("mitigation.options_measured", "error", "The check could not finish (OSError).")
    plan = planned(count=broken)
    assert plan.says == "No option could be tried, so there is no plan. The check could not finish (OSError)."
    assert (plan.options, plan.recommended, plan.nearest) == ((), "", "")


@pytest.mark.parametrize(("found", "wanted"), [
    (finding("waived", details={"before": "fail"}), True), (finding("insufficient"), False), (finding("error"), False),
    (finding("warn", "fairness.intersection_selection_rate_ratio", {"group": {"age": "young", "sex": "female"}}), True),
    (finding("fail", "fairness.calibration_gap"), False), (finding("fail", "performance.accuracy", {}), False),
])
def test_which_findings_call_for_a_plan(found, wanted):
    assert bool(mitigation.triggers([found])) == wanted


def test_what_is_asked_of_training_follows_what_is_at_stake():
    odds = finding(metric="fairness.true_positive_rate_difference")
    assert mitigation.constraint_of([odds]) == "equalized_odds"
    assert mitigation.constraint_of([odds, finding()]) == "demographic_parity"
    both, alone = finding(over={"group": {"age": "a", "sex": "b"}}), finding(over={"attribute": "sex"})
    assert mitigation.parts_of([odds, finding(), both, alone]) == [("age",), ("age", "sex"), ("sex",)]


def test_small_counts_are_told_only_where_they_may_be():
    told = planned(option("reweighing")).option("reweighing")
    hidden = mitigation.says(told, lambda held: True, lambda moved: ("fewer than 30", "0"))
    assert "age: young: too few people to show a number." in hidden and "0.95" not in hidden
    assert "fewer than 30 more would get the favourable decision and 0 would lose it" in hidden
    assert "would lose it" not in mitigation.says(told, moves=lambda moved: None)


def test_a_plan_survives_being_written_down():
    plan = planned(option("reweighing", women=(0.85, 0.75, 0.95)), option("grid_search", women=(0.6, 0.5, 0.7)))
    assert Plan.from_dict(json.loads(json.dumps(plan.as_dict()))) == plan


def test_who_follows_it_is_told_what_the_law_and_chance_may_say():
    by_group = option("threshold_demographic_parity", needs_attribute=True, randomised=True)
    notes = " ".join(planned(by_group, option("reweighing")).notes)
    assert "may itself be unlawful; the Guardian decides" in notes and "It needs its own passport, gate and signatures." in notes
    assert "looks a little better here than it is" in notes
    assert "unlawful" not in " ".join(planned(option("reweighing")).notes)
