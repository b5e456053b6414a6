"""Raw files become batches: what is kept, coded and set aside, and what twice, half or wrong files change."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import io
import json
import stat
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from checks.intake import measure_receipts, receipt_path, take_in
from checks.subject import open_subject
from roadworthy.errors import DataError, RefusedError
from roadworthy.ledger import Ledger
from roadworthy.pseudonyms import Key
from tests.checks.intake.support import (
    HEADER,
    KEY,
    NOW,
    batch_of,
    deliver,
    line,
    passport_with,
    quarantine_of,
    take,
    workspace_in,
)
from tests.support import DAY

GOOD = "\n".join([HEADER, *map(line, range(20))]) + "\n"


def test_a_clean_file_becomes_a_batch_with_pseudonyms_and_a_receipt(tmp_path: Path) -> None:
    workspace = workspace_in(tmp_path)
    raw = deliver(tmp_path, GOOD)
    done = take(workspace, passport_with())
    rows = batch_of(workspace, done)
    assert rows.num_rows == 20 and rows["age"].to_pylist()[:2] == [20, 21] and str(rows.schema.field("age").type) == "int64"
    key = Key.of(KEY)
    assert rows["customer"].to_pylist()[3] == key.pseudonym("customer", "C-00003")
    assert done.receipt["files"][0]["sha256"] == hashlib.sha256(raw.read_bytes()).hexdigest()
    held = pq.read_metadata(workspace.root / done.receipt["batch"]["path"]).metadata
    assert held[b"roadworthy.key_id"].decode() == done.receipt["key_id"] == key.key_id
    whole = (workspace.root / done.receipt["batch"]["path"]).read_bytes()
    assert b"C-00003" not in whole and b"C-00003" not in json.dumps(done.receipt).encode()
    with Ledger.open(workspace.state_url) as ledger:
        entry = ledger.latest("intake", model="loan")
    data = receipt_path(tmp_path, passport_with(), DAY).read_bytes()
    assert entry is not None and entry.body["receipt"] == hashlib.sha256(data).hexdigest()


def test_a_pseudonym_is_the_standard_librarys_hmac() -> None:
    from roadworthy.pseudonyms import _derived

    secret = _derived(bytes.fromhex(KEY), b"pseudonym key", 32)
    assert Key.of(KEY).pseudonym("s", "ä") == hmac.new(secret, b"s\x00" + "ä".encode(), hashlib.sha256).hexdigest()


def test_the_same_file_twice_changes_nothing_and_makes_the_same_bytes(tmp_path: Path) -> None:
    workspace, passport = workspace_in(tmp_path / "a"), passport_with()
    deliver(tmp_path / "a", GOOD)
    first = take(workspace, passport)
    there = [p for p in (tmp_path / "a").rglob("*") if p.is_file() and "state" not in p.name]
    before = {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in there}
    again = take(workspace, passport)
    assert again.reused and not first.reused and again.receipt == first.receipt
    assert {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in before} == before
    with Ledger.open(workspace.state_url) as ledger:
        assert len(list(ledger.entries("intake"))) == 1
    other = workspace_in(tmp_path / "b")
    deliver(tmp_path / "b", GOOD)
    assert take(other, passport).receipt == first.receipt


def test_a_corrected_delivery_replaces_the_batch_and_both_stand_in_the_ledger(tmp_path: Path) -> None:
    workspace, passport = workspace_in(tmp_path), passport_with()
    deliver(tmp_path, GOOD)
    take(workspace, passport)
    deliver(tmp_path, GOOD + line(99) + "\n")
    assert take(workspace, passport).receipt["accepted"] == 21
    with Ledger.open(workspace.state_url) as ledger:
        assert [e.body["accepted"] for e in ledger.entries("intake")] == [20, 21]


def test_bad_rows_go_to_quarantine_with_line_and_reason_and_good_ones_after_them_are_kept(tmp_path: Path) -> None:
    workspace = workspace_in(tmp_path)
    bad = {
        b"C-1,abc,1,male,0,0,0.5": "The column 'age' holds no BIGINT.",
        b"C-1,1.5,1,male,0,0,0.5": "The column 'age' holds no BIGINT.",
        b"short,1": "The line has 2 columns, the header has 7.",
        b'"open,33,1,male,0,0,0.5': "A quote is opened and never closed.",
        b"C-2,\xff\xfe,1,male,0,0,0.5": "The line is not UTF-8 text.",
        b"C-3,1\x00,1,male,0,0,0.5": "The line holds a NUL character.",
        b"C-4,1,1,ma\rle,0,0,0.5": "The line holds a carriage return that ends no line.",
        b"C-5," + b"9" * (1 << 20) + b",1,male,0,0,0.5": "The line is longer than 1,048,576 bytes.",
    }
    lines = [HEADER.encode(), *(piece for text in bad for piece in (text, line(len(text)).encode()))]
    deliver(tmp_path, b"\n".join(lines) + b'\n"C,9",40.0,"1",male,1,1,0.5\r\n"C\n10",41,1,male,1,1,0.5')
    done = take(workspace, passport_with())
    assert done.receipt["accepted"] == len(bad) + 2 and done.receipt["quarantined"] == len(bad)
    kept = {one["line"]: one["reason"] for one in quarantine_of(workspace, done)}
    assert kept == {2 + 2 * i: reason for i, reason in enumerate(bad.values())}
    mode = stat.S_IMODE((workspace.root / done.receipt["quarantine"]["path"]).stat().st_mode)
    assert mode == 0o600


@pytest.mark.parametrize(("content", "reason"), [
    (b"", "The file is empty."),
    (GOOD.replace("age,", "years,", 1).encode(), "The header lacks the column 'age'."),
    (GOOD.replace("income,", "age,", 1).encode(), "The column 'age' stands twice in the header."),
    (GOOD.encode("utf-16"), "The header is not UTF-8 text with columns."),
    (b"\x00\x01\x02" * 100, "The header is not UTF-8 text with columns."),
])
def test_a_file_that_is_none_is_refused_whole_and_all_of_it_is_counted(tmp_path: Path, content: bytes, reason: str) -> None:
    workspace = workspace_in(tmp_path)
    deliver(tmp_path, content)
    done = take(workspace, passport_with())
    assert done.receipt["accepted"] == 0 and done.receipt["files"][0]["reason"] == reason
    assert done.receipt["quarantined"] >= 1 and {one["reason"] for one in quarantine_of(workspace, done)} == {reason}


def test_a_packed_file_that_breaks_off_keeps_what_came_and_says_so(tmp_path: Path) -> None:
    import random

    workspace, passport = workspace_in(tmp_path), passport_with(path="incoming/{date}.csv.gz")
    r = random.Random(1)
    rows = "\n".join([HEADER, *(line(r.randrange(10**5)) for _ in range(600_000))]) + "\n"
    packed = gzip.compress(rows.encode(), compresslevel=1, mtime=0)
    deliver(tmp_path, packed[: len(packed) * 9 // 10], ending="csv.gz")
    done = take(workspace, passport)
    assert done.receipt["accepted"] > 100_000 and done.receipt["quarantined"] == 1
    assert quarantine_of(workspace, done)[0]["reason"].startswith("The file cannot be read from here on")


def test_columns_that_nobody_declared_are_dropped_and_named(tmp_path: Path) -> None:
    workspace = workspace_in(tmp_path)
    deliver(tmp_path, f"{HEADER},shoe size,\"we\"\"ird\"\n{line(1)},44,x\n")
    done = take(workspace, passport_with())
    assert done.receipt["dropped"] == ["shoe size", 'we"ird'] and "shoe size" not in batch_of(workspace, done).column_names


def test_treatments(tmp_path: Path) -> None:
    workspace = workspace_in(tmp_path)
    ways = {
        "customer": {"how": "mask", "characters": 2}, "born": {"how": "generalise", "step": "month"},
        "plz": {"how": "generalise", "characters": 2},
        "wage": {"how": "generalise", "step": 500}, "note": {"how": "drop"}, "kept": {"how": "keep"},
    }
    whole = dict.fromkeys(("age", "label", "prediction", "wage"), "BIGINT")
    types = {"income": "DOUBLE", "score": "DOUBLE", "born": "DATE", **whole}
    deliver(tmp_path, f"{HEADER},born,plz,wage,note,kept\n{line(7)},1980-05-17,04109,3280,secret,as is\n")
    rows = batch_of(workspace, take(workspace, passport_with(treatments=ways, types=types))).to_pylist()
    wanted = {"customer": "*****07", "plz": "04", "wage": 3000, "kept": "as is"}
    assert {name: rows[0][name] for name in wanted} == wanted
    assert rows[0]["born"].isoformat() == "1980-05-01" and "note" not in rows[0]


def test_one_scope_joins_two_columns_and_another_key_does_not(tmp_path: Path) -> None:
    workspace = workspace_in(tmp_path)
    ways = {c: {"how": "pseudonymise", "scope": "person"} for c in ("customer", "guarantor")}
    deliver(tmp_path, f"{HEADER},guarantor\n{line(1)},C-00001\n")
    row = batch_of(workspace, take(workspace, passport_with(treatments=ways))).to_pylist()[0]
    assert row["customer"] == row["guarantor"]
    again = batch_of(workspace, take(workspace, passport_with(treatments=ways), key="ff" * 32)).to_pylist()[0]
    assert again["customer"] != row["customer"]


@pytest.mark.parametrize("secret", ["", "short", "password" * 8, "zz" * 32])
def test_without_a_real_key_nothing_is_coded(tmp_path: Path, secret: str) -> None:
    workspace = workspace_in(tmp_path)
    deliver(tmp_path, GOOD)
    with pytest.raises(RefusedError):
        take(workspace, passport_with(), key=secret)
    assert not (tmp_path / "batches").exists()


def test_a_passport_that_asks_for_codes_without_a_key_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a 'key'"):
        passport_with(key=None)


def test_days_outside_the_bounds_are_set_aside(tmp_path: Path) -> None:
    workspace = workspace_in(tmp_path)
    days = [DAY, DAY - timedelta(days=2), DAY - timedelta(days=3), DAY + timedelta(days=1), "2026-13-01", ""]
    deliver(tmp_path, "\n".join([f"{HEADER},day", *(f"{line(i)},{day}" for i, day in enumerate(days))]))
    done = take(workspace, passport_with(date="day", days_before=2))
    assert done.receipt["accepted"] == 2 and done.receipt["quarantined"] == 4


def test_json_lines_and_parquet_give_the_rows_that_csv_gives(tmp_path: Path) -> None:
    names, rows = HEADER.split(","), [line(i).split(",") for i in range(50)]
    typed = [[r[0], int(r[1]), float(r[2]), r[3], int(r[4]), int(r[5]), float(r[6])] for r in rows]
    found = []
    for form in ("csv", "jsonl", "parquet"):
        workspace = workspace_in(tmp_path / form)
        if form == "csv":
            deliver(workspace.root, GOOD.partition("\n")[0] + "\n" + "\n".join(map(",".join, rows)))
        elif form == "jsonl":
            text = "\n".join(json.dumps(dict(zip(names, r, strict=True))) for r in typed)
            deliver(workspace.root, text + '\n[1]\nnot json\n{"age": "x"}\n', ending="jsonl")
        else:
            sink = io.BytesIO()
            pq.write_table(pa.table({n: [r[i] for r in typed] for i, n in enumerate(names)}), sink)
            deliver(workspace.root, sink.getvalue(), ending="parquet")
        done = take(workspace, passport_with(form))
        found.append(batch_of(workspace, done).to_pylist())
        if form == "jsonl":
            assert [one["line"] for one in quarantine_of(workspace, done)] == [51, 52, 53]
    assert found[0] == found[1] == found[2] and len(found[0]) == 50


def test_one_delivery_under_two_names_counts_once(tmp_path: Path) -> None:
    workspace = workspace_in(tmp_path)
    deliver(tmp_path, GOOD, name=f"{DAY}-a")
    deliver(tmp_path, GOOD, name=f"{DAY}-b")
    done = take(workspace, passport_with(path="incoming/{date}-*.csv"))
    assert done.receipt["accepted"] == 20 and done.receipt["files"][1]["same_as"] == done.receipt["files"][0]["name"]


def test_a_batch_that_intake_did_not_make_is_never_written_over(tmp_path: Path) -> None:
    workspace = workspace_in(tmp_path)
    deliver(tmp_path, GOOD)
    path = tmp_path / passport_with().batches.path.replace("{date}", DAY.isoformat())
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(DataError, match="not made by intake"):
        take(workspace, passport_with())
    assert pq.read_table(path).to_pydict() == {"a": [1]}


def test_no_raw_file_is_a_sentence(tmp_path: Path) -> None:
    workspace = workspace_in(tmp_path)
    with Ledger.open(workspace.state_url) as ledger, pytest.raises(DataError, match="There is no raw file"):
        take_in(workspace, ledger, passport_with(), DAY, NOW, {"PSEUDONYMS": KEY})


def test_undeclared_identifiers_stand_in_the_receipt_without_their_values(tmp_path: Path) -> None:
    workspace = workspace_in(tmp_path)
    deliver(tmp_path, "\n".join([f"{HEADER},note", *(f"{line(i)},mail person{i}@example.org" for i in range(5))]))
    done = take(workspace, passport_with(types={"note": "VARCHAR", "age": "BIGINT", "income": "DOUBLE", "score": "DOUBLE"}))
    assert done.receipt["undeclared_identifiers"] == {"note": {"e-mail": 5}} and "example.org" not in json.dumps(done.receipt)


def test_a_batch_without_its_receipt_or_changed_after_it_is_an_error(tmp_path: Path) -> None:
    workspace, passport = workspace_in(tmp_path), passport_with(required=True)
    deliver(tmp_path, GOOD)
    done = take(workspace, passport)

    def status() -> str:
        with open_subject(tmp_path, passport, DAY) as subject:
            return next(iter(measure_receipts(subject))).status

    assert status() == "measured"
    batch = workspace.root / done.receipt["batch"]["path"]
    changed = pq.read_table(batch).slice(1)
    with pq.ParquetWriter(batch, changed.schema) as writer:
        writer.write_table(changed)
        writer.add_key_value_metadata({"roadworthy.intake": "another"})
    assert status() == "error"
    take(workspace, passport)
    assert status() == "measured", "intake mends what was changed"
    receipt_path(tmp_path, passport, DAY).unlink()
    assert status() == "error"
    with open_subject(tmp_path, passport_with(), DAY) as subject:
        assert next(iter(measure_receipts(subject))).status == "not_applicable"
