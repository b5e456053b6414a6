"""How the chance of a false stop is spent: one budget for a model and a year, over rules, parts and new beginnings.

A policy names `sequential_alpha`: how likely it may be that, in any 366 days, a model whose losses never exceed their limits is
stopped by the sequential rules. Ville's inequality holds for the whole life of a test, so a year of it is within its share.

Rules
    A rule that names an ``alpha`` has it; the others share the rest equally. A policy whose rules ask for more than the budget
    does not load.
Parts
    A rule over parts of the data (a group, a segment) halves what is left of its share on each night that shows new parts, and
    gives that half to them equally, because how many parts there will be is not known. A rule of the whole has all of it.
New beginnings
    A new version, and a change of any sequential rule or of the budget, starts tests without evidence. The first seven such
    periods of a year have an eighth of the budget each, and each later one half of what is left of the last eighth: all shares
    sum to 1. A period's number counts it and the periods of the model, of whatever version, judged in the 366 days before
    it began. Take any 366 days: of the periods that touch them, the `j`-th to begin sees the `j - 1` before it, so its number is
    at least `j`, and all their shares together are at most the budget. Versions of a model that begin on the very same day see
    each other only from their next beginning on.

All of it is decided before the losses that it is spent on are known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from roadworthy.canonical import canonical_json, digest_of
from roadworthy.memory import days_back
from roadworthy.policy import Policy, Rule

YEAR = 366
PAID_ALIKE = 7


def share_of(period: int) -> float:
    """Return the part of the budget that the `period`-th new beginning of a year may spend; 1 is the first.

    Examples
    --------
    >>> share_of(1), share_of(7), share_of(8), round(sum(share_of(k) for k in range(1, 100)), 9)
    (0.125, 0.125, 0.0625, 1.0)
    """
    return 1 / (PAID_ALIKE + 1) if period <= PAID_ALIKE else 1 / (PAID_ALIKE + 1) / 2 ** (period - PAID_ALIKE)


def alphas(rules: Sequence[Rule], budget: float) -> dict[str, float]:
    """Return what each sequential rule of a model may spend of the budget, by its id."""
    asked = {rule.id: rule.alpha for rule in rules if rule.alpha is not None}
    silent = [rule.id for rule in rules if rule.alpha is None]
    rest = budget - sum(asked.values())
    return {**asked, **{rule: rest / len(silent) for rule in silent}}


def periods_before(runs: Iterable[tuple[str, str, str]], version: str, policy: str, day: date) -> int:
    """Count the periods of a model, of whatever version, that were judged in the 366 days before a day.

    Parameters
    ----------
    runs : iterable of (str, str, str)
        Day, version and policy digest of each night that was judged, in any order.
    version, policy : str
        Those of tonight. A period that goes on tonight is not counted.
    day : date
        Only nights before it count.

    Returns
    -------
    int
        Each change of the policy between two nights of one version begins a period.

    Examples
    --------
    >>> runs = [("2026-04-01", "1", "a"), ("2026-04-02", "1", "b"), ("2026-04-03", "1", "b")]
    >>> periods_before(runs, "2", "b", date(2026, 4, 4)), periods_before(runs, "1", "b", date(2026, 4, 4))
    (2, 1)
    """
    oldest, today = days_back(day, YEAR), day.isoformat()
    policies: dict[str, list[str]] = {}
    for _night, of, digest in sorted(run for run in runs if oldest <= run[0] < today):
        seen = policies.setdefault(of, [])
        if not seen or seen[-1] != digest:
            seen.append(digest)
    goes_on = policies.get(version, [])[-1:] == [policy]
    return sum(len(seen) for seen in policies.values()) - int(goes_on)


class Budget:
    """The budget of one model, tonight.

    Parameters
    ----------
    policy : Policy
    rules : sequence of Rule
        The sequential rules that speak about the model.
    day : date
    resets : int
        Periods of the model before this one, as far as the ledger knows; see `periods_before`.
    history : mapping
        ``sequential`` of the predecessor's state.
    """

    def __init__(self, policy: Policy, rules: Sequence[Rule], day: date, resets: int, history: Mapping[str, Any]) -> None:
        told = sorted([rule.id, rule.limit, canonical_json(rule.over).decode(), rule.alpha] for rule in rules)
        self.rules = digest_of([policy.sequential_alpha, told])
        self.goes_on = history.get("rules") == self.rules
        oldest = days_back(day, YEAR)
        ended = [end for end in history.get("ended", []) if end >= oldest]
        self.ended = ended if self.goes_on or not history else [*ended, day.isoformat()]
        self.period = int(history["period"]) if self.goes_on else 1 + max(resets, len(self.ended))
        self._alpha = {rule: alpha * share_of(self.period) for rule, alpha in alphas(rules, policy.sequential_alpha).items()}
        self.left: dict[str, float] = dict(history.get("left", {})) if self.goes_on else {}

    def for_parts(self, rule: Rule, new: Sequence[str]) -> dict[str, float]:
        """Give parts that are seen for the first time their share of what is left of the rule's alpha."""
        if not rule.over:
            return {part: self._alpha[rule.id] for part in new}
        if not new:
            return {}
        left = self.left.get(rule.id, self._alpha[rule.id])
        self.left[rule.id] = left / 2
        return {part: left / 2 / len(new) for part in new}

    def carried(self) -> dict[str, Any]:
        """Return what tomorrow must know."""
        return {"rules": self.rules, "period": self.period, "ended": self.ended, "left": self.left}
