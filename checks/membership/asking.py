"""What the attacks, and the question which columns are needed, ask for: members, others, rows to train on, answers to believe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from checks.explainability.explainers import spelt
from checks.isolation import Answer, IsolationError, Limits
from checks.isolation.artifact import ArtifactError, order_of
from checks.membership.rows import MOST_ROWS, Rows, members, read
from checks.mitigation.rows import trained_on
from checks.subject import Subject, Table
from roadworthy.errors import DataError, RoadworthyError
from roadworthy.measurement import Status

Ask = Callable[..., Answer]

MOST_SHADOWED = 2_000
"""Rows of each of the two tables that clones learn from."""
LEAST_OF_A_CLASS = 5
"""Independent rows of each class among those that one clone learns from; one that misses a class cannot be asked about it."""
_MORE = 10
"""So many times the rows are drawn where a class is too rare among fewer."""
MEMORY = 4 << 30
_WAIT = 4  # a busy machine gives a quarter of the time it has
_RUN_HERE = ("skops", "pickle", "joblib")


class NotThereError(RoadworthyError):
    """Something is lacking without which an attack cannot be run.

    Parameters
    ----------
    status : str
        What its measurements are.
    reason : str
    inputs : mapping
        Digests of what was read.
    """

    def __init__(self, status: Status, reason: str, inputs: Mapping[str, str]) -> None:
        super().__init__(reason)
        self.status, self.inputs = status, dict(inputs)


def learned(subject: Subject) -> tuple[Table, dict[str, str]]:
    """Return the rows that were learned from, and the digests of what was read.

    Raises
    ------
    NotThereError
        If nobody says which they are, or they cannot be read.
    """
    inside = members(subject)
    inputs = {inside.role: inside.digest} if inside.digest else {}
    if subject.passport.artifact is not None:
        inputs["artifact"] = subject.passport.artifact.sha256
    if not inside:
        raise NotThereError("error" if inside.broken else "not_applicable", inside.problem, inputs)
    return inside, inputs


def never_seen(subject: Subject, inside: Table, inputs: Mapping[str, str]) -> Table:
    """Return the window's rows with labels, none of which was learned from.

    Raises
    ------
    NotThereError
    """
    others = subject.labelled
    if not others:
        said = f"There are no rows that the model never saw: {others.problem}"
        raise NotThereError("error" if others.broken else "insufficient", said, inputs)
    if same := trained_on(subject, inside, others):
        raise NotThereError("error", same, inputs)
    return others


def labelled(
    subject: Subject, table: Table, inputs: Mapping[str, str], most: int = MOST_ROWS, *, features: bool = False
) -> Rows:
    """Return rows of a table that have a label, as `checks.membership.rows.read` does.

    Raises
    ------
    NotThereError
    """
    try:
        found = read(subject, table, most, features=features)
    except DataError as problem:
        none_there = "has a label" in problem.sentence
        raise NotThereError("insufficient" if none_there else "error", problem.sentence, inputs) from problem
    if features and found.features is None:
        said = f"The {table.role} has no column '{found.lacking[0]}', which the model reads."
        raise NotThereError("error", said, inputs)
    return found


def pool(subject: Subject, most: int = MOST_SHADOWED) -> tuple[Rows, dict[str, str]]:
    """Return rows to train clones on: those learned from, or those of the reference, and where they are others the window's.

    Raises
    ------
    NotThereError
        If there are none, or nothing that can be trained again.
    """
    passport = subject.passport
    inputs = {"artifact": passport.artifact.sha256} if passport.artifact is not None else {}
    if passport.artifact is None or passport.recipe is None:
        lacks = f"no artifact ({passport.no_artifact_because})" if passport.artifact is None else "no recipe"
        raise NotThereError("not_applicable", f"The passport declares {lacks}, so no model can be trained again.", inputs)
    first = members(subject)
    first = first if first or first.broken else subject.reference
    if not first:
        raise NotThereError("error" if first.broken else "insufficient", first.problem, inputs)
    inputs |= {first.role: first.digest} if first.digest else {}
    found = labelled(subject, first, inputs, most, features=True)
    second = subject.labelled
    if not second or second is first or trained_on(subject, first, second):
        return found, inputs
    try:
        more = read(subject, second, most, features=True)
        if more.features is None or found.features is None:
            return found, inputs
        features = pa.concat_tables([found.features, more.features], promote_options="permissive")
    except (DataError, pa.ArrowException):
        return found, inputs  # another family says what is wrong with the window; the rows learned from are enough
    truth, unit = np.concatenate([found.truth, more.truth]), np.concatenate([found.unit, more.unit + found.unit.max() + 1])
    nothing = np.empty((0, len(truth)))
    return Rows(first, truth, unit, nothing, features, ()), inputs | {second.role: second.digest}


def pool_of_classes(subject: Subject, most: int, parts: int, *, by_row: bool = False) -> tuple[Rows, dict[str, str]]:
    """Return rows as `pool` does, more of them where a class is rare, with enough of every class for each part.

    Parameters
    ----------
    subject : Subject
    most : int
        Rows of each table, unless a class is too rare among them.
    parts : int
        Into how many the rows will be split by `strata_of`; a clone learns from one at least.
    by_row : bool
        Whether each row counts for itself, whatever hangs together.

    Raises
    ------
    NotThereError
        Also where too few rows are of a class.
    """
    rows, inputs = pool(subject, most)
    if scarce(subject, rows, parts, by_row):
        rows, inputs = pool(subject, _MORE * most)
    if said := scarce(subject, rows, parts, by_row):
        raise NotThereError("insufficient", said, inputs)
    return rows, inputs


def scarce(subject: Subject, rows: Rows, parts: int, by_row: bool = False) -> str:
    """Say in a sentence which class has too few independent rows to be split; empty where none has."""
    task = subject.passport.task
    if task.kind == "regression":
        return ""
    named = [f"class '{name}'" for name in task.classes] if task.kind == "multiclass" else ["other value", "positive value"]
    for place, name in enumerate(named):
        here = rows.truth == place
        count = int(here.sum()) if by_row else len(np.unique(rows.unit[here]))
        if count < parts * LEAST_OF_A_CLASS:
            of = f"Of {len(rows):,} rows with a label {count:,} independent ones are of the {name}"
            return f"{of}; {parts * LEAST_OF_A_CLASS} are needed to train again on parts of them."
    return ""


def strata_of(truth: NDArray[np.float64], kind: str, unit: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return what each row is to be split evenly by: its class, or the tenth of the numbers that it is in.

    Rows of one unit have the same, that of the rarest among them, for they stay together.

    Examples
    --------
    >>> strata_of(np.array([0.0, 1, 0, 0]), "binary", np.array([0, 0, 1, 2])).tolist()
    [1, 1, 0, 0]
    """
    own = truth if kind != "regression" else np.searchsorted(np.quantile(truth, np.arange(1, 10) / 10), truth)
    known, code, counts = np.unique(own, return_inverse=True, return_counts=True)
    rarest = np.argsort(counts, kind="stable")
    _, place = np.unique(unit, return_inverse=True)
    made = np.full(int(place.max()) + 1, len(known))
    np.minimum.at(made, place, np.argsort(rarest)[code])
    found: NDArray[np.int64] = known[rarest[made[place]]].astype(np.int64)
    return found


def in_room(
    subject: Subject, rows: Rows, inputs: Mapping[str, str], asked: Ask, job: str, told: Mapping[str, Any],
    control: Mapping[str, Any], seconds: float,
) -> Answer:
    """Run a job that asks the artifact or trains clones of it, in a process of its own.

    Parameters
    ----------
    subject : Subject
    rows : Rows
        With features.
    inputs : mapping
        Digests of what was read.
    asked : callable
        `checks.isolation.ask`, or what stands for it.
    job : str
    told : mapping
        What its order says beside what `checks.membership.training.Trainer` needs.
    control : mapping
        Columns of its table ``control`` beside ``truth``.
    seconds : float
        Processor time.

    Raises
    ------
    NotThereError
        If there is no artifact that can be run, or it gave no answer.
    """
    passport = subject.passport
    artifact, task = passport.artifact, passport.task
    if artifact is None:
        raise NotThereError("not_applicable", f"The passport declares no artifact ({passport.no_artifact_because}).", inputs)
    if artifact.format not in _RUN_HERE:
        said = f"An artifact of format '{artifact.format}' cannot be run here, so it can be neither asked nor trained again."
        raise NotThereError("not_applicable", said, inputs)
    path: Path = subject.root / artifact.path
    if not path.is_file():
        raise NotThereError("error", f"The artifact '{path.name}' does not exist.", inputs)
    classes = [] if task.kind == "regression" else task.classes if task.kind == "multiclass" else [task.positive]
    try:
        order = {
            "artifact": order_of(passport), "task": task.kind, "classes": [spelt(value) for value in classes],
            "places": list(range(len(task.classes))), "columns": list(passport.features), "seed": subject.seed,
            "threads": passport.recipe.threads if passport.recipe is not None else 1, "seconds": seconds, **told,
        }
        tables = {"features": rows.features, "control": pa.table({"truth": rows.truth, **control})}
        limits = Limits(seconds=_WAIT * (int(seconds) + 10), memory=MEMORY)
        return asked(job, order=order, tables=tables, files={"artifact": path}, limits=limits)
    except (ArtifactError, IsolationError) as problem:
        raise NotThereError("error", problem.sentence, inputs) from problem


def column(answer: Answer, table: str, name: str, rows: int, inputs: Mapping[str, str]) -> Any:
    """Return a column of what came back; the process may have run a model's own code, so it is not believed unseen.

    Raises
    ------
    NotThereError
        If it is not there, or not one finite number for each of so many rows.
    """
    there = answer.tables.get(table)
    if there is None or name not in there.column_names or there.num_rows != rows:
        raise NotThereError("error", "The process that ran the model gave no number for each row.", inputs)
    try:
        found = np.asarray(there.column(name).to_numpy(), dtype=float)
    except (TypeError, ValueError, pa.ArrowException) as problem:
        raise NotThereError("error", "The process that ran the model gave what is no number.", inputs) from problem
    if not np.isfinite(found).all():
        raise NotThereError("error", "The model answers what is no number.", inputs)
    return found
