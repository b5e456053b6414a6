"""Waivers: signed, expiring exceptions to one rule of one model.

A waiver is ``waivers/<id>.yaml`` beside ``waivers/<id>.sig``, the model's Guardian's signature over the file's exact bytes. A
waiver that is expired, unsigned, wrongly signed or granted by someone else is not honoured; it is still returned, with the
reason, because whoever wrote it believes that it holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, JsonValue, model_validator

from roadworthy.canonical import digest_bytes
from roadworthy.documents import Strict, read_document, validate
from roadworthy.errors import DocumentError, RoadworthyError, UsageError
from roadworthy.passport import Name, Passport
from roadworthy.signing import is_signed_by, sign
from roadworthy.workspace import Workspace

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class WaiverFile(Strict):
    """``waivers/<id>.yaml``."""

    schema_version: Literal[1] = Field(description="Always 1.")
    id: Name = Field(description="Its name; also the name of the file.")
    model: Name = Field(description="The model.")
    version: Name | None = Field(default=None, description="One version; by default every version of the model.")
    rule: str = Field(min_length=1, description="Id of the rule in the policy.")
    over: dict[str, JsonValue] | None = Field(default=None, description="Exactly this part of the data; by default all of it.")
    reason: str = Field(min_length=10, description="Why the exception is right, in a sentence that stands on the card.")
    granted_by: Name = Field(description="The model's Guardian.")
    granted_on: date = Field(description="The first day on which it is honoured.")
    expires: date = Field(description="The last day on which it is honoured.")

    @model_validator(mode="after")
    def _order(self) -> WaiverFile:
        if self.expires < self.granted_on:
            raise ValueError(f"the waiver expires on {self.expires}, before it is granted on {self.granted_on}.")
        return self


@dataclass(frozen=True, slots=True)
class Waiver:
    """A waiver as it was found, and whether it is honoured.

    Attributes
    ----------
    id, model, rule, reason, granted_by : str
        Of a file that cannot be read, only `id` is known and the others are empty.
    version : str, optional
    over : mapping, optional
        The one part of the data that it speaks of; None for all.
    granted_on, expires : date
        `expires` is the last day on which it is honoured. ``date.min`` for a file that cannot be read.
    honoured : bool
    why_not : str
        One sentence; empty if it is honoured.
    digest : str
        SHA-256 of the file.
    """

    id: str
    model: str
    version: str | None
    rule: str
    over: Mapping[str, Any] | None
    reason: str
    granted_by: str
    granted_on: date
    expires: date
    honoured: bool
    why_not: str
    digest: str

    def covers(self, rule: str, over: Mapping[str, Any]) -> bool:
        """Say whether an honoured waiver speaks of this rule on this part of the data."""
        return self.honoured and rule == self.rule and (self.over is None or self.over == over)

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values, as ``inputs.json`` keeps them."""
        return {**asdict(self), "granted_on": self.granted_on.isoformat(), "expires": self.expires.isoformat()}


def load_waivers(workspace: Workspace, passport: Passport, as_of: date) -> list[Waiver]:
    """Return every waiver that is about this model version, and every one that cannot be read, sorted by id.

    Parameters
    ----------
    workspace : Workspace
    passport : Passport
    as_of : date
        The day judged.
    """
    day = as_of.date() if isinstance(as_of, datetime) else as_of
    found = [_load(workspace, path, passport, day) for path in sorted((workspace.root / "waivers").glob("*.yaml"))]
    return [w for w in found if w is not None]


def sign_waiver(path: Path, key: Ed25519PrivateKey) -> Path:
    """Sign the waiver at `path` and write the signature beside it; return the signature's file.

    Raises
    ------
    DocumentError
        If the file is not a waiver: what cannot be honoured is not signed.
    """
    read_waiver(path)
    beside = path.with_suffix(".sig")
    beside.write_text(sign(key, path.read_bytes()) + "\n", encoding="ascii")
    return beside


def read_waiver(path: Path, shown: str | None = None) -> WaiverFile:
    """Read a waiver file and check that it is named after its id."""
    document = read_document(path, shown)
    waiver = validate(document, WaiverFile)
    if path.stem != waiver.id:
        raise DocumentError([f"{document.at(('id',))}: says '{waiver.id}', but the file is {path.name}. Rename one."])
    return waiver


def _load(workspace: Workspace, path: Path, passport: Passport, day: date) -> Waiver | None:
    try:
        data = path.read_bytes()
        waiver = read_waiver(path, f"waivers/{path.name}")
        if path.read_bytes() != data:
            raise UsageError(f"waivers/{path.name} was changed while it was read.")
    except (RoadworthyError, OSError) as problem:
        # Whose waiver it is cannot be known, so every model shows it.
        why = f"The waiver cannot be read: {problem}"
        return Waiver(path.stem, "", None, "", None, "", "", date.min, date.min, honoured=False, why_not=why, digest="")
    if waiver.model != passport.model or waiver.version not in (None, passport.version):
        return None
    why_not = _why_not(workspace, path, data, waiver, passport=passport, day=day)
    return Waiver(
        waiver.id, waiver.model, waiver.version, waiver.rule, waiver.over, waiver.reason, waiver.granted_by, waiver.granted_on,
        waiver.expires, honoured=not why_not, why_not=why_not, digest=digest_bytes(data),
    )


def _why_not(workspace: Workspace, path: Path, data: bytes, waiver: WaiverFile, *, passport: Passport, day: date) -> str:
    if day > waiver.expires:
        return f"It expired on {waiver.expires}."
    if day < waiver.granted_on:
        return f"It is granted from {waiver.granted_on} on."
    if waiver.granted_by != passport.roles.guardian:
        return f"It is granted by {waiver.granted_by}, but the Guardian of {passport.id} is {passport.roles.guardian}."
    person = workspace.people().find(waiver.granted_by)
    if person is None or "guardian" not in person.roles:
        return f"It is granted by {waiver.granted_by}, whom people.yaml does not name as a Guardian."
    if person.public_key is None:
        return f"people.yaml holds no public key of {person.name}, so the signature cannot be checked."
    try:
        signature = path.with_suffix(".sig").read_text(encoding="ascii")
    except FileNotFoundError:
        return f"It is not signed: waivers/{path.stem}.sig is missing."
    except (OSError, UnicodeDecodeError):
        return f"Its signature, waivers/{path.stem}.sig, cannot be read."
    if not is_signed_by(person.public_key, data, signature):
        return f"Its signature is not {person.name}'s over this text: the waiver was changed, or someone else signed."
    return ""
