"""What is asked of every estimate: a status with a reason for whatever data come, groups, units, and the same numbers again."""

from __future__ import annotations

import json
import math
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checks import estimate
from checks.estimate import binary
from checks.estimate.sheet import ASSUMES, FAMILY
from checks.subject import on_reference
from tests.support import DAY, make_subject, passport_of, write_parquet

NUMBER = {"kind": "regression", "label": "label", "prediction": "prediction"}
CLASSES = {
    "kind": "multiclass", "label": "label", "prediction": "prediction", "classes": ["a", "b", "c"],
    "class_scores": ["pa", "pb", "pc"],
}
NONE = {"protected": []}


def decided(n, seed=0, **more):
    """Rows of a model whose scores are true probabilities."""
    random = np.random.default_rng(seed)
    s = random.random(n)
    rows = {
        "score": s, "prediction": (s >= 0.5).astype(int), "label": (random.random(n) < s).astype(int),
        "sex": np.where(random.random(n) < 0.5, "male", "female"), "age": random.integers(20, 70, n), "income": random.random(n),
    }
    return {**rows, **more}


def numbers(n, seed=0, **more):
    random = np.random.default_rng(seed)
    x = random.random(n)
    rows = {"age": x, "income": random.choice(["low", "high"], n), "prediction": 10 * x, "sex": ["male", "female"] * (n // 2)}
    return {**rows, "label": 10 * x + random.normal(0, 1 + 2 * x), **more}


def classed(n, seed=0, **more):
    random = np.random.default_rng(seed)
    p = random.dirichlet(np.ones(3), n)
    y = (random.random(n)[:, None] > p.cumsum(axis=1)).sum(axis=1)
    names = np.array(["a", "b", "c"])
    rows = {"pa": p[:, 0], "pb": p[:, 1], "pc": p[:, 2], "prediction": names[p.argmax(axis=1)], "label": names[y]}
    return {**rows, "sex": ["male", "female"] * (n // 2), **more}


KINDS = {"binary": (decided, {}), "multiclass": (classed, {"task": CLASSES}), "regression": (numbers, {"task": NUMBER})}


def measured(root, passport, reference, batch, **rest):
    with make_subject(root, passport, reference, {DAY: batch} if batch is not None else {}, **rest) as subject:
        return checked(estimate.measure(subject))


def checked(found):
    """Every metric is there, in order; every number has an interval and says what it is, every gap a reason."""
    assert [m for m in dict.fromkeys(m.metric for m in found)] == list(FAMILY)
    for m in found:
        assert m.details["estimate"] is True and m.details["assumes"] == ASSUMES
        assert (m.value is None) == (m.status != "measured") and (m.value is not None or m.reason.endswith("."))
        if m.value is not None:
            assert m.low <= m.value <= m.high and m.n > 0 and m.method.endswith("interval"), m
    keys = [(m.metric, json.dumps(dict(m.over), sort_keys=True)) for m in found]
    assert len(set(keys)) == len(keys)
    return found


def whole(found):
    return {m.metric.partition(".")[2]: m for m in found if not m.over}


def statuses(found, *metrics):
    return {whole(found)[name].status for name in metrics}


@pytest.mark.parametrize("kind", KINDS)
def test_groups_are_estimated_each_on_its_own_reference_rows(tmp_path, kind):
    make, over = KINDS[kind]
    reference, batch = make(2000, 1), make(1000, 2)
    batch["sex"] = np.where(np.arange(1000) < 995, batch["sex"], "other")
    found = measured(tmp_path, passport_of(**over), reference, batch)
    groups = {m.over["group"]["sex"]: m for m in found if "group" in m.over and m.metric in ("estimate.accuracy", "estimate.mae")}
    assert set(groups) == {"male", "female", "other"}
    assert groups["other"].status == "insufficient" and groups["other"].n == 5
    sizes = [groups[name].n for name in ("male", "female")]
    assert sum(sizes) == 995 and all(groups[name].value is not None for name in ("male", "female"))
    if kind == "binary":  # the curve of each group is its own
        assert [groups[name].details["calibration"]["rows"] for name in ("male", "female")] == [
            int((reference["sex"] == name).sum()) for name in ("male", "female")]


def test_a_group_whose_scores_mean_something_else_is_seen(tmp_path):
    rows = decided(8000, 3)
    other = rows["sex"] == "female"
    rows["label"] = np.where(other, np.random.default_rng(1).integers(0, 2, 8000), rows["label"])
    found = measured(tmp_path, passport_of(), rows, {k: v[:4000] for k, v in rows.items()})
    accuracy = {m.over["group"]["sex"]: m for m in found if m.metric == "estimate.accuracy" and m.over}
    assert accuracy["female"].low < 0.5 < accuracy["female"].high and accuracy["male"].low > 0.7


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_rows_in_another_order_on_one_thread_give_the_same_numbers(tmp_path, kind):
    make, over = KINDS[kind]
    reference, batch = make(600, 1), make(400, 2)
    mixed = np.random.default_rng(0).permutation(600)
    shuffled = {k: np.asarray(v)[mixed] for k, v in reference.items()}
    one = measured(tmp_path / "a", passport_of(**over), reference, batch)
    two = measured(tmp_path / "b", passport_of(**over), shuffled, batch, threads=1)
    assert [(m.metric, m.over, m.value, m.low, m.high, m.reason) for m in one] == [
        (m.metric, m.over, m.value, m.low, m.high, m.reason) for m in two]


def test_more_rows_than_a_sample_holds_are_sampled_and_counted(tmp_path, monkeypatch):
    from checks.estimate import classes

    monkeypatch.setattr(classes, "SAMPLE", 500)
    found = whole(measured(tmp_path, passport_of(task=CLASSES, **NONE), classed(600, 1), classed(4000, 2)))
    assert found["accuracy"].n == 500 and found["accuracy"].details["of"] == 4000
    few = found["accuracy"].high - found["accuracy"].low
    monkeypatch.setattr(classes, "SAMPLE", 5000)
    found = whole(measured(tmp_path / "all", passport_of(task=CLASSES, **NONE), classed(600, 1), classed(4000, 2)))
    assert found["accuracy"].n == 4000 and few > found["accuracy"].high - found["accuracy"].low


def test_rows_that_err_together_widen_the_interval(tmp_path):
    random = np.random.default_rng(4)
    rows = decided(4000, 5, day=np.repeat(np.arange(40), 100))
    lucky = np.repeat(random.random(40) < 0.5, 100)  # on a lucky day every decision is right
    rows["label"] = np.where(lucky, rows["prediction"], rows["label"])
    batch = {k: v[:400] for k, v in rows.items()}
    by_row = whole(measured(tmp_path / "row", passport_of(**NONE), rows, batch))
    by_day = whole(measured(tmp_path / "day", passport_of(independence={"unit": "block", "column": "day"}, **NONE), rows, batch))
    for name in ("accuracy", "precision", "roc_auc"):
        assert by_day[name].value == by_row[name].value
        assert by_day[name].high - by_day[name].low > 2 * (by_row[name].high - by_row[name].low), name


class Shelf:
    """A kept store in memory, which holds JSON only."""

    def __init__(self):
        self.held = {}

    def get(self, kind, key):
        found = self.held.get((kind, json.dumps(key, sort_keys=True)))
        return None if found is None else json.loads(found)

    def put(self, kind, key, content):
        self.held[kind, json.dumps(key, sort_keys=True)] = json.dumps(content, allow_nan=False)


@pytest.mark.parametrize("unit", [{"unit": "row"}, {"unit": "block", "column": "age"}])
def test_what_the_reference_taught_is_kept_and_read_again(tmp_path, unit, monkeypatch):
    shelf, passport = Shelf(), passport_of(independence=unit)
    first = measured(tmp_path, passport, decided(900, 1), decided(300, 2), kept=shelf)
    assert len(shelf.held) == 1
    monkeypatch.setattr(binary, "_learnt", lambda *_: pytest.fail("the reference was read again"))
    again = measured(tmp_path, passport, None, None, kept=shelf)
    assert [m.as_dict() for m in again] == [m.as_dict() for m in first]


def test_another_reference_or_passport_is_not_answered_from_what_was_kept(tmp_path):
    shelf = Shelf()
    for k, (passport, seed) in enumerate([(passport_of(), 1), (passport_of(), 2), (passport_of(**NONE), 2)], start=1):
        measured(tmp_path, passport, decided(900, seed), decided(300, 2), kept=shelf)
        assert len(shelf.held) == k


# What may come instead of data.


def test_without_a_score_nothing_is_estimated(tmp_path):
    found = measured(tmp_path, passport_of(task={"score": None}), decided(300), decided(300))
    assert {m.status for m in found} == {"not_applicable"}
    assert sum(m.metric == "estimate.miss" for m in found) == 6


def test_without_class_scores_nothing_is_estimated(tmp_path):
    found = measured(tmp_path, passport_of(task={**CLASSES, "class_scores": []}), classed(300), classed(300))
    assert {m.status for m in found} == {"not_applicable"} and {m.metric for m in found} == set(FAMILY)


@pytest.mark.parametrize("kind", KINDS)
def test_missing_files_and_columns_have_a_reason(tmp_path, kind):
    make, over = KINDS[kind]
    main = "mae" if kind == "regression" else "accuracy"
    good = make(400)
    for k, (column, reference, batch, status) in enumerate([
        (None, None, good, "error"), (None, good, None, "insufficient"), ("label", "without", good, "error"),
        ("prediction", good, "without", "error"), ("label", good, "without", "measured"),
    ]):
        without = {name: values for name, values in good.items() if name != column}
        tables = [without if isinstance(one, str) else one for one in (reference, batch)]
        found = measured(tmp_path / str(k), passport_of(**over), *tables)
        assert whole(found)[main].status == status, (k, whole(found)[main].reason)
        # The order of scores needs no decision.
        missed = {m.status for m in found if m.metric == "estimate.miss" and m.over["metric"] != "roc_auc"}
        assert missed == {"insufficient" if batch is None else "error"}, k


def test_labels_that_have_not_come_are_waited_for(tmp_path):
    passport = passport_of(batches={"path": "batches/{date}.parquet", "labels": "labels/{date}.parquet", "key": "id"})
    found = measured(tmp_path, passport, decided(400), decided(200, 1, id=np.arange(200)))
    assert whole(found)["accuracy"].value is not None
    assert {(m.status, m.reason) for m in found if m.metric == "estimate.miss"} == {("insufficient", "No labels have come yet.")}
    write_parquet({"id": np.arange(200), "label": decided(200, 1)["label"]}, tmp_path / f"labels/{DAY}.parquet")
    found = measured(tmp_path, passport, None, None)
    assert {m.status for m in found if m.metric == "estimate.miss"} == {"measured"}


def test_estimates_are_of_the_newest_days_and_misses_of_the_mature_ones(tmp_path):
    passport = passport_of(task={"maturity_days": 1}, **NONE)
    old, new = decided(300, 1), decided(200, 2)
    with make_subject(tmp_path, passport, decided(900), {DAY - timedelta(days=1): old, DAY: {**new, "label": [None] * 200}}) as s:
        found = checked(estimate.measure(s))
    assert whole(found)["accuracy"].n == 200
    assert {m.n for m in found if m.over == {"metric": "accuracy"}} == {300}
    assert whole(found)["accuracy"].inputs.keys() == {"reference", "batch"}


def test_hostile_scores_are_left_out_and_counted(tmp_path):
    rows = decided(600, 1)
    bad = [math.nan, math.inf, -math.inf, -0.1, 1.1, None]
    score = [bad[k % 6] if k < 60 else x for k, x in enumerate(rows["score"].tolist())]
    found = whole(measured(tmp_path, passport_of(**NONE), rows, {**rows, "score": score}))
    assert found["accuracy"].details["excluded"] == {"without_score": 60, "without_decision": 0} and found["accuracy"].n == 540
    found = whole(measured(tmp_path / "all", passport_of(**NONE), rows, {**rows, "score": [2.0] * 600}))
    assert found["accuracy"].status == "insufficient" and "0 rows" in found["accuracy"].reason
    text = whole(measured(tmp_path / "text", passport_of(**NONE), rows, {**rows, "score": [str(x) for x in rows["score"]]}))
    plain = whole(measured(tmp_path / "as", passport_of(**NONE), rows, rows))
    assert text["accuracy"].value == pytest.approx(plain["accuracy"].value)


def test_one_score_for_all_puts_nothing_in_order(tmp_path):
    rows = {**decided(400), "score": [0.7] * 400, "prediction": [1] * 400}
    found = whole(measured(tmp_path, passport_of(**NONE), rows, rows))
    assert found["roc_auc"].status == "insufficient" and "no order" in found["roc_auc"].reason
    assert found["accuracy"].value == pytest.approx(rows["label"].mean())
    assert found["accuracy"].low < found["accuracy"].value < found["accuracy"].high


@pytest.mark.parametrize("kind", KINDS)
def test_days_and_references_too_small_are_insufficient(tmp_path, kind):
    make, over = KINDS[kind]
    metrics = ("mae", "rmse") if kind == "regression" else ("accuracy", "precision", "recall", "f1")
    one_row = {k: v[:1] for k, v in make(400).items()}
    assert statuses(measured(tmp_path / "day", passport_of(**over), make(400), one_row), *metrics) == {"insufficient"}
    assert statuses(measured(tmp_path / "reference", passport_of(**over), one_row, make(400)), *metrics) == {"insufficient"}
    unlabelled = {**make(400), "label": [None] * 400}
    assert statuses(measured(tmp_path / "labels", passport_of(**over), unlabelled, make(400)), *metrics) == {"insufficient"}


def test_one_kind_of_label_cannot_be_calibrated(tmp_path):
    found = measured(tmp_path, passport_of(), decided(400, label=[1] * 400), decided(400))
    assert {m.status for m in found if m.metric in ("estimate.accuracy", "estimate.miss")} == {"insufficient"}
    assert "400 of them positive" in whole(found)["accuracy"].reason


def test_a_rare_class_is_no_ground_for_a_metric_of_it(tmp_path):
    rows = decided(4000, prediction=[0] * 4000)
    rows["score"] = rows["score"] / 50
    rows["label"] = (np.random.default_rng(1).random(4000) < rows["score"]).astype(int)
    found = whole(measured(tmp_path, passport_of(**NONE), rows, rows))
    assert found["precision"].status == "insufficient" and found["precision"].n == 0
    assert found["accuracy"].value > 0.97


def test_features_that_change_their_type_or_vanish_are_read_as_missing(tmp_path):
    reference = numbers(600, 1)
    passport = passport_of(task=NUMBER, **NONE)
    plain = whole(measured(tmp_path / "0", passport, reference, numbers(300, 2)))["mae"]
    text = numbers(300, 2)
    text["age"] = [str(x) for x in text["age"]]
    assert whole(measured(tmp_path / "1", passport, reference, text))["mae"].value == pytest.approx(plain.value)  # still a number
    changed = {**numbers(300, 2), "age": ["?"] * 300, "income": np.arange(300)}
    gone = {k: v for k, v in numbers(300, 2).items() if k not in ("age", "income")}
    one = whole(measured(tmp_path / "2", passport, reference, changed))["mae"]
    two = whole(measured(tmp_path / "3", passport, reference, gone))["mae"]
    assert one.value == pytest.approx(two.value) and two.details["absent"] == ["age", "income"]
    new = {**numbers(300, 2), "income": ["never seen; '"] * 150 + [None] * 150}
    assert whole(measured(tmp_path / "4", passport, reference, new))["mae"].status == "measured"


def test_errors_too_large_to_square_are_an_error(tmp_path):
    rows, huge = numbers(200, 1), 1e200
    found = measured(tmp_path, passport_of(task=NUMBER, **NONE), {**rows, "label": [huge] * 200}, rows)
    assert statuses(found, "mae", "rmse") == {"error"}
    found = measured(tmp_path / "day", passport_of(task=NUMBER, **NONE), rows, {**rows, "label": [huge] * 200})
    missed = {m.over["metric"]: m.status for m in found if m.metric == "estimate.miss"}
    assert missed == {"mae": "measured", "rmse": "error"} and statuses(found, "mae", "rmse") == {"measured"}


def test_a_model_that_is_never_wrong_is_estimated_so(tmp_path):
    rows = numbers(400, 1)
    found = whole(measured(tmp_path, passport_of(task=NUMBER, **NONE), {**rows, "label": rows["prediction"]}, rows))
    assert (found["mae"].value, found["mae"].low, found["mae"].high) == (0, 0, 0)
    sure = decided(400)
    sure["label"], sure["score"] = sure["prediction"], sure["prediction"].astype(float)
    found = whole(measured(tmp_path / "sure", passport_of(**NONE), sure, sure))
    assert found["accuracy"].value == 1 and 0.98 < found["accuracy"].low < 1


def test_hostile_names_and_groups_are_only_text(tmp_path):
    names = ["y", "d", "s", "b", "n", "k", "g", "u", "h", 'a"b']
    rows = {**decided(1400), **{name: np.arange(1400) % (11 if name == "u" else 7) for name in names}}
    protected = [{"name": f"p{i}", "column": name, "reference": "1"} for i, name in enumerate(names) if name != "u"]
    passport = passport_of(protected=protected, independence={"unit": "block", "column": "u"})
    found = measured(tmp_path, passport, rows, rows)
    assert {m.status for m in found if m.metric == "estimate.accuracy"} == {"measured"} and len(found) == 9 * 7 * 6 + 6 + 6 + 2
    many = {**rows, "y": np.arange(1400)}
    found = measured(tmp_path / "many", passport_of(protected=protected[:1]), many, many)
    assert {m.status for m in found if m.over == {"group": {"p0": "(all)"}}} == {"error"}
    assert whole(found)["accuracy"].status == "measured"
    gone = {name: column for name, column in rows.items() if name != "y"}
    found = measured(tmp_path / "gone", passport_of(protected=protected[:1]), rows, gone)
    assert {m.status for m in found if m.over == {"group": {"p0": "(all)"}}} == {"error"}


CELL = st.tuples(
    st.sampled_from([0.0, 1.0, 0.5, 0.25, 1e-12, math.nan, math.inf, 2.0, None]), st.sampled_from([0, 1, 2, None]),
    st.sampled_from([0, 1, None]), st.sampled_from(["male", "female", "", None]),
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(CELL, min_size=1, max_size=12), st.integers(1, 30), st.integers(1, 30))
def test_any_small_table_gives_measurements_and_no_exception(tmp_path, cells, times, other):
    def table(k):
        return dict(zip(("score", "prediction", "label", "sex"), zip(*cells * k, strict=True), strict=True))

    for m in measured(tmp_path, passport_of(), table(times), table(other)):
        if m.value is not None and m.metric != "estimate.miss":
            assert 0 <= m.low <= m.high <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_reference_misses_itself_by_little(tmp_path, kind):
    make, over = KINDS[kind]
    with make_subject(tmp_path, passport_of(**over), make(800, 1), {}) as subject:
        found = checked(estimate.measure(on_reference(subject)))
    for m in found:
        if m.metric == "estimate.miss" and m.value is not None:
            assert m.low < 0 < m.high
