"""Measure the artifact and its supply chain.

Examples
--------
>>> from checks import artifact
>>> measurements = artifact.measure(subject)            # doctest: +SKIP
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from checks.artifact import parts
from checks.artifact.accounts import ACCESSES, EXPIRED, OF_REPORTS, PRESENT, of_accesses, of_reports, read_bytes
from checks.artifact.asking import NotAsked, looked_at
from checks.auditor import SAFE_FORMATS
from checks.isolation.artifact import ArtifactError
from checks.subject import Subject
from roadworthy.canonical import digest_bytes, digest_file
from roadworthy.measurement import Measurement, Status, not_measured
from roadworthy.supply import Artifact

DIGEST, APPROVED, FORMAT = "artifact.digest_matches", "artifact.approved_digest_matches", "artifact.format_safe"
VERDICT, UNKNOWN, SIGNATURE = "artifact.auditor_verdict", "artifact.skops_unknown_types", "artifact.signature_valid"
SBOM = "artifact.sbom_present"
METRICS = (DIGEST, APPROVED, FORMAT, VERDICT, UNKNOWN, SIGNATURE, SBOM, PRESENT, EXPIRED, *OF_REPORTS, ACCESSES)


def measure(subject: Subject) -> list[Measurement]:
    """Return what is known of the artifact without loading it.

    Parameters
    ----------
    subject : checks.subject.Subject
        Its passport names the files; its tables are not looked at. `subject.approved` holds the digests that were approved.

    Returns
    -------
    list of Measurement
        Facts are 1 where they hold and 0 where they do not; reports are counted. A passport without an artifact gives
        ``not_applicable`` for each metric. Nothing in the files raises.
    """
    passport = subject.passport
    artifact = passport.artifact
    if artifact is None:
        said = f"No artifact is declared: {passport.no_artifact_because}"
        return [not_measured(metric, "not_applicable", said) for metric in METRICS]
    lock = passport.recipe.lock_sha256 if passport.recipe is not None else None
    there = _digest(subject, artifact)
    return [
        *_bytes(subject, artifact, there),
        *_looked_at(subject, artifact, there),
        _parts(subject, artifact),
        *of_reports(subject.root, artifact, subject.day, datetime.now(UTC), lock),
        *of_accesses(subject.root, artifact, subject.day),
    ]


def _digest(subject: Subject, artifact: Artifact) -> str | None:
    try:
        path = subject.root / artifact.path
        return digest_file(path) if path.is_file() else None
    except OSError:
        return None  # whoever reads it next says why


def _bytes(subject: Subject, artifact: Artifact, there: str | None) -> list[Measurement]:
    """Hold the digest of the bytes against the passport's and against the approved one."""
    inputs = {"artifact": there} if there is not None else {}
    said = "" if there is not None else "There is no such file, or it cannot be read."
    details: dict[str, Any] = {"declared": artifact.sha256, "found": there, "said": said}
    found = [Measurement(
        DIGEST, value=float(there == artifact.sha256), method="SHA-256 of the file against the passport", inputs=inputs,
        details=details,
    )]
    approved = subject.approved
    if approved is None:
        return [*found, not_measured(APPROVED, "not_applicable", "No version of this passport has been approved yet.")]
    if "problem" in approved:
        return [*found, not_measured(APPROVED, "error", f"What was approved cannot be read: {approved['problem']}")]
    same = approved.get("artifact") == there and approved.get("image") == (artifact.image or approved.get("image"))
    return [*found, Measurement(
        APPROVED, value=float(same and (artifact.image is None) == (approved.get("image") is None)), inputs=inputs,
        method="digests of file and image against those that were approved", details={"approved": dict(approved), "found": there},
    )]


def _looked_at(subject: Subject, artifact: Artifact, there: str | None) -> list[Measurement]:
    """Say what the process inside found in the same bytes."""
    inputs = {"artifact": there} if there is not None else {}
    try:
        if there is None:
            raise NotAsked("There is no artifact, or it cannot be read.")
        found = looked_at(subject, artifact)
    except (NotAsked, ArtifactError) as problem:
        refused = artifact.signature is None
        made = [not_measured(metric, "error", problem.sentence, inputs=inputs) for metric in (FORMAT, VERDICT, UNKNOWN)]
        return [*made, _unsigned(inputs) if refused else not_measured(SIGNATURE, "error", problem.sentence, inputs=inputs)]
    opinion, unknown = found["opinion"], found["unknown"]
    safe = artifact.format in SAFE_FORMATS and opinion["found"] == artifact.format
    kind = {"declared": artifact.format, "found": opinion["found"]}
    return [
        Measurement(FORMAT, value=float(safe), method="what the bytes are, and whether that holds a program", inputs=inputs,
                    details=kind),
        Measurement(VERDICT, value=float(opinion["clean"]), method="followed from the first byte to the last, nothing loaded",
                    inputs=inputs, details={"said": opinion["said"], "steps": opinion["steps"], **kind}),
        _unknown(artifact, unknown, inputs),
        _signature(artifact, found["signature"], inputs),
    ]


def _unknown(artifact: Artifact, unknown: dict[str, Any] | None, inputs: dict[str, str]) -> Measurement:
    if unknown is None:
        skops = artifact.format == "skops"
        said = "The auditor refused the file, so skops was not asked." if skops else "It is no file of skops."
        return not_measured(UNKNOWN, "not_applicable", said, inputs=inputs)
    method = "types that neither skops nor the passport trusts"
    return Measurement(UNKNOWN, value=float(unknown["count"]), method=method, inputs=inputs, details={"named": unknown["named"]})


def _unsigned(inputs: dict[str, str]) -> Measurement:
    details = {"said": "It is unsigned."}
    return Measurement(SIGNATURE, value=0.0, method="whether a signature is declared", inputs=inputs, details=details)


def _signature(artifact: Artifact, found: dict[str, Any] | None, inputs: dict[str, str]) -> Measurement:
    declared = artifact.signature
    if declared is None or found is None:
        return _unsigned(inputs)
    if found.get("key_sha256") != declared.public_key_sha256:
        said = "The public key is not the one that the passport names by its digest."
        return Measurement(SIGNATURE, value=0.0, method="SHA-256 of the key", inputs=inputs, details={"said": said})
    details = {"said": found["said"], "covers": declared.covers, "public_key": declared.public_key_sha256}
    method = "P-256 over DSSE and the SHA-256 of each file" + (", and model-signing" if found["library"] else "")
    return Measurement(SIGNATURE, value=float(found["holds"]), method=method, inputs=inputs, details=details)


def _parts(subject: Subject, artifact: Artifact) -> Measurement:
    if artifact.sbom is None:
        said = "No list of parts is declared."
        return Measurement(SBOM, value=0.0, method="whether one is declared", details={"said": said})
    status: Status = "error"
    try:
        content = read_bytes(subject.root / artifact.sbom)
        found = parts.read(content)
    except FileNotFoundError:
        details = {"said": "The list of parts is not there."}
        return Measurement(SBOM, value=0.0, method="whether the file is there", details=details)
    except OSError as problem:
        return not_measured(SBOM, status, f"The list of parts cannot be read ({problem.strerror}).")
    except (parts.Unlisted, ValueError) as problem:
        return not_measured(SBOM, status, f"The list of parts cannot be believed: {problem}")
    return Measurement(
        SBOM, value=1.0, n=found.named, method=f"{found.standard}, read", inputs={"sbom": digest_bytes(content)},
        details={"standard": found.standard, "parts": found.named},
    )
