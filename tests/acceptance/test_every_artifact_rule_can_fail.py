"""Every rule about the artifact: a sound supply chain holds it; a changed file, report or log, sent through the gate, breaks it.

The rules of `tests.acceptance.test_every_rule_can_fail` are broken by changed data; these read no data at all.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from roadworthy.canonical import digest_file
from roadworthy.ledger import Ledger
from roadworthy.policy import read_policy
from roadworthy.workspace import Workspace
from tests.acceptance.fleet import FLEET, copy_fleet, run_night
from tests.checks.artifact.signed import sign
from tests.checks.artifact.test_scans import GRYPE

NIGHT: date = yaml.safe_load((FLEET / "expected.yaml").read_text(encoding="utf-8"))["night"]
MODEL = b'{"intercept": 0.1, "weights": [1.5, -2.0]}'
Change = Callable[[Path, dict[str, Any]], None]


def line(kind: str, number: int, rest: str) -> str:
    at = int(datetime(NIGHT.year, NIGHT.month, NIGHT.day, 3, tzinfo=UTC).timestamp())
    return f"type={kind} msg=audit({at}.1:{number}): {rest}\n"


READ = line("SYSCALL", 1, 'success=yes key="roadworthy-read"')


def grype(digest: str, change: Callable[[dict[str, Any]], object] = lambda _: None) -> str:
    report = json.loads(json.dumps(GRYPE))
    report |= {"matches": [], "ignoredMatches": []}
    report["source"]["target"] = {"imageID": digest}
    fresh = f"{NIGHT}T01:00:00Z"
    report["descriptor"] |= {"timestamp": fresh, "db": {"built": fresh}}
    change(report)
    return json.dumps(report)


def sound(root: Path, passport: dict[str, Any]) -> None:
    """Lay a small model into the workspace with everything that the rules ask for."""
    path = root / "artifacts" / "credit" / "model.json"
    path.write_bytes(MODEL)
    (root / "release.pub").write_bytes(sign({".": digest_file(path)}, root / "model.sig"))
    (root / "parts.json").write_text('{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"name": "numpy"}]}')
    (root / "grype.json").write_text(grype(f"sha256:{digest_file(path)}"))
    (root / "access.log").write_text(READ)
    passport["artifact"] = {
        "path": "artifacts/credit/model.json", "sha256": digest_file(path), "format": "json",
        "signature": {"path": "model.sig", "public_key": "release.pub", "public_key_sha256": digest_file(root / "release.pub")},
        "sbom": "parts.json", "reports": [{"tool": "grype", "path": "grype.json"}], "access_log": "access.log",
    }


def nothing_changed(root: Path, passport: dict[str, Any]) -> None:
    """Leave everything as it is."""


def bare(root: Path, passport: dict[str, Any]) -> None:
    """Another file than declared, which is a pickle, unsigned and unlisted, with an old exception and a log that tells much."""
    artifact = passport["artifact"]
    (root / artifact["path"]).write_bytes(b"\x80\x04cos\nsystem\n.")
    for key in ("signature", "sbom", "reports"):
        del artifact[key]
    old = {"id": "CVE-1", "until": NIGHT - timedelta(days=1), "by": passport["roles"]["guardian"], "because": "Nobody calls it."}
    artifact |= {"format": "pickle", "exceptions": [old]}
    with (root / "access.log").open("a") as log:
        log.write(line("SYSCALL", 2, 'success=yes key="roadworthy-write"'))
        log.write(line("CONFIG_CHANGE", 3, 'op=remove_rule key="roadworthy-read"'))


def badly_scanned(root: Path, passport: dict[str, Any]) -> None:
    """A report of long ago on another image, with weaknesses and with some that were left out."""
    def change(report: dict[str, Any]) -> None:
        report["ignoredMatches"] = GRYPE["ignoredMatches"]
        report["descriptor"] |= {"timestamp": "2025-01-01T00:00:00Z", "db": {"built": "2025-01-01T00:00:00Z"}}
        for severity in ("Critical", "High", "Unknown"):
            report["matches"].append({"vulnerability": {"id": severity, "severity": severity}, "artifact": {"name": "x"}})

    (root / "grype.json").write_text(grype("sha256:" + "0" * 64, change))


def another_approved(root: Path, passport: dict[str, Any]) -> None:
    """The file that was approved is not the one that the passport names today."""
    workspace = Workspace.open(root)
    bundle = run_night(workspace, NIGHT, "gate", ["artifact"]).bundle
    body = {"model": "credit", "version": "1.0.0", "state": "approved", "because": "A test.", "evidence": bundle.address}
    with Ledger.open(workspace.state_url) as ledger:
        ledger.append("release", "ingrid.solberg", body, at=datetime.now(UTC))
    path = root / passport["artifact"]["path"]
    path.write_bytes(MODEL + b"\n")
    passport["artifact"]["sha256"] = digest_file(path)


def of_skops(root: Path, passport: dict[str, Any]) -> None:
    path = root / "artifacts" / "credit" / "1.0.0.skops"
    passport["artifact"] = {"path": "artifacts/credit/1.0.0.skops", "sha256": digest_file(path), "format": "skops"}


def nothing_trusted(root: Path, passport: dict[str, Any]) -> None:
    of_skops(root, passport)
    passport["extensions"] = {}


BROKEN_BY: dict[str, Change] = {
    **dict.fromkeys(("file-declared", "file-audited", "file-format", "file-signed", "file-parts", "scanned", "exceptions-current",
                     "file-untouched", "file-watched"), bare),
    **dict.fromkeys(("scan-critical", "scan-high", "scan-unknown", "scan-subject", "scan-fresh", "scan-list-fresh",
                     "scan-suppressed"), badly_scanned),
    "file-approved": another_approved,
    "file-types": nothing_trusted,
}


@pytest.fixture(scope="module")
def statuses(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Change], dict[str, set[str]]]:
    """Return what each rule of a policy says at the gate of a sound supply chain with one change; judged once for each."""
    known: dict[tuple[str, Change], dict[str, set[str]]] = {}

    def found(policy: str, change: Change) -> dict[str, set[str]]:
        if (policy, change) not in known:
            root = tmp_path_factory.mktemp("chain") / "fleet"
            workspace = copy_fleet(root, "credit", until=NIGHT, keep=1)
            path = root / "models" / "credit" / "1.0.0.yaml"
            passport = yaml.safe_load(path.read_text(encoding="utf-8")) | {"policy": policy}
            sound(root, passport)
            path.write_text(yaml.safe_dump(passport), encoding="utf-8")
            change(root, passport)
            path.write_text(yaml.safe_dump(passport), encoding="utf-8")
            said = known[policy, change] = dict[str, set[str]]()
            for one in run_night(workspace, NIGHT, "gate", ["artifact"]).bundle.findings:
                said.setdefault(one.rule, set()).add(one.status)
        return known[policy, change]

    return found


def rules() -> list[tuple[str, str]]:
    policies = [read_policy(path) for path in sorted((FLEET / "policies").glob("*.yaml"))]
    return [(one.policy, rule.id) for one in policies for rule in one.rules if rule.metric.startswith("artifact.")]


@pytest.mark.parametrize(("policy", "rule"), rules(), ids=str)
def test_a_changed_supply_chain_breaks_the_rule(
    policy: str, rule: str, statuses: Callable[[str, Change], dict[str, set[str]]]
) -> None:
    (declared,) = [one for one in read_policy(FLEET / "policies" / f"{policy}.yaml").rules if one.id == rule]
    before = statuses(policy, of_skops if rule == "file-types" else nothing_changed)[rule]
    assert declared.breach not in before and before <= {"pass", "insufficient"}, before
    assert declared.breach in statuses(policy, BROKEN_BY[rule])[rule]


def test_a_report_that_cannot_be_believed_leaves_the_gate_undecided(
    statuses: Callable[[str, Change], dict[str, set[str]]]
) -> None:
    found = statuses("high", lambda root, _: (root / "grype.json").write_text('{"matches": []}') and None)
    assert {found[rule].pop() for rule in ("scan-critical", "scan-high", "scan-fresh", "scan-subject")} == {"error"}
