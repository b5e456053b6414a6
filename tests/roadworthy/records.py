"""A small workspace on disk with people, passports, evidence and a ledger, for tests of the record and the switch."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from roadworthy.evidence import Address, EvidenceStore, bundle_files, read_bundle
from roadworthy.finding import Finding, Verdict
from roadworthy.ledger import Entry, Ledger
from roadworthy.measurement import Measurement, not_measured
from roadworthy.workspace import Workspace
from tests.support import passport_of

NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
DAY = date(2026, 4, 9)
HOSTILE = 'it\'s "<b>" {{ 7*7 }} a=b * 年齢 \u202e'


def at(minutes: int) -> datetime:
    """Return a moment some minutes after `NOW`."""
    return NOW + timedelta(minutes=minutes)


def write_yaml(path: Path, data: Any) -> Path:
    """Write YAML and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path


def add_version(root: Path, model: str, version: str, **changes: Any) -> None:
    """Put a passport into the workspace, adopted unless said otherwise."""
    changes = {"adopted": {"since": date(2026, 1, 1), "by": "olga", "because": "It served before."}, **changes}
    passport = passport_of(model=model, version=version, **changes)
    write_yaml(
        root / "models" / model / f"{version}.yaml", passport.model_dump(mode="python", exclude_none=True, exclude_defaults=True)
    )


def make_workspace(root: Path, **settings: Any) -> Workspace:
    """Make a workspace with the people olga (Owner), gustav and gerda (Guardians), oscar (Operator), adele (Auditor)."""
    write_yaml(root / "roadworthy.yaml", {"schema_version": 1, "name": "test", "time_zone": "Europe/Berlin", **settings})
    roles = {"olga": "owner", "gustav": "guardian", "gerda": "guardian", "oscar": "operator", "adele": "auditor"}
    people = [{"id": who, "name": who.capitalize(), "roles": [role]} for who, role in roles.items()]
    write_yaml(root / "people.yaml", {"schema_version": 1, "people": people})
    add_version(root, "credit", "1.0.0")
    add_version(root, "bikes", "2.0.0")
    return Workspace.open(root)


def measurements() -> list[Measurement]:
    """Return measurements with hostile names and numbers that decimal text rounds."""
    return [
        Measurement(
            "fairness.selection_rate_ratio",
            {"group": {HOSTILE: "女'\""}},
            0.1 + 0.2,
            1e-300,
            0.9999999999999999,
            0.95,
            0.05,
            76,
            {"positives": 12, "rate": 1 / 3, "none": None},
            "Katz log interval",
            {"batch": "9f" * 32},
            details={"seen": [1, 2.5, "x"]},
        ),
        not_measured("drift.psi", "insufficient", "The batch has 3 rows.", over={"column": HOSTILE}, n=3),
    ]


def files_of(
    model: str = "credit",
    version: str = "1.0.0",
    day: date = DAY,
    run_id: str = "r1",
    *,
    when: str = "nightly",
    word: str = "clear",
    finished_at: datetime = NOW,
    attachments: dict[str, bytes] | None = None,
) -> dict[str, bytes]:
    """Return the files of a bundle."""
    run = {
        "run_id": run_id,
        "when": when,
        "model": model,
        "version": version,
        "day": day.isoformat(),
        "finished_at": finished_at.isoformat(),
        "actor": "automation",
        "seed": 7,
    }
    finding = Finding(
        "four-fifths",
        "fairness.selection_rate_ratio",
        {"group": {"sex": HOSTILE}},
        "pass",
        "Fine.",
        "Equal.",
        ">= 0.8",
        value=0.3,
        n=76,
        clauses=("29 CFR 1607.4(D)",),
    )
    verdict = Verdict(when, word, "All findings pass.", 0, {"pass": 1})  # type: ignore[arg-type]
    return bundle_files(run, {"waivers": []}, measurements(), [finding], verdict, {"points": {}}, attachments)


def record(
    workspace: Workspace,
    ledger: Ledger,
    model: str = "credit",
    version: str = "1.0.0",
    day: date = DAY,
    run_id: str = "r1",
    *,
    when: str = "nightly",
    word: str = "clear",
    now: datetime = NOW,
    attachments: dict[str, bytes] | None = None,
) -> tuple[Address, Entry]:
    """Write a bundle and name it in the ledger, as a night does."""
    files = files_of(model, version, day, run_id, when=when, word=word, finished_at=now, attachments=attachments)
    address = EvidenceStore(workspace.evidence).write(model, version, day, run_id, files)
    bundle = read_bundle(address.path, address.sha256)
    body = {
        "run_id": run_id,
        "model": model,
        "version": version,
        "day": day.isoformat(),
        "when": when,
        "verdict": bundle.verdict.word,
        "evidence": address.sha256,
        "path": address.relative,
    }
    return address, ledger.append("run", "automation", body, at=now, key=f"run:{model}@{version}:{day}:{run_id}")
