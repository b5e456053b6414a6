"""Small worlds in which one group is treated worse, with a model that learned it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from skops.io import dumps

from checks.isolation import Answer
from checks.mitigation import inside
from roadworthy.canonical import digest_bytes

FEATURES = ["helps", "group_code"]


def rows_of(n: int, seed: int, first: int = 0) -> pd.DataFrame:
    """Men are favoured in what the model reads; the outcome hangs on `helps` alone."""
    random = np.random.default_rng(seed)
    sex = random.choice(["male", "female"], n, p=[0.7, 0.3])
    helps = random.normal(0, 1, n)
    label = (helps + random.normal(0, 0.8, n) + 0.5 * (sex == "male") > -0.2).astype(int)
    return pd.DataFrame({
        "case": np.arange(first, first + n), "sex": sex, "age": random.integers(18, 80, n), "helps": helps,
        "group_code": (sex == "male").astype(float), "label": label,
    })


def model_of(train: pd.DataFrame, estimator: Any = None) -> Any:
    from sklearn.linear_model import LogisticRegression

    return (estimator or LogisticRegression(C=10.0)).fit(train[FEATURES], train["label"])


def decided(model: Any, rows: pd.DataFrame) -> pd.DataFrame:
    score = model.predict_proba(rows[FEATURES])[:, 1]
    return rows.assign(score=score, prediction=(score >= 0.5).astype(int))


def written(root: Path, model: Any) -> dict[str, Any]:
    """Write the artifact and return what the passport says of it."""
    content = dumps(model)
    (root / "model.skops").write_bytes(content)
    return {"path": "model.skops", "sha256": digest_bytes(content), "format": "skops"}


def here(job: str, order: Mapping[str, Any], tables: Any, files: Any, limits: Any) -> Answer:
    """Run the job in this process: as `checks.isolation.ask`, without the walls."""
    assert job == "checks.mitigation.inside" and limits.seconds > 0
    values, made = inside.main(order, tables, files)
    return Answer(values, made)
