"""The switch at the command line: people make keys, sign each other in, stop, ask, approve, extend."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.cli import run
from flows.lint import check
from roadworthy.ledger import Ledger
from roadworthy.ledger.chain import stamp
from roadworthy.switch import clock, may_serve, served
from roadworthy.switch.quick import stop_now
from roadworthy.switch.service.instances import Instance, Instances
from roadworthy.workspace import Workspace
from tests.roadworthy.records import add_version, make_workspace, record, write_yaml

ROLES = {"olga": "owner", "gustav": "guardian", "oscar": "operator"}


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Workspace:
    """A workspace whose people made their keys with the command."""
    monkeypatch.setenv("ROADWORTHY_PASSPHRASE", "correct horse battery")
    made = make_workspace(tmp_path / "w")
    add_version(made.root, "credit", "1.0.0", risk_tier="high")
    people = []
    for who, role in ROLES.items():
        assert run(["people", "key", str(tmp_path / f"{who}.pem")]) == 0
        public = capsys.readouterr().out.strip().rpartition(" ")[2]
        people.append({"id": who, "name": who, "roles": [role], "public_key": public})
    write_yaml(made.root / "people.yaml", {"schema_version": 1, "people": people})
    with Ledger.open(made.state_url) as ledger, ledger.transaction() as execute:
        served.put_in(execute, [("credit", "1.0.0", "high", False)], datetime.now(UTC))
    return made


def test_from_the_stop_to_the_second_signature(workspace: Workspace, tmp_path: Path, capsys: Any) -> None:
    here = ["-w", str(workspace.root)]

    def command(*words: str, code: int = 0) -> str:
        assert run([*words, *here]) == code, capsys.readouterr().err
        return str(capsys.readouterr().out)

    def row() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(command("switch", "status", "credit", "--json"))[0]
        return found

    key = {who: str(tmp_path / f"{who}.pem") for who in ROLES}
    command("people", "begin")
    assert json.loads(command("people", "check", "--json"))["differs"] == []
    assert row()["state"] == "active" and row()["lease"]["lapsed"] is False and row()["proof"] is None

    assert stop_now(["credit", "--reason", "Wrong.", "--as", "oscar", "--review-by", "2020-01-01", *here]) == 0
    capsys.readouterr()
    with Ledger.open(workspace.state_url) as ledger:
        with ledger.transaction() as execute:
            order, now, beats = clock.read(execute), stamp(datetime.now(UTC)), Instances()
            beats.beat(Instance("scoring/a", ("credit",), *order, now, now))
            beats.beat(Instance("scoring/b", ("credit",), order[0], order[1] - 1, now))
            beats.write(execute, datetime.now(UTC))
        told = {"schema_version": 1, "models": ["*"], "epoch": order[0], "sequence": order[1], "seen_at": now, "acted_at": now}
        (workspace.made / "guards").mkdir()
        (workspace.made / "guards" / "c.json").write_text(json.dumps(told))
        record(workspace, ledger, "credit", "1.0.0", run_id="g", when="gate", word="go", now=datetime.now(UTC))
    found = row()
    assert (found["state"], found["terms"][0]["due"], found["proof"]["confirmed"]) == ("disabled", True, False)
    assert [(one["instance"], one["word"]) for one in found["proof"]["receipts"]] == [
        ("embedded:c", "confirmed"), ("scoring/a", "confirmed"), ("scoring/b", "late"),
    ]
    told = command("switch", "status")
    for said in ("NOT confirmed", "late: scoring/b", "by 2020-01-01: DUE", "Lease of credit@1.0.0"):
        assert said in told

    asked = command("switch", "request", "credit", "--as", "oscar", "--reason", "Mended.", "--key", key["oscar"])
    name = re.search(r"Request (\w+),", asked)
    assert name is not None
    assert "oscar asks to switch on credit (signed" in command("switch", "requests")
    assert [one["id"] for one in row()["requests"]] == [name[1]]
    command("switch", "approve", name[1], "--as", "gustav", "--key", key["olga"], code=1)  # somebody else's key
    assert row()["state"] == "disabled"
    assert "credit is active" in command("switch", "approve", name[1], "--as", "gustav", "--key", key["gustav"])
    assert (row()["state"], row()["requests"], row()["terms"]) == ("active", [], [])

    until = f"{datetime.now(UTC) + timedelta(hours=100):%Y-%m-%dT%H:%M}Z"
    extend = ["switch", "extend", "credit", "1.0.0", "--until", until, "--owner", "olga", "--guardian", "gustav"]
    signature = command(*extend, "--owner-key", key["olga"]).strip().rpartition(" ")[2]
    assert row()["lease"]["extended_by"] == ""
    command(*extend, "--owner-signature", signature, "--guardian-key", key["gustav"])
    assert (row()["lease"]["until"][:16], row()["lease"]["extended_by"]) == (until[:16], "gustav")

    assert "Epoch 2 began" in command("switch", "epoch", "--as", "oscar", "--yes")
    command("switch", "epoch", "--as", "nobody", "--yes", code=1)
    with Ledger.open(workspace.state_url) as ledger:
        assert ledger.latest("switch-epoch", epoch=2) is not None
        assert ledger.verify() == []


def test_people_who_are_not_as_signed_are_said_until_a_guardian_signs(workspace: Workspace, tmp_path: Path, capsys: Any) -> None:
    here = ["-w", str(workspace.root)]
    assert run(["people", "check", *here]) == 1
    assert run(["people", "begin", *here]) == 0
    root = capsys.readouterr().out.strip().rpartition(" ")[2]
    before = check(workspace)
    path = workspace.root / "people.yaml"
    path.write_text(path.read_text().replace("  - operator", "  - operator\n  - guardian"))
    assert run(["people", "check", *here]) == 1
    said = [sentence for sentence in check(workspace) if sentence not in before]
    assert len(said) == 1 and "the entry of 'oscar' is not what the last version of people.lock says" in said[0]
    assert run(["people", "sign", "--as", "oscar", "--key", str(tmp_path / "oscar.pem"), *here]) == 1  # was no Guardian before
    assert run(["people", "sign", "--as", "gustav", "--key", str(tmp_path / "gustav.pem"), *here]) == 0
    assert run(["people", "check", "--root", root, *here]) == 0
    assert check(workspace) == before
    assert may_serve(workspace.root, "credit").state == "active"


def test_a_drill_at_the_command_line_says_what_it_saw(workspace: Workspace, capsys: Any) -> None:
    assert run(["switch", "drill", "-w", str(workspace.root)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("GREEN") and "Refused on this host after" in said and "No instance sends heartbeats" in said
    assert run(["switch", "drill", "--json", "-w", str(workspace.root)]) == 0
    assert json.loads(capsys.readouterr().out)["refused"]["here"] >= 0
