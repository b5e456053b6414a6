"""The energy of a thousand predictions: from the log, or of answers that the inspection asks for itself, by CodeCarbon.

The latter is no reading of a meter. A process without rights sees no processor's meter, so CodeCarbon takes the power of the
processor from a table and that of the memory as constant. It compares versions of a model on one machine; it is no bill.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from typing import Any

from checks.cost import times
from checks.cost.log import Log
from checks.cost.own import SOURCE
from checks.cost.sheet import Sheet, ratio_by_day
from checks.explainability.explainers import spelt
from checks.explainability.sample import sample
from checks.isolation import Answer, IsolationError, Limits, ask
from checks.isolation.artifact import order_of
from checks.subject import Subject
from roadworthy.errors import RoadworthyError
from roadworthy.sql import quote

SHORT = "energy_kwh_per_1000"
JOB = "checks.cost.inside"
ROWS = 1000
OVER = {"own_timing": "whole sample"}
LABEL = f"CodeCarbon's estimate for {SOURCE}, one thread, not the serving system"
LIMITS = Limits(seconds=120)
_JOULES = 3.6e6  # of a kilowatt-hour
_NO_COLUMN = "The passport asks for the energy and names no column of the log that holds it ('telemetry.energy_kwh')."
_INSTALL = (
    "CodeCarbon is not installed: pip install 'roadworthy[energy]' here, or where the model serves; there, log its "
    "'energy_consumed' and name the column under 'telemetry.energy_kwh'."
)


def installed() -> bool:
    """Say whether CodeCarbon is there; it is not imported."""
    return importlib.util.find_spec("codecarbon") is not None


def measure(
    subject: Subject, log: Log, sheet: Sheet, asked: Callable[..., Answer] = ask, there: Callable[[], bool] = installed
) -> None:
    """Write down the energy of a thousand predictions, if the passport asks for it.

    Parameters
    ----------
    subject : checks.subject.Subject
        Without a column of the log its artifact is run on a sample of the days over which groups are compared.
    log : checks.cost.log.Log
    sheet : checks.cost.sheet.Sheet
        Gets the number of the log over nothing, and that of own answers over ``{"own_timing": "whole sample"}``, so that a rule
        about serving is never answered by the latter. Asked for and not to be had is ``insufficient`` or ``error``.
    asked, there : callable, optional
        `checks.isolation.ask`, and whether CodeCarbon is installed; or what stands for them.
    """
    passport = subject.passport
    if not passport.measure_energy:
        sheet.refuse(SHORT, "not_applicable", "The passport does not ask for the energy ('measure_energy').")
        return
    declared = passport.telemetry
    if declared is not None and declared.energy_kwh is not None:
        if log.problem:
            sheet.refuse(SHORT, log.status, log.problem)
        else:
            times.per_thousand(log, sheet, declared.energy_kwh, SHORT, "energy_kwh", {})
        return
    sheet.refuse(SHORT, "insufficient", _NO_COLUMN if there() else f"{_NO_COLUMN} {_INSTALL}")
    if passport.artifact is None:
        return
    own = Sheet(subject.inputs, {"measured by": LABEL})
    if not there():
        own.refuse(SHORT, "error", _INSTALL, over=OVER)
    elif not subject.decided:
        own.refuse(SHORT, "error" if subject.decided.broken else "insufficient", subject.decided.problem, over=OVER)
    else:
        try:
            _own(subject, own, asked)
        except RoadworthyError as problem:
            own.refuse(SHORT, "error", f"The energy of the model's answers could not be measured. {problem.sentence}", over=OVER)
    sheet.found += own.found


def _own(subject: Subject, sheet: Sheet, asked: Callable[..., Answer]) -> None:
    passport, table = subject.passport, subject.decided
    task, features = passport.task, list(passport.features)
    if missing := [name for name in features if name not in table.columns]:
        sheet.refuse(SHORT, "error", f"The {table.role} has no column '{missing[0]}', which the model reads.", over=OVER)
        return
    keyed = {f"c{place}": quote(name) for place, name in enumerate(features)}
    rows = sample(subject, table, keyed, ROWS).rename_columns(features)
    classes = task.classes if task.kind == "multiclass" else [task.positive] if task.kind == "binary" else []
    order = {"model": order_of(passport), "task": task.kind, "classes": [spelt(value) for value in classes], "columns": features}
    path = subject.root / passport.artifact.path if passport.artifact is not None else subject.root
    answer = asked(JOB, order=order, tables={"rows": rows}, files={"artifact": path}, limits=LIMITS)
    parts, machine = _believed(answer)
    value, interval = ratio_by_day([1000 * sum(part[2:]) / _JOULES for part in parts], [part[0] for part in parts])
    joules = [math.fsum(part[place] for part in parts) for place in (2, 3, 4)]
    seconds = math.fsum(part[1] for part in parts)
    watts = {name: joule / seconds for name, joule in zip(("processor", "memory", "graphics_card"), joules, strict=True)}
    n = int(sum(part[0] for part in parts))
    how = f"{LABEL}: {len(parts)} stretches of answers to {rows.num_rows} rows, sum over sum of rows, by stretches"
    details = {"mean_watts": watts, "machine": machine, "isolation": answer.isolation}
    sheet.put(SHORT, value, interval, n=n, how=how, over=OVER, stats={"units": len(parts), "seconds": seconds}, details=details)


def _believed(answer: Answer) -> tuple[list[list[float]], dict[str, Any]]:
    """Return the stretches, and what CodeCarbon says of the machine; the process has run the model, so it is looked at first."""
    parts, machine = answer.values.get("parts"), answer.values.get("machine")
    width = 5
    if isinstance(parts, list) and 1 < len(parts) <= 100 and all(isinstance(part, list) and len(part) == width for part in parts):
        plain = all(type(x) in (int, float) and 0 <= x < 1e12 for part in parts for x in part)
        if plain and all(part[0] > 0 for part in parts) and sum(part[1] for part in parts) <= answer.seconds:
            known = machine.items() if isinstance(machine, dict) else ()
            told = {str(k)[:40]: v if type(v) in (int, float) else str(v)[:120] for k, v in list(known)[:10]}
            return parts, told
    raise IsolationError("The process inside cannot be believed: its energy has another shape.")
