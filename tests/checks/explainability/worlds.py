"""Small models with their workspaces: a fitted pipeline stored as an artifact, and days that it has answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import skops.io
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from checks.subject import Subject
from roadworthy.canonical import digest_file
from roadworthy.passport import Passport
from tests.support import DAY, make_subject, passport_of

FEATURES = ["income", "town", "idle"]


def people(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame({
        "income": rng.normal(size=n), "town": rng.choice(["x", "y", "z"], n), "idle": rng.normal(size=n),
        "sex": rng.choice(["male", "female"], n),
    })


def model(slope: float = 2.0, town: float = 1.0) -> Any:
    """A logistic model whose coefficients are known: income and the town 'y' decide, idle does not."""
    frame = people(400, 99)
    columns = ColumnTransformer(
        [("town", OneHotEncoder(handle_unknown="ignore"), ["town"]), ("rest", "passthrough", ["income", "idle"])]
    )
    fitted = make_pipeline(columns, LogisticRegression()).fit(frame[FEATURES], (frame["income"] > 0).astype(int))
    fitted[-1].coef_ = np.array([[0.0, town, 0.0, slope, 0.0]])
    fitted[-1].intercept_ = np.array([-0.3])
    return fitted


def answered(fitted: Any, frame: pd.DataFrame) -> pd.DataFrame:
    score = fitted.predict_proba(frame[FEATURES])[:, 1]
    return frame.assign(score=score, prediction=(score > 0.5).astype(int), label=(score > 0.4).astype(int))


def stored(root: Path, fitted: Any, version: str = "1.0.0", **overrides: Any) -> Passport:
    """Write the artifact and return its passport."""
    path = root / "artifacts" / f"{version}.skops"
    path.parent.mkdir(parents=True, exist_ok=True)
    skops.io.dump(fitted, path)
    artifact = {"path": f"artifacts/{version}.skops", "sha256": digest_file(path), "format": "skops"}
    declared = {"features": FEATURES, "version": version, "artifact": artifact, "no_artifact_because": None}
    return passport_of(**declared | overrides)


@contextmanager
def opened(
    root: Path, passport: Passport, reference: pd.DataFrame, now: pd.DataFrame,
    before: Mapping[int, pd.DataFrame] | None = None, day: date = DAY, **opening: Any,
) -> Iterator[Subject]:
    """Open a subject with a day's rows, and those of so many days earlier."""
    batches: dict[date, Any] = {day: now} | {day - timedelta(days=back): rows for back, rows in (before or {}).items()}
    with make_subject(root, passport, reference, batches, day, **opening) as subject:
        yield subject
