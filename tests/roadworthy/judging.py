"""Rules, measurements and contexts in one line, for tests of the judge."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from roadworthy.finding import Finding
from roadworthy.judge import Context, Judgement, judge
from roadworthy.measurement import Measurement, not_measured
from roadworthy.policy import Policy

DAY = date(2026, 4, 9)
ACCURACY, LOSS, ROWS = "performance.accuracy", "performance.loss", "data_quality.rows"
PSI, BLANKS, RATIO = "drift.psi", "drift.missing_change", "fairness.selection_rate_ratio"
_OVER: dict[str, Any] = {PSI: {"column": "any"}, BLANKS: {"column": "any"}, RATIO: {"group": "any"}}
_LIMIT = {ACCURACY: ">= 0.80", PSI: "< 0.10", ROWS: ">= 100", RATIO: ">= 0.80", BLANKS: "between -0.10 and 0.10", LOSS: "<= 0.24"}
_TEST = {ACCURACY: "interval", PSI: "bh", ROWS: "exact", RATIO: "interval", BLANKS: "interval", LOSS: "sequential"}


def rule(metric: str, /, **says: Any) -> dict[str, Any]:
    """Return a rule as YAML would hold it, with the limit and test that suit the metric."""
    test = says.get("test", _TEST[metric])
    made = {
        "id": metric.replace("_", "-"), "metric": metric, "over": _OVER.get(metric, {}), "limit": _LIMIT[metric], "test": test,
        "breach": "fail", "because": "A test needs this rule.", **({"alpha": 0.05} if test == "bh" else {}),
    }
    return {**made, **says}


def policy(*rules: dict[str, Any]) -> Policy:
    return Policy.model_validate({"schema_version": 1, "policy": "limited", "title": "A test", "rules": list(rules)})


def context(**says: Any) -> Context:
    return Context(**{"tier": "limited", "task": "binary", "when": "nightly", "day": DAY, **says})


def value(metric: str, number: float, low: float | None = None, high: float | None = None, **rest: Any) -> Measurement:
    """Return a measurement with an interval if both ends are given; `column` or `group` says over which part."""
    shape, over = _OVER.get(metric, {}), {}
    if "column" in shape:
        over = {"column": rest.pop("column", "a")}
    elif "group" in shape:
        over = {"group": {"sex": rest.pop("group", "a")}}
    return Measurement(metric, over, number, low, high, 0.95 if low is not None else None, **{"n": 1000, **rest})


def error(metric: str, **rest: Any) -> Measurement:
    return not_measured(metric, "error", "The check broke.", **rest)


def thin(metric: str, **rest: Any) -> Measurement:
    return not_measured(metric, "insufficient", "There is too little data.", **rest)


def judged(measurements: Sequence[Measurement], *rules: dict[str, Any], **says: Any) -> Judgement:
    return judge(measurements, policy(*rules), context(**says))


def only(measurement: Measurement, says: dict[str, Any], **where: Any) -> Finding:
    """Judge one measurement by one rule and return the one finding."""
    (finding,) = judged([measurement], says, **where).findings
    return finding
