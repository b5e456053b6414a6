"""The sequential test: valid under looking every night, each day entering once."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.operating_characteristics import YEAR, evidence, first_stops
from roadworthy.budget import share_of
from roadworthy.nights import Entered, LossDay, Wealth, bet, enter, stake

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


COUNTS = st.lists(st.tuples(st.sampled_from([0.0, 0.25, 1.0]), st.integers(0, 9)), max_size=3, unique_by=lambda one: one[0])
NIGHTS = st.lists(st.dictionaries(st.sampled_from(DAYS[:4]), COUNTS, max_size=4), max_size=6)


def days_of(night: dict[str, list[tuple[float, int]]]) -> list[LossDay]:
    return [LossDay(day, tuple(counts)) for day, counts in night.items()]


def test_a_day_enters_once_whatever_the_order_and_however_often_it_is_given() -> None:
    first, second = binary("2026-01-01", 30, 80), binary("2026-01-02", 5, 80)
    once = enter(Entered(), [first, second], "2026-01-01", False)
    assert once.new == [first, second] == enter(Entered(), [second, first], "2026-01-01", False).new
    again = enter(once.after, [second, first], "2026-01-01", False)
    assert (again.new, again.after, again.late, again.corrected) == ([], once.after, 0, 0)
    wealth = bet(Wealth(), once.new, 0.24, False)
    assert bet(wealth, again.new, 0.24, False) == wealth
    assert wealth.through == "2026-01-02" and wealth.n == 160


def test_labels_that_come_late_enter_as_rows_of_their_own_and_nothing_is_taken_back() -> None:
    once = enter(Entered(), [binary("2026-01-01", 1, 10)], "2026-01-01", False)
    twice = enter(once.after, [binary("2026-01-01", 5, 18)], "2026-01-01", False)
    assert twice.new == [LossDay("2026-01-01", ((0.0, 4), (1.0, 4)))] and twice.corrected == 0
    gone = enter(twice.after, [binary("2026-01-01", 0, 3)], "2026-01-01", False)
    assert gone.new == [] and gone.after == twice.after and gone.corrected == 15


def test_a_corrected_label_does_not_enter_a_second_time() -> None:
    """Ten rows were right; two of them turn out wrong and one new row is right. One row enters, and not as a wrong one."""
    once = enter(Entered(), [binary("2026-01-01", 0, 10)], "2026-01-01", False)
    twice = enter(once.after, [LossDay("2026-01-01", ((0.0, 9), (1.0, 2)))], "2026-01-01", False)
    assert sum(day.n for day in twice.new) == 1 and twice.corrected == 1


def test_late_labels_of_a_day_that_is_one_observation_are_left_out_and_counted() -> None:
    once = enter(Entered(), [binary("2026-01-01", 1, 10)], "2026-01-01", True)
    twice = enter(once.after, [binary("2026-01-01", 20, 40), binary("2026-01-02", 3, 9)], "2026-01-01", True)
    assert [day.day for day in twice.new] == ["2026-01-02"] and twice.late == 30


def test_the_memory_is_as_long_as_the_window_and_what_left_it_never_enters_again() -> None:
    entered = Entered()
    for i in range(40):
        window = [binary(day, 1, 5) for day in DAYS[max(0, i - 6):i + 1]]
        entered = enter(entered, window, window[0].day, False).after
    assert len(entered.days) == 7
    assert enter(entered, [binary(day, 1, 5) for day in DAYS[:40]], DAYS[0], False).new == []


def test_a_day_whose_labels_are_still_to_come_enters_when_they_do() -> None:
    once = enter(Entered(), [binary(DAYS[3], 1, 5)], DAYS[0], False)
    assert [day.day for day in enter(once.after, [binary(DAYS[1], 1, 5)], DAYS[1], False).new] == [DAYS[1]]


@given(NIGHTS)
def test_no_more_rows_enter_than_were_ever_there_at_once(nights: list[dict[str, list[tuple[float, int]]]]) -> None:
    entered, seen, most = Entered(), dict.fromkeys(DAYS, 0), dict.fromkeys(DAYS, 0)
    for night in nights:
        found = enter(entered, days_of(night), DAYS[0], False)
        for day in found.new:
            seen[day.day] += day.n
        for day in days_of(night):
            most[day.day] = max(most[day.day], day.n)
        entered = Entered.from_dict(found.after.as_dict())
        assert entered == found.after
    assert all(seen[day] <= most[day] for day in DAYS)


@given(NIGHTS)
def test_a_day_that_is_one_observation_enters_once(nights: list[dict[str, list[tuple[float, int]]]]) -> None:
    entered, seen = Entered(), []
    for night in nights:
        found = enter(entered, days_of(night), DAYS[0], True)
        seen += [day.day for day in found.new]
        entered = found.after
    assert len(seen) == len(set(seen))


@given(st.integers(0, 8), st.integers(0, 8), st.integers(0, 8), st.integers(0, 8))
def test_corrections_never_add_evidence(right: int, wrong: int, more: int, turned: int) -> None:
    """Whatever is relabelled, what enters is at most as bad as the rows that are truly new."""
    turned = min(turned, right)
    once = enter(Entered(), [binary("2026-01-01", wrong, right + wrong)], "2026-01-01", False)
    now = LossDay("2026-01-01", ((0.0, right - turned), (1.0, wrong + turned + more)))
    found = enter(once.after, [now], "2026-01-01", False)
    assert sum(day.n for day in found.new) == more
    assert bet(Wealth(), found.new, 0.3, False).e_value <= bet(Wealth(), [binary("2026-01-01", more, more)], 0.3, False).e_value


def test_a_model_that_was_good_for_long_is_still_found_out_soon() -> None:
    wealth = Wealth()
    for _ in range(1_000):
        wealth = bet(wealth, [binary("2026-01-01", 8, 80)], 0.24, False)
    nights = 0
    while wealth.e_value < 1_000:
        wealth, nights = bet(wealth, [binary("2026-01-02", 27, 80)], 0.24, False), nights + 1
    assert nights <= 15  # without a stake that is still to come it would take thousands


def test_what_is_staked_is_never_more_than_there_is() -> None:
    assert sum(stake(night) for night in range(1, 10_000)) <= 1
    assert all(stake(night) > 0 for night in range(1, 10_000))


@given(limit=st.floats(0.05, 0.95), rates=st.lists(st.floats(0, 1), min_size=2, max_size=2), n=st.integers(1, 8))
def test_expected_evidence_of_two_nights_is_at_most_one_under_the_limit(limit: float, rates: list[float], n: int) -> None:
    """As above, with the second night's stake: what is not staked yet earns nothing."""
    first, second = (rate * limit for rate in rates)
    expected = sum(
        math.comb(n, j) * first**j * (1 - first) ** (n - j) * math.comb(n, k) * second**k * (1 - second) ** (n - k)
        * bet(bet(Wealth(), [binary("2026-01-01", j, n)], limit, False), [binary("2026-01-02", k, n)], limit, False).e_value
        for j in range(n + 1)
        for k in range(n + 1)
    )
    assert expected <= stake(1) + stake(2) + 1e-9


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


def test_a_loss_outside_zero_to_one_and_a_count_below_zero_are_refused() -> None:
    for days in ([LossDay("2026-01-01", ((1.5, 1),))], [LossDay("2026-01-01", ((0.5, -1),))]):
        with pytest.raises(ValueError, match="outside"):
            enter(Entered(), days, "2026-01-01", False)
    with pytest.raises(ValueError, match="outside"):
        bet(Wealth(), [LossDay("2026-01-01", ((1.5, 1),))], 0.24, False)


def test_the_simulation_of_the_published_table_is_the_test() -> None:
    """The vectorised form of benchmarks/operating_characteristics.py gives the very evidence of `bet`, night by night."""
    wrong = np.array([[30, 3, 22, 40, 0, 19]])
    wealth, expected = Wealth(), []
    for day, k in zip(DAYS, wrong[0], strict=False):
        wealth = bet(wealth, [binary(day, int(k), 80)], 0.24, False)
        expected.append(wealth.e_value)
    assert evidence(wrong, 80, 0.24)[0] == pytest.approx(expected, rel=1e-12)


def test_no_false_stop_and_a_real_loss_is_found_soon() -> None:
    alpha = 0.001 * share_of(1)
    assert (first_stops(80, 0.24, 0.24, 200, alpha, seed=1) > YEAR).all()
    assert (first_stops(80, 0.34, 0.24, 2_000, alpha, seed=2) <= 8).mean() >= 0.9
