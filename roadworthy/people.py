"""The people of a workspace and what each may do."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from roadworthy.documents import Misplaced, Strict
from roadworthy.passport import Name

Role = Literal["owner", "guardian", "operator", "auditor"]
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


class People(Strict):
    """``people.yaml``."""

    schema_version: Literal[1] = Field(description="Always 1.")
    people: list[Person] = Field(min_length=1, description="Everyone who answers for a model.")

    @model_validator(mode="after")
    def _unique(self) -> People:
        for index, person in enumerate(self.people):
            if person.id in [other.id for other in self.people[:index]]:
                raise Misplaced(f"the id '{person.id}' stands here a second time. Rename one.", "people", index, "id")
            if person.id in PRINCIPALS:
                said = f"'{person.id}' cannot be a person: {', '.join(PRINCIPALS)} are names of principals."
                raise Misplaced(said, "people", index, "id")
        return self

    def find(self, who: str) -> Person | None:
        """Return the person of that id, or None."""
        return next((p for p in self.people if p.id == who), None)
