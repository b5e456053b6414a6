"""A night that is killed: whatever the moment, a re-run ends it with nothing lost, nothing doubled and a valid record."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from roadworthy.ledger import Ledger
from roadworthy.verify import verify
from tests.acceptance.fleet import FLEET, copy_fleet
from tests.acceptance.test_bad_input import NIGHT

NIGHT_OF_ALL = """
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from flows.act import stop
from flows.inspect import inspect
from roadworthy.ledger import Ledger
from roadworthy.workspace import Workspace
workspace = Workspace.open(Path(sys.argv[1]))
with Ledger.open(workspace.state_url) as ledger:
    for identity in workspace.passports():
        done = inspect(workspace, ledger, identity, date.fromisoformat(sys.argv[2]), "nightly", "automation", datetime.now(UTC))
        stop(workspace, ledger, done, datetime.now(UTC))
        print(identity, done.reused, flush=True)
"""


def start(root: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(FLEET.parent)}
    command = [sys.executable, "-c", NIGHT_OF_ALL, str(root), str(NIGHT)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_kills_at_random_moments_lose_and_double_nothing(tmp_path: Path) -> None:
    for model in ("bikes", "credit", "employment", "flights"):
        workspace = copy_fleet(tmp_path / "w", model, until=NIGHT, keep=30)
    began = time.monotonic()
    whole = start(tmp_path / "w")
    whole.communicate(timeout=240)
    seconds = time.monotonic() - began
    assert whole.returncode == 0
    for moment in np.random.default_rng(20261122).uniform(0.2, 1.0, size=8) * seconds:
        for path in sorted(workspace.made.rglob("*"), reverse=True):
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink()
        night = start(tmp_path / "w")
        try:
            night.wait(float(moment))
        except subprocess.TimeoutExpired:
            night.send_signal(signal.SIGKILL)
        finished = [line.split()[0] for line in night.communicate()[0].splitlines()]
        again = start(tmp_path / "w")
        reused = {line.split()[0] for line in again.communicate(timeout=240)[0].splitlines() if line.endswith("True")}
        assert again.returncode == 0
        assert set(finished) <= reused, "work that was finished was done again"
        with Ledger.open(workspace.state_url) as ledger:
            runs = [e.body["model"] for e in ledger.entries("run")]
            stops = [e.body["model"] for e in ledger.entries("switch")]
        assert sorted(runs) == ["bikes", "credit", "employment", "flights"]
        assert stops == ["bikes"]
        assert verify(workspace, rejudge=True).state == "valid"
