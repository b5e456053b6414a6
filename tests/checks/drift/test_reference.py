"""A reference is counted once: what is kept is the same to the last bit, and is not used for anything else."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks import drift
from checks.drift import reference as kept_reference
from checks.drift.plan import ColumnPlan, Plan
from checks.drift.profile import ColumnCounts, Profile, profile
from checks.drift.reference import from_json, to_json
from roadworthy.canonical import canonical_json, plain
from roadworthy.kept import Kept
from roadworthy.ledger import Ledger
from tests.checks.drift.test_measure import frame
from tests.support import DAY, make_subject, passport_of

FINITE = st.floats(allow_nan=False, allow_infinity=False)
WORD = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
COUNTS = st.lists(st.integers(0, 2**62), max_size=3).map(tuple)
COLUMN = st.builds(
    ColumnPlan, WORD, st.sampled_from(["number", "text", "date", "truth"]), st.lists(FINITE, max_size=3).map(tuple),
    st.lists(WORD, max_size=2).map(tuple), st.lists(WORD, max_size=2).map(tuple), st.integers(0, 9), st.booleans(), WORD,
    st.lists(FINITE, max_size=3).map(tuple), FINITE,
)
COUNTED = st.builds(
    ColumnCounts, COUNTS, st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), COUNTS,
    st.none() | FINITE, st.none() | FINITE,
)


@settings(max_examples=60)
@given(
    st.lists(COLUMN, max_size=2), st.dictionaries(WORD, COUNTED, max_size=2), st.dictionaries(WORD, WORD, max_size=2),
    st.integers(0, 2**62),
)
def test_a_plan_and_a_profile_are_the_same_after_a_file(columns, counts, problems, rows):
    plan = Plan({c.name: c for c in columns}, problems)
    counted = Profile(rows, counts, plan.digest, problems)
    again = from_json(json.loads(canonical_json(plain(to_json(plan, counted)))))
    assert again == (plan, counted)
    assert [repr(c) for c in again[0].columns.values()] == [repr(c) for c in plan.columns.values()], "a negative zero too"
    assert again[0].digest == plan.digest


class Memory:
    """A `Kept` in memory that counts what it was asked."""

    def __init__(self) -> None:
        self.content: dict[str, object] = {}
        self.made = 0

    def get(self, kind, key):
        return self.content.get(canonical_json([kind, dict(key)]).decode())

    def put(self, kind, key, content):
        self.made += 1
        self.content[canonical_json([kind, dict(key)]).decode()] = json.loads(canonical_json(plain(content)))


def test_a_second_night_finds_the_reference_and_measures_the_same(tmp_path, monkeypatch):
    memory, rows = Memory(), frame(600, 1, sex=np.array(["\x00 zero", "\U0001f600"] * 300))
    with make_subject(tmp_path, passport_of(), rows, {DAY: frame(200, 2)}, kept=memory) as subject:
        first = drift.measure(subject)
        assert memory.made == 1
        monkeypatch.setattr(kept_reference, "plan_of", None)  # the reference is not read again
        assert drift.measure(subject) == first
    with make_subject(tmp_path, passport_of()) as subject:
        monkeypatch.undo()
        assert drift.measure(subject) == first, "and the same as without anything kept"


@pytest.mark.parametrize("what", ["data", "types", "columns", "version"])
def test_what_was_kept_is_used_for_nothing_else(tmp_path, monkeypatch, what):
    memory, passport, rows = Memory(), passport_of(), frame(300, 1)
    with make_subject(tmp_path, passport, rows, {DAY: frame(50, 2)}, kept=memory) as subject:
        drift.reference_profile(subject)
    if what == "data":
        rows = frame(300, 5)
    if what == "types":
        rows = {**rows, "age": rows["age"].astype("float64")}
    if what == "columns":
        passport = passport_of(features=["age"])
    if what == "version":
        monkeypatch.setattr(kept_reference, "PROFILE_VERSION", kept_reference.PROFILE_VERSION + 1)
    with make_subject(tmp_path, passport, rows, kept=memory) as subject:
        plan, counted = drift.reference_profile(subject)
        assert counted == profile(subject.con, subject.baseline, plan)
    assert memory.made == 2


def test_a_column_that_cannot_be_read_is_not_kept(tmp_path):
    memory = Memory()
    with make_subject(tmp_path, passport_of(), frame(300, 1), {DAY: frame(50, 2)}, kept=memory) as subject:
        bad = "case when age > 0 then error('broken page')::double end"
        subject.con.execute(f'create or replace view "bad" as select * replace ({bad} as income) from {subject.baseline.name}')
        broken = replace(subject, baseline=replace(subject.baseline, name='"bad"'))
        assert "income" in drift.reference_profile(broken)[0].problems
    assert memory.made == 0


def test_a_real_folder_keeps_it_and_the_ledger_vouches(tmp_path: Path):
    income = pa.array([5e-324, -5e-324, 1.7e308, -1.7e308, -0.0, 0.1, math.pi] * 40)
    with Ledger.open(f"sqlite:///{tmp_path}/state.sqlite") as ledger:
        kept = Kept(tmp_path / "kept", ledger, "loan", "1.0.0")
        with make_subject(tmp_path, passport_of(), frame(280, 1, income=income), {DAY: frame(50, 2)}, kept=kept) as subject:
            assert drift.reference_profile(subject) == drift.reference_profile(subject)
    assert len(list((tmp_path / "kept").glob("*.json"))) == 1


def test_counting_elsewhere_is_asked_for_both_tables(tmp_path):
    asked = []

    with make_subject(tmp_path, passport_of(), frame(300, 1), {DAY: frame(100, 2)}) as subject:
        here = drift.measure(subject)

        def count(table, plan):
            asked.append(table.role)
            return profile(subject.con, table, plan)

        assert drift.measure(replace(subject, count=count)) == here
    assert asked == ["reference", "batch"]
