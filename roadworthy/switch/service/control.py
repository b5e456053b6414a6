"""What changes the switch over HTTP: stop, degrade, ask, approve, and the webhook of alerts.

Nothing here decides who may loosen what: that is `roadworthy.switch.enabling`, the same as on the command line.
"""

from __future__ import annotations

import hashlib
import logging
import time
from contextlib import nullcontext, suppress
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from roadworthy.canonical import canonical_json
from roadworthy.errors import RefusedError, RoadworthyError, StorageError, UsageError
from roadworthy.ledger import Ledger, chain
from roadworthy.switch import enabling, once, requests, stopping, table
from roadworthy.switch.files import ANY, RANK, UNKNOWN, Stop
from roadworthy.switch.places import Places, places
from roadworthy.switch.requests import Wish
from roadworthy.switch.service.limits import Distinct
from roadworthy.switch.service.principals import Principal
from roadworthy.switch.service.watching import WAIT, Watcher
from roadworthy.switch.state import check_known
from roadworthy.switch.stopping import Outcome
from roadworthy.workspace import Workspace

log = logging.getLogger("roadworthy.switch")
NAME = r"^([a-z0-9][a-z0-9._-]{0,62}|\*)$"
Name = Annotated[str, Field(pattern=NAME, description="A model, or '*' for all.")]
Word = Annotated[str, Field(min_length=1, max_length=200)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class StopBody(_Body):
    """A request to make a scope stricter."""

    model: Name
    version: Word | None = None
    segment: Word | None = None
    state: Literal["disabled", "quarantined", "degraded"] = "disabled"
    reason: Annotated[str, Field(min_length=1, max_length=500)]
    evidence: Annotated[str, Field(max_length=200)] = ""
    review_by: Annotated[date, Field(description="The day on which it must be looked at again.")] | None = None

    @field_validator("review_by", mode="before")
    @classmethod
    def _day(cls, value: object) -> object:
        return date.fromisoformat(value) if isinstance(value, str) else value


class AskBody(_Body):
    """A request to switch a scope on again."""

    model: Name
    version: Word | None = None
    segment: Word | None = None
    reason: Annotated[str, Field(min_length=1, max_length=500)]
    gates: Annotated[list[Annotated[str, Field(min_length=12, max_length=64)]], Field(max_length=200)] = []
    asked_at: datetime | None = Field(default=None, strict=False, description="As it stands in the statement that was signed.")
    until: datetime | None = Field(default=None, strict=False, description="Break the glass until then, an hour at most.")
    signature: Annotated[str, Field(max_length=200)] = ""


class ApproveBody(_Body):
    """A Guardian's approval of a request."""

    signature: Annotated[str, Field(max_length=200)] = ""


class BeatBody(_Body):
    """A heartbeat of a serving process."""

    instance: Annotated[str, Field(min_length=1, max_length=200)]
    models: Annotated[list[Annotated[str, Field(pattern=NAME)]], Field(max_length=1000)] = []
    epoch: Annotated[int, Field(ge=0, le=2**53)] = 0
    sequence: Annotated[int, Field(ge=0, le=2**53)] = 0
    acted_at: Annotated[str, Field(pattern=r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)?$")] = ""
    leaving: bool = False


class LimitedError(RefusedError):
    """The actor did too much in an hour; `wait` is in seconds."""

    def __init__(self, sentence: str, wait: int) -> None:
        super().__init__(sentence, f"Wait {wait} s, or let someone else do it.")
        self.wait = wait


class Control:
    """Changes the switch for the callers of the service.

    Parameters
    ----------
    workspace : Workspace
    watcher : Watcher
    most : int
        How many models one actor may stop in an hour.
    """

    def __init__(self, workspace: Workspace, watcher: Watcher, most: int = 20) -> None:
        self._workspace, self._watcher = workspace, watcher
        self._stops, self._asks = Distinct(most), Distinct(most)
        self._turns = once.Turns()
        self.counts: dict[str, int] = {}

    def ledger(self) -> Ledger:
        """Open the ledger; a service that was started while it was down must find it when it is back."""
        return Ledger.open(self._workspace.state_url)

    def stop(self, who: Principal, body: StopBody, key: str | None) -> dict[str, Any]:
        """Make a scope stricter; see the table in docs/switch-protocol.md.

        Raises
        ------
        RefusedError
            If the principal may not.
        """
        now = datetime.now(UTC)
        self._may_stop(who, body)
        raw = canonical_json(body.model_dump(mode="json"))
        name = f"{who.id}:{key}" if key else ""
        with self._turns.of(name, WAIT) if name else nullcontext():
            before = self._answered(name, raw, now)
            if before is not None:
                self._watcher.look()  # another service may have given that answer
                if self._still(body, now):
                    return {**before, "repeated": True}
            wait = self._stops.take(who.id, body.model, time.monotonic())
            if wait:
                raise LimitedError(f"{who.id} has stopped as many different models in an hour as one actor may.", wait)
            answer = self._tighten(who, body, now)
            self._keep(name, raw, answer, now, before)
        self.counts[body.state] = self.counts.get(body.state, 0) + 1
        return answer

    def _may_stop(self, who: Principal, body: StopBody) -> None:
        if not who.may("stop"):
            raise RefusedError(f"{who.id} is {', '.join(who.roles)} and cannot stop a model.")
        if not who.covers(body.model):
            raise RefusedError(f"{who.id} may not name the model '{body.model}'.")
        if body.model == ANY and not who.may("stop-all"):
            raise RefusedError(f"{who.id} is automation; a stop of all models is for people.")
        if not who.person and not body.evidence:
            raise RefusedError(f"{who.id} is automation and stops on evidence only.", "Name it in 'evidence'.")

    def _still(self, body: StopBody, now: datetime) -> bool:
        """Say whether the scope is as strict now; an answer that is no longer true is not given again."""
        view = self._watcher.view
        return view is not None and RANK[view.decide(body.model, body.version, body.segment, now).state] >= RANK[body.state]

    def _tighten(self, who: Principal, body: StopBody, now: datetime) -> dict[str, Any]:
        """Write the STOP file before any database is opened, then the record; what cannot be recorded holds in memory."""
        here = places(self._workspace.root)
        stop = Stop.make(
            body.model, body.version, body.segment, state=body.state, at=now, by=who.id, reason=body.reason,
            evidence=body.evidence,
        )
        check_known(here, stop)
        if not who.person and self._done_before(here, stop):
            return self._answer(body, Outcome(self._state(body, now)), durable=True)
        record = stopping.direct(here, WAIT)
        try:
            outcome = stopping.write_own(here, stop) if stopping.files_for(stop) else Outcome(stop.state)
            outcome = stopping.finish(here, stop, outcome, record)
        except StorageError as problem:  # nothing could be written: it holds here, and is written as soon as that works
            outcome = Outcome(body.state, changed=True, unreached=[problem.sentence])
        if not outcome.fence:
            self._watcher.hold(stop)
        elif body.review_by is not None:
            stopping.review_by(record, stop, outcome, body.review_by.isoformat())
        self._watcher.look()
        return self._answer(body, outcome, durable=bool(outcome.fence))

    def _state(self, body: StopBody, now: datetime) -> str:
        view = self._watcher.view
        return view.decide(body.model, body.version, body.segment, now).state if view else UNKNOWN

    def _answer(self, body: StopBody, outcome: Outcome, *, durable: bool) -> dict[str, Any]:
        view = self._watcher.view
        return {
            "model": body.model, "state": outcome.state, "changed": outcome.changed, "durable": durable, "fence": outcome.fence,
            "epoch": view.stored.epoch if view else 0, "sequence": view.stored.sequence if view else 0,
            "unreached": outcome.unreached,
        }

    def _done_before(self, here: Places, stop: Stop) -> bool:
        """Say whether automation acted on this evidence before; two people may have lifted that since."""
        try:
            with stopping.reading(here, WAIT) as execute:
                return "ledger" in chain.tables(execute) and table.done_before(execute, stop)
        except (RoadworthyError, ValueError):
            return False

    def ask(self, who: Principal, body: AskBody) -> dict[str, Any]:
        """Ask to switch a scope on again; without a signature where one is needed, the statement to sign is returned."""
        self._limit_loosening(who, "ask", body.model)
        at = (body.asked_at or datetime.now(UTC)).astimezone(UTC)
        if abs((datetime.now(UTC) - at).total_seconds()) > 600:
            raise RefusedError("'asked_at' is more than ten minutes from the service's clock.", "Ask for a new statement.")
        wish = Wish(
            body.model, body.version or ANY, body.segment or ANY, who.id, body.reason, at, tuple(body.gates),
            body.until.astimezone(UTC) if body.until else None,
        )
        with self.ledger() as ledger:
            statement = enabling.draft(self._workspace, ledger, wish).decode()
            if not body.signature and self._has_key(who.id):
                return {"id": None, "statement": statement, "expires_at": None, "signed": False}
            asked = enabling.ask(self._workspace, ledger, wish, body.signature)
        return {"id": asked.id, "statement": asked.statement, "expires_at": asked.expires_at, "signed": bool(asked.signature)}

    def _has_key(self, who: str) -> bool:
        person = self._workspace.people().find(who)
        return person is not None and person.public_key is not None

    def approve(self, who: Principal, request: str, body: ApproveBody) -> dict[str, Any]:
        """Approve a request; people, signatures, fence and gate are checked where the change is made."""
        self._limit_loosening(who, "approve", request)
        with self.ledger() as ledger:
            done = enabling.approve(
                self._workspace, ledger, request, by=who.id, at=datetime.now(UTC), signature=body.signature
            )
        self._watcher.look()
        view = self._watcher.view
        self.counts["active"] = self.counts.get("active", 0) + 1
        return {
            "state": done.state, "changed": done.changed, "fence": done.fence, "unreached": done.unreached,
            "epoch": view.stored.epoch if view else 0, "sequence": view.stored.sequence if view else 0,
        }

    def _limit_loosening(self, who: Principal, action: Literal["ask", "approve"], what: str) -> None:
        if not who.person or not who.may(action):
            raise RefusedError(f"{who.id} is {', '.join(who.roles)} and cannot {action}.", "Only people switch a model on.")
        wait = self._asks.take(who.id, f"{action}:{what}", time.monotonic())
        if wait:
            raise LimitedError(f"{who.id} has asked and approved as often in an hour as one actor may.", wait)

    def requests(self) -> list[dict[str, Any]]:
        """Return the requests that wait for an approval."""
        with self.ledger() as ledger, ledger.transaction() as execute:
            found = requests.waiting(execute, datetime.now(UTC))
        return [
            {"id": one.id, "statement": one.statement, "requested_by": one.requested_by, "expires_at": one.expires_at}
            for one in found
        ]

    def alerts(self, who: Principal, payload: Any) -> dict[str, Any]:
        """Act on Alertmanager's webhook: each firing alert that names a model and an action is a stop with its own evidence."""
        if not who.may("alert"):
            raise RefusedError(f"{who.id} is {', '.join(who.roles)} and sends no alerts.")
        found = payload.get("alerts") if isinstance(payload, dict) else None
        if not isinstance(found, list) or len(found) > 1000:
            raise UsageError("The webhook's body has no list 'alerts'.", "Send Alertmanager's own, version 4.")
        done, ignored, wait = [], [], 0
        for alert in found:
            body = _of_alert(alert)
            if body is None:
                ignored.append(_named(alert))
                continue
            try:
                done.append(self.stop(who, body, None))
            except RoadworthyError as problem:
                ignored.append(f"{_named(alert)}: {problem.sentence}")
                wait = max(wait, problem.wait if isinstance(problem, LimitedError) else 0)
                log.warning("The alert %s stopped nothing: %s", _named(alert), problem.sentence)
        return {"acted": done, "ignored": ignored, "retry_after": wait}

    def _answered(self, name: str, raw: bytes, now: datetime) -> dict[str, Any] | None:
        if not name:
            return None
        try:
            with stopping.reading(places(self._workspace.root), WAIT) as execute:
                return once.answered(execute, name, raw, now)
        except StorageError:
            return None  # what remembers must never stand in the way of a stop

    def _keep(
        self, name: str, raw: bytes, answer: dict[str, Any], now: datetime, instead_of: dict[str, Any] | None
    ) -> None:
        if name and answer["durable"]:
            with suppress(StorageError), stopping.direct(places(self._workspace.root), WAIT)() as execute:
                once.keep(execute, name, raw, answer, now, instead_of)


def _of_alert(alert: Any) -> StopBody | None:
    labels = alert.get("labels") if isinstance(alert, dict) else None
    if not isinstance(labels, dict) or alert.get("status") != "firing" or labels.get("action") not in ("stop", "degrade"):
        return None
    notes = alert.get("annotations") if isinstance(alert.get("annotations"), dict) else {}
    mark = canonical_json([labels, str(alert.get("fingerprint", "")), str(alert.get("startsAt", ""))])
    try:
        return StopBody(
            model=labels["model"], version=labels.get("version") or None, segment=labels.get("segment") or None,
            state="disabled" if labels["action"] == "stop" else "degraded",
            reason=(str(notes.get("summary") or labels.get("alertname") or "An alert fires."))[:500],
            evidence=f"alert:{hashlib.sha256(mark).hexdigest()} {notes.get('evidence') or ''}".strip()[:200],
        )
    except (ValueError, KeyError):
        return None


def _named(alert: Any) -> str:
    labels = alert.get("labels") if isinstance(alert, dict) else None
    return str(labels.get("alertname", "unnamed"))[:100] if isinstance(labels, dict) else "not an alert"
