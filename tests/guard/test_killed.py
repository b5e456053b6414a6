"""The service as a process of its own: killed, hung, started again."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from roadworthy_guard import Guard
from tests.guard.service import TOKEN, content, stop
from tests.guard.support import BOUND, KEY, refuses, until

ROOT = Path(__file__).resolve().parents[2]
SLACK = 2.0


class Process:
    def __init__(self, file: Path) -> None:
        self.file = file
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.put(content())
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.guard.service", str(self.file), "1", str(self.port)]
        self.running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self.running.stdout is not None
        self.url = self.running.stdout.readline().strip()
        assert self.url

    def put(self, held: object) -> None:
        temporary = self.file.with_suffix(".tmp")
        temporary.write_text(json.dumps(held))
        temporary.replace(self.file)

    def kill(self) -> None:
        self.running.send_signal(signal.SIGCONT)
        self.running.kill()
        self.running.wait()
        if self.running.stdout is not None:
            self.running.stdout.close()


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    made = Process(tmp_path / "content.json")
    yield made
    made.kill()


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_service_that_is_hung_then_killed_then_started_again(process: Process) -> None:
    with Guard.remote(process.url, TOKEN, keys=[KEY.public], bounds={"high": BOUND}) as guard:
        assert guard.wait(10.0) and not refuses(guard)

        process.running.send_signal(signal.SIGSTOP)
        assert until(lambda: refuses(guard)) < BOUND + SLACK
        assert guard.check("bikes", "1.0.0").serves, "tier minimal goes on by the last state"
        process.running.send_signal(signal.SIGCONT)
        until(lambda: not refuses(guard))

        process.kill()
        assert until(lambda: refuses(guard)) < BOUND + SLACK

        process.put(content(2, stops=[stop("bikes")]))
        process.start()
        until(lambda: not refuses(guard))
        assert refuses(guard, "bikes"), "what happened while it was away is known"
        until(lambda: guard.health()["streaming"])
        process.put(content(3, stops=[stop("bikes"), stop()]))
        until(lambda: refuses(guard), 3.0)
