"""Marks stand where the numbers are: order is kept, nothing leaves the cell, every limit is at one place."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from reports.charts import LIMIT_AT, domain_of, headroom, marks, place, spark

finite = st.floats(-1e6, 1e6, allow_nan=False, allow_infinity=False)


@given(finite, finite, finite, finite)
def test_marks_keep_the_order_of_the_numbers_and_stay_inside(a, b, c, limit):
    low, value, high = sorted((a, b, c))
    found = marks(value, low, high, [limit])
    assert 0 < found.low <= found.value <= found.high < 100
    assert all(0 < x < 100 for x in found.limits)


def test_marks_share_a_scale_when_they_are_given_one():
    domain = domain_of([0.5, 1.0])
    assert marks(0.6, None, None, domain=domain).value < marks(0.9, None, None, domain=domain).value
    assert place(0.75, domain) == 50.0


def test_no_value_no_marks():
    assert marks(None, None, None) is None and headroom(None, None, None, 0.8, None) is None and spark([]) is None


@given(st.floats(0, 1), st.floats(0.01, 0.99))
def test_a_good_value_is_right_of_the_limit_and_a_bad_one_left(value, limit):
    bar = headroom(value, None, None, limit, None, (0.0, 1.0))
    assert bar.passes == (value >= limit)
    assert bar.start + bar.width >= LIMIT_AT >= bar.start
    below = headroom(value, None, None, None, limit, (0.0, 1.0))
    assert below.passes == (value <= limit)


@given(finite, finite, finite, finite, finite)
def test_a_bar_never_leaves_the_cell(value, a, b, c, d):
    (low, high), (least, most) = sorted((a, b)), sorted((c, d))
    for ends in ((least, None), (None, most), (least, most)):
        bar = headroom(value, low, high, *ends)
        assert 0 <= bar.start <= bar.start + bar.width <= 100.01 and 0 <= bar.low <= bar.high <= 100


def test_the_best_possible_value_fills_the_bar():
    assert headroom(1.0, None, None, 0.8, None, (0.0, 1.0)).width == 100 - LIMIT_AT
    assert headroom(0.0, None, None, None, 0.1, (0.0, None)).width == 100 - LIMIT_AT
    assert headroom(0.0, None, None, None, 0.0, (0.0, None)).width == 100 - LIMIT_AT, "the limit is the best value itself"
    assert headroom(0.0, None, None, -0.1, 0.1).width == 100 - LIMIT_AT, "the middle of a range"


def test_a_range_is_left_on_either_side():
    left, right = (headroom(v, None, None, -0.1, 0.1) for v in (-0.15, 0.15))
    assert not left.passes and not right.passes and left == right


@given(st.lists(st.tuples(st.integers(0, 400), st.floats(0, 10)), min_size=1, max_size=400, unique_by=lambda p: p[0]))
def test_a_line_goes_from_left_to_right_and_higher_is_up(points):
    days = [(date(2026, 1, 1) + timedelta(days=d), v) for d, v in sorted(points)]
    found = spark(days, limit=5.0)
    xs = [x for x, _ in found.dots]
    assert xs == sorted(xs) and all(0 <= x <= 100 and 0 <= y <= 100 for x, y in found.dots)
    for (_, v), (_, y) in zip(days, found.dots, strict=True):
        assert (y < found.limit + 0.01) if v > 5.0 else (y > found.limit - 0.01)


def test_a_missing_night_leaves_its_place_empty():
    found = spark([(date(2026, 4, 1), 1.0), (date(2026, 4, 2), 1.0), (date(2026, 4, 5), 1.0)])
    assert [x for x, _ in found.dots] == [0.0, 25.0, 100.0]
