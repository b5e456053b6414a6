"""Fairness: who gets the favourable decision, who of those who deserve it, and how sure that is.

Each group of each protected attribute is compared with the attribute's declared reference group. DuckDB counts rows by
(group, label, decision); fairlearn computes every rate on that little table with `sample_weight`, which gives the same
numbers as on the rows; `checks.intervals` puts the interval around them.

What a rule's ``min`` reads
    ``n`` is the number of rows of the smaller of the two groups. ``positives`` and ``negatives`` are the smaller of the
    two groups' counts of favourable and unfavourable decisions (selection rates) or labels (everything that needs the
    label). For the widest gaps they are those of the smallest group.

What else `stats` hold
    ``n_group`` and ``n_reference`` rows; ``cases_group`` and ``cases_reference``, those of them that the rate is a share
    of (for a true positive rate the rows with a favourable label); ``selected_group`` and ``selected_reference``, those
    of the cases with the favourable decision; ``scale`` and ``se`` of the interval, from which the judge can make
    intervals that hold for many groups at once.

Every group is measured, however small: what is too small is the judge's to say. Rows without a usable decision (or label,
where one is needed) are left out and counted in the details; rows without an attribute are the group ``(missing)``, rows
that no bin covers the group ``(outside)``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import duckdb

from checks import intervals
from checks.counts import MISSING, OUTSIDE, decision_column, favourable, group
from checks.intervals import CONFIDENCE, Interval
from checks.subject import Subject, Table
from roadworthy.catalogue import catalogue
from roadworthy.measurement import Measurement, Status, not_measured
from roadworthy.passport import Passport, Protected
from roadworthy.sql import quote

MAX_GROUPS = 200
FEW = 10_000
ALL = "(all)"

_SINGLE = {False: "selection_rate", True: "base_rate"}
_COMPARED: dict[bool, tuple[tuple[str, int | None], ...]] = {
    False: (("selection_rate_ratio", None), ("selection_rate_difference", None)),
    True: (("true_positive_rate_difference", 1), ("false_positive_rate_difference", 0)),
}
_WIDEST = {False: "demographic_parity_difference", True: "equalized_odds_difference"}
_CASES = {None: "rows", 1: "rows with a favourable label", 0: "rows with an unfavourable label"}

Counted = list[tuple[str, int | None, int | None, int]]


def measure(subject: Subject) -> list[Measurement]:
    """Measure every fairness metric of the catalogue for every declared attribute and group.

    Parameters
    ----------
    subject : Subject
        Decisions are read from ``subject.decided``; what needs labels from ``subject.labelled``.

    Returns
    -------
    list of Measurement
        In the order of the passport's attributes, groups by name. Never empty: where nothing can be measured, each
        metric says why.

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
    if reason := _why_not(subject.passport):
        return [not_measured(metric, "not_applicable", reason) for metric in catalogue() if metric.startswith("fairness.")]
    found: list[Measurement] = []
    for protected in subject.passport.protected:
        labelled = _tally(subject, subject.labelled, protected, by_label=True)
        if subject.decided and subject.decided.digest == subject.labelled.digest and not labelled.reason:
            decided = labelled.without_labels(subject.decided)
        else:
            decided = _tally(subject, subject.decided, protected, by_label=False)
        names = sorted({protected.reference, *_declared(protected), *decided.rows, *labelled.rows})
        for tally in (decided, labelled):
            if tally.reason:
                found += _unmeasured(protected, tally)
                continue
            frame = _frame(tally, sorted(tally.cells))
            found += _groups(protected, names, tally, labelled, frame)
            found.append(_widest(protected, tally, frame))
            if tally is decided:
                found.append(_uncovered(protected, tally))
    return found


def _why_not(passport: Passport) -> str:
    if passport.task.kind == "regression":
        return "A model that predicts a number makes no favourable or unfavourable decision."
    if not passport.protected:
        return f"The passport declares no protected attribute: {passport.no_protected_because}"
    if passport.task.favourable is None:
        return "The passport declares no value that is favourable for the person."
    return ""


def _declared(protected: Protected) -> list[str]:
    return [b.label for b in protected.bins] or list(dict.fromkeys(protected.values.values()))


@dataclass(frozen=True)
class Tally:
    """Rows of one table by group, label and decision; or why there are none.

    Attributes
    ----------
    by_label : bool
        Whether a row must have a label to be used.
    counted : list of (str, int or None, int or None, int)
        Group, label, decision, rows: 1 favourable, 0 not, None not known.
    status, reason : str
        Why nothing can be measured; the reason is empty where something can.
    cells : dict of str to Counter of (int, int)
        Group to (label, decision) to rows, of the rows that can be used. Where labels play no part they are 0.
    rows : Counter of str
        All rows of each group.
    """

    role: str
    digest: str
    by_label: bool
    counted: Counted = field(default_factory=list)
    status: Status = "measured"
    reason: str = ""
    note: str = ""
    cells: dict[str, Counter[tuple[int, int]]] = field(init=False, default_factory=dict)
    rows: Counter[str] = field(init=False, default_factory=Counter)

    def __post_init__(self) -> None:
        for name, label, decision, n in self.counted:
            self.rows[name] += n
            if decision is not None and (label is not None or not self.by_label):
                self.cells.setdefault(name, Counter())[label or 0 if self.by_label else 0, decision] += n

    def n(self, name: str, label: int | None = None, decision: int | None = None) -> int:
        """Return the usable rows of a group, or those with that label or decision."""
        cells = self.cells.get(name, Counter())
        return sum(n for (y, d), n in cells.items() if label in (None, y) and decision in (None, d))

    def sides(self, name: str) -> tuple[int, int]:
        """Return the group's favourable and unfavourable labels; without labels, decisions."""
        return (self.n(name, 1), self.n(name, 0)) if self.by_label else (self.n(name, None, 1), self.n(name, None, 0))

    def without_labels(self, table: Table) -> Tally:
        """Return the same rows looked at for their decisions alone."""
        return Tally(table.role, table.digest, False, self.counted, note=self.note)

    @property
    def told(self) -> dict[str, Any]:
        """What every measurement of this table says of its source and of the rows that were left out."""
        undecided = sum(n for _, _, d, n in self.counted if d is None)
        excluded = {"without_decision": undecided}
        if self.by_label:
            excluded["without_label"] = sum(n for _, y, d, n in self.counted if d is not None and y is None)
        return {"excluded": excluded, **({"note": self.note} if self.note else {})}

    @property
    def inputs(self) -> dict[str, str]:
        """The digest of what was read."""
        return {self.role: self.digest} if self.digest else {}


def _tally(subject: Subject, table: Table, protected: Protected, *, by_label: bool) -> Tally:
    """Count the rows of a table by group, label and decision."""
    passport, made = subject.passport, partial(Tally, table.role, table.digest, by_label, note=protected.note)
    label, decision = passport.task.label, decision_column(passport)
    columns = [protected.column, decision, *([label] if by_label else [])]
    if not table:
        return made(status="error" if table.broken else "insufficient", reason=table.problem)
    gone = [c for c in columns if not table.has(c)]
    if gone == [label] and passport.batches.labels is not None:
        return made(status="insufficient", reason="No labels have come yet.")
    if gone:
        return made(status="error", reason=f"The column '{gone[0]}' is not in the data.")
    try:
        counted = _count(subject, table, protected, columns, favourable(passport, label) if by_label else "null")
    except duckdb.Error as problem:
        return made(status="error", reason=f"The {table.role} rows cannot be counted ({str(problem).splitlines()[0][:160]}).")
    if len({name for name, *_ in counted}) > MAX_GROUPS:
        said = f"The attribute '{protected.name}' has more than {MAX_GROUPS} groups; declare 'bins' or 'values' for it."
        return made(status="error", reason=said)
    tally = made(counted)
    if not tally.cells:
        what = "a decision and a mature label" if by_label else "a decision"
        return made(counted, status="insufficient", reason=f"No row has {what}.")
    return tally


def _count(subject: Subject, table: Table, protected: Protected, columns: Sequence[str], label: str) -> Counted:
    """Return (group, label, decision, rows), at most a little more than `MAX_GROUPS` can have.

    Rows are first counted by the columns as they are, which is fast, and then the few combinations are spelt out as groups,
    labels and decisions; where fractions make too many, they are spelt out row by row. Our own names for columns
    are kept apart from those of the data: the count's is one that is free, and the others have none.
    """
    taken = {c.lower() for c in table.columns}
    count = next(name for name in (f"n{'_' * k}" for k in range(len(taken) + 1)) if name not in taken)
    source, rows = table.name, "count(*)"
    if _few(subject, table, [c for c in columns if table.columns[c].startswith(("DOUBLE", "FLOAT", "DECIMAL"))]):
        listed = ", ".join(dict.fromkeys(quote(c) for c in columns))
        source, rows = f"(select {listed}, count(*) as {count} from {table.name} group by {listed})", f"sum({count})"
    decision = favourable(subject.passport, decision_column(subject.passport))
    sql = f"select {group(protected)}, {label}, {decision}, {rows} from {source} group by all"
    found = subject.con.execute(sql).fetchmany(9 * MAX_GROUPS + 1)
    return [(str(name), y, d, int(n)) for name, y, d, n in found]


def _few(subject: Subject, table: Table, columns: Sequence[str]) -> bool:
    """Say whether columns with fractions have few enough values to be counted one by one."""
    if not columns:
        return True
    asked = ", ".join(f"approx_count_distinct({quote(c)})" for c in columns)
    row = subject.con.execute(f"select {asked} from {table.name}").fetchone()
    return row is not None and all(n <= FEW for n in row)


def _unmeasured(protected: Protected, tally: Tally, *, compared_only: bool = False) -> Iterator[Measurement]:
    said: dict[str, Any] = {"inputs": tally.inputs, "details": {"reference_group": protected.reference, **tally.told}}
    declared = _declared(protected)
    others = [name for name in declared if name != protected.reference]
    groups = [(short, others) for short, _ in _COMPARED[tally.by_label]]
    for short, names in groups if compared_only else [(_SINGLE[tally.by_label], declared), *groups]:
        for name in names or [ALL]:
            over = {"group": {protected.name: name}}
            yield not_measured(f"fairness.{short}", tally.status, tally.reason, over=over, **said)
    if compared_only:
        return
    for short in [_WIDEST[tally.by_label], *([] if tally.by_label else ["uncovered_share"])]:
        yield not_measured(f"fairness.{short}", tally.status, tally.reason, over={"attribute": protected.name}, **said)


def _groups(protected: Protected, names: Sequence[str], tally: Tally, labelled: Tally, frame: Any) -> Iterator[Measurement]:
    """Yield each group's own rate and its comparisons with the reference group."""
    measured, rates = sorted(tally.cells), {}
    for _, label in _COMPARED[tally.by_label]:
        rates[label] = {measured[code]: float(rate) for code, rate in frame.by_group[str(label)].items()}
    if names == [protected.reference]:
        reason = f"All rows are of the reference group '{protected.reference}', so there is none to compare with it."
        yield from _unmeasured(protected, replace(tally, status="insufficient", reason=reason), compared_only=True)
    for name in names:
        yield _single(protected, name, tally)
        if name != protected.reference:
            for short, label in _COMPARED[tally.by_label]:
                yield _compared(protected, name, f"fairness.{short}", tally, labelled, label=label, rates=rates[label])


def _single(protected: Protected, name: str, tally: Tally) -> Measurement:
    """Return the share of a group with the favourable decision, or label."""
    metric, n, (good, bad) = f"fairness.{_SINGLE[tally.by_label]}", tally.n(name), tally.sides(name)
    said: dict[str, Any] = {
        "over": {"group": {protected.name: name}}, "n": n, "stats": {"positives": good, "negatives": bad},
        "inputs": tally.inputs, "details": {"reference_group": protected.reference, **tally.told},
    }
    if n == 0:
        return not_measured(metric, "insufficient", _nobody(name, protected, None, tally), **said)
    return _measured(metric, good / n, intervals.wilson(good, n), "count", said)


def _compared(
    protected: Protected, name: str, metric: str, tally: Tally, labelled: Tally, *, label: int | None, rates: Mapping[str, float]
) -> Measurement:
    """Return the ratio or difference of a group's rate to that of the reference group."""
    pair = (name, protected.reference)
    cases, chosen = [tally.n(g, label) for g in pair], [tally.n(g, label, 1) for g in pair]
    base = {g: labelled.n(g, 1) / labelled.n(g) for g in pair if labelled.by_label and labelled.n(g)}
    said: dict[str, Any] = {
        "over": {"group": {protected.name: name}},
        "n": min(tally.n(g) for g in pair),
        "stats": {
            "positives": min(tally.sides(g)[0] for g in pair), "negatives": min(tally.sides(g)[1] for g in pair),
            "n_group": tally.n(name), "n_reference": tally.n(protected.reference),
            "cases_group": cases[0], "cases_reference": cases[1],
            "selected_group": chosen[0], "selected_reference": chosen[1],
        },
        "inputs": tally.inputs,
        "details": {"reference_group": protected.reference, "base_rates": base, **tally.told},
    }
    empty = [g for g, n in zip(reversed(pair), reversed(cases), strict=True) if n == 0]
    if empty:
        return not_measured(metric, "insufficient", _nobody(empty[0], protected, label, tally), **said)
    counts, here, there = (chosen[0], cases[0], chosen[1], cases[1]), rates[name], rates[protected.reference]
    if not metric.endswith("_ratio"):
        return _measured(metric, here - there, intervals.newcombe(*counts), "fairlearn on counts", said)
    if there == 0:
        reason = f"Nobody in the reference group '{protected.reference}' got the favourable decision, so there is no ratio to it."
        return not_measured(metric, "insufficient", reason, **said)
    return _measured(metric, here / there, intervals.ratio(*counts), "fairlearn on counts", said)


def _nobody(name: str, protected: Protected, label: int | None, tally: Tally) -> str:
    who = "reference group" if name == protected.reference else "group"
    have = "a decision and a mature label" if tally.by_label else "a decision"
    return f"The {who} '{name}' has no {_CASES[label]}{'' if label is not None else f' with {have}'}."


def _widest(protected: Protected, tally: Tally, frame: Any) -> Measurement:
    """Return the widest gap between any two groups; groups in which it is not defined are left out and listed.

    The demographic parity difference is the difference of the table of selection rates; the equalised odds difference is the
    larger one of those of true and of false positive rates.
    """
    metric = f"fairness.{_WIDEST[tally.by_label]}"
    names = sorted(name for name in tally.cells if not tally.by_label or min(tally.sides(name)) > 0)
    said: dict[str, Any] = {
        "over": {"attribute": protected.name}, "inputs": tally.inputs,
        "details": {
            "reference_group": protected.reference, "groups": {name: tally.n(name) for name in sorted(tally.rows)},
            "left_out": sorted(set(tally.rows) - set(names)), **tally.told,
        },
    }
    if len(names) < 2:
        what = "labels of both kinds" if tally.by_label else "a decision"
        return not_measured(metric, "insufficient", f"Fewer than two groups have {what}.", **said)
    said["n"] = min(tally.n(name) for name in names)
    said["stats"] = {
        "positives": min(tally.sides(name)[0] for name in names), "negatives": min(tally.sides(name)[1] for name in names),
        "groups": len(names),
    }
    whole = frame if names == sorted(tally.cells) else _frame(tally, names)
    value = float(max(whole.difference(method="between_groups")))
    return Measurement(metric, value=value, method="fairlearn on counts", **said)


def _uncovered(protected: Protected, tally: Tally) -> Measurement:
    """Return the share of rows that belong to no declared group: no value, or one that no bin covers."""
    n, missing, outside = tally.rows.total(), tally.rows[MISSING], tally.rows[OUTSIDE]
    said = {
        "over": {"attribute": protected.name}, "n": n, "inputs": tally.inputs, "details": tally.told,
        "stats": {"positives": missing + outside, "negatives": n - missing - outside, "missing": missing, "outside": outside},
    }
    return _measured("fairness.uncovered_share", (missing + outside) / n, intervals.wilson(missing + outside, n), "count", said)


def _measured(metric: str, value: float, interval: Interval, how: str, said: Mapping[str, Any]) -> Measurement:
    told = {**said, "stats": {**said["stats"], "scale": interval.scale, "se": interval.se}}
    method = f"{how}; {interval.method} interval"
    return Measurement(metric, value=value, low=interval.low, high=interval.high, confidence=CONFIDENCE, method=method, **told)


def _frame(tally: Tally, names: Sequence[str]) -> Any:
    """Return fairlearn's table of rates by code of the group: "None", of all rows; "1" and "0", of those with that label."""
    from fairlearn.metrics import MetricFrame, false_positive_rate, selection_rate, true_positive_rate

    metrics: dict[str, Any] = {"None": selection_rate}
    if tally.by_label:
        metrics = {"1": partial(true_positive_rate, pos_label=1), "0": partial(false_positive_rate, pos_label=1)}
    who, true, chosen, weights = _columns(tally, names)
    return MetricFrame(
        metrics=metrics, y_true=true, y_pred=chosen, sensitive_features=who,
        sample_params={name: {"sample_weight": weights} for name in metrics},
    )


def _columns(tally: Tally, names: Sequence[str]) -> tuple[list[int], list[int], list[int], list[int]]:
    """Return the counts as the four columns that fairlearn takes: code of the group, label, decision, rows.

    fairlearn is silent about text labels and missing decisions and then wrong, so nothing but 0 and 1 may reach it.
    """
    rows = [(code, y, d, n) for code, name in enumerate(names) for (y, d), n in sorted(tally.cells[name].items())]
    if not all(y in (0, 1) and d in (0, 1) and n > 0 for _, y, d, n in rows):
        raise ValueError("labels and decisions must be 0 or 1 before fairlearn sees them")
    who, true, chosen, weights = ([int(v) for v in column] for column in zip(*rows, strict=True))
    return who, true, chosen, weights
