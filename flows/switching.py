"""The switch as the command line uses it; the rules are in `roadworthy.switch`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from roadworthy.errors import UsageError
from roadworthy.ledger import Ledger
from roadworthy.switch import Switch
from roadworthy.workspace import Workspace


def status(workspace: Workspace, model: str | None) -> list[dict[str, Any]]:
    """Return a row for each model version: may it serve, since when, who says so and why."""
    identities = [i for i in workspace.passports() if model is None or model in (i, i.partition("@")[0])]
    if not identities:
        raise UsageError(f"There is no model '{model}'.", f"Known: {', '.join(workspace.passports()) or 'none'}.")
    switch = Switch.open(workspace, Ledger.open(workspace.state_url))
    rows = []
    for identity in identities:
        name, _, version = identity.partition("@")
        decision = switch.may_serve(name, version)
        rows.append(
            {
                "model": name,
                "version": version,
                "state": decision.state,
                "since": decision.since,
                "by": decision.by,
                "reason": decision.reason,
            }
        )
    return rows


def degrade(workspace: Workspace, model: str, version: str | None, reason: str, by: str, now: datetime) -> str:
    """Let the fallback answer; returns the sentence to print."""
    done = Switch.open(workspace, Ledger.open(workspace.state_url)).degrade(model, version=version, by=by, reason=reason, at=now)
    return f"{model} is {done.state}." if done.changed else f"{model} was {done.state} already; nothing changed."


def enable(
    workspace: Workspace, model: str, version: str, reason: str, requested_by: str, approved_by: str, evidence: str, now: datetime
) -> str:
    """Switch back on; returns the sentence to print."""
    done = Switch.open(workspace, Ledger.open(workspace.state_url)).enable(
        model,
        version=version,
        requested_by=requested_by,
        approved_by=approved_by,
        evidence=evidence,
        reason=reason,
        at=now,
    )
    if done.state != "active":
        return f"{model}@{version} stays {done.state}: a wider stop still holds it. See 'roadworthy switch status'."
    held = f" A STOP file could not be lifted: {' '.join(done.unreached)}" if done.unreached else ""
    return f"{model}@{version} is active again: asked by {requested_by}, approved by {approved_by}.{held}"
