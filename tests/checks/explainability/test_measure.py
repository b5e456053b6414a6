"""The surrogate says which columns decide the score, says nothing where it does not know, and survives any reference."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from checks import explainability
from checks.explainability import attribution, surrogate
from roadworthy.catalogue import catalogue
from roadworthy.measurement import Measurement
from roadworthy.passport import Passport
from tests.support import make_subject, passport_of, write_parquet

FAMILY = {metric for metric in catalogue() if metric.startswith("explainability.")} - set(attribution.METRICS)
FAMILY.discard("explainability.reason_codes")  # measured after the judge, where rows may be written
FORECAST = {"kind": "regression", "label": "label", "prediction": "forecast"}


class Drawer:
    """Keeps things in memory and counts how often it was asked and given."""

    def __init__(self) -> None:
        self.things: dict[str, Any] = {}
        self.found = self.put_in = 0

    def get(self, kind: str, key: Mapping[str, Any]) -> Any | None:
        thing = self.things.get(f"{kind} {dict(key)!r}")
        self.found += thing is not None
        return thing

    def put(self, kind: str, key: Mapping[str, Any], content: Any) -> None:
        self.put_in += 1
        self.things[f"{kind} {dict(key)!r}"] = content


def measured(root: Path, reference: Any, passport: Passport, **opening: Any) -> list[Measurement]:
    with make_subject(root, passport, reference, **opening) as subject:
        found = explainability.measure(subject)
    assert {m.metric for m in found} == FAMILY, "each metric of the family is spoken of, whatever happens"
    for m in found:
        low, high = catalogue()[m.metric].range
        if m.value is not None:
            assert m.low is not None and m.high is not None and m.n is not None
            assert m.low <= m.value <= m.high
            assert (low is None or m.low >= low) and (high is None or m.high <= high)
    return found


def importance(found: list[Measurement]) -> dict[str, Measurement]:
    return {m.over["column"]: m for m in found if m.metric == "explainability.importance" and m.over}


def fidelity(found: list[Measurement]) -> Measurement:
    (one,) = [m for m in found if m.metric == "explainability.fidelity"]
    return one


def forecast_of(features: list[str]) -> Passport:
    return passport_of(task=FORECAST, features=features, protected=[])


def test_the_shares_of_the_ishigami_function_are_the_published_ones(tmp_path):
    """Total indices with a = 7, b = 0.1: 0.5576, 0.4424, 0.2437 (Ishigami and Homma 1990; Saltelli et al. 2008, 4.2).

    One draw of a thousand rows is off by 0.055 (one standard error of x1), the mean of six by 0.022.
    """
    published = {"x1": 0.5576, "x2": 0.4424, "x3": 0.2437}
    drawn = []
    for seed in range(6):
        # A sine's last digit is the processor's, and rows are drawn by their content: rounded, every machine draws the same.
        x = np.random.default_rng(seed).uniform(-np.pi, np.pi, (20_000, 4)).round(6)
        forecast = np.sin(x[:, 0]) + 7 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0])
        table = {f"x{i + 1}": x[:, i] for i in range(4)}
        found = measured(tmp_path / str(seed), {**table, "forecast": forecast.round(6)}, forecast_of(list(table)))
        assert fidelity(found).value > 0.95
        drawn.append(importance(found))
        assert drawn[-1]["x4"].high < 0.01, "a column that is not read is seen to be unused"
    for name, share in published.items():
        assert np.mean([shares[name].value for shares in drawn]) == pytest.approx(share, abs=0.05)
    held = [shares[name].low <= share <= shares[name].high for shares in drawn for name, share in published.items()]
    assert sum(held) >= 15, "of 18 intervals of 95 % fewer hold one time in a hundred"


def table_of(n: int = 3000, seed: int = 0, **columns: Any) -> dict[str, Any]:
    """Return a table whose score follows from age (four fifths of the variance) and income (one fifth)."""
    rng = np.random.default_rng(seed)
    age, income, idle = rng.uniform(-1, 1, (3, n))
    score = 0.5 + 0.3 * age + 0.15 * income
    made = {"age": age, "income": income, "idle": idle, "score": score, "prediction": (score >= 0.5).astype("int8")}
    return {name: values for name, values in {**made, **columns}.items() if values is not None}


def test_shares_are_those_of_the_variance_and_an_idle_column_has_none(tmp_path):
    shares = importance(measured(tmp_path, table_of(), passport_of(features=["age", "income", "idle"])))
    assert shares["age"].value == pytest.approx(0.8, abs=0.06)
    assert shares["income"].value == pytest.approx(0.2, abs=0.04)
    assert shares["idle"].high < 0.01


def test_of_two_copies_neither_comes_out_as_unused(tmp_path):
    table = table_of()
    passport = passport_of(features=["copy", "age", "income", "idle"])
    found = importance(measured(tmp_path, {**table, "copy": table["age"]}, passport))
    assert found["age"].high > 0.6 and found["copy"].high > 0.6
    assert min(found["age"].value, found["copy"].value) < 0.3, "alone, one of them seems to decide little"
    assert "age" in found["copy"].details["goes_with"]
    assert found["idle"].high < 0.01


def test_a_column_that_others_tell_is_not_taken_for_unused(tmp_path):
    """The model reads whether a person was born abroad; the trees can read it off the country as well."""
    rng = np.random.default_rng(3)
    country = rng.integers(0, 5, 3000)
    abroad = (country > 2).astype("int8")
    table = table_of(country=np.array(list("abcde"))[country], abroad=abroad, score=0.3 + 0.4 * abroad, prediction=abroad)
    found = importance(measured(tmp_path, table, passport_of(features=["country", "abroad", "idle"])))
    assert found["country"].high > 0.5 and found["abroad"].high > 0.5
    assert found["idle"].high < 0.01


def test_what_the_surrogate_misses_is_not_denied_to_a_column(tmp_path):
    """A column of 60 zones, half of them too rare for the trees to part, may decide more than they can see."""
    rng = np.random.default_rng(5)
    zone = rng.integers(0, 40, 400)
    table = table_of(400, zone=[f"zone {z}" for z in zone])
    table["score"] = table["score"] * 0.8 + 0.1 * rng.permutation(40)[zone] / 40
    passport = passport_of(features=["age", "income", "zone", "idle"])
    found = measured(tmp_path, table, passport)
    assert fidelity(found).value < 0.97
    assert importance(found)["idle"].high > importance(found)["idle"].details["high_alone"]


def test_a_surrogate_that_is_another_model_says_nothing_of_columns(tmp_path):
    rng = np.random.default_rng(6)
    found = measured(tmp_path, table_of(score=rng.random(3000)), passport_of(features=["age", "income", "idle"]))
    assert fidelity(found).value < 0.5
    assert {m.status for m in importance(found).values()} == {"insufficient"}
    assert all("less than the 50 %" in m.reason for m in importance(found).values())


def test_the_same_reference_gives_the_same_numbers_wherever_it_lies(tmp_path):
    table, passport = table_of(1500), passport_of(features=["age", "income", "idle"])
    first = measured(tmp_path / "one", table, passport, threads=1)
    second = measured(tmp_path / "another folder", table, passport, threads=4)
    assert [m.as_dict() for m in first] == [m.as_dict() for m in second]


def test_a_large_reference_is_sampled_and_every_part_of_it_may_be_drawn(tmp_path):
    passport = passport_of(features=["age", "income", "idle"], reference={"path": "reference/*.parquet"})
    table = pa.table(table_of(24_000))
    for part in range(4):
        write_parquet(table.slice(part * 6000, 6000), tmp_path / f"reference/{part} [x].parquet")
    found = measured(tmp_path, None, passport)
    assert fidelity(found).n + fidelity(found).details["learned_from"] == 20_000
    assert importance(found)["age"].value == pytest.approx(0.8, abs=0.06)


def test_a_reference_that_was_measured_before_is_not_measured_again(tmp_path):
    drawer, passport = Drawer(), passport_of(features=["age", "income", "idle"])
    first = measured(tmp_path, table_of(500), passport, kept=drawer)
    for kept in drawer.things.values():
        kept[0]["method"] = "as it was kept"
    again = measured(tmp_path, None, passport, kept=drawer)
    assert fidelity(again).method == "as it was kept"
    assert [m.as_dict() for m in again[1:]] == [m.as_dict() for m in first[1:]]
    assert (drawer.found, drawer.put_in) == (1, 1)
    measured(tmp_path, table_of(500, seed=9), passport, kept=drawer)
    measured(tmp_path, None, passport_of(features=["age", "income"]), kept=drawer)
    assert (drawer.found, drawer.put_in) == (1, 3), "another reference or other features are another answer"


@pytest.mark.parametrize(
    ("task", "answers"),
    [
        ({"score": None}, {"score": None}),
        (
            {"kind": "multiclass", "label": "label", "prediction": "grade", "classes": ["a", "b", "c"]},
            {"grade": lambda t: np.where(t["age"] < -0.3, "a", np.where(t["age"] < 0.4, "b", "c"))},
        ),
        (
            {"kind": "multiclass", "label": "label", "prediction": "prediction", "classes": [0, 1], "class_scores": ["p0", "p1"]},
            {"p0": lambda t: (1 - t["age"]) / 2, "p1": lambda t: (1 + t["age"]) / 2},
        ),
        (FORECAST, {"forecast": lambda t: 1e6 + 500 * t["age"]}),
    ],
    ids=["decision only", "classes", "class scores", "forecast"],
)
def test_every_kind_of_answer_can_be_learned(tmp_path, task, answers):
    table = table_of(1500)
    table |= {name: made(table) if made else None for name, made in answers.items()}
    table = {name: values for name, values in table.items() if values is not None}
    found = measured(tmp_path, table, passport_of(task=task, features=["age", "income", "idle"]))
    assert fidelity(found).value > 0.7
    assert importance(found)["age"].value > 0.5 and importance(found)["idle"].value < 0.05


HOSTILE = {
    'we"ird; drop table x --': lambda n: np.arange(n) % 7,
    "<script>alert(1)</script>": lambda n: ["<b>'\"\\ \u202e" if i % 2 else "x" * 500 for i in range(n)],
    "x0": lambda n: np.arange(n) * 1.5,
    "y0": lambda n: np.arange(n) % 3 == 0,
    "file name": lambda n: [date(2020, 1, 1) + timedelta(days=i % 99) for i in range(n)],
    "at": lambda n: [datetime(2020, 1, 1) + timedelta(hours=i) for i in range(n)],
    "price": lambda n: [Decimal(i % 50) / 100 for i in range(n)],
    "broken": lambda n: np.where(np.arange(n) % 3 == 0, np.inf, np.where(np.arange(n) % 3 == 1, np.nan, 1.0)),
    "holes": lambda n: [None if i % 2 else i % 5 for i in range(n)],
}
SAYS_NOTHING = {
    "single": lambda n: ["only"] * n,
    "never": pa.nulls,
    "blank": lambda n: pa.nulls(n, pa.float64()),
    "blank words": lambda n: pa.nulls(n, pa.string()),
    "id": lambda n: [f"person {i}" for i in range(n)],
    "list": lambda n: [[i, i] for i in range(n)],
    "bytes": lambda n: [b"\xff"] * n,
}


def test_hostile_columns_are_read_or_said_not_to_be(tmp_path):
    more = {name: made(600) for name, made in {**HOSTILE, **SAYS_NOTHING}.items()}
    features = ["age", "income", *more, "not there"]
    found = importance(measured(tmp_path, table_of(600, **more), passport_of(features=features)))
    assert list(found) == features, "every declared feature is spoken of"
    assert {name for name in features if found[name].value is None} == {*SAYS_NOTHING, "not there"}
    assert all(found[name].status == "insufficient" and found[name].reason for name in SAYS_NOTHING)
    assert "person" not in str([m.as_dict() for m in found.values()]), "no value of a row gets into a measurement"


@pytest.mark.parametrize(
    ("reference", "said", "status"),
    [
        (table_of(60), "60 rows of the reference hold a usable answer", "insufficient"),
        (table_of(score=np.full(3000, 0.25)), "the same in every row", "insufficient"),
        (table_of(score=np.full(3000, np.nan)), "0 rows of the reference", "insufficient"),
        (table_of(score=np.full(3000, 7.0)), "0 rows of the reference", "insufficient"),
        (table_of(score=["high"] * 3000), "0 rows of the reference", "insufficient"),
        (table_of(score=None, prediction=None), "no score and no decision", "insufficient"),
        ({"score": np.linspace(0, 1, 500)}, "no declared feature", "insufficient"),
        (table_of(score=[[0.5]] * 3000), "0 rows of the reference", "insufficient"),
        (None, "does not exist", "error"),
    ],
    ids=["few rows", "one score", "no score", "score out of range", "words", "none", "no features", "lists", "no file"],
)
def test_a_reference_that_teaches_nothing_is_said_so(tmp_path, reference, said, status):
    found = [m for m in measured(tmp_path, reference, passport_of(features=["age", "income"])) if ".proxy_" not in m.metric]
    assert {m.status for m in found} == {status}
    assert all(said in m.reason for m in found)


def test_a_column_named_as_the_place_of_a_row_is_an_error_and_no_crash(tmp_path):
    table = table_of(500, file_row_number=np.arange(500)[::-1] + 10**6)
    found = measured(tmp_path, table, passport_of(features=["age", "file_row_number"]))
    assert {m.status for m in found} <= {"error", "insufficient"}


@pytest.mark.long
def test_two_thousand_columns_are_bounded_work_and_none_is_passed_over_in_silence(tmp_path):
    rng = np.random.default_rng(8)
    wide = {f"w{i}": rng.normal(size=2500) for i in range(1998)}
    found = measured(tmp_path, pa.table({**wide, **table_of(2500)}), passport_of(features=[*wide, "age", "income"]))
    shares = importance(found)
    assert len(shares) == 2000 and fidelity(found).details["left_out"] == 2000 - surrogate.MOST_COLUMNS
    assert fidelity(found).details["learned_from"] <= surrogate.CELLS / 2000
    assert shares["age"].value > 0.6 and shares["income"].value > 0.1
    left = [m for m in shares.values() if m.value is None]
    assert len(left) == 2000 - surrogate.MOST_COLUMNS and all("no more are looked at" in m.reason for m in left)
