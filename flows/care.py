"""Looks after the switch between and after nights: leases that nobody renews, broken glasses whose hour is over, reviews due.

A deployment of its own runs it every hour, because a night that does not run cannot say that it did not.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from prefect import flow
from prefect.client.schemas import State
from prefect.states import Completed

from flows import incidents
from flows.act import Prefect, outcomes, send
from flows.services import blocks
from roadworthy.alerts import Alert
from roadworthy.errors import RoadworthyError
from roadworthy.ledger import Ledger
from roadworthy.ledger.chain import stamp
from roadworthy.switch import Switch, store
from roadworthy.switch.care import Matter, matters
from roadworthy.switch.files import ANY, DEGRADED, DISABLED, QUARANTINED
from roadworthy.workspace import Workspace


def due(workspace: Workspace, ledger: Ledger, now: datetime) -> list[Matter]:
    """Return what there is to be told, whether it was told before or not."""
    with ledger.transaction() as execute:
        store.install(execute)
        stored = store.load(execute)
    today = now.astimezone(ZoneInfo(workspace.settings.time_zone)).date().isoformat()
    return matters(stored, stamp(now), today, workspace.settings.switch.canary)


def look_after(workspace: Workspace, ledger: Ledger, now: datetime, prefect: Prefect | None = None) -> list[str]:
    """Write back what a broken glass has opened for too long, tell people once of each matter, and return what was told.

    Parameters
    ----------
    workspace : Workspace
    ledger : Ledger
    now : datetime
        Wall time.
    prefect : callable, optional
        Loads a Prefect secret block.
    """
    said = []
    for matter in due(workspace, ledger, now):
        if ledger.has(matter.key):
            continue
        unreached = _write_back(workspace, ledger, matter, now) if matter.to else []
        body = "\n".join([matter.says, *unreached, f"Command: roadworthy switch status {matter.model}"])
        found = send(workspace, [Alert(role, _title(matter), body) for role in matter.roles], prefect)
        words = {
            "model": matter.model, "version": matter.version, "segment": matter.segment, "matter": matter.kind,
            "says": matter.says, "unreached": unreached, "deliveries": outcomes(found),
        }
        ledger.append("care", "automation", words, at=now, key=matter.key)
        said.append(matter.says)
    incidents.refresh(workspace, ledger, now)
    return said


def _write_back(workspace: Workspace, ledger: Ledger, matter: Matter, now: datetime) -> Sequence[str]:
    """Make the row and the STOP files say what holds by time already, so that nothing rests on a clock alone."""
    switch = Switch.open(workspace, ledger)
    version, segment = (None if part == ANY else part for part in (matter.version, matter.segment))
    words: dict[str, Any] = {"version": version, "segment": segment, "by": "automation", "reason": matter.says, "at": now}
    try:
        if matter.to == DEGRADED:
            done = switch.degrade(matter.model, **words)
        else:
            to = matter.to if matter.to in (DISABLED, QUARANTINED) else DISABLED
            done = switch.stop(matter.model, to=to, **words)
    except RoadworthyError as problem:  # it holds by time all the same; whoever is told must know
        return [problem.sentence]
    return done.unreached


def _title(matter: Matter) -> str:
    what = {
        "lease-half": "half of the lease is over", "lease-lapsed": "the lease lapsed", "glass-ended": "the broken glass is shut",
        "review-due": "a stop is to be looked at again",
    }[matter.kind]
    return f"{matter.model}: {what}"


@flow(name="switch-care", persist_result=False)
def switch_care(workspace: str | None = None) -> State[None]:
    """Look after leases, broken glasses and reviews.

    Parameters
    ----------
    workspace : str, optional
        Folder of the workspace; by default ROADWORTHY_WORKSPACE, or the nearest folder upward.
    """
    here = Workspace.find(workspace)
    with Ledger.open(here.state_url) as ledger:
        said = look_after(here, ledger, datetime.now(UTC), blocks())
    return Completed(name="Told" if said else "Quiet", message=" ".join(said) or "Nothing was due.")
