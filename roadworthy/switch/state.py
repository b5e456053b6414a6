"""The face of the switch: may a model serve, what is held, and the `Switch` that flows use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from roadworthy.errors import RoadworthyError, StorageError, UsageError
from roadworthy.ledger import chain
from roadworthy.ledger.chain import stamp
from roadworthy.switch import files, served, stopping, store, table
from roadworthy.switch.files import ANY, DEGRADED, DISABLED, QUARANTINED, Stop
from roadworthy.switch.matching import Decision, decide
from roadworthy.switch.places import Places, models, places, versions
from roadworthy.switch.stopping import Outcome
from roadworthy.switch.store import Stored

if TYPE_CHECKING:
    from roadworthy.ledger import Ledger
    from roadworthy.workspace import Workspace

READ_WAIT = 2.0


@dataclass(frozen=True, slots=True)
class Held:
    """One scope that is not active, and what holds it.

    Attributes
    ----------
    model, version, segment, state, since, by, reason, evidence : str
    held_by : tuple of str
        ``table``, and the path of each STOP file.
    """

    model: str
    version: str
    segment: str
    state: str
    since: str
    by: str
    reason: str
    evidence: str
    held_by: tuple[str, ...]


def may_serve(
    root: Path, model: str, version: str | None = None, segment: str | None = None, now: datetime | None = None
) -> Decision:
    """Decide whether a model may serve, from the STOP files and the table; the most restrictive wins.

    What cannot be read or understood is ``unknown``, and that refuses.

    Parameters
    ----------
    root : pathlib.Path
        The workspace's folder.
    model : str
    version, segment : str, optional
        One that is not named matches every scope: a stop of one version or segment holds.
    now : datetime, optional
        By default the wall clock's; leases lapse by it.
    """
    here = places(root)
    found = [s for folder in (here.folder, *here.targets) for s in files.held(folder, model)]
    stored, moment = read(here), stamp(now or datetime.now(UTC))
    return decide([*found, *stored.stops(moment)], stored.service, model, version, segment, moment)


def status(root: Path, now: datetime | None = None) -> list[Held]:
    """Return every scope that is not active, with what holds it; the strictest first."""
    here = places(root)
    stored, moment = read(here), stamp(now or datetime.now(UTC))
    held: dict[tuple[str, str, str], list[tuple[Stop, str]]] = {}

    def add(stop: Stop, by: str) -> None:
        held.setdefault(stop.key, []).append((stop, by))

    for stop in stored.stops(moment):
        add(stop, "table")
    for stop in served.lapsed(stored.service, moment):
        add(stop, "lease")
    for folder in (here.folder, *here.targets):
        for stop in files.everything(folder):
            add(stop, str(folder / files.file_name(stop.model)))
    rows = []
    for scope, stops in held.items():
        worst = table.strictest([s for s, _ in stops])
        if worst is not None:
            by = tuple(dict.fromkeys(place for _, place in stops))
            rows.append(Held(*scope, worst.state, worst.at, worst.by, worst.reason, worst.evidence, by))
    return sorted(rows, key=lambda h: (-files.RANK[h.state], h.model, h.version, h.segment))


def read(here: Places) -> Stored:
    """Read the database of a workspace; one that cannot be read makes every model unknown."""
    try:
        with stopping.reading(here, READ_WAIT) as execute:
            return store.load(execute, chain.tables(execute))
    except StorageError as problem:
        return Stored() if isinstance(problem.__cause__, FileNotFoundError) else store.lost(problem.sentence)
    except ValueError as problem:
        return store.lost(f"The switch's table in the state database cannot be read ({problem}).")


class Switch:
    """The switch of a workspace.

    Parameters
    ----------
    workspace : Workspace
    ledger : Ledger
        Records every change.
    """

    def __init__(self, workspace: Workspace, ledger: Ledger) -> None:
        self._workspace = workspace
        self._ledger = ledger

    @classmethod
    def open(cls, workspace: Workspace, ledger: Ledger) -> Switch:
        """Return the switch of `workspace`; nothing is read or made before it is asked for."""
        return cls(workspace, ledger)

    def may_serve(self, model: str, version: str | None = None, segment: str | None = None) -> Decision:
        """Decide whether a model may serve; see `may_serve`."""
        return may_serve(self._workspace.root, model, version, segment)

    def status(self) -> list[Held]:
        """Return every scope that is not active; see `status`."""
        return status(self._workspace.root)

    def fence(self, model: str) -> int:
        """Return the ledger's entry that last changed the switch of a model; 0 if none did.

        A gate that seals this number among its inputs is a new run after each stop, and only such a run can lift it.
        """
        found = [self._ledger.latest("switch", model=name) for name in (model, ANY)]
        return max((entry.seq for entry in found if entry), default=0)

    def stop(
        self, model: str, *, by: str, reason: str, at: datetime, version: str | None = None, segment: str | None = None,
        evidence: str = "", to: str = DISABLED, review_by: str = "",
    ) -> Outcome:
        """Take a model off the road: STOP files first, then row and ledger.

        A stop on evidence is made once: when the same scope was stopped on the same evidence before, nothing happens, so a
        night that is run again does not undo what two people decided since.

        Parameters
        ----------
        model : str
            ``*`` is every model.
        by : str
            Id of a person, or a principal.
        reason : str
        at : datetime
        version, segment : str, optional
            By default every one.
        evidence : str, optional
            Address of the bundle with the finding.
        to : str
            ``disabled`` or ``quarantined``.
        review_by : str, optional
            The day, as 2026-04-09, on which it must be looked at again; nothing but an alert happens on it.

        Raises
        ------
        UsageError
            If there is no such model or version, neither among the passports nor in service.
        StorageError
            If the stop could be written nowhere.
        """
        if to not in (DISABLED, QUARANTINED):
            raise UsageError(f"A stop cannot make a model '{to}'.", f"It makes it {QUARANTINED} or {DISABLED}.")
        stop = Stop.make(model, version, segment, state=to, at=at, by=by, reason=reason, evidence=evidence)
        outcome = self._tighten(stop)
        if review_by:
            stopping.review_by(self._ledger.transaction, stop, outcome, review_by)
        return outcome

    def degrade(
        self, model: str, *, by: str, reason: str, at: datetime, version: str | None = None, segment: str | None = None,
        evidence: str = "",
    ) -> Outcome:
        """Let the fallback answer instead of the model; see `stop`. No STOP file is written, because that would refuse."""
        return self._tighten(Stop.make(model, version, segment, state=DEGRADED, at=at, by=by, reason=reason, evidence=evidence))

    def enable(
        self, model: str, *, requested_by: str, approved_by: str, evidence: str | Sequence[str], reason: str, at: datetime,
        version: str | None = None, segment: str | None = None,
    ) -> Outcome:
        """Ask and approve in one step, unsigned; refused where signatures are needed. See `roadworthy.switch.enabling`."""
        from roadworthy.switch import enabling
        from roadworthy.switch.requests import Wish

        gates = (evidence,) if isinstance(evidence, str) else tuple(evidence)
        wish = Wish(model, version or ANY, segment or ANY, requested_by, reason, at, gates)
        enabling.check(self._workspace, self._ledger, wish, approved_by)
        asked = enabling.ask(self._workspace, self._ledger, wish)
        return enabling.approve(self._workspace, self._ledger, asked.id, by=approved_by, at=at)

    def _tighten(self, stop: Stop) -> Outcome:
        here = places(self._workspace.root)
        check_known(here, stop)
        if stop.evidence and not self._is_person(stop.by) and self._done_before(stop):
            return Outcome(self.may_serve(stop.model, None if stop.version == ANY else stop.version).state)
        outcome = stopping.write_own(here, stop) if stopping.files_for(stop) else Outcome(stop.state)
        return stopping.finish(here, stop, outcome, self._ledger.transaction)

    def _is_person(self, who: str) -> bool:
        """Say whether someone decided this; what a person stops is stopped, whatever was stopped on that evidence before."""
        if who in ("automation", "serving"):
            return False
        try:
            return self._workspace.people().find(who) is not None
        except RoadworthyError:
            return True  # nobody can know, and a stop too many is the better mistake

    def _done_before(self, stop: Stop) -> bool:
        try:
            with self._ledger.reading() as execute:
                return table.done_before(execute, stop)
        except RoadworthyError:
            return False  # a ledger that cannot be read must not keep a model on the road


def check_known(here: Places, stop: Stop) -> None:
    """Refuse a mistyped name; what is in service is known, whatever became of its passport.

    Raises
    ------
    UsageError
        If there is no such model or version.
    """
    known, there = models(here.root), versions(here.root, stop.model)
    if stop.model == ANY or (stop.model in known and stop.version in (ANY, *there)):
        return
    serving = [one for one in read(here).service if one.model == stop.model]
    if any(stop.version in (ANY, one.version) for one in serving):
        return
    if stop.model not in known and not serving:
        raise UsageError(f"There is no model '{stop.model}'.", f"Known: {', '.join(known) or 'none'}.")
    there = sorted({*there, *(one.version for one in serving)})
    raise UsageError(f"There is no version '{stop.version}' of {stop.model}.", f"Known: {', '.join(there) or 'none'}.")
