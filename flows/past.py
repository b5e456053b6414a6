"""Records past days of one model version: many days counted in one pass, then judged and recorded day by day, oldest first.

No Prefect here. What is recorded of a past day is what its night would have measured of drift, and the mistakes of the newest
day whose labels were mature by then, with the labels that are there now. It is judged by the rules of the policy that speak
of these, and kept as evidence of its own (``when: backfill``). It moves nothing: no switch, no lease, no alert, no sequential
test, into which each row enters once, on its night. It fills the trend.

A run is named by everything it rests on, as a night's is, so a backfill that was killed goes on where it was, and two at once
record each day once. A day that has a night is left alone: the night saw it first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

from checks import performance
from checks.drift.past import METRICS as DRIFT_METRICS
from checks.drift.past import PastDays
from checks.subject import SEED, Subject, Table, open_subject
from flows.inspect import code_digest, enter, people_of, run_of, written
from flows.measuring import FAMILIES, baselines, guarded
from flows.opening import by_flow
from roadworthy.canonical import digest_of
from roadworthy.errors import UsageError
from roadworthy.evidence import Bundle, EvidenceStore, bundle_files, read_bundle
from roadworthy.judge import JUDGE_VERSION, Context, judge
from roadworthy.kept import Kept
from roadworthy.ledger import Entry, Ledger
from roadworthy.measurement import Measurement
from roadworthy.passport import Passport
from roadworthy.policy import Policy, Rule
from roadworthy.trend import joined
from roadworthy.waivers import load_waivers
from roadworthy.window import Window
from roadworthy.workspace import Workspace

WHEN = "backfill"
METRICS = (*DRIFT_METRICS, "performance.day_error_rate", "performance.day_mae")
_ALL = 2**31

How = Literal["recorded", "there", "night"]


@dataclass(frozen=True)
class PastDay:
    """One day of one model version.

    Attributes
    ----------
    identity : str
        ``model@version``.
    day : date
    how : {"recorded", "there", "night"}
        Recorded now, recorded before by a backfill with the same inputs, or left alone because a night has recorded it.
    word, reason : str
        The verdict of what stands.
    evidence : str
        Address of what stands.
    """

    identity: str
    day: date
    how: How
    word: str
    reason: str
    evidence: str


def record(
    workspace: Workspace,
    ledger: Ledger,
    identity: str,
    days: Sequence[date],
    actor: str,
    now: datetime,
    each: Callable[[PastDay], None] = lambda _day: None,
    at_once: int | None = None,
) -> list[PastDay]:
    """Record past days of one model version.

    Parameters
    ----------
    workspace : Workspace
    ledger : Ledger
    identity : str
    days : sequence of date
        Days that are over, oldest first, at least one; see `roadworthy.calendar.check_day`.
    actor : str
    now : datetime
        Wall time, with time zone.
    each : callable, optional
        Told each day when it stands.
    at_once : int, optional
        Days of one pass; by default as many as `checks.drift.past.PastDays.passes` says. A kill costs at most the counts of a
        pass, for a day stands as soon as it is judged.

    Raises
    ------
    UsageError
        If no rule of the policy speaks of what is measured of a past day.
    """
    passport = workspace.passport(identity)
    kept = Kept(workspace.made / "kept", ledger, passport.model, passport.version)
    short = passport.windows.model_copy(update={"drift": 1, "performance": 1, "fairness": 1})
    narrow = passport.model_copy(update={"windows": short})  # the windows of one day or another are not read
    found = []
    purpose = f"backfill of {days[0]} to {days[-1]}"
    by_flow(workspace, ledger, passport, days[-1], purpose, actor, now, first=days[0], code=code_digest())
    with open_subject(workspace.root, narrow, days[0], spill=workspace.made / "spill", kept=kept) as opened:
        past = _Past(workspace, ledger, replace(opened, passport=passport), actor, now)
        cut = [days[start : start + at_once] for start in range(0, len(days), at_once)] if at_once else past.days.passes(days)
        for one in (one for some in cut for one in past.record(some)):
            found.append(one)
            each(one)
    return found


def judged_part(policy: Policy, passport: Passport) -> tuple[Policy, dict[str, str]]:
    """Return the policy with the rules that a past day is judged by, and why each other rule of a night is left out.

    Raises
    ------
    UsageError
        If nothing is left.
    """
    left_out: dict[str, str] = {}
    rules: list[Rule] = []
    for rule in policy.rules_for(passport.risk_tier, passport.task.kind, "nightly"):
        if rule.test == "sequential":
            left_out[rule.id] = "Each row enters a sequential test once, on its night."
        elif rule.metric not in METRICS or "segment" in rule.over:
            left_out[rule.id] = "A backfill does not measure it."
        else:
            rules.append(rule)
    if not rules:
        raise UsageError(
            f"No rule of the policy '{policy.policy}' speaks of what is measured of a past day, so nothing could be judged.",
            f"A backfill measures: {', '.join(METRICS)}.",
        )
    return policy.model_copy(update={"rules": rules}), left_out


class _Past:
    """One model version while its past is recorded."""

    def __init__(self, workspace: Workspace, ledger: Ledger, subject: Subject, actor: str, now: datetime) -> None:
        self.workspace, self.ledger, self.subject, self.actor, self.now = workspace, ledger, subject, actor, now
        self.passport = passport = subject.passport
        self.policy = workspace.policy(passport.policy_name)
        self.part, self.left_out = judged_part(self.policy, passport)
        self.store, self.days = EvidenceStore(workspace.evidence), PastDays(subject)
        drift_and_performance = tuple(family for family in FAMILIES if family[0] in ("drift", "performance"))
        self.baselines = baselines(subject, self.part.rules, drift_and_performance)
        self.runs: dict[str, dict[str, Entry]] = {"nightly": {}, WHEN: {}}  # the newest of each day
        for entry in reversed(ledger.newest("run", _ALL, model=passport.model, version=passport.version)):
            if entry.body["when"] in self.runs:
                self.runs[entry.body["when"]][entry.body["day"]] = entry
        self.states: dict[str, dict[str, Any]] = {}  # of the runs that were read, by address

    def record(self, days: Sequence[date]) -> Iterator[PastDay]:
        """Record days, those that are not there yet counted in one pass."""
        mistakes: dict[date, list[Measurement]] | None = None
        for index, day in enumerate(days):
            night = self.runs["nightly"].get(day.isoformat())
            if night is not None:
                yield self._standing(night, "night")
                continue
            sealed, history = self._sealed(day)
            run_id = f"{WHEN}-{digest_of(sealed)[:16]}"
            there = self.store.find(self.passport.model, self.passport.version, day, run_id)
            if there is not None:
                yield self._entered(read_bundle(there), "there")
                continue
            if mistakes is None:  # the first day of these that is not there: count all that may be missing
                rest = [one for one in days[index:] if one.isoformat() not in self.runs["nightly"]]
                self.days.forget(self.days.window(day).first)
                self.days.count(sorted({d for one in rest for d in self.days.window(one).days()}))
                mistakes = performance.by_day(self.subject, [self._mature(one) for one in rest])
            yield self._entered(self._judged(day, run_id, sealed, history, mistakes), "recorded")

    def _standing(self, entry: Entry, how: How) -> PastDay:
        body = entry.body
        day, word = date.fromisoformat(body["day"]), str(body["verdict"])
        return PastDay(self.passport.id, day, how, word, "A night has recorded this day.", str(body["evidence"]))

    def _entered(self, bundle: Bundle, how: How) -> PastDay:
        entry = enter(self.ledger, bundle, self.actor, self.now)
        self.runs[WHEN][str(bundle.run["day"])] = entry
        self.states[bundle.address] = bundle.state
        verdict, day = bundle.verdict, date.fromisoformat(bundle.run["day"])
        return PastDay(self.passport.id, day, how, verdict.word, verdict.reason, bundle.address)

    def _mature(self, day: date) -> date:
        return day - timedelta(days=self.passport.task.maturity_days)

    def _sealed(self, day: date) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return everything that the run of a day rests on, and the state that it starts from."""
        before, beside = self._before("nightly", day), self._before(WHEN, day)
        history = self._history(before, beside)
        since, reference = _since(history), self.subject.reference
        sealed = {
            "passport": digest_of(self.passport.model_dump(mode="json")),
            "policy": self.policy.digest,
            "data": {
                "reference": reference.digest or reference.problem,
                "batch": self.days.digest(self.days.rests_on(day, since)),
                "labelled": self.days.digest([self._mature(day)]),
            },
            "suite": None,
            "waivers": [w.as_dict() for w in load_waivers(self.workspace, self.passport, day)],
            "predecessor": before.body["evidence"] if before else None,
            WHEN: beside.body["evidence"] if beside else None,
            "day": day.isoformat(),
            "when": WHEN,
            "code": code_digest(),
            "judge": JUDGE_VERSION,
            "seed": SEED,
        }
        return sealed, history

    def _before(self, when: str, day: date) -> Entry | None:
        earlier = [d for d in self.runs[when] if d < day.isoformat()]
        return self.runs[when][max(earlier)] if earlier else None

    def _history(self, before: Entry | None, beside: Entry | None) -> dict[str, Any]:
        """Return the state of the newest day before, without sequential tests, its points joined with those of the other."""
        states = [self._state(entry) for entry in sorted((e for e in (beside, before) if e), key=lambda e: str(e.body["day"]))]
        # Of two that speak of one day the night comes last and stands.
        history = joined(states[-1], states[0]) if states else {}
        return {name: value for name, value in history.items() if name not in ("sequential", "wealth")}

    def _state(self, entry: Entry) -> dict[str, Any]:
        address = str(entry.body["evidence"])
        if address not in self.states:
            self.states[address] = read_bundle(self.store.path_of(entry.body["path"]), expect=address).state
        return self.states[address]

    def _judged(
        self, day: date, run_id: str, sealed: dict[str, Any], history: dict[str, Any], mistakes: dict[date, list[Measurement]]
    ) -> Bundle:
        started, mature = datetime.now(UTC), self._mature(day)
        batch = Table("batch", window=self.days.window(day, _since(history)))

        def compare() -> list[Measurement]:
            nonlocal batch
            batch, compared = self.days.measure(day, _since(history))
            return compared

        measurements, seconds = guarded("drift", DRIFT_METRICS, compare, self.subject)
        labelled = {"labelled": sealed["data"]["labelled"]}
        wanted = (*METRICS, "performance.label_coverage")
        measurements += [replace(m, inputs=labelled) for m in mistakes[mature] if m.metric in wanted]
        waivers = load_waivers(self.workspace, self.passport, day)
        context = Context(
            self.passport.risk_tier,
            self.passport.task.kind,
            "nightly",  # the words of a night; what is left out of its policy is in run.json
            day,
            [
                {"id": w.id, "rule": w.rule, "over": w.over, "expires": w.expires.isoformat(), "by": w.granted_by}
                for w in waivers
                if w.honoured
            ],
            history,
            self.baselines,
            self.passport.glossary,
        )
        judged = judge(measurements, self.part, context)
        subject = replace(
            self.subject,
            day=day,
            batch=batch,
            labelled=Table("labelled", window=Window(mature, mature)),
            decided=Table("decided", problem="A backfill does not compare groups."),
        )
        run = run_of(
            self.workspace, self.passport, self.part, subject, run_id, sealed, WHEN, self.actor, day, started, {"drift": seconds}
        )
        run["policy"] |= {"digest": self.policy.digest, "left_out": self.left_out}
        inputs = {
            "schema_version": 1,
            "context": context.as_dict(),
            "waivers": sealed["waivers"],
            "predecessor": sealed["predecessor"],
            WHEN: sealed[WHEN],
            "as_of": run["as_of"],
            "people": people_of(self.workspace, self.passport),
        }
        files = bundle_files(
            run=run,
            inputs=inputs,
            measurements=measurements,
            findings=judged.findings,
            verdict=judged.verdict,
            state=judged.state,
            judge_version=JUDGE_VERSION,
        )
        return written(self.store, self.passport, day, run_id, files)


def _since(history: dict[str, Any]) -> date | None:
    return date.fromisoformat(history["pool"]["since"]) if "pool" in history else None
