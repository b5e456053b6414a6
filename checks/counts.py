"""SQL expressions that a passport implies: the positive label, the favourable decision, the group of a row.

Families count with these expressions, so that all of them mean the same rows by "positive" or "women". The columns they
speak of come from other people's files: the same label may be stored as 1, 1.0, '1' or true. Values are therefore
compared by their spellings as text, which needs no knowledge of the column's type and never raises.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from roadworthy.passport import Passport, Protected, Value
from roadworthy.sql import literal, quote

MISSING = "(missing)"
OUTSIDE = "(outside)"
THRESHOLD = 0.5

_NUMERIC = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT",
            "FLOAT", "DOUBLE", "DECIMAL", "BOOLEAN")
_WHOLE = re.compile(r"^-?(?:0|[1-9]\d*)(?:\.0+)?$")
_DECIMALS = 6
_WORDS = {"true": "1", "false": "0"}


def spellings(value: Value) -> tuple[str, ...]:
    """Return every text, in small letters where case does not matter, under which `value` may be stored.

    A whole number is found as integer, as number with decimals, and 1 and 0 as true and false too. Any other text has one
    spelling, its own. A code such as ``01`` is no number. NaN has none: it equals nothing.

    Examples
    --------
    >>> spellings(1)[:3], spellings("1") == spellings(True)
    (('1', '1.0', '1.00'), True)
    >>> spellings("yes"), spellings("01"), spellings("nan")
    (('yes',), ('01',), ())
    """
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if text.lower() == "nan":
        return ()
    text = _WORDS.get(text.lower(), text)
    if not _WHOLE.match(text):
        return (text,)
    whole = text.partition(".")[0]
    whole = "0" if whole == "-0" else whole
    signs = ("0", "-0") if whole == "0" else (whole,)
    numbers = [sign + tail for sign in signs for tail in ("", *("." + "0" * k for k in range(1, _DECIMALS + 1)))]
    words = [word for word, digit in _WORDS.items() if digit == whole]
    return tuple(numbers + words)


def is_numeric(kind: str) -> bool:
    """Say whether a DuckDB type is a number or truth value, and no list of them.

    Examples
    --------
    >>> is_numeric("DECIMAL(5,2)"), is_numeric("BIGINT[]"), is_numeric("VARCHAR")
    (True, False, False)
    """
    return kind.startswith(_NUMERIC) and not kind.endswith("]")


def equals(column: str, value: Value, kind: str = "") -> str:
    """Return SQL that is true where the column holds `value` in any of its spellings; NULL where it is NULL.

    Parameters
    ----------
    column : str
    value : bool, int or str
    kind : str, optional
        The column's DuckDB type, if known. A number is then compared as one, which is much faster than spelling it out.

    Examples
    --------
    >>> print(equals("grade", "A"))
    (cast("grade" as varchar) in ('A'))
    >>> print(equals("grade", "1.0", "BIGINT"))
    ("grade" = 1)
    """
    whole = next((s for s in spellings(value) if _WHOLE.match(s) and "." not in s), None)
    if is_numeric(kind) and whole is not None:
        return f"({quote(column) if kind != 'BOOLEAN' else f'cast({quote(column)} as integer)'} = {whole})"
    return _among(f"cast({quote(column)} as varchar)", [value])


def _among(text: str, values: Sequence[Value]) -> str:
    """Return SQL that is true where `text`, an SQL expression, is a spelling of any of `values`."""
    exact = [s for v in values for s in spellings(v) if len(spellings(v)) == 1]
    folded = [s for v in values for s in spellings(v) if len(spellings(v)) > 1]
    parts = []
    if exact:
        parts.append(f"{text} in ({', '.join(literal(s) for s in exact)})")
    if folded:
        parts.append(f"lower({text}) in ({', '.join(literal(s) for s in folded)})")
    return f"({' or '.join(parts)})" if parts else "false"


def decision_column(passport: Passport) -> str:
    """Return the column that tells the decision: the prediction, or the score where no prediction is declared.

    Examples
    --------
    >>> from tests.support import passport_of
    >>> decision_column(passport_of())
    'prediction'
    """
    column = passport.task.prediction or passport.task.score
    if column is None:
        raise ValueError(f"{passport.id} declares neither a prediction nor a score")
    return column


def positive(passport: Passport, column: str, kind: str = "") -> str:
    """Return SQL of 1 where `column` holds the positive value, 0 where it holds the negative one, else NULL.

    Parameters
    ----------
    passport : Passport
        Of a binary task.
    column : str
        The label, the prediction, or the score. A score counts as positive from 0.5 up; a score that is no number in
        [0, 1] is NULL.
    kind : str, optional
        The column's DuckDB type, if known; see `equals`.

    Raises
    ------
    ValueError
        If the task is not binary.

    Examples
    --------
    >>> import duckdb
    >>> from tests.support import passport_of
    >>> sql = positive(passport_of(), "label")
    >>> duckdb.connect().sql(f"select {sql} from (values ('1'), ('0.0'), ('maybe'), (null)) t(label)").fetchall()
    [(1,), (0,), (None,), (None,)]
    """
    task = passport.task
    if task.kind != "binary" or task.positive is None or task.negative is None:
        raise ValueError(f"{passport.id} is a {task.kind} model: it has no positive value")
    return _one_or_zero(passport, column, kind, task.positive, [task.negative])


def favourable(passport: Passport, column: str, kind: str = "") -> str:
    """Return SQL of 1 where `column` holds the value that is good for the person, 0 where another one, else NULL.

    Parameters
    ----------
    passport : Passport
        Of a binary or multiclass task with a declared `favourable` value.
    column : str
        The label, the prediction, or the score; `decision_column` names the one that decides. A model that gives only a
        score is taken to decide for `positive` from 0.5 up; a score that is no number in [0, 1] is NULL.
    kind : str, optional
        The column's DuckDB type, if known; see `equals`.

    Raises
    ------
    ValueError
        If the passport declares no favourable value.
    """
    task = passport.task
    if task.favourable is None:
        raise ValueError(f"{passport.id} declares no favourable value")
    values = [v for v in (task.positive, task.negative) if v is not None] if task.kind == "binary" else task.classes
    good = set(spellings(task.favourable))
    return _one_or_zero(passport, column, kind, task.favourable, [v for v in values if good.isdisjoint(spellings(v))])


def _one_or_zero(passport: Passport, column: str, kind: str, one: Value, others: Sequence[Value]) -> str:
    task = passport.task
    if column == task.score and column != task.prediction:
        number = f"try_cast({quote(column)} as double)"
        high, low = (1, 0) if one == task.positive else (0, 1)
        return f"case when {number} between {THRESHOLD} and 1 then {high} when {number} between 0 and {THRESHOLD} then {low} end"
    rest = " or ".join(equals(column, other, kind) for other in others) or "false"
    return f"case when {equals(column, one, kind)} then 1 when {rest} then 0 end"


def group(protected: Protected) -> str:
    """Return SQL of the label of each row's group.

    Parameters
    ----------
    protected : Protected
        With bins: the label of the bin (`at_least` in, `below` out), ``(outside)`` where no bin fits or the value is no
        finite number. Otherwise the declared word of the value, or the value as text, whole numbers without decimals.
        NULL and NaN are the group ``(missing)`` in both.

    Examples
    --------
    >>> import duckdb
    >>> from roadworthy.passport import Bin, Protected
    >>> age = Protected(name="age", column="age", reference="old", bins=[
    ...     Bin(label="young", at_least=18, below=25), Bin(label="old", at_least=25)])
    >>> duckdb.connect().sql(f"select {group(age)} from (values (24.9), (25), (3), (null)) t(age)").fetchall()
    [('young',), ('old',), ('(outside)',), ('(missing)',)]
    """
    column = quote(protected.column)
    text = f"cast({column} as varchar)"
    missing = f"when {column} is null or lower({text}) = 'nan' then {literal(MISSING)}"
    if protected.bins:
        number = f"try_cast({column} as double)"
        cases = [f"when {number} is null or not isfinite({number}) then {literal(OUTSIDE)}"]
        for one in protected.bins:
            ends = [f"{number} >= {one.at_least}"] if one.at_least is not None else []
            ends += [f"{number} < {one.below}"] if one.below is not None else []
            cases.append(f"when {' and '.join(ends) or 'true'} then {literal(one.label)}")
        return f"case {missing} {' '.join(cases)} else {literal(OUTSIDE)} end"
    cases = [f"when {_among(text, [value])} then {literal(word)}" for value, word in protected.values.items()]
    cases.append(f"when ends_with({text}, '.0') and regexp_full_match({text}, '-?[0-9]+\\.0') then left({text}, -2)")
    return f"case {missing} {' '.join(cases)} else {text} end"


def columns_of(passport: Passport) -> dict[str, tuple[str, ...]]:
    """Return every declared column with its roles, in the order in which the passport names them.

    Roles are ``feature``, ``label``, ``prediction``, ``score``, ``protected``, ``identifier``, ``quasi_identifier``,
    ``sensitive``, ``leak``, ``time``, ``unit`` (of independence), ``key`` and ``segment``; a column may have several.

    Examples
    --------
    >>> from tests.support import passport_of
    >>> columns_of(passport_of())["sex"]
    ('protected',)
    """
    task = passport.task
    named: list[tuple[str | None, str]] = [(c, "feature") for c in passport.features]
    named += [(task.label, "label"), (task.prediction, "prediction"), (task.score, "score")]
    named += [(p.column, "protected") for p in passport.protected]
    named += [(i.column, "identifier") for i in passport.identifiers]
    named += [(c, "quasi_identifier") for c in passport.quasi_identifiers]
    named += [(c, "sensitive") for c in passport.sensitive]
    named += [(c, "leak") for c in passport.leaks]
    named += [(passport.time, "time"), (passport.independence.column, "unit"), (passport.batches.key, "key")]
    named += [(c, "segment") for c in passport.segments]
    found: dict[str, tuple[str, ...]] = {}
    for column, role in named:
        if column is not None and role not in found.get(column, ()):
            found[column] = (*found.get(column, ()), role)
    return found
