"""What needs the scores in their order: the areas under the ROC curve and under the precision-recall curve, and calibration.

One sort serves all three, exact with ties. Where scores are mostly different, rows are sorted as they are; where few values
repeat, their rows are counted first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from checks import intervals
from checks.intervals import RankSums, ScoreBin
from checks.performance.sheet import Sheet
from checks.subject import Subject

BINS = 10
LEAST_IN_BIN = 20
_FEW = 16  # rows for each score, from which on it is cheaper to count them before they are sorted

_AREAS = ("roc_auc", "average_precision")


def ranks_sql(source: str, positives: int, n: int, tied: bool) -> str:
    """Return SQL of the rows, or of counts of like rows, with what lies below them in the order of their scores.

    Parameters
    ----------
    source : str
        SQL with the columns y (1, 0 or NULL), s (a number or NULL) and u.
    positives, n : int
        Rows that have both, by label and in all.
    tied : bool
        Whether rows of one score and unit are counted first.

    Returns
    -------
    str
        A query with the columns s, u, p and q (positives and negatives), bp and bn (positives and rows of a lower score), tp and
        tn (of a lower or the same one). DuckDB sorts and spills to disk what does not fit.
    """
    over = "window upto as (order by s), onward as (order by s range between current row and unbounded following)"
    known = f"from {source} where y is not null and s is not null"
    if tied:
        counts = f"select s, u, count(*) filter (y = 1) as p, count(*) filter (y = 0) as q {known} group by s, u"
        return f"""select s, u, p, q, {positives} - sum(p) over onward as bp, {n} - sum(p + q) over onward as bn,
            sum(p) over upto as tp, sum(p + q) over upto as tn from ({counts}) {over}"""
    return f"""select s, u, y as p, 1 - y as q, {positives} - sum(y) over onward as bp, rank() over upto - 1 as bn,
        sum(y) over upto as tp, count(*) over upto as tn from (select s, u, cast(y as integer) as y {known}) {over}"""


def ordered(subject: Subject, source: str, sheet: Sheet, count: Mapping[str, int], by_unit: bool) -> None:
    """Write down AUC, average precision and calibration error.

    Parameters
    ----------
    source : str
        SQL with the columns y, s and u (the unit of independence).
    count : mapping
        ``positives`` and ``negatives``, rows with a score by label, and roughly how many ``different`` scores they have.
    by_unit : bool
        Whether rows hang together by u.
    """
    m, n = count["positives"], count["negatives"]
    total, stats = m + n, {"positives": m, "negatives": n}
    if not total:
        for name in (*_AREAS, "calibration_error"):
            sheet.refuse(name, "insufficient", "There is no row with a mature label and a usable score.", n=0, stats=stats)
        return
    bins = max(1, min(BINS, total // LEAST_IN_BIN))
    tied = count["different"] * _FEW < total
    rows = source if by_unit else f"(select y, s, null as u from {source})"
    found = _sums(subject, ranks_sql(rows, m, total, tied), count, bins, by_unit)
    if m and n:
        _areas(sheet, found, m, n, stats, by_unit)
    else:
        for name in _AREAS:
            reason = "Every row with a mature label and a usable score is of the same class."
            sheet.refuse(name, "insufficient", reason, n=total, stats=stats)
    _calibration(sheet, found, total, stats, by_unit)


def _sums(subject: Subject, ranks: str, count: Mapping[str, int], bins: int, by_unit: bool) -> dict[str, Any]:
    """Return everything that the three need, in one row.

    A row's bin is the tenth of the rows in which the middle of those with its score lies, so that equal scores share a bin and
    labels have no say in it. ``z`` is the influence of a unit on the AUC: the sum over its rows of DeLong's components less the
    AUC, by class (Obuchowski 1997, Nonparametric analysis of clustered ROC curve data).
    """
    total = count["positives"] + count["negatives"]
    m, n = max(count["positives"], 1), max(count["negatives"], 1)  # of one class alone, the areas are not read
    pairs = f""", units as (
            select (sum(twice_u) / {2 * n} - (select auc from areas) * sum(p)) / {m}
            + (sum(rows - p) * (1 - (select auc from areas)) - sum(twice_below) / {2 * m}) / {n} as z from parts group by u
        ), pairs as (
            select a.bin as i, b.bin as j, fsum((a.p - a.scores) * (b.p - b.scores)) as rr, fsum((a.p - a.scores) * b.rows) as rn,
            fsum(a.rows * (b.p - b.scores)) as nr, fsum(a.rows * b.rows) as nn
            from parts a join parts b on a.u is not distinct from b.u and a.bin <= b.bin group by all
        )"""
    of_units = """, (select count(*) from units) as units, (select fsum(z * z) from units) as unit_squares,
        (select list([i, j, rr, rn, nr, nn]) from pairs) as pairs"""
    [found] = subject.rows(
        f"""with parts as materialized (
            select u, (bn + tn) * {bins} // {2 * total} as bin, sum(p) as p, sum(p + q) as rows, fsum(s * (p + q)) as scores,
            fsum(p * power(1 - s, 2) + q * power(s, 2)) as squares, sum(p * (bn + tn - bp - tp)) as twice_u,
            sum(q * (bp + tp)) as twice_below, fsum(p * power((bn + tn - bp - tp) / {2 * n}, 2)) as positive_squares,
            fsum(q * power(1 - (bp + tp) / {2 * m}, 2)) as negative_squares,
            fsum(p * ({m} - bp) / ({total} - bn)) / {m} as average_precision from ({ranks}) group by all
        ), areas as (
            select sum(twice_u) as twice_u, fsum(positive_squares) as positive_squares,
            fsum(negative_squares) as negative_squares, fsum(average_precision) as average_precision,
            sum(twice_u) / {2 * m * n} as auc from parts
        ), bins as (
            select bin, sum(rows) as rows, sum(p) as p, fsum(scores) as scores, fsum(squares) as squares from parts group by bin
        ){pairs if by_unit else ""}
        select *, (select list([bin, rows, p, scores, squares] order by bin) from bins) as bins{of_units if by_unit else ""}
        from areas"""
    )
    return found


def _areas(sheet: Sheet, found: Mapping[str, Any], m: int, n: int, stats: Mapping[str, Any], by_unit: bool) -> None:
    ranks = RankSums(m, n, int(found["twice_u"]), found["positive_squares"], found["negative_squares"])
    interval, units, effect = intervals.delong(ranks), None, 1.0
    value = min(1.0, found["average_precision"])
    if by_unit:
        units, squares = int(found["units"]), float(found["unit_squares"] or 0.0)
        if units < 2:
            for name, estimate in zip(_AREAS, (ranks.auc, value), strict=True):
                sheet.put(name, estimate, None, n=m + n, stats=stats, how="count", units=units)
            return
        rows = interval.se * (ranks.auc * (1 - ranks.auc) if interval.scale == "logit" else 1.0)
        if squares > 0 and 0 < ranks.auc < 1:
            clustered = intervals.by_influence(ranks.auc, squares, units, scale="logit", method="Obuchowski logit")
            effect = max(1.0, (math.sqrt(squares * units / (units - 1)) / rows) ** 2)
            interval = clustered if clustered.high - clustered.low > interval.high - interval.low else interval
    sheet.put("roc_auc", ranks.auc, interval, n=m + n, stats=stats, how="Mann-Whitney on counts", units=units)
    # No published interval of average precision knows units; its positives are divided by what the units cost the AUC.
    interval = intervals.average_precision(value, m / effect)
    sheet.put("average_precision", value, interval, n=m + n, stats=stats, how="step sum on counts", units=units)


def _calibration(sheet: Sheet, found: Mapping[str, Any], total: int, stats: Mapping[str, Any], by_unit: bool) -> None:
    if total < LEAST_IN_BIN:
        reason = f"There are {total} rows with a mature label and a usable score; a bin needs {LEAST_IN_BIN}."
        sheet.refuse("calibration_error", "insufficient", reason, n=total, stats=stats)
        return
    places = {int(row[0]): k for k, row in enumerate(found["bins"])}
    moments = np.zeros((4, len(places), len(places)))  # residuals and rows of units: rr, rn, nr, nn
    if by_unit:
        for i, j, rr, rn, nr, nn in found["pairs"]:
            moments[:, places[int(i)], places[int(j)]] = rr, rn, nr, nn
            moments[:, places[int(j)], places[int(i)]] = rr, nr, rn, nn
    else:
        for k, (_, rows, p, scores, squares) in enumerate(found["bins"]):
            moments[:, k, k] = squares, p - scores, p - scores, rows
    bins, moments = _merged([ScoreBin(int(row[1]), int(row[2]), float(row[3])) for row in found["bins"]], moments)
    units = int(found["units"]) if by_unit else total
    stats = {**stats, "bins": [[one.n, one.positives, round(one.scores / one.n, 6)] for one in bins]}
    plain = intervals.plain_calibration_error(bins)
    if units < 2:
        sheet.put("calibration_error", plain, None, n=total, stats=stats, how="count", units=units)
        return
    gaps, rows = np.array([one.gap for one in bins]), np.array([one.n for one in bins], dtype=float)
    rr, rn, nr, nn = moments
    spread = (rr - gaps[None, :] * rn - gaps[:, None] * nr + np.outer(gaps, gaps) * nn) / np.outer(rows, rows)
    spread = np.where(np.abs(spread) * np.outer(rows, rows) > 1e-12 * np.abs(rr), spread, 0.0)  # what rounding left is no spread
    counted = np.full(len(bins), units / (units - 1)) if by_unit else rows / (rows - 1)
    value, interval = intervals.calibration_error(bins, (spread * np.sqrt(np.outer(counted, counted))).tolist(), units)
    how = f"debiased root mean square over {len(bins)} bins of as many rows"
    stats["plain"] = plain
    sheet.put("calibration_error", value, interval, n=total, stats=stats, how=how, units=units if by_unit else None)


def _merged(bins: Sequence[ScoreBin], moments: np.ndarray) -> tuple[list[ScoreBin], np.ndarray]:
    """Return the bins with those that ties left nearly empty joined to the next one, or the last one to the one before."""
    groups: list[list[int]] = [[]]
    for k in range(len(bins)):
        groups[-1].append(k)
        if sum(bins[j].n for j in groups[-1]) >= LEAST_IN_BIN // 2:
            groups.append([])
    left = groups.pop()
    if groups:
        groups[-1] += left
    else:
        groups.append(left)
    joined = [
        ScoreBin(sum(bins[k].n for k in group), sum(bins[k].positives for k in group), math.fsum(bins[k].scores for k in group))
        for group in groups
    ]
    pick = np.array([[float(k in group) for k in range(len(bins))] for group in groups])
    return joined, pick @ moments @ pick.T
