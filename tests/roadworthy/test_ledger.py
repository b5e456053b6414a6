"""The ledger loses nothing, doubles nothing, and shows what was changed."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roadworthy.errors import StorageError, TamperedError
from roadworthy.ledger import Ledger
from roadworthy.ledger.chain import GENESIS
from roadworthy.ledger.sqlite import TRIGGERS, DamagedError
from tests.roadworthy.records import HOSTILE, NOW, at


def url_of(folder: Path) -> str:
    return f"sqlite:///{folder / 'state.sqlite'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    return url_of(tmp_path) if request.param == "sqlite" else request.getfixturevalue("postgres").schema()


def filled(folder: Path, n: int = 12) -> str:
    return fill(url_of(folder), n)


def fill(url: str, n: int = 12) -> str:
    with Ledger.open(url) as ledger:
        for i in range(n):
            ledger.append(
                "run" if i % 2 else "release",
                "ada",
                {"model": f"m{i % 3}", "i": i, "day": f"2026-04-{i + 1:02d}"},
                at=at(i),
                key=f"{i}/{i}",
            )
    return url


@pytest.fixture(scope="module")
def twelve(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger of twelve entries, to be copied."""
    folder = tmp_path_factory.mktemp("twelve")
    filled(folder)
    return folder / "state.sqlite"


def copied(source: Path, folder: Path) -> str:
    shutil.copy(source, folder / "state.sqlite")
    return url_of(folder)


def by_force(folder: Path, sql: str, *parameters: Any) -> None:
    """Change the table as someone with the file and no scruples would: without the triggers."""
    with closing(sqlite3.connect(folder / "state.sqlite")) as con:
        for name in TRIGGERS:
            con.execute(f"drop trigger {name}")
        con.execute(sql, parameters)
        for statement in TRIGGERS.values():
            con.execute(statement)
        con.commit()


def problems(url: str) -> list[str]:
    with Ledger.open(url, read_only=True) as ledger:
        return ledger.verify()


# Known answers: an auditor with sha256 and JSON, and none of our code.


def test_an_entry_can_be_checked_with_sha256_and_json_alone(tmp_path: Path) -> None:
    filled(tmp_path, 3)
    with closing(sqlite3.connect(tmp_path / "state.sqlite")) as con:
        rows = con.execute("select bytes, hash from ledger order by seq").fetchall()
    before = "0" * 64
    for data, digest in rows:
        assert hashlib.sha256(data).hexdigest() == digest
        assert json.loads(data)["prev"] == before
        before = digest


def test_the_bytes_of_a_first_entry_never_change_between_versions(url: str) -> None:
    with Ledger.open(url) as ledger:
        entry = ledger.append(
            "release",
            "ada",
            {"model": "credit", "é": [1, None, True]},
            at=datetime(2026, 4, 1, 8, tzinfo=timezone(timedelta(hours=2))),
        )
    written = (
        '{"actor":"ada","at":"2026-04-01T06:00:00.000000Z","body":{"model":"credit","é":[1,null,true]},"key":null,'
        '"kind":"release","prev":"' + "0" * 64 + '","schema_version":1,"seq":1}'
    )
    assert entry.hash == hashlib.sha256(written.encode()).hexdigest()


# What it promises.


def test_entries_come_back_as_they_were_appended(url: str) -> None:
    with Ledger.open(url) as ledger:
        body = {"model": "credit", "name": HOSTILE, "list": [1, "a", None, False], "map": {"a": {"b": 2**53 - 1}}}
        written = ledger.append("run", HOSTILE, body, at=NOW, key=HOSTILE)
        assert list(ledger.entries()) == [written]
        assert written.body == body
        assert (written.seq, written.actor, written.at, written.key, written.prev) == (1, HOSTILE, NOW, HOSTILE, GENESIS)
        assert ledger.head() == (1, written.hash)


def test_an_act_repeated_after_a_crash_is_recorded_once(url: str) -> None:
    with Ledger.open(url) as ledger:
        first = ledger.append("run", "automation", {"evidence": "aa"}, at=NOW, key="run:credit")
        again = ledger.append("run", "automation", {"evidence": "bb"}, at=at(5), key="run:credit")
        assert again == first
        assert ledger.head()[0] == 1
        assert ledger.has("run:credit")
        assert not ledger.has("run:bikes")
        with pytest.raises(ValueError, match="belongs to entry 1"):
            ledger.append("switch", "automation", {}, at=NOW, key="run:credit")


def test_readers_find_entries_by_kind_model_and_place(url: str) -> None:
    with Ledger.open(fill(url)) as ledger:
        assert [e.body["i"] for e in ledger.entries("run")] == [1, 3, 5, 7, 9, 11]
        assert [e.body["i"] for e in ledger.entries(model="m1")] == [1, 4, 7, 10]
        assert [e.body["i"] for e in ledger.entries("run", "m1", after=2)] == [7]
        assert [e.body["i"] for e in ledger.newest("run", 2)] == [11, 9]
        latest = ledger.latest("run", model="m1", i=1)
        assert latest is not None and latest.seq == 2
        assert ledger.latest("run", model="m1", i=99) is None


def test_the_predecessor_is_the_latest_earlier_day_however_late_it_was_recorded(url: str) -> None:
    with Ledger.open(url) as ledger:
        for day in ("2026-04-03", "2026-04-05", "2026-04-01", "2026-04-04"):
            ledger.append("run", "automation", {"model": "credit", "day": day}, at=NOW)

        def before(day: str) -> str | None:
            found = ledger.latest("run", model="credit", before_day=day)
            return found.body["day"] if found else None

        assert [before(f"2026-04-0{d}") for d in (1, 2, 4, 5, 6)] == [
            None,
            "2026-04-01",
            "2026-04-03",
            "2026-04-04",
            "2026-04-05",
        ]


def test_long_ledgers_are_read_in_pages_without_a_gap(url: str) -> None:
    with Ledger.open(url) as ledger:
        from roadworthy.ledger import chain

        with ledger.transaction() as execute:
            for i in range(1203):
                chain.append(execute, "run", "a", {"i": i}, at=NOW)
        assert [e.body["i"] for e in ledger.entries()] == list(range(1203))
        assert [e.body["i"] for e in ledger.newest("run", 1203)] == list(range(1203))[::-1]
        assert ledger.verify() == []


@pytest.mark.parametrize(
    "body",
    [
        {"x": 0.5},
        {"x": [1, {"y": float("nan")}]},
        {"x": 2**53},
        {1: "a"},
        {"x": b"a"},
        {"x": NOW},
        {"x": "a" * 70_000},
        {"x": "\ud800"},
    ],
)
def test_what_is_not_an_exact_small_json_value_is_refused(tmp_path: Path, body: dict[Any, Any]) -> None:
    with Ledger.open(url_of(tmp_path)) as ledger:
        with pytest.raises(ValueError):
            ledger.append("run", "a", body, at=NOW)
        assert ledger.head() == (0, GENESIS)


def test_a_moment_without_a_time_zone_or_an_act_without_an_actor_is_refused(tmp_path: Path) -> None:
    with Ledger.open(url_of(tmp_path)) as ledger:
        with pytest.raises(ValueError, match="time zone"):
            ledger.append("run", "a", {}, at=datetime(2026, 1, 1))
        with pytest.raises(ValueError, match="actor"):
            ledger.append("run", "", {}, at=NOW)
        with pytest.raises(ValueError, match="kind"):
            ledger.append("Run!", "a", {}, at=NOW)
        for named in ({"actor": "a\0"}, {"key": "\0"}, {"body": {"model": "\0"}}):
            with pytest.raises(ValueError, match="NUL"):
                ledger.append("run", **{"actor": "a", "body": {}, **named}, at=NOW)


# Properties.

words = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
bodies = st.dictionaries(words, values, max_size=4)


def test_any_json_body_survives_the_ledger(url: str) -> None:
    with Ledger.open(url) as ledger:

        @given(bodies=st.lists(bodies, min_size=1, max_size=5))
        @settings(max_examples=40, deadline=None)
        def survives(bodies: list[dict[str, Any]]) -> None:
            before = ledger.head()[0]
            for body in bodies:
                ledger.append("run", "a", body, at=NOW)
            assert [e.body for e in ledger.entries(after=before)] == bodies
            assert ledger.verify() == []

        survives()


COLUMNS = ("seq", "at", "kind", "actor", "model", "key", "bytes", "prev", "hash")


@given(seq=st.integers(1, 12), column=st.sampled_from(COLUMNS[1:]), position=st.integers(0, 10_000), flip=st.integers(1, 255))
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_one_changed_byte_in_any_cell_is_found_with_its_entry(
    twelve: Path,
    tmp_path_factory: pytest.TempPathFactory,
    seq: int,
    column: str,
    position: int,
    flip: int,
) -> None:
    folder = tmp_path_factory.mktemp("ledger")
    url = copied(twelve, folder)
    with closing(sqlite3.connect(folder / "state.sqlite")) as con:
        (cell,) = con.execute(f"select cast({column} as blob) from ledger where seq = ?", (seq,)).fetchone()
    changed = bytearray(cell)
    changed[position % len(changed)] ^= flip
    as_stored = "?" if column == "bytes" else "cast(? as text)"
    by_force(folder, f"update ledger set {column} = {as_stored} where seq = {seq}", bytes(changed))
    found = problems(url)
    assert any(f"entry {seq} " in sentence or f"entry {seq}:" in sentence or "damaged" in sentence for sentence in found), found


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_one_flipped_byte_in_the_file_is_found_or_changed_nothing(
    twelve: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("ledger")
    url, path = copied(twelve, folder), folder / "state.sqlite"
    with Ledger.open(url, read_only=True) as ledger:
        before = list(ledger.entries())
    raw = bytearray(path.read_bytes())
    offset = data.draw(st.integers(0, len(raw) - 1))
    raw[offset] ^= data.draw(st.integers(1, 255))
    path.write_bytes(raw)
    try:
        with Ledger.open(url, read_only=True) as ledger:
            found = ledger.verify()
            after = list(ledger.entries()) if not found else []
    except StorageError:
        return
    # Counters and free space of SQLite's own may change without changing what was recorded.
    assert found or after == before


# Attacks.


def test_a_deletion_is_found(tmp_path: Path) -> None:
    url = filled(tmp_path)
    by_force(tmp_path, "delete from ledger where seq in (4, 5)")
    assert any("entries 4 to 5 are missing" in s for s in problems(url))


def test_a_deletion_that_is_renumbered_is_found(tmp_path: Path) -> None:
    url = filled(tmp_path)
    by_force(tmp_path, "delete from ledger where seq = 12")
    by_force(tmp_path, "delete from ledger where seq = 5")
    by_force(tmp_path, "update ledger set seq = seq - 1 where seq > 5")
    assert any("entry 5 " in s for s in problems(url))


def test_a_swap_is_found(tmp_path: Path) -> None:
    url = filled(tmp_path)
    by_force(tmp_path, "update ledger set seq = 99 where seq = 3")
    by_force(tmp_path, "update ledger set seq = 3 where seq = 4")
    by_force(tmp_path, "update ledger set seq = 4 where seq = 99")
    found = problems(url)
    assert any("entry 3 " in s for s in found) and any("entry 4 " in s for s in found)


def test_an_edit_with_its_hash_made_anew_is_found_at_the_next_entry(tmp_path: Path) -> None:
    url = filled(tmp_path)
    with closing(sqlite3.connect(tmp_path / "state.sqlite")) as con:
        (data,) = con.execute("select bytes from ledger where seq = 6").fetchone()
    forged = data.replace(b'"i":5', b'"i":6')
    by_force(tmp_path, "update ledger set bytes = ?, hash = ? where seq = 6", forged, hashlib.sha256(forged).hexdigest())
    assert any("entry 7 does not follow entry 6" in s for s in problems(url))


def test_an_entry_before_the_first_is_found(tmp_path: Path) -> None:
    url = filled(tmp_path)
    by_force(tmp_path, "insert into ledger select 0, at, kind, actor, model, 'x', bytes, prev, hash from ledger where seq = 1")
    assert problems(url)


@pytest.mark.parametrize(
    "sql",
    [
        "update ledger set actor = 'eve' where seq = 2",
        "delete from ledger where seq = 2",
        "insert or replace into ledger select 2, at, kind, 'eve', model, key, bytes, prev, hash from ledger where seq = 2",
        "insert or replace into ledger select 13, at, kind, 'eve', model, '1/1', bytes, prev, hash from ledger where seq = 2",
        "insert into ledger select 40, at, kind, actor, model, 'new', bytes, prev, hash from ledger where seq = 2",
    ],
)
def test_the_database_itself_refuses_to_change_an_entry(tmp_path: Path, sql: str) -> None:
    url = filled(tmp_path)
    with closing(sqlite3.connect(tmp_path / "state.sqlite")) as con, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        con.execute(sql)
    assert problems(url) == []


def test_a_removed_trigger_is_found(tmp_path: Path) -> None:
    url = filled(tmp_path)
    with closing(sqlite3.connect(tmp_path / "state.sqlite")) as con:
        con.execute("drop trigger ledger_no_delete")
    assert problems(url) == ["the trigger 'ledger_no_delete', which keeps entries from being changed, is gone"]


def test_reading_a_changed_entry_fails_instead_of_believing_it(tmp_path: Path) -> None:
    url = filled(tmp_path)
    by_force(tmp_path, "update ledger set actor = 'eve' where seq = 4")
    with Ledger.open(url, read_only=True) as ledger, pytest.raises(TamperedError, match="entry 4 has another 'actor'"):
        list(ledger.entries())


# Faults.

MANY = """
import sys
from datetime import UTC, datetime
from roadworthy.ledger import Ledger
url, who, n = sys.argv[1:]
with Ledger.open(url) as ledger:
    for i in range(int(n)):
        ledger.append("run", who, {"i": i}, at=datetime.now(UTC), key=f"{who}:{i}")
        if i % 10 == 0:
            ledger.append("run", who, {"shared": i}, at=datetime.now(UTC), key=f"shared:{i}")
"""


def test_four_processes_lose_nothing_and_double_nothing(url: str) -> None:
    n = 200 if url.startswith("sqlite") else 50
    workers = [subprocess.Popen([sys.executable, "-c", MANY, url, f"p{who}", str(n)]) for who in range(4)]
    assert [worker.wait(200) for worker in workers] == [0, 0, 0, 0]
    with Ledger.open(url) as ledger:
        entries = list(ledger.entries())
        assert [e.seq for e in entries] == list(range(1, 4 * n + n // 10 + 1))
        assert {(e.actor, e.body["i"]) for e in entries if "i" in e.body} == {(f"p{w}", i) for w in range(4) for i in range(n)}
        assert sorted(e.body["shared"] for e in entries if "shared" in e.body) == list(range(0, n, 10))
        assert ledger.verify() == []


def test_threads_share_one_ledger(url: str) -> None:
    with Ledger.open(url) as ledger:
        threads = [
            threading.Thread(target=lambda w=w: [ledger.append("run", f"t{w}", {"i": i}, at=NOW) for i in range(25)])
            for w in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert ledger.head()[0] == 100
        assert ledger.verify() == []


def test_an_append_that_fails_leaves_nothing_behind(url: str) -> None:
    with Ledger.open(url) as ledger:
        with pytest.raises(RuntimeError), ledger.transaction() as execute:
            from roadworthy.ledger import chain

            chain.append(execute, "run", "a", {}, at=NOW)
            raise RuntimeError
        assert ledger.head() == (0, GENESIS)


KILLED = """
import os, sys
from datetime import UTC, datetime
from roadworthy.ledger import Ledger
ledger = Ledger.open(sys.argv[1])
for i in range(1000):
    entry = ledger.append("run", "a", {"i": i}, at=datetime.now(UTC))
    print(entry.seq, flush=True)
    if i == 40:
        os.kill(os.getpid(), 9)
"""


def test_what_was_acknowledged_survives_a_kill(url: str) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, url], check=False, capture_output=True, text=True)
    acknowledged = int(done.stdout.split()[-1])
    assert done.returncode == -9 and acknowledged == 41
    with Ledger.open(url) as ledger:
        assert ledger.head()[0] >= acknowledged
        assert ledger.verify() == []


FULL = """
import resource, signal, sys
from datetime import UTC, datetime
from roadworthy.errors import StorageError
from roadworthy.ledger import Ledger
ledger = Ledger.open(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
try:
    for i in range(1000):
        seq = ledger.append("run", "a", {"i": i, "pad": "x" * 2000}, at=datetime.now(UTC)).seq
except StorageError as problem:
    print(seq, problem.sentence, sep="|")
"""


def test_a_disk_that_takes_no_more_is_one_sentence_and_loses_nothing(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL, url_of(tmp_path)], check=False, capture_output=True, text=True)
    acknowledged, _, sentence = done.stdout.strip().partition("|")
    assert "disk" in sentence, done.stderr
    with Ledger.open(url_of(tmp_path)) as ledger:
        assert ledger.head()[0] == int(acknowledged)
        assert ledger.verify() == []


def test_a_reader_cannot_write_and_says_so(tmp_path: Path) -> None:
    with Ledger.open(filled(tmp_path), read_only=True) as ledger, pytest.raises(StorageError, match="do not allow writing"):
        ledger.append("run", "a", {}, at=NOW)


def test_verifying_changes_no_byte(tmp_path: Path) -> None:
    url = filled(tmp_path)
    before = (tmp_path / "state.sqlite").read_bytes()
    assert problems(url) == []
    assert (tmp_path / "state.sqlite").read_bytes() == before


@pytest.mark.parametrize("read_only", [True, False])
def test_what_is_not_a_database_is_said_in_a_sentence(tmp_path: Path, read_only: bool) -> None:
    (tmp_path / "state.sqlite").write_bytes(b"PK\x03\x04 this is no database" * 300)
    with pytest.raises(DamagedError, match="is not a database"):
        Ledger.open(url_of(tmp_path), read_only=read_only)


def test_a_destroyed_page_is_named_and_never_read_as_fewer_entries(tmp_path: Path) -> None:
    url, path = filled(tmp_path, 200), tmp_path / "state.sqlite"
    raw = bytearray(path.read_bytes())
    size = int.from_bytes(raw[16:18], "big")
    for page in range(2, len(raw) // size):
        broken = bytearray(raw)
        broken[page * size : (page + 1) * size] = b"\xa5" * size
        path.write_bytes(broken)
        try:
            found = problems(url)
        except DamagedError:
            continue
        assert found, f"page {page}"


def test_a_database_that_is_held_or_missing_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="There is no database"):
        Ledger.open(url_of(tmp_path), read_only=True)
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="cannot be"):
        Ledger.open(f"sqlite:///{tmp_path}/file/state.sqlite")
    with pytest.raises(StorageError, match="of kind 'mysql'"):
        Ledger.open("mysql://db/state")
