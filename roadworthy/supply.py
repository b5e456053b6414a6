"""What a passport declares of the model's file and of its supply chain: format, signature, parts list, scanners, exceptions.

Everything is named with its digest or its place, and nothing is fetched. An exception lets a known weakness stand until a day;
after it the weakness counts again, without anybody having to remember.
"""

from __future__ import annotations

import re
from datetime import date
from pathlib import PurePosixPath
from typing import Literal

from pydantic import Field, model_validator

from roadworthy.documents import Misplaced, Strict
from roadworthy.paths import Inside

Tool = Literal["bandit", "pip-audit", "trivy", "grype", "sarif"]
_DIGEST = "^sha256:[0-9a-f]{64}$"


class Signature(Strict):
    """Who vouches for the artifact: a signature of OpenSSF model-signing, made with a P-256 key."""

    path: Inside = Field(description="The signature, relative to the workspace.")
    public_key: Inside = Field(description="The public key in PEM, relative to the workspace.")
    public_key_sha256: str = Field(
        pattern="^[0-9a-f]{64}$", description="Digest of the key's file, so that nobody can lay another key in its place.",
    )
    covers: Literal["file", "folder"] = Field(
        default="file", description="What is signed: the artifact alone, or the folder that it lies in with all that is in it.",
    )


class Report(Strict):
    """What a scanner of code, dependencies or images reported."""

    tool: Tool = Field(description="Whose report it is; `sarif` is any tool that writes SARIF 2.1.0.")
    path: Inside = Field(description="The report in JSON, relative to the workspace.")
    name: str | None = Field(default=None, description="Its name on pages and in policies; by default the tool's.")
    subject_digest: str | None = Field(
        default=None, pattern=_DIGEST, description="What was scanned, where the report itself names no digest.",
    )
    made: date | None = Field(default=None, description="The day of the scan, where the report itself does not tell.")

    @property
    def scanner(self) -> str:
        """The name under which it is measured."""
        return self.name or self.tool


class Accepted(Strict):
    """One weakness that may stand for a while."""

    id: str = Field(min_length=1, description="Id of the weakness, as the scanner names it: CVE-2025-1234, B602.")
    scanner: str | None = Field(default=None, description="Of one scanner's report only.")
    where: str | None = Field(default=None, description="In one file or package only.")
    until: date = Field(description="The last day on which it is accepted; from the next on it counts again.")
    by: str = Field(description="The Guardian who accepts it, by id.")
    because: str = Field(min_length=10, description="Why it may stand, in a sentence.")


class Artifact(Strict):
    """The file that is the model."""

    path: Inside = Field(description="The file, relative to the workspace.")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="Its digest; checked before it is loaded.")
    format: Literal["skops", "onnx", "safetensors", "json", "text", "pickle", "joblib"] = Field(
        description="How it is stored. `pickle` and `joblib` run code when loaded and fail the gate of a high-risk model.",
    )
    signature: Signature | None = None
    sbom: Inside | None = Field(
        default=None, description="What the model and its environment are made of: CycloneDX or SPDX in JSON.",
    )
    image: str | None = Field(default=None, pattern=_DIGEST, description="Digest of the container image that serves the model.")
    reports: list[Report] = Field(default_factory=list, description="Reports of scanners.")
    exceptions: list[Accepted] = Field(default_factory=list, description="Weaknesses that may stand for a while.")
    access_log: Inside | None = Field(
        default=None, description="Log of auditd, or what ausearch prints of it; `roadworthy audit-rules` prints the rules.",
    )

    @model_validator(mode="after")
    def _agrees(self) -> Artifact:
        names = [report.scanner for report in self.reports]
        for index, report in enumerate(self.reports):
            if report.scanner in names[:index]:
                raise Misplaced(f"two reports have the name '{report.scanner[:80]}'; give one a 'name'.", "reports", index)
        for index, one in enumerate(self.exceptions):
            if one.scanner is not None and one.scanner not in names:
                raise Misplaced(f"no report has the name '{one.scanner[:80]}'.", "exceptions", index, "scanner")
            if not re.search(r"\w", one.id):
                raise Misplaced("an exception needs the id of what it excepts.", "exceptions", index, "id")
        folder = PurePosixPath(self.path).parent
        if self.signature is not None and self.signature.covers == "folder":
            if folder == PurePosixPath("."):
                raise Misplaced("the artifact lies in no folder of its own, so no folder can be signed.", "signature", "covers")
            for key in ("path", "public_key"):
                if folder in PurePosixPath(getattr(self.signature, key)).parents:
                    raise Misplaced(f"'{key}' lies in the folder that is signed; lay it beside the folder.", "signature", key)
        return self

    def others(self) -> list[str]:
        """Return every file that is declared beside the artifact itself.

        Examples
        --------
        >>> Artifact(path="m.skops", sha256="0" * 64, format="skops", sbom="m.cdx.json").others()
        ['m.cdx.json']
        """
        signed = [self.signature.path, self.signature.public_key] if self.signature is not None else []
        named = [*signed, *(one for one in (self.sbom, self.access_log) if one is not None)]
        return [*named, *(report.path for report in self.reports)]
