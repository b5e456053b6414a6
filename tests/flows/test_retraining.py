"""Training again at the gate: when it is done, and that nothing of it can stop a gate."""

from __future__ import annotations

import pytest

from checks import membership, minimisation
from flows.measuring import FAMILIES, measure_all
from flows.retraining import FAMILY, learned_from, retrain
from tests.support import make_subject, passport_of, write_parquet


def never(*_args):
    raise AssertionError("it was measured")


@pytest.fixture
def subject(tmp_path):
    with make_subject(tmp_path, passport_of(), {"label": [1, 0]}) as opened:
        yield opened


def test_nothing_is_trained_at_night_or_where_the_family_is_not_asked_for(subject):
    assert retrain(subject, "nightly", FAMILIES, never, never) == ([], {})
    assert retrain(subject, "gate", [one for one in FAMILIES if one[0] != FAMILY], never, never) == ([], {})


def test_a_crash_is_an_error_of_each_metric_and_of_no_other(subject):
    def crashes(_subject):
        raise OSError("disk full")

    made, seconds = retrain(subject, "gate", FAMILIES, crashes, crashes)
    assert [m.metric for m in made] == [*membership.METRICS, *minimisation.METRICS] and {m.status for m in made} == {"error"}
    assert set(seconds) == {"shadows", "minimisation"}
    [*found], _ = measure_all(subject, ((FAMILY, crashes),))
    assert [m.metric for m in found] == list(membership.METRICS)
    [*found], _ = measure_all(subject, (("privacy", crashes),))
    assert not {m.metric for m in found} & {*membership.METRICS, *minimisation.METRICS}


def test_other_rows_that_were_learned_from_make_another_run(tmp_path):
    with make_subject(tmp_path, passport_of(), {"label": [1]}) as opened:
        assert learned_from(opened) is None
    recipe = {"command": ["python"], "seed": 1, "training": "training.parquet"}
    with make_subject(tmp_path, passport_of(recipe=recipe), {"label": [1]}) as opened:
        assert learned_from(opened) == "The training data 'training.parquet' do not exist."
        write_parquet({"label": [1, 0]}, tmp_path / "training.parquet")
        first = learned_from(opened)
        write_parquet({"label": [1, 1]}, tmp_path / "training.parquet")
        assert first is not None and first != learned_from(opened) and len(first) == 64
