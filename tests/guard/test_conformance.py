"""The guard on the application's own service, tables and signatures: both sides of docs/switch-protocol.md at once."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from roadworthy import people_lock
from roadworthy.ledger import Ledger
from roadworthy.signing import sign
from roadworthy.switch import Switch, enabling
from roadworthy.switch.requests import DOMAIN, Wish
from roadworthy.switch.snapshot import Signer
from roadworthy.workspace import Workspace
from roadworthy_guard import Decision, Guard
from roadworthy_guard.store import Reader
from tests.guard.support import until
from tests.roadworthy.records import record
from tests.roadworthy.service.house import KEYS, make_house, token
from tests.roadworthy.service.running import Running, running


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make_house(tmp_path / "w")


def flag(service: Running, model: str, version: str) -> tuple[bool, str]:
    body = json.dumps({"context": {"version": version}}).encode()
    status, answer = service.call("POST", f"/ofrep/v1/evaluate/flags/model.{model}.serve", body=body)
    assert status == 200
    return json.loads(answer)["value"], json.loads(answer)["variant"]


def said(decision: Decision) -> tuple[bool, str]:
    return decision.serves, decision.state


def test_the_service_is_believed_obeyed_and_told(workspace: Workspace, tmp_path: Path) -> None:
    signer = Signer.make(tmp_path / "service.pem")
    with (
        running(workspace, tmp_path / "service.pem") as service,
        Guard.remote(service.url, token("scoring"), keys=[signer.public], instance="one", models=["credit"]) as guard,
    ):
        until(lambda: guard.health()["streaming"] and guard.health()["confirmed"], 20.0)
        assert said(guard.check("credit", "1.0.0")) == flag(service, "credit", "1.0.0") == (True, "active")
        assert guard.health()["ignored"] == {}

        body = json.dumps({"model": "bikes", "reason": "Wrong.", "state": "degraded", "evidence": "ab" * 32}).encode()
        assert service.call("POST", "/v1/stop", "nightly", body)[0] == 200
        status, answer = service.call("POST", "/v1/stop", "oscar", json.dumps({"model": "credit", "reason": "Wrong."}).encode())
        assert status == 200
        until(lambda: not guard.check("credit", "1.0.0").serves, 5.0)
        decision = guard.check("credit", "1.0.0")
        assert said(decision) == flag(service, "credit", "1.0.0") == (False, "disabled")
        assert decision.fence == json.loads(answer)["fence"]
        assert said(guard.check("bikes", "2.0.0")) == flag(service, "bikes", "2.0.0") == (True, "degraded")
        assert guard.check("bikes", "2.0.0").fallback
        assert guard.check("nobody").state == "unknown"

        def proof() -> bool:
            path = f"/v1/proof?epoch={decision.epoch}&sequence={decision.sequence}"
            status, answer = service.call("GET", path, "oscar")
            assert status == 200
            return bool(json.loads(answer)["confirmed"])

        until(proof, 10.0)


def test_the_tables_and_signatures_of_the_application_are_read_without_it(workspace: Workspace) -> None:
    root = people_lock.begin(workspace.root, workspace.people()).root
    now = datetime.now(UTC)
    with (
        Ledger.open(workspace.state_url) as ledger,
        Guard.embedded(workspace.root, root=root, database=workspace.root / ".roadworthy" / "state.sqlite") as guard,
    ):
        source = guard._core.source
        assert isinstance(source, Reader)
        assert said(guard.check("credit", "1.0.0")) == (True, "active"), guard.health()
        Switch.open(workspace, ledger).stop("credit", by="automation", reason="Wrong.", evidence="ab" * 32, at=now)
        assert said(guard.check("credit", "1.0.0")) == (False, "disabled"), "by the STOP file, at once"
        source.look()
        assert guard.check("credit", "1.0.0").fence > 0

        record(workspace, ledger, "credit", "1.0.0", run_id="g1", when="gate", word="go", now=now + timedelta(seconds=1))
        wish = Wish("credit", "*", "*", "oscar", "Mended.", now + timedelta(seconds=2))
        signature = sign(KEYS["oscar"], DOMAIN + enabling.draft(workspace, ledger, wish))
        asked = enabling.ask(workspace, ledger, wish, signature)
        source.look()
        assert not guard.check("credit", "1.0.0").serves, "asking changes nothing"
        approval = sign(KEYS["gustav"], DOMAIN + asked.statement.encode())
        enabling.approve(workspace, ledger, asked.id, by="gustav", signature=approval, at=now + timedelta(seconds=3))
        source.look()
        assert said(guard.check("credit", "1.0.0")) == (True, "active"), guard.health()
