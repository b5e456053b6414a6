"""What the recipes share: the pipeline, one thread, and an artifact that has the same bytes each time it is written."""

from __future__ import annotations

import hashlib
import io
import json
import re
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

SEED = 20261122
"""Seeds the permutations that split rows; the estimators themselves draw nothing."""

THREADS = 1
"""Sums of gradients depend on how rows are shared out between threads."""

DECIMALS = 9
"""Scores are served and stored with nine decimals: the tenth may differ between processors."""

TRUSTED = ("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",)
"""What skops must be told to trust; everything else in these artifacts it trusts by itself."""

SOURCE = Path(__file__).resolve().parent.parent / "source"


def pipeline(categories: Sequence[str], numbers: Sequence[str], estimator: Any) -> Pipeline:
    """Return text columns as ordinals, then the estimator; a category never seen counts as -1, a missing one as -2."""
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OrdinalEncoder

    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
    columns = ColumnTransformer([("categories", codes, list(categories)), ("numbers", "passthrough", list(numbers))])
    return Pipeline([("columns", columns), ("model", estimator)])


def fit(model: Pipeline, rows: Any, label: Any) -> Pipeline:
    """Fit on `THREADS` threads."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(THREADS):
        return model.fit(rows, label)


def out_of_fold(
    make: Callable[[], Pipeline], rows: Any, *, features: Sequence[str], label: str, fold: Any, score: Callable[[Any, Any], Any],
) -> Any:
    """Score each row by a model that has not seen its fold."""
    import numpy as np

    scores = np.zeros(len(rows))
    for k in np.unique(fold):
        out = fold == k
        model = fit(make(), rows.loc[~out, list(features)], rows.loc[~out, label])
        scores[out] = score(model, rows.loc[out, list(features)])
    return scores


def probability(model: Pipeline, rows: Any) -> Any:
    """Return the probability of class 1, with `DECIMALS` decimals."""
    return model.predict_proba(rows)[:, 1].round(DECIMALS)


def number(model: Pipeline, rows: Any) -> Any:
    """Return the predicted number, with `DECIMALS` decimals."""
    return model.predict(rows).round(DECIMALS)


def save(model: Pipeline, path: Path) -> None:
    """Write the artifact in the skops format, the same bytes for the same model.

    skops names the parts of a model by their address in memory and stamps them with the time of day. Both are
    replaced: parts are numbered in the order in which they appear, and every part has the earliest time a zip can hold.
    """
    import skops.io

    raw = zipfile.ZipFile(io.BytesIO(skops.io.dumps(model)))
    schema = json.loads(raw.read("schema.json"))
    numbers: dict[int, int] = {}
    files: list[str] = []
    _renumber(schema, numbers, files)
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as out:
        for name in files:
            out.writestr(_entry(_renamed(name, numbers)), raw.read(name))
        out.writestr(_entry("schema.json"), json.dumps(schema, separators=(",", ":")))


def _renumber(node: Any, numbers: dict[int, int], files: list[str]) -> None:
    if isinstance(node, dict):
        if "__id__" in node:
            node["__id__"] = numbers.setdefault(node["__id__"], len(numbers) + 1)
        if isinstance(node.get("file"), str):
            if node["file"] not in files:
                files.append(node["file"])
            node["file"] = _renamed(node["file"], numbers)
        for value in node.values():
            _renumber(value, numbers, files)
    elif isinstance(node, list):
        for value in node:
            _renumber(value, numbers, files)


def _renamed(name: str, numbers: dict[int, int]) -> str:
    return re.sub(r"^\d+", lambda found: str(numbers.setdefault(int(found[0]), len(numbers) + 1)), name)


def _entry(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))


def account(rows: Any, row_order: Sequence[str], path: Path) -> None:
    """Write what was used in a training: seed, row order, threads, and a short digest of each row in the order of training.

    The digests tell two trainings apart and nothing of a row: twelve digits of SHA-256 over all that the model was shown of it.
    """
    lines = rows.to_csv(index=False, header=False, lineterminator="\x1e").split("\x1e")[:len(rows)]
    used = {
        "schema_version": 1, "seed": SEED, "row_order": list(row_order), "threads": THREADS,
        "rows": [hashlib.sha256(line.encode()).hexdigest()[:12] for line in lines],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(used, separators=(",", ":")) + "\n", encoding="utf-8")


def run(train: Callable[[], Pipeline], rows: Callable[[], Any], row_order: Sequence[str]) -> None:
    """Train, and write the artifact and an account of the training to the paths given on the command line."""
    if len(sys.argv) not in (2, 3):
        sys.exit(f"usage: python -m {Path(sys.argv[0]).parent.name}.{Path(sys.argv[0]).stem} OUT [RECORD]")
    save(train(), Path(sys.argv[1]))
    if len(sys.argv) == 3:
        account(rows(), row_order, Path(sys.argv[2]))
