"""What is wrong with an artifact is said by name: flipped, extra, unsigned, signed by another; and nothing passes unseen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from checks import artifact
from checks.artifact import accounts
from checks.artifact.measuring import METRICS
from checks.subject import Subject
from roadworthy.canonical import digest_file
from roadworthy.catalogue import catalogue
from roadworthy.measurement import Measurement
from roadworthy.supply import Artifact
from tests.checks.artifact.signed import sign
from tests.checks.artifact.test_scans import GRYPE, PIP_AUDIT
from tests.checks.artifact.test_seal import LIBRARY, MADE
from tests.support import DAY, make_subject, passport_of

NOW = datetime(2026, 4, 12, tzinfo=UTC)


@contextmanager
def subject(root: Path, **declared: Any) -> Iterator[Subject]:
    """Open a subject whose artifact is a small file of JSON in a folder of its own."""
    path = root / "model" / "model.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'{"w": [1.5]}')
    told = {"path": "model/model.json", "sha256": digest_file(path), "format": "json", **declared}
    with make_subject(root, passport_of(artifact=told, no_artifact_because=None)) as opened:
        yield opened


def by_metric(found: list[Measurement]) -> dict[str, Measurement]:
    return {m.metric.removeprefix("artifact."): m for m in found}


def signature(root: Path, covers: str = "file") -> dict[str, str]:
    folder = root / "model"
    names = {path.name: digest_file(path) for path in folder.iterdir()} if covers == "folder" else {
        ".": digest_file(folder / "model.json")
    }
    (root / "release.pub").write_bytes(sign(names, root / "model.sig"))
    digest = digest_file(root / "release.pub")
    return {"path": "model.sig", "public_key": "release.pub", "public_key_sha256": digest, "covers": covers}


def test_without_an_artifact_nothing_is_claimed(tmp_path: Path) -> None:
    with make_subject(tmp_path, passport_of()) as opened:
        found = artifact.measure(opened)
    assert {m.status for m in found} == {"not_applicable"} and {m.metric for m in found} == set(METRICS)
    assert set(METRICS) == {metric for metric in catalogue() if metric.startswith("artifact.")}


def test_a_sound_file_is_clean_and_an_unsigned_one_is_no_signed_one(tmp_path: Path) -> None:
    with subject(tmp_path) as opened:
        found = by_metric(artifact.measure(opened))
    assert [found[name].value for name in ("digest_matches", "format_safe", "auditor_verdict")] == [1, 1, 1]
    assert found["signature_valid"].value == 0 and found["signature_valid"].details["said"] == "It is unsigned."
    assert found["sbom_present"].value == 0 and found["skops_unknown_types"].status == "not_applicable"


def test_a_good_signature_is_accepted_without_the_library_and_says_whether_it_was_asked(tmp_path: Path) -> None:
    with subject(tmp_path):
        declared = signature(tmp_path)
    with subject(tmp_path, signature=declared) as opened:
        found = by_metric(artifact.measure(opened))["signature_valid"]
    assert found.value == 1 and ("model-signing" in found.method) is LIBRARY


@pytest.mark.parametrize(("name", "content", "covers", "metric", "said"), [
    ("model/model.json", b'{"w": [1.4]}', "file", "digest_matches", ""),
    ("model/model.json", b'{"w": [1.4]}', "file", "signature_valid", "is not what was signed"),
    ("model/more.bin", b"x", "folder", "signature_valid", "'more.bin' is there and was not signed"),
    ("model.sig", (MADE / "model.sig").read_bytes(), "file", "signature_valid", "with another key"),
    ("release.pub", (MADE / "other.pub").read_bytes(), "file", "signature_valid", "names by its digest"),
])
def test_what_was_changed_fails_by_name(
    tmp_path: Path, name: str, content: bytes, covers: str, metric: str, said: str
) -> None:
    with subject(tmp_path) as opened:
        sha256 = opened.passport.artifact.sha256 if opened.passport.artifact else ""
        declared = signature(tmp_path, covers)
    (tmp_path / name).write_bytes(content)
    with subject(tmp_path, signature=declared, sha256=sha256) as opened:
        found = by_metric(artifact.measure(opened))[metric]
    assert found.value == 0 and said in found.details["said"]


def test_the_same_bytes_are_looked_at_once_and_kept(tmp_path: Path) -> None:
    class Kept(dict[str, Any]):
        def get(self, kind: str, key: Any) -> Any:
            return super().get(json.dumps([kind, key]))

        def put(self, kind: str, key: Any, content: Any) -> None:
            self[json.dumps([kind, key])] = content

    with subject(tmp_path) as opened:
        kept = Kept()
        first = artifact.measure(replace(opened, kept=kept))
        (name,) = kept
        kept[name] = {**kept[name], "opinion": {**kept[name]["opinion"], "steps": 4711}}
        second = by_metric(artifact.measure(replace(opened, kept=kept)))
    assert by_metric(first)["auditor_verdict"].details["steps"] != 4711 == second["auditor_verdict"].details["steps"]


def test_a_file_that_is_gone_is_neither_declared_nor_clean(tmp_path: Path) -> None:
    with subject(tmp_path) as opened:
        (tmp_path / "model" / "model.json").unlink()
        found = by_metric(artifact.measure(opened))
    assert found["digest_matches"].value == 0 and found["auditor_verdict"].status == found["format_safe"].status == "error"


@pytest.mark.parametrize(("approved", "value", "status"), [
    (None, None, "not_applicable"), ({"problem": "It is gone."}, None, "error"), ({"artifact": "0" * 64}, 0.0, "measured"),
    ({"artifact": "same"}, 1.0, "measured"), ({"artifact": "same", "image": "sha256:" + "0" * 64}, 0.0, "measured"),
])
def test_file_and_image_are_held_against_what_was_approved(
    tmp_path: Path, approved: dict[str, str] | None, value: float | None, status: str
) -> None:
    with subject(tmp_path) as opened:
        same = opened.passport.artifact.sha256 if opened.passport.artifact else ""
        told = None if approved is None else {k: same if v == "same" else v for k, v in approved.items()}
        found = by_metric(artifact.measure(replace(opened, approved=told)))["approved_digest_matches"]
    assert (found.value, found.status) == (value, status)


# --- reports and exceptions


def declared(
    root: Path, report: dict[str, Any], tool: str = "grype", told: dict[str, Any] | None = None, **rest: Any
) -> Artifact:
    (root / "report.json").write_text(json.dumps(report))
    reports = [{"tool": tool, "path": "report.json", **(told or {})}]
    return Artifact.model_validate({"path": "m.json", "sha256": "0" * 64, "format": "json", "reports": reports, **rest})


def measured(root: Path, artifact_: Artifact, now: datetime = NOW, lock: str | None = None) -> dict[tuple[str, str], Measurement]:
    found = accounts.of_reports(root, artifact_, DAY, now, lock)
    return {(m.metric.removeprefix("artifact."), str(m.over.get("severity", ""))): m for m in found}


@pytest.mark.parametrize(("days", "counted", "expired"), [(1, 0, 0), (0, 0, 0), (-1, 1, 1)])
def test_an_exception_stands_until_its_last_day_and_then_counts_again(
    tmp_path: Path, days: int, counted: int, expired: int
) -> None:
    one = {"id": "CVE-2026-3", "until": DAY + timedelta(days=days), "by": "gustav", "because": "It is never called."}
    found = measured(tmp_path, declared(tmp_path, GRYPE, exceptions=[one]))
    assert found["scanner_findings", "low"].value == counted  # Grype calls it GHSA-xxxx; the exception names its other id
    assert found["exceptions_expired", ""].value == expired


def test_an_exception_for_another_package_or_scanner_covers_nothing(tmp_path: Path) -> None:
    one = {"id": "CVE-2026-3", "until": DAY, "by": "gustav", "because": "It is never called.", "where": "openssl"}
    assert measured(tmp_path, declared(tmp_path, GRYPE, exceptions=[one]))["scanner_findings", "low"].value == 1
    with pytest.raises(ValidationError, match="no report has the name 'trivy'"):
        declared(tmp_path, GRYPE, exceptions=[{**one, "scanner": "trivy"}])


def test_only_the_guardian_accepts_a_weakness() -> None:
    one = {"id": "CVE-1", "until": DAY, "by": "oscar", "because": "It is never called."}
    told = {"path": "m.json", "sha256": "0" * 64, "format": "json", "exceptions": [one]}
    with pytest.raises(ValidationError, match="only the model's Guardian, gustav"):
        passport_of(artifact=told, no_artifact_because=None)


def test_a_report_tells_its_age_and_what_it_speaks_of(tmp_path: Path) -> None:
    image = GRYPE["source"]["target"]["imageID"]
    found = measured(tmp_path, declared(tmp_path, GRYPE, image=image))
    assert found["report_age_days", ""].value == pytest.approx(1 + 14 / 24)
    assert found["scanner_database_age_days", ""].value == 9
    assert found["report_subject_matches", ""].value == 1 and found["suppressed_findings", ""].value == 1
    assert measured(tmp_path, declared(tmp_path, GRYPE))["report_subject_matches", ""].value == 0
    undated = measured(tmp_path, declared(tmp_path, PIP_AUDIT, "pip-audit"))
    assert undated["report_age_days", ""].status == "error" and undated["report_subject_matches", ""].status == "insufficient"
    told = declared(tmp_path, PIP_AUDIT, "pip-audit", {"made": DAY, "subject_digest": "sha256:" + "1" * 64})
    dated = measured(tmp_path, told, lock="1" * 64)
    assert dated["report_age_days", ""].value == 1 and dated["report_subject_matches", ""].value == 1


@pytest.mark.parametrize(("content", "now", "said"), [
    ("{}", NOW, "another shape"), (None, NOW, "No such"),
    (json.dumps(GRYPE), datetime(2026, 4, 8, tzinfo=UTC), "dated in the future"),
])
def test_a_report_that_cannot_be_believed_is_an_error_in_everything(
    tmp_path: Path, content: str | None, now: datetime, said: str
) -> None:
    told = declared(tmp_path, GRYPE)
    (tmp_path / "report.json").unlink()
    if content is not None:
        (tmp_path / "report.json").write_text(content)
    found = [m for m in accounts.of_reports(tmp_path, told, DAY, now, None) if m.metric in accounts.OF_REPORTS]
    assert len(found) == 9 and {m.status for m in found} == {"error"} and all(said in m.reason and m.over for m in found)


def test_a_log_that_tells_of_nobody_is_no_quiet_day(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("<no matches>\n")
    told = Artifact(path="m.json", sha256="0" * 64, format="json", access_log="log")
    (found,) = accounts.of_accesses(tmp_path, told, DAY)
    assert found.status == "insufficient" and "auditd may not be running" in found.reason
    (found,) = accounts.of_accesses(tmp_path, replace_log(told, "gone"), DAY)
    assert found.status == "error"


def replace_log(told: Artifact, name: str) -> Artifact:
    return told.model_copy(update={"access_log": name})
