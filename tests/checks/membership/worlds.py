"""Small worlds with a model that learned from known rows."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from skops.io import dumps

from checks.isolation import Answer
from checks.subject import Subject
from roadworthy.canonical import digest_bytes
from tests.support import DAY, make_subject, passport_of

FEATURES = ["a", "b", "c"]


def rows_of(n: int, seed: int, first: int = 0) -> pd.DataFrame:
    """The outcome hangs on `a`, noisily; `b` is a copy of it in other words, `c` is noise."""
    random = np.random.default_rng(seed)
    a = random.normal(size=n)
    return pd.DataFrame({
        "case": np.arange(first, first + n), "a": a, "b": 2 * a + 1, "c": random.normal(size=n), "sex": "male",
        "label": (a + random.normal(0, 1.0, n) > 0).astype(int),
    })


@contextmanager
def world(
    root: Path, estimator: Any, train: int = 300, held: int = 300, *, recorded: str = "own", recipe: Any = True,
    shift: float = 0.0, positive: int | None = None, **over: Any,
) -> Iterator[Subject]:
    """Open a subject whose reference was learned from.

    Parameters
    ----------
    recorded : {"own", "constant"}
        What stands in the reference as score: the model's own answers, or 0.5.
    shift : float
        By how much the window's outcomes are harder: that share of them is a coin.
    positive : int, optional
        So many rows of each table are positive, those of the largest `a`.
    """
    reference, later = rows_of(train, 1), rows_of(held, 2, first=train)
    for table in (reference, later):
        if positive is not None:
            table["label"] = (table["a"].rank(ascending=False) <= positive).astype(int)
    coins = np.random.default_rng(3).random(held) < shift
    later.loc[coins, "label"] = np.random.default_rng(4).integers(0, 2, int(coins.sum()))
    features = over.get("features", FEATURES)
    fitted = estimator.fit(reference[features], reference["label"])
    for table in (reference, later):
        score = fitted.predict_proba(table[features])[:, 1]
        table["score"] = 0.5 if table is reference and recorded == "constant" else score
        table["prediction"] = (score >= 0.5).astype(int)
    content = dumps(fitted)
    (root / "model.skops").write_bytes(content)
    said: dict[str, Any] = {
        "features": FEATURES, "identifiers": [{"column": "case", "purpose": "p", "basis": "b"}], "quasi_identifiers": ["c"],
        "artifact": {"path": "model.skops", "sha256": digest_bytes(content), "format": "skops"}, "no_artifact_because": None,
        "recipe": {"command": ["python"], "seed": 1} if recipe is True else recipe or None,
        "extensions": {"skops_trusted": "sklearn.tree._tree.Tree"},
    }
    with make_subject(root, passport_of(**(said | over)), reference, {DAY: later}) as subject:
        yield subject


def here(job: str, order: Mapping[str, Any], tables: Any, files: Any, limits: Any) -> Answer:
    """Run the job in this process: as `checks.isolation.ask`, without the walls."""
    values, made = importlib.import_module(job).main(order, tables, files)
    return Answer(values, made)


def of_one_class(job: str, order: Mapping[str, Any], tables: Any, files: Any, limits: Any) -> Answer:
    """Run the job on rows none of which is positive, which a clone then does not know."""
    control = tables["control"]
    none = pa.array(np.zeros(control.num_rows))
    changed = control.set_column(control.column_names.index("truth"), "truth", none)
    return here(job, order, tables | {"control": changed}, files, limits)


def never(*_args: Any, **_rest: Any) -> Answer:
    raise AssertionError("it was asked")
