"""The night report says who is needed, and then shows every model, worst first."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from reports import night as nights
from roadworthy.measurement import Measurement
from tests.reports.bundles import BREACH, CLEAR, PASSPORT, STOP, UNDECIDED, measured, snapshot_of
from tests.reports.pages import Page
from tests.support import passport_of


@pytest.fixture
def fleet(make_bundle):
    """Return one model of each kind, best first, and one that could not be inspected."""
    items = []
    for name, numbers, switch in (
        ("calm", CLEAR, "active"),
        ("eyed", measured(), "active"),
        ("broken", BREACH, "active"),
        ("unread", UNDECIDED, "active"),
        ("off", STOP, "disabled"),
    ):
        bundle = make_bundle(numbers, passport=passport_of(**{**PASSPORT, "model": name, "title": f"The {name} one"}))
        items.append((bundle, snapshot_of(bundle, switch)))
    return [*items, nights.Failed("lost", "1.0.0", "models/lost/1.0.0.yaml:3: there is no field 'lable'.")]


def test_all_models_stand_worst_first_and_the_sentence_counts_them(fleet):
    made = nights.build(fleet, "2026-04-09", "First Bank", "Demo.")
    assert [r.word for r in made.rows] == ["stop", "failed", "undecided", "breach", "watch", "clear"]
    assert made.sentence == (
        "6 models: 1 must be off the road, 1 could not be inspected, 1 could not be judged, 1 breaks a rule, "
        "1 is in service with a warning, 1 is clear."
    )
    page = Page(nights.html(made))
    assert not page.problems
    for row in made.rows:
        assert row.title in page.words and (row.address[:12] in page.words)


def test_who_is_needed_comes_first_by_role_name_and_command(fleet):
    page = Page(nights.html(nights.build(fleet, "2026-04-09")))
    now, everyone = page.words.index("Needs someone now"), page.words.index("All models, worst first")
    needed = page.words[now:everyone]
    for text in (
        "Operator: Oscar Lind",
        "roadworthy switch status off",
        "roadworthy nightly --date 2026-04-09 --model unread",
        "roadworthy switch stop broken --version 2.4.0 --as olga --reason",
        "roadworthy nightly --date 2026-04-09 --model lost",
        "there is no field 'lable'",
    ):
        assert text in needed
    assert "The calm one" not in needed and "The eyed one" not in needed


def test_a_quiet_night_needs_nobody_and_says_so(fleet):
    page = Page(nights.html(nights.build(fleet[:1], "2026-04-09")))
    assert "Nobody. Every model was judged and none breaks a rule." in page.words


def test_a_model_that_is_off_needs_someone_although_tonight_was_clear(make_bundle):
    bundle = make_bundle(CLEAR)
    made = nights.build([(bundle, snapshot_of(bundle, "disabled"))], "2026-04-09")
    assert [d.role for d in nights.needed(made)[0].duties] == ["guardian"]


def test_a_night_without_models_is_said(fleet):
    page = Page(nights.html(nights.build([], "2026-04-09")))
    assert not page.problems and "No model version is in service" in page.words


def test_a_contradiction_in_one_model_hides_no_other(fleet):
    bundle, snapshot = fleet[0]
    torn = replace(bundle, verdict=replace(bundle.verdict, word="breach"))
    made = nights.build([(torn, snapshot), fleet[1]], "2026-04-09")
    assert [r.word for r in made.rows] == ["failed", "watch"] and "the findings add up to 'clear'" in made.rows[0].reason


def test_links_lead_to_the_cards(fleet):
    page = Page(nights.html(nights.build(fleet, "2026-04-09")))
    assert "models/off/2.4.0/card.html" in page.links and not any("lost" in link for link in page.links)


def test_the_last_number_of_the_line_is_tonight_s(fleet, make_bundle):
    changed = make_bundle(measured(score=Measurement("drift.score_psi", {"column": "score"}, 0.0713, p_value=0.2, n=500)))
    made = nights.build([(changed, snapshot_of(changed))], "2026-04-09")
    assert "0.071" in Page(nights.html(made)).words


def test_an_earlier_night_s_number_is_not_shown_as_tonight_s(make_bundle):
    without = make_bundle([m for m in CLEAR if m.metric != "drift.score_psi"])
    page = Page(nights.html(nights.build([(without, snapshot_of(without))], "2026-04-09")))
    assert "not measured" in page.words and "0.080" not in page.words


def test_twins_are_written_and_the_same_again(fleet, tmp_path):
    made = nights.build(fleet, "2026-04-09", "First Bank")
    first, second = (nights.write(made, tmp_path / name) for name in ("a", "b"))
    assert [f.name for f in first] == ["night.html", "night.json", "night.md"]
    assert [f.read_bytes() for f in first] == [f.read_bytes() for f in second]
    assert json.loads(first[1].read_text(encoding="utf-8"))["rows"][0]["word"] == "stop"
    assert "Oscar Lind" in first[2].read_text(encoding="utf-8")
