"""The month's forecast: against a textbook's interval, on weekdays, trends and gaps, and how often it holds."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from scipy import stats

from checks.cost.forecast import Forecast, forecast, month_of

START = date(2026, 1, 1)


def days_of(values: np.ndarray) -> dict[date, float]:
    return {START + timedelta(days=k): float(v) for k, v in enumerate(values)}


def predicted(known: dict[date, float], day: date, window: int = 28) -> Forecast:
    found = forecast(known, day, window)
    assert found is not None
    return found


def test_without_weekdays_trend_and_likeness_it_is_the_textbooks_prediction_interval() -> None:
    """For the sum of h more values of a normal sample of n: h times the mean, +- t s sqrt(h + h**2 / n)."""
    values = np.tile([9.0, 12.0, 8.0, 11.0, 10.0], 5)[:21]  # neighbours are unlike, so no likeness is allowed for
    known = {date(2026, 2, 1) + timedelta(days=k): float(v) for k, v in enumerate(values)}
    found = predicted(known, date(2026, 2, 21))
    h, n = 7, 21
    reach = stats.t.ppf(0.975, n - 1) * values.std(ddof=1) * np.sqrt(h + h * h / n)
    assert (found.to_come, found.n, found.weekdays, found.trend, found.alike) == (h, n, False, False, 0.0)
    assert found.value == pytest.approx(values.sum() + h * values.mean())
    assert (found.low, found.high) == pytest.approx((found.value - reach, found.value + reach))


def test_weekdays_get_means_of_their_own_where_they_differ() -> None:
    noise = np.random.default_rng(2).normal(0, 2, 100)
    weekend = np.array([(START + timedelta(days=k)).weekday() >= 5 for k in range(100)])
    full = days_of(np.where(weekend, 20.0, 100.0) + noise)
    day = date(2026, 3, 13)
    truth = sum(full[one] for one in month_of(day) if one in full) + sum(
        20.0 if one.weekday() >= 5 else 100.0 for one in month_of(day) if one not in full
    )
    found = predicted({one: cost for one, cost in full.items() if one <= day}, day, 56)
    assert found.weekdays and found.low <= truth <= found.high and found.high - found.low < 0.05 * truth


def test_a_trend_is_carried_on_to_the_end_of_the_month() -> None:
    full = days_of(100.0 + np.arange(60) + np.random.default_rng(4).normal(0, 3, 60))
    day = date(2026, 2, 14)
    found = predicted({one: cost for one, cost in full.items() if one <= day}, day)
    truth = sum(100.0 + (one - START).days for one in month_of(day))
    assert found.trend and abs(found.value - truth) < 0.02 * truth and found.low <= truth <= found.high


def test_a_month_of_which_every_day_is_known_is_no_estimate() -> None:
    full = days_of(np.arange(31.0))
    found = predicted(full, date(2026, 1, 31))
    assert found.value == found.low == found.high == found.spent == 465.0 and found.to_come == 0


def test_days_that_are_missing_are_predicted_and_not_taken_for_free() -> None:
    full = days_of(np.full(20, 10.0))
    gap = {one: cost for one, cost in full.items() if one.day not in (3, 4)}
    found = predicted(gap, date(2026, 1, 20))
    assert found.spent == 180.0 and found.to_come == 13 and found.value == pytest.approx(310.0)


def test_days_after_the_one_judged_are_not_read() -> None:
    full = days_of(np.full(31, 10.0))
    later = {one: cost if one.day <= 20 else 1e6 for one, cost in full.items()}
    assert predicted(later, date(2026, 1, 20)).value == pytest.approx(310.0)


def test_six_days_are_too_few_and_seven_are_enough() -> None:
    assert forecast(days_of(np.arange(6.0)), date(2026, 1, 6), 28) is None
    assert forecast({}, date(2026, 1, 6), 28) is None
    assert forecast(days_of(np.arange(7.0)), date(2026, 1, 7), 28) is not None


def test_a_cost_that_is_never_negative_cannot_fall_below_what_is_spent() -> None:
    wild = days_of(np.random.default_rng(8).lognormal(0, 2, 25))
    found = predicted(wild, date(2026, 1, 25))
    assert found.low >= found.spent
    credited = dict(wild) | {date(2026, 1, 2): -50.0}
    assert predicted(credited, date(2026, 1, 25)).low < predicted(credited, date(2026, 1, 25)).value


@pytest.mark.parametrize("value", [0.0, 7.3])
def test_days_that_cost_all_the_same_give_a_sure_forecast(value: float) -> None:
    found = predicted(days_of(np.full(20, value)), date(2026, 1, 20))
    assert found.value == pytest.approx(31 * value) and found.high - found.low < 1e-6 and not found.weekdays and not found.trend


def world(kind: str, random: np.random.Generator, n: int = 120) -> np.ndarray:
    noise = random.standard_normal(n)
    if kind == "alike":
        for k in range(1, n):
            noise[k] = 0.5 * noise[k - 1] + np.sqrt(0.75) * noise[k]
    level = np.where(np.arange(n) % 7 < 5, 100.0, 40.0) if kind == "weekdays" else 100.0
    level = level * 1.2 ** (np.arange(n) / 30) if kind == "grows" else level
    return random.gamma(2.0, 50.0, n) if kind == "skewed" else level + 10 * noise


def coverage(kind: str, day: date, window: int, times: int) -> tuple[float, float]:
    """Return how often the month's cost lies in the interval, and how often above it."""
    hits = above = 0
    for seed in range(times):
        full = days_of(world(kind, np.random.default_rng(seed)))
        truth = sum(full[one] for one in month_of(day))
        found = predicted({one: cost for one, cost in full.items() if one <= day}, day, window)
        hits, above = hits + (found.low <= truth <= found.high), above + (truth > found.high)
    return hits / times, above / times


@pytest.mark.parametrize(("kind", "least"), [("plain", 0.91), ("weekdays", 0.91), ("alike", 0.86), ("skewed", 0.89)])
def test_the_interval_holds_about_as_often_as_it_says(kind: str, least: float) -> None:
    assert coverage(kind, date(2026, 4, 12), 28, 150)[0] >= least


@pytest.mark.long
@pytest.mark.parametrize("kind", ["plain", "weekdays", "alike", "skewed", "grows"])
@pytest.mark.parametrize("window", [28, 90])
@pytest.mark.parametrize("day", [date(2026, 4, 7), date(2026, 4, 29)])
def test_the_published_coverage(kind: str, window: int, day: date) -> None:
    found, above = coverage(kind, day, window, 300)
    assert kind == "grows" or (found >= 0.88 and above <= 0.08)
