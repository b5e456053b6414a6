"""Quantiles by order statistics: against scipy's own test of quantiles, the binomial distribution, and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from checks.intervals.quantiles import fewest, ranks


@pytest.mark.parametrize(("n", "share"), [(10, 0.5), (73, 0.95), (100, 0.95), (400, 0.99), (999, 0.5), (1000, 0.1)])
def test_the_interval_is_that_of_scipys_quantile_test(n: int, share: float) -> None:
    values = np.random.default_rng(n).gamma(2.0, 10.0, n)
    found = ranks(n, share)
    assert found is not None
    theirs = stats.quantile_test(values, q=0, p=share).confidence_interval(0.95)
    ordered = np.sort(values)
    assert (ordered[found.low - 1], ordered[found.high - 1]) == (theirs.low, theirs.high)
    assert ordered[found.value - 1] == np.quantile(values, share, method="inverted_cdf")


def test_each_end_misses_with_at_most_half_of_what_is_left_and_no_nearer_rank_would_do() -> None:
    for share in (0.1, 0.5, 0.95, 0.99):
        for n in [*range(6, 400, 13), 5000]:
            found, b = ranks(n, share), stats.binom(n, share)
            if found is None:
                assert (1 - share) ** n > 0.025 or share**n > 0.025
                continue
            assert b.cdf(found.low - 1) <= 0.025 and b.sf(found.high - 1) <= 0.025
            assert found.low == found.value or b.cdf(found.low) > 0.025
            assert found.high == found.value or b.sf(found.high - 2) > 0.025


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95, 0.99])
def test_the_fewest_values_are_enough_and_one_less_is_not(share: float) -> None:
    assert ranks(fewest(share), share) is not None
    assert ranks(fewest(share) - 1, share) is None


def test_values_that_are_worth_less_give_a_wider_interval_or_none() -> None:
    alone, together = ranks(1000, 0.95), ranks(1000, 0.95, worth=100.0)
    assert alone is not None and together is not None
    assert together.low < alone.low and together.high > alone.high and together.value == alone.value
    assert ranks(1000, 0.95, worth=71.9) is None and ranks(1000, 0.95, worth=0.0) is None


@pytest.mark.parametrize(("n", "share"), [(0, 0.5), (10, 0.0), (10, 1.0), (10, float("nan"))])
def test_what_is_no_quantile_is_refused(n: int, share: float) -> None:
    with pytest.raises(ValueError, match="no quantile"):
        ranks(n, share)
