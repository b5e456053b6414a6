"""Clients that are not ours, unmodified, against the running service: they refuse after a stop and serve after two people."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from roadworthy.switch.snapshot import Signer
from roadworthy.workspace import Workspace
from tests.roadworthy.service.house import make_house, token
from tests.roadworthy.service.running import Running, free_port, running

CLIENTS = Path(__file__).parents[1] / "clients"
MODULES = CLIENTS / "node_modules"
BROWSER = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
NODE = shutil.which("node")

needs_node = pytest.mark.skipif(
    NODE is None or not (MODULES / "@openfeature").is_dir(),
    reason="JavaScript clients: Node, or tests/clients/node_modules ('npm ci' there), is missing",
)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="the web client: Chromium is missing")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make_house(tmp_path / "w")


@pytest.fixture
def page_port() -> int:
    return free_port()


@pytest.fixture
def service(workspace: Workspace, tmp_path: Path, page_port: int) -> Iterator[Running]:
    key = tmp_path / "service.pem"
    Signer.make(key)
    with running(workspace, key, origins=(f"http://127.0.0.1:{page_port}",)) as found:
        yield found


def stop(service: Running, **body: Any) -> None:
    status, said = service.call("POST", "/v1/stop", "oscar", json.dumps({"model": "credit", "reason": "Wrong.", **body}).encode())
    assert status == 200, said


def test_the_python_client(service: Running) -> None:
    from openfeature import api
    from openfeature.contrib.provider.ofrep import OFREPProvider
    from openfeature.evaluation_context import EvaluationContext

    def headers() -> dict[str, str]:
        return {"Authorization": f"Bearer {token('scoring')}"}

    api.set_provider(OFREPProvider(service.url, headers_factory=headers, timeout=5.0), domain="switch")
    client = api.get_client(domain="switch")

    def ask(model: str, **attributes: str) -> tuple[bool, str | None]:
        found = client.get_boolean_details(f"model.{model}.serve", False, EvaluationContext("request-1", dict(attributes)))
        return found.value, found.variant

    try:
        assert ask("credit") == (True, "active")
        assert ask("nobody") == (False, None)
        stop(service, segment="region:eu")
        assert [ask("credit", segment=s) for s in ("region:us", "region:eu")] == [(True, "active"), (False, "disabled")]
        assert ask("credit") == (False, "disabled")  # a caller that names no segment may be of the one that is stopped
        stop(service, model="bikes", state="degraded")
        assert ask("bikes") == (True, "degraded")
        service.process.kill()
        service.process.wait()
        assert ask("bikes") == (False, None)
    finally:
        api.clear_providers()


@needs_node
def test_the_javascript_server_client(service: Running) -> None:
    program = subprocess.Popen(
        [str(NODE), "server.mjs", service.url, token("scoring")],
        cwd=CLIENTS,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert program.stdin is not None
    assert program.stdout is not None

    def ask(model: str, **context: str) -> Any:
        program.stdin.write(json.dumps({"flag": f"model.{model}.serve", "context": context}) + "\n")  # type: ignore[union-attr]
        program.stdin.flush()  # type: ignore[union-attr]
        return json.loads(program.stdout.readline())  # type: ignore[union-attr]

    try:
        assert ask("credit") == {"value": True, "variant": "active", "error": None}
        assert ask("nobody") == {"value": False, "variant": None, "error": "FLAG_NOT_FOUND"}
        stop(service, version="1.0.0")
        assert ask("credit", version="1.0.0") == {"value": False, "variant": "disabled", "error": None}
        assert ask("bikes")["value"]
    finally:
        program.kill()
        program.wait()


@needs_node
@needs_browser
def test_the_web_client_in_a_real_browser_hears_of_a_stop(service: Running, page_port: int, tmp_path: Path) -> None:
    page = _page(service, tmp_path)
    reports: list[dict[str, Any]] = []
    with _served(page, page_port, reports), _browser(f"http://127.0.0.1:{page_port}/", tmp_path):
        first = _await(reports, "ready")
        assert (first["value"], first["variant"]) == (True, "active")
        called = time.time()
        stop(service)
        changed = _await(reports, "changed")
        assert (changed["value"], changed["variant"]) == (False, "disabled")
        assert changed["at"] / 1000 - called < 15  # by the stream: there is no polling; the figure is in the benchmarks
    assert [r for r in reports if r["why"] == "error"] == []


def _page(service: Running, folder: Path) -> bytes:
    bundle = folder / "page.js"
    subprocess.run(
        [str(MODULES / ".bin" / "esbuild"), "page.mjs", "--bundle", "--format=esm", f"--outfile={bundle}", "--log-level=error"],
        cwd=CLIENTS,
        check=True,
    )
    asked = json.dumps({"baseUrl": service.url, "token": token("scoring"), "flag": "model.credit.serve"})
    script = bundle.read_text(encoding="utf-8").replace("</script", "<\\/script")
    return f"<!doctype html><script>window.asked = {asked}</script><script type=module>{script}</script>".encode()


class _served:
    """Serves the page, and takes its reports."""

    def __init__(self, page: bytes, port: int, reports: list[dict[str, Any]]) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200 if self.path == "/" else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write(page if self.path == "/" else b"")

            def do_POST(self) -> None:
                reports.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)

    def __enter__(self) -> None:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _browser:
    """A headless browser on one page, with a profile of its own, that phones nobody."""

    def __init__(self, url: str, folder: Path) -> None:
        quiet = [
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ]
        self._process = subprocess.Popen(
            [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", *quiet, f"--user-data-dir={folder / 'profile'}",
             "--remote-debugging-port=0", url],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        os.killpg(self._process.pid, 9)
        self._process.wait()


def _await(reports: list[dict[str, Any]], why: str, seconds: float = 60.0) -> dict[str, Any]:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = next((r for r in reports if r["why"] in (why, "error")), None)
        if found is not None:
            assert found["why"] == why, found
            return found
        time.sleep(0.02)
    raise AssertionError(f"the page never reported '{why}'; it said {reports}")
