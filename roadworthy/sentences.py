"""Findings in words: who, how much, by which definition, on how many rows.

A sentence is composed from the measurement and the rule; nobody types one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from roadworthy import groups
from roadworthy.catalogue import Metric
from roadworthy.figures import digits, number, side, trim
from roadworthy.measurement import Measurement
from roadworthy.policy import Limit, Rule

__all__ = ["describe", "hardly_used", "limit_words", "number", "of_block", "part", "rows_that_would_decide", "sentence"]

Words = Callable[[str], str]


def hardly_used(weight: float) -> str:
    """Say that a column moved which the model hardly reads.

    Examples
    --------
    >>> hardly_used(0.004)
    'Moved, but decides at most 0.4 % of the score.'
    """
    more = digits("share", lambda shown: shown(weight) >= weight)
    return f"Moved, but decides at most {number(weight, 'share', more)} of the score."


def of_block(note: str, since: str, through: str, needed: int) -> str:
    """Say from which block of days a finding stands, after what was said of it then.

    Examples
    --------
    >>> of_block("", "2025-04-03", "2025-04-09", 500)
    'Decided on the block 2025-04-03 to 2025-04-09; the next decides at 500 rows.'
    """
    said = f"Decided on the block {since} to {through}; the next decides at {needed:,} rows."
    return f"{note} {said}" if note else said


def limit_words(limit: Limit, unit: str) -> str:
    """Write a limit in words, with as many digits as it has.

    Examples
    --------
    >>> limit_words(Limit.parse("<= 0.1234"), "share"), limit_words(Limit.parse("between -0.1 and 0.1"), "difference")
    ('at most 12.34 %', 'between -10.0 points and 10.0 points')
    """
    ends = [end for end in (limit.at_least, limit.at_most) if end is not None]
    more = digits(unit, lambda shown: all(side(shown(end), end) == 0 for end in ends))
    words = [number(end, unit, more) for end in ends]
    if len(words) == 2:
        return f"between {words[0]} and {words[1]}"
    if limit.at_least is not None:
        return f"{'more than' if limit.strict else 'at least'} {words[0]}"
    return f"{'less than' if limit.strict else 'at most'} {words[0]}"


def part(over: Mapping[str, Any], word: Words) -> str:
    """Write which part of the data a measurement speaks of.

    Attributes stand in the order of their names, for evidence keeps no other: a finding read back must say the same sentence.

    Examples
    --------
    >>> part({"group": {"sex": "female"}}, str), part({"segment": {"origin": "JFK"}}, str), part({"column": "age"}, str)
    ('sex: female', 'origin: JFK', 'age')
    >>> part({"class": "red", "group": {"sex": "female"}}, str), part({"attribute": "sex", "column": "job"}, str)
    ('class: red, sex: female', 'job, of sex')
    >>> part({"attack": "loss", "at": "1 %"}, str)
    'at: 1 %, attack: loss'
    """
    if not over:
        return ""
    for kind in ("group", "segment"):
        if kind in over and isinstance(over[kind], Mapping):
            beside = [f"{key}: {over[key]}" for key in ("option", "class") if key in over]
            return ", ".join([*beside, *(f"{word(str(k))}: {v}" for k, v in sorted(over[kind].items()))])
    if "column" in over:
        told = word(str(over["column"]))
        return f"{told}, of {over['attribute']}" if "attribute" in over else told
    if "expectation" in over:
        return str(over["expectation"])
    return ", ".join(f"{k}: {v}" for k, v in sorted(over.items()))


def describe(measurement: Measurement, metric: Metric, word: Words, limit: Limit | None = None) -> str:
    """Say what was measured: title, part, value, interval, n; with digits enough to see on which side of `limit` each lies.

    Of groups it says who, how much, against whom, by which definition and of how many.
    """
    where = part(measurement.over, word)
    head = f"{metric.title} ({where})" if where else metric.title
    if measurement.value is None:
        return f"{head}: {measurement.reason}"
    told = [v for v in (measurement.value, measurement.low, measurement.high) if v is not None]
    ends = [end for end in (limit.at_least, limit.at_most) if end is not None] if limit else []
    more = digits(metric.unit, lambda shown: all(side(shown(v), end) == side(v, end) for v in told for end in ends))
    text = f"{head}: {number(measurement.value, metric.unit, more)}"
    if told_of_groups := groups.compared(measurement, where, lambda x: number(x, metric.unit, more)):
        return told_of_groups
    if measurement.low is not None and measurement.high is not None and measurement.confidence is not None:
        low, high = number(measurement.low, metric.unit, more), number(measurement.high, metric.unit, more)
        text += f" ({trim(100 * measurement.confidence, 0)} % interval {low} to {high})"
    if measurement.n is not None:
        text += f", n = {measurement.n:,}"
    return text


def sentence(measurement: Measurement, rule: Rule, metric: Metric, word: Words) -> str:
    """Say what was found against the rule's limit."""
    said = describe(measurement, metric, word, rule.parsed)
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
    differs = "" if rule.parsed.holds(measurement.value) else str(measurement.details.get("differs") or "").strip()
    return f"{said}; the limit{compared} is {limit_words(rule.parsed, metric.unit)}." + (f" {differs}" if differs else "")


MOST_ROWS = 10**12


def rows_that_would_decide(measurement: Measurement, limit: Limit, log_scale: bool) -> int | None:
    """Return about how many rows would move the interval clear of the limit, if the value stays where it is.

    The half-width of an interval shrinks with the square root of n. A good value must be clear of both ends of the limit; of
    one that is not good, the end that it broke decides. None when the value stands on the limit, or so near it that more
    rows than there will ever be (`MOST_ROWS`) would be needed.

    Examples
    --------
    >>> m = Measurement("performance.accuracy", value=0.76, low=0.66, high=0.86, confidence=0.95, n=76)
    >>> rows_that_would_decide(m, Limit.parse(">= 0.80"), False)
    475
    """
    if measurement.value is None or measurement.low is None or measurement.high is None or not measurement.n:
        return None
    value, low, high = measurement.value, measurement.low, measurement.high
    ends = [end for end in (limit.at_least, limit.at_most) if end is not None]
    if not limit.holds(value):
        ends = [min(ends, key=lambda end: abs(end - value))]
    if value in ends or (log_scale and min(value, low, *ends) <= 0):
        return None
    scale: Callable[[float], float] = math.log if log_scale else float

    def ratio(end: float) -> float:
        half = scale(high) - scale(value) if end > value else scale(value) - scale(low)
        return max(half, 0.0) / abs(scale(end) - scale(value))

    needed = measurement.n * max(ratio(end) for end in ends) ** 2
    return math.ceil(round(needed, 6)) if needed <= MOST_ROWS else None
