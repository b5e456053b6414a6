"""The retention section of a passport: how long rows may be kept, and why so long."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from roadworthy.documents import Strict

Place = Literal["batches", "labels", "raw", "restricted", "reference"]
PLACES: tuple[Place, ...] = ("batches", "labels", "raw", "restricted", "reference")


class Retention(Strict):
    """How long a day's rows may be kept."""

    days: int = Field(ge=1, le=36600, description="Days after its own day for which a day's rows may be kept.")
    because: str = Field(min_length=1, description="The purpose and the ground that need them so long.")
    exempt: list[Place] = Field(
        default_factory=list,
        description="What is kept longer: `batches`, `labels`, `raw` (files for intake), `restricted` (drill-downs and "
        "quarantine), `reference` (by its `last` day).",
    )
    exempt_because: str = Field(default="", description="Why it is kept longer.")
