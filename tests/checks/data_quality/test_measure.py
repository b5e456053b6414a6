"""The data-quality family as a night sees it: whatever the batch, a recorded measurement and never a silent pass."""

from __future__ import annotations

import json
import math
from typing import Any

import pyarrow as pa
import pytest

from checks import data_quality
from checks.data_quality.suite import suite_path
from roadworthy.catalogue import catalogue
from roadworthy.errors import DocumentError
from roadworthy.judge import Context, judge
from roadworthy.measurement import Measurement
from roadworthy.policy import Policy
from tests.checks.data_quality.suites import expectations, outcome, rule, subject_of, suite_of, write_suite
from tests.support import DAY, make_subject, passport_of, write_parquet

ROWS = {"age": [20, 30, 40], "income": [1.0, 2.0, 3.0], "sex": ["male", "female", "male"], "label": [0, 1, 1]}
AGE = rule("expect_column_values_to_be_between", column="age", min_value=18, max_value=100)
FAMILY = {m.id for m in catalogue().values() if m.family == "data_quality"}


def statuses(found: list[Measurement]) -> dict[str, set[str]]:
    told: dict[str, set[str]] = {}
    for m in found:
        told.setdefault(m.metric, set()).add(m.status)
    return told


def findings(found: list[Measurement], severity: str = "critical") -> list[str]:
    """Judge with one required rule about the expectations of a severity."""
    policy = Policy.model_validate(
        {
            "schema_version": 1,
            "policy": "p",
            "title": "Test",
            "rules": [
                {
                    "id": "expected",
                    "metric": "data_quality.expectation",
                    "over": {"expectation": "any", "severity": severity},
                    "limit": ">= 1",
                    "test": "exact",
                    "breach": "fail",
                    "because": "The data must be what it was said to be.",
                }
            ],
        }
    )
    told = judge(found, policy, Context("limited", "binary", "nightly", DAY))
    return sorted(f.status for f in told.findings)


def test_a_good_day(tmp_path):
    warning = rule("expect_column_values_to_not_be_null", "warning", "income-there", column="income")
    with subject_of(tmp_path, ROWS, {**AGE, "id": "age-plausible"}, warning, reference=ROWS, leaks=["outcome"]) as subject:
        found = data_quality.measure(subject)
        digest = subject.batch.digest
    first = next(m for m in found if m.over.get("expectation") == "age-plausible")
    assert (first.value, first.n, first.status) == (1.0, 3, "measured")
    assert dict(first.over) == {"expectation": "age-plausible", "severity": "critical"}
    assert dict(first.details) == {"type": AGE["type"], "column": "age", "because": "A test needs a reason."}
    assert first.method == "Great Expectations 1.24.1 on DuckDB"
    assert first.inputs["batch"] == digest
    assert len(first.inputs["suite"]) == 64
    assert next(m.value for m in found if m.metric == "data_quality.rows") == 3
    leak = next(m for m in found if m.metric == "data_quality.declared_leak_present")
    assert (dict(leak.over), leak.value) == ({"column": "outcome"}, 0.0)
    assert {m.over["column"] for m in found if m.metric == "data_quality.leakage_strength"} == {"age", "income"}
    assert {m.metric for m in found} == FAMILY
    json.dumps([m.as_dict() for m in found], allow_nan=False)


def test_a_violated_rule_counts_its_rows(tmp_path):
    found = outcome(tmp_path, {**ROWS, "age": [17, 30, None]}, AGE)
    assert (found.value, found.n) == (0.0, 2)
    assert (found.details["unexpected_count"], found.details["unexpected_percent"]) == (1, 50.0)


def test_a_declared_leak_is_seen(tmp_path):
    with subject_of(tmp_path, {**ROWS, "outcome": [1, 2, 3]}, leaks=["outcome"]) as subject:
        leak = next(m for m in data_quality.measure(subject) if m.metric == "data_quality.declared_leak_present")
    assert leak.value == 1.0


def test_without_a_suite_the_suite_does_not_apply(tmp_path):
    with subject_of(tmp_path, ROWS) as subject:
        (found,) = expectations(subject)
    assert (found.status, found.reason) == ("not_applicable", "The passport declares no data-quality suite.")
    assert found.value is None


def test_a_severity_without_expectations_passes_nothing(tmp_path):
    with subject_of(tmp_path, ROWS, rule(AGE["type"], "info", **AGE["kwargs"])) as subject:
        found = data_quality.measure(subject)
    assert findings(found, "critical") == ["insufficient"]
    assert findings(found, "info") == ["pass"]


# --- a broken suite


@pytest.mark.parametrize(
    "text",
    [
        "",
        "schema_version: 1\nsuite: x\nexpectations: []\n",
        "expectations: [",
        json.dumps(suite_of(rule("expect_column_values_to_be_betwen", column="age", min_value=1))),
        json.dumps(suite_of(AGE, {**AGE, "id": "e0"})),
        json.dumps(suite_of(rule(AGE["type"], column="age"))),
    ],
)
def test_breaking_the_suite_changes_the_measurements_and_the_verdict(tmp_path, text):
    with subject_of(tmp_path, ROWS, AGE) as subject:
        assert findings(data_quality.measure(subject)) == ["pass"]
        (tmp_path / "suite.yaml").write_text(text, encoding="utf-8")
        found = data_quality.measure(subject)
    (broken,) = [m for m in found if m.metric == "data_quality.expectation"]
    assert broken.status == "error"
    assert "suite.yaml" in broken.reason
    assert findings(found) == ["error"]
    assert statuses(found)["data_quality.rows"] == {"measured"}


def test_a_suite_that_is_not_there_is_an_error(tmp_path):
    with subject_of(tmp_path, ROWS, suite="gone.yaml") as subject:
        (found,) = expectations(subject)
    assert (found.status, "gone.yaml: there is no such file" in found.reason) == ("error", True)


@pytest.mark.parametrize("path", ["../suite.yaml", "a/../../suite.yaml", "/etc/passwd"])
def test_a_suite_outside_the_workspace_is_refused(tmp_path, path):
    with pytest.raises(DocumentError, match="leaves the workspace"):
        suite_path(tmp_path, path)


# --- a broken day


def test_an_expectation_on_a_missing_column_is_violated(tmp_path):
    rows = {name: values for name, values in ROWS.items() if name != "age"}
    found = outcome(tmp_path, rows, AGE)
    assert (found.value, found.n, found.details["missing_columns"]) == (0.0, 3, ["age"])
    there = outcome(tmp_path, rows, rule("expect_column_to_exist", column="age"))
    assert there.value == 0.0


@pytest.mark.parametrize(("due", "status"), [(True, "error"), (False, "insufficient")])
def test_a_day_without_a_batch(tmp_path, due, status):
    batches = {"path": "batches/{date}.parquet", "due": due}
    with subject_of(tmp_path, None, AGE, leaks=["outcome"], batches=batches) as subject:
        found = data_quality.measure(subject)
    told = statuses(found)
    for metric in ("data_quality.expectation", "data_quality.rows", "data_quality.declared_leak_present"):
        assert told[metric] == {status}
    beside = ("data_quality.leakage_strength", "data_quality.intake_receipt")  # of the reference; asked for by no passport here
    assert {m.reason for m in found if m.metric not in beside} == {subject.batch.problem}
    assert set(told) == FAMILY
    assert findings(found) == [status]


def test_a_day_of_no_rows_is_counted_and_nothing_else_is_known(tmp_path):
    empty = pa.table(ROWS).slice(0, 0)
    with subject_of(tmp_path, empty, AGE, rule("expect_table_row_count_to_be_between", min_value=1), leaks=["age2"]) as subject:
        found = data_quality.measure(subject)
    assert statuses(found)["data_quality.expectation"] == {"insufficient"}
    assert next(m.value for m in found if m.metric == "data_quality.rows") == 0.0
    assert findings(found) == ["insufficient"]


@pytest.mark.parametrize("keep", [0, 10, 300])
def test_a_file_cut_short_is_an_error(tmp_path, keep):
    whole = write_parquet(ROWS, tmp_path / "whole.parquet").read_bytes()
    write_suite(tmp_path, AGE)
    (tmp_path / "batches").mkdir()
    (tmp_path / f"batches/{DAY}.parquet").write_bytes(whole[:keep])
    with make_subject(tmp_path, passport_of(suite="suite.yaml", leaks=["outcome"])) as subject:
        found = data_quality.measure(subject)
    told = statuses(found)
    assert (
        told["data_quality.expectation"] == told["data_quality.rows"] == told["data_quality.declared_leak_present"] == {"error"}
    )
    assert findings(found) == ["error"]


def test_a_page_that_cannot_be_read_is_an_error_for_each_rule(tmp_path):
    rows = {"age": list(range(20_000)), "sex": [f"s{i}" for i in range(20_000)]}
    path = write_parquet(rows, tmp_path / f"batches/{DAY}.parquet")
    raw = bytearray(path.read_bytes())
    raw[200:20_000] = bytes(19_800)
    write_suite(tmp_path, AGE, rule("expect_column_values_to_be_unique", column="age"))
    path.write_bytes(bytes(raw))
    with make_subject(tmp_path, passport_of(suite="suite.yaml", features=["age"])) as subject:
        found = expectations(subject)
    assert {m.status for m in found} == {"error"}
    assert "age" not in found[0].reason


BAD: dict[str, Any] = {
    "one row": {"age": [20]},
    "all nulls": {"age": pa.array([None, None], pa.int64())},
    "null type": {"age": pa.array([None, None], pa.null())},
    "nan and infinity": {"age": [math.nan, math.inf, -math.inf]},
    "text for numbers": {"age": ["twenty", "30", ""]},
    "numbers as text": {"age": ["20", "30"]},
    "constant": {"age": [20] * 5},
    "booleans": {"age": [True, False]},
    "lists": {"age": [[20], [30]]},
    "structs": {"age": [{"years": 20}]},
    "bytes": {"age": [b"\xff\x00", b""]},
    "dates": {"age": pa.array([0, 1], pa.date32())},
    "decimals": {"age": pa.array(["20.10", "30.25"]).cast(pa.decimal128(9, 2))},
    "huge": {"age": pa.array([2**63 - 1, -(2**63)], pa.int64())},
    "categories": {"age": pa.array(["a", "b"]).dictionary_encode()},
    "zones": {"age": pa.array([0, 1], pa.timestamp("us", "Europe/Berlin"))},
    "times": {"age": pa.array([0, 1], pa.time64("us"))},
    "other case": {"AGE": [20]},
    "renamed": {"Age ": [20]},
}


@pytest.mark.parametrize("engine", ["duckdb", "pandas"])
@pytest.mark.parametrize("what", sorted(BAD))
def test_bad_input_ends_in_a_measurement(tmp_path, what, engine):
    rules = [
        AGE,
        rule("expect_column_values_to_not_be_null", column="age"),
        rule("expect_column_mean_to_be_between", column="age", min_value=0),
        rule("expect_column_values_to_be_in_set", column="age", value_set=[20, 30]),
        rule("expect_column_values_to_be_unique", column="age"),
        rule("expect_column_max_to_be_between", column="age", max_value=90),
        rule("expect_column_to_exist", column="age"),
        rule("expect_table_row_count_to_be_between", min_value=1),
    ]
    with subject_of(tmp_path, BAD[what], *rules, reference=ROWS, suite_engine=engine) as subject:
        found = expectations(subject)
    assert len(found) == len(rules)
    assert all(m.status in ("measured", "insufficient", "error") and (m.value is None) == bool(m.reason) for m in found)
    json.dumps([m.as_dict() for m in found], allow_nan=False)
    if what in ("all nulls", "null type", "text for numbers", "lists", "structs", "bytes", "other case", "renamed"):
        assert found[0].value != 1.0
    if what in ("one row", "constant", "decimals"):
        assert found[0].value == 1.0


def test_the_reference_as_batch_is_measured_alike(tmp_path):
    from checks.subject import on_reference

    with subject_of(tmp_path, ROWS, AGE, reference={**ROWS, "age": [1, 2, 3]}) as subject:
        here, there = expectations(subject)[0], expectations(on_reference(subject))[0]
    assert (here.value, there.value) == (1.0, 0.0)
    assert here.inputs["batch"] != there.inputs["batch"]


def test_the_views_of_the_subject_stay_as_they_were(tmp_path):
    with subject_of(tmp_path, ROWS, AGE, reference=ROWS) as subject:
        asked = "select view_name from duckdb_views() where not internal order by all"
        before = subject.con.execute(asked).fetchall()
        data_quality.measure(subject)
        assert subject.con.execute(asked).fetchall() == before


def test_the_same_subject_gives_the_same_bytes(tmp_path):
    with subject_of(tmp_path, ROWS, AGE, reference=ROWS) as subject:
        first, again = ([m.as_dict() for m in data_quality.measure(subject)] for _ in range(2))
    assert json.dumps(first) == json.dumps(again)


def test_reading_a_suite_does_not_import_the_library():
    import subprocess
    import sys

    code = "import checks.data_quality, sys; print('great_expectations' in sys.modules, 'pandas' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["False", "False"]
