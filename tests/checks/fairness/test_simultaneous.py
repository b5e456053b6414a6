"""Intervals of the widest gap hold the truth, however many groups and however small."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.intervals import newcombe
from checks.intervals.simultaneous import sidak, widest_gap

GROUP = st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def test_sidak_is_exact_for_independent_intervals():
    assert sidak(0.95, 20) ** 20 == pytest.approx(0.95)
    with pytest.raises(ValueError, match="0 comparisons"):
        sidak(0.95, 0)


def test_for_two_groups_the_upper_end_is_newcombes():
    plain = newcombe(56, 70, 48, 80)
    found = widest_gap([[(48, 80), (56, 70)]])
    assert found.high == pytest.approx(plain.high) and found.low < plain.low


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(GROUP, min_size=2, max_size=6), min_size=1, max_size=2))
def test_it_holds_the_observed_gap_and_stays_in_range_whatever_the_order(families):
    found = widest_gap(families)
    gap = max(max(x / n for x, n in groups) - min(x / n for x, n in groups) for groups in families)
    assert 0 <= found.low <= gap <= found.high <= 1 and found.se > 0
    again = widest_gap([groups[::-1] for groups in families[::-1]])
    assert (again.low, again.high) == pytest.approx((found.low, found.high), abs=1e-12)


def test_more_groups_of_the_same_kind_make_it_no_narrower():
    few, many = widest_gap([[(10, 20), (30, 40)]]), widest_gap([[(10, 20), (30, 40)] * 5])
    assert many.low <= few.low and many.high >= few.high


def coverage(sizes, shares, draws, seed):
    random, sizes = np.random.default_rng(seed), np.array(sizes)
    truth = max(shares) - min(shares)
    held = 0
    for chosen in random.binomial(sizes, shares, size=(draws, len(sizes))).tolist():
        found = widest_gap([list(zip(chosen, sizes.tolist(), strict=True))])
        held += found.low <= truth <= found.high
    return held / draws


GRID = [
    ([20, 20], [0.5, 0.5]), ([20, 500], [0.98, 0.98]), ([20, 100, 500], [0.3, 0.3, 0.3]), ([20, 100, 500], [0.5, 0.5, 0.7]),
    ([20] * 5, [0.2] * 5), ([100] * 5, [0.9, 0.9, 0.9, 0.9, 0.7]), ([20] * 20 + [500] * 2, [0.02] * 22),
]


@pytest.mark.parametrize(("sizes", "shares"), GRID)
def test_it_holds_the_truth_in_at_least_95_of_100_draws(sizes, shares):
    """Simulation: 300 draws; by chance alone 95 % would fall below 92.5 % less than once in 30 tests."""
    assert coverage(sizes, shares, 300, 20261122) >= 0.95


@pytest.mark.long
@pytest.mark.parametrize("groups", [2, 5, 10])
@pytest.mark.parametrize("size", [20, 100, 500])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.9])
def test_it_holds_the_truth_over_a_grid_of_sizes_and_numbers_of_groups(groups, size, share):
    sizes = [size] * (groups - 1) + [500]
    assert coverage(sizes, [share] * groups, 500, 5) >= 0.95
    assert coverage(sizes, [share] * (groups - 1) + [max(0.02, share - 0.2)], 500, 6) >= 0.95
