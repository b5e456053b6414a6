"""Receipts of embedded guards: what their files say is held against the last stop."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from roadworthy.ledger import Ledger
from roadworthy.ledger.chain import stamp
from roadworthy.switch import Switch, beats, proof
from roadworthy.workspace import Workspace
from roadworthy_guard import Guard
from roadworthy_guard.store import Reader
from tests.roadworthy.service.house import make_house

NOW = datetime(2026, 4, 1, 6, 0, tzinfo=UTC)
GOOD: dict[str, Any] = {
    "schema_version": 1, "instance": "a", "models": ["*"], "epoch": 1, "sequence": 7, "acted_at": stamp(NOW),
    "seen_at": stamp(NOW),
}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make_house(tmp_path / "w")


def words(workspace: Workspace, now: datetime) -> list[tuple[str, str]]:
    with Ledger.open(workspace.state_url) as ledger, ledger.reading() as execute:
        entry = proof.last_stop(execute, "credit")
        assert entry is not None
        found = proof.proof_of(execute, entry, now, "credit", beats.read(workspace.made, now))
    assert found.confirmed is (any(one.word == "confirmed" for one in found.receipts) and not found.named("late"))
    return [(one.word, one.instance) for one in found.receipts]


def test_a_stop_is_late_until_an_embedded_guard_has_read_it_and_confirmed_then(workspace: Workspace) -> None:
    with Guard.embedded(workspace.root, root="0" * 64) as guard, Ledger.open(workspace.state_url) as ledger:
        reader = guard._core.source
        assert isinstance(reader, Reader)
        name = f"embedded:{guard.health()['instance']}"
        reader._stop.set()  # the thread ends: what the test does not read, nobody reads
        assert reader._thread is not None
        reader._thread.join()
        Switch.open(workspace, ledger).stop("credit", by="oscar", reason="Wrong.", at=datetime.now(UTC))
        assert words(workspace, datetime.now(UTC)) == [("late", name)]
        assert words(workspace, datetime.now(UTC) + timedelta(seconds=11)) == [("never seen", name)]
        reader._stop.clear()
        reader.look()
        assert words(workspace, datetime.now(UTC)) == [("confirmed", name)]
        assert guard.check("credit", "1.0.0").state == "disabled"
    assert words(workspace, datetime.now(UTC)) == []


@pytest.mark.parametrize("change", [
    {"schema_version": 2}, {"epoch": -1}, {"epoch": 1.0}, {"sequence": True}, {"sequence": 2**63}, {"models": "*"},
    {"models": [1]}, {"seen_at": "now"}, {"acted_at": None}, {"seen_at": stamp(NOW - timedelta(hours=25))},
])
def test_a_file_that_cannot_be_understood_or_is_a_day_old_tells_of_no_guard(tmp_path: Path, change: dict[str, Any]) -> None:
    folder = tmp_path / "guards"
    folder.mkdir()
    (folder / "good.json").write_text(json.dumps(GOOD))
    (folder / "bad.json").write_text(json.dumps({**GOOD, **change}))
    assert [one.instance for one in beats.read(tmp_path, NOW)] == ["embedded:good"]


def test_what_lies_beside_heartbeats_is_no_heartbeat(tmp_path: Path) -> None:
    folder = tmp_path / "guards"
    folder.mkdir()
    (folder / "good.json").write_text(json.dumps(GOOD))
    for name in (".half.tmp", "a b.json", "<b>.json", "x\n.json"):
        (folder / name).write_text(json.dumps(GOOD))
    (folder / "link.json").symlink_to(folder / "good.json")
    (folder / "folder.json").mkdir()
    for name, data in (("deep.json", b"[" * 4000), ("bytes.json", bytes(range(256))), ("list.json", b"[]"), ("empty.json", b"")):
        (folder / name).write_bytes(data)
    assert [one.instance for one in beats.read(tmp_path, NOW)] == ["embedded:good"]
    assert beats.read(tmp_path / "nowhere", NOW) == []
