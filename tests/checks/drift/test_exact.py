"""Distances without bins are scipy's on the rows, leave out what is no number, and say why where there is none."""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats

from checks import drift
from checks.drift.kolmogorov import ks_exact_p_value
from tests.checks.drift.test_measure import frame, measured, pick
from tests.support import DAY, make_subject, passport_of


def both(tmp_path, reference, batch, columns, **passport):
    with make_subject(tmp_path, passport_of(**passport), reference, {DAY: batch}) as subject:
        found = drift.exact(subject, columns)
    return {(m.metric.removeprefix("drift."), m.over["column"]): m for m in found}


def test_both_distances_are_those_of_scipy(tmp_path):
    rng = np.random.default_rng(1)
    columns = {
        "normal": (rng.normal(size=5000), rng.normal(size=700) + 0.1),
        "tied": (rng.integers(0, 9, 5000), rng.integers(1, 10, 700)),
        "heavy": (rng.standard_cauchy(5000), rng.standard_cauchy(700) + 1),
        "huge": (rng.normal(size=5000) * 1e300, rng.normal(size=700) * 1e300),
        "same": (np.arange(5000.0), np.arange(700.0) * 5000 / 700),
    }
    reference, batch = (frame(n, 1, **{c: v[i] for c, v in columns.items()}) for i, n in enumerate((5000, 700)))
    found = both(tmp_path, reference, batch, list(columns))
    for name, (x, y) in columns.items():
        ks, moved = found["ks_exact", name], found["wasserstein_exact", name]
        scale = np.abs(x).max()
        expected = stats.ks_2samp(x, y, method="exact" if name != "huge" else "asymp")
        assert ks.value == pytest.approx(expected.statistic, abs=1e-12)
        assert ks.low <= ks.value <= ks.high
        spread = np.std(x / scale) * scale
        assert moved.stats["spread"] == pytest.approx(spread, rel=1e-8)
        exact = stats.wasserstein_distance(x / scale, y / scale) * scale / moved.stats["spread"]
        assert moved.value == pytest.approx(exact, rel=1e-9, abs=1e-9), name
        assert moved.low <= moved.value <= moved.high
        assert ks.stats["batch_n"] == 700 and ks.stats["batch_left_out"] == 0
    assert found["ks_exact", "normal"].low == 0 and found["ks_exact", "heavy"].low > 0.1


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 60), m=st.integers(1, 60), data=st.data())
def test_the_p_value_is_counted_out_as_scipy_does(n, m, data):
    x = data.draw(st.lists(st.floats(-100, 100), min_size=n, max_size=n))
    y = data.draw(st.lists(st.floats(-100, 100), min_size=m, max_size=m))
    found = stats.ks_2samp(x, y, method="exact")
    assert ks_exact_p_value(found.statistic, n, m) == pytest.approx(found.pvalue, abs=1e-9)


def test_what_is_no_number_is_left_out_and_counted(tmp_path):
    rng = np.random.default_rng(2)
    income = rng.lognormal(10, 1, 1000)
    broken = pa.array([None, np.nan, np.inf, -np.inf] * 5 + list(income[20:]), pa.float64())
    found = both(tmp_path, frame(1000, 1, income=income), frame(1000, 2, income=broken), ["income"])
    ks = found["ks_exact", "income"]
    assert (ks.stats["batch_n"], ks.stats["batch_left_out"], ks.stats["reference_left_out"]) == (980, 20, 0)
    assert ks.value == pytest.approx(stats.ks_2samp(income, income[20:]).statistic, abs=1e-12)


def test_dates_and_times_and_wider_numbers_are_compared(tmp_path):
    days = [date(2026, 1, 1 + i % 28) for i in range(280)]
    times = [datetime(2026, 1, 1, i % 24) for i in range(280)]
    reference = frame(280, 1, day=days, at=times, whole=pa.array([i % 9 for i in range(280)], pa.int8()))
    batch = frame(280, 2, day=days[::-1], at=times, whole=pa.array([float(i % 9) for i in range(280)]))
    found = both(tmp_path, reference, batch, ["day", "at", "whole"])
    assert {m.value for m in found.values()} == {0.0}


@pytest.mark.parametrize(("column", "status", "said"), [
    ("sex", "not_applicable", "no order"), ("nowhere", "error", "no column 'nowhere'"), ("flat", "measured", ""),
    ("empty", "insufficient", "holds 0 finite values"), ("turned", "error", "cannot be compared"),
])
def test_a_column_without_a_distance_says_why(tmp_path, column, status, said):
    reference = frame(100, 1, flat=[7.0] * 100, empty=[1.0] * 100, turned=[1.0] * 100)
    batch = frame(50, 2, flat=[8.0] * 50, empty=pa.array([None] * 50, pa.float64()), turned=[date(2026, 1, 1)] * 50)
    found = both(tmp_path, reference, batch, [column])
    assert found["ks_exact", column].status == status
    assert said in found["ks_exact", column].reason
    if column == "flat":
        assert found["ks_exact", "flat"].value == 1
        assert "does not vary" in found["wasserstein_exact", "flat"].reason


def test_one_row_and_ten_rows_are_enough_or_say_so(tmp_path):
    found = both(tmp_path / "one", frame(10, 1), frame(1, 2), ["income"])
    assert {m.status for m in found.values()} == {"insufficient"}
    found = both(tmp_path / "ten", frame(10, 1), frame(2, 2), ["income"])
    assert {m.status for m in found.values()} == {"measured"}


def test_a_night_compares_so_the_columns_that_the_passport_names(tmp_path):
    found = measured(tmp_path / "named", frame(900, 1), frame(300, 2), passport_of(drift={"exact": ["income", "sex"]}))
    assert pick(found, "ks_exact", "income").status == "measured"
    assert pick(found, "wasserstein_exact", "sex").status == "not_applicable"
    found = measured(tmp_path / "none", frame(900, 1), frame(300, 2))
    assert pick(found, "ks_exact").reason == "No column is asked for without bins."


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(x=st.lists(st.floats(allow_nan=True), min_size=2, max_size=30), y=st.lists(st.floats(), min_size=2, max_size=30))
def test_any_floats_end_as_measurements(tmp_path_factory, x, y):
    folder = tmp_path_factory.mktemp("floats")
    reference, batch = frame(len(x), 1, income=pa.array(x, pa.float64())), frame(len(y), 2, income=pa.array(y, pa.float64()))
    found = both(folder, reference, batch, ["income"])
    assert set(found) == {("ks_exact", "income"), ("wasserstein_exact", "income")}
    for m in found.values():
        assert m.value is None or m.low <= m.value <= m.high
