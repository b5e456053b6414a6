"""Connections: what they must get right on files that other people wrote."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from roadworthy.sql import connect, literal


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
