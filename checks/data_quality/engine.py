"""Running a suite: Great Expectations on the DuckDB view of a batch, or on a pandas frame of it.

What this module makes sure of, because the library does not:

- Names of columns never reach it. It sees ``c0``, ``c1``, ... in a view; quotes, line ends and braces in a real name
  would break its own parsing of conditions.
- NaN is missing on both engines, infinity is a number.
- Nothing but a boolean comes back for a rule, and counts; messages of the database, which quote cells, stay here.
- "Violated" and "could not be run" are two things, and so is "there was nothing to look at".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from types import SimpleNamespace
from typing import Any, Literal

import duckdb

from checks.data_quality.library import FORMAT, great_expectations
from checks.data_quality.shapes import Engine, refusal
from checks.data_quality.suite import Expectation, Suite
from checks.subject import Table
from roadworthy.errors import DataError
from roadworthy.sql import literal, quote

_VALUES, _NAMES = "roadworthy_suite_values", "roadworthy_suite_names"
# DuckDB 2.0 believes Parquet's minimum and maximum, which leave NaN out: "where isnan(x)" then finds no row.
_BLIND_TO_NAN = "statistics_propagation,filter_pushdown"
_NAME = {"duckdb": "DuckDB", "pandas": "pandas"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one expectation.

    Attributes
    ----------
    status : {"held", "violated", "insufficient", "error"}
    n : int or None
        Rows that it looked at.
    reason : str
        For ``insufficient`` and ``error``.
    details : dict
        ``unexpected_count`` and ``unexpected_percent`` (of `n`) of a violated row-wise expectation; ``missing_columns``;
        ``infinite_values``.
    """

    status: Literal["held", "violated", "insufficient", "error"]
    n: int | None = None
    reason: str = ""
    details: dict[str, Any] = field(default_factory=dict)


def run(con: duckdb.DuckDBPyConnection, table: Table, suite: Suite, engine: Engine = "duckdb") -> dict[str, Outcome]:
    """Evaluate every expectation of the suite on the table.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        Where the table's view lives. Two more views stand there while this runs.
    table : Table
        Readable, with at least one row.
    suite : Suite
    engine : {"duckdb", "pandas"}
        On pandas, the columns that the suite names are read into memory.

    Returns
    -------
    dict of str to Outcome
        One for each expectation, by its id, in the suite's order.

    Raises
    ------
    DataError
        If Great Expectations is missing or is not the version that the mend was made for.
    """
    found: dict[str, Outcome] = {}
    ready: list[Expectation] = []
    for one in suite.expectations:
        absent = [c for c in one.columns if c not in table.columns]
        if no := refusal(one.type, engine):
            found[one.id] = Outcome("error", reason=no)
        elif absent:
            found[one.id] = Outcome("violated", table.rows, details={"missing_columns": absent})
        else:
            ready.append(one)
    if ready:
        with _views(con, table, ready) as alias:
            found |= _evaluate(con, table, ready, alias, engine)
    return {one.id: found[one.id] for one in suite.expectations}


@contextmanager
def _views(con: duckdb.DuckDBPyConnection, table: Table, ready: Sequence[Expectation]) -> Iterator[dict[str, str]]:
    """Stand up the two views that Great Expectations sees and yield the alias of each column.

    They are ordinary views: the reflection of duckdb-engine does not see temporary ones.
    """
    alias = {column: f"c{i}" for i, column in enumerate(table.columns)}
    used = dict.fromkeys(column for one in ready for column in one.columns) or dict.fromkeys(list(table.columns)[:1])
    values = ", ".join(f"{_comparable(column, table.columns[column])} as {alias[column]}" for column in used)
    names = ", ".join(f"null::integer as {a}" for a in alias.values())
    before = con.execute("select current_setting('disabled_optimizers')").fetchone() or ("",)
    con.execute(f"create or replace view {_VALUES} as select {values} from {table.name}")
    con.execute(f"create or replace view {_NAMES} as select {names} limit 0")
    try:
        con.execute(f"set disabled_optimizers = {literal(_BLIND_TO_NAN)}")
        yield alias
    finally:
        con.execute(f"set disabled_optimizers = {literal(str(before[0]))}")
        con.execute(f"drop view if exists {_VALUES}")
        con.execute(f"drop view if exists {_NAMES}")


def _comparable(column: str, kind: str) -> str:
    """Return SQL of the column's value as both engines compare it."""
    name = quote(column)
    if kind in ("FLOAT", "DOUBLE"):
        return f"case when not isnan({name}) then {name} end"
    if kind.startswith("DECIMAL") or kind in ("HUGEINT", "UHUGEINT"):
        return f"cast({name} as double)"
    if kind.startswith("TIMESTAMP") and kind != "TIMESTAMP":
        return f"make_timestamp(epoch_us({name}))"
    plain = kind in ("VARCHAR", "BOOLEAN", "DATE", "TIMESTAMP") or re.fullmatch(r"U?(TINY|SMALL|BIG)?INT(EGER)?", kind)
    return name if plain else f"cast({name} as varchar)"


def _evaluate(
    con: duckdb.DuckDBPyConnection, table: Table, ready: Sequence[Expectation], alias: dict[str, str], engine: Engine
) -> dict[str, Outcome]:
    gx = great_expectations()
    about_names = [one for one in ready if one.shape.rows == "schema"]
    about_values = [one for one in ready if one.shape.rows != "schema"]
    found: dict[str, Outcome] = {}
    nulls: dict[str, int] = {}
    for view, some in ((_NAMES, about_names), (_VALUES, about_values)):
        if not some:
            continue
        with gx.open(con, view, engine) as validator:
            found |= _validate(gx, validator, some, table, alias, engine)
            nulls |= validator.execution_engine.nulls
    return _corrected(con, table, about_values, alias, nulls, found)


def _validate(
    gx: SimpleNamespace, validator: Any, some: Sequence[Expectation], table: Table, alias: dict[str, str], engine: Engine
) -> dict[str, Outcome]:
    """Hand the expectations over, and account for every one of them."""
    found: dict[str, Outcome] = {}
    built = []
    for one in some:
        try:
            built.append(gx.build(one.type, _translated(one, table, alias, engine), one.id))
        except (ValueError, TypeError, gx.Error) as problem:
            reason = f"Great Expectations does not accept the kwargs of {one.type} ({_first_line(problem)})."
            found[one.id] = Outcome("error", reason=reason)
    suite = gx.Suite(name="roadworthy", expectations=built)
    if len(suite.expectations) != len(built):
        raise DataError(f"Great Expectations kept {len(suite.expectations)} of {len(built)} expectations; none may be dropped.")
    results = validator.graph_validate(
        configurations=suite.expectation_configurations, runtime_configuration={"result_format": FORMAT},
    ) if built else []
    by_id = {result.expectation_config.meta["id"]: result for result in results}
    for one in some:
        if one.id in found:
            continue
        result = by_id.get(one.id)
        if result is None:
            found[one.id] = Outcome("error", reason="Great Expectations gave no result for it.")
        elif trouble := _exception(result.exception_info):
            found[one.id] = Outcome("error", reason=_why(trouble, one, table, engine))
        elif result.success:
            found[one.id] = Outcome("held")
        else:
            count = gx.unexpected(validator, result.expectation_config)
            found[one.id] = Outcome("violated", details={} if count is None else {"unexpected_count": count})
    return found


def _corrected(
    con: duckdb.DuckDBPyConnection, table: Table, some: Sequence[Expectation], alias: dict[str, str], nulls: dict[str, int],
    found: dict[str, Outcome],
) -> dict[str, Outcome]:
    """Add the rows behind each outcome, and take back what was said about no rows at all or about infinite sums."""
    asked: dict[str, str] = {}
    for one in some:
        if (rows := _rows(one, alias)) and not (one.shape.rows == "column" and alias[one.columns[0]] in nulls):
            asked[rows] = f"count(*) filter ({rows})"
        if one.shape.finite and table.columns[one.columns[0]] in ("FLOAT", "DOUBLE"):
            infinite = f"isinf({alias[one.columns[0]]})"
            asked[infinite] = f"count(*) filter ({infinite})"
    counted: dict[str, int] = {}
    if asked:
        row = con.execute(f"select {', '.join(asked.values())} from {_VALUES}").fetchone() or ()
        counted = dict(zip(asked, row, strict=True))
    corrected = dict(found)
    for one in some:
        was, rows = found[one.id], _rows(one, alias)
        n = table.rows if not rows else counted[rows] if rows in counted else table.rows - nulls[alias[one.columns[0]]]
        infinite_values = counted.get(f"isinf({alias[one.columns[0]]})", 0) if one.columns else 0
        if was.status == "error" and n:
            continue
        if not n:
            what = "has no value" if len(one.columns) == 1 else "have no row to compare"
            reason = f"{_quoted(one.columns)} {what} in {table.rows:,} rows, so nothing could break the rule."
            corrected[one.id] = Outcome("insufficient", 0, reason)
        elif infinite_values and one.shape.finite:
            corrected[one.id] = Outcome("violated", n, details={"infinite_values": infinite_values})
        else:
            count = was.details.get("unexpected_count")
            more = {} if count is None else {"unexpected_count": count, "unexpected_percent": 100 * count / n}
            corrected[one.id] = Outcome(was.status, n, was.reason, {**was.details, **more})
    for one_id, was in found.items():
        if was.n is None and was.status != "error" and corrected[one_id].n is None:
            corrected[one_id] = Outcome(was.status, table.rows, was.reason, was.details)
    return corrected


def _rows(one: Expectation, alias: dict[str, str]) -> str:
    """Return the SQL condition of the rows an expectation looks at; empty for all rows."""
    if one.shape.rows not in ("column", "either", "any"):
        return ""
    return " and ".join(f"{alias[c]} is not null" for c in one.columns)


def _translated(one: Expectation, table: Table, alias: dict[str, str], engine: Engine) -> dict[str, Any]:
    """Return the kwargs with aliases for names and, for pandas, times for dates."""
    given: dict[str, Any] = {}
    for key, value in one.kwargs.items():
        match one.shape.kwargs[key]:
            case "column":
                given[key] = alias.get(value, "absent")
            case "columns" | "names":
                given[key] = [alias.get(name, f"absent_{i}") for i, name in enumerate(value)]
            case "sql":
                given[key] = _counting(value, table)
            case "bound":
                given[key] = _timed(value) if engine == "pandas" else value
            case "values":
                given[key] = [_timed(v) for v in value] if engine == "pandas" else value
            case "pairs":
                given[key] = [tuple(_timed(v) if engine == "pandas" else v for v in pair) for pair in value]
            case _:
                given[key] = value
    if one.shape.rows == "either":
        given["ignore_row_if"] = "either_value_is_missing"
    elif one.shape.rows == "any":
        given["ignore_row_if"] = "any_value_is_missing"
    return given


def _timed(value: Any) -> Any:
    """Return a date as the midnight that pandas keeps for it."""
    return datetime(value.year, value.month, value.day) if type(value) is date else value


def _counting(query: str, table: Table) -> str:
    """Return a query that gives the number of unexpected rows if there are any: a count, never the rows.

    The library replaces ``{batch}`` (here in a comment, or it would complain) and unescapes doubled braces; SQLAlchemy
    takes an unescaped colon for a parameter.
    """
    text = query.format(batch=f"(select * from {table.name})").strip().rstrip(";").rstrip()
    wrapped = f"select unexpected from (select count(*) as unexpected from (\n{text}\n) as found) as counted where unexpected > 0"
    return wrapped.replace("{", "{{").replace("}", "}}").replace(":", "\\:") + " /* {batch} */"


def _quoted(columns: Iterable[str]) -> str:
    return ", ".join(f"'{c}'" for c in columns)


def _first_line(problem: Exception) -> str:
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    return "; ".join(lines[1:3] or lines)[:160]


def _exception(info: Any) -> str:
    """Return the message of the exception behind a result, or nothing if it was evaluated."""
    parts = [info] if "raised_exception" in info else list(info.values())
    for part in parts:
        raised = part.get("raised_exception") if isinstance(part, dict) else part.raised_exception
        if raised:
            message = part.get("exception_message") if isinstance(part, dict) else part.exception_message
            return message or "unknown"
    return ""


def _why(message: str, one: Expectation, table: Table, engine: Engine) -> str:
    """Say in one sentence why an expectation could not be run, without the message's text: it may quote a cell."""
    found = re.search(r"_?duckdb\.(\w+?)Exception", message)
    kind = found[1] if found else ""
    if kind == "OutOfMemory":
        return f"{one.type} ran out of memory. Raise the memory limit, or write an expectation that needs no sorting."
    if kind in ("IO", "HTTP", "Serialization"):
        return "The batch could not be read to its end."
    if one.shape.rows == "sql":
        # Parser, binder and catalog speak before a row is read; what comes later may quote one.
        early = kind in ("Binder", "Parser", "Catalog")
        said = message.partition("Error: ")[2].partition("\n")[0][:160] if early else ""
        return f"The query could not be run ({said or (kind or 'unknown') + ' error'})."
    types = ", ".join(f"'{c}' ({table.columns[c]})" for c in one.columns if c in table.columns)
    error = f" ({kind} error)" if kind else ""
    return f"{one.type} could not be run on {_NAME[engine]}{error}: its values do not fit {types or 'the table'}."
