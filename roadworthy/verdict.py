"""The verdict: the one word that a run's findings add up to, and the columns that call for a closer look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from roadworthy.finding import ORDER, Finding, Verdict
from roadworthy.policy import When

NIGHT_EXIT = {"stop": 2, "undecided": 3, "breach": 1, "watch": 0, "clear": 0}
GATE_EXIT = {"undecided": 3, "no-go": 1, "conditional": 2, "go": 4}


def verdict_of(findings: Sequence[Finding], when: When) -> Verdict:
    """Return the one word that findings add up to: the worst wins.

    Notes
    -----
    Night: any severe is ``stop``; any required error ``undecided``; any fail ``breach``; any warn, required insufficient
    or other error ``watch``; else ``clear``. Gate: any required error, or a ``must_decide`` rule that was not decided,
    is ``undecided``; any fail or severe ``no-go``; any warn, required insufficient or other error ``conditional``; else ``go``.
    An error is a measurement that was tried and broke, or one that is not there though it is required. That a rule is not
    required makes such an error lighter and never silent: what broke may hide a breach, but does not take a model's lease.
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
    broken = [f for f in findings if f.status == "error" and not f.required]
    to_watch = [f for f in findings if f.status == "warn"] + [f for f in findings if f.status == "insufficient" and f.required]
    to_watch += broken
    night = (("stop", severe), ("undecided", required_error), ("breach", failed), ("watch", to_watch))
    gate = (("undecided", undecided), ("no-go", severe + failed), ("conditional", to_watch))
    best = "clear" if when == "nightly" else "go"
    word, why = next(((word, why) for word, why in (night if when == "nightly" else gate) if why), (best, []))
    reason = _reason(why, counts)
    if (word == best or list(why) == broken) and (missing := _no_ground(findings)):
        word, reason = "undecided", missing
    conditions = tuple(f.sentence for f in why) if word == "conditional" else ()
    return Verdict(when, word, reason, (NIGHT_EXIT if when == "nightly" else GATE_EXIT)[word], counts, conditions)


def alarmed(findings: Sequence[Finding]) -> list[str]:
    """Return the columns of which a finding of drift is a breach tonight, whatever persistence or a waiver made of it.

    A column that the model hardly uses is no alarm, and a finding that stands from an earlier block was looked at then.
    """
    bad = ("warn", "fail", "severe")
    return list(
        dict.fromkeys(
            str(f.over["column"])
            for f in findings
            if f.metric.startswith("drift.")
            and "column" in f.over
            and "block" not in f.details
            and (f.status in bad or f.details.get("before") in bad)
        )
    )


def decided(findings: Sequence[Finding]) -> bool:
    """Say whether at least one required rule was decided: a night on which none was has looked at nothing."""
    return any(f.required and f.status not in ("insufficient", "error") for f in findings)


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


def _reason(why: Sequence[Finding], counts: Mapping[str, int]) -> str:
    if why:
        more = len(why) - 1
        return why[0].sentence + (f" {more} more finding{'s' if more > 1 else ''} of that weight." if more else "")
    told, silent = counts["pass"] + counts["waived"], counts["insufficient"]
    text = "The only finding passes" if told == 1 else f"All {told} findings pass"
    if silent:
        verb = "passes" if told == 1 else "pass"
        text = f"{told} of {told + silent} findings {verb}; {silent} optional one{'s' if silent > 1 else ''} could not be decided"
    return f"{text}." + (f" {counts['waived']} of them by a waiver." if counts["waived"] else "")
