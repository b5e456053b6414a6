"""What an inspection may ask of a model's endpoint: the workspace's leave, the switch's word, and the moment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from roadworthy.calendar import latest_due
from roadworthy.canonical import digest_file
from roadworthy.errors import RoadworthyError
from roadworthy.passport import Passport
from roadworthy.policy import When
from roadworthy.serving import WHOLE, Probing
from roadworthy.switch import may_serve, status
from roadworthy.workspace import Workspace


def probing_of(
    workspace: Workspace, passport: Passport, day: date, when: When, now: datetime, environment: Mapping[str, str] = os.environ
) -> Probing | None:
    """Return what an inspection may ask of the endpoint; None where there is none or the workspace allows no host.

    Parameters
    ----------
    workspace : Workspace
    passport : Passport
    day : date
        The day judged. A night of a day that is over asks nothing: what the endpoint does now says nothing of then.
    when : {"nightly", "gate"}
    now : datetime
        Wall time, with time zone.
    environment : mapping, optional
        Where references ``env:`` look.
    """
    hosts = workspace.settings.probe_endpoints
    if passport.inference_url is None or not hosts:
        return None
    past = when == "nightly" and workspace.settings.clock == "wall" and day < latest_due(workspace.settings, now)
    return Probing(now, _state(workspace, passport, now), tuple(hosts), past, environment=environment)


def rests_on(workspace: Workspace, passport: Passport, probing: Probing | None) -> dict[str, Any] | None:
    """Return what makes another run of what was asked before: another word of the switch, or other files beside the passport."""
    if probing is None:
        return None
    declared = passport.endpoint
    body = declared.probe.body if declared is not None and isinstance(declared.probe.body, str) else None
    files = [name for name in (declared.ca if declared is not None else None, body) if name is not None]
    found = {name: digest_file(workspace.root / name) if (workspace.root / name).is_file() else None for name in files}
    # That the day is past by now is left out: the night that asked stands, and asking for it again finds it.
    return {"hosts": list(probing.hosts), "switch": probing.state, "files": found}


def _state(workspace: Workspace, passport: Passport, now: datetime) -> str:
    try:
        decision = may_serve(workspace.root, passport.model, passport.version, now=now)
        if decision.state not in WHOLE:
            return decision.state
        held = [one for one in status(workspace.root, now) if one.model in ("*", passport.model)]
    except RoadworthyError:
        return "unknown"
    mine = [one for one in held if one.version in ("*", passport.version) and one.state in WHOLE]
    if any(one.segment == "*" for one in mine):
        return decision.state
    return "partly" if mine else "aside"
