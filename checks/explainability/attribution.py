"""Measure what each column carries of the answers that the model gave tonight, by SHAP values, and whether they can be trusted.

Where an artifact is declared it is run in isolation, and what it answers is held against what was recorded. Where none is, the
surrogate is explained in its place, and every measurement says so. Where an artifact is declared and cannot be run, nothing
takes its place: the measurements say why.

Examples
--------
>>> from checks.explainability import attribution
>>> measurements = attribution.measure(subject)            # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from checks.cost import own
from checks.explainability import shares, stability
from checks.explainability.asking import Asked, Explained, drawn, of_artifact, of_surrogate, wanted
from checks.explainability.sample import generator
from checks.explainability.surrogate import Target, target_sql, targets_of
from checks.intervals import CONFIDENCE, wilson
from checks.isolation import IsolationError
from checks.subject import Subject, Table
from roadworthy.errors import DataError
from roadworthy.measurement import Measurement, Status, not_measured
from roadworthy.sql import quote

SHARE, DIRECTION, INTERACTION = "explainability.shap_share", "explainability.shap_direction", "explainability.shap_interaction"
ADDITIVITY, AGREE = "explainability.additivity_error", "explainability.answers_agree"
METRICS = (SHARE, DIRECTION, INTERACTION, ADDITIVITY, AGREE, *stability.METRICS)

TOLERANCE = 1e-6
"""Miss of base and values against an answer, in standard deviations of the answers, beyond which they are not its parts."""
SAME = 1e-6
"""Difference at which a recorded score and the artifact's answer are the same; of a number, this share of it."""
LEAST_ROWS = 30
LEAST_OF_A_WORD = 10
MOST_WORDS = 8
NAMED_PAIRS = 3
FLOOR = 0.06
"""Part of the whole that a pair must surely carry to be named: in forty models grown on plain sums, the strongest pair of any
carried 0.056."""
_RUN_HERE = ("skops", "pickle", "joblib")
_NO_ARTIFACT = "No artifact is declared that the recorded answers could be held against."
_UNIT, _RECORDED = "roadworthy unit", "roadworthy answer "


def measure(subject: Subject) -> list[Measurement]:
    """Return the shares, directions and interactions of the columns, and how steady and how trustworthy they are.

    Parameters
    ----------
    subject : checks.subject.Subject
        The rows explained are those of `Subject.decided`. With `subject.kept`, the reference is explained once.

    Returns
    -------
    list of Measurement
        Nothing in the data or the artifact raises: what cannot be measured has a status and a reason.
    """
    inputs = _inputs(subject)
    try:
        asked = _asked(subject)
        tonight, reference = _rows(subject, subject.decided, asked), _rows(subject, subject.reference, asked)
    except DataError as problem:
        read = (subject.decided, subject.reference)
        none_there = any(not table and not table.broken for table in read)
        no_surrogate = subject.passport.artifact is None and problem.__cause__ is None and all(read)
        status: Status = "insufficient" if none_there or no_surrogate else "error"
        return _nothing(subject, status, problem.sentence, inputs)
    if tonight.num_rows < LEAST_ROWS:
        said = f"{tonight.num_rows} rows were answered, too few to explain; {LEAST_ROWS} are needed."
        return _nothing(subject, "insufficient", said, inputs)
    past = stability.known(subject, asked)
    tables = {"tonight": tonight} | ({"reference": reference} if past.reference is None else {})
    try:
        interact, timed = ["reference"] if past.reference is None else [], "tonight" if own.wanted(subject) else ""
        made = asked.explain(tables, reference, interact=interact, timed=timed)
    except (IsolationError, DataError) as problem:
        subject.once[f"explained {subject.decided.digest}"] = problem
        subject.once[f"{own.PLACE} {subject.decided.digest}"] = problem.sentence
        declared = subject.passport.artifact
        unsafe = declared is not None and declared.format not in _RUN_HERE
        return _nothing(subject, "not_applicable" if unsafe else "error", problem.sentence, inputs)
    subject.once[f"{own.PLACE} {subject.decided.digest}"] = made["tonight"].timed  # `checks.cost.own` tells of it
    subject.once[f"explained {subject.decided.digest}"] = tonight.num_rows, made["tonight"]  # reasons of single cases rest on it
    if asked.explained == "model" and "reference" in made:
        subject.once[f"answered {subject.reference.digest}"] = made["reference"].answers  # the attack by loss rests on it
    return _measured(subject, asked, made, tonight, reference, past, inputs)


def _measured(
    subject: Subject, asked: Asked, made: Mapping[str, Explained], tonight: pa.Table, reference: pa.Table, past: stability.Past,
    inputs: dict[str, str],
) -> list[Measurement]:
    found, told = made["tonight"], _told(made["tonight"], asked)
    sure = [_additivity(found, told, inputs), _agreement(subject, found, tonight, inputs)]
    worst = max(one.additivity for one in made.values())
    if worst > TOLERANCE:
        said = (
            f"The SHAP values of a row miss the model's answer by {worst:.2g} standard deviations of the answers, so they are "
            "not its parts."
        )
        return sure + [not_measured(m, "error", said, inputs=inputs) for m in METRICS if m not in (ADDITIVITY, AGREE)]
    strength, unit = found.strength, shares.units_of(len(found.rows), _units(tonight, found))
    if strength.sum() == 0:
        said = "The model answers the same in every row, so no column carries anything."
        return sure + [not_measured(m, "insufficient", said, inputs=inputs) for m in METRICS if m not in (ADDITIVITY, AGREE)]
    here = stability.mixed(subject, found, unit, subject.decided.digest)
    if "reference" in made:
        there = made["reference"]
        of_reference = shares.units_of(len(there.rows), _units(reference, there))
        steady = {role: digest for role, digest in inputs.items() if role != "decided"}
        pairs = [m.as_dict() for m in _interactions(subject, there, of_reference, _told(there, asked), steady)]
        past = past.with_reference(stability.mixed(subject, there, of_reference, subject.reference.digest), pairs)
    stability.keep(subject, asked, here, past, fresh="reference" in made)
    return [
        *sure,
        *_shares(subject, found, unit, told, inputs),
        *_directions(subject, found, tonight, unit, told, inputs),
        *[Measurement.from_dict(one) for one in past.pairs],
        *stability.measure(subject, found, here, unit, past, tonight, inputs),
    ]


def _asked(subject: Subject) -> Asked:
    return of_artifact(subject) if subject.passport.artifact is not None else of_surrogate(subject)


def _inputs(subject: Subject) -> dict[str, str]:
    artifact = subject.passport.artifact
    found = {t.role: t.digest for t in (subject.decided, subject.reference) if t.digest}
    return found | ({"artifact": artifact.sha256} if artifact is not None else {})


def _nothing(subject: Subject, status: Status, reason: str, inputs: dict[str, str]) -> list[Measurement]:
    found = [not_measured(metric, status, reason, inputs=inputs) for metric in METRICS if metric != AGREE]
    if subject.passport.artifact is None:
        return [*found, not_measured(AGREE, "not_applicable", _NO_ARTIFACT, inputs=inputs)]
    return [*found, not_measured(AGREE, status, reason, inputs=inputs)]


def _rows(subject: Subject, table: Table, asked: Asked) -> pa.Table:
    """Return the sampled rows of a table: the features, the unit of independence, and what the model is recorded to answer."""
    unit = subject.passport.independence.column
    extra = {_UNIT: f"cast({quote(unit)} as varchar)"} if unit is not None and unit in table.columns else {}
    if asked.explained == "model" and table.role == "decided":
        targets = _recorded(subject, table)
        extra |= {f"{_RECORDED}{k}": target_sql(subject.passport, one, table) for k, one in enumerate(targets)}
    return drawn(subject, table, wanted(subject, table, extra))


def _recorded(subject: Subject, table: Table) -> list[Target]:
    """Return what the model answers with; of several classes all, where a surrogate learns only the first."""
    task = subject.passport.task
    if task.kind != "multiclass":
        return targets_of(subject.passport, table)
    if task.class_scores and all(column in table.columns for column in task.class_scores):
        return [Target(column, str(value)) for column, value in zip(task.class_scores, task.classes, strict=True)]
    return [Target(str(task.prediction), str(value)) for value in task.classes if task.prediction in table.columns]


def _units(table: pa.Table, found: Explained) -> Any | None:
    return table.column(_UNIT).take(found.rows).to_pylist() if _UNIT in table.column_names else None


def _told(found: Explained, asked: Asked) -> dict[str, Any]:
    told: dict[str, Any] = {
        "explained": found.explained, "scale": found.scale, "method": found.method, "sample rows": len(found.rows),
        "isolation": found.isolation,
    }
    if asked.surrogate is not None:
        told |= {"fidelity": asked.surrogate.fidelity}
    return told


# ------------------------------------------------------------------------------------------------ can it be trusted?


def _additivity(found: Explained, told: dict[str, Any], inputs: dict[str, str]) -> Measurement:
    method = "largest miss of base and SHAP values against the answer of any row, in standard deviations of the answers"
    n = len(found.rows)
    return Measurement(ADDITIVITY, {}, found.additivity, n=n, method=method, inputs=inputs, details=told)


def _agreement(subject: Subject, found: Explained, rows: pa.Table, inputs: dict[str, str]) -> Measurement:
    if found.explained != "model":
        return not_measured(AGREE, "not_applicable", _NO_ARTIFACT, inputs=inputs)
    targets = _recorded(subject, subject.decided)
    if not targets:
        return not_measured(AGREE, "insufficient", "The rows hold no score and no decision of the model.", inputs=inputs)
    columns = [rows.column(f"{_RECORDED}{k}").to_numpy(zero_copy_only=False) for k in range(len(targets))]
    recorded = np.array(columns, dtype=float)
    usable = np.isfinite(recorded).all(axis=0)
    n = int(usable.sum())
    if n == 0:
        return not_measured(AGREE, "insufficient", "No sampled row holds a usable answer of the model.", inputs=inputs)
    same = int(_same(subject, targets, recorded[:, usable], found.answers[:, usable]).sum())
    interval = wilson(same, n)
    details = {"of": list(dict.fromkeys(target.column for target in targets)), "sample rows": rows.num_rows, "tolerance": SAME}
    return Measurement(
        AGREE, {}, same / n, interval.low, interval.high, CONFIDENCE, None, n, {"agree": same}, "recorded answers against those "
        "of the artifact, run in isolation on the same rows; Wilson interval", inputs, details=details,
    )


def _same(subject: Subject, targets: list[Target], recorded: Any, answers: Any) -> Any:
    """Return of each row whether the model answered what was recorded."""
    task = subject.passport.task
    if task.kind == "regression":
        return np.abs(recorded[0] - answers[0]) <= SAME * np.maximum(1.0, np.abs(recorded[0]))
    scores = [task.score] if task.kind == "binary" else task.class_scores
    if targets[0].column in scores:
        return (np.abs(recorded - answers) <= SAME).all(axis=0)
    if task.kind == "binary":  # a decision alone, at a threshold that nobody told: the one that suits it best
        yes = recorded[0] == 1
        edges = np.append(np.unique(answers[0]), np.inf)
        suits = [int(((answers[0] >= edge) == yes).sum()) for edge in edges]
        return (answers[0] >= edges[int(np.argmax(suits))]) == yes
    return recorded.argmax(axis=0) == answers.argmax(axis=0)


# ------------------------------------------------------------------------------------------------ the columns


def _shares(
    subject: Subject, found: Explained, unit: shares.Places, told: dict[str, Any], inputs: dict[str, str]
) -> list[Measurement]:
    sums = shares.by_unit(found.strength, unit)
    n, units = len(found.rows), len(sums)
    if units < shares.LEAST_UNITS:
        said = f"The {n} rows are {units} independent units; {shares.LEAST_UNITS} are needed to say how sure a share is."
        return [not_measured(SHARE, "insufficient", said, inputs=inputs)]
    estimates = shares.estimated(sums, generator(subject.seed, "shares", subject.decided.digest))
    mean = found.strength.mean(axis=0)
    drawn_by = "rows" if units == n else "units of independence"
    return [
        Measurement(
            SHARE, {"column": column}, one.value, one.low, one.high, CONFIDENCE, None, n,
            {"mean_abs": float(mean[place]), "units": units}, f"{found.method}; bootstrap interval over {drawn_by}", inputs,
            details=told,
        )
        for place, (column, one) in enumerate(zip(found.columns, estimates, strict=True))
    ]


def _directions(
    subject: Subject, found: Explained, rows: pa.Table, unit: shares.Places, told: dict[str, Any], inputs: dict[str, str]
) -> list[Measurement]:
    if len(found.bases) > 1:
        said = "A model of several classes moves each of them its own way; a column has no one direction."
        return [not_measured(DIRECTION, "not_applicable", said, inputs=inputs)]
    made = []
    for place, column in enumerate(found.columns):
        values, effect = rows.column(column).take(found.rows).combine_chunks(), found.values[:, place]
        over = {"column": column}
        if not effect.any():
            said = f"The model does not use '{column}'."
            made.append(not_measured(DIRECTION, "not_applicable", said, over=over, inputs=inputs))
            continue
        if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type) or pa.types.is_decimal(values.type)):
            details = told | {"words": _words(values, effect)}
            said = f"'{column}' holds no numbers, so it has no direction; what each word does is told beside."
            made.append(not_measured(DIRECTION, "not_applicable", said, over=over, inputs=inputs, details=details))
            continue
        number = np.array(values.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=float)
        there = np.isfinite(number)
        units = len(np.unique(unit[there]))
        if there.sum() < LEAST_ROWS or units < shares.LEAST_UNITS:
            said = f"{int(there.sum())} rows hold a number in '{column}', too few to tell a direction."
            made.append(not_measured(DIRECTION, "insufficient", said, over=over, inputs=inputs))
            continue
        rng = generator(subject.seed, "direction", column, subject.decided.digest)
        one = shares.direction(number[there], effect[there], unit[there], rng)
        if one is None:
            said = f"'{column}' is the same in every row, or does the same in every row."
            made.append(not_measured(DIRECTION, "insufficient", said, over=over, inputs=inputs))
            continue
        method = "rank correlation of the column with its SHAP values; bootstrap interval"
        made.append(Measurement(
            DIRECTION, over, one.value, one.low, one.high, CONFIDENCE, None, int(there.sum()), {"units": units}, method, inputs,
            details=told,
        ))
    return made


def _words(values: pa.Array, effect: shares.Numbers) -> list[list[Any]]:
    """Return the words that move the answer most, with their mean effect and n; none of fewer than ten rows is named."""
    named = values.cast(pa.string()).to_pylist()
    effects: dict[str, list[float]] = {}
    for word, one in zip(named, effect, strict=True):
        if word is not None:
            effects.setdefault(word, []).append(float(one))
    frequent = [(word, float(np.mean(of)), len(of)) for word, of in effects.items() if len(of) >= LEAST_OF_A_WORD]
    return [list(one) for one in sorted(frequent, key=lambda one: (-abs(one[1]), one[0]))[:MOST_WORDS]]


def _interactions(
    subject: Subject, found: Explained, unit: shares.Places, told: dict[str, Any], inputs: dict[str, str]
) -> list[Measurement]:
    """Return the pairs of columns worth naming, read from rows of the reference."""
    if found.pairs is None or found.pair_rows is None:
        return [not_measured(INTERACTION, "not_applicable", found.no_pairs or "None were asked for.", inputs=inputs)]
    rows, width = len(found.pairs), len(found.columns)
    first, second = np.triu_indices(width)
    flat = found.pairs[:, first, second]
    off = np.flatnonzero(first != second)
    if not off.size or flat.sum() == 0:
        return [not_measured(INTERACTION, "not_applicable", "There are no two columns that could act together.", inputs=inputs)]
    of_pairs = unit[np.isin(found.rows, found.pair_rows)]
    sums = shares.by_unit(flat, np.unique(of_pairs, return_inverse=True)[1])
    if len(sums) < shares.LEAST_UNITS:
        return [not_measured(INTERACTION, "insufficient", f"The rows are {len(sums)} independent units, too few.", inputs=inputs)]
    estimates = shares.estimated(sums, generator(subject.seed, "pairs", subject.reference.digest))
    strongest = sorted(off.tolist(), key=lambda place: -estimates[place].value)[:NAMED_PAIRS]
    named = [place for place in strongest if estimates[place].low > FLOOR]
    if not named:
        said = (
            f"No two columns surely carry more than {100 * FLOOR:.0f} % together; so little, trees make up between columns that "
            "do not act together."
        )
        return [not_measured(INTERACTION, "not_applicable", said, inputs=inputs)]
    made = []
    for place in named:
        a, b, one = found.columns[first[place]], found.columns[second[place]], estimates[place]
        means = f"What '{a}' does to the answer depends on '{b}': so much of it only the two do together."
        made.append(Measurement(
            INTERACTION, {"pair": {"first": a, "second": b}}, one.value, one.low, one.high, CONFIDENCE, None, rows,
            {"units": len(sums)}, "mean absolute SHAP interaction values on the reference, as a part of all effects; bootstrap "
            "interval", inputs, details=told | {"means": means, "floor": FLOOR, "rows of": "reference", "sample rows": rows},
        ))
    return made
