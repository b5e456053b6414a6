"""A suite that cannot mean what it says does not load, and says where."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from checks.data_quality import read_suite
from checks.data_quality.shapes import INSTEAD, SHAPES, refusal
from roadworthy.errors import DocumentError
from tests.checks.data_quality.suites import META, rule, suite_of, write_suite

GOOD = """\
schema_version: 1
suite: credit
expectations:
  - id: age-plausible
    type: expect_column_values_to_be_between
    kwargs: {column: age, min_value: 18, max_value: 100}
    severity: critical
    meta: {because: Nobody under 18 may apply.}
  - id: rows
    type: expect_table_row_count_to_be_between
    kwargs:
      min_value: 1
    severity: warning
    meta: {because: A day without rows is a broken day.}
"""


def problems(text: str, root: Path, engine=None) -> list[str]:
    path = root / "suite.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DocumentError) as caught:
        read_suite(path, "suite.yaml", engine)
    return caught.value.problems


def wrong(root: Path, kind: str, **kwargs) -> str:
    (said,) = problems(yaml.safe_dump(suite_of(rule(kind, **kwargs)), allow_unicode=True), root)
    return said


def test_a_good_suite_is_read_whole(tmp_path):
    path = tmp_path / "suite.yaml"
    path.write_text(GOOD, encoding="utf-8")
    suite = read_suite(path)
    assert [one.id for one in suite.expectations] == ["age-plausible", "rows"]
    assert suite.expectations[0].columns == ("age",)
    assert suite.expectations[0].about == "age"
    assert suite.expectations[1].columns == ()


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        (
            "expect_column_values_to_be_between",
            "expect_column_value_to_be_betwen",
            5,
            "Did you mean 'expect_column_values_to_be_between'?",
        ),
        ("expect_table_row_count_to_be_between", "xyz", 10, "docs/data-quality.md"),
        ("id: rows", "id: age-plausible", 9, "second time (line 4)"),
        ("column: age", "colum: age", 6, "Did you mean 'column'?"),
        ("{column: age, min_value: 18, max_value: 100}", "{min_value: 18}", 6, "needs 'column'"),
        ("max_value: 100", "max_value: '100'", 6, "without quotes"),
        ("max_value: 100", "max_value: 10", 6, "nothing can lie between"),
        ("max_value: 100", "max_value: .inf", 6, "finite"),
        ("max_value: 100", "max_value: 9007199254740993", 6, "rounded"),
        ("max_value: 100", "max_value: 2026-01-01", 6, "different kinds"),
        ("max_value: 100", "mostly: 95", 6, "from 0 to 1"),
        (", min_value: 18, max_value: 100", "", 6, "always true"),
        ("      min_value: 1\n", "      min_value: -1\n", 12, "whole number"),
        ("      min_value: 1\n", "      min_value: true\n", 12, "whole number"),
        ("severity: critical", "severity: fatal", 7, "is 'fatal', but must be"),
        ("severity: critical", "severty: critical", 7, "severity"),
        ("because: Nobody under 18 may apply.", "because: x", 8, "because"),
        ("{because: Nobody under 18 may apply.}", "{}", 8, "because"),
        ("id: rows", "id: Rows and more", 9, "cannot be a name"),
        ("schema_version: 1", "schema_version: 2", 1, "schema_version"),
        ("suite: credit\n", "", 1, "missing"),
        ("kwargs: {column: age, min_value: 18, max_value: 100}", "kwargs: [age]", 6, "a mapping"),
        ("      min_value: 1\n", "      min_value: 1\n      min_value: 2\n", 13, "second time"),
    ],
)
def test_each_mistake_is_a_sentence_with_its_line(tmp_path, old, new, line, says):
    assert old in GOOD
    said = problems(GOOD.replace(old, new, 1), tmp_path)
    assert any(s.startswith(f"suite.yaml:{line}: ") and says in s for s in said), said


def test_several_mistakes_are_told_at_once(tmp_path):
    said = problems(GOOD.replace("column: age", "colum: age").replace("min_value: 1\n", "min_value: x\n"), tmp_path)
    assert len(said) == 3


@pytest.mark.parametrize(
    "text", ["", "- a\n", "schema_version: 1\nsuite: x\nexpectations: []\n", "a: [", "\x00", "suite: *nothing\n"]
)
def test_what_is_no_suite_is_refused(tmp_path, text):
    assert problems(text, tmp_path)


def test_a_missing_file_is_a_sentence(tmp_path):
    with pytest.raises(DocumentError, match="there is no such file"):
        read_suite(tmp_path / "none.yaml", "none.yaml")


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("delete from {batch}", "single SELECT"),
        ("select 1 from {batch}; select 2 from {batch}", "single SELECT"),
        ("copy {batch} to 'out.csv'", "single SELECT"),
        ("attach '{batch}'", "single SELECT"),
        ("select 1", "does not read {batch}"),
        ("selec 1 from {batch}", "not SQL that DuckDB reads"),
        ("select 1 from {batch} where x ~ 'a{2}'", "write {{ and }}"),
        ("select 1 from {batch} where x = '{", "write {{ and }}"),
        ("select 1 from {batch.__class__}", "write {{ and }}"),
        ("select 1 from {batch!r}", "write {{ and }}"),
        ("", "one SELECT"),
        (7, "one SELECT"),
    ],
)
def test_a_query_is_one_reading_statement_over_the_batch(tmp_path, query, says):
    assert says in wrong(tmp_path, "unexpected_rows_expectation", unexpected_rows_query=query)


@pytest.mark.parametrize(
    ("kind", "kwargs", "says"),
    [
        ("expect_column_values_to_be_in_set", {"column": "x", "value_set": []}, "a list of values"),
        ("expect_column_values_to_be_in_set", {"column": "x", "value_set": ["a", 1]}, "mixes kinds"),
        ("expect_column_values_to_be_in_set", {"column": "x", "value_set": ["a", None]}, "None"),
        ("expect_column_values_to_be_in_set", {"column": "", "value_set": ["a"]}, "no column name"),
        ("expect_column_values_to_be_in_set", {"column": 3, "value_set": ["a"]}, "no column name"),
        ("expect_compound_columns_to_be_unique", {"column_list": ["a"]}, "at least 2"),
        ("expect_compound_columns_to_be_unique", {"column_list": ["a", "a"]}, "twice"),
        ("expect_column_pair_values_to_be_in_set", {"column_A": "a", "column_B": "b", "value_pairs_set": [["a"]]}, "pairs"),
        ("expect_column_quantile_values_to_be_between", {"column": "x", "quantile_ranges": {"quantiles": [0.5]}}, "value_ranges"),
        (
            "expect_column_quantile_values_to_be_between",
            {"column": "x", "quantile_ranges": {"quantiles": [0.9, 0.1], "value_ranges": [[1, 2], [1, 2]]}},
            "rising",
        ),
        (
            "expect_column_quantile_values_to_be_between",
            {"column": "x", "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[2, 1]]}},
            "can never be",
        ),
        (
            "expect_column_quantile_values_to_be_between",
            {"column": "x", "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[None, None]]}},
            "says nothing",
        ),
        ("expect_column_values_to_be_between", {"column": "x", "min_value": 1, "strict_min": "yes"}, "true or false"),
        ("expect_column_values_to_not_be_null", {"column": "x", "row_condition": "a == 1"}, "takes no 'row_condition'"),
    ],
)
def test_kwargs_must_be_of_their_kind(tmp_path, kind, kwargs, says):
    assert says in wrong(tmp_path, kind, **kwargs)


@pytest.mark.parametrize("kind", sorted(INSTEAD))
def test_a_type_that_answers_wrongly_is_refused_with_what_to_write_instead(tmp_path, kind):
    said = wrong(tmp_path, kind, column="x")
    assert f"'{kind}' cannot be used" in said
    assert "unexpected_rows_expectation" in said or "drift" in said


def test_a_type_that_one_engine_lacks_is_told_to_the_linter(tmp_path):
    one = rule("expect_column_values_to_match_regex", column="x", regex="a")
    path = write_suite(tmp_path, one)
    assert read_suite(path).expectations[0].id == "e0"
    assert read_suite(path, engine="pandas").expectations[0].id == "e0"
    with pytest.raises(DocumentError, match=r"suite\.yaml:\d+: .*regexp_full_match"):
        read_suite(path, engine="duckdb")
    assert "DuckDB only" in refusal("unexpected_rows_expectation", "pandas")


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(kind=st.sampled_from(sorted(SHAPES)), data=st.data())
def test_no_kwargs_whatever_break_the_reader(tmp_path_factory, kind, data):
    keys = [*SHAPES[kind].kwargs, "row_condition"]
    kwargs = data.draw(st.dictionaries(st.sampled_from(keys), json, max_size=5))
    path = tmp_path_factory.mktemp("any") / "suite.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "schema_version": 1,
                "suite": "t",
                "expectations": [{"id": "a", "type": kind, "kwargs": kwargs, "severity": "info", "meta": META}],
            }
        ),
        encoding="utf-8",
    )
    try:
        read_suite(path)
    except DocumentError as said:
        assert all(":" in problem for problem in said.problems)
