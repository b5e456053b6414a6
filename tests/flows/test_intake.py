"""The flow's plain half, and text through the command's filter."""

from __future__ import annotations

import io
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from flows.cli import run
from flows.intake import take_all
from roadworthy.errors import UsageError
from roadworthy.ledger import Ledger
from roadworthy.workspace import Workspace
from tests.acceptance.fleet import FLEET, copy_fleet
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


def test_text_passes_the_filter_line_by_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    text = b"ask jane@example.org\norder 4711\n\xff call +49 170 1234567\n"
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text)))
    assert run(["filter"]) == 0
    assert capsys.readouterr().out == "ask [e-mail]\norder 4711\n\ufffd call [phone number]\n"
