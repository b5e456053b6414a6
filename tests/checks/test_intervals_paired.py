"""The interval of a difference on the same rows: known answers, then what must always hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.intervals.paired import newcombe_paired


@pytest.mark.parametrize(("counts", "low", "high"), [
    ((1, 1, 7, 12), -0.507, -0.026),  # Fagerland, Lydersen and Laake 2014: airways before and after a transplantation
    ((14, 5, 0, 22), 0.011, 0.226),  # Altman et al. 2000, Statistics with Confidence, table 6.2
])
def test_the_published_intervals(counts, low, high):
    found = newcombe_paired(*counts)
    assert (found.low, found.high) == (pytest.approx(low, abs=6e-4), pytest.approx(high, abs=6e-4))


@given(st.tuples(*[st.integers(0, 200)] * 4).filter(any))
def test_it_holds_the_difference_and_turns_round_with_it(counts):
    both, first, second, neither = counts
    found, turned = newcombe_paired(*counts), newcombe_paired(both, second, first, neither)
    value = (first - second) / sum(counts)
    assert -1 <= found.low <= value <= found.high <= 1 and found.low < found.high
    assert (found.low, found.high) == (pytest.approx(-turned.high), pytest.approx(-turned.low))


def test_it_covers_as_promised_where_two_decisions_nearly_agree():
    random = np.random.default_rng(5)
    drawn = random.multinomial(400, [0.70, 0.04, 0.02, 0.24], size=2000)
    hits = [(f := newcombe_paired(*map(int, counts))).low <= 0.02 <= f.high for counts in drawn]
    assert 0.93 <= np.mean(hits) <= 0.985


def test_counts_that_are_none_are_refused():
    for counts in ((0, 0, 0, 0), (1, -1, 2, 3)):
        with pytest.raises(ValueError, match="are not counts of pairs"):
            newcombe_paired(*counts)
