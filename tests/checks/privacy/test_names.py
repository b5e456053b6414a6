"""Names of people on a sample of cells: what is drawn, what is counted, and that nothing that could not be asked ever passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from checks.intervals import wilson
from checks.isolation import Answer, IsolationError
from checks.privacy import language, names
from checks.subject import Subject
from roadworthy.catalogue import catalogue
from roadworthy.measurement import Measurement
from roadworthy.naming import Names
from tests.checks.privacy.doubles import DIGEST, Inside, model_folder
from tests.support import DAY, make_subject, passport_of

NOTES = [f"spoke to Anna Beispiel about order {i}" if i < 30 else f"order {i} was paid" for i in range(120)]


@contextmanager
def asking(folder: Path, days: Any, sample: int = 500, **passport: Any) -> Iterator[Subject]:
    model = model_folder(folder)
    with make_subject(folder, passport_of(**passport), None, days) as subject:
        yield replace(subject, naming=Names(model=model, sample=sample))


def measured(subject: Subject, asked: Callable[..., Answer]) -> dict[str, Measurement]:
    found = names.measure(subject, asked, lambda: "3.8.0")
    assert {m.metric for m in found} == {names.METRIC} and names.METRIC in catalogue()
    return {str(m.over.get("column", "")): m for m in found}


def test_the_share_of_cells_with_its_interval_the_model_and_no_value(tmp_path: Path) -> None:
    with asking(tmp_path, {DAY: {"note": NOTES, "age": list(range(120))}}) as subject:
        found = measured(subject, Inside("Anna Beispiel"))
    note = found["note"]
    low, high, *_ = wilson(30, 120)
    assert set(found) == {"note"} and (note.value, note.n) == (0.25, 120)
    assert (note.low, note.high) == pytest.approx((low, high))
    assert note.stats == {"cells": 30, "texts": 120, "cut": 0, "values": 120}
    assert note.inputs["language model"] == language.digest({"config.cfg": DIGEST, "ner/model": DIGEST})
    assert (note.details["model"], note.details["version"], note.details["spacy"]) == ("pipeline", "1.0", "3.8.0")
    assert "Anna" not in repr(found) and "order" not in repr(found)


def test_nobody_asked_so_it_does_not_apply_and_no_process_is_started(tmp_path: Path) -> None:
    inside = Inside()
    with asking(tmp_path, {DAY: {"note": NOTES}}) as subject:
        [m] = names.measure(replace(subject, naming=None), inside)
        assert names.rests_on(replace(subject, naming=None)) is None
    assert (m.status, inside.asked) == ("not_applicable", 0)


def test_without_the_library_it_is_an_error_that_says_what_to_install(tmp_path: Path) -> None:
    with asking(tmp_path, {DAY: {"note": NOTES}}) as subject:
        [m] = names.measure(subject, Inside(), lambda: None)
    assert m.status == "error" and "pip install 'roadworthy[pii]'" in m.reason


@pytest.mark.parametrize("model", ["no_such_package", "no/such/folder", "json", "../elsewhere"])
def test_without_the_model_it_is_an_error_that_says_what_to_do(tmp_path: Path, model: str) -> None:
    with asking(tmp_path, {DAY: {"note": NOTES}}) as subject:
        found = measured(replace(subject, naming=Names(model=model)), Inside())
    assert found[""].status == "error" and f"'{model}'" in found[""].reason and "Install it" in found[""].reason


def test_what_is_declared_is_not_handed_over(tmp_path: Path) -> None:
    declared = [{"column": "who", "purpose": "Letters.", "basis": "Contract."}]
    inside = Inside("Beispiel")
    with asking(tmp_path, {DAY: {"who": NOTES, "note": [f"all well {i}" for i in range(120)]}}, identifiers=declared) as subject:
        assert set(measured(subject, inside)) == {"note"}
    assert not any("Anna" in text for text in inside.texts)


def test_no_more_than_the_sample_is_handed_over_and_the_order_of_rows_changes_nothing(tmp_path: Path) -> None:
    said = []
    for place, notes in enumerate((NOTES, NOTES[::-1])):
        inside = Inside("Anna")
        with asking(tmp_path / str(place), {DAY: {"note": notes}}, sample=60) as subject:
            found = measured(subject, inside)["note"]
        said.append((inside.texts, found.value, found.n))
    assert said[0] == said[1] and said[0][2] == 60
    with asking(tmp_path / "seed", {DAY: {"note": NOTES}}, sample=60) as subject:
        other = Inside()
        measured(replace(subject, seed=7), other)
    assert other.texts != said[0][0], "another seed draws other cells"


def test_the_newest_cells_are_drawn_first_and_days_before_fill_the_sample(tmp_path: Path) -> None:
    before = {DAY - timedelta(days=back): {"note": [f"{back} days ago, row {i}" for i in range(40)]} for back in (1, 2)}
    inside = Inside()
    with asking(tmp_path, {DAY: {"note": NOTES[:40]}, **before}, sample=60, windows={"fairness": 28}) as subject:
        measured(subject, inside)
    assert sum(text in NOTES for text in inside.texts) == 40
    assert sum(text.startswith("1 days ago") for text in inside.texts) == 20


def test_a_long_cell_is_cut_and_it_is_said(tmp_path: Path) -> None:
    inside = Inside("Anna")
    with asking(tmp_path, {DAY: {"note": ["so " * 400 + "Anna Beispiel", "Anna Beispiel again"]}}) as subject:
        note = measured(subject, inside)["note"]
    assert max(map(len, inside.texts)) == names.LONGEST
    assert (note.stats["cut"], note.stats["cells"], note.details["longest"]) == (1, 1, 1000)


def test_a_list_of_words_is_no_free_text_and_is_named(tmp_path: Path) -> None:
    inside = Inside("Anna")
    words = ["radio or television", "car or other", "Anna Beispiel"] * 40
    with asking(tmp_path, {DAY: {"purpose": words, "note": NOTES}}) as subject:
        found = measured(subject, inside)
    assert found["purpose"].status == "not_applicable" and "3 different texts" in found["purpose"].reason
    assert found["note"].value == 0.25 and "car or other" not in inside.texts


def test_cells_of_one_word_are_no_free_text(tmp_path: Path) -> None:
    with asking(tmp_path, {DAY: {"code": ["ATL", "EWR", "A 1"], "day": [DAY] * 3}}) as subject:
        assert measured(subject, Inside())[""].status == "not_applicable"


def test_equal_cells_are_one_witness_for_the_interval(tmp_path: Path) -> None:
    with asking(tmp_path, {DAY: {"note": [*(["Anna Beispiel rang"] * 60), *NOTES[60:]]}}) as subject:
        note = measured(subject, Inside("Anna"))["note"]
    independent = 120**2 / (60**2 + 60)
    low, high, *_ = wilson(independent / 2, independent)
    assert note.value == 0.5 and (note.low, note.high) == pytest.approx((low, high))


def _fails(*_: Any, **__: Any) -> Answer:
    raise IsolationError("It was stopped, for it had not ended after 300 s.")


def _short(*args: Any, **more: Any) -> Answer:
    answer = Inside()(*args, **more)
    return replace(answer, tables={"told": answer.tables["told"].slice(1)})


def _other(*args: Any, **more: Any) -> Answer:
    answer = Inside()(*args, **more)
    return replace(answer, tables={"told": pa.table({"name": ["Anna Beispiel"] * answer.tables["told"].num_rows})})


def _nothing(*args: Any, **more: Any) -> Answer:
    return replace(Inside()(*args, **more), tables={})


@pytest.mark.parametrize("inside", [_fails, _short, _other, _nothing])
def test_a_process_that_does_not_answer_as_agreed_is_an_error(tmp_path: Path, inside: Callable[..., Answer]) -> None:
    with asking(tmp_path, {DAY: {"note": NOTES}}) as subject:
        note = measured(subject, inside)["note"]
    assert note.status == "error" and "Anna" not in note.reason


@pytest.mark.parametrize(("due", "status"), [(True, "error"), (False, "insufficient")])
def test_a_day_without_data_is_never_clean(tmp_path: Path, due: bool, status: str) -> None:
    with asking(tmp_path, {}, batches={"due": due}) as subject:
        assert measured(subject, Inside())[""].status == status


def test_older_days_do_not_stand_in_for_one_that_is_due(tmp_path: Path) -> None:
    before = {DAY - timedelta(days=1): {"note": NOTES}}
    with asking(tmp_path, before, windows={"fairness": 28}) as subject:
        assert measured(subject, Inside())[""].status == "error"


def test_a_day_that_is_not_due_leaves_the_days_before_to_be_read(tmp_path: Path) -> None:
    before = {DAY - timedelta(days=1): {"note": NOTES}}
    with asking(tmp_path, before, windows={"fairness": 28}, batches={"due": False}) as subject:
        assert measured(subject, Inside("Anna"))["note"].value == 0.25


def test_another_model_is_another_run(tmp_path: Path) -> None:
    with asking(tmp_path, {DAY: {"note": NOTES}}) as subject:
        one = names.rests_on(subject)
        (tmp_path / "pipeline" / "ner" / "model").write_bytes(b"other weights")
        other = names.rests_on(subject)
        none = names.rests_on(replace(subject, naming=Names(model="no/such")))
    assert one is not None and other is not None and none is not None
    assert one["digest"] != other["digest"] and "problem" in none


def test_a_package_is_found_by_its_name_and_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "xx_pipeline_for_a_test"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('imported')", encoding="utf-8")
    model_folder(package, "xx_pipeline-1.0")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("xx_pipeline_for_a_test", "xx-pipeline-for-a-test"):
        assert list(language.files_of(name, tmp_path / "workspace")) == ["config.cfg", "ner/model"]
