"""What the model could do without: known answers, what is told when time runs out, and answers that are not believed."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss
from sklearn.tree import DecisionTreeClassifier

from checks import minimisation
from checks.isolation import Answer
from checks.minimisation.inside import CONFIRM, losses
from checks.minimisation.measure import UNNEEDED, WITHOUT, folds
from tests.checks.membership.worlds import here, never, of_one_class, world


def measured(tmp_path, asked=here, **over):
    with world(tmp_path, LogisticRegression(), 300, 300, reference={"seen": "out_of_fold"}, **over) as subject:
        return minimisation.measure(subject, asked)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return measured(tmp_path_factory.mktemp("needed"))


def test_noise_and_one_of_two_copies_are_not_needed_and_what_speaks_of_a_person_is_named_first(found):
    m = found[0]
    assert (m.metric, m.value) == (UNNEEDED, 2.0)
    assert m.details["columns"][0] == "c" == m.details["personal"][0], "a quasi-identifier"
    assert set(m.details["columns"]) in ({"c", "a"}, {"c", "b"}), "of two copies one must stay"
    assert m.details["at_most"] <= m.details["margin"] and m.n == 200
    assert m.details["says"].startswith("The model does as well without: c, ")


def test_a_column_alone_is_worth_nothing_where_its_copy_is_there(found):
    lost = {m.over["column"]: m for m in found if m.metric == WITHOUT}
    assert set(lost) == {"a", "b", "c"}
    assert all(abs(m.value) < 0.01 and m.low <= m.value <= m.high and m.n == 400 for m in lost.values())


def test_the_only_column_that_tells_is_needed(tmp_path):
    found = measured(tmp_path, features=["a", "c"])
    lost = {m.over["column"]: m for m in found if m.metric == WITHOUT}
    assert found[0].details["columns"] == ["c"] and lost["a"].low > 0.03


def test_losses_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    truth, chance = rng.integers(0, 2, 50), rng.random(50)
    two = np.stack([1 - chance, chance])
    one = losses(truth.astype(float), chance[None, :], "binary")
    assert one.mean() == pytest.approx(brier_score_loss(truth, chance), abs=1e-12)
    assert losses(truth.astype(float), two, "multiclass") == pytest.approx(one)


def test_a_third_of_the_units_confirms_and_no_unit_is_torn():
    unit = np.repeat(np.arange(99), 3)
    made = folds(unit, np.zeros(297, dtype=int), 1)
    assert (made == CONFIRM).mean() == pytest.approx(1 / 3) and set(made) == {CONFIRM, 0, 1}
    assert all(len(set(made[unit == k])) == 1 for k in range(99))


def test_each_fold_holds_a_third_of_a_rare_class():
    rare = (np.arange(3000) % 500 == 0).astype(int)
    made = folds(np.arange(3000), rare, 1)
    assert np.unique(made[rare == 1], return_counts=True)[1].tolist() == [2, 2, 2]
    assert np.unique(made, return_counts=True)[1].tolist() == [1000, 1000, 1000]


def test_a_rare_class_is_looked_for_among_more_rows_and_then_it_is_insufficient(tmp_path):
    with world(tmp_path, LogisticRegression(), 3000, 3000, positive=12, reference={"seen": "out_of_fold"}) as subject:
        [m, *_] = minimisation.measure(subject, here)
    assert m.status == "measured" and m.details["rows"] == 6000
    with world(tmp_path, LogisticRegression(), positive=7, reference={"seen": "out_of_fold"}) as subject:
        [m] = minimisation.measure(subject, never)
    assert m.status == "insufficient" and "14 independent ones are of the positive value; 15 are needed" in m.reason


def test_a_clone_that_misses_a_class_is_told_and_ends_nothing(tmp_path):
    with world(tmp_path, DecisionTreeClassifier(max_depth=2), reference={"seen": "out_of_fold"}) as subject:
        [m, *_] = minimisation.measure(subject, of_one_class)
    assert (m.status, m.reason) == ("error", "Training again failed (DataError).")


def test_out_of_time_is_insufficient_and_no_column_is_called_unneeded(tmp_path):
    with world(tmp_path, LogisticRegression(), reference={"seen": "out_of_fold"}) as subject:
        found = minimisation.measure(subject, here, seconds=0.0)
    assert {m.status for m in found} == {"insufficient"} and len(found) == 4
    assert all("Out of time" in m.reason for m in found)


@pytest.mark.parametrize("told", [{"late": True}, {"late": 0}, {}])
@pytest.mark.parametrize("confirmed", [0, 1])
def test_a_search_that_was_cut_short_is_no_proof_that_every_column_is_needed(tmp_path, told, confirmed):
    def cut(job, order, tables, files, limits):
        fold = np.asarray(tables["control"].column("fold"))
        chose, there = int((fold != CONFIRM).sum()), int((fold == CONFIRM).sum())
        same = {name: np.linspace(0.1, 0.3, chose) for name in ("full", "w0", "w1", "w2")}
        then = {name: np.linspace(0.1, 0.3, there) for name in ("full", "s1")}
        made = {"choosing": pa.table(same), "confirming": pa.table(then)}
        return Answer({"tried": [0, 1, 2], "path": [2][:confirmed], **told}, made)

    [m, *_] = measured(tmp_path, cut)
    assert (m.metric, m.status, m.value) == (UNNEEDED, "insufficient", None)
    assert m.details["at_least"] == confirmed
    assert "Out of time" in m.reason and ("without: c" in m.reason, "may be more" in m.reason) == (confirmed > 0, confirmed > 0)


def test_without_a_recipe_or_enough_rows_nothing_is_trained(tmp_path):
    assert [m.status for m in measured(tmp_path, never, recipe=False)] == ["not_applicable"]
    with world(tmp_path, LogisticRegression(), 40, 40, reference={"seen": "out_of_fold"}) as subject:
        [m] = minimisation.measure(subject, never)
    assert m.status == "insufficient" and "80 independent rows" in m.reason


@pytest.mark.parametrize("said", [{"tried": [0, 1, 9], "path": []}, {"tried": [0, 1, 2], "path": ["a"]}, {"tried": 3}, {}])
def test_a_list_that_is_none_or_columns_without_losses_are_not_believed(tmp_path, said):
    [m, *_] = measured(tmp_path, lambda *_args, **_rest: Answer(said, {}))
    assert m.status == "error"
