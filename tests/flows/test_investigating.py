"""A closer look at what moved: taken for moved columns only, and never able to stop a night."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd

from flows.investigating import investigate, review
from roadworthy.measurement import Measurement
from roadworthy.verify import verify
from roadworthy.workspace import Workspace
from tests.acceptance.fleet import copy_fleet, run_night
from tests.support import DAY, make_subject, passport_of

LAST = date(2025, 4, 17)
ROWS = {"age": [float(i % 50) for i in range(300)], "income": [1.0] * 300, "sex": ["male"] * 300}
BOTH = ("drift.ks_exact", "drift.wasserstein_exact")


def test_one_that_raises_is_an_error_for_each_of_its_metrics_and_the_next_still_runs(tmp_path: Path):
    def broken(subject, columns, restricted):
        raise ValueError("out of luck")

    def fine(subject, columns, restricted):
        return [Measurement("drift.ks", {"column": c}, 0.5, n=300) for c in columns]

    looks = (("one", BOTH, broken), ("two", ("drift.ks",), fine))
    with make_subject(tmp_path, passport_of(), ROWS, {DAY: ROWS}) as subject:
        found, seconds = investigate(subject, ["age"], tmp_path / "restricted", looks)
        assert [(m.metric, m.status) for m in found] == [(BOTH[0], "error"), (BOTH[1], "error"), ("drift.ks", "measured")]
        assert "ValueError: out of luck" in found[0].reason and found[2].inputs == subject.inputs
    assert list(seconds) == ["one", "two"]


def surer(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(score=table["score"] ** 0.3)


def test_a_moved_column_is_looked_at_and_a_quiet_night_costs_nothing(tmp_path: Path):
    quiet = run_night(copy_fleet(tmp_path / "quiet", "flights", until=LAST), LAST)
    moved = run_night(copy_fleet(tmp_path / "moved", "flights", until=LAST, change=surer), LAST)
    looked = {m.metric for m in moved.bundle.measurements if m.over == {"column": "score"}}
    assert {"drift.ks_exact", "drift.wasserstein_exact"} <= looked
    assert not any(m.metric in BOTH and m.over for m in quiet.bundle.measurements)
    assert "exact distances" in moved.bundle.run["timings"] and "exact distances" not in quiet.bundle.run["timings"]
    for name in ("quiet", "moved"):
        assert verify(Workspace.open(tmp_path / name), rejudge=True).state == "valid"


def test_without_a_moved_column_nothing_is_looked_at_and_that_is_said(tmp_path: Path):
    with make_subject(tmp_path, passport_of(), ROWS, {DAY: ROWS}) as subject:
        found, seconds = investigate(subject, [], tmp_path / "restricted")
    assert [(m.metric, m.status) for m in found] == [("drift.drill_down", "not_applicable")] and seconds == {}
    assert not (tmp_path / "restricted").exists()


def test_reasons_are_written_only_where_explanations_are_asked_for_and_never_stop_a_night(tmp_path: Path):
    def broken(subject, restricted):
        raise ValueError("out of luck")

    with make_subject(tmp_path, passport_of(), ROWS, {DAY: ROWS}) as subject:
        assert review(subject, tmp_path / "restricted", (("drift", None),), broken) == ([], {})
        found, seconds = review(subject, tmp_path / "restricted", (("explainability", None),), broken)
    assert [(m.metric, m.status) for m in found] == [("explainability.reason_codes", "error")] and list(seconds) == ["reasons"]
    assert "ValueError: out of luck" in found[0].reason
