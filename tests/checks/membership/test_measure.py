"""What is measured of a model that learned its rows by heart, of one that did not, and where nothing can be told."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import skops.io
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from checks import membership
from checks.isolation import Answer
from checks.membership.asking import strata_of
from checks.membership.measure import AUC, LOSS, NAMED, RATIO
from tests.checks.membership.worlds import FEATURES, here, never, of_one_class, world
from tests.support import write_parquet

OUT, IN = {"reference": {"seen": "out_of_fold"}}, {"reference": {"seen": "in_sample"}}


def forest():
    return RandomForestClassifier(10, bootstrap=False, max_features=1, random_state=0)


def steady():
    return LogisticRegression(C=1e-3)


def by(found):
    return {m.metric: m for m in found}


class Kept:
    def __init__(self):
        self.things = {}

    def get(self, kind, key):
        return self.things.get((kind, repr(sorted(key.items()))))

    def put(self, kind, key, content):
        self.things[kind, repr(sorted(key.items()))] = content


def test_a_forest_grown_to_the_end_is_found_out_by_both_attacks(tmp_path):
    with world(tmp_path, forest(), 400, 400, **IN) as subject:
        loss, ratio = by(membership.measure(subject, never)), by(membership.attack(subject, here))
    assert loss[AUC].low > 0.7 and dict(loss[AUC].over) == {"attack": LOSS}
    assert ratio[AUC].low > 0.7 and ratio[AUC].details["by_loss_on_the_same_halves"] < ratio[AUC].value
    assert ratio[AUC].details["shadows"] == 16 and ratio[AUC].n == 800
    assert ratio[NAMED].status == "insufficient" and "to tell 1 % false positives takes 1,000" in ratio[NAMED].reason


def test_a_model_that_hardly_learns_is_cleared_by_both(tmp_path):
    with world(tmp_path, steady(), 400, 400, **IN) as subject:
        for found in (membership.measure(subject, never), membership.attack(subject, here)):
            assert found[0].low <= 0.5 <= found[0].high and found[0].high < 0.6


def test_the_cheap_attack_is_fooled_by_another_season_and_says_so_where_it_can(tmp_path):
    with world(tmp_path, steady(), 400, 400, shift=1.0, **IN) as subject:
        fooled = by(membership.measure(subject, never))[AUC]
        assert fooled.low > 0.6, "nothing leaks; the window is only harder"
        assert by(membership.attack(subject, here))[AUC].value < 0.56
    with world(tmp_path, steady(), 400, 400, shift=1.0, **OUT) as subject:
        right = by(membership.measure(subject, here))[AUC]
    assert right.low <= 0.5 <= right.high
    assert right.details["against_the_window"] == pytest.approx(fooled.value, abs=0.01)
    assert right.details["of_which_no_leak"] > 0.6


def test_scores_out_of_fold_are_not_taken_for_the_answers_of_the_artifact(tmp_path):
    kept = Kept()
    with world(tmp_path, forest(), recorded="constant", **OUT) as subject:
        object.__setattr__(subject, "kept", kept)
        first = by(membership.measure(subject, here))[AUC]
        again = by(membership.measure(subject, never))[AUC]
    assert first.details["answers"] == "asked of the artifact" and first.value > 0.9
    assert again.value == first.value and again.details["answers"].startswith("kept")
    [content] = kept.things.values()
    assert sum(n for _, n in content["counts"]) == 300 and set(content) == {"counts", "effect"}


def test_answers_given_for_explanations_are_not_asked_for_again(tmp_path):
    with world(tmp_path, forest(), recorded="constant", **OUT) as subject:
        asked = by(membership.measure(subject, here))[AUC]
        rows = pd.read_parquet(subject.reference.files[0])[FEATURES]
        fitted = skops.io.load(tmp_path / "model.skops", trusted=["sklearn.tree._tree.Tree"])
        subject.once[f"answered {subject.reference.digest}"] = fitted.predict_proba(rows)[:, 1][None, :]
        found = by(membership.measure(subject, never))[AUC]
    assert (found.value, found.details["answers"]) == (asked.value, "given for tonight's explanations")


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ({}, "does not say which rows"), ({"reference": {"seen": "held_out"}}, "was held out"),
        (OUT | {"artifact": None, "no_artifact_because": "A vendor's."}, "no artifact (A vendor's.)"),
    ],
)
def test_what_nobody_declared_is_not_applicable_and_never_a_pass(tmp_path, over, said):
    with world(tmp_path, steady(), **over) as subject:
        found = membership.measure(subject, never)
    assert {m.status for m in found} == {"not_applicable"} and {m.metric for m in found} == {AUC, NAMED}
    assert all(said in m.reason for m in found)


def test_without_a_recipe_there_are_no_shadows_and_held_out_rows_will_do_for_them(tmp_path):
    with world(tmp_path, steady(), recipe=False, **OUT) as subject:
        found = membership.attack(subject, never)
    assert {m.status for m in found} == {"not_applicable"} and "no recipe" in found[0].reason
    with world(tmp_path, steady(), reference={"seen": "held_out"}) as subject:
        assert by(membership.attack(subject, here))[AUC].details["rows"] == 600


def test_rows_that_stand_on_both_sides_are_refused(tmp_path):
    with world(tmp_path, steady()) as subject:
        write_parquet(pd.read_parquet(subject.labelled.files[0]), tmp_path / "training.parquet")
    recipe = {"command": ["python"], "seed": 1, "training": "training.parquet"}
    with world(tmp_path, steady(), recipe=recipe) as subject:
        [m, _] = membership.measure(subject, here)
    assert m.status == "error" and "300 of the 300 held-out rows stand in the training too" in m.reason


@pytest.mark.parametrize("spoilt", ["absent", "short", "text", "nan"])
def test_an_answer_that_is_none_is_not_believed(tmp_path, spoilt):
    def lies(job, order, tables, files, limits):
        values, made = here(job, order, tables, files, limits).values, {}
        n = tables["features"].num_rows
        column = {"short": [0.1] * (n - 1), "text": ["x"] * n, "nan": [float("nan")] * n}.get(spoilt)
        if column is not None:
            made["confidence"] = pa.table({"own": column} | {f"s{k}": column for k in range(16)})
        return Answer(values, made)

    with world(tmp_path, steady(), recorded="constant", **OUT) as subject:
        found = [*membership.measure(subject, lies), *membership.attack(subject, lies)]
    assert {m.status for m in found} == {"error"} and len(found) == 4


def test_too_little_time_or_too_few_rows_is_insufficient(tmp_path):
    with world(tmp_path, forest(), **OUT) as subject:
        late = membership.attack(subject, here, seconds=0.0)
    assert {m.status for m in late} == {"insufficient"} and "shadows could be trained" in late[0].reason
    with world(tmp_path, steady(), 30, 30, **IN) as subject:
        few = [*membership.measure(subject, never), *membership.attack(subject, never)]
    assert {m.status for m in few} == {"insufficient"}


def test_it_is_measured_alike_each_time_and_over_both_attacks(tmp_path):
    with world(tmp_path, steady(), **OUT) as subject:
        one, other = membership.attack(subject, here), membership.attack(subject, here)
    assert one == other and [m.over["attack"] for m in one] == [RATIO, RATIO]


def test_a_class_too_rare_to_be_halved_is_insufficient_and_nothing_is_trained(tmp_path):
    with world(tmp_path, steady(), positive=4, **OUT) as subject:
        found = membership.attack(subject, never)
    assert {m.status for m in found} == {"insufficient"}
    assert "Of 600 rows with a label 8 independent ones are of the positive value; 10 are needed" in found[0].reason


def test_a_clone_that_misses_a_class_is_told_and_ends_nothing(tmp_path):
    with world(tmp_path, forest(), **OUT) as subject:
        found = membership.attack(subject, of_one_class)
    assert {(m.status, m.reason) for m in found} == {("error", "Training again failed (DataError).")}


def test_a_unit_is_split_by_the_rarest_class_that_it_holds():
    truth, unit = np.array([0.0, 1, 0, 0, 2, 1, 0]), np.array([0, 0, 1, 2, 2, 2, 1])
    assert strata_of(truth, "multiclass", unit).tolist() == [1, 1, 0, 2, 2, 2, 0]
    assert strata_of(np.arange(20.0), "regression", np.arange(20)).tolist() == np.repeat(np.arange(10), 2).tolist()
