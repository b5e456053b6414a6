"""The Wasserstein distance of counts holds scipy's of the rows between its bounds, and its interval the true distance."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from checks.drift import edges
from checks.drift.exact import Walk
from checks.drift.transport import wasserstein_from_counts

NUMBER = st.floats(-1e6, 1e6)
SAMPLE = st.lists(NUMBER, min_size=1, max_size=40)


def binned(cuts, x, y, spread=1.0, step=0.0):
    """Return the distance of two samples counted between `cuts`, as a profile counts them."""
    a, b = (np.bincount(np.searchsorted(cuts, v, side="left"), minlength=len(cuts) + 1) for v in (x, y))
    both = np.concatenate([x, y])
    return wasserstein_from_counts(cuts, a, b, spread=spread, step=step, lowest=both.min(), highest=both.max())


@settings(max_examples=60)
@given(x=SAMPLE, y=SAMPLE, cuts=st.lists(NUMBER, min_size=1, max_size=12, unique=True))
def test_scipy_lies_between_the_bounds_whatever_the_cells(x, y, cuts):
    found, exact = binned(sorted(cuts), x, y), stats.wasserstein_distance(x, y)
    slack = 1e-9 * max(1.0, exact)
    assert found.least - slack <= exact <= found.most + slack
    assert found.least <= found.distance <= found.most
    assert 0 <= found.low <= found.least <= found.most <= found.high


@settings(max_examples=40)
@given(x=SAMPLE, y=SAMPLE, spread=st.floats(1e-3, 1e3))
def test_a_cell_for_each_value_hides_nothing(x, y, spread):
    cuts = sorted({c for v in {*x, *y} for c in (v, edges.below(v))})
    found, exact = binned(cuts, x, y, spread), stats.wasserstein_distance(x, y) / spread
    hair = 1e-9 * max(1.0, *(abs(v) / spread for v in [*x, *y]))  # a cell is as wide as two doubles are apart
    assert found.distance == pytest.approx(exact, rel=1e-9, abs=hair)
    assert found.most == pytest.approx(exact, rel=1e-9, abs=hair)


@given(x=st.lists(st.integers(-9, 9), min_size=1, max_size=30), y=st.lists(st.integers(-9, 9), min_size=1, max_size=30))
def test_whole_numbers_hide_nothing_in_cells_as_wide_as_they_are(x, y):
    found = binned([float(c) for c in range(-10, 10)], x, y, step=1.0)
    assert found.least == pytest.approx(found.most, abs=1e-12)
    assert found.distance == pytest.approx(stats.wasserstein_distance(x, y), abs=1e-9)


def test_rows_beyond_the_edges_need_their_ends():
    with pytest.raises(ValueError, match="no end"):
        wasserstein_from_counts([0.0], [1, 1], [1, 1])
    with pytest.raises(ValueError, match="make 2 cells"):
        wasserstein_from_counts([0.0], [1], [1])


DRAWS = {
    "normal": lambda rng, n: rng.normal(size=n), "skewed": lambda rng, n: rng.lognormal(0, 1.2, n),
    "spiked": lambda rng, n: np.where(rng.random(n) < 0.6, 0.0, rng.random(n) * 1000),
}


@pytest.mark.parametrize("kind", DRAWS)
@pytest.mark.parametrize("move", [0.0, 0.2])
def test_the_interval_holds_the_true_distance_and_binning_hides_little(kind, move):
    """Adding a constant moves a distribution by exactly that; 200 seeded pairs of samples, 95 % promised."""
    rng = np.random.default_rng(20261122)
    large = DRAWS[kind](rng, 200_000)
    spread = float(large.std())
    levels = [float(v) for v in np.quantile(large, edges.LEVELS, method="inverted_cdf")]
    ends = float(large.min()), float(large.max())
    coarse = edges.of_quantiles([levels[edges.LEVELS.index(d)] for d in edges.DECILES], *ends)
    cuts = edges.fine(coarse, levels, *ends, spread=spread)
    held, hidden = 0, 0.0
    for _ in range(200):
        x, y = DRAWS[kind](rng, 4000), DRAWS[kind](rng, 400) + move * spread
        found = binned(cuts, x, y, spread)
        exact = stats.wasserstein_distance(x, y) / spread
        assert found.least - 1e-9 <= exact <= found.most + 1e-9
        assert abs(found.distance - exact) < 0.02
        held += found.low <= move <= found.high
        hidden = max(hidden, found.most - found.least)
    assert held >= 190
    assert hidden < 0.15


@settings(max_examples=60)
@given(x=SAMPLE, y=SAMPLE, size=st.integers(1, 20))
def test_a_walk_along_sorted_rows_is_scipy_however_it_is_cut(x, y, size):
    values = np.array([*x, *y])
    second = np.array([False] * len(x) + [True] * len(y))
    order = np.argsort(values, kind="stable")
    walk = Walk(len(x), len(y))
    for start in range(0, len(values), size):
        piece = order[start:start + size]
        walk.along(values[piece], second[piece])
    exact = stats.wasserstein_distance(x, y)
    assert walk.distance == pytest.approx(exact, rel=1e-9, abs=1e-9)
    assert walk.ks == pytest.approx(stats.ks_2samp(x, y, method="asymp").statistic, abs=1e-12)
    area = walk.area()
    assert area.noise >= 0 and all(v >= 0 and math.isfinite(v) for v in area.variances)


def test_a_walk_refuses_values_that_do_not_ascend():
    walk = Walk(2, 2)
    walk.along(np.array([1.0, 2.0]), np.array([True, False]))
    with pytest.raises(ValueError, match="sorted"):
        walk.along(np.array([1.5, 3.0]), np.array([True, False]))
