"""Days that are pooled, days that are too small, columns that hardly matter: what may be called a pass, and what may not."""

from __future__ import annotations

import json
from datetime import date, timedelta

import numpy as np
import pytest

from benchmarks.operating_characteristics import CONTEXT, policy_of, tilted
from checks.drift.shift import shift
from roadworthy.canonical import canonical_json
from roadworthy.judge import Context, alarmed, judge
from roadworthy.measurement import Measurement, not_measured
from tests.roadworthy.judging import ACCURACY, BLANKS, DAY, LOSS, PSI, context, judged, policy, rule, value

FIRST = date(2026, 4, 1)
WARN = {"breach": "warn", "persist": {"nights": 2, "of": 3}}


def pool(since, through, rows, needed=500, longest=10):
    return {
        "since": since.isoformat(), "through": through.isoformat(), "rows": rows, "needed": needed, "closed": rows >= needed,
        "longest": longest,
    }


def column(block, number, p=1e-9):
    """Return what the checks measure of a column in a block: a number if it is closed, else that it is too small."""
    over, details = {"column": "age"}, {"pool": block}
    if block["closed"]:
        return Measurement(PSI, over, number, number - 0.01, number + 0.01, 0.95, p, block["rows"], details=details)
    return not_measured(PSI, "insufficient", "It is open.", over=over, n=block["rows"], details={**details, "estimate": number})


def run(numbers, r, rows=120, needed=500, longest=10):
    """Judge night after night as the flow does: the state says where the block began. Returns (night, finding) and the state."""
    state, found, p = {}, [], 1e-9
    for i, number in enumerate(numbers):
        day = FIRST + timedelta(days=i)
        since = date.fromisoformat(state["pool"]["since"]) if "pool" in state else FIRST
        block = pool(since, day, rows * ((day - since).days + 1), needed, longest)
        where = {"history": state, "day": day}
        got = judged([column(block, number, p)], r, **where)
        again = judge([column(block, number, p)], policy(r), Context.from_dict(json.loads(canonical_json(
            context(**where).as_dict()))))
        assert canonical_json(again.state) == canonical_json(got.state), "the same inputs give the same state, from JSON too"
        state = json.loads(canonical_json(got.state))
        found.append(got.findings[0])
    return found, state


def test_a_block_decides_when_it_closes_and_its_finding_stands_until_the_next_one_does():
    found, state = run([0.5] * 9, rule(PSI))
    assert [f.status for f in found] == ["insufficient"] * 4 + ["fail"] * 5
    assert [bool(f.details.get("block")) for f in found] == [False] * 5 + [True] * 4
    said = "Decided on the block 2026-04-01 to 2026-04-05; the next decides at 500 rows."
    assert all(f.note == said and said in f.sentence and f.value == 0.5 for f in found[5:])
    assert state["pool"] == {"since": "2026-04-06"} and state["block"]["through"] == "2026-04-05"


def test_an_open_block_with_nothing_before_it_is_watched_and_no_pass():
    for required, word in ((True, "watch"), (False, "undecided")):
        got = judged([column(pool(FIRST, FIRST, 120), 0.0)], rule(PSI, required=required), day=FIRST)
        assert (got.findings[0].status, got.verdict.word) == ("insufficient", word)
        assert got.state["decided"] is False


def test_each_row_is_in_one_block_and_persistence_counts_blocks():
    """Blocks of five days: good, bad, bad. The alarm comes with the second bad block and not with a night between them."""
    found, _ = run([0.01] * 5 + [0.5] * 10, rule(PSI, **WARN))
    assert [f.status for f in found] == ["insufficient"] * 4 + ["pass"] * 10 + ["warn"]
    assert "Seen on 1 of the last 3 blocks" in found[9].note and found[9].details["before"] == "warn"
    assert "Seen on 1 of the last 3 blocks" in found[12].note and "2026-04-06 to 2026-04-10" in found[12].note


def test_a_block_that_stays_too_small_is_left_behind_and_takes_the_old_finding_with_it():
    found, state = run([0.01] * 5, rule(PSI))
    assert found[4].status == "pass"
    for i in range(5, 12):
        day = FIRST + timedelta(days=i)
        since = date.fromisoformat(state["pool"]["since"])
        got = judged([column(pool(since, day, 50, longest=4), 0.01)], rule(PSI), history=state, day=day)
        state = got.state
        assert got.findings[0].status == ("pass" if i < 8 else "insufficient")
    assert state["pool"] == {"since": "2026-04-10"} and "block" not in state


def test_a_finding_does_not_stand_over_days_that_no_block_holds():
    _, state = run([0.01] * 5, rule(PSI))
    later = pool(FIRST + timedelta(days=9), FIRST + timedelta(days=9), 120)
    assert judged([column(later, 0.01)], rule(PSI), history=state, day=DAY).findings[0].status == "insufficient"


def test_a_night_without_data_keeps_the_block_and_another_limit_does_not_inherit_its_finding():
    _, state = run([0.01] * 6, rule(PSI))
    lost = judged([not_measured(PSI, "insufficient", "There is no batch.")], rule(PSI), history=state, day=DAY)
    assert (lost.findings[0].status, lost.state["pool"], lost.state["block"]) == ("insufficient", state["pool"], state["block"])
    block = pool(date(2026, 4, 6), date(2026, 4, 7), 240)
    other = judged([column(block, 0.01)], rule(PSI, limit="< 0.2"), history=state, day=date(2026, 4, 7))
    assert other.findings[0].status == "insufficient"


def test_what_stands_is_waived_as_any_other_finding_and_calls_for_no_second_closer_look():
    found, state = run([0.5] * 5, rule(PSI))
    assert alarmed(found[4:]) == ["age"]
    block, waiver = pool(date(2026, 4, 6), date(2026, 4, 6), 120), {
        "id": "w", "rule": "drift.psi", "over": None, "expires": "2027-01-01", "by": "ingrid"
    }
    got = judged([column(block, 0.5)], rule(PSI), history=state, day=date(2026, 4, 6), waivers=[waiver])
    assert got.findings[0].status == "waived" and alarmed(got.findings) == []


# ------------------------------------------------------------------------------------------------ columns that hardly matter


def test_drift_of_a_column_that_hardly_decides_anything_is_a_note_and_is_not_hidden():
    moved = [value(PSI, 0.5, 0.4, 0.6, column=c, p_value=1e-9) for c in ("small", "large", "unknown")]
    where = {"importance": {"small": 0.004, "large": 0.3}}
    got = judged(moved, rule(PSI, hardly_used_below=0.01), **where)
    found = {f.over["column"]: f for f in got.findings}
    assert {c: f.status for c, f in found.items()} == {"small": "pass", "large": "fail", "unknown": "fail"}
    assert "Moved, but decides at most 0.4 % of the score." in found["small"].sentence
    assert found["small"].details["moved"] == "fail" and found["small"].value == 0.5
    assert sorted(alarmed(got.findings)) == ["large", "unknown"]
    assert {f.status for f in judged(moved, rule(PSI), **where).findings} == {"fail"}, "only where the rule says so"


@pytest.mark.parametrize(("weight", "status"), [(0.00999, "pass"), (0.01, "fail"), (0.0, "pass")])
def test_the_weight_that_makes_a_note_is_below_the_rules_own(weight, status):
    moved = value(PSI, 0.5, 0.4, 0.6, column="a", p_value=1e-9)
    found = judged([moved], rule(PSI, hardly_used_below=0.01), importance={"a": weight}).findings[0]
    assert found.status == status


def test_the_breach_of_a_note_is_remembered_in_case_the_column_comes_to_matter():
    r, moved = rule(PSI, hardly_used_below=0.01, **WARN), value(PSI, 0.5, 0.4, 0.6, column="a", p_value=1e-9)
    first = judged([moved], r, importance={"a": 0.001})
    second = judged([moved], r, history=first.state, day=DAY + timedelta(days=1))
    assert [first.findings[0].status, second.findings[0].status] == ["pass", "warn"]


# ------------------------------------------------------------------------------------------------ what a day could have seen


def psi_of(reference, batch, name="x"):
    moved = shift(reference, batch, ordered=True)
    n, m = int(np.sum(batch)), int(np.sum(reference))
    stats = {"psi": moved.psi, "cells": moved.cells, "batch_n": n, "reference_n": m}
    return Measurement(PSI, {"column": name}, moved.effect, moved.low, moved.high, 0.95, moved.p_value, min(n, m), stats)


def test_a_day_that_could_not_have_seen_the_limit_is_no_pass_and_says_what_it_could_have_seen():
    small = judged([psi_of([2_000] * 10, [8] * 10)], rule(PSI, alpha=0.003)).findings[0]
    assert small.status == "insufficient" and small.details["smallest_effect"] > 0.10
    assert "With 80 rows against 20,000 only a shift of 0.307" in small.sentence and "this is no pass" in small.sentence
    large = judged([psi_of([2_000] * 10, [100] * 10)], rule(PSI, alpha=0.003)).findings[0]
    assert large.status == "pass" and large.details["smallest_effect"] < 0.10


def test_more_columns_make_it_harder_to_see():
    one = judged([psi_of([2_000] * 10, [50] * 10)], rule(PSI)).findings[0]
    many = judged([psi_of([2_000] * 10, [50] * 10, f"c{i}") for i in range(30)], rule(PSI)).findings
    assert all(f.details["smallest_effect"] > one.details["smallest_effect"] for f in many)


def test_an_interval_that_crosses_says_how_wide_it_is():
    found = judged([value(ACCURACY, 0.8, 0.7, 0.9, n=50)], rule(ACCURACY)).findings[0]
    assert found.details["smallest_effect"] == pytest.approx(0.1)
    thin = judged([value(ACCURACY, 0.8, 0.7, 0.9, n=50)], rule(ACCURACY, min={"n": 60})).findings[0]
    assert thin.status == "insufficient" and thin.details["smallest_effect"] == pytest.approx(0.1)


def test_a_change_beyond_the_limit_that_chance_may_have_made_is_no_pass():
    found = judged([value(BLANKS, 0.15, -0.02, 0.3, p_value=0.2)], rule(BLANKS, test="bh", alpha=0.01)).findings[0]
    assert found.status == "insufficient" and "chance" in found.note


@pytest.mark.parametrize("part", [0.0, 0.25, 0.5, 0.75, 1.0, 1.1, 1.25, 1.5, 2.0, 4.0])
def test_the_same_two_distributions_never_pass_at_one_size_and_breach_at_another(part):
    """1,000, 100,000 and 10,000,000 rows. Where the shift is at most half or at least twice the limit, the word is the same."""
    base = policy_of()
    one = next(r for r in base.rules if r.id == "drift-inputs").model_copy(update={"breach": "fail", "persist": None})
    tested = base.model_copy(update={"rules": [one]})
    rng, q = np.random.default_rng(round(100 * part)), tilted(part * 0.10)
    calm = [value(PSI, 0.0, 0.0, 0.01, column=f"c{i}", p_value=1.0) for i in range(29)]
    for _ in range(5):
        found = []
        for n in (1_000, 100_000, 10_000_000):
            batch = psi_of(rng.multinomial(20_000, [0.1] * 10), rng.multinomial(n, q))
            found.append(judge([batch, *calm], tested, CONTEXT))
        said = [next(f.status for f in one.findings if f.over["column"] == "x") for one in found]
        words = {"clear" if one.verdict.word == "clear" else "alarm" for one in found}
        assert not {"pass", "fail"} <= set(said)
        if part <= 0.5 or part >= 2:
            assert words == {"clear" if part <= 0.5 else "alarm"}


# ------------------------------------------------------------------------------------------------ the sequential tests of a night


def loss(days, **rest):
    return value(LOSS, 0.2, stats={"days": days, **rest})


def test_late_labels_are_judged_when_they_come_and_those_of_a_judged_day_are_left_out_and_told():
    r = rule(LOSS)
    first = judged([loss([["2026-04-07", [[0.0, 30], [1.0, 10]]]])], r)
    late = loss([["2026-04-07", [[0.0, 50], [1.0, 15]]]])
    second = judged([late], r, history=first.state, day=DAY + timedelta(days=1))
    assert (first.findings[0].details["rows"], second.findings[0].details["rows"]) == (40, 65)
    by_day = {"by_day": True}
    first = judged([loss([["2026-04-07", [[0.0, 30], [1.0, 10]]]], **by_day)], r)
    second = judged([loss([["2026-04-07", [[0.0, 50], [1.0, 15]]]], **by_day)], r, history=first.state, day=DAY + timedelta(1))
    assert second.findings[0].details["rows"] == 40 and second.findings[0].details["late"] == 25
    assert "25 labels came after their day was judged and are left out." in second.findings[0].sentence


def test_days_whose_labels_are_still_to_come_are_known_from_the_coverage():
    covered = [["2026-04-06", 0, 40], ["2026-04-07", 40, 40]]
    first = judged([loss([["2026-04-07", [[0.0, 40]]]], coverage=covered)], rule(LOSS))
    later = loss([["2026-04-06", [[0.0, 40]]], ["2026-04-07", [[0.0, 40]]]])
    assert judged([later], rule(LOSS), history=first.state, day=DAY + timedelta(1)).findings[0].details["rows"] == 80


def test_a_small_night_still_enters_though_it_decides_nothing():
    r = rule(LOSS, min={"n": 10_000})
    first = judged([loss([["2026-04-07", [[1.0, 40]]]])], r)
    assert first.findings[0].status == "insufficient"
    (told,) = first.state["sequential"]["series"].values()
    assert told["n"] == 40


def test_a_policy_of_more_tests_asks_for_more_evidence_and_a_release_later_in_the_year_for_no_less():
    bad = loss([["2026-04-07", [[1.0, 40]]]])
    one = judged([bad], rule(LOSS)).findings[0].details["needed"]
    two = judged([bad], rule(LOSS), rule(LOSS, id="other", limit="<= 0.30")).findings[0].details["needed"]
    late = judged([bad], rule(LOSS), resets=9).findings[0].details["needed"]
    assert two == pytest.approx(2 * one) and late > one


def test_a_change_of_a_rule_that_is_not_sequential_keeps_the_evidence():
    bad = loss([["2026-04-07", [[1.0, 40]]]])
    first = judged([bad], rule(LOSS), rule(ACCURACY, required=False))
    second = judged([bad], rule(LOSS), history=first.state, day=DAY + timedelta(1))
    assert second.state["sequential"]["series"] == first.state["sequential"]["series"]
