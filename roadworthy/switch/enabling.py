"""Switching on again: two people, one of them the Guardian, and a green gate that is younger than the stop.

The people are named here and not yet proven: who may run the command on this machine is trusted to say who they are. The
ledger's entry says so (``signed: false``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from roadworthy.errors import RefusedError, RoadworthyError
from roadworthy.ledger import chain
from roadworthy.ledger.chain import Execute
from roadworthy.switch import files, table
from roadworthy.switch.files import ACTIVE, ANY, Stop, scope_of
from roadworthy.switch.places import places
from roadworthy.switch.state import may_serve
from roadworthy.switch.stopping import Outcome
from roadworthy.switch.table import Row

if TYPE_CHECKING:
    from roadworthy.evidence import Bundle
    from roadworthy.ledger import Entry, Ledger
    from roadworthy.workspace import Workspace

GREEN = "go"
AUTHORITY = ("owner", "guardian", "operator")


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: the scope, by whom, approved by whom, on which gate runs."""

    model: str
    version: str
    segment: str
    requested_by: str
    approved_by: str
    evidence: tuple[str, ...]
    reason: str
    at: datetime

    @property
    def key(self) -> tuple[str, str, str]:
        """The scope: model, version, segment."""
        return self.model, self.version, self.segment

    @property
    def scope(self) -> str:
        """The scope in words."""
        return scope_of(self.model, self.version, self.segment)


def enable(workspace: Workspace, ledger: Ledger, request: Request) -> Outcome:
    """Make a scope active again, or say in one sentence why not.

    Parameters
    ----------
    workspace : Workspace
    ledger : Ledger
    request : Request
        `evidence` holds the address of a gate run with verdict ``go`` for each version in service that the stop holds.

    Returns
    -------
    Outcome
        `state` is what a request is answered with now: a wider stop, or a STOP file that could not be lifted (in
        `unreached`), still holds.

    Raises
    ------
    RefusedError
        If people, gate or time are not what it takes. Nothing is changed then.
    StorageError
        If it could not be recorded. Nothing is changed then.
    """
    here = places(workspace.root)
    with ledger.transaction() as execute:
        table.install(execute)
        row = _row(execute, request)
    in_files = [
        s for folder in (here.folder, *here.targets) for s in files.held(folder, request.model)
        if s.key == request.key
    ]
    _refuse_if_not_held(workspace, request, row, in_files)
    since = max([s.at for s in in_files] + ([row.stop.at] if row else []))
    _check_people(workspace, request)
    fence = row.fence if row else 0
    for identity in _concerned(workspace, ledger, request):
        _check_guardian(workspace, request, identity)
        _check_gate(workspace, ledger, request, identity, fence=fence, since=since)
    with ledger.transaction() as execute:
        now = _row(execute, request)
        if now != row:
            said = f"{request.scope} was changed while this was checked."
            raise RefusedError(said, "Look at 'roadworthy switch status' and ask again.")
        body = {
            "model": request.model, "version": request.version, "segment": request.segment,
            "from": row.stop.state if row else files.DISABLED, "to": ACTIVE, "reason": request.reason[: files.MAX_REASON],
            "requested_by": request.requested_by, "approved_by": request.approved_by, "signed": False,
            "gates": list(request.evidence), "evidence": request.evidence[0],
        }
        entry = chain.append(execute, "switch", request.approved_by, body, at=request.at)
        stop = Stop.make(
            request.model, request.version, request.segment, state=ACTIVE, at=request.at, by=request.approved_by,
            reason=request.reason, evidence=request.evidence[0],
        )
        table.put(execute, stop, entry.seq)
    outcome = Outcome(ACTIVE, changed=True, fence=entry.seq)
    for folder in (here.folder, *here.targets):
        path = folder / files.file_name(request.model)
        try:
            files.lift(folder, request.model, request.version, request.segment, since)
        except OSError as problem:
            said = problem.strerror or str(problem)
            outcome.unreached.append(f"The STOP file {path} could not be lifted ({said}); there the stop holds.")
    if request.model != ANY:
        version = None if request.version == ANY else request.version
        segment = None if request.segment == ANY else request.segment
        outcome.state = may_serve(workspace.root, request.model, version, segment).state
    return outcome


def _row(execute: Execute, request: Request) -> Row | None:
    return next((r for r in table.rows(execute, request.model) if r.stop.key == request.key), None)


def _refuse_if_not_held(workspace: Workspace, request: Request, row: Row | None, in_files: Sequence[Stop]) -> None:
    if in_files or (row is not None and row.stop.state != ACTIVE):
        return
    if request.model == ANY:
        raise RefusedError("There is no stop of all models.", "Look at 'roadworthy switch status'.")
    decision = may_serve(workspace.root, request.model, None if request.version == ANY else request.version)
    if decision.serves and decision.state == ACTIVE:
        raise RefusedError(f"{request.scope} is active; there is nothing to enable.")
    held = f"The stop that holds it was made for '{decision.scope}'" if decision.scope else "Its state is unknown"
    said = f"{request.scope} was not stopped by itself. {held}: {decision.reason}"
    raise RefusedError(said, "Name that scope: a version, or '*' for all.")


def _check_people(workspace: Workspace, request: Request) -> None:
    people = workspace.people()
    for what, who in (("ask", request.requested_by), ("approve", request.approved_by)):
        person = people.find(who)
        if person is None:
            said = f"'{who}' is not in people.yaml and cannot {what}."
            raise RefusedError(said, "Only people switch a model on, never automation.")
        if not set(person.roles) & set(AUTHORITY):
            said = f"{person.name} is {' and '.join(person.roles)} and cannot {what}."
            raise RefusedError(said, f"It takes one of: {', '.join(AUTHORITY)}.")
    approver = people.find(request.approved_by)
    if approver is None or "guardian" not in approver.roles:
        raise RefusedError(f"{request.approved_by} is not a Guardian and cannot approve.", "Ask the Guardian.")
    if request.requested_by == request.approved_by:
        raise RefusedError(f"{approver.name} asked and approved; that takes two people.", "Let someone else ask.")
    if not request.reason.strip():
        raise RefusedError("Switching on again needs a reason.", "Say what was wrong and what was done.")


def _concerned(workspace: Workspace, ledger: Ledger, request: Request) -> list[str]:
    """Return the versions that would serve again: the named one, else those in service, else all of the model."""
    from roadworthy.registry import Registry

    if request.version != ANY:
        return [f"{request.model}@{request.version}"]
    live = [one.identity for one in Registry(workspace, ledger).live()]

    def mine(identities: Sequence[str]) -> list[str]:
        return [i for i in identities if request.model in (ANY, i.partition("@")[0])]

    return mine(live) or mine(sorted(workspace.passports()))


def _check_guardian(workspace: Workspace, request: Request, identity: str) -> None:
    try:
        roles = workspace.passport(identity).roles
    except RoadworthyError as problem:
        raise RefusedError(f"{identity} has no passport that can be read: {problem}", "Mend it first.") from problem
    if request.approved_by not in (roles.guardian, roles.deputy):
        raise RefusedError(f"{request.approved_by} is not the Guardian of {identity}.", f"Ask {roles.guardian}.")


def _check_gate(workspace: Workspace, ledger: Ledger, request: Request, identity: str, *, fence: int, since: str) -> None:
    model, _, version = identity.partition("@")
    entry = _gate_run(ledger, request, model, version)
    again = f"Run: roadworthy gate {model} {version}"
    if entry is None:
        raise RefusedError(f"None of the evidence named is a recorded gate run of {identity}.", again)
    shown = f"The gate run {str(entry.body['evidence'])[:12]}... of {identity}"
    if entry.seq < fence or chain.stamp(entry.at) <= since:
        raise RefusedError(f"{shown} is older than the stop ({since}); what it found was before that.", again)
    bundle = _bundle(workspace, entry)
    if bundle.verdict.when != "gate" or bundle.verdict.word != GREEN or entry.body.get("verdict") != GREEN:
        raise RefusedError(f"{shown} ended '{bundle.verdict.word}', not '{GREEN}': {bundle.verdict.reason}", again)
    if (bundle.run.get("model"), bundle.run.get("version")) != (model, version):
        raise RefusedError(f"{shown} is about another model.", again)
    finished = bundle.run.get("finished_at")
    if finished is not None and chain.stamp(datetime.fromisoformat(finished)) <= since:
        raise RefusedError(f"{shown} was finished before the stop ({since}).", again)


def _gate_run(ledger: Ledger, request: Request, model: str, version: str) -> Entry | None:
    """Return the newest gate run among the evidence named; the first 12 characters of an address are enough."""
    for entry in ledger.newest("run", 1_000, model=model, version=version, when="gate"):
        address = str(entry.body.get("evidence", ""))
        if any(len(named) >= 12 and address.startswith(named) for named in request.evidence):
            return entry
    return None


def _bundle(workspace: Workspace, entry: Entry) -> Bundle:
    from roadworthy.evidence import EvidenceStore, read_bundle

    body, store = entry.body, EvidenceStore(workspace.evidence)
    relative = store.relative(body["model"], body["version"], body["day"], body["run_id"])
    return read_bundle(store.path_of(relative), expect=body["evidence"])
