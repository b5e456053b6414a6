"""What a passport declares, held against the reference data: columns, labels, decisions, scores and groups.

This is no check of the night: it measures nothing and judges nothing. It finds what would make every night meaningless, such
as a column that is not there, and says it in a sentence before the first night. Only counts, ranges and a few values of a
label leave the data.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from checks.counts import MISSING, OUTSIDE, equals, group
from checks.subject import Subject
from roadworthy.passport import Passport, Protected, Value
from roadworthy.sql import literal, quote

Where = tuple[str | int, ...]
SHOWN = 4  # values or names in a sentence


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One mistake: the key of the passport at which it stands, and a sentence."""

    where: Where
    says: str


def disagreements(subject: Subject) -> list[Disagreement]:
    """Return everything in which the passport and its reference data disagree, in the passport's order.

    Parameters
    ----------
    subject : Subject
        Only its reference is read, and of the batch the names of its columns.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from pathlib import Path
    >>> from tests.support import make_subject, passport_of
    >>> rows = {c: [1, 0] for c in ("label", "prediction", "score", "age", "incme")} | {"sex": ["male", "female"]}
    >>> with TemporaryDirectory() as folder, make_subject(Path(folder), passport_of(), rows) as subject:
    ...     print(disagreements(subject)[0].says)
    the column 'income' (feature) is not in the reference data. Did you mean 'incme'?
    """
    if not subject.reference:
        where: Where = ("reference", "sha256") if "digest" in subject.reference.problem else ("reference", "path")
        return [Disagreement(where, _small(subject.reference.problem))]
    return [*_columns(subject), *_values(subject), *_groups(subject)]


def _columns(subject: Subject) -> Iterator[Disagreement]:
    there = subject.reference.columns
    for where, column, role in _declared(subject.passport):
        if column not in there:
            yield Disagreement(where, f"the column '{column}' ({role}) is not in the reference data.{_hint(column, there)}")
    key, batch = subject.passport.batches.key, subject.batch
    if key is not None and batch and key not in batch.columns:
        yield Disagreement(("batches", "key"), f"the column '{key}' (key) is not in the newest batch.{_hint(key, batch.columns)}")


def _declared(passport: Passport) -> Iterator[tuple[Where, str, str]]:
    """Yield where a column is named, its name and its role. A declared leak need not be there: best it is not."""
    task = passport.task
    for role in ("label", "prediction", "score"):
        column = getattr(task, role)
        if column is not None:
            yield ("task", role), column, role
    yield from ((("features", i), column, "feature") for i, column in enumerate(passport.features))
    yield from ((("protected", i, "column"), p.column, "protected attribute") for i, p in enumerate(passport.protected))
    yield from ((("identifiers", i, "column"), one.column, "identifier") for i, one in enumerate(passport.identifiers))
    for i, column in enumerate(passport.quasi_identifiers):
        yield ("quasi_identifiers", i), column, "quasi-identifier"
    yield from ((("sensitive", i), column, "sensitive") for i, column in enumerate(passport.sensitive))
    yield from ((("segments", i), column, "segment") for i, column in enumerate(passport.segments))
    if passport.independence.column is not None:
        yield ("independence", "column"), passport.independence.column, f"{passport.independence.unit} of independence"
    if passport.time is not None:
        yield ("time",), passport.time, "time"


def _values(subject: Subject) -> Iterator[Disagreement]:
    """Compare the values of label, decision and score with the declared ones; a missing value is no disagreement."""
    task = subject.passport.task
    numeric: list[tuple[Where, str, str]] = []
    if task.score is not None and task.kind != "regression":
        numeric.append((("task", "score"), task.score, "not isfinite({0}) or {0} not between 0 and 1"))
    named = [("label", task.label), ("prediction", task.prediction)]
    if task.kind == "regression":
        numeric += [(("task", role), column, "not isfinite({0})") for role, column in named if column is not None]
    else:
        values = [v for v in (task.positive, task.negative) if v is not None] if task.kind == "binary" else task.classes
        for role, column in named:
            if column is not None:
                yield from _among(subject, role, column, values)
    for where, column, bad in numeric:
        if not subject.reference.has(column):
            continue
        number = f"try_cast({quote(column)} as double)"
        found = subject.rows(
            f"select count(*) filter ({_there(column)}) as n, "
            f"count(*) filter ({_there(column)} and ({number} is null or {bad.format(number)})) as bad "
            f"from {subject.reference.name}"
        )[0]
        wanted = "probabilities from 0 to 1" if "between" in bad else "numbers"
        if found["bad"]:
            said = f"{found['bad']:,} of {found['n']:,} values of '{column}' in the reference data are no {wanted}."
            yield Disagreement(where, said)


def _among(subject: Subject, role: str, column: str, values: Collection[Value]) -> Iterator[Disagreement]:
    if not subject.reference.has(column):
        return
    known = " or ".join(equals(column, value) for value in values)
    found = subject.rows(
        f"select left(cast({quote(column)} as varchar), 40) as value, count(*) as n from {subject.reference.name} "
        f"where {_there(column)} and not ({known}) group by 1 order by n desc, value"
    )
    if found:
        shown = ", ".join(f"'{row['value']}' ({row['n']:,} row{'' if row['n'] == 1 else 's'})" for row in found[:SHOWN])
        shown += " and others" if len(found) > SHOWN else ""
        declared = "'classes'" if subject.passport.task.kind == "multiclass" else "'positive' and 'negative'"
        yield Disagreement(("task", role), f"the column '{column}' ({role}) holds {shown}, which {declared} do not name.")


def _groups(subject: Subject) -> Iterator[Disagreement]:
    for index, protected in enumerate(subject.passport.protected):
        if not subject.reference.has(protected.column):
            continue
        number = f"try_cast({quote(protected.column)} as double)"
        found = subject.rows(
            f"select {group(protected)} as label, count(*) as n, min({number}) as low, max({number}) as high, "
            f"count({number}) as numbers from {subject.reference.name} group by 1 order by 2 desc, 1"
        )
        yield from _outside(protected, ("protected", index, "bins"), found)
        labels = [str(row["label"]) for row in found]
        if protected.reference not in labels:
            there = [label for label in labels if label not in (MISSING, OUTSIDE)]
            yield Disagreement(("protected", index, "reference"), (
                f"no row of the reference data is in the group '{protected.reference}' of '{protected.name}', "
                f"with which the others are compared.{_hint(protected.reference, there, 'Groups there')}"))


def _outside(protected: Protected, where: Where, found: list[dict[str, object]]) -> Iterator[Disagreement]:
    rows = sum(int(str(row["n"])) for row in found)
    for row in found:
        if row["label"] != OUTSIDE or not protected.bins:
            continue
        count, numbers = int(str(row["n"])), int(str(row["numbers"]))
        values = "with values that are no numbers"
        if numbers:
            values = f"with values from {_plain(row['low'])} to {_plain(row['high'])}"
        yield Disagreement(where, (
            f"the bins of '{protected.name}' do not cover the reference data: {count:,} of {rows:,} rows lie outside, {values}. "
            "Widen a bin or add one."))


def _there(column: str) -> str:
    """Return SQL that is true where the column holds something: not NULL and not NaN."""
    return f"({quote(column)} is not null and lower(cast({quote(column)} as varchar)) <> {literal('nan')})"


def _hint(name: str, there: Collection[str], head: str = "It has") -> str:
    folded = {known.lower(): known for known in there}
    near = [folded[name.lower()]] if name.lower() in folded else difflib.get_close_matches(name, there, n=1)
    if near:
        return f" Did you mean '{near[0]}'?"
    shown = ", ".join(f"'{known}'" for known in list(there)[: 2 * SHOWN])
    return f" {head}: {shown}{' and others' if len(there) > 2 * SHOWN else ''}." if shown else ""


def _plain(value: object) -> str:
    number = float(str(value))
    return f"{number:,.0f}" if number.is_integer() else f"{number:,.6g}"


def _small(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
