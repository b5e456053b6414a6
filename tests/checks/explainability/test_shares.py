"""Intervals and p-values of shares, where the truth is known because it was made up."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from checks.explainability import shares
from checks.explainability.shares import Batches, batches, by_unit, compared, direction, estimated


def rows(n: int, scale: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Absolute SHAP values whose sizes go together within a row, as those of unusual rows do."""
    return np.asarray(np.abs(rng.normal(size=(n, len(scale))) * np.exp(0.7 * rng.normal(size=(n, 1)))) * scale)


SCALE = np.array([5.0, 3.0, 2.0, 1.0, 0.5, 0.3, 0.2, 0.1])


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "DRAWS", 200)
    monkeypatch.setattr(shares, "EXCHANGES", 199)


def test_the_interval_of_a_share_holds_the_truth_about_as_often_as_it_says(quick: None) -> None:
    rng = np.random.default_rng(1)
    truth = SCALE / SCALE.sum()
    held = []
    for _ in range(100):
        found = estimated(rows(200, SCALE, rng), rng)
        held += [one.low <= share <= one.high for one, share in zip(found, truth, strict=True)]
    assert 0.89 < np.mean(held) < 0.985


def made(n: int, rng: np.random.Generator) -> Batches:
    return batches(rows(n, SCALE, rng), np.arange(n), rng)


@pytest.mark.usefixtures("quick")
def test_where_nothing_changed_small_p_values_are_as_rare_as_they_should_be() -> None:
    rng = np.random.default_rng(2)
    found = [compared(made(200, rng), made(500, rng), rng) for _ in range(200)]
    p = np.array([one.p_value for one in found])
    assert 0.02 <= (p <= 0.05).mean() <= 0.09 and 0.4 < (p <= 0.5).mean() < 0.6
    assert np.mean([one.shift.low > 0 for one in found]) <= 0.09
    assert np.mean([one.ranks.high == 1 for one in found]) > 0.95, "the order of the truth is within the interval"
    assert np.mean([one.top.high == 1 for one in found]) > 0.95


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("change", [lambda s: s[::-1], lambda s: np.where(s == 5.0, 2.0, s)], ids=["turned round", "one less"])
def test_what_changed_is_seen_and_its_size_is_told(change: Callable[[np.ndarray], np.ndarray]) -> None:
    rng = np.random.default_rng(3)
    other = change(SCALE)
    truth = np.abs(SCALE / SCALE.sum() - other / other.sum()).sum() / 2
    found = []
    for _ in range(40):
        there = batches(rows(400, other, rng), np.arange(400), rng)
        found.append(compared(made(400, rng), there, rng))
    assert max(one.p_value for one in found) < 0.02
    assert np.mean([one.shift.low <= truth <= one.shift.high for one in found]) >= 0.8
    assert np.mean([one.shift.value for one in found]) == pytest.approx(truth, abs=0.01)


def test_the_same_rows_explained_the_same_did_not_move() -> None:
    rng = np.random.default_rng(4)
    one = made(200, rng)
    found = compared(one, one, rng, paired=True)
    assert (found.ranks.value, found.top.value, found.shift.value, found.shift.high, found.p_value) == (1, 1, 0, 0, 1)


def test_batches_hold_whole_units_and_at_least_ten_rows() -> None:
    rng = np.random.default_rng(5)
    unit = np.repeat(np.arange(60), rng.integers(1, 6, 60))
    strength = rng.exponential(size=(len(unit), 3))
    found = batches(strength, unit, np.random.default_rng(0))
    ones = batches(np.ones_like(strength), unit, np.random.default_rng(0))
    assert ones.sums.min() >= 10 and ones.sums.sum() == 3 * found.rows
    assert len(unit) - 14 < found.rows <= len(unit)
    again = Batches.from_json(found.as_json())
    assert again.rows == found.rows and (again.sums == found.sums).all()
    assert batches(strength[:5], unit[:5], rng).sums.shape == (0, 3)


def test_rows_that_hang_together_make_a_share_less_sure() -> None:
    rng = np.random.default_rng(6)
    strength = np.repeat(rows(20, SCALE, rng), 30, axis=0)
    alone, together = (
        estimated(by_unit(strength, unit), np.random.default_rng(0))[0] for unit in (np.arange(600), np.repeat(np.arange(20), 30))
    )
    assert together.high - together.low > 3 * (alone.high - alone.low)


def test_a_direction_is_that_of_the_ranks() -> None:
    rng = np.random.default_rng(7)
    x = rng.normal(size=300)
    up = direction(x, np.exp(x), np.arange(300), rng)
    none = direction(x, rng.normal(size=300), np.arange(300), rng)
    assert up is not None and up.value == 1.0 and none is not None and none.low < 0 < none.high
    assert direction(np.ones(300), x, np.arange(300), rng) is None
