"""Reports in the shapes that the scanners write are counted; of any other shape, or of half a scan, nothing is believed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from checks.artifact import parts
from checks.artifact.scans import Unreadable, read

DIGEST = "sha256:" + "a" * 64
BANDIT: dict[str, Any] = {
    "errors": [],
    "generated_at": "2026-04-08T10:00:00Z",
    "metrics": {"./serve.py": {"loc": 90}, "_totals": {"loc": 90, "nosec": 2, "skipped_tests": 0}},
    "results": [
        {"test_id": "B602", "issue_severity": "HIGH", "issue_confidence": "HIGH", "filename": "./serve.py", "line_number": 7},
        {"test_id": "B101", "issue_severity": "LOW", "issue_confidence": "HIGH", "filename": "./serve.py", "line_number": 9},
    ],
}
PIP_AUDIT: dict[str, Any] = {"dependencies": [
    {"name": "numpy", "version": "2.4.6", "vulns": []},
    {"name": "pyyaml", "version": "5.3", "vulns": [
        {"id": "PYSEC-2021-142", "fix_versions": ["5.4"], "aliases": ["CVE-2020-14343"], "description": "..."},
    ]},
], "fixes": []}
TRIVY: dict[str, Any] = {
    "SchemaVersion": 2, "CreatedAt": "2026-04-08T10:00:00.123456789+02:00", "ArtifactName": "serve:1",
    "ArtifactType": "container_image",
    "Metadata": {"ImageID": DIGEST, "RepoDigests": [f"registry.example/serve@sha256:{'b' * 64}"]},
    "Results": [
        {"Target": "serve:1 (debian 12)", "Class": "os-pkgs", "Type": "debian"},
        {"Target": "Python", "Class": "lang-pkgs", "Vulnerabilities": [
            {"VulnerabilityID": "CVE-2026-1", "PkgName": "torch", "Severity": "CRITICAL"},
            {"VulnerabilityID": "CVE-2026-2", "PkgName": "torch", "Severity": "UNKNOWN"},
        ]},
    ],
}
GRYPE: dict[str, Any] = {
    "matches": [{
        "vulnerability": {"id": "GHSA-xxxx", "severity": "Negligible"}, "relatedVulnerabilities": [{"id": "CVE-2026-3"}],
        "artifact": {"name": "zlib", "version": "1.2"},
    }],
    "ignoredMatches": [{"vulnerability": {"id": "CVE-2026-9", "severity": "High"}}],
    "source": {"type": "image", "target": {"imageID": DIGEST, "manifestDigest": "sha256:" + "c" * 64, "repoDigests": []}},
    "descriptor": {"name": "grype", "version": "0.90.0", "timestamp": "2026-04-08T10:00:00Z",
                   "db": {"status": {"built": "2026-04-01T00:00:00Z"}}},
}
SARIF: dict[str, Any] = {"version": "2.1.0", "runs": [{
    "tool": {"driver": {"name": "any", "rules": [
        {"id": "R1", "properties": {"security-severity": "9.8"}}, {"id": "R2", "defaultConfiguration": {"level": "note"}},
    ]}},
    "invocations": [{"executionSuccessful": True, "endTimeUtc": "2026-04-08T10:00:00Z"}],
    "artifacts": [{"location": {"uri": "m.skops"}, "hashes": {"sha-256": "A" * 64}}],
    "results": [
        {"ruleId": "R1", "message": {"text": "x"}, "level": "warning"},
        {"ruleIndex": 1, "message": {"text": "x"}},
        {"ruleId": "R3", "message": {"text": "x"}, "level": "error"},
        {"ruleId": "R1", "message": {"text": "x"}, "suppressions": [{"kind": "inSource"}]},
        {"ruleId": "R1", "message": {"text": "x"}, "kind": "pass"},
        {"ruleId": "R1", "message": {"text": "x"}, "baselineState": "absent"},
    ],
}]}
MADE = datetime(2026, 4, 8, 10, tzinfo=UTC)


def changed(report: dict[str, Any], change: Any) -> bytes:
    copy = json.loads(json.dumps(report))
    change(copy)
    return json.dumps(copy).encode()


@pytest.mark.parametrize(("tool", "report", "severities", "scanned", "suppressed"), [
    ("bandit", BANDIT, ["high", "low"], 1, 2),
    ("pip-audit", PIP_AUDIT, ["unknown"], 2, 0),
    ("trivy", TRIVY, ["critical", "unknown"], 2, 0),
    ("grype", GRYPE, ["low"], 1, 1),
    ("sarif", SARIF, ["critical", "low", "high"], 1, 1),
])
def test_what_a_scanner_found_is_counted(
    tool: str, report: dict[str, Any], severities: list[str], scanned: int, suppressed: int
) -> None:
    scan = read(tool, json.dumps(report).encode())
    assert [one.severity for one in scan.weaknesses] == severities
    assert (scan.scanned, scan.suppressed) == (scanned, suppressed)


def test_what_was_scanned_and_when_is_read() -> None:
    scans = {tool: read(tool, json.dumps(report).encode()) for tool, report in (
        ("trivy", TRIVY), ("grype", GRYPE), ("sarif", SARIF), ("bandit", BANDIT), ("pip-audit", PIP_AUDIT),
    )}
    assert all(DIGEST in scans[tool].subjects for tool in ("trivy", "grype", "sarif"))
    assert scans["grype"].made == scans["sarif"].made == scans["bandit"].made == MADE
    assert scans["trivy"].made == datetime(2026, 4, 8, 8, 0, 0, 123456, tzinfo=UTC) and scans["pip-audit"].made is None
    assert scans["grype"].database == datetime(2026, 4, 1, tzinfo=UTC)
    assert scans["pip-audit"].weaknesses[0].ids == ("PYSEC-2021-142", "CVE-2020-14343")


@pytest.mark.parametrize(("tool", "content", "said"), [
    ("bandit", changed(BANDIT, lambda r: r["errors"].append({"filename": "x.py", "reason": "syntax"})), "1 files could not be"),
    ("bandit", changed(BANDIT, lambda r: r["metrics"].pop("./serve.py")), "of nothing that it was scanned"),
    ("bandit", changed(BANDIT, lambda r: r.pop("errors")), "another shape than reports of bandit"),
    ("pip-audit", changed(PIP_AUDIT, lambda r: r["dependencies"].append({"name": "x", "skip_reason": "y"})), "1 packages were"),
    ("pip-audit", b'{"dependencies": []}', "of nothing that it was scanned"),
    ("trivy", changed(TRIVY, lambda r: r.update(SchemaVersion=3)), "another shape than reports of trivy"),
    ("trivy", changed(TRIVY, lambda r: r.pop("Results")), "of nothing that it was scanned"),
    ("trivy", changed(TRIVY, lambda r: r["Results"][1].update(Vulnerabilities={})), "another shape"),
    ("grype", changed(GRYPE, lambda r: r.pop("matches")), "another shape than reports of grype"),
    ("grype", changed(GRYPE, lambda r: r["descriptor"].update(name="x")), "another shape than reports of grype"),
    ("sarif", changed(SARIF, lambda r: r.update(version="2.0.0")), "another shape than reports of SARIF"),
    ("sarif", changed(SARIF, lambda r: r["runs"].clear()), "of nothing that it was scanned"),
    ("sarif", changed(SARIF, lambda r: r["runs"][0].pop("results")), "no results, so it did not look"),
    ("sarif", changed(SARIF, lambda r: r["runs"][0]["invocations"][0].update(executionSuccessful=False)), "did not succeed"),
    ("sarif", b"[" * 100_000, "cannot be read as JSON"),
    ("grype", b"[]", "another shape"),
])
def test_half_a_scan_or_another_shape_is_never_clean(tool: str, content: bytes, said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        read(tool, content)


def test_a_list_of_parts_is_read_or_refused() -> None:
    assert parts.read(b'{"spdxVersion": "SPDX-2.3", "packages": [{"name": "numpy"}]}') == ("SPDX-2.3", 1)
    for content, said in (
        (b"x", "as JSON"), (b"{}", "neither CycloneDX nor SPDX"), (b'{"bomFormat": "CycloneDX"}', "neither CycloneDX nor SPDX"),
        (b'{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": []}', "names no part"),
        (b'{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": {}}', "is no CycloneDX 1.6"),
    ):
        with pytest.raises(parts.Unlisted, match=said):
            parts.read(content)
