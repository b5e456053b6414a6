"""Takes raw daily files in: for each live model version whose passport says where they arrive, one day becomes a batch.

Run again, it changes nothing. A model whose files cannot be taken in is listed with its reason and never stops the others.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from prefect import flow
from prefect.states import Completed, Failed

from checks.intake import NoRawFileError, TakenIn, read_receipt, receipt_path, take_in, take_labels_in
from flows.opening import by_flow
from roadworthy.calendar import latest_due
from roadworthy.errors import EXIT_UNDECIDED, RoadworthyError, StorageError, UsageError
from roadworthy.ledger import Ledger
from roadworthy.passport import Passport
from roadworthy.registry import Registry
from roadworthy.window import Window
from roadworthy.workspace import Workspace

progress = logging.getLogger("roadworthy.progress")


@dataclass(frozen=True)
class Intaken:
    """One day's intake of all models.

    Attributes
    ----------
    day : date
    taken : dict of str to TakenIn
        By ``model@version``.
    problems : dict of str to str
        Models whose files could not be taken in, with the reason.
    labels : dict of str to dict of date to TakenIn
        By ``model@version`` and the day of the batch: labels that came later, and those that were there already.
    """

    day: date
    taken: Mapping[str, TakenIn] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, Mapping[date, TakenIn]] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0, or 3 where a model's files could not be taken in; rows in quarantine are told and are no failure."""
        return EXIT_UNDECIDED if self.problems else 0


def take_all(workspace: Workspace, ledger: Ledger, day: date, model: str | None, now: datetime) -> Intaken:
    """Take in a day of every live model version with an intake section, or of one model, and what labels have come.

    Labels of a day come long after it, so their files are looked for on every day that is still scored: those of
    ``windows.performance`` and the days before them on which outcomes mature.

    Raises
    ------
    UsageError
        If the model named has no intake section, or is not live.
    """
    registry = Registry(workspace, ledger)
    registry.adopt_all(now)
    taken, problems, labels = dict[str, TakenIn](), dict[str, str](), dict[str, dict[date, TakenIn]]()
    asked = [one for one in registry.live() if model in (None, one.identity, one.identity.partition("@")[0])]
    for one in asked:
        if one.problem:
            problems[one.identity] = one.problem
            continue
        passport = workspace.passport(one.identity)
        if passport.intake is None:
            continue
        try:
            by_flow(workspace, ledger, passport, day, f"intake of {day.isoformat()}", "automation", now, raw=True)
            labels[one.identity] = found = dict[date, TakenIn]()
            try:
                taken[one.identity] = _batch(workspace, ledger, passport, day, now)
            finally:  # labels are of other days, so they do not wait for a batch that is late
                _labels(workspace, ledger, passport, day, now, found)
        except RoadworthyError as problem:
            problems[one.identity] = str(problem)
        progress.info("%s %s", one.identity, problems.get(one.identity) or "taken in")
    if model is not None and not taken and not problems:
        raise UsageError(f"There is no live model '{model}' with an intake section.", "Declare 'intake' in its passport.")
    return Intaken(day, taken, problems, labels)


def _batch(workspace: Workspace, ledger: Ledger, passport: Passport, day: date, now: datetime) -> TakenIn:
    """Take the day's batch in; where it was taken in before and its raw file is gone since, there is nothing to do."""
    try:
        return take_in(workspace, ledger, passport, day, now)
    except NoRawFileError:
        receipt = read_receipt(receipt_path(workspace.root, passport, day))
        if receipt is None:
            raise
        return TakenIn(receipt, reused=True)


def _labels(
    workspace: Workspace, ledger: Ledger, passport: Passport, day: date, now: datetime, found: dict[date, TakenIn]
) -> None:
    """Take in what labels have come for the days that are still scored."""
    for scored in Window.ending(day, passport.windows.performance + passport.task.maturity_days).days():
        one = take_labels_in(workspace, ledger, passport, scored, now)
        if one is not None:
            found[scored] = one


@flow(name="intake", persist_result=False)
def intake(workspace: str | None = None, day: date | None = None, model: str | None = None) -> Any:
    """Take a day's raw files in.

    Parameters
    ----------
    workspace : str, optional
        Folder of the workspace; by default ROADWORTHY_WORKSPACE, or the nearest folder upward.
    day : date, optional
        By default the latest day that is due.
    model : str, optional
        ``model`` or ``model@version``; by default all.
    """
    now, here = datetime.now(UTC), Workspace.find(workspace)
    done = take_all(here, Ledger.open(here.state_url), day or latest_due(here.settings, now), model, now)
    said = f"{len(done.taken)} taken in, {len(done.problems)} not."
    if done.problems:
        return Failed(name="Undecided", message=said, data=done)
    return Completed(name="Taken in", message=said, data=done)


def main(workspace: Workspace, day: date | None, model: str | None) -> Intaken:
    """Run the flow in this process and return what was taken in."""
    state: Any = intake(str(workspace.root), day, model, return_state=True)
    found = state.result(raise_on_failure=False)
    if isinstance(found, Intaken):
        return found
    if isinstance(found, BaseException):
        raise found
    raise StorageError("The intake ended without a result.", "Run it again with --debug.")
