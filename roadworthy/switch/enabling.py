"""Switching on again: two people, one of them the Guardian, and a green gate that is younger than the stop.

Where a model of tier high is concerned both sign with their own keys, and what they signed lies beside the row. Elsewhere a
person without a key is named and not proven, and the ledger's entry says so (``signed: false``). In an emergency two people may
break the glass: without a gate, for an hour at most, and loudly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from roadworthy.errors import RefusedError, RoadworthyError
from roadworthy.ledger import chain
from roadworthy.ledger.chain import Execute, stamp
from roadworthy.people_lock import check_locked
from roadworthy.switch import files, requests, store, table, terms
from roadworthy.switch.files import ACTIVE, ANY, Stop
from roadworthy.switch.places import Places, places
from roadworthy.switch.requests import Asked, Wish
from roadworthy.switch.state import may_serve
from roadworthy.switch.stopping import Outcome
from roadworthy.switch.table import Row
from roadworthy.switch.terms import Terms

if TYPE_CHECKING:
    from roadworthy.evidence import Bundle
    from roadworthy.ledger import Entry, Ledger
    from roadworthy.people import Person
    from roadworthy.workspace import Workspace

GREEN = "go"
AUTHORITY = ("owner", "guardian", "operator")


@dataclass(frozen=True, slots=True)
class _Held:
    """What holds a scope now: its row, and the lines of STOP files made for exactly it."""

    row: Row | None
    lines: Sequence[Stop]

    @property
    def state(self) -> str:
        return self.row.stop.state if self.row else files.DISABLED

    @property
    def fence(self) -> int:
        return self.row.fence if self.row else 0

    @property
    def since(self) -> str:
        return max([line.at for line in self.lines] + ([self.row.stop.at] if self.row else []))


def draft(workspace: Workspace, ledger: Ledger, wish: Wish) -> bytes:
    """Return the statement that the person who asks is to sign, after checking that they may ask.

    Raises
    ------
    RefusedError
        If nothing is held, or they may not ask.
    """
    with ledger.transaction() as execute:
        held = _held(workspace, execute, wish)
    _check_asks(workspace, wish)
    return wish.statement(held.state, held.fence)


def ask(workspace: Workspace, ledger: Ledger, wish: Wish, signature: str = "") -> Asked:
    """Record a request to switch on again; it changes nothing until a Guardian approves it.

    Parameters
    ----------
    workspace : Workspace
    ledger : Ledger
    wish : Wish
    signature : str, optional
        The requester's, base64, over `requests.DOMAIN` and the statement of `draft`.

    Raises
    ------
    RefusedError
        If nothing is held, the person may not ask, or the signature is missing or wrong.
    """
    person = _check_asks(workspace, wish)
    needed = _is_high(workspace, _concerned(workspace, ledger, wish))
    with ledger.transaction() as execute:
        held = _held(workspace, execute, wish)
        statement = wish.statement(held.state, held.fence)
        requests.check_signature(person, statement, signature, needed=needed)
        return requests.keep(execute, wish, statement, held.fence, signature)


def check(workspace: Workspace, ledger: Ledger, wish: Wish, by: str) -> None:
    """Refuse what could not be approved anyway, before anything is recorded.

    Raises
    ------
    RefusedError
        With the same sentence that `approve` would say.
    """
    with ledger.transaction() as execute:
        held = _held(workspace, execute, wish)
    _check_asks(workspace, wish)
    _check_approves(workspace, wish, by)
    for identity in _concerned(workspace, ledger, wish):
        _check_guardian(workspace, by, identity)
        if wish.until is None:
            with ledger.reading() as execute:
                _check_gate(workspace, execute, wish, identity, held)


def approve(
    workspace: Workspace, ledger: Ledger, request: str, *, by: str, at: datetime, signature: str = ""
) -> Outcome:
    """Approve a request and switch the scope on, in one transaction; or say in one sentence why not.

    Parameters
    ----------
    workspace : Workspace
    ledger : Ledger
    request : str
        Id of the request.
    by : str
        The Guardian, or deputy, of every version concerned; not the one who asked.
    at : datetime
    signature : str, optional
        Theirs, over the same bytes.

    Returns
    -------
    Outcome
        `state` is what a request is answered with now: a wider stop, or a STOP file that could not be lifted (in
        `unreached`), still holds.

    Raises
    ------
    RefusedError
        If people, signatures, gate, fence or time are not what it takes. Nothing is changed then.
    StorageError
        If it could not be recorded. Nothing is changed then.
    """
    with ledger.transaction() as execute:
        requests.install(execute)
        asked = requests.find(execute, request)
        wish = asked.wish
        if stamp(at) >= asked.expires_at:
            raise RefusedError(f"The request {request} expired on {asked.expires_at[:16]}.", "Ask again.")
        held = _held(workspace, execute, wish)
        if held.fence != asked.fence or held.since > asked.asked_at:
            said = f"The fence moved: {wish.scope} was changed after this was asked ({held.since[:19]})."
            raise RefusedError(said, "Look at 'roadworthy switch status' and ask again.")
        concerned = _concerned(workspace, ledger, wish)  # what would serve again now, not when it was asked
        asker = _check_asks(workspace, wish)
        person = _check_approves(workspace, wish, by)
        for identity in concerned:
            _check_guardian(workspace, by, identity)
        needed = _is_high(workspace, concerned)
        if wish.statement(held.state, held.fence).decode() != asked.statement:
            raise RefusedError(f"The request {request} is not what was signed.", "Ask again.")
        requests.check_signature(asker, asked.statement.encode(), asked.signature, needed=needed)
        signed = requests.check_signature(person, asked.statement.encode(), signature, needed=needed) and bool(asked.signature)
        gates = [] if wish.until else [_check_gate(workspace, execute, wish, i, held) for i in concerned]
        outcome = _open(execute, wish, held, asked, by=by, at=at, gates=gates, signed=signed)
        if signed:
            requests.keep_signed(
                execute, outcome.fence, asked.statement, [(wish.requested_by, asked.signature), (by, signature)]
            )
        requests.use(execute, asked)
    _lift(workspace, wish, held.since, outcome)
    if wish.model != ANY:
        version = None if wish.version == ANY else wish.version
        outcome.state = may_serve(workspace.root, wish.model, version, None if wish.segment == ANY else wish.segment, at).state
    return outcome


def _open(
    execute: Execute, wish: Wish, held: _Held, asked: Asked, *, by: str, at: datetime, gates: Sequence[str], signed: bool
) -> Outcome:
    evidence = gates[0] if gates else ""
    body: dict[str, Any] = {
        "model": wish.model, "version": wish.version, "segment": wish.segment, "from": held.state, "to": ACTIVE,
        "reason": wish.reason[: files.MAX_REASON], "requested_by": wish.requested_by, "approved_by": by, "signed": signed,
        "gates": list(gates), "evidence": evidence, "request": asked.id, "act": wish.act,
    }
    if wish.until is not None:
        body["until"] = stamp(wish.until)
    entry = chain.append(execute, "switch", by, body, at=at)
    stop = Stop.make(*wish.key, state=ACTIVE, at=at, by=by, reason=wish.reason, evidence=evidence)
    table.put(execute, stop, entry.seq)
    if wish.until is not None:
        terms.put(execute, Terms(*wish.key, entry.seq, until=stamp(wish.until), then_state=held.state))
    return Outcome(ACTIVE, changed=True, fence=entry.seq)


def _lift(workspace: Workspace, wish: Wish, since: str, outcome: Outcome) -> None:
    here = places(workspace.root)
    for folder in (here.folder, *here.targets):
        path = folder / files.file_name(wish.model)
        try:
            files.lift(folder, wish.model, wish.version, wish.segment, since)
        except OSError as problem:
            said = problem.strerror or str(problem)
            outcome.unreached.append(f"The STOP file {path} could not be lifted ({said}); there the stop holds.")


def _held(workspace: Workspace, execute: Execute, wish: Wish) -> _Held:
    store.install(execute)
    requests.install(execute)
    here = places(workspace.root)
    row = next((r for r in table.rows(execute, wish.model) if r.stop.key == wish.key), None)
    if row is not None:
        now = terms.applied(row, terms.of(terms.rows(execute)), stamp(wish.asked_at))
        row = Row(now, row.fence)
    lines = _lines(here, wish)
    if not lines and (row is None or row.stop.state == ACTIVE):
        _refuse(workspace, wish)
    return _Held(row, lines)


def _lines(here: Places, wish: Wish) -> list[Stop]:
    return [s for folder in (here.folder, *here.targets) for s in files.held(folder, wish.model) if s.key == wish.key]


def _refuse(workspace: Workspace, wish: Wish) -> None:
    if wish.model == ANY:
        raise RefusedError("There is no stop of all models.", "Look at 'roadworthy switch status'.")
    version = None if wish.version == ANY else wish.version
    decision = may_serve(workspace.root, wish.model, version, now=wish.asked_at)
    if decision.serves and decision.state == ACTIVE:
        raise RefusedError(f"{wish.scope} is active; there is nothing to enable.")
    held = f"The stop that holds it was made for '{decision.scope}'" if decision.scope else "Its state is unknown"
    said = f"{wish.scope} was not stopped by itself. {held}: {decision.reason}"
    raise RefusedError(said, "Name that scope: a version, or '*' for all.")


def _check_asks(workspace: Workspace, wish: Wish) -> Person:
    person = _person(workspace, wish.requested_by, "ask")
    if not wish.reason.strip():
        raise RefusedError("Switching on again needs a reason.", "Say what was wrong and what was done.")
    if wish.until is not None and not wish.asked_at < wish.until <= wish.asked_at + requests.GLASS:
        raise RefusedError("Breaking the glass is for an hour at most.", "Name an earlier end.")
    return person


def _check_approves(workspace: Workspace, wish: Wish, by: str) -> Person:
    person = _person(workspace, by, "approve")
    if "guardian" not in person.roles:
        raise RefusedError(f"{by} is not a Guardian and cannot approve.", "Ask the Guardian.")
    if wish.requested_by == by:
        raise RefusedError(f"{person.name} asked and approved; that takes two people.", "Let someone else ask.")
    return person


def _person(workspace: Workspace, who: str, what: str) -> Person:
    people = workspace.people()
    person = people.find(who)
    if person is None:
        said = f"'{who}' is not in people.yaml and cannot {what}."
        raise RefusedError(said, "Only people switch a model on, never automation.")
    if not set(person.roles) & set(AUTHORITY):
        said = f"{person.name} is {' and '.join(person.roles)} and cannot {what}."
        raise RefusedError(said, f"It takes one of: {', '.join(AUTHORITY)}.")
    if person.public_key:
        check_locked(workspace.root, people, who)
    return person


def _concerned(workspace: Workspace, ledger: Ledger, wish: Wish) -> list[str]:
    """Return the versions that would serve again: the named one, else those in service, else all of the model."""
    from roadworthy.registry import Registry

    if wish.version != ANY:
        return [f"{wish.model}@{wish.version}"]
    live = [one.identity for one in Registry(workspace, ledger).live()]

    def mine(identities: Sequence[str]) -> list[str]:
        return [i for i in identities if wish.model in (ANY, i.partition("@")[0])]

    return mine(live) or mine(sorted(workspace.passports()))


def _is_high(workspace: Workspace, identities: Sequence[str]) -> bool:
    """Say whether a version of tier high is among them; one that cannot be read counts as such."""
    for identity in identities:
        try:
            if workspace.passport(identity).risk_tier == "high":
                return True
        except RoadworthyError:
            return True
    return False


def _check_guardian(workspace: Workspace, by: str, identity: str) -> None:
    try:
        roles = workspace.passport(identity).roles
    except RoadworthyError as problem:
        raise RefusedError(f"{identity} has no passport that can be read: {problem}", "Mend it first.") from problem
    if by not in (roles.guardian, roles.deputy):
        raise RefusedError(f"{by} is not the Guardian of {identity}.", f"Ask {roles.guardian}.")


def _check_gate(workspace: Workspace, execute: Execute, wish: Wish, identity: str, held: _Held) -> str:
    """Return the address of the green gate run of a version, looked up in the ledger itself, never taken on trust."""
    model, _, version = identity.partition("@")
    entries = _gate_runs(execute, model, version)
    again = f"Run: roadworthy gate {model} {version}"
    entry = entries[0] if entries and not wish.gates else next((e for e in entries if _named(wish, e)), None)
    if entry is None:
        what = "None of the evidence named is a recorded gate run" if wish.gates else "There is no gate run"
        raise RefusedError(f"{what} of {identity}.", again)
    shown = f"The gate run {str(entry.body['evidence'])[:12]}... of {identity}"
    if entry.seq < held.fence or stamp(entry.at) <= held.since:
        raise RefusedError(f"{shown} is older than the stop ({held.since}); what it found was before that.", again)
    bundle = _bundle(workspace, entry)
    if bundle.verdict.when != "gate" or bundle.verdict.word != GREEN or entry.body.get("verdict") != GREEN:
        raise RefusedError(f"{shown} ended '{bundle.verdict.word}', not '{GREEN}': {bundle.verdict.reason}", again)
    if entries[0].body.get("verdict") != GREEN:
        raise RefusedError(f"A newer gate run of {identity} ended '{entries[0].body.get('verdict')}', not '{GREEN}'.", again)
    if (bundle.run.get("model"), bundle.run.get("version")) != (model, version):
        raise RefusedError(f"{shown} is about another model.", again)
    finished = bundle.run.get("finished_at")
    if finished is not None and stamp(datetime.fromisoformat(finished)) <= held.since:
        raise RefusedError(f"{shown} was finished before the stop ({held.since}).", again)
    return str(entry.body["evidence"])


def _named(wish: Wish, entry: Entry) -> bool:
    address = str(entry.body.get("evidence", ""))
    return any(len(named) >= 12 and address.startswith(named) for named in wish.gates)


def _gate_runs(execute: Execute, model: str, version: str, most: int = 1_000) -> list[Entry]:
    """Return the gate runs of a version, the newest first."""
    found: list[Entry] = []
    start = 2**63 - 1
    while (rows := chain.page(execute, start, "run", model, backwards=True)) and len(found) < most:
        for row in rows:
            entry = chain.entry_of(row)
            if entry.body.get("version") == version and entry.body.get("when") == "gate":
                found.append(entry)
        start = rows[-1][0]
    return found[:most]


def _bundle(workspace: Workspace, entry: Entry) -> Bundle:
    from roadworthy.evidence import EvidenceStore, read_bundle

    body, kept = entry.body, EvidenceStore(workspace.evidence)
    relative = kept.relative(body["model"], body["version"], body["day"], body["run_id"])
    return read_bundle(kept.path_of(relative), expect=body["evidence"])
