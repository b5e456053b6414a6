"""What a passport declares of serving and of money: the log, prices, budget, bills.

Prices, budgets and currencies are declared and never guessed. What is not declared cannot be said in money, and the check says
so in place of a number.
"""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field, model_validator

from roadworthy.documents import Misplaced, Strict
from roadworthy.paths import Inside

Amount = float | int


class Telemetry(Strict):
    """The log of serving. A line is one call, unless `calls` says for how many it stands; columns are named, never guessed."""

    path: Inside = Field(description="Parquet file or glob, relative to the workspace.")
    rows: str = Field(description="Column with the number of rows served.")
    wall_ms: str | None = Field(default=None, description="Column with the time taken, in milliseconds.")
    cpu_ms: str | None = Field(default=None, description="Column with the processor time, in milliseconds.")
    date: str | None = Field(default=None, description="Column with the day, or with day and time in UTC.")
    calls: str | None = Field(default=None, description="Column with the number of calls a line stands for; without it, one.")
    failed: str | None = Field(default=None, description="Column with how many of the line's calls were not answered.")
    status: str | None = Field(default=None, description="Column with how the call ended; `answered` says which values are good.")
    answered: list[bool | int | str] = Field(
        default_factory=list, description="The values of `status` that mean that the call was answered.",
    )
    input_tokens: str | None = Field(default=None, description="Column with the number of tokens sent.")
    output_tokens: str | None = Field(default=None, description="Column with the number of tokens received.")
    amount: str | None = Field(default=None, description="Column with what the line was charged, in the currency of `cost`.")
    energy_kwh: str | None = Field(
        default=None, description="Column with the energy used, in kilowatt-hours, such as CodeCarbon's `energy_consumed`.",
    )

    @model_validator(mode="after")
    def _one_way_to_fail(self) -> Telemetry:
        if self.failed is not None and self.status is not None:
            raise Misplaced("'failed' and 'status' both say which calls were answered; keep one of them.", "status")
        if (self.status is None) == bool(self.answered):
            raise Misplaced("'status' and 'answered' go together: the column, and its values that are good.", "answered")
        return self


class Prices(Strict):
    """What things cost, in the currency of `cost`."""

    cpu_hour: Amount | None = Field(default=None, ge=0, description="An hour of processor time.")
    thousand_calls: Amount | None = Field(default=None, ge=0, description="A thousand calls of somebody else's interface.")
    thousand_input_tokens: Amount | None = Field(default=None, ge=0, description="A thousand tokens sent.")
    thousand_output_tokens: Amount | None = Field(default=None, ge=0, description="A thousand tokens received.")


class Bills(Strict):
    """Billing files in the shape of FOCUS, the FinOps Open Cost and Usage Specification, and which of their lines are meant."""

    path: Inside = Field(description="Parquet or CSV file or glob, relative to the workspace. Files must not overlap.")
    cost: Literal["BilledCost", "EffectiveCost", "ContractedCost", "ListCost"] = Field(
        default="BilledCost", description="The column that counts: what is on the invoice, or one of the others.",
    )
    tags: dict[str, str] = Field(default_factory=dict, description="Only lines whose `Tags` hold all of these.")
    resources: list[str] = Field(default_factory=list, description="Only lines whose `ResourceId` is one of these.")
    services: list[str] = Field(default_factory=list, description="Only lines whose `ServiceName` is one of these.")

    @model_validator(mode="after")
    def _chosen(self) -> Bills:
        if not (self.tags or self.resources or self.services):
            raise ValueError(
                "bills need 'tags', 'resources' or 'services': without one, all that the account was charged would count."
            )
        return self


class ServingBills(Bills):
    """The bills for serving, day by day."""

    late_days: int = Field(
        default=0, ge=0, le=60, description="Days until a day's bill is final; younger days count as not known yet.",
    )


class TrainingBills(Bills):
    """The bills for training, between two days."""

    first: date = Field(description="First day of the training.")
    last: date = Field(description="Last day of the training.")

    @model_validator(mode="after")
    def _order(self) -> TrainingBills:
        if self.first > self.last:
            raise Misplaced(f"the training ends on {self.last}, before it begins on {self.first}.", "last")
        return self


class Training(Strict):
    """What it cost to train the version: one of the three."""

    amount: Amount | None = Field(default=None, ge=0, description="The sum, as somebody states it.")
    cpu_hours: Amount | None = Field(default=None, ge=0, description="Hours of processor time, priced by `prices.cpu_hour`.")
    bills: TrainingBills | None = None

    @model_validator(mode="after")
    def _one(self) -> Training:
        given = [key for key in ("amount", "cpu_hours", "bills") if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(f"training names {', '.join(given) or 'nothing'}; it needs one of 'amount', 'cpu_hours', 'bills'.")
        return self


class Cost(Strict):
    """Money: currency, budget, prices and bills."""

    currency: str = Field(
        pattern="^[A-Z]{3}$", description="ISO 4217 code; every amount is in it, and a bill in another is refused.",
    )
    budget_per_month: Amount | None = Field(default=None, gt=0, description="What serving may cost in a calendar month.")
    prices: Prices = Prices()
    bills: ServingBills | None = None
    day_without_line: Literal["unknown", "nothing"] = Field(
        default="unknown", description="What a day is taken to have cost of which log and bills hold no line.",
    )
    training: Training | None = None

    @model_validator(mode="after")
    def _priced(self) -> Cost:
        if self.training is not None and self.training.cpu_hours is not None and self.prices.cpu_hour is None:
            raise Misplaced("'cpu_hours' needs a price: prices.cpu_hour.", "training", "cpu_hours")
        return self
