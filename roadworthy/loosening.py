"""What changed between two policies, and which of it lets more through than before.

A limit that was moved is easily overlooked among a hundred unchanged ones. Everything that makes a failure rarer counts as
loosened: a wider limit, a milder breach, a rule that is gone, judged on fewer occasions or no longer required.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from roadworthy.policy import Limit, Policy, Rule

Kind = Literal["loosened", "tightened", "changed"]

_BREACHES = ("warn", "fail", "severe")
_POLICY = {"sequential_alpha": False, "fairness_alpha": False, "renew_lease_on_breach": True}
"""Settings of a whole policy, and whether a larger value lets more through."""
_SAID = 120


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    Attributes
    ----------
    kind : {"loosened", "tightened", "changed"}
    rule : str
        Id of the rule; empty for a setting of the whole policy.
    says : str
        One sentence.
    """

    kind: Kind
    rule: str
    says: str


def compare(before: Policy, after: Policy) -> list[Change]:
    """Return the differences between two policies, what is looser first.

    Examples
    --------
    >>> def policy(limit):
    ...     rule = {"id": "right", "metric": "performance.accuracy", "limit": limit, "test": "interval", "breach": "fail",
    ...             "because": "It must be right."}
    ...     return Policy.model_validate({"schema_version": 1, "policy": "high", "title": "T", "rules": [rule]})
    >>> [(c.kind, c.says) for c in compare(policy(">= 0.80"), policy(">= 0.75"))]
    [('loosened', "The rule 'right' has another limit: '>= 0.75', before '>= 0.80'.")]
    >>> compare(policy(">= 0.80"), policy(">= 0.80"))
    []
    """
    old, new = ({rule.id: rule for rule in policy.rules} for policy in (before, after))
    found = [Change("loosened", name, f"The rule '{name}' is gone.") for name in old if name not in new]
    found += [Change("tightened", name, f"The rule '{name}' is new.") for name in new if name not in old]
    for name, larger_is_looser in _POLICY.items():
        was, now = getattr(before, name), getattr(after, name)
        if was != now:
            kind: Kind = "loosened" if (now > was) == larger_is_looser else "tightened"
            found.append(Change(kind, "", f"'{name}' is {_text(now)}, before {_text(was)}."))
    for name, rule in new.items():
        if name in old:
            found += _rule(old[name], rule)
    order = ("loosened", "tightened", "changed")
    return sorted(found, key=lambda change: (order.index(change.kind), change.rule, change.says))


def _rule(before: Rule, after: Rule) -> Iterator[Change]:
    name = after.id
    if (before.metric, before.over, before.test, before.against) != (after.metric, after.over, after.test, after.against):
        yield Change("changed", name, f"The rule '{name}' measures or tests something else than before.")
    if before.parsed != after.parsed:
        kind = _limit(before.parsed, after.parsed)
        yield Change(kind, name, f"The rule '{name}' has another limit: '{after.limit}', before '{before.limit}'.")
    if before.breach != after.breach:
        milder = _BREACHES.index(after.breach) < _BREACHES.index(before.breach)
        said = f"A breach of the rule '{name}' means '{after.breach}', before '{before.breach}'."
        yield Change("loosened" if milder else "tightened", name, said)
    for key, word in (("required", "required"), ("must_decide", "one that must be decided")):
        was, now = getattr(before, key), getattr(after, key)
        if was != now:
            said = f"The rule '{name}' is {'now' if now else 'no longer'} {word}."
            yield Change("tightened" if now else "loosened", name, said)
    if before.when != after.when:
        fewer = before.when == "both"
        kind = "loosened" if fewer else "tightened" if after.when == "both" else "changed"
        yield Change(kind, name, f"The rule '{name}' is judged on the occasion '{after.when}', before '{before.when}'.")
    for key in ("tiers", "tasks"):
        was, now = set(getattr(before, key)), set(getattr(after, key))
        if was != now:  # none named means all
            fewer = bool(now) and (not was or now < was)
            more = bool(was) and (not now or was < now)
            kind = "loosened" if fewer else "tightened" if more else "changed"
            yield Change(kind, name, f"The rule '{name}' speaks of other {key} than before.")
    yield from _numbers(before, after)


def _numbers(before: Rule, after: Rule) -> Iterator[Change]:
    name = after.id
    for key, was, now in (
        *((f"min.{k}", getattr(before.min, k), getattr(after.min, k)) for k in ("n", "positives", "negatives")),
        ("hardly_used_below", before.hardly_used_below or 0.0, after.hardly_used_below or 0.0),
    ):
        if was != now:  # more data are asked for before it may fail
            yield Change("loosened" if now > was else "tightened", name, _moved(name, key, now, was))
    if before.alpha != after.alpha:
        looser = (after.alpha or math.inf) < (before.alpha or math.inf)
        yield Change("loosened" if looser else "tightened", name, _moved(name, "alpha", after.alpha, before.alpha))
    if before.persist != after.persist:
        was, now = (rule.persist.nights if rule.persist else 1 for rule in (before, after))
        kind: Kind = "loosened" if now > was else "tightened" if now < was else "changed"
        yield Change(kind, name, f"The rule '{name}' counts a breach after {now} night{'s' if now > 1 else ''}, before {was}.")


def _moved(name: str, key: str, now: Any, was: Any) -> str:
    return f"The rule '{name}' has '{key}' {_text(now)}, before {_text(was)}."


def _text(value: Any) -> str:
    return "none" if value is None else str(value)[:_SAID]


def _limit(before: Limit, after: Limit) -> Kind:
    """Say whether a limit lets more through: each end that moved outward, and no end that moved inward."""
    low = (_low(before), _low(after))
    high = (_high(before), _high(after))
    outward, inward = low[1] < low[0] or high[1] > high[0], low[1] > low[0] or high[1] < high[0]
    if outward:
        return "loosened"
    return "tightened" if inward else "changed"


def _low(limit: Limit) -> tuple[float, bool]:
    return (-math.inf if limit.at_least is None else limit.at_least, limit.strict and limit.at_least is not None)


def _high(limit: Limit) -> tuple[float, bool]:
    return (math.inf if limit.at_most is None else limit.at_most, not (limit.strict and limit.at_most is not None))
