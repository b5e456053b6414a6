"""Measure how well it can be told, from the model's answers, whether a row was among those it learned from.

A night runs the cheap attack: members are rows on which the model is surer than elsewhere. It needs the artifact's answers to
the rows that it learned from, which are recorded, or were given tonight for their explanation, or are asked for once and kept
as counts. The gate trains shadows and runs the strong one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from checks.explainability.sample import generator, sample
from checks.intervals import CONFIDENCE
from checks.isolation import ask
from checks.membership.asking import (
    MOST_SHADOWED,
    Ask,
    NotThereError,
    column,
    in_room,
    labelled,
    learned,
    never_seen,
    pool_of_classes,
    strata_of,
)
from checks.membership.attacks import FALSE_POSITIVES, LEAST_FALSE, Told, effect_of, halves, likelihood_ratio, told
from checks.membership.confidence import SHARP, confidence, spread_of
from checks.membership.rows import units
from checks.performance.columns import columns_of
from checks.subject import Subject, Table
from roadworthy.measurement import Measurement, Status, not_measured

AUC, NAMED = "privacy.membership_auc", "privacy.membership_tpr"
METRICS = (AUC, NAMED)
LOSS, RATIO = "loss", "likelihood ratio"
AT = "1 % false positives"
JOB = "checks.membership.inside"
SHADOWS = 16
LEAST_SHADOWS = 8
LEAST = 40
"""Members, and others, below which nothing is said."""
SECONDS = 10.0
_STEP = 0.05
"""What is kept of the members are counts by confidence, in steps of this size."""
_KEPT = "membership"
_OVER: dict[str, dict[str, Any]] = {AUC: {}, NAMED: {"at": AT}}


def measure(subject: Subject, asked: Ask = ask) -> list[Measurement]:
    """Measure the attack by loss: members are rows of whose truth the model is sure.

    Parameters
    ----------
    subject : Subject
        Others are the rows of ``subject.labelled``, with what is recorded of them, or those of a reference that was scored out of
        fold. With ``subject.kept`` the artifact is asked about its members once.
    asked : callable, optional
        `checks.isolation.ask`, or what stands for it.

    Returns
    -------
    list of Measurement
        ``privacy.membership_auc`` and ``privacy.membership_tpr`` over the attack ``loss``. ``not_applicable`` where nobody says
        which rows were learned from, or the artifact cannot be asked; never a pass by silence.

    Notes
    -----
    Yeom, Giacomelli, Fredrikson and Jha 2018, Privacy risk in machine learning. Where members and others differ in more than
    having been learned from (another season), that difference looks like a leak. Where the reference's scores are out of fold
    there is a way out: the others are the same rows, as models answered that had not seen them. What the attack makes of the
    window's rows, and of that difference alone, then stands in `details`.
    """
    try:
        return _nightly(subject, asked)
    except NotThereError as problem:
        return _nothing(LOSS, problem.status, problem.sentence, problem.inputs)


def _nightly(subject: Subject, asked: Ask) -> list[Measurement]:
    inside, inputs = learned(subject)
    kind, seen = subject.passport.task.kind, subject.passport.reference.seen
    ours = labelled(subject, inside, inputs)
    spread = spread_of(ours.truth, kind)
    recorded = inside is subject.reference and len(ours.recorded) > 0
    before = confidence(ours.truth, ours.recorded, kind, spread, SHARP) if recorded else np.full(len(ours), np.nan)
    details: dict[str, Any] = {"members": inside.role, "others": subject.labelled.role}
    if recorded and seen == "in_sample":
        here, unit, effect, details["answers"] = before, ours.unit, 1.0, "recorded"
    else:
        here, effect, details["answers"] = _own(subject, inside, inputs, spread, asked)
        unit = np.arange(len(here))
    step = 0.0 if recorded and seen == "in_sample" else _STEP
    if recorded and seen == "out_of_fold":
        there, of_there = _in_steps(before, step), ours.unit
        details |= {"others": "the same rows, answered by models that had not seen them"}
        details |= _against_window(subject, inside, inputs, here, effect, there, of_there, spread)
    else:
        there, of_there = _window(subject, inside, inputs, spread, step)
    known = int(np.isfinite(here).sum()), int(np.isfinite(there).sum())
    if min(known) < LEAST:
        said = f"{known[0]} members and {known[1]} others have an answer; {LEAST} of each are needed."
        raise NotThereError("insufficient", said, inputs)
    return _measured(LOSS, _told(here, unit, there, of_there, effect), inputs, details)


def _in_steps(values: Any, step: float) -> Any:
    return np.round(values / step) * step if step else values


def _window(subject: Subject, inside: Table, inputs: dict[str, str], spread: float, step: float) -> tuple[Any, Any]:
    """Return how sure the recorded answers to the window's rows are, and the units of the rows."""
    others = never_seen(subject, inside, inputs)
    theirs = labelled(subject, others, inputs)
    inputs[others.role] = others.digest
    if not len(theirs.recorded):
        raise NotThereError("insufficient", f"The {others.role} rows hold no score or number of the model.", inputs)
    sure = confidence(theirs.truth, theirs.recorded, subject.passport.task.kind, spread, SHARP)
    return _in_steps(sure, step), theirs.unit


def _against_window(
    subject: Subject, inside: Table, inputs: dict[str, str], here: Any, effect: float, before: Any, unit: Any, spread: float
) -> dict[str, float]:
    """Return the area of the same attack against the window's rows, and what of it is no leak but another season."""
    try:
        there, of_there = _window(subject, inside, inputs, spread, _STEP)
    except NotThereError:
        return {}  # the attack on the same rows needs no window
    if min(np.isfinite(there).sum(), np.isfinite(before).sum(), len(here)) < LEAST:
        return {}
    found = _told(here, np.arange(len(here)), there, of_there, effect), _told(before, unit, there, of_there)
    return {"against_the_window": round(found[0].auc, 4), "of_which_no_leak": round(found[1].auc, 4)}


def _told(here: Any, unit: Any, there: Any, other_unit: Any, effect: float = 1.0) -> Told:
    kept, kept_too = np.isfinite(here), np.isfinite(there)
    scores = np.concatenate([here[kept], there[kept_too]])
    units = np.concatenate([unit[kept], other_unit[kept_too] + unit.max() + 1])
    inside = np.arange(len(scores)) < kept.sum()
    return told(scores[None, :], inside[None, :], units, np.where(inside, effect, 1.0))


# ------------------------------------------------------------------------------------------ the artifact's own answers


def _own(subject: Subject, inside: Table, inputs: Mapping[str, str], spread: float, asked: Ask) -> tuple[Any, float, str]:
    """Return how sure the artifact is of the members, how much they hang together, and where that is from.

    What was asked once is kept: counts by confidence, no rows.
    """
    passport = subject.passport
    key = {
        "inputs": {k: v for k, v in inputs.items() if k != subject.labelled.role}, "seed": subject.seed, "step": _STEP,
        "task": passport.task.model_dump(mode="json"), "features": list(passport.features), "unit": passport.independence.column,
    }
    kept = subject.kept.get(_KEPT, key) if subject.kept is not None else None
    if kept is None:
        here, unit, said = _explained(subject, inside, spread) or _asked(subject, inside, inputs, spread, asked)
        steps, counts = np.unique(np.round(here[np.isfinite(here)] / _STEP), return_counts=True)
        kept = {"counts": [[int(a), int(b)] for a, b in zip(steps, counts, strict=True)], "effect": effect_of(here, unit)}
        if subject.kept is not None:
            subject.kept.put(_KEPT, key, kept)
    else:
        said = "kept from the night on which the artifact was asked"
    return np.repeat([k * _STEP for k, _ in kept["counts"]], [n for _, n in kept["counts"]]), float(kept["effect"]), said


def _explained(subject: Subject, inside: Table, spread: float) -> tuple[Any, Any, str] | None:
    """Return the same of the rows whose answers were explained tonight; None if none were."""
    answers = subject.once.get(f"answered {inside.digest}")
    if answers is None or inside is not subject.reference:
        return None
    columns = columns_of(subject.passport, inside)
    wanted = {"y": f"cast({columns.truth} as double)", "u": f"cast({columns.unit} as varchar)"}
    with subject.con.cursor() as cursor:  # another family may have left an open result on the connection
        rows = sample(replace(subject, con=cursor), inside, wanted, answers.shape[1])
    truth = np.asarray(rows.column("y").to_numpy(zero_copy_only=False), dtype=float)
    there = np.isfinite(truth)
    if there.sum() < LEAST:
        return None
    unit = units(rows.column("u").to_pylist())[there]
    here = confidence(truth[there], answers[:, there], subject.passport.task.kind, spread, SHARP)
    return here, unit, "given for tonight's explanations"


def _asked(subject: Subject, inside: Table, inputs: Mapping[str, str], spread: float, asked: Ask) -> tuple[Any, Any, str]:
    rows = labelled(subject, inside, inputs, MOST_SHADOWED, features=True)
    order = {"spread": spread, "own": True, "shadows": 0}
    answer = in_room(subject, rows, inputs, asked, JOB, order, {}, SECONDS)
    return column(answer, "confidence", "own", len(rows), inputs), rows.unit, "asked of the artifact"


# ------------------------------------------------------------------------------------------------------------ the gate


def attack(subject: Subject, asked: Ask = ask, seconds: float = SECONDS) -> list[Measurement]:
    """Measure the attack by likelihood ratio: shadows tell how sure a model is of a row with and without having learned from it.

    Parameters
    ----------
    subject : Subject
    asked : callable, optional
    seconds : float
        Processor time; shadows that do not fit into it are not trained, and with fewer than 8 nothing is measured.

    Returns
    -------
    list of Measurement
        Both metrics over the attack ``likelihood ratio``.

    Notes
    -----
    Clones of the artifact's estimator are trained on random halves of the same rows, and each is attacked in turn with the
    others as shadows, so members and others differ in nothing but membership. What is measured is how much the recipe gives
    away of rows like these, on half as many rows as are there; the artifact itself, trained on more, gives away a little less.
    """
    try:
        return _attacked(subject, asked, seconds)
    except NotThereError as problem:
        return _nothing(RATIO, problem.status, problem.sentence, problem.inputs)


def _attacked(subject: Subject, asked: Ask, seconds: float) -> list[Measurement]:
    task, alone = subject.passport.task, subject.passport.independence.unit != "entity"
    rows, inputs = pool_of_classes(subject, MOST_SHADOWED, 2, by_row=alone)
    together = np.arange(len(rows)) if alone else rows.unit
    if len(np.unique(together)) < 2 * LEAST:
        said = f"{len(np.unique(together))} rows have a label; {2 * LEAST} are needed to split them in halves."
        raise NotThereError("insufficient", said, inputs)
    seed = int(generator(subject.seed, "membership", rows.table.digest).integers(2**31))
    member = halves(strata_of(rows.truth, task.kind, together), together, SHADOWS, seed)
    order = {"spread": spread_of(rows.truth, task.kind), "own": False, "shadows": SHADOWS}
    control = {f"m{k}": one for k, one in enumerate(member)}
    answer = in_room(subject, rows, inputs, asked, JOB, order, control, seconds)
    said, count = str(answer.values.get("why_not", ""))[:300], answer.values.get("shadows")
    if said:
        raise NotThereError("not_applicable" if "no estimator" in said else "error", said, inputs)
    if not isinstance(count, int) or count < LEAST_SHADOWS:
        late = f"Only {count} shadows could be trained in {seconds:.0f} s; {LEAST_SHADOWS} are needed."
        raise NotThereError("insufficient", late, inputs)
    used = SHADOWS if count >= SHADOWS else LEAST_SHADOWS
    sure = np.array([column(answer, "confidence", f"s{k}", len(rows), inputs) for k in range(used)])
    by_loss = told(sure, member[:used], rows.unit)
    found = told(likelihood_ratio(sure, member[:used]), member[:used], rows.unit)
    details = {
        "shadows": used, "rows": len(rows), "learned_from": int(member[0].sum()), "isolation": answer.isolation,
        "by_loss_on_the_same_halves": by_loss.auc, "named_by_loss": by_loss.named, "variant": "online, one variance for all rows",
    }
    return _measured(RATIO, found, inputs, details)


def _measured(attack_by: str, found: Told, inputs: Mapping[str, str], details: Mapping[str, Any]) -> list[Measurement]:
    n, stats = int(details.get("rows", found.members + found.others)), {"members": found.members, "others": found.others}
    made = [Measurement(
        AUC, {"attack": attack_by}, found.auc, found.interval.low, found.interval.high, CONFIDENCE, n=n, stats=stats,
        method=f"attack by {attack_by}; {found.interval.method} interval", inputs=inputs, details=details,
    )]
    over = {"attack": attack_by, "at": AT}
    if found.named is None:
        need = round(LEAST_FALSE / FALSE_POSITIVES)
        said = f"Not resolvable: {found.others:,} independent rows were not learned from; to tell {AT} takes {need:,}."
        return [*made, not_measured(NAMED, "insufficient", said, over=over, inputs=inputs, n=n, stats=stats, details=details)]
    return [*made, Measurement(
        NAMED, over, found.named, found.low, found.high, CONFIDENCE, n=n, stats=stats,
        method=f"attack by {attack_by}; Wilson and binomial intervals joined", inputs=inputs, details=details,
    )]


def _nothing(attack_by: str, status: Status, reason: str, inputs: Mapping[str, str]) -> list[Measurement]:
    return [not_measured(m, status, reason, over={"attack": attack_by, **_OVER[m]}, inputs=inputs) for m in METRICS]
