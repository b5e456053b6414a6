"""What a hostile model may do inside: nothing that reaches anybody else. Each model here is a pickle that runs its own code."""

from __future__ import annotations

import os
import pickle
import socket
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from checks.isolation import Answer, IsolationError, Limits, ask
from checks.isolation.walls import FILES, NETWORK, PROCESSES
from roadworthy.canonical import digest_file

SHORT = Limits(seconds=30, memory=1 << 30, answer=1 << 20)


class Runs:
    """A value that runs code when it is unpickled."""

    def __init__(self, code: str) -> None:
        self.code = code

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (self.code, {})


def hostile(tmp_path: Path, code: str, limits: Limits = SHORT, **handed: Any) -> Answer:
    path = tmp_path / "model.pickle"
    path.write_bytes(pickle.dumps(Runs(code)))
    # The auditor would not let it in; here it is let in, to see the walls hold.
    order = {"format": "pickle", "sha256": digest_file(path), "trusted": [], "pickle_trusted": ["builtins:exec"]}
    return ask("checks.isolation.trial", order, files={"artifact": path}, limits=limits, **handed)


@pytest.fixture(scope="module")
def walls() -> tuple[str, ...]:
    return ask("checks.isolation.trial", limits=SHORT).walls


def needs(walls: tuple[str, ...], wall: str) -> None:
    if wall not in walls:
        pytest.skip(f"this kernel grants no such wall: {wall}")


# --- what it may take


@pytest.mark.parametrize("code", [
    "while True: pass",
    "import time; time.sleep(60)",
    "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); os.fork(); time.sleep(60)",
])
def test_one_that_does_not_end_is_stopped(tmp_path: Path, walls: tuple[str, ...], code: str) -> None:
    needs(walls, NETWORK)
    began = time.monotonic()
    with pytest.raises(IsolationError, match="not ended after 2 s"):
        hostile(tmp_path, code, Limits(seconds=2))
    assert time.monotonic() - began < 10


def test_what_it_left_behind_in_a_session_of_its_own_dies_with_it(
    tmp_path: Path, walls: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    needs(walls, PROCESSES)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # every process inside names its folder in its arguments
    ended = "if os.fork() == 0:\n os.setsid()\n time.sleep(60)\nos.kill(os.getpid(), 9)"
    with pytest.raises(IsolationError, match="killed by SIGKILL"):
        hostile(tmp_path, f"import os, time\n{ended}")
    time.sleep(0.2)
    assert running(str(tmp_path)) == []


def running(word: str) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and word.encode() in (entry / "cmdline").read_bytes():
                found.append(entry.name)
        except (FileNotFoundError, ProcessLookupError, NotADirectoryError):
            continue  # it ended while it was looked at
    return found


def test_a_process_inside_is_seen_while_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above could not fail if `running` found nothing ever."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    asked = threading.Thread(target=ask, args=("checks.isolation.trial",))
    asked.start()
    seen = [running(str(tmp_path)) for _ in iter(asked.is_alive, False)]
    assert any(seen)


def test_one_that_takes_too_much_memory_is_refused_it(tmp_path: Path, walls: tuple[str, ...]) -> None:
    needs(walls, NETWORK)
    with pytest.raises(IsolationError, match="more than 1 GB of memory"):
        hostile(tmp_path, "x = bytearray(1 << 31)")


def test_a_file_that_grows_without_end_ends_it(tmp_path: Path, walls: tuple[str, ...]) -> None:
    needs(walls, NETWORK)
    code = "f = open('big', 'wb')\nwhile True: f.write(b'0' * 65536)"
    with pytest.raises(IsolationError, match=r"OSError|SIGXFSZ"):
        hostile(tmp_path, code, Limits(seconds=30, memory=1 << 30, file=1 << 20))


# --- whom it may reach


def test_nobody_listens_where_it_calls(tmp_path: Path, walls: tuple[str, ...]) -> None:
    needs(walls, NETWORK)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port, reached = server.getsockname()[1], []
        server.settimeout(20)
        listening = threading.Thread(target=lambda: reached.append(server.accept()))
        listening.daemon = True
        call = f"import socket; socket.create_connection(('127.0.0.1', {port}), 5)"
        with pytest.raises(IsolationError, match="could not be loaded"):
            listening.start()
            hostile(tmp_path, call)
        assert reached == []
        exec(call)  # from here it is reached, so the silence above was the wall's
        listening.join(10)
        assert len(reached) == 1


def test_it_knows_no_variable_of_ours(tmp_path: Path, walls: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    needs(walls, NETWORK)
    monkeypatch.setenv("ROADWORTHY_TEST_SECRET", "hunter2")
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    code = (
        "import os\n"
        "assert 'hunter2' not in repr(os.environ), 'leaked'\n"
        "assert os.environ['OPENBLAS_CORETYPE'] == 'Haswell'\n"
        "assert os.environ['HOME'] == os.getcwd() == os.environ['TMPDIR']\n"
        "assert sorted(os.listdir('/proc/self/fd'))[:3] == ['0', '1', '2'] and len(os.listdir('/proc/self/fd')) < 6\n"
    )
    assert hostile(tmp_path, code).values["loaded"] == "builtins.NoneType"
    with pytest.raises(IsolationError, match="AssertionError"):
        hostile(tmp_path, "assert False")


def test_it_writes_nowhere_else_and_reads_no_keys(tmp_path: Path, walls: tuple[str, ...]) -> None:
    needs(walls, FILES)
    outside, key = tmp_path / "outside", tmp_path / "key"
    key.write_text("secret", encoding="utf-8")
    for code in (
        f"import os; os.system('echo x > {outside}'); open('made', 'w').write('x')",
        f"import os\nassert os.system('cat {key}') != 0",
    ):
        assert hostile(tmp_path, code).values["loaded"] == "builtins.NoneType"
    with pytest.raises(IsolationError, match="PermissionError"):
        hostile(tmp_path, f"open({str(key)!r})")
    assert not outside.exists()


def test_it_cannot_signal_us(tmp_path: Path, walls: tuple[str, ...]) -> None:
    needs(walls, PROCESSES)
    with pytest.raises(IsolationError, match=r"ProcessLookupError|PermissionError"):
        hostile(tmp_path, f"import os; os.kill({os.getpid()}, 0)")


# --- what it may answer


@pytest.mark.parametrize(("code", "said"), [
    ("os._exit(0)", "gave no answer"),
    ("os._exit(7)", "gave no answer"),
    ("os.kill(os.getpid(), 9)", "killed by SIGKILL"),
    ("put(b'\\x80garbage')", "not JSON"),
    ("put(b'[1]')", "not JSON"),
    ("put(b'{\"values\": NaN}')", "not JSON"),
    ("put(b'{\"values\": 1e999}')", "not JSON"),
    ("put(b'[' * 100000)", "not JSON"),
    ("put(b'{}')", "another shape"),
    ("put(b'{\"walls\": [], \"values\": 1, \"tables\": {}}')", "another shape"),
    ("put(b'{\"walls\": [], \"values\": {}, \"tables\": {\"a\": \"../../etc/passwd\"}}')", "another shape"),
    ("put(b'{\"walls\": [], \"values\": {}, \"tables\": {\"a\": \"answer-0.arrow\"}}')", "gave no answer"),
    ("put(b' ' * (1 << 20) + b'{}')", "larger than 1048576 bytes"),
    ("os.symlink('/etc/passwd', 'answer.json'); os._exit(0)", "no file"),
    ("os.mkfifo('answer.json'); os._exit(0)", "no file"),
    ("os.mkdir('answer.json'); os._exit(0)", "no file"),
    ("d = os.getcwd(); os.rename('order.json', 'answer.json'); os._exit(0)", "another shape"),
])
def test_what_is_no_answer_is_not_believed(tmp_path: Path, walls: tuple[str, ...], code: str, said: str) -> None:
    needs(walls, NETWORK)
    put = "def put(b):\n open('answer.json', 'wb').write(b)\n os._exit(0)\n"
    with pytest.raises(IsolationError, match=said):
        hostile(tmp_path, f"import os\n{put}{code}")


@pytest.mark.parametrize(("write", "said"), [
    ("f.write(b'ARROW1')", "not an Arrow file"),
    ("w(pa.table({'a': pa.array([[1]])}))", "unknown kind"),
    ("w(pa.table({'a': pa.array([b'x'])}))", "unknown kind"),
    ("w(pa.table({'a': pa.array([0] * 10**7)}), pa.ipc.IpcWriteOptions(compression='zstd'))", "compressed"),
    ("w(pa.table({'a': [1.5, None], 'b': ['x', 'y']}))", ""),
])
def test_only_plain_whole_tables_come_back(tmp_path: Path, walls: tuple[str, ...], write: str, said: str) -> None:
    needs(walls, NETWORK)
    code = (
        "import os, pyarrow as pa\n"
        "def w(t, o=None):\n with pa.ipc.new_file(f, t.schema, options=o) as n: n.write_table(t)\n"
        f"with open('answer-0.arrow', 'wb') as f:\n {write}\n"
        "open('answer.json', 'w').write('{\"walls\": [], \"values\": {}, \"tables\": {\"a\": \"answer-0.arrow\"}}')\n"
        "os._exit(0)"
    )
    if said:
        with pytest.raises(IsolationError, match=said):
            hostile(tmp_path, code)
    else:
        assert hostile(tmp_path, code).tables["a"].to_pydict() == {"a": [1.5, None], "b": ["x", "y"]}


def test_tables_go_in_and_come_out_the_same() -> None:
    rows = pa.table({"with space": pa.array([1, None, 3]), "word": pa.array(["a", "\0", None]), "half": [0.5, -0.0, 1e300]})
    answer = ask("checks.isolation.trial", tables={"rows": rows}, limits=SHORT)
    assert answer.tables["rows"].equals(rows)
    assert 1e6 < answer.peak_memory < SHORT.memory and answer.seconds > 0


def test_an_error_is_told_without_what_the_data_hold(tmp_path: Path, walls: tuple[str, ...]) -> None:
    needs(walls, NETWORK)
    with pytest.raises(IsolationError) as raised:
        ask("checks.isolation.parcels", limits=SHORT)
    assert str(raised.value).startswith("It ended with AttributeError: module ... has no attribute")


def test_a_file_that_is_not_there_or_is_none_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(IsolationError, match=r"'gone' cannot be read"):
        ask("checks.isolation.trial", files={"artifact": tmp_path / "gone"})
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(IsolationError, match=r"'pipe' is no file"):
        ask("checks.isolation.trial", files={"artifact": tmp_path / "pipe"})


@pytest.mark.parametrize("job", [
    "os", "checks", "tests.support", "checks.isolation.trial; import os", "checks..x", "checks.isolation.trial\n",
])
def test_only_modules_of_the_checks_are_jobs(job: str) -> None:
    with pytest.raises(IsolationError, match="is no job"):
        ask(job)
