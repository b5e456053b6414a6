"""Sentences composed from data: what a verdict means, in words that need no statistics."""

from __future__ import annotations

from collections.abc import Mapping

from reports.numbers import figure, plural, tidy
from reports.source import Source
from reports.withholding import NO_NUMBER, NOTHING_SHOWN
from roadworthy.canonical import canonical_json
from roadworthy.catalogue import catalogue
from roadworthy.finding import ORDER, Finding
from roadworthy.policy import Limit
from roadworthy.sentences import part

_GAPS = {
    "fairness.true_positive_rate_difference": "deserve the favourable decision",
    "fairness.false_positive_rate_difference": "do not deserve the favourable decision",
}
_SAID = {
    "severe": ("is severe", "are severe"),
    "fail": ("fails", "fail"),
    "error": ("could not be decided", "could not be decided"),
    "insufficient": ("has too little data", "have too little data"),
    "warn": ("is a warning", "are warnings"),
    "waived": ("is waived", "are waived"),
}


def summary_of(counts: Mapping[str, int], beside: int = 0) -> str:
    """Say how many findings there are of each kind.

    Parameters
    ----------
    counts : mapping of str to int
        By status.
    beside : int, optional
        How many of the insufficient ones do not apply to the model at all.

    Examples
    --------
    >>> summary_of({"pass": 41, "warn": 2, "fail": 1})
    '41 of 44 findings pass, 1 fails, 2 are warnings.'
    >>> summary_of({"pass": 1, "insufficient": 2}, beside=1)
    '1 of 3 findings passes, 1 has too little data, 1 does not apply.'
    >>> summary_of({})
    'There are no findings.'
    """
    total = sum(counts.values())
    if not total:
        return "There are no findings."
    good = counts.get("pass", 0)
    text = f"{good:,} of {plural(total, 'finding')} {'passes' if good == 1 else 'pass'}"
    for status, (one, many) in _SAID.items():
        if n := counts.get(status, 0) - (beside if status == "insufficient" else 0):
            text += f", {n:,} {one if n == 1 else many}"
    if beside:
        text += f", {beside:,} {'does' if beside == 1 else 'do'} not apply"
    return text + "."


def decisive(source: Source) -> Finding | None:
    """Return the finding that the verdict names as its reason; else the worst, the required ones first; None if all pass."""
    told = [f for f in source.bundle.findings if f.status not in ("pass", "waived")]
    said = source.bundle.verdict.reason
    named = next((f for f in told if said.startswith(f.sentence)), None)
    return named or min(told, key=lambda f: (-ORDER.index(f.status), not f.required), default=None)


def masked(source: Source, text: str) -> str:
    """Return `text` with every sentence replaced that would show a number about fewer than ten people."""
    for finding in source.bundle.findings:
        if source.hides(finding.metric, finding.over, finding.n) and finding.sentence in text:
            where = part(finding.over, source.word)
            text = text.replace(
                finding.sentence, f"{catalogue()[finding.metric].title} ({where}): {NO_NUMBER}."
            )
    return tidy(text)


def plain_of(source: Source, finding: Finding | None) -> str:
    """Say what the decisive finding means, without words of statistics.

    Parameters
    ----------
    source : Source
    finding : Finding or None
        None if everything passes.
    """
    if finding is None:
        return "Everything that had to be checked is within its limits."
    metric = catalogue()[finding.metric]
    measured = source.measured.get((finding.metric, canonical_json(finding.over)))
    if finding.value is None and measured is not None and measured.reason:
        return tidy(measured.reason)
    if finding.status in ("error", "insufficient") or finding.value is None:
        known = "could not be looked at" if finding.status == "error" else "could not be settled: there is too little to go by"
        where = part(finding.over, source.word)
        title = metric.title if metric.title.isupper() else metric.title[0].lower() + metric.title[1:]
        return f"One thing that must be known {known}: {title}{f' ({where})' if where else ''}."
    if source.hides(finding.metric, finding.over, finding.n):
        return NOTHING_SHOWN
    value, where, limit = finding.value, part(finding.over, source.word), Limit.parse(finding.limit)
    absolute = source.against.get(finding.rule, "absolute") == "absolute"
    near = [e for e in (limit.at_least, limit.at_most) if e is not None]
    shown = figure(value, metric.unit, finding.low, finding.high, near)
    text = ""
    if finding.metric == "fairness.selection_rate_ratio" and absolute:
        share = f"about {round(100 * value)} of as many with {where} do"
        text = f"Where 100 people of the reference group get the favourable decision, {share}."
    elif finding.metric in ("performance.error_rate", "performance.day_error_rate") and absolute:
        when = "On the newest day whose outcomes are known, " if finding.metric.endswith("day_error_rate") else ""
        said = f"about {round(100 * value)} of 100 decisions were wrong."
        text = when + said if when else said.capitalize()
    elif finding.metric == "performance.accuracy" and absolute:
        text = f"About {round(100 * value)} of 100 decisions were right."
    elif finding.metric == "performance.roc_auc" and absolute:
        text = f"Shown one case of each kind, the model tells which is which about {round(100 * value)} times of 100."
    elif finding.metric == "performance.r2" and absolute:
        text = f"The model foresees about {max(0, round(100 * value))} % of the ups and downs."
    elif finding.metric in ("performance.mae", "performance.rmse") and absolute:
        text = f"On average the prediction is off by {shown}."
    elif finding.metric in _GAPS and absolute:
        more = "more" if value > 0 else "fewer"
        many = f"about {abs(round(100 * value))} {more} get it with {where}"
        text = f"Of 100 people who {_GAPS[finding.metric]}, {many} than in the reference group."
    elif finding.metric == "performance.bias" and absolute:
        text = f"On average the prediction is {shown.lstrip('−')} too {'low' if value < 0 else 'high'}."
    elif finding.metric == "drift.psi":
        text = f"The values of '{where}' are no longer spread as they were when the model was accepted."
    elif finding.metric == "drift.score_psi":
        text = "The model's scores are no longer spread as they were when it was accepted."
    elif finding.metric == "data_quality.expectation":
        text = f"The data are not what they have to be: {where}."
    crosses = (
        finding.status == "warn"
        and finding.low is not None
        and finding.high is not None
        and limit.holds(finding.low) != limit.holds(finding.high)
    )
    if crosses:
        text += " That is so close to the limit that the cases seen so far do not settle it."
    return text.strip()
