"""Findings in words: who, how much, by which definition, on how many rows.

A sentence is composed from the measurement and the rule; nobody types one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from roadworthy.catalogue import Metric
from roadworthy.measurement import Measurement
from roadworthy.policy import Limit, Rule

Words = Callable[[str], str]


def number(value: float, unit: str) -> str:
    """Write a number the way its unit is read.

    Examples
    --------
    >>> number(0.8275, "share"), number(0.7594, "ratio"), number(-0.0251, "difference"), number(29200, "count")
    ('82.8 %', '0.76', '-2.5 points', '29,200')
    """
    if unit == "share":
        return f"{_trim(100 * value, 1)} %"
    if unit == "difference":
        return f"{_trim(100 * value, 1)} points"
    if unit == "count":
        return f"{value:,.0f}"
    if unit == "ratio":
        return f"{value:.2f}"
    if unit == "seconds":
        return f"{value:.3g} s"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _trim(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text


def limit_words(limit: Limit, unit: str) -> str:
    """Write a limit in words.

    Examples
    --------
    >>> limit_words(Limit.parse(">= 0.80"), "ratio"), limit_words(Limit.parse("between -0.1 and 0.1"), "difference")
    ('at least 0.80', 'between -10.0 points and 10.0 points')
    """
    low, high = limit.at_least, limit.at_most
    if low is not None and high is not None:
        return f"between {number(low, unit)} and {number(high, unit)}"
    if low is not None:
        return f"{'more than' if limit.strict else 'at least'} {number(low, unit)}"
    if high is not None:
        return f"{'less than' if limit.strict else 'at most'} {number(high, unit)}"
    raise ValueError("a limit has at least one end")


def part(over: Mapping[str, Any], word: Words) -> str:
    """Write which part of the data a measurement speaks of.

    Examples
    --------
    >>> part({"group": {"sex": "female"}}, str), part({"column": "age"}, str), part({}, str)
    ('sex: female', 'age', '')
    """
    if not over:
        return ""
    if "group" in over and isinstance(over["group"], Mapping):
        return ", ".join(f"{word(str(k))}: {v}" for k, v in over["group"].items())
    if "column" in over:
        return word(str(over["column"]))
    if "expectation" in over:
        return str(over["expectation"])
    return ", ".join(f"{k}: {v}" for k, v in over.items())


def describe(measurement: Measurement, metric: Metric, word: Words) -> str:
    """Say what was measured: title, part, value, interval, n."""
    where = part(measurement.over, word)
    head = f"{metric.title} ({where})" if where else metric.title
    if measurement.value is None:
        return f"{head}: {measurement.reason}"
    text = f"{head}: {number(measurement.value, metric.unit)}"
    if measurement.low is not None and measurement.high is not None and measurement.confidence is not None:
        low, high = number(measurement.low, metric.unit), number(measurement.high, metric.unit)
        text += f" ({_trim(100 * measurement.confidence, 0)} % interval {low} to {high})"
    if measurement.n is not None:
        text += f", n = {measurement.n:,}"
    return text


def sentence(measurement: Measurement, rule: Rule, metric: Metric, word: Words) -> str:
    """Say what was found against the rule's limit."""
    said = describe(measurement, metric, word)
    if measurement.value is None:
        return said
    compared = {
        "absolute": "",
        "reference": " against the reference",
        "champion": " against the live version",
        "previous": " against the previous night",
    }[rule.against]
    if metric.id == "data_quality.expectation":
        where = part(measurement.over, word)
        held = "holds" if rule.parsed.holds(measurement.value) else "does not hold"
        why = str(measurement.details.get("because") or "").strip()
        return f"The data expectation '{where}' {held} on {measurement.n or 0:,} rows." + (
            f" {why}" if why and held != "holds" else ""
        )
    return f"{said}; the limit{compared} is {limit_words(rule.parsed, metric.unit)}."


def rows_that_would_decide(measurement: Measurement, limit: Limit, log_scale: bool) -> int | None:
    """Return about how many rows would move the interval clear of the limit, if the value stays where it is.

    The half-width of an interval shrinks with the square root of n; the nearer end of the limit decides. None when the
    value stands on the limit, so that no number of rows would decide.

    Examples
    --------
    >>> m = Measurement("performance.accuracy", value=0.76, low=0.66, high=0.86, confidence=0.95, n=76)
    >>> rows_that_would_decide(m, Limit.parse(">= 0.80"), False)
    475
    """
    if measurement.value is None or measurement.low is None or measurement.high is None or not measurement.n:
        return None
    ends = [end for end in (limit.at_least, limit.at_most) if end is not None]
    scale: Callable[[float], float] = math.log if log_scale else float
    if log_scale and min(measurement.value, measurement.low, *ends) <= 0:
        return None
    end = min(ends, key=lambda e: abs(scale(e) - scale(measurement.value or 0.0)))
    gap = scale(end) - scale(measurement.value)
    if gap == 0:
        return None
    half = scale(measurement.high) - scale(measurement.value) if gap > 0 else scale(measurement.value) - scale(measurement.low)
    return math.ceil(round(measurement.n * (half / abs(gap)) ** 2, 6))
