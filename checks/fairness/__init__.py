"""Fairness: who gets the favourable decision, who of those who deserve it, and how sure that is.

Each group of each protected attribute, and each combination of two attributes, is compared with the attribute's declared
reference group. DuckDB counts rows by all attributes, label and decision in one pass; the counts of one attribute or of two
are added up from that; fairlearn computes every rate from the counts, which gives the same numbers as on the rows;
`checks.intervals` puts the interval around them. A model that predicts a number is compared by its errors instead
(`checks.fairness.errors`), and one that sorts into classes by each class against all others too.

What a rule's ``min`` reads
    ``n`` is the number of rows of the smaller of the two groups. ``positives`` and ``negatives`` are the smaller of the
    two groups' counts of favourable and unfavourable decisions (selection rates, predictive parity) or labels (everything
    else that needs the label). For the widest gaps they are those of the smallest group. For calibration they are the
    group's labels with the value that the score speaks of, and without.

What else `stats` hold
    ``n_group`` and ``n_reference`` rows; ``cases_group`` and ``cases_reference``, those of them that the rate is a share
    of (for a true positive rate the rows with a favourable label); ``selected_group`` and ``selected_reference``, those
    of the cases with the favourable decision (false negatives: with the other one; predictive parity: with the favourable
    label); ``scale`` and ``se`` of the interval, from which the judge can make intervals that hold for many groups at once.
    Where rows are not independent, ``units_group``, ``units_reference`` and the ``effective_n`` of both.

Every group is measured, however small: what is too small is the judge's to say. Rows without a usable decision (or label,
where one is needed) are left out and counted in the details; rows without an attribute are the group ``(missing)``, rows
that no bin covers the group ``(outside)``. What a group's number could be at most and at least, if the rows without an
attribute were told, is bounded (`checks.fairness.bounds`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import duckdb

from checks.counts import THRESHOLD, decision_column, spellings
from checks.fairness import bounds, calibration, classes, combinations, errors
from checks.fairness.counted import MAX_GROUPS, Cell, Counted, Names, count
from checks.fairness.rates import measure_attribute
from checks.fairness.tally import Part, Tally, empty
from checks.fairness.units import moments
from checks.subject import Subject, Table
from roadworthy.catalogue import catalogue
from roadworthy.measurement import Measurement, Status, not_measured
from roadworthy.passport import Passport

__all__ = ["FAMILY", "measure"]

FAMILY = tuple(metric for metric in catalogue() if metric.startswith("fairness."))
_DECIDES = tuple(m for m in FAMILY if m not in errors.METRICS and m not in classes.METRICS)


def measure(subject: Subject) -> list[Measurement]:
    """Measure every fairness metric of the catalogue for every declared attribute and group.

    Parameters
    ----------
    subject : Subject
        Decisions are read from ``subject.decided``; what needs labels from ``subject.labelled``.

    Returns
    -------
    list of Measurement
        In the order of the passport's attributes, groups by name, then pairs of attributes. Never without a measurement
        of each metric: where nothing can be measured, it says why.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from tests.support import DAY, make_subject, passport_of
    >>> rows = {"sex": ["male"] * 4 + ["female"] * 4, "label": [1, 1, 0, 0] * 2, "prediction": [1, 1, 1, 0, 1, 0, 0, 0]}
    >>> with TemporaryDirectory() as folder, make_subject(Path(folder), passport_of(), rows, {DAY: rows}) as subject:
    ...     found = measure(subject)
    >>> [(m.value, m.stats["selected_group"], m.n) for m in found if m.metric == "fairness.selection_rate_difference"]
    [(-0.5, 1, 4)]
    """
    passport = subject.passport
    why_not = _why_not(passport)
    if not passport.protected:
        found: list[Measurement] = []
    elif passport.task.kind == "regression":
        found = errors.measure_errors(subject)
    else:
        found = _decisions(subject) if len(why_not) < len(FAMILY) else []
    there = {m.metric for m in found}
    for metric in FAMILY:
        if metric in why_not:
            found.append(not_measured(metric, "not_applicable", why_not[metric]))
        elif metric not in there:
            found.append(not_measured(metric, *_absent(metric, found)))
    return found


def _why_not(passport: Passport) -> dict[str, str]:
    """Return the metrics that do not apply to the model, with the reason."""
    task = passport.task
    if not passport.protected:
        return dict.fromkeys(FAMILY, f"The passport declares no protected attribute: {passport.no_protected_because}")
    if task.kind == "regression":
        reason = "A model that predicts a number makes no favourable or unfavourable decision."
        return {metric: reason for metric in FAMILY if metric not in errors.METRICS}
    found = dict.fromkeys(errors.METRICS, "This is for a model that predicts a number.")
    if task.favourable is None:
        found |= dict.fromkeys(_DECIDES, "The passport declares no value that is favourable for the person.")
    elif task.kind == "multiclass" and _favourable_class(passport) is None:
        found |= dict.fromkeys(_DECIDES, f"The favourable value '{task.favourable}' is none of the declared classes.")
    if task.kind != "multiclass":
        found |= dict.fromkeys(classes.METRICS, "This is for a model that sorts into several classes.")
    if task.kind != "binary" or task.score is None:
        two = "This is for a model that decides between two values."
        found.setdefault(calibration.METRIC, "The passport declares no score." if task.kind == "binary" else two)
    if len(passport.protected) < 2:
        for metric in combinations.METRICS:
            found.setdefault(metric, "The passport declares one protected attribute, so there is nothing to combine.")
    return found


def _absent(metric: str, found: Sequence[Measurement]) -> tuple[Status, str]:
    """Say why a metric that applies has no measurement of its own."""
    if metric in bounds.METRICS and any(m.status == "measured" for m in found):
        return "not_applicable", bounds.COMPLETE
    trouble = next((m for m in found if m.status in ("error", "insufficient")), None)
    if trouble is not None and not any(m.status == "measured" for m in found):
        return trouble.status, trouble.reason
    if metric in errors.METRICS and metric.startswith("fairness.intersection_"):
        return "not_applicable", "There are no two protected attributes to combine."
    return "insufficient", "No group but the reference group has rows, so there is none to compare with it."


@dataclass(frozen=True)
class _Source:
    """A table, the counts of it, and why it gives none.

    Attributes
    ----------
    table : Table
    by_label : bool
    counted : Counted
    status, reason
        Why nothing can be measured; the reason is empty where something can.
    """

    table: Table
    by_label: bool
    counted: Counted[Cell]
    status: Status = "measured"
    reason: str = ""

    def problem(self, part: Part) -> tuple[Status, str]:
        """Say why nothing is known of an attribute, or of two together; the reason is empty where something is."""
        if self.reason:
            return self.status, self.reason
        for protected in part.protected:
            if not self.table.has(protected.column):
                return "error", f"The column '{protected.column}' is not in the data."
        for name in part.names:
            if (name,) in self.counted.refused:
                return "error", self.counted.refused[name,]
        return ("insufficient" if part.names in self.counted.refused else "measured"), self.counted.refused.get(part.names, "")


def _decisions(subject: Subject) -> list[Measurement]:
    """Measure a model that decides."""
    passport = subject.passport
    labelled = _count(subject, subject.labelled, by_label=True)
    if subject.decided and subject.decided.digest == subject.labelled.digest and not labelled.reason:
        decided = replace(labelled, table=subject.decided, by_label=False)
    else:
        decided = _count(subject, subject.decided, by_label=False)
    found: list[Measurement] = []
    parts = [Part((p,)) for p in passport.protected]
    if _DECIDES[0] not in _why_not(passport):
        for part in parts:
            found += _attribute(subject, part, decided, labelled)
        found += _pairs(subject, decided, labelled)
    if passport.task.kind == "multiclass":
        for place, value in enumerate(passport.task.classes):
            for part in parts:
                by_decision, by_label = (_tally(subject, source, part, place) for source in (decided, labelled))
                names = _names(part, by_decision, by_label)
                for tally in (by_decision, by_label):
                    found += classes.measure_class(str(value), names, tally, by_label)
    return found


def _count(subject: Subject, table: Table, *, by_label: bool) -> _Source:
    """Count the rows of a table by all attributes, label and decision."""
    passport, nothing = subject.passport, Counted[Cell]()
    label, unit = passport.task.label, passport.independence
    if not table:
        return _Source(table, by_label, nothing, "error" if table.broken else "insufficient", table.problem)
    gone = [c for c in (decision_column(passport), *([label] if by_label else [])) if not table.has(c)]
    if gone == [label] and passport.batches.labels is not None:
        return _Source(table, by_label, nothing, "insufficient", "No labels have come yet.")
    if gone:
        return _Source(table, by_label, nothing, "error", f"The column '{gone[0]}' is not in the data.")
    if unit.unit != "row" and not table.has(unit.column):
        reason = f"The column '{unit.column}', the unit of independence, is not in the data."
        return _Source(table, by_label, nothing, "error", reason)
    here = [p for p in passport.protected if table.has(p.column)]
    score = calibration.score_of(passport, table) if by_label else ""
    try:
        return _Source(table, by_label, count(subject, table, here, by_label=by_label, score=score))
    except duckdb.Error as problem:
        return _Source(table, by_label, nothing, "error", _uncountable(table, problem))


def _uncountable(table: Table, problem: duckdb.Error) -> str:
    return f"The {table.role} rows cannot be counted ({str(problem).splitlines()[0][:160]})."


def _attribute(subject: Subject, part: Part, decided: _Source, labelled: _Source) -> Iterator[Measurement]:
    """Yield everything about one attribute."""
    by_decision, by_label = _tally(subject, decided, part), _tally(subject, labelled, part)
    names = _names(part, by_decision, by_label)
    for tally in (by_decision, by_label):
        yield from measure_attribute(names, tally, by_label)
        yield from bounds.measure_bounds(tally)
    passport, table = subject.passport, labelled.table
    if passport.task.kind == "binary" and passport.task.score is not None:
        score, by_unit = calibration.score_of(passport, table) if table else "", None
        if not by_label.reason and score and by_label.moments is not None:
            by_unit = calibration.residuals_by_unit(subject, table, part.protected[0], score)
        yield from calibration.measure_calibration(passport, names, by_label, by_unit, has_score=bool(score))


def _pairs(subject: Subject, decided: _Source, labelled: _Source) -> Iterator[Measurement]:
    """Yield the combinations of every two attributes, as far as there are not too many of them."""
    left = combinations.MAX_COMBINATIONS
    for pair in itertools.combinations(subject.passport.protected, 2):
        part = Part(pair)
        by_decision, by_label = _tally(subject, decided, part), _tally(subject, labelled, part)
        groups = len({*by_decision.rows, *by_label.rows})
        for tally in (by_decision, by_label):
            if left < groups <= MAX_GROUPS and not tally.reason:
                yield from combinations.refused(tally, combinations.TOO_MANY)
            else:
                yield from combinations.measure_combinations(tally, by_label)
        left -= groups if groups <= min(left, MAX_GROUPS) else 0


def _names(part: Part, decided: Tally, labelled: Tally) -> list[Names]:
    """Return every group that the passport names or that any row has."""
    return sorted({part.reference, *((name,) for name in part.declared), *decided.rows, *labelled.rows})


def _tally(subject: Subject, source: _Source, part: Part, place: int | None = None) -> Tally:
    """Return the counts of one attribute, or of two together, by favourable and other labels and decisions.

    With a `place`, what counts is not the favourable value but the class of that place.
    """
    status, reason = source.problem(part)
    if reason:
        return empty(part, source.table, source.by_label, status, reason)
    passport, table = subject.passport, source.table
    cells = source.counted.of(part.names)
    if passport.task.kind == "multiclass":
        cells = classes.one_class(cells, _favourable_class(passport) if place is None else place)
    threshold = THRESHOLD if passport.task.prediction is None else None
    tally = Tally(
        part, table.role, table.digest, source.by_label, tuple(cells), independence=passport.independence, threshold=threshold,
    )
    if not tally.cells:
        what = "a decision and a mature label" if source.by_label else "a decision"
        return replace(tally, status="insufficient", reason=f"No row has {what}.")
    if passport.independence.unit == "row" or place is not None:
        return tally
    try:
        return replace(tally, moments=moments(subject, table, part.protected, source.by_label))
    except duckdb.Error as problem:
        return replace(tally, status="error", reason=_uncountable(table, problem))


def _favourable_class(passport: Passport) -> int | None:
    """Return the place of the favourable class; None if it is none of the classes."""
    good = set(spellings(passport.task.favourable)) if passport.task.favourable is not None else set()
    return next((place for place, one in enumerate(passport.task.classes) if not good.isdisjoint(spellings(one))), None)
