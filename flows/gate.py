"""The release gate: the same families on a candidate, judged by the gate's rules, with a verdict and an exit code.

A gate decides nothing about serving. `go` waits for the signatures of Owner and Guardian; until they are there the exit
code is 4 and the release stays where it is.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas import State
from prefect.states import Completed, Failed

from flows import leasing, show
from flows.inspect import inspect
from roadworthy.calendar import check_day, latest_due
from roadworthy.errors import StorageError, UsageError
from roadworthy.evidence import Bundle
from roadworthy.ledger import Ledger
from roadworthy.registry import Registry
from roadworthy.registry import State as ReleaseState
from roadworthy.window import newest_day
from roadworthy.workspace import Workspace

progress = logging.getLogger("roadworthy.progress")


@dataclass(frozen=True)
class Gated:
    """One finished gate."""

    identity: str
    bundle: Bundle
    link: str
    next: str

    @property
    def exit_code(self) -> int:
        """0 only when approved, which takes signatures; see the verdict table."""
        return self.bundle.verdict.exit_code

    @property
    def plan(self) -> str:
        """What the mitigation plan says; empty if nothing called for one."""
        from reports.mitigation import plan_of

        found = plan_of(self.bundle)
        return "" if found is None else found.says


@flow(name="release-gate", flow_run_name="gate-{model}-{version}", persist_result=False)
def release_gate(model: str, version: str, workspace: str | None = None, day: date | None = None) -> State[Any]:
    """Judge one model version for release.

    Parameters
    ----------
    model, version : str
    workspace : str, optional
        Folder of the workspace.
    day : date, optional
        The candidate is judged on its batches up to this day; by default the newest it has.

    Returns
    -------
    State
        Completed with the verdict's name, or Failed if it could not be decided. Its data is a `Gated`.
    """
    now = datetime.now(UTC)
    here = Workspace.find(workspace)
    identity = f"{model}@{version}"
    passport = here.passport(identity)
    chosen = day or newest_day(here.root, passport.batches.path, not_after=latest_due(here.settings, now))
    if chosen is None:
        raise UsageError(
            f"{identity} has no batch to be judged on: '{passport.batches.path}' matches nothing.", "Score a batch with it first."
        )
    check_day(chosen, here.settings, now)
    ledger = Ledger.open(here.state_url)
    registry = Registry(here, ledger)
    registry.adopt_all(now)
    leasing.put_in_service(registry, ledger, now)
    progress.info("Judging %s on its batches up to %s.", identity, chosen)
    found = inspect(here, ledger, identity, chosen, "gate", "automation", now)
    bundle = found.bundle
    _move(registry, model, version, bundle, now)
    gated = Gated(identity, bundle, show.gate(here, ledger, bundle).link, _next(bundle))
    create_markdown_artifact(
        key="gate-" + "".join(c if c.isalnum() and c.isascii() else "-" for c in identity.lower()),
        markdown=_markdown(gated),
        description=f"{identity}: {bundle.verdict.word}",
    )
    name = bundle.verdict.word.capitalize()
    if bundle.verdict.word == "undecided":
        return Failed(name=name, message=bundle.verdict.reason, data=gated)
    return Completed(name=name, message=bundle.verdict.reason, data=gated)


def _move(registry: Registry, model: str, version: str, bundle: Bundle, now: datetime) -> None:
    """Move a candidate's release along; a version that is live or decided stays what it is."""
    state = registry.state(model, version)
    if state in ("candidate", "judged", "awaiting-signatures"):
        to: ReleaseState = "awaiting-signatures" if bundle.verdict.word in ("go", "conditional") else "judged"
        if state != to:
            if state == "candidate" and to == "awaiting-signatures":
                registry.move(
                    model, version, "judged", actor="automation", because=bundle.verdict.reason, at=now, evidence=bundle.address
                )
            registry.move(model, version, to, actor="automation", because=bundle.verdict.reason, at=now, evidence=bundle.address)


def _next(bundle: Bundle) -> str:
    people = bundle.inputs["people"]
    owner, guardian = people["owner"]["name"], people["guardian"]["name"]
    run = bundle.run
    again = f"roadworthy gate {run['model']} {run['version']}"
    return {
        "go": f"{owner} (Owner) and {guardian} (Guardian) sign; until then the version is not released.",
        "conditional": f"{owner} (Owner) accepts each condition with a due date, then {owner} and {guardian} (Guardian) sign.",
        "no-go": f"Mend what fails, then run '{again}' again. The version is not released.",
        "undecided": f"Give the check what it lacks, then run '{again}' again. The version is not released.",
    }[bundle.verdict.word]


def _markdown(gated: Gated) -> str:
    from reports import card as cards
    from reports import mitigation

    said = (cards.summary_markdown(gated.bundle, gated.link), mitigation.summary_markdown(gated.bundle), f"Next: {gated.next}\n")
    return "\n\n".join(text for text in said if text)


def main(workspace: Workspace, model: str, version: str, day: date | None) -> Gated:
    """Run the flow in this process and return the gate."""
    state: Any = release_gate(model, version, str(workspace.root), day, return_state=True)
    found = state.result(raise_on_failure=False)
    if isinstance(found, Gated):
        return found
    if isinstance(found, BaseException):
        raise found
    raise StorageError("The gate ended without a result.", "Run it again with --debug.")
