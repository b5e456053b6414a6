"""Intervals: published examples, other implementations, hostile counts, and how often they hold the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from checks.intervals import (
    average_precision,
    by_influence,
    clopper_pearson,
    delong,
    effective_n,
    f1,
    katz_log,
    mean,
    mean_by_unit,
    newcombe,
    rank_sums,
    ratio,
    wilson,
)


@pytest.mark.parametrize(("successes", "n", "score", "exact"), [
    (81, 263, (0.2553, 0.3662), (0.2527, 0.3676)),
    (15, 148, (0.0624, 0.1605), (0.0578, 0.1617)),
    (0, 20, (0.0000, 0.1611), (0.0000, 0.1684)),
    (1, 29, (0.0061, 0.1718), (0.0009, 0.1776)),
])
def test_one_proportion_gives_the_figures_of_newcombe_1998_table_1(successes, n, score, exact):
    assert wilson(successes, n)[:2] == pytest.approx(score, abs=5.1e-5)
    assert clopper_pearson(successes, n)[:2] == pytest.approx(exact, abs=5.1e-5)


@pytest.mark.parametrize(("counts", "expected"), [
    ((56, 70, 48, 80), (0.0524, 0.3339)),
    ((9, 10, 3, 10), (0.1705, 0.8090)),
    ((6, 7, 2, 7), (0.0582, 0.8062)),
    ((5, 56, 0, 29), (-0.0381, 0.1926)),
    ((0, 10, 0, 20), (-0.1611, 0.2775)),
    ((0, 10, 0, 10), (-0.2775, 0.2775)),
    ((10, 10, 0, 20), (0.6791, 1.0000)),
    ((10, 10, 0, 10), (0.6075, 1.0000)),
])
def test_a_difference_gives_the_figures_of_newcombe_1998_table_2_method_10(counts, expected):
    assert newcombe(*counts)[:2] == pytest.approx(expected, abs=5.1e-5)


@given(st.integers(1, 400), st.data(), st.sampled_from([0.8, 0.95, 0.99]))
def test_one_proportion_agrees_with_scipy(n, data, confidence):
    successes = data.draw(st.integers(0, n))
    test = stats.binomtest(successes, n)
    for ours, theirs in ((wilson, "wilson"), (clopper_pearson, "exact")):
        expected = test.proportion_ci(confidence, theirs)
        assert ours(successes, n, confidence)[:2] == pytest.approx((expected.low, expected.high), abs=1e-9)


@settings(deadline=None)
@given(st.integers(2, 300), st.integers(2, 300), st.data())
def test_two_proportions_agree_with_statsmodels_and_scipy(n, m, data):
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    a, b = data.draw(st.integers(1, n - 1)), data.draw(st.integers(1, m - 1))
    expected = proportion.confint_proportions_2indep(a, n, b, m, method="newcomb", compare="diff", correction=False)
    assert newcombe(a, n, b, m)[:2] == pytest.approx(expected, abs=1e-9)
    risk = stats.contingency.relative_risk(a, n, b, m).confidence_interval(0.95)
    assert katz_log(a, n, b, m)[:2] == pytest.approx((risk.low, risk.high), rel=1e-9)


# 43 complete cases of 49 patients with ovarian cancer (albumin, total protein, Krebs-Goplerud score, benefit of surgery):
# DeLong, DeLong and Clarke-Pearson 1988, as printed with the areas and standard errors below in SAS/STAT, PROC LOGISTIC,
# "Comparing Receiver Operating Characteristic Curves".
_SURGERY = """
3.0 5.8 10 0   3.2 6.3  5 1   3.9 6.8  3 1   2.8 4.8  6 0   3.2 5.8  3 1   0.9 4.0  5 0   2.5 5.7  8 0   1.6 5.6  5 1
3.8 5.7  5 1   3.7 6.7  6 1   3.2 5.4  4 1   3.8 6.6  6 1   4.1 6.6  5 1   3.6 5.7  5 1   4.3 7.0  4 1   3.6 6.7  4 0
2.3 4.4  6 1   4.2 7.6  4 0   4.0 6.6  6 0   3.5 5.8  6 1   3.8 6.8  7 1   3.0 4.7  8 0   4.5 7.4  5 1   3.7 7.4  5 1
3.1 6.6  6 1   4.1 8.2  6 1   4.3 7.0  5 1   4.3 6.5  4 1   3.2 5.1  5 1   2.6 4.7  6 1   3.3 6.8  6 0   1.7 4.0  7 0
3.7 6.1  5 1   3.3 6.3  7 1   4.2 7.7  6 1   3.5 6.2  5 1   2.9 5.7  9 0   2.1 4.8  7 1   2.8 6.2  8 0   4.0 7.0  7 1
3.3 5.7  6 1   3.7 6.9  5 1   3.6 6.6  5 1
"""


def counts_of(scores, labels):
    """Return (positives, negatives) for each score value, rising."""
    scores, labels = np.asarray(scores), np.asarray(labels)
    values = sorted(set(scores.tolist()))
    return [(int(((scores == v) & (labels == 1)).sum()), int(((scores == v) & (labels == 0)).sum())) for v in values]


@pytest.mark.parametrize(("column", "sign", "area", "se"), [
    (0, 1, 0.7366, 0.0927), (1, 1, 0.6478, 0.1000), (2, -1, 0.7258, 0.1028),
])
def test_area_and_standard_error_are_those_printed_for_the_data_of_delong_1988(column, sign, area, se):
    cases = np.array(_SURGERY.split(), dtype=float).reshape(-1, 4)
    ranks = rank_sums(counts_of(sign * cases[:, column], cases[:, 3]))
    interval = delong(ranks)
    assert ranks.auc == pytest.approx(area, abs=5.1e-5)
    assert interval.se * ranks.auc * (1 - ranks.auc) == pytest.approx(se, abs=5.1e-5)
    assert interval.scale == "logit" and interval.low < area < interval.high


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 1)), min_size=2, max_size=40))
def test_rank_sums_are_those_of_all_pairs(rows):
    scores, labels = [s for s, _ in rows], [y for _, y in rows]
    high, low = ([s for s, y in rows if y == c] for c in (1, 0))
    if not high or not low:
        with pytest.raises(ValueError, match="both"):
            rank_sums(counts_of(scores, labels))
        return
    psi = np.array([[(h > one) + (h == one) / 2 for one in low] for h in high])
    ranks = rank_sums(counts_of(scores, labels))
    assert ranks.auc == pytest.approx(psi.mean(), abs=1e-12)
    assert ranks.positive_squares == pytest.approx((psi.mean(axis=1) ** 2).sum(), abs=1e-9)
    assert ranks.negative_squares == pytest.approx((psi.mean(axis=0) ** 2).sum(), abs=1e-9)
    interval = delong(ranks)
    assert 0 <= interval.low <= ranks.auc <= interval.high <= 1
    assert interval.high > interval.low


def test_perfect_separation_is_not_certainty():
    few, many = (delong(rank_sums([(0, n), (n, 0)])) for n in (5, 500))
    assert few.high == many.high == 1
    assert few.low < 0.7 < 0.98 < many.low < 1
    assert delong(rank_sums([(1, 0), (0, 1)])).low == pytest.approx(0, abs=1e-12)


COUNTS = st.integers(1, 10**9).flatmap(lambda n: st.tuples(st.one_of(st.integers(0, n), st.just(0), st.just(n)), st.just(n)))


@given(COUNTS, COUNTS, st.sampled_from([0.5, 0.95, 0.999999]))
def test_any_counts_give_finite_ends_around_the_estimate(here, there, confidence):
    (a, n), (b, m) = here, there
    checks = [
        (wilson(a, n, confidence), a / n, 0, 1),
        (clopper_pearson(a, n, confidence), a / n, 0, 1),
        (newcombe(a, n, b, m, confidence), a / n - b / m, -1, 1),
        (f1(a, n - a, confidence), 2 * a / (2 * a + n - a), 0, 1),
        (average_precision(a / n, n, confidence), a / n, 0, 1),
    ]
    if b:
        checks += [(of(a, n, b, m, confidence), (a / n) / (b / m), 0, math.inf) for of in (katz_log, ratio)]
    for interval, value, least, most in checks:
        slack = 1e-12 * max(1, abs(value))
        assert least <= interval.low <= value + slack
        assert value - slack <= interval.high <= most
        assert math.isfinite(interval.high) and math.isfinite(interval.se) and interval.se > 0


def test_a_ratio_to_nobody_is_refused_and_a_small_group_where_all_are_selected_is_not_certain():
    with pytest.raises(ValueError, match="no ratio"):
        katz_log(3, 10, 0, 10)
    with pytest.raises(ValueError, match="no ratio"):
        ratio(3, 10, 0, 10)
    for interval in (katz_log, ratio):
        assert interval(5, 5, 500, 1000).low < 1.5 < 2 <= interval(5, 5, 500, 1000).high
        assert interval(5, 5, 7, 7).low < 0.9


@pytest.mark.parametrize("counts", [(480, 1000, 600, 1000), (3000, 10000, 2900, 10000), (90, 1000, 400, 4000)])
def test_the_two_intervals_of_a_ratio_agree_where_samples_are_large(counts):
    assert ratio(*counts)[:2] == pytest.approx(katz_log(*counts)[:2], rel=0.01)


@given(st.integers(1, 60), st.integers(1, 60), st.data())
def test_ratio_and_difference_tell_the_same_story(n, m, data):
    """Both are made of the same two Wilson intervals: one excludes equality only if the other does, up to a hair."""
    a, b = data.draw(st.integers(0, n)), data.draw(st.integers(1, m))
    quotient, gap = ratio(a, n, b, m), newcombe(a, n, b, m)
    assert (quotient.low > 1.01) <= (gap.low > -0.005)
    assert (quotient.high < 0.99) <= (gap.high < 0.005)


@pytest.mark.parametrize("bad", [(1, 0), (-1, 3), (4, 3), (math.nan, 3)])
def test_what_is_no_proportion_is_refused(bad):
    for interval in (wilson, clopper_pearson):
        with pytest.raises(ValueError, match="not a proportion"):
            interval(*bad)


@pytest.mark.parametrize("confidence", [0, 1, 95, math.nan])
def test_a_confidence_outside_0_and_1_is_refused(confidence):
    with pytest.raises(ValueError, match="confidence"):
        wilson(1, 2, confidence)


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=50))
def test_the_mean_is_scipys_t_interval(values):
    array = np.array(values)
    interval = mean(len(values), float(array.sum()), float((array**2).sum()))
    sem = float(stats.sem(array))
    expected = stats.t.interval(0.95, len(values) - 1, array.mean(), sem) if sem > 0 else (array.mean(), array.mean())
    assert interval[:2] == pytest.approx(expected, abs=1e-3)


def _gram(sums, sizes):
    return {"totals_squared": (sums**2).sum(), "totals_sizes": (sums * sizes).sum(), "sizes_squared": (sizes**2).sum()}


def test_units_of_one_row_are_rows_and_a_repeated_row_adds_no_certainty():
    values = np.random.default_rng(1).normal(3, 1, 40)
    rows = mean(40, values.sum(), (values**2).sum())
    single = mean_by_unit(40, 40, values.sum(), totals_squared=(values**2).sum(), totals_sizes=values.sum(), sizes_squared=40)
    thrice = mean_by_unit(
        40, 120, 3 * values.sum(), totals_squared=9 * (values**2).sum(), totals_sizes=9 * values.sum(), sizes_squared=9 * 40
    )
    assert single[:3] == pytest.approx(rows[:3])
    assert thrice[:3] == pytest.approx(rows[:3])


def test_the_mean_by_unit_is_the_cluster_robust_interval_of_statsmodels():
    linear = pytest.importorskip("statsmodels.regression.linear_model")
    random = np.random.default_rng(2)
    unit = random.integers(0, 12, 200)
    values = random.normal(0, 1, 12)[unit] + random.normal(0, 1, 200)
    fitted = linear.OLS(values, np.ones(200)).fit(cov_type="cluster", cov_kwds={"groups": unit, "use_correction": False})
    sums, sizes = np.bincount(unit, values, 12), np.bincount(unit, minlength=12)
    interval = mean_by_unit(12, 200, values.sum(), **_gram(sums, sizes))
    assert interval.se == pytest.approx(fitted.bse[0] * math.sqrt(12 / 11), rel=1e-9)


def test_one_unit_has_no_spread():
    with pytest.raises(ValueError, match="two independent"):
        by_influence(1.0, 0.0, 1)


def test_effective_n_never_grows_and_survives_the_edges():
    assert effective_n(0.5, 1e-9, 100) == 100
    assert effective_n(0.0, 0.0, 100) == 100
    assert effective_n(0.2, 0.016, 100) == pytest.approx(10)


# How often the interval holds the truth: exactly, by going through every possible pair of counts.

def _holds(interval, truth, n, m, p, q):
    here, there = stats.binom.pmf(np.arange(n + 1), n, p), stats.binom.pmf(np.arange(m + 1), m, q)
    held = weight = 0.0
    for a in np.flatnonzero(here > 1e-7):
        for b in np.flatnonzero(there > 1e-7):
            found = interval(int(a), n, int(b), m)
            if found is not None:
                weight += here[a] * there[b]
                held += here[a] * there[b] * (found.low <= truth <= found.high)
    return held / weight


SIZES = ((20, 400), (60, 60), (100, 1000))
RATES = ((0.05, 0.1), (0.1, 0.3), (0.3, 0.3), (0.5, 0.6), (0.7, 0.9), (0.9, 0.9))


@pytest.mark.long
def test_coverage_of_two_proportions_is_near_its_promise():
    for interval, of in ((newcombe, lambda p, q: p - q), (lambda *x: ratio(*x) if x[2] else None, lambda p, q: p / q)):
        found = [_holds(interval, of(p, q), n, m, p, q) for n, m in SIZES for p, q in RATES]
        assert 0.94 <= np.mean(found) <= 0.97
        assert min(found) >= 0.93


@pytest.mark.long
def test_coverage_of_one_proportion_is_near_its_promise():
    grid = [(n, p) for n in (20, 100, 500) for p in np.linspace(0.05, 0.95, 37)]
    for interval, least in ((wilson, 0.92), (clopper_pearson, 0.95)):
        held = []
        for n, p in grid:
            hits = [low <= p <= high for low, high, *_ in (interval(a, n) for a in range(n + 1))]
            held.append(float(stats.binom.pmf(np.arange(n + 1), n, p) @ hits))
        assert min(held) >= least - 0.01
        assert np.mean(held) >= 0.94


@pytest.mark.long
@pytest.mark.parametrize("size", [(20, 60), (100, 400)])
@pytest.mark.parametrize("shift", [0.5, 1.5, 2.5])
def test_coverage_of_the_area_under_the_curve(size, shift):
    random = np.random.default_rng(20261122)
    truth, held = stats.norm.cdf(shift / math.sqrt(2)), 0
    for _ in range(1500):
        high, low = random.normal(shift, 1, size[0]), random.normal(0, 1, size[1])
        ranks = rank_sums(counts_of(np.round(np.r_[high, low], 2), np.r_[np.ones(size[0]), np.zeros(size[1])]))
        interval = delong(ranks)
        held += interval.low <= truth <= interval.high
    assert 0.93 <= held / 1500 <= 0.98


@pytest.mark.long
def test_coverage_of_f1_and_of_a_mean_by_unit():
    random = np.random.default_rng(20261122)
    cells, n = np.array([0.25, 0.05, 0.1, 0.6]), 120
    truth = 0.5 / (0.5 + 0.15)
    drawn = random.multinomial(n, cells, 4000)
    held = np.mean([i.low <= truth <= i.high for i in (f1(tp, fp + fn) for tp, fp, fn, _ in drawn)])
    assert 0.93 <= held <= 0.97
    held = []
    for _ in range(2000):
        unit = np.repeat(np.arange(25), random.integers(2, 30, 25))
        values = random.normal(0, 1, 25)[unit] + random.normal(0, 1, unit.size)
        sums, sizes = np.bincount(unit, values, 25), np.bincount(unit, minlength=25)
        found = mean_by_unit(25, unit.size, values.sum(), **_gram(sums, sizes))
        held.append(found.low <= 0 <= found.high)
    assert 0.92 <= np.mean(held) <= 0.97
