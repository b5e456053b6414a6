"""Two attributes together: each combination of groups beside that of the two reference groups.

What is fair to women and fair to the young may not be fair to young women. Combinations have metrics of their own, because
there are many of them and most are small: a rule about groups does not silently become a rule about every combination.
"""

from __future__ import annotations

from collections.abc import Iterator

from checks.fairness.counted import MAX_GROUPS
from checks.fairness.rates import ALL, COMPARED, compared, single
from checks.fairness.tally import SELECTED, Tally
from roadworthy.measurement import Measurement, not_measured

MAX_COMBINATIONS = 500
_COMPARED = {
    False: ("selection_rate_ratio", "selection_rate_difference"),
    True: ("true_positive_rate_difference", "false_positive_rate_difference"),
}
SHORT = {
    False: ("intersection_selection_rate", *(f"intersection_{short}" for short in _COMPARED[False])),
    True: tuple(f"intersection_{short}" for short in _COMPARED[True]),
}
METRICS = tuple(f"fairness.{short}" for shorts in SHORT.values() for short in shorts)
TOO_MANY = f"There are more than {MAX_COMBINATIONS} combinations of groups before this pair of attributes; it is left out."


def measure_combinations(tally: Tally, labelled: Tally) -> Iterator[Measurement]:
    """Yield the rates of every combination of two attributes that any row has, beside the combination of the references."""
    if tally.reason:
        yield from refused(tally, tally.reason)
        return
    if len(tally.rows) > MAX_GROUPS:
        names = " and ".join(f"'{name}'" for name in tally.part.names)
        yield from refused(tally, f"The attributes {names} have more than {MAX_GROUPS} groups together.")
        return
    comparisons = {c.short: c for c in COMPARED[tally.by_label]}
    for group in sorted({tally.part.reference, *tally.rows}):
        if not tally.by_label:
            yield single(group, tally, "intersection_selection_rate", SELECTED)
        if group != tally.part.reference:
            for short in _COMPARED[tally.by_label]:
                yield compared(group, comparisons[short], tally, labelled, f"intersection_{short}")


def refused(tally: Tally, reason: str) -> Iterator[Measurement]:
    """Yield each metric of the pair with the reason why there is no number."""
    status = tally.status if tally.reason else "insufficient"
    for short in SHORT[tally.by_label]:
        over = tally.part.over((ALL, ALL))
        told = {"reference_group": tally.reference, **tally.told}
        yield not_measured(f"fairness.{short}", status, reason, over=over, inputs=tally.inputs, details=told)
