"""Each group's rates beside those of the reference group, and the widest gap between any two groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from checks import intervals
from checks.counts import MISSING, OUTSIDE
from checks.fairness.counted import Names
from checks.fairness.tally import (
    DESERVING,
    FALSE_NEGATIVE,
    FALSE_POSITIVE,
    PREDICTIVE,
    SELECTED,
    TRUE_POSITIVE,
    Share,
    Tally,
    said,
)
from checks.intervals import CONFIDENCE, Interval
from checks.intervals.simultaneous import widest_gap
from roadworthy.measurement import Measurement, not_measured

ALL = "(all)"


@dataclass(frozen=True)
class Comparison:
    """A metric that holds a group's rate against that of the reference group, by difference or by ratio.

    Attributes
    ----------
    short : str
        Metric without the family.
    share : Share
    ratio : bool
    got : str
        What those got who count, in words.
    """

    short: str
    share: Share
    ratio: bool = False
    got: str = "got the favourable decision"


COMPARED: dict[bool, tuple[Comparison, ...]] = {
    False: (Comparison("selection_rate_ratio", SELECTED, ratio=True), Comparison("selection_rate_difference", SELECTED)),
    True: (
        Comparison("true_positive_rate_difference", TRUE_POSITIVE),
        Comparison("false_positive_rate_difference", FALSE_POSITIVE),
        Comparison("false_negative_rate_difference", FALSE_NEGATIVE),
        Comparison("predictive_parity_difference", PREDICTIVE),
    ),
}
SINGLE = {False: ("selection_rate", SELECTED), True: ("base_rate", DESERVING)}
WIDEST = {False: "demographic_parity_difference", True: "equalized_odds_difference"}
_GAPS = {False: (SELECTED,), True: (TRUE_POSITIVE, FALSE_POSITIVE)}


@lru_cache(maxsize=10_000)
def rate(chosen: int, cases: int) -> float:
    """Return a rate as fairlearn computes it, from counts.

    Every rate of the family is fairlearn's selection rate of some rows: the true positive rate that of the rows with a
    favourable label, the false positive rate that of the others.

    Examples
    --------
    >>> rate(3, 4)
    0.75
    """
    from fairlearn.metrics import selection_rate

    return float(selection_rate([0, 1], [0, 1], pos_label=1, sample_weight=[cases - chosen, chosen]))


def measure_attribute(names: Sequence[Names], tally: Tally, labelled: Tally) -> Iterator[Measurement]:
    """Yield everything about one attribute that a table tells: groups in the order of `names`, then the attribute as a whole."""
    if tally.reason:
        yield from unmeasured(tally)
        return
    if list(names) == [tally.part.reference]:
        reason = f"All rows are of the reference group '{tally.reference}', so there is none to compare with it."
        yield from unmeasured(replace(tally, status="insufficient", reason=reason), compared_only=True)
    for name in names:
        yield single(name, tally, *SINGLE[tally.by_label])
        if name != tally.part.reference:
            for comparison in COMPARED[tally.by_label]:
                yield compared(name, comparison, tally, labelled)
    yield widest(tally)
    if not tally.by_label:
        yield _uncovered(tally)


def unmeasured(tally: Tally, *, compared_only: bool = False) -> Iterator[Measurement]:
    """Yield every metric of the table over every declared group, with the reason why there is no number."""
    said_: dict[str, Any] = {"inputs": tally.inputs, "details": {"reference_group": tally.reference, **tally.told}}
    declared = tally.part.declared
    others = [name for name in declared if name != tally.reference]
    groups = [(comparison.short, others) for comparison in COMPARED[tally.by_label]]
    for short, names in groups if compared_only else [(SINGLE[tally.by_label][0], declared), *groups]:
        for name in names or [ALL]:
            yield not_measured(f"fairness.{short}", tally.status, tally.reason, over=tally.part.over((name,)), **said_)
    if compared_only:
        return
    for short in [WIDEST[tally.by_label], *([] if tally.by_label else ["uncovered_share"])]:
        over = {"attribute": tally.part.names[0]}
        yield not_measured(f"fairness.{short}", tally.status, tally.reason, over=over, **said_)


def single(group: Names, tally: Tally, short: str, share: Share) -> Measurement:
    """Return a group's own rate."""
    metric, cases, chosen = f"fairness.{short}", tally.n(group, share.cases), tally.n(group, share.chosen)
    told: dict[str, Any] = {
        "over": tally.part.over(group), "n": cases, "stats": {"positives": chosen, "negatives": cases - chosen},
        "inputs": tally.inputs, "details": {"reference_group": tally.reference, **tally.told},
    }
    if cases == 0:
        return not_measured(metric, "insufficient", nobody(group, share, tally), **told)
    effective, worth = tally.share(group, share)
    if worth == 0:
        return not_measured(metric, "insufficient", one_unit(group, share, tally), **told)
    told["stats"] |= _units({"": group}, share, tally)
    return measured(metric, chosen / cases, intervals.wilson(effective, worth), "count", told, tally.how)


def compared(group: Names, comparison: Comparison, tally: Tally, labelled: Tally, short: str = "") -> Measurement:
    """Return the ratio or difference of a group's rate to that of the reference group.

    Parameters
    ----------
    group : tuple of str
    comparison : Comparison
    tally, labelled : Tally
        Of the rows that the rate is of, and of those whose labels give the base rates shown beside it.
    short : str
        Metric without the family, if another than the comparison's own.
    """
    metric, share = f"fairness.{short or comparison.short}", comparison.share
    pair = (group, tally.part.reference)
    cases, chosen = [tally.n(g, share.cases) for g in pair], [tally.n(g, share.chosen) for g in pair]
    base = {said(g): labelled.n(g, DESERVING.chosen) / labelled.n(g) for g in pair if labelled.by_label and labelled.n(g)}
    sides = [tally.sides(g, share.by_decision) for g in pair]
    told: dict[str, Any] = {
        "over": tally.part.over(group),
        "n": min(tally.n(g) for g in pair),
        "stats": {
            "positives": min(good for good, _ in sides), "negatives": min(bad for _, bad in sides),
            "n_group": tally.n(group), "n_reference": tally.n(pair[1]),
            "cases_group": cases[0], "cases_reference": cases[1],
            "selected_group": chosen[0], "selected_reference": chosen[1],
        },
        "inputs": tally.inputs,
        "details": {"reference_group": tally.reference, "base_rates": base, **tally.told},
    }
    for g, n in zip(reversed(pair), reversed(cases), strict=True):
        if n == 0:
            return not_measured(metric, "insufficient", nobody(g, share, tally), **told)
    here, there = (rate(x, n) for x, n in zip(chosen, cases, strict=True))
    if comparison.ratio and there == 0:
        reason = f"Nobody in the reference group '{tally.reference}' {comparison.got}, so there is no ratio to it."
        return not_measured(metric, "insufficient", reason, **told)
    counts = [tally.share(g, share) for g in pair]
    for g, (_, worth) in zip(reversed(pair), reversed(counts), strict=True):
        if worth == 0:
            return not_measured(metric, "insufficient", one_unit(g, share, tally), **told)
    told["stats"] |= _units({"_group": group, "_reference": pair[1]}, share, tally)
    if comparison.ratio:
        return measured(metric, here / there, intervals.ratio(*counts[0], *counts[1]), "fairlearn on counts", told, tally.how)
    return measured(metric, here - there, intervals.newcombe(*counts[0], *counts[1]), "fairlearn on counts", told, tally.how)


def nobody(group: Names, share: Share, tally: Tally) -> str:
    """Say that a group has no rows of the kind that a rate is a share of."""
    who = "reference group" if group == tally.part.reference else "group"
    have = "a decision and a mature label" if tally.by_label else "a decision"
    return f"The {who} '{said(group)}' has no {share.words or f'rows with {have}'}."


def one_unit(group: Names, share: Share, tally: Tally) -> str:
    """Say that all cases of a group come from one unit."""
    which = "reference group" if group == tally.part.reference else "group"
    unit, column = tally.independence.unit, tally.independence.column
    return f"The {share.words or 'rows'} of the {which} '{said(group)}' are of one {unit} ({column}); an interval needs two."


def widest(tally: Tally) -> Measurement:
    """Return the widest gap between any two groups; groups in which it is not defined are left out and listed.

    The demographic parity difference is that of selection rates; the equalised odds difference is the wider one of those of
    true and of false positive rates. A maximum over groups is biased upward, which the interval allows for.
    """
    metric = f"fairness.{WIDEST[tally.by_label]}"
    names = sorted(name for name in tally.cells if not tally.by_label or min(tally.sides(name)) > 0)
    told: dict[str, Any] = {
        "over": {"attribute": tally.part.names[0]}, "inputs": tally.inputs,
        "details": {
            "reference_group": tally.reference, "groups": {said(name): tally.n(name) for name in sorted(tally.rows)},
            "left_out": sorted(said(name) for name in set(tally.rows) - set(names)), **tally.told,
        },
    }
    if len(names) < 2:
        what = "labels of both kinds" if tally.by_label else "a decision"
        return not_measured(metric, "insufficient", f"Fewer than two groups have {what}.", **told)
    told["n"] = min(tally.n(name) for name in names)
    told["stats"] = {
        "positives": min(tally.sides(name)[0] for name in names), "negatives": min(tally.sides(name)[1] for name in names),
        "groups": len(names),
    }
    gaps = []
    for share in _GAPS[tally.by_label]:
        rates = {name: rate(tally.n(name, share.chosen), tally.n(name, share.cases)) for name in names}
        high, low = max(names, key=lambda name: rates[name]), min(names, key=lambda name: rates[name])
        gaps.append((rates[high] - rates[low], said(low), said(high)))
    value, lowest, highest = max(gaps, key=lambda gap: gap[0])
    told["details"] |= {"lowest": lowest, "highest": highest}
    counts = [[tally.share(name, share) for name in names] for share in _GAPS[tally.by_label]]
    known = [[pair for pair in family if pair[1] > 0] for family in counts]
    if any(len(family) < len(names) for family in known):
        unit, column = tally.independence.unit, tally.independence.column
        reason = f"The rows of a group are of one {unit} ({column}); an interval needs two."
        return not_measured(metric, "insufficient", reason, **told)
    return measured(metric, value, widest_gap(counts), "fairlearn on counts", told, tally.how)


def _uncovered(tally: Tally) -> Measurement:
    """Return the share of rows that belong to no declared group: no value, or one that no bin covers."""
    n, missing, outside = tally.rows.total(), tally.rows[MISSING,], tally.rows[OUTSIDE,]
    told = {
        "over": {"attribute": tally.part.names[0]}, "n": n, "inputs": tally.inputs, "details": tally.told,
        "stats": {"positives": missing + outside, "negatives": n - missing - outside, "missing": missing, "outside": outside},
    }
    how = "" if tally.independence.unit == "row" else ", rows taken as independent"
    interval = intervals.wilson(missing + outside, n)
    return measured("fairness.uncovered_share", (missing + outside) / n, interval, "count", told, how)


def _units(groups: Mapping[str, Names], share: Share, tally: Tally) -> dict[str, Any]:
    """Return the units of each group and the independent rows that its cases are worth, where rows are not independent."""
    if tally.moments is None:
        return {}
    units = {f"units{which}": tally.units(group, share) for which, group in groups.items()}
    return {**units, **{f"effective_n{which}": tally.share(group, share)[1] for which, group in groups.items()}}


def measured(
    metric: str, value: float, interval: Interval, how: str, told: Mapping[str, Any], by: str = ""
) -> Measurement:
    """Return the measurement of a number with its interval; `how` and `by` go into its method."""
    told = {**told, "stats": {**told["stats"], "scale": interval.scale, "se": interval.se}}
    method = f"{how}; {interval.method} interval{by}"
    return Measurement(
        metric, value=value, low=interval.low, high=interval.high, confidence=CONFIDENCE, method=method, **told
    )
