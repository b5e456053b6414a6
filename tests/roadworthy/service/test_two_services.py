"""Two services on one PostgreSQL: a stop at one is answered by the other, and nothing is given twice."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from roadworthy.ledger import Ledger
from roadworthy.switch.snapshot import Signer
from roadworthy.workspace import Workspace
from roadworthy_guard import Guard
from tests.postgres import Server
from tests.roadworthy.service.house import make_house, token
from tests.roadworthy.service.running import Running, running


@pytest.fixture
def workspace(tmp_path: Path, postgres: Server) -> Workspace:
    return make_house(tmp_path / "w", state_url=postgres.schema())


@pytest.fixture
def key(tmp_path: Path) -> tuple[Path, str]:
    path = tmp_path / "service.pem"
    return path, Signer.make(path).public


@pytest.fixture
def services(workspace: Workspace, key: tuple[Path, str]) -> Iterator[list[Running]]:
    with ExitStack() as stack:
        yield [stack.enter_context(running(workspace, key[0], most=1000)) for _ in range(2)]


def stop(service: Running, who: str = "oscar", **body: Any) -> Any:
    status, said = service.call("POST", "/v1/stop", who, json.dumps({"model": "credit", "reason": "Wrong.", **body}).encode())
    assert status == 200, said
    return json.loads(said)


def within(seconds: float, good: Any) -> None:
    until = time.monotonic() + seconds
    while not good():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_stop_at_one_service_reaches_the_guard_of_the_other_and_is_proven_at_both(
    services: list[Running], key: tuple[Path, str], workspace: Workspace
) -> None:
    one, other = services
    with Guard.remote(other.url, token("scoring"), keys=[key[1]], instance="far") as guard:
        assert guard.wait(20)
        assert guard.check("credit", "1.0.0").serves
        done = stop(one)

        def told() -> bool:
            decision = guard.check("credit", "1.0.0")
            return (decision.epoch, decision.sequence) == (done["epoch"], done["sequence"]) and decision.state == "disabled"

        within(15, told)  # on a slow machine the guard may refuse before, for what it knows is too old
        assert not guard.check("credit", "1.0.0").serves

        def proven() -> bool:
            said = [json.loads(service.call("GET", "/v1/proof", "oscar")[1]) for service in services]
            return said[1]["confirmed"] and said[1]["acknowledged"] == ["scoring/far"]

        within(15, proven)


def test_stops_at_both_at_once_get_one_order_and_are_each_recorded_once(services: list[Running], workspace: Workspace) -> None:
    answers: list[Any] = []

    def flood(service: Running, name: str) -> None:
        answers.extend(stop(service, segment=f"{name}-{number}") for number in range(20))

    threads = [threading.Thread(target=flood, args=(service, name)) for service, name in zip(services, "ab", strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    fences = [answer["fence"] for answer in answers]
    assert len(fences) == len(set(fences)) == 40
    with Ledger.open(workspace.state_url) as ledger:
        assert sum(1 for _ in ledger.entries("switch")) == 40
        assert ledger.verify() == []
        with ledger.reading() as execute:
            ((sequence,),) = execute("select value from switch_clock where name = 'sequence'", {})
    assert sequence == 41  # one for putting the models in service, one for each stop

    def seen() -> bool:
        return all(json.loads(service.call("GET", "/v1/status", "oscar")[1])["sequence"] == sequence for service in services)

    within(15, seen)


def test_the_same_idempotency_key_at_both_is_one_act(services: list[Running], workspace: Workspace) -> None:
    body = json.dumps({"model": "bikes", "reason": "Wrong."}).encode()
    said = [json.loads(s.call("POST", "/v1/stop", "oscar", body, **{"Idempotency-Key": "k"})[1]) for s in (*services, *services)]
    assert [answer["fence"] for answer in said] == [said[0]["fence"]] * 4
    assert [answer.get("repeated", False) for answer in said] == [False, True, True, True]


def test_a_service_whose_database_is_gone_refuses_within_its_bound_and_the_stop_holds(
    services: list[Running], postgres: Server, key: tuple[Path, str]
) -> None:
    with Guard.remote(services[0].url, token("scoring"), keys=[key[1]], bounds={"high": 3}) as guard:
        assert guard.wait(20)
        assert guard.check("credit", "1.0.0").serves
        postgres.kill()
        try:
            within(20, lambda: not guard.check("credit", "1.0.0").serves)
            body = json.dumps({"model": "bikes", "reason": "Wrong."}).encode()
            status, said = services[0].call("POST", "/v1/stop", "oscar", body)
            assert (status, json.loads(said)["durable"]) == (202, False)
            within(10, lambda: not guard.check("bikes", "2.0.0").serves)
        finally:
            postgres.start()
        within(30, lambda: guard.check("credit", "1.0.0").serves)
        assert not guard.check("bikes", "2.0.0").serves
