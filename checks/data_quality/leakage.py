"""How strongly one column alone tells the label: the mark of a column that is known only after the outcome.

A leak is a column that holds almost all of the answer (Kaufman et al. 2012, Leakage in data mining). The strength runs
from 0, knows nothing, to 1, knows everything, and is measured on the reference, the data the model was accepted on.

Labels of classes: ``2 |AUC - 0.5|``, for more than two classes that of the class told best. Numbers and times are ranked
by value, on at most `SAMPLE` rows chosen by their place in the file. Missing values go below or above all others,
whichever tells more, because "filled in only afterwards" is how many leaks look. Categories are ranked by the label's
rate in one half of the rows and judged on the other half, then the other way round: ranked and judged on the same rows,
a name with 5,000 levels would seem to know everything. Rows of one level are alike, so the halves are drawn from the
counts, and no row leaves the database.

Numeric labels: the correlation ratio with Kelley's correction (1935, An unbiased correlation ratio measure),
``1 - (SSW / (n - levels)) / (SST / (n - 1))``, which is 0 on average for a column that knows nothing, however many levels
it has. Numbers are cut into bins of equally many rows.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb

from checks.counts import equals, positive
from checks.intervals import CONFIDENCE, RankSums, delong, normal_quantile
from checks.subject import Subject, Table
from roadworthy.measurement import Measurement, not_measured
from roadworthy.passport import Passport
from roadworthy.sql import literal, quote

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Counts = NDArray[np.int64]
    Numbers = NDArray[np.float64]

METRIC = "data_quality.leakage_strength"
SAMPLE = 100_000
BINS = 1_000
ROWS_PER_BIN = 20
PRIOR_ROWS = 2.0
_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT")


@dataclass(frozen=True, slots=True)
class Strength:
    """What one column knows.

    Attributes
    ----------
    value, low, high : float
        In [0, 1].
    n : int
        Rows with a label.
    stats, details : dict
        Positives and negatives; levels, bins, rows used.
    method : str
    """

    value: float
    low: float
    high: float
    n: int
    stats: dict[str, Any]
    details: dict[str, Any]
    method: str


def strengths(subject: Subject) -> Iterator[Measurement]:
    """Yield the strength of each feature against the label, on the reference."""
    reference, passport = subject.reference, subject.passport
    inputs = {"reference": reference.digest} if reference.digest else {}
    if not reference:
        yield not_measured(METRIC, "error" if reference.broken else "insufficient", reference.problem, inputs=inputs)
        return
    label = passport.task.label
    if label not in reference.columns:
        reason = f"The reference has no column '{label}', the label, so no column can be held against it."
        yield not_measured(METRIC, "insufficient", reason, inputs=inputs)
        return
    try:
        found = _measured(subject)
    except duckdb.Error as problem:
        reason = f"The reference could not be read ({type(problem).__name__})."
        yield not_measured(METRIC, "error", reason, inputs=inputs)
        return
    for column in passport.features:
        over = {"column": column}
        told = found.get(column, f"The reference has no column '{column}'.")
        if isinstance(told, str):
            yield not_measured(METRIC, "insufficient", told, over=over, inputs=inputs)
        else:
            yield Measurement(
                METRIC, over, told.value, told.low, told.high, CONFIDENCE, n=told.n, stats=told.stats, method=told.method,
                inputs=inputs, details=told.details,
            )


def _measured(subject: Subject) -> dict[str, Strength | str]:
    reference = subject.reference
    features = [c for c in subject.passport.features if c in reference.columns]
    numbers = [c for c in features if _number(c, reference.columns[c])]
    classes = subject.passport.task.kind != "regression"
    found: dict[str, Strength | str] = {}
    if numbers:
        y, columns = _rows_of(subject, numbers)
        for column, values in zip(numbers, columns, strict=True):
            found[column] = ranked(y, values, _classes(subject.passport)) if classes else binned(y, values)
    for column in features:
        if column not in numbers:
            seed = (subject.seed, zlib.crc32(column.encode()))
            found[column] = crossed(_levels(subject, column), seed) if classes else _ratio_of_levels(subject, column)
    return found


def _number(column: str, kind: str) -> str:
    """Return SQL of the column as a number that ranks, or nothing if its values have no order."""
    name = quote(column)
    if kind in ("FLOAT", "DOUBLE"):
        return f"nullif({name}::double, 'nan'::double)"
    if kind in _INTEGERS or kind.startswith("DECIMAL"):
        return f"{name}::double"
    if kind == "DATE" or kind.startswith("TIMESTAMP"):
        return f"epoch_us({name}::timestamp)::double" if kind == "DATE" else f"epoch_us({name})::double"
    return ""


def _target(passport: Passport, reference: Table) -> str:
    """Return SQL of the label: the index of its class, or a finite number; NULL where it is neither."""
    task = passport.task
    if task.kind == "binary":
        return positive(passport, task.label, reference.columns[task.label])
    if task.kind == "multiclass":
        cases = " ".join(f"when {equals(task.label, value)} then {i}" for i, value in enumerate(task.classes))
        return f"case {cases} end"
    number = f"try_cast({quote(task.label)} as double)"
    return f"case when isfinite({number}) then {number} end"


def _classes(passport: Passport) -> list[int]:
    """Return the classes whose rank is judged: of two, the second tells the same as the first."""
    return list(range(len(passport.task.classes))) if passport.task.kind == "multiclass" else [1]


def _rows_of(subject: Subject, numbers: Sequence[str]) -> tuple[Numbers, list[Numbers]]:
    """Return label and numbers of a bounded, fixed sample of rows; missing values are NaN."""
    import numpy as np

    reference = subject.reference
    named = ", ".join(f"{_number(c, reference.columns[c])} as x{i}" for i, c in enumerate(numbers))
    query = f"select ({_target(subject.passport, reference)})::double as y, {named} from {_sampled(reference)}"
    got = subject.con.execute(query).fetchnumpy()

    def filled(name: str) -> Numbers:
        values: Any = got[name]  # a masked array where the database has NULL
        plain = values.filled(np.nan) if isinstance(values, np.ma.MaskedArray) else values
        return np.asarray(plain, dtype=np.float64)

    y = filled("y")
    there = ~np.isnan(y)
    return y[there], [filled(f"x{i}")[there] for i in range(len(numbers))]


def _sampled(reference: Table) -> str:
    """Return what to select from: the table, or the rows whose place in their file falls on the sample."""
    one_in = math.ceil(reference.rows / SAMPLE)
    if one_in == 1 or not reference.files:
        return reference.name
    files = ", ".join(literal("".join(f"[{c}]" if c in "*?[" else c for c in str(path))) for path in reference.files)
    scan = f"read_parquet([{files}], union_by_name=true, hive_partitioning=false, file_row_number=true)"
    return f"(select * from {scan} where hash(file_row_number) % {one_in} = 0)"


def _levels(subject: Subject, column: str) -> Counts:
    """Return how many levels have which counts of the classes: columns are the classes, the last is the levels."""
    import numpy as np

    reference = subject.reference
    kinds = range(max(2, len(subject.passport.task.classes)))
    each = ", ".join(f"count(*) filter (y = {k}) as k{k}" for k in kinds)
    every = ", ".join(f"k{k}" for k in kinds)
    rows = f"select ({_target(subject.passport, reference)}) as y, {quote(column)} as level from {reference.name}"
    query = (f"select {every}, count(*) from (select {each} from ({rows}) where y is not null group by level) "
             f"group by {every} order by {every}")
    return np.array(subject.con.execute(query).fetchall(), dtype=np.int64).reshape(-1, len(kinds) + 1)


def ranked(y: Numbers, x: Numbers, classes: Sequence[int]) -> Strength | str:
    """Return how well a number, ranked by value, tells a class.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Index of the class.
    x : ndarray of shape (n,)
        NaN where missing.
    classes : sequence of int
        The classes to judge, each against all others.

    Returns
    -------
    Strength or str
        Why it cannot be measured, in a sentence.

    Examples
    --------
    >>> import numpy as np
    >>> told = ranked(np.array([0., 0, 1, 1]), np.array([1., 2, 3, 4]), [1])
    >>> told.value, told.low < 0.95
    (1.0, True)
    """
    import numpy as np

    missing = np.isnan(x)
    values, place = np.unique(x[~missing], return_inverse=True)
    best: tuple[float, RankSums, int] | None = None
    for one in classes:
        hit = y == one
        inside = np.bincount(place, weights=hit[~missing], minlength=len(values)).astype(np.int64)
        outside = np.bincount(place, minlength=len(values)) - inside
        gone = (int(hit[missing].sum()), int((~hit[missing]).sum()))
        if not 0 < int(hit.sum()) < len(y):
            continue
        for first in (True, False) if any(gone) else (True,):
            order = [np.array([gone[0]]), inside] if first else [inside, np.array([gone[0]])]
            other = [np.array([gone[1]]), outside] if first else [outside, np.array([gone[1]])]
            sums = _rank_sums(np.concatenate(order), np.concatenate(other))
            if best is None or abs(sums.auc - 0.5) > best[0]:
                best = (abs(sums.auc - 0.5), sums, one)
    if best is None:
        return _one_class(len(y))
    ends = delong(best[1])
    sides = sorted((2 * abs(ends.low - 0.5), 2 * abs(ends.high - 0.5)))
    details = {"kind": "number", "values": len(values), "missing": int(missing.sum())}
    low = 0.0 if ends.low < 0.5 < ends.high else sides[0]
    return _strength(2 * best[0], low, sides[1], best, best[1].positives, len(y), details, classes, ends.method)


def crossed(levels: Counts, seed: tuple[int, int]) -> Strength | str:
    """Return how well a category, ranked by its label's rate in other rows, tells a class.

    Parameters
    ----------
    levels : ndarray of shape (distinct counts, classes + 1)
        Each row: the counts of the classes in a level, and how many levels have these counts.
    seed : tuple of int
        Draws the halves.

    Returns
    -------
    Strength or str
        Why it cannot be measured, in a sentence.

    Examples
    --------
    Two levels that know everything, and 500 names of two rows each that know nothing:

    >>> import numpy as np
    >>> crossed(np.array([[0, 500, 1], [500, 0, 1]]), (0, 0)).value
    1.0
    >>> crossed(np.array([[1, 1, 500]]), (0, 0)).value < 0.1
    True
    """
    import numpy as np

    counts, times = levels[:, :-1], levels[:, -1]
    total = (counts * times[:, None]).sum(axis=0)
    rng = np.random.default_rng(seed)
    single = counts.sum(axis=1) == 1
    shared = np.repeat(counts[~single], times[~single], axis=0)
    half = rng.binomial(shared, 0.5)
    # A level of one row is in one half only: it teaches nothing, and is judged at the average rate.
    alone = (counts[single] * times[single][:, None]).sum(axis=0)
    alone_here = rng.binomial(alone, 0.5)
    nobody = np.zeros_like(alone)
    left = np.vstack([half, alone_here, nobody])
    right = np.vstack([shared - half, nobody, alone - alone_here])
    n, classes = int(total.sum()), list(range(len(total))) if len(total) > 2 else [1]
    best: tuple[float, RankSums, int] | None = None
    for one in classes:
        sums = _both_ways(left, right, one)
        if sums is not None and (best is None or sums.auc - 0.5 > best[0]):
            best = (sums.auc - 0.5, sums, one)
    if best is None:
        return _one_class(n)
    ends = delong(best[1])
    low, value, high = (max(0.0, 2 * auc - 1) for auc in (ends.low, best[1].auc, ends.high))
    details = {"kind": "category", "levels": int(times.sum())}
    how = f"ranked on one half, judged on the other; {ends.method}"
    return _strength(value, low, high, best, int(total[best[2]]), n, details, classes, how)


def _both_ways(left: Counts, right: Counts, one: int) -> RankSums | None:
    """Rank the levels by one half and judge on the other, both ways, and take the middle of the two.

    The two ways are no two samples (where the halves agree by chance, both ways profit), so the sums stay those of one half.
    """
    import numpy as np

    halves = []
    for learn, judge in ((left, right), (right, left)):
        rows = learn.sum(axis=1)
        average = learn[:, one].sum() / max(1, rows.sum())
        rate = (learn[:, one] + PRIOR_ROWS * average) / (rows + PRIOR_ROWS)
        values, place = np.unique(rate, return_inverse=True)
        inside = np.bincount(place, weights=judge[:, one], minlength=len(values)).astype(np.int64)
        outside = np.bincount(place, weights=judge.sum(axis=1) - judge[:, one], minlength=len(values)).astype(np.int64)
        if inside.sum() and outside.sum():
            halves.append(_rank_sums(inside, outside))
    if not halves:
        return None
    pairs = sum(h.positives * h.negatives for h in halves)
    auc = sum(h.twice_u for h in halves) / (2 * pairs)
    positives, negatives = (max(1, round(sum(counts) / len(halves))) for counts in zip(*(h[:2] for h in halves), strict=True))
    squares = [sum(sums) / len(halves) for sums in zip(*(h[3:] for h in halves), strict=True)]
    return RankSums(positives, negatives, round(auc * 2 * positives * negatives), *squares)


def _rank_sums(inside: Counts, outside: Counts) -> RankSums:
    """Return the rank sums of rising values, as `checks.intervals.rank_sums` does for short lists."""
    import numpy as np

    positives, negatives = int(inside.sum()), int(outside.sum())
    below = np.cumsum(outside) - outside
    above = positives - np.cumsum(inside)
    return RankSums(
        positives, negatives, int((inside * (2 * below + outside)).sum()),
        float((inside * ((below + outside / 2) / negatives) ** 2).sum()),
        float((outside * ((above + inside / 2) / positives) ** 2).sum()),
    )


def binned(y: Numbers, x: Numbers) -> Strength | str:
    """Return the corrected correlation ratio of a numeric label on bins of a number; missing values are a bin.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(2000.0)
    >>> round(binned(x % 7 + x, x).value, 2), binned(x % 7, x).value < 0.1
    (1.0, True)
    """
    import numpy as np

    missing = np.isnan(x)
    bins = max(2, min(BINS, len(y) // ROWS_PER_BIN))
    place = np.full(len(y), bins)
    if not missing.all():
        edges = np.unique(np.quantile(x[~missing], np.arange(1, bins) / bins, method="inverted_cdf"))
        place[~missing] = np.searchsorted(edges, x[~missing], side="left")
    centred = y - y.mean() if len(y) else y
    rows, sums = np.bincount(place, minlength=bins + 1), np.bincount(place, weights=centred, minlength=bins + 1)
    used = rows > 0
    between = float((sums[used] ** 2 / rows[used]).sum())
    details = {"kind": "number", "bins": int(used.sum()), "missing": int(missing.sum())}
    return _ratio(len(y), int(used.sum()), between, float((centred**2).sum()), details)


def _ratio_of_levels(subject: Subject, column: str) -> Strength | str:
    reference = subject.reference
    # No WHERE on the label: DuckDB skips NaN by Parquet statistics, which do not tell of NaN.
    rows = f"select ({_target(subject.passport, reference)}) as y, {quote(column)} as level from {reference.name}"
    centred = f"select y - avg(y) over () as y, level from ({rows})"
    sums = f"select count(y) as n, sum(y) as s, sum(y * y) as q from ({centred}) group by level having count(y) > 0"
    query = f"select coalesce(sum(n), 0), count(*), coalesce(sum(s * s / n), 0), coalesce(sum(q), 0) from ({sums})"
    n, levels, between, total = subject.con.execute(query).fetchone() or (0, 0, 0.0, 0.0)
    return _ratio(int(n), int(levels), float(between), float(total), {"kind": "category", "levels": int(levels)})


def _ratio(n: int, levels: int, between: float, total: float, details: dict[str, Any]) -> Strength | str:
    """Return the corrected correlation ratio from sums of squares.

    Notes
    -----
    Variance to first order: that of a squared correlation, ``4 e (1 - e)^2 / n`` (Olkin and Finn 1995), plus that of the
    F ratio when the column knows nothing, ``2 (levels - 1) / ((n - 1) (n - levels))``.
    """
    if n < 3 or n <= levels:
        return f"The column has {levels:,} levels in {n:,} rows with a label: too few rows of a level to tell."
    if not total > 0:
        return f"The label has one value only in {n:,} rows."
    raw = 1 - ((total - between) / (n - levels)) / (total / (n - 1))
    value = min(1.0, max(0.0, raw))
    left = max(1 - value, 1 / n)
    reach = normal_quantile(CONFIDENCE) * left * math.sqrt(4 * value / n + 2 * (levels - 1) / ((n - 1) * (n - levels)))
    low, high = max(0.0, value - reach), min(1.0, value + reach)
    return Strength(value, low, high, n, {}, details, "correlation ratio with Kelley's correction; normal interval")


def _strength(
    value: float, low: float, high: float, best: tuple[float, RankSums, int], positives: int, n: int, details: dict[str, Any],
    classes: Sequence[int], how: str,
) -> Strength:
    stats = {"positives": positives, "negatives": n - positives}
    more = {"class": best[2]} if len(classes) > 1 else {}
    return Strength(value, min(low, value), max(high, value), n, stats, {**details, **more}, f"2 |AUC - 0.5|; {how}")


def _one_class(n: int) -> str:
    if not n:
        return "No row of the reference has a label that the passport knows."
    return f"The label has fewer than two classes in {n:,} rows."
