"""Trains the artifact's estimator again at the gate, to see what its answers give away and which columns it does not need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from checks.subject import Subject
from flows.measuring import guarded
from roadworthy.measurement import Measurement
from roadworthy.policy import When

FAMILY = "membership"
Check = Callable[[Subject], list[Measurement]]


def _attack(subject: Subject) -> list[Measurement]:
    from checks.membership import attack

    return attack(subject)


def _minimise(subject: Subject) -> list[Measurement]:
    from checks.minimisation import measure

    return measure(subject)


def retrain(
    subject: Subject, when: When, families: Sequence[tuple[str, Any]], attack: Check = _attack, minimise: Check = _minimise
) -> tuple[list[Measurement], dict[str, float]]:
    """Return what shadows tell of who was trained on, what each column is worth, and the seconds it took.

    Nothing at night, and nothing where the family is not asked for. What could not be trained is an ``error`` measurement of each
    metric, and the gate goes on.

    Parameters
    ----------
    subject : Subject
    when : {"nightly", "gate"}
    families : sequence of (str, callable)
        The families that are measured.
    attack, minimise : callable, optional
        `checks.membership.attack` and `checks.minimisation.measure`, or what stands for them.
    """
    if when != "gate" or not any(name == FAMILY for name, _ in families):
        return [], {}
    from checks import membership, minimisation

    told, first = guarded("shadows", membership.METRICS, lambda: attack(subject), subject)
    needed, then = guarded("minimisation", minimisation.METRICS, lambda: minimise(subject), subject)
    return [*told, *needed], {"shadows": first, "minimisation": then}


def learned_from(subject: Subject) -> str | None:
    """Return the digest of the rows that the recipe names as trained on, or why they cannot be read; None if it names none."""
    if subject.passport.recipe is None or subject.passport.recipe.training is None:
        return None
    from checks.membership.rows import members

    table = members(subject)
    return table.digest or table.problem
