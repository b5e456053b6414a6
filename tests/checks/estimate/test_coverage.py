"""Intervals hold what the labels say as often as they promise, where the calibration is true; and do not where it is not."""

from __future__ import annotations

import numpy as np
import pytest

from tests.checks.estimate.worlds import a_number, by_days, coverage, three_classes, two_values


def held(found):
    return float(np.mean([share for share, _, _ in found.values()]))


@pytest.mark.parametrize("case", [{"moved": 0.0}, {"moved": 0.7}, {"base": -1.5}])
def test_intervals_of_two_values_hold_the_truth(case):
    found = coverage(two_values, 250, reference=1000, batch=400, **case)
    assert len(found) == 6
    assert 0.93 <= held(found) <= 0.98
    assert all(abs(error) < 0.2 * width for _, error, width in found.values())


def test_intervals_of_classes_hold_the_truth():
    found = coverage(three_classes, 300, reference=1000, batch=400, moved=0.3)
    assert len(found) == 4
    assert 0.93 <= held(found) <= 0.98


@pytest.mark.long
def test_intervals_of_errors_hold_the_truth():
    found = coverage(a_number, 100, reference=1500, batch=300)
    assert 0.93 <= held(found) <= 0.98


@pytest.mark.long
def test_intervals_hold_the_truth_where_a_day_shares_its_luck():
    found = coverage(by_days, 150, reference=4000, batch=500)
    assert 0.93 <= held(found) <= 0.98


def test_a_changed_relation_is_outside_the_interval_and_inside_the_miss():
    def drifted(random, **kinds):
        return [(m, value, interval, truth - 0.15) for m, value, interval, truth in two_values(random, **kinds)]

    assert held(coverage(drifted, 50, reference=2000, batch=1000)) < 0.2
