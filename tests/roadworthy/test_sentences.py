"""Findings in words: a reader sees who, how much, and on which side of the limit."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.catalogue import catalogue
from roadworthy.measurement import Measurement
from roadworthy.policy import Limit
from roadworthy.sentences import describe, limit_words, number, part, rows_that_would_decide
from tests.roadworthy.judging import ACCURACY, BLANKS, PSI, RATIO, ROWS, judged, only, rule, value

UNITS = ("share", "ratio", "difference", "count", "seconds", "own")


def read(text, unit):
    """Read a number back as a person would."""
    return float(text.split(" ")[0].replace(",", "")) / (100 if unit in ("share", "difference") else 1)


@pytest.mark.parametrize(("given_", "unit", "said"), [
    (0.5, "share", "50.0 %"), (1.0, "share", "100.0 %"), (-0.0004, "share", "0.0 %"), (-1e-9, "difference", "0.0 points"),
    (0.125, "difference", "12.5 points"), (-0.0, "ratio", "0.00"), (1.5, "ratio", "1.50"), (-0.2, "count", "0"),
    (1e6, "count", "1,000,000"), (1234.5678, "own", "1,235"), (12.345, "own", "12.3"), (-0.0, "own", "0"),
    (0.25, "seconds", "0.25 s"), (1234.5, "seconds", "1,234 s"),
])
def test_numbers_read_as_their_unit_does_and_nothing_is_minus_zero(given_, unit, said):
    assert number(given_, unit) == said


@pytest.mark.parametrize(("limit", "unit", "said"), [
    (">= 0.8", "ratio", "at least 0.80"), (">= 0.805", "ratio", "at least 0.805"), ("> 0.8", "ratio", "more than 0.80"),
    ("<= 0.0001", "share", "at most 0.01 %"), ("< 0.12345", "own", "less than 0.12345"), ("<= 0", "count", "at most 0"),
    ("<= 0.5", "count", "at most 0.5"), (">= 1234.5", "own", "at least 1,234.5"),
    ("between 0.5 and 2", "ratio", "between 0.50 and 2.00"),
    ("between -0.005 and 0.0125", "difference", "between -0.50 points and 1.25 points"),
])
def test_a_limit_is_written_with_all_its_digits(limit, unit, said):
    assert limit_words(Limit.parse(limit), unit) == said


@given(st.decimals(-1000, 1000, places=5), st.sampled_from(UNITS))
def test_a_limit_reads_back_as_itself(limit, unit):
    words = limit_words(Limit.parse(f">= {limit}"), unit)
    assert math.isclose(read(words.removeprefix("at least "), unit), float(limit), rel_tol=1e-9, abs_tol=1e-12)


@given(st.decimals(0, 1, places=6), st.decimals(0, 1, places=6), st.sampled_from([ACCURACY, RATIO, BLANKS, PSI]))
def test_a_value_is_never_shown_on_the_other_side_of_its_limit(number_, limit, metric):
    shown = describe(Measurement(metric, value=float(number_)), catalogue()[metric], str, Limit.parse(f">= {limit}"))
    got, unit = shown.partition(": ")[2], catalogue()[metric].unit
    assert (read(got, unit) >= float(limit) - 1e-12) == (number_ >= limit)


def test_a_finding_says_who_how_much_by_what_and_on_how_many():
    m = value(RATIO, 0.7594, 0.6276, 0.9189, group="under 25", n=190)
    said = only(m, rule(RATIO), glossary={"sex": "Age"}).sentence
    assert said == (
        "Age: under 25 got the favourable decision 0.76 times as often as the reference group (selection rate ratio; "
        "95 % interval 0.63 to 0.92; n = 190); the limit is at least 0.80. "
        "The interval crosses the limit; about 2,933 rows of this kind would decide."
    )


def test_a_comparison_says_with_what():
    base = {"reference": [value(ACCURACY, 0.9, 0.9, 0.9)]}
    said = only(value(ACCURACY, 0.8, 0.78, 0.82), rule(ACCURACY, against="reference", limit=">= -0.05"), baselines=base).sentence
    assert "the limit against the reference is at least -5.0 %" in said


@pytest.mark.parametrize("name", ["<b>", "{{ 7 * 7 }}", "a'b\"c", "日本", "a|b", "%s", "{x}", "new\nline"])
def test_a_hostile_name_stays_itself_and_is_never_evaluated(name):
    assert name in only(value(PSI, 0.5, column=name, p_value=0.0), rule(PSI)).sentence
    assert name in only(value(RATIO, 0.5, 0.4, 0.6, group=name), rule(RATIO)).sentence
    assert "Word for it" in only(value(PSI, 0.5, column=name, p_value=0.0), rule(PSI), glossary={name: "Word for it"}).sentence


@pytest.mark.parametrize(("over", "said"), [
    ({}, ""), ({"column": "a"}, "A"), ({"group": {"a": "x", "b": "y"}}, "A: x, b: y"), ({"attribute": "a"}, "attribute: a"),
    ({"expectation": "not null", "severity": "critical"}, "not null"), ({"group": "odd"}, "group: odd"),
])
def test_every_part_has_words(over, said):
    assert part(over, lambda column: {"a": "A"}.get(column, column)) == said


def test_every_metric_of_the_catalogue_can_be_said():
    for metric in catalogue().values():
        low, _high = metric.range
        over = {key: {"sex": "female"} if key == "group" else "x" for key in metric.over}
        number_ = 0.5 if low is None or low < 0.5 else low
        said = describe(Measurement(metric.id, over, number_, number_, number_, 0.95, n=3), metric, str)
        compared = metric.family in ("fairness", "mitigation") and metric.title not in said
        definition = re.search(r"\((?!9)[a-z ,]+(?:difference|ratio|gap|opportunity)[a-z ,]*; ", said)
        assert (definition if compared else metric.title in said) and "n = 3" in said and re.search(r"\d", said)


@pytest.mark.parametrize(("held", "said"), [
    (1.0, "The data expectation 'age is there' holds on 1,000 rows."),
    (0.99, "The data expectation 'age is there' does not hold on 1,000 rows. Blank ages were refused."),
])
def test_an_expectation_says_whether_it_holds_and_why_it_is_there(held, said):
    over = {"expectation": "age is there", "severity": "critical"}
    m = Measurement("data_quality.expectation", over, held, n=1000, details={"because": "Blank ages were refused."})
    r = {
        "id": "data", "metric": "data_quality.expectation", "over": {"expectation": "any", "severity": "critical"},
        "limit": ">= 1", "test": "exact", "breach": "fail", "because": "A test needs it.",
    }
    assert judged([m], r).findings[0].sentence == said


# ------------------------------------------------------------------------------------------------ the rows that would decide


def needed(number_, low, high, n, limit, log_scale=False):
    m = Measurement(ROWS if number_ > 1 else ACCURACY, value=number_, low=low, high=high, confidence=0.95, n=n)
    return rows_that_would_decide(m, Limit.parse(limit), log_scale)


def decides(number_, half_low, half_high, limit):
    limit = Limit.parse(limit)
    low, high = number_ - half_low, number_ + half_high
    return (limit.holds(low) and limit.holds(high)) or limit.excludes(low, high)


@given(
    st.floats(0.05, 0.95), st.floats(0.01, 0.5), st.floats(0.01, 0.5), st.integers(10, 5000),
    st.sampled_from([">= 0.5", "<= 0.5", "> 0.5", "< 0.5", "between 0.3 and 0.7", "between 0.45 and 0.9"]),
)
def test_the_rows_said_are_the_fewest_that_decide(number_, below, above, n, limit):
    """By brute force: both half-widths shrink with the square root of n, whatever their sizes were."""
    got = needed(number_, number_ - below, number_ + above, n, limit)
    if decides(number_, below, above, limit):
        return  # decided already: nobody asks
    if got is None:
        ends = [end for end in (Limit.parse(limit).at_least, Limit.parse(limit).at_most) if end is not None]
        # 5,000 rows and a half-width of 0.5 become 10^12 rows where the limit is 3.6e-5 away
        assert min(abs(number_ - end) for end in ends) < 4e-5
        return

    def at(rows):
        shrunk = math.sqrt(n / rows)
        return decides(number_, below * shrunk, above * shrunk, limit)

    assert got >= n
    assert at(got * 1.0001 + 1)
    assert not at(got * 0.999 - 1) or got <= 2


def wilson(p, n):
    z = 1.959963984540054
    middle, half = p + z * z / 2 / n, z * math.sqrt(p * (1 - p) / n + z * z / 4 / n / n)
    return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


@pytest.mark.parametrize(("p", "n"), [(0.7, 40), (0.75, 40), (0.75, 160), (0.83, 40), (0.83, 160), (0.85, 80), (0.9, 40)])
def test_the_rows_said_are_about_right_for_a_wilson_interval(p, n):
    """Wilson's interval is not symmetric, so the rule of the square root is about right and not exact."""
    low, high = wilson(p, n)
    assert low < 0.8 <= high
    fewest = next(k for k in range(n, 100_000) if wilson(p, k)[0] >= 0.8 or wilson(p, k)[1] < 0.8)
    assert fewest / 1.6 <= needed(p, low, high, n, ">= 0.80") <= fewest * 1.6


def test_on_a_log_scale_the_rows_are_counted_there():
    got = needed(0.5, 0.25, 1.0, 100, ">= 0.8", log_scale=True)
    assert got == math.ceil(100 * (math.log(2) / math.log(0.8 / 0.5)) ** 2)


@pytest.mark.parametrize(("number_", "low", "high", "n", "limit", "log_scale"), [
    (0.8, 0.7, 0.9, 100, ">= 0.8", False), (0.8, 0.7, 0.9, 0, ">= 0.9", False), (0.8, 0.7, 0.9, None, ">= 0.9", False),
    (0.8, None, None, 10, ">= 0.9", False), (0.5, 0.0, 0.9, 10, ">= 0.8", True), (0.5, 0.2, 0.9, 10, ">= 0", True),
])
def test_where_no_number_of_rows_can_be_said_none_is(number_, low, high, n, limit, log_scale):
    assert needed(number_, low, high, n, limit, log_scale) is None


def test_a_part_is_written_alike_in_whatever_order_its_attributes_were_given():
    given = [{"sex": "women", "age": "young"}, {"age": "young", "sex": "women"}]
    assert {part({"group": one}, str) for one in given} == {"age: young, sex: women"}
    assert part({"option": "reweighing", "group": {"sex": "women"}}, str) == "option: reweighing, sex: women"
