"""Findings and verdicts are the same after they were kept."""

from __future__ import annotations

import json
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from roadworthy.canonical import canonical_json
from roadworthy.finding import ORDER, Finding, FindingStatus, GateWord, NightWord, Verdict
from roadworthy.judge import GATE_EXIT, NIGHT_EXIT

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
OVER = st.dictionaries(TEXT, TEXT | st.dictionaries(TEXT, TEXT, max_size=2), max_size=2)
NUMBER = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@given(st.builds(
    Finding, TEXT, TEXT, OVER, st.sampled_from(ORDER), TEXT, TEXT, TEXT,
    NUMBER, NUMBER, NUMBER, st.none() | st.integers(0), st.booleans(), st.booleans(),
    st.lists(TEXT, max_size=2).map(tuple), TEXT, st.dictionaries(TEXT, st.integers() | TEXT, max_size=2),
))
def test_a_finding_is_the_same_after_it_was_kept(finding):
    assert Finding.from_dict(json.loads(canonical_json(finding.as_dict()))) == finding


@given(st.builds(
    Verdict, st.sampled_from(["nightly", "gate"]), TEXT, TEXT, st.integers(0, 64), st.dictionaries(TEXT, st.integers(0)),
    st.lists(TEXT, max_size=3).map(tuple),
))
def test_a_verdict_is_the_same_after_it_was_kept(verdict):
    assert Verdict.from_dict(json.loads(canonical_json(verdict.as_dict()))) == verdict


def test_every_word_has_its_place():
    assert set(ORDER) == set(get_args(FindingStatus)) and len(ORDER) == 7
    assert ORDER[0] == "pass" and ORDER[-1] == "error"
    assert set(NIGHT_EXIT) == set(get_args(NightWord)) and set(GATE_EXIT) == set(get_args(GateWord))


def test_the_family_is_what_stands_before_the_dot():
    assert Finding("r", "fairness.selection_rate", {}, "pass", "s", "b", ">= 0").family == "fairness"
