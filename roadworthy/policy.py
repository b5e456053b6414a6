"""Policies as code: rules that say what a measurement must be, how that is tested, and what a breach means."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from roadworthy.canonical import digest_of
from roadworthy.catalogue import catalogue
from roadworthy.documents import Strict, read_document, validate
from roadworthy.errors import PolicyError
from roadworthy.passport import Name, Tier

When = Literal["nightly", "gate"]
Breach = Literal["warn", "fail", "severe"]

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_ONE = re.compile(rf"^\s*(>=|<=|>|<)\s*({_NUMBER})\s*$")
_TWO = re.compile(rf"^\s*between\s+({_NUMBER})\s+and\s+({_NUMBER})\s*$")


@dataclass(frozen=True, slots=True)
class Limit:
    """A range of good values; either end may be open.

    Examples
    --------
    >>> Limit.parse(">= 0.80").holds(0.80), Limit.parse("between -0.1 and 0.1").holds(0.2)
    (True, False)
    """

    at_least: float | None
    at_most: float | None
    strict: bool
    text: str

    @classmethod
    def parse(cls, text: str) -> Limit:
        """Read ``>= 0.80``, ``< 3`` or ``between -0.1 and 0.1``."""
        if two := _TWO.match(text):
            low, high = float(two[1]), float(two[2])
            if low > high:
                raise ValueError(f"the limit {text!r} is empty.")
            return cls(low, high, False, text.strip())
        if one := _ONE.match(text):
            sign, number = one[1], float(one[2])
            return cls(number if sign[0] == ">" else None, number if sign[0] == "<" else None, len(sign) == 1, text.strip())
        raise ValueError(f"the limit {text!r} cannot be read; write '>= 0.80', '< 3' or 'between -0.1 and 0.1'.")

    def holds(self, value: float) -> bool:
        """Say whether `value` is good."""
        if self.at_least is not None and (value < self.at_least or (self.strict and value == self.at_least)):
            return False
        return not (self.at_most is not None and (value > self.at_most or (self.strict and value == self.at_most)))

    def excludes(self, low: float, high: float) -> bool:
        """Say whether no value from `low` to `high` is good: the whole interval lies beyond one end.

        Examples
        --------
        >>> limit = Limit.parse("> 0.8")
        >>> limit.excludes(0.7, 0.8), limit.excludes(0.7, 0.81)
        (True, False)
        """
        below = self.at_least is not None and (high < self.at_least or (self.strict and high == self.at_least))
        above = self.at_most is not None and (low > self.at_most or (self.strict and low == self.at_most))
        return below or above


class Persist(Strict):
    """The breach counts when it stood in `nights` of the last `of` nights, tonight included."""

    nights: int = Field(ge=1, le=30, description="In how many nights the breach must stand.")
    of: int = Field(ge=1, le=30, description="Out of how many last nights.")

    @model_validator(mode="after")
    def _order(self) -> Persist:
        if self.nights > self.of:
            raise ValueError(f"persist: {self.nights} of {self.of} nights can never be.")
        return self


class Minimum(Strict):
    """The least data a verdict may rest on; below it the finding is `insufficient`."""

    n: int = Field(default=0, ge=0, description="Rows.")
    positives: int = Field(default=0, ge=0, description="Rows with the positive label.")
    negatives: int = Field(default=0, ge=0, description="Rows with the negative label.")


class Rule(Strict):
    """Metric, limit, test, and what a breach means."""

    id: Name = Field(description="Name of the rule; waivers and findings use it.")
    metric: str = Field(description="Id of a metric of the catalogue.")
    over: dict[str, Any] = Field(default_factory=dict, description="Exact values, or 'any'.")
    limit: str = Field(description="What is good: '>= 0.80', '< 3' or 'between -0.1 and 0.1'.")
    test: Literal["exact", "interval", "bh", "sequential"] = Field(
        description="`exact`: the value decides; `interval`: the whole interval must; `bh`: p-values, corrected over all parts; "
        "`sequential`: all nights together, under one error bound.",
    )
    against: Literal["absolute", "reference", "champion", "previous"] = Field(
        default="absolute",
        description="What the value is compared with.",
    )
    alpha: float | None = Field(default=None, gt=0, lt=1, description="`bh`: the share of false alarms it may have.")
    min: Minimum = Minimum()
    breach: Breach = Field(description="What a breach means.")
    persist: Persist | None = None
    tiers: list[Tier] = Field(default_factory=list, description="By default every tier.")
    tasks: list[Literal["binary", "multiclass", "regression"]] = Field(default_factory=list, description="By default every task.")
    when: Literal["nightly", "gate", "both"] = Field(default="both", description="On which occasion the rule is judged.")
    required: bool = Field(default=True, description="Whether a missing or insufficient measurement counts.")
    must_decide: bool = Field(default=False, description="At the gate, insufficient data leave the verdict undecided.")
    clauses: list[str] = Field(default_factory=list, description="Which duties the rule serves.")
    because: str = Field(min_length=10, description="One sentence for the Owner.")

    @property
    def parsed(self) -> Limit:
        """The limit as numbers."""
        return Limit.parse(self.limit)

    def applies(self, tier: Tier, task: str, when: When) -> bool:
        """Say whether the rule speaks about a model of that tier and task on that occasion."""
        return (not self.tiers or tier in self.tiers) and (not self.tasks or task in self.tasks) and self.when in ("both", when)

    def matches(self, metric: str, over: Mapping[str, Any]) -> bool:
        """Say whether the rule speaks about this measurement."""
        return metric == self.metric and _fits(self.over, over)

    @model_validator(mode="after")
    def _readable(self) -> Rule:
        Limit.parse(self.limit)
        known = catalogue()
        if self.metric not in known:
            near = difflib.get_close_matches(self.metric, known, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else " The catalogue is roadworthy/catalogue.yaml."
            raise ValueError(f"rule '{self.id}' names the metric '{self.metric}', which the catalogue does not have.{hint}")
        wanted = known[self.metric].over
        if sorted(self.over) != sorted(wanted):
            shape = "{" + ", ".join(f"{key}: any" for key in wanted) + "}"
            raise ValueError(
                f"rule '{self.id}': measurements of '{self.metric}' are over {shape}, but the rule says {dict(self.over)}."
            )
        if self.test in ("bh", "sequential") and self.alpha is None:
            raise ValueError(f"rule '{self.id}': the test '{self.test}' needs 'alpha', the share of false alarms it may have.")
        limit = Limit.parse(self.limit)
        if self.test == "sequential" and (limit.at_least is not None or limit.at_most is None or not 0 < limit.at_most < 1):
            raise ValueError(
                f"rule '{self.id}': the test 'sequential' needs a limit such as '<= 0.24' on a loss between 0 and 1."
            )
        return self


def _fits(wanted: Any, given: Any) -> bool:
    if wanted == "any":
        return True
    if isinstance(wanted, Mapping):
        return isinstance(given, Mapping) and set(wanted) == set(given) and all(_fits(w, given[k]) for k, w in wanted.items())
    return bool(wanted == given)


class Policy(Strict):
    """A file of ``policies/``: the rules that a tier must satisfy."""

    schema_version: Literal[1] = Field(description="Always 1.")
    policy: Name = Field(description="Its name; also the name of the file.")
    title: str = Field(description="The name that people read.")
    renew_lease_on_breach: bool = Field(default=False, description="Whether a night with a breach still renews the lease.")
    rules: list[Rule] = Field(min_length=1, description="The rules.")

    @model_validator(mode="after")
    def _unique(self) -> Policy:
        ids = [rule.id for rule in self.rules]
        twice = sorted({i for i in ids if ids.count(i) > 1})
        if twice:
            raise ValueError(f"the rule id {', '.join(twice)} stands here more than once.")
        return self

    @property
    def digest(self) -> str:
        """SHA-256 of the policy's content; sealed into the evidence before anything is measured."""
        return digest_of(self.model_dump(mode="json"))

    def rules_for(self, tier: Tier, task: str, when: When) -> list[Rule]:
        """Return the rules that speak about a model of that tier and task on that occasion."""
        return [rule for rule in self.rules if rule.applies(tier, task, when)]


def read_policy(path: Path, shown: str | None = None) -> Policy:
    """Read a policy; a rule that names what does not exist does not load."""
    document = read_document(path, shown)
    policy = validate(document, Policy)
    if path.stem != policy.policy:
        raise PolicyError([f"{document.at(('policy',))}: says '{policy.policy}', but the file is {path.name}. Rename one."])
    return policy
