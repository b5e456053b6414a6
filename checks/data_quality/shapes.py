"""Which Great Expectations types a suite may use, with their kwargs, and what to write instead of the others.

The table is our own so that a suite can be checked in milliseconds, without importing Great Expectations; a test compares
it with the library. It names what was seen to give the right answer on DuckDB and on pandas, empty values included.

=====================================================  ======  ======  =============================================
type                                                   DuckDB  pandas  note
=====================================================  ======  ======  =============================================
expect_column_values_to_be_between                     yes     yes     numbers, dates, times
expect_column_values_to_be_in_set, to_not_be_in_set    yes     yes
expect_column_values_to_be_null, to_not_be_null        yes     yes     NaN counts as missing on both
expect_column_values_to_be_unique                      yes     yes
expect_column_value_lengths_to_be_between, to_equal    yes     yes     text
expect_column_{mean,median,stdev,sum}_to_be_between    yes     yes     numbers
expect_column_{min,max}_to_be_between                  yes     yes     numbers, dates, times
expect_column_quantile_values_to_be_between            yes     yes     a value of the column, not interpolated
expect_column_unique_value_count_to_be_between         yes     yes
expect_column_proportion_of_..._values_to_be_between   yes     yes     unique, non_null
expect_column_distinct_values_to_{be_in,contain,       yes     yes
equal}_set
expect_column_most_common_value_to_be_in_set           yes     yes
expect_column_pair_values_to_be_equal, to_be_in_set,   yes     yes     rows where either value is missing do not count
a_to_be_greater_than_b
expect_multicolumn_{sum_to_equal,values_to_be_equal}   yes     yes     rows where any value is missing do not count
expect_select_column_values_to_be_unique_within_rec... yes     yes     rows where any value is missing do not count
expect_compound_columns_to_be_unique                   yes     yes     rows where any value is missing do not count
expect_table_row_count_to_be_between, to_equal         yes     yes
expect_table_column_count_to_be_between, to_equal      yes     yes
expect_table_columns_to_match_set, _ordered_list       yes     yes
expect_column_to_exist                                 yes     yes
unexpected_rows_expectation                            yes     no      one SELECT; the road for everything else
expect_column_values_to_{match,not_match}_regex        no      yes     DuckDB: unexpected_rows_expectation
expect_column_values_to_be_{increasing,decreasing}     no      yes     depends on the order of rows in the files
types of columns (of_type, in_type_list, type_to_be)   no      no      wrong answers; drift.type_changes watches types
like patterns, JSON, dates as text, z-scores, outliers no      no      unexpected_rows_expectation
KL divergence                                          no      no      the drift family
=====================================================  ======  ======  =============================================
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Engine = Literal["duckdb", "pandas"]
Kind = Literal[
    "column", "columns", "names", "bound", "number", "whole", "index", "share", "flag", "values", "pairs", "quantiles", "sql",
    "text",
]
Rows = Literal["column", "either", "any", "table", "schema", "sql", "missing"]

BOTH: tuple[Engine, ...] = ("duckdb", "pandas")


@dataclass(frozen=True, slots=True)
class Shape:
    """What one type of expectation takes and which rows it is about.

    Attributes
    ----------
    required, optional : mapping of str to Kind
        The kwargs.
    one_of : tuple of str
        At least one of these must be there.
    rows : str
        ``column``: rows where the column has a value. ``missing``: all rows, for these expectations are about missing values.
        ``either``, ``any``: rows are left out if one of the columns is missing, for there the library's two engines differ.
        ``table``: all rows.
        ``schema``: names of columns only. ``sql``: what the query says.
    engines : tuple of str
    finite : bool
        A sum over infinite values says nothing: such an expectation is violated, not computed.
    """

    required: dict[str, Kind]
    optional: dict[str, Kind] = field(default_factory=dict)
    one_of: tuple[str, ...] = ()
    rows: Rows = "column"
    engines: tuple[Engine, ...] = BOTH
    finite: bool = False

    @property
    def kwargs(self) -> dict[str, Kind]:
        """Every kwarg with its kind."""
        return {**self.required, **self.optional}


_COLUMN: dict[str, Kind] = {"column": "column"}
_PAIR: dict[str, Kind] = {"column_A": "column", "column_B": "column"}
_LIST: dict[str, Kind] = {"column_list": "columns"}
_MOSTLY: dict[str, Kind] = {"mostly": "share"}
_STRICT: dict[str, Kind] = {"strict_min": "flag", "strict_max": "flag"}
_ENDS = ("min_value", "max_value")


def _between(kind: Kind, *, mostly: bool = False, finite: bool = False, rows: Rows = "column") -> Shape:
    ends: dict[str, Kind] = {"min_value": kind, "max_value": kind}
    return Shape(_COLUMN, {**ends, **_STRICT, **(_MOSTLY if mostly else {})}, _ENDS, rows, finite=finite)


_SET = Shape({**_COLUMN, "value_set": "values"}, _MOSTLY)
_DISTINCT = Shape({**_COLUMN, "value_set": "values"})
_REGEX = Shape({**_COLUMN, "regex": "text"}, _MOSTLY, engines=("pandas",))
_ORDER = Shape(_COLUMN, {"strictly": "flag", **_MOSTLY}, engines=("pandas",))

SHAPES: dict[str, Shape] = {
    "expect_column_values_to_be_between": _between("bound", mostly=True),
    "expect_column_values_to_be_in_set": _SET,
    "expect_column_values_to_not_be_in_set": _SET,
    "expect_column_values_to_be_null": Shape(_COLUMN, _MOSTLY, rows="missing"),
    "expect_column_values_to_not_be_null": Shape(_COLUMN, _MOSTLY, rows="missing"),
    "expect_column_values_to_be_unique": Shape(_COLUMN, _MOSTLY),
    "expect_column_value_lengths_to_be_between": _between("whole", mostly=True),
    "expect_column_value_lengths_to_equal": Shape({**_COLUMN, "value": "whole"}, _MOSTLY),
    "expect_column_mean_to_be_between": _between("number", finite=True),
    "expect_column_median_to_be_between": _between("number"),
    "expect_column_stdev_to_be_between": _between("number", finite=True),
    "expect_column_sum_to_be_between": _between("number", finite=True),
    "expect_column_min_to_be_between": _between("bound"),
    "expect_column_max_to_be_between": _between("bound"),
    "expect_column_quantile_values_to_be_between": Shape({**_COLUMN, "quantile_ranges": "quantiles"}),
    "expect_column_unique_value_count_to_be_between": _between("whole"),
    "expect_column_proportion_of_unique_values_to_be_between": _between("share"),
    "expect_column_proportion_of_non_null_values_to_be_between": _between("share", rows="missing"),
    "expect_column_distinct_values_to_be_in_set": _DISTINCT,
    "expect_column_distinct_values_to_contain_set": _DISTINCT,
    "expect_column_distinct_values_to_equal_set": _DISTINCT,
    "expect_column_most_common_value_to_be_in_set": Shape({**_COLUMN, "value_set": "values"}, {"ties_okay": "flag"}),
    "expect_column_pair_values_to_be_equal": Shape(_PAIR, _MOSTLY, rows="either"),
    "expect_column_pair_values_a_to_be_greater_than_b": Shape(_PAIR, {"or_equal": "flag", **_MOSTLY}, rows="either"),
    "expect_column_pair_values_to_be_in_set": Shape({**_PAIR, "value_pairs_set": "pairs"}, _MOSTLY, rows="either"),
    "expect_multicolumn_sum_to_equal": Shape({**_LIST, "sum_total": "number"}, _MOSTLY, rows="any"),
    "expect_multicolumn_values_to_be_equal": Shape(_LIST, _MOSTLY, rows="any"),
    "expect_select_column_values_to_be_unique_within_record": Shape(_LIST, _MOSTLY, rows="any"),
    "expect_compound_columns_to_be_unique": Shape(_LIST, _MOSTLY, rows="any"),
    "expect_table_row_count_to_be_between": Shape({}, {"min_value": "whole", "max_value": "whole", **_STRICT}, _ENDS, "table"),
    "expect_table_row_count_to_equal": Shape({"value": "whole"}, rows="table"),
    "expect_table_column_count_to_be_between": Shape({}, {"min_value": "whole", "max_value": "whole"}, _ENDS, "schema"),
    "expect_table_column_count_to_equal": Shape({"value": "whole"}, rows="schema"),
    "expect_table_columns_to_match_set": Shape({"column_set": "names"}, {"exact_match": "flag"}, rows="schema"),
    "expect_table_columns_to_match_ordered_list": Shape({"column_list": "names"}, rows="schema"),
    "expect_column_to_exist": Shape(_COLUMN, {"column_index": "index"}, rows="schema"),
    "unexpected_rows_expectation": Shape({"unexpected_rows_query": "sql"}, rows="sql", engines=("duckdb",)),
    "expect_column_values_to_match_regex": _REGEX,
    "expect_column_values_to_not_match_regex": _REGEX,
    "expect_column_values_to_be_increasing": _ORDER,
    "expect_column_values_to_be_decreasing": _ORDER,
}

_SQL = "Write unexpected_rows_expectation with a query that selects the bad rows"
_TYPES = (
    "It answers wrongly on DuckDB and on pandas 3. The metric drift.type_changes watches types. "
    f"{_SQL}, such as: select 1 from {{batch}} where typeof(age) <> 'BIGINT'."
)

INSTEAD: dict[str, str] = {
    "expect_column_values_to_be_of_type": _TYPES,
    "expect_column_values_to_be_in_type_list": _TYPES,
    "expect_column_type_to_be": _TYPES,
    "expect_column_kl_divergence_to_be_less_than": "The drift family measures how far a distribution moved, with an interval.",
    **{
        name: f"It does not run here. {_SQL}{such}."
        for name, such in {
            "expect_column_values_to_match_like_pattern": ", with NOT LIKE",
            "expect_column_values_to_match_like_pattern_list": ", with NOT LIKE",
            "expect_column_values_to_not_match_like_pattern": ", with LIKE",
            "expect_column_values_to_not_match_like_pattern_list": ", with LIKE",
            "expect_column_values_to_match_regex_list": ", with NOT regexp_full_match(...)",
            "expect_column_values_to_not_match_regex_list": ", with regexp_full_match(...)",
            "expect_column_values_to_match_strftime_format": ", with try_strptime(...) IS NULL",
            "expect_column_values_to_be_dateutil_parseable": ", with try_cast(... AS timestamp) IS NULL",
            "expect_column_values_to_be_json_parseable": ", with NOT json_valid(...)",
            "expect_column_values_to_match_json_schema": ", with json_extract(...)",
            "expect_column_value_z_scores_to_be_less_than": "",
            "expect_column_values_to_not_be_outliers": "",
            "expect_multicolumn_values_to_be_unique": ", or use expect_select_column_values_to_be_unique_within_record",
            "expect_query_results_to_match_comparison": "",
            "expect_table_row_count_to_equal_other_table": "",
        }.items()
    },
}


def refusal(name: str, engine: Engine) -> str:
    """Return why a known type does not run on `engine` and what to write instead; empty if it runs.

    Examples
    --------
    >>> refusal("expect_column_values_to_be_between", "duckdb")
    ''
    >>> print(refusal("expect_column_values_to_match_regex", "duckdb"))
    expect_column_values_to_match_regex does not run on DuckDB. Write unexpected_rows_expectation with a query that
    selects the bad rows, with regexp_full_match(...), or set suite_engine: pandas.
    """
    if engine in SHAPES[name].engines:
        return ""
    if engine == "pandas":
        return f"{name} runs on DuckDB only. Set suite_engine: duckdb, or write an expectation on the column."
    with_regex = ", with regexp_full_match(...)" if "regex" in name else ", with lag(...) over (order by ...)"
    return f"{name} does not run on DuckDB. {_SQL}{with_regex}, or set suite_engine: pandas."
