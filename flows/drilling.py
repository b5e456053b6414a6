"""A drill of the kill switch: puts the canary in service, stops it, and sees whether the world obeys.

Nothing here needs Prefect, so it can be run by hand when Prefect is what is broken.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from flows.act import Prefect, outcomes, send
from flows.services import caller_of
from roadworthy.alerts import Alert
from roadworthy.errors import RefusedError, RoadworthyError
from roadworthy.ledger import Ledger
from roadworthy.ledger.chain import stamp
from roadworthy.switch import Switch, beats, drilling, enabling, may_serve, proof
from roadworthy.switch.calling import Caller
from roadworthy.switch.drilling import Drill
from roadworthy.switch.places import places
from roadworthy.switch.requests import Wish
from roadworthy.workspace import Workspace

WAIT = 15.0  # the bound of tier high: who has not obeyed by then refuses by itself, or is broken
EVERY = 0.05


def run(
    workspace: Workspace, ledger: Ledger, *, wait: float = WAIT, caller: Caller | None = None, prefect: Prefect | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> Drill:
    """Run one drill and record it; a red one is told to Operator and Guardian.

    Parameters
    ----------
    workspace : Workspace
    ledger : Ledger
    wait : float
        For how many seconds each thing is waited for.
    caller : Caller, optional
        Calls the services; by default with the settings' token.
    prefect : callable, optional
        Loads a Prefect secret block.
    pause : callable, optional

    Returns
    -------
    Drill
        Green if it has no problems.

    Raises
    ------
    UsageError
        If the canary is a real model.
    StorageError
        If the drill cannot be recorded.
    """
    began = datetime.now(UTC)
    model = workspace.settings.switch.canary
    drilling.check_canary(workspace.root, model)
    drill = Drill(drilling.new_id(began), model, stamp(began), list(workspace.settings.switch.services))
    try:
        _Course(workspace, ledger, drill, wait, caller or caller_of(workspace, prefect), pause).run()
    except RoadworthyError as problem:
        drill.problems.append(f"The drill could not go on: {problem.sentence}")
    digest = drilling.write(workspace.made, drill)
    drilling.record(ledger, drill, digest, datetime.now(UTC))
    if not drill.green:
        _tell(workspace, ledger, drill, prefect)
    return drill


def _tell(workspace: Workspace, ledger: Ledger, drill: Drill, prefect: Prefect | None) -> None:
    body = "\n".join(["A drill of the kill switch was not green.", *drill.problems, "Command: roadworthy switch drill"])
    alerts = [Alert(role, "The kill switch failed its drill", body) for role in ("operator", "guardian")]
    words = {"model": drill.model, "drill": drill.id, "deliveries": outcomes(send(workspace, alerts, prefect))}
    ledger.append("alert", "automation", words, at=datetime.now(UTC), key=f"alert:{drill.id}")


class _Course:
    """The steps of one drill, in order."""

    def __init__(
        self, workspace: Workspace, ledger: Ledger, drill: Drill, wait: float, caller: Caller | None,
        pause: Callable[[float], None],
    ) -> None:
        self.workspace, self.ledger, self.drill, self.wait, self.pause = workspace, ledger, drill, wait, pause
        self.caller = caller
        self.began = 0.0

    def run(self) -> None:
        here = places(self.workspace.root)
        with self.ledger.transaction() as execute:
            drilling.put_in(execute, here, self.drill.model, self.drill.id, datetime.now(UTC))
        drilling.lift_lines(here, self.drill.model, self.drill.id, datetime.now(UTC))
        waiting = self._until(self.drill.id, serves=True)
        if waiting:
            self._wrong(f"Before the stop the canary did not serve at: {', '.join(waiting)}.")
        self._stop()
        refusing = self._refusals()
        if refusing:
            self._wrong(f"After {self.wait:g} s the canary still served at: {', '.join(refusing)}.")
        self._receipts()
        self._enabling()
        after = f"{self.drill.id}-after"
        with self.ledger.transaction() as execute:
            drilling.put_in(execute, here, self.drill.model, after, datetime.now(UTC))
        waiting = self._until(after, serves=True)
        if waiting:
            self._wrong(f"A new version of the canary did not serve at: {', '.join(waiting)}.")
        else:
            self.drill.ms["again"] = self._since()

    def _stop(self) -> None:
        said = f"Drill {self.drill.id}."
        self.began = time.monotonic()
        answers = []
        if self.caller is not None:
            body = {
                "model": self.drill.model, "version": self.drill.id, "state": "disabled", "reason": said,
                "evidence": f"drill:{self.drill.id}",
            }
            answers = self.caller.stop(self.drill.services, body, self.drill.id)
        for answer in answers:
            if answer.problem:
                self._wrong(answer.problem)
        if not any(answer.reached for answer in answers):
            done = Switch.open(self.workspace, self.ledger).stop(
                self.drill.model, version=self.drill.id, by="automation", reason=said, evidence=f"drill:{self.drill.id}",
                at=datetime.now(UTC),
            )
            for sentence in done.unreached:
                self._wrong(sentence)
        self.drill.ms["stopped"] = self._since()

    def _refusals(self) -> list[str]:
        """Wait until every place refuses, noting when each did; return those that never did."""
        last = self.began + self.wait
        while True:
            answers = self._answers(self.drill.id)
            for place, serves in answers.items():
                if serves is False:
                    self.drill.refused.setdefault(place, self._since())
            missing = [place for place in answers if place not in self.drill.refused]
            if not missing:
                self.drill.ms["refused"] = max(self.drill.refused.values())
                return []
            if time.monotonic() >= last:
                return missing
            self.pause(EVERY)

    def _receipts(self) -> None:
        """Wait until every instance that is alive has acknowledged; one that is silent refuses by its bound and is named."""
        entry = self.ledger.latest("switch", model=self.drill.model, version=self.drill.id)
        if entry is None:
            self._wrong("The stop of the canary has no entry in the ledger.")
            return
        self.drill.fence = entry.seq
        last = time.monotonic() + self.wait
        while True:
            now = datetime.now(UTC)
            with self.ledger.reading() as execute:
                found = proof.proof_of(execute, entry, now, self.drill.model, beats.read(self.workspace.made, now))
            if not found.named("late") or time.monotonic() >= last:
                break
            self.pause(EVERY)
        self.drill.instances = {word: found.named(word) for word in proof.MEANS}
        acted = sorted(one.acted_at for one in found.receipts if one.word == "confirmed")
        self.drill.acted = [acted[0], acted[-1]] if acted else []
        if found.confirmed:
            self.drill.ms["receipts"] = self._since()
        if found.named("late"):
            self._wrong(f"After {self.wait:g} s these instances had not acknowledged the stop: {', '.join(found.named('late'))}.")

    def _enabling(self) -> None:
        """See that switching on again without signatures is refused, here and at each service."""
        person = next((p for p in self.workspace.people().people if set(p.roles) & set(enabling.AUTHORITY)), None)
        wish = Wish(
            self.drill.model, self.drill.id, "*", person.id if person else "nobody", "A drill asks whether this is refused.",
            datetime.now(UTC),
        )
        try:
            enabling.ask(self.workspace, self.ledger, wish)
            self._wrong("An unsigned request to switch the canary on again was taken.")
        except RefusedError as refused:
            self.drill.enabling.append(f"here: {refused.sentence}")
        if self.caller is None:
            return
        for url in self.drill.services:
            answer = self.caller.ask_to_enable(url, self.drill.model, self.drill.id)
            if answer.status == 403:
                self.drill.enabling.append(answer.problem)
            else:
                self._wrong(f"The service at {url} did not refuse automation that asked to switch on, but said {answer.status}.")

    def _until(self, version: str, *, serves: bool) -> list[str]:
        """Wait until every place gives an answer; return those that did not."""
        last = time.monotonic() + self.wait
        while True:
            missing = [place for place, found in self._answers(version).items() if found is not serves]
            if not missing or time.monotonic() >= last:
                return missing
            self.pause(EVERY)

    def _answers(self, version: str) -> dict[str, bool | None]:
        """Return what each place answers about a version of the canary; None where none was given."""
        found: dict[str, bool | None] = {"here": may_serve(self.workspace.root, self.drill.model, version).serves}
        for url in self.drill.services:
            answer = self.caller.evaluate(url, self.drill.model, version) if self.caller else None
            value = (answer.body or {}).get("value") if answer is not None and answer.reached else None
            found[url] = value if isinstance(value, bool) else None
        return found

    def _since(self) -> int:
        return round((time.monotonic() - self.began) * 1000)

    def _wrong(self, sentence: str) -> None:
        self.drill.problems.append(sentence)
