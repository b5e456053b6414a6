"""The switch's deployments on a real Prefect server with a real worker, beside a switch service that listens."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest

from roadworthy.ledger import Ledger
from roadworthy.ledger.chain import stamp
from roadworthy.switch import drilling
from roadworthy.switch.snapshot import Signer
from roadworthy.verify import verify
from roadworthy.workspace import Workspace
from tests.acceptance.test_deployments import CHECKOUT, PREFECT, until
from tests.roadworthy.records import write_yaml
from tests.roadworthy.service.house import make_house, token
from tests.roadworthy.service.running import Running, free_port, running

pytestmark = [pytest.mark.long, pytest.mark.prefect, pytest.mark.timeout(600)]
NAMES = ("switch-drill", "switch-care")
SECRET = "from prefect.blocks.system import Secret; import sys; Secret(value=sys.argv[2]).save(sys.argv[1])"


class Deployed:
    """A server on which the two deployments are, a worker, and the workspace that they look after."""

    def __init__(self, client: httpx.Client, workspace: Workspace) -> None:
        self.client, self.workspace = client, workspace
        self.ids = {}
        for name in NAMES:
            found = client.get(f"/deployments/name/{name}/{name}").json()
            self.ids[name] = found["id"]
            # A cron that comes due while the test runs would tell first what the test waits for.
            assert client.patch(f"/deployments/{found['id']}", json={"paused": True}).is_success

    def run(self, name: str) -> dict[str, Any]:
        """Run a deployment once; return the run when it has ended."""
        made = self.client.post(f"/deployments/{self.ids[name]}/create_flow_run", json={"state": {"type": "SCHEDULED"}}).json()

        def ended() -> dict[str, Any]:
            run: dict[str, Any] = self.client.get(f"/flow_runs/{made['id']}").json()
            return run if run["state_type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED") else {}

        found: dict[str, Any] = until(240, f"end of {name}", ended)
        return found


class Inbox(HTTPServer):
    """Takes what is posted, as the channel of the Owner."""

    def __init__(self) -> None:
        self.got: list[str] = []
        got = self.got

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                got.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
                self.send_response(200)
                self.end_headers()

        super().__init__(("127.0.0.1", 0), Handler)


@pytest.fixture(scope="module")
def inbox() -> Iterator[Inbox]:
    with Inbox() as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield listening
        listening.shutdown()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Workspace]]:
    root = tmp_path_factory.mktemp("deployed")
    make_house(root / "workspace")
    port = free_port()
    # The token of the services and the Owner's address lie in blocks of the server, which only a run can read.
    settings = {
        "schema_version": 1, "name": "test", "time_zone": "Europe/Berlin", "alerts": {"owner": ["prefect:owner-address"]},
        "switch": {"services": [f"http://127.0.0.1:{port}"], "token": "prefect:switch-token"},
    }
    write_yaml(root / "workspace" / "roadworthy.yaml", settings)
    Signer.make(root / "service.pem")
    workspace = Workspace.open(root / "workspace")
    with running(workspace, root / "service.pem", port=port) as listening:
        yield listening, workspace


@pytest.fixture(scope="module")
def deployed(service: tuple[Running, Workspace], inbox: Inbox) -> Iterator[Deployed]:
    """Start server and worker, deploy, and end them by their own handles."""
    workspace = service[1]
    root = workspace.root.parent
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/api"
    environment = {
        **os.environ, "PREFECT_HOME": str(root / "home"), "PREFECT_API_URL": url, "ROADWORTHY_WORKSPACE": str(workspace.root),
        "DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "PYTHONPATH": str(CHECKOUT),
    }

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        with (root / f"{arguments[0]}.log").open("wb") as log:
            return subprocess.Popen([PREFECT, *arguments], cwd=CHECKOUT, env=environment, stdout=log, stderr=subprocess.STDOUT)

    def run(*command: str) -> None:
        done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False, timeout=180)
        assert done.returncode == 0, done.stdout + done.stderr

    processes = [start("server", "start", "--host", "127.0.0.1", "--port", str(port))]
    try:
        with httpx.Client(base_url=url, timeout=30) as client:
            until(120, "server", lambda: client.get("/health").is_success)
            run(PREFECT, "work-pool", "create", "roadworthy", "--type", "process")
            run(PREFECT, "--no-prompt", "deploy", *(part for name in NAMES for part in ("--name", name)))
            run(sys.executable, "-c", SECRET, "switch-token", token("nightly"))
            run(sys.executable, "-c", SECRET, "owner-address", f"json://127.0.0.1:{inbox.server_port}/")
            processes.append(start("worker", "start", "--pool", "roadworthy"))
            yield Deployed(client, workspace)
    finally:
        for process in reversed(processes):
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def test_care_tells_once_of_a_lease_that_nobody_renews(deployed: Deployed, inbox: Inbox) -> None:
    workspace = deployed.workspace
    assert deployed.run("switch-care")["state_name"] == "Quiet"
    with Ledger.open(workspace.state_url) as ledger:
        with ledger.transaction() as execute:
            past = stamp(datetime.now(UTC) - timedelta(hours=1))
            execute("update switch_service set alert_at = :past where model = 'credit'", {"past": past})
        told = deployed.run("switch-care")
        assert (told["state_type"], told["state_name"]) == ("COMPLETED", "Told")
        assert "Half of the lease of credit@1.0.0 is over" in told["state"]["message"]
        assert len(inbox.got) == 1 and "Half of the lease of credit@1.0.0 is over" in inbox.got[0]
        assert deployed.run("switch-care")["state_name"] == "Quiet"
        (entry,) = ledger.entries("care")
        assert (entry.body["matter"], {one["role"] for one in entry.body["deliveries"]}) == ("lease-half", {"owner", "guardian"})
    assert verify(workspace).state == "valid"


def test_a_drill_is_green_and_its_evidence_holds_and_red_when_the_service_is_gone(
    deployed: Deployed, service: tuple[Running, Workspace]
) -> None:
    listening, workspace = service
    done = deployed.run("switch-drill")
    assert (done["state_type"], done["state_name"]) == ("COMPLETED", "Green"), done["state"]["message"]
    with Ledger.open(workspace.state_url) as ledger:
        green = drilling.last_green(ledger)
        assert green is not None and green.body["services"] == 1
        evidence = drilling.read(workspace.made, green.body["sha256"])
        assert set(evidence["refused"]) == {"here", listening.url} and len(evidence["enabling"]) == 2
        (stop,) = [entry for entry in ledger.entries("switch") if entry.seq == green.body["fence"]]
        assert [stop.body[name] for name in ("model", "version", "to")] == ["zz-canary", green.body["drill"], "disabled"]
        listening.process.kill()
        listening.process.wait()
        done = deployed.run("switch-drill")
        assert (done["state_type"], done["state_name"]) == ("FAILED", "Red")
        assert f"{listening.url} cannot be reached" in done["state"]["message"]
        red = ledger.latest("drill")
        assert red is not None and not red.body["green"] and drilling.last_green(ledger) == green
        alert = ledger.latest("alert", model="zz-canary")
        assert alert is not None and alert.body["drill"] == red.body["drill"]
    assert verify(workspace).state == "valid"
