"""One request again and again, over several connections at once, at a service that listens: one act and one answer."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

import pytest

from roadworthy.ledger import Ledger
from roadworthy.switch.snapshot import Signer
from tests.roadworthy.service.house import bearer, make_house
from tests.roadworthy.service.running import Running, running

CONNECTIONS = 8
HEADERS = {**bearer("oscar"), "Content-Type": "application/json", "Idempotency-Key": "k-1"}
BODY = json.dumps({"model": "credit", "reason": "Wrong."}).encode()


def replay(service: Running, times: int) -> Counter[str]:
    """Send the request again and again on one connection; return the answers and how often each was given."""
    found: Counter[str] = Counter()
    connection = HTTPConnection("127.0.0.1", service.port, timeout=60)
    try:
        for _ in range(times):
            connection.request("POST", "/v1/stop", BODY, HEADERS)
            answer = connection.getresponse()
            found[f"{answer.status} {answer.read().decode()}"] += 1
    finally:
        connection.close()
    return found


@pytest.mark.parametrize("times", [80, pytest.param(10_000, marks=[pytest.mark.long, pytest.mark.timeout(600)])])
def test_replays_on_eight_connections_are_one_act_with_one_answer(tmp_path: Path, times: int) -> None:
    workspace, key = make_house(tmp_path / "w"), tmp_path / "service.pem"
    Signer.make(key)
    with running(workspace, key) as service, ThreadPoolExecutor(CONNECTIONS) as pool:
        answers = sum(pool.map(replay, [service] * CONNECTIONS, [times // CONNECTIONS] * CONNECTIONS), Counter[str]())
    said = [(line.partition(" ")[0], json.loads(line.partition(" ")[2]), count) for line, count in answers.items()]
    (first,) = [answer for _, answer, _ in said if "repeated" not in answer]
    (again,) = [answer for _, answer, _ in said if "repeated" in answer]
    assert first["changed"] and again == {**first, "repeated": True}
    assert {status for status, _, _ in said} == {"200"}
    assert sorted(count for _, _, count in said) == [1, times - 1]
    with Ledger.open(workspace.state_url) as ledger:
        assert sum(1 for _ in ledger.entries("switch")) == 1
        assert ledger.verify() == []
