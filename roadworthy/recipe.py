"""The recipe: how an artifact was made, written so that it can be made again and compared.

What stands here is a record of the day on which the artifact was made. `checks.reproducibility` runs the command again in a
process that holds nothing but the files named here, and says which of the recorded facts is no longer true.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from roadworthy.documents import Misplaced, Strict
from roadworthy.paths import Inside

SHA256 = "^[0-9a-f]{64}$"
WORDS = ("out", "record", "seed", "threads")
"""What may stand in braces in a command."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _digest(value: str) -> str:
    if not re.fullmatch(SHA256, value):
        raise ValueError(f"{value[:80]!r} is no SHA-256: it has 64 digits from 0 to f, as sha256sum prints them.")
    return value


def _variable(value: str) -> str:
    if not _VARIABLE.fullmatch(value):
        raise ValueError(f"{value[:80]!r} cannot be a variable: use letters, digits and '_', not starting with a digit.")
    return value


def _text(value: str) -> str:
    if "\x00" in value:
        raise ValueError("a NUL character cannot be handed to a program.")
    return value


Digest = Annotated[str, AfterValidator(_digest), WithJsonSchema({"type": "string", "pattern": SHA256})]
Variable = Annotated[str, AfterValidator(_variable), WithJsonSchema({"type": "string", "pattern": f"^{_VARIABLE.pattern}$"})]
Word = Annotated[str, AfterValidator(_text)]


class Recipe(Strict):
    """How the artifact was made, so that it can be made again."""

    command: list[Word] = Field(
        min_length=1,
        description="Program and arguments that make the artifact again, run without a shell in a folder that holds copies of "
        "`data`, `code` and `lock` and nothing else; `python` is the Python that inspects. `{out}` stands for the file to write, "
        "`{record}` for a second one (see `record`), `{seed}` and `{threads}` for what is recorded here.",
    )
    seed: int = Field(description="Seed of every random choice.")
    training: Inside | None = Field(
        default=None,
        description="Rows that the model was trained on, a Parquet file or glob relative to the workspace; by default the "
        "reference.",
    )
    row_order: list[str] = Field(
        default_factory=list, description="Columns by which rows are sorted before training; the result depends on it.",
    )
    threads: int = Field(default=1, ge=1, le=1024, description="Threads used in training; the result depends on it.")
    data: dict[Inside, Digest] = Field(
        default_factory=dict, description="Each file that the recipe reads, relative to the workspace, and its SHA-256.",
    )
    code: dict[Inside, Digest] = Field(
        default_factory=dict, description="Each file of the recipe's program, relative to the workspace, and its SHA-256.",
    )
    lock: Inside | None = Field(default=None, description="The lock file of the training environment, relative to the workspace.")
    lock_sha256: str | None = Field(default=None, description="Digest of the lock file of the training environment.")
    python: str | None = Field(
        default=None, pattern=r"^\d+(\.\d+){0,2}$", description="Version of Python that trained; `3.11` means any 3.11.",
    )
    libraries: dict[str, str] = Field(
        default_factory=dict,
        description="Libraries that the result depends on, and the versions that trained, beside those that `lock` pins.",
    )
    environment: dict[Variable, Word] = Field(
        default_factory=dict, description="Variables that the recipe needs. It is given no others, and no secret belongs here.",
    )
    record: Inside | None = Field(
        default=None,
        description="What the recipe wrote to `{record}` when the artifact was made, relative to the workspace: JSON with any of "
        "`seed`, `row_order`, `threads` and `rows`, a short digest of each training row in order.",
    )
    record_sha256: str | None = Field(
        default=None, pattern=SHA256, description="Digest of the record; checked before it is read.",
    )
    frozen: Inside | None = Field(
        default=None,
        description="Rows on which the artifact and the one made again are compared, a Parquet file relative to the workspace; "
        "by default a seeded sample of the reference.",
    )
    tolerance: float | int = Field(
        default=0, ge=0, le=1e300, description="Largest difference between two predictions that counts as none.",
    )
    seconds: int = Field(default=900, ge=1, le=86_400, description="How long the recipe may take.")
    memory_mb: int = Field(default=4_096, ge=64, le=1 << 24, description="How much memory each of its processes may take, in MB.")

    @model_validator(mode="after")
    def _whole(self) -> Recipe:
        both = sorted(set(self.data) & set(self.code))
        if both:
            raise Misplaced(f"'{both[0][:80]}' stands under 'data' and under 'code'.", "code")
        if self.record is not None and not any("{record}" in word for word in self.command):
            raise Misplaced("'record' is declared, but the command does not hold {record}: nothing to compare it with.", "record")
        return self
