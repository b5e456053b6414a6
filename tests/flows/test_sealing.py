"""A run is named by its log, its bills and its vendor's papers too: what is changed there is looked at again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flows.sealing import beside_batches
from roadworthy.workspace import Workspace
from tests.acceptance.fleet import copy_fleet, run_night
from tests.acceptance.test_bad_input import NIGHT
from tests.support import make_subject, passport_of

VENDORS = "schema_version: 1\nvendors:\n  - id: acme\n    documents: [{id: dpa, path: dpa.pdf, sha256: \"" + "0" * 64 + "\"}]\n"
BILLS = {"path": "bills/*.csv", "services": ["s"]}
FILES = {"log.parquet": "log", "bills/april.csv": "bill", "vendors.yaml": VENDORS, "dpa.pdf": "agreed"}


def sealed(root: Path) -> dict[str, Any]:
    said = passport_of(vendor="acme", telemetry={"path": "log.parquet", "rows": "n"}, cost={"currency": "EUR", "bills": BILLS})
    with make_subject(root, said) as subject:
        return beside_batches(subject)


@pytest.mark.parametrize("name", FILES)
def test_what_lies_beside_the_batches_is_part_of_the_runs_name(tmp_path: Path, name: str) -> None:
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    before = sealed(tmp_path)
    assert before == sealed(tmp_path)
    (tmp_path / name).write_text(FILES[name] + "\n# changed\n", encoding="utf-8")
    changed = sealed(tmp_path)
    (tmp_path / name).unlink()
    assert before != changed and sealed(tmp_path) not in (before, changed)


def test_a_register_that_cannot_be_read_is_told_by_its_own_digest(tmp_path: Path) -> None:
    (tmp_path / "vendors.yaml").write_text("vendors: [", encoding="utf-8")
    assert set(sealed(tmp_path)["vendor"]) == {"vendors.yaml"}


def test_what_is_open_to_others_is_part_of_the_runs_name(tmp_path: Path) -> None:
    workspace = copy_fleet(tmp_path / "w", "bikes", until=NIGHT, keep=2)
    key = workspace.root / "chat"
    key.write_text("s3cret")
    settings = workspace.root / "roadworthy.yaml"
    settings.write_text(settings.read_text() + "\nalerts: {owner: ['file:chat']}\n")
    workspace = Workspace.open(workspace.root)
    key.chmod(0o644)
    loose = run_night(workspace, NIGHT, only=["access"])
    assert run_night(workspace, NIGHT, only=["access"]).reused
    key.chmod(0o600)
    closed = run_night(workspace, NIGHT, only=["access"])
    assert not closed.reused and closed.bundle.address != loose.bundle.address
    counts = [next(m.value for m in one.bundle.measurements if m.metric == "access.loose_permissions") for one in (loose, closed)]
    assert counts[0] == counts[1] + 1
