"""Holds what was measured of every option against the rules of the policy, and orders the options."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from roadworthy import deciding
from roadworthy.canonical import canonical_json
from roadworthy.catalogue import catalogue
from roadworthy.finding import Finding
from roadworthy.measurement import Measurement
from roadworthy.mitigation import words
from roadworthy.mitigation.values import AS_IS, TITLES, Change, Held, Moved, Option, Plan, Word
from roadworthy.policy import Policy, Rule
from roadworthy.sentences import describe, limit_words, part

COUNT = "mitigation.options_measured"

_SHORTS = frozenset(
    metric.removeprefix("mitigation.")
    for metric in catalogue()
    if metric.startswith("mitigation.") and f"fairness.{metric.removeprefix('mitigation.')}" in catalogue()
)
_ERROR_RATES = ("true_positive_rate_difference", "false_positive_rate_difference", "false_negative_rate_difference",
                "equalized_odds_difference")
_BREACHES = ("warn", "fail", "severe")

Words = Callable[[str], str]


def triggers(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings that call for a plan: fairness rules that warn or fail, whatever a waiver made of it.

    Those of metrics that no option aims at (who stands in no group, calibration) call for none. What fails comes first, single
    attributes before two together.
    """
    found = [
        f
        for f in findings
        if f.family == "fairness" and _short(f.metric) in _SHORTS and ("group" in f.over or "attribute" in f.over)
        and (f.status in _BREACHES or f.details.get("before") in _BREACHES)
    ]

    def place(f: Finding) -> tuple[bool, bool]:
        return f.details.get("before", f.status) == "warn", len(f.over.get("group", ())) > 1

    return sorted(found, key=place)


def parts_of(findings: Sequence[Finding]) -> list[tuple[str, ...]]:
    """Return the attributes that these findings speak of, alone or two together, each once."""
    found = [tuple(f.over["group"]) if "group" in f.over else (str(f.over["attribute"]),) for f in findings]
    return list(dict.fromkeys(found))


def constraint_of(findings: Sequence[Finding]) -> str:
    """Return what training under a constraint should ask for: equal error rates only where nothing else is at stake."""
    return "equalized_odds" if all(_short(f.metric) in _ERROR_RATES for f in findings) else "demographic_parity"


def plan(
    measurements: Sequence[Measurement], findings: Sequence[Finding], policy: Policy, tier: Any, task: str, word: Words = str
) -> Plan | None:
    """Return the plan; None if nothing called for one.

    Parameters
    ----------
    measurements : sequence of Measurement
        Those of the family ``mitigation`` are read.
    findings : sequence of Finding
        Of the same run.
    policy : Policy
    tier, task : str
        From the passport.
    word : callable
        The passport's word for a column or attribute.
    """
    about = triggers(findings)
    counted = next((m for m in measurements if m.metric == COUNT), None)
    if not about or counted is None or counted.status == "not_applicable":
        return None
    found = _Found(measurements, policy.rules_for(tier, task, "gate"), about, word)
    now = found.option(AS_IS)
    options = [found.option(name, now) for name in TITLES if name != AS_IS and name in found.by_option]
    run = sorted((o for o in options if not o.why_not), key=_worth)
    best = run[0] if run else None
    recommended = best.name if best is not None and best.qualifies else ""
    nearest = best.name if best is not None and not best.qualifies else ""
    shown = (now, *run, *(o for o in options if o.why_not)) if counted.value is not None else ()
    says = words.recommended(best) if recommended and best else words.nearest(best, counted)
    return Plan(now.held, shown, recommended, nearest, says, words.notes(shown, counted.n or 0), counted.n or 0)


class _Found:
    """The measurements by option, and the rules that they are held against."""

    def __init__(self, measurements: Sequence[Measurement], rules: Sequence[Rule], about: Sequence[Finding], word: Words) -> None:
        self.rules, self.about, self.word = rules, about, word
        self.by_option: dict[str, dict[tuple[str, bytes], Measurement]] = {}
        for m in measurements:
            if m.metric.startswith("mitigation.") and "option" in m.over:
                over = {key: value for key, value in m.over.items() if key != "option"}
                here = self.by_option.setdefault(str(m.over["option"]), {})
                here[m.metric.removeprefix("mitigation."), canonical_json(over)] = m

    def option(self, name: str, now: Option | None = None) -> Option:
        """Return an option with everything that is known of it, held against how it is `now`."""
        told = self.by_option.get(name, {})
        accuracy = told.get(("accuracy", canonical_json({})))
        facts = accuracy.details if accuracy is not None else {}
        made = Option(
            name, TITLES.get(name, name), needs_attribute=bool(facts.get("needs_attribute")),
            retrained=bool(facts.get("retrained")), randomised=bool(facts.get("randomised")),
            seed_changes=facts.get("seed_changes"),
        )
        if accuracy is None or accuracy.value is None:
            return replace(made, why_not=accuracy.reason if accuracy is not None else "It was not measured.")
        broken, weak = self._others(name) if now is not None else ((), ())
        made = replace(
            made,
            held=tuple(self._against(name, f.rule, f.metric, f.over) for f in self.about),
            breaks=broken, weakens=weak, moved=tuple(self._moved(name)), accuracy=_change(accuracy),
            accuracy_change=_change(told.get(("accuracy_change", canonical_json({})))),
            selection_rate_change=_change(told.get(("selection_rate_change", canonical_json({})))),
        )
        against = tuple(words.against(made, now)) if now is not None else ()
        return replace(made, against=against, qualifies=now is not None and not against, says=words.says(made))

    def _measured(self, name: str, metric: str, over: Mapping[str, Any]) -> Measurement | None:
        """Return an option's measurement as one of the metric that a rule names."""
        if metric == "performance.error_rate":
            right = self._measured(name, "performance.accuracy", over)
            if right is None or right.value is None or right.low is None or right.high is None:
                return right
            return replace(right, metric=metric, value=1 - right.value, low=1 - right.high, high=1 - right.low)
        found = self.by_option.get(name, {}).get((_short(metric), canonical_json(dict(over))))
        return None if found is None else replace(found, metric=metric, over=over)

    def _against(self, name: str, rule_id: str, metric: str, over: Mapping[str, Any]) -> Held:
        """Hold an option against a rule."""
        rule = next(r for r in self.rules if r.id == rule_id)
        m, where = self._measured(name, metric, over), part(over, self.word)
        limit = limit_words(rule.parsed, catalogue()[metric].unit)
        if m is None or m.value is None or rule.against != "absolute" or rule.test not in ("interval", "exact"):
            reason = m.reason if m is not None and m.reason else "It was not measured for this."
            return Held(rule_id, metric, limit, over, where, "not measured", reason)
        seen: Word
        if deciding.too_few(rule, m):
            seen = "too few"
        else:
            outcome = deciding.tested(rule, m, None)
            seen = "breaks" if outcome.breached else "clears" if outcome.status == "pass" else "crosses"
        text = f"{describe(m, catalogue()[metric], self.word, rule.parsed)}."
        return Held(rule_id, metric, limit, over, where, seen, text, m.value, m.low, m.high, m.n)

    def _others(self, name: str) -> tuple[tuple[Held, ...], tuple[Held, ...]]:
        """Return the rules that an option breaks though they are not broken now, and those that it makes uncertain."""
        broken, weak = [], []
        for rule in self.rules:
            if rule.against != "absolute" or not (rule.metric.startswith("fairness.") or rule.metric in _OF_ALL):
                continue
            short = "accuracy" if rule.metric in _OF_ALL else _short(rule.metric)
            for found_short, content in self.by_option[name]:
                over = dict(self.by_option[name][found_short, content].over)
                over.pop("option")
                if found_short != short or not rule.matches(rule.metric, over) or not _same_family(rule.metric, over):
                    continue
                now, then = (self._against(one, rule.id, rule.metric, over) for one in (AS_IS, name))
                if then.word == "breaks" and now.word != "breaks":
                    broken.append(then)
                elif then.word == "crosses" and now.word == "clears":
                    weak.append(then)
        return tuple(broken), tuple(weak)

    def _moved(self, name: str) -> Iterator[Moved]:
        """Yield who of the groups in question would be decided otherwise."""
        parts = parts_of(self.about)
        attributes = {frozenset(p) for p in parts if len(p) == 1} or {frozenset(p) for p in parts}
        for (short, _), m in sorted(self.by_option[name].items()):
            group = m.over.get("group")
            if short != "gained" or not isinstance(group, Mapping) or frozenset(group) not in attributes or m.n is None:
                continue
            over = {"group": dict(group)}
            lost = self.by_option[name].get(("lost", canonical_json(over)))
            moved = (int(m.stats.get("positives", 0)), int(lost.stats.get("positives", 0)) if lost is not None else 0)
            yield Moved(over, part(over, self.word), m.n, *moved)


_OF_ALL = ("performance.accuracy", "performance.error_rate")


def _short(metric: str) -> str:
    """Return a rule's metric without its family, as the family ``mitigation`` names it."""
    return metric.partition(".")[2].removeprefix("intersection_")


def _same_family(metric: str, over: Mapping[str, Any]) -> bool:
    """Say whether a rule's metric is that of so many attributes together."""
    group = over.get("group")
    return not isinstance(group, Mapping) or (len(group) > 1) == metric.startswith("fairness.intersection_")


def _change(m: Measurement | None) -> Change | None:
    if m is None or m.value is None or m.low is None or m.high is None or m.n is None:
        return None
    return Change(m.value, m.low, m.high, m.n)


def _worth(option: Option) -> tuple[Any, ...]:
    """Return what options are sorted by, best first."""
    missed = sum(one.word != "clears" for one in option.held)
    lost = -option.accuracy_change.value if option.accuracy_change is not None else 1.0
    place = list(TITLES).index(option.name) if option.name in TITLES else len(TITLES)
    broken, way = len(option.breaks), bool(words.way_of(option))
    if option.qualifies:  # then it is about what it does to people's rights, what it leaves open, and what it costs
        return 0, option.needs_attribute, missed, option.randomised, lost, place
    return 1, missed, broken, way, option.needs_attribute, option.randomised, lost, place
