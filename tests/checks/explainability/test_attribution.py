"""What a night says of a model whose formula is known, of one that is not the one that served, and of one that cannot be run."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import HistGradientBoostingClassifier

from checks.explainability import attribution
from checks.explainability.attribution import ADDITIVITY, AGREE, DIRECTION, INTERACTION, METRICS, SHARE
from checks.explainability.stability import NIGHT, PREVIOUS, RANKS, REFERENCE, SHIFT
from roadworthy.canonical import digest_of, plain
from roadworthy.catalogue import catalogue
from roadworthy.measurement import Measurement
from tests.checks.explainability.worlds import FEATURES, answered, model, opened, people, stored
from tests.support import DAY, passport_of


class Shelf:
    """Keeps things for the next night, as `roadworthy.kept` does."""

    def __init__(self) -> None:
        self.things: dict[str, Any] = {}

    def get(self, kind: str, key: Any) -> Any:
        return self.things.get(kind + digest_of(dict(key)))

    def put(self, kind: str, key: Any, content: Any) -> None:
        self.things[kind + digest_of(dict(key))] = plain(content)


def one(found: list[Measurement], metric: str, **over: Any) -> Measurement:
    return next(m for m in found if m.metric == metric and dict(m.over) == over)


def known(found: list[Measurement]) -> list[Measurement]:
    for m in found:
        low, high = catalogue()[m.metric].range
        assert m.value is None or ((low is None or m.value >= low) and (high is None or m.value <= high))
        assert not m.over or sorted(m.over) == sorted(catalogue()[m.metric].over)
    assert {m.metric for m in found} == set(METRICS)
    return found


def test_a_night_tells_what_the_formula_says_and_the_next_night_compares(tmp_path: Path) -> None:
    fitted = model(slope=2.0, town=1.0)
    passport, shelf = stored(tmp_path, fitted), Shelf()
    reference, before = answered(fitted, people(700, 1)), answered(fitted, people(300, 2))
    with opened(tmp_path, passport, reference, before, day=DAY - timedelta(days=1), kept=shelf) as subject:
        found = known(attribution.measure(subject))
    rows = before
    income = 2 * np.abs(rows["income"] - reference["income"].mean())
    town = np.abs((rows["town"] == "y") - (reference["town"] == "y").mean())
    share = one(found, SHARE, column="income")
    assert share.value == pytest.approx(income.sum() / (income.sum() + town.sum()), abs=1e-9)
    assert share.value is not None and share.low is not None and share.high is not None
    assert share.low < share.value < share.high
    assert share.details["explained"] == "model" and share.details["scale"] == "log-odds" and share.n == 300
    assert one(found, SHARE, column="idle").value == 0
    assert one(found, DIRECTION, column="income").value == pytest.approx(1.0)
    words = {word: effect for word, effect, n in one(found, DIRECTION, column="town").details["words"]}
    assert words["y"] > 0.5 > 0 > words["x"] == pytest.approx(words["z"])
    assert "does not use" in one(found, DIRECTION, column="idle").reason
    assert one(found, ADDITIVITY).value == pytest.approx(0, abs=1e-9)
    agree = one(found, AGREE)
    assert (agree.value, agree.n, agree.high) == (1.0, 300, 1.0)
    assert one(found, INTERACTION).status == "not_applicable"
    same = one(found, SHIFT, **{"with": REFERENCE}).p_value
    assert same is not None and same > 0.001
    assert one(found, RANKS, **{"with": REFERENCE}).value == 1.0
    assert one(found, SHIFT, **{"with": NIGHT}).status == "insufficient"
    assert one(found, SHIFT, **{"with": PREVIOUS}).status == "not_applicable"
    # A day later incomes vary four times as much: the same model now answers by income more than it did.
    wide = people(300, 3)
    wide["income"] *= 4
    with opened(tmp_path, passport, reference, answered(fitted, wide), {1: before}, kept=shelf) as subject:
        later = known(attribution.measure(subject))
    moved = one(later, SHIFT, **{"with": NIGHT})
    assert moved.p_value is not None and moved.p_value < 0.001 and moved.low is not None and moved.low > 0.05
    grown = one(later, SHARE, column="income").value
    assert grown is not None and grown > share.value + 0.05


def test_scores_of_another_model_are_found_out(tmp_path: Path) -> None:
    served, declared = model(slope=2.0), model(slope=1.9)
    data = answered(served, people(300, 1))
    with opened(tmp_path, stored(tmp_path, declared), data, data) as subject:
        found = known(attribution.measure(subject))
    agree = one(found, AGREE)
    assert agree.value is not None and agree.value < 0.05 and agree.high is not None and agree.high < 0.1
    assert one(found, SHARE, column="income").value is not None, "the artifact is explained all the same, and the rule tells"


@pytest.mark.parametrize("break_it", ["digest", "format", "gone"])
def test_an_artifact_that_cannot_be_run_is_explained_by_nothing_else(tmp_path: Path, break_it: str) -> None:
    fitted = model()
    passport = stored(tmp_path, fitted)
    path = tmp_path / "artifacts/1.0.0.skops"
    assert passport.artifact is not None
    if break_it == "digest":
        path.write_bytes(path.read_bytes() + b"x")
    elif break_it == "gone":
        path.unlink()
    else:
        passport = passport.model_copy(update={"artifact": passport.artifact.model_copy(update={"format": "onnx"})})
    data = answered(fitted, people(200, 1))
    with opened(tmp_path, passport, data, data) as subject:
        found = known(attribution.measure(subject))
    assert {m.status for m in found} == ({"not_applicable"} if break_it == "format" else {"error"})
    assert all(m.reason for m in found)


def test_trees_whose_counts_were_changed_do_not_pass_as_explained(tmp_path: Path) -> None:
    """The answers are the same, so only additivity can tell that the explanation is wrong."""
    frame = people(400, 5)
    numbers = ["income", "idle"]
    trees = HistGradientBoostingClassifier(max_iter=5).fit(frame[numbers], frame["income"] > 0.1)
    for row in trees._predictors:
        row[0].nodes["count"][1] *= 3
    path = tmp_path / "artifacts/1.0.0.skops"
    passport = stored(
        tmp_path, trees, features=numbers,
        extensions={"skops_trusted": "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"},
    )
    assert path.is_file() and skops.io.get_untrusted_types(file=path)
    data = frame.assign(score=trees.predict_proba(frame[numbers])[:, 1], prediction=1, label=1)
    with opened(tmp_path, passport, data, data) as subject:
        found = known(attribution.measure(subject))
    missed = one(found, ADDITIVITY)
    assert missed.value is not None and missed.value > 0.01 and one(found, AGREE).value == 1.0
    assert {m.status for m in found if m.metric not in (ADDITIVITY, AGREE)} == {"error"}


def test_a_vendors_model_is_explained_by_a_surrogate_that_says_so(tmp_path: Path) -> None:
    fitted = model()
    reference, now = answered(fitted, people(900, 1)), answered(fitted, people(200, 3))
    with opened(tmp_path, passport_of(features=FEATURES), reference, now) as subject:
        found = known(attribution.measure(subject))
    share = one(found, SHARE, column="income")
    assert share.details["explained"] == "surrogate" and share.details["fidelity"] > 0.9 and share.value is not None
    assert one(found, AGREE).status == "not_applicable"


def test_a_surrogate_that_agrees_too_little_speaks_for_nobody(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    data = people(600, 1).assign(score=rng.uniform(size=600), prediction=1, label=1)
    with opened(tmp_path, passport_of(features=FEATURES), data, data) as subject:
        found = known(attribution.measure(subject))
    assert {m.status for m in found if m.metric != AGREE} == {"insufficient"}
    assert "less than the 50 %" in one(found, SHARE).reason


def test_the_version_before_is_explained_on_the_same_rows(tmp_path: Path) -> None:
    now, earlier = model(slope=0.3, town=3.0), model(slope=3.0, town=0.3)
    passport, before = stored(tmp_path, now, "2.0.0"), stored(tmp_path, earlier, "1.0.0")
    data = answered(now, people(300, 1))
    with opened(tmp_path, passport, data, data, predecessor=before) as subject:
        found = known(attribution.measure(subject))
    ranks, shift = one(found, RANKS, **{"with": PREVIOUS}), one(found, SHIFT, **{"with": PREVIOUS})
    assert ranks.value == 0.5, "income and town changed places, idle stayed last"
    assert shift.value is not None and shift.value > 0.5 and shift.p_value is not None and shift.p_value < 0.001
    assert shift.details["version"] == "1.0.0"


@pytest.mark.parametrize(("rows", "status"), [(None, "insufficient"), (5, "insufficient"), ("column", "error")])
def test_a_night_without_the_rows_says_so(tmp_path: Path, rows: Any, status: str) -> None:
    fitted = model()
    reference = answered(fitted, people(200, 1))
    now = {None: reference.head(0), 5: reference.head(5), "column": reference.drop(columns="town")}[rows]
    with opened(tmp_path, stored(tmp_path, fitted), reference, now) as subject:
        found = known(attribution.measure(subject))
    assert {m.status for m in found} == {status}


def test_days_count_as_one_where_their_rows_hang_together(tmp_path: Path) -> None:
    fitted = model()
    data = answered(fitted, people(300, 1)).assign(day=np.repeat([f"d{i}" for i in range(12)], 25))
    blocks = {"unit": "block", "column": "day"}
    with opened(tmp_path, stored(tmp_path, fitted, independence=blocks), data, data) as subject:
        found = known(attribution.measure(subject))
    share = one(found, SHARE, column="income")
    assert share.stats["units"] == 12 and "units of independence" in share.method
    assert one(found, SHIFT, **{"with": REFERENCE}).stats["batches"] == 12


