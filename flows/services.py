"""Who calls the switch's services for this workspace: the settings' addresses, and the token behind their reference."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from roadworthy.errors import RoadworthyError
from roadworthy.secrets import resolve
from roadworthy.switch.calling import Answer, Caller

if TYPE_CHECKING:
    from roadworthy.workspace import Workspace

Prefect = Callable[[str], str]


def caller_of(workspace: Workspace, prefect: Prefect | None = None, environment: Mapping[str, str] = os.environ) -> Caller | None:
    """Return who calls; None where no service is named.

    Raises
    ------
    RefusedError
        If the token cannot be read.
    """
    switch = workspace.settings.switch
    if not switch.services or switch.token is None:
        return None
    return Caller(resolve(switch.token, workspace.root, environment, prefect))


def stop_at_services(
    workspace: Workspace, body: Mapping[str, str], key: str, prefect: Prefect | None = None, caller: Caller | None = None
) -> list[Answer]:
    """Send a stop that holds here to every service; one that was not reached is named in its answer and hides no other.

    Parameters
    ----------
    workspace : Workspace
    body : mapping
        Of ``POST /v1/stop``.
    key : str
        Idempotency-Key.
    prefect : callable, optional
        Loads a Prefect secret block.
    caller : Caller, optional
        For tests; by default the settings'.
    """
    urls = workspace.settings.switch.services
    if not urls:
        return []
    try:
        found = caller or caller_of(workspace, prefect)
    except RoadworthyError as problem:
        return [Answer(url, problem=f"The service at {url} could not be called: {problem.sentence}", tries=0) for url in urls]
    return found.stop(urls, body, key) if found is not None else []
