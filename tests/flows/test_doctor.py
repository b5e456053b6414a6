"""The doctor says what is wrong with a machine, and never takes what it cannot know for good."""

from __future__ import annotations

import json
import os
import stat
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from flows import doctor, printing
from flows.cli import run
from flows.doctor import Check, disk, machine, private, server, state
from flows.orchestration import QUIET
from roadworthy.errors import StorageError
from roadworthy.ledger import Ledger
from roadworthy.workspace import Workspace
from tests.postgres import Server

NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
LOCK = (Path(__file__).resolve().parents[2] / "requirements.lock").read_text(encoding="utf-8")


def workspace(folder: Path, more: str = "") -> Workspace:
    folder.mkdir(exist_ok=True)
    (folder / "roadworthy.yaml").write_text(f"schema_version: 1\nname: w\ntime_zone: Europe/Berlin\n{more}", encoding="utf-8")
    (folder / "people.yaml").write_text("schema_version: 1\npeople:\n  - {id: o, name: O, roles: [operator]}\n", encoding="utf-8")
    for path in (folder, folder / "roadworthy.yaml", folder / "people.yaml"):
        os.utime(path, (NOW.timestamp() - 60, NOW.timestamp() - 60))
        path.chmod(0o755 if path.is_dir() else 0o644)
    return Workspace.open(folder)


# --- the machine


@pytest.mark.parametrize(("version", "ok"), [((3, 10), False), ((3, 11), True), ((3, 13), True), ((3, 14), False)])
def test_only_the_pythons_that_were_tried_are_fit(version: tuple[int, int], ok: bool) -> None:
    assert machine.python(version).ok is ok


@pytest.mark.parametrize(("name", "version", "why"), [
    ("SQLAlchemy", "2.1.9", "schedules make no runs"), ("fastapi", "0.165.0", "does not start"),
    ("pandas", "3.1.0", "Evidently does not import"), ("great_expectations", "1.24.2", "private method"),
    ("prefect", "3.9.1", "only this series"), ("duckdb", "1.4.0", "must be"),
])
def test_a_version_that_breaks_another_is_named_with_what_it_breaks(name: str, version: str, why: str) -> None:
    there = {**machine._installed(), machine._normal(name): version}
    found = machine.packages(LOCK, installed=there)
    assert not found.ok and f"{machine._normal(name)} is {version}" in found.says and why in found.says


def test_a_missing_package_is_named_and_one_for_another_system_is_not() -> None:
    required = ["duckdb>=2", "colorama>=1; sys_platform == 'win32'", "mlflow>=3; extra == 'mlflow'"]
    found = machine.packages("", required, {})
    assert not found.ok and found.says == "duckdb is missing."


def test_of_two_versions_on_the_path_the_one_that_is_imported_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sqlalchemy-2.1.9.dist-info").mkdir()
    (tmp_path / "sqlalchemy-2.1.9.dist-info" / "METADATA").write_text("Name: SQLAlchemy\nVersion: 2.1.9\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "sqlalchemy is 2.1.9" in machine.packages().says


def test_another_version_within_bounds_is_fit_but_said() -> None:
    lock = "duckdb==2.0.0 \\\n    --hash=sha256:00\nrich==15.0.0 ; python_version < '3' \\\n    --hash=sha256:00\n"
    found = machine.packages(lock, ["duckdb>=2"], {"duckdb": "2.0.1", "rich": "1.0"})
    assert found.ok and found.says.endswith("not as tested: duckdb 2.0.1 (lock: 2.0.0).")
    assert machine.packages("", ["duckdb>=2"], {"duckdb": "2.0.1"}).says.endswith("no requirements.lock here to compare with.")


def test_an_import_that_fails_is_said_with_its_last_line() -> None:
    found = machine.evidently((sys.executable, "-c", "raise ImportError('no private name')"))
    assert not found.ok and "ImportError: no private name" in found.says


@pytest.mark.parametrize("name", machine.SWITCHES)
def test_each_telemetry_switch_must_be_off(name: str) -> None:
    assert machine.telemetry(QUIET).ok
    for wrong in ({**QUIET, name: "yes please"}, {k: v for k, v in QUIET.items() if k != name}):
        found = machine.telemetry(wrong)
        assert not found.ok and name in found.says


# --- the clock


def test_a_clock_behind_what_was_recorded_is_not_believed(tmp_path: Path) -> None:
    here = workspace(tmp_path)
    assert machine.clock(here, NOW).ok
    assert "Europe/Berlin" in machine.clock(here, NOW).says
    found = machine.clock(here, NOW - timedelta(hours=1))
    assert not found.ok and "the file " in found.says
    here.made.mkdir()
    with Ledger.open(here.state_url) as ledger:
        ledger.append("run", "automation", {"model": "m"}, at=NOW + timedelta(days=9))
    for path in here.made.iterdir():
        os.utime(path, (NOW.timestamp(), NOW.timestamp()))
    found = machine.clock(here, NOW)
    assert not found.ok and "the last entry of the ledger is of 2026-12-01" in found.says
    assert machine.clock(here, NOW + timedelta(days=9)).ok


@pytest.mark.parametrize("year", [1970, 2025, 2100])
def test_a_year_that_cannot_be_is_said(year: int) -> None:
    assert not machine.clock(None, NOW.replace(year=year)).ok


# --- disks


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "fuse.rclone", "ceph", "virtiofs"])
def test_state_on_a_network_file_system_is_refused(tmp_path: Path, kind: str) -> None:
    mounted = f"/dev/vda / ext4 rw 0 0\nserver:/export {tmp_path} {kind} rw 0 0\n"
    found = disk.local("State", tmp_path / "not" / "there yet", mounted)
    assert not found.ok and kind in found.says and "state_url" in found.do


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "zfs", "overlay", "tmpfs", "apfs", "fuseblk"])
def test_state_on_a_local_disk_is_fit(tmp_path: Path, kind: str) -> None:
    assert disk.local("State", tmp_path, f"server:/ / nfs4 rw 0 0\n/dev/vdb {tmp_path} {kind} rw 0 0\n").ok


def test_the_deepest_and_latest_mount_counts_and_a_sibling_does_not() -> None:
    text = "a / ext4 rw 0 0\nb /data nfs4 rw 0 0\nc /data ext4 rw 0 0\nd /data/my\\040disk cifs rw 0 0\nshort\n"
    assert disk.kind_of(Path("/data/x"), text) == ("ext4", "/data")
    assert disk.kind_of(Path("/data/my disk/x"), text) == ("cifs", "/data/my disk")
    assert disk.kind_of(Path("/database"), text) == ("ext4", "/")


def test_a_system_that_does_not_tell_its_mounts_is_said_to_be_unknown(tmp_path: Path) -> None:
    for mounted in (None, ""):
        assert disk.local("State", tmp_path, mounted).says.startswith("Unknown")


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    here = workspace(tmp_path / "w", "evidence_url: ../gone/evidence\nstate_url: sqlite:////proc/no/state.sqlite\n")
    found = {one.what: one for one in disk.folders(here)}
    assert found["Evidence"].ok, "it can be made"
    assert not found["State"].ok and "/proc cannot be written" in found["State"].says


def test_evidence_in_object_storage_is_said(tmp_path: Path) -> None:
    here = workspace(tmp_path, "evidence_url: s3://bucket/evidence\nstate_url: postgresql://db/state\n")
    found = {one.what: one for one in disk.folders(here)}
    assert "State" not in found
    assert not found["Evidence"].ok and "Use a folder" in found["Evidence"].do


def test_a_database_server_is_tried_and_nothing_stays_of_the_trial(tmp_path: Path, postgres: Server) -> None:
    def look(url: str) -> dict[str, Check]:
        return {one.what: one for one in state.server(workspace(tmp_path, f"state_url: {url}\n"))}

    url = postgres.schema()
    found = look(url)
    assert found["State"].ok and "(PostgreSQL " in found["State"].says and "can be written" in found["State"].says
    assert not found["State's durability"].ok and "(fsync = off)" in found["State's durability"].says
    assert found["State's connection"].ok
    with pytest.raises(StorageError, match="Nothing has been recorded yet"):
        Ledger.open(url, read_only=True)
    with Ledger.open(url) as ledger:
        ledger.append("run", "a", {}, at=NOW)
        assert look(url)["State"].ok
        assert (ledger.head()[0], ledger.verify()) == (1, [])
    postgres.run("do $$ begin create role looker login; exception when duplicate_object then null; end $$")
    for bad, says in (
        (url.replace("rw@", "looker@"), "has no schema in which this user may"), (postgres.by_tcp(url), "cannot be reached"),
        ("postgresql://rw@127.0.0.1:1/state", "cannot be reached"), ("mysql://db/state", "of kind 'mysql'"),
    ):
        ((what, check),) = look(bad).items()
        assert what == "State" and not check.ok and check.do
        assert says in check.says


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    assert disk.space([tmp_path]).ok
    found = disk.space([tmp_path / "not there", tmp_path], least=10**18)
    assert not found.ok and str(tmp_path) in found.says


# --- permissions and alerts


@pytest.mark.parametrize("path", [".", "roadworthy.yaml", "people.yaml", ".roadworthy"])
def test_what_everyone_can_write_is_said(tmp_path: Path, path: str) -> None:
    here = workspace(tmp_path / "w")
    here.made.mkdir()
    assert disk.permissions(here).ok
    target = here.root / path
    target.chmod(target.stat().st_mode | stat.S_IWOTH)
    found = disk.permissions(here)
    assert not found.ok and "everyone can write" in found.says.lower() and "chmod o-w" in found.do


def test_a_secret_file_that_others_can_read_is_said_and_never_shown(tmp_path: Path) -> None:
    here = workspace(tmp_path, "alerts: {operator: ['file:url']}\n")
    (tmp_path / "url").write_text("json://user:hunter2@host\n", encoding="utf-8")
    (tmp_path / "url").chmod(0o640)
    for found in (disk.permissions(here), machine.alerts(here, {})):
        assert not found.ok and "chmod 600" in found.says + found.do and "hunter2" not in found.says
    (tmp_path / "url").chmod(0o600)
    assert disk.permissions(here).ok
    assert machine.alerts(here, {}) == doctor.Check("Alerts", True, "Configured for operator (1). Nothing was sent.")


def test_an_alert_that_would_reach_nobody_is_said(tmp_path: Path) -> None:
    here = workspace(tmp_path, "alerts: {owner: ['env:OWNER_URL'], guardian: ['prefect:later']}\n")
    assert "OWNER_URL is not set" in machine.alerts(here, {}).says
    found = machine.alerts(here, {"OWNER_URL": "hunter2 is no address"})
    assert not found.ok and "not an Apprise address" in found.says and "hunter2" not in found.says
    assert machine.alerts(here, {"OWNER_URL": "json://localhost"}).ok
    assert "nobody is told" in machine.alerts(workspace(tmp_path), {}).says


def test_a_language_model_that_no_night_could_ask_is_said(tmp_path: Path) -> None:
    here = workspace(tmp_path / "w", "privacy: {names: {model: pipeline}}\n")
    found = machine.language_model(here, None)
    assert not found.ok and "pip install 'roadworthy[pii]'" in found.do
    found = machine.language_model(here, "3.8.0")
    assert not found.ok and "There is no language model 'pipeline'" in found.says and found.do
    (here.root / "pipeline").mkdir()
    (here.root / "pipeline" / "config.cfg").write_text("[nlp]\n", encoding="utf-8")
    assert machine.language_model(here, "3.8.0").ok
    said = [one.what for one in doctor.examine(here, now=datetime.now(UTC), environment={})]
    assert "Names of people" in said
    assert "Names of people" not in [one.what for one in doctor.examine(workspace(tmp_path / "x"), environment={})]


# --- Prefect


def client_of(answer: Callable[[httpx.Request], httpx.Response]) -> httpx.Client:
    return httpx.Client(base_url="http://server/api", transport=httpx.MockTransport(answer))


def prefect(runs_of: tuple[str, ...] = ("d-cron", "d-interval"), analytics: bool = False) -> httpx.Client:
    """A Prefect API that makes runs of the named deployments only."""
    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.endswith("/admin/settings"):
            return httpx.Response(200, json={"server": {"analytics_enabled": analytics}})
        if path.endswith("/deployments/"):
            return httpx.Response(201, json={"id": "d-" + json.loads(request.content)["name"]})
        if path.endswith("/flow_runs/filter"):
            return httpx.Response(200, json=[{"deployment_id": one} for one in runs_of])
        return httpx.Response(200, json={"id": "flow"})
    return client_of(answer)


def test_a_configured_server_must_answer_and_not_report_home() -> None:
    env = {"PREFECT_API_URL": "http://user:hunter2@server/api"}
    assert server.reachable({}).ok
    assert server.reachable(env, prefect()) == doctor.Check("Prefect server", True, "server/api answers.")
    home = server.reachable(env, prefect(analytics=True))
    assert not home.ok and "reports home" in home.says
    down = server.reachable(env, client_of(lambda _: httpx.Response(503)))
    assert not down.ok and "does not answer" in down.says and "hunter2" not in down.says + home.says
    nobody = server.reachable({"PREFECT_API_URL": "http://127.0.0.1:9/api"})
    assert not nobody.ok and "127.0.0.1:9/api does not answer" in nobody.says


@pytest.mark.parametrize(("runs_of", "silent"), [
    (("d-cron", "d-interval"), None), ((), "cron and interval"), (("d-interval",), "cron"), (("d-cron",), "interval"),
])
def test_a_schedule_that_makes_no_run_is_found_though_the_server_is_healthy(runs_of: tuple[str, ...], silent: str | None) -> None:
    found = server.fires(prefect(runs_of), seconds=0.05, pause=0.01)
    assert found.ok is (silent is None)
    assert silent is None or (f"its {silent} schedule made no run" in found.says and "SQLAlchemy 2.1" in found.do)


def test_a_server_whose_database_is_locked_for_a_moment_is_asked_again() -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        if len(asked) % 2:
            return httpx.Response(503)
        name = "flow" if request.url.path.endswith("/flows/") else "d"
        if request.url.path.endswith("/filter"):
            return httpx.Response(200, json=[{"deployment_id": "d-cron"}, {"deployment_id": "d-interval"}])
        return httpx.Response(201, json={"id": f"{name}-" + json.loads(request.content)["name"]})

    assert server.fires(client_of(answer), seconds=30, pause=0.01).ok
    locked = server.fires(client_of(lambda _: httpx.Response(503)), seconds=0.05, pause=0.01)
    assert not locked.ok and "503" in locked.says


def test_a_server_that_refuses_a_deployment_is_said_in_one_line() -> None:
    found = server.fires(client_of(lambda _: httpx.Response(500)), seconds=0.05)
    assert not found.ok and "refused to deploy" in found.says and "\n" not in found.says


@pytest.mark.prefect
def test_schedules_make_runs_with_the_libraries_that_the_lock_names() -> None:
    before = set(Path(tempfile.gettempdir()).glob("roadworthy-doctor-*"))
    found = server.schedules(os.environ)
    assert found.ok, found.says
    assert set(Path(tempfile.gettempdir()).glob("roadworthy-doctor-*")) == before, "its database is thrown away"


def test_a_server_that_cannot_start_is_said(tmp_path: Path) -> None:
    (tmp_path / "prefect.py").write_text("raise SystemExit('prefect is broken')", encoding="utf-8")
    found = server.schedules({**os.environ, "PYTHONPATH": str(tmp_path)})
    assert not found.ok and "did not start (prefect is broken)" in found.says


# --- the command


def test_the_command_answers_every_question_and_returns_one_if_anything_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = workspace(tmp_path)
    for name, value in QUIET.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    (here.root / "people.yaml").chmod(0o666)
    assert run(["doctor", "--json", "-w", str(here.root)]) == 1
    found = {one["what"]: one for one in json.loads(capsys.readouterr().out)}
    assert list(found) == [
        "Python", "Packages", "Evidently", "Telemetry", "Clock", "State", "State's file system", "Evidence", "Disk",
        "Permissions", "State, keys and rows", "Alerts", "Prefect server",
    ]
    assert [what for what, one in found.items() if not one["ok"]] == ["Permissions"], "the rest of this machine is fit"
    assert found["Permissions"]["says"].startswith("Everyone can write") and "chmod" in found["Permissions"]["do"]


def test_an_unknown_workspace_is_bad_usage(tmp_path: Path) -> None:
    assert run(["doctor", "-w", str(tmp_path / "nowhere")]) == 64


def test_without_a_workspace_the_machine_alone_is_looked_at() -> None:
    found = {one.what: one for one in doctor.examine(None, now=NOW, environment={**QUIET, "DO_NOT_TRACK": "0"})}
    assert "Workspace" in found and "State" not in found
    assert [what for what, one in found.items() if not one.ok] == ["Telemetry"]


def test_what_is_wrong_is_printed_with_what_to_do() -> None:
    text = StringIO()
    out = Console(file=text, width=200)
    printing.doctor(out, [doctor.Check("Disk", True, "9 GB."), doctor.Check("Clock", False, "It says [bold]1970.", "Set it.")])
    said = text.getvalue()
    assert "✓ Disk: 9 GB." in said and "✕ Clock: It says [bold]1970. Set it." in said and "1 thing to mend." in said


def test_open_keys_rows_and_state_are_said_with_what_closes_them(tmp_path: Path) -> None:
    here = workspace(tmp_path / "w", "alerts: {owner: ['file:chat']}\n")
    assert private.kept(here).ok
    (here.root / "chat").write_text("s3cret", encoding="utf-8")
    (here.root / "chat").chmod(0o644)
    here.restricted.mkdir(parents=True)
    here.restricted.chmod(0o755)
    here.made.chmod(0o777)
    found = private.kept(here)
    assert not found.ok and "s3cret" not in found.says
    for do in (f"chmod go-w {here.made}", f"chmod 700 {here.restricted}", f"chmod 600 {here.root / 'chat'}"):
        assert do in found.do
    assert "State, keys and rows" in {one.what for one in doctor.examine(here, now=NOW, environment={})}
