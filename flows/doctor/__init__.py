"""Is this machine fit to run? What ``roadworthy doctor`` looks at.

Each check answers one question in a sentence and says what to do where the answer is no. A check that cannot know says so:
it never passes for a guess. `machine` looks at Python, packages, telemetry and the clock, `disk` at folders, file systems and
permissions, `state` at the database server where there is one, `server` at Prefect.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

from checks.privacy.language import library
from flows.doctor import disk, machine, private, state
from flows.doctor import server as prefect
from flows.doctor.check import Check
from roadworthy.workspace import Workspace

__all__ = ["Check", "examine"]


def examine(
    workspace: Workspace | None,
    server: bool = False,
    *,
    now: datetime | None = None,
    environment: Mapping[str, str] | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> list[Check]:
    """Look at the machine, and at the workspace if there is one.

    Parameters
    ----------
    workspace : Workspace, optional
        None: only what does not depend on one is looked at.
    server : bool
        Also start a Prefect server of our own and see whether a schedule makes runs; up to 90 s.
    now : datetime, optional
        With time zone; by default the wall clock.
    environment : mapping, optional
        By default this process's.
    say : callable, optional
        Told what is being looked at, before anything that takes longer than a second.

    Returns
    -------
    list of Check
        The machine is fit if all are `ok`.
    """
    env = os.environ if environment is None else environment
    at = datetime.now(UTC) if now is None else now
    return list(_examine(workspace, server, at, env, say))


def _examine(
    workspace: Workspace | None, probe: bool, now: datetime, env: Mapping[str, str], say: Callable[[str], None]
) -> Iterator[Check]:
    yield machine.python()
    yield machine.packages()
    say("Importing Evidently")
    yield machine.evidently()
    yield machine.telemetry(env)
    yield machine.clock(workspace, now)
    if workspace is not None:
        if disk.state_file(workspace) is None:
            yield from state.server(workspace)
        yield from disk.folders(workspace)
        yield disk.permissions(workspace)
        yield private.kept(workspace)
        yield machine.alerts(workspace, env)
        if workspace.settings.privacy.names is not None:
            yield machine.language_model(workspace, library())
    else:
        yield Check("Workspace", True, "None here, so only the machine was looked at.", "Name one with --workspace.")
    yield prefect.reachable(env)
    if probe:
        yield prefect.schedules(env, say)
