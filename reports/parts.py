"""The parts of a card as data. A template may only print what stands here; a number here comes from evidence.

Every part refuses unknown keys, so a card that validates holds nothing that the schema does not name.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["pass", "warn", "fail", "none", "error"]

#: How a finding's status is written, and which shape and colour it has.
STATUS: dict[str, tuple[str, Kind]] = {
    "error": ("Not decided", "error"),
    "severe": ("Severe", "fail"),
    "fail": ("Fails", "fail"),
    "insufficient": ("Too little data", "none"),
    "warn": ("Warning", "warn"),
    "waived": ("Waived", "none"),
    "pass": ("Passes", "pass"),
}


class Part(BaseModel):
    """Base of all parts."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Figure(Part):
    """One number as measured, with what it rests on."""

    value: float | None
    low: float | None = None
    high: float | None = None
    confidence: float | None = None
    n: int | None = None
    unit: str
    method: str = ""
    reason: str = Field(default="", description="Why there is no value.")
    hidden: bool = Field(default=False, description="True if it is withheld: a count under ten is behind it or beside it.")
    evidence: str = Field(description="The evidence item it can be read back from.")


class Check(Part):
    """One line of the table of checks: a finding, or all findings of one rule that pass, shown by the closest to the limit."""

    rule: str
    metric: str
    title: str
    part: str
    family: str
    status: str
    figure: Figure
    limit: str
    limit_words: str
    against: str
    because: str
    note: str
    more: int = Field(description="Further findings of the same rule and status that this line stands for.")
    required: bool
    applies: bool = Field(default=True, description="False if the subject does not apply to this model.")
    evidence: str


class Verdict(Part):
    """The word of the run, in words."""

    when: Literal["nightly", "gate"]
    word: str
    title: str
    kind: Kind
    reason: str
    plain: str
    because: str
    summary: str
    counts: dict[str, int]
    conditions: list[str]
    exit_code: int
    evidence: str


class Duty(Part):
    """What someone has to do, who, and what to type."""

    role: str
    who: str
    team: str
    what: str
    command: str
    urgent: bool = True


class Person(Part):
    """Someone who answers for the model."""

    role: str
    name: str
    team: str
    duty: str


class Plain(Part):
    """The four blocks in plain words, as stated in the passport."""

    what: str
    affected: str
    weakness: str
    switch_off: str


class Live(Part):
    """The recorded state at the moment of rendering."""

    switch: str
    switch_words: str
    switch_kind: Kind
    reason: str
    since: str
    by: str
    scope: str
    release: str
    release_since: str
    fallback: str
    inspected: str
    started: str
    actor: str
    ledger_head: str
    ledger_entries: int | None


class Waiver(Part):
    """An exception to one rule, and whether it holds."""

    id: str
    rule: str
    part: str
    by: str
    until: str
    reason: str
    honoured: bool
    why_not: str


class Use(Part):
    """Purpose and limits, as stated in the passport."""

    intended: list[str]
    excluded: list[str]
    limits: list[str]
    oversight: str
    risk: str
    risk_by: str


class Table(Part):
    """One table of data that was read."""

    role: str
    title: str
    what: str
    rows: int | None
    first: str
    last: str
    days: int | None
    missing: list[str]
    digest: str
    problem: str
    evidence: str


class Line(Part):
    """One metric with its number, its limits and its finding, if a rule speaks of it."""

    metric: str
    title: str
    part: str = ""
    better: str
    figure: Figure
    limits: list[str] = Field(default_factory=list)
    ends: list[float] = Field(default_factory=list, description="The limits as numbers, for the chart.")
    status: str | None = None
    previous: float | None = None
    note: str = ""


class Estimate(Part):
    """A number estimated before labels come, beside how far the estimate was off where labels are known."""

    line: Line
    miss: Figure | None


class MatrixRow(Part):
    """One part of the data in a `Matrix`."""

    name: str
    figures: list[Figure | None]
    status: str | None


class Matrix(Part):
    """Several metrics of the parts of one kind, such as the values of a segment."""

    title: str
    metrics: list[str]
    rows: list[MatrixRow]
    more: int = Field(description="Parts that are not shown.")


class Group(Part):
    """One group of a protected attribute."""

    name: str
    reference: bool
    hidden: bool
    n: int | None
    rate: Figure | None
    ratio: Figure | None
    deserved: Figure | None
    undeserved: Figure | None
    outcome: Figure | None
    status: str | None
    note: str


class Attribute(Part):
    """A protected attribute with its groups."""

    name: str
    title: str
    reference: str
    note: str
    groups: list[Group]
    lines: list[Line]


class Point(Part):
    """One night of a series."""

    day: str
    value: float
    low: float | None
    high: float | None


class Series(Part):
    """The last nights of one metric."""

    metric: str
    title: str
    part: str
    unit: str
    points: list[Point]
    limit: str
    limit_value: float | None
    sentence: str
    evidence: str


class Drift(Part):
    """What moved, and why the score did."""

    score: Series | None
    columns: list[Line]
    more_columns: int
    shapes: list[Line]
    moved: str = Field(default="", description="Which columns and segments carry the move of the score, in one sentence.")
    movers: list[Line] = Field(default_factory=list, description="The part of the move that each of them carries.")
    drill_down: str = Field(default="", description="Where the drill-down lies.")


class Proxy(Part):
    """A protected attribute, and what the features tell of it."""

    name: str
    title: str
    lines: list[Line] = Field(description="How well the features tell it, and how much of the score they carry.")
    columns: list[Line] = Field(description="The columns that tell most of it.")


class Drivers(Part):
    """The columns that decide most of the score."""

    columns: list[Line]
    more_columns: int
    explained: str = Field(
        default="exchanged", description="`model` or `surrogate`: whose SHAP values; else `exchanged`: columns of a surrogate.",
    )
    scale: str = Field(default="", description="What SHAP values add up to.")
    fidelity: Line | None
    interactions: list[Line] = Field(default_factory=list)
    steady: list[Line] = Field(default_factory=list, description="Beside the reference, the night and the version before.")
    trusted: list[Line] = Field(default_factory=list, description="Whether the explanation may be believed.")
    proxies: list[Proxy] = Field(default_factory=list)
    missing: str = Field(description="Why nothing is known, if nothing is.")


class Quality(Part):
    """What the data had to be."""

    expectations: list[Line]
    more_expectations: int
    lines: list[Line]
    more_lines: int


class Evidence(Part):
    """One item of evidence."""

    id: str
    what: str
    made_by: str
    file: str
    sha256: str
    holds: str


class Origin(Part):
    """Where one required field of the card comes from."""

    field: str
    title: str
    state: Literal["measured", "stated", "missing"]
    source: str


class Provenance(Part):
    """Every required field: measured, stated or missing."""

    measured: int
    stated: int
    missing: int
    fields: list[Origin]


class NotInspected(Part):
    """A subject that this version does not look into, and what the passport says of it."""

    title: str
    says: str
    stated: list[str]


class Night(Part):
    """One past verdict."""

    day: str
    word: str
    title: str
    kind: Kind
    address: str
