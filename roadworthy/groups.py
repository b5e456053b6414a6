"""What a comparison of groups says, in one sentence: who, how much, against whom, by which definition, of how many."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from roadworthy.figures import number, trim
from roadworthy.measurement import Measurement

Write = Callable[[float], str]


class Compared(NamedTuple):
    """How a share that two groups are compared by is spoken of.

    Attributes
    ----------
    who : str
        Which people of a group it is a share of; empty for all.
    got : str
        What those have who count.
    definition : str
        What the field calls the comparison.
    """

    who: str
    got: str
    definition: str


_SHARES = {
    "selection_rate_ratio": Compared("", "got the favourable decision", "selection rate ratio"),
    "selection_rate_difference": Compared("", "got the favourable decision", "selection rate difference"),
    "true_positive_rate_difference": Compared(
        " who deserve the favourable decision", "got it", "true positive rate difference, equal opportunity"
    ),
    "false_positive_rate_difference": Compared(
        " who do not deserve the favourable decision", "got it", "false positive rate difference"
    ),
    "false_negative_rate_difference": Compared(
        " who deserve the favourable decision", "were refused it", "false negative rate difference"
    ),
    "predictive_parity_difference": Compared(
        " who got the favourable decision", "proved to deserve it", "predictive parity difference"
    ),
}
_OF_CLASS = {
    "selection_rate_ratio": Compared("", "were sorted into it", "selection rate ratio of the class"),
    "selection_rate_difference": Compared("", "were sorted into it", "selection rate difference of the class"),
    "true_positive_rate_difference": Compared(
        " who belong into the class", "were sorted into it", "true positive rate difference of the class"
    ),
}
_WIDEST = {
    "demographic_parity_difference": ("the shares that get the favourable decision", "demographic parity difference"),
    "equalized_odds_difference": ("the shares of right or of wrong favourable decisions", "equalised odds difference"),
}
_ERRORS = {
    "mean_error_difference": ("predictions err upward", "mean error difference"),
    "mean_absolute_error_difference": ("predictions miss", "mean absolute error difference"),
}


def compared(m: Measurement, where: str, write: Write) -> str:
    """Say what a comparison of groups found; empty if the measurement is none.

    Parameters
    ----------
    m : Measurement
        With a value.
    where : str
        The group, in words.
    write : callable
        Writes a number in the metric's unit.

    Examples
    --------
    >>> stats = {"selected_group": 48, "cases_group": 83, "selected_reference": 237, "cases_reference": 317}
    >>> m = Measurement("fairness.selection_rate_ratio", {"group": {"age": "young"}}, 0.7735, 0.65, 0.89, 0.95, n=83, stats=stats,
    ...                 details={"reference_group": "old"})
    >>> compared(m, "age: young", lambda x: f"{x:.2f}")
    'age: young got the favourable decision 0.77 times as often as old: 57.8 % of 83 against 74.8 % of 317 (selection rate
    ratio; 95 % interval 0.65 to 0.89; n = 83)'
    """
    family, _, short = m.metric.partition(".")
    if family not in ("fairness", "mitigation") or m.value is None:
        return ""
    of_class = short.startswith("class_")
    short = short.removeprefix("intersection_").removeprefix("class_")
    words = (_OF_CLASS if of_class else _SHARES).get(short)
    reference = str(m.details.get("reference_group") or "the reference group")
    if words is not None and "group" in m.over:
        said = f"{where}{words.who} {words.got} {_how_often(m.value, short, write)} {reference}{_counts(m)}"
        return f"{said} ({_sure(m, words.definition, write)})"
    if short in _WIDEST:
        what, definition = _WIDEST[short]
        between = f", between {m.details['lowest']} and {m.details['highest']}" if {"lowest", "highest"} <= set(m.details) else ""
        return f"{where}: {what} lie up to {write(m.value)} apart{between} ({_sure(m, definition, write)})"
    if short in _ERRORS:
        what, definition = _ERRORS[short]
        more = "more" if m.value >= 0 else "less"
        return f"{where}: {what} by {write(abs(m.value))} {more} than for {reference} ({_sure(m, definition, write)})"
    if short == "calibration_gap":
        side = "above" if m.value >= 0 else "below"
        said = f"{where}: the score stands {write(abs(m.value))} {side} the share that it foretells"
        return f"{said} ({_sure(m, 'calibration gap', write)})"
    return ""


def _how_often(value: float, short: str, write: Write) -> str:
    if short.endswith("_ratio"):
        return f"{write(value)} times as often as"
    if value == 0:
        return "just as often as"
    return f"{write(abs(value))} {'more' if value > 0 else 'less'} often than"


def _counts(m: Measurement) -> str:
    told = []
    for who in ("group", "reference"):
        chosen, cases = m.stats.get(f"selected_{who}"), m.stats.get(f"cases_{who}")
        if not isinstance(chosen, int | float) or not isinstance(cases, int | float) or not cases:
            return ""
        told.append(f"{number(chosen / cases, 'share')} of {cases:,}")
    return f": {told[0]} against {told[1]}"


def _sure(m: Measurement, definition: str, write: Write) -> str:
    said = [definition]
    if m.low is not None and m.high is not None and m.confidence is not None:
        said.append(f"{trim(100 * m.confidence, 0)} % interval {write(m.low)} to {write(m.high)}")
    if m.n is not None:
        said.append(f"n = {m.n:,}")
    return "; ".join(said)
