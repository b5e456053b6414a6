"""Who calls the switch's services for this workspace: the settings' addresses, and the token behind their reference."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from roadworthy.errors import RoadworthyError
from roadworthy.secrets import resolve
from roadworthy.switch.calling import Answer, Caller

if TYPE_CHECKING:
    from roadworthy.workspace import Workspace

Prefect = Callable[[str], str]


def blocks() -> Prefect | None:
    """Return what loads a secret block of Prefect's server inside a flow or task, and None outside.

    By hand nothing asks Prefect: the ways of the switch must not hang on it, and a load would first start a server.
    """
    if "prefect.context" not in sys.modules:
        return None
    from prefect.context import FlowRunContext, TaskRunContext

    return _load if FlowRunContext.get() or TaskRunContext.get() else None


def _load(name: str) -> str:
    from prefect.blocks.system import Secret

    found = Secret.load(name)
    if not isinstance(found, Secret):
        raise TypeError("a block is read in a flow or task that is no coroutine")
    return str(found.get())


def caller_of(workspace: Workspace, prefect: Prefect | None = None, environment: Mapping[str, str] = os.environ) -> Caller | None:
    """Return who calls; None where no service is named.

    Parameters
    ----------
    workspace : Workspace
    prefect : callable, optional
        Loads a Prefect secret block; by default `blocks`.
    environment : mapping, optional

    Raises
    ------
    RefusedError
        If the token cannot be read.
    """
    switch = workspace.settings.switch
    if not switch.services or switch.token is None:
        return None
    return Caller(resolve(switch.token, workspace.root, environment, prefect or blocks()))


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
