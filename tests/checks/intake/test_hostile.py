"""Files that nobody would write on purpose: no traceback, no lost row, and after a kill the same bytes as without."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from checks.intake import coding
from checks.intake.plan import _cast, plan_of
from checks.intake.splitting import READ_AS, blocks, careful, fast
from roadworthy.coding import Beside
from roadworthy.ledger import Ledger
from roadworthy.pseudonyms import Key
from tests.acceptance.fleet import FLEET
from tests.checks.intake.support import HEADER, KEY, batch_of, deliver, line, passport_with, quarantine_of, take, workspace_in
from tests.support import DAY

NASTY = [
    b'"', b'""', b",", b"\n", b"\r\n", b"\r", b"\x00", b"\xff", b"\xc3", b"\xef\xbb\xbf", b"\t", b"'", b";", b"\\", b"{", b"[1]",
    b"null", b"NaN", b"-inf", b"1e999", b"9" * 40, b"\xe2\x80\xa8", b"%s", b"=cmd()", b"DROP TABLE", b" " * 300, b"a" * 5000,
]


def whole(r: random.Random, form: str) -> bytes:
    """Return a raw file in which nothing is wrong."""
    rows = [line(r.randrange(100)) for _ in range(r.randrange(12))]
    named = [dict(zip(HEADER.split(","), row.split(","), strict=True)) for row in rows]
    if form == "parquet":
        sink = io.BytesIO()
        columns = {name: pa.array([row[name] for row in named], pa.string()) for name in HEADER.split(",")}
        pq.write_table(pa.table(columns), sink)
        return sink.getvalue()
    text = [json.dumps(row) for row in named] if form == "jsonl" else [HEADER, *rows]
    return "\n".join(text).encode() + (b"\n" if r.random() < 0.7 else b"")


def spoiled(r: random.Random, form: str) -> bytes:
    """Return a raw file in which anything may be wrong."""
    data = bytearray(whole(r, form))
    for _ in range(r.choice([0, 1, 1, 2, 3, 6])):
        at = r.randrange(len(data) + 1) if r.random() < 0.8 else 0
        cut = r.choice([0, 0, 1, 7, 30])
        data[at : at + cut] = r.choice(NASTY)
    return bytes(data)


def sweep(root: Path, files: int, seed: int) -> None:
    """Send files in, many a day under names of their own; `take` reconciles every count with batch and quarantine."""
    r = random.Random(seed)
    for form in ("csv", "jsonl", "parquet"):
        workspace = workspace_in(root / form)
        contents = [spoiled(r, form) for _ in range(files // 3)]
        for number, content in enumerate(contents):
            deliver(workspace.root, content, ending=form, name=f"{DAY}-{number:05d}")
        done = take(workspace, passport_with(form, path=f"incoming/{{date}}-*.{form}"))
        told = done.receipt["files"]
        assert len(told) == len(contents)
        for one, content in zip(told, contents, strict=True):
            if "same_as" in one:
                continue
            assert one["received"] == one["accepted"] + one["quarantined"]
            if form == "parquet":
                continue
            assert one["received"] or content.count(b"\n") <= 1 or not content.partition(b"\n")[2].strip(), one
            if form == "csv" and not one["reason"] and b'"' not in content:
                said = [text for text in content.split(b"\n")[1:] if text.removesuffix(b"\r").strip()]
                assert one["received"] == len(said), (one, content)


def test_files_with_anything_wrong_lose_no_row(tmp_path: Path) -> None:
    sweep(tmp_path, 240, 20261122)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_ten_thousand_files_with_anything_wrong_lose_no_row(tmp_path: Path) -> None:
    for seed in range(10):
        sweep(tmp_path / str(seed), 1_002, seed)


def test_the_fast_and_the_careful_way_read_the_same_and_as_the_standard_library_does() -> None:
    r = random.Random(20261123)
    names = ["a", "b", "c"]
    for _ in range(200):
        some = ["", "x", "1.5", "ä", 'say "no"', "a,b", " padded "]
        cells = [[r.choice(some) for _ in names] for _ in range(r.randrange(1, 9))]
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows(cells)
        block = out.getvalue().encode()
        slow, bad, rest = careful(block, names, ",", 2, True)
        wanted = [{n: c or None for n, c in zip(names, row, strict=True)} for row in cells]
        assert slow.table.to_pylist() == wanted and not bad and not rest
        quick = fast(block, names, ",", 2)
        assert quick is None or (quick.table.to_pylist() == wanted and list(quick.lines) == list(slow.lines))


def near_numbers(r: random.Random) -> list[str]:
    """Return texts that are numbers and days, or nearly."""
    known = [
        "1", "-1", "+1", "01", "-0", "1.0", "1.", ".5", "1e5", "1e400", "1e-400", "nan", "-inf", "Infinity", "0x1A", "0XE6",
        "0xfff1", "1_000", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "2147483648", "true", " 5",
        "5 ", "\t5", "2026-04-09", "2026-4-9", " 2026-04-09", "2026-04-09T00:00:00", "0000-01-01", "10000-01-01",
        "2026-02-30", "1500-02-29", "epoch", "1.7976931348623157e308", "2.5e-324", "１", "5\x0b", "\xa05", "1" * 400,
    ]
    made = ["".join(r.choices("0123456789+-.eExX_ nainfINF\t", k=r.randint(1, 6))) for _ in range(900)]
    made += [f"{r.randint(0, 9999):0{r.randint(1, 5)}d}-{r.randint(0, 13):02d}-{r.randint(0, 32):02d}" for _ in range(200)]
    return known + made + [repr(r.uniform(-1, 1) * 10.0 ** r.randint(-320, 308)) for _ in range(200)]


@pytest.mark.parametrize("kind", sorted(READ_AS))
def test_what_is_read_as_a_number_or_a_day_at_once_is_what_the_cast_gives(kind: str) -> None:
    texts = near_numbers(random.Random(kind))
    with duckdb.connect() as con:
        con.register("said", pa.table({"n": range(len(texts)), "v": texts}))
        plain = "case when isnan(try_cast(v as double)) then 'nan' end" if kind in ("FLOAT", "DOUBLE") else "null"
        asked = f"select coalesce({plain}, cast({_cast('v', kind)} as varchar)) from said order by n"
        wanted = [row[0] for row in con.execute(asked).fetchall()]
        read = 0
        for text, want in zip(texts, wanted, strict=True):
            found = fast(f"{text},x\n".encode(), ["v", "w"], ",", 2, {"v": READ_AS[kind]})
            if found is not None:
                read += 1
                one = found.table.select(["v"])
                con.register("one", one)
                assert con.execute("select cast(v as varchar) from one").fetchall()[0][0] == want, text
    assert read > 50


def test_numbers_read_at_once_and_text_that_is_cast_make_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "\n".join([HEADER, *map(line, range(300))]) + "\n"
    made = []
    for way, types in (("typed", READ_AS), ("text", {})):
        monkeypatch.setattr("checks.intake.reading.READ_AS", types)
        workspace = workspace_in(tmp_path / way)
        deliver(workspace.root, text)
        done = take(workspace, passport_with())
        made.append((workspace.root / done.receipt["batch"]["path"]).read_bytes())
    assert made[0] == made[1]


def test_what_is_set_aside_is_kept_as_it_came_though_its_numbers_were_read(tmp_path: Path) -> None:
    workspace = workspace_in(tmp_path)
    rows = [f"{DAY},{line(n)}" for n in range(4)]
    rows[2] = rows[2].replace(str(DAY), "1999-01-01").replace(",22,", ",0022,")
    deliver(tmp_path, "\n".join([f"day,{HEADER}", *rows]) + "\n")
    done = take(workspace, passport_with(date="day"))
    kept = quarantine_of(workspace, done)
    assert [(one["line"], one["values"]["age"]) for one in kept] == [(4, "0022")]
    assert [row["age"] for row in batch_of(workspace, done).to_pylist()] == [20, 21, 23]


@pytest.mark.parametrize("beside_from", [0, 10**9])
def test_each_value_has_its_own_pseudonym_whoever_makes_it(beside_from: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coding, "BESIDE_FROM", beside_from)
    key, column = Key.of(KEY), HEADER.split(",")[0]
    plan = plan_of(passport_with(), {})
    often = [None, "a", " a", "caf\u0065\u0301", "café", "b", None, "a"]
    with coding.Coding(plan, key) as coded:
        for values in (often, often * 9, [f"C{n}" for n in range(50)] + often, [None, None], [], ["x" * 70_000, "y"]):
            made = coded.of(pa.table({column: pa.array(values, pa.string())}))[column].to_pylist()
            assert made == [None if value is None else key.pseudonym(column, value) for value in values]


def test_a_process_that_codes_may_die_and_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coding, "BESIDE_FROM", 0)
    started: list[Beside] = []
    key, start = Key.of(KEY), Key.beside
    monkeypatch.setattr(Key, "beside", lambda self: started.append(start(self)) or started[-1])
    column = HEADER.split(",")[0]
    rows = pa.table({column: [f"C{n}" for n in range(100)]})
    with coding.Coding(plan_of(passport_with(), {}), key) as coded:
        first = coded.of(rows)
        assert len(started) == 1 and first[column].to_pylist() == key.pseudonyms(column, rows[column].to_pylist())
        started[0]._process.kill()
        assert coded.of(rows).equals(first) and len(started) == 1
        assert coded.of(rows).equals(first) and len(started) == 2
    assert all(one._process.poll() is not None for one in started)


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_where_blocks_are_cut_changes_nothing(size: int) -> None:
    data = b"one\ntwo\n\nthree,\xff\nlast"
    found = [item for item in blocks(io.BytesIO(data), size) if isinstance(item, tuple)]
    assert b"".join(block for block, _, _ in found) == data
    before = [b"".join(block for block, _, _ in found[:i]) for i in range(len(found))]
    assert [first for _, first, _ in found] == [text.count(b"\n") + 1 for text in before]


TAKE = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from checks.intake import coding, take_in
from roadworthy.ledger import Ledger
from roadworthy.workspace import Workspace
from tests.checks.intake.support import KEY, passport_with
from tests.support import DAY
coding.BESIDE_FROM = 0
workspace = Workspace.open(Path(sys.argv[1]))
with Ledger.open(workspace.state_url) as ledger:
    take_in(workspace, ledger, passport_with(), DAY, datetime.now(UTC), {"PSEUDONYMS": KEY})
"""


def run(root: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(FLEET.parent)}
    return subprocess.Popen([sys.executable, "-c", TAKE, str(root)], env=environment)


def bytes_of(root: Path) -> dict[str, bytes]:
    kept = (p for p in root.rglob("*") if p.is_file() and "state.sqlite" not in p.name and p.suffix != ".lock")
    return {str(p.relative_to(root)): p.read_bytes() for p in kept}


@pytest.mark.long
@pytest.mark.timeout(900)
def test_killed_at_ten_moments_and_run_again_the_bytes_are_the_same(tmp_path: Path) -> None:
    rows = "\n".join([HEADER, *(line(n) if n % 1000 else "short,1" for n in range(400_000))])
    clean = workspace_in(tmp_path / "clean")
    deliver(clean.root, rows)
    began = time.monotonic()
    assert run(clean.root).wait() == 0
    seconds = time.monotonic() - began
    wanted = bytes_of(clean.root)
    for number, moment in enumerate(np.random.default_rng(20261122).uniform(0.1, 1.0, size=10) * seconds):
        workspace = workspace_in(tmp_path / str(number))
        deliver(workspace.root, rows)
        first = run(workspace.root)
        try:
            first.wait(float(moment))
        except subprocess.TimeoutExpired:
            first.send_signal(signal.SIGKILL)
        first.wait()
        assert run(workspace.root).wait() == 0
        done = take(workspace, passport_with(), KEY)
        assert done.reused and done.receipt["quarantined"] == 400
        assert bytes_of(workspace.root) == wanted
        with Ledger.open(workspace.state_url) as ledger:
            assert len(list(ledger.entries("intake"))) == 1
