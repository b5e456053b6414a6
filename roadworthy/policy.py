"""Policies as code: rules that say what a measurement must be, how that is tested, and what a breach means."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field, model_validator

from roadworthy.canonical import digest_of
from roadworthy.catalogue import Metric, catalogue
from roadworthy.documents import Misplaced, Strict, read_document, validate
from roadworthy.errors import PolicyError
from roadworthy.passport import Name, Tier

When = Literal["nightly", "gate"]
Task = Literal["binary", "multiclass", "regression"]
Breach = Literal["warn", "fail", "severe"]

SEQUENTIAL_METRIC = "performance.loss"
"""The one metric that may stop a model by accumulation: a bounded loss of matured labels."""

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
            low, high = _finite(two[1], text), _finite(two[2], text)
            if low > high:
                raise ValueError(f"the limit {text!r} is empty.")
            return cls(low, high, False, text.strip())
        if one := _ONE.match(text):
            sign, number = one[1], _finite(one[2], text)
            return cls(number if sign[0] == ">" else None, number if sign[0] == "<" else None, len(sign) == 1, text.strip())
        raise ValueError(f"the limit {text[:60]!r} cannot be read; write '>= 0.80', '< 3' or 'between -0.1 and 0.1'.")

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


def _finite(number: str, text: str) -> float:
    found = float(number)
    if not math.isfinite(found):
        raise ValueError(f"the limit {text[:60]!r} is not finite.")
    return found


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
    alpha: float | None = Field(
        default=None, gt=0, lt=1,
        description="`bh`: the share of false alarms it may have. `sequential`: what it may spend of the policy's budget; by "
        "default an equal part.",
    )
    min: Minimum = Minimum()
    breach: Breach = Field(description="What a breach means.")
    on_severe: Literal["disable", "degrade"] = Field(
        default="disable",
        description="`disable`: a severe breach takes the model off the road. `degrade`: in the first such night the fallback "
        "answers, and a second night in a row takes it off; a model without a fallback goes off at once.",
    )
    persist: Persist | None = None
    tiers: list[Tier] = Field(default_factory=list, description="By default every tier.")
    tasks: list[Task] = Field(default_factory=list, description="By default every task.")
    when: Literal["nightly", "gate", "both"] = Field(default="both", description="On which occasion the rule is judged.")
    hardly_used_below: float | None = Field(
        default=None, gt=0, lt=1,
        description="Drift of columns: a breach of a column that decides less than this part of the score is a note, no alarm.",
    )
    required: bool = Field(
        default=True,
        description="Whether a missing or insufficient measurement counts. One that was tried and broke always does: of a rule "
        "that is required it leaves the verdict undecided, of another it makes a night `watch` and a gate `conditional`.",
    )
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
        known = catalogue()
        if self.metric not in known:
            near = difflib.get_close_matches(self.metric, known, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else " The catalogue is roadworthy/catalogue.yaml."
            raise self._wrong(f"names the metric '{self.metric}', which the catalogue does not have.{hint}", "metric")
        wanted = known[self.metric].over
        by_part = len(self.over) == 1 and next(iter(self.over)) in known[self.metric].by
        if sorted(self.over) != sorted(wanted) and not by_part:
            shapes = (wanted, *known[self.metric].by_part)
            shape = " or ".join("{" + ", ".join(f"{key}: any" for key in keys) + "}" for keys in shapes)
            raise self._wrong(f"is over {_said(self.over)}, but measurements of '{self.metric}' are over {shape}.", "over")
        if not _exact(self.over):
            raise self._wrong(f"is over {_said(self.over)}; write 'any', or text, whole numbers, true or false.", "over")
        if self.test == "bh" and self.alpha is None:
            raise self._wrong("has the test 'bh', which needs 'alpha', the share of false alarms it may have.", "test")
        if self.test not in ("bh", "sequential") and self.alpha is not None:
            raise self._wrong(f"has an 'alpha', which the test '{self.test}' does not read. Take it out or choose 'bh'.", "alpha")
        if self.test in ("bh", "sequential") and self.against != "absolute":
            said = f"has the test '{self.test}', whose evidence is of the value itself; it knows no 'against'."
            raise self._wrong(said, "against")
        if self.on_severe != "disable" and self.breach != "severe":
            raise self._wrong("has 'on_severe', which only a breach of 'severe' reads.", "on_severe")
        self._check_drift()
        if self.test == "sequential" and self.metric != SEQUENTIAL_METRIC:
            said = f"has the test 'sequential', which only a bounded loss of matured labels may have: '{SEQUENTIAL_METRIC}'."
            raise self._wrong(said, "test")
        self._check_limit(known[self.metric])
        return self

    def _check_drift(self) -> None:
        """Drift never stops by accumulation: all nights are compared with one reference, so they are no separate witnesses."""
        drift = self.metric.startswith("drift.")
        if drift and (self.test == "sequential" or (self.breach == "severe" and self.persist is not None)):
            key = "test" if self.test == "sequential" else "persist"
            said = "would stop a model because drift went on. Data may change while the model stays right, and all nights share "
            raise self._wrong(said + "one reference, so many of them are no more proof than one. Let drift warn or fail.", key)
        if self.hardly_used_below is not None and not (drift and "column" in self.over):
            raise self._wrong("has 'hardly_used_below', which only drift of columns reads.", "hardly_used_below")

    def _check_limit(self, metric: Metric) -> None:
        try:
            limit = self.parsed
        except ValueError as problem:
            raise self._wrong(f"cannot be judged: {problem}", "limit") from None
        if self.test == "sequential" and (limit.at_least is not None or limit.at_most is None or not 0 < limit.at_most < 1):
            said = "has the test 'sequential', which needs a limit such as '<= 0.24' on a loss between 0 and 1."
            raise self._wrong(said, "limit")
        low, high = (None if end is None else float(end) for end in metric.range)
        lowest, highest = -math.inf if low is None else low, math.inf if high is None else high
        if self.against != "absolute":
            lowest, highest = lowest - highest, highest - lowest
        span = f"'{metric.title}' {'changes by' if self.against != 'absolute' else 'is'} {lowest:g} to {highest:g}"
        if limit.excludes(lowest, highest):
            raise self._wrong(f"can never hold: {span}, and the limit is {limit.text!r}.", "limit")
        if limit.holds(lowest) and limit.holds(highest):
            raise self._wrong(f"can never fail: {span}, and the limit is {limit.text!r}.", "limit")

    def _wrong(self, said: str, key: str) -> Misplaced:
        return Misplaced(f"the rule '{self.id}' {said}", key)


def _said(over: Mapping[str, Any]) -> str:
    return str(dict(over))[:80]


def _exact(over: Any) -> bool:
    if isinstance(over, Mapping):
        return all(isinstance(key, str) and _exact(value) for key, value in over.items())
    return isinstance(over, str | int)


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
    sequential_alpha: float = Field(
        default=0.001, gt=0, le=0.05,
        description="How likely a model within its limits may be stopped in a year by all sequential rules together.",
    )
    fairness_alpha: float = Field(
        default=0.05, gt=0, le=0.2,
        description="How likely a model may be failed by any comparison of groups at one gate, or in a year of nights, if every "
        "group stood exactly at its limit.",
    )
    renew_lease_on_breach: bool = Field(default=False, description="Whether a night with a breach still renews the lease.")
    rules: list[Rule] = Field(min_length=1, description="The rules.")

    @model_validator(mode="after")
    def _unique(self) -> Policy:
        for index, rule in enumerate(self.rules):
            if rule.id in [other.id for other in self.rules[:index]]:
                raise Misplaced(f"the rule id '{rule.id}' stands here a second time. Rename one.", "rules", index, "id")
        return self

    @model_validator(mode="after")
    def _within_budget(self) -> Policy:
        for tier in get_args(Tier):
            for task in get_args(Task):
                rules = self.sequential_rules(tier, task)
                asked = sum(rule.alpha or 0.0 for rule in rules)
                over = asked > self.sequential_alpha * (1 + 1e-9)
                if over or (asked >= self.sequential_alpha and any(rule.alpha is None for rule in rules)):
                    index = next(i for i, rule in enumerate(self.rules) if rule in rules and rule.alpha is not None)
                    said = f"the sequential rules for tier {tier} and a {task} model ask for an alpha of {asked:g} in all"
                    left = "" if over else ", which leaves nothing to those that name none"
                    budget = f"; 'sequential_alpha', the budget of a model and year, is {self.sequential_alpha:g}"
                    raise Misplaced(f"{said}{left}{budget}.", "rules", index, "alpha")
        return self

    def sequential_rules(self, tier: Tier, task: str) -> list[Rule]:
        """Return the rules that share the budget of false stops of a model, on whatever occasion they are judged."""
        return [
            rule
            for rule in self.rules
            if rule.test == "sequential" and (rule.applies(tier, task, "nightly") or rule.applies(tier, task, "gate"))
        ]

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
