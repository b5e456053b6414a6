"""Make the artifact again and measure whether it is the same: by its bytes, by its predictions, and by what it was made from."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checks.explainability.sample import sample
from checks.intervals import CONFIDENCE, wilson
from checks.isolation import IsolationError, Limits, ask
from checks.isolation.artifact import order_of
from checks.opening import Opening, view
from checks.reproducibility import facts, inside
from checks.reproducibility.account import Account, Rows, compared_rows, read, settings
from checks.reproducibility.making import Ask, Made, make
from checks.reproducibility.words import listed
from checks.subject import Subject, Table
from roadworthy.canonical import digest_bytes
from roadworthy.errors import DataError
from roadworthy.measurement import Measurement, Status, not_measured
from roadworthy.recipe import Recipe
from roadworthy.sql import quote
from roadworthy.supply import Artifact

if TYPE_CHECKING:
    import pyarrow as pa

IDENTICAL, DIFFER, GAP = (
    "reproducibility.artifact_identical", "reproducibility.predictions_differ", "reproducibility.prediction_gap",
)
SETTINGS, ROWS = "reproducibility.settings_differ", "reproducibility.rows_differ"
METRICS = (IDENTICAL, DIFFER, GAP, SETTINGS, ROWS)

SAMPLE = 1_000
"""Rows of the reference on which both models are asked, where the passport names no frozen sample."""
MOST_FROZEN = 100_000
LIMITS = Limits(seconds=120)
LOADABLE = ("skops", "pickle", "joblib")

_OUTSIDE = "Not the lock's environment."
_UNNAMED = (
    "Nothing that is recorded differs, so the recipe rests on something that is not recorded, such as the time of day, another "
    "seed or the processor."
)


@dataclass
class _Compared:
    """What is known of the artifact made again, on its way to measurements."""

    made: Made
    again: str
    rows: Rows | None = None
    compared: list[str] = field(default_factory=list)
    settings: list[str] = field(default_factory=list)
    account: str = ""  # why the two accounts cannot be compared
    answers: dict[str, Any] = field(default_factory=dict)
    silent: str = ""  # why the two models were not asked
    broken: bool = False
    sample: str = ""


def remake(subject: Subject, asked: Ask = ask) -> list[Measurement]:
    """Run the recorded recipe and measure what came of it.

    Parameters
    ----------
    subject : Subject
    asked : callable, optional
        `checks.isolation.ask`, or what stands for it.

    Returns
    -------
    list of Measurement
        One of each of `METRICS`, over the whole. Where the recipe could not be run to its end, all are ``error`` with the reason;
        without a recipe or an artifact all are ``not_applicable``. ``details["differs"]`` of each is a sentence that names
        what differs, ``details["isolation"]`` says whether the recipe ran without a network, ``details["environment"]`` whether
        it ran with the versions of the lock. Where it did not and another model came of it, nobody can say whether that is the
        recipe's doing: the artifact's metrics are ``error``.
    """
    recipe, artifact = subject.passport.recipe, subject.passport.artifact
    if recipe is None:
        return [not_measured(metric, "not_applicable", facts.NO_RECIPE) for metric in METRICS]
    if artifact is None:
        said = "The passport declares no artifact, so there is nothing to compare with."
        return [not_measured(metric, "not_applicable", said) for metric in METRICS]
    try:
        made = make(subject, recipe, asked)
    except DataError as problem:
        return [not_measured(metric, "error", problem.sentence) for metric in METRICS]
    found = _Compared(made, digest_bytes(made.artifact))
    _compare_accounts(subject, recipe, found)
    _ask_both(subject, recipe, artifact, found, asked)
    return _measured(subject, recipe, artifact, found)


def _compare_accounts(subject: Subject, recipe: Recipe, found: _Compared) -> None:
    """Compare what the recipe says of its training with what it said then, and with what the passport says."""
    used = found.made.account
    if used is None:
        found.account = found.made.trouble or "The recipe gives no account of its training (see {record})."
        return
    declared = Account(recipe.seed, tuple(recipe.row_order) or None, recipe.threads)
    recorded = Account()
    if recipe.record is not None:
        try:
            recorded = _recorded(subject, recipe, recipe.record)
        except DataError as problem:
            found.account = problem.sentence
            return
    if recorded.rows is not None and used.rows is not None:
        found.rows = compared_rows(recorded.rows, used.rows)
    then = recorded.filled(declared.seed, declared.row_order, declared.threads)
    found.compared, found.settings = settings(then, used, found.rows)
    # The passport may say something else than the record that it names; the recipe's own word is held to both.
    told, more = settings(declared, used, None)
    found.compared = list(dict.fromkeys([*found.compared, *told]))
    named = {text.partition(" (")[0] for text in found.settings}
    found.settings += [text for text in more if text.partition(" (")[0] not in named]


def _recorded(subject: Subject, recipe: Recipe, name: str) -> Account:
    try:
        content = (subject.root / name).read_bytes()
    except (OSError, ValueError) as problem:
        raise DataError(f"The record of the training cannot be read ({type(problem).__name__}).") from problem
    if recipe.record_sha256 is not None and digest_bytes(content) != recipe.record_sha256:
        raise DataError("The record of the training is not the one whose digest the passport holds, so it is not believed.")
    return read(content, "the record of the training")


def _ask_both(subject: Subject, recipe: Recipe, artifact: Artifact, found: _Compared, asked: Ask) -> None:
    """Ask both models for their answers to the frozen rows."""
    if artifact.format not in LOADABLE:
        found.silent = f"An artifact of format '{artifact.format}' cannot be run here; it is compared by its bytes alone."
        return
    try:
        rows, found.sample = _frozen(subject, recipe)
        order = order_of(subject.passport)
        both = {inside.RECORDED: order, inside.AGAIN: {**order, "sha256": found.again}, "tolerance": float(recipe.tolerance)}
        with tempfile.TemporaryDirectory(prefix="roadworthy-") as folder:
            again = Path(folder) / "again"
            again.write_bytes(found.made.artifact)
            files = {inside.RECORDED: subject.root / artifact.path, inside.AGAIN: again}
            answer = asked("checks.reproducibility.inside", both, {inside.ROWS: rows}, files, LIMITS)
        found.answers = _believed(answer.values, rows.num_rows)
    except (DataError, IsolationError) as problem:
        found.silent, found.broken = f"The two models could not be asked. {problem.sentence}", True


def _frozen(subject: Subject, recipe: Recipe) -> tuple[pa.Table, str]:
    """Return the rows on which the models are compared, and in words where they are from."""
    table = subject.reference
    if recipe.frozen is not None:
        path = subject.root / recipe.frozen
        if not path.is_file():
            raise DataError("The frozen sample that the passport names does not exist.")
        opening = Opening(subject.con, subject.root, subject.passport, subject.links, subject.digests)
        table = view(opening, Table("frozen", files=(path,)))
    if not table:
        raise DataError(table.problem)
    missing = [name for name in subject.passport.features if name not in table.columns]
    if missing:
        raise DataError(f"The {table.role} has no column '{missing[0]}', which the model reads.")
    most = SAMPLE if recipe.frozen is None else MOST_FROZEN
    rows = sample(subject, table, {f"c{k}": quote(name) for k, name in enumerate(subject.passport.features)}, most)
    said = f"{rows.num_rows:,} rows of the {'reference' if recipe.frozen is None else 'frozen sample'}"
    return rows.rename_columns(list(subject.passport.features)), said


def _believed(values: dict[str, Any], rows: int) -> dict[str, Any]:
    """Return what the process answered if it is of the shape that was asked for; a model's own code may have run in it."""
    differ, gap, named = values.get("differ"), values.get("gap"), values.get("settings")
    counts = isinstance(differ, int) and not isinstance(differ, bool) and values.get("rows") == rows and 0 <= differ <= rows
    numbers = gap is None or (isinstance(gap, int | float) and not isinstance(gap, bool) and gap >= 0)
    texts = isinstance(named, list) and len(named) <= inside.MOST_NAMED and all(
        isinstance(one, str) and len(one) <= 300 and one.isprintable() for one in named
    )
    if not (counts and numbers and texts and rows):
        raise DataError("The process that asked them cannot be believed: its answer has another shape.")
    return {"differ": differ, "gap": gap, "settings": named, "rows": rows}


def _measured(subject: Subject, recipe: Recipe, artifact: Artifact, found: _Compared) -> list[Measurement]:
    """Return the measurements, each with the sentence of everything that differs."""
    identical = found.again == artifact.sha256
    differing = list(found.settings)
    if found.rows is not None and found.rows.differ:
        differing.append(found.rows.sentence())
    differing += facts.differing(subject, recipe)
    if not any(text.startswith("seed ") for text in found.settings):
        differing += found.answers.get("settings", [])
    same = identical or (bool(found.answers) and found.answers["differ"] == 0)
    if differing or same:
        said = f"Differs: {listed(differing)}." if differing else "Nothing differs."
    else:
        said = _UNNAMED if found.account == "" else f"{_UNNAMED} {found.account}"
    outside, environment = facts.environment_differing(subject, recipe), "that of the lock"
    if outside:
        said, environment = f"{_OUTSIDE} {said}", "not that of the lock"
    elif recipe.lock is None:
        environment = "no lock is recorded"
    made, inputs = found.made, {"artifact": artifact.sha256, "again": found.again, **recipe.data, **recipe.code}
    details: dict[str, Any] = {
        "differs": said, "isolation": made.isolation, "walls": list(made.walls), "environment": environment,
    }
    how = "bytes of the artifact made again"
    measured = [Measurement(
        IDENTICAL, value=float(identical), method=how, inputs=inputs,
        details=details | {"seconds": round(made.seconds, 1), "bytes": len(made.artifact), "all": differing[:50]},
    )]
    measured += _predictions(recipe, found, inputs, details | {"tolerance": float(recipe.tolerance), "sample": found.sample})
    if outside and not same:
        why = f"Another model came of it, which may be the libraries' doing. {_OUTSIDE} Differs: {listed(outside)}."
        measured = [not_measured(m.metric, "error", why, details=m.details, inputs=inputs) if _told(m) else m for m in measured]
    if found.compared and not found.account:
        measured.append(Measurement(
            SETTINGS, value=float(len(found.settings)), n=len(found.compared), method="the recipe's own account",
            inputs=inputs, details=details | {"compared": found.compared},
        ))
    else:
        measured.append(not_measured(SETTINGS, "insufficient", found.account or "The recipe's account names no setting."))
    if found.rows is not None:
        rows = found.rows
        counts = {name: getattr(rows, name) for name in ("changed", "added", "removed", "recorded", "used")}
        measured.append(Measurement(
            ROWS, value=float(rows.differ), n=max(rows.recorded, rows.used), stats=counts,
            method="digests of the training rows as the recipe gives them, as a multiset", inputs=inputs, details=details,
        ))
    else:
        said = found.account or "The recipe's account, or its record, names no rows."
        measured.append(not_measured(ROWS, "insufficient", said))
    return measured


def _told(one: Measurement) -> bool:
    return one.value is not None


def _predictions(
    recipe: Recipe, found: _Compared, inputs: dict[str, str], details: dict[str, Any]
) -> list[Measurement]:
    if not found.answers:
        status: Status = "error" if found.broken else "not_applicable"
        return [not_measured(metric, status, found.silent, details=details, inputs=inputs) for metric in (DIFFER, GAP)]
    differ, rows, gap = found.answers["differ"], found.answers["rows"], found.answers["gap"]
    low, high, *_ = wilson(differ, rows)
    made = [Measurement(
        DIFFER, {}, differ / rows, low, high, CONFIDENCE, n=rows, stats={"differ": differ, "same": rows - differ},
        method="predictions of both artifacts on the same rows; Wilson", inputs=inputs, details=details,
    )]
    if gap is None:
        said = "The model answers with names of classes, which have no distance."
        return [*made, not_measured(GAP, "not_applicable", said, details=details, inputs=inputs)]
    return [*made, Measurement(
        GAP, value=gap, n=rows, method="largest absolute difference of two predictions on the same row", inputs=inputs,
        details=details,
    )]
