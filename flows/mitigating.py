"""Tries, at the gate, what would treat groups more alike, where a fairness rule warns or fails."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from checks.subject import Subject
from flows.measuring import guarded
from roadworthy import mitigation
from roadworthy.finding import Finding
from roadworthy.measurement import Measurement, not_measured
from roadworthy.policy import Policy, When

Measure = Callable[..., list[Measurement]]
Mitigate = Callable[[Subject, Sequence[Finding], When], tuple[list[Measurement], dict[str, float]]]

SECONDS = 100.0
"""Wall time for all options together."""


def _measure(subject: Subject, parts: Sequence[Sequence[str]], *, constraint: str, seconds: float) -> list[Measurement]:
    from checks.mitigation import measure

    return measure(subject, parts, constraint=constraint, seconds=seconds)


def learnt_from(subject: Subject, when: When) -> str | None:
    """Return the digest of the rows that options are trained on, or why they cannot be read; None where it is the reference."""
    if when != "gate" or subject.passport.recipe is None or subject.passport.recipe.training is None:
        return None
    from checks.mitigation.rows import training

    table = training(subject)
    return table.digest or table.problem


def mitigate(
    subject: Subject, findings: Sequence[Finding], when: When, measure: Measure = _measure
) -> tuple[list[Measurement], dict[str, float]]:
    """Return what the options would make of the held-out decisions, and the seconds it took.

    Nothing at night. A plan that could not be made is an ``error`` measurement of its count, and the gate goes on.

    Parameters
    ----------
    subject : Subject
    findings : sequence of Finding
        Of the first judging.
    when : {"nightly", "gate"}
    measure : callable, optional
        `checks.mitigation.measure`, or what stands for it.
    """
    if when != "gate":
        return [], {}
    about = mitigation.triggers(findings)
    if not about:
        said = "No fairness rule warns or fails, so no other way of deciding was tried."
        return [not_measured(mitigation.COUNT, "not_applicable", said)], {}
    parts, constraint = mitigation.parts_of(about), mitigation.constraint_of(about)
    made, seconds = guarded(
        "mitigation", (mitigation.COUNT,), lambda: measure(subject, parts, constraint=constraint, seconds=SECONDS), subject
    )
    return made, {"mitigation": seconds}


def attachments(
    subject: Subject, measurements: Sequence[Measurement], findings: Sequence[Finding], policy: Policy
) -> dict[str, bytes]:
    """Return the plan as an attachment of the evidence; nothing where nothing called for one."""
    passport = subject.passport
    made = mitigation.plan(measurements, findings, policy, passport.risk_tier, passport.task.kind, passport.word)
    if made is None:
        return {}
    text = json.dumps(made.as_dict(), sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    return {mitigation.ATTACHMENT: f"{text}\n".encode()}
