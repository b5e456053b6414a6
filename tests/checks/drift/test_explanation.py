"""An alarm is explained by what was planted: the column, the segment, the day; and what nothing explains is said."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.drift.carriers import Part, kitagawa, shapley
from checks.drift.explanation import LOOK_BACK_DAYS, METRICS, MOST_COLUMNS, explain
from checks.drift.wording import plain_sentence
from roadworthy.catalogue import catalogue
from roadworthy.measurement import Measurement
from tests.support import DAY, make_subject, passport_of

FEATURES = ["age", "income", "idle"]
WORDS = {"score": "chance of repayment", "age": "age of the applicant", "region": "region of the branch"}


def table(n: int, seed: int, age: float = 0.0, income: float = 0.0, lift: float = 0.0, **columns: Any) -> dict[str, Any]:
    """Return rows whose score is 0.5 + 0.3 age + 0.15 income, with the means of age and income moved within their range."""
    rng = np.random.default_rng(seed)
    moved = {"age": age, "income": income, "idle": 0.0}
    made: dict[str, Any] = {
        name: rng.uniform(-1 + 2 * max(0, by), 1 + 2 * min(0, by), n) for name, by in moved.items()  # the mean is `by`
    }
    made["score"] = 0.5 + 0.3 * made["age"] + 0.15 * made["income"] + lift
    made["region"] = rng.choice(["north", "south", "west"], n, p=[0.5, 0.3, 0.2])
    made = {**made, **columns}
    return {name: values for name, values in made.items() if values is not None}


def explained(
    root: Path, batch: Any, columns: list[str] = FEATURES, reference: Any = None, passport: Any = None, **opening: Any
) -> list[Measurement]:
    batches = batch if all(isinstance(key, date) for key in batch) else {DAY: batch}
    passport = passport or passport_of(features=FEATURES, segments=["region"], glossary=WORDS)
    with make_subject(root, passport, table(3000, 1) if reference is None else reference, batches, **opening) as subject:
        found = explain(subject, columns, root / "restricted")
    assert {m.metric for m in found} == set(METRICS), "each metric is spoken of, whatever happens"
    for m in found:
        assert not m.over or set(m.over) == set(catalogue()[m.metric].over)
        if m.value is not None:
            assert m.low <= m.value <= m.high and m.n
    assert not (root / "restricted").exists()
    return found


def shares(found: list[Measurement]) -> dict[str, Measurement]:
    return {m.over["column"]: m for m in found if m.metric == "drift.score_move" and "column" in m.over}


def segments(found: list[Measurement], column: str = "region") -> dict[str, Measurement]:
    return {m.over["segment"][column]: m for m in found if m.metric == "drift.segment_move" and m.over}


def sentence(found: list[Measurement]) -> str:
    (one,) = [m.details["sentence"] for m in found if "sentence" in m.details]
    return str(one)


def test_a_planted_shift_of_two_columns_is_shared_out_as_it_was_planted(tmp_path):
    """Age moves the score by 0.06 and income by 0.03; the drawn batch says how far exactly."""
    batch = table(2000, 2, age=0.2, income=0.2)
    found = explained(tmp_path, batch)
    columns = shares(found)
    assert columns["age"].details["move"] == pytest.approx(0.09, abs=0.01)
    assert columns["age"].value == pytest.approx(2 / 3, abs=0.06)
    assert columns["income"].value == pytest.approx(1 / 3, abs=0.06)
    assert columns["idle"].value == pytest.approx(0, abs=0.02)
    details = columns["age"].details
    assert sum(m.value for m in columns.values()) + details["rest"] + details["unexplained"] == pytest.approx(1)
    assert abs(details["unexplained"]) < 0.1 and details["surrogate"] is True
    assert details["carries"] == pytest.approx(0.06, abs=0.008)


def test_columns_that_pull_against_each_other_carry_more_and_less_than_the_whole(tmp_path):
    found = explained(tmp_path, table(2000, 2, age=0.2, income=-0.2))
    columns = shares(found)
    assert columns["age"].value == pytest.approx(2, abs=0.25) and columns["income"].value == pytest.approx(-1, abs=0.25)
    assert "age of the applicant alone would have moved it up by" in sentence(found)


def test_a_move_that_no_column_explains_is_said_to_be_unexplained(tmp_path):
    found = explained(tmp_path, table(2000, 2, lift=-0.1))
    assert shares(found)["age"].details["unexplained"] == pytest.approx(1, abs=0.2)
    assert "moved down by" in sentence(found) and "of it no column explains" in sentence(found)


def labelled(rows: dict[str, Any]) -> dict[str, Any]:
    """Give rows labels that are as likely as their score says."""
    chance = np.random.default_rng(len(rows["score"])).random(len(rows["score"]))
    return {**rows, "label": (chance < rows["score"]).astype("int8"), "prediction": (rows["score"] >= 0.5).astype("int8")}


def test_a_column_that_makes_answers_unsure_costs_accuracy_and_the_owner_reads_it(tmp_path):
    def near_one_half(n: int) -> dict[str, Any]:
        age = np.random.default_rng(n).uniform(0, 0.3, n)
        rows = table(n, n, age=0.0)
        return {**rows, "age": age, "score": 0.5 + 0.3 * age + 0.15 * rows["income"]}

    found = explained(tmp_path, near_one_half(2000), reference=labelled(table(4000, 1)))
    before, after = table(20_000, 7)["score"], near_one_half(20_000)["score"]
    planted = float(np.maximum(after, 1 - after).mean() - np.maximum(before, 1 - before).mean())
    cost = shares(found)["age"].details["estimated_cost"]
    assert planted < -0.05 and cost["carries"] == pytest.approx(planted, abs=0.02)
    assert cost["low"] <= cost["carries"] <= cost["high"] and cost["of"] == "accuracy"
    assert re.search(r"and costs about \d\.\d points of accuracy as far as scores tell", sentence(found))


@pytest.mark.parametrize("lacking", ["label", "another threshold"])
def test_where_scores_cannot_be_read_no_cost_is_told(tmp_path, lacking):
    reference = labelled(table(3000, 1))
    reference["prediction"] = (reference["score"] > 0.8).astype("int8") if lacking != "label" else reference["prediction"]
    reference = {name: values for name, values in reference.items() if name != lacking}
    found = explained(tmp_path, table(2000, 2, age=0.3), reference=reference)
    assert shares(found)["age"].value is not None and "estimated_cost" not in shares(found)["age"].details


def test_where_the_score_did_not_move_nothing_carries_a_move(tmp_path):
    found = explained(tmp_path, table(2000, 2))
    assert {m.status for m in found} == {"not_applicable"} and len(found) == 2
    assert all("did not surely move" in m.reason for m in found)


def test_the_segment_whose_level_moved_carries_the_move_and_its_part_is_level(tmp_path):
    batch = table(2000, 2)
    batch["score"] = batch["score"] + 0.2 * (batch["region"] == "south")
    found = segments(explained(tmp_path, batch))
    assert sum(m.value for m in found.values()) == pytest.approx(1)
    assert found["south"].value == pytest.approx(1, abs=0.2) and found["south"].low > 0.5
    assert found["south"].details["level"] > 0.8 and abs(found["south"].details["mix"]) < 0.1


def test_the_segment_that_grew_carries_the_move_and_its_part_is_mix(tmp_path):
    def high_in_north(rows: dict[str, Any]) -> dict[str, Any]:
        rows["score"] = 0.3 + 0.4 * (rows["region"] == "north") + 0.02 * rows["age"]
        return rows

    batch = high_in_north(table(2000, 2, region=np.random.default_rng(5).choice(["north", "south"], 2000, p=[0.9, 0.1])))
    reference = high_in_north(table(3000, 1))
    found = segments(explained(tmp_path, batch, ["region"], reference))
    assert sum(m.details["mix"] for m in found.values()) == pytest.approx(1, abs=0.02)
    # Shares of rows 0.5, 0.3, 0.2 become 0.9, 0.1, 0; means 0.7, 0.3, 0.3; the middle of both means is 0.58.
    assert {name: m.value for name, m in found.items()} == pytest.approx({"north": 0.30, "south": 0.35, "west": 0.35}, abs=0.03)


def test_segments_of_a_few_rows_are_not_named_and_hostile_ones_are_told_as_they_are(tmp_path):
    rng = np.random.default_rng(3)
    hostile = ["'; drop table x --", '<b>"x"</b>', None, "  ", "x" * 300]
    names = [hostile[i] for i in rng.integers(0, 5, 1997)] + ["Erika Mustermann"] * 3
    found = explained(tmp_path, table(2000, 2, age=0.2, region=names), reference=table(3000, 1, region=["old"] * 3000))
    assert set(segments(found)) == {"old", "'; drop table x --", '<b>"x"</b>', "(missing)", "  ", "x" * 300, "(other)"}
    assert "Erika" not in str([m.as_dict() for m in found])


def test_no_segments_is_no_error(tmp_path):
    found = explained(tmp_path, table(2000, 2, age=0.2), passport=passport_of(features=FEATURES))
    (one,) = [m for m in found if m.metric == "drift.segment_move"]
    assert one.status == "not_applicable" and "no segments" in one.reason


def days(rows: int, first: int, by: float = 0.4, last: int = 0, until: int = 20) -> dict[date, Any]:
    """Return batches of the last days; age stands apart from `first` days ago until `last` days ago."""
    return {
        DAY - timedelta(days=back): table(rows, 100 + back, age=by if last <= back <= first else 0.0) for back in range(until)
    }


@pytest.mark.parametrize(("rows", "off"), [(300, 0), (80, 1)])
def test_the_day_on_which_it_began_is_found(tmp_path, rows, off):
    """Small days are pooled until they can tell, which may miss the beginning by a day."""
    found = shares(explained(tmp_path, days(rows, 6)))["age"].details
    assert abs(date.fromisoformat(found["since"]) - (DAY - timedelta(days=6))) <= timedelta(days=off)
    assert found["since_before"] is False


def test_a_run_that_reaches_the_first_day_looked_at_may_have_begun_before(tmp_path):
    found = explained(tmp_path, days(300, 99, until=8))
    assert shares(found)["age"].details["since"] == (DAY - timedelta(days=7)).isoformat()
    assert shares(found)["age"].details["since_before"] is True
    assert "at least since 2 April" in sentence(found)


def test_an_earlier_shift_that_ended_is_not_counted_to_the_present_one(tmp_path):
    batches = {**days(300, 15), **{DAY - timedelta(days=back): table(300, 100 + back) for back in range(4, 10)}}
    assert shares(explained(tmp_path, batches))["age"].details["since"] == (DAY - timedelta(days=3)).isoformat()


def test_days_further_back_than_the_bound_are_not_looked_at(tmp_path):
    far = {DAY - timedelta(days=LOOK_BACK_DAYS): {"nonsense": [1]}}
    found = shares(explained(tmp_path, {**far, **days(300, 99, until=2)}))["age"].details
    assert found["since"] == (DAY - timedelta(days=1)).isoformat()


def test_a_plain_sentence_tells_move_column_day_and_segment(tmp_path):
    batches = days(400, 6, by=0.3)
    for rows in batches.values():
        rows["score"] = rows["score"] + 0.05 * (rows["region"] == "north") * (rows["age"].mean() > 0.2)
    found = explained(tmp_path, batches)
    move = 100 * shares(found)["age"].details["move"]
    assert sentence(found) == (
        f"The chance of repayment moved up by {move:.1f} points on average; age of the applicant carries about 80 % of that, "
        "since 3 April; most where region of the branch is north."
    )


def test_a_forecast_moves_in_its_own_unit_and_classes_by_their_share():
    told = {"of": "forecast", "move": -35.21, "carries": -20.0, "unexplained": 0.0, "since": "2025-12-30", "since_before": False}
    forecast = passport_of(task={"kind": "regression", "label": "label", "prediction": "forecast"})
    assert plain_sentence(forecast, DAY, told, "age", 0.57, None) == (
        "The forecast moved down by 35.2 on average; age carries about 55 % of that, since 30 December 2025."
    )
    told = {"of": "grade", "class": "a", "move": 0.1, "carries": 0.004, "unexplained": 0.7}
    assert plain_sentence(passport_of(), DAY, told, "age", 0.04, None) == (
        "The share of 'a' moved up by 10.0 points on average; age carries about 4 % of that; about 70 % of it no column explains."
    )


@pytest.mark.parametrize(
    ("task", "answer"),
    [
        ({"kind": "regression", "label": "label", "prediction": "forecast"}, {"forecast": lambda t: 1e5 * t["score"]}),
        ({"score": None}, {"prediction": lambda t: (t["score"] > 0.5).astype("int8")}),
        (
            {"kind": "multiclass", "label": "label", "prediction": "grade", "classes": ["a", "b", "c"]},
            {"grade": lambda t: np.where(t["score"] < 0.2, "a", np.where(t["score"] < 0.5, "b", "c"))},
        ),
    ],
    ids=["forecast", "decision only", "classes"],
)
def test_every_kind_of_answer_can_move(tmp_path, task, answer):
    sides = [table(3000, 1), table(2000, 2, age=0.3)]
    for side in sides:
        side |= {name: made(side) for name, made in answer.items()}
        del side["score"]
    found = explained(tmp_path, sides[1], reference=sides[0], passport=passport_of(task=task, features=FEATURES))
    assert shares(found)["age"].value == pytest.approx(1, abs=0.2)
    assert shares(found)["age"].details.get("class") == {"multiclass": "c"}.get(task.get("kind"))


def test_alarmed_columns_are_told_apart_first_and_the_others_are_the_rest(tmp_path):
    rng = np.random.default_rng(9)
    names = [f"w{i}" for i in range(20)]
    wide, moved = ({name: rng.normal(size=n) for name in names} for n in (1500, 1000))
    found = explained(
        tmp_path, table(1000, 2, age=0.2, **moved), [*names[:15], "sex", "region"], table(1500, 1, **wide),
        passport_of(features=[*FEATURES, *names]),
    )
    columns = shares(found)
    told = [name for name, m in columns.items() if m.value is not None]
    assert len(told) == MOST_COLUMNS and set(told) <= set(names[:15])
    details = columns[told[0]].details
    assert details["left_out"] == 23 - MOST_COLUMNS and details["rest"] == pytest.approx(1, abs=0.3)
    assert len(columns) == 15 + 2
    assert "counted with the rest" in next(m.reason for name, m in columns.items() if name in names and m.value is None)


def test_an_alarmed_column_that_the_model_does_not_read_carries_nothing(tmp_path):
    found = shares(explained(tmp_path, table(2000, 2, age=0.2), ["sex", "score", "age"]))
    assert found["sex"].status == "not_applicable" and "does not read 'sex'" in found["sex"].reason
    assert "score" not in found, "the score is what moved"


HOSTILE = {'we"ird; --': lambda n: np.arange(n) % 9, "<b>": lambda n: ["'"] * (n // 2) + ["x" * 400] * (n - n // 2)}


def test_hostile_single_empty_and_lacking_columns_end_in_a_measurement(tmp_path):
    n = 1000
    more = {name: made(n) for name, made in HOSTILE.items()}
    odd = {"single": ["one"] * n, "empty": pa.nulls(n, pa.float64()), "never": pa.nulls(n), "list": [[1]] * n}
    features = [*FEATURES, *more, *odd, "gone", "changed"]
    reference = table(n, 1, **more, **odd, gone=np.arange(n) % 5, changed=np.arange(n) % 4)
    batch = table(n, 2, age=0.3, **more, **odd, changed=[f"{i % 4} units" for i in range(n)])
    found = shares(explained(tmp_path, batch, [*more, *odd, "gone", "changed"], reference, passport_of(features=features)))
    assert set(found) >= set(features)
    assert {name for name in features if found[name].value is None} == set(odd)
    assert found["age"].value == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize(
    ("reference", "batch", "said", "status"),
    [
        (None, table(300, 2, score=None), "do not both hold the model's score", "insufficient"),
        (None, table(300, 2, score=[7.0] * 300), "fewer than 20 usable scores", "insufficient"),
        (None, table(10, 2, age=0.3), "fewer than 20 usable scores", "insufficient"),
        (table(10, 2), table(300, 2, age=0.3), "fewer than 20 usable scores", "insufficient"),
        (None, {}, "There is no batch", "insufficient"),
    ],
    ids=["no score", "no usable score", "small batch", "small reference", "no batch"],
)
def test_a_move_that_is_not_known_is_said_so(tmp_path, reference, batch, said, status):
    found = explained(tmp_path, batch, reference=reference)
    assert {m.status for m in found} == {status} and all(said in m.reason for m in found)


def test_a_surrogate_that_is_another_model_explains_no_column_and_segments_are_told_all_the_same(tmp_path):
    noise = np.random.default_rng(4)
    reference = {**table(3000, 1), "score": noise.uniform(0, 0.8, 3000)}
    found = explained(tmp_path / "noise", {**table(2000, 2), "score": noise.uniform(0.2, 1, 2000)}, reference=reference)
    (one,) = [m for m in found if m.metric == "drift.score_move"]
    assert one.status == "insufficient" and "too little to speak for it" in one.reason
    assert sum(m.value for m in segments(found).values()) == pytest.approx(1)


def test_the_same_data_give_the_same_explanation(tmp_path):
    batch = table(800, 2, age=0.3)
    first = explained(tmp_path / "one", batch, threads=1)
    second = explained(tmp_path / "another folder", batch, threads=4)
    for one, other in zip(first, second, strict=True):
        assert dict(one.over) == dict(other.over)
        assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high), rel=1e-9)


def test_shapley_values_of_a_product_are_those_of_the_textbook():
    """Three players of whom the product counts get a third each, and an idle one nothing (Shapley 1953)."""
    before, after = np.zeros((4000, 4)), np.ones((4000, 4))
    players, rng = [[0], [1], [2], [3]], np.random.default_rng(0)
    (found,) = shapley(lambda x: (x[:, 0] * x[:, 1] * x[:, 2])[:, None], before, after, players, rng)
    assert [one.value for one in found] == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0], abs=0.02)
    assert all(one.low <= truth <= one.high for one, truth in zip(found, [1 / 3, 1 / 3, 1 / 3, 0], strict=True))


@given(st.integers(0, 10**6), st.integers(2, 30), st.integers(1, 5))
def test_what_the_players_carry_adds_up_to_the_move(seed, n, k):
    rng = np.random.default_rng(seed)
    before, after = rng.normal(size=(2, n, k))
    split = int(rng.integers(1, k + 1))
    players = [list(range(split)), *([j] for j in range(split, k))]

    def answer(x):
        return np.column_stack([np.exp(x).prod(axis=1) + x[:, 0], x.sum(axis=1)])

    found = shapley(answer, before, after, players, rng)
    move = answer(after).mean(axis=0) - answer(before).mean(axis=0)
    assert [sum(one.value for one in carried) for carried in found] == pytest.approx(move.tolist(), rel=1e-9, abs=1e-9)


PARTS = st.dictionaries(
    st.text(max_size=3), st.builds(Part, st.integers(1, 1000), st.floats(-10, 10), st.floats(0, 5)), min_size=1, max_size=6
)


@given(PARTS, PARTS)
def test_mix_and_level_of_all_segments_are_the_move(before, after):
    means = [sum(p.rows * p.mean for p in side.values()) / sum(p.rows for p in side.values()) for side in (before, after)]
    found = kitagawa(before, after)
    assert sum(one.mix + one.level for one in found.values()) == pytest.approx(means[1] - means[0], abs=1e-9)
    for one in found.values():
        assert one.carried.low <= one.carried.value <= one.carried.high


def test_mix_and_level_are_kitagawas():
    """Two populations of the same rates differ by their mix alone, two of the same mix by their rates alone."""
    rates = {"young": 0.1, "old": 0.5}
    mixes = ({"young": 70, "old": 30}, {"young": 20, "old": 80})
    same_rates = kitagawa(*({name: Part(n, rates[name], 0.0) for name, n in mix.items()} for mix in mixes))
    assert sum(one.level for one in same_rates.values()) == 0
    assert sum(one.mix for one in same_rates.values()) == pytest.approx(0.42 - 0.22)
    same_mix = kitagawa({"a": Part(70, 0.1, 0), "b": Part(30, 0.5, 0)}, {"a": Part(140, 0.2, 0), "b": Part(60, 0.5, 0)})
    assert (same_mix["a"].level, same_mix["b"].level) == pytest.approx((0.07, 0.0))
    assert sum(one.mix for one in same_mix.values()) == 0
