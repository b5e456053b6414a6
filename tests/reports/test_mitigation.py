"""The mitigation plan on the gate's page."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from reports import gate
from reports import mitigation as shown
from reports.source import Source
from roadworthy import mitigation
from roadworthy.evidence import EvidenceStore, bundle_files, read_bundle
from roadworthy.measurement import Measurement
from roadworthy.policy import Policy
from tests.reports.bundles import BREACH, bundle_of, snapshot_of
from tests.reports.pages import Page
from tests.reports.test_hostile import HOSTILE

YOUNG = {"group": {"age": "below 25"}}


def option(name, value=0.95, n=276, cells=(200, 276), **facts):
    told = {"needs_attribute": False, "retrained": True, "randomised": False, **facts, "reference_group": "25 and over"}

    def m(short, value, low, high, over=None, n=400, **stats):
        over = {"option": name, **(over or {})}
        return Measurement(f"mitigation.{short}", over, value, low, high, 0.95, n=n, stats=stats, details=told)

    ratio = {"scale": "log", "selected_group": cells[0], "cases_group": cells[1]}
    ratio |= {"selected_reference": 300, "cases_reference": 400}
    found = [m("accuracy", 0.75, 0.7, 0.8), m("selection_rate_ratio", value, value - 0.1, value + 0.1, YOUNG, n, **ratio),
             m("gained", 20 / n, 0.01, 0.9, YOUNG, n, positives=20), m("lost", 3 / n, 0.0, 0.9, YOUNG, n, positives=3)]
    if name != "as_is":
        found += [m("accuracy_change", -0.01, -0.03, 0.01), m("selection_rate_change", 0.02, -0.005, 0.045)]
    return found


def with_plan(folder, *options, word=str, name="x"):
    """Return a bundle of a gate with the plan that these options make."""
    counted = Measurement("mitigation.options_measured", value=float(len(options)), n=400)
    measurements = [*BREACH, counted, *option("as_is", 0.5), *(m for one in options for m in one)]
    bundle = bundle_of(folder / "first", measurements, when="gate")
    policy = Policy.model_validate(bundle.run["policy"]["content"])
    plan = mitigation.plan(measurements, bundle.findings, policy, "high", "binary", word)
    files = bundle_files(
        {**bundle.run, "run_id": name}, bundle.inputs, measurements, bundle.findings, bundle.verdict, bundle.state,
        {mitigation.ATTACHMENT: json.dumps(plan.as_dict()).encode()},
    )
    address = EvidenceStore(folder).write(bundle.run["model"], bundle.run["version"], bundle.run["day"], name, files)
    return read_bundle(address.path)


def page_of(bundle, folder):
    html, twin = gate.write(bundle, snapshot_of(bundle, release="judged"), folder)
    return Page(html.read_text(encoding="utf-8")), json.loads(twin.read_text(encoding="utf-8"))


def test_the_page_says_what_is_recommended_what_it_costs_and_who_gains(tmp_path):
    by_group = option("threshold_demographic_parity", needs_attribute=True, randomised=True)
    bundle = with_plan(tmp_path, option("reweighing"), by_group)
    page, twin = page_of(bundle, tmp_path / "out")
    assert page.problems == []
    said = page.words.replace("\u00a0", " ")
    assert "Recommended: Trained on reweighed rows" in said and "Would do too" in said
    assert "accuracy changes by −1.0 points (95 % interval −3.0 to 1.0, n = 400)" in said
    assert "age: below 25: 20 gain, fewer than 10 lose, of 276" in said
    assert "may itself be unlawful" in said and "needs the attribute" in said
    assert twin["mitigation"]["rows"][1]["gaps"][0]["word"] == "Clears"
    short = shown.summary_markdown(bundle)
    assert short.startswith("### Mitigation plan\n\n**Recommended: Trained on reweighed rows.**")
    assert {line.replace("\\|", "").count("|") for line in short.splitlines() if line.startswith("|")} == {8}


@pytest.mark.parametrize(("n", "cells"), [(9, (5, 9)), (60, (57, 60)), (60, (4, 60))])
def test_numbers_of_fewer_than_ten_people_are_withheld_in_the_table_and_in_the_sentences(tmp_path, n, cells):
    bundle = with_plan(tmp_path, option("reweighing", 0.917, n=n, cells=cells))
    page, twin = page_of(bundle, tmp_path / "out")
    assert twin["mitigation"]["rows"][1]["gaps"][0]["figure"]["hidden"]
    assert "0.917" not in json.dumps(twin) and "0.92 times" not in page.words
    assert "too few people to show a number" in page.words


def test_who_gains_and_loses_in_a_small_group_cannot_be_worked_out_from_the_others(tmp_path):
    bundle = with_plan(tmp_path, option("reweighing"))
    plan = shown.plan_of(bundle)
    base = plan.option("reweighing").moved[0]

    def told(*groups: tuple[str, int, int, int]) -> list[str]:
        moved = tuple(
            replace(base, over={"group": {"age": name}}, where=name, n=n, gained=gained, lost=lost)
            for name, n, gained, lost in groups
        )
        return shown._row(Source(bundle), plan, replace(plan.option("reweighing"), moved=moved)).moved

    small, large, largest = told(("a", 100, 4, 0), ("b", 200, 30, 0), ("c", 300, 77, 12))
    assert small == "a: fewer than 10 gain, 0 lose, of 100"
    assert large.startswith("b: a number that is withheld") and largest == "c: 77 gain, 12 lose, of 300"
    nobody = told(("a", 100, 4, 0), ("b", 200, 0, 0))
    assert nobody == [f"{name}: fewer than 10 gain, 0 lose, of {n}" for name, n in (("a", 100), ("b", 200))]
    assert all("too few people" in text for text in told(("a", 7, 0, 0), ("b", 93, 20, 20)))


def test_a_gate_without_a_plan_has_no_such_section_and_one_that_failed_says_why(tmp_path):
    bundle = bundle_of(tmp_path, BREACH, when="gate")
    page, twin = page_of(bundle, tmp_path / "out")
    assert "Mitigation plan" not in page.words and twin["mitigation"] is None and shown.summary_markdown(bundle) == ""


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_in_a_plan_are_shown_and_nothing_else(tmp_path, text):
    reason = Measurement("mitigation.accuracy", {"option": "grid_search"}, status="error", reason=text)
    bundle = with_plan(tmp_path, option("reweighing"), [reason], word=lambda column: text)
    page, _ = page_of(bundle, tmp_path / "out")
    assert [p for p in page.problems if not (p.startswith("the text shows") and "{{" in text)] == []
    assert not any("<script" in line or "<img" in line for line in shown.summary_markdown(bundle).splitlines())


def test_a_plan_whose_options_are_many_stays_short(tmp_path):
    bundle = with_plan(tmp_path, option("reweighing"))
    plan = shown.plan_of(bundle)
    best = plan.option("reweighing")
    many = replace(best, held=best.held * 30, moved=best.moved * 30)
    row = shown.section(Source(bundle)).rows[1]
    assert len(row.gaps) == 2 and row.more_gaps == ""
    long = shown._row(Source(bundle), plan, many)
    assert len(long.gaps) == shown.SHOWN and long.more_gaps == "and 54 more: 27 clears, 27 not known" and long.more_moved == 24
