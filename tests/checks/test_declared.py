"""What a passport declares is held against its reference data, whatever the data hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checks.declared import Disagreement, disagreements
from tests.support import DAY, make_subject, passport_of

ROWS: dict[str, Any] = {
    "label": [1, 0, 1, 0], "prediction": [1, 0, 0, 1], "score": [0.9, 0.2, 0.4, 0.7], "age": [20, 30, 40, 50],
    "income": [1.0, 2.0, 3.0, 4.0], "sex": ["male", "female", "male", None],
}
AGE = {"name": "age", "column": "age", "reference": "old"}


def found(
    tmp_path: Path, rows: dict[str, Any] | None = None, batch: dict[str, Any] | None = None, **passport: Any
) -> list[Disagreement]:
    reference = {k: v for k, v in {**ROWS, **(rows or {})}.items() if v is not None}
    with make_subject(tmp_path, passport_of(**passport), reference, {DAY: batch} if batch else None) as subject:
        return disagreements(subject)


def test_a_passport_that_fits_its_data_is_left_alone(tmp_path: Path) -> None:
    assert found(tmp_path) == []


@pytest.mark.parametrize(("column", "where"), [
    ("label", ("task", "label")), ("prediction", ("task", "prediction")), ("score", ("task", "score")),
    ("income", ("features", 1)), ("sex", ("protected", 0, "column")),
])
def test_a_column_that_is_not_there_is_named_at_its_key(tmp_path: Path, column: str, where: tuple[str | int, ...]) -> None:
    said = found(tmp_path, {column: None, column.upper(): ROWS[column]})
    assert [one.where for one in said] == [where]
    assert f"'{column}'" in said[0].says and f"Did you mean '{column.upper()}'?" in said[0].says


def test_every_kind_of_declared_column_is_looked_for(tmp_path: Path) -> None:
    said = found(
        tmp_path, identifiers=[{"column": "id", "purpose": "p", "basis": "b"}], quasi_identifiers=["zip"], segments=["shop"],
        time="at", independence={"unit": "entity", "column": "person"}, leaks=["settled"],
    )
    assert [one.where for one in said] == [
        ("identifiers", 0, "column"), ("quasi_identifiers", 0), ("segments", 0), ("independence", "column"), ("time",),
    ], "a declared leak is best absent"


def test_a_key_of_late_labels_is_looked_for_in_the_batch(tmp_path: Path) -> None:
    batches = {"path": "batches/{date}.parquet", "labels": "labels/{date}.parquet", "key": "case"}
    assert [one.where for one in found(tmp_path, batch=dict(ROWS), batches=batches)] == [("batches", "key")]
    assert found(tmp_path, batch={**ROWS, "case": [1, 2, 3, 4]}, batches=batches) == []


def bins(*ends: tuple[str, float | None, float | None]) -> list[dict[str, Any]]:
    return [{"label": label, "at_least": low, "below": high} for label, low, high in ends]


@pytest.mark.parametrize(("ages", "declared", "says"), [
    ([20, 30, 40, 50], bins(("young", 18, 25), ("old", 25, 50)), "1 of 4 rows lie outside, with values from 50 to 50"),
    ([17.5, 30, 40, 1200], bins(("young", 18, 25), ("old", 25, 99)), "2 of 4 rows lie outside, with values from 17.5 to 1,200"),
    (["x", "y", "30", "40"], bins(("young", 18, 25), ("old", 25, 99)), "2 of 4 rows lie outside, with values that are no num"),
    ([20, 30, 40, 49.999], bins(("young", 18, 25), ("old", 25, 50)), None),
    ([None, float("nan"), 40, 26], bins(("young", 18, 25), ("old", 25, 50)), None),
    ([20, 30, 40, 10**9], bins(("young", None, 25), ("old", 25, None)), None),
])
def test_bins_that_do_not_cover_the_data_are_named_with_the_range_outside(
    tmp_path: Path, ages: list[Any], declared: Any, says: str | None
) -> None:
    said = [one for one in found(tmp_path, {"age": ages}, protected=[{**AGE, "bins": declared}]) if one.where[-1] == "bins"]
    assert [one.where for one in said] == ([("protected", 0, "bins")] if says else [])
    assert not says or says in said[0].says


def test_a_reference_group_that_nobody_is_in_is_named_with_the_groups_there_are(tmp_path: Path) -> None:
    said = found(tmp_path, protected=[{"name": "sex", "column": "sex", "reference": "mail"}])
    assert said == [Disagreement(("protected", 0, "reference"), (
        "no row of the reference data is in the group 'mail' of 'sex', with which the others are compared. "
        "Did you mean 'male'?"))]
    assert found(tmp_path, protected=[{"name": "sex", "column": "sex", "reference": "men", "values": {"male": "men"}}]) == []
    said = found(tmp_path, protected=[{**AGE, "reference": "gone", "bins": bins(("gone", None, 20), ("all", 20, None))}])
    assert said[0].says.endswith("Groups there: 'all'.")


@pytest.mark.parametrize(("column", "values", "says"), [
    ("label", [1, 0, 2, 2], "'2' (2 rows)"),
    ("label", ["good", "bad", "good", "bad"], "'bad' (2 rows), 'good' (2 rows)"),
    ("prediction", ["1", "0", "maybe", "0"], "'maybe' (1 row)"),
    ("label", [True, False, None, False], None),
    ("label", [1.0, 0.0, float("nan"), 0.0], None),
    ("label", ["1", "0", "1.0", "true"], None),
])
def test_a_value_that_the_task_does_not_name_is_shown(tmp_path: Path, column: str, values: list[Any], says: str | None) -> None:
    said = found(tmp_path, {column: values})
    assert [one.where for one in said] == ([("task", column)] if says else [])
    assert not says or (says in said[0].says and "'positive' and 'negative' do not name" in said[0].says)


def test_classes_of_a_multiclass_model_are_compared_too(tmp_path: Path) -> None:
    task = {"kind": "multiclass", "label": "label", "prediction": "prediction", "classes": ["a", "b"]}
    said = found(tmp_path, {"label": list("abca"), "prediction": list("abba")}, task=task)
    assert [(one.where, "'c' (1 row), which 'classes' do not name" in one.says) for one in said] == [(("task", "label"), True)]


@pytest.mark.parametrize(("score", "bad"), [
    ([0.0, 1.0, None, float("nan")], 0), ([0.5, 1.2, -0.1, 0.3], 2), (["0.5", "x", "1", "0"], 1),
    ([0.5, float("inf"), 0.1, 0.2], 1),
])
def test_a_score_that_is_no_probability_is_counted(tmp_path: Path, score: list[Any], bad: int) -> None:
    said = found(tmp_path, {"score": score})
    assert [one.where for one in said] == [("task", "score")] * bool(bad)
    assert not bad or said[0].says.startswith(f"{bad} of ")


def test_a_regression_needs_numbers(tmp_path: Path) -> None:
    task = {"kind": "regression", "label": "label", "prediction": "prediction"}
    assert found(tmp_path, {"label": [1.5, 2.5, None, -3.0], "prediction": [1, 2, 3, 4]}, task=task) == []
    said = found(tmp_path, {"label": ["1.5", "many", "2", "3"], "prediction": [1, 2, float("inf"), 4]}, task=task)
    assert [(one.where, one.says[:6]) for one in said] == [(("task", "label"), "1 of 4"), (("task", "prediction"), "1 of 4")]


def test_a_reference_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    with make_subject(tmp_path, passport_of()) as subject:
        says = "the reference 'reference/loan.parquet' does not exist."
        assert disagreements(subject) == [Disagreement(("reference", "path"), says)]
    (tmp_path / "reference").mkdir()
    (tmp_path / "reference" / "loan.parquet").write_bytes(b"PAR1 cut short")
    with make_subject(tmp_path, passport_of()) as subject:
        assert "cannot be read as Parquet" in disagreements(subject)[0].says
    with make_subject(tmp_path, passport_of(reference={"sha256": "0" * 64}), ROWS) as subject:
        assert disagreements(subject)[0].where == ("reference", "sha256")


NAMES = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\x00"), min_size=1, max_size=12)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=NAMES, missing=NAMES, cells=st.lists(st.none() | st.text(max_size=8), min_size=1, max_size=6))
def test_hostile_names_and_cells_never_raise(tmp_path: Path, name: str, missing: str, cells: list[str | None]) -> None:
    rows = pa.table({column: pa.array(cells, pa.string()) for column in ("label", name + "_", "score")})
    passport = passport_of(
        features=[name + "_", missing], protected=[{"name": "one", "column": name + "_", "reference": missing}],
        task={"prediction": name + "_"},
    )
    with make_subject(tmp_path, passport, rows) as subject:
        for one in disagreements(subject):
            assert one.says and one.where


def test_nested_columns_never_raise(tmp_path: Path) -> None:
    nested = pa.array([{"a": 1}, {"a": 2}, None, {"a": 3}])
    rows = {"score": nested, "label": pa.array([[1], [0], None, [2]]), "age": nested}
    said = found(tmp_path, rows, protected=[{**AGE, "bins": bins(("old", 0, 99))}])
    assert {one.where[0] for one in said} == {"task", "protected"}
