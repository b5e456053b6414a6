"""The gate report: the decision, its conditions, and who decides next."""

from __future__ import annotations

import pytest

from reports import gate
from roadworthy.measurement import not_measured
from tests.reports.bundles import BREACH, CLEAR, STOP, UNDECIDED, measured, snapshot_of
from tests.reports.pages import Page

CANDIDATES = {"go": CLEAR, "conditional": measured(), "no-go": BREACH, "undecided": UNDECIDED}
TITLES = {
    "go": "Go, waiting for signatures",
    "conditional": "Go, with three conditions",
    "no-go": "No-go",
    "undecided": "Undecided: it could not be judged",
}


@pytest.mark.parametrize("word", CANDIDATES)
def test_one_page_holds_the_decision(make_bundle, tmp_path, word):
    numbers = CANDIDATES[word]
    if word == "go":
        numbers = [m for m in numbers if dict(m.over) != {"group": {"sex": "(missing)"}} or m.metric == "fairness.selection_rate"]
        numbers = [m for m in numbers if m.status == "measured"]
    bundle = make_bundle(numbers, when="gate")
    assert bundle.verdict.word == word
    html, twin = gate.write(bundle, snapshot_of(bundle, release="judged"), tmp_path)
    page = Page(html.read_text(encoding="utf-8"))
    assert not page.problems and html.stat().st_size < 60_000 and twin.name == "gate.json"
    assert TITLES[word] in page.words and f"exit code {bundle.verdict.exit_code}" in page.words
    assert bundle.address in page.words and bundle.run["policy"]["digest"][:12] in page.words
    for condition in bundle.verdict.conditions:
        assert condition.split(" (")[0] in page.words


def test_a_gate_never_says_approved_without_a_record(make_bundle, tmp_path):
    bundle = make_bundle(
        [m for m in CLEAR if m.metric.startswith("data_quality.")],
        when="gate",
        rules=[
            {
                "id": "rows",
                "metric": "data_quality.rows",
                "limit": ">= 1",
                "test": "exact",
                "breach": "fail",
                "because": "There must be data.",
            }
        ],
    )
    waiting, approved = (
        Page(gate.write(bundle, snapshot_of(bundle, release=state), tmp_path / state)[0].read_text(encoding="utf-8")).words
        for state in ("judged", "live")
    )
    assert "Go, waiting for signatures" in waiting and "Go, approved" in approved


def test_a_severe_finding_is_a_no_go(make_bundle, tmp_path):
    bundle = make_bundle([*STOP, not_measured("performance.loss", "insufficient", "Too few days.")], when="gate")
    page = Page(gate.write(bundle, snapshot_of(bundle, release="candidate"), tmp_path)[0].read_text(encoding="utf-8"))
    assert "No-go" in page.words and "Have the failed checks mended" in page.words
