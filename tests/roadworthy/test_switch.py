"""A stop holds whatever else is broken; switching on again takes two people and a green gate."""

from __future__ import annotations

import errno
import itertools
import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roadworthy.errors import RefusedError, StorageError, UsageError
from roadworthy.ledger import Ledger
from roadworthy.switch import Decision, Switch, files, may_serve, served, status, stopping
from roadworthy.switch.files import RANK, Stop
from roadworthy.switch.places import Places, places
from roadworthy.switch.quick import stop_now
from roadworthy.workspace import Workspace
from tests.roadworthy.records import HOSTILE, NOW, add_version, at, make_workspace, record

TREE = Path(__file__).parents[2]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = make_workspace(tmp_path / "a b" / "it's", stop_targets=["shared", "../elsewhere"])
    (made.root / "shared").mkdir()
    (made.root.parent / "elsewhere").mkdir()
    add_version(made.root, "credit", "2.0.0", adopted=None)
    return made


def put_in_service(made: Workspace) -> None:
    """Put every version of a workspace in service, as nights and gates do."""
    versions = [(*identity.partition("@")[::2], "limited", False) for identity in made.passports()]
    with Ledger.open(made.state_url) as opened, opened.transaction() as execute:
        served.put_in(execute, versions, NOW)


@pytest.fixture
def ledger(workspace: Workspace) -> Iterator[Ledger]:
    put_in_service(workspace)
    with Ledger.open(workspace.state_url) as opened:
        yield opened


@pytest.fixture
def switch(workspace: Workspace, ledger: Ledger) -> Switch:
    return Switch.open(workspace, ledger)


def stop_file(workspace: Workspace, model: str = "credit") -> Path:
    return workspace.made / "switch" / files.file_name(model)


def database(workspace: Workspace) -> Path:
    return workspace.made / "state.sqlite"


def off(switch: Switch, model: str = "credit", **scope: Any) -> Any:
    return switch.stop(model, by="oscar", reason="Wrong decisions.", at=NOW, **scope)


# Known answers: who may serve under which stop.


@pytest.mark.parametrize(
    ("scope", "refused", "served"),
    [
        (("credit", None, None), ["credit", "credit 1.0.0", "credit 1.0.0 eu", "credit - eu"], ["bikes", "bikes 2.0.0"]),
        (
            ("credit", "1.0.0", None),
            ["credit", "credit 1.0.0", "credit 1.0.0 eu", "credit - eu"],
            ["credit 2.0.0", "credit 2.0.0 eu", "bikes"],
        ),
        (
            ("credit", None, "eu"),
            ["credit", "credit 1.0.0", "credit 1.0.0 eu", "credit 2.0.0 eu"],
            ["credit 1.0.0 us", "credit - us", "bikes - eu"],
        ),
        (
            ("credit", "1.0.0", "eu"),
            ["credit", "credit 1.0.0", "credit - eu"],
            ["credit 1.0.0 us", "credit 2.0.0", "credit 2.0.0 eu"],
        ),
        (("*", None, None), ["credit", "credit 2.0.0 us", "bikes"], []),
        (("*", None, "eu"), ["credit", "bikes - eu"], ["bikes - us", "credit 1.0.0 us"]),
    ],
)
def test_what_a_request_does_not_name_matches_every_stop(
    workspace: Workspace, switch: Switch, scope: tuple[str, str | None, str | None], refused: list[str], served: list[str]
) -> None:
    off(switch, scope[0], version=scope[1], segment=scope[2])

    def ask(words: str) -> Decision:
        model, version, segment = (*words.split(), None, None)[:3]
        return may_serve(workspace.root, str(model), None if version == "-" else version, segment)

    assert {words: ask(words).state for words in refused} == dict.fromkeys(refused, "disabled")
    assert {words: ask(words).state for words in served} == dict.fromkeys(served, "active")


def test_states_are_ordered_and_only_active_and_degraded_serve() -> None:
    assert sorted(RANK, key=lambda s: RANK[s]) == ["active", "degraded", "unknown", "quarantined", "disabled"]
    assert [state for state in RANK if Decision(state).serves] == ["active", "degraded"]


# What a stop does.


def test_a_stop_is_held_by_every_file_the_row_and_the_ledger(workspace: Workspace, switch: Switch, ledger: Ledger) -> None:
    done = switch.stop("credit", by="automation", reason=HOSTILE, evidence="ab" * 32, at=NOW, version="1.0.0")
    assert (done.state, done.changed, done.unreached, done.fence) == ("disabled", True, [], 1)
    assert done.reached == [
        stop_file(workspace),
        workspace.root / "shared/STOP.credit",
        workspace.root / "../elsewhere/STOP.credit",
    ]
    for path in done.reached:
        assert json.loads(path.read_bytes()) == {
            "schema_version": 1, "model": "credit", "version": "1.0.0", "segment": "*", "state": "disabled",
            "at": "2026-11-22T06:00:00.000000Z", "by": "automation", "reason": HOSTILE, "evidence": "ab" * 32,
        }  # fmt: skip
    (entry,) = ledger.entries("switch")
    assert entry.actor == "automation"
    assert (entry.body["from"], entry.body["to"], entry.body["reason"]) == ("active", "disabled", HOSTILE)
    assert switch.may_serve("credit", "1.0.0") == Decision(
        "disabled", HOSTILE, "2026-11-22T06:00:00.000000Z", "automation", "credit@1.0.0"
    )
    (held,) = status(workspace.root)
    assert held.held_by == ("table", *(str(p) for p in done.reached))
    assert ledger.verify() == []


def test_the_file_is_there_before_the_row_is_tried(workspace: Workspace) -> None:
    seen = []

    @contextmanager
    def transaction() -> Iterator[Any]:
        seen.append([p.exists() for p in (stop_file(workspace), workspace.root / "shared/STOP.credit")])
        raise StorageError("There is no database.")
        yield

    stop = Stop.make("credit", None, None, state="disabled", at=NOW, by="oscar", reason="x")
    here = places(workspace.root)
    outcome = stopping.finish(here, stop, stopping.write_own(here, stop), transaction)
    assert seen[0] == [True, True]
    assert outcome.unreached == ["The ledger has no entry of it: There is no database."]
    assert not may_serve(workspace.root, "credit").serves


def test_a_stop_that_is_repeated_changes_and_records_nothing(switch: Switch, ledger: Ledger, workspace: Workspace) -> None:
    off(switch)
    before = stop_file(workspace).read_bytes()
    again = switch.stop("credit", by="gustav", reason="Another word.", at=at(5))
    assert (again.changed, again.unreached, ledger.head()[0]) == (False, [], 1)
    assert stop_file(workspace).read_bytes() == before
    assert switch.may_serve("credit").by == "oscar"


def test_a_stop_that_a_wider_one_holds_already_is_kept_but_changed_nothing(switch: Switch, ledger: Ledger) -> None:
    off(switch)
    inner = off(switch, version="1.0.0", evidence="cd" * 32)
    assert (inner.changed, ledger.head()[0]) == (False, 2)


def test_a_lost_file_or_row_is_made_again_by_the_next_stop(workspace: Workspace, switch: Switch, ledger: Ledger) -> None:
    off(switch)
    stop_file(workspace).unlink()
    assert switch.may_serve("credit").state == "disabled"
    off(switch)
    assert stop_file(workspace).exists()
    with ledger.transaction() as execute:
        execute("delete from switch", {})
    assert switch.may_serve("credit").state == "disabled"
    switch.stop("credit", by="oscar", reason="Again.", at=at(1))
    assert "table" in status(workspace.root)[0].held_by


def test_the_switch_is_never_loosened_by_stop_or_degrade(switch: Switch, workspace: Workspace) -> None:
    assert switch.degrade("credit", by="automation", reason="Slow.", at=NOW).changed
    assert (switch.may_serve("credit").state, stop_file(workspace).exists()) == ("degraded", False)
    switch.stop("credit", by="automation", reason="Worse.", at=at(1), to="quarantined")
    assert switch.may_serve("credit").state == "quarantined"
    off(switch)
    assert not switch.degrade("credit", by="automation", reason="Slow.", at=at(2)).changed
    assert not switch.stop("credit", by="automation", reason="Worse.", at=at(3), to="quarantined").changed
    assert switch.may_serve("credit").state == "disabled"
    with pytest.raises(UsageError, match="cannot make a model 'active'"):
        switch.stop("credit", by="oscar", reason="x", at=NOW, to="active")


def test_unknown_models_and_versions_are_refused_and_cannot_be_stopped_by_a_slip(switch: Switch, workspace: Workspace) -> None:
    assert may_serve(workspace.root, "nothing").state == "unknown"
    assert may_serve(workspace.root, "credit", "9.9").state == "unknown"
    assert may_serve(workspace.root, "../a b").state == "unknown"
    for model, version in (("nothing", None), ("credit", "9.9"), ("../x", None), ("credit\n", None)):
        with pytest.raises(UsageError, match="There is no"):
            off(switch, model, version=version)
    assert not stop_file(workspace).parent.exists()


# Properties.

scopes = st.tuples(
    st.sampled_from(["credit", "bikes", "*"]), st.sampled_from([None, "1.0.0", "2.0.0"]), st.sampled_from([None, "eu", "us"])
)
acts = st.lists(st.tuples(scopes, st.sampled_from(["degraded", "quarantined", "disabled"])), max_size=6)


@given(acts=acts)
@settings(max_examples=25, deadline=None)
def test_the_most_restrictive_match_wins_whatever_the_order(tmp_path_factory: pytest.TempPathFactory, acts: list[Any]) -> None:
    workspace = make_workspace(tmp_path_factory.mktemp("w"))
    add_version(workspace.root, "credit", "2.0.0", adopted=None)
    put_in_service(workspace)
    done = []
    with Ledger.open(workspace.state_url) as ledger:
        switch = Switch.open(workspace, ledger)
        for minute, ((model, version, segment), state) in enumerate(acts):
            if version not in (None, {"credit": version, "bikes": "2.0.0"}.get(model)):
                continue
            how: dict[str, Any] = {"by": "oscar", "reason": "x", "at": at(minute), "version": version, "segment": segment}
            switch.degrade(model, **how) if state == "degraded" else switch.stop(model, to=state, **how)
            done.append((model, version, segment, state))
        assert ledger.verify() == []
    asked = [("credit", v, s) for v, s in itertools.product([None, "1.0.0", "2.0.0"], [None, "eu", "us", "other"])] + [
        ("bikes", "2.0.0", "eu")
    ]
    for model, version, segment in asked:
        hits = [
            state
            for m, v, s, state in done
            if m in ("*", model) and (None in (v, version) or v == version) and (None in (s, segment) or s == segment)
        ]
        assert may_serve(workspace.root, model, version, segment).state == max(hits, key=lambda s: RANK[s], default="active")


@given(garbage=st.binary(max_size=200))
@settings(max_examples=60, deadline=None)
def test_a_stop_file_of_any_content_refuses(tmp_path_factory: pytest.TempPathFactory, garbage: bytes) -> None:
    root = tmp_path_factory.mktemp("w")
    (root / "models" / "credit").mkdir(parents=True)
    (root / "roadworthy.yaml").write_text("name: x\n")
    folder = root / ".roadworthy" / "switch"
    folder.mkdir(parents=True)
    (folder / "STOP.credit").write_bytes(garbage)
    assert not may_serve(root, "credit").serves
    assert [h.model for h in status(root)] == ["credit"]


@pytest.mark.parametrize(
    "line",
    [
        b"null", b"[]", b"1e999", b"[" * 5000, b'{"model":"credit"}',
        b'{"schema_version":1,"model":"bikes","version":"*","segment":"*","state":"disabled","at":"","by":"","reason":"","evidence":""}',
        b'{"schema_version":1,"model":"credit","version":"*","segment":"*","state":"active","at":"","by":"","reason":"","evidence":""}',
        b'{"schema_version":1,"model":"credit","version":1,"segment":"*","state":"disabled","at":"","by":"","reason":"","evidence":""}',
    ],
)  # fmt: skip
def test_what_is_almost_a_stop_leaves_the_state_unknown(workspace: Workspace, line: bytes) -> None:
    put_in_service(workspace)
    stop_file(workspace).parent.mkdir(parents=True)
    stop_file(workspace).write_bytes(line)
    decision = may_serve(workspace.root, "credit")
    assert decision.state == "unknown"
    assert "STOP.credit" in decision.reason
    assert may_serve(workspace.root, "bikes").state == "active"


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir, lambda p: p.write_bytes(b"  \n")])
def test_an_operator_with_nothing_but_a_shell_can_stop(workspace: Workspace, make: Callable[[Path], Any]) -> None:
    put_in_service(workspace)
    stop_file(workspace).parent.mkdir(parents=True)
    make(stop_file(workspace))
    assert may_serve(workspace.root, "credit", "1.0.0", "eu").state == "disabled"
    assert may_serve(workspace.root, "bikes").state == "active"
    make(stop_file(workspace, "*"))
    assert may_serve(workspace.root, "bikes").by == "breakglass"


def test_a_stop_of_one_version_does_not_narrow_a_file_made_by_hand(workspace: Workspace, switch: Switch) -> None:
    stop_file(workspace).parent.mkdir(parents=True)
    stop_file(workspace).touch()
    off(switch, version="1.0.0")
    assert may_serve(workspace.root, "credit", "2.0.0").state == "disabled"


# Faults.


def garbage(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x00not a database" * 500)


def folder_in_its_place(path: Path) -> None:
    path.mkdir(parents=True)


def without_table(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as con:
        con.execute("create table switch (a)")


def bad_row(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as con:
        con.execute("create table switch (model, version, segment, state, since, actor, reason, evidence, fence)")
        con.execute("insert into switch values ('credit', '*', '*', 'fine', '', '', '', '', 1)")
        con.commit()


@pytest.mark.parametrize("damage", [garbage, folder_in_its_place, without_table, bad_row])
def test_with_a_broken_database_nothing_serves_and_a_stop_still_holds(
    workspace: Workspace, damage: Callable[[Path], None], capfd: Any
) -> None:
    damage(database(workspace))
    assert may_serve(workspace.root, "credit").state == "unknown"
    assert stop_now(["credit", "--reason", "x", "--as", "oscar", "--workspace", str(workspace.root)]) == 0
    assert may_serve(workspace.root, "credit").state == "disabled"
    assert "Warning: " in capfd.readouterr().err


def test_a_locked_database_does_not_keep_a_model_on_the_road(workspace: Workspace, ledger: Ledger) -> None:
    stop, here = Stop.make("credit", None, None, state="disabled", at=NOW, by="oscar", reason="x"), places(workspace.root)
    with ledger.transaction():
        outcome = stopping.finish(here, stop, stopping.write_own(here, stop), stopping.direct(here, wait=0.1))
        assert may_serve(workspace.root, "credit").state == "disabled"
    assert "is held by another process" in outcome.unreached[0]
    assert outcome.changed


def test_a_stop_that_holds_nowhere_says_so_loudly(workspace: Workspace, capfd: Any) -> None:
    (workspace.root / "roadworthy.yaml").write_text("schema_version: 1\nname: x\ntime_zone: UTC\n")
    workspace.made.write_text("a file where the folder must be")
    assert stop_now(["credit", "--reason", "x", "--workspace", str(workspace.root)]) == 3
    said = capfd.readouterr().err
    assert "could NOT be made disabled anywhere" in said
    assert "STOP.credit" in said


def test_a_target_that_is_not_there_is_named_and_the_others_hold(workspace: Workspace, switch: Switch) -> None:
    (workspace.root / "shared").rmdir()
    done = off(switch)
    assert [p.parent.name for p in done.reached] == ["switch", "elsewhere"]
    assert done.unreached == [
        f"The STOP file {workspace.root / 'shared/STOP.credit'} could not be written (No such file or directory)."
    ]
    assert done.fence == 1
    assert not (workspace.root / "shared").exists()


def test_broken_settings_do_not_keep_a_model_on_the_road(workspace: Workspace, capfd: Any) -> None:
    for broken in ("stop_targets: [", "- a list", "state_url: 7", "state_url: postgresql://db/x", "\x00"):
        (workspace.root / "roadworthy.yaml").write_text(broken)
        stop_file(workspace).unlink(missing_ok=True)
        assert may_serve(workspace.root, "credit").state == "unknown"
        assert stop_now(["credit", "--reason", "x", "--workspace", str(workspace.root)]) == 0
        assert may_serve(workspace.root, "credit").state == "disabled"
        assert "Warning: " in capfd.readouterr().err


FULL = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
from roadworthy.switch.quick import stop_now
sys.exit(stop_now(sys.argv[1:]))
"""


def run(code: str, *arguments: str, **how: Any) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(TREE)}
    env.pop("ROADWORTHY_WORKSPACE", None)
    env |= how.pop("env", {})
    return subprocess.run([sys.executable, "-c", code, *arguments], check=False, capture_output=True, text=True, env=env, **how)


def test_on_a_disk_that_takes_no_byte_the_stop_still_holds(workspace: Workspace) -> None:
    done = run(FULL, "credit", "--reason", "x", "--workspace", str(workspace.root))
    assert done.returncode == 0, done.stderr
    assert "Warning: " in done.stderr
    assert may_serve(workspace.root, "credit").state == "disabled"


def test_stops_written_at_once_are_all_kept_while_one_is_lifted_again_and_again(tmp_path: Path) -> None:
    def stop(version: str) -> Stop:
        return Stop.make("credit", version, None, state="disabled", at=NOW, by="oscar", reason="x")

    done, lifted, failures = threading.Event(), [0], []

    def write(who: int) -> None:
        try:
            for i in range(40):
                files.write(tmp_path, stop(f"{who}.{i}"))
        except OSError as problem:
            failures.append(problem)

    def lift() -> None:
        while not done.is_set():
            files.write(tmp_path, stop("lifted"))
            lifted[0] += not any(s.version == "lifted" for s in files.lift(tmp_path, "credit", "lifted", "*", "9999"))

    writers, lifter = [threading.Thread(target=write, args=(who,)) for who in range(3)], threading.Thread(target=lift)
    for thread in (lifter, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    lifter.join()
    assert failures == []
    assert lifted[0] > 0
    assert {s.version for s in files.held(tmp_path, "credit")} == {f"{who}.{i}" for who in range(3) for i in range(40)}
    assert [p.name for p in tmp_path.iterdir()] == ["STOP.credit"]


@pytest.mark.parametrize("meanwhile", [False, True])
def test_a_stop_whose_file_is_set_aside_under_its_hands_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, meanwhile: bool
) -> None:
    def stop(version: str) -> Stop:
        return Stop.make("credit", version, None, state="disabled", at=NOW, by="oscar", reason="x")

    files.write(tmp_path, stop("lifted"))
    real, calls = os.open, []

    def open_and_lose(path: Any, flags: int, *rest: Any) -> int:
        handle = real(path, flags, *rest)
        if flags & os.O_APPEND and not calls:
            calls.append(path)
            files.lift(tmp_path, "credit", "lifted", "*", "9999")
            if meanwhile:
                files.write(tmp_path, stop("other"))
        return handle

    monkeypatch.setattr(os, "open", open_and_lose)
    assert files.write(tmp_path, stop("kept"))
    assert calls
    assert {s.version for s in files.held(tmp_path, "credit")} == ({"kept", "other"} if meanwhile else {"kept"})


def test_a_file_system_without_links_gets_the_whole_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_link(*_: Any, **__: Any) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_link)
    stop = Stop.make("credit", None, None, state="disabled", at=NOW, by="oscar", reason="x")
    assert files.write(tmp_path, stop)
    assert stop in files.read(tmp_path / "STOP.credit")


# The command.


def test_the_command_stops_and_says_where(workspace: Workspace, capfd: Any) -> None:
    assert stop_now(["credit", "--reason", HOSTILE, "--as", "oscar", "--workspace", str(workspace.root)], NOW) == 0
    said = capfd.readouterr()
    assert said.err == ""
    assert said.out.splitlines()[0] == f"credit is stopped: {stop_file(workspace)}"
    assert "Recorded in the ledger as entry 1." in said.out
    decision = may_serve(workspace.root, "credit")
    assert (decision.state, decision.by, decision.reason) == ("disabled", "oscar", HOSTILE)
    with Ledger.open(workspace.state_url) as ledger:
        assert ledger.verify() == []
    assert stop_now(["credit", "--reason", "again", "--as", "oscar", "--workspace", str(workspace.root)], at(1)) == 0
    assert "It was stopped before; entry 1 of the ledger." in capfd.readouterr().out


def test_row_and_entry_of_the_command_are_those_of_the_flows(workspace: Workspace, switch: Switch, ledger: Ledger) -> None:
    stop_now(["bikes", "--reason", "x", "--as", "oscar", "--workspace", str(workspace.root)], NOW)
    switch.stop("credit", by="oscar", reason="x", at=NOW)
    with ledger.reading() as execute:
        rows = execute("select version, segment, state, since, actor, reason, evidence from switch", {})
    assert rows[0] == rows[1]
    first, second = ({**e.body, "model": "", "sequence": 0} for e in ledger.entries("switch"))
    assert first == second


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nothing", "--reason", "x"], "Known: bikes, credit."),
        (["../credit", "--reason", "x"], "Known: bikes, credit."),
        (["credit"], "--reason"),
        ([], "MODEL"),
        (["credit", "--reason", "x", "--version", "9"], "Known: 1.0.0, 2.0.0."),
        (["*", "--reason", "x", "--version", "1.0.0"], "A version needs a model"),
        (["credit", "--reason", "x", "--rea", "y"], "--rea"),
    ],
)
def test_a_slip_is_said_in_a_sentence_and_stops_nothing(
    workspace: Workspace, capfd: Any, arguments: list[str], says: str
) -> None:
    assert stop_now([*arguments, "--workspace", str(workspace.root)]) == 64
    said = capfd.readouterr()
    assert says in said.err
    assert said.out == ""
    assert not workspace.made.exists()


def test_the_workspace_is_found_by_name_environment_or_upward(workspace: Workspace, tmp_path: Path) -> None:
    code = "import sys; from roadworthy.switch.quick import stop_now; sys.exit(stop_now(sys.argv[1:]))"
    inside = workspace.root / "models" / "credit"
    assert run(code, "credit", "--reason", "x", cwd=inside).returncode == 0
    assert run(code, "bikes", "--reason", "x", cwd=tmp_path, env={"ROADWORTHY_WORKSPACE": str(workspace.root)}).returncode == 0
    assert {h.model for h in status(workspace.root)} == {"bikes", "credit"}
    lost = run(code, "credit", "--reason", "x", cwd=tmp_path)
    assert (lost.returncode, lost.stderr) == (64, "No workspace here or in any folder above. Name one with --workspace.\n")
    assert run(code, "credit", "--reason", "x", "--workspace", str(tmp_path / "no")).returncode == 64


def test_reasons_that_are_no_text_and_readers_that_went_away_stop_nothing_from_stopping(workspace: Workspace) -> None:
    code = "import sys; from roadworthy.switch.quick import stop_now; sys.stdout.close(); sys.exit(stop_now(sys.argv[1:]))"
    done = run(code, "credit", "--reason", os.fsdecode(b"\xff\xfe") + "x" * 9000, "--workspace", str(workspace.root))
    assert done.returncode == 0, done.stderr
    assert may_serve(workspace.root, "credit").reason.endswith("x")
    with Ledger.open(workspace.state_url) as ledger:
        assert ledger.head()[0] == 1
    code = "import sys; from roadworthy.switch.quick import stop_now; sys.exit(stop_now(sys.argv[1:]))"
    named = ["bikes", "--reason", "年齢", "--segment", "年齢", "--workspace", str(workspace.root)]
    latin = run(code, *named, env={"PYTHONIOENCODING": "ascii"})
    assert latin.returncode == 0, latin.stderr


def test_who_is_not_in_people_can_stop_and_is_recorded_as_named(workspace: Workspace, capfd: Any) -> None:
    assert stop_now(["credit", "--reason", "x", "--as", "stranger", "--workspace", str(workspace.root)]) == 0
    assert "'stranger' is not in people.yaml" in capfd.readouterr().err
    assert may_serve(workspace.root, "credit").by == "stranger"


IMPORTS = """
import sys
from roadworthy.switch import quick
print(" ".join(sorted(sys.modules)))
"""
AT_THE_FILE = """
import os, sys
real = os.link
def link(*a, **k):
    real(*a, **k)
    print(" ".join(sorted(sys.modules)), flush=True)
    os._exit(0)
os.link = link
from roadworthy.switch.quick import stop_now
stop_now(sys.argv[1:])
"""
HEAVY = {"sqlalchemy", "pydantic", "typer", "prefect", "rich", "yaml", "pyarrow", "duckdb", "pandas", "numpy", "cryptography"}


def test_nothing_heavy_is_imported_before_the_file_is_on_disk(workspace: Workspace) -> None:
    assert not set(run(IMPORTS).stdout.split()) & HEAVY
    done = run(AT_THE_FILE, "credit", "--reason", "x", "--workspace", str(workspace.root))
    assert "roadworthy.switch.quick" in done.stdout.split()
    assert not set(done.stdout.split()) & HEAVY
    assert stop_file(workspace).exists()


def test_the_whole_command_never_imports_what_takes_long(workspace: Workspace) -> None:
    code = "import sys; from roadworthy.switch.quick import stop_now; stop_now(sys.argv[1:]); print(' '.join(sys.modules))"
    done = run(code, "credit", "--reason", "x", "--workspace", str(workspace.root))
    assert done.returncode == 0
    assert not set(done.stdout.split()) & (HEAVY - {"yaml"})


# Switching on again.


def gate(workspace: Workspace, ledger: Ledger, minute: int = 10, **what: Any) -> str:
    what = {"model": "credit", "version": "1.0.0", "when": "gate", "word": "go", "run_id": f"gate-{minute}", **what}
    address, _ = record(workspace, ledger, now=at(minute), **what)
    return str(address.sha256)


def ask(switch: Switch, evidence: Any, model: str = "credit", **changes: Any) -> Any:
    return switch.enable(
        model,
        **{"requested_by": "oscar", "approved_by": "gustav", "reason": "Mended.", "at": at(20), "evidence": evidence, **changes},
    )


def test_two_people_and_a_green_gate_switch_on_again(workspace: Workspace, switch: Switch, ledger: Ledger) -> None:
    off(switch)
    evidence = gate(workspace, ledger)
    done = ask(switch, evidence)
    assert (done.state, done.changed, done.unreached, done.fence) == ("active", True, [], 4)
    assert switch.may_serve("credit", "1.0.0").state == "active"
    assert status(workspace.root) == []
    assert not list(workspace.root.parent.rglob("STOP*"))
    entry = ledger.latest("switch", model="credit")
    assert entry is not None
    assert (entry.body["requested_by"], entry.body["approved_by"], entry.body["signed"]) == ("oscar", "gustav", False)
    assert ledger.verify() == []
    assert off(switch, evidence="ef" * 32).changed  # and it can be stopped again
    assert switch.may_serve("credit").state == "disabled"


REFUSALS: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("one person", {}, {"requested_by": "gustav"}, "that takes two people"),
    ("not a guardian", {}, {"approved_by": "olga"}, "is not a Guardian"),
    ("guardian of others", {}, {"approved_by": "gerda"}, "is not the Guardian of credit@1.0.0"),
    ("automation", {}, {"requested_by": "automation"}, "is not in people.yaml"),
    ("automation approves", {}, {"approved_by": "automation"}, "is not in people.yaml"),
    ("an auditor", {}, {"requested_by": "adele"}, "is auditor and cannot ask"),
    ("no reason", {}, {"reason": "  "}, "needs a reason"),
    ("red gate", {"word": "no-go"}, {}, "ended 'no-go', not 'go'"),
    ("conditional gate", {"word": "conditional"}, {}, "ended 'conditional'"),
    ("a night", {"when": "nightly", "word": "clear"}, {}, "None of the evidence named is a recorded gate run"),
    ("older gate", {"minute": -1}, {}, "is older than the stop"),
    ("gate of another model", {"model": "bikes", "version": "2.0.0"}, {}, "None of the evidence"),
    ("gate of another version", {"version": "2.0.0"}, {}, "None of the evidence"),
    ("no evidence", {}, {"evidence": "00" * 32}, "None of the evidence"),
    ("too short to be an address", {}, {"evidence": ""}, "None of the evidence"),
]


@pytest.mark.parametrize(("gate_is", "asked", "says"), [r[1:] for r in REFUSALS], ids=[r[0] for r in REFUSALS])
def test_everything_less_is_refused_by_a_sentence(
    workspace: Workspace, switch: Switch, ledger: Ledger, gate_is: dict[str, Any], asked: dict[str, Any], says: str
) -> None:
    off(switch)
    evidence = gate(workspace, ledger, **gate_is)
    before = ledger.head()
    with pytest.raises(RefusedError, match=says):
        ask(switch, **{"evidence": evidence, **asked})
    assert ledger.head() == before
    assert switch.may_serve("credit").state == "disabled"
    assert stop_file(workspace).exists()


def test_a_gate_before_the_stop_never_lifts_it_whatever_its_clock_says(
    workspace: Workspace, switch: Switch, ledger: Ledger
) -> None:
    evidence = gate(workspace, ledger, minute=60)
    off(switch)
    with pytest.raises(RefusedError, match="is older than the stop"):
        ask(switch, evidence, at=at(90))


def test_a_gate_whose_evidence_was_changed_lifts_nothing(workspace: Workspace, switch: Switch, ledger: Ledger) -> None:
    off(switch)
    evidence = gate(workspace, ledger, word="no-go")
    path = next(workspace.evidence.rglob("verdict.json"))
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b'"no-go"', b'"go"'))
    with pytest.raises(Exception, match=r"verdict\.json is not what was recorded"):
        ask(switch, evidence)
    assert switch.may_serve("credit").state == "disabled"


def test_a_newer_stop_voids_an_older_gate(workspace: Workspace, switch: Switch, ledger: Ledger) -> None:
    switch.degrade("credit", by="automation", reason="Slow.", at=NOW)
    evidence = gate(workspace, ledger)
    switch.stop("credit", by="oscar", reason="Worse.", at=at(15))
    with pytest.raises(RefusedError, match="is older than the stop"):
        ask(switch, evidence)


def test_enabling_one_scope_leaves_the_others_stopped(workspace: Workspace, switch: Switch, ledger: Ledger) -> None:
    off(switch, version="1.0.0")
    off(switch, segment="eu")
    evidence = gate(workspace, ledger)
    done = ask(switch, evidence, version="1.0.0")
    assert done.state == "disabled"  # a request that names no segment may be of eu
    assert may_serve(workspace.root, "credit", "1.0.0", "us").state == "active"
    assert may_serve(workspace.root, "credit", "1.0.0", "eu").state == "disabled"
    assert [s.segment for s in files.read(stop_file(workspace))] == ["eu"]
    with pytest.raises(RefusedError, match=r"was not stopped by itself\. The stop that holds it was made for 'credit eu'"):
        ask(switch, evidence, version="1.0.0")
    with pytest.raises(RefusedError, match="There is no stop of all models"):
        ask(switch, evidence, model="*")


def test_a_stop_of_everything_needs_a_green_gate_for_everything(workspace: Workspace, switch: Switch, ledger: Ledger) -> None:
    off(switch, "*")
    first = gate(workspace, ledger)
    with pytest.raises(RefusedError, match=r"gate run of bikes@2\.0\.0"):
        ask(switch, first, model="*")
    second = gate(workspace, ledger, minute=11, model="bikes", version="2.0.0")
    assert ask(switch, [first[:12], second], model="*").changed
    assert (switch.may_serve("credit").state, switch.may_serve("bikes").state) == ("active", "active")


def test_a_stop_made_by_hand_can_be_lifted_too(workspace: Workspace, switch: Switch, ledger: Ledger) -> None:
    stop_file(workspace).parent.mkdir(parents=True)
    stop_file(workspace).touch()
    os.utime(stop_file(workspace), (NOW.timestamp(), NOW.timestamp()))
    done = ask(switch, gate(workspace, ledger))
    assert (done.state, stop_file(workspace).exists()) == ("active", False)


def test_a_stop_written_after_the_request_was_checked_stays(workspace: Workspace, switch: Switch, ledger: Ledger) -> None:
    off(switch)
    later = Stop.make("credit", None, None, state="disabled", at=at(30), by="gerda", reason="Still wrong.")
    with stop_file(workspace).open("ab") as file:
        file.write(json.dumps({"schema_version": 1, **{n: getattr(later, n) for n in Stop.__slots__}}).encode() + b"\n")
    kept = files.lift(stop_file(workspace).parent, "credit", "*", "*", until=files.stamp(at(20)))
    assert kept == [later]
    assert files.read(stop_file(workspace)) == [later]


def test_a_target_that_cannot_be_reached_still_holds_and_is_named(workspace: Workspace, switch: Switch, ledger: Ledger) -> None:
    off(switch)
    evidence = gate(workspace, ledger)
    (workspace.root / "shared/STOP.credit").unlink()
    (workspace.root / "shared/STOP.credit").mkdir()
    (workspace.root / "shared/STOP.credit" / "full").touch()
    os.utime(workspace.root / "shared/STOP.credit", (NOW.timestamp(), NOW.timestamp()))
    done = ask(switch, evidence)
    assert "shared/STOP.credit could not be lifted" in done.unreached[0]


def test_a_file_that_cannot_be_read_is_not_lifted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "STOP.credit"
    path.touch()
    before = path.stat().st_mtime_ns

    def denied(_: Path) -> Any:
        raise PermissionError(13, "Permission denied")

    def renamed(*_: Any) -> Any:
        raise AssertionError("it was set aside")

    with monkeypatch.context() as broken:
        broken.setattr(files, "read", denied)
        broken.setattr(Path, "rename", renamed)
        with pytest.raises(PermissionError):
            files.lift(tmp_path, "credit", "1.0.0", "*", until="9999")
    assert (sorted(p.name for p in tmp_path.iterdir()), path.stat().st_mtime_ns) == (["STOP.credit"], before)


def test_a_file_that_cannot_be_written_again_is_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = [Stop.make("credit", v, None, state="disabled", at=NOW, by="oscar", reason="x") for v in ("1.0.0", "2.0.0")]
    for one in both:
        files.write(tmp_path, one)

    def full(*_: Any) -> Any:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(files, "write", full)
        with pytest.raises(OSError, match="Input/output"):
            files.lift(tmp_path, "credit", "1.0.0", "*", until="9999")
    assert files.read(tmp_path / "STOP.credit") == both
    assert len(list(tmp_path.iterdir())) == 1


def test_what_cannot_be_understood_and_came_after_the_request_stays(tmp_path: Path) -> None:
    path = tmp_path / "STOP.credit"
    path.write_text("nonsense")
    assert [s.state for s in files.lift(tmp_path, "credit", "*", "*", until="2000")] == ["unknown"]
    assert path.exists()


def test_nothing_to_enable_is_said(switch: Switch, workspace: Workspace, ledger: Ledger) -> None:
    with pytest.raises(RefusedError, match="credit is active; there is nothing to enable"):
        ask(switch, gate(workspace, ledger))


def test_a_night_that_is_run_again_does_not_undo_what_two_people_decided(
    workspace: Workspace, switch: Switch, ledger: Ledger
) -> None:
    assert off(switch, evidence="ab" * 32).changed
    assert ask(switch, gate(workspace, ledger)).state == "active"
    again = switch.stop("credit", by="automation", reason="Wrong decisions.", at=at(40), evidence="ab" * 32)
    assert (again.changed, again.state) == (False, "active")
    assert switch.may_serve("credit").state == "active"
    assert switch.stop("credit", by="oscar", reason="I see it still.", at=at(41), evidence="ab" * 32).changed
    assert switch.may_serve("credit").state == "disabled"
    assert switch.stop("bikes", by="automation", reason="New ones.", at=at(41), evidence="cd" * 32).changed


def test_the_fence_moves_with_every_change_of_the_model_or_of_all(switch: Switch, workspace: Workspace, ledger: Ledger) -> None:
    assert switch.fence("credit") == 0
    off(switch)
    assert (switch.fence("credit"), switch.fence("bikes")) == (1, 0)
    off(switch, "*")
    assert (switch.fence("credit"), switch.fence("bikes")) == (2, 2)


def test_a_switch_without_database_reads_its_files(tmp_path: Path) -> None:
    assert Places(tmp_path, tmp_path).database is None
    assert files.held(tmp_path, "credit") == []
