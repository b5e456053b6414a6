"""The simple note: everything a stakeholder asks, in short words, and nothing that the card withholds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from reports import card as cards
from reports import note as notes
from reports.readability import MOST, lix
from reports.render import clean
from roadworthy.measurement import Measurement, not_measured
from roadworthy.passport import Passport
from tests.reports.bundles import PASSPORT, bundle_of, measured, snapshot_of
from tests.reports.pages import Page, problems
from tests.reports.test_hostile import HOSTILE, poisoned
from tests.support import passport_of

FLEET = Path(__file__).resolve().parents[2] / "data" / "models"


def note_of(folder: Path, measurements: list[Measurement] | None = None, switch: str = "active", **fields: object) -> notes.Note:
    bundle = bundle_of(folder, measurements, passport=passport_of(**{**PASSPORT, **fields}))
    return notes.build(cards.build(bundle, snapshot_of(bundle, switch)), bundle)


def share(column: str, value: float, **details: object) -> Measurement:
    ends = {"low": value - 0.03, "high": value + 0.03, "confidence": 0.95, "n": 1000}
    return Measurement("explainability.importance", {"column": column}, value, details=details, **ends)


# --- readability


def test_lix_is_the_published_formula() -> None:
    """Words a sentence plus the percentage of words of more than six letters (Bjornsson 1968), counted by hand."""
    assert lix("The cat sat. The dog ran!") == 3
    assert lix("Reading lengthy sentences tires everybody") == pytest.approx(5 + 100 * 4 / 5)
    assert lix("It costs 1,200.50 a year; who pays it?") == pytest.approx(8 / 2)
    assert lix("first line\nsecond line") == 2
    assert lix("") == lix("...") == 0


@pytest.mark.parametrize("path", sorted(FLEET.glob("*/*.yaml")), ids=lambda p: p.parent.name)
def test_the_note_of_every_demo_model_can_be_read(tmp_path: Path, path: Path) -> None:
    passport = Passport.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    group = {p.name: next(iter([*p.values.values(), *(b.label for b in p.bins)]), "others") for p in passport.protected[:1]}
    found = [
        Measurement("performance.accuracy", value=0.77, low=0.735, high=0.81, confidence=0.95, n=480),
        *(share(column, 0.5 / (i + 1)) for i, column in enumerate(passport.features)),
        Measurement("explainability.fidelity", value=0.9, low=0.88, high=0.92, confidence=0.95, n=500),
    ]
    if group:
        found.append(Measurement("fairness.selection_rate_ratio", {"group": group}, 0.5, 0.4, 0.6, 0.95, n=80))
        strength = {"attribute": passport.protected[0].name}
        found.append(Measurement("explainability.proxy_strength", strength, 0.8, 0.75, 0.85, 0.95, n=500))
    bundle = bundle_of(tmp_path, found, passport=passport)
    made = notes.build(cards.build(bundle, snapshot_of(bundle)), bundle)
    assert 10 < lix(notes.prose(made)) <= MOST
    assert problems(notes.html(made)) == []


def test_a_note_that_nobody_could_read_is_above_the_limit(tmp_path: Path) -> None:
    bad = "Institutional creditworthiness determinations necessitate comprehensive multidimensional evaluation methodologies, "
    plain = {"what": bad * 3, "affected": bad * 2, "weakness": bad * 3, "switch_off": bad * 2}
    use = {"intended": [bad], "excluded": [bad], "human_oversight": bad * 2}
    assert lix(notes.prose(note_of(tmp_path, plain=plain, use=use))) > MOST


# --- what it says


def test_it_says_who_fares_worst_by_how_much_and_on_how_many(tmp_path: Path) -> None:
    said = " ".join(note_of(tmp_path).different)
    assert "By age, the group 'below 25' fares worst" in said
    assert "100 people of the group '25 and over'" in said and "about 76" in said
    assert "The limit is 80 of 100" in said and "do not settle" in said and "76 people in the smaller group" in said


def test_a_group_of_few_people_is_never_the_one_that_is_told(tmp_path: Path) -> None:
    few = Measurement("fairness.selection_rate_ratio", {"group": {"sex": "(missing)"}}, 0.11, 0.02, 0.5, 0.95, n=7)
    made = note_of(tmp_path, measured(ratio_x=few))
    assert "0.11" not in notes.text(made) and "about 11" not in notes.text(made) and "(missing)" not in notes.text(made)


def test_without_attributes_or_groups_it_says_why_nobody_is_compared(tmp_path: Path) -> None:
    bare = note_of(tmp_path / "a", protected=[], no_protected_because="The table is about flights.")
    assert bare.different == ["The table is about flights."]
    nothing = note_of(tmp_path / "b", [not_measured("fairness.selection_rate_ratio", "insufficient", "Too few.")])
    assert "could not be settled" in nothing.different[0]


def test_it_says_which_attributes_go_in_and_why_an_identifier_is_kept(tmp_path: Path) -> None:
    said = " ".join(note_of(tmp_path, features=["age", "amount"]).inputs)
    assert "age is watched" in said and "It is not told sex" in said
    assert "The pii_name does not go into the model. It is kept for this: match with the core system" in said


def test_many_inputs_are_not_all_listed(tmp_path: Path) -> None:
    made = note_of(tmp_path, features=[f"feature_{i}" for i in range(40)])
    assert len(made.reads) == 24 and made.more_reads == 16 and "and 16 more things" in notes.text(made)
    assert "Duration of the loan" in made.reads


def test_drivers_come_strongest_first_and_a_copy_of_the_model_is_called_one(tmp_path: Path) -> None:
    found = [*measured(), share("feature_3", 0.2), share("feature_7", 0.6)]
    found.append(Measurement("explainability.fidelity", value=0.93, low=0.9, high=0.95, confidence=0.95, n=500))
    made = note_of(tmp_path, found)
    assert [d.title for d in made.drivers] == ["Amount", "Duration of the loan"]
    assert any("not read off the model itself" in one for one in made.driven) and any("93" in one for one in made.driven)
    itself = {"explained": "model"}
    shap = Measurement("explainability.shap_share", {"column": "feature_3"}, 0.4, 0.35, 0.45, 0.95, n=900, details=itself)
    assert any("on the model itself" in one for one in note_of(tmp_path / "b", [*found, shap]).driven)


def test_how_good_it_is_has_one_number_and_its_interval(tmp_path: Path) -> None:
    assert note_of(tmp_path / "a").good[:2] == [
        "Of 100 answers, about 77 are right.",
        "The true number most likely lies between 74 and 81, from 480 cases whose outcome is known.",
    ]
    early = [Measurement("estimate.accuracy", value=0.71, low=0.68, high=0.74, confidence=0.95, n=300)]
    assert note_of(tmp_path / "b", early).good[0] == "As far as its scores tell: of 100 answers, about 71 are right."
    assert "could not be measured" in note_of(tmp_path / "c", [Measurement("data_quality.rows", value=5, n=5)]).good[0]


def test_a_stopped_model_says_so_first(tmp_path: Path) -> None:
    made = note_of(tmp_path, switch="disabled")
    assert "an officer decides without a score." in made.stopped and made.stopped in notes.text(made)
    assert note_of(tmp_path / "b").stopped == ""


# --- the page


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_and_nothing_else(tmp_path: Path, text: str) -> None:
    measurements, fields = poisoned(text)
    fields["features"] = ["age", text]
    bundle = bundle_of(tmp_path, [*measurements, share(text, 0.5)], passport=passport_of(**fields))
    made = notes.build(cards.build(bundle, snapshot_of(bundle, "disabled"), text), bundle)
    read = Page(notes.html(made))
    assert [p for p in read.problems if not (p.startswith("the text shows") and "{{" in text)] == []
    assert " ".join(clean(text).split()) in read.words
    assert "<script" not in notes.text(made) and not re.search(r"(?<!\\)\]\(javascript", notes.text(made))


def test_it_is_written_beside_the_card_and_both_lead_to_each_other(tmp_path: Path) -> None:
    made = note_of(tmp_path)
    assert [path.name for path in notes.write(made, tmp_path / "site")] == ["note.html", "note.md"]
    assert "card.html" in Page((tmp_path / "site" / "note.html").read_text(encoding="utf-8")).links
    bundle = bundle_of(tmp_path / "again")
    assert "note.html" in Page(cards.html(cards.build(bundle, snapshot_of(bundle)))).links
    assert notes.html(made) == notes.html(note_of(tmp_path / "same"))
