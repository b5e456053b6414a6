"""Distances of the samples themselves, without bins: every row of both tables, in order, out of core.

DuckDB sorts both samples of a column together, spilling to disk where they do not fit, and hands them over in batches; one walk
along them gives both distances. Memory is that of a batch and of DuckDB's limit, whatever the number of rows. It costs a sort
of each column, so it is for columns that the passport names and for those that moved.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from checks.drift.blocks import hold_back
from checks.drift.kolmogorov import EXACT_PATHS, ks_exact_p_value, ks_reach
from checks.drift.plan import Plan, kind_of, number_sql, one_row, plan_of
from checks.drift.reference import reference_profile
from checks.drift.transport import Area, interval
from checks.intervals import CONFIDENCE
from checks.subject import Subject, Table
from roadworthy.measurement import Measurement, Status, not_measured

OF_EXACT = ("drift.ks_exact", "drift.wasserstein_exact")

LEAST_ROWS = 2
_BATCH = 1_000_000
_ORDERED = ("number", "date", "clock")

Numbers = NDArray[np.float64]


def exact(subject: Subject, columns: Sequence[str], plan: Plan | None = None) -> list[Measurement]:
    """Return the Kolmogorov-Smirnov and Wasserstein distances of columns, both computed on every row.

    Parameters
    ----------
    subject : checks.subject.Subject
        Its batch is compared with its baseline.
    columns : sequence of str
    plan : Plan, optional
        That of the baseline; by default as `checks.drift.reference.reference_profile` gives it.

    Returns
    -------
    list of Measurement
        ``drift.ks_exact`` and ``drift.wasserstein_exact`` (in standard deviations of the baseline) of each column. NULL, NaN
        and infinity are left out and counted in ``stats``. A column that is missing, or holds no numbers, dates or times,
        is a measurement with a reason.

    Notes
    -----
    The p-value is counted out for up to a million pairs of rows and asymptotic beyond; with ties it is conservative. See
    `checks.drift.kolmogorov` and `checks.drift.transport` for the intervals.
    """
    inputs = {t.role: t.digest for t in (subject.batch, subject.baseline) if t.digest}
    found: list[Measurement] = []
    for name in dict.fromkeys(columns):
        trouble = _trouble(subject, name)
        if trouble is None:
            plan = reference_profile(subject)[0] if plan is None else plan
            try:
                found += _column(subject, name, _spread(subject, plan, name), inputs)
            except duckdb.Error as failed:
                trouble = "error", f"'{name}' cannot be read ({str(failed).splitlines()[0][:160]})."
        if trouble is not None:
            status, said = trouble
            found += [not_measured(metric, status, said, over={"column": name}, inputs=inputs) for metric in OF_EXACT]
    return hold_back(subject, found)


def _trouble(subject: Subject, name: str) -> tuple[Status, str] | None:
    """Return why a column cannot be compared, if it cannot."""
    batch, baseline = subject.batch, subject.baseline
    for table in (batch, baseline):
        if not table:
            return "error" if table.broken else "insufficient", table.problem
        if name not in table.columns:
            return "error" if table is batch else "insufficient", f"The {table.role} has no column '{name}'."
        if kind_of(table.columns[name]) not in _ORDERED:
            holds = table.columns[name].lower()[:60]
            return "not_applicable", f"'{name}' holds {holds} in the {table.role}, which has no order."
    if kind_of(batch.columns[name]) != kind_of(baseline.columns[name]):
        types = f"{batch.columns[name][:60]} in the batch and {baseline.columns[name][:60]} in the {baseline.role}"
        return "error", f"'{name}' is {types}: the two cannot be compared."
    return None


def _spread(subject: Subject, plan: Plan, name: str) -> float:
    """Return the column's standard deviation in the baseline, also if it is no column that is compared every night."""
    if name not in plan.columns:
        plan = plan_of(subject.con, subject.baseline, [name])
    return plan.columns[name].spread if name in plan.columns else 0.0


def _column(subject: Subject, name: str, spread: float, inputs: dict[str, str]) -> list[Measurement]:
    con, role = subject.con, subject.baseline.role
    (m, m_left), (n, n_left) = (_sizes(con, table, name) for table in (subject.baseline, subject.batch))
    stats: dict[str, Any] = {"batch_n": n, "reference_n": m, "batch_left_out": n_left, "reference_left_out": m_left}
    least = min(n, m)

    def without(metrics: Sequence[str], status: Status, said: str) -> list[Measurement]:
        over = {"column": name}
        return [not_measured(metric, status, said, over=over, n=least, stats=stats, inputs=inputs) for metric in metrics]

    if least < LEAST_ROWS:
        table, rows = ("batch", n) if n < LEAST_ROWS else (role, m)
        said = f"The {table} holds {rows} finite values of '{name}'; a distance needs {LEAST_ROWS}."
        return without(OF_EXACT, "insufficient", said)
    walk = Walk(m, n, spread or 1.0)
    for values, in_batch in _sorted(con, subject.baseline, subject.batch, name):
        walk.along(values, in_batch)
    alone = "" if subject.passport.independence.unit == "row" else "; rows taken as independent"
    reach, counted = ks_reach(m, n), "counted-out" if n * m <= EXACT_PATHS else "asymptotic"
    found = [Measurement(
        OF_EXACT[0], {"column": name}, walk.ks, max(0.0, walk.ks - reach), min(1.0, walk.ks + reach), CONFIDENCE,
        ks_exact_p_value(walk.ks, m, n), least, stats,
        f"on every row; Dvoretzky-Kiefer-Wolfowitz interval; {counted} p{alone}", inputs,
    )]
    if not spread:
        said = f"'{name}' does not vary in the {role}, so there is no standard deviation to measure by."
        return [*found, *without(OF_EXACT[1:], "not_applicable", said)]
    low, high = interval(walk.distance, walk.distance, walk.area(), m, n)
    if not math.isfinite(walk.distance) or not math.isfinite(high):
        said = f"The values of '{name}' are further from the {role} than a number can tell in its standard deviations."
        return [*found, *without(OF_EXACT[1:], "error", said)]
    return [*found, Measurement(
        OF_EXACT[1], {"column": name}, walk.distance, low, high, CONFIDENCE, None, least, {**stats, "spread": spread},
        f"on every row, in standard deviations of the {role}; delta-method interval without its bias{alone}", inputs,
    )]


def _sizes(con: duckdb.DuckDBPyConnection, table: Table, name: str) -> tuple[int, int]:
    """Return how many values of a column are finite, and how many are missing, NaN or infinite."""
    number = number_sql(name, table.columns[name])
    row = one_row(con, f"select count(*) filter (isfinite(x)), count(*) from (select {number} as x from {table.name})")
    return int(row[0]), int(row[1]) - int(row[0])


def _sorted(
    con: duckdb.DuckDBPyConnection, there: Table, here: Table, name: str
) -> Iterator[tuple[Numbers, NDArray[np.bool_]]]:
    """Give the finite values of both tables in ascending order, in batches, with whether each is the batch's."""
    sides = ((there, 0), (here, 1))
    parts = [f"select {number_sql(name, table.columns[name])} as x, {side} as side from {table.name}" for table, side in sides]
    # As a relation, which is handed over as it is sorted: a result of execute() is gathered first, and where the order of
    # insertion is not kept (`roadworthy.sql.connect`) its batches come in any order.
    rows = con.sql(f"select x, side::tinyint from ({' union all '.join(parts)}) where isfinite(x) order by x")
    for piece in rows.to_arrow_reader(_BATCH):
        yield piece.column(0).to_numpy(), piece.column(1).to_numpy().astype(bool)


@dataclass
class Walk:
    """A walk along two sorted samples that adds up what lies between their distribution functions.

    Parameters
    ----------
    n, m : int
        Rows of the first sample and of the second.
    spread : float
        Unit of the Wasserstein distance.

    Attributes
    ----------
    ks, distance : float
        The Kolmogorov-Smirnov and the Wasserstein distance of what was walked along.

    Examples
    --------
    >>> walk = Walk(2, 2)
    >>> walk.along(np.array([0.0, 1.0, 1.0, 3.0]), np.array([False, False, True, True]))
    >>> walk.ks, walk.distance
    (0.5, 1.5)
    """

    n: int
    m: int
    spread: float = 1.0
    ks: float = 0.0
    distance: float = 0.0
    _noise: float = 0.0
    _seen: tuple[int, int] = (0, 0)
    _last: float | None = None
    _potential: float = 0.0
    _sums: Numbers = field(default_factory=lambda: np.zeros(4))

    def along(self, values: Numbers, second: NDArray[np.bool_]) -> None:
        """Walk on along `values`, ascending and none below those before; `second` says which are the second sample's.

        Raises
        ------
        ValueError
            If the values do not ascend.
        """
        if not values.size:
            return
        last = values[0] if self._last is None else self._last
        if values[0] < last or (values[1:] < values[:-1]).any():
            raise ValueError("a walk along two samples needs them sorted")
        seen_b = self._seen[1] + np.cumsum(second)
        seen_a = self._seen[0] + np.arange(1, values.size + 1) + self._seen[1] - seen_b
        # What lies before each value: its gap, and the difference of the functions along it.
        a = np.concatenate([[self._seen[0]], seen_a[:-1]])
        b = np.concatenate([[self._seen[1]], seen_b[:-1]])
        before = np.concatenate([[last], values[:-1]])
        with np.errstate(over="ignore", invalid="ignore"):
            gap = values / self.spread - before / self.spread
            difference = a / self.n - b / self.m
            common = (a + b) / (self.n + self.m)
            self.distance += float(np.sum(np.abs(difference) * gap))
            self._noise += float(np.sum(np.sqrt(common * (1 - common)) * gap))
            potential = self._potential + np.cumsum(np.sign(difference) * gap)
            for i, of in ((0, potential[~second]), (2, potential[second])):
                self._sums[i] += float(of.sum())
                self._sums[i + 1] += float(np.sum(of**2))
        apart = np.abs(difference[values != before])
        self.ks = max(self.ks, float(apart.max(initial=0.0)))
        self._seen = (int(seen_a[-1]), int(seen_b[-1]))
        self._last, self._potential = float(values[-1]), float(potential[-1])

    def area(self) -> Area:
        """Return what the interval of the Wasserstein distance needs."""
        means, squares = self._sums[::2] / (self.n, self.m), self._sums[1::2] / (self.n, self.m)
        with np.errstate(over="ignore", invalid="ignore"):
            variances = [float(v) for v in np.maximum(squares - means**2, 0)]
        return Area(self._noise, (variances[0], variances[1]))
