"""Markdown shows hostile text and does nothing else with it."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from reports.markdown import escape, link, table


@given(st.text(max_size=400))
def test_no_text_makes_markup_a_line_or_a_cell(text):
    shown = escape(text)
    assert "\n" not in shown and "\r" not in shown and len(shown) < 3000
    for sign in "<>":
        assert sign not in shown
    for sign in "|`[]*_~$":
        assert re.search(r"(?<!\\)(?:\\\\)*" + re.escape(sign), shown) is None


@given(st.lists(st.lists(st.text(max_size=60), min_size=3, max_size=3), max_size=5))
def test_a_table_keeps_its_shape(rows):
    lines = table(["a", "b", "c"], rows).split("\n")
    assert len(lines) == len(rows) + 2
    for line in lines:
        assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) == 4


def test_text_cannot_turn_the_line_around_or_link_by_itself():
    assert "\u202e" not in escape("a\u202eb")
    assert "http://" not in escape("see http://evil.example") and "@" not in escape("@everyone")


def test_only_plain_addresses_become_links():
    assert link("Card", "file:///a/card.html") == "[Card](file:///a/card.html)"
    assert link("Card", "https://x/) [y](javascript:alert(1)") == "Card"
