"""Labels that come late find their rows through pseudonyms; what is wrong is set aside, and a forged receipt is named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from checks.intake import TakenIn, measure_receipts, receipt_path, take_labels_in
from checks.subject import open_subject
from flows.sealing import receipts_there, recorded_receipts
from roadworthy.canonical import digest_file
from roadworthy.ledger import Ledger
from roadworthy.measurement import Measurement
from roadworthy.passport import Passport
from roadworthy.pseudonyms import Key
from roadworthy.workspace import Workspace
from tests.checks.intake.support import HEADER, KEY, NOW, TYPES, deliver, line, passport_with, take, workspace_in
from tests.support import DAY, passport_of

ROWS = "\n".join([HEADER, *map(line, range(20))]) + "\n"
LABELS = "customer,label\n" + "".join(f" C-{n:05d},{n % 3 == 0:d}\n" for n in range(20))


def passport() -> Passport:
    batches = {"path": "batches/loan/date={date}/part.parquet", "labels": "labels/{date}.parquet", "key": "customer"}
    declared = {"labels": "incoming/labels-{date}*.csv", "required": True}
    base = passport_with(required=True).model_dump(exclude_unset=True)
    return Passport.model_validate({**base, "batches": batches, "intake": {**base["intake"], **declared}})


def came(root: Path, text: str, more: str = "") -> None:
    deliver(root, text, name=f"labels-{DAY}{more}")


def labelled(workspace: Workspace) -> TakenIn:
    with Ledger.open(workspace.state_url) as ledger:
        done = take_labels_in(workspace, ledger, passport(), DAY, NOW, {"PSEUDONYMS": KEY})
    assert done is not None and done.receipt["received"] == done.receipt["accepted"] + done.receipt["quarantined"]
    return done


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    here = workspace_in(tmp_path)
    deliver(tmp_path, ROWS)
    take(here, passport())
    return here


def test_late_labels_join_their_rows_through_the_same_pseudonym(workspace: Workspace) -> None:
    came(workspace.root, LABELS)
    done = labelled(workspace)
    assert (done.receipt["keys"], done.receipt["keys_without_row"], done.receipt["quarantined"]) == (20, 0, 0)
    assert b"C-00003" not in (workspace.root / "labels" / f"{DAY}.parquet").read_bytes()
    with open_subject(workspace.root, passport(), DAY) as subject:
        rows = subject.rows(f"select customer, label from {subject.labelled.name}")
    expected = {Key.of(KEY).pseudonym("customer", f"C-{n:05d}"): int(n % 3 == 0) for n in range(20)}
    assert {row["customer"]: row["label"] for row in rows} == expected


def test_the_same_labels_twice_change_nothing_and_a_correction_counts(workspace: Workspace) -> None:
    came(workspace.root, LABELS)
    first, target = labelled(workspace), workspace.root / "labels" / f"{DAY}.parquet"
    before = target.stat().st_mtime_ns, target.read_bytes()
    assert labelled(workspace).reused and (target.stat().st_mtime_ns, target.read_bytes()) == before
    came(workspace.root, "label,customer,shoe size\n1,C-00001,44\n", more="-b")
    second = labelled(workspace)
    assert not second.reused and second.receipt["accepted"] == 21 and second.receipt["dropped"] == ["shoe size"]
    with open_subject(workspace.root, passport(), DAY) as subject:
        code = Key.of(KEY).pseudonym("customer", "C-00001")
        assert subject.rows(f"select label from {subject.labelled.name} where customer = ?", [code]) == [{"label": 1}]
    (workspace.root / "incoming" / f"labels-{DAY}-b.csv").unlink()
    assert labelled(workspace).receipt == first.receipt and target.read_bytes() == before[1]
    with Ledger.open(workspace.state_url) as ledger:
        digests = [entry.body["receipt"] for entry in ledger.entries("intake-labels")]
        assert len(digests) == 3 and digests[0] == digests[2] != digests[1], "the newest entry is what lies there"


def test_a_key_without_a_row_is_kept_and_a_row_without_a_key_or_label_of_its_type_is_not(workspace: Workspace) -> None:
    came(workspace.root, "customer,label\nC-00001,1\nC-99999,0\n,1\n  ,1\nC-00002,maybe\nC-00003,\n")
    done = labelled(workspace)
    assert (done.receipt["accepted"], done.receipt["keys"], done.receipt["keys_without_row"]) == (3, 3, 1)
    text = (workspace.root / done.receipt["quarantine"]["path"]).read_text(encoding="utf-8")
    assert [(one["line"], one["reason"]) for one in map(json.loads, text.splitlines())] == [
        *((place, "The column 'customer' is empty.") for place in (4, 5)), (6, "The column 'label' holds no BIGINT."),
    ]


def test_labels_before_their_batch_are_kept_and_counted_when_it_comes(tmp_path: Path) -> None:
    here = workspace_in(tmp_path)
    with Ledger.open(here.state_url) as ledger:
        assert take_labels_in(here, ledger, passport(), DAY, NOW, {"PSEUDONYMS": KEY}) is None
    came(tmp_path, LABELS)
    assert labelled(here).receipt["keys_without_row"] is None
    deliver(tmp_path, ROWS)
    take(here, passport())
    assert labelled(here).receipt["keys_without_row"] == 0


def receipt_of(workspace: Workspace) -> Measurement:
    with Ledger.open(workspace.state_url) as ledger, open_subject(workspace.root, passport(), DAY) as subject:
        assert set(receipts_there(subject)) >= {f"batch {DAY}"}
        return next(iter(measure_receipts(replace(subject, receipts=recorded_receipts(ledger, subject)))))


@pytest.mark.parametrize("what", ["batch", "labels"])
def test_a_forged_receipt_over_a_forged_file_is_found_by_name(workspace: Workspace, what: str) -> None:
    came(workspace.root, LABELS)
    labelled(workspace)
    sound = receipt_of(workspace)
    assert sound.value == 1 and sound.n == 2 and "ledger" in sound.method
    path = receipt_path(workspace.root, passport(), DAY, "batch" if what == "batch" else "labels")
    receipt = json.loads(path.read_text(encoding="utf-8"))
    file = workspace.root / receipt["batch"]["path"]
    rows = pq.ParquetFile(file).read()
    pq.write_table(rows.slice(1), file)
    receipt["batch"]["sha256"] = digest_file(file)
    path.write_text(json.dumps(receipt), encoding="utf-8")
    found = receipt_of(workspace)
    assert found.status == "error"
    assert f"The {what} of {DAY} came with a receipt that is not the one in the ledger" in found.reason


def test_a_receipt_that_nobody_recorded_is_found_by_name(workspace: Workspace, tmp_path: Path) -> None:
    with Ledger.open(f"sqlite:///{tmp_path / 'o.sqlite'}") as empty, open_subject(workspace.root, passport(), DAY) as subject:
        asked = replace(subject, receipts=recorded_receipts(empty, subject))
        assert "the ledger knows nothing of" in next(iter(measure_receipts(asked))).reason


def test_labels_without_a_receipt_are_an_error_where_receipts_are_asked_for(workspace: Workspace) -> None:
    came(workspace.root, LABELS)
    labelled(workspace)
    receipt_path(workspace.root, passport(), DAY, "labels").unlink()
    assert f"The labels of {DAY} have no intake receipt" in receipt_of(workspace).reason


def test_labels_go_to_one_file_a_day() -> None:
    declared = {"path": "incoming/{date}.csv", "format": "csv", "labels": "incoming/labels-{date}.csv", "types": TYPES}
    for labels in ("labels/{date}*.parquet", "labels/all.parquet", None):
        batches = {"path": "b/{date}.parquet"} | ({"labels": labels, "key": "customer"} if labels else {})
        with pytest.raises(ValueError, match="one file for each day"):
            passport_of(intake=declared, batches=batches)
