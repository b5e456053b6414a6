"""The passport: what is declared of one model version.

A passport is written by people and never changed by Roadworthy. Everything that a check must know about a model and
cannot measure stands here: which column is the label, which value is good for the person, who answers for the model.
"""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from roadworthy.arrival import Intake
from roadworthy.documents import Document, Misplaced, Strict, read_document, validate
from roadworthy.errors import DocumentError
from roadworthy.paths import Inside
from roadworthy.recipe import Recipe
from roadworthy.retention import Retention
from roadworthy.serving import Endpoint
from roadworthy.spending import Cost, Telemetry
from roadworthy.supply import Artifact

Tier = Literal["minimal", "limited", "high"]
Value = bool | int | str

_NAME = re.compile(r"^[a-z0-9][a-z0-9._-]{0,62}$")


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError(
            f"{value[:80]!r} cannot be a name: use small letters, digits, '.', '_' and '-', starting with a letter or digit."
        )
    return value


Name = Annotated[str, AfterValidator(_name), WithJsonSchema({"type": "string", "pattern": _NAME.pattern})]


def _spelt(value: Value) -> str:
    """Return one spelling for all under which a file may store the value: 1, 1.0, '1' and true are the same label."""
    text = {"true": "1", "false": "0"}.get(str(value).lower(), str(value))
    whole = re.fullmatch(r"(-?(?:0|[1-9]\d*))\.0+", text)
    return whole[1] if whole else text


class Roles(Strict):
    """The three people who answer for a model, by their id in people.yaml."""

    owner: Name = Field(description="Business; accountable for the model.")
    guardian: Name = Field(description="Security and risk; approves, and alone may switch back on.")
    operator: Name = Field(description="MLOps; runs and stops.")
    deputy: Name | None = Field(default=None, description="Asked when the Guardian does not answer.")


class Task(Strict):
    """What the model predicts and which values mean what."""

    kind: Literal["binary", "multiclass", "regression"] = Field(
        description="What is predicted: one of two values, one of several, or a number.",
    )
    label: str = Field(description="Column of the true outcome.")
    prediction: str | None = Field(
        default=None, description="Column of the decision (classification) or the predicted number (regression).",
    )
    score: str | None = Field(default=None, description="Column of the probability of `positive` (binary).")
    positive: Value | None = Field(default=None, description="Binary: the label value that the score speaks of.")
    negative: Value | None = Field(default=None, description="Binary: the other label value.")
    favourable: Value | None = Field(default=None, description="The value of prediction and label that is good for the person.")
    classes: list[Value] = Field(default_factory=list, description="Multiclass: every class.")
    class_scores: list[str] = Field(
        default_factory=list, description="Multiclass: the column of each class's probability, in the order of `classes`.",
    )
    quantile: float | None = Field(
        default=None, gt=0, lt=1, description="Regression: the quantile that is predicted, where it is not the mean.",
    )
    loss_bound: float | int | None = Field(
        default=None, gt=0, description="Regression: an absolute error of this size or more counts as one whole loss.",
    )
    maturity_days: int = Field(default=0, ge=0, description="Days after which a label counts as final.")
    label_leads_days: int = Field(default=0, ge=0, description="How far ahead the label looks.")

    @model_validator(mode="after")
    def _whole(self) -> Task:
        if self.kind == "binary":
            if self.positive is None or self.negative is None:
                raise ValueError("a binary task needs 'positive' and 'negative', the two values of the label.")
            if _spelt(self.positive) == _spelt(self.negative):
                raise Misplaced("'positive' and 'negative' are the same value.", "negative")
            if self.favourable is not None and self.favourable not in (self.positive, self.negative):
                raise Misplaced(f"'favourable' is {self.favourable!r}, which is neither 'positive' nor 'negative'.", "favourable")
            if self.prediction is None and self.score is None:
                raise ValueError("a binary task needs a 'prediction' or a 'score' column.")
        elif self.prediction is None:
            raise ValueError(f"a {self.kind} task needs a 'prediction' column.")
        if self.kind == "multiclass" and len(self.classes) < 2:
            raise ValueError("a multiclass task needs 'classes', the list of all classes.")
        for index, value in enumerate(self.classes):
            if _spelt(value) in [_spelt(other) for other in self.classes[:index]]:
                raise Misplaced(f"the class {value!r} stands here a second time.", "classes", index)
        if self.class_scores and len(self.class_scores) != len(self.classes):
            said = f"'class_scores' names {len(self.class_scores)} columns for {len(self.classes)} classes."
            raise Misplaced(said, "class_scores")
        if self.quantile is not None and self.kind != "regression":
            raise Misplaced("'quantile' is for a model that predicts a number.", "quantile")
        for key in ("prediction", "score"):
            if getattr(self, key) == self.label:
                said = f"'{key}' and 'label' are the same column '{self.label}', so the model would always be right."
                raise Misplaced(said, key)
        return self


class Bin(Strict):
    """One interval of a numeric protected attribute, from `at_least` (in) to `below` (out)."""

    label: str = Field(description="Name of the group.")
    at_least: float | int | None = Field(
        default=None, description="Smallest value that belongs to it; left out, there is no lower end.",
    )
    below: float | int | None = Field(
        default=None, description="First value that no longer belongs to it; left out, there is no upper end.",
    )


class Protected(Strict):
    """A protected attribute: its column, its groups, and the group others are compared with."""

    name: Name = Field(description="Name of the attribute on pages and in policies.")
    column: str = Field(description="Its column in the data.")
    reference: str = Field(description="The group that the others are compared with.")
    values: dict[str, str] = Field(
        default_factory=dict, description="Words for the column's values; a value not named here keeps its own.",
    )
    bins: list[Bin] = Field(default_factory=list, description="Numeric attributes: explicit bins, ascending, without gaps.")
    note: str = Field(default="", description="A limit of this attribute that readers must know.")

    @model_validator(mode="after")
    def _bins(self) -> Protected:
        if self.bins and self.values:
            raise ValueError(f"protected attribute '{self.name}' has both 'values' and 'bins'; one of them decides the groups.")
        labels = [b.label for b in self.bins]
        if len(set(labels)) != len(labels):
            raise ValueError(f"protected attribute '{self.name}' has two bins of the same label.")
        for left, right in zip(self.bins, self.bins[1:], strict=False):
            if left.below is None or right.at_least is None or left.below != right.at_least:
                raise ValueError(
                    f"protected attribute '{self.name}': bin '{left.label}' ends at {left.below} and '{right.label}' "
                    f"starts at {right.at_least}; bins must follow each other without gap or overlap."
                )
        for one in self.bins:
            if one.at_least is not None and one.below is not None and one.at_least >= one.below:
                raise ValueError(
                    f"protected attribute '{self.name}': bin '{one.label}' is empty ({one.at_least} to {one.below})."
                )
        if self.reference in self.values and self.reference not in self.values.values():
            raise ValueError(
                f"protected attribute '{self.name}': the reference '{self.reference}' is a value of the column; "
                f"write its word, '{self.values[self.reference]}'."
            )
        if self.bins and self.reference not in labels:
            raise ValueError(
                f"protected attribute '{self.name}': the reference '{self.reference}' is none of its bins ({', '.join(labels)})."
            )
        return self


class Identifier(Strict):
    """A column that names a person or a case, with why it is there."""

    column: str = Field(description="The column.")
    purpose: str = Field(description="What it is needed for.")
    basis: str = Field(description="The ground on which it may be processed.")


class Independence(Strict):
    """What counts as one independent observation."""

    unit: Literal["row", "entity", "block"] = Field(
        default="row",
        description="One is a `row`, all rows of one person or thing (`entity`), or of one stretch of time (`block`).",
    )
    column: str | None = Field(default=None, description="Column that names the entity or block.")

    @model_validator(mode="after")
    def _column(self) -> Independence:
        if self.unit != "row" and self.column is None:
            raise ValueError(f"independence by {self.unit} needs the 'column' that names it.")
        return self


class Reference(Strict):
    """The data the model version was accepted on."""

    path: Inside = Field(description="Parquet file or glob, relative to the workspace.")
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$", description="Digest of the file; checked at load.")
    first: date | None = Field(default=None, description="First day of the data.")
    last: date | None = Field(default=None, description="Last day of the data.")
    seen: Literal["held_out", "out_of_fold", "in_sample"] | None = Field(
        default=None,
        description="Whether the version learned from these rows. `held_out`: it did not. `out_of_fold`: it did, and each "
        "recorded score is of a model that had not seen the row. `in_sample`: it did, and the recorded scores are its own.",
    )

    @model_validator(mode="after")
    def _order(self) -> Reference:
        if self.first is not None and self.last is not None and self.first > self.last:
            raise Misplaced(f"the reference ends on {self.last}, before it begins on {self.first}.", "last")
        return self


class Batches(Strict):
    """Where a day's rows lie."""

    path: Inside = Field(description="Parquet file or glob, relative to the workspace, with {date} for the day.")
    labels: Inside | None = Field(default=None, description="Later labels: a file or glob with {date}, joined by `key`.")
    key: str | None = Field(default=None, description="Column by which late labels find their rows.")
    due: bool = Field(default=True, description="A day without a batch is an error; if false, it is insufficient.")

    @model_validator(mode="after")
    def _date(self) -> Batches:
        if "{date}" not in self.path:
            raise Misplaced("'path' must hold {date}, the place of the day (2026-04-01).", "path")
        if (self.labels is None) != (self.key is None):
            raise ValueError("'labels' and 'key' go together: late labels are joined by the key.")
        return self


class Block(Strict):
    """Days that are pooled until they hold enough rows; blocks follow each other and never overlap."""

    rows: int = Field(ge=20, description="Rows that decide; a block closes with the day on which it holds them.")
    days: int = Field(ge=1, le=366, description="A block is at most so long; one that stays too small is left behind undecided.")


class Windows(Strict):
    """Days, ending with the day judged, over which each family measures."""

    drift: Annotated[int, Field(ge=1, le=366)] | Block = Field(
        default=1, description="Days that are compared with the reference: so many days, anew every night, or a block of days.",
    )
    performance: int = Field(default=28, ge=1, le=366, description="Days with mature labels that are scored.")
    fairness: int = Field(default=28, ge=1, le=366, description="Days over which groups are compared.")
    cost: int = Field(default=28, ge=1, le=366, description="Days of the log that cost and latency are measured on.")


class Drift(Strict):
    """What the days are compared with, and which columns are compared to the last row."""

    against: Literal["fixed", "rolling", "same_weekday", "same_season"] = Field(
        default="fixed",
        description="`fixed`: the reference. `rolling`: the days before. `same_weekday`: the same weekdays before. "
        "`same_season`: the days around the same date a year before.",
    )
    days: int = Field(default=28, ge=1, le=366, description="How many such days; not read for `fixed`.")
    exact: list[str] = Field(
        default_factory=list, description="Columns whose Kolmogorov-Smirnov and Wasserstein distances are computed without bins.",
    )


class RiskAssessment(Strict):
    """The assessment behind the tier."""

    summary: str = Field(description="What can go wrong for whom, in a few sentences.")
    by: str = Field(description="Who made it.")
    dated: date = Field(description="The day it was made.")
    reference: str | None = Field(default=None, description="Where the whole assessment or its legal ground stands.")


class PlainWords(Strict):
    """The four things a reader who knows no statistics asks."""

    what: str = Field(description="What the model does.")
    affected: str = Field(description="Whom it touches.")
    weakness: str = Field(description="Where it is wrong most often.")
    switch_off: str = Field(description="What happens when it is switched off.")


class Use(Strict):
    """What the model is for and what it must not be used for."""

    intended: list[str] = Field(min_length=1, description="What it is made for.")
    excluded: list[str] = Field(min_length=1, description="What it must not be used for.")
    human_oversight: str = Field(description="Who sees its answers and may decide otherwise.")
    limits: list[str] = Field(default_factory=list, description="What a reader of its answers must know.")


class Replay(Strict):
    """Says that the days of a table are not the days of the calendar, and how one became the other."""

    how: Literal["shifted", "by year", "by permutation"] = Field(description="How the days were moved.")
    says: str = Field(description="One sentence for the pages.")
    shift_days: int | None = Field(default=None, description="By how many days, if they were shifted.")


class Adopted(Strict):
    """A model that was in service before Roadworthy, taken over as live without a gate."""

    since: date = Field(description="The day it was taken over.")
    by: Name = Field(description="The Guardian who took it over, by id.")
    because: str = Field(description="Why no gate was asked for.")


class Fallback(Strict):
    """What answers when the model may not."""

    kind: Literal["none", "rule", "version"] = Field(description="Nothing, a rule, or an earlier version.")
    what: str = Field(description="What answers, in words; for `version` the version.")


class Passport(Strict):
    """Everything that is declared of one model version. See the module's text."""

    schema_version: Literal[1] = Field(description="Always 1.")
    model: Name = Field(description="The model's name; also its folder in models/.")
    version: Name = Field(description="The version's name; also the file's name. Write it in quotes.")
    title: str = Field(description="The name that people read.")
    summary: str = Field(description="One sentence on what it does.")
    risk_tier: Tier = Field(description="How much harm a wrong answer does; decides the policy.")
    roles: Roles
    task: Task
    features: list[str] = Field(min_length=1, description="Columns the model reads.")
    protected: list[Protected] = Field(default_factory=list, description="Attributes by which people must not be treated worse.")
    no_protected_because: str | None = Field(
        default=None, description="Why no protected attribute is declared; needed where none is.",
    )
    why_this_definition: str = Field(default="", description="Why fairness is defined the way the policy judges it.")
    identifiers: list[Identifier] = Field(default_factory=list, description="Columns that name a person or a case.")
    quasi_identifiers: list[str] = Field(default_factory=list, description="Columns that together can point at one person.")
    sensitive: list[str] = Field(
        default_factory=list,
        description="Columns that nobody may learn of a person by knowing the quasi-identifiers; by default the label.",
    )
    retention: Retention | None = None
    leaks: list[str] = Field(default_factory=list, description="Columns that are known only after the outcome; never features.")
    independence: Independence = Independence()
    time: str | None = Field(default=None, description="Column of the event's time.")
    reference: Reference
    batches: Batches
    windows: Windows = Windows()
    drift: Drift = Drift()
    segments: list[str] = Field(default_factory=list, description="Columns whose values are looked at one by one.")
    artifact: Artifact | None = None
    no_artifact_because: str | None = Field(default=None, description="Why no artifact is declared; needed where none is.")
    recipe: Recipe | None = None
    intake: Intake | None = None
    telemetry: Telemetry | None = None
    cost: Cost | None = None
    measure_energy: bool = Field(
        default=False,
        description="Whether the energy is asked for: of serving, where `telemetry` names `energy_kwh`; else an estimate of what "
        "answers to the inspection take, which needs the extra `energy`.",
    )
    inference_url: str | None = Field(default=None, description="Where the model answers requests.")
    endpoint: Endpoint | None = None
    vendor: Name | None = Field(default=None, description="Whose model it is, by id in vendors.yaml.")
    fallback: Fallback = Fallback(kind="none", what="Requests are refused.")
    policy: Name | None = Field(default=None, description="File name in policies/; by default the risk tier.")
    suite: Inside | None = Field(default=None, description="Data-quality suite, a YAML file relative to the workspace.")
    suite_engine: Literal["duckdb", "pandas"] = Field(
        default="duckdb", description="What runs the suite; `pandas` loads the whole batch into memory.",
    )
    risk_assessment: RiskAssessment
    use: Use
    plain: PlainWords
    glossary: dict[str, str] = Field(default_factory=dict, description="Words for columns.")
    replay: Replay | None = None
    adopted: Adopted | None = None
    extensions: dict[str, str] = Field(
        default_factory=dict,
        description="Words for other programs; `skops_trusted` names types that an artifact of format `skops` may hold.",
    )

    @property
    def id(self) -> str:
        """``model@version``."""
        return f"{self.model}@{self.version}"

    @property
    def policy_name(self) -> str:
        """The policy's file name without ending."""
        return self.policy or self.risk_tier

    def word(self, column: str) -> str:
        """Return the glossary's word for a column, or the column's own name."""
        return self.glossary.get(column, column)

    @model_validator(mode="after")
    def _agrees(self) -> Passport:
        roles = self.roles
        if self.risk_tier == "high" and len({roles.owner, roles.guardian, roles.operator}) < 3:
            raise Misplaced(
                f"a high-risk model needs three different people; owner is {roles.owner}, guardian {roles.guardian}, "
                f"operator {roles.operator}.",
                "roles",
            )
        used = [c for c in self.leaks if c in self.features]
        if used:
            raise Misplaced(f"{', '.join(used)} stands under 'leaks' and under 'features'; a leak is never a feature.", "leaks")
        if self.task.label in self.features:
            raise Misplaced(f"the label '{self.task.label}' stands under 'features'.", "features")
        for index, column in enumerate(self.features):
            if column in self.features[:index]:
                raise Misplaced(f"the feature '{column}' stands here a second time.", "features", index)
        if self.endpoint is not None and self.inference_url is None:
            raise Misplaced("'endpoint' says how 'inference_url' may be asked, which is not declared.", "endpoint")
        for index, column in enumerate(self.sensitive):
            if column in self.quasi_identifiers:
                said = f"'{column}' is a quasi-identifier: who knows it cannot learn it, so it is not 'sensitive' as well."
                raise Misplaced(said, "sensitive", index)
        self._arrives()
        if not self.protected and not self.no_protected_because:
            raise ValueError(
                "no protected attribute is declared; declare one under 'protected' or say why in 'no_protected_because'."
            )
        if self.artifact is None and not self.no_artifact_because:
            raise ValueError(
                "no artifact is declared; declare it or say why in 'no_artifact_because' (a vendor's model, for example)."
            )
        for index, one in enumerate(self.artifact.exceptions if self.artifact is not None else ()):
            if one.by != roles.guardian:
                said = f"only the model's Guardian, {roles.guardian}, may accept a weakness; this says {one.by[:80]!r}."
                raise Misplaced(said, "artifact", "exceptions", index, "by")
        for index, attribute in enumerate(self.protected):
            if attribute.name in [other.name for other in self.protected[:index]]:
                raise Misplaced(f"two protected attributes have the name '{attribute.name}'.", "protected", index)
        return self

    def _arrives(self) -> None:
        """Check that the intake section agrees with the rest."""
        if self.intake is None:
            return
        if any(c in self.batches.path for c in "*?["):
            raise Misplaced("intake writes one file a day, so 'path' must name it without '*', '?' and '['.", "batches", "path")
        later = self.batches.labels
        if self.intake.labels is not None and (later is None or "{date}" not in later or any(c in later for c in "*?[")):
            said = "'intake.labels' writes one file for each day: name it with {date}, without '*', '?' and '['."
            raise Misplaced(said, "batches", "labels")
        declared = [one.column for one in self.identifiers]
        named = self.intake.treatments
        coded = [c for c in {**dict.fromkeys(declared), **named} if c not in named or named[c].how == "pseudonymise"]
        if coded and self.intake.key is None:
            said = f"'{coded[0]}' is to be pseudonymised, which needs a 'key': a code without one can be guessed."
            raise Misplaced(said, "intake")
        joined = [self.batches.key] if self.intake.labels is not None else []
        gone = [c for c, one in named.items() if one.how == "drop" and c in (*self.features, self.task.label, *joined)]
        if gone:
            raise Misplaced(f"the model needs '{gone[0]}', so it cannot be dropped.", "intake", "treatments", gone[0])


def read_passport(path: Path, shown: str | None = None) -> tuple[Passport, Document]:
    """Read a passport and check that it lies where its name says.

    Raises
    ------
    DocumentError
        With one sentence for each mistake, with file and line.
    """
    document = read_document(path, shown)
    passport = validate(document, Passport)
    if path.stem != passport.version or path.parent.name != passport.model:
        raise DocumentError([
            f"{document.at(('version',))}: says {passport.id}, but the file is models/{path.parent.name}/{path.name}. "
            f"Rename one: models/{passport.model}/{passport.version}.yaml."
        ])
    return passport, document
