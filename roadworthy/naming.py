"""What a workspace says of privacy for all its models: the language model that looks for names of people.

Which language model lies on a machine, in what language, and how long it may take are facts of the machine and not of a model
version, so they stand in ``roadworthy.yaml`` and not in a passport, which must mean the same everywhere.
"""

from __future__ import annotations

from pydantic import Field

from roadworthy.documents import Strict


class Names(Strict):
    """Names of people are looked for in a sample of each undeclared column of free text. Needs the extra `pii`."""

    model: str = Field(
        min_length=1, max_length=400, pattern=r"^[^\x00-\x1f]+$",
        description="A spaCy pipeline with a component `ner`: the name of an installed package, or the path of its folder, "
        "absolute or relative to the workspace. None is downloaded.",
    )
    sample: int = Field(default=500, ge=50, le=5000, description="Cells of a column that are read, the newest first.")


class Privacy(Strict):
    """What is looked for in the rows beside what every night looks for."""

    names: Names | None = None
