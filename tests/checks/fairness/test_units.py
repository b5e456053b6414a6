"""Rows of one person or one day are not independent, and the intervals know it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.checks.fairness.support import AGE, SEX, measured, passport_of, pick


def rows_of(n=300, seed=2):
    random = np.random.default_rng(seed)
    return pd.DataFrame({
        "sex": random.choice(["male", "female"], n), "age": random.integers(18, 60, n), "label": random.integers(0, 2, n),
        "prediction": random.integers(0, 2, n), "score": random.random(n), "person": np.arange(n),
    })


SHORTS = (
    ("selection_rate", {"sex": "female"}), ("selection_rate_ratio", {"sex": "female"}), ("base_rate", {"sex": "male"}),
    ("true_positive_rate_difference", {"sex": "female"}), ("predictive_parity_difference", {"sex": "female"}),
    ("calibration_gap", {"sex": "female"}), ("intersection_selection_rate_ratio", {"sex": "female", "age": "young"}),
)


def test_a_person_seen_five_times_is_one_observation(tmp_path):
    rows, by = rows_of(), {"unit": "entity", "column": "person"}
    passport = passport_of(protected=[SEX, AGE], independence=by)
    once = measured(tmp_path / "once", passport, rows)
    often = measured(tmp_path / "often", passport, pd.concat([rows] * 5))
    plain = measured(tmp_path / "plain", passport_of(protected=[SEX, AGE]), rows)
    for short, over in SHORTS:
        a, b, c = (pick(found, short, **over) for found in (once, often, plain))
        assert (b.value, b.low, b.high) == pytest.approx((a.value, a.low, a.high), abs=1e-9)
        assert (a.high - a.low) == pytest.approx(c.high - c.low, rel=0.06) and b.n == 5 * a.n
        assert "by entity" in a.method and "by entity" not in c.method
    widest, rows_alone = (pick(found, "demographic_parity_difference", attribute="sex") for found in (often, plain))
    assert widest.high - widest.low > 0.9 * (rows_alone.high - rows_alone.low)


def test_days_on_which_everybody_gets_the_same_are_few_observations(tmp_path):
    random = np.random.default_rng(5)
    day = np.repeat(np.arange(20), 50)
    rows = pd.DataFrame({"sex": random.choice(["male", "female"], 1000), "day": day, "label": random.integers(0, 2, 1000),
                         "prediction": random.integers(0, 2, 20)[day]})
    by_day = passport_of(task={"score": None}, independence={"unit": "block", "column": "day"})
    m = pick(measured(tmp_path, by_day, rows), "selection_rate", sex="female")
    assert m.stats["units"] == 20 and m.stats["effective_n"] < 25 < m.n


def test_all_rows_of_one_unit_are_insufficient_and_a_missing_unit_is_an_error(tmp_path):
    rows = rows_of(40).assign(person=1)
    passport = passport_of(independence={"unit": "entity", "column": "person"})
    found = measured(tmp_path / "one", passport, rows)
    m = pick(found, "selection_rate_ratio", sex="female")
    assert m.status == "insufficient" and "one entity (person)" in m.reason
    gone = measured(tmp_path / "gone", passport, rows.drop(columns="person"))
    assert {m.status for m in gone if m.status != "not_applicable"} == {"error"} and "'person'" in gone[0].reason


@pytest.mark.long
def test_intervals_by_unit_hold_the_truth_where_those_of_rows_do_not(tmp_path):
    """People with ten rows each who get the same decision nine times in ten: 60 draws of 60 people."""
    from checks.fairness.rates import COMPARED, compared
    from checks.fairness.tally import Tally
    from checks.fairness.units import moments
    from roadworthy.passport import Independence
    from tests.checks.fairness.support import tally_of
    from tests.support import DAY, make_subject

    random = np.random.default_rng(11)
    passport = passport_of(task={"score": None}, independence={"unit": "entity", "column": "person"},
                           protected=[{"name": "g", "column": "g", "reference": "a"}])
    held = {"rows": 0, "people": 0}
    [difference] = [c for c in COMPARED[False] if not c.ratio]
    for draw in range(60):
        person = np.repeat(np.arange(60), 10)
        usual = (random.random(60) < 0.5).astype(int)[person]
        rows = {"g": np.where(person % 2, "a", "b"), "person": person, "label": np.zeros(600, dtype=int),
                "prediction": np.where(random.random(600) < 0.9, usual, 1 - usual)}
        counts = {g: {(None, d): ((rows["g"] == g) & (rows["prediction"] == d)).sum() for d in (0, 1)} for g in "ab"}
        plain = tally_of(counts, by_label=False)
        with make_subject(tmp_path / str(draw), passport, rows, {DAY: rows}) as subject:
            by_unit = moments(subject, subject.decided, passport.protected, False)
        clustered = Tally(plain.part, "decided", "", False, plain.counted, independence=Independence(unit="entity", column="p"),
                          moments=by_unit)
        for name, tally in (("rows", plain), ("people", clustered)):
            m = compared(("b",), difference, tally, tally)
            held[name] += m.low <= 0 <= m.high
    assert held["people"] >= 55 and held["rows"] < 40
