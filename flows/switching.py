"""What the command line says and does about the switch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from flows import incidents
from roadworthy.errors import RefusedError, UsageError
from roadworthy.ledger import Ledger
from roadworthy.ledger.chain import stamp
from roadworthy.switch import Switch, beats, clock, enabling, extending, may_serve, proof, requests, store
from roadworthy.switch.files import ACTIVE, ANY, scope_of
from roadworthy.switch.requests import Asked, Wish
from roadworthy.switch.store import Stored
from roadworthy.workspace import Workspace

Sign = Callable[[bytes], str]


def status(workspace: Workspace, model: str | None, now: datetime | None = None) -> list[dict[str, Any]]:
    """Return a row for each model version: may it serve, since when, who says so and why, and what hangs on it.

    Parameters
    ----------
    workspace : Workspace
    model : str or None
        Only this model, or this ``model@version``.
    now : datetime, optional
        Wall time; by default now.

    Returns
    -------
    list of dict
        ``model``, ``version``, ``state``, ``since``, ``by``, ``reason``; ``lease`` or None; ``terms`` of its scopes; ``requests``
        that wait; ``proof`` of the last stop that concerned it, or None.
    """
    now = now or datetime.now(UTC)
    with Ledger.open(workspace.state_url) as ledger:
        with ledger.transaction() as execute:
            store.install(execute)
            stored, waiting = store.load(execute), requests.waiting(execute, now)
        known = {*workspace.passports(), *(f"{o.model}@{o.version}" for o in stored.service if o.model == model)}
        identities = [i for i in sorted(known) if model is None or model in (i, i.partition("@")[0])]
        if not identities:
            raise UsageError(f"There is no model '{model}'.", f"Known: {', '.join(workspace.passports()) or 'none'}.")
        return [_row(workspace, ledger, stored, waiting, *identity.partition("@")[::2], now) for identity in identities]


def _row(
    workspace: Workspace, ledger: Ledger, stored: Stored, waiting: Sequence[Asked], model: str, version: str, now: datetime
) -> dict[str, Any]:
    decision, moment = may_serve(workspace.root, model, version, now=now), stamp(now)
    today = now.astimezone(ZoneInfo(workspace.settings.time_zone)).date().isoformat()
    one = next((o for o in stored.service if (o.model, o.version) == (model, version)), None)
    lease = None
    if one is not None and one.lease_until:
        lease = {
            "until": one.lease_until, "alert_at": one.alert_at, "renewed_by": one.renewed_by, "extended_by": one.extended_by,
            "half_over": moment >= one.alert_at, "lapsed": moment >= one.lease_until,
        }
    fences = {row.stop.key: row.fence for row in stored.rows}
    held = {row.stop.key for row in stored.rows if row.stop.state != ACTIVE}

    def mine(key: tuple[str, str, str]) -> bool:
        return key[0] in (model, ANY) and key[1] in (version, ANY)

    terms = [
        {
            "scope": scope_of(*key), "review_by": t.review_by, "until": t.until, "then_state": t.then_state,
            "due": bool(t.review_by) and key in held and today >= t.review_by,
        }
        for key, t in stored.terms.items() if mine(key) and fences.get(key) == t.fence and (key in held or moment < t.until)
    ]
    with ledger.reading() as execute:
        entry = proof.last_stop(execute, model)
        embedded = beats.read(workspace.made, now)
        found = proof.proof_of(execute, entry, now, model, embedded) if entry is not None else None
    return {
        "model": model, "version": version, "state": decision.state, "since": decision.since, "by": decision.by,
        "reason": decision.reason, "lease": lease, "terms": terms,
        "requests": [_asked(asked) for asked in waiting if mine(asked.wish.key)],
        "proof": found.as_dict() if found is not None and mine(_scope(found.scope, model)) else None,
    }


def _scope(scope: str, model: str) -> tuple[str, str, str]:
    """Return the scope of a stop's words; the words are this project's own."""
    name, _, segment = scope.partition(" ")
    named, _, version = name.partition("@")
    return named or model, version or ANY, segment or ANY


def _asked(asked: Asked) -> dict[str, Any]:
    wish = asked.wish
    return {
        "id": asked.id, "act": wish.act, "scope": wish.scope, "requested_by": asked.requested_by, "asked_at": asked.asked_at,
        "expires_at": asked.expires_at, "signed": bool(asked.signature), "reason": wish.reason,
    }


def requests_of(workspace: Workspace, now: datetime) -> list[dict[str, Any]]:
    """Return the requests that wait for an approval, the oldest first."""
    with Ledger.open(workspace.state_url) as ledger, ledger.transaction() as execute:
        return [_asked(asked) for asked in requests.waiting(execute, now)]


def request(workspace: Workspace, wish: Wish, sign: Sign) -> Asked:
    """Ask to switch a scope on again; `sign` gets the exact statement and returns a signature, or an empty text."""
    with Ledger.open(workspace.state_url) as ledger:
        return enabling.ask(workspace, ledger, wish, sign(enabling.draft(workspace, ledger, wish)))


def approve(workspace: Workspace, name: str, by: str, sign: Sign, now: datetime) -> str:
    """Approve a request and return the sentence to print."""
    with Ledger.open(workspace.state_url) as ledger:
        with ledger.transaction() as execute:
            requests.install(execute)
            asked = requests.find(execute, name)
        done = enabling.approve(workspace, ledger, name, by=by, at=now, signature=sign(asked.statement.encode()))
        incidents.refresh(workspace, ledger, now)
    wish = asked.wish
    held = f" A STOP file could not be lifted: {' '.join(done.unreached)}" if done.unreached else ""
    if done.state != ACTIVE:
        return f"{wish.scope} stays {done.state}: a wider stop still holds it. See 'roadworthy switch status'.{held}"
    until = "" if wish.until is None else f" until {stamp(wish.until)[:16].replace('T', ' ')} UTC, then it is stopped again"
    return f"{wish.scope} is active{until}: asked by {wish.requested_by}, approved by {by}; entry {done.fence}.{held}"


def extension(workspace: Workspace, model: str, version: str, until: datetime, now: datetime) -> bytes:
    """Return the statement that Owner and Guardian sign."""
    with Ledger.open(workspace.state_url) as ledger:
        return extending.draft(workspace, ledger, model, version, until=until, at=now)


def extend(
    workspace: Workspace, model: str, version: str, until: datetime, now: datetime, owner: tuple[str, str],
    guardian: tuple[str, str],
) -> int:
    """Extend a lease and return the ledger's entry."""
    with Ledger.open(workspace.state_url) as ledger:
        return extending.extend(workspace, ledger, model, version, until=until, at=now, owner=owner, guardian=guardian)


def new_epoch(workspace: Workspace, by: str, now: datetime) -> tuple[int, int]:
    """Begin a new epoch and record who did; returns epoch and sequence.

    Raises
    ------
    RefusedError
        If `by` is nobody who answers for models.
    """
    person = workspace.people().find(by)
    if person is None or not set(person.roles) & set(enabling.AUTHORITY):
        raise RefusedError(f"'{by}' is no Owner, Guardian or Operator of people.yaml and cannot begin an epoch.")
    with Ledger.open(workspace.state_url) as ledger:
        with ledger.transaction() as execute:
            epoch, sequence = clock.new_epoch(execute)
        ledger.append("switch-epoch", by, {"epoch": epoch, "sequence": sequence}, at=now)
    return epoch, sequence


def degrade(workspace: Workspace, model: str, version: str | None, reason: str, by: str, now: datetime) -> str:
    """Let the fallback answer; returns the sentence to print."""
    done = Switch.open(workspace, Ledger.open(workspace.state_url)).degrade(model, version=version, by=by, reason=reason, at=now)
    return f"{model} is {done.state}." if done.changed else f"{model} was {done.state} already; nothing changed."


def enable(
    workspace: Workspace, model: str, version: str, reason: str, requested_by: str, approved_by: str, evidence: str, now: datetime
) -> str:
    """Switch back on; returns the sentence to print."""
    ledger = Ledger.open(workspace.state_url)
    done = Switch.open(workspace, ledger).enable(
        model,
        version=version,
        requested_by=requested_by,
        approved_by=approved_by,
        evidence=evidence,
        reason=reason,
        at=now,
    )
    incidents.refresh(workspace, ledger, now)
    if done.state != "active":
        return f"{model}@{version} stays {done.state}: a wider stop still holds it. See 'roadworthy switch status'."
    held = f" A STOP file could not be lifted: {' '.join(done.unreached)}" if done.unreached else ""
    return f"{model}@{version} is active again: asked by {requested_by}, approved by {approved_by}.{held}"
