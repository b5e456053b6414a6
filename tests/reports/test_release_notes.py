"""Release notes: what changed, how groups are treated, what else could be done, known limits."""

from __future__ import annotations

import copy
import json
import re

import pytest

from reports import release_notes
from roadworthy.measurement import Measurement
from tests.reports.bundles import BREACH, CLEAR, PASSPORT, RULES, bundle_of, measured, snapshot_of
from tests.reports.pages import Page
from tests.reports.test_hostile import HOSTILE, poisoned
from tests.reports.test_mitigation import option, with_plan
from tests.support import passport_of


def made_of(folder, bundle, before="", **rest):
    notes = release_notes.build(bundle, snapshot_of(bundle, release="judged"), before, **rest)
    html, md, twin = release_notes.write(notes, folder)
    page = Page(html.read_text(encoding="utf-8"))
    assert page.problems == []
    assert json.loads(twin.read_text(encoding="utf-8"))["model"] == bundle.run["model"]
    return page.words.replace("\u00a0", " "), md.read_text(encoding="utf-8").replace("\u00a0", " ")


def changed():
    passport = copy.deepcopy(PASSPORT)
    passport |= {"version": "2.5.0", "features": [*PASSPORT["features"][1:], "feature_new"]}
    passport["recipe"] = {"command": ["python"], "seed": 8}
    rules = copy.deepcopy(RULES)
    next(r for r in rules if r["id"] == "four-fifths")["limit"] = ">= 0.70"
    rules = [r for r in rules if r["id"] != "auc"]
    return passport_of(**passport), rules


def test_a_second_version_says_what_changed_and_shouts_what_was_loosened(tmp_path):
    before = bundle_of(tmp_path / "before", CLEAR, when="gate")
    passport, rules = changed()
    accuracy = Measurement("performance.accuracy", value=0.71, low=0.67, high=0.75, confidence=0.95, n=480, method="Wilson")
    bundle = bundle_of(tmp_path / "after", measured(accuracy=accuracy), passport=passport, rules=rules, when="gate")
    for text in made_of(tmp_path / "out", bundle, before):
        said = text.replace("&gt;", ">").replace("\\", "")
        assert "Compared with version 2.4.0, by its gate" in said
        assert "Loosened limits" in said and "The rule 'auc' is gone." in said
        assert "The rule 'four-fifths' has another limit: '>= 0.70', before '>= 0.80'." in said
        assert "feature_0" in said and "feature_new" in said and "recipe.seed" in said and "feature_5" not in said
        assert "77 % " in said and "71 % " in said, "accuracy of both versions stands side by side"


def test_the_first_version_says_so_and_one_without_evidence_too(tmp_path):
    bundle = bundle_of(tmp_path, CLEAR, when="gate")
    wants = (("", "This is the first recorded version"), ("2.3.0", "Version 2.3.0 was in service before, but there is no"))
    for before, wanted in wants:
        for said in made_of(tmp_path / "out", bundle, before):
            assert wanted in said and "Loosened" not in said


def test_the_same_version_again_has_changed_nothing(tmp_path):
    bundle = bundle_of(tmp_path, CLEAR, when="gate")
    notes = release_notes.build(bundle, snapshot_of(bundle), bundle)
    assert (notes.changes, notes.policy_changes) == ([], [])
    assert notes.beside and all(b.now.value == b.before.value for b in notes.beside)


def test_bias_results_name_group_definition_number_interval_and_n_and_few_people_are_withheld(tmp_path):
    page, md = made_of(tmp_path / "out", bundle_of(tmp_path, BREACH, when="gate"))
    what = "Favourable decisions against the reference group"
    assert f"| Age | age: below 25 | {what} | 0.50 (0.42 to 0.60), n = 76 | at least 0.80 | Fails |" in md
    assert f"| Sex | sex: (missing) | {what} | withheld |" in md
    for said in (page, md):
        assert "1.158" not in said and "1.16" not in said
        assert "age: below 25 got the favourable decision 0.50 times as often" in said


def test_a_night_instead_of_a_gate_is_said(tmp_path):
    for said in made_of(tmp_path / "out", bundle_of(tmp_path, CLEAR)):
        assert "No gate has run on this version. These notes rest on the night of" in said
        assert "Options are tried at the gate only, and none has run." in said


def test_the_mitigation_plan_and_the_known_limits_stand_in_them(tmp_path):
    for said in made_of(tmp_path / "out", with_plan(tmp_path, option("reweighing"))):
        assert "Recommended: Trained on reweighed rows" in said
        assert PASSPORT["plain"]["weakness"] in said and PASSPORT["use"]["excluded"][0] in said
        assert PASSPORT["use"]["limits"][0] in said and PASSPORT["protected"][1]["note"] in said


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_and_nothing_else(tmp_path, text):
    measurements, fields = poisoned(text)
    before = bundle_of(tmp_path / "before", measured(), when="gate")
    bundle = bundle_of(tmp_path / "after", measurements, passport=passport_of(**fields), when="gate")
    notes = release_notes.build(bundle, snapshot_of(bundle), before, text)
    page, md = Page(release_notes.html(notes)), release_notes.markdown_of(notes)
    assert [p for p in page.problems if not (p.startswith("the text shows") and "{{" in text)] == []
    assert not re.search(r"<script|<img|(?<!\\)\]\(javascript", md)
    columns: list[int] = []
    for line in md.splitlines():
        cells = len([i for i, c in enumerate(line) if c == "|" and line[i - 1] != "\\"]) if line.startswith("|") else 0
        assert not (cells and columns and columns[-1] and cells != columns[-1]), line
        columns.append(cells)
