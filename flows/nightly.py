"""The main job: inspects every live model version on a day's batch, and acts on what it finds.

One task per model version runs the cheap families as plain functions. A model that cannot be inspected is listed as
undecided and never stops the others. The stop of a severe finding is written inside the model's own task, before
anything is rendered or told.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas import State
from prefect.futures import wait
from prefect.states import Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner

from flows import care, champions, incidents, leasing, show
from flows.act import Acted, stop, tell
from flows.inspect import Inspected, inspect
from roadworthy.calendar import acts, check_day, latest_due
from roadworthy.canonical import digest_of
from roadworthy.errors import RoadworthyError, StorageError, UsageError
from roadworthy.ledger import Ledger
from roadworthy.registry import Registry
from roadworthy.switch import Switch
from roadworthy.workspace import Workspace

progress = logging.getLogger("roadworthy.progress")

#: The worst verdict of a night decides the exit code of the command.
WORST_FIRST = ("stop", "undecided", "breach", "watch", "clear")
EXIT = {"stop": 2, "undecided": 3, "breach": 1, "watch": 0, "clear": 0}


@dataclass(frozen=True)
class Inspection:
    """One model version's night: what was found and done, or why nothing could be decided."""

    identity: str
    inspected: Inspected | None = None
    acted: Acted = field(default_factory=Acted)
    error: str = ""
    link: str = ""
    plain: str = ""

    @property
    def word(self) -> str:
        """The verdict's word; ``undecided`` if the model could not be inspected at all."""
        return self.inspected.bundle.verdict.word if self.inspected else "undecided"

    @property
    def reason(self) -> str:
        """The verdict's one sentence."""
        return self.inspected.bundle.verdict.reason if self.inspected else self.error


@dataclass(frozen=True)
class Night:
    """A night over all models."""

    day: date
    inspections: Sequence[Inspection]
    acting: bool
    report: str = ""

    @property
    def word(self) -> str:
        """The worst verdict; ``undecided`` if there was nothing to inspect."""
        words = {i.word for i in self.inspections}
        return next((word for word in WORST_FIRST if word in words), "undecided")

    @property
    def exit_code(self) -> int:
        """What the command returns: 2 only if this run stopped something; a stop that already stood is a breach."""
        codes = [1 if i.word == "stop" and not i.acted.stopped else EXIT[i.word] for i in self.inspections]
        for code in (2, 3, 1):
            if code in codes:
                return code
        return 0 if codes else 3


def worth_a_retry(_task: Any, _run: Any, state: State[Any]) -> bool:
    """Say whether the failure was the infrastructure's; a sentence for the user does not get better by repeating it."""
    problem = state.result(raise_on_failure=False)
    return isinstance(problem, OSError | StorageError)


@task(
    name="inspect",
    cache_policy=NO_CACHE,
    retries=2,
    retry_delay_seconds=[1, 5],
    retry_condition_fn=worth_a_retry,
    persist_result=False,
)
def inspect_one(root: str, identity: str, day: date, acting: bool) -> State[Any]:
    """Inspect one model version; if its verdict is a stop and this night acts, stop it here and now."""
    try:
        workspace = Workspace.find(root)
        ledger = Ledger.open(workspace.state_url)
        inspected = inspect(workspace, ledger, identity, day, "nightly", "automation", datetime.now(UTC))
        acted = stop(workspace, ledger, inspected, datetime.now(UTC)) if acting else Acted()
        if acting:
            leasing.renew(workspace, ledger, inspected, datetime.now(UTC))
    except RoadworthyError as problem:  # a sentence for the user, not a traceback; retried only if it was the infrastructure
        progress.info("%s undecided: %s", identity, problem)
        return Failed(name="Undecided", message=str(problem), data=problem)
    verdict = inspected.bundle.verdict
    progress.info("%s %s%s", identity, verdict.word, " (already recorded)" if inspected.reused else "")
    return Completed(name=verdict.word.capitalize(), message=verdict.reason, data=Inspection(identity, inspected, acted))


def _run_name() -> str:
    from prefect.runtime import flow_run

    given = flow_run.parameters.get("day")
    return f"nightly-{given or latest_due(Workspace.find(flow_run.parameters.get('workspace')).settings, datetime.now(UTC))}"


# Two models at a time: the machine's cores are DuckDB's, and Prefect's own SQLite does not like more writers.
_RUNNER: Any = ThreadPoolTaskRunner(max_workers=2)


@flow(name="nightly", flow_run_name=_run_name, task_runner=_RUNNER, persist_result=False)
def nightly(workspace: str | None = None, day: date | None = None, model: str | None = None) -> State[Any]:
    """Inspect every live model version on the day's batch.

    Parameters
    ----------
    workspace : str, optional
        Folder of the workspace; by default ROADWORTHY_WORKSPACE, or the nearest folder upward.
    day : date, optional
        By default the latest day that is due.
    model : str, optional
        ``model`` or ``model@version``; by default all.

    Returns
    -------
    State
        Completed with the worst verdict's name, or Failed if something could not be decided. Its data is a `Night`.
    """
    now = datetime.now(UTC)
    here = Workspace.find(workspace)
    chosen = day or latest_due(here.settings, now)
    check_day(chosen, here.settings, now)
    ledger = Ledger.open(here.state_url)
    registry = Registry(here, ledger)
    registry.adopt_all(now)
    leasing.put_in_service(registry, ledger, now)
    due, broken = due_of(registry, model)
    newest = ledger.newest("night", 1, acting=True)
    acting = acts(chosen, date.fromisoformat(newest[0].body["day"]) if newest else None, here.settings, now)
    progress.info(
        "Inspecting %d model version%s on %s.%s",
        len(due),
        "" if len(due) == 1 else "s",
        chosen,
        "" if acting else " A later night is recorded, so this one is recorded and does not act.",
    )
    futures = [
        inspect_one.with_options(task_run_name=identity).submit(str(here.root), identity, chosen, acting) for identity in due
    ]
    wait(futures)
    inspections = [_outcome(identity, future.state) for identity, future in zip(due, futures, strict=True)]
    inspections += [Inspection(identity, error=sentence) for identity, sentence in broken.items()]
    ledger.append(
        "night",
        "automation",
        {"day": chosen.isoformat(), "acting": acting, "models": len(inspections)},
        at=now,
        key=f"night:{chosen}:{digest_of([_mark(i) for i in inspections])[:16]}",
    )
    _record_undecided(ledger, inspections, chosen, now)
    night = _show(here, ledger, chosen, inspections, acting)
    _artifacts(here, night)
    if night.word == "undecided":
        return Failed(name="Undecided", message=_summary(night), data=night)
    return Completed(name=night.word.capitalize(), message=_summary(night), data=night)


def due_of(registry: Registry, model: str | None) -> tuple[list[str], dict[str, str]]:
    """Return the live versions to inspect, and those whose passport cannot be read with the reason."""
    live = registry.live()
    good = [one.identity for one in live if not one.problem]
    broken = {one.identity: one.problem for one in live if one.problem}
    if model is None:
        return good, broken
    asked = {i for i in (*good, *broken) if model in (i, i.partition("@")[0])}
    if not asked:
        raise UsageError(f"There is no live model '{model}'.", f"Live: {', '.join([*good, *broken]) or 'none'}.")
    return [i for i in good if i in asked], {i: p for i, p in broken.items() if i in asked}


def _mark(one: Inspection) -> list[str]:
    return [one.identity, one.inspected.bundle.address if one.inspected else one.error]


def _outcome(identity: str, state: State[Any]) -> Inspection:
    found = state.result(raise_on_failure=False)
    if isinstance(found, Inspection):
        return found
    if isinstance(found, RoadworthyError):
        return Inspection(identity, error=str(found))
    return Inspection(identity, error=f"The inspection ended with {type(found).__name__}: {str(found)[:300]}")


def _record_undecided(ledger: Ledger, inspections: Sequence[Inspection], day: date, now: datetime) -> None:
    """Put a night that could not be decided on record too: silence would look like nothing happened."""
    for one in inspections:
        if one.inspected is None:
            model, _, version = one.identity.partition("@")
            ledger.append(
                "undecided",
                "automation",
                {"model": model, "version": version, "day": day.isoformat(), "reason": one.error},
                at=now,
                key=f"undecided:{one.identity}:{day}:{digest_of(one.error)[:16]}",
            )


def _show(workspace: Workspace, ledger: Ledger, day: date, inspections: Sequence[Inspection], acting: bool) -> Night:
    """Tell and render; a page that cannot be made is said and changes no verdict."""
    finished = []
    for one in inspections:
        link = plain = ""
        if one.inspected is not None:
            try:
                made = show.card(workspace, ledger, one.inspected.bundle)
                link, plain = made.link, made.plain
            except (RoadworthyError, OSError) as problem:
                progress.warning("The card of %s could not be made: %s", one.identity, problem)
            if acting:
                _after_a_stop(workspace, ledger, one)
                tell(workspace, ledger, one.inspected, one.acted, link, plain, datetime.now(UTC))
        finished.append(replace(one, link=link, plain=plain))
    if acting:
        _look_after(workspace, ledger, [one.acted.incident for one in finished if one.acted.incident])
    report = ""
    try:
        report = show.night(
            workspace,
            ledger,
            day.isoformat(),
            [i.inspected.bundle for i in finished if i.inspected],
            [(i.identity, i.error) for i in finished if i.inspected is None],
        ).link
    except (RoadworthyError, OSError) as problem:
        progress.warning("The night report could not be made: %s", problem)
    return Night(day, finished, acting, report)


def _after_a_stop(workspace: Workspace, ledger: Ledger, one: Inspection) -> None:
    """Move MLflow's alias away from what was stopped; whatever becomes of it is in the incident and changes no verdict."""
    if one.inspected is None or not one.acted.incident:
        return
    run, now = one.inspected.bundle.run, datetime.now(UTC)
    try:
        fence = Switch.open(workspace, ledger).fence(run["model"])
        moved = champions.move_back(
            workspace, ledger, run["model"], run["version"], state=one.acted.state, fence=fence,
            evidence=one.inspected.bundle.address, now=now,
        )
        if moved is not None:
            progress.info("%s", moved.says)
            incidents.note(workspace, ledger, one.acted.incident, "registry", {"says": moved.says, "done": moved.done}, now)
    except RoadworthyError as problem:
        progress.warning("MLflow's alias of %s was left alone: %s", one.identity, problem)


def _look_after(workspace: Workspace, ledger: Ledger, opened: Sequence[str]) -> None:
    """Wait for the receipts of tonight's stops, and see to leases, broken glasses and reviews; the verdicts stand already."""
    try:
        incidents.settle(workspace, ledger, opened)
        for said in care.look_after(workspace, ledger, datetime.now(UTC)):
            progress.info("%s", said)
    except RoadworthyError as problem:
        progress.warning("The switch could not be looked after: %s", problem)


def _summary(night: Night) -> str:
    counts = {word: sum(i.word == word for i in night.inspections) for word in WORST_FIRST}
    return f"Night of {night.day}: " + ", ".join(f"{n} {word}" for word, n in counts.items() if n) + "."


def _artifacts(workspace: Workspace, night: Night) -> None:
    """Leave in Prefect's UI what a reader needs: verdicts, the worst findings, and the way to the card."""
    from reports import card as cards

    logger = get_run_logger()
    try:
        rows = [
            {"model": i.identity, "verdict": i.word, "why": i.reason, "card": i.link}
            for i in sorted(night.inspections, key=lambda i: WORST_FIRST.index(i.word))
        ]
        create_table_artifact(key="night", table=rows, description=_summary(night))
        if night.report:
            create_link_artifact(key="night-report", link=night.report, link_text=f"Night report of {night.day}")
        for one in night.inspections:
            key = "card-" + "".join(c if c.isalnum() and c.isascii() else "-" for c in one.identity.lower())
            text = cards.summary_markdown(one.inspected.bundle, one.link) if one.inspected else f"**Undecided.** {one.error}"
            create_markdown_artifact(key=key, markdown=text, description=f"{one.identity}: {one.word}")
    except Exception as problem:  # noqa: BLE001 - Prefect's pages are a convenience; the record and the stop stand without them
        logger.warning("Prefect artifacts could not be written: %s", problem)


def main(workspace: Workspace, day: date | None, model: str | None) -> Night:
    """Run the flow in this process and return the night."""
    state: Any = nightly(str(workspace.root), day, model, return_state=True)
    found = state.result(raise_on_failure=False)
    if isinstance(found, Night):
        return found
    if isinstance(found, BaseException):
        raise found
    raise StorageError("The night ended without a result.", "Run it again with --debug.")
