"""Records past days of every live model version, and acts on nothing.

One task per model version. A model that cannot be read is listed with its reason and never stops the others. A backfill that
was stopped goes on where it was when it is run again.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas import State
from prefect.futures import wait
from prefect.states import Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner

from flows.nightly import WORST_FIRST, due_of, worth_a_retry
from flows.past import PastDay, record
from roadworthy.calendar import check_day
from roadworthy.errors import EXIT_UNDECIDED, RoadworthyError, StorageError, UsageError
from roadworthy.ledger import Ledger
from roadworthy.registry import Registry
from roadworthy.window import Window
from roadworthy.workspace import Workspace

progress = logging.getLogger("roadworthy.progress")

LONGEST = 3 * 366  # days


@dataclass(frozen=True)
class Backfill:
    """Days of all models.

    Attributes
    ----------
    first, last : date
    days : sequence of PastDay
        Every day of every model that stands, by model, oldest first.
    problems : dict of str to str
        Models that could not be recorded to the end, with the reason.
    """

    first: date
    last: date
    days: Sequence[PastDay] = ()
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def undecided(self) -> int:
        """Days of which nothing could be decided."""
        return sum(day.word == "undecided" and day.how != "night" for day in self.days)

    @property
    def exit_code(self) -> int:
        """0, or 3 if something could not be decided."""
        return EXIT_UNDECIDED if self.problems or self.undecided or not self.days else 0


def days_of(workspace: Workspace, first: date, last: date, now: datetime) -> list[date]:
    """Return the days from `first` to `last`.

    Raises
    ------
    UsageError
        If they are the wrong way round, too many, or one of them is not over.
    """
    if first > last:
        raise UsageError(f"The first day, {first}, is after the last, {last}.", "Write them the other way round.")
    for day in (first, last):
        check_day(day, workspace.settings, now)
    if (last - first) >= timedelta(days=LONGEST):
        raise UsageError(f"{first} to {last} is more than {LONGEST} days.", "Do it in parts.")
    return Window(first, last).days()


@task(
    name="backfill",
    cache_policy=NO_CACHE,
    retries=2,
    retry_delay_seconds=[1, 5],
    retry_condition_fn=worth_a_retry,
    persist_result=False,
)
def backfill_one(root: str, identity: str, first: date, last: date) -> State[Any]:
    """Record the past days of one model version."""
    try:
        workspace = Workspace.find(root)
        now = datetime.now(UTC)
        days = days_of(workspace, first, last, now)

        def each(one: PastDay) -> None:
            progress.info("%s %s %s", identity, one.day, one.word, extra={"of": (identity, len(days))})

        found = record(workspace, Ledger.open(workspace.state_url), identity, days, "automation", now, each)
    except RoadworthyError as problem:  # a sentence for the user, not a traceback; retried only if it was the infrastructure
        progress.info("%s undecided: %s", identity, problem)
        return Failed(name="Undecided", message=str(problem), data=problem)
    return Completed(name="Recorded", message=_counted(found), data=found)


def _run_name() -> str:
    from prefect.runtime import flow_run

    return f"backfill-{flow_run.parameters.get('first')}-{flow_run.parameters.get('last')}"


_RUNNER: Any = ThreadPoolTaskRunner(max_workers=2)


@flow(name="drift-backfill", flow_run_name=_run_name, task_runner=_RUNNER, persist_result=False)
def drift_backfill(first: date, last: date, workspace: str | None = None, model: str | None = None) -> State[Any]:
    """Record past days of every live model version.

    Parameters
    ----------
    first, last : date
        Both in; the last must be over.
    workspace : str, optional
        Folder of the workspace; by default ROADWORTHY_WORKSPACE, or the nearest folder upward.
    model : str, optional
        ``model`` or ``model@version``; by default all.

    Returns
    -------
    State
        Completed, or Failed if something could not be decided. Its data is a `Backfill`.
    """
    now = datetime.now(UTC)
    here = Workspace.find(workspace)
    days = days_of(here, first, last, now)
    registry = Registry(here, Ledger.open(here.state_url))
    registry.adopt_all(now)
    due, problems = due_of(registry, model)
    progress.info("Recording %d day%s of %d model version%s.", len(days), "s" * (len(days) > 1), len(due), "s" * (len(due) != 1))
    futures = [
        backfill_one.with_options(task_run_name=identity).submit(str(here.root), identity, first, last) for identity in due
    ]
    wait(futures)
    found: list[PastDay] = []
    for identity, future in zip(due, futures, strict=True):
        result = future.state.result(raise_on_failure=False)
        if isinstance(result, list):
            found += result
        else:
            said = str(result) if isinstance(result, RoadworthyError) else f"It ended with {type(result).__name__}: {result}"
            problems[identity] = said[:400]
    done = Backfill(first, last, found, problems)
    _artifact(done)
    if done.exit_code:
        return Failed(name="Undecided", message=_counted(found), data=done)
    return Completed(name="Recorded", message=_counted(found), data=done)


def _counted(days: Sequence[PastDay]) -> str:
    words = [day.word for day in days]
    counts = ", ".join(f"{words.count(word)} {word}" for word in WORST_FIRST if word in words)
    return f"{len(days)} day{'s' * (len(days) != 1)}: {counts or 'none'}."


def _artifact(done: Backfill) -> None:
    rows = [
        {"model": day.identity, "day": day.day.isoformat(), "verdict": day.word, "why": day.reason}
        for day in done.days
        if day.word != "clear"
    ]
    try:
        create_table_artifact(key="drift-backfill", table=rows, description=f"{done.first} to {done.last}. {_counted(done.days)}")
    except Exception as problem:  # noqa: BLE001 - Prefect's pages are a convenience; the record stands without them
        get_run_logger().warning("Prefect artifacts could not be written: %s", problem)


def main(workspace: Workspace, first: date, last: date, model: str | None) -> Backfill:
    """Run the flow in this process and return what was recorded."""
    state: Any = drift_backfill(first, last, str(workspace.root), model, return_state=True)
    found = state.result(raise_on_failure=False)
    if isinstance(found, Backfill):
        return found
    if isinstance(found, BaseException):
        raise found
    raise StorageError("The backfill ended without a result.", "Run it again with --debug.")
