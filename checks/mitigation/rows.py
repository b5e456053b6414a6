"""The rows of the plan: those that options learn from, and those held out on which all of them are measured.

What fits needs rows, so both are bounded, drawn by their content and a seed, and never leave the process but for the one that
decides. Held-out rows that were trained on would make every option look better than it is; they are looked for and refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from checks.counts import decision_column, favourable, group, spellings
from checks.fairness.counted import Names, free_names
from checks.sampling import content_of, drawn, learned_from
from checks.subject import Subject, Table
from roadworthy.errors import DataError
from roadworthy.passport import Protected
from roadworthy.sql import quote

if TYPE_CHECKING:
    import pyarrow as pa

MOST_ROWS = 50_000
LEAST = 20
LEAST_OF_A_LABEL = 5
"""Rows, and rows of either label, of a group below which nothing can be learnt of it."""
_NEARLY_ALL = 0.95
_BY_CHANCE = 0.05


@dataclass(frozen=True)
class Rows:
    """Rows of one table.

    Attributes
    ----------
    table : Table
    groups : dict of str to list of str
        Of each attribute the group of each row.
    control : pyarrow.Table
        ``label``, ``decision`` (1 favourable, 0 not; the decision may be missing where it is not needed) and ``score`` (the
        chance of the favourable value).
    features : pyarrow.Table or None
        The passport's features, row by row the same; None if a column is missing.
    lacking : tuple of str
        Features that the table does not have.
    """

    table: Table
    groups: dict[str, list[str]]
    control: pa.Table
    features: pa.Table | None
    lacking: tuple[str, ...]

    def names(self, attributes: Sequence[str]) -> list[Names]:
        """Return the group of each row in several attributes together; in none all rows are of one group."""
        if not attributes:
            return [()] * self.control.num_rows
        return list(zip(*(self.groups[a] for a in attributes), strict=True))


def training(subject: Subject) -> Table:
    """Return the table that the model was trained on: what the recipe names, else the reference."""
    recipe = subject.passport.recipe
    if recipe is None or recipe.training is None:
        return subject.reference
    return learned_from(subject, recipe.training)


def read(subject: Subject, table: Table, *, decided: bool, order: Sequence[str] = ()) -> Rows:
    """Return at most `MOST_ROWS` rows that have a label, and where `decided` a decision too.

    Parameters
    ----------
    subject : Subject
    table : Table
        Readable.
    decided : bool
    order : sequence of str
        Columns by which the rows are sorted, as far as they are there; rows that agree in them are sorted by their content.

    Raises
    ------
    DataError
        If a column that is needed is missing, DuckDB cannot read the rows, or no row is left.
    """
    passport = subject.passport
    task, attributes = passport.task, passport.protected
    needed = [task.label, *(p.column for p in attributes), *([decision_column(passport)] if decided else [])]
    gone = [c for c in needed if not table.has(c)]
    if gone:
        raise DataError(f"The {table.role} has no column '{gone[0]}'.")
    lacking = tuple(c for c in passport.features if not table.has(c))
    chosen = [] if lacking else list(passport.features)
    sql, free = [group(p) for p in attributes], free_names(table)
    sql += [favourable(passport, task.label, table.columns[task.label]), _decision(subject, table), _score(subject, table)]
    sql += [quote(c) for c in chosen]
    aliases = [next(free) for _ in sql]
    content, label, decision = next(free), aliases[len(attributes)], aliases[len(attributes) + 1]
    hashed = f"{content_of(subject, table)} as {content}"
    by = [quote(c) for c in order if table.has(c)]
    listed = ", ".join(f"{one} as {alias}" for one, alias in zip(sql, aliases, strict=True))
    kept = f"{label} is not null" + (f" and {decision} is not null" if decided else "")
    places = [next(free) for _ in by]
    inner = ", ".join([listed, hashed, *(f"{column} as {place}" for column, place in zip(by, places, strict=True))])
    query = (
        f"select {', '.join(aliases)} from (select * from (select {inner} from {table.name}) where {kept} "
        f"order by {content} limit {MOST_ROWS}) order by {', '.join([*places, content])}"
    )
    found = drawn(subject, table, query, f"{'a decision and ' if decided else ''}a label")
    width = len(attributes)
    groups = {p.name: found.column(i).to_pylist() for i, p in enumerate(attributes)}
    control = found.select(range(width, width + 3)).rename_columns(["label", "decision", "score"])
    features = found.select(range(width + 3, found.num_columns)).rename_columns(chosen) if chosen else None
    return Rows(table, groups, control, features, lacking)


def _decision(subject: Subject, table: Table) -> str:
    column = decision_column(subject.passport)
    return favourable(subject.passport, column, table.columns[column]) if table.has(column) else "null::integer"


def _score(subject: Subject, table: Table) -> str:
    """Return SQL of the chance of the favourable value; NULL where there is none, or what stands there is no chance."""
    column = subject.passport.task.score
    if not table.has(column) or column is None:
        return "null::double"
    number = f"try_cast({quote(column)} as double)"
    return f"case when {number} between 0 and 1 then {number if favourable_is_positive(subject) else f'1 - {number}'} end"


def favourable_is_positive(subject: Subject) -> bool:
    """Say whether the score speaks of the value that is good for the person."""
    task = subject.passport.task
    if task.favourable is None or task.positive is None:
        return False
    return not set(spellings(task.favourable)).isdisjoint(spellings(task.positive))


def trained_on(subject: Subject, train: Table, held: Table) -> str:
    """Say in a sentence that held-out rows were trained on; empty where none was found.

    Rows are compared by all features, and by the columns that name a case where both tables hold one. Without such a column
    a few rows may be alike by chance; where many rows of the training table are alike themselves, nothing can be told.
    """
    passport, con = subject.passport, subject.con
    named = [*(i.column for i in passport.identifiers), *(passport.recipe.row_order if passport.recipe else [])]
    named += [passport.batches.key] if passport.batches.key is not None else []
    keys = [c for c in dict.fromkeys(named) if c not in passport.features and train.has(c) and held.has(c)]
    compared = [*keys, *(c for c in passport.features if train.has(c) and held.has(c))]
    if not compared:
        return ""
    row = ", ".join(f"cast({quote(c)} as varchar)" for c in compared)
    try:
        told = con.execute(f"select count(distinct hash({row})), count(*) from {train.name}").fetchone() or (0, 0)
        sql = f"select count(*) from {held.name} where hash({row}) in (select hash({row}) from {train.name})"
        both = int((con.execute(sql).fetchone() or (0,))[0])
    except duckdb.Error as problem:
        return f"Whether held-out rows were trained on cannot be told ({type(problem).__name__})."
    if told[0] < _NEARLY_ALL * told[1] or both <= (0 if keys else _BY_CHANCE * held.rows):
        return ""
    by = f"by '{keys[0]}' and all features" if keys else "by all features"
    return f"{both:,} of the {held.rows:,} held-out rows stand in the {train.role} too ({by}), so they are not held out."


def codes(train: Rows, attributes: Sequence[Protected]) -> dict[Names, int]:
    """Return a number for each group of the mitigated attributes together that is large enough to learn of.

    The reference group is 0. A group that is not named here has fewer than `LEAST` rows, or fewer than `LEAST_OF_A_LABEL` of
    one label, and is treated as the reference group is.
    """
    names, labels = train.names([p.name for p in attributes]), train.control.column("label").to_pylist()
    counts: dict[Names, list[int]] = {}
    for name, label in zip(names, labels, strict=True):
        counts.setdefault(name, [0, 0])[int(label)] += 1
    reference = tuple(p.reference for p in attributes)
    large = sorted(n for n, both in counts.items() if sum(both) >= LEAST and min(both) >= LEAST_OF_A_LABEL and n != reference)
    return {reference: 0, **{name: code for code, name in enumerate(large, start=1)}} if reference in counts else {}


def numbered(rows: Rows, attributes: Sequence[Protected], found: dict[Names, int]) -> list[int]:
    """Return the number of each row's group; 0 for those that are treated as the reference group."""
    return [found.get(name, 0) for name in rows.names([p.name for p in attributes])]


def cut_of(held: Rows, positive: bool) -> float | None:
    """Return the score from which up the recorded decisions are for the positive value; None if they follow no such score.

    Examples
    --------
    >>> import pyarrow as pa
    >>> rows = Rows(Table("labelled"), {}, pa.table({"decision": [0, 0, 1], "score": [0.1, 0.3, 0.4]}), None, ())
    >>> cut_of(rows, True)
    0.35
    """
    scores, decisions = held.control.column("score").to_pylist(), held.control.column("decision").to_pylist()
    known = [(s, d) for s, d in zip(scores, decisions, strict=True) if s is not None]
    pairs = known if positive else [(1 - s, 1 - d) for s, d in known]
    below, above = [s for s, d in pairs if d == 0], [s for s, d in pairs if d == 1]
    if not below or not above or max(below) >= min(above):
        return None
    low, high = max(below), min(above)
    return 0.5 if low < 0.5 <= high else (low + high) / 2
