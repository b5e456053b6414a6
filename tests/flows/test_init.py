"""A new workspace is whole, says what is left to fill in, and never lands on top of something."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flows import init, lint
from flows.cli import run
from roadworthy.errors import UsageError
from roadworthy.workspace import Workspace
from tests.support import write_parquet

ROOT = Path(__file__).resolve().parents[2]


def fill_in(folder: Path) -> None:
    """Do what the newcomer does: take each mark away, the values being right for the example data."""
    for path in folder.rglob("*.yaml"):
        path.write_text(re.sub(r"\s*# FILL IN:.*", "", path.read_text(encoding="utf-8")), encoding="utf-8")
    rows = {"label": [1, 0, 1, 0], "prediction": [1, 0, 0, 1], "score": [0.9, 0.2, 0.4, 0.7], "age": [20, 30, 40, 50],
            "income": [1.0, 2.0, 3.0, 4.0], "sex": ["male", "female", "male", "female"]}
    write_parquet(rows, folder / "reference" / "example.parquet")
    write_parquet(rows, folder / "batches" / "example" / "2026-04-09.parquet")


def test_a_new_workspace_has_every_file_and_loads(tmp_path: Path) -> None:
    folder = tmp_path / "my models"
    made = init.make(folder)
    assert sorted(str(p.relative_to(folder)) for p in made) == [
        ".gitignore", "models/example/1.0.0.yaml", "people.yaml", "policies/high.yaml", "policies/limited.yaml",
        "policies/minimal.yaml", "roadworthy.yaml", "suites/example.yaml",
    ]
    assert all(p.is_file() for p in made)
    workspace = Workspace.open(folder)
    assert workspace.passport("example@1.0.0").roles.owner == "the.owner"
    assert [workspace.policy(tier).policy for tier in ("minimal", "limited", "high")] == ["minimal", "limited", "high"]
    assert ".roadworthy/" in (folder / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_the_policies_of_a_new_workspace_are_those_of_the_demo_fleet() -> None:
    starter, demo = ROOT / "flows" / "starter" / "policies", ROOT / "data" / "policies"
    assert sorted(p.name for p in starter.iterdir()) == sorted(p.name for p in demo.iterdir())
    for path in demo.iterdir():
        same = (starter / path.name).read_bytes() == path.read_bytes()
        assert same, f"data/policies/{path.name} changed: copy it to flows/starter/policies"


def test_lint_names_each_place_that_is_left_to_fill_in(tmp_path: Path) -> None:
    init.make(tmp_path / "w")
    said = lint.check(Workspace.open(tmp_path / "w"))
    marks = sum(p.read_text(encoding="utf-8").count("# FILL IN:") for p in (tmp_path / "w").rglob("*.yaml"))
    assert len(said) == marks > 20, "only what is to be filled in, and all of it"
    assert all(re.match(r"^[\w./-]+\.yaml:\d+: still to be filled in: .+\.$", sentence) for sentence in said)
    assert "models/example/1.0.0.yaml:8: still to be filled in: one sentence on what the model does." in said


def test_a_workspace_that_is_filled_in_is_complete(tmp_path: Path) -> None:
    init.make(tmp_path / "w")
    fill_in(tmp_path / "w")
    assert lint.check(Workspace.open(tmp_path / "w")) == []


@pytest.mark.parametrize("there", ["a file in it", "a hidden file in it", "a file in its place"])
def test_init_never_touches_what_is_there(tmp_path: Path, there: str) -> None:
    folder = tmp_path / "w"
    if there == "a file in its place":
        folder.write_text("mine", encoding="utf-8")
    else:
        folder.mkdir()
        (folder / (".git" if "hidden" in there else "notes")).write_text("mine", encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError, match="Name a folder that is empty"):
        init.make(folder)
    assert sorted(tmp_path.rglob("*")) == before
    assert run(["init", str(folder)]) == 64


def test_init_uses_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "w").mkdir()
    assert run(["init", str(tmp_path / "w")]) == 0
    assert (tmp_path / "w" / "roadworthy.yaml").is_file()
