"""The test of a shift keeps its promised error rate where alarms are decided, and finds what it should."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from checks.drift.shift import LEAST_EXPECTED, merge_ordered, merge_unordered, more_than, shift, two_shares, vanished
from tests.checks.drift.test_statistics import PAIR, filled


@given(PAIR, st.booleans())
def test_merging_keeps_every_row_and_leaves_no_sparse_cell(pair, ordered):
    a, b = filled(pair)
    x, y = (merge_ordered if ordered else merge_unordered)(a, b)
    assert (x.sum(), y.sum()) == (a.sum(), b.sum())
    expected = (x + y) * min(x.sum(), y.sum()) / (x + y).sum()
    assert len(x) == 1 or (expected >= LEAST_EXPECTED * (1 - 1e-9)).all()


@given(PAIR)
def test_merging_looks_at_both_samples_together_and_not_at_their_difference(pair):
    a, b = filled(pair)
    swapped = merge_unordered(b, a)
    assert [list(c) for c in merge_unordered(a, b)] == [list(swapped[1]), list(swapped[0])]


@given(PAIR, st.booleans())
def test_a_shift_is_always_decided_in_finite_numbers(pair, ordered):
    found = shift(*filled(pair), ordered=ordered)
    assert 0 <= found.low <= found.effect <= found.high
    assert 0 <= found.p_value <= 1
    assert found.cells >= 2


@given(st.integers(1, 60), st.integers(1, 400), st.data())
def test_two_small_shares_are_tested_by_fisher(n, m, data):
    k, k0 = data.draw(st.integers(0, n)), data.draw(st.integers(0, m))
    hits = k + k0
    assume(min(hits, n + m - hits) * min(n, m) / (n + m) < LEAST_EXPECTED)
    table = [[k, n - k], [k0, m - k0]]
    assert two_shares(k, n, k0, m) == pytest.approx(stats.fisher_exact(table).pvalue, abs=1e-9)


@given(st.integers(1, 2000), st.integers(1, 2000), st.data())
def test_one_sided_p_value_is_fishers(n, m, data):
    k, k0 = data.draw(st.integers(0, n)), data.draw(st.integers(0, m))
    found = stats.fisher_exact([[k, n - k], [k0, m - k0]], alternative="greater").pvalue
    assert more_than(k, n, k0, m) == pytest.approx(found, abs=1e-9)


def test_two_large_shares_are_tested_by_chi_square():
    expected = stats.chi2_contingency([[500, 9500], [700, 9300]], correction=False).pvalue
    assert two_shares(700, 10_000, 500, 10_000) == pytest.approx(expected, rel=1e-9)


def test_a_column_that_was_constant_and_is_not_any_more_is_found():
    assert shift([0, 20_000, 0], [0, 950, 50], ordered=True).p_value < 1e-6
    assert shift([0, 500, 0], [0, 495, 5], ordered=True).method.startswith("Fisher")


def test_eighty_rows_of_the_same_distribution_have_no_effect():
    """PSI of 80 rows in ten cells is 0.125 on average by noise alone; the plain rule of 0.1 would fire on most nights."""
    rng = np.random.default_rng(3)
    plain, effects = [], []
    for _ in range(300):
        found = shift(rng.multinomial(20_000, np.full(10, 0.1)), rng.multinomial(80, np.full(10, 0.1)), ordered=True)
        plain.append(found.psi)
        effects.append(found.effect if found.p_value < 0.005 / 30 else 0)
    assert max(effects) == 0


def _shares(kind: str) -> np.ndarray:
    zipf = 1 / np.arange(1, 21)
    spike = np.array([0.6, 0.15, 0.1, 0.08, 0.05, 0.02])
    return {"deciles": np.full(10, 0.1), "skewed words": zipf / zipf.sum(), "spike": spike}[kind]


KINDS = ["deciles"] * 18 + ["skewed words"] * 8 + ["spike"] * 4


def alarms(n: int, days: int, seed: int, alpha: float = 0.005, effect: float = 0.1) -> int:
    """Return the days of `days`, all without drift, on which Benjamini and Hochberg with an effect raise any alarm."""
    rng = np.random.default_rng(seed)
    references = [rng.multinomial(20_000, _shares(kind)) for kind in KINDS]
    raised = 0
    for day in range(days):
        if day % 50 == 0:  # a few references, because all nights of one share its luck
            references = [rng.multinomial(20_000, _shares(kind)) for kind in KINDS]
        found = [
            shift(reference, rng.multinomial(n, _shares(kind)), ordered=kind != "skewed words")
            for kind, reference in zip(KINDS, references, strict=True)
        ]
        p = np.array([f.p_value for f in found])
        passed = np.sort(p) <= alpha * np.arange(1, len(p) + 1) / len(p)
        limit = np.sort(p)[np.flatnonzero(passed).max()] if passed.any() else -1.0
        raised += any(f.p_value <= limit and f.effect >= effect for f in found)
    return raised


def test_clean_days_raise_no_alarm():
    assert alarms(500, 60, seed=5) == 0


@pytest.mark.long
@pytest.mark.parametrize(("n", "most"), [(200, 0.01), (500, 0.005), (1000, 0.001)])
def test_clean_days_with_any_alarm_stay_below_one_in_a_hundred(n, most):
    assert alarms(n, 1500, seed=n + 1) / 1500 <= most


def test_half_a_standard_deviation_in_one_of_thirty_columns_is_found_within_a_day():
    rng = np.random.default_rng(4)
    edges = np.concatenate([[-np.inf], stats.norm.ppf(np.arange(1, 10) / 10), [np.inf]])
    moved = np.diff(stats.norm.cdf(edges, loc=0.5))
    found = [shift(rng.multinomial(20_000, np.full(10, 0.1)), rng.multinomial(1000, moved), ordered=True) for _ in range(100)]
    assert sum(f.p_value <= 0.005 / 30 and f.effect >= 0.1 for f in found) >= 95


@given(PAIR, st.integers(0, 25))
def test_only_frequent_categories_vanish_and_fisher_says_how_surely(pair, categories):
    a, b = filled(pair)
    found = vanished(a, b, categories)
    n, m = b.sum(), a.sum()
    for i in found.cells:
        assert i < categories and b[i] == 0 and a[i] * n / m >= LEAST_EXPECTED * (1 - 1e-9)
    assert all(b[i] == 0 and a[i] > 0 for i in found.untold)
    assert 0 <= found.p_value <= 1 and (found.cells or found.p_value == 1)


@given(st.integers(20, 400), st.integers(20, 400), st.integers(1, 20))
def test_the_p_value_of_a_vanished_category_is_fishers(n, m, hits):
    found = vanished([hits, m], [0, n], 1, least=0)
    assert found.p_value == pytest.approx(stats.fisher_exact([[0, n], [hits, m]], alternative="less").pvalue, abs=1e-9)


def test_rare_categories_do_not_vanish_by_chance():
    """Two thousand clean days of 20 categories: a vanished one at p < 0.01 in fewer than 1 day of 100."""
    rng = np.random.default_rng(20261122)
    shares = np.arange(1, 21) / 210
    alarms = 0
    for _ in range(2000):
        found = vanished(rng.multinomial(5000, shares), rng.multinomial(250, shares), 20)
        alarms += bool(found.cells) and found.p_value < 0.01
    assert alarms < 20
