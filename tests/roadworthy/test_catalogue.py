"""The catalogue: every metric once, and nothing in it that cannot be."""

from __future__ import annotations

import re
from collections import Counter
from importlib import resources

import pytest
import yaml

from roadworthy.catalogue import Metric, catalogue
from roadworthy.measurement import Measurement

METRICS = list(catalogue().values())
NAMES = [m.id for m in METRICS]
PARTS = {"column", "group", "attribute", "expectation", "severity", "segment", "metric", "class", "option", "pair", "with"}
PARTS |= {"scanner", "action"}  # artifacts
PARTS |= {"attack", "at"}  # membership
PARTS |= {"source", "own_timing", "currency", "certificate", "document"}  # cost and vendors
FAMILIES = {
    "data_quality", "drift", "performance", "estimate", "fairness", "mitigation", "explainability", "privacy", "cost", "artifact",
    "reproducibility", "vendor", "endpoint", "access", "operations",
}


def written():
    text = resources.files("roadworthy").joinpath("catalogue.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)["metrics"]


def test_every_metric_stands_once():
    assert [name for name, times in Counter(m["id"] for m in written()).items() if times > 1] == []
    assert len(written()) == len(METRICS)


def test_no_two_metrics_have_one_title():
    assert [title for title, times in Counter(m.title for m in METRICS).items() if times > 1] == []


@pytest.mark.parametrize("metric", METRICS, ids=NAMES)
def test_a_metric_is_named_after_its_family_and_says_how_it_is_made(metric: Metric):
    assert re.fullmatch(r"[a-z_]+\.[a-z0-9_]+", metric.id) and metric.family in FAMILIES
    assert metric.title[0].isupper() and not metric.title.endswith(".") and metric.estimator


@pytest.mark.parametrize("metric", METRICS, ids=NAMES)
def test_a_range_can_hold_something_and_suits_its_unit(metric: Metric):
    low, high = metric.range
    assert low is None or high is None or low < high
    if metric.unit == "share":
        assert (low, high) == (0, 1)
    if metric.unit == "difference":
        assert low in (-1, 0) and high == 1
    if metric.unit in ("count", "ratio", "seconds"):
        assert low == 0


@pytest.mark.parametrize("metric", METRICS, ids=NAMES)
def test_a_metric_is_over_parts_that_pages_can_name_and_has_at_least_one_good_way(metric: Metric):
    assert set(metric.over) <= PARTS and len(set(metric.over)) == len(metric.over)
    assert set(metric.by) <= PARTS and (not metric.by or not metric.over), "parts are of the whole"
    if metric.direction == "target":
        assert metric.unit in ("difference", "ratio", "own"), "a target lies inside the range"


def test_the_catalogue_is_read_once_and_measurements_know_its_ids():
    assert catalogue() is catalogue()
    assert Measurement("performance.accuracy", value=0.5).metric in catalogue()
