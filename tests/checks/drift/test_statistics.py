"""Statistics on counts agree with scipy and with numpy written out, and keep to their ranges on any counts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial import distance

from checks.drift import kolmogorov as k
from checks.drift import statistics as s

CELL = st.one_of(st.integers(0, 40), st.integers(0, 2_000_000))
PAIR = st.integers(1, 25).flatmap(lambda k: st.tuples(*[st.lists(CELL, min_size=k, max_size=k) for _ in range(2)]))
FULL = st.integers(1, 25).flatmap(
    lambda k: st.tuples(*[st.lists(st.integers(1, 1_000_000), min_size=k, max_size=k) for _ in range(2)])
)


def filled(pair):
    a, b = pair
    assume(sum(a) > 0 and sum(b) > 0)
    return np.array(a, float), np.array(b, float)


@given(FULL)
def test_psi_is_the_formula_in_numpy(pair):
    a, b = filled(pair)
    p, q = b / b.sum(), a / a.sum()
    assert s.psi(a, b, smoothing=0) == pytest.approx(max(0, np.sum((p - q) * np.log(p / q))), abs=1e-9)


@given(FULL)
def test_psi_is_the_sum_of_both_kullback_leibler_divergences_of_scipy(pair):
    a, b = filled(pair)
    assert s.psi(a, b, smoothing=0) == pytest.approx(stats.entropy(a, b) + stats.entropy(b, a), abs=1e-9)


@given(PAIR)
def test_jensen_shannon_agrees_with_scipy(pair):
    a, b = filled(pair)
    assert s.jensen_shannon(a, b) ** 2 == pytest.approx(np.nan_to_num(distance.jensenshannon(a, b, base=2)) ** 2, abs=1e-9)


@given(PAIR)
def test_chi_square_agrees_with_scipy(pair):
    a, b = filled(pair)
    kept = (a + b) > 0
    statistic, p = s.chi_square(a, b)
    if kept.sum() < 2:
        assert (statistic, p) == (pytest.approx(0, abs=1e-9), 1.0)
        return
    found = stats.chi2_contingency([a[kept], b[kept]], correction=False)
    assert statistic == pytest.approx(found.statistic, rel=1e-9, abs=1e-9)
    assert p == pytest.approx(found.pvalue, rel=1e-9, abs=1e-9)


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=300), st.lists(st.integers(-5, 5), min_size=1, max_size=300))
def test_kolmogorov_smirnov_is_exact_where_each_value_has_its_cell(x, y):
    found = stats.ks_2samp(x, y, method="asymp")
    a, b = ([sample.count(v) for v in range(-5, 6)] for sample in (x, y))
    assert k.ks_from_counts(a, b) == pytest.approx(found.statistic, abs=1e-9)


@given(st.floats(0, 1), st.integers(1, 10**7), st.integers(1, 10**7))
def test_kolmogorov_smirnov_p_value_is_kolmogorovs_distribution(d, n, m):
    assert k.ks_p_value(d, n, m) == pytest.approx(stats.kstwobign.sf(math.sqrt(n * m / (n + m)) * d), abs=1e-9)


@given(st.lists(st.floats(-3, 3), min_size=2, max_size=80), st.lists(st.floats(-3, 3), min_size=2, max_size=80))
def test_binning_hides_no_more_of_kolmogorov_smirnov_than_the_gap(x, y):
    edges = [-np.inf, -1, 0, 0.5, 2, np.inf]
    a, b = (np.histogram(sample, edges)[0] for sample in (x, y))
    exact = stats.ks_2samp(x, y, method="asymp").statistic
    binned = k.ks_from_counts(a, b)
    assert binned - 1e-12 <= exact <= binned + k.ks_gap(a, b) + 1e-12


@given(PAIR)
def test_total_variation_is_half_the_l1_distance(pair):
    a, b = filled(pair)
    assert s.total_variation(a, b) == pytest.approx(distance.cityblock(a / a.sum(), b / b.sum()) / 2, abs=1e-9)


def test_cramers_v_is_bergsmas_and_near_zero_on_noise_where_the_plain_one_is_not():
    rng = np.random.default_rng(1)
    a, b = (np.bincount(rng.integers(0, 5000, 10_000), minlength=5000) for _ in range(2))
    plain = stats.contingency.association(np.array([a, b])[:, (a + b) > 0], method="cramer")
    assert plain > 0.4
    assert s.cramers_v(a, b) < 0.05
    # Bergsma's formula written out on a small table
    table = np.array([[30.0, 10, 20], [10, 30, 20]])
    n, phi2 = 120.0, stats.chi2_contingency(table, correction=False).statistic / 120
    phi2 = max(0, phi2 - 2 * 1 / (n - 1))
    expected = math.sqrt(phi2 / min(3 - 2**2 / (n - 1) - 1, 2 - 1 / (n - 1) - 1))
    assert s.cramers_v(table[0], table[1]) == pytest.approx(expected, abs=1e-9)


@given(PAIR)
def test_every_number_is_finite_in_range_and_inside_its_interval(pair):
    a, b = filled(pair)
    effect, (low, high) = s.psi_debiased(a, b), s.psi_interval(a, b)
    assert 0 <= low <= effect <= high < math.inf
    assert 0 <= s.psi_p_value(a, b) <= 1
    js, (low, high) = s.jensen_shannon(a, b), s.jensen_shannon_interval(a, b)
    assert 0 <= low <= js <= high <= 1
    ks, (low, high) = k.ks_from_counts(a, b), k.ks_interval(a, b)
    assert 0 <= low <= ks <= high <= 1
    assert 0 <= s.cramers_v(a, b) <= 1
    assert 0 <= s.total_variation(a, b) <= 1


@given(PAIR)
def test_equal_samples_are_at_no_distance(pair):
    a, _ = filled((pair[0], pair[0]))
    assert (s.psi_debiased(a, a), k.ks_from_counts(a, a), s.total_variation(a, a), s.cramers_v(a, a)) == (0, 0, 0, 0)
    assert s.jensen_shannon(a, a) == pytest.approx(0, abs=1e-7)
    assert s.chi_square(a, a)[1] == pytest.approx(1)


@pytest.mark.parametrize("bad", [([], []), ([1], [1, 2]), ([0, 0], [1, 1]), ([1, -1], [1, 1]), ([math.nan], [1]), ([[1]], [[1]])])
def test_what_are_no_counts_is_refused(bad):
    with pytest.raises(ValueError, match=r"count|rows"):
        s.psi(*bad)


def test_psi_without_smoothing_says_that_it_is_infinite():
    with pytest.raises(ValueError, match="infinite"):
        s.psi([1, 0], [1, 1], smoothing=0)


def test_the_interval_of_the_effect_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(2)
    q = np.full(10, 0.1)
    p = q * np.linspace(0.6, 1.4, 10)
    truth = np.sum((p - q) * np.log(p / q))
    held = 0
    for _ in range(600):
        low, high = s.psi_interval(rng.multinomial(5000, q), rng.multinomial(800, p))
        held += low <= truth <= high
    assert 0.92 <= held / 600 <= 0.98


@given(PAIR)
def test_intervals_of_shares_hold_their_distance(pair):
    a, b = filled(pair)
    for value, (low, high) in (
        (s.total_variation(a, b), s.total_variation_interval(a, b)), (s.cramers_v(a, b), s.cramers_v_interval(a, b)),
    ):
        assert 0 <= low <= value <= high <= 1


@pytest.mark.parametrize("moved", [0.0, 0.02, 0.1])
def test_intervals_of_shares_cover_the_truth_as_often_as_they_say(moved):
    """Ten cells, 5,000 rows against 500; 300 seeded pairs, 95 % promised."""
    rng = np.random.default_rng(20261122)
    p = np.full(10, 0.1)
    q = p + moved * np.array([1, -1] * 5) / 5
    n, m = 5000, 500
    share = n / (n + m)
    both = share * p + (1 - share) * q
    v = math.sqrt(float(np.sum((share * (p - both) ** 2 + (1 - share) * (q - both) ** 2) / both)))
    held = np.zeros(2)
    for _ in range(300):
        a, b = rng.multinomial(n, p), rng.multinomial(m, q)
        for i, (truth, (low, high)) in enumerate(((moved, s.total_variation_interval(a, b)), (v, s.cramers_v_interval(a, b)))):
            held[i] += low <= truth <= high
    assert (held >= 0.92 * 300).all(), held


@given(st.integers(1, 30), st.floats(0.1, 9_000))
def test_non_central_chi_square_ends_are_those_of_scipy(freedom, statistic):
    for level in (0.025, 0.975):
        end = s._non_centrality(statistic, freedom, level)
        if end > 1e-6:
            assert stats.ncx2.cdf(statistic, freedom, end) == pytest.approx(level, abs=1e-6)
        else:
            assert stats.chi2.cdf(statistic, freedom) <= level + 1e-6


def test_far_out_the_non_centrality_goes_on_where_the_exact_one_ends():
    for level in (0.025, 0.975):
        assert s._non_centrality(10_001, 9, level) == pytest.approx(s._non_centrality(9_999, 9, level), rel=3e-4)


@pytest.mark.parametrize("n", [1, 20, 100])
def test_bias_corrected_cramers_v_is_bergsmas_formula(n):
    """Bergsma 2013, equations 9 to 13, written out on a table of scipy's statistic."""
    table = np.array([[3, 1, 4, 1], [5, 9, 2, 6]]) * n
    total, (r, c) = table.sum(), table.shape
    phi2 = max(0, stats.chi2_contingency(table, correction=False).statistic / total - (r - 1) * (c - 1) / (total - 1))
    expected = math.sqrt(phi2 / min(r - (r - 1) ** 2 / (total - 1) - 1, c - (c - 1) ** 2 / (total - 1) - 1))
    assert s.cramers_v(*table) == pytest.approx(expected, rel=1e-12)
