"""The people of a workspace and what each may do."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from roadworthy.documents import Misplaced, Strict
from roadworthy.passport import Name

Role = Literal["owner", "guardian", "operator", "auditor"]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
PRINCIPALS = ("automation", "serving", "breakglass")


class Person(Strict):
    """Someone who answers for models."""

    id: Name = Field(description="Short name used in passports, small letters.")
    name: str = Field(description="The name that people read.")
    team: str = Field(default="", description="Where they work.")
    roles: list[Role] = Field(min_length=1, description="What they may be named as.")
    contact: str | None = Field(
        default=None, description="Where alerts go: a reference such as env:GUARDIAN_URL, or an Apprise URL without credentials.",
    )
    public_key: str | None = Field(
        default=None, description="Ed25519 public key, base64 of the 32 raw bytes; signs waivers and approvals.",
    )
    tokens: list[Digest] = Field(
        default_factory=list, description="SHA-256 of each token for the switch's service, from 'roadworthy switch token'.",
    )


class Service(Strict):
    """A program that calls the switch's service with a token of its own."""

    id: Name = Field(description="Short name that stands in the ledger, small letters.")
    kind: Literal["serving", "automation", "monitor"] = Field(
        description="'serving' asks and reports; 'automation' may also stop, with evidence; 'monitor' only looks.",
    )
    models: list[str] = Field(
        default_factory=lambda: ["*"], min_length=1, description="The models it may name; '*' is every one.",
    )
    tokens: list[Digest] = Field(default_factory=list, description="SHA-256 of each of its tokens.")


class People(Strict):
    """``people.yaml``."""

    schema_version: Literal[1] = Field(description="Always 1.")
    people: list[Person] = Field(min_length=1, description="Everyone who answers for a model.")
    services: list[Service] = Field(default_factory=list, description="Programs that call the switch's service.")

    @model_validator(mode="after")
    def _unique(self) -> People:
        for index, person in enumerate(self.people):
            if person.id in [other.id for other in self.people[:index]]:
                raise Misplaced(f"the id '{person.id}' stands here a second time. Rename one.", "people", index, "id")
            if person.id in PRINCIPALS:
                said = f"'{person.id}' cannot be a person: {', '.join(PRINCIPALS)} are names of principals."
                raise Misplaced(said, "people", index, "id")
        keys = [person.public_key for person in self.people]
        for index, key in enumerate(keys):
            if key is not None and key in keys[:index]:
                raise Misplaced("this key stands here a second time; two people have two keys.", "people", index, "public_key")
        named = [person.id for person in self.people]
        for index, service in enumerate(self.services):
            if service.id in named:
                raise Misplaced(f"the id '{service.id}' stands here a second time. Rename one.", "services", index, "id")
            named.append(service.id)
        return self

    def find(self, who: str) -> Person | None:
        """Return the person of that id, or None."""
        return next((p for p in self.people if p.id == who), None)
