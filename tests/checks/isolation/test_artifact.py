"""A model is loaded only from the bytes that were declared, and only as its format allows."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import skops.io
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression

from checks.isolation import IsolationError, ask
from checks.isolation.artifact import ArtifactError, load, order_of
from checks.isolation.walls import NETWORK
from roadworthy.canonical import digest_file
from tests.support import passport_of

PREDICTOR = "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"


def trees() -> Any:
    return HistGradientBoostingRegressor(max_iter=1).fit([[float(i)] for i in range(50)], list(range(50)))


def order(path: Path, kind: str, **extensions: str) -> dict[str, Any]:
    return order_of(passport_of(
        artifact={"path": path.name, "sha256": digest_file(path), "format": kind}, no_artifact_because=None, extensions=extensions
    ))


def test_a_model_of_skops_is_loaded_and_unknown_types_only_by_name(tmp_path: Path) -> None:
    plain, other = tmp_path / "plain.skops", tmp_path / "trees.skops"
    skops.io.dump(LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0]), plain)
    skops.io.dump(trees(), other)
    assert isinstance(load(plain, order(plain, "skops")), LinearRegression)
    with pytest.raises(ArtifactError, match=f"nobody declared trusted: {PREDICTOR}"):
        load(other, order(other, "skops"))
    assert isinstance(load(other, order(other, "skops", skops_trusted=f" a.b , {PREDICTOR}")), HistGradientBoostingRegressor)


def test_other_bytes_are_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    skops.io.dump(LinearRegression(), path)
    declared = order(path, "skops")
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(ArtifactError, match="not the model that was accepted"):
        load(path, declared)


def test_a_pickle_is_not_loaded_in_this_process(tmp_path: Path) -> None:
    path = tmp_path / "model.pickle"
    path.write_bytes(pickle.dumps(LinearRegression()))
    for kind in ("pickle", "joblib"):
        with pytest.raises(ArtifactError, match="runs code when it is loaded"):
            load(path, order(path, kind))
    if NETWORK not in ask("checks.isolation.trial").walls:
        pytest.skip("this kernel grants no network namespace")
    inside = ask("checks.isolation.trial", order(path, "pickle"), files={"artifact": path})
    assert inside.values["loaded"] == "sklearn.linear_model._base.LinearRegression"


@pytest.mark.parametrize("kind", ["onnx", "safetensors", "json", "text"])
def test_what_cannot_be_run_is_refused_by_its_format(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "model"
    path.write_bytes(b"{}")
    with pytest.raises(ArtifactError, match=f"format '{kind}' cannot be run here"):
        load(path, order(path, kind))


def test_garbage_is_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    path.write_bytes(b"PK garbage")
    with pytest.raises(IsolationError, match="no file that skops can read"):
        ask("checks.isolation.trial", order(path, "skops"), files={"artifact": path})


def test_without_an_artifact_there_is_nothing_to_order() -> None:
    with pytest.raises(ArtifactError, match="No artifact"):
        order_of(passport_of())
