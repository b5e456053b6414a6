"""The drill-down shows people the columns that moved, keeps rows where few may look, and stops nothing when it fails."""

from __future__ import annotations

import hashlib
import json
import re
import socket
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from checks.drift.drill_down import METRICS, MOST_COLUMNS, drill_down
from roadworthy.measurement import Measurement
from tests.acceptance.fleet import copy_fleet, run_night
from tests.support import DAY, make_subject, passport_of


@pytest.fixture(autouse=True)
def nothing_leaves(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Refuse every connection, and let nothing but the code under test switch telemetry off."""

    def refuse(*_: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.delenv("DO_NOT_TRACK", raising=False)
    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    yield


def table(n: int, seed: int, **columns: Any) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    made = {"age": rng.normal(40 + seed, 10, n), "income": rng.lognormal(10, 1, n), "sex": rng.choice(["male", "female"], n)}
    return {**made, **columns}


def looked(root: Path, batch: Any, columns: list[str], reference: Any = None, restricted: Path | None = None) -> Measurement:
    batches = {DAY: batch} if batch else {}
    with make_subject(root, passport_of(), reference or table(600, 1), batches) as subject:
        (found,) = drill_down(subject, columns, restricted or root / "made" / "restricted")
    assert found.metric in METRICS
    return found


def file_of(root: Path, found: Measurement, what: str) -> Path:
    return root / "made" / "restricted" / found.details[what]["path"]


def test_page_and_snapshot_lie_where_few_may_look_under_the_digest_of_their_bytes(tmp_path):
    found = looked(tmp_path, table(400, 9), ["age", "sex"])
    assert (found.value, found.n, found.details["rows"]) == (1, 400, {"baseline": 600, "batch": 400})
    assert found.details["columns"] == ["age", "sex"] and found.details["not_shown"] == {}
    for what, ending in (("page", ".html"), ("snapshot", ".json")):
        path = file_of(tmp_path, found, what)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert path.name == digest + ending and found.details[what]["sha256"] == digest
        assert path.stat().st_mode & 0o777 == 0o600
        folder = path.parent
        assert folder.relative_to(tmp_path).as_posix() == f"made/restricted/model=loan/version=1.0.0/date={DAY}/drill-down"
        while folder != tmp_path / "made":
            assert folder.stat().st_mode & 0o777 == 0o700
            folder = folder.parent
    assert len(list(path.parent.iterdir())) == 2, "nothing half-written is left"


def test_the_same_data_give_the_same_files(tmp_path):
    first, second = (looked(tmp_path / name, table(400, 9), ["age", "sex"]) for name in ("one", "another folder"))
    assert dict(first.details) == dict(second.details)


def test_names_and_words_of_other_people_are_no_markup_in_the_page(tmp_path):
    bad = "</script><script>alert(1)</script>"
    column = f"{bad}<img src=x onerror='alert(2)'>\u202e"
    words = [bad if i % 2 else f'<a href="https://x.test">{i % 3}</a>' for i in range(600)]
    sides = [table(n, n, **{column: words[:n]}) for n in (600, 400)]
    found = looked(tmp_path, sides[1], [column, "age"], sides[0])
    assert found.value == 1 and found.details["columns"] == [column, "age"]
    page = file_of(tmp_path, found, "page").read_text(encoding="utf-8")
    for wrong in ("<script>alert", "</script><script", "onerror='alert", '<a href="https://x.test', "\u202e", "\\u202e"):
        assert wrong not in page and json.dumps(wrong)[1:-1] not in page
    assert json.dumps("‹script›alert(1)‹/script›")[1:-1] in page
    assert not re.search(r"<(?:script|link|img)[^>]+(?:src|href)=", page), "the page loads nothing"


def test_rare_words_are_not_named_and_evidence_holds_no_row(tmp_path):
    words = ["plain"] * 396 + ["Erika Mustermann"] * 4
    found = looked(tmp_path, table(400, 9, sex=words), ["sex", "age"])
    for what in ("page", "snapshot"):
        assert "Erika" not in file_of(tmp_path, found, what).read_text(encoding="utf-8")
    assert set(found.details) == {"page", "snapshot", "columns", "not_shown", "left_out", "rows", "seed"}


ODD = {
    "single": lambda n: ["one"] * n,
    "zero": np.zeros,
    "whole": lambda n: np.arange(n) % 3,
    "small": lambda n: np.arange(n, dtype="float32") % 7,
    "truth": lambda n: np.arange(n) % 2 == 0,
    "day": lambda n: [date(2026, 1, 1) + timedelta(days=i % 60) for i in range(n)],
    "clock": lambda n: [datetime(2026, 1, 1) + timedelta(hours=i) for i in range(n)],
    "broken": lambda n: np.where(np.arange(n) % 3 == 0, np.inf, np.arange(n) * 1.0),
    "holes": lambda n: [None if i % 2 else "x" for i in range(n)],
    "many": lambda n: [f"level {i}" for i in range(n)],
}


def test_columns_of_every_kind_can_be_shown(tmp_path):
    sides = [table(n, n, **{name: made(n) for name, made in ODD.items()}) for n in (600, 400)]
    found = looked(tmp_path, sides[1], list(ODD), sides[0])
    assert found.value == 1 and found.details["columns"] == list(ODD)


def test_columns_that_cannot_be_shown_are_named_with_a_reason(tmp_path):
    odd = {"empty": pa.nulls, "blank": lambda n: pa.nulls(n, pa.float64()), "list": lambda n: [[1]] * n}
    reference = table(600, 1, gone=np.arange(600), changed=np.arange(600), **{name: made(600) for name, made in odd.items()})
    batch = table(400, 2, changed=["x"] * 400, **{name: made(400) for name, made in odd.items()})
    names = [*odd, "gone", "changed", "nowhere"]
    found = looked(tmp_path, batch, [*names, "age"], reference)
    assert found.details["columns"] == ["age"] and set(found.details["not_shown"]) == set(names)
    assert found.value == 0 and file_of(tmp_path, found, "page").exists(), "what can be shown is shown, and the rest is missed"
    alone = looked(tmp_path / "alone", batch, names, reference)
    assert alone.value == 0 and alone.details["columns"] == [] and "page" not in alone.details
    assert not (tmp_path / "alone" / "made").exists()


@pytest.mark.long
def test_of_many_columns_the_first_are_shown_and_the_others_counted(tmp_path):
    wide = {f"w{i}": np.arange(400) for i in range(MOST_COLUMNS + 5)}
    found = looked(tmp_path, table(400, 2, **wide), [*wide, "w0"], table(400, 1, **wide))
    assert len(found.details["columns"]) == MOST_COLUMNS and found.details["left_out"] == 5


def test_no_batch_is_not_a_failure_of_the_drill_down(tmp_path):
    found = looked(tmp_path, None, ["age"])
    assert found.status == "insufficient" and "no batch" in found.reason


def test_a_store_that_cannot_be_written_is_a_visible_error(tmp_path):
    (tmp_path / "file").write_text("here is a file, not a folder", encoding="utf-8")
    found = looked(tmp_path, table(400, 9), ["age"], restricted=tmp_path / "file" / "restricted")
    assert found.status == "error" and "The drill-down could not be made." in found.reason


@pytest.mark.parametrize("kind", [ValueError, MemoryError, BaseException])
def test_whatever_the_library_raises_is_a_visible_error_without_a_value_of_a_row(tmp_path, monkeypatch, kind):
    import evidently

    def fail(*_: object, **__: object) -> None:
        raise kind("could not convert 'Erika Mustermann' to float")

    monkeypatch.setattr(evidently.Report, "run", fail)
    found = looked(tmp_path, table(400, 9), ["age"])
    assert found.status == "error" and kind.__name__ in found.reason and "Erika" not in found.reason
    assert not (tmp_path / "made").exists()


def test_an_interruption_is_no_failure_to_be_swallowed(tmp_path, monkeypatch):
    import evidently

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(evidently.Report, "run", stop)
    with pytest.raises(KeyboardInterrupt):
        looked(tmp_path, table(400, 9), ["age"])


def test_the_flights_of_17_december_leave_a_snapshot_that_an_evidently_workspace_shows(tmp_path, monkeypatch):
    monkeypatch.undo()
    workspace = copy_fleet(tmp_path / "fleet", "flights", until=date(2025, 12, 17), keep=75)
    night = run_night(workspace, date(2025, 12, 17)).bundle
    (found,) = [m for m in night.measurements if m.metric == "drift.drill_down"]
    assert found.value == 1 and "score" in found.details["columns"]
    (told,) = [m.details["sentence"] for m in night.measurements if "sentence" in m.details]
    assert told.startswith("The chance of arriving late moved up by 4.2 points on average; humidity carries about")

    from evidently.core.report import Snapshot
    from evidently.ui.workspace import Workspace

    path = workspace.restricted / found.details["snapshot"]["path"]
    shown = Workspace.create(str(tmp_path / "evidently"))
    project = shown.create_project("Late flights")
    run = shown.add_run(project.id, Snapshot.load(path))
    assert [one.id for one in Workspace(str(tmp_path / "evidently")).list_projects()] == [project.id]
    assert [str(one) for one in shown.list_runs(project.id)] == [str(run.id)]
    read_back = shown.get_run(project.id, run.id)
    assert read_back is not None and read_back.metadata["day"] == "2025-12-17"
    columns = {str(value) for one in json.loads(path.read_text(encoding="utf-8"))["metric_results"].values()
               for key, value in one["metric_value_location"]["metric"]["params"].items() if key == "column"}
    assert columns == set(found.details["columns"])
