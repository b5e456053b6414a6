"""The budget of false stops: never more than promised, however often a model begins anew."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.budget import YEAR, Budget, alphas, periods_before, share_of
from roadworthy.policy import Rule
from tests.roadworthy.judging import DAY, LOSS, policy, rule

BUDGET = 0.001


def rules(*says: dict[str, object]) -> list[Rule]:
    return [Rule.model_validate(rule(LOSS, **{"id": f"r{i}", **one})) for i, one in enumerate(says)]


def test_shares_of_beginnings_fall_and_sum_to_one() -> None:
    shares = [share_of(k) for k in range(1, 200)]
    assert all(a >= b > 0 for a, b in pairwise(shares)) and sum(shares) == pytest.approx(1.0)
    assert sum(shares) <= 1.0 + 1e-12


@given(st.lists(st.none() | st.floats(1e-6, 2e-4), min_size=1, max_size=5))
def test_the_rules_of_a_model_share_the_budget(asked: list[float | None]) -> None:
    found = alphas(rules(*({"alpha": alpha} if alpha else {} for alpha in asked)), BUDGET)
    assert sum(found.values()) <= BUDGET * (1 + 1e-12) and all(share > 0 for share in found.values())
    assert all(found[f"r{i}"] == alpha for i, alpha in enumerate(asked) if alpha)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60))
def test_however_a_model_begins_anew_any_year_of_it_stays_within_the_budget(gaps: list[int]) -> None:
    """Each period lasts so many days, night after night; the shares of all periods that touch 366 days are summed."""
    day, runs, periods = date(2026, 1, 1), [], []
    for i, days in enumerate(gaps):
        version, digest = f"1.{i % 3}", f"policy {i}"
        share = share_of(1 + periods_before(runs, version, digest, day))
        periods.append((day, day + timedelta(days=days - 1), share))
        runs += [((day + timedelta(days=d)).isoformat(), version, digest) for d in range(days)]
        day += timedelta(days=days)
    for first, _, _ in periods:
        last = first + timedelta(days=YEAR)
        assert sum(share for begin, end, share in periods if begin <= last and end >= first) <= 1 + 1e-9


def test_a_period_that_goes_on_is_not_counted_and_what_is_a_year_old_is_forgotten() -> None:
    runs = [((DAY - timedelta(days=back)).isoformat(), "1", "a") for back in range(1, 30)]
    assert periods_before(runs, "1", "a", DAY) == 0 and periods_before(runs, "1", "b", DAY) == 1
    assert periods_before(runs, "2", "a", DAY) == 1 and periods_before(runs, "2", "a", DAY + timedelta(days=400)) == 0
    assert periods_before(runs, "2", "a", DAY - timedelta(days=100)) == 0, "what comes later says nothing about tonight"


def test_going_back_to_an_earlier_policy_is_a_new_period() -> None:
    runs = [("2026-04-01", "1", "a"), ("2026-04-02", "1", "b"), ("2026-04-03", "1", "a")]
    assert periods_before(runs, "1", "b", date(2026, 4, 4)) == 3


def test_parts_that_come_later_get_what_is_left_and_never_more() -> None:
    one, = rules({})
    parts = one.model_copy(update={"over": {"segment": "any"}})
    budget = Budget(policy(rule(LOSS)), [parts], DAY, 0, {})
    given_, history = {}, {}
    for night in (["a", "b"], ["c"], [], ["d", "e", "f"], *([f"late{i}"] for i in range(40))):
        budget = Budget(policy(rule(LOSS)), [parts], DAY, 0, history)
        given_ |= budget.for_parts(parts, night)
        history = budget.carried()
    assert sum(given_.values()) <= BUDGET * share_of(1) * (1 + 1e-12)
    assert given_["a"] == given_["b"] == pytest.approx(BUDGET * share_of(1) / 4) and min(given_.values()) > 0


def test_a_rule_of_the_whole_has_all_of_its_share() -> None:
    one, = rules({})
    assert Budget(policy(rule(LOSS)), [one], DAY, 0, {}).for_parts(one, ["{}"]) == {"{}": BUDGET * share_of(1)}


def test_a_changed_rule_begins_a_period_and_an_unchanged_one_goes_on() -> None:
    made, (one,), (other,) = policy(rule(LOSS)), rules({}), rules({"limit": "<= 0.3"})
    first = Budget(made, [one], DAY, 2, {})
    assert first.period == 3
    again = Budget(made, [one], DAY + timedelta(days=1), 99, first.carried())
    assert again.goes_on and again.period == 3, "what the ledger holds now does not change a period that has begun"
    changed = Budget(made, [other], DAY + timedelta(days=2), 0, again.carried())
    assert not changed.goes_on and changed.period == 2, "its own state tells it, even where the ledger does not"
