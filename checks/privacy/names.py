"""Names of people in undeclared columns of free text, by a language model, on a sample of cells. Off unless asked for.

Patterns cannot tell a name from other words. Where the workspace names a spaCy pipeline (``privacy.names``), a sample of cells of
each column of free text is drawn in DuckDB by content and seed, and a process without network, keys or state says which of
them hold a name. It takes a share of clean cells for names and misses others: docs/privacy.md says how many.

Examples
--------
>>> from pathlib import Path
>>> from tempfile import TemporaryDirectory
>>> from tests.support import DAY, make_subject, passport_of
>>> with TemporaryDirectory() as folder, make_subject(Path(folder), passport_of(), None, {DAY: {"note": ["a b"]}}) as subject:
...     [m] = measure(subject)
>>> m.status, m.reason
('not_applicable', "Nobody asked for names of people: 'privacy.names' in roadworthy.yaml names no language model.")
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import duckdb

from checks.counts import is_numeric
from checks.identifiers import text_of
from checks.intervals import wilson
from checks.intervals.scale import CONFIDENCE
from checks.isolation import Answer, IsolationError, Limits, ask
from checks.privacy import language
from checks.sampling import content_of
from checks.subject import DAY_COLUMN, Subject, Table, days_table, one_day
from roadworthy.errors import RoadworthyError
from roadworthy.measurement import Measurement, Status, not_measured
from roadworthy.sql import literal, quote

METRIC = "privacy.undeclared_names"
JOB = "checks.privacy.inside"
LONGEST = 1000
"""Characters of a cell that are read; the rest is cut off, and how many were cut is said."""
REPEATED = 10
"""A column whose texts stand so often in the sample, on average, is a list of words and no free text."""
LIMITS = Limits(seconds=300)
_INSTALL = "pip install 'roadworthy[pii]'"
_WORDS = r"\pL{2}[^\pL]+(?:\pL[^\pL]+)*\pL{2}"
_METHOD = "language model on a sample of cells drawn by content and seed; Wilson, at the independent number of texts"


@dataclass(frozen=True, slots=True)
class Drawn:
    """The sample of a column: different texts, and how many cells hold each.

    Attributes
    ----------
    column : str
    values : int
        Cells of the days looked at that hold anything.
    texts : tuple of str
    cells : tuple of int
        Of the sample, beside each text.
    cut : int
        Cells of the sample that are longer than `LONGEST`.
    """

    column: str
    values: int
    texts: tuple[str, ...] = ()
    cells: tuple[int, ...] = ()
    cut: int = 0

    @property
    def n(self) -> int:
        """Cells in the sample."""
        return sum(self.cells)

    @property
    def is_list(self) -> bool:
        """Whether the same texts stand there again and again."""
        return bool(self.texts) and self.n >= REPEATED * len(self.texts)


def measure(
    subject: Subject, asked: Callable[..., Answer] = ask, installed: Callable[[], str | None] = language.library
) -> list[Measurement]:
    """Measure in what share of cells of free text a person's name stands.

    Parameters
    ----------
    subject : Subject
        ``subject.naming`` names the language model; None if nobody asked. The newest cells of the days over which groups are
        compared (``windows.fairness``) are read, so that a day of few rows is no small sample.
    asked : callable, optional
        `checks.isolation.ask`, or what stands for it.
    installed : callable, optional
        Returns the version of spaCy, or None.

    Returns
    -------
    list of Measurement
        ``privacy.undeclared_names`` over ``{"column": name}`` for each column of text that the passport does not declare under
        `identifiers` and of which some cell holds two words: the share of the sample's cells that hold a name.
        ``not_applicable`` where nobody asked, where no column is free text, and of a list of words. ``error`` where somebody
        asked and spaCy, the model or the day is not there: never a pass.

    Notes
    -----
    Wilson 1927. Cells of the same text are one witness: the interval counts ``(sum w)^2 / sum w^2`` texts that stand in w cells
    each (Kish 1965, Survey sampling, 11.7). The share is what the model says, with its own misses and false persons in it.
    """
    naming = subject.naming
    if naming is None:
        reason = "Nobody asked for names of people: 'privacy.names' in roadworthy.yaml names no language model."
        return [not_measured(METRIC, "not_applicable", reason)]
    if installed() is None:
        reason = f"Names of people are asked for, but spaCy is not installed. Run: {_INSTALL}"
        return [not_measured(METRIC, "error", reason)]
    try:
        files = language.files_of(naming.model, subject.root)
    except RoadworthyError as problem:
        return [not_measured(METRIC, "error", " ".join(filter(None, (problem.sentence, problem.do))))]
    table, refused = _window(subject)
    if table is None:
        return [refused]
    try:
        samples = _samples(subject, table, naming.sample)
    except duckdb.Error as problem:  # its text may quote a cell
        reason = f"The rows could not be read to their end ({type(problem).__name__})."
        return [not_measured(METRIC, "error", reason, inputs=_inputs(table))]
    if not samples:
        reason = "No undeclared column of text holds cells of two words or more, so there is no free text to look for names in."
        return [not_measured(METRIC, "not_applicable", reason, inputs=_inputs(table))]
    free = [one for one in samples if not one.is_list]
    told: list[Measurement] = [_a_list(table, one) for one in samples if one.is_list]
    if not free:
        return told
    try:
        return [*told, *_told(table, free, files, naming.model, asked)]
    except IsolationError as problem:
        reason = f"The language model gave no answer. {problem.sentence}"
        overs, inputs = ({"column": one.column} for one in free), _inputs(table)
        return [*told, *(not_measured(METRIC, "error", reason, over=over, inputs=inputs) for over in overs)]


def rests_on(subject: Subject) -> dict[str, Any] | None:
    """Return what names a run beside its rows, where names are asked for: another model finds other names."""
    if subject.naming is None:
        return None
    asked = {**subject.naming.model_dump(mode="json"), "spacy": language.library()}
    try:
        return {**asked, "digest": language.digest_of_files(language.files_of(subject.naming.model, subject.root))}
    except (RoadworthyError, OSError) as problem:
        return {**asked, "problem": type(problem).__name__}  # the measurement says what is wrong


# ---------------------------------------------------------------------------------------------------------- the sample


def _window(subject: Subject) -> tuple[Table | None, Measurement]:
    """Return the days to draw from, or what is measured instead: a day that is due and missing is never stood in for."""
    today, window = one_day(subject, subject.day), subject.decided.window
    due = today.broken or subject.passport.batches.due
    status: Status = "error" if due else "insufficient"
    if not today and (due or window is None):
        return None, not_measured(METRIC, status, today.problem)
    table = days_table(subject, window.days()) if window is not None else today
    if not table:
        status = "error" if table.broken else status
    return (table if table else None), not_measured(METRIC, status, table.problem or today.problem or "There are no rows.")


def _samples(subject: Subject, table: Table, size: int) -> list[Drawn]:
    declared = {one.column for one in subject.passport.identifiers}
    texts = {
        name: text for name, kind in table.columns.items()
        if name not in declared and name != DAY_COLUMN and not is_numeric(kind) and (text := text_of(name, kind))
    }
    return [drawn for name, text in texts.items() if (drawn := _sample(subject, table, name, text, size)).texts]


def _sample(subject: Subject, table: Table, name: str, text: str, size: int) -> Drawn:
    """Draw so many cells of two words or more, the newest day's first and within a day by content and seed."""
    newest = f"{quote(DAY_COLUMN)} desc, " if DAY_COLUMN in table.columns else ""
    of_words = f"regexp_matches({text}, {literal(_WORDS)})"
    values, worded = subject.con.execute(
        f"select count({quote(name)}), count(*) filter ({of_words}) from {table.name}"
    ).fetchall()[0]
    if not worded:
        return Drawn(name, int(values))
    rows = subject.con.execute(
        f"select left(t, {LONGEST}) as text, count(*), count(*) filter (length(t) > {LONGEST}) from (select {text} as t "
        f"from {table.name} where {of_words} order by {newest}{content_of(subject, table)}, t limit {size}) group by 1 order by 1"
    ).fetchall()
    return Drawn(name, int(values), tuple(str(r[0]) for r in rows), tuple(int(r[1]) for r in rows), sum(int(r[2]) for r in rows))


# ---------------------------------------------------------------------------------------------------------- the answer


def _told(
    table: Table, samples: list[Drawn], files: dict[str, Any], model: str, asked: Callable[..., Answer]
) -> list[Measurement]:
    import pyarrow as pa

    keys = {f"part {place}": name for place, name in enumerate(files)}
    cells = pa.table({"text": pa.array([text for one in samples for text in one.texts], pa.string())})
    handed = {key: files[name] for key, name in keys.items()}
    answer = asked(JOB, order={"named": keys}, tables={"cells": cells}, files=handed, limits=LIMITS)
    told = _believed(answer, cells.num_rows)
    inputs = {**_inputs(table), "language model": language.digest({name: answer.digests[key] for key, name in keys.items()})}
    of_model = {key: str(answer.values.get(key, ""))[:80] for key in ("name", "lang", "version", "spacy")}
    details = {"model": model, **of_model, "isolation": answer.isolation}
    found, at = [], 0
    for one in samples:
        found.append(_share(one, told[at : at + len(one.texts)], inputs, details))
        at += len(one.texts)
    return found


def _believed(answer: Answer, rows: int) -> list[bool]:
    table = answer.tables.get("told")
    told = table.column("name").to_pylist() if table is not None and table.column_names == ["name"] else []
    if len(told) != rows or not all(isinstance(one, bool) for one in told):
        raise IsolationError("The process inside cannot be believed: its answer has another shape.")
    return told


def _share(one: Drawn, told: list[bool], inputs: dict[str, str], details: dict[str, str]) -> Measurement:
    named = sum(n for n, name in zip(one.cells, told, strict=True) if name)
    independent = one.n**2 / sum(n * n for n in one.cells)
    interval = wilson(min(named * independent / one.n, independent), independent)
    return Measurement(
        METRIC, {"column": one.column}, named / one.n, interval.low, interval.high, CONFIDENCE, n=one.n,
        stats={"cells": named, "texts": len(one.texts), "cut": one.cut, "values": one.values}, method=_METHOD, inputs=inputs,
        details={**details, "longest": LONGEST},
    )


def _a_list(table: Table, one: Drawn) -> Measurement:
    texts = f"{len(one.texts):,} different texts" if len(one.texts) > 1 else "one text"
    reason = f"The column is no free text: {one.n:,} cells hold only {texts}, which a person can read."
    return not_measured(METRIC, "not_applicable", reason, over={"column": one.column}, inputs=_inputs(table))


def _inputs(table: Table) -> dict[str, str]:
    return {"batch": table.digest} if table.digest else {}
