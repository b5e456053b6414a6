"""Acts on a verdict: first the stop, then everything else.

Only the latest due night acts. A backfill or a second run of an old day records and does nothing here.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from flows.inspect import Inspected
from roadworthy.alerts import Delivery, alerts_for, deliver
from roadworthy.ledger import Ledger
from roadworthy.secrets import resolve
from roadworthy.switch import Switch
from roadworthy.workspace import Workspace


@dataclass(frozen=True)
class Acted:
    """What was done about one inspection.

    Attributes
    ----------
    stopped : bool
        True if this run changed the switch; a model that was already off stays off and is not stopped twice.
    unreached : list of str
        STOP targets that could not be written.
    deliveries : list of Delivery
    """

    stopped: bool = False
    unreached: list[str] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)


def stop(workspace: Workspace, ledger: Ledger, inspected: Inspected, now: datetime) -> Acted:
    """Take the model version off the road if its verdict says so, before anything else is done."""
    bundle = inspected.bundle
    if bundle.verdict.word != "stop":
        return Acted()
    run = bundle.run
    done = Switch.open(workspace, ledger).stop(
        run["model"],
        version=run["version"],
        by="automation",
        reason=bundle.verdict.reason,
        evidence=bundle.address,
        at=now,
    )
    return Acted(stopped=done.changed, unreached=list(done.unreached))


def tell(
    workspace: Workspace,
    ledger: Ledger,
    inspected: Inspected,
    acted: Acted,
    link: str,
    plain: str,
    now: datetime,
    prefect: Callable[[str], str] | None = None,
) -> list[Delivery]:
    """Alert the role concerned, once for each run, and record what became of it."""
    run, verdict = inspected.bundle.run, inspected.bundle.verdict
    identity = inspected.identity
    key = f"alert:{identity}:{run['day']}:{run['run_id']}"
    if ledger.has(key):
        return []
    alerts = alerts_for(identity, run["passport"]["title"], verdict, inspected.day, link, acted.stopped, plain)
    if not alerts:
        return []
    found = deliver(alerts, workspace.settings, lambda reference: resolve(reference, workspace.root, os.environ, prefect))
    ledger.append(
        "alert",
        "automation",
        {
            "model": run["model"],
            "version": run["version"],
            "day": run["day"],
            "verdict": verdict.word,
            "evidence": inspected.bundle.address,
            "deliveries": [{"role": d.role, "outcome": d.outcome} for d in found],
        },
        at=now,
        key=key,
    )
    return found
