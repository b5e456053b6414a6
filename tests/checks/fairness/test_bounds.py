"""Bounds where some rows do not tell their group: as wide as the worst allocation and no wider."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.fairness.bounds import BOUNDED, METRICS, measure_bounds
from checks.fairness.tally import SELECTED
from tests.checks.fairness.support import measured, passport_of, pick, tally_of

CELL = st.integers(0, 4)


def every_allocation(known, selected, refused, groups):
    """Yield the counts of every way to give each row without the attribute to one of the groups."""
    for split in itertools.product(*[_splits(selected, len(groups)), _splits(refused, len(groups))]):
        yield {g: (known[g][0] + s, known[g][1] + s + r) for g, s, r in zip(groups, *split, strict=True)}


def _splits(total, parts):
    return [c for c in itertools.product(range(total + 1), repeat=parts) if sum(c) == total]


@settings(max_examples=60, deadline=None)
@given(st.lists(CELL, min_size=6, max_size=6), st.integers(0, 3), st.integers(0, 3), st.booleans())
def test_no_allocation_lies_outside_and_one_lies_on_each_bound(cells, selected, refused, by_label):
    groups = ["a", "b", "c"]
    label = 1 if by_label else None
    counts = {g: {(label, 1): cells[2 * i], (label, 0): cells[2 * i + 1]} for i, g in enumerate(groups)}
    counts["(missing)"] = {(label, 1): selected, (label, 0): refused}
    found = list(measure_bounds(tally_of(counts, by_label=by_label)))
    assert bool(found) == (selected + refused > 0)
    known = {g: (cells[2 * i], cells[2 * i] + cells[2 * i + 1]) for i, g in enumerate(groups)}
    for short, share, ratio in BOUNDED:
        if (share is SELECTED) == by_label:
            continue
        for group in ("b", "c"):
            bound = {m.metric[-4:].strip("_"): m for m in found if m.metric.startswith(f"fairness.{short}_bound")
                     and m.over == {"group": {"g": group}}}
            if not found or not known["a"][1] or not known[group][1]:
                assert all(m.status == "insufficient" for m in bound.values())
                continue
            possible = [made for made in every_allocation(known, selected, refused, groups)]
            values = []
            for made in possible:
                (x, n), (y, m) = made[group], made["a"]
                if not ratio:
                    values.append(x / n - y / m)
                elif y:
                    values.append((x / n) / (y / m))
            unbounded = ratio and any(made["a"][0] == 0 for made in possible)
            if bound["low"].value is not None:
                assert bound["low"].value == pytest.approx(min(values), abs=1e-12)
            else:
                assert ratio and not values
            if bound["high"].value is not None:
                assert bound["high"].value == pytest.approx(max(values), abs=1e-12)
            else:
                assert unbounded
            for m in bound.values():
                assert m.low is None or m.low <= m.value <= m.high


def test_the_bounds_lie_around_what_the_known_rows_say(tmp_path):
    rows = {
        "sex": ["male"] * 40 + ["female"] * 40 + [None] * 10, "label": [1, 0] * 45,
        "prediction": [1] * 25 + [0] * 15 + [1] * 15 + [0] * 25 + [1, 1, 0, 0, 1, 0, 1, 0, 0, 1],
    }
    found = measured(tmp_path, passport_of(), rows)
    for short in ("selection_rate_ratio", "selection_rate_difference", "true_positive_rate_difference"):
        low, high = (pick(found, f"{short}_bound_{end}", sex="female") for end in ("low", "high"))
        assert low.value < pick(found, short, sex="female").value < high.value
        assert low.low < low.value < low.high and "bound" in low.method and low.stats["cases_missing"] in (5, 10)
    assert pick(found, "selection_rate_difference_bound_low", sex="female").value == pytest.approx(15 / 45 - 30 / 45)


def test_where_every_row_tells_its_group_there_is_nothing_to_bound(tmp_path):
    rows = {"sex": ["male", "female"] * 10, "label": [1, 1, 0, 0] * 5, "prediction": [1, 0] * 10}
    found = [m for m in measured(tmp_path, passport_of(), rows) if m.metric in METRICS]
    assert len(found) == len(METRICS) and {m.status for m in found} == {"not_applicable"}
