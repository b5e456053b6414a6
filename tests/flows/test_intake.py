"""The flow's plain half, and text through the command's filter."""

from __future__ import annotations

import io
import json
import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from checks.intake import receipt_path
from flows.cli import run
from flows.intake import take_all
from roadworthy.canonical import digest_file
from roadworthy.errors import UsageError
from roadworthy.ledger import Ledger
from roadworthy.workspace import Workspace
from tests.acceptance.fleet import FLEET, copy_fleet, run_night
from tests.acceptance.test_bad_input import NIGHT

NOW = datetime(2025, 4, 18, 8, tzinfo=UTC)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """The demo's bikes, whose newest batch arrives as a raw file."""
    section = "intake: {path: 'raw/{date}.csv', format: csv, required: true}\n"
    here = copy_fleet(tmp_path / "w", "bikes", until=NIGHT, keep=2, edit=lambda text: text + section)
    batch = here.root / "batches" / "bikes" / f"date={NIGHT}" / "part.parquet"
    (here.root / "raw").mkdir()
    pd.read_parquet(FLEET / batch.relative_to(here.root)).to_csv(here.root / "raw" / f"{NIGHT}.csv", index=False)
    shutil.rmtree(batch.parent)
    return here


def test_a_batch_of_the_demo_comes_back_from_its_raw_file(workspace: Workspace) -> None:
    with Ledger.open(workspace.state_url) as ledger:
        done = take_all(workspace, ledger, NIGHT, "bikes", NOW)
    assert done.exit_code == 0 and not done.problems
    receipt = done.taken["bikes@1.0.0"].receipt
    assert receipt["quarantined"] == 0
    made = pd.read_parquet(workspace.root / receipt["batch"]["path"])
    before = pd.read_parquet(FLEET / "batches" / "bikes" / f"date={NIGHT}" / "part.parquet")
    shared = [name for name in made.columns if name in before.columns]
    pd.testing.assert_frame_equal(made[shared], before[shared], check_dtype=False)


def test_a_day_without_a_raw_file_is_a_problem_and_no_traceback(workspace: Workspace) -> None:
    (workspace.root / "raw" / f"{NIGHT}.csv").unlink()
    with Ledger.open(workspace.state_url) as ledger:
        done = take_all(workspace, ledger, NIGHT, None, NOW)
        assert done.exit_code == 3 and "There is no raw file" in done.problems["bikes@1.0.0"]
        with pytest.raises(UsageError):
            take_all(workspace, ledger, NIGHT, "nobody", NOW)


def test_labels_of_earlier_days_are_taken_in_whether_or_not_a_batch_has_come(tmp_path: Path) -> None:
    def later(text: str) -> str:
        road = "intake: {path: 'raw/{date}.csv', labels: 'raw/labels-{date}.csv', format: csv, required: true}\n"
        return text.replace("part.parquet\n", "part.parquet\n  labels: labels/{date}.parquet\n  key: timestamp\n", 1) + road

    here = copy_fleet(tmp_path / "w", "bikes", until=NIGHT, keep=1, edit=later)
    batch = here.root / "batches" / "bikes" / f"date={NIGHT}" / "part.parquet"
    rows = pd.read_parquet(batch)
    shutil.rmtree(batch.parent)
    (here.root / "raw").mkdir()
    rows.drop(columns="bikers").to_csv(here.root / "raw" / f"{NIGHT}.csv", index=False)
    rows[["timestamp", "bikers"]].to_csv(here.root / "raw" / f"labels-{NIGHT}.csv", index=False)
    with Ledger.open(here.state_url) as ledger:
        done = take_all(here, ledger, NIGHT, None, NOW)
        assert not done.problems and list(done.labels["bikes@1.0.0"]) == [NIGHT]
        found = done.labels["bikes@1.0.0"][NIGHT].receipt
        assert (found["accepted"], found["keys"], found["keys_without_row"]) == (len(rows), len(rows), 0)
        next_day = take_all(here, ledger, NIGHT + timedelta(days=1), None, NOW)
        assert next_day.labels["bikes@1.0.0"][NIGHT].reused and "no raw file" in next_day.problems["bikes@1.0.0"]
        (here.root / "raw" / f"{NIGHT}.csv").unlink()
        again = take_all(here, ledger, NIGHT, None, NOW)
        assert not again.problems and again.taken["bikes@1.0.0"].reused, "the raw file was put away after it was taken in"
    night = run_night(here, NIGHT, only=["data_quality"])
    (receipt,) = [one for one in night.bundle.measurements if one.metric == "data_quality.intake_receipt"]
    assert receipt.value == 1 and receipt.n == 2 and "ledger" in receipt.method


def test_a_forged_receipt_leaves_the_night_undecided_by_name(workspace: Workspace) -> None:
    with Ledger.open(workspace.state_url) as ledger:
        done = take_all(workspace, ledger, NIGHT, "bikes", NOW)
        passport = workspace.passport("bikes@1.0.0")
    for day in (NIGHT - timedelta(days=1),):  # the other day of the fleet came past intake
        shutil.rmtree(workspace.root / "batches" / "bikes" / f"date={day}")
    assert by_receipt(workspace) == ("measured", "")
    path = receipt_path(workspace.root, passport, NIGHT)
    forged = dict(done.taken["bikes@1.0.0"].receipt)
    batch = workspace.root / forged["batch"]["path"]
    pd.read_parquet(batch).iloc[1:].to_parquet(batch)
    forged["batch"] |= {"sha256": digest_file(batch)}
    path.write_text(json.dumps(forged), encoding="utf-8")
    status, reason = by_receipt(workspace)
    assert status == "error" and f"The batch of {NIGHT} came with a receipt that is not the one in the ledger" in reason


def by_receipt(workspace: Workspace) -> tuple[str, str]:
    night = run_night(workspace, NIGHT, only=["data_quality"])
    (found,) = [one for one in night.bundle.measurements if one.metric == "data_quality.intake_receipt"]
    return found.status, found.reason


def test_text_passes_the_filter_line_by_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    text = b"ask jane@example.org\norder 4711\n\xff call +49 170 1234567\n"
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text)))
    assert run(["filter"]) == 0
    assert capsys.readouterr().out == "ask [e-mail]\norder 4711\n\ufffd call [phone number]\n"
