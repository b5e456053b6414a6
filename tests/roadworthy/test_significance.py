"""Many looks and few rows: against scipy, and against published tables."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from checks.drift.statistics import psi
from roadworthy.significance import POWER, ShiftTest, adjusted

P = st.floats(0, 1)


@given(st.lists(P, min_size=1, max_size=40))
def test_adjusted_p_values_are_scipys(p_values: list[float]) -> None:
    assert adjusted(p_values) == pytest.approx(list(stats.false_discovery_control(p_values)), rel=1e-12, abs=1e-300)


def test_adjusted_p_values_reject_what_the_paper_rejects() -> None:
    """Benjamini and Hochberg 1995, section 3.2: at 0.05 the four smallest of these fifteen."""
    paper = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]
    assert [p <= 0.05 for p in adjusted(paper)] == [True] * 4 + [False] * 11


@pytest.mark.parametrize(("freedom", "noncentrality"), [(1, 10.51), (2, 12.65), (5, 16.47), (10, 20.53), (20, 26.13)])
def test_the_noncentrality_of_power_090_at_005_is_that_of_the_tables(freedom: int, noncentrality: float) -> None:
    """Cohen 1988 and Pearson and Hartley's charts give lambda for power 0.90 at alpha 0.05."""
    assert ShiftTest(0.0, freedom + 1, 1.0).smallest_effect(0.05) == pytest.approx(noncentrality, abs=0.01)


@given(st.integers(2, 30), st.floats(1e-6, 0.05), st.integers(50, 10**7))
def test_the_smallest_effect_is_seen_as_often_as_promised(cells: int, level: float, n: int) -> None:
    found = ShiftTest(0.0, cells, 1 / n + 1 / 20_000)
    effect = found.smallest_effect(level)
    critical = stats.chi2.isf(level, cells - 1)
    assert stats.ncx2.sf(critical, cells - 1, effect / found.noise) == pytest.approx(POWER, abs=1e-6)


@given(st.integers(2, 30), st.floats(0, 0.5), st.floats(0.01, 0.5), st.integers(50, 10**6))
def test_how_sure_it_is_agrees_with_scipy_and_adds_up(cells: int, value: float, limit: float, n: int) -> None:
    found = ShiftTest(value, cells, 1 / n + 1 / 20_000)
    assert found.below(limit) == pytest.approx(stats.ncx2.cdf(value / found.noise, cells - 1, limit / found.noise), abs=1e-9)
    assert found.below(limit) + found.above(limit) == pytest.approx(1.0)


def test_beyond_all_sizes_that_a_series_converges_for_the_answer_is_still_there() -> None:
    for n in (10**9, 10**13, 10**18):
        found = ShiftTest(0.1, 10, 2 / n)
        assert math.isfinite(found.below(0.1)) and found.below(0.1) == pytest.approx(0.5, abs=0.01)
        assert found.below(0.2) < 1e-6 and found.above(0.05) < 1e-6


@pytest.mark.parametrize("lacking", [
    {}, {"psi": 0.1}, {"psi": 0.1, "cells": 1, "batch_n": 10, "reference_n": 10}, {"psi": None, "cells": 9, "batch_n": 1,
    "reference_n": 1}, {"psi": 0.1, "cells": 9, "batch_n": 0, "reference_n": 10}, {"psi": 0.1, "cells": 9, "batch_n": 10},
])
def test_without_the_counts_there_is_nothing_to_tell(lacking: dict[str, object]) -> None:
    assert ShiftTest.of(lacking) is None


def test_the_power_is_that_of_real_samples() -> None:
    """10 equal cells, 400 rows against 20,000, moved by exactly the smallest effect: found nine times of ten."""
    rng, p = np.random.default_rng(20261122), np.full(10, 0.1)
    effect = ShiftTest(0.0, 10, 1 / 400 + 1 / 20_000).smallest_effect(0.001)
    slope = np.linspace(-1, 1, 10)
    low, high = 0.0, 2.0
    for _ in range(60):
        middle = (low + high) / 2
        q = np.exp(middle * slope) / np.exp(middle * slope).sum()
        low, high = (middle, high) if float(((q - p) * np.log(q / p)).sum()) < effect else (low, middle)
    found = [
        psi(rng.multinomial(20_000, p), rng.multinomial(400, q)) / (1 / 400 + 1 / 20_000) >= stats.chi2.isf(0.001, 9)
        for _ in range(1_000)
    ]
    assert np.mean(found) == pytest.approx(POWER, abs=0.04)
