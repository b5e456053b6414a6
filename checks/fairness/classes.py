"""Multiclass: who is sorted into which class, each class against all others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from checks.fairness.counted import Cell, Names
from checks.fairness.rates import ALL, Comparison, compared, single
from checks.fairness.tally import SELECTED, TRUE_POSITIVE, Tally
from roadworthy.measurement import Measurement, not_measured

_GOT = "was sorted into this class"
_OF_CLASS = replace(TRUE_POSITIVE, words="rows that truly are of this class")
_COMPARED = {
    False: (
        Comparison("class_selection_rate_ratio", SELECTED, ratio=True, got=_GOT),
        Comparison("class_selection_rate_difference", SELECTED, got=_GOT),
    ),
    True: (Comparison("class_true_positive_rate_difference", _OF_CLASS),),
}
SHORT = {
    False: ("class_selection_rate", *(c.short for c in _COMPARED[False])),
    True: tuple(c.short for c in _COMPARED[True]),
}
METRICS = tuple(f"fairness.{short}" for shorts in SHORT.values() for short in shorts)


def one_class(cells: list[Cell], place: int | None) -> list[Cell]:
    """Return the cells with 1 for the class of that place and 0 for the others, added up."""
    sums: dict[tuple[Names, int | None, int | None], int] = {}
    for cell in cells:
        label, decision = (None if code is None else int(code == place) for code in (cell.label, cell.decision))
        sums[cell.names, label, decision] = sums.get((cell.names, label, decision), 0) + cell.n
    return [Cell(*key, n) for key, n in sums.items()]


def measure_class(value: str, names: list[Names], tally: Tally, labelled: Tally) -> Iterator[Measurement]:
    """Yield each group's share in one class and its comparison with the reference group.

    Parameters
    ----------
    value : str
        The class.
    names : list of tuple of str
    tally, labelled : Tally
        With 1 for the class and 0 for any other (`one_class`).
    """
    def over(name: Names) -> dict[str, object]:
        return {"class": value, **tally.part.over(name)}

    if tally.reason:
        told = {"reference_group": tally.reference, **tally.told}
        for short in SHORT[tally.by_label]:
            for group in tally.part.declared or [ALL]:
                yield not_measured(
                    f"fairness.{short}", tally.status, tally.reason, over=over((group,)), inputs=tally.inputs, details=told,
                )
        return
    for name in names:
        if not tally.by_label:
            yield replace(single(name, tally, "class_selection_rate", SELECTED), over=over(name))
        if name != tally.part.reference:
            for comparison in _COMPARED[tally.by_label]:
                yield replace(compared(name, comparison, tally, labelled), over=over(name))
