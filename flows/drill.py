"""The drill as Prefect runs it, by cron: green or red, it is in the ledger; a red one ends the run as failed."""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas import State
from prefect.states import Completed, Failed

from flows import drilling
from flows.services import blocks
from roadworthy.ledger import Ledger
from roadworthy.switch.drilling import Drill
from roadworthy.workspace import Workspace


@flow(name="switch-drill", persist_result=False)
def switch_drill(workspace: str | None = None) -> State[Drill]:
    """Run a drill of the kill switch.

    Parameters
    ----------
    workspace : str, optional
        Folder of the workspace; by default ROADWORTHY_WORKSPACE, or the nearest folder upward.
    """
    here = Workspace.find(workspace)
    with Ledger.open(here.state_url) as ledger:
        found = drilling.run(here, ledger, prefect=blocks())
    if found.green:
        return Completed(name="Green", message=f"Refused everywhere after {found.ms['refused']} ms.", data=found)
    return Failed(name="Red", message=" ".join(found.problems), data=found)
