"""Groups, metrics and nights together: what the score test says, and how often anything fails by chance."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from checks.intervals import newcombe, ratio
from roadworthy.comparisons import NIGHTS, Comparisons, Shares, holm, p_value
from roadworthy.measurement import Measurement
from roadworthy.policy import Limit
from tests.roadworthy.judging import DAY, RATIO, judged, rule, value

GAP = "fairness.selection_rate_difference"


def gap(x: int, n: int, y: int, m: int, group: str = "a", metric: str = GAP) -> Measurement:
    """Return the difference or ratio of two shares as the check measures it."""
    made = newcombe(x, n, y, m) if metric == GAP else ratio(x, n, y, m)
    stats = {
        "selected_group": x, "cases_group": n, "selected_reference": y, "cases_reference": m, "scale": made.scale, "se": made.se,
        "positives": min(x, y), "negatives": min(n - x, m - y),
    }
    number = x / n - y / m if metric == GAP else (x / n) / (y / m)
    return Measurement(metric, {"group": {"sex": group}}, number, made.low, made.high, 0.95, n=min(n, m), stats=stats)


def of_gaps(limit: str = "between -0.1 and 0.1", **says) -> dict:
    return {**rule(RATIO), "id": "gap", "metric": GAP, "limit": limit, **says}


# --------------------------------------------------------------------------------------------- answers that no one here wrote


@pytest.mark.parametrize(("counts", "low", "high"), [
    ((56, 70, 48, 80), 0.0533, 0.3377), ((9, 10, 3, 10), 0.1821, 0.8370),
])
def test_the_score_statistic_gives_mees_intervals_of_newcombes_table(counts, low, high):
    shares = Shares(*counts)
    assert shares.difference(low) == pytest.approx(1.96, abs=2e-3) and shares.difference(high) == pytest.approx(-1.96, abs=2e-3)


@pytest.mark.parametrize("counts", [(56, 70, 48, 80), (3, 40, 90, 400), (120, 500, 480, 1000), (1, 30, 20, 45)])
@pytest.mark.parametrize("at", [0.5, 0.8, 1.0, 1.25])
def test_the_score_statistic_of_a_ratio_is_that_of_statsmodels(counts, at):
    from statsmodels.stats.proportion import test_proportions_2indep

    x, n, y, m = counts
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = test_proportions_2indep(x, n, y, m, value=at, method="score", compare="ratio", correction=False)
    assert Shares(*counts).ratio(at) == pytest.approx(theirs.statistic, abs=1e-9)


@given(st.integers(1, 60), st.integers(1, 60), st.data(), st.floats(-0.6, 0.6))
def test_the_shares_under_the_hypothesis_are_the_likeliest_that_differ_so(n, m, data, at):
    x, y = data.draw(st.integers(0, n)), data.draw(st.integers(0, m))

    def unlikely(q: float) -> float:
        terms = [(x, q + at), (n - x, 1 - q - at), (y, q), (m - y, 1 - q)]
        return sum(-count * math.log(max(share, 1e-300)) for count, share in terms if count)

    ends = max(0.0, -at), min(1.0, 1 - at)
    best = minimize_scalar(unlikely, bounds=ends, method="bounded", options={"xatol": 1e-10})
    p, q = Shares(x, n, y, m)._at_difference(at)
    assert p == pytest.approx(q + at, abs=1e-9)
    assert unlikely(q) <= best.fun + 1e-6


def test_holm_is_that_of_statsmodels():
    from statsmodels.stats.multitest import multipletests

    found = [0.01, 0.04, 0.03, 0.005, 0.5, 0.04]
    assert holm(found) == pytest.approx(multipletests(found, method="holm")[1])


# --------------------------------------------------------------------------------------------- properties


@given(st.integers(1, 200), st.integers(1, 200), st.data(), st.floats(0.01, 0.5))
def test_a_p_value_is_a_share_and_1_within_the_limit(n, m, data, end):
    x, y = data.draw(st.integers(0, n)), data.draw(st.integers(0, m))
    limit = Limit.parse(f"between {-end} and {end}")
    p = p_value(gap(x, n, y, m), limit)
    assert 0 < p <= 1 and (p == 1) == limit.holds(x / n - y / m)


def test_counts_that_do_not_give_the_number_are_not_tested_as_if_they_did():
    """A bound for rows that tell no group has the counts of those that do."""
    m = gap(20, 100, 500, 1000)
    other = Measurement(m.metric, m.over, -0.5, -0.6, -0.4, 0.95, n=100, stats=m.stats)
    assert Shares.of(m) is not None and Shares.of(other) is None
    assert 0 < p_value(other, Limit.parse("between -0.1 and 0.1")) < 1e-6


def test_rows_that_hang_together_weigh_as_much_as_they_are_worth():
    m = gap(20, 100, 500, 1000)
    worth = Measurement(m.metric, m.over, m.value, m.low, m.high, 0.95, n=100, stats={**m.stats, "effective_n_group": 25.0})
    limit = Limit.parse("between -0.2 and 0.2")
    assert p_value(worth, limit) > 2 * p_value(m, limit)


# --------------------------------------------------------------------------------------------- what the judge makes of it


def test_one_group_surely_beyond_fails_alone_and_only_warns_among_many():
    alone = gap(23, 100, 500, 1000)  # 27 points, and the interval ends 1.8 points beyond the limit of 17
    r = of_gaps("between -0.17 and 0.17")
    assert [f.status for f in judged([alone], r, when="gate").findings] == ["fail"]
    many = [alone, *(gap(50, 100, 500, 1000, group=f"g{i}") for i in range(20))]
    (found,) = [f for f in judged(many, r, when="gate").findings if f.over == alone.over]
    assert found.status == "warn" and found.details["alone"] == "fail" and found.details["comparisons"] == 21
    assert "as one of 21 comparisons it may be chance" in found.note
    assert f"About {found.details['rows_that_would_decide']:,} rows" in found.note


def test_the_rows_that_are_said_to_decide_do_decide():
    r, others = of_gaps("between -0.17 and 0.17"), [gap(500, 1000, 500, 1000, group=f"g{i}") for i in range(20)]
    (found,) = [f for f in judged([gap(23, 100, 500, 1000), *others], r, when="gate").findings if f.over["group"]["sex"] == "a"]
    n = found.details["rows_that_would_decide"]
    more = gap(math.floor(0.23 * n * 1.05), math.ceil(n * 1.05), 5000, 10000)
    assert [f.status for f in judged([more, *others], r, when="gate").findings if f.over == more.over] == ["fail"]


def test_a_group_far_beyond_fails_whatever_stands_beside_it():
    many = [gap(100, 1000, 500, 1000), *(gap(50, 100, 500, 1000, group=f"g{i}") for i in range(190))]
    assert "fail" in {f.status for f in judged(many, of_gaps()).findings if f.over["group"]["sex"] == "a"}


def test_a_pass_is_not_made_easier_or_harder_by_what_stands_beside_it():
    good = gap(490, 1000, 500, 1000)
    for many in ([good], [good, *(gap(0, 100, 500, 1000, group=f"g{i}") for i in range(30))]):
        assert [f.status for f in judged(many, of_gaps()).findings if f.over == good.over] == ["pass"]


def test_too_small_groups_and_rules_that_only_warn_are_no_comparisons():
    m = gap(20, 100, 500, 1000)
    few, least = gap(1, 5, 500, 1000, group="few"), of_gaps("between -0.05 and 0.05", min={"n": 30})
    counted = judged([m, few], least, when="gate").findings
    assert {f.details.get("comparisons") for f in counted if f.over == m.over} == {1}
    warned = judged([m], of_gaps(breach="warn"), when="gate").findings
    assert [f.status for f in warned] == ["warn"] and "comparisons" not in warned[0].details


def test_a_group_that_is_too_small_says_how_many_rows_would_decide():
    (found,) = judged([gap(5, 12, 500, 1000)], of_gaps("between -0.2 and 0.2", min={"n": 30})).findings
    n = found.details["rows_that_would_decide"]
    assert found.status == "insufficient" and n > 30
    few = "Too few rows to decide: 12 of 30 needed."
    assert found.note == f"{few} If it stays as it is, about {n:,} rows of this kind would decide."
    (found,) = judged([gap(0, 12, 500, 1000)], of_gaps("between -0.2 and 0.2", min={"n": 30})).findings
    assert found.note == few  # by the interval alone these would decide already


def test_the_first_night_spends_half_and_a_later_one_its_part_of_a_year():
    m = gap(23, 100, 500, 1000)
    first = judged([m], of_gaps("between -0.15 and 0.15"))
    assert first.findings[0].details["level"] == 0.025 and first.state["comparisons"]["first"] == DAY.isoformat()
    later = judged([m], of_gaps("between -0.15 and 0.15"), day=DAY.replace(day=20), history=first.state)
    assert later.findings[0].details["level"] == 0.025 / NIGHTS and later.findings[0].status == "warn"
    assert "of a night in a year of nights" in later.findings[0].note
    assert later.state["comparisons"] == first.state["comparisons"]


def test_another_limit_begins_anew_and_the_same_night_again_stays_the_first():
    m = gap(23, 100, 500, 1000)
    first = judged([m], of_gaps("between -0.15 and 0.15"))
    again = judged([m], of_gaps("between -0.15 and 0.15"), history=first.state)
    assert again.findings[0].details["level"] == 0.025
    other = judged([m], of_gaps("between -0.14 and 0.14"), day=DAY.replace(day=20), history=first.state)
    assert other.findings[0].details["level"] == 0.025


def test_a_night_without_groups_spends_nothing():
    assert judged([value(RATIO, 0.5)], of_gaps()).state["comparisons"] == {}


# --------------------------------------------------------------------------------------------- error rates, small


@pytest.mark.parametrize("size", [30, 100, 500])
def test_with_every_gap_at_its_limit_anything_fails_in_at_most_5_of_100_draws(size):
    random, groups, times, failed = np.random.default_rng([20261128, size]), 6, 400, 0
    ours = [of_gaps("between -0.2 and 0.2"), {**rule(RATIO), "id": "ratio", "limit": ">= 0.6666666"}]
    from tests.roadworthy.judging import policy

    rules = policy(*ours).rules
    for _ in range(times):
        y = int(random.binomial(2000, 0.6))
        drawn = [(int(random.binomial(size, 0.4)), f"g{i}") for i in range(groups)]
        measured = [gap(x, size, y, 2000, name, metric) for x, name in drawn for metric in (GAP, RATIO)]
        made = Comparisons(rules, measured, 0.05, "gate", DAY.isoformat(), {}, {})
        failed += any(p <= made.level for p in made._adjusted.values())
    assert failed <= 0.05 * times + 2.33 * math.sqrt(0.05 * 0.95 * times)
