"""Names, categories and cells are hostile: whatever they hold, a page shows it and does nothing else with it."""

from __future__ import annotations

import copy
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reports import card as cards
from reports import gate
from reports import night as nights
from reports.render import clean
from roadworthy.measurement import Measurement
from tests.reports.bundles import PASSPORT, bundle_of, measured, snapshot_of
from tests.reports.pages import Page, problems
from tests.support import passport_of

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style><script>alert(1)</script>",
    "</title></table></main>",
    "{{ 7 * 7 }} {% for x in y %}",
    "<!-- --><!DOCTYPE html>",
    "a|b|c",
    "`code` **bold** [x](javascript:alert(1))",
    "\u202egnp.exe\u2066",
    "名前 الاسم שם 👩‍👩‍👧 ñ",
    "x" * 300,
    "-->]]>&lt;&amp;&#60;",
    "line\nline\ttab\x00\x07",
]


def poisoned(text: str) -> tuple[list[Measurement], dict]:
    """Return measurements and a passport that hold `text` wherever a user's text can stand."""
    fields = copy.deepcopy(PASSPORT)
    fields["title"] = fields["summary"] = text
    fields["plain"] = dict.fromkeys(fields["plain"], text)
    fields["use"] = {"intended": [text], "excluded": [text], "human_oversight": text, "limits": [text]}
    fields["replay"]["says"] = fields["why_this_definition"] = text
    fields["fallback"] = {"kind": "rule", "what": text}
    fields["glossary"] = {"feature_23": text, "age": text}
    fields["identifiers"] = [{"column": text, "purpose": text, "basis": text}]
    fields["quasi_identifiers"] = [text]
    fields["protected"][1]["note"] = text
    extra = [
        Measurement(
            "data_quality.expectation", {"expectation": text, "severity": "critical"}, 0.5, n=500, details={"because": text}
        ),
        Measurement("drift.psi", {"column": text}, 0.5, p_value=1e-9, n=500),
        Measurement("fairness.selection_rate", {"group": {text: text}}, 0.5, 0.4, 0.6, 0.95, n=80),
        Measurement("fairness.selection_rate_ratio", {"group": {text: text}}, 0.7, 0.6, 0.9, 0.95, n=80),
        Measurement("fairness.uncovered_share", {"attribute": text}, 0.01, 0.0, 0.05, 0.95, n=80),
        Measurement("performance.recall", status="error", reason=text),
    ]
    return [*measured(), *extra], fields


def pages_of(text: str, folder: Path) -> list[str]:
    measurements, fields = poisoned(text)
    bundle = bundle_of(folder, measurements, passport=passport_of(**fields))
    bundle = replace(
        bundle,
        inputs={
            **bundle.inputs,
            "people": {r: {"id": r, "name": f"{text}{i}", "team": text} for i, r in enumerate(("owner", "guardian", "operator"))},
            "waivers": [
                {
                    "id": text,
                    "rule": text,
                    "reason": text,
                    "granted_by": text,
                    "expires": text,
                    "honoured": False,
                    "why_not": text,
                }
            ],
        },
        run={**bundle.run, "actor": text, "problems": {"batch": text}, "tools": {text: text}},
    )
    snapshot = snapshot_of(bundle, "disabled")
    snapshot["switch"].update(reason=text, by=text)
    made = cards.build(bundle, snapshot, text)
    night = nights.build([(bundle, snapshot), nights.Failed("m", "1", text)], "2026-04-09", text, text)
    written = cards.write(made, folder / "out")
    assert all(f.stat().st_size for f in written)
    return [cards.html(made), nights.html(night), gate.html(made)]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_and_nothing_else(tmp_path, text):
    for page in pages_of(text, tmp_path):
        read = Page(page)
        assert [p for p in read.problems if not (p.startswith("the text shows") and "{{" in text)] == []
        assert " ".join(clean(text).split()) in read.words
        assert len(page.encode()) < 150_000


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(min_size=1, max_size=80).filter(lambda t: "{{" not in t and not any(w in t for w in ("None", "nan", "inf"))))
def test_any_text_is_shown_and_nothing_else(text):
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    with tempfile.TemporaryDirectory() as folder:
        for page in pages_of(text, Path(folder)):
            assert [p for p in problems(page) if not p.startswith("the text shows")] == []


@pytest.mark.parametrize("text", HOSTILE)
def test_the_short_twin_keeps_its_table(tmp_path, text):
    measurements, fields = poisoned(text)
    bundle = bundle_of(tmp_path, measurements, passport=passport_of(**fields))
    lines = cards.summary_markdown(bundle).split("\n")
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) > 3
    for row in rows:
        assert len([i for i, c in enumerate(row) if c == "|" and row[i - 1] != "\\"]) == 6
    assert not any("<script" in line or "<img" in line for line in lines)


BAD = """<!DOCTYPE html>
<html lang="en"><head><meta http-equiv="Content-Security-Policy" content="default-src 'none'"><style>b{}</style></head>
<body><h1>A</h1><h3>C</h3><h1>B</h1><script>1</script><p style="x" onclick="y">None 0.30000000000000004</p><img src="http://x/y.png">
<a href="#nowhere">x</a><a href="https://x">y</a><svg><path d="M0 0"/></svg><i id="a"></i><i id="a"></i>
<table><tr><th>h</th></tr><tr><td>1</td><td>2</td></tr></table></body></html>"""


@pytest.mark.parametrize(
    "found",
    [
        "there are 2 h1",
        "h1 is followed by h3",
        "there is a <script>",
        "<p> has style=",
        "<p> has onclick=",
        "the text shows \\bNone",
        "the text shows \\d",
        "there is a <img>",
        "loads src",
        "#nowhere leads nowhere",
        "points outside",
        "an <svg> is neither",
        "ids stand twice",
        "a <th> has no scope",
        "the policy does not allow",
        "a table has rows of [1, 2] columns",
    ],
)
def test_the_checker_of_pages_finds_what_is_wrong(found):
    assert any(found in problem for problem in problems(BAD))
