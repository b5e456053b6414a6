"""What a group's ratio or difference can be at all, where some rows do not tell their group.

A row without the attribute may belong to any group. The worst allocation for a group gives it every such row that was refused
and the reference group every one that was selected; the best allocation is the other way round; no allocation does more,
because each row moves a rate one way whatever the others do. So the bounds are sharp for the rows at hand, for the true
positive rate too once only rows with a favourable label are looked at. Kallus, Mao and Zhou 2022, Assessing algorithmic
fairness with unobserved protected class using data combination, bound the same quantities in the population with the help of
proxies; without any proxy their bounds are these.

Each bound is a ratio or difference of the counts of its own allocation, and has the interval of those counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from checks import intervals
from checks.counts import MISSING
from checks.fairness.rates import measured
from checks.fairness.tally import SELECTED, TRUE_POSITIVE, Share, Tally
from roadworthy.measurement import Measurement, not_measured

ENDS = ("low", "high")
BOUNDED: tuple[tuple[str, Share, bool], ...] = (
    ("selection_rate_ratio", SELECTED, True),
    ("selection_rate_difference", SELECTED, False),
    ("true_positive_rate_difference", TRUE_POSITIVE, False),
)
METRICS = tuple(f"fairness.{short}_bound_{end}" for short, _, _ in BOUNDED for end in ENDS)
COMPLETE = "Every row tells its group, so there is nothing to bound."


class Allocation(NamedTuple):
    """Counts of a group and of the reference group after rows without the attribute were given to them."""

    selected: int
    cases: int
    reference_selected: int
    reference_cases: int


def allocate(known: Allocation, selected: int, refused: int, end: str) -> Allocation:
    """Return the counts of the worst (`low`) or best (`high`) case for the group.

    Parameters
    ----------
    known : Allocation
        Of the rows that tell their group.
    selected, refused : int
        Rows that do not, by decision.
    end : {"low", "high"}

    Examples
    --------
    Ten of 20 against 12 of 20, and one selected and two refused who told no group: at worst 10 of 22 against 13 of 21.

    >>> allocate(Allocation(10, 20, 12, 20), 1, 2, "low")
    Allocation(selected=10, cases=22, reference_selected=13, reference_cases=21)
    """
    x, n, y, m = known
    if end == "low":
        return Allocation(x, n + refused, y + selected, m + selected)
    return Allocation(x + selected, n + selected, y, m + refused)


def measure_bounds(tally: Tally) -> Iterator[Measurement]:
    """Yield the bounds of every group of an attribute; nothing where every row tells its group or nothing could be counted."""
    missing, reference = (MISSING,), tally.part.reference
    if tally.reason or not tally.n(missing):
        return
    for short, share, ratio in BOUNDED:
        if (share is SELECTED) == tally.by_label:
            continue
        for group in sorted(tally.cells):
            if group in (missing, reference):
                continue
            for end in ENDS:
                yield _bound(tally, group, f"fairness.{short}_bound_{end}", share, ratio, end)


def _bound(tally: Tally, group: tuple[str, ...], metric: str, share: Share, ratio: bool, end: str) -> Measurement:
    missing, reference = (MISSING,), tally.part.reference
    counts = [(tally.n(g, share.chosen), tally.n(g, share.cases)) for g in (group, reference, missing)]
    (x, n), (y, m), (selected, unknown) = counts
    told: dict[str, Any] = {
        "over": tally.part.over(group), "n": min(tally.n(group), tally.n(reference)), "inputs": tally.inputs,
        "stats": {
            "positives": min(tally.sides(g)[0] for g in (group, reference)),
            "negatives": min(tally.sides(g)[1] for g in (group, reference)),
            "n_group": tally.n(group), "n_reference": tally.n(reference), "cases_group": n, "cases_reference": m,
            "selected_group": x, "selected_reference": y, "cases_missing": unknown, "selected_missing": selected,
        },
        "details": {"reference_group": tally.reference, **tally.told},
    }
    for who, cases in (("reference group", m), ("group", n)):
        if cases == 0:
            name = tally.reference if who == "reference group" else ", ".join(group)
            kind = share.words or "rows with a decision"
            return not_measured(metric, "insufficient", f"The {who} '{name}' has no {kind} that tell it.", **told)
    at = allocate(Allocation(x, n, y, m), selected, unknown - selected, end)
    if ratio and at.reference_selected == 0:
        who = f"in the reference group '{tally.reference}' got the favourable decision"
        reason = f"Nobody {who}, so there is no ratio to it."
        if end == "high":
            reason = f"It may be that nobody {who}; then no ratio is too high."
        return not_measured(metric, "insufficient", reason, **told)
    here, there = at.selected / at.cases, at.reference_selected / at.reference_cases
    worst = "worst" if end == "low" else "best"
    how = f"sharp bound over all groups that rows without the attribute may belong to; {worst} case"
    by = "" if tally.independence.unit == "row" else ", rows taken as independent"
    if ratio:
        return measured(metric, here / there, intervals.ratio(*at), how, told, by)
    return measured(metric, here - there, intervals.newcombe(*at), how, told, by)
