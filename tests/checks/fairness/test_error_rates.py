"""The rules about groups as the policy has them: a fair model does not fail, an unfair one does, and verdicts hold still.

A small version of benchmarks/fairness_error_rates.py, whose whole tables stand in docs/fairness.md.
"""

from __future__ import annotations

from itertools import product

import pytest

from benchmarks.fairness_error_rates import (
    AT_THE_LIMIT,
    BOTH_RATES,
    FAIR,
    ONE_RATE,
    SELECTION,
    coverage,
    failing,
    fairness_of,
    findings,
    flips,
    found_of,
    only,
    without_minimum,
    years,
)

POLICY = fairness_of()
LIMIT = "between -0.1 and 0.1"
ODDS = ("true_positive_rate_difference", "false_positive_rate_difference")


@pytest.mark.parametrize(("size", "groups"), product((20, 100, 500), (1, 4)))
def test_a_fair_model_fails_in_at_most_5_of_100_draws_over_all_groups_and_rules_together(size, groups):
    assert failing(without_minimum(POLICY), *FAIR, size, groups, 60)[1] <= 0.05


def test_with_every_gap_at_its_limit_only_a_correction_over_groups_and_rules_keeps_false_alarms_rare():
    alone, corrected = failing(without_minimum(POLICY), *AT_THE_LIMIT, 100, 4, 150)
    assert alone > 0.05 and corrected <= 0.05


def test_gaps_of_a_fifth_are_found_among_all_the_rules_that_judge_them():
    found = found_of(SELECTION, only(("selection_rate_difference", *ODDS), LIMIT), 0, 150, ["selection-rate-difference"])
    assert found >= 0.9
    odds = [rule.replace("_", "-") for rule in ODDS]
    assert found_of(ONE_RATE, only(ODDS, LIMIT), 0, 150, odds) >= 0.55
    assert found_of(BOTH_RATES, only(ODDS, LIMIT), 3, 150, odds) >= 0.55


def test_leaving_a_fifth_of_the_rows_out_never_turns_a_pass_into_a_fail():
    turned, looked = flips(POLICY, 20)
    assert turned == 0 and looked == 120


def test_a_group_that_gets_no_yes_fails_and_one_that_gets_as_many_passes():
    there = (400, 100, 200, 300)
    found = findings({"reference": there, "none": (0, 50, 0, 50), "same": there}, POLICY)
    of = {(f.rule, f.over["group"]["g"]): f.status for f in found if "group" in f.over}
    assert of["four-fifths", "none"] == of["gap-among-deserving", "none"] == of["gap-among-undeserving", "none"] == "fail"
    assert of["four-fifths", "same"] == of["gap-among-deserving", "same"] == "pass"


def test_a_year_of_nights_at_the_limit_seldom_fails_at_all():
    alone, corrected = years(12, groups=2)
    assert alone >= 0.5 and corrected <= 1 / 12


@pytest.mark.long
def test_95_percent_intervals_hold_the_truth_about_as_often_as_they_promise():
    for name, (mean, least) in coverage(2000).items():
        assert 0.94 <= mean <= 0.97 and least >= 0.92, name
