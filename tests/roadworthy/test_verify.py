"""One flipped byte anywhere in what was recorded is found and named, and a valid answer says what it cannot know."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roadworthy.evidence import EvidenceStore, bundle_files, read_bundle
from roadworthy.judge import JUDGE_VERSION, Context, judge
from roadworthy.ledger import Ledger
from roadworthy.ledger.sqlite import TRIGGERS
from roadworthy.measurement import Measurement
from roadworthy.policy import Policy
from roadworthy.switch import Switch
from roadworthy.verify import Report, verify
from roadworthy.workspace import Workspace
from tests.roadworthy.records import DAY, NOW, at, make_workspace, record


def fill(root: Path) -> Workspace:
    workspace = make_workspace(root)
    with Ledger.open(workspace.state_url) as ledger:
        for number in range(3):
            record(
                workspace, ledger, day=DAY + timedelta(number), run_id=f"r{number}", now=at(number), attachments={"a.json": b"{}"}
            )
        record(workspace, ledger, "bikes", "2.0.0", run_id="b0", word="stop", now=at(4))
        Switch.open(workspace, ledger).stop("bikes", by="automation", reason="Wrong.", at=at(5))
    return workspace


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("filled") / "w").root


@pytest.fixture
def workspace(filled: Path, tmp_path: Path) -> Workspace:
    shutil.copytree(filled, tmp_path / "copy")
    return Workspace.open(tmp_path / "copy")


def database(workspace: Workspace) -> Path:
    return workspace.made / "state.sqlite"


def by_force(workspace: Workspace, *sqls: str) -> None:
    with closing(sqlite3.connect(database(workspace))) as con:
        for name in TRIGGERS:
            con.execute(f"drop trigger {name}")
        for sql in sqls:
            con.execute(sql)
        for sql in TRIGGERS.values():
            con.execute(sql)
        con.commit()


def tampered(workspace: Workspace) -> str:
    report = verify(workspace)
    assert (report.state, report.exit_code) == ("tampered", 1), report.lines
    return "\n".join(report.lines)


# What it answers.


def test_what_nobody_touched_is_valid_and_said_not_to_be_anchored(workspace: Workspace) -> None:
    report = verify(workspace)
    assert (report.state, report.exit_code, report.anchored) == ("valid", 0, False)
    assert report.lines == [
        "not anchored: no head of the ledger is kept elsewhere, so a tail cut off with its evidence, or a history rewritten from "
        "its first entry, would not show.",
        "Consistent: 5 ledger entries, 4 bundles, 31 files.",
    ]
    assert str(report).startswith("VALID (not anchored: ")
    assert verify(workspace.root).state == "valid"


def test_a_moved_copy_verifies_and_stays_as_it_is(workspace: Workspace, tmp_path: Path) -> None:
    shutil.move(workspace.root, tmp_path / "elsewhere with a space")
    root = tmp_path / "elsewhere with a space"
    before = {p: p.read_bytes() for p in root.rglob("*") if p.is_file()}
    assert verify(root).state == "valid"
    assert {p: p.read_bytes() for p in before} == before


def test_an_empty_ledger_is_valid_and_a_missing_one_cannot_be_verified(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    missing = verify(workspace)
    assert (missing.state, missing.exit_code) == ("cannot_verify", 3)
    assert "There is no database" in str(missing)
    Ledger.open(workspace.state_url).close()
    assert verify(workspace).lines[1] == "Consistent: 0 ledger entries, 0 bundles, 0 files."


def test_bundles_without_their_ledger_are_never_valid(workspace: Workspace, tmp_path: Path) -> None:
    alone = verify(workspace.evidence)
    assert alone.state == "cannot_verify"
    assert "4 bundles" in alone.lines[0] and "There is no ledger beside these bundles" in str(alone)
    file = next(workspace.evidence.rglob("findings.json"))
    file.chmod(0o644)
    file.write_bytes(b"{}")
    assert verify(workspace.evidence).state == "tampered"
    (tmp_path / "nothing").mkdir()
    assert "neither a workspace nor a folder of bundles" in str(verify(tmp_path / "nothing"))


def test_a_workspace_that_cannot_be_read_cannot_be_verified(workspace: Workspace) -> None:
    (workspace.root / "roadworthy.yaml").write_text("name: [")
    report = verify(workspace.root)
    assert (report.state, report.exit_code) == ("cannot_verify", 3)
    assert "roadworthy.yaml" in str(report)


# One flipped byte.


@pytest.fixture(scope="module")
def target(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in which bytes are flipped and put back."""
    return Path(shutil.copytree(filled, tmp_path_factory.mktemp("target") / "w"))


@contextmanager
def flipped(path: Path, data: st.DataObject) -> Iterator[None]:
    whole = path.read_bytes()
    changed = bytearray(whole)
    changed[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    path.chmod(0o644)
    path.write_bytes(changed)
    try:
        yield
    finally:
        path.write_bytes(whole)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_one_flipped_byte_in_any_evidence_file_is_found_and_named(target: Path, data: st.DataObject) -> None:
    paths = sorted(p.relative_to(target).as_posix() for p in (target / ".roadworthy" / "evidence").rglob("*") if p.is_file())
    path = data.draw(st.sampled_from(paths))
    with flipped(target / path, data):
        report = verify(target)
    assert report.state == "tampered"
    assert any(path in line for line in report.lines)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_one_flipped_byte_in_the_database_is_found_or_changed_nothing_recorded(target: Path, data: st.DataObject) -> None:
    path = target / ".roadworthy" / "state.sqlite"
    before = everything(path)
    with flipped(path, data):
        if verify(target).state == "valid":
            assert everything(path) == before


def everything(path: Path) -> Any:
    with closing(sqlite3.connect(path)) as con:
        return con.execute("select * from ledger").fetchall(), con.execute(
            "select model, version, segment, state, fence from switch"
        ).fetchall()


# Attacks, each found by name.


def test_a_removed_bundle_is_found(workspace: Workspace) -> None:
    shutil.rmtree(next(workspace.evidence.rglob("run=r1")))
    assert "There is no bundle" in tampered(workspace)
    assert "Entry 2 of the ledger names it" in tampered(workspace)


def test_removed_and_added_files_are_found(workspace: Workspace) -> None:
    run = next(workspace.evidence.rglob("run=r1"))
    (run / "inputs.json").unlink()
    (run / "extra.json").write_text("{}")
    said = tampered(workspace)
    assert "run=r1/inputs.json is missing" in said
    assert "run=r1/extra.json was added" in said


def test_a_bundle_made_anew_with_right_digests_is_found(workspace: Workspace) -> None:
    run = next(workspace.evidence.rglob("run=b0"))
    verdict = run / "verdict.json"
    verdict.chmod(0o644)
    verdict.write_bytes(verdict.read_bytes().replace(b'"stop"', b'"clear"'))
    lines = sorted(f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}\n" for p in run.iterdir() if p.name != "MANIFEST")
    (run / "MANIFEST").chmod(0o644)
    (run / "MANIFEST").write_text("".join(sorted(lines, key=lambda line: line.split()[1])))
    assert read_bundle(run).verdict.word == "clear"
    assert "run=b0/MANIFEST has digest" in tampered(workspace)


def test_a_bundle_that_the_ledger_does_not_name_is_found(workspace: Workspace) -> None:
    shutil.copytree(next(workspace.evidence.rglob("run=r1")), next(workspace.evidence.rglob("run=r0")).with_name("run=r9"))
    assert "run=r9 is not named by the ledger" in tampered(workspace)


def test_a_tail_cut_off_the_ledger_shows_by_its_bundles(workspace: Workspace) -> None:
    by_force(workspace, "delete from ledger where seq >= 4", "delete from switch")
    assert "run=b0 is not named by the ledger" in tampered(workspace)


def test_a_verdict_that_ledger_and_evidence_tell_differently_is_found(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    with Ledger.open(workspace.state_url) as ledger:
        address, entry = record(workspace, ledger)
        second = make_workspace(tmp_path / "second")
        with Ledger.open(second.state_url) as other:
            other.append("run", "automation", {**entry.body, "verdict": "watch"}, at=NOW)
    shutil.copytree(workspace.evidence, second.evidence)
    said = tampered(second)
    assert "says verdict 'clear', but entry 1 of the ledger recorded 'watch'" in said
    assert address.relative in said


def test_other_evidence_for_a_recorded_run_is_found(workspace: Workspace) -> None:
    with Ledger.open(workspace.state_url) as ledger:
        body = next(ledger.entries("run")).body
        ledger.append("run", "eve", {**body, "evidence": "00" * 32}, at=NOW)
    assert "entry 6 names other evidence for a run" in tampered(workspace)


def test_a_damaged_entry_does_not_make_the_others_look_unrecorded(workspace: Workspace) -> None:
    by_force(workspace, "update ledger set actor = 'eve' where seq = 2")
    report = verify(workspace)
    assert report.lines[1:] == ["Ledger: entry 2 has another 'actor' in its column than in its sealed bytes."]


def test_a_damaged_database_is_tampered_with_not_missing(workspace: Workspace) -> None:
    database(workspace).write_bytes(b"no database" * 1000)
    assert "is not a database" in tampered(workspace)


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("update switch set state = 'active'", "Switch: bikes * * is 'active', but entry 5 of the ledger made it 'disabled'."),
        ("delete from switch", "is 'active', but entry 5"),
        ("drop table switch", "is 'active', but entry 5"),
        ("update switch set fence = 2", "names entry 2 of the ledger, which is not its last"),
        ("update switch set state = 'fine'", "Switch: its table or its entries cannot be read"),
    ],
)
def test_a_switch_loosened_behind_the_ledgers_back_is_found(workspace: Workspace, sql: str, says: str) -> None:
    by_force(workspace, sql)
    assert says in tampered(workspace)


def test_a_switch_that_is_stricter_than_recorded_is_no_tampering(workspace: Workspace) -> None:
    by_force(workspace, "insert into switch values ('credit', '*', '*', 'disabled', '', 'oscar', 'Disk was full.', '', 0)")
    assert verify(workspace).state == "valid"


# Judging again.

RULE = {
    "id": "accuracy", "metric": "performance.accuracy", "limit": ">= 0.70", "test": "interval", "min": {"n": 100},
    "breach": "fail", "because": "Below this the desk does better without the model.",
}  # fmt: skip
POLICY = {"schema_version": 1, "policy": "limited", "title": "Rules", "rules": [RULE]}


def judged(tmp_path: Path, judge_version: str, change: Callable[[dict[str, Any]], None] = lambda verdict: None) -> Report:
    workspace, policy = make_workspace(tmp_path), Policy.model_validate(POLICY)
    measured = [Measurement("performance.accuracy", value=0.8, low=0.75, high=0.85, confidence=0.95, n=500)]
    context = Context("limited", "binary", "nightly", DAY)
    given = judge(measured, policy, context)
    run = {
        "run_id": "r1", "when": "nightly", "model": "credit", "version": "1.0.0", "day": DAY.isoformat(),
        "policy": {"content": policy.model_dump(mode="json"), "digest": policy.digest},
    }  # fmt: skip
    verdict = given.verdict.as_dict()
    change(verdict)
    files = bundle_files(
        run,
        {"context": context.as_dict()},
        measured,
        given.findings,
        type(given.verdict).from_dict(verdict),
        given.state,
        judge_version=judge_version,
    )
    address = EvidenceStore(workspace.evidence).write("credit", "1.0.0", DAY, "r1", files)
    body = {k: run[k] for k in ("run_id", "when", "model", "version", "day")}
    with Ledger.open(workspace.state_url) as ledger:
        ledger.append("run", "automation", {**body, "verdict": verdict["word"], "evidence": address.sha256}, at=NOW)
    return verify(workspace, rejudge=True)


def test_judging_again_agrees_with_what_was_judged(tmp_path: Path) -> None:
    report = judged(tmp_path, JUDGE_VERSION)
    assert report.state == "valid", report.lines


def test_a_verdict_that_does_not_follow_from_its_measurements_is_found_only_by_judging_again(tmp_path: Path) -> None:
    report = judged(tmp_path, JUDGE_VERSION, lambda verdict: verdict.update(word="breach", exit_code=1))
    assert report.state == "tampered"
    assert "does not follow from its measurements: recorded 'breach', now 'clear'" in str(report)
    assert verify(tmp_path).state == "valid"


def test_another_judge_may_judge_differently_and_that_is_said(tmp_path: Path) -> None:
    report = judged(tmp_path, "0", lambda verdict: verdict.update(word="breach", exit_code=1))
    assert report.state == "valid"
    assert f"is judged differently by version {JUDGE_VERSION}: recorded 'breach', now 'clear'." in str(report)


def test_what_cannot_be_judged_again_cannot_be_verified(workspace: Workspace) -> None:
    report = verify(workspace, rejudge=True)
    assert report.state == "cannot_verify"
    assert "could not be judged again" in str(report)
