"""Prefect: whether the configured server answers, and whether schedules make runs with the libraries installed here.

The second is asked of a server of our own, because the worst failure known is silent: with SQLAlchemy 2.1 the server starts,
says that it is healthy, and its schedules never make a run.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.doctor.check import Check
from flows.orchestration import QUIET

if TYPE_CHECKING:
    import httpx

START_SECONDS, FIRE_SECONDS = 120, 20  # 15 to 35 s are usual; a busy machine needs longer
MEND = "Install what requirements.lock names: make setup."
SCHEDULES = {"cron": {"cron": "* * * * *", "timezone": "UTC"}, "interval": {"interval": 60.0}}
_LOOPS = ("PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS", "PREFECT_SERVER_SERVICES_SCHEDULER_RECENT_DEPLOYMENTS_LOOP_SECONDS")


def reachable(env: Mapping[str, str], client: httpx.Client | None = None) -> Check:
    """Say whether the Prefect server that PREFECT_API_URL names answers, and whether it reports home."""
    import httpx

    url = env.get("PREFECT_API_URL")
    if not url:
        return Check("Prefect server", True, "None is configured (PREFECT_API_URL), so each run starts its own, in up to 20 s.")
    shown = url.partition("://")[2].rpartition("@")[2] or url  # credentials in an address are never shown
    try:
        with client or httpx.Client(timeout=10) as asked:
            status = asked.get(f"{url.rstrip('/')}/health").status_code
            settings = asked.get(f"{url.rstrip('/')}/admin/settings")
        problem = "" if status == httpx.codes.OK else f"HTTP status {status}"
    except (httpx.HTTPError, httpx.InvalidURL) as failed:
        problem = type(failed).__name__  # its text may hold the address, and that a password
    if problem:
        return Check("Prefect server", False, f"{shown} does not answer ({problem}).",
                     "Start it (prefect server start), or unset PREFECT_API_URL.")
    if settings.status_code == httpx.codes.OK and _analytics(settings) is True:
        return Check("Prefect server", False, f"{shown} answers, but reports home.",
                     "Start it with PREFECT_SERVER_ANALYTICS_ENABLED=false and DO_NOT_TRACK=1.")
    return Check("Prefect server", True, f"{shown} answers.")


def _analytics(settings: httpx.Response) -> object:
    found = settings.json().get("server", {})
    return found.get("analytics_enabled") if isinstance(found, dict) else None


def schedules(env: Mapping[str, str], say: Callable[[str], None] = lambda _: None) -> Check:
    """Start a Prefect server of our own, deploy two schedules, and see whether they make runs; then stop it.

    Parameters
    ----------
    env : mapping
        What the server inherits; its own Prefect settings are replaced, and its database is thrown away.
    say : callable, optional
        Told what is happening.
    """
    import httpx

    say("Starting a Prefect server of our own (20 to 60 s)")
    with tempfile.TemporaryDirectory(prefix="roadworthy-doctor-", ignore_cleanup_errors=True) as home:
        port = _free_port()
        log = Path(home) / "server.log"
        own = {name: value for name, value in env.items() if not name.startswith("PREFECT_")}
        own |= QUIET | dict.fromkeys(_LOOPS, "2") | {"PREFECT_HOME": home}
        command = [sys.executable, "-P", "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
        with log.open("wb") as output, subprocess.Popen(
            command, env=own, cwd=home, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        ) as running:
            try:
                # trust_env: a proxy that is set for the way out must not be asked for the loopback address.
                with httpx.Client(base_url=f"http://127.0.0.1:{port}/api", trust_env=False, timeout=10) as client:
                    if not _answers(client, lambda: running.poll() is None):
                        return _not_started(log, dead=running.poll() is not None)
                    say("Waiting for its schedules to make runs")
                    return fires(client)
            finally:
                _stop(running)


def fires(client: httpx.Client, seconds: float = FIRE_SECONDS, pause: float = 1.0) -> Check:
    """Deploy a cron and an interval schedule and wait until each has made a run.

    Parameters
    ----------
    client : httpx.Client
        Of a server's API.
    seconds : float
        How long to wait.
    pause : float
        Seconds between two looks.
    """
    import httpx

    what = "Schedules"
    end = time.monotonic() + seconds

    def ask(path: str, body: Mapping[str, object]) -> Any:
        """Post; while the server's database is locked, which it says with 503, ask again."""
        while (answer := client.post(path, json=body)).status_code == httpx.codes.SERVICE_UNAVAILABLE and time.monotonic() < end:
            time.sleep(pause)
        return answer.raise_for_status().json()

    try:
        flow = ask("/flows/", {"name": "roadworthy-doctor"})["id"]
        made = {}
        for name, schedule in SCHEDULES.items():
            body = {"name": name, "flow_id": flow, "schedules": [{"schedule": schedule, "active": True}]}
            made[ask("/deployments/", body)["id"]] = name
        silent = set(made.values())
        while silent and time.monotonic() < end:
            runs = ask("/flow_runs/filter", {"deployments": {"id": {"any_": list(made)}}, "limit": 200})
            silent -= {made[run["deployment_id"]] for run in runs}
            if silent:
                time.sleep(pause)
    except (httpx.HTTPError, KeyError, ValueError) as problem:
        said = str(problem).partition("\n")[0]
        return Check(what, False, f"A Prefect server refused to deploy a schedule ({said}).", MEND)
    if silent:
        return Check(what, False, f"A Prefect server started, but its {' and '.join(sorted(silent))} schedule made no run in "
                     f"{seconds:.0f} s. Nights would never start.", "The usual cause is SQLAlchemy 2.1 or later: make setup.")
    return Check(what, True, "A Prefect server started, and a cron and an interval schedule made runs.")


def _answers(client: httpx.Client, alive: Callable[[], bool]) -> bool:
    import httpx

    end = time.monotonic() + START_SECONDS
    while alive() and time.monotonic() < end:
        try:
            if client.get("/health").status_code == httpx.codes.OK:
                return True
        except httpx.TransportError:
            pass  # not listening yet
        time.sleep(0.3)
    return False


def _not_started(log: Path, *, dead: bool) -> Check:
    if not dead:
        return Check("Schedules", False, f"A Prefect server of our own did not answer within {START_SECONDS} s.",
                     "If the machine is busy, run it again when it is not.")
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    said = lines[-1][:200].rstrip(".") if lines else "it ended without a word"
    return Check("Schedules", False, f"A Prefect server did not start ({said}).", MEND)


def _stop(running: subprocess.Popen[bytes]) -> None:
    """End the server and whatever it started: its session is its own."""
    for sent in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(running.pid, sent)
            running.wait(timeout=10)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
