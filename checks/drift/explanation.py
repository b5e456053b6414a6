"""Explains an alarm: which columns and segments carry the move of the score, and since when.

Runs only where columns are alarmed. The score of the batch is compared with that of the baseline; a surrogate of the model
(`checks.explainability`) says what each column's new values did to it, and counts say what each segment did. What the columns do
not explain is said too: it is the surrogate's error, or something in the model or before it that is not as it was. What the
move costs in performance, as far as that can be told without labels, stands in the measurements of the family ``estimate``.

Examples
--------
>>> from checks.drift.explanation import explain
>>> measurements = explain(subject, ["wind_speed"], folder)            # doctest: +SKIP
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from checks.counts import group
from checks.drift.carriers import NOBODY, Carried, Moved, Numbers, Part, kitagawa, shapley
from checks.drift.plan import ColumnPlan, plan_of
from checks.drift.profile import Profile, merge, profile, profile_by_day
from checks.drift.shift import LEAST_EXPECTED, shift
from checks.drift.wording import plain_sentence
from checks.drift.worth import chance_of_being_right
from checks.explainability.encoding import numbers
from checks.explainability.sample import generator, sample
from checks.explainability.surrogate import LEAST_FIDELITY, Surrogate, Target, fit, target_sql, targets_of
from checks.intervals import CONFIDENCE, normal_quantile
from checks.subject import DAY_COLUMN, Subject, Table, days_table
from roadworthy.errors import DataError
from roadworthy.measurement import Measurement, Status, not_measured
from roadworthy.passport import Protected
from roadworthy.sql import quote
from roadworthy.window import Window

SCORE_MOVE, SEGMENT_MOVE = "drift.score_move", "drift.segment_move"
METRICS = (SCORE_MOVE, SEGMENT_MOVE)
PAIRS = 2_000
MOST_COLUMNS = 12
"""Columns that are told apart; the others are one, the rest."""
MOST_SEGMENTS = 20
LOOK_BACK_DAYS = 60
ROWS_OF_A_DAY = 200
"""Days are pooled with their neighbours until they hold so many rows, because a smaller day tells nothing of its own."""
_SMALL_CELL = 5
_FEW_PAIRS = 500
_OTHER = "(other)"


@dataclass(frozen=True)
class Move:
    """The move of the mean score.

    Attributes
    ----------
    target : Target
    before, after : Part
        Usable answers in the baseline and in the batch.
    """

    target: Target
    before: Part
    after: Part

    @property
    def size(self) -> float:
        """Mean of the batch minus mean of the baseline."""
        return self.after.mean - self.before.mean

    @property
    def sure(self) -> bool:
        """Whether the interval of the move leaves out 0; rows are taken as independent."""
        se = math.sqrt(self.before.variance / self.before.rows + self.after.variance / self.after.rows)
        return abs(self.size) > normal_quantile(CONFIDENCE) * se

    def told(self) -> dict[str, Any]:
        """Return the move for the details of a measurement."""
        found: dict[str, Any] = {"of": self.target.column, "move": self.size}
        found |= {"before": self.before.mean, "after": self.after.mean}
        return {**found, "class": self.target.says} if self.target.says else found


def explain(subject: Subject, columns: Sequence[str], restricted: Path) -> list[Measurement]:
    """Return which columns and segments carry the move of the score.

    Parameters
    ----------
    subject : checks.subject.Subject
    columns : sequence of str
        Those that are alarmed; told apart before any other.
    restricted : pathlib.Path
        Not used: no row leaves the database but as a sample in memory.

    Returns
    -------
    list of Measurement
        ``drift.score_move`` over columns and ``drift.segment_move`` over segments. The one over the column that carries most has
        ``details["sentence"]``, one plain sentence for the Owner. Nothing in the data raises.
    """
    inputs = {t.role: t.digest for t in (subject.baseline, subject.batch, subject.reference) if t.digest}
    for table in (subject.batch, subject.baseline):
        if not table:
            status: Status = "error" if table.broken else "insufficient"
            return [not_measured(metric, status, table.problem, inputs=inputs) for metric in METRICS]
    try:
        move = _move(subject)
    except DataError as problem:
        return [not_measured(metric, "insufficient", problem.sentence, inputs=inputs) for metric in METRICS]
    if not move.sure:
        said = (
            f"The mean of '{subject.passport.word(move.target.column)}' did not surely move "
            f"(from {move.before.mean:.4g} to {move.after.mean:.4g}), so no column and no segment carries a move."
        )
        return [not_measured(metric, "not_applicable", said, inputs=inputs, details=move.told()) for metric in METRICS]
    segments = _segments(subject, move)
    by_column = _by_column(subject, move, list(dict.fromkeys(columns)), segments, inputs)
    return by_column + _by_segment(subject, move, segments, inputs)


def _move(subject: Subject) -> Move:
    passport, batch, baseline = subject.passport, subject.batch, subject.baseline
    there = targets_of(passport, baseline)
    targets = [target for target in targets_of(passport, batch) if target in there]
    if not targets:
        raise DataError("Batch and baseline do not both hold the model's score, so its move is not known.")
    moves = []
    for target in targets:
        before, after = (_part(subject, table, target_sql(passport, target, table)) for table in (baseline, batch))
        if min(before.rows, after.rows) >= 2 * LEAST_EXPECTED:
            moves.append(Move(target, before, after))
    if not moves:
        least = int(2 * LEAST_EXPECTED)
        raise DataError(f"Batch or baseline holds fewer than {least} usable scores; a move cannot be told from chance below.")
    return max(moves, key=lambda move: abs(move.size))


def _part(subject: Subject, table: Table, score: str) -> Part:
    asked = f"select count(y) as n, favg(y) as mean, var_pop(y) as variance from (select {score} as y from {table.name})"
    [row] = subject.rows(asked)
    return Part(int(row["n"]), float(row["mean"] or 0.0), float(row["variance"] or 0.0))


# --- columns


def _by_column(
    subject: Subject, move: Move, columns: list[str], segments: Mapping[str, dict[str, Moved]], inputs: dict[str, str]
) -> list[Measurement]:
    try:
        surrogate = fit(subject)
        if surrogate.fidelity < LEAST_FIDELITY:
            known = 100 * max(0.0, surrogate.fidelity)
            raise DataError(f"The surrogate explains {known:.0f} % of the score on the reference, too little to speak for it.")
        if move.target not in surrogate.targets:
            raise DataError("The reference does not hold the score that moved, so the surrogate has not learned it.")
        exchanged = _exchanged(subject, surrogate, move, columns)
    except DataError as problem:
        return [not_measured(SCORE_MOVE, "insufficient", problem.sentence, inputs=inputs, details=move.told())]
    carried, rest = exchanged.carried, exchanged.rest / move.size
    shares = {name: one.value / move.size for name, one in carried.items()}
    since = _since(subject, list(carried))
    details = {
        **move.told(), "surrogate": True, "fidelity": surrogate.fidelity, "rest": rest,
        "unexplained": 1 - math.fsum(shares.values()) - rest, "left_out": exchanged.left_out, "seed": subject.seed,
    }
    method = (
        f"Shapley value of exchanging the column between {PAIRS:,} pairs of rows of baseline and batch, on a surrogate of the "
        "score; interval of the pairs drawn"
    )
    most = max(shares, key=lambda name: shares[name])
    found = []
    for name, one in carried.items():
        ends = sorted((one.low / move.size, one.high / move.size))
        mine = {**details, "carries": one.value, **since.get(name, {}), **exchanged.cost.get(name, {})}
        if name == most:
            mine["sentence"] = plain_sentence(subject.passport, subject.day, mine, most, shares[most], _first(segments))
        found.append(Measurement(
            SCORE_MOVE, {"column": name}, shares[name], ends[0], ends[1], CONFIDENCE, None, PAIRS, {}, method, inputs,
            details=mine,
        ))
    return found + _not_read(subject, surrogate, columns, carried, inputs)


@dataclass(frozen=True)
class _Exchanged:
    """What columns carry of the score's move, and the rest of them together, in the score's unit.

    Attributes
    ----------
    cost : dict of str to dict
        ``estimated_cost`` for the details of each column, where it can be told.
    """

    carried: dict[str, Carried]
    rest: float
    left_out: int
    cost: dict[str, dict[str, Any]]


def _exchanged(subject: Subject, surrogate: Surrogate, move: Move, columns: list[str]) -> _Exchanged:
    """Exchange the columns between pairs of rows of baseline and batch."""
    encoding, k = surrogate.encoding, surrogate.targets.index(move.target)
    names = list(encoding.columns)
    sides = []
    for table in (subject.baseline, subject.batch):
        asked = {**encoding.wanted(table), "score": target_sql(subject.passport, move.target, table)}
        drawn = sample(subject, table, asked, PAIRS)
        rows = encoding.matrix(drawn)[np.isfinite(numbers(drawn.column("score")))]
        if not len(rows):
            raise DataError(f"No row that was drawn from the {table.role} has a usable score.")
        order = generator(subject.seed, table.digest, "pairs").permutation(len(rows))
        sides.append(rows[np.resize(order, PAIRS)])  # each row as often as any other, give or take one
    before, after = sides
    right = chance_of_being_right(subject)

    def predict(rows: Numbers) -> Numbers:
        score = surrogate.predict(rows)[:, k]
        return np.column_stack([score] if right is None else [score, right(score)])

    def mean(rows: Numbers) -> float:
        return float(surrogate.predict(rows)[:, k].mean())

    chosen = _chosen(mean, before[:_FEW_PAIRS], after[:_FEW_PAIRS], [names.index(c) for c in columns if c in names])
    others = [place for place in range(len(names)) if place not in set(chosen)]
    players = [[place] for place in chosen] + ([others] if others else [])
    moves = shapley(predict, before, after, players, generator(subject.seed, "orders"))
    told = [names[place] for place in chosen]
    cost: dict[str, dict[str, Any]] = {}
    if right is not None:
        total = math.fsum(one.value for one in moves[1])
        cost = {
            name: {"estimated_cost": {"of": "accuracy", "move": total, "carries": one.value, "low": one.low, "high": one.high}}
            for name, one in zip(told, moves[1], strict=False)
        }
    return _Exchanged(dict(zip(told, moves[0], strict=False)), moves[0][-1].value if others else 0.0, len(others), cost)


def _chosen(mean: Callable[[Numbers], float], before: Numbers, after: Numbers, alarmed: list[int]) -> list[int]:
    """Return the places of the columns to tell apart: the alarmed ones first, then those that move the prediction most alone."""
    width = before.shape[1]
    if width <= MOST_COLUMNS:
        return list(range(width))
    start = mean(before)
    alone = {}
    for place in range(width):
        now = before.copy()
        now[:, place] = after[:, place]
        alone[place] = abs(mean(now) - start)
    ranked = sorted(range(width), key=lambda place: (place not in set(alarmed), -alone[place], place))
    return sorted(ranked[:MOST_COLUMNS])


def _not_read(
    subject: Subject, surrogate: Surrogate, columns: list[str], carried: Mapping[str, Carried], inputs: dict[str, str]
) -> list[Measurement]:
    """Say of alarmed columns why nothing was measured of them, for as many as were told apart of the others."""
    found = []
    answers = {target.column for target in surrogate.targets}
    for name in [c for c in columns if c not in carried and c not in answers][:MOST_COLUMNS]:
        status: Status = "insufficient" if name in subject.passport.features else "not_applicable"
        said = f"The model does not read '{name}', so it carries nothing of the score's move."
        if status == "insufficient":
            rest = f"'{name}' is counted with the rest: no more than {MOST_COLUMNS} columns are told apart."
            said = surrogate.encoding.unread.get(name, rest)
        found.append(not_measured(SCORE_MOVE, status, said, over={"column": name}, inputs=inputs))
    return found


# --- since when


def _since(subject: Subject, columns: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return for each column that moved the first day of the run of days, up to today, on which it stood apart.

    Stood apart: its debiased PSI was above half of tonight's. ``since_before`` is true where the run reaches the first day that
    was looked at. All days are counted in one pass.
    """
    con, baseline, batch = subject.con, subject.baseline, subject.batch
    try:
        plan = plan_of(con, baseline, columns)
        there, here = (profile(con, table, plan) for table in (baseline, batch))
        table = days_table(subject, Window.ending(subject.day, LOOK_BACK_DAYS).days())
        days = profile_by_day(con, table, plan, quote(DAY_COLUMN)) if table else {}
    except (duckdb.Error, DataError):
        return {}  # a help to the reader; what carries the move is the measurement
    found = {}
    for name in columns:
        if name not in plan.columns or not all(name in side.columns and side.columns[name].cells for side in (there, here)):
            continue
        column = plan.columns[name]
        tonight = _apart(there, here, column=column)
        if tonight > 0:
            found[name] = _run(days, partial(_apart, there, column=column), tonight / 2)
    return {name: run for name, run in found.items() if run}


def _apart(there: Profile, here: Profile, *, column: ColumnPlan) -> float:
    """Return the debiased PSI of a column, 0 where there are too few values to tell."""
    if column.name not in here.columns:
        return 0.0
    cells = (there.columns[column.name].cells, here.columns[column.name].cells)
    if min(map(sum, cells)) < 2 * LEAST_EXPECTED or len(cells[0]) != len(cells[1]):
        return 0.0
    a, b = (np.array(column.comparable(counts)) for counts in cells)
    return shift(a, b, ordered=column.ordered).effect


def _run(days: Mapping[date, Profile], apart: Callable[[Profile], float], half: float) -> dict[str, Any]:
    """Walk back from the newest day as long as days stand apart; a small day is pooled with the next, or else the last, ones."""
    present = [day for day in sorted(days) if days[day].rows]
    since = None
    for place in range(len(present) - 1, -1, -1):
        pooled = days[present[place]]
        for other in [*range(place + 1, len(present)), *range(place - 1, -1, -1)]:
            if pooled.rows >= ROWS_OF_A_DAY:
                break
            pooled = merge(pooled, days[present[other]])
        if apart(pooled) <= half:
            break
        since = place
    if since is None:
        return {}
    return {"since": present[since].isoformat(), "since_before": since == 0}


# --- segments


def _segments(subject: Subject, move: Move) -> dict[str, dict[str, Moved]]:
    """Return what the segments of each declared column carry, by the column."""
    found = {}
    for column in subject.passport.segments:
        if subject.batch.has(column) and subject.baseline.has(column):
            before, after = (_parts(subject, table, column, move.target) for table in (subject.baseline, subject.batch))
            named = _named(before, after)
            found[column] = kitagawa(*(_gathered(side, named) for side in (before, after)))
    return found


def _parts(subject: Subject, table: Table, column: str, target: Target) -> dict[str, Part]:
    label = group(Protected(name="segment", column=column, reference=""))
    rows = subject.rows(
        f"select segment, count(*) as n, favg(y) as mean, var_pop(y) as variance "
        f"from (select {label} as segment, {target_sql(subject.passport, target, table)} as y from {table.name}) "
        "where y is not null group by segment order by segment"
    )
    return {str(row["segment"]): Part(int(row["n"]), float(row["mean"]), float(row["variance"] or 0.0)) for row in rows}


def _named(before: Mapping[str, Part], after: Mapping[str, Part]) -> set[str]:
    """Return the segments that are told apart: the largest, and none of so few rows that it could be a person."""
    rows = {name: before.get(name, NOBODY).rows + after.get(name, NOBODY).rows for name in (*before, *after)}
    large = [name for name in rows if max(before.get(name, NOBODY).rows, after.get(name, NOBODY).rows) >= _SMALL_CELL]
    return set(sorted(large, key=lambda name: (-rows[name], name))[:MOST_SEGMENTS])


def _gathered(parts: Mapping[str, Part], named: set[str]) -> dict[str, Part]:
    """Return the parts with all that are not named as one."""
    found = {name: part for name, part in parts.items() if name in named}
    others = [part for name, part in parts.items() if name not in named]
    rows = sum(part.rows for part in others)
    if rows:
        mean = math.fsum(part.rows * part.mean for part in others) / rows
        squares = math.fsum(part.rows * (part.variance + (part.mean - mean) ** 2) for part in others)
        found[_OTHER] = Part(rows, mean, squares / rows)
    return found


def _by_segment(
    subject: Subject, move: Move, segments: Mapping[str, dict[str, Moved]], inputs: dict[str, str]
) -> list[Measurement]:
    if not segments:
        said = "Batch and baseline do not both hold a declared segment." if subject.passport.segments else ""
        said = said or "The passport declares no segments."
        return [not_measured(SEGMENT_MOVE, "not_applicable", said, inputs=inputs)]
    found = []
    for column, parts in segments.items():
        for name, one in parts.items():
            share = one.carried.value / move.size
            ends = sorted((one.carried.low / move.size, one.carried.high / move.size))
            found.append(Measurement(
                SEGMENT_MOVE, {"segment": {column: name}}, share, ends[0], ends[1], CONFIDENCE, None, move.after.rows, {},
                "Kitagawa's mix and level; delta-method interval of the part, the move taken as it is", inputs,
                details={**move.told(), "mix": one.mix / move.size, "level": one.level / move.size},
            ))
    return found


def _first(segments: Mapping[str, dict[str, Moved]]) -> tuple[str, str] | None:
    """Return column and value of the segment that carries most, if one carries more than all others of its column together."""
    for column, parts in segments.items():
        ranked = sorted(((abs(one.carried.value), name) for name, one in parts.items() if name != _OTHER), reverse=True)
        if ranked and len(parts) > 1 and ranked[0][0] > sum(size for size, _ in ranked[1:]):
            return column, ranked[0][1]
    return None
