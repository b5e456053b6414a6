"""What the service answers, to whom, and what it refuses."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from roadworthy.ledger import Ledger
from roadworthy.signing import is_signed_by, sign
from roadworthy.switch import files, may_serve, table
from roadworthy.switch.requests import DOMAIN
from roadworthy.switch.service import Options, create, instances
from roadworthy.switch.service.bounded import Bounded
from roadworthy.switch.service.principals import ALLOWED
from roadworthy.switch.snapshot import Signer
from roadworthy.workspace import Workspace
from tests.roadworthy.records import NOW, record
from tests.roadworthy.service.house import KEYS, bearer, make_house, put_in, token

NONCE = "n" * 20


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make_house(tmp_path / "w")


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer.make(tmp_path / "service.pem")


@pytest.fixture
def client(workspace: Workspace, signer: Signer) -> Iterator[TestClient]:
    with TestClient(create(workspace, signer, Options(most=3)), raise_server_exceptions=False) as opened:
        yield opened


def stop(client: TestClient, who: str = "oscar", key: str | None = None, **body: Any) -> Any:
    headers = bearer(who, **({"Idempotency-Key": key} if key else {}))
    return client.post("/v1/stop", headers=headers, json={"model": "credit", "reason": "Wrong.", **body})


def flag(client: TestClient, model: str = "credit", **context: Any) -> Any:
    path = f"/ofrep/v1/evaluate/flags/model.{model}.serve"
    return client.post(path, headers=bearer("scoring"), json={"context": context}).json()


def snapshot(
    client: TestClient, signer: Signer, nonce: str = NONCE, **headers: str
) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """Read a snapshot and check it as a guard would, with nothing of the service's own code."""
    answer = client.get("/v1/snapshot", headers=bearer("scoring", **{"Roadworthy-Nonce": nonce}, **headers))
    said, _, signature = answer.headers["roadworthy-fresh"].partition(".")
    raw = base64.urlsafe_b64decode(said + "==")
    mark = base64.b64encode(base64.urlsafe_b64decode(signature + "==")).decode()
    assert is_signed_by(signer.public, b"roadworthy-fresh-v1\n" + raw, mark)
    content: dict[str, Any] = {}
    if answer.status_code == 200:
        body = answer.json()
        bytes_ = base64.urlsafe_b64decode(body["content"] + "==")
        assert is_signed_by(signer.public, b"roadworthy-snapshot-v1\n" + bytes_, body["signature"])
        assert json.loads(raw)["digest"] == hashlib.sha256(bytes_).hexdigest()
        content = json.loads(bytes_)
    return answer, content, json.loads(raw)


# Asking.


def test_a_flag_is_true_until_a_stop_and_false_at_once_after_it(client: TestClient) -> None:
    assert flag(client) == {
        "key": "model.credit.serve",
        "value": True,
        "variant": "active",
        "reason": "STATIC",
        "metadata": {"state": "active", "fence": 0},
    }
    done = stop(client)
    assert (done.status_code, done.json()["durable"], done.json()["changed"]) == (200, True, True)
    assert flag(client) == {
        "key": "model.credit.serve",
        "value": False,
        "variant": "disabled",
        "reason": "DISABLED",
        "metadata": {"state": "disabled", "fence": done.json()["fence"]},
    }
    assert flag(client, "bikes")["value"]


def test_a_context_narrows_and_what_it_leaves_out_matches_every_stop(client: TestClient) -> None:
    stop(client, model="bikes", segment="eu")
    assert [flag(client, "bikes", **c)["value"] for c in ({}, {"segment": "eu"}, {"segment": "us"})] == [False, False, True]


def test_degraded_serves_by_the_fallback_and_refuses_without_one(client: TestClient) -> None:
    for model in ("bikes", "credit"):
        assert stop(client, "nightly", model=model, state="degraded", evidence="ab" * 32).status_code == 200
    assert [flag(client, m)["variant"] for m in ("bikes", "credit")] == ["degraded", "disabled"]
    assert [flag(client, m)["value"] for m in ("bikes", "credit")] == [True, False]


@pytest.mark.parametrize(
    ("key", "body", "status", "code"),
    [
        ("model.nobody.serve", b"{}", 404, "FLAG_NOT_FOUND"),
        ("model.credit.serve'--", b"{}", 404, "FLAG_NOT_FOUND"),
        ("model.credit.serve", b"{", 400, "PARSE_ERROR"),
        ("model.credit.serve", b"[]", 400, "INVALID_CONTEXT"),
        ("model.credit.serve", b'{"context": 7}', 400, "INVALID_CONTEXT"),
        ("model.credit.serve", b'{"context": {"segment": 7}}', 400, "INVALID_CONTEXT"),
        ("model.credit.serve", b'{"context": {"version": ""}}', 400, "INVALID_CONTEXT"),
        ("model.credit.serve", b"[" * 60_000, 400, "PARSE_ERROR"),
        ("model.credit.serve", b'"' + b"x" * 70_000, 400, "PARSE_ERROR"),
    ],
)
def test_what_is_not_the_protocol_gets_its_error_code(client: TestClient, key: str, body: bytes, status: int, code: str) -> None:
    answer = client.post(f"/ofrep/v1/evaluate/flags/{key}", headers=bearer("scoring"), content=body)
    assert (answer.status_code, answer.json()["errorCode"]) == (status, code)


def test_the_bulk_answer_has_an_etag_that_changes_with_the_switch_and_names_a_stream(client: TestClient) -> None:
    def ask(etag: str = "") -> Any:
        return client.post(
            "/ofrep/v1/evaluate/flags", headers=bearer("scoring", **({"If-None-Match": etag} if etag else {})), json={}
        )

    first = ask()
    assert [f["key"] for f in first.json()["flags"]] == ["model.bikes.serve", "model.credit.serve"]
    again = ask(first.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")
    stop(client)
    changed = ask(first.headers["etag"])
    assert changed.status_code == 200
    assert changed.headers["etag"] != first.headers["etag"]
    assert changed.json()["metadata"]["sequence"] > first.json()["metadata"]["sequence"]
    (stream,) = changed.json()["eventStreams"]
    assert stream["type"] == "sse"
    assert token("scoring") not in json.dumps(stream)


def test_a_lapsed_lease_refuses_without_any_change_of_the_store(client: TestClient, workspace: Workspace) -> None:
    with Ledger.open(workspace.state_url) as ledger, ledger.transaction() as execute:
        execute("update switch_service set lease_until = '2026-01-01T00:00:00.000000Z' where model = 'credit'", {})
    client.app.state.service.watcher.look()  # type: ignore[attr-defined]
    assert flag(client)["variant"] == "disabled"


# Snapshots.


def test_a_snapshot_is_signed_and_its_age_answers_the_nonce(client: TestClient, signer: Signer) -> None:
    answer, content, fresh = snapshot(client, signer)
    assert content["service"]["credit"]["1.0.0"]["tier"] == "high"
    assert content["stops"] == []
    assert (fresh["nonce"], fresh["epoch"], fresh["sequence"]) == (NONCE, content["epoch"], content["sequence"])
    assert 0 <= fresh["age_ms"] < 5000
    again, nothing, newer = snapshot(client, signer, "m" * 20, **{"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, nothing, newer["nonce"]) == (304, {}, "m" * 20)
    assert newer["digest"] == fresh["digest"]
    stop(client, model="*")
    _, content, fresh = snapshot(client, signer)
    assert [(s["model"], s["state"]) for s in content["stops"]] == [("*", "disabled"), ("*", "disabled")]  # the row, and the file
    assert fresh["sequence"] > newer["sequence"]


def test_no_reason_and_no_name_leaves_with_a_snapshot_or_a_flag(client: TestClient) -> None:
    stop(client, reason="Ms Miller called.")
    for answer in (
        client.get("/v1/snapshot", headers=bearer("scoring", **{"Roadworthy-Nonce": NONCE})),
        client.post("/ofrep/v1/evaluate/flags", headers=bearer("scoring"), json={}),
    ):
        said = answer.text + str(base64.urlsafe_b64decode(answer.json().get("content", "") + "=="))
        assert "Miller" not in said
        assert "oscar" not in said


@pytest.mark.parametrize("nonce", ["", "short", "x" * 65, "white space is none!"])
def test_a_nonce_that_is_none_gets_no_signature(client: TestClient, nonce: str) -> None:
    assert client.get("/v1/snapshot", headers=bearer("scoring", **{"Roadworthy-Nonce": nonce})).status_code == 422


def test_an_old_read_is_not_vouched_for(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    watcher = client.app.state.service.watcher  # type: ignore[attr-defined]
    watcher.close()
    monkeypatch.setattr(type(watcher), "age", lambda self: 16.0)
    assert client.get("/healthz").status_code == 503
    assert [flag(client, m)["value"] for m in ("credit", "bikes")] == [False, True]  # each by the bound of its tier
    assert client.get("/v1/snapshot", headers=bearer("scoring", **{"Roadworthy-Nonce": NONCE})).status_code == 200
    monkeypatch.setattr(type(watcher), "age", lambda self: 3601.0)
    assert client.get("/v1/snapshot", headers=bearer("scoring", **{"Roadworthy-Nonce": NONCE})).status_code == 503
    assert not flag(client, "bikes")["value"]


def test_a_stop_file_made_by_hand_is_seen(client: TestClient, workspace: Workspace, signer: Signer) -> None:
    folder = workspace.made / "switch"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "STOP.credit").touch()
    client.app.state.service.watcher.look()  # type: ignore[attr-defined]
    assert flag(client)["variant"] == "disabled"
    _, content, _ = snapshot(client, signer)
    assert [(s["model"], s["state"], s["fence"]) for s in content["stops"]] == [("credit", "disabled", 0)]


# Who may.

CALLS: list[tuple[str, str, str, dict[str, Any] | None]] = [
    ("read", "POST", "/ofrep/v1/evaluate/flags", {}),
    ("read", "POST", "/ofrep/v1/evaluate/flags/model.credit.serve", {}),
    ("read", "GET", "/v1/snapshot", None),
    ("serve", "POST", "/v1/heartbeat", {"instance": "a"}),
    ("see", "GET", "/v1/status", None),
    ("see", "GET", "/v1/proof", None),
    ("see", "GET", "/v1/instances", None),
    ("see", "GET", "/v1/requests", None),
    ("stop", "POST", "/v1/stop", {"model": "credit", "reason": "x", "evidence": "y"}),
    ("stop-all", "POST", "/v1/stop", {"model": "*", "reason": "x", "evidence": "y"}),
    ("ask", "POST", "/v1/requests", {"model": "credit", "reason": "x"}),
    ("approve", "POST", "/v1/requests/none/approve", {}),
    ("alert", "POST", "/v1/alerts", {"alerts": []}),
]
WHO = {
    "olga": "owner",
    "gustav": "guardian",
    "oscar": "operator",
    "adele": "auditor",
    "scoring": "serving",
    "nightly": "automation",
    "prometheus": "monitor",
}


@pytest.mark.parametrize("who", WHO)
def test_each_principal_may_what_the_table_says_and_nothing_else(client: TestClient, who: str) -> None:
    said = {}
    for action, method, path, body in CALLS:
        answer = client.request(method, path, headers=bearer(who, **{"Roadworthy-Nonce": NONCE}), json=body)
        refused = answer.status_code == 403 and ("may not" in answer.text or "cannot" in answer.text or "sends no" in answer.text
                                                 or "is for people" in answer.text)  # fmt: skip
        said[path, action] = not refused
    assert said == {(path, action): action in ALLOWED[WHO[who]] for action, _, path, _ in CALLS}


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer rw_guess"}, {"Authorization": "Basic b2xnYTo="}, {"X-API-Key": ""}]
)
def test_without_a_token_nothing_is_answered(client: TestClient, headers: dict[str, str]) -> None:
    for _, method, path, body in CALLS:
        assert client.request(method, path, headers={**headers, "Roadworthy-Nonce": NONCE}, json=body).status_code == 401
    assert client.get("/v1/events", headers=headers).status_code == 401
    assert client.get("/v1/events?ticket=eyJ1bnRpbCI6OTk5OTk5OTk5OX0.AAAA", headers=headers).status_code == 401


def test_the_other_header_of_the_protocol_is_taken_too(client: TestClient) -> None:
    assert client.post("/ofrep/v1/evaluate/flags", headers={"X-API-Key": token("scoring")}, json={}).status_code == 200


def test_a_service_stops_only_what_it_may_name_and_only_on_evidence(client: TestClient, workspace: Workspace) -> None:
    assert "on evidence only" in stop(client, "nightly").text
    assert stop(client, "scoring-bikes").status_code == 403
    assert stop(client, "nightly", evidence="ab" * 32).status_code == 200


def test_a_token_that_is_taken_out_of_people_is_refused_at_once(client: TestClient, workspace: Workspace) -> None:
    assert stop(client, "oscar").status_code == 200
    path = workspace.root / "people.yaml"
    path.write_text(path.read_text().replace(hashlib.sha256(token("oscar").encode()).hexdigest(), "f" * 64))
    assert stop(client, "oscar").status_code == 401
    path.write_text("people: [broken")  # and a mistake in the file takes nobody's way to a stop
    assert stop(client, "olga").status_code == 200


# Stopping.


def test_a_stop_is_in_file_row_and_ledger_and_asks_for_no_second_person(client: TestClient, workspace: Workspace) -> None:
    done = stop(client, version="1.0.0", segment="eu", state="quarantined").json()
    assert may_serve(workspace.root, "credit", "1.0.0", "eu").state == "quarantined"
    assert [s.state for s in files.read(workspace.made / "switch" / "STOP.credit")] == ["quarantined"]
    with Ledger.open(workspace.state_url) as ledger:
        entry = ledger.latest("switch", model="credit")
        assert entry is not None
        assert (entry.seq, entry.actor, entry.body["segment"]) == (done["fence"], "oscar", "eu")


def test_two_hundred_replays_are_one_act(client: TestClient, workspace: Workspace) -> None:
    first = stop(client, key="k-1").json()
    for _ in range(200):
        again = stop(client, key="k-1").json()
        assert again == {**first, "repeated": True}
    with Ledger.open(workspace.state_url) as ledger:
        assert sum(1 for _ in ledger.entries("switch")) == 1
    assert stop(client, key="k-1", reason="Another.").status_code == 409
    assert stop(client, "olga", key="k-1", reason="Hers.").status_code == 200  # keys are each caller's own


def test_a_stop_keeps_the_day_of_its_review(client: TestClient, workspace: Workspace) -> None:
    assert stop(client, review_by="soon").status_code == 422
    assert stop(client, review_by="2026-12-01").status_code == 200
    with Ledger.open(workspace.state_url) as ledger, ledger.reading() as execute:
        assert execute("select review_by from switch_terms where model = 'credit'", {}) == [("2026-12-01",)]


def test_a_flood_is_bounded_per_actor_and_a_single_stop_goes_through(client: TestClient, workspace: Workspace) -> None:
    names = [f"m{i}" for i in range(6)]
    for name in names:
        (workspace.root / "models" / name).mkdir()
    codes = [stop(client, "nightly", model=name, evidence=f"e{name}").status_code for name in names]
    assert codes == [200, 200, 200, 429, 429, 429]
    assert stop(client, "nightly", model="m0", evidence="again").status_code == 200
    assert [stop(client, who).status_code for who in ("oscar", "olga")] == [200, 200]
    limited = stop(client, "nightly", model="m5", evidence="x")
    assert int(limited.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"model": "nobody"}, "There is no model 'nobody'"),
        ({"version": "9.9"}, "There is no version '9.9' of credit"),
        ({"model": "../etc"}, "model: "),
        ({"reason": ""}, "reason: "),
        ({"reason": "x" * 501}, "reason: "),
        ({"state": "active"}, "state: "),
        ({"state": None}, "state: "),
        ({"surprise": 1}, "surprise: "),
    ],
)
def test_a_slip_is_said_and_stops_nothing(client: TestClient, workspace: Workspace, body: dict[str, Any], says: str) -> None:
    answer = stop(client, **body)
    assert answer.status_code in (400, 422)
    assert answer.json()["error"].startswith(says)
    assert flag(client)["value"]


def test_a_stop_holds_in_memory_while_nothing_can_be_written_and_is_stored_later(
    client: TestClient, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    from roadworthy.errors import StorageError
    from roadworthy.switch import stopping

    full = OSError(errno.ENOSPC, "No space left on device")

    def no_file(*_: Any) -> bool:
        raise full

    def no_row(*_: Any, **__: Any) -> Any:
        raise StorageError("The database cannot grow because the disk is full.", "Free some space.")

    with monkeypatch.context() as broken:
        broken.setattr(files, "write", no_file)
        broken.setattr(Ledger, "transaction", no_row)
        broken.setattr(stopping, "direct", lambda *_: no_row)
        done = stop(client)
        assert (done.status_code, done.json()["durable"]) == (202, False)
        assert flag(client)["variant"] == "disabled"
        assert may_serve(workspace.root, "credit").state == "active"  # nothing was written
    client.app.state.service.watcher.look()  # type: ignore[attr-defined]
    assert may_serve(workspace.root, "credit").state == "disabled"
    with Ledger.open(workspace.state_url) as ledger:
        entry = ledger.latest("switch", model="credit")
        assert entry is not None
        assert entry.actor == "oscar"
    assert flag(client)["variant"] == "disabled"


# Switching on again.


def green(workspace: Workspace) -> None:
    with Ledger.open(workspace.state_url) as ledger:
        record(workspace, ledger, "credit", "1.0.0", run_id="g1", when="gate", word="go", now=datetime.now(UTC))


def ask(client: TestClient, who: str = "oscar", key: str | None = None) -> Any:
    draft = client.post("/v1/requests", headers=bearer(who), json={"model": "credit", "reason": "Mended."}).json()
    assert draft["id"] is None
    said = json.loads(draft["statement"])
    body = {"model": "credit", "reason": "Mended.", "asked_at": said["asked_at"],
            "signature": sign(KEYS[key or who], DOMAIN + draft["statement"].encode())}  # fmt: skip
    return client.post("/v1/requests", headers=bearer(who), json=body)


def approve(client: TestClient, asked: dict[str, Any], who: str = "gustav") -> Any:
    signature = sign(KEYS[who], DOMAIN + asked["statement"].encode())
    return client.post(f"/v1/requests/{asked['id']}/approve", headers=bearer(who), json={"signature": signature})


def test_two_people_switch_on_over_http_with_signatures_made_on_their_side(client: TestClient, workspace: Workspace) -> None:
    stop(client)
    green(workspace)
    asked = ask(client).json()
    assert not flag(client)["value"]
    assert [r["id"] for r in client.get("/v1/requests", headers=bearer("gustav")).json()] == [asked["id"]]
    done = approve(client, asked)
    assert (done.status_code, done.json()["state"]) == (200, "active")
    assert flag(client)["value"]


@pytest.mark.parametrize(("who", "status"), [("oscar", 403), ("gerda", 403), ("nightly", 403), ("scoring", 403), ("adele", 403)])
def test_nobody_else_approves(client: TestClient, workspace: Workspace, who: str, status: int) -> None:
    stop(client)
    green(workspace)
    asked = ask(client).json()
    answer = client.post(f"/v1/requests/{asked['id']}/approve", headers=bearer(who), json={"signature": ""})
    assert answer.status_code == status
    assert not flag(client)["value"]


def test_a_requester_does_not_approve_himself(client: TestClient, workspace: Workspace) -> None:
    stop(client)
    green(workspace)
    asked = ask(client, "gustav").json()
    answer = approve(client, asked, "gustav")
    assert (answer.status_code, "takes two people" in answer.text) == (403, True)


def test_a_stolen_token_without_the_key_asks_for_nothing(client: TestClient, workspace: Workspace) -> None:
    stop(client)
    answer = ask(client, "oscar", key="adele")
    assert (answer.status_code, "is not Oscar's" in answer.text) == (403, True)


# Alerts.


def alert(**labels: str) -> dict[str, Any]:
    return {"status": "firing", "labels": {"alertname": "Loss", **labels}, "annotations": {"summary": "Loss is high."},
            "fingerprint": "f1", "startsAt": "2026-11-29T03:00:00Z"}  # fmt: skip


def test_alertmanager_stops_what_its_labels_name_once_for_each_firing(client: TestClient) -> None:
    payload = {"version": "4", "alerts": [
        alert(model="credit", action="stop"), alert(model="bikes", action="degrade"), alert(model="bikes"),
        {**alert(model="bikes", action="stop"), "status": "resolved"}, "nonsense", alert(model="nobody", action="stop"),
        alert(model="*", action="stop"),
    ]}  # fmt: skip
    done = client.post("/v1/alerts", headers=bearer("nightly"), json=payload).json()
    assert [(a["model"], a["state"]) for a in done["acted"]] == [("credit", "disabled"), ("bikes", "degraded")]
    assert len(done["ignored"]) == 5
    again = client.post("/v1/alerts", headers=bearer("nightly"), json=payload).json()
    assert [a["changed"] for a in again["acted"]] == [False, False]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"alerts": 7}', b"[" * 50_000])
def test_a_webhook_that_is_none_is_refused(client: TestClient, body: bytes) -> None:
    assert client.post("/v1/alerts", headers=bearer("nightly"), content=body).status_code == 400


# Proof.


def beat(client: TestClient, instance: str, who: str = "scoring", **body: Any) -> Any:
    return client.post("/v1/heartbeat", headers=bearer(who), json={"instance": instance, "models": ["credit"], **body})


def test_a_stop_is_confirmed_when_every_live_instance_has_acknowledged(client: TestClient) -> None:
    seen = beat(client, "a").json()
    beat(client, "b", **seen)
    done = stop(client).json()
    now = {"epoch": done["epoch"], "sequence": done["sequence"]}

    def proof(**query: Any) -> Any:
        return client.get("/v1/proof", headers=bearer("oscar"), params=query).json()

    assert proof()["confirmed"] is False
    assert proof()["late"] == ["scoring/a", "scoring/b"]
    beat(client, "a", **now)
    assert (proof()["confirmed"], proof()["acknowledged"], proof()["late"]) == (False, ["scoring/a"], ["scoring/b"])
    beat(client, "b", leaving=True)
    assert proof()["confirmed"] is True
    assert proof(model="bikes")["confirmed"] is False  # nobody serves it, so nobody has proven anything
    service = client.app.state.service  # type: ignore[attr-defined]
    old = service.instances.all()[0]
    late = old.__class__(
        "scoring/c", ("credit",), 1, 0, (datetime.now(UTC) - timedelta(seconds=11)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    )
    service.instances.beat(late)
    assert (proof()["confirmed"], proof()["lost"]) == (True, ["scoring/c"])


def test_nobody_acknowledges_what_has_not_been_said_or_for_another(client: TestClient) -> None:
    beat(client, "a", epoch=99, sequence=10**6)
    done = stop(client).json()
    assert client.get("/v1/proof", headers=bearer("oscar")).json()["late"] == ["scoring/a"]
    beat(client, "a", who="scoring-bikes", epoch=done["epoch"], sequence=done["sequence"])
    assert client.get("/v1/proof", headers=bearer("oscar"), params={"model": "credit"}).json()["late"] == ["scoring/a"]


def test_heartbeats_reach_the_store_so_that_another_service_sees_them(
    client: TestClient, workspace: Workspace, signer: Signer
) -> None:
    beat(client, "a")
    client.app.state.service.write_instances()  # type: ignore[attr-defined]
    with TestClient(create(workspace, signer)) as other:
        beat(other, "b")
        other.app.state.service.write_instances()  # type: ignore[attr-defined]
        named = [one["instance"] for one in other.get("/v1/instances", headers=bearer("oscar")).json()]
    assert named == ["scoring/a", "scoring/b"]


# Faults of the store.


def test_a_sequence_that_went_back_is_not_believed(client: TestClient, workspace: Workspace, signer: Signer) -> None:
    stop(client)
    before = snapshot(client, signer)[2]["sequence"]
    with Ledger.open(workspace.state_url) as ledger, ledger.transaction() as execute:
        execute("update switch_clock set value = 0 where name = 'sequence'", {})
        execute("delete from switch", {})
    (workspace.made / "switch" / "STOP.credit").unlink()
    service = client.app.state.service  # type: ignore[attr-defined]
    service.watcher.look()
    assert "the sequence went back" in service.watcher.problem
    assert flag(client)["variant"] == "disabled"
    assert snapshot(client, signer)[2]["sequence"] == before
    with Ledger.open(workspace.state_url) as ledger, ledger.transaction() as execute:
        from roadworthy.switch import clock

        clock.new_epoch(execute)
    service.watcher.look()
    assert service.watcher.problem == ""
    assert flag(client)["value"]


def test_a_store_that_cannot_be_read_renews_nothing_and_forgets_nothing(client: TestClient, workspace: Workspace) -> None:
    service = client.app.state.service  # type: ignore[attr-defined]
    stop(client)
    read_at = service.watcher.view.read_at
    service.watcher.close()
    (workspace.made / "state.sqlite").rename(workspace.made / "gone")
    (workspace.made / "state.sqlite").write_bytes(b"\x00not a database" * 500)
    service.watcher.look()
    assert service.watcher.view.read_at == read_at or service.watcher.age() > 0
    assert service.watcher.problem
    assert flag(client)["variant"] == "disabled"
    before = service.watcher.view.read_at
    service.watcher.look()
    assert service.watcher.view.read_at == before
    (workspace.made / "state.sqlite").unlink()
    (workspace.made / "gone").rename(workspace.made / "state.sqlite")
    service.watcher.look()
    assert service.watcher.problem == ""
    assert service.watcher.view.read_at > before


def test_a_database_that_vanished_is_not_an_empty_one(client: TestClient, workspace: Workspace) -> None:
    service = client.app.state.service  # type: ignore[attr-defined]
    stop(client)
    (workspace.made / "state.sqlite").rename(workspace.made / "gone")
    for name in ("state.sqlite-wal", "state.sqlite-shm"):
        (workspace.made / name).unlink(missing_ok=True)
    service.watcher.look()
    assert service.watcher.problem
    assert flag(client)["variant"] == "disabled"


def test_metrics_are_bounded_by_what_is_in_service(client: TestClient, workspace: Workspace) -> None:
    stop(client)
    text = client.get("/metrics").text
    assert 'roadworthy_switch_state{model="credit",version="1.0.0"} 4.0' in text
    assert 'roadworthy_switch_changes_total{to="disabled"} 1.0' in text
    put_in(workspace, ("bikes", "2.0.0", "limited", True))
    client.app.state.service.watcher.look()  # type: ignore[attr-defined]
    assert 'model="credit"' not in client.get("/metrics").text


# Requests that are too large, and threads that must not die.


@pytest.mark.parametrize("who", [None, "oscar"])
@pytest.mark.parametrize("path", ["/v1/stop", "/v1/alerts", "/ofrep/v1/evaluate/flags"])
def test_no_body_is_read_beyond_the_limit(client: TestClient, path: str, who: str | None) -> None:
    headers = bearer(who) if who else {}
    assert client.post(path, headers=headers, content=b"x" * 1_100_000).status_code == 413
    declared = client.post(path, headers={**headers, "Content-Length": "abc"}, content=b"{}")
    assert declared.status_code == 413


def test_a_body_that_declares_nothing_is_read_to_the_limit_and_no_further() -> None:
    read, sent = [], []

    async def reads_all(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["more_body"]:
            continue

    async def receive() -> dict[str, Any]:
        read.append(1)
        return {"type": "http.request", "body": b"x" * 100, "more_body": True}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(Bounded(reads_all, most=1000)({"type": "http", "headers": []}, receive, send))  # type: ignore[arg-type]
    assert (len(read), sent[0]["status"]) == (11, 413)


def watcher_of(client: TestClient) -> Any:
    return client.app.state.service.watcher  # type: ignore[attr-defined]


def test_a_folder_that_cannot_be_listed_may_hold_anything(
    client: TestClient, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(_: Path) -> Any:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as broken:
        broken.setattr(os, "scandir", denied)
        watcher_of(client).look()
        assert [flag(client, m)["variant"] for m in ("credit", "bikes")] == ["unknown", "unknown"]
    watcher_of(client).look()
    assert flag(client)["value"]


@pytest.mark.parametrize("name", [b"STOP.credit~", b"STOP.Credit", b"STOP.\xff", b"STOP.", b"STOPPED"])
def test_a_stray_file_makes_no_guard_deaf(client: TestClient, workspace: Workspace, signer: Signer, name: bytes) -> None:
    folder = workspace.made / "switch"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / os.fsdecode(name)).touch()
    watcher_of(client).look()
    _, content, _ = snapshot(client, signer)
    assert (content["stops"], watcher_of(client).problem) == ([], "")
    assert stop(client, model="bikes").status_code == 200


def test_a_line_that_is_no_text_leaves_the_state_unknown_and_the_watch_alive(client: TestClient, workspace: Workspace) -> None:
    line = '{"schema_version":1,"model":"credit","version":"*","segment":"*","state":"disabled","at":"","by":"\\ud800",'
    path = workspace.made / "switch" / "STOP.credit"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(line + '"reason":"","evidence":""}')
    watcher_of(client).look()
    assert (flag(client)["variant"], watcher_of(client).problem) == ("unknown", "")


def lifted(workspace: Workspace) -> None:
    """Stand for two people who switched everything on again."""
    with Ledger.open(workspace.state_url) as ledger, ledger.transaction() as execute:
        for row in table.rows(execute):
            table.put(execute, replace(row.stop, state="active"), row.fence)
    for path in (workspace.made / "switch").glob("STOP*"):
        path.unlink()


def test_what_a_person_stops_is_stopped_whatever_stood_on_that_evidence_before(client: TestClient, workspace: Workspace) -> None:
    for who, again in (("oscar", "disabled"), ("nightly", "active")):
        assert stop(client, who, evidence="ab" * 32).json()["state"] == "disabled"
        lifted(workspace)
        watcher_of(client).look()
        assert stop(client, who, evidence="ab" * 32).status_code == 200
        assert flag(client)["variant"] == again  # a night that is run again undoes nothing that two people decided


def test_an_answer_that_is_no_longer_true_is_not_given_again(client: TestClient, workspace: Workspace) -> None:
    first = stop(client, key="stop-credit").json()
    lifted(workspace)
    second = stop(client, key="stop-credit").json()
    assert (second.get("repeated"), second["fence"] > first["fence"], flag(client)["variant"]) == (None, True, "disabled")


def test_a_second_firing_with_the_same_link_stops_again(client: TestClient, workspace: Workspace) -> None:
    def fire(at: str) -> Any:
        one = {**alert(model="credit", action="stop"), "startsAt": at, "annotations": {"evidence": "https://dashboards/loss"}}
        return client.post("/v1/alerts", headers=bearer("nightly"), json={"alerts": [one]}).json()

    fire("2026-11-29T03:00:00Z")
    lifted(workspace)
    watcher_of(client).look()
    assert flag(client)["value"]
    fire("2026-11-30T03:00:00Z")
    assert flag(client)["variant"] == "disabled"


def test_an_alert_that_was_not_taken_is_asked_for_again(client: TestClient, workspace: Workspace) -> None:
    names = [f"m{i}" for i in range(5)]
    for name in names:
        (workspace.root / "models" / name).mkdir()
    payload = {"alerts": [alert(model=name, action="stop") for name in names]}
    answer = client.post("/v1/alerts", headers=bearer("nightly"), json=payload)
    assert (answer.status_code, len(answer.json()["acted"]), len(answer.json()["ignored"])) == (429, 3, 2)
    assert int(answer.headers["retry-after"]) > 0


def test_the_stop_file_does_not_wait_for_a_database_that_is_held(client: TestClient, workspace: Workspace) -> None:
    with Ledger.open(workspace.state_url) as ledger, ledger.transaction():
        began = time.monotonic()
        thread = threading.Thread(target=stop, args=(client,), kwargs={"key": "k"})
        thread.start()
        while not (workspace.made / "switch" / "STOP.credit").exists():
            assert time.monotonic() - began < 10
            time.sleep(0.01)
        watcher_of(client).look()
        assert flag(client)["variant"] == "disabled"
    thread.join()
    watcher_of(client).look()
    watcher_of(client).look()
    with Ledger.open(workspace.state_url) as ledger:
        assert ledger.latest("switch", model="credit") is not None


def test_a_row_that_could_not_be_recorded_is_recorded_later_and_blinds_nobody(client: TestClient, workspace: Workspace) -> None:
    with Ledger.open(workspace.state_url) as ledger, ledger.transaction() as execute:
        one = files.Stop.make("credit", None, None, state="disabled", at=NOW, by="automation", reason="x")
        assert table.tighten(execute, one, record=False) == (True, 0)
    done = stop(client).json()
    assert (done["durable"], done["fence"] > 0, watcher_of(client).problem) == (True, True, "")
    stop(client, model="bikes", state="degraded")
    assert flag(client, "bikes")["variant"] == "degraded"


def test_however_many_names_there_were_a_live_instance_that_is_late_is_seen(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instances, "MOST", 3)
    for name in ("a", "b", "c", "d", "late"):
        beat(client, name)
        time.sleep(0.002)
    stop(client)
    assert "scoring/late" in client.get("/v1/proof", headers=bearer("oscar")).json()["late"]
    there = [one["instance"] for one in client.get("/v1/instances", headers=bearer("oscar")).json()]
    assert there == ["scoring/c", "scoring/d", "scoring/late"]


def test_a_stored_instance_that_cannot_be_understood_ends_no_writing(client: TestClient, workspace: Workspace) -> None:
    beat(client, "a")
    service = client.app.state.service  # type: ignore[attr-defined]
    service.write_instances()
    with Ledger.open(workspace.state_url) as ledger, ledger.transaction() as execute:
        execute("update switch_instance set models = 'nonsense'", {})
    until = time.monotonic() + 20
    for number in range(2):  # the first attempt is spoilt; the task that writes must still be there for the second
        beat(client, f"b{number}")
        while service.instances.unwritten:
            assert time.monotonic() < until
            time.sleep(0.05)
