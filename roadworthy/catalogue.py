"""The catalogue: every metric once, with title, unit, range, direction, estimator and source.

Policies may only name what stands here; a measurement outside its range is a defect of the check and is refused.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Literal

import yaml
from pydantic import Field

from roadworthy.documents import Strict

Direction = Literal["up", "down", "target", "none"]


class Metric(Strict):
    """One line of the catalogue."""

    id: str = Field(description="Family and name.")
    title: str = Field(description="The name that people read.")
    unit: Literal["share", "ratio", "difference", "count", "seconds", "own"] = Field(
        description="What the number counts in; `own` is the label's unit or none.",
    )
    range: list[float | int | None] = Field(
        min_length=2, max_length=2, description="Smallest and largest possible value; null is open.",
    )
    direction: Direction = Field(description="Which way is better.")
    over: list[str] = Field(description="The keys of `over` that a measurement of this metric has.")
    by: list[str] = Field(
        default_factory=list,
        description="For metrics of the whole: the kinds of part that are measured too, each over one such key (segment, group).",
    )
    estimator: str = Field(description="How it is computed.")
    source: str = Field(description="Paper, page or standard.")

    @property
    def family(self) -> str:
        """The check family that measures it."""
        return self.id.partition(".")[0]

    @property
    def by_part(self) -> list[list[str]]:
        """The shapes of `over` that a measurement may have besides `over` itself."""
        return [[kind] for kind in self.by]


class Catalogue(Strict):
    """``catalogue.yaml``."""

    schema_version: Literal[1] = Field(description="Always 1.")
    metrics: list[Metric] = Field(description="The metrics.")


@cache
def catalogue() -> dict[str, Metric]:
    """Return the metrics by id.

    Examples
    --------
    >>> catalogue()["performance.accuracy"].title
    'Accuracy'
    """
    text = resources.files("roadworthy").joinpath("catalogue.yaml").read_text(encoding="utf-8")
    # The same language, read eight times as fast where libyaml is there.
    reader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    found = Catalogue.model_validate(reader.get_single_data())
    return {metric.id: metric for metric in found.metrics}
