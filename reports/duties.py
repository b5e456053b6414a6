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

_WORDS = dict(enumerate(("two", "three", "four", "five", "six", "seven", "eight", "nine"), 2))

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
        found.append(
            Person(role=role, name=person.get("name") or run["passport"]["roles"][role], team=person.get("team", ""), duty=duty)
        )
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
        title = "Stop: only the fallback may answer" if switch == "degraded" else "Stop: must not serve"
    if word == "watch" and release != "live":
        title = "Watch: a warning"
    if word == "conditional" and conditions:
        title = "Go, with one condition" if conditions == 1 else f"Go, with {_WORDS.get(conditions, str(conditions))} conditions"
    if word == "go":
        title = "Go, approved" if release in ("approved", "live") else "Go, waiting for signatures"
    return title, kind


def duties_of(
    run: Mapping[str, Any], people: list[Person], word: str, switch: str, release: str, address: str = "ADDRESS"
) -> list[Duty]:
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
    address : str
        Of this run's evidence; a green gate is named by it.
    """
    by = {person.role: person for person in people}
    ids = run["passport"]["roles"]
    model, version, day = shlex.quote(run["model"]), shlex.quote(run["version"]), shlex.quote(run["day"])

    def duty(role: str, what: str, command: str = "", urgent: bool = True) -> Duty:
        return Duty(role=role, who=by[role].name, team=by[role].team, what=what, command=command, urgent=urgent)

    nightly = run["when"] == "nightly"
    gate = f"roadworthy gate {model} {version}"
    rerun = f"roadworthy nightly --date {day} --model {model}" if nightly else gate
    status = f"roadworthy switch status {model}"
    green = address if word == "go" else "ADDRESS"
    enable = (
        f"roadworthy switch enable {model} {version} --requested-by {shlex.quote(ids['owner'])} "
        f"--approved-by {shlex.quote(ids['guardian'])} --evidence {green} --reason '...'"
    )

    def stop(role: str) -> str:
        return f"roadworthy switch stop {model} --version {version} --as {shlex.quote(ids[role])} --reason '...'"

    off = switch in ("disabled", "quarantined")
    found: list[Duty] = []
    if word == "stop":
        if off:
            found.append(duty("operator", "It is off and stays off. Make sure that every place that serves it knows.", status))
        elif switch == "degraded":
            what = "Its fallback answers, as the policy asks for the first such night. Another one takes it off the road."
            found.append(duty("operator", what, status))
        else:
            found.append(duty("operator", "Take it off the road: the switch does not say that it is off.", stop("operator")))
        found.append(
            duty("owner", "Decide with the Guardian what replaces it and have the cause found. Then ask for a gate.", gate)
        )
    elif word == "undecided":
        found.append(duty("operator", "Mend what kept it from being judged, then run the inspection again.", rerun))
    elif word == "breach":
        found.append(
            duty(
                "owner",
                "Decide whether it may go on: repair it, replace it, or ask the Guardian for a waiver.",
                "" if off else stop("owner"),
            )
        )
        found.append(
            duty("guardian", "Grant a waiver with an end date, or have it taken off the road.", "" if off else stop("guardian"))
        )
    elif word == "watch":
        if release == "live" and not off:
            found.append(duty("owner", "Read the warning. It goes on serving; nothing has to be done tonight.", urgent=False))
        else:
            found.append(duty("owner", "Read the warning.", urgent=False))
    elif word in ("go", "conditional") and not off and release not in ("approved", "live"):
        what = "Read this report and decide" if word == "go" else "Decide whether the conditions below are enough"
        found.append(duty("guardian", f"{what}. This version records the verdict; it does not take signatures yet."))
        if word == "conditional":
            found.append(duty("owner", "Meet the conditions below and say by when.", urgent=False))
    elif word == "no-go":
        found.append(duty("owner", "Have the failed checks mended, then ask for the gate again.", gate))
    if off:
        found.append(
            duty(
                "guardian",
                (
                    "The gate is green: with the Owner you may switch it on again."
                    if word == "go"
                    else "It may come back only after a green gate, whose ADDRESS you name, and with the Owner's request."
                ),
                enable,
            )
        )
    elif switch == "degraded" and word != "stop":
        found.append(duty("operator", "It serves in part. Check why, and whether that still holds.", status))
    return found
