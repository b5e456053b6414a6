"""After a stop: MLflow's alias ``champion`` goes back to the last good version, and the stopped one carries tags.

Applications that load ``models:/<name>@champion`` then load a version that may serve. Where there is none, the alias is taken
away, so that loading fails; missing is never passing. This comes after the stop and never holds it up.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from roadworthy.errors import RoadworthyError
from roadworthy.registry import Registry
from roadworthy.switch import status

if TYPE_CHECKING:
    from datetime import datetime

    from roadworthy.ledger import Ledger
    from roadworthy.workspace import Workspace

ALIAS = "champion"
#: Where a passport's `extensions` name the registered model and its version.
MODEL, VERSION = "mlflow.model", "mlflow.version"
_GOOD = ("clear", "watch")


class Client(Protocol):
    """What is used of ``mlflow.MlflowClient``."""

    def get_registered_model(self, name: str) -> Any:
        """Return a registered model; its `aliases` map an alias to a version."""

    def set_registered_model_alias(self, name: str, alias: str, version: str) -> None:
        """Point an alias at a version."""

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        """Take an alias away."""

    def set_model_version_tag(self, name: str, version: str, key: str, value: str) -> None:
        """Tag a version."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of the alias: a sentence, and whether all was done."""

    says: str
    done: bool


def move_back(
    workspace: Workspace, ledger: Ledger, model: str, version: str, *, state: str, fence: int, evidence: str, now: datetime,
    connect: Callable[[str], Client] | None = None,
) -> Moved | None:
    """Tag the stopped version and move the alias, if it points there; None where nothing says that MLflow holds the model.

    Parameters
    ----------
    workspace : Workspace
    ledger : Ledger
    model, version : str
        The stopped one.
    state : str
    fence : int
    evidence : str
    now : datetime
    connect : callable, optional
        Makes a client for a tracking address; by default MLflow's own, if the extra is installed.
    """
    url = workspace.settings.mlflow_url
    named = _named(workspace, f"{model}@{version}")
    if url is None or named is None:
        return None
    name, number = named
    try:
        client = (connect or _connect)(url)
        for key, value in (("state", state), ("fence", str(fence)), ("evidence", evidence)):
            client.set_model_version_tag(name, number, f"roadworthy.{key}", value)
        if str(dict(client.get_registered_model(name).aliases).get(ALIAS, "")) != number:
            return Moved(f"The alias '{ALIAS}' of {name} in MLflow does not point at version {number}; only tags were set.", True)
        good = _last_good(workspace, ledger, model, version, name, now)
        if good is None:
            client.delete_registered_model_alias(name, ALIAS)
            return Moved(f"The alias '{ALIAS}' of {name} in MLflow was taken away: no earlier version is known to be good.", True)
        client.set_registered_model_alias(name, ALIAS, good)
    except ImportError:
        return Moved("MLflow is not installed, so its alias was not moved: pip install 'roadworthy[mlflow]'.", False)
    except _errors() as problem:
        return Moved(f"MLflow at {url} could not be told ({type(problem).__name__}); move the alias '{ALIAS}' by hand.", False)
    return Moved(f"The alias '{ALIAS}' of {name} in MLflow went back from version {number} to {good}.", True)


def _named(workspace: Workspace, identity: str) -> tuple[str, str] | None:
    """Return the registered model and version that a passport names; None if it names none or cannot be read."""
    try:
        words = workspace.passport(identity).extensions
    except RoadworthyError:
        return None
    return (words[MODEL], words[VERSION]) if MODEL in words and VERSION in words else None


def _last_good(workspace: Workspace, ledger: Ledger, model: str, version: str, name: str, now: datetime) -> str | None:
    """Return the newest earlier version in MLflow that nothing holds and whose last night was clear or to watch."""
    held = {one.version for one in status(workspace.root, now) if one.model in (model, "*") and one.segment == "*"}
    seen, before = {version}, Registry(workspace, ledger).before(model, version)
    while before is not None and before not in seen and "*" not in held:
        seen.add(before)
        named = _named(workspace, f"{model}@{before}")
        night = ledger.latest("run", model=model, version=before, when="nightly")
        good = night is not None and night.body["verdict"] in _GOOD
        if named is not None and named[0] == name and good and before not in held:
            return named[1]
        before = Registry(workspace, ledger).before(model, before)
    return None


def _connect(url: str) -> Client:
    # A registry that hangs must not hold a night for the two minutes that MLflow would wait, and nothing is told to anybody else.
    for key, value in (
        ("MLFLOW_HTTP_REQUEST_TIMEOUT", "5"), ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2"), ("MLFLOW_DISABLE_TELEMETRY", "true"),
    ):
        os.environ.setdefault(key, value)
    client: Client = importlib.import_module("mlflow").MlflowClient(tracking_uri=url, registry_uri=url)
    return client


def _errors() -> tuple[type[Exception], ...]:
    """Return what MLflow raises; where it is not installed, what any client may."""
    known: tuple[type[Exception], ...] = (OSError, ValueError, KeyError)
    try:
        return (*known, importlib.import_module("mlflow.exceptions").MlflowException)
    except ImportError:
        return known
