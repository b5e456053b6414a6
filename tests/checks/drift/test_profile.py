"""Profiles count every row once, and parts of a table add up to the whole, whatever the parts."""

from __future__ import annotations

import json
import math
from datetime import date, datetime, time
from decimal import Decimal
from functools import reduce
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats

from checks.drift import kolmogorov, statistics
from checks.drift.plan import ColumnPlan, Plan, kind_of, plan_of
from checks.drift.profile import Profile, frequent_new, merge, profile, profile_by_day
from checks.subject import Table
from roadworthy.sql import quote

PUBLISHED = Path(__file__).parent.parent.parent / "data" / "reference"


@pytest.fixture(scope="module")
def con():
    with duckdb.connect() as connection:
        yield connection


def table_of(con: duckdb.DuckDBPyConnection, columns: dict, name: str = "t") -> Table:
    """Register a table of Arrow columns (or lists) under a hostile view name."""
    arrow = pa.table(columns)
    view = quote(name)
    con.register(f"arrow of {name}", arrow)
    con.execute(f"create or replace view {view} as select * from {quote(f'arrow of {name}')}")
    types = {row[0]: row[1] for row in con.execute(f"describe {view}").fetchall()}
    return Table("batch", view, types, arrow.num_rows)


def counts(con, reference, batch=None):
    table = table_of(con, reference, "reference")
    plan = plan_of(con, table, list(reference))
    return plan, profile(con, table_of(con, batch if batch is not None else reference, "batch"), plan)


NUMBER = st.one_of(st.none(), st.floats(), st.sampled_from([0.0, 1.0, -1.0, math.inf, -math.inf, math.nan]))
HOSTILE = st.sampled_from(["a", "b", "'", '"', "{{ }}"])
WORD = st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), max_size=3), HOSTILE)
TABLE = st.integers(1, 60).flatmap(lambda n: st.fixed_dictionaries({
    "x": st.lists(NUMBER, min_size=n, max_size=n), 'we"ird; --': st.lists(WORD, min_size=n, max_size=n),
    "i": st.lists(st.one_of(st.none(), st.integers(-3, 3)), min_size=n, max_size=n),
    "b": st.lists(st.one_of(st.none(), st.booleans()), min_size=n, max_size=n),
}))
TYPES = {"x": pa.float64(), 'we"ird; --': pa.string(), "i": pa.int64(), "b": pa.bool_()}


def arrows(columns):
    return {name: pa.array(values, TYPES[name]) for name, values in columns.items()}


SHARED = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}


@settings(max_examples=15, **SHARED)
@given(reference=TABLE, batch=TABLE, parts=st.lists(st.integers(0, 2), min_size=60, max_size=60))
def test_any_partition_adds_up_to_the_whole_and_no_row_is_lost(con, reference, batch, parts):
    plan = plan_of(con, table_of(con, arrows(reference), "reference"), list(TYPES))
    whole = profile(con, table_of(con, arrows(batch)), plan)
    added: Profile | None = None
    n = len(batch["x"])
    for part in sorted(set(parts[:n]), reverse=True):
        rows = [i for i in range(n) if parts[i] == part]
        piece = profile(con, table_of(con, arrows({c: [v[i] for i in rows] for c, v in batch.items()})), plan)
        added = piece if added is None else merge(added, piece)
    assert added == whole
    assert whole.problems == {}
    for name, column in whole.columns.items():
        assert sum(column.cells) + column.null + column.not_finite == n or not column.cells, name
        assert column.null == sum(v is None for v in batch[name])
    floats = [v for v in batch["x"] if v is not None]
    if whole.columns["x"].cells:
        assert whole.columns["x"].not_a_number == sum(math.isnan(v) for v in floats)
        assert whole.columns["x"].plus_infinity == sum(v == math.inf for v in floats)
        assert whole.columns["x"].minus_infinity == sum(v == -math.inf for v in floats)


@settings(max_examples=15, **SHARED)
@given(reference=TABLE, batch=TABLE, days=st.lists(st.integers(0, 3), min_size=60, max_size=60))
def test_days_counted_in_one_pass_are_the_days_counted_one_by_one(con, reference, batch, days):
    plan = plan_of(con, table_of(con, arrows(reference), "reference"), list(TYPES))
    n = len(batch["x"])
    dates = [date(2026, 4, 1 + d) if d else None for d in days[:n]]
    dated = table_of(con, {**arrows(batch), "day": pa.array([None] * n, pa.date32()), "when": pa.array(dates, pa.date32())})
    found = profile_by_day(con, dated, plan, '"when"')
    assert list(found) == sorted({d for d in dates if d})
    for day, counted in found.items():
        rows = [i for i in range(n) if dates[i] == day]
        assert counted == profile(con, table_of(con, arrows({c: [v[i] for i in rows] for c, v in batch.items()})), plan)
    rows = [i for i in range(n) if dates[i]]
    whole = profile(con, table_of(con, arrows({c: [v[i] for i in rows] for c, v in batch.items()})), plan)
    assert not found or reduce(merge, found.values()) == whole


def test_finer_cells_add_up_to_the_cells_and_far_rows_have_their_ends(con):
    rng = np.random.default_rng(3)
    far = [1e6, -1e9, 2e6, 1.7e308]
    normal = rng.normal(size=4000)
    for whole in (normal, rng.integers(0, 5000, 4000), np.where(rng.random(4000) < 0.5, 0.0, normal)):
        plan, found = counts(con, {"x": whole}, {"x": np.concatenate([whole, far, [np.nan, np.inf]])})
        column, cells = plan.columns["x"], found.columns["x"]
        assert set(column.edges) <= set(column.fine) and len(column.fine) < 250
        where = np.searchsorted(column.fine, np.concatenate([whole, far]), side="left")
        assert list(cells.fine) == list(np.bincount(where, minlength=len(column.fine) + 1))
        assert sum(cells.fine) == sum(cells.cells) == 4004
        assert (cells.lowest, cells.highest) == (-1e9, 1.7e308)
        assert column.spread == pytest.approx(np.std(whole), rel=1e-8)


@pytest.mark.parametrize("values", [
    [5e-324, 1e-323, 5e-323], [1.7e308, -1.7e308, 0.0], [7.0] * 3, [0.1, 0.1, 0.2], [1e-200, 1.0, 1e200], [-0.0, 0.0, 1.0],
])
def test_finer_edges_hold_for_any_scale(con, values):
    plan, found = counts(con, {"x": values * 30})
    column = plan.columns["x"]
    assert list(column.fine) == sorted(set(column.fine)) and all(math.isfinite(e) for e in column.fine)
    assert sum(found.columns["x"].cells) == 90
    assert math.isfinite(column.spread)


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=40, **SHARED)
@given(reference=st.lists(FINITE, min_size=1, max_size=80), batch=st.lists(st.floats(), max_size=80))
def test_cells_are_those_of_numpy(con, reference, batch):
    plan, found = counts(con, {"x": pa.array(reference, pa.float64())}, {"x": pa.array(batch, pa.float64())})
    edges = plan.columns["x"].edges
    finite = [v for v in batch if math.isfinite(v)]
    assert list(edges) == sorted(set(edges))
    expected = np.bincount(np.searchsorted(edges, finite, side="left"), minlength=len(edges) + 1) if edges else [len(finite)]
    assert list(found.columns["x"].cells) == list(expected)


def test_deciles_spikes_and_the_ends_of_the_range_get_their_cells(con):
    rng = np.random.default_rng(1)
    x = np.where(rng.random(5000) < 0.6, 0.0, rng.random(5000))
    plan, found = counts(con, {"x": x}, {"x": np.concatenate([x, [-1e-9, 2.0, 3.0]])})
    cells, labels = found.columns["x"].cells, plan.columns["x"].labels()
    assert len(cells) == len(labels) == plan.columns["x"].cells
    assert (cells[0], cells[-1]) == (1, 2)
    assert cells[labels.index("0")] == (x == 0).sum()


def test_few_values_get_a_cell_each_and_one_for_what_lies_between(con):
    plan, found = counts(con, {"x": [1, 2, 4, 4, 4] * 9}, {"x": [0, 1, 2, 3, 4, 5]})
    assert plan.columns["x"].labels() == ["below the range", "1", "2", "2 to 4", "4", "above the range"]
    assert found.columns["x"].cells == (1, 1, 1, 1, 1, 1)


@pytest.mark.parametrize("values", [
    [True, False, None], [Decimal("1.50"), Decimal("2.25"), None], [date(2026, 1, 1), date(1, 1, 1), None],
    [datetime(2026, 1, 1), datetime(9999, 12, 31), None], [time(1, 2), time(3, 4), None], ["a", "性", None], [1, 2**62, None],
])
def test_every_kind_of_column_is_counted(con, values):
    _, found = counts(con, {"x": values * 20})
    column = found.columns["x"]
    assert (sum(column.cells), column.null, column.not_finite) == (40, 20, 0)


@pytest.mark.parametrize("values", [[[1], [2]], [{"a": 1}, {"a": 2}], [b"x", b"y"]])
def test_nested_and_binary_columns_are_left_out_with_a_reason(con, values):
    plan, found = counts(con, {"x": values})
    assert "no distribution" in plan.columns["x"].why_not
    assert found.columns["x"].cells == ()


def test_infinite_dates_are_not_finite(con):
    con.execute("create or replace view t as select unnest([date 'infinity', date '2020-01-01', null]) as x")
    table = Table("batch", "t", {"x": "DATE"}, 3)
    found = profile(con, table, plan_of(con, table, ["x"])).columns["x"]
    assert (found.not_finite, sum(found.cells), found.null) == (1, 1, 1)


def test_a_column_of_nothing_but_nulls_has_no_cells_or_empty_ones(con):
    for type_ in (pa.null(), pa.float64(), pa.string()):
        _, found = counts(con, {"x": pa.array([None, None], type_)})
        assert (sum(found.columns["x"].cells), found.columns["x"].null) == (0, 2)


def test_a_column_that_names_its_rows_is_left_out(con):
    plan, _ = counts(con, {"name": [f"person {i}" for i in range(100)], "few": ["a", "b"] * 50})
    assert "names rows" in plan.columns["name"].why_not
    assert plan.columns["few"].why_not == ""


def test_a_type_that_changed_has_its_nulls_counted_and_no_cells(con):
    _, found = counts(con, {"x": [1.0, 2.0]}, {"x": ["1.0", None]})
    assert (found.columns["x"].cells, found.columns["x"].null) == ((), 1)


def test_top_other_and_new_categories_are_told_apart(con):
    reference = [f"w{i}" for i in range(30) for _ in range(40 - i)]
    plan, found = counts(con, {"x": reference}, {"x": ["w0", "w0", "w29", "never", "never"]})
    assert plan.columns["x"].top[0] == "w0"
    assert found.columns["x"].cells == (2, *[0] * 19, 1, 2)


def test_rare_new_categories_are_counted_and_not_named(con):
    plan, _ = counts(con, {"x": ["a", "b"] * 20})
    table = table_of(con, {"x": ["a"] * 9 + ["<b>"] * 6 + ["Jane Doe"] * 4}, "batch")
    assert frequent_new(con, table, plan.columns["x"]) == [("<b>", 6)]


def test_one_broken_column_does_not_keep_the_others_from_being_counted(con):
    bad = "case when range > 3 then error('broken page')::double else 1.0 end"
    con.execute(f"create or replace view t as select 1.5::double as good, {bad} as bad from range(9)")
    table = Table("batch", "t", {"good": "DOUBLE", "bad": "DOUBLE"}, 9)
    plan = Plan({name: ColumnPlan(name, "number", (1.0,)) for name in ("good", "bad")})
    found = profile(con, table, plan)
    assert found.columns["good"].cells == (0, 9)
    assert "cannot be read" in found.problems["bad"]
    assert "bad" in plan_of(con, table, ["good", "bad"]).problems


def test_profiles_of_different_plans_do_not_add_up(con):
    _, left = counts(con, {"x": [1.0, 2.0]})
    _, right = counts(con, {"x": ["a", "b"]})
    _, other = counts(con, {"y": [1.0, 2.0]})
    for wrong in (right, other):
        with pytest.raises(ValueError, match="do not add up"):
            merge(left, wrong)


def test_edges_do_not_depend_on_the_order_of_rows(con):
    values = list(np.random.default_rng(2).normal(size=3000))
    first, _ = counts(con, {"x": values})
    second, _ = counts(con, {"x": sorted(values)})
    assert first == second


@pytest.mark.parametrize(("name", "kind"), [
    ("BIGINT", "number"), ("UHUGEINT", "number"), ("DECIMAL(38,5)", "number"), ("FLOAT", "number"), ("BOOLEAN", "truth"),
    ("ENUM('a', 'b]')", "text"), ("UUID", "text"), ("TIMESTAMP_NS", "date"), ("TIME WITH TIME ZONE", "clock"),
    ('"NULL"', "empty"), ("VARCHAR[]", "other"), ("STRUCT(a INTEGER)", "other"), ("BLOB", "other"), ("INTERVAL", "other"),
])
def test_kinds_of_types(name, kind):
    assert kind_of(name) == kind


def test_published_jensen_shannon_and_kolmogorov_smirnov_are_reproduced(con):
    """NannyML prints both distances for ten chunks of its car-loan set; see tests/data/reference."""
    column, path = "debt_to_income_ratio", PUBLISHED / "nannyml_car_loan.parquet"
    published = json.loads((PUBLISHED / "nannyml_published.json").read_text())["ks_js_debt_to_income_ratio"]

    def chunk(where: str) -> Table:
        con.execute(f"create or replace view chunk as select {column} from read_parquet('{path}') where {where}")
        row = con.execute("select count(*) from chunk").fetchone()
        return Table("batch", "chunk", {column: "DOUBLE"}, row[0] if row else 0)

    values = con.execute(f"select {column} from read_parquet('{path}') where period = 'reference'").fetchnumpy()[column]
    doane = np.histogram_bin_edges(values, bins="doane")
    half_open = [math.nextafter(e, -math.inf) for e in doane[:-1]] + [float(doane[-1])]  # numpy's bins hold their lower end
    fine = sorted(set(np.quantile(values, np.linspace(0, 1, 1001))))

    def count(edges: list[float], where: str) -> list[int]:
        plan = Plan({column: ColumnPlan(column, "number", tuple(edges))})
        return list(profile(con, chunk(where), plan).columns[column].cells)

    def with_outside_as_one(cells: list[int]) -> list[int]:
        return [*cells[1:-1], cells[0] + cells[-1]]

    assert len(published) == 10
    for number, expected in enumerate(published):
        where = f"id between {50_000 + 5_000 * number} and {50_000 + 5_000 * number + 4_999}"
        reference = "period = 'reference'"
        binned = [with_outside_as_one(count(half_open, rows)) for rows in (reference, where)]
        js = statistics.jensen_shannon(*binned)
        ks = kolmogorov.ks_from_counts(count(fine, reference), count(fine, where))
        assert js == pytest.approx(expected["js"], abs=6e-8)
        assert ks == pytest.approx(expected["ks"], abs=5e-4)
        exact = con.execute(f"select {column} from read_parquet('{path}') where {where}").fetchnumpy()[column]
        assert ks == pytest.approx(stats.ks_2samp(values, exact, method="asymp").statistic, abs=5e-4)
