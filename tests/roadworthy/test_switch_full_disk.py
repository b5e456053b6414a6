"""The kill switch on a disk that is really full: a file system of 2 MB in memory, filled to its last byte or its last name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from roadworthy.ledger import Ledger
from roadworthy.switch import may_serve
from roadworthy.switch.snapshot import Signer
from roadworthy.workspace import Workspace
from roadworthy_guard import Guard
from roadworthy_guard.store import Reader
from tests.roadworthy.service.house import make_house, token
from tests.roadworthy.service.running import running

TREE = Path(__file__).parents[2]
SIZE, NAMES = 2 * 1024 * 1024, 400


class Disk:
    """A file system that can be filled and emptied."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def fill(self, *, names: bool = False) -> None:
        """Take every byte, or every name as well, until nothing more has come free for a while: databases tidy up."""
        quiet = 0
        while quiet < 5:
            quiet = 0 if self._bytes() + (self._names() if names else 0) else quiet + 1
            time.sleep(0.05)

    def _bytes(self) -> int:
        taken = 0
        with suppress(OSError), (self.root / "filler").open("ab", buffering=0) as file:
            while True:
                taken += file.write(bytes(4096))
        return taken

    def _names(self) -> int:
        taken = 0
        with suppress(OSError):
            while True:
                os.close(os.open(self.root / f"name{time.monotonic_ns()}", os.O_CREAT | os.O_EXCL))
                taken += 1
        return taken

    def free(self) -> None:
        """Give everything back."""
        for file in (self.root / "filler", *self.root.glob("name*")):
            file.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    root = tmp_path / "disk"
    root.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},nr_inodes={NAMES}", "tmpfs", str(root)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount on this system, so no disk can be filled")
    if done.returncode:
        pytest.skip(f"a disk to be filled cannot be mounted here: {done.stderr.strip()}")
    yield Disk(root)
    subprocess.run(["umount", "--lazy", str(root)], check=True)


def command(workspace: Workspace) -> subprocess.CompletedProcess[str]:
    code = "import sys; from roadworthy.switch.quick import stop_now; sys.exit(stop_now(sys.argv[1:]))"
    given = ["credit", "--reason", "Complaint 4711.", "--as", "oscar", "--workspace", str(workspace.root)]
    env = {**os.environ, "PYTHONPATH": str(TREE), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, "-c", code, *given], capture_output=True, text=True, check=False, env=env)


def embedded(workspace: Workspace) -> Guard:
    return Guard.embedded(workspace.root, root="0" * 64)


def within(seconds: float, true: Callable[[], bool]) -> None:
    last = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < last
        time.sleep(0.02)


def test_with_no_byte_left_the_command_stops_every_guard_and_says_what_has_no_entry(disk: Disk) -> None:
    workspace = make_house(disk.root / "w")
    with embedded(workspace) as guard:
        assert guard.check("credit", "1.0.0").serves
        disk.fill()
        with pytest.raises(OSError, match="No space left"):
            (disk.root / "a").write_bytes(b"x")
        done = command(workspace)
        assert done.returncode == 0
        assert "credit is stopped: " in done.stdout and "Recorded" not in done.stdout
        assert "Warning: The ledger has no entry of it: " in done.stderr and "Traceback" not in done.stderr
        assert may_serve(workspace.root, "credit", "1.0.0").state == "disabled"
        time.sleep(0.005)
        assert guard.check("credit", "1.0.0").state == "disabled" and guard.check("bikes", "2.0.0").serves
        assert isinstance(guard._core.source, Reader)
        guard._core.source.look()
        assert guard.check("credit", "1.0.0").state == "disabled"
        with embedded(workspace) as started:
            assert started.check("credit", "1.0.0").state == "disabled"
    disk.free()
    again = command(workspace)
    assert (again.returncode, again.stderr) == (0, "") and "ledger" in again.stdout
    with Ledger.open(workspace.state_url) as ledger:
        assert [entry.body["model"] for entry in ledger.entries("switch")] == ["credit"] and ledger.verify() == []


def test_with_no_name_left_the_command_says_that_nothing_holds_and_a_target_on_another_disk_does(
    disk: Disk, tmp_path: Path
) -> None:
    workspace = make_house(disk.root / "w")
    other = tmp_path / "other"
    other.mkdir()
    disk.fill(names=True)
    done = command(workspace)
    assert done.returncode == 3
    assert "could NOT be made disabled anywhere" in done.stderr and "Make a file named STOP.credit" in done.stderr
    disk.free()
    assert may_serve(workspace.root, "credit", "1.0.0").serves
    with (workspace.root / "roadworthy.yaml").open("a", encoding="utf-8") as file:
        file.write(f"stop_targets: [{json.dumps(str(other))}]\n")
    disk.fill(names=True)
    done = command(workspace)
    assert (done.returncode, done.stdout) == (0, f"credit is stopped: {other / 'STOP.credit'}\n")
    assert f"The STOP file {workspace.made / 'switch' / 'STOP.credit'} could not be written (No space left" in done.stderr
    assert may_serve(workspace.root, "credit", "1.0.0").state == "disabled"


@pytest.mark.parametrize("names", [False, True], ids=["no byte", "no name"])
def test_a_service_on_a_full_disk_stops_from_memory_and_stores_it_when_there_is_room(
    disk: Disk, tmp_path: Path, names: bool
) -> None:
    workspace, key = make_house(disk.root / "w"), tmp_path / "service.pem"
    signer = Signer.make(key)
    with (
        running(workspace, key) as service,
        Guard.remote(service.url, token("scoring"), keys=[signer.public], bounds={"high": 5}) as guard,
    ):
        assert guard.wait(20) and guard.check("credit", "1.0.0").serves
        disk.fill(names=names)
        body = json.dumps({"model": "credit", "reason": "Complaint 4711."}).encode()
        status, said = service.call("POST", "/v1/stop", "oscar", body)
        answer = json.loads(said)
        assert (status, answer["durable"], answer["state"]) == (202, False, "disabled") and answer["unreached"]
        within(10, lambda: guard.check("credit", "1.0.0").state == "disabled")
        if not names:  # a name is left for an empty file, by which embedded guards refuse
            assert (workspace.made / "switch" / "STOP.credit").stat().st_size == 0
        disk.free()
        within(30, lambda: any(_entries(workspace)))
        assert guard.check("credit", "1.0.0").state == "disabled"
    assert may_serve(workspace.root, "credit", "1.0.0").state == "disabled"
    assert _entries(workspace) == ["oscar"]


def _entries(workspace: Workspace) -> list[str]:
    with Ledger.open(workspace.state_url) as ledger:
        return [entry.actor for entry in ledger.entries("switch")]
