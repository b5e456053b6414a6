"""Who calls the switch's services: the token behind its reference, which by hand is no block of Prefect's."""

from __future__ import annotations

from pathlib import Path

import prefect.context
import pytest

from flows.services import blocks, caller_of, stop_at_services
from roadworthy.errors import RefusedError
from roadworthy.workspace import Workspace
from tests.roadworthy.records import make_workspace

URL = "http://127.0.0.1:9"


def workspace_of(root: Path, token: str) -> Workspace:
    return make_workspace(root, switch={"services": [URL], "token": token})


def test_by_hand_a_block_is_refused_at_once_and_no_server_is_started_for_it(tmp_path: Path) -> None:
    assert prefect.context.FlowRunContext.get() is None and blocks() is None
    workspace = workspace_of(tmp_path / "w", "prefect:switch-token")
    with pytest.raises(RefusedError, match="only flows can read"):
        caller_of(workspace)
    (answer,) = stop_at_services(workspace, {"model": "credit"}, "k")
    assert not answer.reached and f"The service at {URL} could not be called" in answer.problem


def test_the_loader_that_is_handed_in_reads_the_block(tmp_path: Path) -> None:
    caller = caller_of(workspace_of(tmp_path / "w", "prefect:switch-token"), lambda name: f"the value of {name}")
    assert caller is not None and caller.token == "the value of switch-token"
