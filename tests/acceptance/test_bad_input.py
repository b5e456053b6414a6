"""What bad data do to a night: a recorded finding or one clear sentence, the right exit code, and nothing recorded is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from flows.inspect import Inspected, inspect
from roadworthy.errors import RoadworthyError
from roadworthy.ledger import Ledger
from roadworthy.verify import verify
from roadworthy.workspace import Workspace
from tests.acceptance.fleet import FLEET, Change, copy_fleet, run_night

NIGHT: date = yaml.safe_load((FLEET / "expected.yaml").read_text(encoding="utf-8"))["night"]
RECORDED = ("data_quality", "performance", "fairness")  # enough where a test asks how a night is recorded, not what is found


def newest(workspace: Workspace, model: str = "flights") -> Path:
    return workspace.root / "batches" / model / f"date={NIGHT}" / "part.parquet"


def put(column: str, value: object) -> Change:
    return lambda table: table.assign(**{column: value})


WHOLE_WINDOW: dict[str, Change] = {
    "no rows": lambda t: t.head(0),
    "one row": lambda t: t.head(1),
    "a column missing": lambda t: t.drop(columns=["distance"]),
    "a column renamed": lambda t: t.rename(columns={"distance": "Distance (km)"}),
    "a column of another type": lambda t: t.assign(distance="far"),
    "the score missing": lambda t: t.drop(columns=["score"]),
    "the label missing": lambda t: t.drop(columns=["late15"]),
    "the prediction missing": lambda t: t.drop(columns=["predicted_late"]),
    "a column all null": put("carrier", None),
    "every column null": lambda t: pd.DataFrame({c: [None] * len(t) for c in t.columns}),
    "NaN in a number": put("temp", np.nan),
    "infinity in a number": put("temp", np.inf),
    "infinity in the score": put("score", np.inf),
    "a constant column": put("temp", 7.0),
    "a constant score": put("score", 0.5),
    "labels of one class": put("late15", 1),
    "a category never seen": put("carrier", "<b>'never\"; seen {{ 7*7 }}</b>"),
    "labels that are neither value": put("late15", 3),
    "a column of lists": lambda t: t.assign(carrier=[["a", "b"]] * len(t)),
    "dates where numbers were": lambda t: t.assign(distance=pd.Timestamp("2026-01-01")),
}
# These leave the model judgeable; everything else must not come out as clear.
HARMLESS = {"NaN in a number", "a constant column"}


@pytest.mark.parametrize("name", WHOLE_WINDOW)
def test_a_damaged_window_ends_as_a_recorded_verdict(tmp_path: Path, name: str) -> None:
    workspace = copy_fleet(tmp_path / "w", "flights", until=NIGHT, keep=30, change=WHOLE_WINDOW[name])
    found = run_night(workspace, NIGHT)
    assert found.bundle.findings, "nothing was judged"
    if name not in HARMLESS:
        assert found.bundle.verdict.word != "clear", found.bundle.verdict.reason
    assert verify(workspace, rejudge=True).state == "valid"


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def garbage(path: Path) -> None:
    path.write_bytes(b"PAR1 this is not a table PAR1")


def empty_file(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [truncate, garbage, empty_file])
def test_a_file_that_cannot_be_read_makes_the_night_undecided_and_is_named(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    workspace = copy_fleet(tmp_path / "w", "flights", until=NIGHT, keep=30)
    damage(newest(workspace))
    found = run_night(workspace, NIGHT)
    assert found.bundle.verdict.word == "undecided"
    assert any(f"date={NIGHT}" in f.sentence for f in found.bundle.findings if f.status == "error")


def test_a_missing_day_is_said_and_never_passes(tmp_path: Path) -> None:
    workspace = copy_fleet(tmp_path / "w", "employment", until=NIGHT)
    newest(workspace, "employment").unlink()
    found = run_night(workspace, NIGHT)
    assert found.bundle.verdict.word not in ("clear", "stop")
    assert any("no batch" in f.sentence.lower() for f in found.bundle.findings)
    assert not any(f.status == "pass" for f in found.bundle.findings if f.family == "drift" and f.over)


HOSTILE = ["it's", 'say "x"', "a b", "k=v", "*", "{{ 7*7 }}", "<b>", "出発地", "; drop table x --", "a\nb"]


def test_hostile_names_of_columns_are_only_names(tmp_path: Path) -> None:
    """Every feature of the model gets a hostile name, in the reference, the batches, the passport and nowhere else."""
    passport = yaml.safe_load((FLEET / "models" / "flights" / "1.0.0.yaml").read_text(encoding="utf-8"))
    names = dict(zip(passport["features"], HOSTILE, strict=False))

    def rename(table: pd.DataFrame) -> pd.DataFrame:
        return table.rename(columns=names)

    def edit(_text: str) -> str:
        changed = {
            **passport,
            "features": [names.get(f, f) for f in passport["features"]],
            "suite": None,
            "segments": [],
            "glossary": {},
        }
        changed["reference"] = {"path": passport["reference"]["path"]}
        return yaml.safe_dump(changed, allow_unicode=True)

    workspace = copy_fleet(tmp_path / "w", "flights", until=NIGHT, keep=30, change=rename, change_reference=rename, edit=edit)
    found = run_night(workspace, NIGHT)
    assert found.bundle.verdict.word in ("clear", "watch"), found.bundle.verdict.reason
    measured = {
        str(m.over.get("column")) for m in found.bundle.measurements if m.metric == "drift.psi" and m.status == "measured"
    }
    assert set(names.values()) <= measured
    from flows import show

    with Ledger.open(workspace.state_url) as ledger:
        page = show.card(workspace, ledger, found.bundle).html.read_text(encoding="utf-8")
    assert "<b>" not in page.replace("<b>", "", 0) or "&lt;b&gt;" in page
    assert "49" not in [w.strip() for w in page.split("7*7")], "a template was evaluated"


def test_a_night_that_fails_to_record_changes_nothing_that_was_recorded(tmp_path: Path) -> None:
    workspace = copy_fleet(tmp_path / "w", "credit", until=NIGHT)
    run_night(workspace, NIGHT - timedelta(days=1), only=RECORDED)
    before = {p: p.read_bytes() for p in workspace.evidence.rglob("*") if p.is_file()}
    model = workspace.evidence / "model=credit" / "version=1.0.0" / f"date={NIGHT}"
    model.write_bytes(b"a file where the folder must be")  # stands for a disk that cannot be written
    with pytest.raises(RoadworthyError, match="could not be written"):
        run_night(workspace, NIGHT, only=RECORDED)
    model.unlink()
    assert {p: p.read_bytes() for p in workspace.evidence.rglob("*") if p.is_file()} == before
    assert verify(workspace).state == "valid"
    assert isinstance(run_night(workspace, NIGHT, only=RECORDED), Inspected)
    assert verify(workspace).state == "valid"


def test_breaking_the_suite_changes_the_verdict(tmp_path: Path) -> None:
    workspace = copy_fleet(tmp_path / "w", "flights", until=NIGHT, keep=30)
    suite = workspace.root / "suites" / "flights.yaml"
    assert run_night(workspace, NIGHT).bundle.verdict.word == "clear"
    good = suite.read_text(encoding="utf-8")
    suite.write_text(
        good.replace("expect_column_values_to_not_be_null", "expect_column_values_to_not_be_nul", 1), encoding="utf-8"
    )
    broken = run_night(workspace, NIGHT).bundle
    assert broken.verdict.word == "undecided"
    assert "expect_column_values_to_not_be_nul" in broken.verdict.reason
    suite.write_text(good.replace("max_value: 1400", "max_value: 61", 1), encoding="utf-8")
    assert run_night(workspace, NIGHT).bundle.verdict.word == "breach"


def command(*arguments: str, workspace: Path) -> subprocess.CompletedProcess[str]:
    """Run the real command line in a process of its own."""
    code = "import sys; from flows.console import main; sys.argv[0] = 'roadworthy'; main()"
    environment = {**os.environ, "PYTHONPATH": str(FLEET.parent), "ROADWORTHY_WORKSPACE": str(workspace)}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, env=environment, timeout=240
    )


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("nightly", "--date", "2031-01-01"), 64, "is not over yet"),
        (("nightly", "--date", "yesterday"), 64, "is not a day"),
        (("gate", "nothing", "1.0.0"), 64, "There is no model version 'nothing@1.0.0'"),
        (("card", "credit", "1.0.0"), 64, "There is no evidence"),
        (("switch", "stop", "nothing", "--reason", "x"), 64, "nothing"),
        (("switch", "status", "nothing"), 64, "There is no model 'nothing'"),
        (("nonsense",), 64, "nonsense"),
        (("nightly", "--workspace", "nowhere"), 64, "is not a workspace"),
    ],
)
def test_a_wrong_command_is_one_sentence_and_its_exit_code(
    tmp_path: Path, arguments: tuple[str, ...], code: int, says: str
) -> None:
    workspace = copy_fleet(tmp_path / "w", "credit", until=NIGHT)
    done = command(*arguments, workspace=workspace.root)
    assert done.returncode == code, done.stderr
    assert says in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr + done.stdout
    assert len(done.stderr.strip().splitlines()) <= 2


def test_late_data_supersede_and_keep_what_was_recorded(tmp_path: Path) -> None:
    workspace = copy_fleet(tmp_path / "w", "flights", until=NIGHT, keep=30)
    first = run_night(workspace, NIGHT, only=RECORDED).bundle
    table = pd.read_parquet(newest(workspace))
    table.head(70).to_parquet(newest(workspace))
    second = run_night(workspace, NIGHT, only=RECORDED).bundle
    assert first.address != second.address and first.path.is_dir()
    with Ledger.open(workspace.state_url) as ledger:
        assert ledger.newest("run", 1)[0].body["supersedes"] == first.address
    assert verify(workspace, rejudge=True).state == "valid"


def test_two_nights_at_once_corrupt_nothing(tmp_path: Path) -> None:
    workspace = copy_fleet(tmp_path / "w", "credit", until=NIGHT)
    code = (
        "import sys; from pathlib import Path; from datetime import date; from roadworthy.workspace import Workspace;"
        "from tests.acceptance.fleet import run_night;"
        "print(run_night(Workspace.open(Path(sys.argv[1])), date.fromisoformat(sys.argv[2])).bundle.address)"
    )
    environment = {**os.environ, "PYTHONPATH": str(FLEET.parent)}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(workspace.root), str(NIGHT)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for _ in range(2)
    ]
    told = [process.communicate(timeout=240) for process in running]
    assert [process.returncode for process in running] == [0, 0], told[0][1] + told[1][1]
    with Ledger.open(workspace.state_url) as ledger:
        entries = list(ledger.entries("run"))
    assert len(entries) == 1
    assert {out.strip() for out, _ in told} == {entries[0].body["evidence"]}
    assert verify(workspace).state == "valid"


def test_a_night_killed_on_the_way_resumes_without_repeating_finished_work(tmp_path: Path) -> None:
    """The evidence of the first model is written, its ledger entry is not: the moment between the two is where a kill hurts."""
    workspace = copy_fleet(tmp_path / "w", "credit", until=NIGHT)
    finished = run_night(workspace, NIGHT, only=RECORDED)
    for name in ("state.sqlite", "state.sqlite-wal", "state.sqlite-shm"):
        (workspace.made / name).unlink(missing_ok=True)
    with Ledger.open(workspace.state_url) as ledger:
        again = inspect(workspace, ledger, "credit@1.0.0", NIGHT, "nightly", "automation", datetime.now(UTC), families=())
        assert again.reused and again.bundle.address == finished.bundle.address
        assert ledger.newest("run", 1)[0].body["evidence"] == finished.bundle.address
    assert verify(workspace).state == "valid"
