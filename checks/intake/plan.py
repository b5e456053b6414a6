"""What a raw file must become: which columns are kept, as what type, and what is done to identifiers on the way."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import duckdb

from checks.counts import columns_of
from roadworthy.arrival import Intake, Treatment
from roadworthy.errors import DataError
from roadworthy.passport import Passport
from roadworthy.sql import literal, quote

VERSION = 1
"""Of the rules by which a file becomes a batch; another version makes another receipt."""
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT")
_DATES = ("DATE", "TIMESTAMP")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the batch: its name, its values' type, whether it must come, its treatment, whether no cell may be empty."""

    name: str
    type: str
    needed: bool
    treatment: Treatment | None = None
    filled: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """How a passport's raw files become batches."""

    intake: Intake
    columns: tuple[Column, ...]
    dropped: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """Every column that is read."""
        return [one.name for one in self.columns]

    def coded(self) -> dict[str, str]:
        """Return the scope of each column that gets pseudonyms."""
        made = ((c.name, c.treatment) for c in self.columns if c.treatment is not None and c.treatment.how == "pseudonymise")
        return {name: treatment.scope or name for name, treatment in made}

    def as_dict(self) -> dict[str, Any]:
        """Return everything that decides what a file becomes, for its digest."""
        columns = [[c.name, c.type, c.needed, c.treatment.model_dump() if c.treatment else None] for c in self.columns]
        elsewhere = {"required", "key", "old_keys", "path", "labels", "treatments", "types"}
        told = self.intake.model_dump(mode="json", exclude=elsewhere)
        filled = [c.name for c in self.columns if c.filled]
        told |= {"filled": filled} if filled else {}
        return {"version": VERSION, "columns": columns, "dropped": list(self.dropped), "intake": told}


def plan_of(passport: Passport, reference: Mapping[str, str]) -> Plan:
    """Return the plan of a passport.

    Parameters
    ----------
    passport : Passport
        With an intake section.
    reference : mapping of str to str
        DuckDB type of each column of the reference; empty if there is none yet.

    Raises
    ------
    DataError
        If a declared type is none.

    Notes
    -----
    Kept is what the passport declares for some purpose, and nothing else; a declared leak is not kept. What the model reads must
    come; labels may come later, and so may columns that nothing but a page needs.
    """
    intake = passport.intake
    if intake is None:
        raise DataError(f"The passport of {passport.id} has no 'intake' section.", "Declare where raw files arrive.")
    declared = {one.column for one in passport.identifiers}
    columns, dropped = [], []
    named = {**columns_of(passport), **{name: ("typed",) for name in intake.types if name not in columns_of(passport)}}
    if intake.date is not None:
        named.setdefault(intake.date, ("date",))
    for name in (*named, *(c for c in intake.treatments if c not in named)):
        roles = set(named.get(name, ()))
        treatment = intake.treatments.get(name) or (Treatment(how="pseudonymise") if name in declared else None)
        if roles == {"leak"} or (treatment is not None and treatment.how == "drop"):
            dropped.append(name)
            continue
        text = treatment is not None and treatment.how in ("pseudonymise", "mask")
        usual = "DATE" if name == intake.date else "VARCHAR"
        kind = "VARCHAR" if text else intake.types.get(name) or reference.get(name) or usual
        needed = bool(roles & {"feature", "prediction", "score", "protected", "key", "identifier", "unit", "date", "typed"})
        columns.append(Column(name, _checked(name, kind), needed, treatment))
    return Plan(intake, tuple(columns), tuple(dropped))


def labels_plan_of(passport: Passport, reference: Mapping[str, str]) -> Plan:
    """Return the plan of labels that come later: the key, treated as it is in the batch so that it still joins, and the label.

    Raises
    ------
    DataError
        If the passport declares no such labels, or a declared type is none.
    """
    whole = plan_of(passport, reference)
    key, label = passport.batches.key, passport.task.label
    held = {one.name: one for one in whole.columns}
    if whole.intake.labels is None or key not in held or label not in held:
        raise DataError(f"The passport of {passport.id} declares no labels under 'intake'.", "Name 'intake.labels'.")
    return replace(whole, columns=(replace(held[key], needed=True, filled=True), replace(held[label], needed=True)), dropped=())


def _checked(name: str, kind: str) -> str:
    """Return the type as DuckDB spells it; text that is no type never reaches another statement."""
    spelt = _spelt(kind) if all(c.isalnum() or c in " _(),[]" for c in kind) else None
    if spelt is None:
        raise DataError(f"'{kind[:40]}' is no type for the column '{name}'.", "Write a DuckDB type such as BIGINT or VARCHAR.")
    return spelt


@lru_cache(maxsize=256)
def _spelt(kind: str) -> str | None:
    """Return the type as DuckDB spells it, or None; a connection costs 20 ms, and a table has few types."""
    with duckdb.connect() as con:
        try:
            return str(con.execute(f"select typeof(cast(null as {kind}))").fetchall()[0][0])
        except duckdb.Error:
            return None


def query(
    plan: Plan, source: str, raw: Mapping[str, str], day: str, *, typed: Collection[str] = (), without: Collection[str] = ()
) -> str:
    """Return a query that turns raw records into rows of the batch.

    Parameters
    ----------
    plan : Plan
    source : str
        What stands after FROM; it has a column ``roadworthy n``, which is kept.
    raw : mapping of str to str
        SQL of each column's raw text; a column that is not named did not come.
    day : str
        The day of the file, as 2026-04-09.
    typed : collection of str, optional
        Columns whose SQL in `raw` is of their type already.
    without : collection of str, optional
        Columns that are left out, because nothing is to be done to them (`untouched`); what is wrong with one is found all the
        same.

    Returns
    -------
    str
        A query with the plan's columns, treated but not yet pseudonymised, ``roadworthy why``, the reason why a row cannot be
        taken in or NULL, and ``roadworthy n``.
    """
    columns, reasons = [], []
    for one in plan.columns:
        text = raw.get(one.name)
        if text is None:
            columns.append(f"cast(null as {one.type}) as {quote(one.name)}")
            continue
        value = text if one.name in typed else _cast(text, one.type)
        if one.filled:
            said = literal(f"The column {one.name!r} is empty.")
            blank = "" if one.name in typed else f" or trim({text}) = ''"
            reasons.append(f"when {text} is null{blank} then {said}")
        if value != text:
            said = literal(f"The column {one.name!r} holds no {one.type}.")
            reasons.append(f"when {text} is not null and {value} is null then {said}")
        if one.name == plan.intake.date:
            held = f"cast({value} as date)" if one.type.startswith(_DATES) else f"try_cast({value} as date)"
            first, last = f"(date '{day}' - {plan.intake.days_before})", f"(date '{day}' + {plan.intake.days_after})"
            said = literal(f"The day in {one.name!r} is not near the file's day.")
            reasons.append(f"when {held} is null or {held} not between {first} and {last} then {said}")
        if one.name not in without:
            columns.append(f"{_treated(value, one)} as {quote(one.name)}")
    why = f"case {' '.join(reasons)} end" if reasons else "cast(null as varchar)"
    return f'select {"".join(f"{c}, " for c in columns)}{why} as "roadworthy why", "roadworthy n" from {source}'


def untouched(plan: Plan, came: Collection[str], typed: Collection[str]) -> list[str]:
    """Return the columns that came and are already what the batch holds, but for pseudonyms: text, or of their type."""
    plain = (c for c in plan.columns if c.treatment is None or c.treatment.how in ("keep", "pseudonymise"))
    return [c.name for c in plain if c.name in came and (c.type == "VARCHAR" or c.name in typed)]


def _cast(text: str, kind: str) -> str:
    if kind == "VARCHAR":
        return text
    if kind in _WHOLE:
        # A cast would round 1.5 to 2; only what is whole is a whole number.
        before = f"try_cast(split_part(trim({text}), '.', 1) as {kind})"
        whole = f"case when regexp_full_match(trim({text}), '[+-]?[0-9]+[.]0*') then {before} end"
        return f"(case when contains({text}, '.') then {whole} else try_cast(trim({text}) as {kind}) end)"
    return f"try_cast({text} as {kind})"


def _treated(value: str, column: Column) -> str:
    treatment = column.treatment
    if treatment is None or treatment.how in ("keep", "pseudonymise"):
        return value
    if treatment.how == "mask":
        kept = treatment.characters or 0
        left = f"greatest(least({kept}, length({value}) - 4), 0)"  # of a short value nothing would be masked otherwise
        return f"repeat('*', length({value}) - {left}) || right({value}, {left})"
    if treatment.characters is not None:
        return f"left(cast({value} as varchar), {treatment.characters})"
    if isinstance(treatment.step, str):
        held = value if column.type.startswith(_DATES) else f"try_cast({value} as date)"
        return f"cast(date_trunc('{treatment.step}', {held}) as date)"
    number = f"floor(cast({value} as double) / {treatment.step}) * {treatment.step}"
    return f"try_cast({number} as {column.type if column.type != 'VARCHAR' else 'DOUBLE'})"
