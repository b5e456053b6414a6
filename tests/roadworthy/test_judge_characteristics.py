"""A small version of benchmarks/operating_characteristics.py: the promises of docs/error-rates.md on every change."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import operating_characteristics as oc
from checks.drift.shift import shift


@pytest.fixture(scope="module")
def here() -> oc.World:
    return oc.world(np.random.default_rng([oc.SEED, 9]))


@pytest.mark.parametrize("rows", [25, 200, 1_000])
def test_many_days_at_once_have_the_p_values_of_one_day_after_another(here: oc.World, rows: int) -> None:
    drawn = oc.Days(np.random.default_rng(rows), here, rows, 6)
    for column in oc.COLUMNS:
        reference, batch, ordered = here.reference[column.name], drawn.counts[column.name], here.plans[column.name].ordered
        one_by_one = [shift(reference, day, ordered=ordered).p_value for day in batch]
        assert oc.p_values(reference, batch, ordered) == pytest.approx(one_by_one, rel=1e-9, abs=1e-13)


def test_a_day_that_is_left_out_would_have_raised_no_alarm(here: oc.World) -> None:
    policy, drawn = oc.policy_of(), oc.Days(np.random.default_rng(3), here, 200, 40)
    calm = np.flatnonzero(~drawn.may_alarm(policy))
    assert len(calm) and not any(oc.judged(policy, drawn.measured(int(day))).breaches for day in calm[:10])


@pytest.mark.parametrize("rows", [200, pytest.param(1_000, marks=pytest.mark.long)])
def test_clean_days_do_not_alarm(here: oc.World, rows: int) -> None:
    """Thirty columns of mixed kinds, the score and the outcome, by the rules of the tier high as they stand."""
    policy, drawn = oc.policy_of(), oc.Days(np.random.default_rng(rows), here, rows, 300)
    alarms = sum(
        bool(oc.judged(policy, drawn.measured(int(day))).breaches) for day in np.flatnonzero(drawn.may_alarm(policy))
    )
    assert alarms <= 7, "one day of a hundred would be three; eight of 300 are rarer than one in a hundred runs of that"


def test_half_a_standard_deviation_in_one_of_thirty_columns_is_found_the_same_day(here: oc.World) -> None:
    policy, drawn = oc.policy_of(), oc.Days(np.random.default_rng(1), here, 1_000, 20, {"n0": 0.5})
    found = [("drift-inputs", "n0") in oc.judged(policy, drawn.measured(day)).breaches for day in range(20)]
    assert np.mean(found) >= 0.9
