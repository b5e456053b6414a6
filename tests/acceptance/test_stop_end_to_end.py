"""A severe night stops the flights model in a serving process of its own within five seconds of the finding, on record."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.leasing import put_in_service
from roadworthy.ledger import Ledger
from roadworthy.registry import Registry
from roadworthy.switch.service.principals import digest_of
from roadworthy.switch.snapshot import Signer
from roadworthy.workspace import Workspace
from tests.acceptance.fleet import FLEET, copy_fleet
from tests.acceptance.test_every_rule_can_fail import NIGHT, wrong
from tests.flows.conftest import prefect_server
from tests.roadworthy.service.house import token
from tests.roadworthy.service.running import TREE, running

__all__ = ["prefect_server"]
pytestmark = [pytest.mark.long, pytest.mark.prefect, pytest.mark.timeout(600)]
LIMIT = 5.0


def lines(log: Path) -> list[list[str]]:
    return [line.split() for line in log.read_text(encoding="utf-8").splitlines()] if log.exists() else []


def until_said(log: Path, word: str, seconds: float, state: str = "active") -> datetime:
    """Wait for a change of the answer and return its moment; before it has heard the service, a guard refuses as unknown."""
    last = time.monotonic() + seconds
    while time.monotonic() < last:
        for said in lines(log):
            if said[1:] == [word, state]:
                return datetime.fromisoformat(said[0])
        time.sleep(0.02)
    raise AssertionError(f"the serving process never said that it {word}: {lines(log)}")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """The flights model, wrong in every decision of its matured days, in a workspace with a service of its own."""
    made = copy_fleet(tmp_path / "w", "flights", until=NIGHT, change=wrong("flights", 1.0))
    people = yaml.safe_load((made.root / "people.yaml").read_text(encoding="utf-8"))
    kinds = {"scoring": "serving", "nightly": "automation"}
    people["services"] = [{"id": who, "kind": kind, "tokens": [digest_of(token(who))]} for who, kind in kinds.items()]
    (made.root / "people.yaml").write_text(yaml.safe_dump(people), encoding="utf-8")
    return made


@pytest.fixture
def served(workspace: Workspace, tmp_path: Path) -> Iterator[Path]:
    """The service and the serving process run; returns what the serving process logs."""
    signer = Signer.make(tmp_path / "service.pem")
    with Ledger.open(workspace.state_url) as ledger:
        registry = Registry(workspace, ledger)
        registry.adopt_all(datetime.now(UTC))
        put_in_service(registry, ledger, datetime.now(UTC))
    with running(workspace, tmp_path / "service.pem") as service:
        secret = workspace.root / "token"
        secret.write_text(token("nightly"))
        secret.chmod(0o600)
        told = yaml.safe_load((FLEET / "roadworthy.yaml").read_text(encoding="utf-8"))
        told["switch"] = {"services": [service.url], "token": "file:token"}
        (workspace.root / "roadworthy.yaml").write_text(yaml.safe_dump(told), encoding="utf-8")
        log = tmp_path / "serving.log"
        program = [sys.executable, "-m", "tests.acceptance._stop_serving", service.url, token("scoring"), signer.public]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(TREE), str(TREE / "guard")))}
        serving = subprocess.Popen([*program, "flights", "1.0.0", str(log)], cwd=TREE, env=environment)
        try:
            until_said(log, "serves", 60)
            yield log
        finally:
            serving.terminate()
            serving.wait(20)


def test_the_severe_night_reaches_the_serving_process_in_time(
    prefect_server: None, workspace: Workspace, served: Path
) -> None:
    from flows.nightly import main

    night = main(Workspace.open(workspace.root), NIGHT, None)
    (one,) = night.inspections
    assert (one.word, one.acted.stopped, one.acted.unreached) == ("stop", True, [])
    refused = until_said(served, "refuses", LIMIT, "disabled")
    told = json.loads((workspace.made / "incidents" / f"{one.acted.incident}.json").read_text(encoding="utf-8"))
    opened, receipts = (next(e for e in told["entries"] if e["event"] == event) for event in ("opened", "receipts"))

    stamps: dict[str, Any] = {name: datetime.fromisoformat(opened[name]) for name in ("judged_at", "file_at", "row_at")}
    stamps["service_at"] = datetime.fromisoformat(opened["services"][0]["at"])
    stamps["receipt_at"] = datetime.fromisoformat(receipts["last_receipt_at"])
    seconds = {name: round((at - stamps["judged_at"]).total_seconds(), 3) for name, at in [*stamps.items(), ("refused", refused)]}
    print(seconds)
    assert stamps["judged_at"] <= stamps["file_at"] <= stamps["row_at"] <= stamps["service_at"]
    assert 0 < seconds["refused"] < LIMIT
    assert (receipts["confirmed"], receipts["acknowledged"], receipts["late"]) == (True, 1, [])
    assert 0 < seconds["receipt_at"] < LIMIT
    assert one.inspected is not None and opened["evidence"] == one.inspected.bundle.address
