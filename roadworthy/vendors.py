"""``vendors.yaml``: whose models, data or services a fleet rests on, and what they signed, showed and promised.

What stands here is a claim: of the vendor's or of whoever wrote it down (``self-declared``), or read off a document that lies in
the workspace with its digest (``document``). What was promised and can be measured is measured by `checks.vendor`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from roadworthy.documents import Misplaced, Strict, Where, load
from roadworthy.passport import Name
from roadworthy.paths import Inside

FILE = "vendors.yaml"
Claim = Literal["self-declared", "document"]

Country = Annotated[str, Field(pattern="^[A-Z]{2}$")]
_CLAIM = "How it is known: `self-declared`, or read off a `document` of the register."


class Paper(Strict):
    """One document of the register: a file that lies in the workspace."""

    id: Name = Field(description="Short name by which the rest of the file points at it.")
    title: str = Field(default="", description="What it is.")
    path: Inside = Field(description="The file, relative to the workspace.")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="Its digest.")


class Sla(Strict):
    """What the vendor promised about calls; the passport's `telemetry` is held against it."""

    availability: float | None = Field(default=None, gt=0, lt=1, description="Share of calls that are answered, such as 0.999.")
    p95_ms: float | int | None = Field(default=None, gt=0, description="Milliseconds within which 95 of 100 calls are answered.")
    window_days: int = Field(default=30, ge=1, le=366, description="Days over which it is promised.")


class Agreement(Strict):
    """The data-processing agreement."""

    document: Name = Field(description="Id of the signed agreement in `documents`.")
    signed_on: date = Field(description="The day it was signed.")


class Contract(Strict):
    """What was agreed."""

    signed_on: date | None = Field(default=None, description="The day it was signed.")
    document: Name | None = Field(default=None, description="Id of the contract in `documents`.")
    dpa: Agreement | None = None
    sla: Sla | None = None
    exit_notice_days: int | None = Field(default=None, ge=0, description="Days of notice for leaving.")
    deletion_days: int | None = Field(default=None, ge=0, description="Days within which our data are deleted after the end.")
    exit_plan: Name | None = Field(default=None, description="Id of the exit plan in `documents`.")
    claim: Claim = Field(default="self-declared", description=_CLAIM)


class Data(Strict):
    """What the vendor gets and does with it."""

    receives: Literal["rows", "nothing"] | None = Field(
        default=None, description="Whether rows reach the vendor; not said, they are taken to.",
    )
    countries: list[Country] = Field(default_factory=list, description="Where our data may be, as ISO 3166 codes in quotes.")
    trains_on_our_data: bool | None = Field(default=None, description="Whether the vendor learns from our data.")
    document: Name | None = Field(default=None, description="Id of the document it is read off.")
    claim: Claim = Field(default="self-declared", description=_CLAIM)


class Security(Strict):
    """Security clauses."""

    breach_notice_hours: int | None = Field(default=None, ge=0, description="Hours within which a breach is told to us.")
    last_pen_test: date | None = Field(default=None, description="The day of the last penetration test.")
    document: Name | None = Field(default=None, description="Id of the document it is read off.")
    claim: Claim = Field(default="self-declared", description=_CLAIM)


class SubProcessor(Strict):
    """Somebody whom the vendor hands our data on to."""

    name: str = Field(description="Who.")
    country: Country | None = Field(default=None, description="Where, as an ISO 3166 code in quotes.")
    purpose: str | None = Field(default=None, description="What for.")


class Certificate(Strict):
    """A certificate that the vendor shows."""

    standard: str = Field(min_length=1, description="Of what, such as ISO/IEC 27001.")
    id: str = Field(default="", description="Its number.")
    issued: date | None = Field(default=None, description="First day on which it holds.")
    expires: date = Field(description="Last day on which it holds.")
    scope: str = Field(default="", description="What it speaks of.")
    document: Name | None = Field(default=None, description="Id of the certificate in `documents`.")

    @property
    def name(self) -> str:
        """Standard and number."""
        return f"{self.standard} {self.id}".strip()

    @model_validator(mode="after")
    def _order(self) -> Certificate:
        if self.issued is not None and self.issued > self.expires:
            raise Misplaced(f"the certificate '{self.name[:60]}' expires on {self.expires}, before it was issued.", "expires")
        return self


class Review(Strict):
    """The last look that somebody of ours took at the vendor."""

    last: date = Field(description="The day of it.")
    every_days: int = Field(ge=1, le=3660, description="How often it is due.")
    by: Name | None = Field(default=None, description="Who looked, by id in people.yaml.")


class Vendor(Strict):
    """One vendor."""

    id: Name = Field(description="Short name used in passports.")
    name: str = Field(default="", description="The name that people read.")
    note: str = Field(default="", description="What a reader should know.")
    supplies: list[Name] = Field(default_factory=list, description="Models that rest on the vendor.")
    documents: list[Paper] = Field(default_factory=list, description="The register of documents.")
    contract: Contract | None = None
    data: Data | None = None
    security: Security | None = None
    sub_processors: list[SubProcessor] | None = Field(default=None, description="All of them; an empty list says there is none.")
    certificates: list[Certificate] = Field(default_factory=list, description="The certificates that the vendor shows.")
    review: Review | None = None

    def paper(self, wanted: str | None) -> Paper | None:
        """Return the document of that id, or None."""
        return next((one for one in self.documents if one.id == wanted), None)

    def pointed_at(self) -> Iterator[tuple[Where, str]]:
        """Yield each place that points at a document, and the id that stands there."""
        contract = self.contract
        if contract is not None:
            pointers: list[tuple[Where, str | None]] = [
                (("contract", "document"), contract.document), (("contract", "exit_plan"), contract.exit_plan),
                (("contract", "dpa", "document"), contract.dpa.document if contract.dpa is not None else None),
            ]
            yield from ((where, one) for where, one in pointers if one is not None)
        for part in ("data", "security"):
            if (held := getattr(self, part)) is not None and held.document is not None:
                yield (part, "document"), held.document
        for index, certificate in enumerate(self.certificates):
            if certificate.document is not None:
                yield ("certificates", index, "document"), certificate.document

    @model_validator(mode="after")
    def _whole(self) -> Vendor:
        known = [one.id for one in self.documents]
        for index, one in enumerate(known):
            if one in known[:index]:
                raise Misplaced(f"the document '{one}' stands here a second time. Rename one.", "documents", index, "id")
        for where, wanted in self.pointed_at():
            if wanted not in known:
                raise Misplaced(f"the document '{wanted}' is not in the register. Known: {', '.join(known) or 'none'}.", *where)
        names = [one.name for one in self.certificates]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise Misplaced(f"the certificate '{name[:60]}' stands here a second time.", "certificates", index)
        for part in ("contract", "data", "security"):
            held = getattr(self, part)
            if held is not None and held.claim == "document" and held.document is None:
                raise Misplaced(f"'{part}' claims to be read off a document and names none.", part, "claim")
        return self


class Vendors(Strict):
    """``vendors.yaml``."""

    schema_version: Literal[1] = Field(description="Always 1.")
    vendors: list[Vendor] = Field(default_factory=list, description="Everybody on whom the fleet rests.")

    @model_validator(mode="after")
    def _unique(self) -> Vendors:
        for index, one in enumerate(self.vendors):
            if one.id in [other.id for other in self.vendors[:index]]:
                raise Misplaced(f"the id '{one.id}' stands here a second time. Rename one.", "vendors", index, "id")
        return self

    def find(self, who: str) -> Vendor | None:
        """Return the vendor of that id, or None."""
        return next((one for one in self.vendors if one.id == who), None)


def read_vendors(root: Path) -> Vendors:
    """Read ``vendors.yaml`` of a workspace.

    Parameters
    ----------
    root : pathlib.Path
        The workspace's folder.

    Raises
    ------
    DocumentError
        With one sentence for each mistake, with file and line.
    """
    return load(root / FILE, Vendors, FILE)
