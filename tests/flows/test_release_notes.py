"""The command ``roadworthy release-notes``: on which evidence it rests, and what it prints."""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path

import pytest

from flows import cli
from tests.acceptance.fleet import copy_fleet, run_night

NIGHT = date(2025, 4, 17)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """Credit after a night, with a second version that nobody has looked at."""
    made = copy_fleet(tmp_path_factory.mktemp("fleet"), "credit", until=NIGHT)
    passport = made.root / "models" / "credit" / "1.0.0.yaml"
    run_night(made, NIGHT, only=["fairness", "performance"])
    second = passport.read_text(encoding="utf-8").replace('version: "1.0.0"', 'version: "2.0.0"')
    (passport.parent / "2.0.0.yaml").write_text(second[: second.index("adopted:")], encoding="utf-8")
    return made


def test_without_evidence_it_says_what_to_do(workspace, capsys):
    assert cli.run(["release-notes", "credit", "2.0.0", "-w", str(workspace.root)]) == 64
    assert "no evidence of credit@2.0.0 yet. Run: roadworthy gate credit 2.0.0" in " ".join(capsys.readouterr().err.split())


def test_a_name_that_nobody_knows_is_wrong_usage(workspace):
    assert cli.run(["release-notes", "nobody", "1.0.0", "-w", str(workspace.root)]) != 0


def test_it_prints_the_three_files_or_the_json_and_falls_back_to_a_night(workspace, capsys):
    assert cli.run(["release-notes", "credit", "1.0.0", "-w", str(workspace.root)]) == 0
    files = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert [f.name for f in files] == ["release-notes.html", "release-notes.md", "release-notes.json"]
    assert all(f.is_file() and f.is_relative_to(workspace.made / "site" / "models" / "credit" / "1.0.0") for f in files)
    assert cli.run(["release-notes", "credit", "1.0.0", "-w", str(workspace.root), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["previous"] == "" and said["gate"].startswith("No gate has run on this version.")
    first = files[2].read_bytes()
    shutil.rmtree(files[0].parent)
    assert cli.run(["release-notes", "credit", "1.0.0", "-w", str(workspace.root)]) == 0
    assert files[2].read_bytes() == first, "the same evidence and state give the same bytes"
