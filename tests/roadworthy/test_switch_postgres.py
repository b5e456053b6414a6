"""The switch with its rows in a real PostgreSQL: the same behaviour, and what only a server can do to a stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from roadworthy.errors import DocumentError
from roadworthy.ledger import Ledger
from roadworthy.switch import Switch, may_serve, status
from roadworthy.switch.places import places
from roadworthy.switch.quick import stop_now
from roadworthy.verify import verify
from roadworthy.workspace import Workspace
from tests.postgres import PASSWORD, Server
from tests.roadworthy import test_switch as on_sqlite
from tests.roadworthy.records import NOW, add_version, at, make_workspace
from tests.roadworthy.test_switch import off, put_in_service, stop_file


@pytest.fixture
def workspace(tmp_path: Path, postgres: Server) -> Workspace:
    made = make_workspace(tmp_path / "a b" / "it's", stop_targets=["shared", "../elsewhere"], state_url=postgres.schema())
    (made.root / "shared").mkdir()
    (made.root.parent / "elsewhere").mkdir()
    add_version(made.root, "credit", "2.0.0", adopted=None)
    return made


@pytest.fixture
def ledger(workspace: Workspace) -> Iterator[Ledger]:
    put_in_service(workspace)
    with Ledger.open(workspace.state_url) as opened:
        yield opened


@pytest.fixture
def switch(workspace: Workspace, ledger: Ledger) -> Switch:
    return Switch.open(workspace, ledger)


# The same tests as on SQLite, with the fixtures of this module.

test_a_stop_is_held_by_every_file = on_sqlite.test_a_stop_is_held_by_every_file_the_row_and_the_ledger
test_a_stop_that_is_repeated = on_sqlite.test_a_stop_that_is_repeated_changes_and_records_nothing
test_a_lost_file_or_row = on_sqlite.test_a_lost_file_or_row_is_made_again_by_the_next_stop
test_never_loosened = on_sqlite.test_the_switch_is_never_loosened_by_stop_or_degrade
test_the_command_stops_and_says_where = on_sqlite.test_the_command_stops_and_says_where
test_row_and_entry_of_the_command = on_sqlite.test_row_and_entry_of_the_command_are_those_of_the_flows
test_two_people_and_a_green_gate = on_sqlite.test_two_people_and_a_green_gate_switch_on_again
test_enabling_one_scope = on_sqlite.test_enabling_one_scope_leaves_the_others_stopped
test_a_stop_of_everything = on_sqlite.test_a_stop_of_everything_needs_a_green_gate_for_everything
test_the_fence_moves = on_sqlite.test_the_fence_moves_with_every_change_of_the_model_or_of_all


def stop(workspace: Workspace, model: str = "credit") -> int:
    return stop_now([model, "--reason", "x", "--as", "oscar", "--workspace", str(workspace.root)], NOW)


def test_a_stop_on_one_machine_holds_on_another(workspace: Workspace, switch: Switch, tmp_path: Path, postgres: Server) -> None:
    other = make_workspace(tmp_path / "other", state_url=workspace.settings.state_url)
    assert may_serve(other.root, "credit", "1.0.0").state == "active"
    off(switch)
    assert may_serve(other.root, "credit", "1.0.0").state == "disabled"
    assert [h.held_by for h in status(other.root)] == [("table",)]
    with Ledger.open(other.state_url) as ledger:
        assert Switch.open(other, ledger).stop("bikes", by="oscar", reason="x", at=at(1)).fence == 2
    assert may_serve(workspace.root, "bikes").state == "disabled"
    assert not verify(workspace).exit_code


def test_two_services_that_stop_at_once_record_one_stop(workspace: Workspace, ledger: Ledger) -> None:
    code = (
        "import sys; from datetime import UTC, datetime; from roadworthy.switch.quick import stop_now\n"
        "sys.exit(stop_now(sys.argv[1:], datetime(2026, 11, 22, 6, tzinfo=UTC)))"
    )
    command = [sys.executable, "-c", code, "credit", "--reason", "x", "--as", "oscar", "--workspace", str(workspace.root)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert all("entry 1" in process.communicate(timeout=60)[0] for process in both)
    assert (ledger.head()[0], ledger.verify()) == (1, [])


def test_the_row_made_looser_by_hand_is_found(workspace: Workspace, switch: Switch, postgres: Server) -> None:
    off(switch)
    postgres.run("update switch set state = 'active'", workspace.state_url)
    assert any("credit" in line and "made it 'disabled'" in line for line in verify(workspace).lines)


def test_without_its_server_a_stop_holds_in_time_and_nothing_else_serves(
    workspace: Workspace, postgres: Server, capfd: Any
) -> None:
    put_in_service(workspace)
    postgres.kill()
    try:
        assert stop(workspace) == 0
        said = capfd.readouterr()
        assert said.out.splitlines()[0] == f"credit is stopped: {stop_file(workspace)}"
        assert "Warning: The ledger has no entry of it: The database postgres" in said.err and "cannot be reached" in said.err
        assert may_serve(workspace.root, "credit").state == "disabled"
        assert may_serve(workspace.root, "bikes").state == "unknown"
    finally:
        postgres.start()
    assert may_serve(workspace.root, "bikes").state == "active"
    assert stop(workspace) == 0
    assert "Recorded in the ledger as entry 1." in capfd.readouterr().out


@pytest.mark.parametrize("frozen", ["server", "backends"])
def test_a_frozen_server_does_not_keep_the_command(workspace: Workspace, postgres: Server, capfd: Any, frozen: str) -> None:
    with Ledger.open(workspace.state_url) as ledger, ledger.transaction() as execute:
        ((holder,),) = execute("select pg_backend_pid()", {})
        process = postgres.process.pid if frozen == "server" else holder
        started = time.monotonic()
        os.kill(process, signal.SIGSTOP)
        try:
            assert stop(workspace) == 0
        finally:
            os.kill(process, signal.SIGCONT)
    assert time.monotonic() - started < 15
    assert "The ledger has no entry of it" in capfd.readouterr().err
    assert may_serve(workspace.root, "credit").state == "disabled"


def test_nothing_heavy_is_imported_before_the_file_and_no_pool_ever(workspace: Workspace) -> None:
    before = on_sqlite.run(on_sqlite.AT_THE_FILE, "credit", "--reason", "x", "--workspace", str(workspace.root))
    assert not set(before.stdout.split()) & (on_sqlite.HEAVY | {"psycopg"})
    code = "import sys; from roadworthy.switch.quick import stop_now; stop_now(sys.argv[1:]); print(' '.join(sys.modules))"
    done = on_sqlite.run(code, "bikes", "--reason", "x", "--workspace", str(workspace.root))
    assert "Recorded in the ledger as entry 1." in done.stdout
    assert "psycopg" in done.stdout.split()
    assert not set(done.stdout.split()) & (on_sqlite.HEAVY - {"yaml"})


def test_the_password_is_in_no_file_and_no_word(
    workspace: Workspace, postgres: Server, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    monkeypatch.setenv("STATE_PASSWORD", PASSWORD)
    settings = workspace.root / "roadworthy.yaml"
    plain = settings.read_text()
    url = postgres.by_tcp(workspace.state_url, password="env:STATE_PASSWORD")
    settings.write_text(plain.replace(workspace.settings.state_url, url))
    assert stop(workspace) == 0
    assert "Recorded in the ledger" in capfd.readouterr().out
    assert not verify(Workspace.open(workspace.root)).exit_code
    written = [path for path in workspace.root.parent.rglob("*") if path.is_file()]
    assert written and not any(PASSWORD in path.read_text("utf-8", "replace") for path in written)
    assert PASSWORD not in f"{places(workspace.root)}{Workspace.open(workspace.root)}"

    settings.write_text(plain.replace(workspace.settings.state_url, url.replace("env:STATE_PASSWORD", "hunter2hunter2")))
    with pytest.raises(DocumentError) as problem:
        Workspace.open(workspace.root)
    assert stop(workspace, "bikes") == 0
    said = capfd.readouterr()
    assert "holds the secret 'password' itself" in said.err
    assert "hunter2" not in f"{said}{problem.value}{places(workspace.root)}{status(workspace.root)}"
