"""From a workspace on disk through the process inside and back: the values are those of the artifact and of nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from checks.explainability import explain_rows
from checks.isolation import IsolationError
from roadworthy.errors import DataError
from tests.checks.explainability.worlds import FEATURES, answered, model, opened, people, stored
from tests.support import passport_of


def test_rows_are_explained_by_the_artifact_in_the_users_columns(tmp_path: Path) -> None:
    fitted, reference = model(), people(300, 1)
    rows = people(5, 2)
    rows.loc[0, "town"] = "nowhere"
    with opened(tmp_path, stored(tmp_path, fitted), answered(fitted, reference), answered(fitted, people(50, 3))) as subject:
        found = explain_rows(subject, pa.Table.from_pandas(rows, preserve_index=False))
    assert found.columns == tuple(FEATURES) and found.explained == "model" and found.scale == "log-odds"
    np.testing.assert_allclose(found.values[:, 0], 2 * (rows["income"] - reference["income"].mean()), atol=1e-9)
    np.testing.assert_allclose(found.values[:, 1], (rows["town"] == "y") - (reference["town"] == "y").mean(), atol=1e-9)
    np.testing.assert_allclose(found.values[:, 2], 0, atol=1e-12)
    chance = fitted.predict_proba(rows[FEATURES])[:, 1]
    np.testing.assert_allclose(found.answers[0], chance, atol=1e-12)
    np.testing.assert_allclose(1 / (1 + np.exp(-found.base - found.values.sum(axis=1))), chance, atol=1e-9)


def test_another_artifact_than_the_declared_one_explains_nothing(tmp_path: Path) -> None:
    fitted = model()
    passport = stored(tmp_path, fitted)
    stored(tmp_path, model(slope=1.0))
    data = answered(fitted, people(200, 1))
    with opened(tmp_path, passport, data, data) as subject:
        with pytest.raises(IsolationError, match="not the model that was accepted"):
            explain_rows(subject, pa.Table.from_pandas(data))
        with pytest.raises(DataError, match="no column 'town'"):
            explain_rows(subject, pa.Table.from_pandas(data.drop(columns="town")))


def test_a_model_without_artifact_is_explained_by_its_surrogate(tmp_path: Path) -> None:
    fitted = model()
    passport = passport_of(features=FEATURES)
    rows = people(40, 2)
    with opened(tmp_path, passport, answered(fitted, people(900, 1)), answered(fitted, people(50, 3))) as subject:
        found = explain_rows(subject, pa.Table.from_pandas(rows, preserve_index=False))
    assert found.explained == "surrogate" and found.scale == "probability"
    assert found.additivity < 1e-9
    strength = found.strength.mean(axis=0)
    assert strength[0] > strength[1] > 3 * strength[2]
    assert np.corrcoef(found.answers[0], fitted.predict_proba(rows[FEATURES])[:, 1])[0, 1] > 0.95
