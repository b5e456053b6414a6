"""The process inside with spaCy itself: on pipelines that these tests make, and on a trained one where the machine has one.

``ROADWORTHY_LANGUAGE_MODEL`` names an English pipeline, by package or path, for the last of them.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from checks.privacy import names
from roadworthy.measurement import Measurement
from roadworthy.naming import Names
from tests.checks.privacy import planted
from tests.support import DAY, make_subject, passport_of

spacy = pytest.importorskip("spacy", reason="spaCy is not installed: pip install 'roadworthy[pii]'")
MODEL = os.environ.get("ROADWORTHY_LANGUAGE_MODEL", "")
NOTES = [f"{'Anna Beispiel' if i < 30 else 'Somebody'} rang about order {i}" for i in range(120)]


def pipeline(folder: Path, label: str = "PERSON", name: str = "ner") -> Path:
    """Make a pipeline without a trained model: names are those of a list."""
    made = spacy.blank("en")
    if name:
        patterns = [{"label": label, "pattern": one} for one in ("Anna Beispiel", "Kraków", "Order 40106")]
        made.add_pipe("entity_ruler", name=name).add_patterns(patterns)
    folder.parent.mkdir(exist_ok=True)
    made.to_disk(folder)
    return folder


def asked(folder: Path, model: str, column: list[str]) -> Measurement:
    with make_subject(folder, passport_of(), None, {DAY: {"note": column}}) as subject:
        [m] = names.measure(replace(subject, naming=Names(model=model)))
    return m


def test_a_real_process_reads_a_pipeline_from_its_copies(tmp_path: Path) -> None:
    pipeline(tmp_path / "made" / "here")
    note = asked(tmp_path, "made/here", NOTES)
    assert (note.value, note.n, note.details["lang"], note.details["spacy"]) == (0.25, 120, "en", spacy.__version__)
    assert "Anna" not in repr(note)


def test_a_text_in_capitals_is_read_as_it_would_be_written(tmp_path: Path) -> None:
    pipeline(tmp_path / "made")
    assert asked(tmp_path, "made", [text.upper() for text in NOTES]).value == 0.25


def test_one_word_alone_or_a_number_is_no_name(tmp_path: Path) -> None:
    pipeline(tmp_path / "made")
    assert asked(tmp_path, "made", [f"shipped Order 40106 to Kraków, part {i}" for i in range(60)]).value == 0


@pytest.mark.parametrize(
    ("label", "name", "said"), [("PERSON", "", "no component 'ner'"), ("ORG", "ner", "no label for a person")]
)
def test_a_pipeline_that_tells_no_names_is_an_error(tmp_path: Path, label: str, name: str, said: str) -> None:
    pipeline(tmp_path / "made", label, name)
    note = asked(tmp_path, "made", NOTES)
    assert note.status == "error" and said in note.reason


def test_a_folder_that_is_no_pipeline_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "config.cfg").write_text("[nlp]\nlang = 'Anna'\n", encoding="utf-8")
    note = asked(tmp_path, "made", NOTES)
    assert note.status == "error" and note.reason.startswith("The language model gave no answer. It ended with")


@pytest.mark.skipif(not MODEL, reason="ROADWORTHY_LANGUAGE_MODEL names no trained pipeline")
def test_a_trained_pipeline_finds_most_names_and_few_in_sentences_without_one(tmp_path: Path) -> None:
    languages = [text for language in planted.PEOPLE for text in planted.notes(language, 40)]
    found = asked(tmp_path / "named", MODEL, languages)
    assert found.value is not None and found.value >= 0.6, "docs/privacy.md: 0.76 with spaCy's small English model"
    sentences = [text for kind in planted.SENTENCES for text in planted.DECOYS[kind]]
    clean = asked(tmp_path / "clean", MODEL, sentences)
    assert clean.value is not None and clean.value <= 0.03, "docs/privacy.md: 0.004 with spaCy's small English model"
