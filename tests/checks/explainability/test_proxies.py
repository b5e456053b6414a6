"""Proxies are found where they are, none is found where there is none, and no reference makes a night fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtr
from sklearn.metrics import roc_auc_score

from checks import explainability
from checks.explainability.telling import area_of, interval_of, tell
from checks.intervals import delong, rank_sums
from roadworthy.measurement import Measurement
from roadworthy.passport import Passport
from tests.checks.explainability.test_measure import Drawer
from tests.support import make_subject, passport_of

STRENGTH, COLUMN, SHARE = (f"explainability.proxy_{name}" for name in ("strength", "column", "score_share"))
FEATURES = ["age", "income", "idle"]


def proxies(root: Path, reference: Any, passport: Passport, **opening: Any) -> list[Measurement]:
    with make_subject(root, passport, reference, **opening) as subject:
        found = explainability.measure(subject)
    return [m for m in found if m.metric in (STRENGTH, COLUMN, SHARE)]


def one(found: list[Measurement], metric: str, **over: Any) -> Measurement:
    (chosen,) = [m for m in found if m.metric == metric and over.items() <= dict(m.over).items()]
    return chosen


def table_of(n: int = 4000, apart: float = 1.0, seed: int = 0, **columns: Any) -> dict[str, Any]:
    """Return a table whose score is age to four fifths and income to one fifth; income lies `apart` for women and men."""
    rng = np.random.default_rng(seed)
    woman = np.arange(n) % 2
    income = rng.normal(size=n) + apart * woman
    age, idle = rng.normal(size=(2, n))
    score = 0.5 + 0.06 * age + 0.03 * (income - apart / 2) / np.sqrt(1 + apart**2 / 4)
    made = {"age": age, "income": income, "idle": idle, "score": score, "sex": np.array(["male", "female"])[woman]}
    return {name: values for name, values in {**made, **columns}.items() if values is not None}


# --- known answers


def test_the_area_is_that_of_others(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 3, 400)
    chances = rng.dirichlet([1, 1, 1], 400).round(1)
    chances = chances / chances.sum(axis=1, keepdims=True)
    known = roc_auc_score(codes, chances, multi_class="ovr", average="weighted")
    assert area_of(chances, codes).value == pytest.approx(known, abs=1e-12)
    two = (codes > 0).astype(int)
    area = area_of(np.column_stack([1 - chances[:, 1], chances[:, 1]]), two)
    values = np.unique(chances[:, 1])
    counts = [(int((two[chances[:, 1] == v] == 1).sum()), int((two[chances[:, 1] == v] == 0).sum())) for v in values]
    assert area.value == pytest.approx(rank_sums(counts).auc, abs=1e-12)
    ends = interval_of(area, two, None)
    assert (ends.low, ends.high) == pytest.approx(tuple(delong(rank_sums(counts)))[:2], abs=2e-3)


def test_the_strength_of_two_normal_groups_is_the_one_of_the_books(tmp_path: Path) -> None:
    """Phi(d / sqrt 2) for two normal groups that lie d apart (Green and Swets 1966; Bamber 1975)."""
    found = proxies(tmp_path, table_of(), passport_of(features=FEATURES))
    known = float(ndtr(1 / np.sqrt(2)))
    strength = one(found, STRENGTH)
    assert strength.value == pytest.approx(known, abs=0.03)
    assert strength.low <= known <= strength.high
    assert strength.stats == {"positives": 1000, "negatives": 1000} and strength.n == 2000
    column = one(found, COLUMN, column="income")
    assert column.value > 0.85 and column.details["alone_low"] <= known <= column.details["alone_high"]
    assert all(m.high < 0.15 for m in found if m.metric == COLUMN and m.over["column"] != "income")


def test_what_proxies_carry_of_the_score_is_their_importance_times_what_they_tell(tmp_path: Path) -> None:
    share = one(proxies(tmp_path, table_of(), passport_of(features=FEATURES)), SHARE)
    known = 0.2 * (2 * float(ndtr(1 / np.sqrt(2))) - 1)
    assert share.value == pytest.approx(known, abs=0.03)
    assert share.low <= known <= share.high
    assert next(iter(share.details["columns"])) == "income"


def test_several_groups_are_each_told_from_all_others(tmp_path: Path) -> None:
    n = 3000
    place = np.arange(n) % 3
    sex = np.array(["male", "female", "other"])[place]
    income = np.random.default_rng(5).normal(size=n) + 9 * place
    found = proxies(tmp_path, table_of(n, sex=sex, income=income), passport_of(features=FEATURES))
    assert one(found, STRENGTH).value > 0.99
    assert "each group against all others" in one(found, STRENGTH).method
    assert set(one(found, STRENGTH).details["groups"]) == {"male", "female", "other"}


# --- no proxy


def test_without_a_proxy_the_interval_holds_one_half_and_no_column_is_named(tmp_path: Path) -> None:
    found = proxies(tmp_path, table_of(apart=0.0), passport_of(features=FEATURES))
    strength, share = one(found, STRENGTH), one(found, SHARE)
    assert strength.low < 0.5 < strength.high
    assert one(found, COLUMN).status == "not_applicable" and "better than chance" in one(found, COLUMN).reason
    assert share.low == 0 and share.high < 0.1


def covered(draws: int, n: int, share: float, k: int = 2) -> float:
    hits = 0
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(n, 6))
        x[:, 3] = rng.integers(0, 4, n)
        codes = rng.permutation((np.arange(n) < round(share * n)).astype(int) if k == 2 else np.arange(n) % k)
        told = tell(x, np.array([False, False, False, True, False, False]), codes, None, seed)
        ends = interval_of(told.together, codes[told.asked], None)
        hits += ends.low <= 0.5 <= ends.high
    return hits / draws


def test_by_chance_alone_few_intervals_miss_one_half() -> None:
    assert covered(40, 200, 0.2) >= 0.85  # below 0.875 with a chance of 1 in 100 where it holds 95 of 100


@pytest.mark.long
@pytest.mark.parametrize(("n", "share", "k"), [(80, 0.4, 2), (200, 0.15, 2), (1000, 0.1, 2), (1000, 0.5, 2), (600, 0, 4)])
def test_intervals_hold_one_half_as_often_as_they_say(n: int, share: float, k: int) -> None:
    assert covered(600, n, share, k) >= 0.94 - 2 * np.sqrt(0.94 * 0.06 / 600)


def test_rows_of_one_person_stand_on_one_side(tmp_path: Path) -> None:
    """Forty rows of each person: whoever learns a person by heart on some of them tells the rest."""
    n = 4000
    person = np.arange(n) // 40
    rng = np.random.default_rng(3)
    sex = np.array(["male", "female"])[rng.permutation(100) % 2][person]
    income, age = rng.normal(size=(2, 100))[:, person]
    table = table_of(n, sex=sex, person=[f"p{p}" for p in person], income=income, age=age)
    by_row = passport_of(features=FEATURES)
    by_person = passport_of(features=FEATURES, independence={"unit": "entity", "column": "person"})
    assert one(proxies(tmp_path / "row", table, by_row), STRENGTH).low > 0.9
    told = one(proxies(tmp_path / "person", table, by_person), STRENGTH)
    assert told.low < 0.5 < told.high and told.high - told.low > 0.15


# --- what is left out, and what cannot be asked


def test_an_input_that_is_the_attribute_is_named_and_left_out(tmp_path: Path) -> None:
    found = proxies(tmp_path, table_of(), passport_of(features=["age", "income", "sex"]))
    strength = one(found, STRENGTH)
    assert strength.details["input_itself"] == "sex" and strength.details["columns"] == 2
    assert strength.value < 0.85 and "is an input itself" in strength.details["sentence"]
    assert not [m for m in found if m.over.get("column") == "sex"]
    assert one(found, SHARE).details["own_importance"] is not None


def test_rows_without_the_attribute_are_left_out_and_counted(tmp_path: Path) -> None:
    table = table_of()
    table["sex"] = [None if i % 4 == 0 else word for i, word in enumerate(table["sex"])]
    strength = one(proxies(tmp_path, table, passport_of(features=FEATURES)), STRENGTH)
    assert strength.details["left_out"] == {"(missing)": 1000} and strength.n == 1500


def test_small_groups_are_told_as_one_and_named(tmp_path: Path) -> None:
    sex = [f"group {i % 40}" for i in range(2000)]
    strength = one(proxies(tmp_path, table_of(2000, sex=sex), passport_of(features=FEATURES)), STRENGTH)
    assert len(strength.details["groups"]) == 7 and len(strength.details["joined"]) == 34
    assert strength.status == "measured" and sum(strength.details["groups"].values()) == strength.n


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"sex": ["male"] * 4000}, "Fewer than two groups"),
        ({"sex": [None] * 4000}, "Fewer than two groups"),
        ({"sex": None}, "has no column 'sex'"),
        ({"age": [1.0] * 4000, "income": ["x"] * 4000, "idle": [None] * 4000}, "no column besides"),
    ],
    ids=["one group", "all missing", "no such column", "constant"],
)
def test_what_cannot_be_asked_says_why(tmp_path: Path, columns: dict[str, Any], says: str) -> None:
    found = proxies(tmp_path, table_of(**columns), passport_of(features=FEATURES))
    assert {m.metric for m in found} == {STRENGTH, COLUMN, SHARE}
    assert {m.status for m in found} == {"insufficient"} and all(says in m.reason for m in found)


def test_twenty_rows_are_too_few_and_a_passport_without_attributes_asks_nothing(tmp_path: Path) -> None:
    assert {m.status for m in proxies(tmp_path / "a", table_of(20), passport_of(features=FEATURES))} == {"insufficient"}
    bare = passport_of(features=FEATURES, protected=[])
    assert {m.status for m in proxies(tmp_path / "b", table_of(200), bare)} == {"not_applicable"}
    assert {m.status for m in proxies(tmp_path / "c", None, passport_of(features=FEATURES))} == {"error"}


def test_hostile_names_and_words_change_nothing(tmp_path: Path) -> None:
    table = table_of(600)
    table['in"come; --'] = table.pop("income")
    table["<script>"] = ["'\"\\ \u202e"] * 300 + ["</b>"] * 300
    table["sex"] = ["'; drop table x --" if word == "male" else "<b>" for word in table["sex"]]
    passport = passport_of(features=["age", 'in"come; --', "<script>"], glossary={"age": "\u202e<i>"})
    found = proxies(tmp_path, table, passport)
    assert one(found, COLUMN, column='in"come; --').value > 0.5
    assert set(one(found, STRENGTH).details["groups"]) == {"'; drop table x --", "<b>"}


def test_a_score_that_is_not_known_leaves_the_strength_standing(tmp_path: Path) -> None:
    found = proxies(tmp_path, table_of(score=np.random.default_rng(4).random(4000)), passport_of(features=FEATURES))
    assert one(found, STRENGTH).status == "measured"
    assert one(found, SHARE).status == "insufficient" and "surrogate" in one(found, SHARE).reason


def test_the_same_reference_gives_the_same_numbers_and_is_asked_once(tmp_path: Path) -> None:
    table, passport, drawer = table_of(1000), passport_of(features=FEATURES), Drawer()
    first = proxies(tmp_path / "one", table, passport, threads=1, kept=drawer)
    again = proxies(tmp_path / "one", None, passport, kept=drawer)
    other = proxies(tmp_path / "another folder", table, passport, threads=4)
    assert [m.as_dict() for m in first] == [m.as_dict() for m in again] == [m.as_dict() for m in other]
    assert drawer.found == drawer.put_in == 2
