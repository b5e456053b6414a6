"""Who must act next, and what to type.

Composed from the verdict and the recorded state; nobody types a sentence about one model.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from reports.parts import Duty, Kind, Person

#: What each word of a verdict says to a reader who never heard it, and its shape and colour.
VERDICTS: dict[str, tuple[str, Kind]] = {
    "clear": ("Clear: nothing to do", "pass"),
    "watch": ("Watch: in service, with a warning", "warn"),
    "breach": ("Breach: a rule is broken", "fail"),
    "undecided": ("Undecided: it could not be judged", "error"),
    "stop": ("Stop: off the road", "fail"),
    "go": ("Go", "pass"),
    "conditional": ("Go, with conditions", "warn"),
    "no-go": ("No-go", "fail"),
}

SWITCH: dict[str, tuple[str, Kind]] = {
    "active": ("On", "pass"),
    "degraded": ("Degraded: the fallback answers part of the requests", "warn"),
    "quarantined": ("Quarantined: the fallback answers", "fail"),
    "disabled": ("Switched off", "fail"),
}

#: What each role is there for, printed on the card.
ROLE_DUTIES = {
    "owner": "Accountable for the use and its outcomes.",
    "guardian": "Approves each release; alone may switch back on.",
    "operator": "Runs it; may stop it.",
}


def people_of(run: Mapping[str, Any], inputs: Mapping[str, Any]) -> list[Person]:
    """Return owner, guardian and operator; someone missing from the evidence keeps the id of the passport."""
    known = inputs.get("people", {})
    found = []
    for role, duty in ROLE_DUTIES.items():
        person = known.get(role, {})
        found.append(Person(role=role, name=person.get("name") or run["passport"]["roles"][role], team=person.get("team", ""), duty=duty))
    return found


def verdict_title(word: str, switch: str, release: str, conditions: int = 0) -> tuple[str, Kind]:
    """Return the verdict in words.

    Examples
    --------
    >>> verdict_title("stop", "active", "live"), verdict_title("conditional", "active", "candidate", 1)
    (('Stop: must not serve', 'fail'), ('Go, with one condition', 'warn'))
    """
    title, kind = VERDICTS.get(word, (word, "none"))
    if word == "stop" and switch not in ("disabled", "quarantined"):
        title = "Stop: must not serve"
    if word == "watch" and release != "live":
        title = "Watch: a warning"
    if word == "conditional" and conditions:
        title = "Go, with one condition" if conditions == 1 else f"Go, with {conditions} conditions"
    if word == "go":
        title = "Go, approved" if release in ("approved", "live") else "Go, waiting for signatures"
    return title, kind


def duties_of(run: Mapping[str, Any], people: list[Person], word: str, switch: str, release: str) -> list[Duty]:
    """Return who does what next, the first first.

    Parameters
    ----------
    run : mapping
        ``run.json``.
    people : list of Person
    word : str
        The verdict.
    switch, release : str
        Recorded states.
    """
    by = {person.role: person for person in people}
    model, version, day = shlex.quote(run["model"]), shlex.quote(run["version"]), shlex.quote(run["day"])

    def duty(role: str, what: str, command: str = "", urgent: bool = True) -> Duty:
        return Duty(role=role, who=by[role].name, team=by[role].team, what=what, command=command, urgent=urgent)

    approve = f"roadworthy approve {model} {version} --as {shlex.quote(run['passport']['roles']['guardian'])} --reason '...'"
    reject = approve.replace("approve", "reject", 1)
    rerun = f"roadworthy nightly --date {day} --model {model}" if run["when"] == "nightly" else f"roadworthy gate {model} {version}"
    stop = f"roadworthy switch stop {model} --reason '...'"
    off = switch in ("disabled", "quarantined")
    if word == "stop":
        first = (
            duty("operator", "It is off and stays off. Make sure that every place that serves it knows.", f"roadworthy switch status {model}")
            if off else duty("operator", "Take it off the road: the switch does not say that it is off.", stop)
        )
        return [
            first,
            duty("owner", "Decide with the Guardian what replaces it, and have the cause found.", f"roadworthy gate {model} {version}"),
            duty("guardian", "It may only come back after a green gate, by your signature.", f"roadworthy switch enable {model} --reason '...'"),
        ]
    found: list[Duty] = []
    if word == "undecided":
        found.append(duty("operator", "Mend what kept it from being judged, then run the inspection again.", rerun))
    elif word == "breach":
        found.append(duty("owner", "Decide whether it may go on: repair it, replace it, or ask the Guardian for a waiver.", "" if off else stop))
        found.append(duty("guardian", "Grant a waiver with an end date, or have it taken off the road.", "" if off else stop))
    elif word == "watch":
        found.append(duty("owner", "Read the warning. It goes on serving; nothing has to be done tonight.", urgent=False))
    elif word == "go" and release not in ("approved", "live"):
        found.append(duty("guardian", "Read this report, then approve the release or reject it.", approve))
    elif word == "conditional":
        found.append(duty("guardian", "Decide whether the conditions are enough, then approve the release or reject it.", approve))
        found.append(duty("owner", "Meet the conditions below and say by when.", urgent=False))
    elif word == "no-go":
        found.append(duty("owner", "Have the failed checks mended and submit a new version.", urgent=True))
        found.append(duty("guardian", "Reject this candidate.", reject, urgent=False))
    if off:
        found.append(duty("guardian", "It is switched off. It may only come back after a green gate, by your signature.",
                          f"roadworthy switch enable {model} --reason '...'"))
    elif switch == "degraded":
        found.append(duty("operator", "It serves in part. Check why, and whether that still holds.", f"roadworthy switch status {model}"))
    return found
