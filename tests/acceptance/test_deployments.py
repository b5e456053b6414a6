"""The deployments of prefect.yaml on a real server with a real worker: the cron makes runs, the event starts the gate."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.fleet import FLEET, copy_fleet
from tests.acceptance.test_bad_input import NIGHT

pytestmark = [pytest.mark.long, pytest.mark.prefect, pytest.mark.timeout(600)]
CHECKOUT = FLEET.parent
PREFECT = str(Path(sys.executable).parent / "prefect")


def until(seconds: float, what: str, found: Any) -> Any:
    """Ask again and again until there is an answer."""
    last = time.monotonic() + seconds
    while time.monotonic() < last:
        with contextlib.suppress(httpx.TransportError):
            answer = found()
            if answer:
                return answer
        time.sleep(1)
    raise AssertionError(f"after {seconds:.0f} s there was still no {what}")


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Start server and worker, deploy everything, and end them by their own handles."""
    root = tmp_path_factory.mktemp("deployed")
    copy_fleet(root / "workspace", "credit", until=NIGHT)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/api"
    environment = {
        **os.environ,
        "PREFECT_HOME": str(root / "home"),
        "PREFECT_API_URL": url,
        "ROADWORTHY_WORKSPACE": str(root / "workspace"),
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PYTHONPATH": str(CHECKOUT),
    }

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        log = (root / f"{arguments[0]}.log").open("wb")
        return subprocess.Popen([PREFECT, *arguments], cwd=CHECKOUT, env=environment, stdout=log, stderr=subprocess.STDOUT)

    def run(*arguments: str) -> None:
        done = subprocess.run(
            [PREFECT, *arguments], cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False, timeout=180
        )
        assert done.returncode == 0, done.stdout + done.stderr

    running = [start("server", "start", "--host", "127.0.0.1", "--port", str(port))]
    try:
        with httpx.Client(base_url=url, timeout=30) as client:
            until(120, "server", lambda: client.get("/health").is_success)
            run("work-pool", "create", "roadworthy", "--type", "process")
            run("--no-prompt", "deploy", "--all")
            running.append(start("worker", "start", "--pool", "roadworthy"))
            yield client
    finally:
        for process in reversed(running):
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def test_the_cron_of_the_night_makes_runs(api: httpx.Client) -> None:
    """A healthy server whose schedules make no runs is what a wrong SQLAlchemy looks like."""

    def scheduled() -> list[dict[str, Any]]:
        runs = api.post("/flow_runs/filter", json={"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}).json()
        return [r for r in runs if r["auto_scheduled"]]

    assert until(90, "scheduled run", scheduled)


def test_the_event_of_a_candidate_starts_its_gate(api: httpx.Client) -> None:
    event = {
        "id": "6b1ff1a2-6d4c-4f55-9d5c-0f4c6e2a7a11",
        "occurred": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "event": "model.release-candidate",
        "resource": {"prefect.resource.id": "roadworthy.model.credit"},
        "payload": {"model": "credit", "version": "1.0.0"},
        "related": [],
        "follows": None,
    }
    assert api.post("/events", json=[event]).is_success

    def finished() -> list[dict[str, Any]]:
        wanted = {
            "flow_runs": {
                "name": {"any_": ["gate-credit-1.0.0"]},
                "state": {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED"]}},
            }
        }
        return list(api.post("/flow_runs/filter", json=wanted).json())

    run = until(240, "finished gate", finished)[0]
    assert run["state_name"] == "Conditional"
    assert run["parameters"] == {"model": "credit", "version": "1.0.0"}
