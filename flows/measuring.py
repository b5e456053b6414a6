"""Runs the check families on one subject: each in its own try, timed, and never able to stop the others."""

from __future__ import annotations

import importlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from checks.subject import Subject, on_reference
from roadworthy.catalogue import catalogue
from roadworthy.measurement import Measurement, not_measured
from roadworthy.policy import Rule

Measure = Callable[[Subject], list[Measurement]]

# Great Expectations keeps one context for the process; two models must not talk to it at once.
_ONE_AT_A_TIME = threading.Lock()


def _data_quality(subject: Subject) -> list[Measurement]:
    from checks import data_quality

    with _ONE_AT_A_TIME:
        return list(data_quality.measure(subject))


def _drift(subject: Subject) -> list[Measurement]:
    from checks import drift

    return list(drift.measure(subject))


def _performance(subject: Subject) -> list[Measurement]:
    from checks import performance

    return list(performance.measure(subject))


def _estimate(subject: Subject) -> list[Measurement]:
    from checks import estimate

    return list(estimate.measure(subject))


def _fairness(subject: Subject) -> list[Measurement]:
    from checks import fairness

    return list(fairness.measure(subject))


def _explainability(subject: Subject) -> list[Measurement]:
    from checks import explainability

    return list(explainability.measure(subject))


def _artifact(subject: Subject) -> list[Measurement]:
    from checks import artifact

    return list(artifact.measure(subject))


def _shap(subject: Subject) -> list[Measurement]:
    from checks.cost.own import own_timing
    from checks.explainability import attribution

    # A model without a log of serving was timed where it was explained, so that no further process is started for it.
    return [*attribution.measure(subject), *own_timing(subject)]


def _reproducibility(subject: Subject) -> list[Measurement]:
    from checks import reproducibility

    return list(reproducibility.measure(subject))


def _membership(subject: Subject) -> list[Measurement]:
    from checks import membership

    return list(membership.measure(subject))


def _privacy(subject: Subject) -> list[Measurement]:
    from checks import privacy

    return list(privacy.measure(subject))


def _operations(subject: Subject) -> list[Measurement]:
    from checks import operations

    return list(operations.measure(subject))


def _cost(subject: Subject) -> list[Measurement]:
    from checks import cost

    return list(cost.measure(subject))


def _vendor(subject: Subject) -> list[Measurement]:
    from checks import vendor

    return list(vendor.measure(subject))


def _endpoint(subject: Subject) -> list[Measurement]:
    from checks import endpoint

    return list(endpoint.measure(subject))


def _access(subject: Subject) -> list[Measurement]:
    from checks import access

    return list(access.measure(subject))


FAMILIES: tuple[tuple[str, Measure], ...] = (
    ("data_quality", _data_quality),
    ("drift", _drift),
    ("performance", _performance),
    ("estimate", _estimate),
    ("fairness", _fairness),
    ("explainability", _explainability),
    ("cost", _cost),
    ("vendor", _vendor),
    ("endpoint", _endpoint),
    ("access", _access),
    ("artifact", _artifact),
    ("shap", _shap),
    ("reproducibility", _reproducibility),
    ("membership", _membership),
    ("privacy", _privacy),
    ("operations", _operations),
)


_RETRAINED = {
    "privacy.membership_auc": "membership", "privacy.membership_tpr": "membership",
    "privacy.loss_without": "minimisation", "privacy.unneeded_columns": "minimisation",
}
"""What needs the model beside the rows: the first two at night too, the others at the gate alone."""


def warm() -> threading.Thread:
    """Import what the families need, in the background, while a server elsewhere starts."""

    def load() -> None:
        names = ("great_expectations", "fairlearn.metrics", "scipy.stats", "sklearn.ensemble", "pyarrow.parquet", "apprise")
        for name in (*names, "jinja2"):
            try:
                importlib.import_module(name)
            except ImportError:  # the family that needs it will say so in its measurement
                logging.getLogger(__name__).warning("%s could not be imported", name)

    thread = threading.Thread(target=load, name="warm", daemon=True)
    thread.start()
    return thread


def measure_all(
    subject: Subject, families: tuple[tuple[str, Measure], ...] = FAMILIES
) -> tuple[list[Measurement], dict[str, float]]:
    """Return every family's measurements and the seconds each took.

    A family that raises gives one ``error`` measurement for each of its metrics, so that every rule about it is
    undecided and none passes.
    """
    found: list[Measurement] = []
    seconds: dict[str, float] = {}
    for name, measure in families:
        found_here, seconds[name] = _guarded(name, measure, subject)
        found += found_here
    return found, seconds


def baselines(
    subject: Subject, rules: list[Rule], families: tuple[tuple[str, Measure], ...] = FAMILIES
) -> dict[str, list[Measurement]]:
    """Return what rules ``against: reference`` compare with: the same families, measured on the reference."""
    wanted = {_measured_by(rule.metric) for rule in rules if rule.against == "reference"}
    if not wanted:
        return {}
    there = on_reference(subject)
    metrics = {rule.metric for rule in rules if rule.against == "reference"}
    made = [m for name, measure in families if name in wanted for m in _guarded(name, measure, there)[0]]
    return {"reference": [m for m in made if m.metric in metrics]}


def _measured_by(metric: str) -> str:
    """Return the name in `FAMILIES` of what measures a metric: its family, but for some that are asked for on their own."""
    from checks.explainability.attribution import METRICS

    alone = dict.fromkeys(METRICS, "shap") | _RETRAINED
    return alone.get(metric, catalogue()[metric].family)


def _guarded(name: str, measure: Measure, subject: Subject) -> tuple[list[Measurement], float]:
    metrics = tuple(metric for metric in catalogue() if _measured_by(metric) == name)
    return guarded(name, metrics, lambda: measure(subject), subject)


def guarded(
    name: str, metrics: Sequence[str], measure: Callable[[], list[Measurement]], subject: Subject
) -> tuple[list[Measurement], float]:
    """Return what `measure` returns and the seconds it took; if it raises, an ``error`` for each of `metrics`."""
    started = time.perf_counter()
    try:
        made = [replace(m, inputs=m.inputs or subject.inputs) for m in measure()]
    except Exception as problem:
        logging.getLogger(__name__).exception("family %s of %s could not be measured", name, subject.passport.id)
        reason = f"The {name.replace('_', ' ')} check could not finish ({type(problem).__name__}: {str(problem)[:200]})."
        made = [not_measured(metric, "error", reason) for metric in metrics]
    return made, round(time.perf_counter() - started, 3)
