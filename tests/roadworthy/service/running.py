"""The switch's service as a program of its own, for tests and benchmarks."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from roadworthy.workspace import Workspace
from tests.roadworthy.service.house import token

TREE = Path(__file__).parents[3]
_PROGRAM = (
    "import sys; from pathlib import Path; from flows.serving import Address, serve; from roadworthy.workspace import Workspace; "
    "serve(Workspace.open(Path(sys.argv[1])), Address(port=int(sys.argv[2])), key=Path(sys.argv[3]), most=int(sys.argv[4]), "
    "origins=tuple(sys.argv[5:]))"
)


@dataclass
class Running:
    """A service that listens."""

    process: subprocess.Popen[bytes]
    port: int

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def call(
        self, method: str, path: str, who: str | None = "scoring", body: bytes | None = None, **headers: str
    ) -> tuple[int, bytes]:
        """Call it; return status and body."""
        known = {"Authorization": f"Bearer {token(who)}"} if who else {}
        request = urllib.request.Request(
            self.url + path, data=body, method=method, headers={"Content-Type": "application/json", **known, **headers}
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as problem:
            return problem.code, problem.read()

    def wait(self, seconds: float = 60.0) -> None:
        """Wait until it answers that it is healthy."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise AssertionError(f"the service ended with {self.process.returncode}")
            with contextlib.suppress(OSError):
                if self.call("GET", "/healthz", None)[0] == 200:
                    return
            time.sleep(0.05)
        raise AssertionError("the service did not become healthy")


def free_port() -> int:
    """Return a port of the loopback address that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(
    workspace: Workspace, key: Path, *, port: int | None = None, most: int = 20, origins: tuple[str, ...] = (), cpus: str = ""
) -> Iterator[Running]:
    """Start the service, wait for it, and end it."""
    chosen = port or free_port()
    pinned = ["taskset", "-c", cpus] if cpus else []
    process = subprocess.Popen(
        [*pinned, sys.executable, "-c", _PROGRAM, str(workspace.root), str(chosen), str(key), str(most), *origins],
        cwd=TREE, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    service = Running(process, chosen)
    try:
        service.wait()
        yield service
    finally:
        process.kill()
        process.wait()
