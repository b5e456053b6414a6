"""Runs the options on the held-out rows and measures what each makes of every group.

Rows become counts as soon as every option has decided them: by groups, label, decision as it is and decision by the option.
Everything that is measured is measured on those counts, by the functions of the fairness family.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from checks.isolation import Answer, IsolationError, Limits, ask
from checks.mitigation import rows as held_rows
from checks.mitigation.counted import Decided, measured
from checks.mitigation.options import AS_IS, OPTIONS, STAGES, Option
from checks.mitigation.rows import Rows
from checks.subject import Subject
from roadworthy.catalogue import catalogue
from roadworthy.errors import DataError, RoadworthyError
from roadworthy.measurement import Measurement, Status, not_measured
from roadworthy.passport import Protected

if TYPE_CHECKING:
    import pyarrow as pa

Ask = Callable[..., Answer]

FAMILY = tuple(metric for metric in catalogue() if metric.startswith("mitigation."))
COUNT = "mitigation.options_measured"
SECONDS = 100.0
"""Wall time for all options together; what does not fit into it is listed as not run."""
MEMORY = 4 << 30
JOB = "checks.mitigation.inside"
_LEAST_SECONDS = 5.0
_SPARE = 5.0  # a stage is told to stop by itself before it is stopped


@dataclass(frozen=True)
class Plan:
    """What is asked for.

    Attributes
    ----------
    parts : tuple of tuple of str
        The attributes that are to be treated more alike, one by one or two together, as rules spoke of them.
    constraint : str
        ``demographic_parity`` or ``equalized_odds``: what training under a constraint asks for.
    seconds : float
    """

    parts: tuple[tuple[str, ...], ...]
    constraint: str = "demographic_parity"
    seconds: float = SECONDS

    @property
    def attributes(self) -> tuple[str, ...]:
        """Every attribute that is named."""
        return tuple(dict.fromkeys(itertools.chain.from_iterable(self.parts)))


@dataclass
class _Told:
    """What is known of the options on their way: decisions of those that ran, reasons of those that did not."""

    decisions: dict[str, list[int]] = field(default_factory=dict)
    details: dict[str, dict[str, Any]] = field(default_factory=dict)
    not_run: dict[str, tuple[Status, str]] = field(default_factory=dict)

    def leave(self, options: Sequence[Option], status: Status, reason: str) -> None:
        for option in options:
            self.not_run.setdefault(option.name, (status, reason))


def measure(
    subject: Subject, parts: Sequence[Sequence[str]], *, constraint: str = "demographic_parity", seconds: float = SECONDS,
    asked: Ask = ask,
) -> list[Measurement]:
    """Measure what the options would make of the decisions on the held-out rows.

    Parameters
    ----------
    subject : Subject
        Held out are the rows of ``subject.labelled`` that have a decision.
    parts : sequence of sequence of str
        Names of the attributes, alone or two together, whose groups are to be treated more alike. What comes of all other
        attributes is measured too.
    constraint : {"demographic_parity", "equalized_odds"}
        What training under a constraint asks for.
    seconds : float
        Wall time for everything.
    asked : callable, optional
        `checks.isolation.ask`, or what stands for it.

    Returns
    -------
    list of Measurement
        ``mitigation.options_measured`` first; then for each option that was run every metric of the family, over the option and
        a group or an attribute; for each that was not, ``mitigation.accuracy`` with the reason.

    Notes
    -----
    The options are compared on one set of rows, so the best of them looks a little better than it is.
    """
    passport = subject.passport
    known = {p.name for p in passport.protected}
    plan = Plan(tuple(p for p in (tuple(part) for part in parts) if known.issuperset(p)), constraint, seconds)
    inputs = {t.role: t.digest for t in (subject.labelled, subject.reference) if t.digest}
    if passport.task.kind != "binary" or passport.task.favourable is None:
        return [not_measured(COUNT, "not_applicable", "The options are for a model that decides between two values.")]
    if not plan.attributes:
        return [not_measured(COUNT, "not_applicable", "No attribute was named whose groups are to be treated more alike.")]
    if not subject.labelled:
        status: Status = "error" if subject.labelled.broken else "insufficient"
        return [not_measured(COUNT, status, f"There are no held-out rows: {subject.labelled.problem}", inputs=inputs)]
    try:
        held = held_rows.read(subject, subject.labelled, decided=True)
    except DataError as problem:
        return [not_measured(COUNT, "error", problem.sentence, inputs=inputs)]
    told = _Told({AS_IS.name: held.control.column("decision").to_pylist()})
    _run(subject, plan, held, told, asked)
    mitigated = [p for p in passport.protected if p.name in plan.attributes]
    run = [option for option in OPTIONS if option.name in told.decisions and option is not AS_IS]
    said = {"attributes": [p.name for p in mitigated], "not_run": {name: why for name, (_, why) in told.not_run.items()}}
    found = [Measurement(
        COUNT, {}, float(len(run)), n=held.control.num_rows, method="options that decided every held-out row", inputs=inputs,
        details=said | {"options": [option.name for option in run]},
    )]
    for option in OPTIONS:
        details = option.facts | told.details.get(option.name, {}) | {"held_out": held.control.num_rows}
        if option.name in told.decisions:
            decided = Decided(subject.passport, held, told.decisions[AS_IS.name], told.decisions[option.name], inputs)
            found += measured(option.name, decided, plan.parts, details)
        else:
            status, reason = told.not_run[option.name]
            over = {"option": option.name}
            found.append(not_measured("mitigation.accuracy", status, reason, over=over, inputs=inputs, details=details))
    return found


def _run(subject: Subject, plan: Plan, held: Rows, told: _Told, asked: Ask) -> None:
    """Run the options, cheapest first, and note what came of each."""
    until = time.monotonic() + plan.seconds
    mitigated = [p for p in subject.passport.protected if p.name in plan.attributes]
    for number, options in enumerate(STAGES):
        try:
            order, tables, files, details = _asked(subject, plan, held, mitigated, retrained=number > 0)
        except _NotThereError as problem:
            told.leave(options, problem.status, problem.sentence)
            continue
        left = until - time.monotonic()
        if left < _LEAST_SECONDS:
            told.leave(options, "insufficient", _late(plan))
            continue
        order |= {"options": [option.name for option in options], "seconds": max(1.0, left - _SPARE)}
        for option in options:
            told.details[option.name] = dict(details)
        try:
            answer = asked(JOB, order=order, tables=tables, files=files, limits=Limits(seconds=int(left), memory=MEMORY))
        except IsolationError as problem:
            late = time.monotonic() >= until - 1
            said = _late(plan) if late else f"The process that ran it gave no answer. {problem.sentence}"
            told.leave(options, "insufficient" if late else "error", said)
            continue
        _take(answer, options, held.control.num_rows, told, plan)


def _late(plan: Plan) -> str:
    return f"Not run: out of time. All options together may take {plan.seconds:.0f} s."


def _take(answer: Answer, options: Sequence[Option], rows: int, told: _Told, plan: Plan) -> None:
    """Take what a process answered; it may have run a model's own code, so nothing in it is believed unseen."""
    decisions = answer.tables.get("decisions")
    for option in options:
        said = answer.values.get(option.name)
        said = said if isinstance(said, Mapping) else {}
        details = told.details[option.name]
        details["isolation"] = answer.isolation
        if isinstance(seconds := said.get("seconds"), int | float):
            details["seconds"] = round(float(seconds), 3)
        if "why_not" in said:
            late = str(said["why_not"]) == "It was out of time."
            reason = _late(plan) if late else str(said["why_not"])[:300]
            told.not_run[option.name] = ("error" if said.get("failed") else "insufficient"), reason
            continue
        column = _column(decisions, option.name, rows)
        changes = said.get("seed_changes")
        if column is None or not isinstance(changes, int | float) or not 0 <= changes <= 1:
            told.not_run[option.name] = "error", "The process that ran it gave no decision for each held-out row."
            continue
        told.decisions[option.name] = column
        if option.randomised:
            details["seed_changes"] = float(changes)


def _column(table: pa.Table | None, name: str, rows: int) -> list[int] | None:
    """Return a column of as many zeros and ones as there are rows; None if it is anything else."""
    if table is None or name not in table.column_names or table.num_rows != rows:
        return None
    found = table.column(name).to_pylist()
    return [int(v) for v in found] if all(v in (0, 1) for v in found) else None


class _NotThereError(RoadworthyError):
    """Something is lacking without which options cannot be run.

    Parameters
    ----------
    status : str
        What the measurement of such an option is.
    reason : str
    """

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def _asked(
    subject: Subject, plan: Plan, held: Rows, mitigated: Sequence[Protected], *, retrained: bool
) -> tuple[dict[str, Any], dict[str, pa.Table], dict[str, Path], dict[str, Any]]:
    """Return order, tables and files for a stage, and what its options' measurements say of them.

    Raises
    ------
    _NotThereError
        If something is lacking.
    """
    passport = subject.passport
    recipe, artifact = passport.recipe, passport.artifact
    if retrained and (artifact is None or recipe is None):
        lacks = f"no artifact ({passport.no_artifact_because})" if artifact is None else "no recipe"
        raise _NotThereError("not_applicable", f"The passport declares {lacks}, so no model can be trained again.")
    if not retrained and passport.task.score is None:
        raise _NotThereError("not_applicable", "The passport declares no score, so no thresholds can be set.")
    source = held_rows.training(subject) if retrained else subject.reference
    if not source:
        raise _NotThereError("error" if source.broken else "insufficient", source.problem)
    if same := held_rows.trained_on(subject, source, subject.labelled):
        raise _NotThereError("error", same)
    try:
        train = held_rows.read(subject, source, decided=False, order=recipe.row_order if recipe else ())
    except DataError as problem:
        raise _NotThereError("error", problem.sentence) from problem
    found = held_rows.codes(train, mitigated)
    if len(found) < 2:
        said = f"The {source.role} holds too few rows to learn of two groups of {' and '.join(p.name for p in mitigated)}."
        raise _NotThereError("insufficient", said)
    positive = held_rows.favourable_is_positive(subject)
    order: dict[str, Any] = {
        "seed": subject.seed, "constraint": plan.constraint, "favourable_is_positive": positive,
        "cut": held_rows.cut_of(held, positive), "threads": recipe.threads if recipe else 1,
    }
    tables = {
        name: rows.control.append_column("group", [np.array(held_rows.numbered(rows, mitigated, found), dtype=np.int32)])
        for name, rows in (("train", train), ("held_out", held))
    }
    pooled = sorted({", ".join(n) for n in {*train.names(plan.attributes), *held.names(plan.attributes)} if n not in found})
    details = {
        "mitigated": list(plan.attributes), "trained_on": train.control.num_rows, "trained_on_table": source.role,
        "trained_on_digest": source.digest, "seed": subject.seed, "as_the_reference_group": pooled,
    }
    if not retrained:
        return order, tables, {}, details
    for rows in (train, held):
        if rows.features is None:
            raise _NotThereError("error", f"The {rows.table.role} has no column '{rows.lacking[0]}', which the model reads.")
        tables[("train" if rows is train else "held_out") + "_features"] = rows.features
    return order | {"artifact": _order_of(subject)}, tables, {"artifact": _artifact(subject)}, details | {
        "constraint": plan.constraint, "cut": order["cut"],
    }


def _order_of(subject: Subject) -> dict[str, Any]:
    from checks.isolation.artifact import order_of

    return order_of(subject.passport)


def _artifact(subject: Subject) -> Path:
    path = subject.root / (subject.passport.artifact.path if subject.passport.artifact else "")
    if not path.is_file():
        raise _NotThereError("error", f"The artifact '{path.name}' does not exist.")
    return path
