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
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

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
FORGOTTEN_AFTER_DAYS = 366  # a breach that has not been looked at again for a year says nothing about tonight
ROUNDING = 1e-9  # how far a sum of floating-point numbers may stray over the edge of its metric's range

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
    importance : mapping of str to float
        Part of the score that each column decides, at most; a column that is not named is taken to matter.
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
    findings: list[Finding] = []
    nights: dict[str, list[list[Any]]] = {}
    wealth: dict[str, dict[str, Any]] = dict(context.history.get("wealth", {}))
    for rule in policy.rules_for(context.tier, context.task, context.when):
        findings += _apply(rule, measurements, context, nights, wealth)
    findings.sort(key=lambda f: (-ORDER.index(f.status), f.rule, canonical_json(f.over)))
    state = {
        "schema_version": 1,
        "day": context.day.isoformat(),
        "persist": _remembered(nights, context),
        "wealth": wealth,
        "points": _points(measurements, findings, context),
    }
    return Judgement(findings, verdict_of(findings, context.when), state)


def verdict_of(findings: Sequence[Finding], when: When) -> Verdict:
    """Return the one word that findings add up to: the worst wins.

    Notes
    -----
    Night: any severe is ``stop``; any required error ``undecided``; any fail ``breach``; any warn or required
    insufficient ``watch``; else ``clear``. Gate: any required error, or a ``must_decide`` rule that was not decided,
    is ``undecided``; any fail or severe ``no-go``; any warn or required insufficient ``conditional``; else ``go``.
    Where nothing was decided, because nothing applies or all that could not be measured is not required, the word is
    ``undecided`` and not the best one: missing is never passing. So it is where only estimates of performance pass.
    """
    counts: dict[str, int] = {status: sum(f.status == status for f in findings) for status in ORDER}
    if not findings:
        return Verdict(when, "undecided", "No rule of the policy speaks about this model, so nothing was decided.", 3, counts)
    required_error = [f for f in findings if f.status == "error" and f.required]
    undecided = required_error + [f for f in findings if f.status == "error" and f.must_decide and not f.required]
    undecided += [f for f in findings if f.status == "insufficient" and f.must_decide]
    severe = [f for f in findings if f.status == "severe"]
    failed = [f for f in findings if f.status == "fail"]
    to_watch = [f for f in findings if f.status == "warn"] + [f for f in findings if f.status == "insufficient" and f.required]
    night = (("stop", severe), ("undecided", required_error), ("breach", failed), ("watch", to_watch))
    gate = (("undecided", undecided), ("no-go", severe + failed), ("conditional", to_watch))
    best = "clear" if when == "nightly" else "go"
    word, why = next(((word, why) for word, why in (night if when == "nightly" else gate) if why), (best, []))
    reason = _reason(why, counts)
    if word == best and (missing := _no_ground(findings)):
        word, reason = "undecided", missing
    conditions = tuple(f.sentence for f in why) if word == "conditional" else ()
    return Verdict(when, word, reason, (NIGHT_EXIT if when == "nightly" else GATE_EXIT)[word], counts, conditions)


def _no_ground(findings: Sequence[Finding]) -> str:
    """Say why these findings are no ground for the best word; empty if they are one.

    An estimate of performance supposes that the outcome still hangs together with the score as it did. It may warn, but what
    only estimates vouch for has not been looked at.
    """
    good = [f for f in findings if f.status in ("pass", "waived")]
    if not good:
        return f"Nothing could be decided: of {len(findings)} findings none passes."
    if all(f.metric.startswith("estimate.") for f in good):
        return "Only estimates of performance pass; they suppose that the world is as it was, so nothing was decided."
    return ""


def alarmed(findings: Sequence[Finding]) -> list[str]:
    """Return the columns of which a finding of drift is a breach tonight, whatever persistence or a waiver made of it."""
    bad = ("warn", "fail", "severe")
    return list(
        dict.fromkeys(
            str(f.over["column"])
            for f in findings
            if f.metric.startswith("drift.") and "column" in f.over and (f.status in bad or f.details.get("before") in bad)
        )
    )


def rejudge(bundle: Bundle) -> Judgement:
    """Judge a recorded run again, from its bundle alone."""
    policy = Policy.model_validate(bundle.run["policy"]["content"])
    return judge(bundle.measurements, policy, Context.from_dict(bundle.inputs["context"]))


def _reason(why: Sequence[Finding], counts: Mapping[str, int]) -> str:
    if why:
        more = len(why) - 1
        return why[0].sentence + (f" {more} more finding{'s' if more > 1 else ''} of that weight." if more else "")
    told, silent = counts["pass"] + counts["waived"], counts["error"] + counts["insufficient"]
    text = "The only finding passes" if told == 1 else f"All {told} findings pass"
    if silent:
        verb = "passes" if told == 1 else "pass"
        text = f"{told} of {told + silent} findings {verb}; {silent} optional one{'s' if silent > 1 else ''} could not be decided"
    return f"{text}." + (f" {counts['waived']} of them by a waiver." if counts["waived"] else "")


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


def _possible(m: Measurement) -> bool:
    """Say whether the value lies in its metric's range; one that does not is a defect of the check, not a fact."""
    low, high = catalogue()[m.metric].range
    return m.value is not None and (low is None or m.value >= low - ROUNDING) and (high is None or m.value <= high + ROUNDING)


def _benjamini_hochberg(matched: Sequence[Measurement], rule: Rule) -> dict[int, tuple[bool, float]]:
    """Return for each index that can be tested whether it is rejected, and its adjusted p-value."""
    tested = sorted(
        (m.p_value, i)
        for i, m in enumerate(matched)
        if m.status == "measured" and m.p_value is not None and _possible(m) and not _too_few(rule, m)
    )
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
    breached = False
    status: FindingStatus
    if m.status == "error":
        status = "error"
    elif m.status == "insufficient":
        status = "insufficient"
    elif m.status == "not_applicable":
        # It cannot pass, because nothing was measured; it does not weigh either, unless the policy says it must be decided.
        status, required, note = "insufficient", rule.must_decide, "Does not apply to this model."
    elif not _possible(m):
        status, note = "error", f"The check gave {m.value:.6g}, which this metric cannot be; its range is {metric.range}."
    else:
        m, trouble = _against(rule, m, context)
        if trouble:
            status, note = "insufficient", trouble
        elif short := _too_few(rule, m):
            status, note = "insufficient", short
        elif rule.test == "sequential":
            status, note, details, breached = _sequential(rule, m, wealth)
        else:
            status, note, details, breached = _test(rule, m, rejection)
    raw = status
    if status in ("pass", "warn", "fail", "severe") and rule.persist is not None:
        status, note = _persisted(rule, m, context, nights, _Outcome(status, note, details, breached))
    waiver = next((w for w in context.waivers if w["rule"] == rule.id and (w.get("over") is None or w["over"] == m.over)), None)
    if waiver is not None and status in ("warn", "fail", "severe"):
        note = f"Waived by {waiver['by']} until {waiver['expires']} ({waiver['id']})."
        status = "waived"
    if raw != status:
        details["before"] = raw
    text = sentence(m, rule, metric, context.word)
    if note and (status in ("warn", "insufficient", "waived", "error") or rule.test == "sequential"):
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
        {name: value for name, value in m.stats.items() if name != "scale"},  # a difference of two ratios has no logarithm
        f"{m.method}; minus {rule.against} {base.value:.6g}",
        m.inputs,
    ), ""


def _too_few(rule: Rule, m: Measurement) -> str:
    wants = rule.min
    have = {"n": m.n, "positives": m.stats.get("positives"), "negatives": m.stats.get("negatives")}
    words = {"n": "rows", "positives": "cases with the outcome or decision", "negatives": "cases without it"}
    for name, least in (("n", wants.n), ("positives", wants.positives), ("negatives", wants.negatives)):
        got = have[name]
        counted = got if isinstance(got, int | float) else 0
        if counted < least:
            return f"Too few {words[name]} to decide: {int(counted):,} of {least:,} needed."
    return ""


class _Outcome(NamedTuple):
    """What a test says; `breached` tells a breach of weight ``warn`` from an interval that merely crosses the limit."""

    status: FindingStatus
    note: str
    details: dict[str, Any]
    breached: bool = False


def _test(rule: Rule, m: Measurement, rejection: tuple[bool, float] | None) -> _Outcome:
    limit = rule.parsed
    value = m.value
    if value is None:
        raise ValueError("a measured measurement has a value")
    if rule.test == "exact":
        return _held(rule, limit.holds(value))
    if rule.test == "bh":
        if rejection is None:
            return _Outcome("error", "The check gave no p-value for a rule that needs one.", {})
        flagged, adjusted = rejection
        return _held(rule, limit.holds(value) or not flagged, adjusted_p=adjusted)
    if m.low is None or m.high is None:
        return _Outcome("error", "The check gave no interval for a rule that needs one.", {})
    if limit.holds(m.low) and limit.holds(m.high):
        return _held(rule, True)
    if limit.excludes(m.low, m.high):
        return _held(rule, False)
    needed = rows_that_would_decide(m, limit, m.stats.get("scale") == "log")
    if needed is None or m.n is None or needed <= m.n:
        return _Outcome("warn", "The interval crosses the limit.", {})
    note = f"The interval crosses the limit; about {needed:,} rows of this kind would decide."
    return _Outcome("warn", note, {"rows_that_would_decide": needed})


def _held(rule: Rule, holds: bool, **details: Any) -> _Outcome:
    return _Outcome("pass" if holds else rule.breach, "", details, not holds)


def _sequential(rule: Rule, m: Measurement, wealth: dict[str, dict[str, Any]]) -> _Outcome:
    """Let newly matured days enter the test and say whether the evidence against the limit is enough.

    The limit is part of the key: another limit is another hypothesis and starts without evidence.
    """
    at_most = rule.parsed.at_most
    if at_most is None or rule.alpha is None:
        raise ValueError(f"rule {rule.id}: a sequential rule has an upper limit and alpha")
    key = f"{_key(rule.id, m.over)}|{rule.limit}"
    before = Wealth.from_dict(wealth[key]) if key in wealth else Wealth()
    try:
        days = [LossDay(str(day), tuple((float(loss), int(n)) for loss, n in counts)) for day, counts in m.stats["days"]]
        after = bet(before, days, at_most, bool(m.stats.get("by_day")))
    except (KeyError, TypeError, ValueError):
        return _Outcome("error", "The check gave no losses by day for a rule that needs them.", {})
    wealth[key] = after.as_dict()
    evidence, needed = after.e_value, 1 / rule.alpha
    details = {"e_value": evidence, "needed": needed, "through": after.through, "rows": after.n}
    if after.n == 0:
        return _Outcome("insufficient", "No label has matured yet.", details)
    if evidence >= needed:
        note = f"Evidence against the limit over {after.n:,} mature rows: {evidence:,.0f} to 1; {needed:,.0f} to 1 stops."
        return _Outcome(rule.breach, note, details, breached=True)
    return _Outcome("pass", "", details)


def _key(rule: str, over: Mapping[str, Any]) -> str:
    return f"{rule}|{canonical_json(over).decode()}"


def _persisted(
    rule: Rule, m: Measurement, context: Context, nights: dict[str, list[list[Any]]], outcome: _Outcome
) -> tuple[FindingStatus, str]:
    """Remember tonight and lower a breach that has not stood long enough."""
    if rule.persist is None:
        return outcome.status, outcome.note
    key, today = _key(rule.id, m.over), context.day.isoformat()
    seen = nights.get(key, [])  # a part measured twice tonight is breached if either says so
    earlier = [night for night in context.history.get("persist", {}).get(key, []) if night[0] < today]
    nights[key] = ([*earlier, [today, outcome.breached or any(b for d, b in seen if d == today)]])[-REMEMBERED_NIGHTS:]
    stood = sum(bool(b) for _, b in nights[key][-rule.persist.of :])
    if not outcome.breached or stood >= rule.persist.nights:
        return outcome.status, outcome.note
    note = f"Seen on {stood} of the last {rule.persist.of} nights; it counts from {rule.persist.nights} on."
    return _LOWER[outcome.status], note


def _remembered(nights: Mapping[str, list[list[Any]]], context: Context) -> dict[str, list[list[Any]]]:
    """Return what tomorrow must know of breaches: nights before a series' first breach count for nothing and are dropped."""
    today = context.day.isoformat()
    oldest = (context.day - timedelta(days=min(FORGOTTEN_AFTER_DAYS, context.day.toordinal() - 1))).isoformat()
    # A night without a decision forgets nothing.
    kept = {key: [night for night in past if night[0] < today] for key, past in context.history.get("persist", {}).items()}
    found = {}
    for key, past in {**kept, **nights}.items():
        first = next((i for i, (_, breached) in enumerate(past) if breached), None)
        if first is not None and past[-1][0] >= oldest:
            found[key] = past[first:]
    return found


def _points(measurements: Sequence[Measurement], findings: Sequence[Finding], context: Context) -> dict[str, list[list[Any]]]:
    """Carry the last nights of every judged series forward, so that a trend needs one predecessor and not a year of bundles."""
    judged = {(f.metric, canonical_json(f.over)) for f in findings}
    today = context.day.isoformat()
    before = context.history.get("points", {})
    found: dict[str, list[list[Any]]] = {}
    for m in sorted(measurements, key=lambda m: bool(m.over)):  # the model as a whole comes before its parts
        where = (m.metric, canonical_json(m.over))
        if m.value is None or where not in judged or len(found) >= REMEMBERED_SERIES or not _possible(m):
            continue
        key = _key(*(m.metric, m.over))
        earlier = [point for point in before.get(key, []) if point[0] < today]
        found[key] = ([*earlier, [today, m.value, m.low, m.high]])[-REMEMBERED_NIGHTS:]
    for key, points in before.items():  # a series that was not measured tonight keeps its past
        kept = [point for point in points if point[0] < today]
        if key not in found and len(found) < REMEMBERED_SERIES and kept:
            found[key] = kept
    return found
