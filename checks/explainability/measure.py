"""Measure which columns decide the model's score, on its reference, and keep the answer until the reference changes.

Examples
--------
>>> from checks import explainability
>>> measurements = explainability.measure(subject)            # doctest: +SKIP
"""

from __future__ import annotations

import importlib.metadata
from typing import Any

from checks.explainability import proxies
from checks.explainability.importance import Importance, importances
from checks.explainability.surrogate import LEAST_FIDELITY, VERSION, Surrogate, fit
from checks.intervals import CONFIDENCE
from checks.subject import Subject
from roadworthy.errors import DataError
from roadworthy.measurement import Measurement, Status, not_measured

FIDELITY, IMPORTANCE = "explainability.fidelity", "explainability.importance"
_KEPT = "explainability"
_NAMED = 20


def measure(subject: Subject) -> list[Measurement]:
    """Return fidelity, importance for each declared feature, and the proxies of each protected attribute.

    Parameters
    ----------
    subject : checks.subject.Subject
        Its reference is looked at; the batch is not. With `subject.kept`, a reference that was measured before costs nothing.

    Returns
    -------
    list of Measurement
        Nothing in the data raises: what cannot be measured has a status and a reason.
    """
    found = _of_columns(subject)
    return [*found, *proxies.measure(subject, found)]


def _of_columns(subject: Subject) -> list[Measurement]:
    reference = subject.reference
    if not reference:
        status: Status = "error" if reference.broken else "insufficient"
        return [not_measured(metric, status, reference.problem) for metric in (FIDELITY, IMPORTANCE)]
    key = _key(subject)
    kept = subject.kept.get(_KEPT, key) if subject.kept is not None else None
    if kept is not None:
        return [Measurement.from_dict(one) for one in kept]
    found = _measure(subject)
    if subject.kept is not None:
        subject.kept.put(_KEPT, key, [m.as_dict() for m in found])
    return found


def _key(subject: Subject) -> dict[str, Any]:
    """Return everything that the answer depends on."""
    passport = subject.passport
    return {
        "reference": subject.reference.digest,
        "features": list(passport.features),
        "task": passport.task.model_dump(mode="json"),
        "seed": subject.seed,
        "version": VERSION,
        "scikit-learn": importlib.metadata.version("scikit-learn"),
    }


def _measure(subject: Subject) -> list[Measurement]:
    inputs = {"reference": subject.reference.digest}
    try:
        surrogate = fit(subject)
    except DataError as problem:
        # The metric as a whole: a thousand columns with one reason are one thing to say.
        status: Status = "error" if problem.__cause__ is not None else "insufficient"
        return [not_measured(metric, status, problem.sentence, inputs=inputs) for metric in (FIDELITY, IMPORTANCE)]
    found = [_fidelity(surrogate, inputs)]
    if surrogate.fidelity < LEAST_FIDELITY:
        said = (
            f"The surrogate explains {100 * max(0.0, surrogate.fidelity):.0f} % of the score, less than the "
            f"{100 * LEAST_FIDELITY:.0f} % from which on it speaks for the model."
        )
        return found + [_without(column, said, inputs) for column in subject.passport.features]
    decided = importances(surrogate, subject.seed)
    why_not = surrogate.encoding.unread | {
        name: f"'{name}' is not among the {len(decided)} columns that alone go furthest with the score; no more are looked at."
        for name in surrogate.left_out
    }
    for column in subject.passport.features:
        one = decided.get(column)
        if one is None:
            found.append(_without(column, why_not[column], inputs))
        else:
            found.append(_importance(column, one, inputs))
    return found


def _fidelity(surrogate: Surrogate, inputs: dict[str, str]) -> Measurement:
    interval, n = surrogate.interval, len(surrogate.held_out)
    details = {
        "surrogate": "gradient-boosted trees that stand in for the model",
        "learned_from": surrogate.rows,
        "columns": len(surrogate.encoding.columns),
        "left_out": len(surrogate.left_out) + len(surrogate.encoding.unread),
        "of": list(dict.fromkeys(target.column for target in surrogate.targets)),
    }
    method = f"R2 of a surrogate on rows that it has not seen; {interval.method} interval"
    return Measurement(
        FIDELITY, {}, surrogate.fidelity, interval.low, interval.high, CONFIDENCE, None, n, {}, method, inputs, details=details
    )


def _importance(column: str, one: Importance, inputs: dict[str, str]) -> Measurement:
    details: dict[str, Any] = {"surrogate": True, "high_alone": one.alone}
    if one.goes_with:
        details["goes_with"] = list(one.goes_with[:_NAMED])
    method = (
        "total effect of exchanging the column between rows, on a surrogate of the score; delta-method interval, its upper end "
        "with what the column may tell in the place of others and with what the surrogate misses"
    )
    return Measurement(
        IMPORTANCE, {"column": column}, one.share, one.low, one.high, CONFIDENCE, None, one.rows, {}, method, inputs,
        details=details,
    )


def _without(column: str, reason: str, inputs: dict[str, str]) -> Measurement:
    return not_measured(IMPORTANCE, "insufficient", reason, over={"column": column}, inputs=inputs)

