"""Importances of answers that are known exactly: no trees, only a function."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from checks.explainability.encoding import Encoding
from checks.explainability.importance import Importance, importances
from checks.explainability.surrogate import Surrogate, Target
from checks.intervals import Interval


class Known:
    """Answers by a function of the rows, where trees would stand."""

    def __init__(self, answer: Callable[[np.ndarray], np.ndarray]) -> None:
        self.predict = answer


def known(columns: dict[str, np.ndarray], answer: Callable[[np.ndarray], np.ndarray]) -> dict[str, Importance]:
    rows = np.column_stack(list(columns.values())).astype(float)
    encoding = Encoding({name: f"x{i}" for i, name in enumerate(columns)}, {}, {})
    exact, answers = Interval(1, 1, 0, "linear", ""), answer(rows)[:, None]
    return importances(Surrogate(encoding, [Target("score")], [Known(answer)], 1.0, exact, 1, rows, answers), 1)


RNG = np.random.default_rng(0)
FINE, OTHER, IDLE = RNG.uniform(-1, 1, (3, 5000))


def test_shares_of_a_sum_are_those_of_its_variance_and_their_intervals_hold_them():
    found = known({"a": FINE, "b": OTHER, "c": IDLE}, lambda x: 2 * x[:, 0] + x[:, 1])
    for name, share in {"a": 0.8, "b": 0.2, "c": 0.0}.items():
        assert found[name].share == pytest.approx(share, abs=0.05)
        assert found[name].low <= share <= found[name].high
    assert (found["c"].low, found["c"].high) == (0.0, 0.0)


def test_a_column_counts_with_all_that_it_may_tell_in_the_place_of_its_copy():
    found = known({"a": FINE, "copy": FINE, "idle": IDLE}, lambda x: x[:, 0])
    assert found["copy"].share == 0 and found["copy"].alone == 0
    assert found["copy"].high > 0.9 and found["copy"].goes_with == ("a",)
    assert found["idle"].high == 0


def test_a_coarse_column_is_not_lent_what_varies_within_it():
    """The answer is alike in both halves of the fine column, and the coarse one tells the half."""
    found = known({"fine": FINE, "coarse": FINE > 0}, lambda x: np.sign(np.sin(8 * np.pi * x[:, 0])))
    assert found["coarse"].goes_with == ("fine",)
    assert found["fine"].share > 0.9 and found["coarse"].high < 0.1


def test_a_coarse_column_is_lent_what_it_can_tell():
    found = known({"fine": FINE, "coarse": FINE > 0}, lambda x: x[:, 0] + np.sign(x[:, 0]))
    assert found["coarse"].share == 0 and found["coarse"].high > 0.85


def test_what_the_surrogate_misses_widens_the_upper_end_of_a_column_that_goes_with_it():
    rows = np.column_stack([FINE, OTHER])
    encoding = Encoding({"seen": "x0", "missed": "x1"}, {}, {})
    answers = (rows[:, 0] + 0.5 * rows[:, 1])[:, None]
    trees = Surrogate(
        encoding, [Target("score")], [Known(lambda x: x[:, 0])], 0.8, Interval(0, 1, 0, "linear", ""), 1, rows, answers
    )
    found = importances(trees, 1)
    assert found["missed"].share == 0 and found["missed"].high == pytest.approx(0.2, abs=0.02)
    assert found["seen"].high - found["seen"].alone < 0.01


def test_the_interval_of_a_share_holds_the_truth_in_most_samples():
    held = 0
    for seed in range(40):
        a, b = np.random.default_rng(seed).uniform(-1, 1, (2, 400))
        one = known({"a": a, "b": b}, lambda x: 2 * x[:, 0] + x[:, 1])["b"]
        held += one.low <= 0.2 <= one.high
    assert held >= 34, "of 40 intervals at 95 %, fewer than 34 hold the truth once in 10,000 times"
