"""The sequential test: valid under looking every night, each day entering once."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.nights import GRID, LossDay, Wealth, bet

DAYS = [f"2026-{m:02}-{d:02}" for m in range(1, 13) for d in range(1, 29)]


def binary(day: str, wrong: int, n: int) -> LossDay:
    return LossDay(day, ((0.0, n - wrong), (1.0, wrong)))


@given(limit=st.floats(0.02, 0.98), rate=st.floats(0, 1), n=st.integers(1, 40))
def test_expected_evidence_of_a_day_is_at_most_one_under_the_limit(limit: float, rate: float, n: int) -> None:
    """Summed over every possible outcome of the day, so no simulation and no luck is involved."""
    true_rate = rate * limit
    expected = sum(
        math.comb(n, k) * true_rate**k * (1 - true_rate) ** (n - k)
        * bet(Wealth(), [binary("2026-01-01", k, n)], limit, False).e_value
        for k in range(n + 1)
    )
    assert expected <= 1 + 1e-9


def test_a_day_enters_once_whatever_the_order_and_however_often_it_is_given() -> None:
    first, second = binary("2026-01-01", 30, 80), binary("2026-01-02", 5, 80)
    once = bet(Wealth(), [first, second], 0.24, False)
    assert bet(Wealth(), [second, first], 0.24, False) == once
    assert bet(bet(once, [first, second], 0.24, False), [second], 0.24, False) == once
    assert once.through == "2026-01-02" and once.n == 160


def test_a_day_that_is_one_observation_counts_once_and_not_eighty_times() -> None:
    stormy = [binary("2026-01-01", 70, 80)]
    assert bet(Wealth(), stormy, 0.24, by_day=True).e_value < 10 < bet(Wealth(), stormy, 0.24, by_day=False).e_value


def test_losses_given_by_the_lower_edge_of_their_bin_never_give_more_evidence() -> None:
    rng = np.random.default_rng(20261122)
    losses = rng.beta(2, 4, size=200)
    exact = LossDay("2026-01-01", tuple((float(x), 1) for x in losses))
    binned = LossDay("2026-01-01", tuple((math.floor(x * 32) / 32, 1) for x in losses))
    for limit in (0.2, 0.3, 0.4):
        assert bet(Wealth(), [binned], limit, False).e_value <= bet(Wealth(), [exact], limit, False).e_value * (1 + 1e-12)


def test_state_survives_the_night() -> None:
    wealth = bet(Wealth(), [binary("2026-01-01", 30, 80)], 0.24, False)
    assert Wealth.from_dict(wealth.as_dict()) == wealth


@pytest.mark.parametrize("limit", [0.0, 1.0, -1.0, 2.0])
def test_a_limit_outside_zero_to_one_is_refused(limit: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        bet(Wealth(), [binary("2026-01-01", 1, 2)], limit, False)


def test_a_loss_outside_zero_to_one_is_refused() -> None:
    with pytest.raises(ValueError, match="outside"):
        bet(Wealth(), [LossDay("2026-01-01", ((1.5, 1),))], 0.24, False)


def nights_until_found(rate: float, limit: float, n: int, years: int, alpha: float, seed: int) -> np.ndarray:
    """Return for each simulated year the night on which the evidence was enough, or 999."""
    rng = np.random.default_rng(seed)
    wrong = rng.binomial(n, rate, size=(years, 365))
    bets = np.array(GRID) / limit
    log = np.cumsum(wrong[:, :, None] * np.log1p(bets * (1 - limit)) + (n - wrong)[:, :, None] * np.log1p(-bets * limit), axis=1)
    top = log.max(axis=2)
    enough = np.log(np.exp(log - top[:, :, None]).mean(axis=2)) + top >= math.log(1 / alpha)
    return np.where(enough.any(axis=1), enough.argmax(axis=1) + 1, 999)


def test_the_simulation_is_the_test() -> None:
    """The vectorised form used below gives the very evidence of `bet`."""
    days = [binary(day, 30, 80) for day in DAYS[:5]]
    wealth = bet(Wealth(), days, 0.24, False)
    bets = np.array(GRID) / 0.24
    log = 150 * np.log1p(bets * 0.76) + 250 * np.log1p(-bets * 0.24)
    assert wealth.e_value == pytest.approx(float(np.exp(log).mean()), rel=1e-12)


def test_no_false_stop_and_a_real_loss_is_found_soon() -> None:
    assert (nights_until_found(0.24, 0.24, 80, years=200, alpha=0.001, seed=1) == 999).all()
    assert np.quantile(nights_until_found(0.34, 0.24, 80, years=200, alpha=0.001, seed=2), 0.9) <= 8


@pytest.mark.long
@pytest.mark.parametrize("n", [20, 80, 500])
def test_no_false_stop_in_three_thousand_model_years_at_the_limit(n: int) -> None:
    years = 3_000 if n < 500 else 1_500
    found = np.concatenate([nights_until_found(0.24, 0.24, n, years=300, alpha=0.001, seed=s) for s in range(years // 300)])
    # Ville's inequality bounds the share by 0.001; three of 3,000 is what the bound itself allows on average.
    assert (found != 999).sum() <= 3
