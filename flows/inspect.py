"""Inspects one model version on one day: register, measure, judge, record.

No Prefect here, so a test, a notebook or another orchestrator can call it. A run is named by everything it rests on
(`_key`): the same inputs lead to the same run, which is found and not made again. That is how a crashed night resumes
without repeating finished work, and why a second run of a night changes nothing.
"""

from __future__ import annotations

import importlib.metadata
import logging
import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from checks.privacy.names import rests_on as names_by
from checks.privacy.retention import rests_on as kept_too_long
from checks.subject import SEED, Subject, Table, open_subject
from flows.approving import approved_digests, supply_digests
from flows.guarding import guarded_of, open_to_others
from flows.investigating import investigate, review
from flows.measuring import FAMILIES, Measure, baselines, measure_all
from flows.mitigating import Mitigate, attachments, learnt_from, mitigate
from flows.opening import by_flow
from flows.probing import probing_of
from flows.probing import rests_on as probed_on
from flows.reproducing import reproduce, rests_on
from flows.retraining import learned_from, retrain
from flows.sealing import beside_batches, receipts_there, recorded_receipts
from roadworthy import __version__
from roadworthy.budget import periods_before
from roadworthy.calendar import as_of
from roadworthy.canonical import digest_bytes, digest_file, digest_of
from roadworthy.errors import RoadworthyError, StorageError, TamperedError
from roadworthy.evidence import Bundle, EvidenceStore, bundle_files, read_bundle
from roadworthy.judge import JUDGE_VERSION, Context, alarmed, judge
from roadworthy.kept import Kept
from roadworthy.ledger import Entry, Ledger
from roadworthy.measurement import Measurement
from roadworthy.operating import Drilled
from roadworthy.passport import Passport
from roadworthy.policy import Policy, When
from roadworthy.registry import Registry
from roadworthy.switch import Switch
from roadworthy.switch.drilling import last_green
from roadworthy.trend import joined
from roadworthy.waivers import load_waivers
from roadworthy.workspace import Workspace

_ALL = 2**31  # entries of the ledger: no limit
TOOLS = (
    "duckdb", "fairlearn", "great-expectations", "scipy", "scikit-learn", "evidently", "shap", "skops",
    "numpy", "pandas", "pyarrow",
)


@dataclass(frozen=True)
class Inspected:
    """One finished inspection.

    Attributes
    ----------
    identity : str
        ``model@version``.
    bundle : Bundle
        The evidence, read back from where it was written.
    reused : bool
        True if an earlier run had the very same inputs, so nothing was measured again.
    """

    identity: str
    bundle: Bundle
    reused: bool

    @property
    def day(self) -> str:
        """The day judged."""
        return str(self.bundle.run["day"])


def inspect(
    workspace: Workspace,
    ledger: Ledger,
    identity: str,
    day: date,
    when: When,
    actor: str,
    now: datetime,
    families: tuple[tuple[str, Measure], ...] = FAMILIES,
    mitigating: Mitigate = mitigate,
) -> Inspected:
    """Measure, judge and record one model version on one day.

    Parameters
    ----------
    workspace : Workspace
    ledger : Ledger
    identity : str
        ``model@version``.
    day : date
        The day judged, in the workspace's time zone.
    when : {"nightly", "gate"}
    actor : str
        Who or what asked for it.
    now : datetime
        Wall time, with time zone.
    families : tuple, optional
        For tests.
    mitigating : callable, optional
        As `flows.mitigating.mitigate`; for tests.
    """
    passport = workspace.passport(identity)
    policy = workspace.policy(passport.policy_name)
    waivers = load_waivers(workspace, passport, day)
    before, filled = (_predecessor(ledger, passport, day, kind) for kind in ("nightly", "backfill"))
    store = EvidenceStore(workspace.evidence)
    past, unread = _past(workspace, filled)
    history = joined(_history(workspace, before), past)
    since = date.fromisoformat(history["pool"]["since"]) if "pool" in history else None
    kept = Kept(workspace.made / "kept", ledger, passport.model, passport.version)
    earlier = _served_before(workspace, ledger, passport)
    spill = workspace.made / "spill"
    purpose = f"{'gate' if when == 'gate' else 'nightly inspection'} of {day.isoformat()}"
    by_flow(workspace, ledger, passport, day, purpose, actor, now, code=code_digest(), policy=policy.digest)
    with open_subject(workspace.root, passport, day, spill=spill, since=since, kept=kept, predecessor=earlier) as opened:
        subject, cluster = _with_cluster(opened, workspace.settings.dask)
        probing, guarded = probing_of(workspace, passport, day, when, now), guarded_of(workspace, [passport])
        approved = approved_digests(workspace, ledger, passport)
        subject = replace(subject, approved=approved, probing=probing, guarded=guarded)
        subject = replace(subject, receipts=recorded_receipts(ledger, subject), restricted=workspace.restricted)
        subject = replace(subject, naming=workspace.settings.privacy.names)
        subject = replace(subject, drilled=Drilled.of(last_green(ledger), now) if when == "gate" else None)
        sealed = {
            "passport": digest_of(passport.model_dump(mode="json")),
            "policy": policy.digest,
            "data": {
                t.role: t.digest or t.problem
                for t in (subject.reference, subject.batch, subject.labelled, subject.decided, subject.baseline)
            },
            "suite": _digest_or_none(workspace.root / passport.suite) if passport.suite else None,
            "beside": beside_batches(subject),
            "receipts": {"recorded": dict(subject.receipts or {}), "there": receipts_there(subject)},
            "training": learnt_from(subject, when),
            "recipe": rests_on(subject, when),
            "members": learned_from(subject),
            "kept_too_long": kept_too_long(subject),
            "names": names_by(subject),
            "waivers": [w.as_dict() for w in waivers],
            "artifacts": {p.version: _artifact_digest(workspace, p) for p in (passport, earlier) if p is not None},
            "supply": supply_digests(workspace.root, passport),
            "approved": dict(subject.approved) if subject.approved is not None else None,
            "drill": subject.drilled.rests_on() if subject.drilled is not None else None,
            "probing": probed_on(workspace, passport, probing),
            "guarded": open_to_others(guarded),
            "predecessor": before.body["evidence"] if before else None,
            "backfill": filled.body["evidence"] if filled and not unread else None,
            "day": day.isoformat(),
            "when": when,
            "code": code_digest(),
            "judge": JUDGE_VERSION,
            "seed": SEED,
            # A stop makes the next gate another run: the old one, older than the stop, may not lift it.
            "fence": Switch.open(workspace, ledger).fence(passport.model) if when == "gate" else None,
        }
        run_id = f"{when}-{digest_of(sealed)[:16]}"
        found = store.find(passport.model, passport.version, day, run_id)
        if found is not None:
            bundle = read_bundle(found)
            enter(ledger, bundle, actor, now)
            return Inspected(identity, bundle, reused=True)
        started = datetime.now(UTC)
        rules = policy.rules_for(passport.risk_tier, passport.task.kind, when)
        measurements, seconds = measure_all(subject, families)
        context = Context(
            passport.risk_tier,
            passport.task.kind,
            when,
            day,
            [
                {"id": w.id, "rule": w.rule, "over": w.over, "expires": w.expires.isoformat(), "by": w.granted_by}
                for w in waivers
                if w.honoured
            ],
            history,
            baselines(subject, rules, families),
            passport.glossary,
            importance_of(measurements),
            _resets(ledger, passport, policy, day),
        )
        judged = judge(measurements, policy, context)
        more, taken = investigate(subject, alarmed(judged.findings), workspace.restricted)
        measurements, seconds = [*measurements, *more], seconds | taken
        more, taken = review(subject, workspace.restricted, families)
        measurements, seconds = [*measurements, *more], seconds | taken
        more, taken = mitigating(subject, judged.findings, when)
        measurements, seconds = [*measurements, *more], seconds | taken
        more, taken = reproduce(subject, when, families)
        measurements, seconds = [*measurements, *more], seconds | taken
        more, taken = retrain(subject, when, families)
        measurements, seconds = [*measurements, *more], seconds | taken
        judged = judge(measurements, policy, context)
        attached = attachments(subject, measurements, judged.findings, policy)
        run = run_of(workspace, passport, policy, subject, run_id, sealed, when, actor, day, started, seconds)
        if cluster is not None and cluster.problem:
            run["problems"]["cluster"] = cluster.problem
        if unread:
            run["problems"]["backfill"] = unread
    inputs = {
        "schema_version": 1,
        "context": context.as_dict(),
        "waivers": [w.as_dict() for w in waivers],
        "predecessor": sealed["predecessor"],
        "backfill": sealed["backfill"],
        "as_of": run["as_of"],
        "drill": sealed["drill"],
        "people": people_of(workspace, passport),
    }
    files = bundle_files(
        run=run,
        inputs=inputs,
        measurements=measurements,
        findings=judged.findings,
        verdict=judged.verdict,
        state=judged.state,
        attachments=attached,
        judge_version=JUDGE_VERSION,
    )
    bundle = written(store, passport, day, run_id, files)
    enter(ledger, bundle, actor, now)
    return Inspected(identity, bundle, reused=bundle.run["started_at"] != run["started_at"])


def _with_cluster(subject: Subject, address: str | None) -> tuple[Subject, Any]:
    """Return the subject, and what counts its large tables on the workspace's cluster, if it has one."""
    if address is None:
        return subject, None
    from flows.scale import with_cluster

    return with_cluster(subject, address)


def importance_of(measurements: list[Measurement]) -> dict[str, float]:
    """Return the part of the score that each column decides at most; one whose importance is not known is not named."""
    return {
        str(m.over["column"]): m.value if m.high is None else m.high
        for m in measurements
        if m.metric == "explainability.importance" and m.value is not None and "column" in m.over
    }


def written(store: EvidenceStore, passport: Passport, day: date, run_id: str, files: Mapping[str, bytes]) -> Bundle:
    """Write the files of a run and return its evidence; where another process was first with the same run, that one's."""
    try:
        path = store.write(passport.model, passport.version, day, run_id, files).path
    except StorageError:
        first = store.find(passport.model, passport.version, day, run_id)
        if first is None:
            raise
        path = first
    return read_bundle(path)


def enter(ledger: Ledger, bundle: Bundle, actor: str, now: datetime) -> Entry:
    """Name the bundle in the ledger, once, and return the entry."""
    run = bundle.run
    earlier = ledger.latest("run", model=run["model"], version=run["version"], day=run["day"], when=run["when"])
    supersedes = earlier.body["evidence"] if earlier and earlier.body["evidence"] != bundle.address else None
    entry = ledger.append(
        "run",
        actor,
        {
            "run_id": run["run_id"],
            "model": run["model"],
            "version": run["version"],
            "day": run["day"],
            "when": run["when"],
            "verdict": bundle.verdict.word,
            "evidence": bundle.address,
            "path": f"model={run['model']}/version={run['version']}/date={run['day']}/run={run['run_id']}",
            "policy": run["policy"]["digest"],
            "supersedes": supersedes,
        },
        at=now,
        key=f"run:{run['model']}@{run['version']}:{run['day']}:{run['run_id']}",
    )
    if entry.body["evidence"] != bundle.address:
        raise TamperedError(
            f"The evidence of {run['run_id']} on disk is not what the ledger recorded ({entry.body['evidence'][:12]}...).",
            "Run 'roadworthy verify'.",
        )
    return entry


def _predecessor(ledger: Ledger, passport: Passport, day: date, when: str) -> Entry | None:
    """Return the newest nightly or backfilled run of an earlier day; a later day never feeds an earlier one."""
    return ledger.latest("run", model=passport.model, version=passport.version, when=when, before_day=day.isoformat())


def _resets(ledger: Ledger, passport: Passport, policy: Policy, day: date) -> int:
    """Return how many periods of this model, of whatever version, were judged in the year before; see `roadworthy.budget`."""
    nights = ledger.newest("run", _ALL, model=passport.model, before_day=day.isoformat(), when="nightly")
    runs = ((e.body["day"], e.body["version"], e.body["policy"]) for e in nights)
    return periods_before(runs, passport.version, policy.digest, day)


def _history(workspace: Workspace, before: Entry | None) -> Mapping[str, Any]:
    """Return the state that the predecessor carried forward.

    A predecessor that is missing or was changed is an error and not an empty history: a breach would be forgotten.
    """
    if before is None:
        return {}
    body = before.body
    path = EvidenceStore(workspace.evidence).path_of(body["path"])
    return read_bundle(path, expect=body["evidence"]).state


def _past(workspace: Workspace, filled: Entry | None) -> tuple[Mapping[str, Any], str]:
    """Return the state of the newest backfill, or why it cannot be read: a trend with a gap must not leave a night undecided."""
    try:
        return _history(workspace, filled), ""
    except (StorageError, TamperedError) as problem:
        return {}, problem.sentence


def run_of(
    workspace: Workspace,
    passport: Passport,
    policy: Policy,
    subject: Subject,
    run_id: str,
    sealed: dict[str, Any],
    when: str,
    actor: str,
    day: date,
    started: datetime,
    seconds: dict[str, float],
) -> dict[str, Any]:
    """Return ``run.json``: who, what, when, on what."""
    tables = (subject.reference, subject.batch, subject.labelled, subject.decided)
    return {
        "schema_version": 1,
        "run_id": run_id,
        "when": when,
        "model": passport.model,
        "version": passport.version,
        "day": day.isoformat(),
        "as_of": as_of(day, workspace.settings.time_zone).isoformat(),
        "started_at": started.isoformat(),
        "finished_at": datetime.now(UTC).isoformat(),
        "actor": actor,
        "workspace": {
            "name": workspace.settings.name,
            "note": workspace.settings.note,
            "time_zone": workspace.settings.time_zone,
        },
        "passport": passport.model_dump(mode="json"),
        "passport_digest": sealed["passport"],
        "policy": {
            "name": policy.policy,
            "title": policy.title,
            "digest": policy.digest,
            "content": policy.model_dump(mode="json"),
        },
        "inputs_digests": subject.inputs,
        "sealed": sealed,
        "suite_digest": sealed["suite"],
        "code": {"version": __version__, "digest": code_digest(), "python": platform.python_version()},
        "tools": dict(_tools()),
        "seed": SEED,
        "rows": {t.role: t.rows for t in tables},
        "days": {t.role: _days(t) for t in tables},
        "problems": {t.role: t.problem for t in tables if t.problem},
        "timings": seconds,
    }


def _days(table: Table) -> dict[str, Any]:
    window = table.window
    return {
        "first": window.first.isoformat() if window else None,
        "last": window.last.isoformat() if window else None,
        "found": len(table.days),
        "missing": [d.isoformat() for d in table.missing_days],
    }


def people_of(workspace: Workspace, passport: Passport) -> dict[str, dict[str, str]]:
    """Return who the passport names, as they are known on the day of the run."""
    people = workspace.people()
    found = {}
    for role in ("owner", "guardian", "operator"):
        person = people.find(getattr(passport.roles, role))
        if person is not None:
            found[role] = {"id": person.id, "name": person.name, "team": person.team}
    return found


def _served_before(workspace: Workspace, ledger: Ledger, passport: Passport) -> Passport | None:
    """Return the passport of the version that was in service before this one; None if there was none or it cannot be read."""
    version = Registry(workspace, ledger).before(passport.model, passport.version)
    try:
        return workspace.passport(f"{passport.model}@{version}") if version is not None else None
    except RoadworthyError as problem:
        logging.getLogger(__name__).warning("%s@%s is not compared with: %s", passport.model, version, problem)
        return None


def _artifact_digest(workspace: Workspace, passport: Passport) -> str | None:
    """Return the digest of the bytes that lie where the passport says, whatever it says of them."""
    return _digest_or_none(workspace.root / passport.artifact.path) if passport.artifact is not None else None


def _digest_or_none(path: Path) -> str | None:
    return digest_file(path) if path.is_file() else None


@cache
def _tools() -> dict[str, str]:
    """Return the version of each of `TOOLS`; looking them up takes a tenth of a second."""
    return {name: importlib.metadata.version(name) for name in TOOLS}


@cache
def code_digest() -> str:
    """Return one digest over the source of everything that measures and judges."""
    parts = []
    for package in ("roadworthy", "checks"):
        root = Path(str(resources.files(package)))
        parts += [
            (f"{package}/{p.relative_to(root)}", digest_bytes(p.read_bytes()))
            for p in sorted(root.rglob("*"))
            if p.suffix in (".py", ".yaml")
        ]
    return digest_of(parts)
