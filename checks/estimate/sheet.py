"""How an estimate is written down or refused, and the rows that one may rest on when counts do not do."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from checks.intervals import CONFIDENCE, Interval
from checks.subject import Subject, Table
from roadworthy.catalogue import catalogue
from roadworthy.measurement import Measurement, Status, not_measured
from roadworthy.passport import Passport
from roadworthy.sql import quote

FAMILY = tuple(metric for metric in catalogue() if metric.startswith("estimate."))
ASSUMES = (
    "Cases with the same score, or the same inputs, turn out as they did on the reference; a change of that kind "
    "(concept drift) cannot be seen without labels."
)
LEAST_ROWS = 20
MAX_GROUPS = 200
ALL = "(all)"
SAMPLE = 20_000
WHOLE: Mapping[str, Any] = {}


@dataclass
class Sheet:
    """Collects the measurements of the family.

    Attributes
    ----------
    subject : Subject
    found : list of Measurement
    """

    subject: Subject
    found: list[Measurement] = field(default_factory=list)

    def put(
        self, short: str, over: Mapping[str, Any], value: float, interval: Interval, *, n: int, stats: Mapping[str, Any],
        how: str, table: Table, details: Mapping[str, Any],
    ) -> None:
        """Write an estimate down; a number that is not finite becomes an error."""
        if not all(math.isfinite(x) for x in (value, interval.low, interval.high, interval.se)):
            self.refuse([short], over, "error", "The numbers are too large to compute with.", table, n=n)
            return
        self.found.append(Measurement(
            f"estimate.{short}", over, value, interval.low, interval.high, CONFIDENCE, n=n,
            stats={**stats, "scale": interval.scale, "se": interval.se}, method=f"{how}; {interval.method} interval",
            inputs=self._inputs(table), details={"estimate": True, "assumes": ASSUMES, **details},
        ))

    def refuse(
        self, shorts: Sequence[str], over: Mapping[str, Any], status: Status, reason: str, table: Table | None = None,
        *, n: int | None = None, details: Mapping[str, Any] = WHOLE,
    ) -> None:
        """Say why there is no estimate."""
        inputs = self._inputs(table) if table is not None else {}
        for short in shorts:
            told = {"estimate": True, "assumes": ASSUMES, **details}
            self.found.append(not_measured(f"estimate.{short}", status, reason, over=over, n=n, inputs=inputs, details=told))

    def miss(
        self, short: str, made: tuple[float, Interval, int], truth: float | None, how: str, details: Mapping[str, Any]
    ) -> None:
        """Write down by how much the estimate of rows with labels missed what the labels say."""
        value, interval, n = made
        over, table = {"metric": short}, self.subject.labelled
        if truth is None:
            self.refuse(["miss"], over, "insufficient", "The labels that have come do not give this metric.", table, n=n)
            return
        # The interval of the estimate is where the truth was expected, so this one holds 0 where it was as expected.
        moved = interval._replace(low=interval.low - truth, high=interval.high - truth, scale="linear")
        if interval.scale != "linear":
            slope = value * (1 - value) if interval.scale == "logit" else value
            moved = moved._replace(se=interval.se * slope)
        stats = {"estimated": value, "true": truth}
        self.put("miss", over, value - truth, moved, n=n, stats=stats, how=how, table=table, details=details)

    def finished(self) -> list[Measurement]:
        """Return everything in the catalogue's order, with a reason where nothing was written of the whole."""
        for metric in FAMILY:
            if not any(m.metric == metric for m in self.found):
                self.refuse([metric.partition(".")[2]], WHOLE, "error", "It was not measured.")
        return sorted(self.found, key=lambda m: (FAMILY.index(m.metric), bool(m.over) and m.metric != "estimate.miss"))

    def _inputs(self, table: Table) -> dict[str, str]:
        return {t.role: t.digest for t in (self.subject.reference, table) if t.digest}


class Refusal(Exception):
    """Why nothing can be said of a table: status and reason."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


def check(passport: Passport, table: Table, columns: Sequence[str | None]) -> None:
    """Raise a `Refusal` if the table or one of the columns is not there; None stands for a column that is not needed."""
    if not table:
        raise Refusal("error" if table.broken else "insufficient", table.problem)
    for column in columns:
        if column is not None and not table.has(column):
            raise Refusal(*not_there(passport, table, column))


def not_there(passport: Passport, table: Table, column: str) -> tuple[Status, str]:
    """Return what to say of a declared column that the table does not have."""
    if column == passport.task.label and table.role != "reference" and passport.batches.labels is not None:
        return "insufficient", "No labels have come yet."
    return "error", f"The column '{column}' is not in the {table.role} data."


def few(n: int, what: str, least: int = LEAST_ROWS, of: str = "") -> str:
    """Return a sentence about too few rows.

    Examples
    --------
    >>> few(1, "a prediction")
    '1 row with a prediction is fewer than the 20 needed.'
    """
    one = n == 1
    return f"{n} row{'' if one else 's'}{of} with {what} {'is' if one else 'are'} fewer than the {least} needed."


def free_names(table: Table, *wanted: str) -> list[str]:
    """Return names like these that no column of the table has, whatever their case.

    Examples
    --------
    >>> free_names(Table("batch", columns={"N": "BIGINT"}), "n", "k")
    ['n_', 'k']
    """
    taken = {c.lower() for c in table.columns}
    return [next(f"{name}{'_' * k}" for k in range(len(taken) + 1) if f"{name}{'_' * k}" not in taken) for name in wanted]


def sampled(
    subject: Subject, table: Table, columns: Sequence[str], usable: str, expressions: Sequence[str], most: int = SAMPLE
) -> tuple[list[NDArray[Any]], int]:
    """Return expressions over a sample of rows, and how many usable rows there are in all.

    Parameters
    ----------
    subject : Subject
    table : Table
    columns : sequence of str
        Those that the expressions read.
    usable : str
        SQL that is true of the rows to take from.
    expressions : sequence of str
        SQL of what to return, each as an array; NULL becomes NaN in numbers and None in text.
    most : int
        Rows are chosen by a hash of the seed and their content: the same ones whatever the order of the file and the
        number of threads.
    """
    listed = ", ".join(quote(c) for c in dict.fromkeys(columns))
    [mark] = free_names(table, "h")
    counted = subject.con.execute(f"select count(*) from {table.name} where {usable}").fetchone()
    inner = (
        f"select {listed}, hash({int(subject.seed)}, {listed}) as {mark} from {table.name} where {usable} "
        f"order by {mark} limit {int(most)}"
    )
    outer = ", ".join(f"{sql} as e{i}" for i, sql in enumerate(expressions))
    found = subject.con.execute(f"select {outer} from ({inner}) order by {mark}").fetchnumpy()
    arrays = [plain(found[f"e{i}"]) for i in range(len(expressions))]
    return arrays, int(counted[0]) if counted else 0


def plain(array: Any) -> NDArray[Any]:
    """Return a masked array as a plain one."""
    if not isinstance(array, np.ma.MaskedArray):
        return np.asarray(array)
    masked: Any = array
    return np.asarray(masked.filled(None) if masked.dtype == object else masked.astype(np.float64).filled(np.nan))
