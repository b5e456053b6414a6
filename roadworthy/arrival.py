"""The intake section of a passport: how a day's raw file becomes a batch, and what becomes of identifiers on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from roadworthy.documents import Misplaced, Strict
from roadworthy.secrets import is_reference


def _raw(value: str) -> str:
    if "{date}" not in value:
        raise ValueError("'path' must hold {date}, the place of the day (2026-04-01).")
    if "://" not in value and (Path(value).is_absolute() or ".." in Path(value).parts):
        raise ValueError(f"the path '{value[:80]}' leaves the workspace; paths are relative to it, or URLs.")
    return value


def _reference(value: str) -> str:
    if not is_reference(value):
        raise ValueError("a key is a secret; write a reference to it: env:NAME or file:PATH.")
    return value


Secret = Annotated[str, AfterValidator(_reference)]


class Treatment(Strict):
    """What becomes of a column that names a person or a case."""

    how: Literal["pseudonymise", "mask", "drop", "generalise", "keep"] = Field(
        description="`pseudonymise`: a keyed code, the same for the same value, so that tables can be joined. `mask`: only the "
        "last characters stay. `drop`: the column is left out. `generalise`: coarser. `keep`: as it came.",
    )
    scope: str | None = Field(
        default=None, min_length=1, max_length=60,
        description="`pseudonymise`: columns of one scope have the same code for the same value; by default the column alone.",
    )
    step: Annotated[float | int, Field(gt=0)] | Literal["month", "year"] | None = Field(
        default=None, description="`generalise`: numbers are rounded down to a multiple of it; dates to their month or year.",
    )
    characters: int | None = Field(
        default=None, ge=0, le=20, description="`mask`: how many last characters stay. `generalise`: how many first ones.",
    )

    @model_validator(mode="after")
    def _whole(self) -> Treatment:
        if self.how == "generalise" and (self.step is None) == (self.characters is None):
            raise ValueError("'generalise' needs either 'step' (numbers, dates) or 'characters' (texts).")
        if self.how != "generalise" and self.step is not None:
            raise Misplaced("'step' is for 'generalise'.", "step")
        if self.how not in ("generalise", "mask") and self.characters is not None:
            raise Misplaced("'characters' is for 'mask' and 'generalise'.", "characters")
        if self.how != "pseudonymise" and self.scope is not None:
            raise Misplaced("'scope' is for 'pseudonymise'.", "scope")
        return self


class Intake(Strict):
    """Where raw daily files arrive and what they must be."""

    path: Annotated[str, AfterValidator(_raw)] = Field(
        description="File or glob with {date}, relative to the workspace, or a URL that fsspec reads. Packed ones end in .gz.",
    )
    labels: Annotated[str, AfterValidator(_raw)] | None = Field(
        default=None,
        description="File or glob of labels that come later, with {date} for the day of the batch that they are of; written as "
        "the raw files are. They become `batches.labels`.",
    )
    format: Literal["csv", "jsonl", "parquet"] = Field(description="How the raw files are written.")
    delimiter: str = Field(default=",", min_length=1, max_length=1, description="CSV: what stands between columns.")
    required: bool = Field(default=False, description="Whether a batch without an intake receipt is an error at night.")
    types: dict[str, str] = Field(
        default_factory=dict, description="DuckDB types of columns; by default as in the reference, else text.",
    )
    date: str | None = Field(default=None, description="Column of the day that a row belongs to.")
    days_before: int = Field(default=0, ge=0, le=3660, description="How many days before the file's day a row may be of.")
    days_after: int = Field(default=0, ge=0, le=3660, description="How many days after it.")
    treatments: dict[str, Treatment] = Field(
        default_factory=dict, description="By column; a declared identifier that is not named is pseudonymised.",
    )
    key: Secret | None = Field(default=None, description="Reference to the key of pseudonyms, 64 hexadecimal digits.")
    old_keys: list[Secret] = Field(
        default_factory=list, description="References to earlier keys, kept so that older pseudonyms can be found again.",
    )
