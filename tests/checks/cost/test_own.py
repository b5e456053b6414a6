"""A model without a log is timed where it is explained, and nobody can take these times for those of serving."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from checks.cost import own
from checks.explainability import attribution
from checks.isolation import IsolationError
from checks.isolation.stopwatch import CALLS, Timed, read, take
from checks.subject import Subject
from roadworthy.catalogue import catalogue
from roadworthy.judge import Context, judge
from roadworthy.measurement import Measurement
from roadworthy.policy import Policy
from tests.checks.explainability.worlds import answered, model, opened, people, stored
from tests.support import DAY, make_subject, passport_of


def by_part(found: list[Measurement]) -> dict[tuple[str, str], Measurement]:
    return {(m.metric.partition(".")[2], "".join(map(str, m.over.values()))): m for m in found}


def told(tmp_path: Path, timed: Any) -> dict[tuple[str, str], Measurement]:
    artifact = {"path": "m.skops", "sha256": "0" * 64, "format": "skops"}
    with make_subject(tmp_path, passport_of(artifact=artifact, no_artifact_because=None)) as subject:
        subject.once[f"{own.PLACE} {subject.decided.digest}"] = timed
        return by_part(own.own_timing(subject))


def test_known_times_give_known_numbers(tmp_path: Path) -> None:
    found = told(tmp_path, Timed(50, tuple((float(k), 9.0) for k in range(1, 101)), ((10.0, 8.0), (10.0, 8.0), (10.0, 8.0))))
    assert found["cpu_ms_per_1000", own.SOURCE].value == 160 and found["wall_ms_per_1000", own.SOURCE].value == 200
    median, late = found["latency_p50", "single row"], found["latency_p95", "single row"]
    # Order statistics of 100 by the binomial: 40 and 61 for the median, 90 and 100 for the 95 % time (David and Nagaraja 2003).
    assert (median.value, median.low, median.high) == (50, 40, 61) and (late.value, late.low, late.high) == (95, 90, 100)
    few = found["latency_p95", "whole sample"]
    assert few.status == "insufficient" and "it takes 72" in few.reason
    assert all(own.LABEL in m.method for m in found.values() if m.status == "measured")


def test_one_slow_call_and_a_model_that_cannot_be_run_give_no_number(tmp_path: Path) -> None:
    found = told(tmp_path / "slow", Timed(50, ((9e3, 9e3),), ((9e3, 9e3),)))
    assert {m.status for m in found.values()} == {"insufficient"}
    found = told(tmp_path / "none", "An artifact of format 'onnx' cannot be run here; 'skops' can.")
    assert {m.status for m in found.values()} == {"insufficient"} and "'onnx'" in found["cpu_ms_per_1000", own.SOURCE].reason


def test_a_model_is_timed_in_the_process_that_explains_it_and_only_without_a_log(tmp_path: Path) -> None:
    fitted = model()
    passport = stored(tmp_path, fitted)
    with opened(tmp_path, passport, answered(fitted, people(200, 1)), answered(fitted, people(120, 2))) as subject:
        attribution.measure(subject)
        found = by_part(own.own_timing(subject))
        assert {1 <= found["latency_p95", kind].n <= CALLS for kind in ("single row", "whole sample")} == {True}
        rate = found["cpu_ms_per_1000", own.SOURCE]
        assert rate.n == 120 * found["latency_p95", "whole sample"].n and rate.low <= rate.value <= rate.high
        for m in found.values():
            assert list(m.over) in (catalogue()[m.metric].over, catalogue()[m.metric].by)
        log = passport_of(telemetry={"path": "log.parquet", "rows": "rows"}).telemetry
        with_log = passport.model_copy(update={"telemetry": log})
        assert own.own_timing(_as(subject, with_log)) == [] == own.own_timing(_as(subject, passport_of()))


def _as(subject: Subject, passport: Any) -> Subject:
    return dataclasses.replace(subject, passport=passport)


def test_a_rule_about_the_log_is_not_answered_by_own_times_and_any_source_says_whose_they_are(tmp_path: Path) -> None:
    found = list(told(tmp_path, Timed(50, ((1.0, 1.0),) * 100, ((1.0, 1.0),) * 100)).values())
    rules = [
        {"id": "by-log", "metric": "cost.cpu_ms_per_1000", "over": {"source": "log"}},
        {"id": "by-any", "metric": "cost.cpu_ms_per_1000", "over": {"source": "any"}},
        {"id": "calls", "metric": "cost.latency_p95"},
        {"id": "own-calls", "metric": "cost.latency_p95", "over": {"own_timing": "any"}},
    ]
    common = {"limit": "<= 1000", "test": "interval", "breach": "warn", "because": "It must not take long to be answered."}
    policy = Policy.model_validate({
        "schema_version": 1, "policy": "limited", "title": "Times", "rules": [{**one, **common} for one in rules],
    })
    judged = judge(found, policy, Context("limited", "binary", "nightly", DAY, [], {}, {}, {}, {}, 0))
    said = {(f.rule, f.status) for f in judged.findings}
    assert said >= {("by-log", "error"), ("by-any", "pass"), ("calls", "error"), ("own-calls", "pass")}
    assert all("own" in f.sentence for f in judged.findings if f.status == "pass")


@pytest.mark.parametrize("told", [
    None, [], {}, {"rows": 2, "single": [[1.0, 1.0]], "whole": [[1.0, 1.0]]}, {"rows": 3, "single": [], "whole": [[1.0, 1.0]]},
    {"rows": 3, "single": [[1.0]], "whole": [[1.0, 1.0]]}, {"rows": 3, "single": [[-1.0, 1.0]], "whole": [[1.0, 1.0]]},
    {"rows": 3, "single": [["1", 1.0]], "whole": [[1.0, 1.0]]}, {"rows": 3, "single": [[True, 1.0]], "whole": [[1.0, 1.0]]},
    {"rows": 3, "single": [[1.0, 1.0]] * (CALLS + 1), "whole": [[1.0, 1.0]]},
    {"rows": 3, "single": [[1.0, 1.0]], "whole": [[1e9, 1.0]]},
])
def test_times_that_cannot_be_are_not_believed(told: Any) -> None:
    with pytest.raises(IsolationError, match="cannot be believed"):
        read(told, 3, 5.0)


def test_a_slow_model_is_asked_no_longer_than_it_may() -> None:
    import time

    import pandas as pd

    told = take(lambda _: time.sleep(0.02), pd.DataFrame({"a": range(7)}), seconds=0.05)
    assert 1 <= len(told["single"]) <= 4 and told["rows"] == 7
    assert read(told, 7, 60.0).single[0][0] >= 20
