"""How one measurement is held against one rule, before nights and waivers are thought of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from roadworthy.catalogue import catalogue
from roadworthy.finding import FindingStatus
from roadworthy.measurement import Measurement
from roadworthy.policy import Limit, Rule
from roadworthy.sentences import number, rows_that_would_decide
from roadworthy.significance import SURE, ShiftTest, adjusted

ROUNDING = 1e-9  # how far a sum of floating-point numbers may stray over the edge of its metric's range


class Outcome(NamedTuple):
    """What a test says.

    Attributes
    ----------
    status : str
    note : str
        What the reader must know beside value and limit; may be empty.
    details : dict
    breached : bool
        Tells a breach of weight ``warn`` from an interval that merely crosses the limit.
    weighs : bool
        False for what is no pass and no reason to watch either.
    """

    status: FindingStatus
    note: str
    details: dict[str, Any]
    breached: bool = False
    weighs: bool = True


class Rejection(NamedTuple):
    """What Benjamini and Hochberg's procedure says of one of the measurements that a rule matches.

    Attributes
    ----------
    flagged : bool
    adjusted_p : float
    level : float
        The p-value that is a rejection even if no other measurement is one: alpha by the number of those tested.
    """

    flagged: bool
    adjusted_p: float
    level: float


def possible(m: Measurement) -> bool:
    """Say whether the value lies in its metric's range; one that does not is a defect of the check, not a fact."""
    low, high = catalogue()[m.metric].range
    return m.value is not None and (low is None or m.value >= low - ROUNDING) and (high is None or m.value <= high + ROUNDING)


def too_few(rule: Rule, m: Measurement) -> str:
    """Say what is missing of the least data that the rule wants; empty if nothing is."""
    wants = rule.min
    have = {"n": m.n, "positives": m.stats.get("positives"), "negatives": m.stats.get("negatives")}
    words = {"n": "rows", "positives": "cases with the outcome or decision", "negatives": "cases without it"}
    for name, least in (("n", wants.n), ("positives", wants.positives), ("negatives", wants.negatives)):
        got = have[name]
        counted = got if isinstance(got, int | float) else 0
        if counted < least:
            return f"Too few {words[name]} to decide: {int(counted):,} of {least:,} needed."
    return ""


def rejections(matched: Sequence[Measurement], rule: Rule) -> dict[int, Rejection]:
    """Return for the index of each measurement that can be tested what Benjamini and Hochberg's procedure says of it."""
    alpha = rule.alpha or 0.0
    tested = [
        i
        for i, m in enumerate(matched)
        if m.status == "measured" and m.p_value is not None and possible(m) and not too_few(rule, m)
    ]
    found = adjusted([p for i in tested if (p := matched[i].p_value) is not None])
    return {i: Rejection(p <= alpha, p, alpha / len(tested)) for i, p in zip(tested, found, strict=True)}


def against(
    rule: Rule, m: Measurement, baselines: Mapping[str, Sequence[Measurement]]
) -> tuple[Measurement, str]:
    """Return the measurement as a difference from its baseline, with the widest interval the two allow."""
    if rule.against == "absolute":
        return m, ""
    base = next(
        (
            b
            for b in baselines.get(rule.against, ())
            if b.metric == m.metric and dict(b.over) == dict(m.over) and b.value is not None
        ),
        None,
    )
    if base is None or base.value is None or m.value is None:
        return m, f"There is no number of the {rule.against} to compare with."
    low = high = None
    if m.low is not None and m.high is not None and base.low is not None and base.high is not None:
        low, high = m.low - base.high, m.high - base.low
    return Measurement(
        m.metric,
        m.over,
        m.value - base.value,
        low,
        high,
        m.confidence,
        m.p_value,
        m.n,
        {name: value for name, value in m.stats.items() if name != "scale"},  # a difference of two ratios has no logarithm
        f"{m.method}; minus {rule.against} {base.value:.6g}",
        m.inputs,
        details=m.details,
    ), ""


def tested(rule: Rule, m: Measurement, rejection: Rejection | None) -> Outcome:
    """Hold one measured number against the limit, by any test that looks at one night alone."""
    limit = rule.parsed
    if m.value is None:
        raise ValueError("a measured measurement has a value")
    if rule.test == "exact":
        return _held(rule, limit.holds(m.value))
    if rule.test == "bh":
        return _moved(rule, m, m.value, rejection)
    if m.low is None or m.high is None:
        return Outcome("error", "The check gave no interval for a rule that needs one.", {})
    if limit.holds(m.low) and limit.holds(m.high):
        return _held(rule, True)
    if limit.excludes(m.low, m.high):
        return _held(rule, False)
    half = {"smallest_effect": (m.high - m.low) / 2}
    needed = rows_that_would_decide(m, limit, m.stats.get("scale") == "log")
    if needed is None or m.n is None or needed <= m.n:
        return Outcome("warn", "The interval crosses the limit.", half)
    note = f"The interval crosses the limit; about {needed:,} rows of this kind would decide."
    return Outcome("warn", note, {"rows_that_would_decide": needed, **half})


def too_small(rule: Rule, m: Measurement, few: str) -> Outcome:
    """Return what is said of a part that is too small: what is missing, and how many rows decide if the number stays as it is."""
    details = smallest_effect(m)
    needed = rows_that_would_decide(m, rule.parsed, m.stats.get("scale") == "log") if rule.test == "interval" else None
    if needed is None or m.n is None or needed <= max(m.n, rule.min.n):  # the least that the rule asks for would decide
        return Outcome("insufficient", few, details)
    said = f"{few} If it stays as it is, about {needed:,} rows of this kind would decide."
    return Outcome("insufficient", said, {"rows_that_would_decide": needed, **details})


def smallest_effect(m: Measurement) -> dict[str, Any]:
    """Return the least difference that these data could have told from none, where an interval tells it: its half width."""
    return {} if m.low is None or m.high is None else {"smallest_effect": (m.high - m.low) / 2}


def _held(rule: Rule, holds: bool, **details: Any) -> Outcome:
    return Outcome("pass" if holds else rule.breach, "", details, not holds)


def _moved(rule: Rule, m: Measurement, value: float, rejection: Rejection | None) -> Outcome:
    """Judge a distance by its p-value and its size.

    A breach is told from chance and surely beyond the limit; a pass is what a large enough day did not tell from chance, or
    what is surely within. Between them lies what surely moved, by more or by less than the limit: the estimate says whether that
    is a warning, and it is no pass either way. So the same two distributions never pass with few rows and breach with many.
    """
    if rejection is None:
        return Outcome("error", "The check gave no p-value for a rule that needs one.", {})
    limit, counts = rule.parsed, ShiftTest.of(m.stats) if m.metric in ("drift.psi", "drift.score_psi") else None
    details: dict[str, Any] = {"adjusted_p": rejection.adjusted_p}
    if counts is not None:
        details["smallest_effect"] = counts.smallest_effect(rejection.level)
    if not rejection.flagged:
        return _not_told_from_chance(limit, m, value, details)
    inside, outside = _sides(limit, m, value, counts)
    if inside or outside:
        return _held(rule, inside, **details)
    note = "It moved for certain; whether by more than the limit, these rows do not tell."
    if limit.holds(value):
        return Outcome("insufficient", note, details, weighs=False)
    return Outcome("warn", note, details, breached=True)


def _not_told_from_chance(limit: Limit, m: Measurement, value: float, details: dict[str, Any]) -> Outcome:
    unit, least = catalogue()[m.metric].unit, details.get("smallest_effect")
    if least is not None and limit.at_most is not None and least > limit.at_most:
        sizes = f"{m.stats['batch_n']:,} rows against {m.stats['reference_n']:,}"
        note = f"With {sizes} only a shift of {number(least, unit)} or more would have been seen, so this is no pass."
        return Outcome("insufficient", note, details)
    if not limit.holds(value):
        return Outcome("insufficient", "It is beyond the limit, but chance may have made it so.", details)
    return Outcome("pass", "", details)


def _sides(limit: Limit, m: Measurement, value: float, counts: ShiftTest | None) -> tuple[bool, bool]:
    """Say whether the true value is surely within the limit, and whether it is surely beyond."""
    if counts is not None and limit.at_least is None and limit.at_most is not None:
        return counts.below(limit.at_most) <= SURE, counts.above(limit.at_most) <= SURE
    if m.low is None or m.high is None:
        return limit.holds(value), not limit.holds(value)
    return limit.holds(m.low) and limit.holds(m.high), limit.excludes(m.low, m.high)
