"""The job that fits and decides."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from checks.mitigation import inside
from checks.mitigation.inside import Timed, reweighing
from tests.checks.mitigation.worlds import FEATURES, decided, model_of, rows_of, written


def test_reweighing_makes_group_and_label_independent_and_keeps_both_shares():
    random = np.random.default_rng(1)
    group, label = random.integers(0, 3, 500), random.integers(0, 2, 500)
    label[group == 2] |= random.integers(0, 2, int((group == 2).sum()))
    weight = reweighing(group, label)
    assert weight.sum() == pytest.approx(500) and weight.min() > 0
    for g in range(3):
        of_group = np.average(label[group == g], weights=weight[group == g])
        assert of_group == pytest.approx(label.mean()), "the weighted share of the good label is that of the whole"
        assert weight[group == g].sum() == pytest.approx((group == g).sum())


def job(tmp_path, options, model=None, seconds=60.0, **order):
    train = decided(model_of(rows_of(300, 1)), rows_of(300, 1))
    held = decided(model_of(train), rows_of(200, 2, first=1000))
    artifact = written(tmp_path, model if model is not None else model_of(train))
    control = {
        name: pa.table({
            "group": (rows["sex"] == "female").astype("int32").to_numpy(), "label": rows["label"].to_numpy(),
            "decision": rows["prediction"].to_numpy(), "score": rows["score"].to_numpy(),
        })
        for name, rows in (("train", train), ("held_out", held))
    }
    features = {f"{n}_features": pa.Table.from_pandas(r[FEATURES], preserve_index=False) for n, r in
                (("train", train), ("held_out", held))}
    told: dict = {
        "options": options, "seed": 7, "seconds": seconds, "constraint": "demographic_parity", "cut": 0.5,
        "favourable_is_positive": True, "threads": 1, "artifact": {**artifact, "trusted": order.pop("trusted", [])}, **order,
    }
    values, tables = inside.main(told, control | features, {"artifact": tmp_path / "model.skops"})
    return held, values, tables.get("decisions")


def test_what_is_trained_again_unchanged_decides_as_the_model_does(tmp_path):
    held, values, decisions = job(tmp_path, ["retrained"])
    assert decisions.column("retrained").to_pylist() == held["prediction"].tolist()
    assert values["retrained"]["seed_changes"] == 0.0


def test_thresholds_bring_the_shares_together_and_who_has_no_score_is_decided_as_before(tmp_path):
    held, values, decisions = job(tmp_path, ["threshold_demographic_parity"])
    made = np.array(decisions.column(0).to_pylist())
    women = (held["sex"] == "female").to_numpy()
    before = held["prediction"].to_numpy()
    gap = [abs(d[women].mean() - d[~women].mean()) for d in (before, made)]
    assert gap[1] < gap[0] / 2
    assert 0 <= values["threshold_demographic_parity"]["seed_changes"] < 0.2
    again = job(tmp_path, ["threshold_demographic_parity"])[2]
    assert again.equals(decisions), "the seed is recorded, so it can be done again"


def test_options_that_find_no_time_say_so_and_the_cheap_ones_are_kept(tmp_path):
    class Slow(LogisticRegression):
        def fit(self, X, y, sample_weight=None):
            time.sleep(0.3)
            return super().fit(X, y, sample_weight)

    timed = Timed(Slow(), "sample_weight", time.monotonic() + 0.2)
    timed.fit(pd.DataFrame({"x": [0.0, 1.0]}), [0, 1])
    with pytest.raises(inside.NotRunError, match="out of time"):
        timed.fit(pd.DataFrame({"x": [0.0, 1.0]}), [0, 1])
    _, values, decisions = job(tmp_path, ["retrained", "reweighing"], seconds=-1.0)
    assert decisions is None and {v["why_not"] for v in values.values()} == {"It was out of time."}


@pytest.mark.parametrize(("model", "options", "said"), [
    (KNeighborsClassifier(), ["reweighing", "exponentiated_gradient"], "cannot be trained on weighted rows"),
    (42, ["retrained"], "no estimator of scikit-learn"),
])
def test_what_cannot_be_trained_so_is_named(tmp_path, model, options, said):
    fitted = model_of(rows_of(300, 1), model) if model != 42 else model
    _, values, _ = job(tmp_path, options, fitted, trusted=["sklearn.metrics._dist_metrics.EuclideanDistance64",
                                                           "sklearn.neighbors._kd_tree.KDTree"])
    assert all(said in values[name]["why_not"] for name in options), values


def test_a_model_that_is_not_the_declared_one_is_not_loaded_and_takes_no_other_option_with_it(tmp_path):
    other = {"artifact": {"format": "skops", "sha256": "0" * 64, "trusted": []}}
    _, values, decisions = job(tmp_path, ["threshold_demographic_parity", "retrained"], **other)
    assert decisions.column_names == ["threshold_demographic_parity"]
    assert values["retrained"]["failed"] and "not the model that was accepted" in values["retrained"]["why_not"]


def test_an_error_is_told_without_a_value_of_a_row(tmp_path):
    train = rows_of(300, 1)
    model = model_of(train)
    table = pa.table({"group": [0, 1], "label": [0, 1], "decision": [0, 1], "score": [0.2, 0.7]})
    features = pa.table({"helps": ["Anna Secret", "1"], "group_code": [0.0, 1.0]})
    order = {"options": ["retrained"], "seed": 7, "seconds": 60, "constraint": "demographic_parity", "cut": 0.5,
             "favourable_is_positive": True, "threads": 1, "artifact": {**written(tmp_path, model), "trusted": []}}
    tables = {"train": table, "held_out": table, "train_features": features, "held_out_features": features}
    values, made = inside.main(order, tables, {"artifact": tmp_path / "model.skops"})
    assert made == {} and values["retrained"]["why_not"] == "It failed (ValueError)."
