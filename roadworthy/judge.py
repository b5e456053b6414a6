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
    the number of rows that would decide. Less data than ``min``: insufficient.
``bh``
    Benjamini and Hochberg's procedure (1995) at ``alpha`` over every measurement the rule matches; a breach needs
    both a rejection and a value beyond the limit, so a tiny shift of a huge table does not alarm.
``sequential``
    A test by betting on the losses of each newly matured day (`roadworthy.nights`): a breach once the evidence reaches
    ``1/alpha``, which under the limit happens with probability at most ``alpha`` over the life of the version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from roadworthy.canonical import canonical_json
from roadworthy.catalogue import catalogue
from roadworthy.finding import ORDER, Finding, FindingStatus, Verdict
from roadworthy.measurement import Measurement
from roadworthy.nights import LossDay, Wealth, bet
from roadworthy.policy import Policy, Rule, When
from roadworthy.sentences import rows_that_would_decide, sentence

if TYPE_CHECKING:
    from roadworthy.evidence import Bundle

JUDGE_VERSION = "1"
REMEMBERED_NIGHTS = 30
REMEMBERED_SERIES = 400

NIGHT_EXIT = {"stop": 2, "undecided": 3, "breach": 1, "watch": 0, "clear": 0}
GATE_EXIT = {"undecided": 3, "no-go": 1, "conditional": 2, "go": 4}

_LOWER: dict[FindingStatus, FindingStatus] = {"severe": "warn", "fail": "warn", "warn": "pass"}


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
    """

    tier: Any
    task: str
    when: When
    day: date
    waivers: Sequence[Mapping[str, Any]] = ()
    history: Mapping[str, Any] = field(default_factory=dict)
    baselines: Mapping[str, Sequence[Measurement]] = field(default_factory=dict)
    glossary: Mapping[str, str] = field(default_factory=dict)

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
        tomorrow's judgement starts from.
    """
    findings: list[Finding] = []
    nights: dict[str, list[list[Any]]] = {}
    wealth: dict[str, dict[str, Any]] = dict(context.history.get("wealth", {}))
    for rule in policy.rules_for(context.tier, context.task, context.when):
        findings += _apply(rule, measurements, context, nights, wealth)
    today = context.day.isoformat()
    for key, earlier in context.history.get("persist", {}).items():  # a night without a decision forgets nothing
        nights.setdefault(key, [night for night in earlier if night[0] < today])
    findings.sort(key=lambda f: (-ORDER.index(f.status), f.rule, canonical_json(f.over)))
    state = {
        "schema_version": 1,
        "day": today,
        "persist": nights,
        "wealth": wealth,
        "points": _points(measurements, findings, context),
    }
    return Judgement(findings, verdict_of(findings, context.when), state)


def verdict_of(findings: Sequence[Finding], when: When) -> Verdict:
    """Return the one word that findings add up to: the worst wins.

    Notes
    -----
    Night: any severe is ``stop``; any required error ``undecided``; any fail ``breach``; any warn or required
    insufficient ``watch``; else ``clear``. Gate: any required error, or a ``must_decide`` rule without enough data,
    is ``undecided``; any fail or severe ``no-go``; any warn or required insufficient ``conditional``; else ``go``.
    """
    counts: dict[str, int] = {status: sum(f.status == status for f in findings) for status in ORDER}
    required_error = [f for f in findings if f.status == "error" and f.required]
    thin = [f for f in findings if f.status == "insufficient" and f.required]
    severe = [f for f in findings if f.status == "severe"]
    failed = [f for f in findings if f.status == "fail"]
    warned = [f for f in findings if f.status == "warn"]
    if not findings:
        word = "undecided"
        return Verdict(when, word, "No rule of the policy speaks about this model, so nothing was decided.", 3, counts)
    if when == "nightly":
        word, why = next(
            (
                (word, found)
                for word, found in (("stop", severe), ("undecided", required_error), ("breach", failed), ("watch", warned + thin))
                if found
            ),
            ("clear", []),
        )
        return Verdict(when, word, _reason(why, counts), NIGHT_EXIT[word], counts)
    undecided = required_error + [f for f in findings if f.status == "insufficient" and f.must_decide]
    word, why = next(
        (
            (word, found)
            for word, found in (("undecided", undecided), ("no-go", severe + failed), ("conditional", warned + thin))
            if found
        ),
        ("go", []),
    )
    conditions = tuple(f.sentence for f in warned + thin) if word == "conditional" else ()
    return Verdict(when, word, _reason(why, counts), GATE_EXIT[word], counts, conditions)


def rejudge(bundle: Bundle) -> Judgement:
    """Judge a recorded run again, from its bundle alone."""
    policy = Policy.model_validate(bundle.run["policy"]["content"])
    return judge(bundle.measurements, policy, Context.from_dict(bundle.inputs["context"]))


def _reason(why: Sequence[Finding], counts: Mapping[str, int]) -> str:
    if why:
        more = len(why) - 1
        return why[0].sentence + (f" {more} more finding{'s' if more > 1 else ''} of that weight." if more else "")
    told = sum(n for status, n in counts.items() if status in ("pass", "waived"))
    return f"All {told} findings pass." + (f" {counts['waived']} of them by a waiver." if counts["waived"] else "")


def _apply(
    rule: Rule,
    measurements: Sequence[Measurement],
    context: Context,
    nights: dict[str, list[list[Any]]],
    wealth: dict[str, dict[str, Any]],
) -> list[Finding]:
    matched = [
        m
        for m in measurements
        if rule.matches(m.metric, m.over) or (m.metric == rule.metric and m.status != "measured" and not m.over)
    ]
    if not matched:
        title = catalogue()[rule.metric].title
        text = f"{title}: nothing was measured, so the rule '{rule.id}' could not be decided."
        status: FindingStatus = "error" if rule.required else "insufficient"
        return [
            Finding(
                rule.id,
                rule.metric,
                {},
                status,
                text,
                rule.because,
                rule.limit,
                required=rule.required,
                must_decide=rule.must_decide,
                clauses=tuple(rule.clauses),
            )
        ]
    rejected = _benjamini_hochberg(matched, rule) if rule.test == "bh" else {}
    return [_decide(rule, m, context, nights, wealth, rejected.get(i)) for i, m in enumerate(matched)]


def _benjamini_hochberg(matched: Sequence[Measurement], rule: Rule) -> dict[int, tuple[bool, float]]:
    """Return for each measured index whether it is rejected, and its adjusted p-value."""
    tested = sorted((m.p_value, i) for i, m in enumerate(matched) if m.status == "measured" and m.p_value is not None)
    found: dict[int, tuple[bool, float]] = {}
    adjusted = 1.0
    for rank in range(len(tested), 0, -1):
        p, index = tested[rank - 1]
        adjusted = min(adjusted, p * len(tested) / rank)
        found[index] = (adjusted <= (rule.alpha or 0.0), adjusted)
    return found


def _decide(
    rule: Rule,
    m: Measurement,
    context: Context,
    nights: dict[str, list[list[Any]]],
    wealth: dict[str, dict[str, Any]],
    rejection: tuple[bool, float] | None,
) -> Finding:
    metric, required, note = catalogue()[rule.metric], rule.required, ""
    details: dict[str, Any] = {}
    status: FindingStatus
    if m.status == "error":
        status = "error"
    elif m.status == "insufficient":
        status = "insufficient"
    elif m.status == "not_applicable":
        # It cannot pass, because nothing was measured; it does not weigh either, unless the policy says it must be decided.
        status, required, note = "insufficient", rule.must_decide, "Does not apply to this model."
    else:
        m, trouble = _against(rule, m, context)
        if trouble:
            status, note = "insufficient", trouble
        elif short := _too_few(rule, m):
            status, note = "insufficient", short
        elif rule.test == "sequential":
            status, note, details = _sequential(rule, m, wealth)
        else:
            status, note, details = _test(rule, m, rejection)
    raw = status
    if status in ("pass", "warn", "fail", "severe") and rule.persist is not None:
        status, note = _persisted(rule, m, context, nights, status, note)
    waiver = next((w for w in context.waivers if w["rule"] == rule.id and (w.get("over") is None or w["over"] == m.over)), None)
    if waiver is not None and status in ("warn", "fail", "severe"):
        note = f"Waived by {waiver['by']} until {waiver['expires']} ({waiver['id']})."
        status = "waived"
    if raw != status:
        details["before"] = raw
    text = sentence(m, rule, metric, context.word)
    if note and (status in ("warn", "insufficient", "waived") or rule.test == "sequential"):
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


def _against(rule: Rule, m: Measurement, context: Context) -> tuple[Measurement, str]:
    """Return the measurement as a difference from its baseline, with the widest interval the two allow."""
    if rule.against == "absolute":
        return m, ""
    base = next(
        (
            b
            for b in context.baselines.get(rule.against, ())
            if b.metric == m.metric and dict(b.over) == dict(m.over) and b.value is not None
        ),
        None,
    )
    if base is None or base.value is None or m.value is None:
        return m, f"There is no number of the {rule.against} to compare with."
    low = high = None
    if m.low is not None and m.high is not None and base.low is not None and base.high is not None:
        low, high = m.low - base.high, m.high - base.low
    return Measurement(
        m.metric,
        m.over,
        m.value - base.value,
        low,
        high,
        m.confidence,
        m.p_value,
        m.n,
        m.stats,
        f"{m.method}; minus {rule.against} {base.value:.6g}",
        m.inputs,
    ), ""


def _too_few(rule: Rule, m: Measurement) -> str:
    wants = rule.min
    have = {"n": m.n, "positives": m.stats.get("positives"), "negatives": m.stats.get("negatives")}
    words = {"n": "rows", "positives": "cases with the outcome or decision", "negatives": "cases without it"}
    for name, least in (("n", wants.n), ("positives", wants.positives), ("negatives", wants.negatives)):
        got = have[name]
        if least and (got is None or got < least):
            return f"Too few {words[name]} to decide: {0 if got is None else int(got):,} of {least:,} needed."
    return ""


def _test(rule: Rule, m: Measurement, rejection: tuple[bool, float] | None) -> tuple[FindingStatus, str, dict[str, Any]]:
    limit = rule.parsed
    value = m.value
    if value is None:
        raise ValueError("a measured measurement has a value")
    if rule.test == "exact":
        return ("pass" if limit.holds(value) else rule.breach), "", {}
    if rule.test == "bh":
        if rejection is None:
            return "error", "The check gave no p-value for a rule that needs one.", {}
        flagged, adjusted = rejection
        return (rule.breach if flagged and not limit.holds(value) else "pass"), "", {"adjusted_p": adjusted}
    if m.low is None or m.high is None:
        return "error", "The check gave no interval for a rule that needs one.", {}
    if limit.holds(m.low) and limit.holds(m.high):
        return "pass", "", {}
    below = limit.at_least is not None and m.high < limit.at_least
    above = limit.at_most is not None and m.low > limit.at_most
    if below or above:
        return rule.breach, "", {}
    needed = rows_that_would_decide(m, limit, m.stats.get("scale") == "log")
    if needed is None or m.n is None or needed <= m.n:
        return "warn", "The interval crosses the limit.", {}
    return (
        "warn",
        f"The interval crosses the limit; about {needed:,} rows of this kind would decide.",
        {"rows_that_would_decide": needed},
    )


def _sequential(rule: Rule, m: Measurement, wealth: dict[str, dict[str, Any]]) -> tuple[FindingStatus, str, dict[str, Any]]:
    """Let newly matured days enter the test and say whether the evidence against the limit is enough.

    The limit is part of the key: another limit is another hypothesis and starts without evidence.
    """
    days = [
        LossDay(str(day), tuple((float(loss), int(count)) for loss, count in counts)) for day, counts in m.stats.get("days", ())
    ]
    at_most = rule.parsed.at_most
    if at_most is None or rule.alpha is None:
        raise ValueError(f"rule {rule.id}: a sequential rule has an upper limit and alpha")
    key = f"{_key(rule.id, m.over)}|{rule.limit}"
    before = Wealth.from_dict(wealth[key]) if key in wealth else Wealth()
    after = bet(before, days, at_most, bool(m.stats.get("by_day")))
    wealth[key] = after.as_dict()
    evidence, needed = after.e_value, 1 / rule.alpha
    details = {"e_value": evidence, "needed": needed, "through": after.through, "rows": after.n}
    if after.n == 0:
        return "insufficient", "No label has matured yet.", details
    if evidence >= needed:
        return (
            rule.breach,
            f"Evidence against the limit over {after.n:,} mature rows: {evidence:,.0f} to 1; {needed:,.0f} to 1 stops.",
            details,
        )
    return "pass", "", details


def _key(rule: str, over: Mapping[str, Any]) -> str:
    return f"{rule}|{canonical_json(over).decode()}"


def _persisted(
    rule: Rule, m: Measurement, context: Context, nights: dict[str, list[list[Any]]], status: FindingStatus, note: str
) -> tuple[FindingStatus, str]:
    """Remember tonight and lower a breach that has not stood long enough."""
    if rule.persist is None:
        return status, note
    key, today = _key(rule.id, m.over), context.day.isoformat()
    breached = status == rule.breach
    earlier = [night for night in context.history.get("persist", {}).get(key, []) if night[0] < today]
    nights[key] = ([*earlier, [today, breached]])[-REMEMBERED_NIGHTS:]
    stood = sum(bool(b) for _, b in nights[key][-rule.persist.of :])
    if not breached or stood >= rule.persist.nights:
        return status, note
    return _LOWER[status], f"Seen on {stood} of the last {rule.persist.of} nights; it counts from {rule.persist.nights} on."


def _points(measurements: Sequence[Measurement], findings: Sequence[Finding], context: Context) -> dict[str, list[list[Any]]]:
    """Carry the last nights of every judged series forward, so that a trend needs one predecessor and not a year of bundles."""
    judged = {(f.metric, canonical_json(f.over)) for f in findings}
    today = context.day.isoformat()
    before = context.history.get("points", {})
    found: dict[str, list[list[Any]]] = {}
    for m in measurements:
        where = (m.metric, canonical_json(m.over))
        if m.value is None or where not in judged or len(found) >= REMEMBERED_SERIES:
            continue
        key = _key(*(m.metric, m.over))
        earlier = [point for point in before.get(key, []) if point[0] < today]
        found[key] = ([*earlier, [today, m.value, m.low, m.high]])[-REMEMBERED_NIGHTS:]
    for key, points in before.items():  # a series that was not measured tonight keeps its past
        kept = [point for point in points if point[0] < today]
        if key not in found and len(found) < REMEMBERED_SERIES and kept:
            found[key] = kept
    return found
