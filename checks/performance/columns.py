"""The columns that performance needs, as SQL, whatever type the file gave them."""

from __future__ import annotations

from dataclasses import dataclass

from checks.counts import decision_column, equals, is_numeric, positive
from checks.subject import Table
from roadworthy.passport import Passport
from roadworthy.sql import quote


@dataclass(frozen=True)
class Columns:
    """SQL of truth, decision, score and unit; NULL where the row has none that can be used.

    Attributes
    ----------
    truth, decision : str
        Binary: 1 or 0. Multiclass: the place of the class. Regression: a finite number.
    score : str
        A number in [0, 1].
    unit : str
        What the row belongs to, by the passport's independence.
    gone : dict of str to str
        Role to column, of declared columns that the table does not have.
    """

    truth: str
    decision: str
    score: str
    unit: str
    gone: dict[str, str]

    @property
    def rows(self) -> str:
        """The columns, under the names y, d, s and u."""
        return f"{self.truth} as y, {self.decision} as d, {self.score} as s, {self.unit} as u"


def columns_of(passport: Passport, table: Table) -> Columns:
    """Return the columns of `table` that the passport names."""
    task, unit = passport.task, passport.independence.column
    named = {"label": task.label, "prediction": decision_column(passport), "score": task.score, "unit": unit}
    gone = {role: column for role, column in named.items() if column is not None and not table.has(column)}

    def value(role: str, column: str) -> str:
        if role in gone:
            return "null::integer"
        if task.kind == "regression":
            return number(table, column)
        kind = table.columns[column]
        return positive(passport, column, kind) if task.kind == "binary" else _class(passport, column, kind)

    score = "null::double"
    if table.has(task.score):
        score = f"case when {number(table, task.score)} between 0 and 1 then {number(table, task.score)} end"
    return Columns(
        value("label", task.label), value("prediction", named["prediction"] or ""), score,
        quote(unit) if unit is not None and table.has(unit) else "null", gone,
    )


def number(table: Table, column: str | None) -> str:
    """Return SQL of the column as a finite double, or NULL.

    Examples
    --------
    >>> number(Table("batch", columns={"x": "BIGINT"}), "x")
    'case when isfinite(cast("x" as double)) then cast("x" as double) end'
    """
    name = quote(column or "")
    kind = table.columns[column or ""]
    value = f"cast({name} as double)" if is_numeric(kind) else f"try_cast(cast({name} as varchar) as double)"
    return f"case when isfinite({value}) then {value} end"


def _class(passport: Passport, column: str, kind: str) -> str:
    cases = " ".join(f"when {equals(column, one, kind)} then {place}" for place, one in enumerate(passport.task.classes))
    return f"case {cases} end"
