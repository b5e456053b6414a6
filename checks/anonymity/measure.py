"""The measurements of anonymity: of the reference, which is held as long as the model, and of tonight's rows against it.

The reference is what is copied, handed to auditors and kept for years, so k, l and t are said of it, counted once and kept under
its digest. A day alone says little: a small one has everybody in a small class. What a night can tell is whether people have
become easier to recognise, at the same number of rows, because a column came finer than it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import duckdb

from checks.anonymity.classes import SMALL, Sizes, sizes_of
from checks.anonymity.closeness import Sensitive, look, problem_of
from checks.intervals import newcombe, wilson
from checks.intervals.scale import CONFIDENCE
from checks.subject import Subject, Table
from roadworthy.measurement import Measurement, Status, not_measured

K, SHARE = "privacy.k_anonymity", "privacy.rows_in_small_classes"
MEAN, HIGHEST = "privacy.mean_risk", "privacy.highest_risk"
L, T = "privacy.l_diversity", "privacy.t_closeness"
CHANGE = "privacy.small_classes_change"
METRICS = (K, SHARE, MEAN, HIGHEST, L, T, CHANGE)

KIND = "anonymity"
VERSION = 1
"""Raised whenever the meaning of a count changes, so that what was kept before is counted again."""
_COUNTED = "count of all rows of the reference; no sample"
_NO_QUASI = "The passport declares no quasi-identifiers, so there are no facts by which people could be recognised together."


def measure(subject: Subject) -> list[Measurement]:
    """Measure how well people are hidden among others.

    Parameters
    ----------
    subject : Subject

    Returns
    -------
    list of Measurement
        One for each of `METRICS`; of l-diversity and t-closeness one over ``{"column": name}`` for each column under `sensitive`,
        or for the label where none is declared. ``not_applicable`` without quasi-identifiers.

    Notes
    -----
    Sweeney 2002, k-anonymity: a model for protecting privacy. Numbers of the reference are counts of all its rows and have no
    interval, but for the share in small classes: there it says where the share of as many other rows of the same people would lie
    (`checks.anonymity.classes.Share.worth`).

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from tests.support import make_subject, passport_of
    >>> rows = {"age": [30, 30, 30, 30, 30, 30, 41, 41], "sex": ["f"] * 6 + ["m"] * 2, "label": [1, 0, 1, 0, 1, 0, 1, 1]}
    >>> passport = passport_of(quasi_identifiers=["age", "sex"])
    >>> with TemporaryDirectory() as folder, make_subject(Path(folder), passport, rows) as subject:
    ...     for m in measure(subject)[:6]:
    ...         print(m.metric.partition(".")[2], dict(m.over), m.value)
    k_anonymity {} 2.0
    rows_in_small_classes {} 0.25
    mean_risk {} 0.25
    highest_risk {} 0.5
    l_diversity {'column': 'label'} 1.0
    t_closeness {'column': 'label'} 0.375
    """
    columns, reference = subject.passport.quasi_identifiers, subject.reference
    if not columns:
        return _refused("not_applicable", _NO_QUASI)
    if not reference:
        return _refused("error" if reference.broken else "insufficient", reference.problem, reference)
    if gone := [name for name in columns if name not in reference.columns]:
        return _refused("error", f"The column '{gone[0]}' is not in the reference.", reference)
    try:
        sizes, sensitive = _reference(subject, sensitive_of(subject))
    except duckdb.Error as problem:
        return _refused("error", problem_of(problem, reference), reference)
    return [*_sizes(reference, sizes), *_values(subject, sizes, sensitive), _change(subject, sizes)]


def sensitive_of(subject: Subject) -> list[str]:
    """Return the sensitive columns that the reference holds; the label, if the passport names none."""
    passport = subject.passport
    wanted = passport.sensitive or [passport.task.label]
    there = subject.reference.columns.keys() - set(passport.quasi_identifiers)
    return [name for name in dict.fromkeys(wanted) if name in there]


def _reference(subject: Subject, sensitive: list[str]) -> tuple[Sizes, dict[str, Sensitive]]:
    """Return what was counted of the reference, as kept, or counted now and kept."""
    table, columns = subject.reference, subject.passport.quasi_identifiers
    types = {name: table.columns[name] for name in (*columns, *sensitive)}
    key = {"data": table.digest, "columns": columns, "sensitive": sensitive, "types": types, "version": VERSION}
    kept = subject.kept if table.digest else None
    if kept is not None and (found := kept.get(KIND, key)) is not None:
        return Sizes(dict(found["sizes"])), {name: Sensitive(**told) for name, told in found["sensitive"]}
    told = {name: look(subject, table, columns, name) for name in sensitive}
    sizes = next(iter(told.values()))[0] if told else sizes_of(subject, table, columns)
    if kept is not None:
        kept.put(KIND, key, to_json(sizes, {name: one for name, (_, one) in told.items()}))
    return sizes, {name: one for name, (_, one) in told.items()}


def to_json(sizes: Sizes, sensitive: Mapping[str, Sensitive]) -> dict[str, Any]:
    """Return what is kept, as JSON values: numbers only, no value of any column."""
    return {
        "sizes": [list(pair) for pair in sizes.classes.items()],
        "sensitive": [[name, asdict(one)] for name, one in sensitive.items()],
    }


def _refused(status: Status, reason: str, table: Table | None = None) -> list[Measurement]:
    inputs = {"reference": table.digest} if table is not None and table.digest else {}
    return [not_measured(metric, status, reason, inputs=inputs) for metric in METRICS]


def _sizes(table: Table, sizes: Sizes) -> Iterator[Measurement]:
    told: dict[str, Any] = {"n": sizes.rows, "inputs": {"reference": table.digest}}
    small = sizes.below(SMALL)
    stats = {
        "classes": sizes.count, "alone": sizes.below(2), "small": small, "rows": sizes.rows, "largest": max(sizes.classes),
    }
    yield Measurement(K, value=sizes.smallest, method=_COUNTED, stats=stats, **told)
    share = sizes.at(sizes.rows)
    interval = wilson(share.value * share.worth, share.worth)
    yield Measurement(
        SHARE, value=share.value, low=interval.low, high=interval.high, confidence=CONFIDENCE, stats=stats,
        method="count of all rows; Wilson, by the jackknife's variance", details={"fewer_than": SMALL}, **told,
    )
    yield Measurement(MEAN, value=sizes.count / sizes.rows, method=_COUNTED, stats=stats, **told)
    yield Measurement(HIGHEST, value=1 / sizes.smallest, method=_COUNTED, stats=stats, **told)


def _values(subject: Subject, sizes: Sizes, sensitive: Mapping[str, Sensitive]) -> Iterator[Measurement]:
    """Yield l and t of each sensitive column, the declared ones that are not there included."""
    passport, inputs = subject.passport, {"reference": subject.reference.digest}
    for name in dict.fromkeys(passport.sensitive or [passport.task.label]):
        over = {"column": name}
        if name not in sensitive:
            lost: tuple[Status, str] = ("error", f"The column '{name}' is not in the reference.")
            if name in passport.quasi_identifiers:
                lost = "not_applicable", f"'{name}' is a quasi-identifier: who knows the class knows it already."
            yield from (not_measured(metric, *lost, over=over, inputs=inputs) for metric in (L, T))
            continue
        one = sensitive[name]
        told: dict[str, Any] = {
            "over": over, "n": sizes.rows, "inputs": inputs,
            "stats": {"values": one.values, "alike": one.alike, "classes": sizes.count, "rows": sizes.rows},
            "details": {"declared": bool(passport.sensitive)},
        }
        yield Measurement(L, value=one.fewest, method=_COUNTED, **told)
        how = "ordered distance" if one.ordered else "equal distance"
        cut = f", cut into {one.parts} parts of equal numbers of rows" if one.parts != one.values else ""
        yield Measurement(T, value=one.farthest, method=f"{_COUNTED}; {how}{cut}", **told)


def _change(subject: Subject, sizes: Sizes) -> Measurement:
    """Return how much larger tonight's share in small classes is than the reference's, at the same number of rows."""
    table, columns = subject.batch, subject.passport.quasi_identifiers
    inputs = {role: t.digest for role, t in (("reference", subject.reference), ("batch", table)) if t.digest}
    if not table:
        status: Status = "error" if table.broken or (not table.files and subject.passport.batches.due) else "insufficient"
        return not_measured(CHANGE, status, table.problem, inputs=inputs)
    if gone := [name for name in columns if name not in table.columns]:
        return not_measured(CHANGE, "error", f"The column '{gone[0]}' is not in the batch.", inputs=inputs)
    try:
        tonight = sizes_of(subject, table, columns)
    except duckdb.Error as problem:
        return not_measured(CHANGE, "error", problem_of(problem, table), inputs=inputs)
    rows = min(tonight.rows, sizes.rows)
    here, there = tonight.at(rows), sizes.at(rows)
    interval = newcombe(here.value * here.worth, here.worth, there.value * there.worth, there.worth)
    return Measurement(
        CHANGE, value=here.value - there.value, low=interval.low, high=interval.high, confidence=CONFIDENCE, n=rows,
        stats={"batch": here.value, "reference": there.value, "rows": tonight.rows, "reference_rows": sizes.rows},
        method="shares expected at the same number of rows; Newcombe, by the jackknife's variance", inputs=inputs,
        details={"fewer_than": SMALL},
    )
