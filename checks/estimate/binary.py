"""Models that decide between two values: scores are counted by bin, decision and group, then judged by what they were worth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from checks.counts import decision_column, group
from checks.estimate import confidence
from checks.estimate.calibration import Togetherness, grid, told
from checks.estimate.confidence import METRICS, Counts, Estimate, Known, estimates, learn, truths
from checks.estimate.sheet import ALL, LEAST_ROWS, MAX_GROUPS, WHOLE, Refusal, Sheet, check, few, free_names, not_there, plain
from checks.performance.columns import columns_of
from checks.subject import Subject, Table
from roadworthy.measurement import Status
from roadworthy.passport import Protected
from roadworthy.sql import quote

VERSION = 1  # of what is kept; another way to calibrate needs another number
LEAST_LABELLED = 20
HOW = "confidence-based, isotonic calibration on counts"

Learnt = dict[str, Known | str]
"""By group what its reference rows taught, or why nothing; the whole is the group ''."""


def binary(subject: Subject, sheet: Sheet) -> None:
    """Write down every estimate of a model that decides between two values."""
    if subject.passport.task.score is None:
        why = "The passport declares no score."
        sheet.refuse(METRICS, WHOLE, "not_applicable", why)
        for name in METRICS:
            sheet.refuse(["miss"], {"metric": name}, "not_applicable", why)
        return
    try:
        learnt = _known(subject)
    except Refusal as no:
        sheet.refuse(METRICS, WHOLE, no.status, no.reason, subject.batch)
        for name in METRICS:
            sheet.refuse(["miss"], {"metric": name}, no.status, no.reason, subject.labelled)
        return
    for protected in (None, *subject.passport.protected):
        _of_batch(subject, sheet, learnt[protected.name if protected else ""], protected)
    _missed(subject, sheet, learnt[""][""])


def _of_batch(subject: Subject, sheet: Sheet, learnt: Learnt, protected: Protected | None) -> None:
    table = subject.batch
    try:
        counted = count(subject, table, protected)
    except Refusal as no:
        if protected is None or table:
            over = {"group": {protected.name: ALL}} if protected else WHOLE
            sheet.refuse(METRICS, over, no.status, no.reason, table)
        return
    names = sorted({*counted, *learnt}) if protected else [""]
    for name in names:
        over = {"group": {protected.name: name}} if protected else WHOLE
        counts, known = counted.get(name), learnt.get(name, f"The reference has no rows of the group '{name}'.")
        n = int(counts.rows.sum()) if counts else 0
        excluded = {} if protected else _excluded(table, n, counts)
        if isinstance(known, str) or counts is None or n < LEAST_ROWS:
            reason = known if isinstance(known, str) else few(n, "a usable score")
            sheet.refuse(METRICS, over, "insufficient", reason, table, n=n, details=excluded)
            continue
        found, cells = estimates(counts, known)
        for metric, made in found.items():
            _put(sheet, metric, over, made, cells, known, table, excluded)


def _put(
    sheet: Sheet, metric: str, over: Mapping[str, Any], made: Estimate, cells: Mapping[str, float], known: Known, table: Table,
    details: Mapping[str, Any],
) -> None:
    if made.value is None or made.interval is None:
        sheet.refuse([metric], over, *_reason(sheet.subject, metric, made, table), table, n=made.n, details=details)
        return
    expected = {name: round(rows, 2) for name, rows in cells.items()}
    stats = {
        "positives": int(cells["true_positives"] + cells["false_negatives"]),
        "negatives": int(cells["false_positives"] + cells["true_negatives"]), **expected,
    }
    sheet.put(
        metric, over, made.value, made.interval, n=made.n, stats=stats, how=HOW, table=table,
        details={"calibration": told(known.curve), **details},
    )


def _reason(subject: Subject, metric: str, made: Estimate, table: Table) -> tuple[Status, str]:
    decision = decision_column(subject.passport)
    if metric != "roc_auc" and not table.has(decision):
        return not_there(subject.passport, table, decision)
    return "insufficient", made.reason


def _missed(subject: Subject, sheet: Sheet, known: Known | str) -> None:
    """Score the estimate against the labels that have come, on the same rows."""
    table = subject.labelled
    try:
        counts = count(subject, table, None, labelled=True).get("")
        n = int(counts.rows.sum()) if counts else 0
        if counts is None or n < LEAST_ROWS:
            raise Refusal("insufficient", few(n, "a mature label and a usable score"))
        if isinstance(known, str):
            raise Refusal("insufficient", known)
    except Refusal as no:
        for name in METRICS:
            sheet.refuse(["miss"], {"metric": name}, no.status, no.reason, table)
        return
    found, _ = estimates(counts, known)
    true = truths(counts)
    for name, made in found.items():
        if made.value is None or made.interval is None:
            sheet.refuse(["miss"], {"metric": name}, *_reason(subject, name, made, table), table, n=made.n)
        else:
            estimated = made.value, made.interval, made.n
            sheet.miss(name, estimated, true.get(name), f"{HOW}, minus labels", _excluded(table, n, counts))


def _excluded(table: Table, n: int, counts: Counts | None) -> dict[str, Any]:
    undecided = int(counts.rows[2].sum()) if counts else 0
    return {"excluded": {"without_score": table.rows - n, "without_decision": undecided}}


def _known(subject: Subject) -> dict[str, Learnt]:
    """Return what the reference taught, by attribute ('' is the whole) and group; kept, because a reference stays as it is."""
    passport, table = subject.passport, subject.reference
    check(passport, table, [])
    key = {
        "reference": table.digest, "version": VERSION, "task": passport.task.model_dump(mode="json"),
        "protected": [p.model_dump(mode="json") for p in passport.protected],
        "independence": passport.independence.model_dump(mode="json"),
    }
    kept = subject.kept.get("calibration", key) if subject.kept is not None else None
    if kept is not None:
        return {a: {g: k if isinstance(k, str) else Known.from_dict(k) for g, k in of.items()} for a, of in kept.items()}
    found = {p.name if p else "": _learnt(subject, p) for p in (None, *passport.protected)}
    if subject.kept is not None:
        plain = {a: {g: k if isinstance(k, str) else k.as_dict() for g, k in of.items()} for a, of in found.items()}
        subject.kept.put("calibration", key, plain)
    return found


def _learnt(subject: Subject, protected: Protected | None) -> Learnt:
    table = subject.reference
    try:
        counted = count(subject, table, protected, labelled=True)
    except Refusal as no:
        if protected is None:
            raise
        return {ALL: no.reason}
    found: Learnt = {}
    for name, counts in counted.items():
        rows, positives = int(counts.rows.sum()), int(counts.positives.sum())
        whose = f"the group '{name}'" if protected else "the reference"
        if min(positives, rows - positives) < LEAST_LABELLED:
            found[name] = (
                f"{rows} labelled rows of {whose}, {positives} of them positive, are too few to calibrate on; "
                f"{LEAST_LABELLED} of each kind are needed."
            )
        else:
            found[name] = learn(counts)
    if not protected and "" not in found:
        found[""] = "No row of the reference has a label and a usable score."
    if subject.passport.independence.unit != "row":
        found |= _together(subject, table, protected, counted, {g: k for g, k in found.items() if not isinstance(k, str)})
    return found


def count(subject: Subject, table: Table, protected: Protected | None, *, labelled: bool = False) -> dict[str, Counts]:
    """Return the rows with a usable score by group, bin and decision; '' is the group of all rows.

    Raises
    ------
    Refusal
        If the table or one of its columns is not there, or the attribute has too many groups.
    """
    passport = subject.passport
    task, of = passport.task, protected.column if protected else None
    check(passport, table, [task.score, task.label if labelled else None, of, passport.independence.column])
    y, d, s, b, n, k, g, u = free_names(table, "y", "d", "s", "b", "n", "k", "g", "u")
    sql = columns_of(passport, table)
    named = f"*, {sql.truth} as {y}, {sql.decision} as {d}, {sql.score} as {s}, {sql.unit} as {u}"
    usable = f"(select {named} from {table.name})"
    where = f"{s} is not null{f' and {y} is not null' if labelled else ''}"
    own, label = "", "''"
    if protected:

        own, label = f"{quote(protected.column)}, ", group(protected)
        distinct = f"select distinct {label} from (select distinct {quote(protected.column)} from {table.name})"
        if len(subject.con.execute(distinct).fetchmany(MAX_GROUPS + 1)) > MAX_GROUPS:
            said = f"The attribute '{protected.name}' has more than {MAX_GROUPS} groups; declare 'bins' or 'values' for it."
            raise Refusal("error", said)
    inner = (
        f"select {own}{grid(s)} as {b}, coalesce({d}, 2) as {d}, count(*) as {n}, count(*) filter ({y} = 1) as {k} "
        f"from {usable} where {where} group by all"
    )
    cells = subject.con.execute(
        f"select {label}, {b}, {d}, sum({n}), sum({k}) from ({inner}) group by all order by all"
    ).fetchnumpy()
    sizes: dict[str, tuple[float, int]] = {}
    if passport.independence.unit != "row":
        by_unit = f"select {label} as {g}, {u}, count(*) as {n} from {usable} where {where} group by all"
        found = subject.con.execute(f"select {g}, sum({n} * {n}) / sum({n}), count(*) from ({by_unit}) group by all").fetchall()
        sizes = {str(name): (float(size), int(units)) for name, size, units in found}
    names, bins, decisions, rows, positives = (plain(column) for column in cells.values())
    result = {}
    for name in dict.fromkeys(names.tolist()):
        mine = names == name
        here, place = np.unique(bins[mine].astype(np.int64), return_inverse=True)
        cell = decisions[mine].astype(np.int64) * len(here) + place
        n_of, k_of = (np.bincount(cell, weights[mine].astype(np.float64), 3 * len(here)) for weights in (rows, positives))
        shape = (3, len(here))
        result[str(name)] = Counts(
            here, n_of.astype(np.int64).reshape(shape), k_of.astype(np.int64).reshape(shape), *sizes.get(str(name), (1.0, 0))
        )
    return result


def _together(
    subject: Subject, table: Table, protected: Protected | None, counted: Mapping[str, Counts], known: Mapping[str, Known]
) -> Learnt:
    """Return the same with how much the rows of one unit err together."""
    y, d, s, u, g = free_names(table, "y", "d", "s", "u", "g")
    sql = columns_of(subject.passport, table)
    label = group(protected) if protected else "''"
    lists: dict[str, list[Any]] = {"g": [], "b": [], "p": [], "h": []}
    for name, one in known.items():
        counts = counted[name]
        p = one.curve.at(counts.bins).read(one.curve.heights)
        lists["g"] += [name] * len(p)
        lists["b"] += counts.bins.tolist()
        lists["p"] += p.tolist()
        lists["h"] += confidence.area(counts.rows.sum(axis=0), p)[1].tolist()
    rows = subject.rows(
        f"""with curve as (select unnest($g) as g, unnest($b) as b, unnest($p) as p, unnest($h) as h),
        named as (
            select *, {label} as {g}, {sql.truth} as {y}, {sql.decision} as {d}, {sql.score} as {s}, {sql.unit} as {u}
            from {table.name}
        ),
        cases as (select {g} as g, {u} as u, {d} as d, {grid(s)} as b, {y} as y from named
            where {s} is not null and {y} is not null),
        errors as (select g, u, count(*) as n, coalesce(fsum(y - p) filter (d = 0), 0) as r0,
            coalesce(fsum(y - p) filter (d = 1), 0) as r1, fsum((y - p) * h) as r2,
            coalesce(fsum(p * (1 - p)) filter (d = 0), 0) as v0, coalesce(fsum(p * (1 - p)) filter (d = 1), 0) as v1,
            fsum(p * (1 - p) * h * h) as v2 from cases join curve using (g, b) group by g, u)
        select g, count(*) as units, sum(n * n) / sum(n) as size,
            fsum(r0 * r0) as c00, fsum(r0 * r1) as c01, fsum(r0 * r2) as c02,
            fsum(r1 * r1) as c11, fsum(r1 * r2) as c12, fsum(r2 * r2) as c22, fsum(v0) as v0, fsum(v1) as v1, fsum(v2) as v2
        from errors group by g""",
        lists,
    )
    found: Learnt = {}
    for row in rows:
        one = known[row["g"]]
        if row["units"] < 2:
            unit = subject.passport.independence.unit
            found[row["g"]] = f"The labelled rows of the reference are of one {unit}; an interval needs two."
            continue
        cross = [[row[f"c{min(i, j)}{max(i, j)}"] for j in range(3)] for i in range(3)]
        together = Togetherness(int(row["units"]), float(row["size"]), cross, [row["v0"], row["v1"], row["v2"]])
        found[row["g"]] = Known(one.curve, one.decided, one.lift, together)
    return found
