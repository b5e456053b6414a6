"""Promises about calls: just kept, just broken, and too few calls to tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from scipy import stats
from scipy.stats import binomtest

from checks import vendor
from roadworthy.measurement import Measurement
from roadworthy.policy import Limit
from tests.checks.cost.support import before
from tests.support import make_subject, passport_of, write_parquet

LOG = {"path": "log.parquet", "rows": "rows", "date": "day", "calls": "calls", "failed": "failed"}


def measured(root: Path, rows: dict[str, Any] | None, sla: dict[str, Any], **log: Any) -> tuple[Measurement, Measurement]:
    """Return availability and latency margin."""
    if rows is not None:
        write_parquet({"rows": np.ones(len(rows["day"])), **rows}, root / "log.parquet")
    one = {"id": "acme", "contract": {"sla": sla}}
    (root / "vendors.yaml").write_text(yaml.safe_dump({"schema_version": 1, "vendors": [one]}), encoding="utf-8")
    named = {k: v for k, v in {**LOG, **log}.items() if v is not None}
    with make_subject(root, passport_of(vendor="acme", telemetry=named)) as subject:
        found = {m.metric: m for m in vendor.measure(subject)}
    return found["vendor.availability_margin"], found["vendor.latency_margin_p95"]


def calls(per_day: int, failed: list[int]) -> dict[str, Any]:
    return {"day": before(len(failed)), "calls": [per_day] * len(failed), "failed": failed}


def said(m: Measurement) -> str:
    """Say what a rule `>= 0` of test interval makes of it."""
    limit = Limit.parse(">= 0")
    assert m.low is not None and m.high is not None
    return "pass" if limit.holds(m.low) else "fail" if limit.excludes(m.low, m.high) else "warn"


def test_the_interval_is_wilsons_where_days_fail_alike(tmp_path: Path) -> None:
    failed = [1, 0, 2, 1, 1, 0, 2, 1, 1, 1] * 3  # less spread than chance would give: calls count one by one
    m, _ = measured(tmp_path, calls(1000, failed), {"availability": 0.99})
    theirs = binomtest(30_000 - sum(failed), 30_000).proportion_ci(method="wilson")
    widened = stats.t.ppf(0.975, 29) / stats.norm.ppf(0.975)  # thirty days tell the spread
    assert m.value == pytest.approx(1 - sum(failed) / 30_000 - 0.99)
    assert m.high - m.low == pytest.approx((theirs.high - theirs.low) * widened, rel=0.02)
    assert m.details["claim"] == "measured" and m.details["promised"] == 0.99


@pytest.mark.parametrize(("failed", "word"), [([0] * 30, "pass"), ([1] * 30, "warn"), ([2] * 30, "fail")])
def test_a_promise_of_999_in_1000_kept_at_its_edge_and_broken(tmp_path: Path, failed: list[int], word: str) -> None:
    m, _ = measured(tmp_path, calls(1000, failed), {"availability": 0.999})
    assert said(m) == word


def test_three_nines_take_thousands_of_calls(tmp_path: Path) -> None:
    sla = {"availability": 0.999}
    few, _ = measured(tmp_path, calls(127, [0] * 30), sla)
    assert few.status == "insufficient"
    assert few.reason == "3,810 calls, 100.000% answered, cannot tell 99.900%; without a failure it takes 3,838."
    enough, _ = measured(tmp_path, calls(128, [0] * 30), sla)
    assert said(enough) == "pass"


def test_a_promise_that_is_surely_broken_needs_no_thousands(tmp_path: Path) -> None:
    m, _ = measured(tmp_path, calls(20, [3, 2, 4, 3, 3, 2, 4, 3, 3, 3] * 3), {"availability": 0.999})
    assert m.status == "measured" and said(m) == "fail"


def test_calls_that_fail_together_are_worth_fewer(tmp_path: Path) -> None:
    spread, _ = measured(tmp_path, calls(1000, [10] * 30), {"availability": 0.995})
    outage, _ = measured(tmp_path, calls(1000, [300] + [0] * 29), {"availability": 0.995})
    assert said(spread) == "fail" and spread.details["measured"] == outage.details["measured"]
    assert outage.status == "insufficient" and "99.000% answered, worth 90 independent ones," in outage.reason
    alone, _ = measured(tmp_path, calls(1000, [5]), {"availability": 0.995})
    assert alone.status == "insufficient" and "of one day" in alone.reason


def test_a_status_is_read_by_the_values_that_are_good(tmp_path: Path) -> None:
    status = ["200", "204", "500", None] * 30
    rows = {"day": np.repeat(before(30), 4), "end": status}
    m, _ = measured(tmp_path, rows, {"availability": 0.9}, calls=None, failed=None, status="end", answered=["200", 204])
    assert m.n == 90 and m.details["measured"] == pytest.approx(2 / 3) and m.details["lines_left_out"] == 30


@pytest.mark.parametrize("bad", [-1.0, 2000.0, float("nan")])
def test_a_line_with_more_failures_than_calls_or_no_number_is_left_out(tmp_path: Path, bad: float) -> None:
    rows = {"day": before(30), "calls": [1000.0] * 30, "failed": [0.0] * 29 + [bad]}
    m, _ = measured(tmp_path, rows, {"availability": 0.999})
    assert m.n == 29_000 and m.details["lines_left_out"] == 1


@pytest.mark.parametrize(("rows", "sla", "log", "says"), [
    (None, {"availability": 0.9}, {}, "There is no log"),
    (calls(9, [0] * 5), {"p95_ms": 5}, {}, "promises no availability"),
    (calls(9, [0] * 5), {"availability": 0.9}, {"failed": None}, "does not say which calls were answered"),
], ids=str)
def test_without_promise_or_log_nothing_is_known(tmp_path: Path, rows: Any, sla: Any, log: Any, says: str) -> None:
    m, _ = measured(tmp_path, rows, sla, **log)
    assert m.status == "insufficient" and says in m.reason


def test_a_time_just_kept_just_broken_and_not_told(tmp_path: Path) -> None:
    wall = np.random.default_rng(1).lognormal(4, 0.3, 300)
    theirs = stats.quantile_test(wall, q=0, p=0.95).confidence_interval(0.95)
    rows = {"day": np.repeat(before(30), 10), "wall": wall}
    log = {"calls": None, "failed": None, "wall_ms": "wall"}
    _, m = measured(tmp_path, rows, {"p95_ms": float(theirs.high) * 1.3}, **log)
    assert m.value == pytest.approx(m.details["promised"] - np.quantile(wall, 0.95, method="inverted_cdf"))
    assert said(m) == "pass" and m.high == pytest.approx(m.details["promised"] - theirs.low, abs=3)
    _, broken = measured(tmp_path, rows, {"p95_ms": float(theirs.low) * 0.8}, **log)
    _, near = measured(tmp_path, rows, {"p95_ms": float(np.quantile(wall, 0.95))}, **log)
    assert said(broken) == "fail" and said(near) == "warn"
    _, few = measured(tmp_path, {"day": before(30), "wall": wall[:30]}, {"p95_ms": 1.0}, **log)
    assert few.status == "insufficient" and "do not resolve" in few.reason


def test_the_promises_own_days_are_measured(tmp_path: Path) -> None:
    failed = [999] * 20 + [0] * 10
    m, _ = measured(tmp_path, calls(1000, failed), {"availability": 0.999, "window_days": 10})
    assert m.n == 10_000 and said(m) == "pass"
