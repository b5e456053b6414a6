"""The card names the columns that a model does as well without, and a hostile name stays a name."""

from __future__ import annotations

import pytest

from reports import card, sections
from reports.source import Source
from roadworthy.measurement import Measurement
from tests.reports.bundles import bundle_of, snapshot_of

RULE = {
    "id": "inputs-needed", "metric": "privacy.unneeded_columns", "limit": "<= 0", "test": "exact", "breach": "warn",
    "because": "What the model does as well without should not be asked of people.",
}


def bundle(folder, names):
    m = Measurement("privacy.unneeded_columns", value=len(names), n=300, details={"columns": names})
    return bundle_of(folder, [m], rules=[RULE])


@pytest.mark.parametrize(("count", "said"), [(2, "c0, c1"), (8, "c0, c1, c2, c3, c4, c5 and 2 more")])
def test_the_line_names_them_and_says_how_many_more(tmp_path, count, said):
    [line] = sections.checks(Source(bundle(tmp_path, [f"c{k}" for k in range(count)])))
    assert (line.part, line.status) == (said, "warn")


def test_a_hostile_name_is_escaped(tmp_path):
    made = bundle(tmp_path, ["<script>alert(1)</script>"])
    assert sections.checks(Source(made))[0].part == "<script>alert(1)</script>"
    page = card.html(card.build(made, snapshot_of(made)))
    assert "<script>alert(1)" not in page and "&lt;script&gt;alert(1)" in page
