"""What is withheld cannot be worked out again from what is shown: on any table of counts, and on a page with its totals."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports import card as cards
from reports.source import Source
from reports.withholding import FEWEST_PEOPLE, withheld
from roadworthy.measurement import Measurement
from tests.reports.bundles import bundle_of, snapshot_of
from tests.reports.pages import Page

PAIR = "fairness.intersection_selection_rate"


@given(st.lists(st.integers(0, 60), min_size=1, max_size=7), st.integers(0, 6))
def test_each_withheld_part_could_be_ten_or_more_by_all_that_is_shown(counts: list[int], last: int) -> None:
    parts = dict(enumerate(counts))
    gone = withheld(parts, last)
    small = {part for part, n in parts.items() if 0 < n < FEWEST_PEOPLE}
    assert small <= gone and (small or not gone)
    if gone and set(parts) - gone - {part for part, n in parts.items() if not n}:
        left = sum(parts.values()) - sum(n for part, n in parts.items() if part not in gone)  # what a reader works out
        assert len(gone) > 1 and left - (len(gone) - 1) >= FEWEST_PEOPLE
    assert last not in gone - small or gone >= {part for part, n in parts.items() if n}, "the reference goes last"


def rate(attribute: str, group: str, chosen: int, cases: int) -> Measurement:
    stats = {"positives": chosen, "negatives": cases - chosen}
    return Measurement("fairness.selection_rate", {"group": {attribute: group}}, chosen / cases, n=cases, stats=stats)


def ratio(attribute: str, group: str, chosen: int, cases: int, reference: tuple[int, int]) -> Measurement:
    stats = {"cases_group": cases, "selected_group": chosen, "selected_reference": reference[0], "cases_reference": reference[1]}
    value = chosen / cases / (reference[0] / reference[1])
    over = {"group": {attribute: group}}
    return Measurement("fairness.selection_rate_ratio", over, value, value, value, 0.95, n=min(cases, reference[1]), stats=stats)


def page_of(made: list[Measurement], tmp_path) -> tuple[cards.Card, str]:
    total = Measurement("data_quality.rows", value=500, n=500)
    bundle = bundle_of(tmp_path, [total, *made])
    card = cards.build(bundle, snapshot_of(bundle))
    return card, Page(cards.html(card)).words.replace("\u00a0", " ")


@pytest.mark.parametrize("sizes", [
    {"male": 338, "female": 155, "x": 7}, {"male": 338, "female": 150, "x": 7, "y": 5},
    {"male": 300, "female": 180, "x": 9, "y": 11}, {"male": 493, "x": 7}, {"male": 300, "female": 150, "x": 41, "y": 9},
], ids=["one", "two that add up to little", "one beside a small one", "one beside the reference", "one of four"])
def test_no_size_of_a_group_comes_back_out_of_the_total_of_the_page(sizes: dict[str, int], tmp_path) -> None:
    made = [rate("sex", name, n // 2, n) for name, n in sizes.items()]
    made += [ratio("sex", name, n // 2, n, (sizes["male"] // 2, sizes["male"])) for name, n in sizes.items() if name != "male"]
    card, said = page_of(made, tmp_path)
    groups = {g.name: g for a in card.fairness if a.name == "sex" for g in a.groups}
    gone = {name for name, g in groups.items() if g.n is None}
    assert len(gone) > 1 and all(n >= FEWEST_PEOPLE or name in gone for name, n in sizes.items())
    assert 500 - sum(n for name, n in sizes.items() if name not in gone) - (len(gone) - 1) >= FEWEST_PEOPLE
    for name in gone:
        g = groups[name]
        shown = [f for f in (g.rate, g.ratio, g.outcome) if f is not None]
        assert g.hidden and all(f.hidden and f.value is None and f.n is None for f in shown)
    assert "500" in said and "withheld so that the other cannot be worked out" in said
    for name in gone - {"male"}:
        assert re.search(rf"\bn = {sizes[name]}\b", said) is None


def test_a_share_of_few_people_hides_the_next_smallest_share_too_and_leaves_the_others(tmp_path) -> None:
    table = {"male": (240, 338), "female": (100, 122), "x": (3, 40)}
    made = [rate("sex", name, *both) for name, both in table.items()]
    made += [ratio("sex", name, *both, table["male"]) for name, both in table.items() if name != "male"]
    card, _ = page_of(made, tmp_path)
    groups = {g.name: g for a in card.fairness if a.name == "sex" for g in a.groups}
    assert {name: g.rate.hidden for name, g in groups.items()} == {"male": False, "female": True, "x": True}
    assert groups["female"].ratio.hidden and not any(g.hidden for g in groups.values())


def test_the_share_of_rows_without_a_group_does_not_tell_the_size_of_a_withheld_one(tmp_path) -> None:
    made = [rate("sex", name, n // 2, n) for name, n in {"male": 338, "female": 155, "(missing)": 7}.items()]
    made.append(Measurement("fairness.uncovered_share", {"attribute": "sex"}, 7 / 500, 0.007, 0.03, 0.95, n=500))
    _, said = page_of(made, tmp_path)
    assert "1.4 %" not in said and "0.014" not in said


def test_a_combination_does_not_come_back_out_of_the_size_of_either_group(tmp_path) -> None:
    cells = {("young", "male"): 60, ("young", "female"): 40, ("old", "male"): 300, ("old", "female"): 4, ("old", "x"): 50,
             ("young", "x"): 46}
    made = []
    for (age, sex), n in cells.items():
        over = {"group": {"age": age, "sex": sex}}
        made.append(Measurement(PAIR, over, 0.5, n=n, stats={"positives": n // 2, "negatives": n - n // 2}))
    source = Source(bundle_of(tmp_path, made))
    gone = {cell for cell in cells if source.hides(PAIR, {"group": dict(zip(("age", "sex"), cell, strict=True))}, cells[cell])}
    assert ("old", "female") in gone and gone != set(cells)
    for place, value in itertools.chain(((0, v) for v in ("young", "old")), ((1, v) for v in ("male", "female", "x"))):
        line = {cell for cell in cells if cell[place] == value} & gone
        assert len(line) != 1


def test_a_segment_by_a_protected_column_does_not_tell_what_the_groups_do_not(tmp_path) -> None:
    made = [rate("sex", name, n // 2, n) for name, n in {"male": 338, "female": 155, "x": 7}.items()]
    over = {"segment": {"sex": "female"}}
    made.append(Measurement("performance.error_rate", over, 0.2345, 0.1, 0.3, 0.95, n=155))
    source = Source(bundle_of(tmp_path, made))
    assert source.hides("performance.error_rate", over, 155)
    assert not source.hides("performance.error_rate", {"segment": {"purpose": "car"}}, 155)
