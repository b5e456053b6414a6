"""Acts on a verdict: first the stop, then everything else.

Only the latest due night acts. A backfill or a second run of an old day records and does nothing here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from flows import incidents
from flows.inspect import Inspected
from flows.services import blocks, stop_at_services
from roadworthy.alerts import Alert, Delivery, alerts_for, deliver
from roadworthy.errors import RoadworthyError
from roadworthy.ledger import Ledger
from roadworthy.ledger.chain import stamp
from roadworthy.secrets import resolve
from roadworthy.switch import Switch
from roadworthy.switch.calling import Answer, Caller
from roadworthy.switch.files import DEGRADED, DISABLED
from roadworthy.switch.measures import measure_for, severe_rules
from roadworthy.switch.stopping import Outcome
from roadworthy.workspace import Workspace

Prefect = Callable[[str], str]


@dataclass(frozen=True)
class Acted:
    """What was done about one inspection.

    Attributes
    ----------
    stopped : bool
        True if this run changed the switch; a model that was already off stays off and is not stopped twice.
    state : str
        What the policy asked for: ``disabled`` or ``degraded``; empty if nothing was to be done.
    unreached : list of str
        A sentence for each STOP target and each service that could not be reached; the others hold.
    services : list of Answer
        What each configured service answered.
    incident : str
        Id of the incident that was opened; empty if none was.
    deliveries : list of Delivery
    """

    stopped: bool = False
    state: str = ""
    unreached: list[str] = field(default_factory=list)
    services: list[Answer] = field(default_factory=list)
    incident: str = ""
    deliveries: list[Delivery] = field(default_factory=list)


def stop(
    workspace: Workspace, ledger: Ledger, inspected: Inspected, now: datetime, *, caller: Caller | None = None,
    prefect: Prefect | None = None,
) -> Acted:
    """Take the model version off the road if its verdict says so, before anything else is done.

    The STOP files and the row on this host come first, then every configured service, then the incident. A service that shares
    the database sees the row anyway; one that cannot be reached is named.

    Parameters
    ----------
    workspace : Workspace
    ledger : Ledger
    inspected : Inspected
    now : datetime
    caller : Caller, optional
        Calls the services; by default with the settings' token.
    prefect : callable, optional
        Loads a Prefect secret block.

    Raises
    ------
    RoadworthyError
        If the stop could be written nowhere and no service took it.
    """
    bundle = inspected.bundle
    if bundle.verdict.word != "stop":
        return Acted()
    run, severe = bundle.run, severe_rules(bundle.findings)
    state = _state(ledger, run, severe)
    outcome, failed = _here(workspace, ledger, bundle.address, run, bundle.verdict.reason, state, now)
    times = {
        "judged_at": stamp(datetime.fromisoformat(run["finished_at"])),
        "file_at": incidents.written_at(outcome.reached),
        "row_at": "" if failed else stamp(datetime.now(UTC)),
    }
    body = {
        "model": run["model"], "version": run["version"], "state": state, "reason": bundle.verdict.reason[:500],
        "evidence": bundle.address,
    }
    key = f"{run['run_id']}:{'+'.join(severe)}:{inspected.identity}"
    answers = stop_at_services(workspace, body, key, prefect, caller)
    if failed is not None and not any(answer.reached for answer in answers):
        raise failed
    unreached = [*outcome.unreached, *(answer.problem for answer in answers if answer.problem)]
    stopped, fence = outcome.changed or failed is not None, outcome.fence or _fence(ledger, run, bundle.address)
    opened = ""
    if stopped or (fence and not incidents.has(ledger, inspected)):  # a run that was killed after the stop records it now
        opened = incidents.opened(workspace, ledger, inspected, state, severe, fence, times, answers, unreached, now)
    return Acted(stopped, state, unreached, answers, opened)


def _fence(ledger: Ledger, run: Mapping[str, Any], evidence: str) -> int:
    entry = ledger.latest("switch", model=run["model"], version=run["version"], evidence=evidence)
    return entry.seq if entry is not None else 0


def _state(ledger: Ledger, run: Mapping[str, Any], severe: Sequence[str]) -> str:
    try:
        before = ledger.latest("run", model=run["model"], version=run["version"], when="nightly", before_day=run["day"])
    except RoadworthyError:
        return DISABLED  # a past that cannot be read chooses no milder way, and keeps no model on the road
    fallback = (run["passport"].get("fallback") or {}).get("kind", "none") != "none"
    rules = run["policy"]["content"]["rules"]
    return measure_for(severe, rules, severe_before=before is not None and before.body["verdict"] == "stop", fallback=fallback)


def _here(
    workspace: Workspace, ledger: Ledger, evidence: str, run: Mapping[str, Any], reason: str, state: str, now: datetime
) -> tuple[Outcome, RoadworthyError | None]:
    switch = Switch.open(workspace, ledger)
    tighten = switch.degrade if state == DEGRADED else switch.stop
    try:
        found = tighten(run["model"], version=run["version"], by="automation", reason=reason, evidence=evidence, at=now)
    except RoadworthyError as problem:  # whatever it is, the services are still to be told
        return Outcome(state, unreached=[problem.sentence]), problem
    return found, None


def tell(
    workspace: Workspace,
    ledger: Ledger,
    inspected: Inspected,
    acted: Acted,
    link: str,
    plain: str,
    now: datetime,
    prefect: Prefect | None = None,
) -> list[Delivery]:
    """Alert the role concerned, once for each run, and record what became of it."""
    run, verdict = inspected.bundle.run, inspected.bundle.verdict
    identity = inspected.identity
    key = f"alert:{identity}:{run['day']}:{run['run_id']}"
    if ledger.has(key):
        return []
    done = acted.state if acted.stopped else ""
    alerts = alerts_for(identity, run["passport"]["title"], verdict, inspected.day, link, done, plain, acted.unreached)
    if not alerts:
        return []
    found = send(workspace, alerts, prefect)
    ledger.append(
        "alert",
        "automation",
        {
            "model": run["model"],
            "version": run["version"],
            "day": run["day"],
            "verdict": verdict.word,
            "evidence": inspected.bundle.address,
            "deliveries": outcomes(found),
        },
        at=now,
        key=key,
    )
    return found


def send(workspace: Workspace, alerts: Sequence[Alert], prefect: Prefect | None = None) -> list[Delivery]:
    """Send alerts to the addresses of their roles; inside a run, addresses in Prefect's secret blocks are read as well."""
    loads = prefect or blocks()
    return deliver(alerts, workspace.settings, lambda reference: resolve(reference, workspace.root, os.environ, loads))


def outcomes(deliveries: Sequence[Delivery]) -> list[dict[str, str]]:
    """Return what the ledger keeps of deliveries: the role and what became of it, no address."""
    return [{"role": one.role, "outcome": one.outcome} for one in deliveries]
