"""Processor time and latency from the log: against numpy and scipy, and on logs that are empty, broken or hostile."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from checks import cost
from tests.checks.cost.support import DAY, LOG, before, log_of, measured, one
from tests.support import make_subject, passport_of, write_parquet


def test_the_rate_is_a_ratio_of_sums_with_the_t_interval_of_its_logarithm(tmp_path: Path) -> None:
    cpu = np.random.default_rng(3).gamma(9.0, 2.0, 28)
    m = one(measured(tmp_path, log_of(28, cpu=cpu)), "cpu_ms_per_1000")
    mean = cpu.mean() / 100
    reach = stats.t.ppf(0.975, 27) * cpu.std(ddof=1) / 100 / np.sqrt(28) / mean
    assert m.value == pytest.approx(1000 * mean) and dict(m.over) == {"source": "log"}
    assert (m.low, m.high) == pytest.approx((1000 * mean * np.exp(-reach), 1000 * mean * np.exp(reach)))
    assert m.n == 2800 and m.stats["units"] == 28 and m.inputs["telemetry"]


def test_latency_is_numpys_quantile_inside_scipys_interval(tmp_path: Path) -> None:
    wall = np.random.default_rng(5).lognormal(3.0, 0.6, 400)
    rows = log_of(400, wall=wall)
    found = measured(tmp_path, rows, windows={"cost": 366})
    held = wall[-366:]
    for short, share in (("latency_p50", 0.5), ("latency_p95", 0.95)):
        m, theirs = one(found, short), stats.quantile_test(held, q=0, p=share).confidence_interval(0.95)
        assert m.value == np.quantile(held, share, method="inverted_cdf") and (m.low, m.high) == (theirs.low, theirs.high)
    few = one(found, "latency_p99")
    assert few.status == "insufficient" and "366 calls do not resolve the 99% quantile; it takes 368" in few.reason


def test_calls_of_one_day_share_its_load_and_are_worth_fewer(tmp_path: Path) -> None:
    random = np.random.default_rng(11)
    level = np.repeat(random.lognormal(3.0, 0.8, 28), 200)
    wall = level * random.lognormal(0, 0.1, 5600)
    rows = pd.DataFrame({"day": np.repeat(before(28), 200), "rows": 1, "cpu": 1.0, "wall": wall})
    together = one(measured(tmp_path, rows), "latency_p50")
    mixed = rows.assign(wall=random.permutation(rows["wall"]))
    apart = one(measured(tmp_path, mixed), "latency_p50")
    assert together.value == apart.value
    assert together.stats["effective_n"] < 60 < 3000 < apart.stats["effective_n"]
    assert together.high - together.low > 5 * (apart.high - apart.low)


def test_lines_after_the_day_judged_and_before_the_window_are_not_read_and_their_order_says_nothing(tmp_path: Path) -> None:
    rows = pd.DataFrame(log_of(10))
    more = pd.DataFrame({"day": [DAY + timedelta(days=1), DAY - timedelta(days=40)], "rows": 1, "wall": 1e6, "cpu": 1e6})
    (tmp_path / "a").mkdir()
    plain = measured(tmp_path / "a", rows)
    (tmp_path / "b").mkdir()
    mixed = measured(tmp_path / "b", pd.concat([more, rows.iloc[::-1]], ignore_index=True))
    assert [(m.value, m.low, m.high, m.n) for m in plain] == [(m.value, m.low, m.high, m.n) for m in mixed]
    assert one(mixed, "log_coverage").value == 10 / 28


def test_a_time_with_a_zone_counts_on_its_day_in_utc(tmp_path: Path) -> None:
    text = [f"{day}T23:30:00-05:00" for day in before(3)]
    found = measured(tmp_path, log_of(3, day=text), windows={"cost": 3})
    assert one(found, "log_coverage").value == pytest.approx(2 / 3)  # each line belongs to the next day; the last to tomorrow


@pytest.mark.parametrize("bad", [-5.0, float("nan"), float("inf"), None, 1e300])
def test_a_line_without_a_usable_time_is_left_out_and_counted(tmp_path: Path, bad: float | None) -> None:
    found = measured(tmp_path, log_of(10, cpu=[10.0] * 9 + [bad]))
    m = one(found, "cpu_ms_per_1000")
    assert m.value == 100.0 and m.n == 900 and m.details["lines_left_out"] == 1
    assert one(found, "log_unusable_share").value == pytest.approx(0.1)
    assert one(found, "wall_ms_per_1000").n == 1000


@pytest.mark.parametrize("rows", [None, log_of(0), log_of(3, day=[DAY + timedelta(days=k) for k in (1, 2, 3)])], ids=str)
def test_without_a_line_there_is_no_number(tmp_path: Path, rows: object) -> None:
    found = measured(tmp_path, rows)
    assert {m.status for m in found} == {"insufficient", "not_applicable"} and {m.metric for m in found} == set(cost.FAMILY)


def test_a_model_without_a_log_gets_no_invented_number(tmp_path: Path) -> None:
    with make_subject(tmp_path, passport_of()) as subject:
        found = cost.measure(subject)
    assert {m.metric for m in found} == set(cost.FAMILY) and all(m.value is None for m in found)
    assert one(found, "cpu_ms_per_1000").reason == "The passport names no log of serving ('telemetry')."


def test_one_day_gives_no_interval_and_so_no_number(tmp_path: Path) -> None:
    assert one(measured(tmp_path, log_of(1)), "cpu_ms_per_1000").status == "insufficient"


def test_a_column_that_is_not_there_is_an_error_and_no_zero(tmp_path: Path) -> None:
    rows = {k: v for k, v in log_of(10).items() if k != "cpu"}
    found = measured(tmp_path, rows)
    assert one(found, "cpu_ms_per_1000").status == "error" and one(found, "wall_ms_per_1000").status == "measured"
    assert one(found, "log_unusable_share").value == 1.0


def test_a_file_that_is_no_parquet_is_an_error(tmp_path: Path) -> None:
    found = measured(tmp_path, None, files={"log.parquet": "no such thing"})
    assert one(found, "latency_p50").status == "error" and "cannot be read as Parquet" in one(found, "latency_p50").reason


def test_hostile_names_are_names(tmp_path: Path) -> None:
    names = {role: f'we"ird; drop table {role} --' for role in ("rows", "wall_ms", "cpu_ms", "date")}
    columns = dict(zip(("date", "rows", "wall_ms", "cpu_ms"), log_of(10).values(), strict=True))
    write_parquet({names[role]: values for role, values in columns.items()}, tmp_path / "it's [a] log*.parquet")
    with make_subject(tmp_path, passport_of(telemetry={"path": "it's [a] log*.parquet", **names})) as subject:
        assert one(cost.measure(subject), "cpu_ms_per_1000").value == 100.0


def test_energy_is_measured_where_it_is_asked_for_and_else_says_how_to_get_it(tmp_path: Path) -> None:
    asked = measured(tmp_path, log_of(10, kwh=[0.002] * 10), telemetry={**LOG, "energy_kwh": "kwh"}, measure_energy=True)
    assert one(asked, "energy_kwh_per_1000").value == pytest.approx(0.02)
    unasked, without = measured(tmp_path, log_of(10)), measured(tmp_path, log_of(10), measure_energy=True)
    assert one(unasked, "energy_kwh_per_1000").status == "not_applicable"
    assert one(without, "energy_kwh_per_1000").value is None and "energy" in one(without, "energy_kwh_per_1000").reason


@pytest.mark.long
@pytest.mark.parametrize(("days", "calls", "alike"), [(120, 1, 0.0), (28, 200, 0.0), (28, 200, 0.3), (60, 100, 0.3)])
def test_the_interval_of_the_95_percent_time_keeps_its_promise(tmp_path: Path, days: int, calls: int, alike: float) -> None:
    hits, tried, truth = 0, 0, np.exp(3 + stats.norm.ppf(0.95) * np.hypot(alike, 0.5))
    for seed in range(100):
        random = np.random.default_rng(seed)
        wall = np.exp(3 + np.repeat(random.normal(0, alike, days), calls) + random.normal(0, 0.5, days * calls))
        rows = {"day": np.repeat(before(days), calls), "rows": np.ones(days * calls), "cpu": wall, "wall": wall}
        m = one(measured(tmp_path, rows, windows={"cost": days}), "latency_p95")
        if m.value is not None:
            tried += 1
            hits += m.low <= truth <= m.high
    assert tried == 100 and hits / tried >= 0.88
