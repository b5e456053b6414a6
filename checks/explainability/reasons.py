"""Why single decisions went against people: the top reasons of a reviewed sample, as a notice to the applicant needs them.

The reasons of a case are the columns by which its score falls furthest behind the average of those who were decided for: the
SHAP value of the column, less its mean over the favourable decisions of the same window. A column is named only if it counts
against the case by itself too, and at most four are (12 CFR 1002.9(b)(2), official interpretation 1 and 5). Identifiers are
never named. A protected attribute that is an input is named and marked: a notice may not hide it, and it may be no lawful reason.

What holds rows lies in the restricted store; the measurement holds counts and digests. Reasons are written for people to review;
they are not the notice.

Examples
--------
>>> from checks.explainability.reasons import measure
>>> measurements = measure(subject, workspace.restricted)            # doctest: +SKIP
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from checks.counts import decision_column, favourable, spellings
from checks.explainability.asking import Explained, explain_rows
from checks.explainability.reviewed import Case, Reason, pages
from checks.explainability.sample import generator, sample
from checks.explainability.surrogate import fit
from checks.intervals import CONFIDENCE, wilson
from checks.isolation import IsolationError
from checks.restricted import folder_of, write
from checks.subject import Subject, Table
from roadworthy.canonical import digest_of
from roadworthy.errors import DataError, RoadworthyError
from roadworthy.measurement import Measurement, not_measured
from roadworthy.passport import Passport, Value
from roadworthy.sql import quote

METRIC = "explainability.reason_codes"
CASES = 50
"""Unfavourable decisions that are reviewed."""
ROWS = 1_000
"""Rows of the window from which they are drawn, and whose favourable decisions they are compared with."""
COMPARED = 200
"""Favourable decisions that are explained for it, where no explanation of the whole sample is at hand."""
MOST_REASONS = 4
TOLERANCE = 1e-6
"""Miss of base and values against an answer, in standard deviations of the answers, beyond which they are not its parts."""
_LEAST = 1e-3  # of the standard deviation of the answers: less counts for nothing

Numbers = NDArray[np.float64]


def measure(subject: Subject, restricted: Path) -> list[Measurement]:
    """Write the reasons of a sample of unfavourable decisions, and say how many of them got any.

    Parameters
    ----------
    subject : checks.subject.Subject
        Its window of decisions is looked at.
    restricted : pathlib.Path
        Folder of what holds rows. The files lie in ``model=.../version=.../date=.../reasons/`` under it, named by the SHA-256
        of their bytes: JSON, and Markdown to read.

    Returns
    -------
    list of Measurement
        One, ``explainability.reason_codes``. Nothing in the data or the artifact raises: what cannot be measured has a status
        and a reason.
    """
    passport, decided = subject.passport, subject.decided
    if passport.task.favourable is None:
        said = "The passport declares no value that is favourable for the person."
        return [not_measured(METRIC, "not_applicable", said)]
    inputs = {decided.role: decided.digest} if decided.digest else {}
    try:
        return [_measure(subject, restricted, inputs)]
    except (DataError, IsolationError) as problem:
        lacking = isinstance(problem, DataError) and problem.__cause__ is None and not decided.broken
        return [not_measured(METRIC, "insufficient" if lacking else "error", problem.sentence, inputs=inputs)]
    except OSError as problem:
        logging.getLogger(__name__).exception("the reasons of %s could not be written", passport.id)
        said = f"The reasons could not be written to the restricted store ({type(problem).__name__})."
        return [not_measured(METRIC, "error", said, inputs=inputs)]


def _measure(subject: Subject, restricted: Path, inputs: dict[str, str]) -> Measurement:
    passport, decided = subject.passport, subject.decided
    rows, found, handed = _explained(subject)
    if found.additivity > TOLERANCE:
        said = f"The SHAP values miss the model's answer by {found.additivity:.2g} of its standard deviations: no reasons."
        return not_measured(METRIC, "error", said, inputs=inputs)
    granted = np.asarray(rows.column("granted").to_numpy(zero_copy_only=False), dtype=float)[handed][found.rows]
    place = handed[found.rows]
    refused = np.flatnonzero(granted == 0)
    if refused.size == 0:
        raise DataError("None of the decisions that were drawn is unfavourable, so there is none to give reasons for.")
    chosen = np.sort(generator(subject.seed, decided.digest, "reasons").permutation(refused)[:CASES])
    values = _towards(passport, found)
    accepted = np.flatnonzero(granted == 1)
    average = values[accepted].mean(axis=0) if accepted.size else np.zeros(values.shape[1])
    margins = values.sum(axis=1)
    least = _LEAST * float(margins.std()) + 1e-9 * max(1.0, float(np.abs(values).max()))
    named = _named(passport, found.columns)
    typical = _typical(rows, place[accepted], found.columns)
    protected = {p.column for p in passport.protected}
    cases = []
    for number, row in enumerate(chosen, start=1):
        behind = average - values[row]
        reasons = []
        for j in principal(behind, values[row], named, least):
            column, value = found.columns[j], _shown(rows.column(f"x{j}")[int(place[row])].as_py())
            beside = "" if typical[j][0] == value else typical[j][1]  # to have what others have is no comparison
            reasons.append(Reason(column, passport.word(column), value, beside, float(behind[j]), column in protected))
        where = rows.column("file")[int(place[row])].as_py(), rows.column("row")[int(place[row])].as_py()
        file = decided.files[int(where[0])]
        path = file.relative_to(subject.root).as_posix() if file.is_relative_to(subject.root) else file.name
        cases.append(Case(number, digest_of([decided.digest, *where])[:16], path, int(where[1]), float(behind.sum()), reasons))
    fidelity = fit(subject).fidelity if found.explained == "surrogate" else None
    baseline = (
        f"the mean of {accepted.size:,} favourable decisions of the same window" if accepted.size
        else "the mean of the reference, because no decision that was drawn is favourable"
    )
    head = {
        "schema_version": 1, "model": passport.model, "version": passport.version, "day": subject.day.isoformat(),
        "explained": found.explained, "fidelity": fidelity, "scale": found.scale, "baseline": baseline, "most": MOST_REASONS,
    }
    folder = folder_of(subject, restricted, "reasons")
    written = {ending: write(folder, content, ending) for ending, content in pages(passport, head, cases).items()}
    given = sum(bool(case.reasons) for case in cases)
    interval = wilson(given, len(cases))
    files = {ending: {"path": str(path.relative_to(restricted)), "sha256": path.stem} for ending, path in written.items()}
    own = sum(any(reason.protected for reason in case.reasons) for case in cases)
    details = {
        **files, "rows": len(cases), "explained": found.explained, "fidelity": fidelity, "baseline": baseline,
        "with_protected": own, "isolation": found.isolation,
        "sentence": (
            f"Of {len(cases):,} unfavourable decisions that were drawn, {given:,} have reasons that can be named"
            + (f"; in {own:,} of them a protected attribute is one." if own else ".")
        ),
    }
    method = f"columns whose SHAP value falls furthest behind {baseline}; at most {MOST_REASONS}; Wilson interval"
    return Measurement(
        METRIC, {}, given / len(cases), interval.low, interval.high, CONFIDENCE, None, len(cases), {"with_reasons": given},
        method, inputs, details=details,
    )


def principal(behind: Numbers, values: Numbers, named: NDArray[np.bool_], least: float) -> list[int]:
    """Return the places of the columns that are the reasons of a case, the strongest first.

    Parameters
    ----------
    behind : ndarray of shape (columns,)
        How far the case's SHAP value of each column falls behind the average of the favourable decisions.
    values : ndarray of shape (columns,)
        The SHAP values themselves, towards the favourable decision: a column above zero helped and is no reason.
    named : ndarray of shape (columns,)
        Which columns may be named.
    least : float
        What counts for nothing.

    Examples
    --------
    >>> principal(np.array([0.5, 0.9, 0.2, 0.7]), np.array([-0.1, 0.3, -0.2, -0.4]), np.array([True] * 4), 0.01)
    [3, 0, 2]
    """
    against = named & (behind > least) & (values < -least)
    ranked = np.argsort(-behind, kind="stable")
    return [int(j) for j in ranked if against[j]][:MOST_REASONS]


def _explained(subject: Subject) -> tuple[pa.Table, Explained, NDArray[np.int64]]:
    """Return rows of the window, an explanation, and the place in the rows of each row that was handed over for it."""
    passport, decided = subject.passport, subject.decided
    if not decided:
        raise DataError(decided.problem)
    column = decision_column(passport)
    missing = [name for name in (column, *passport.features) if name not in decided.columns]
    if missing:
        raise DataError(f"The decisions have no column '{missing[0]}'.")
    known: tuple[int, Explained] | RoadworthyError | None = subject.once.get(f"explained {decided.digest}")
    if isinstance(known, RoadworthyError):
        raise known
    rows = _rows(subject, decided, column, known[0] if known is not None else ROWS)
    if known is not None:
        return rows, known[1], np.arange(rows.num_rows)
    granted = np.asarray(rows.column("granted").to_numpy(zero_copy_only=False), dtype=float)
    order = generator(subject.seed, decided.digest, "explained for reasons").permutation(rows.num_rows)
    refused, accepted = (order[granted[order] == side][:most] for side, most in ((0, CASES), (1, COMPARED)))
    if refused.size == 0:
        raise DataError("None of the decisions that were drawn is unfavourable, so there is none to give reasons for.")
    handed = np.sort(np.concatenate([refused, accepted]))
    features = pa.table({name: rows.column(f"x{j}") for j, name in enumerate(passport.features)})
    return rows, explain_rows(subject, features.take(handed)), handed


def _rows(subject: Subject, decided: Table, column: str, rows: int) -> pa.Table:
    wanted = {f"x{j}": quote(name) for j, name in enumerate(subject.passport.features)}
    wanted |= {"granted": f"({favourable(subject.passport, column, decided.columns[column])})::double"}
    return sample(subject, decided, wanted | {"file": "file_index", "row": "file_row_number"}, rows)


def _towards(passport: Passport, found: Explained) -> Numbers:
    """Return the SHAP values towards the favourable decision, shape (rows, columns)."""
    task = passport.task
    if task.kind != "multiclass":
        return np.asarray(found.outputs[0] if _alike(task.favourable, task.positive) else -found.outputs[0])
    places = [i for i, value in enumerate(task.classes) if _alike(task.favourable, value)]
    if not places or places[0] >= len(found.outputs):
        raise DataError(f"The favourable value '{task.favourable}' is none of the classes that were explained.")
    return np.asarray(found.outputs[places[0]])


def _alike(one: Value | None, other: Value | None) -> bool:
    return one is not None and other is not None and not set(spellings(one)).isdisjoint(spellings(other))


def _named(passport: Passport, columns: Sequence[str]) -> NDArray[np.bool_]:
    """Return which columns may be named: all but those that lead to a person or a case."""
    never = {one.column for one in passport.identifiers} | {passport.batches.key}
    if passport.independence.unit == "entity":
        never.add(passport.independence.column)
    return np.array([column not in never for column in columns], dtype=bool)


def _typical(rows: pa.Table, accepted: NDArray[np.int64], columns: Sequence[str]) -> list[tuple[str, str]]:
    """Return what favourable decisions have in each column, and in words: the middle of numbers, the most frequent word."""
    found = []
    for j in range(len(columns)):
        values = [one for one in rows.column(f"x{j}").take(pa.array(accepted)).to_pylist() if one is not None]
        if not values:
            found.append(("", ""))
        elif all(isinstance(one, int | float) and not isinstance(one, bool) for one in values):
            middle = _shown(float(np.nanmedian(np.array(values, dtype=float))))
            found.append((middle, f"{middle} in the middle"))
        else:
            words = [_shown(one) for one in values]
            ranked = sorted(set(words), key=lambda word: (-words.count(word), word))
            found.append((ranked[0], f"'{ranked[0]}' most often"))
    return found


def _shown(value: Any) -> str:
    """Write a cell as people read it."""
    if value is None or (isinstance(value, float) and not np.isfinite(value)):
        return "not stated"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:,.6g}" if abs(value) < 1e6 else f"{value:,.0f}"
    return str(value)
