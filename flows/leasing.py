"""Keeps the switch's list of versions in service, and renews a lease when a night has decided."""

from __future__ import annotations

from datetime import datetime

from flows.inspect import Inspected
from roadworthy.ledger import Ledger
from roadworthy.registry import Registry
from roadworthy.switch import served
from roadworthy.workspace import Workspace

#: Verdicts of a decided night; a breach renews only where the policy says so.
_RENEWS = ("clear", "watch")


def put_in_service(registry: Registry, ledger: Ledger, now: datetime) -> bool:
    """Tell the switch which versions are live; True if that changed anything. It switches nothing on."""
    live = registry.live()
    versions = [
        (one.model, one.version, one.passport.risk_tier, one.passport.fallback.kind != "none") for one in live if one.passport
    ]
    unread = [one.identity for one in live if one.passport is None]
    with ledger.transaction() as execute:
        return served.put_in(execute, versions, now, unread=unread, keep=(registry.workspace.settings.switch.canary,))


def renew(workspace: Workspace, ledger: Ledger, inspected: Inspected, now: datetime) -> bool:
    """Renew the lease of the version that a night has decided about; True if it was renewed.

    The policy is the one that was sealed before anything was measured. What could not be decided renews nothing, and neither
    does a stop.
    """
    bundle = inspected.bundle
    word, run = bundle.verdict.word, bundle.run
    tolerated = word == "breach" and bool(run["policy"]["content"].get("renew_lease_on_breach", False))
    if word not in _RENEWS and not tolerated:
        return False
    with ledger.transaction() as execute:
        return served.renew(execute, run["model"], run["version"], evidence=bundle.address, at=now)
