"""The rules about groups as the policy has them: a fair model does not fail, an unfair one does, and verdicts hold still."""

from __future__ import annotations

from itertools import product

import pytest

from benchmarks.fairness_error_rates import AT_THE_LIMIT, FAIR, ROOT, coverage, failing, flips, interval, power, rules
from checks.fairness.rates import COMPARED, compared
from tests.checks.fairness.support import tally_of

JUDGED = rules(ROOT / "data/policies/high.yaml")


@pytest.mark.parametrize(("size", "groups"), product((20, 100, 500), (1, 4)))
def test_a_fair_model_fails_in_at_most_5_of_100_draws_over_all_groups_and_rules_together(size, groups):
    assert failing(JUDGED, *FAIR, size, groups, 100) <= 0.05


def test_with_every_gap_at_its_limit_only_a_correction_over_groups_and_rules_keeps_false_alarms_rare():
    assert failing(JUDGED, *AT_THE_LIMIT, 100, 4, 200) > 0.05
    assert failing(JUDGED, *AT_THE_LIMIT, 100, 4, 200, corrected=True) <= 0.05


def test_gaps_of_a_fifth_are_found():
    selection, true_positives, odds, both = (alone for _, alone, _ in power(200))
    assert selection >= 0.9 and min(true_positives, odds) >= 0.55 and both >= 0.9


def test_leaving_a_fifth_of_the_rows_out_never_turns_a_pass_into_a_fail():
    turned, looked = flips(JUDGED, 100)
    assert turned == 0 and looked == 600


def test_the_simulation_judges_by_the_intervals_of_the_check():
    here, there = (30, 20, 10, 40), (300, 100, 150, 450)
    cells = ((1, 1), (1, 0), (0, 1), (0, 0))
    tally = tally_of({"a": dict(zip(cells, there, strict=True)), "b": dict(zip(cells, here, strict=True))})
    unlabelled = tally_of({"a": {(None, 1): 450, (None, 0): 550}, "b": {(None, 1): 40, (None, 0): 60}}, by_label=False)
    for source in (tally, unlabelled):
        for comparison in COMPARED[source.by_label]:
            if comparison.short in ("false_negative_rate_difference", "predictive_parity_difference"):
                continue
            m = compared(("b",), comparison, source, tally)
            found = interval(m.metric, here, there)
            assert found is not None and (m.low, m.high) == pytest.approx((found.low, found.high), abs=1e-12)


@pytest.mark.long
def test_95_percent_intervals_hold_the_truth_about_as_often_as_they_promise():
    for name, (mean, least) in coverage(2000).items():
        assert 0.94 <= mean <= 0.97 and least >= 0.92, name
