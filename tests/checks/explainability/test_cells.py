"""Cells, what they explain and how they go together: against scipy, and on any numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from checks.explainability.cells import association, cells, explained
from checks.explainability.sample import draw

ANY = arrays(float, st.integers(1, 60), elements=st.floats(-1e6, 1e6) | st.just(np.nan))


@given(ANY, st.integers(1, 12))
def test_cells_keep_the_order_and_never_part_equal_values(values, most):
    cell = cells(values, most)
    present = np.isfinite(values)
    assert len(np.unique(cell[present])) <= most
    order = np.argsort(values[present], kind="stable")
    assert (np.diff(cell[present][order]) >= 0).all()
    for one in np.unique(values[present]):
        assert len(set(cell[values == one])) == 1
    assert not set(cell[~present]) & set(cell[present])


def test_cells_of_a_continuous_number_are_about_equally_full():
    assert np.bincount(cells(np.random.default_rng(0).normal(size=1000), 5)).tolist() == [200] * 5


def test_the_explained_share_is_epsilon_squared_of_a_one_way_analysis_of_variance():
    rng = np.random.default_rng(2)
    cell = rng.integers(0, 4, 400)
    y = rng.normal(size=400) + 0.5 * cell
    f = stats.f_oneway(*(y[cell == k] for k in range(4))).statistic
    assert explained(cell, y)[0] == pytest.approx(3 * (f - 1) / (3 * f + 396))


def test_the_upper_end_of_nothing_holds_in_all_but_a_few_samples():
    rng = np.random.default_rng(3)
    cell = np.arange(500) % 5
    f = stats.f.ppf(0.975, 4, 495)
    classical = 4 * (f - 1) / (4 * f + 495)  # the share that chance passes in one sample of forty
    ends = [explained(cell, rng.normal(size=500))[1] for _ in range(200)]
    assert np.mean(ends) > 0.8 * classical


def test_association_is_bias_corrected_v_of_each_pair_of_columns():
    rng = np.random.default_rng(4)
    a = rng.integers(0, 4, 2000)
    b = np.where(rng.random(2000) < 0.5, a, rng.integers(0, 4, 2000))
    counts = stats.contingency.crosstab(a, b).count
    phi = stats.chi2_contingency(counts, correction=False).statistic / 2000
    k = 4 - 9 / 1999
    expected = np.sqrt(max(0.0, phi - 9 / 1999) / (k - 1))
    found = association([a, b, np.zeros(2000, dtype=int)])
    assert [found[0, 1], found[1, 0]] == pytest.approx([expected, expected])
    assert found[0, 0] == pytest.approx(1.0)
    assert found[2].tolist() == [0, 0, 0], "a column of one value goes with none"


def test_one_row_in_which_all_is_missing_ties_no_columns():
    rng = np.random.default_rng(5)
    a, b = rng.integers(0, 5, (2, 1000))
    a[7] = b[7] = 99
    assert association([a, b])[0, 1] < 0.1


@given(st.integers(1, 10**6), st.integers(1, 50), st.integers(0, 9))
def test_drawn_rows_are_different_ascending_and_in_the_table(total, rows, seed):
    places = draw(total, rows, seed, "content")
    assert len(places) == min(total, rows)
    assert (np.diff(places) > 0).all() and places[0] >= 0 and places[-1] < total
    assert draw(total, rows, seed, "content").tolist() == places.tolist()


def test_every_row_is_drawn_as_often_as_any_other():
    hits = np.bincount(np.concatenate([draw(20, 5, seed, "x") for seed in range(4000)]), minlength=20)
    assert stats.chisquare(hits).pvalue > 1e-4
