"""A comparison of groups says who, how much, against whom, by which definition and of how many."""

from __future__ import annotations

import pytest

from roadworthy.catalogue import catalogue
from roadworthy.measurement import Measurement
from roadworthy.sentences import describe

COUNTS = {"selected_group": 48, "cases_group": 80, "selected_reference": 225, "cases_reference": 300}


def said(short: str, value: float, over: dict[str, object], **more: object) -> str:
    m = Measurement(f"fairness.{short}", over, value, value - 0.1, value + 0.1, 0.95, n=80, **more)
    return describe(m, catalogue()[m.metric], str)


WHO = {"group": {"age": "under 26"}}
NAMED = {"reference_group": "26 and over"}


@pytest.mark.parametrize(("short", "value", "wanted"), [
    ("selection_rate_ratio", 0.8,
     "age: under 26 got the favourable decision 0.80 times as often as 26 and over: 60.0 % of 80 against 75.0 % of 300 "
     "(selection rate ratio; 95 % interval 0.70 to 0.90; n = 80)"),
    ("selection_rate_difference", -0.15,
     "age: under 26 got the favourable decision 15.0 points less often than 26 and over: 60.0 % of 80 against 75.0 % of 300 "
     "(selection rate difference; 95 % interval -25.0 points to -5.0 points; n = 80)"),
    ("true_positive_rate_difference", -0.15,
     "age: under 26 who deserve the favourable decision got it 15.0 points less often than 26 and over: 60.0 % of 80 against "
     "75.0 % of 300 (true positive rate difference, equal opportunity; 95 % interval -25.0 points to -5.0 points; n = 80)"),
    ("false_positive_rate_difference", 0.15,
     "age: under 26 who do not deserve the favourable decision got it 15.0 points more often than 26 and over: 60.0 % of 80 "
     "against 75.0 % of 300 (false positive rate difference; 95 % interval 5.0 points to 25.0 points; n = 80)"),
])
def test_a_gap_names_both_groups_their_shares_the_definition_and_n(short, value, wanted):
    assert said(short, value, WHO, stats=COUNTS, details=NAMED) == wanted


def test_a_widest_gap_names_the_two_groups_between_which_it_lies():
    told = said("equalized_odds_difference", 0.2, {"attribute": "age"}, details={"lowest": "young", "highest": "old"})
    assert "between young and old (equalised odds difference;" in told and "20.0 points apart" in told


def test_a_gap_of_errors_and_one_of_calibration_say_in_which_direction():
    errors = said("mean_error_difference", -3.0, WHO, details={"reference_group": "old"})
    assert "predictions err upward by 3 less than for old" in errors
    assert "the score stands 4.0 points above the share that it foretells" in said("calibration_gap", 0.04, WHO)


def test_a_combination_and_a_class_are_told_apart():
    both = {"group": {"age": "young", "sex": "women"}}
    pair = said("intersection_selection_rate_ratio", 0.8, both, details={"reference_group": "old, men"})
    assert pair.startswith("age: young, sex: women got the favourable decision 0.80 times as often as old, men")
    of_class = said("class_selection_rate_ratio", 0.8, {"class": "loan", "group": {"age": "young"}})
    assert of_class.startswith("class: loan, age: young were sorted into it") and "of the class" in of_class


def test_every_comparison_of_the_catalogue_names_its_definition():
    for metric in catalogue().values():
        ends = metric.id.endswith(("_ratio", "_difference", "_gap"))
        if metric.family == "fairness" and ends:
            over = {key: {"age": "x"} if key == "group" else "x" for key in metric.over}
            told = describe(Measurement(metric.id, over, 0.5, 0.4, 0.6, 0.95, n=3), metric, str)
            assert any(word in told for word in ("ratio", "difference", "gap")) and "n = 3" in told and "95 %" in told, told
