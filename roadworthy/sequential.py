"""The sequential rules of one night: what enters, what is bet, and whether the evidence is enough.

The mathematics is in `roadworthy.nights`, the error budget in `roadworthy.budget`; here both meet the state that one night
hands to the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from roadworthy.budget import Budget
from roadworthy.canonical import canonical_json
from roadworthy.deciding import Outcome, possible
from roadworthy.measurement import Measurement
from roadworthy.memory import series
from roadworthy.nights import Entered, LossDay, Wealth, bet, enter
from roadworthy.passport import Tier
from roadworthy.policy import SEQUENTIAL_METRIC, Policy, Rule

NO_LOSSES = "The check gave no losses by day for a rule that needs them."


class _Series(NamedTuple):
    wealth: Wealth
    alpha: float

    def as_dict(self) -> dict[str, Any]:
        return {**self.wealth.as_dict(), "alpha": self.alpha}


class Sequential:
    """All sequential tests of a model on one night.

    Parameters
    ----------
    policy : Policy
    tier, task : str
        From the passport.
    day : date
        The day judged.
    resets : int
        See `roadworthy.budget.Budget`.
    history : mapping
        ``sequential`` of the predecessor's state; empty on the first night.
    measurements : sequence of Measurement
        All of tonight's.
    """

    def __init__(
        self,
        policy: Policy,
        tier: Tier,
        task: str,
        day: date,
        resets: int,
        history: Mapping[str, Any],
        measurements: Sequence[Measurement],
    ) -> None:
        rules = policy.sequential_rules(tier, task)
        self._budget = Budget(policy, rules, day, resets, history)
        kept = history.get("series", {}) if self._budget.goes_on else {}
        self._series = {key: _Series(Wealth.from_dict(told), float(told["alpha"])) for key, told in kept.items()}
        self._entered = {part: Entered.from_dict(told) for part, told in history.get("entered", {}).items()}
        self._said: dict[tuple[str, bytes], Outcome] = {}
        for rule in rules:
            matched = [m for m in measurements if rule.matches(m.metric, m.over) and m.status == "measured" and possible(m)]
            parts = dict.fromkeys(series(rule.id, m.over) for m in matched)
            for key, alpha in self._budget.for_parts(rule, [part for part in parts if part not in self._series]).items():
                self._series[key] = _Series(Wealth(), alpha)
        for m in measurements:
            if m.metric == SEQUENTIAL_METRIC and m.status == "measured" and possible(m):
                self._night(m, [rule for rule in rules if rule.matches(m.metric, m.over)])

    def outcome(self, rule: Rule, m: Measurement) -> Outcome:
        """Return what the rule says of a measured loss."""
        return self._said.get((rule.id, canonical_json(m.as_dict())), Outcome("error", NO_LOSSES, {}))

    def carried(self) -> dict[str, Any]:
        """Return ``sequential`` of tomorrow's state; empty where no rule is sequential."""
        if not self._series and not self._entered:
            return {}
        return {
            **self._budget.carried(),
            "series": {key: found.as_dict() for key, found in self._series.items()},
            "entered": {part: found.as_dict() for part, found in self._entered.items()},
        }

    def _night(self, m: Measurement, rules: Sequence[Rule]) -> None:
        """Let the rows of one part enter once, and let each rule about it bet on them."""
        if not rules:
            return
        part, by_day = canonical_json(m.over).decode(), bool(m.stats.get("by_day"))
        try:
            days = [LossDay(str(day), tuple((float(loss), int(n)) for loss, n in counts)) for day, counts in m.stats["days"]]
            listed = [day.day for day in days] + [str(day) for day, *_ in m.stats.get("coverage") or ()]
            entering = enter(self._entered.get(part, Entered()), days, min(listed, default=""), by_day)
        except (KeyError, TypeError, ValueError):
            return
        self._entered[part] = entering.after
        for rule in rules:
            key = series(rule.id, m.over)
            limit = rule.parsed.at_most
            if limit is None:
                raise ValueError(f"rule {rule.id}: a sequential rule has an upper limit")
            before = self._series[key]
            after = before._replace(wealth=bet(before.wealth, entering.new, limit, by_day))
            self._series[key] = after
            found = _outcome(rule, after.wealth, 1 / after.alpha)
            counts = {"late": entering.late, "corrected": entering.corrected}
            details = {**found.details, **{name: n for name, n in counts.items() if n}}
            self._said[rule.id, canonical_json(m.as_dict())] = found._replace(
                details=details, note=_with_counts(found.note, entering.late, entering.corrected)
            )


def _outcome(rule: Rule, wealth: Wealth, needed: float) -> Outcome:
    evidence = wealth.e_value
    details = {"e_value": evidence, "needed": needed, "through": wealth.through, "rows": wealth.n}
    if wealth.n == 0:
        return Outcome("insufficient", "No label has matured yet that was not judged before.", details)
    if evidence >= needed:
        note = f"Evidence against the limit over {wealth.n:,} mature rows: {evidence:,.0f} to 1; {needed:,.0f} to 1 decides."
        return Outcome(rule.breach, note, details, breached=True)
    return Outcome("pass", "", details)


def _with_counts(note: str, late: int, corrected: int) -> str:
    told = [note] if note else []
    if late:
        told.append(f"{late:,} labels came after their day was judged and are left out.")
    if corrected:
        told.append(f"{corrected:,} labels changed after they were judged; what was judged stands.")
    return " ".join(told)
