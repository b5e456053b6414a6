"""A flow's opening of data is in the ledger before anything is read: once, and again only where it is another one."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from checks.subject import Subject
from flows.inspect import inspect
from flows.opening import KIND, by_flow
from roadworthy.errors import StorageError
from roadworthy.ledger import Entry, Ledger
from roadworthy.measurement import Measurement
from roadworthy.passport import Windows
from tests.acceptance.fleet import FLEET, copy_fleet
from tests.flows.test_looking import DAY, workspace

NOW = datetime(2026, 5, 1, tzinfo=UTC)
NIGHT: date = yaml.safe_load((FLEET / "expected.yaml").read_text(encoding="utf-8"))["night"]


def test_the_same_opening_is_one_entry_and_a_changed_file_another(tmp_path: Path) -> None:
    here = workspace(tmp_path)
    passport, batch = here.passport("loan@1.0.0"), tmp_path / "batches" / f"{DAY}.parquet"
    passport = passport.model_copy(update={"windows": Windows(drift=1, performance=28, fairness=1)})

    def opened(ledger: Ledger, **more: Any) -> Entry:
        return by_flow(here, ledger, passport, DAY, "nightly inspection of 2026-04-09", "automation", NOW, **more)

    with Ledger.open(here.state_url) as ledger:
        first = opened(ledger, code="a")
        assert opened(ledger, code="a") == first
        os.utime(batch, ns=(1, 1))
        assert {opened(ledger, code=code).seq for code in ("a", "b")} == {2, 3}
        batch.unlink()
        gone = opened(ledger, code="a")
        assert ledger.verify() == []
    told = {one["role"]: one for one in first.body["what"]}
    assert set(told) == {"reference", "batches", "labels"} and told["batches"]["path"] == "batches/{date}.parquet"
    assert (told["batches"]["first"], told["batches"]["last"], told["batches"]["files"]) == ("2026-03-13", "2026-04-09", 1)
    assert told["reference"]["bytes"] == (tmp_path / "reference" / "loan.parquet").stat().st_size
    assert {one["role"]: one for one in gone.body["what"]}["batches"]["files"] == 0
    assert (first.actor, first.body["purpose"]) == ("automation", "nightly inspection of 2026-04-09")


def test_an_inspection_that_is_killed_has_said_what_it_opened_and_one_without_a_ledger_opens_nothing(tmp_path: Path) -> None:
    here, looked = copy_fleet(tmp_path / "w", "credit", until=NIGHT, keep=1), list[str]()

    def killed(_subject: Subject) -> list[Measurement]:
        looked.append("at data")
        raise KeyboardInterrupt

    def night(ledger: Ledger, when: Any) -> None:
        inspect(here, ledger, "credit@1.0.0", NIGHT, when, "automation", NOW, (("drift", killed),))

    with Ledger.open(here.state_url) as ledger:
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                night(ledger, "nightly")
        with pytest.raises(KeyboardInterrupt):
            night(ledger, "gate")
        assert [one.kind for one in ledger.entries()].count("run") == 0
        purposes = [one.body["purpose"] for one in ledger.entries(KIND)]
    assert purposes == [f"nightly inspection of {NIGHT}", f"gate of {NIGHT}"] and len(looked) == 3
    with Ledger.open(here.state_url, read_only=True) as closed, pytest.raises(StorageError):
        inspect(here, closed, "credit@1.0.0", NIGHT, "nightly", "another", NOW, (("drift", killed),))
    assert len(looked) == 3
