"""A data-quality suite: the YAML file in which a workspace says what a model's data must be.

Checked strictly and without importing Great Expectations, because what that library does with a misspelt type is to log
it and go on: a rule that is never run would look like a rule that is never broken.

Examples
--------
.. code-block:: yaml

    schema_version: 1
    suite: credit
    expectations:
      - id: age-plausible
        type: expect_column_values_to_be_between
        kwargs: {column: age, min_value: 18, max_value: 100}
        severity: critical
        meta: {because: Nobody under 18 may apply.}
"""

from __future__ import annotations

import difflib
import math
import string
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from checks.data_quality.shapes import INSTEAD, SHAPES, Engine, Kind, Shape, refusal
from roadworthy.canonical import digest_file
from roadworthy.documents import Document, Strict, read_document, validate
from roadworthy.errors import DocumentError
from roadworthy.passport import Name

Severity = Literal["critical", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "info")
EXACT = 2**53


class Meta(Strict):
    """What Great Expectations carries along."""

    because: str = Field(min_length=10, description="One sentence for the Owner.")


class Expectation(Strict):
    """One thing that must be true of every batch."""

    id: Name = Field(description="Name of the expectation on pages and in findings.")
    type: str = Field(description="The Great Expectations type, such as expect_column_values_to_be_between.")
    kwargs: dict[str, Any] = Field(default_factory=dict, description="What the type takes: column, limits, values.")
    severity: Severity = Field(description="How bad it is when it does not hold; policies judge each by rules of its own.")
    meta: Meta

    @property
    def shape(self) -> Shape:
        """What the type takes and which rows it is about."""
        return SHAPES[self.type]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns whose values it looks at; none for expectations about names, row counts and queries."""
        if self.shape.rows in ("schema", "table", "sql"):
            return ()
        found = [self.kwargs[k] for k, kind in self.shape.kwargs.items() if kind == "column" and k in self.kwargs]
        for key, kind in self.shape.kwargs.items():
            found += self.kwargs[key] if kind == "columns" else []
        return tuple(dict.fromkeys(found))

    @property
    def about(self) -> str:
        """The column or columns for a reader: from the kwargs, in their order."""
        named = [v for k, v in self.kwargs.items() if self.shape.kwargs.get(k) in ("column", "columns")]
        return ", ".join(n if isinstance(n, str) else ", ".join(n) for n in named)


class Suite(Strict):
    """A file of expectations."""

    schema_version: Literal[1] = Field(description="Always 1.")
    suite: Name = Field(description="Its name.")
    expectations: list[Expectation] = Field(min_length=1, description="What must hold.")


def read_suite(path: Path, shown: str | None = None, engine: Engine | None = None) -> Suite:
    """Read a suite and check that every expectation can be run.

    Parameters
    ----------
    path : pathlib.Path
    shown : str, optional
        The name to use in messages; by default the path as given.
    engine : {"duckdb", "pandas"}, optional
        If given, a type that does not run on this engine is a mistake too. Without it, such an expectation is read and
        becomes an error of its own when measured, and the others still run.

    Raises
    ------
    DocumentError
        With one sentence for each mistake, with file and line.
    """
    document = read_document(path, shown)
    suite = validate(document, Suite)
    problems = list(_mistakes(document, suite, engine))
    if problems:
        raise DocumentError(problems)
    return suite


def suite_path(root: Path, declared: str) -> Path:
    """Return the file that a passport's `suite` means.

    Raises
    ------
    DocumentError
        If the path leaves the workspace.
    """
    if Path(declared).is_absolute() or ".." in Path(declared).parts:
        raise DocumentError([f"the suite '{declared}' leaves the workspace; its path is relative to it."])
    return root / declared


def suite_digest(path: Path) -> str:
    """Return the digest of the suite's file, or nothing if it cannot be read."""
    return digest_file(path) if path.is_file() else ""


def _mistakes(document: Document, suite: Suite, engine: Engine | None) -> Iterator[str]:
    seen: dict[str, int] = {}
    for index, one in enumerate(suite.expectations):
        here: tuple[str | int, ...] = ("expectations", index)
        if one.id in seen:
            first = document.line(("expectations", seen[one.id], "id"))
            yield f"{document.at((*here, 'id'))}: the id '{one.id}' stands here a second time (line {first}). Rename one."
        seen.setdefault(one.id, index)
        said = _unknown(one.type) or (refusal(one.type, engine) if engine else "")
        if said:
            yield f"{document.at((*here, 'type'))}: {said}"
        if one.type not in SHAPES:
            continue
        for key, problem in _wrong_kwargs(one):
            yield f"{document.at((*here, 'kwargs', key) if key else (*here, 'kwargs'))}: '{one.id}': {problem}"


def _unknown(name: str) -> str:
    if name in SHAPES:
        return ""
    if name in INSTEAD:
        return f"the expectation '{name}' cannot be used. {INSTEAD[name]}"
    near = difflib.get_close_matches(name, [*SHAPES, *INSTEAD], n=1)
    hint = f" Did you mean '{near[0]}'?" if near else " The types are listed in docs/data-quality.md."
    return f"there is no expectation '{name}'.{hint}"


def _wrong_kwargs(one: Expectation) -> Iterator[tuple[str, str]]:
    shape, given = one.shape, one.kwargs
    wrong = False
    for key in given:
        if key not in shape.kwargs:
            near = difflib.get_close_matches(key, list(shape.kwargs), n=1)
            hint = f"Did you mean '{near[0]}'?" if near else f"Known: {', '.join(shape.kwargs) or 'none'}."
            yield key, f"{one.type} takes no '{key}'. {hint}"
    for key in shape.required:
        if key not in given:
            yield "", f"{one.type} needs '{key}'."
    for key, kind in shape.kwargs.items():
        if key in given and (problem := _wrong(kind, given[key])):
            wrong = True
            yield key, f"'{key}' {problem}"
    if shape.one_of and not any(k in given for k in shape.one_of):
        yield "", f"{one.type} needs {' or '.join(repr(k) for k in shape.one_of)}; without either it is always true."
    low, high = given.get("min_value"), given.get("max_value")
    if low is None or high is None or wrong:
        return
    if _is_number(low) != _is_number(high) or (type(low) is not type(high) and not _is_number(low)):
        yield "max_value", "'min_value' and 'max_value' are of different kinds; write both as numbers, dates, or dates with time."
    elif low > high:
        yield "max_value", f"'min_value' {low} is above 'max_value' {high}; nothing can lie between."


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _wrong_number(value: Any) -> str:
    if not _is_number(value):
        return f"is {value!r}, but must be a number."
    if not math.isfinite(value):
        return f"is {value}, but must be a finite number; leave the end out to leave it open."
    if abs(value) > EXACT and isinstance(value, int):
        return f"is {value}, which would be rounded: Great Expectations compares as floating point, exact up to {EXACT}."
    return ""


def _wrong_scalar(value: Any) -> str:
    if _is_number(value):
        return _wrong_number(value)
    return "" if isinstance(value, str | bool | date) else f"holds {value!r}, but must hold text, numbers, dates, true or false."


def _wrong_list(value: Any, least: int, what: str) -> str:
    if not isinstance(value, list) or len(value) < least:
        return f"must be a list of {'at least ' + str(least) + ' ' if least > 1 else ''}{what}."
    return ""


def _wrong_names(value: Any, least: int) -> str:
    if problem := _wrong_list(value, least, "column names"):
        return problem
    if odd := [v for v in value if not isinstance(v, str) or not v or "\x00" in v]:
        return f"holds {odd[0]!r}, which is no column name; put it in quotes."
    twice = sorted({v for v in value if value.count(v) > 1})
    return f"names {twice[0]!r} twice." if twice else ""


def _wrong_values(value: Any) -> str:
    if problem := _wrong_list(value, 1, "values"):
        return problem
    if odd := next((p for p in map(_wrong_scalar, value) if p), ""):
        return odd
    kinds = {"numbers" if _is_number(v) else type(v).__name__ for v in value}
    if len(kinds) > 1:
        return "mixes kinds of values (text and numbers, for example); a column has one. Put them all in quotes, or none."
    return ""


def _wrong_pairs(value: Any) -> str:
    if problem := _wrong_list(value, 1, "pairs, such as [[a, 1], [b, 2]]"):
        return problem
    if any(not isinstance(pair, list) or len(pair) != 2 for pair in value):
        return "must be a list of pairs, such as [[a, 1], [b, 2]]."
    return _wrong_values([pair[0] for pair in value]) or _wrong_values([pair[1] for pair in value])


def _wrong_quantiles(value: Any) -> str:
    shape = "must be {quantiles: [0.5], value_ranges: [[low, high]]}, with null for an open end."
    if not isinstance(value, dict) or set(value) != {"quantiles", "value_ranges"}:
        return shape
    asked, ranges = value["quantiles"], value["value_ranges"]
    if not isinstance(asked, list) or not isinstance(ranges, list) or not asked or len(asked) != len(ranges):
        return shape
    if any(_wrong_share(q) for q in asked) or sorted(set(asked)) != asked:
        return "names quantiles that are not rising numbers between 0 and 1."
    for pair in ranges:
        if not isinstance(pair, list) or len(pair) != 2 or any(v is not None and _wrong_number(v) for v in pair):
            return shape
        if pair == [None, None] or (None not in pair and pair[0] > pair[1]):
            return f"has the range {pair}, which says nothing or can never be."
    return ""


def _wrong_share(value: Any) -> str:
    return "" if _is_number(value) and 0 <= value <= 1 else f"is {value!r}, but must be a number from 0 to 1."


def _wrong_whole(value: Any) -> str:
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= EXACT
    return "" if fits else f"is {value!r}, but must be a whole number, 0 or more."


def _wrong_bound(value: Any) -> str:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return "has a time zone; write the time in UTC without one, which is how columns with a zone are compared."
    if isinstance(value, date):
        return ""
    if isinstance(value, str):
        return f"is the text {value!r}, but must be a number or a date; write dates without quotes (2026-04-01)."
    return _wrong_number(value)


def _wrong_sql(value: Any) -> str:
    """Say why a query is not one reading statement over ``{batch}``."""
    import duckdb

    if not isinstance(value, str) or not value.strip():
        return "must be one SELECT over {batch}, as text."
    try:
        fields = [found for _, *found in string.Formatter().parse(value) if found[0] is not None]
    except ValueError:
        fields = [["?"]]
    if any(found != ["batch", "", None] for found in fields):
        return "has a brace that is not {batch}; write {{ and }} where the SQL itself needs braces, as in a{{2}}."
    if not fields:
        return "does not read {batch}, the table of the day."
    try:
        statements = duckdb.extract_statements(value.format(batch="batch"))
    except duckdb.Error as problem:
        return f"is not SQL that DuckDB reads ({str(problem).splitlines()[0][:120]})."
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        return "must be a single SELECT; a suite reads and changes nothing."
    return ""


def _wrong(kind: Kind, value: Any) -> str:
    """Return what is wrong with a kwarg's value, or nothing."""
    match kind:
        case "column":
            return _wrong_names([value], 1)
        case "columns":
            return _wrong_names(value, 2)
        case "names":
            return _wrong_names(value, 1)
        case "bound":
            return _wrong_bound(value)
        case "number":
            return _wrong_number(value)
        case "whole" | "index":
            return _wrong_whole(value)
        case "share":
            return _wrong_share(value)
        case "flag":
            return "" if isinstance(value, bool) else f"is {value!r}, but must be true or false."
        case "values":
            return _wrong_values(value)
        case "pairs":
            return _wrong_pairs(value)
        case "quantiles":
            return _wrong_quantiles(value)
        case "text":
            return "" if isinstance(value, str) and value else "must be text; put it in quotes."
        case "sql":
            return _wrong_sql(value)
