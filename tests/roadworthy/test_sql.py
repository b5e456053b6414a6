"""Connections: what they must get right on files that other people wrote."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.sql import connect, literal, quote


@pytest.mark.parametrize(("condition", "rows"), [
    ("x <= 1", 3), ("x > 1", 1), ("x <> 1", 2), ("x between 0 and 1", 3), ("isnan(x)", 1), ("not isfinite(x)", 1),
    ("y = 1", 3), ("y <> 1", 1),
])
def test_nan_is_seen_in_a_file_whose_statistics_leave_it_out(tmp_path, condition, rows):
    """Writers leave NaN out of a Parquet file's minimum and maximum, and DuckDB believes those."""
    file = tmp_path / "nan.parquet"
    pq.write_table(pa.table({"x": [0.5, 1.0, 1.0, float("nan")], "y": [1.0, 1.0, 1.0, float("nan")]}), file)
    with connect() as con:
        con.execute(f"create view t as select * from read_parquet([{literal(str(file))}], union_by_name=true)")
        assert con.execute(f"select count(*) from t where {condition}").fetchone() == (rows,)
        assert con.execute(f"select count(*) filter ({condition}) from t").fetchone() == (rows,)
        assert con.execute(f"select count(*) from t group by {condition} having {condition}").fetchone() == (rows,)


@pytest.fixture(scope="module")
def con():
    with connect() as opened:
        yield opened


@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=30))
def test_any_name_is_an_identifier_and_any_text_a_literal(con, text):
    found = con.execute(f"select {quote(text)} from (select {literal(text)} as {quote(text)})")
    assert [column[0] for column in found.description] == [text] and found.fetchall() == [(text,)]


@pytest.mark.parametrize("name", ["\x00", "a\x00b", 'x" from y; drop table t; --\x00'])
def test_a_name_with_a_nul_is_refused(name):
    with pytest.raises(ValueError, match="NUL"):
        quote(name)


def test_a_connection_downloads_nothing_and_stays_within_its_memory(tmp_path):
    with connect(memory_limit="64MB", threads=1, spill=tmp_path / "spill") as con:
        settings = dict(con.execute("select name, value from duckdb_settings()").fetchall())
        assert settings["autoinstall_known_extensions"] == settings["autoload_known_extensions"] == "false"
        assert (settings["threads"], settings["memory_limit"]) == ("1", "61.0 MiB")
        assert settings["temp_directory"] == str(tmp_path / "spill")
        with pytest.raises(duckdb.Error, match="httpfs"):
            con.execute("select * from read_parquet('https://127.0.0.1:9/x.parquet')")
        # Out of core: ten times the limit is sorted on disk.
        found = con.execute("select count(distinct x) from (select hash(i) as x from range(4000000) t(i))").fetchone()
        assert found == (4_000_000,)
