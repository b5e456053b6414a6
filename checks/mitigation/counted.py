"""From decisions to measurements: what an option makes of every group, and of the population, against what is recorded.

Rates, their gaps and their intervals are those of `checks.fairness.rates`, on counts. Options decide the same rows, so how far
an option differs from what is recorded is told by the pairs: `checks.intervals.paired`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from checks import intervals
from checks.fairness.counted import MAX_GROUPS, Cell, Names
from checks.fairness.rates import COMPARED, SINGLE, Comparison, compared, single, widest
from checks.fairness.tally import Part, Tally
from checks.intervals import CONFIDENCE, Interval
from checks.intervals.paired import newcombe_paired
from checks.mitigation.options import AS_IS
from checks.mitigation.rows import Rows
from roadworthy.measurement import Measurement
from roadworthy.passport import Passport

_LEFT_OUT = {"predictive_parity_difference"}  # no option of ours aims at it
_COMPARISONS: tuple[tuple[bool, Comparison], ...] = tuple(
    (by_label, one) for by_label, family in COMPARED.items() for one in family if one.short not in _LEFT_OUT
)


@dataclass(frozen=True)
class Decided:
    """Held-out rows with two decisions each.

    Attributes
    ----------
    passport : Passport
    held : Rows
    before, after : list of int
        The decision as it is recorded and that of the option, 1 favourable.
    inputs : mapping of str to str
        Digests of what was read.
    """

    passport: Passport
    held: Rows
    before: list[int]
    after: list[int]
    inputs: Mapping[str, str]

    def cells(self, names: Sequence[str]) -> Counter[tuple[Names, int, int, int]]:
        """Return the rows by groups in these attributes, label, decision before and after."""
        labels = self.held.control.column("label").to_pylist()
        return Counter(zip(self.held.names(names), labels, self.before, self.after, strict=True))


def measured(option: str, decided: Decided, parts: Sequence[Sequence[str]], details: Mapping[str, Any]) -> list[Measurement]:
    """Return everything that is measured of an option.

    Parameters
    ----------
    option : str
    decided : Decided
    parts : sequence of sequence of str
        Attributes that a rule spoke of together are measured together too; each alone always is.
    details : mapping
        What every measurement says of the option.
    """
    found = list(_whole(option, decided, details))
    by_name = {p.name: p for p in decided.passport.protected}
    together = [part for part in dict.fromkeys(tuple(p) for p in parts) if len(part) > 1]
    for names in [*((name,) for name in by_name), *together]:
        found += _part(option, decided, Part(tuple(by_name[name] for name in names)), details)
    return found


def _whole(option: str, decided: Decided, details: Mapping[str, Any]) -> Iterator[Measurement]:
    """Yield accuracy, and by how much accuracy and the share of favourable decisions change over all rows."""
    cells = decided.cells(())
    n = cells.total()
    right = Counter[tuple[bool, bool]]()
    chosen = Counter[tuple[int, int]]()
    for (_, label, before, after), rows in cells.items():
        right[before == label, after == label] += rows
        chosen[before, after] += rows
    hits = right[True, True] + right[False, True]
    told = {"over": {"option": option}, "n": n, "inputs": decided.inputs, "details": dict(details)}
    yield _number("accuracy", hits / n, intervals.wilson(hits, n), {"positives": hits, "negatives": n - hits}, told)
    if option == AS_IS.name:
        return
    yield _paired("accuracy_change", right[True, True], right[False, True], right[True, False], right[False, False], told)
    yield _paired("selection_rate_change", chosen[1, 1], chosen[0, 1], chosen[1, 0], chosen[0, 0], told)


def _paired(short: str, both: int, after: int, before: int, neither: int, told: Mapping[str, Any]) -> Measurement:
    n = both + after + before + neither
    stats = {"both": both, "only_after": after, "only_before": before, "neither": neither}
    return _number(short, (after - before) / n, newcombe_paired(both, after, before, neither), stats, told)


def _number(short: str, value: float, interval: Interval, stats: Mapping[str, Any], told: Mapping[str, Any]) -> Measurement:
    return Measurement(
        f"mitigation.{short}", value=value, low=interval.low, high=interval.high, confidence=CONFIDENCE,
        stats={**stats, "scale": interval.scale, "se": interval.se}, method=f"count; {interval.method} interval", **told,
    )


def _part(option: str, decided: Decided, part: Part, details: Mapping[str, Any]) -> Iterator[Measurement]:
    """Yield what is measured of the groups of one attribute, or of two together."""
    cells = decided.cells(part.names)
    groups = sorted({name for name, *_ in cells})
    if len(groups) > MAX_GROUPS:
        return
    counts = Counter[tuple[Names, int, int]]()
    for (name, label, _, after), n in cells.items():
        counts[name, label, after] += n
    counted = tuple(Cell(name, label, after, n) for (name, label, after), n in sorted(counts.items()))
    table = decided.held.table
    by_label, by_decision = (
        Tally(part, table.role, table.digest, with_label, counted, independence=decided.passport.independence)
        for with_label in (True, False)
    )
    said = dict(details)
    for name in groups:
        yield _ours(single(name, by_decision, *SINGLE[False]), option, said)
        if option != AS_IS.name:
            yield from _moved(option, decided, part, name, cells, said)
        if name != part.reference:
            for with_label, comparison in _COMPARISONS:
                yield _ours(compared(name, comparison, by_label if with_label else by_decision, by_label), option, said)
    if len(part.names) == 1:
        for tally in (by_decision, by_label):
            yield _ours(widest(tally), option, said)


def _ours(m: Measurement, option: str, details: Mapping[str, Any]) -> Measurement:
    """Return a measurement of the fairness family as one of the option."""
    kept = {key: m.details[key] for key in ("reference_group", "base_rates", "lowest", "highest", "left_out") if key in m.details}
    short = m.metric.removeprefix("fairness.")
    return replace(m, metric=f"mitigation.{short}", over={"option": option, **m.over}, details=kept | dict(details))


def _moved(
    option: str, decided: Decided, part: Part, name: Names, cells: Counter[tuple[Names, int, int, int]],
    details: Mapping[str, Any],
) -> Iterator[Measurement]:
    """Yield the share of a group that was refused and would be granted, and the reverse."""
    n = sum(rows for (group, *_), rows in cells.items() if group == name)
    for short, before, after in (("gained", 0, 1), ("lost", 1, 0)):
        here = [cells[name, label, before, after] for label in (0, 1)]
        moved = here[0] + here[1]
        stats = {"positives": moved, "negatives": n - moved, "deserving": here[1], "not_deserving": here[0]}
        told = {
            "over": {"option": option, **part.over(name)}, "n": n, "inputs": decided.inputs, "details": dict(details),
        }
        yield _number(short, moved / n, intervals.wilson(moved, n), stats, told)
