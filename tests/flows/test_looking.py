"""A person opens data: who may, what they see, and that it is in the ledger first."""

from __future__ import annotations

import csv
import io
import json
import random
import stat
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows import sheets
from flows.cli import run
from flows.looking import COUNTS, NAMED, ROWS, Wanted, log, look
from roadworthy.errors import DataError, RefusedError, RoadworthyError, StorageError, UsageError
from roadworthy.ledger import Ledger
from roadworthy.verify import verify
from roadworthy.workspace import Workspace
from tests.checks.identifiers.planted import PLANTED
from tests.support import _MINIMAL, write_parquet

NOW, DAY = datetime(2026, 5, 1, tzinfo=UTC), date(2026, 4, 9)
WHY = "complaint 4711 of 3 May"
ROLES = {"olga": "owner", "gustav": "guardian", "oscar": "operator", "ada": "auditor", "eve": "owner"}
EVIL = "=HYPERLINK(\"http://x\")"
TABLE = {
    "age": [40, -5], "income": [1.5, None], "sex": ["male", "female"], "label": [1, 0], "prediction": [1, 0], "score": [0.9, 0.1],
    "Customer": ["C-1", "C-2"], "note": [f"{EVIL}", "mail eve@example.org \x1b[2J"], "case": ["K1", "K2"],
}


def workspace(root: Path, tier: str = "limited") -> Workspace:
    people = [{"id": who, "name": who.title(), "roles": [role]} for who, role in ROLES.items()]
    (root / "models" / "loan").mkdir(parents=True)
    (root / "roadworthy.yaml").write_text("schema_version: 1\nname: w\ntime_zone: Europe/Berlin\n", encoding="utf-8")
    (root / "people.yaml").write_text(yaml.safe_dump({"schema_version": 1, "people": people}), encoding="utf-8")
    passport = _MINIMAL | {
        "risk_tier": tier, "identifiers": [{"column": "customer", "purpose": "Joins.", "basis": "Contract."}],
        "batches": {"path": "batches/{date}.parquet", "labels": "labels/{date}.parquet", "key": "case"},
    }
    (root / "models" / "loan" / "1.0.0.yaml").write_text(yaml.safe_dump(passport), encoding="utf-8")
    for path in ("reference/loan.parquet", f"batches/{DAY}.parquet"):
        write_parquet(TABLE, root / path)
    return Workspace.open(root)


def opened(here: Workspace, who: str = "gustav", **wanted: Any) -> Any:
    with Ledger.open(here.state_url) as ledger:
        return look(here, ledger, Wanted(**{"model": "loan", "who": who, "purpose": WHY, "day": DAY} | wanted), NOW)


def entries(here: Workspace) -> list[dict[str, Any]]:
    with Ledger.open(here.state_url) as ledger:
        return log(ledger)


@pytest.mark.parametrize(("tier", "levels"), [
    ("minimal", {"olga": ROWS, "oscar": ROWS, "gustav": NAMED, "ada": COUNTS, "eve": 0}),
    ("limited", {"olga": ROWS, "oscar": ROWS, "gustav": NAMED, "ada": COUNTS, "eve": 0}),
    ("high", {"olga": COUNTS, "oscar": ROWS, "gustav": NAMED, "ada": COUNTS, "eve": 0}),
])
def test_nobody_sees_more_than_the_table_grants_and_each_refusal_is_recorded(
    tmp_path: Path, tier: str, levels: dict[str, int]
) -> None:
    here, refused = workspace(tmp_path, tier), 0
    for who, level in levels.items():
        for asked, how in ((COUNTS, {"counts": True}), (ROWS, {}), (NAMED, {"identifiers": True})):
            if asked <= level:
                assert opened(here, who, **how).rows
                continue
            with pytest.raises(RefusedError, match="nothing" if not level else "may see"):
                opened(here, who, **how)
            refused += 1
    assert [one["outcome"] for one in entries(here)].count("refused") == refused
    assert verify(here).state == "valid"


def test_the_entry_says_who_what_and_why(tmp_path: Path) -> None:
    here = workspace(tmp_path)
    found = opened(here, "oscar", rows=1)
    (entry,) = entries(here)
    assert (entry["actor"], entry["model"], entry["version"], entry["day"]) == ("oscar", "loan", "1.0.0", "2026-04-09")
    assert (entry["purpose"], entry["sees"], entry["rows"], entry["signed"]) == (WHY, "rows without identifiers", 1, False)
    (what,) = entry["what"]
    assert (what["role"], what["path"], what["files"]) == ("batches", "batches/{date}.parquet", 1) and len(what["sha256"]) == 64
    assert found.columns == ["age", "income", "prediction", "score", "sex"] and len(found.rows) == 1
    assert set(found.withheld) == {"Customer", "note", "case"}


def test_columns_that_name_people_are_the_guardians_however_they_are_spelt(tmp_path: Path) -> None:
    here = workspace(tmp_path)
    for name in ("customer", "Customer", "CUSTOMER", "case"):
        for who in ("oscar", "gustav"):
            with pytest.raises(RefusedError, match="names people or cases"):
                opened(here, who, columns=[name])
    assert opened(here, identifiers=True, columns=["CUSTOMER"]).rows == [("C-1",), ("C-2",)]


def test_an_identifier_in_a_text_is_taken_out_unless_it_is_asked_for(tmp_path: Path) -> None:
    here = workspace(tmp_path)
    assert "eve@example.org" not in str(opened(here, "oscar", columns=["note"]).rows)
    assert "[e-mail]" in str(opened(here, "oscar", columns=["note"]).rows)
    assert "eve@example.org" in str(opened(here, columns=["note"], identifiers=True).rows)


def test_a_number_that_is_a_card_is_hidden_and_other_numbers_are_not(tmp_path: Path) -> None:
    here = workspace(tmp_path)
    r = random.Random(7)
    cards = [int(PLANTED["card number"][1](r).replace(" ", "").replace("-", "")) for _ in range(24)]
    write_parquet({"paid_with": cards, "age": list(range(20, 44))}, here.root / f"batches/{DAY}.parquet")
    assert opened(here, "oscar", columns=["paid_with"], rows=24).rows == [("[card number]",)] * 24
    assert opened(here, columns=["paid_with"], identifiers=True, rows=24).rows == [(card,) for card in cards]
    assert opened(here, "oscar", columns=["age"], rows=24).rows == [(age,) for age in range(20, 44)]


def test_rows_that_cannot_be_read_to_their_end_are_said_without_a_cell(tmp_path: Path) -> None:
    here = workspace(tmp_path)
    path = here.root / f"batches/{DAY}.parquet"
    data = bytearray(path.read_bytes())
    for at in range(8, 200):  # the pages; the footer, which says what there is, stays
        data[at] ^= 0xFF
    path.write_bytes(bytes(data))
    with pytest.raises(DataError, match="cannot be read to their end"):
        opened(here, "oscar")
    assert [one["outcome"] for one in entries(here)] == ["opened"]


def test_without_a_ledger_there_are_no_data(tmp_path: Path) -> None:
    here = workspace(tmp_path)
    opened(here)  # it is there and can be read
    with Ledger.open(here.state_url, read_only=True) as closed, pytest.raises(StorageError):
        look(here, closed, Wanted("loan", "gustav", WHY, DAY), NOW)
    assert len(entries(here)) == 1


def test_data_that_cannot_be_read_were_asked_for_all_the_same(tmp_path: Path) -> None:
    here = workspace(tmp_path)
    for day, wrong in ((date(2026, 4, 8), DataError), (DAY, UsageError)):
        with pytest.raises(wrong):
            opened(here, day=day, columns=["nothing"] if day == DAY else [])
    assert [one["outcome"] for one in entries(here)] == ["opened", "opened"]


@pytest.mark.parametrize("wanted", [
    {"purpose": "x"}, {"purpose": " " * 30}, {"purpose": "long enough\nEntry 7"}, {"rows": 0}, {"rows": 10_001},
    {"who": "mallory"}, {"model": "nothing"}, {"model": "loan@9"}, {"counts": True, "identifiers": True},
])
def test_what_makes_no_sense_is_refused_before_anything(tmp_path: Path, wanted: dict[str, Any]) -> None:
    here = workspace(tmp_path)
    with pytest.raises(UsageError):
        opened(here, **wanted)
    assert entries(here) == []


def test_counts_tell_rows_and_blanks_and_nothing_else(tmp_path: Path) -> None:
    found = opened(workspace(tmp_path), "ada", counts=True, day=None)
    assert dict((name, (rows, blank)) for name, rows, blank in found.rows)["income"] == (2, 1)
    assert found.columns == ["column", "rows", "blank"] and "C-1" not in str(found)


def test_a_file_is_safe_to_open_and_nobody_elses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here, to = workspace(tmp_path / "w"), tmp_path / "out.csv"
    asked = ["data", "open", "loan@1.0.0", "--on", str(DAY), "--purpose", WHY, "--as", "gustav", "-w", str(here.root)]
    assert run([*asked, "--identifiers", "--columns", "note,age", "--out", str(to)]) == 0
    assert stat.S_IMODE(to.stat().st_mode) == 0o600
    head, first, second = csv.reader(io.StringIO(to.read_text(encoding="utf-8")))
    assert head == ["note", "age"] and first == [f"'{EVIL}", "40"] and second == ["mail eve@example.org \\x1b[2J", "-5"]
    before = entries(here)
    (tmp_path / "link.csv").symlink_to(tmp_path / "nowhere")
    for there in (to, tmp_path / "link.csv"):
        assert run([*asked, "--out", str(there)]) == 64
    assert entries(here) == before and not (tmp_path / "nowhere").exists()
    capsys.readouterr()
    assert run([*asked, "--columns", "note"]) == 0
    shown = capsys.readouterr()
    assert "\x1b" not in shown.out and "Entry 2 of the ledger" in shown.err


def test_the_log_says_who_opened_what_the_newest_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = workspace(tmp_path)
    opened(here, "oscar", purpose="looking at [red]rows[/red]")
    with pytest.raises(RefusedError):
        opened(here, "eve")
    assert run(["data", "log", "loan", "-w", str(here.root), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(one["actor"], one["outcome"]) for one in told] == [("eve", "refused"), ("oscar", "opened")]
    assert run(["data", "log", "-w", str(here.root)]) == 0
    assert "looking at [red]rows[/red]" in capsys.readouterr().out
    assert run(["data", "open", "loan", "--purpose", WHY, "--as", "oscar", "-w", str(here.root)]) == 64


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "＝1"])
def test_a_text_is_never_a_formula(text: str) -> None:
    assert sheets.cell(text).startswith("'")


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RoadworthyError):
        sheets.write(tmp_path / "missing" / "x.csv", "a")
