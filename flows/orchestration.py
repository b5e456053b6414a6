"""Prefect as this project uses it: offline, on the loopback address, with its database beside the workspace.

Settings are environment variables and must stand before Prefect is first imported; `prepare` sets only what the user
has not set.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from pathlib import Path

QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "GX_ANALYTICS_ENABLED": "false",
    "PYTHONSAFEPATH": "1",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",  # 17 s is usual on two cores, 52 s was seen
    "PREFECT_LOGGING_LEVEL": "CRITICAL",  # the command line says in a sentence what a log would say in a traceback
    "PREFECT_CLI_PROMPT": "false",
    "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
}


def silence(environment: MutableMapping[str, str]) -> None:
    """Set what is never left to the user: telemetry off, and no code from the current folder.

    Prefect starts its server with ``python -m``, which would look for modules in the current folder first: a ``json.py``
    that lies in a workspace would run.
    """
    for name in ("DO_NOT_TRACK", "PREFECT_SERVER_ANALYTICS_ENABLED", "GX_ANALYTICS_ENABLED", "PYTHONSAFEPATH"):
        environment[name] = QUIET[name]


def prepare(home: Path, environment: MutableMapping[str, str] | None = None) -> None:
    """Set what Prefect reads at import.

    Parameters
    ----------
    home : pathlib.Path
        Folder for Prefect's database, used only if neither PREFECT_HOME nor PREFECT_API_URL is set.
    environment : mutable mapping, optional
        By default this process's environment.
    """
    env = os.environ if environment is None else environment
    silence(env)
    for name, value in QUIET.items():
        env.setdefault(name, value)
    if "PREFECT_API_URL" not in env and "PREFECT_HOME" not in env:
        home.mkdir(parents=True, exist_ok=True)
        env["PREFECT_HOME"] = str(home)
