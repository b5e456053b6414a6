"""The judge: measurements, a policy and stated inputs in; findings, one verdict and the state of tomorrow out.

A pure function. It reads no clock, no disk and no data, so the same inputs give the same verdict years later, and
`rejudge` can prove it from an evidence bundle alone. Checks report numbers and uncorrected p-values; only here are
they held against limits, corrected for many looks, remembered over nights, and waived.

How each test decides
---------------------
``exact``
    The value against the limit. For counts and facts that carry no sampling error.
``interval``
    The whole interval inside the limit: pass. The whole interval outside: the rule's breach. Across it: warn, with
    the number of rows that would decide. Less data than ``min``: insufficient. Where groups of people are compared, a breach
    must also survive the correction over all groups, metrics and nights (`roadworthy.comparisons`); else it warns.
``bh``
    Benjamini and Hochberg's procedure (1995) at ``alpha`` over every measurement the rule matches; a breach needs
    both a rejection and a value surely beyond the limit, so a tiny shift of a huge table does not alarm. What surely moved
    but may be within the limit weighs as a warning; what was not told from chance passes only if the day was large enough
    to see a shift of the limit's size (`roadworthy.significance`).
``sequential``
    A test by betting on the losses of newly matured rows (`roadworthy.nights`): a breach once the evidence reaches
    ``1/alpha``, which under the limit happens with probability at most ``alpha``. The policy's budget for a model and a year
    is split over all such tests (`roadworthy.budget`).

Where the passport pools days in blocks, columns are decided on the night that closes a block; while the next block is open,
what was decided stands and is marked. Without an earlier block they are insufficient, which is no pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from roadworthy import deciding
from roadworthy.canonical import canonical_json
from roadworthy.catalogue import catalogue
from roadworthy.comparisons import Comparisons
from roadworthy.deciding import Outcome, Rejection
from roadworthy.finding import ORDER, Finding, FindingStatus, Verdict
from roadworthy.measurement import Measurement
from roadworthy.memory import (
    FORGOTTEN_AFTER_DAYS,
    REMEMBERED_NIGHTS,
    REMEMBERED_SERIES,
    Pool,
    block_of,
    persisted,
    points,
    remembered,
    series,
    standing,
)
from roadworthy.policy import Policy, Rule, When
from roadworthy.sentences import hardly_used, of_block, sentence
from roadworthy.sequential import Sequential
from roadworthy.verdict import GATE_EXIT, NIGHT_EXIT, alarmed, decided, verdict_of

if TYPE_CHECKING:
    from roadworthy.evidence import Bundle

__all__ = [
    "FORGOTTEN_AFTER_DAYS", "GATE_EXIT", "JUDGE_VERSION", "NIGHT_EXIT", "REMEMBERED_NIGHTS", "REMEMBERED_SERIES",
    "Context", "Judgement", "alarmed", "judge", "rejudge", "verdict_of",
]

JUDGE_VERSION = "4"


@dataclass(frozen=True)
class Context:
    """Everything but measurements and policy that a judgement rests on; kept in the evidence as ``inputs.json``.

    Parameters
    ----------
    tier, task : str
        From the passport.
    when : {"nightly", "gate"}
    day : date
        The day judged (data time).
    waivers : sequence of mapping
        Honoured waivers only: ``{"id", "rule", "over" (optional), "expires", "by"}``.
    history : mapping
        The predecessor's ``state.json``; empty on the first night.
    baselines : mapping of str to sequence of Measurement
        What ``against: reference``, ``champion`` and ``previous`` compare with.
    glossary : mapping of str to str
        The passport's words for columns.
    importance : mapping of str to float
        Part of the score that each column decides, at most; a column that is not named is taken to matter.
    resets : int
        Periods of this model, of whatever version, that were judged in the 366 days before; see `roadworthy.budget`.
    """

    tier: Any
    task: str
    when: When
    day: date
    waivers: Sequence[Mapping[str, Any]] = ()
    history: Mapping[str, Any] = field(default_factory=dict)
    baselines: Mapping[str, Sequence[Measurement]] = field(default_factory=dict)
    glossary: Mapping[str, str] = field(default_factory=dict)
    importance: Mapping[str, float] = field(default_factory=dict)
    resets: int = 0

    def word(self, column: str) -> str:
        """Return the glossary's word for a column."""
        return self.glossary.get(column, column)

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values; `from_dict` is the inverse."""
        return {
            "tier": self.tier,
            "task": self.task,
            "when": self.when,
            "day": self.day.isoformat(),
            "waivers": [dict(w) for w in self.waivers],
            "history": dict(self.history),
            "glossary": dict(self.glossary),
            "importance": dict(self.importance),
            "resets": self.resets,
            "baselines": {name: [m.as_dict() for m in found] for name, found in self.baselines.items()},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Context:
        """Build a context from `as_dict`'s output."""
        return cls(
            data["tier"],
            data["task"],
            data["when"],
            date.fromisoformat(data["day"]),
            data["waivers"],
            data["history"],
            {name: [Measurement.from_dict(m) for m in found] for name, found in data["baselines"].items()},
            data["glossary"],
            data.get("importance", {}),
            data.get("resets", 0),
        )


@dataclass(frozen=True)
class Judgement:
    """What the judge returns."""

    findings: list[Finding]
    verdict: Verdict
    state: dict[str, Any]


def judge(measurements: Sequence[Measurement], policy: Policy, context: Context) -> Judgement:
    """Apply every rule of the policy that speaks about this model on this occasion.

    Parameters
    ----------
    measurements : sequence of Measurement
    policy : Policy
    context : Context

    Returns
    -------
    Judgement
        A finding for each rule and measurement, at least one for each rule; the verdict; and the state that
        tomorrow's judgement starts from. The order of the measurements, and one given twice, change nothing.
    """
    by_content = {canonical_json(m.as_dict()): m for m in measurements}
    measurements = [by_content[content] for content in sorted(by_content)]
    night = _Night(measurements, policy, context)
    findings = [f for rule in policy.rules_for(context.tier, context.task, context.when) for f in night.apply(rule)]
    findings.sort(key=lambda f: (-ORDER.index(f.status), f.rule, canonical_json(f.over)))
    return Judgement(findings, verdict_of(findings, context.when), night.state(findings))


def rejudge(bundle: Bundle) -> Judgement:
    """Judge a recorded run again, from its bundle alone."""
    policy = Policy.model_validate(bundle.run["policy"]["content"])
    return judge(bundle.measurements, policy, Context.from_dict(bundle.inputs["context"]))


class _Night:
    """One judgement on its way: what was given, and what the rules leave for tomorrow."""

    def __init__(self, measurements: Sequence[Measurement], policy: Policy, context: Context) -> None:
        self.measurements, self.context, self.history = measurements, context, context.history
        self.pool = Pool.of(measurements)
        self.breaches: dict[str, list[list[Any]]] = {}
        self.decided: dict[str, list[Any]] = {}  # what a closed block decides, by series
        self.sequential = Sequential(
            policy, context.tier, context.task, context.day, context.resets, self.history.get("sequential", {}), measurements
        )
        self.comparisons = Comparisons(
            policy.rules_for(context.tier, context.task, context.when), measurements, policy.fairness_alpha, context.when,
            context.day.isoformat(), self.history.get("comparisons", {}), context.baselines,
        )

    def state(self, findings: Sequence[Finding]) -> dict[str, Any]:
        """Return what tomorrow's judgement starts from."""
        day = self.context.day
        return {
            "schema_version": 1,
            "day": day.isoformat(),
            "decided": decided(findings),
            "persist": remembered(self.breaches, day, self.history),
            "sequential": self.sequential.carried(),
            "comparisons": self.comparisons.carried(),
            "points": points(self.measurements, findings, day, self.history),
            **block_of(self.pool, self.decided, self.history),
        }

    def apply(self, rule: Rule) -> list[Finding]:
        """Return a finding for each measurement that the rule speaks about, or the one that there is none."""
        matched = [
            m
            for m in self.measurements
            if rule.matches(m.metric, m.over) or (m.metric == rule.metric and m.status != "measured" and not m.over)
        ]
        if not matched:
            title = catalogue()[rule.metric].title
            text = f"{title}: nothing was measured, so the rule '{rule.id}' could not be decided."
            return [
                Finding(
                    rule.id,
                    rule.metric,
                    {},
                    "error" if rule.required else "insufficient",
                    text,
                    rule.because,
                    rule.limit,
                    required=rule.required,
                    must_decide=rule.must_decide,
                    clauses=tuple(rule.clauses),
                )
            ]
        rejected = deciding.rejections(matched, rule) if rule.test == "bh" else {}
        return [self._decide(rule, m, rejected.get(i)) for i, m in enumerate(matched)]

    def _decide(self, rule: Rule, m: Measurement, rejection: Rejection | None) -> Finding:
        context, required = self.context, rule.required
        stands = standing(rule, m, self.pool, self.history) if m.status == "insufficient" else None
        details: dict[str, Any]
        if stands is not None and self.pool is not None:
            details = {
                "block": {"since": stands["since"], "through": stands["through"]},
                "pool": m.details["pool"],
                "estimate": m.details.get("estimate"),
            }
            m = Measurement(
                m.metric, m.over, stands["value"], stands["low"], stands["high"], stands["confidence"], None, stands["n"]
            )
            required = stands["required"]
            status, note = stands["status"], of_block(stands["note"], stands["since"], stands["through"], self.pool.needed)
        else:
            if m.status == "not_applicable":
                required = rule.must_decide  # nothing was measured; it does not weigh unless the policy says it must be decided
            m, outcome = self._one_night(rule, m, rejection)
            status, note, details = outcome.status, outcome.note, dict(outcome.details)
            required = required and outcome.weighs
            if status in ("pass", "warn", "fail", "severe") or not outcome.weighs:
                raw = status
                status, note = persisted(rule, m, context.day, self.history, self.breaches, outcome)
                if raw != status:
                    details["before"] = raw
                status, note = self._hardly_used(rule, m, status, note, details)
            if self.pool is not None and self.pool.closed and m.details.get("pool"):
                key = f"{series(rule.id, m.over)}|{rule.limit}"
                self.decided[key] = [status, m.value, m.low, m.high, m.confidence, m.n, note, required]
        mine = (w for w in context.waivers if w["rule"] == rule.id and (w.get("over") is None or w["over"] == m.over))
        waiver = next(mine, None)
        if waiver is not None and status in ("warn", "fail", "severe"):
            note = f"Waived by {waiver['by']} until {waiver['expires']} ({waiver['id']})."
            details.setdefault("before", status)
            status = "waived"
        text = sentence(m, rule, catalogue()[rule.metric], context.word)
        if note:
            text = f"{text} {note}"
        return Finding(
            rule.id,
            rule.metric,
            dict(m.over),
            status,
            text,
            rule.because,
            rule.limit,
            m.value,
            m.low,
            m.high,
            m.n,
            required,
            rule.must_decide,
            tuple(rule.clauses),
            note,
            details,
        )

    def _one_night(self, rule: Rule, m: Measurement, rejection: Rejection | None) -> tuple[Measurement, Outcome]:
        """Hold the measurement against the rule; the measurement comes back as what it is compared with makes it."""
        if m.status == "not_applicable":
            return m, Outcome("insufficient", "Does not apply to this model.", {})
        if m.status != "measured":
            return m, Outcome(m.status, "", {})
        if not deciding.possible(m):
            said = f"The check gave {m.value:.6g}, which this metric cannot be; its range is {catalogue()[rule.metric].range}."
            return m, Outcome("error", said, {})
        compared, trouble = deciding.against(rule, m, self.context.baselines)
        if trouble:
            return compared, Outcome("insufficient", trouble, deciding.smallest_effect(compared))
        if few := deciding.too_few(rule, compared):
            return compared, deciding.too_small(rule, compared, few)
        if rule.test == "sequential":
            return compared, self.sequential.outcome(rule, m)
        return compared, self.comparisons.weighed(rule, m, deciding.tested(rule, compared, rejection))

    def _hardly_used(
        self, rule: Rule, m: Measurement, status: FindingStatus, note: str, details: dict[str, Any]
    ) -> tuple[FindingStatus, str]:
        """Make a breach of a column that hardly decides anything a note; one whose weight is not known stays an alarm."""
        weight = self.context.importance.get(str(m.over.get("column")))
        least = rule.hardly_used_below
        before = details.get("before", status)
        if least is None or weight is None or weight >= least or before not in ("warn", "fail", "severe"):
            return status, note
        details.pop("before", None)
        details |= {"moved": before, "importance": weight}
        return "pass", hardly_used(weight)
