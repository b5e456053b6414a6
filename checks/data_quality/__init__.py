"""Data quality: what a batch must be, and which columns know the answer.

Measured, never judged: whether each expectation of the workspace's suite holds on the day's batch, how many rows came,
whether a declared leak is there, and how strongly each feature alone tells the label on the reference.

`suite` reads the YAML, `shapes` lists what may stand in it, `engine` runs it with Great Expectations on DuckDB, and
`leakage` measures columns against the label.

Examples
--------
>>> from checks.data_quality import measure
>>> for m in measure(subject):                                     # doctest: +SKIP
...     print(m.metric, dict(m.over), m.value, m.reason)
data_quality.rows {} 80.0
data_quality.expectation {'expectation': 'age-plausible', 'severity': 'critical'} 1.0
"""

from __future__ import annotations

from collections.abc import Iterator

import duckdb

from checks.data_quality.shapes import Engine
from checks.data_quality.suite import SEVERITIES, Expectation, Suite, read_suite, suite_digest, suite_path
from checks.subject import Subject
from roadworthy.errors import DocumentError, RoadworthyError
from roadworthy.measurement import Measurement, Status, not_measured

__all__ = ["Expectation", "Suite", "measure", "read_suite"]

EXPECTATION = "data_quality.expectation"
ROWS = "data_quality.rows"
DECLARED_LEAK = "data_quality.declared_leak_present"


def measure(subject: Subject) -> list[Measurement]:
    """Measure the data quality of the subject's batch.

    Parameters
    ----------
    subject : Subject

    Returns
    -------
    list of Measurement
        ``data_quality.expectation`` over ``{"expectation": id, "severity": severity}``: 1 if it held, 0 if it was
        violated; ``insufficient`` where there was no value to look at; ``error`` where it could not be run. A suite that
        cannot be read is one ``error`` over nothing, which every rule about expectations meets. A severity without any
        expectation is ``not_applicable``.
        ``data_quality.rows``, ``data_quality.intake_receipt``, ``data_quality.declared_leak_present`` over
        ``{"column": name}``, and ``data_quality.leakage_strength`` over ``{"column": name}`` for each feature in the reference.
    """
    from checks.data_quality.leakage import strengths
    from checks.intake import measure_receipts

    return [
        *_expectations(subject), *_rows(subject), *measure_receipts(subject), *_declared_leaks(subject), *strengths(subject),
    ]


def _expectations(subject: Subject) -> Iterator[Measurement]:
    declared, batch = subject.passport.suite, subject.batch
    if declared is None:
        yield not_measured(EXPECTATION, "not_applicable", "The passport declares no data-quality suite.")
        return
    try:
        path = suite_path(subject.root, declared)
        suite = read_suite(path, declared)
    except DocumentError as problem:
        reason = f"The suite cannot be used: {_counted(problem)}"
        yield not_measured(EXPECTATION, "error", reason, details={"problems": problem.problems[:20]})
        return
    inputs = {"batch": batch.digest, "suite": suite_digest(path)} if batch.digest else {"suite": suite_digest(path)}
    if not batch:
        yield not_measured(EXPECTATION, _unread(subject), batch.problem, inputs=inputs)
        return
    yield from _evaluated(subject, suite, inputs)
    for severity in SEVERITIES:
        if not any(one.severity == severity for one in suite.expectations):
            yield not_measured(
                EXPECTATION, "not_applicable", f"The suite has no expectation of severity {severity}.",
                over={"expectation": "(none)", "severity": severity}, inputs=inputs,
            )


def _evaluated(subject: Subject, suite: Suite, inputs: dict[str, str]) -> Iterator[Measurement]:
    from checks.data_quality.engine import run
    from checks.data_quality.library import PINNED

    engine: Engine = subject.passport.suite_engine
    try:
        outcomes = run(subject.con, subject.batch, suite, engine)
    except RoadworthyError as problem:
        yield not_measured(EXPECTATION, "error", str(problem), inputs=inputs)
        return
    except duckdb.Error as problem:  # its text may quote a cell
        reason = f"The batch could not be read to its end ({type(problem).__name__})."
        yield not_measured(EXPECTATION, "error", reason, inputs=inputs)
        return
    for one in suite.expectations:
        outcome = outcomes[one.id]
        over = {"expectation": one.id, "severity": one.severity}
        method = f"Great Expectations {PINNED} on {'DuckDB' if engine == 'duckdb' else 'pandas'}"
        details = {"type": one.type, "column": one.about, "because": one.meta.because, **outcome.details}
        status: Status = "measured"
        if outcome.status in ("insufficient", "error"):
            status = "insufficient" if outcome.status == "insufficient" else "error"
        value = {"held": 1.0, "violated": 0.0}.get(outcome.status)
        yield Measurement(
            EXPECTATION, over, value, n=outcome.n, method=method, inputs=inputs, status=status, reason=outcome.reason,
            details=details,
        )


def _rows(subject: Subject) -> Iterator[Measurement]:
    batch = subject.batch
    if batch or (batch.columns and not batch.broken):  # a file without rows was read, and holds none
        days = {"days": len(batch.days)}
        yield Measurement(ROWS, value=batch.rows, n=batch.rows, method="count", inputs=_inputs(subject), details=days)
    else:
        yield not_measured(ROWS, _unread(subject), batch.problem, inputs=_inputs(subject))


def _declared_leaks(subject: Subject) -> Iterator[Measurement]:
    leaks, batch = subject.passport.leaks, subject.batch
    if not leaks:
        yield not_measured(DECLARED_LEAK, "not_applicable", "The passport declares no leak.")
    elif batch or (batch.columns and not batch.broken):
        for column in leaks:
            there = float(column in batch.columns)
            yield Measurement(DECLARED_LEAK, {"column": column}, there, n=batch.rows, method="schema", inputs=_inputs(subject))
    else:
        yield not_measured(DECLARED_LEAK, _unread(subject), batch.problem, inputs=_inputs(subject))


def _inputs(subject: Subject) -> dict[str, str]:
    return {"batch": subject.batch.digest} if subject.batch.digest else {}


def _unread(subject: Subject) -> Status:
    """Return what a batch without readable rows is: broken data is an error, and so is a missing day that was due."""
    batch = subject.batch
    return "error" if batch.broken or (not batch.files and subject.passport.batches.due) else "insufficient"


def _counted(problem: DocumentError) -> str:
    more = len(problem.problems) - 1
    return problem.problems[0] + (f" And {more} more mistake{'s' if more > 1 else ''}." if more > 0 else "")
