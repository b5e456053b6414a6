"""How well scores order the cases: the areas under the ROC curve and under the precision-recall curve, exact with ties."""

from __future__ import annotations

import math

from checks import intervals
from checks.intervals import RankSums
from checks.performance.sheet import Sheet
from checks.subject import Subject


def ranks_sql(source: str) -> str:
    """Return SQL of one row for each value of the score, with what lies below it.

    Parameters
    ----------
    source : str
        SQL with the columns y (1, 0 or NULL) and s (a number or NULL).

    Returns
    -------
    str
        A query with the columns s, p and q (positives and negatives of that score), bp and bq (those of a lower one).
        DuckDB sorts and spills to disk what does not fit, so any number of different scores will do.
    """
    return f"""select s, p, q, cast(sum(p) over below as bigint) - p as bp, cast(sum(q) over below as bigint) - q as bq from (
        select s, count(*) filter (y = 1) as p, count(*) filter (y = 0) as q from {source}
        where y is not null and s is not null group by s
    ) window below as (order by s rows unbounded preceding)"""


def areas(subject: Subject, source: str, sheet: Sheet, positives: int, negatives: int) -> None:
    """Write down AUC and average precision.

    Parameters
    ----------
    source : str
        SQL with the columns y, s and u (the unit of independence).
    positives, negatives : int
        Rows with a score, by label.
    """
    n, stats = positives + negatives, {"positives": positives, "negatives": negatives}
    if positives == 0 or negatives == 0:
        what = "row with a mature label and a usable score"
        reason = f"Every {what} is of the same class." if n else f"There is no {what}."
        for name in ("roc_auc", "average_precision"):
            sheet.refuse(name, "insufficient", reason, n=n, stats=stats)
        return
    totals = {"m": positives, "n": negatives}
    [found] = subject.rows(
        f"""select sum(p * (2 * bq + q)) as twice_u, fsum(p * power((bq + q / 2) / $n, 2)) as positive_squares,
        fsum(q * power(($m - bp - p / 2) / $m, 2)) as negative_squares,
        fsum(p * (($m - bp) / ($m - bp + $n - bq))) / $m as average_precision from ({ranks_sql(source)})""", totals,
    )
    ranks = RankSums(positives, negatives, int(found["twice_u"]), found["positive_squares"], found["negative_squares"])
    interval, units, effect = intervals.delong(ranks), None, 1.0
    if sheet.clustered:
        units, squares = _by_unit(subject, source, ranks)
        if units < 2:
            for name, value in (("roc_auc", ranks.auc), ("average_precision", found["average_precision"])):
                sheet.put(name, value, None, n=n, stats=stats, how="count", units=units)
            return
        rows = interval.se * (ranks.auc * (1 - ranks.auc) if interval.scale == "logit" else 1.0)
        if squares > 0 and 0 < ranks.auc < 1:
            by_unit = intervals.by_influence(ranks.auc, squares, units, scale="logit", method="Obuchowski logit")
            effect = max(1.0, (math.sqrt(squares * units / (units - 1)) / rows) ** 2)
            interval = by_unit if by_unit.high - by_unit.low > interval.high - interval.low else interval
    sheet.put("roc_auc", ranks.auc, interval, n=n, stats=stats, how="Mann-Whitney on counts", units=units)
    # No published interval of average precision knows units; its positives are divided by what the units cost the AUC.
    value = min(1.0, found["average_precision"])
    interval = intervals.average_precision(value, positives / effect)
    sheet.put("average_precision", value, interval, n=n, stats=stats, how="step sum on counts", units=units)


def _by_unit(subject: Subject, source: str, ranks: RankSums) -> tuple[int, float]:
    """Return the units and the sum over them of their squared influence on the AUC.

    The influence of a unit is the sum over its rows of DeLong's components less the AUC, by class (Obuchowski 1997,
    Nonparametric analysis of clustered ROC curve data).
    """
    row = subject.con.execute(
        f"""select count(*), fsum(z * z) from (
            select u, sum(case when y = 1 then ((bq + q / 2) / $n - $auc) / $m else (($m - bp - p / 2) / $m - $auc) / $n end) as z
            from {source} join ({ranks_sql(source)}) using (s) where y is not null group by u
        )""", {"m": ranks.positives, "n": ranks.negatives, "auc": ranks.auc},
    ).fetchone()
    return (int(row[0]), float(row[1])) if row else (0, 0.0)
