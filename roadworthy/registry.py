"""Which versions of a model are candidates, live or retired.

The state of a version is the last ``release`` entry of the ledger about it. A version whose passport says ``adopted`` was in
service before Roadworthy and counts as live until the ledger says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from roadworthy.errors import RefusedError, RoadworthyError, UsageError
from roadworthy.ledger import Entry, Ledger
from roadworthy.ledger.chain import stamp
from roadworthy.passport import Passport
from roadworthy.workspace import Workspace

State = Literal["candidate", "judged", "awaiting-signatures", "approved", "rejected", "expired", "live", "retired"]
STATES: tuple[State, ...] = get_args(State)

# A gate may be run again until a version is live, so `judged` can be reached from every state before that.
ALLOWED: dict[State, tuple[State, ...]] = {
    "candidate": ("judged",),
    "judged": ("judged", "awaiting-signatures", "rejected"),
    "awaiting-signatures": ("judged", "approved", "rejected", "expired"),
    "approved": ("judged", "live", "rejected", "expired"),
    "rejected": ("candidate", "judged"),
    "expired": ("candidate", "judged"),
    "live": ("retired",),
    "retired": ("candidate",),
}


@dataclass(frozen=True, slots=True)
class Release:
    """The release state of a version: the word, since when (ISO text, empty if never recorded), and why."""

    state: State
    since: str
    because: str


@dataclass(frozen=True, slots=True)
class Live:
    """A version that is in service, or whose passport cannot be read so that nobody can know.

    Attributes
    ----------
    identity : str
        ``model@version``.
    passport : Passport or None
        None if it cannot be read.
    problem : str
        Why not; empty if it can. Such a version is inspected as undecided, never skipped.
    """

    identity: str
    passport: Passport | None
    problem: str = ""

    @property
    def model(self) -> str:
        """The model's name."""
        return self.identity.partition("@")[0]

    @property
    def version(self) -> str:
        """The version's name."""
        return self.identity.partition("@")[2]


class Registry:
    """Release states of the versions of a workspace.

    Parameters
    ----------
    workspace : Workspace
    ledger : Ledger
    """

    def __init__(self, workspace: Workspace, ledger: Ledger) -> None:
        self._workspace = workspace
        self._ledger = ledger

    @property
    def workspace(self) -> Workspace:
        """Whose versions these are."""
        return self._workspace

    def state(self, model: str, version: str) -> State:
        """Return the release state of a version.

        Raises
        ------
        UsageError
            If neither ledger nor passports know the version.
        RoadworthyError
            If the ledger does not know it and its passport cannot be read.
        """
        return self.release(model, version).state

    def release(self, model: str, version: str) -> Release:
        """Return the release state of a version and since when; see `state`."""
        identity = f"{model}@{version}"
        entry = self._last().get(identity)
        if entry is not None:
            return Release(_state_of(entry), stamp(entry.at), str(entry.body.get("because", "")))
        adopted = self._workspace.passport(identity).adopted
        return Release("live", adopted.since.isoformat(), adopted.because) if adopted else Release("candidate", "", "")

    def live(self) -> list[Live]:
        """Return every version in service, sorted by id.

        A passport that cannot be read hides no other version: it is returned with its problem, unless the ledger says that
        the version is not in service.
        """
        recorded = self._last()
        found = []
        for identity in sorted({*self._workspace.passports(), *recorded}):
            entry = recorded.get(identity)
            if entry is not None and _state_of(entry) != "live":
                continue
            try:
                passport = self._workspace.passport(identity)
            except RoadworthyError as problem:
                found.append(Live(identity, None, str(problem)))
                continue
            if entry is not None or passport.adopted is not None:
                found.append(Live(identity, passport))
        return found

    def champion(self, model: str) -> str | None:
        """Return the id of the version of `model` that went live last, or None."""
        recorded = self._last()
        mine = [one for one in self.live() if one.model == model]

        def when(one: Live) -> tuple[int, str, str]:
            entry = recorded.get(one.identity)
            adopted = one.passport.adopted if one.passport else None
            return (entry.seq if entry else 0, adopted.since.isoformat() if adopted else "", one.version)

        return max(mine, key=when).identity if mine else None

    def before(self, model: str, version: str) -> str | None:
        """Return the version of `model` that was in service before this one: the last that went live before it did.

        Of a version that has not been in service, it is the last that went live at all. None if there was none.
        """
        went: dict[str, tuple[int, str]] = {}  # what was adopted was in service before anything that the ledger saw go live
        for one in self.live():
            adopted = one.passport.adopted if one.passport else None
            if one.model == model:
                went[one.version] = (0, adopted.since.isoformat() if adopted else "")
        for entry in self._ledger.entries("release", model):
            if entry.body.get("state") == "live":
                on = str(entry.body.get("adopted_on") or "")
                went[str(entry.body["version"])] = (0 if on else entry.seq, on)
        mine = went.get(version)
        others = {name: when for name, when in went.items() if name != version and (mine is None or when < mine)}
        return max(others, key=lambda name: (others[name], name)) if others else None

    def adopt_all(self, at: datetime) -> list[Entry]:
        """Record every adopted version that the ledger does not know yet, once, and return the new entries."""
        recorded = self._last()
        entries = []
        for one in self.live():
            adopted = one.passport.adopted if one.passport else None
            if adopted is None or one.identity in recorded:
                continue
            body = {
                "model": one.model, "version": one.version, "state": "live", "because": adopted.because,
                "adopted_on": adopted.since.isoformat(),
            }
            entries.append(self._ledger.append("release", adopted.by, body, at=at, key=f"adopt:{one.identity}"))
        return entries

    def move(
        self, model: str, version: str, to: State, actor: str, because: str, at: datetime, *,
        evidence: str | None = None, key: str | None = None,
    ) -> Entry:
        """Record that a version changes its state.

        Parameters
        ----------
        model, version : str
        to : str
            One of the words of `STATES`.
        actor : str
        because : str
            One sentence.
        at : datetime
        evidence : str, optional
            Address of the bundle that it rests on.
        key : str, optional
            Makes a repeated move the same move.

        Raises
        ------
        RefusedError
            If the state of the version does not lead there.
        """
        if key is not None:
            for entry in self._ledger.entries("release", model):
                if entry.key == key:
                    return entry
        if to not in STATES:
            raise UsageError(f"There is no release state '{to}'.", f"States: {', '.join(STATES)}.")
        now = self.state(model, version)
        if to not in ALLOWED[now]:
            ways = ", ".join(ALLOWED[now])
            raise RefusedError(f"{model}@{version} is {now} and cannot become {to}.", f"From {now} it can become: {ways}.")
        body = {"model": model, "version": version, "state": to, "from": now, "because": because}
        if evidence is not None:
            body["evidence"] = evidence
        return self._ledger.append("release", actor, body, at=at, key=key)

    def _last(self) -> dict[str, Entry]:
        return {f"{e.body['model']}@{e.body['version']}": e for e in self._ledger.entries("release")}


def _state_of(entry: Entry) -> State:
    for state in STATES:
        if entry.body.get("state") == state:
            return state
    raise UsageError(f"Entry {entry.seq} of the ledger names a release state that is not known here.", "Update Roadworthy.")
