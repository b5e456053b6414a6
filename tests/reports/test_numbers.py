"""Numbers on pages: honest digits, no float's own text, no number rounded onto the limit that it misses."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.numbers import MINUS, NBSP, figure, interval, limit_text, plural, tidy
from roadworthy.catalogue import catalogue

UNITS = sorted({metric.unit for metric in catalogue().values()} | {"seconds"})
finite = st.floats(min_value=-1e9, max_value=1e9, allow_nan=False, allow_infinity=False)


def back(text: str) -> float:
    """Read a written number again, as the unit's own scale."""
    return float(re.sub(r"[^\d.\-]", "", text.replace(MINUS, "-")))


@pytest.mark.parametrize(
    ("value", "unit", "low", "high", "shown"),
    [
        (0.1 + 0.2, "ratio", None, None, "0.30"),
        (0.8712, "share", 0.863, 0.879, "87.1_%"),
        (0.871, "share", 0.7, 0.95, "87_%"),
        (0.76, "ratio", 0.63, 0.92, "0.76"),
        (-0.0748013090229, "difference", -0.13, -0.02, "−7_points"),
        (0.0, "own", None, None, "0.000"),
        (0.0002, "own", None, None, "<0.001"),
        (-0.0001, "share", None, None, "0.0_%"),
        (29200.0, "count", None, None, "29,200"),
        (-81.27, "own", -95.1, -68.2, "−81"),
        (None, "share", None, None, "–"),
    ],
)
def test_digits_follow_the_interval(value, unit, low, high, shown):
    assert figure(value, unit, low, high).replace(NBSP, "_") == shown


@given(finite, st.sampled_from(UNITS), finite, finite)
def test_a_number_is_never_a_float_s_own_text_and_reads_back(value, unit, one, other):
    text = figure(value, unit, min(one, other), max(one, other))
    assert len(re.sub(r"\D", "", text.partition(".")[2])) <= 4 and "e" not in text.replace("seconds", "") and " " not in text
    if not text.startswith(("<", ">")):
        scale = 100 if unit in ("share", "difference") else 1
        step = 10.0 ** -len(re.sub(r"\D", "", text.partition(".")[2]))
        assert abs(back(text) - scale * value) <= 0.51 * step + 1e-9 * abs(scale * value)


@given(st.floats(0.001, 1), st.floats(0.001, 1), st.sampled_from(["share", "ratio", "own", "difference"]))
def test_a_number_is_not_rounded_onto_the_limit_it_misses(value, limit, unit):
    if abs(value - limit) > 2e-6:
        assert figure(value, unit, near=[limit]) != figure(limit, unit, near=[value])
        assert figure(value, unit, near=[limit]) != figure(limit, unit)


def test_no_number_is_minus_zero():
    assert figure(-1e-12, "difference").replace(NBSP, " ") == "0.0 points"


def test_an_interval_names_its_unit_once_and_takes_no_dash_for_minus():
    assert interval(-0.22, 0.04, "difference").replace(NBSP, " ") == "−22 to 4 points"


@pytest.mark.parametrize(
    ("limit", "unit", "words"),
    [
        (">= 0.80", "ratio", "at least 0.80"),
        (">= 0.80", "share", "at least 80 %"),
        (">= 0.9995", "share", "at least 99.95 %"),
        ("< 3", "count", "less than 3"),
        ("> 0.5", "own", "more than 0.5"),
        ("between -0.10 and 0.10", "difference", "between −10 and 10 points"),
    ],
)
def test_a_limit_keeps_the_digits_of_the_policy(limit, unit, words):
    assert limit_text(limit, unit).replace(NBSP, " ") == words


def test_dates_and_names_are_left_alone_when_a_sentence_is_set():
    said = "model-a fell to -2.5 % on 2026-04-09 (n = 76)."
    assert tidy(said) == f"model-a fell to {MINUS}2.5{NBSP}% on 2026-04-09 (n{NBSP}={NBSP}76)."


def test_one_is_singular():
    assert [plural(n, "night") for n in (0, 1, 2)] == ["0 nights", "1 night", "2 nights"]
