"""The job that runs in isolation: load the artifact and the one made again, and compare what both answer to the same rows.

What it gives back are counts, one difference, and the names of settings of the two models that are not the same.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checks.isolation.artifact import load
from roadworthy.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

ROWS = "rows"
RECORDED, AGAIN = "recorded", "again"
MOST_NAMED = 10

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,80}")
_WORD = re.compile(r"[A-Za-z0-9_.+-]{0,40}")


def main(
    order: dict[str, Any], tables: dict[str, pa.Table], files: dict[str, Path]
) -> tuple[dict[str, Any], dict[str, pa.Table]]:
    """Compare the two models.

    Parameters
    ----------
    order : dict
        ``recorded`` and ``again`` (each as `checks.isolation.artifact.order_of` gives it) and ``tolerance``.
    tables : dict of str to pyarrow.Table
        ``rows``: the columns that the models read.
    files : dict of str to pathlib.Path
        ``recorded`` and ``again``.

    Returns
    -------
    values : dict
        ``rows``, ``differ``, ``gap`` (see `compared`) and ``settings``.
    tables : dict
        Empty.
    """
    frame = tables[ROWS].to_pandas(date_as_object=False)
    one, other = (load(files[name], order[name]) for name in (RECORDED, AGAIN))
    told = compared(answers(one, frame), answers(other, frame), float(order["tolerance"]))
    return {**told, "settings": settings_differing(one, other)}, {}


def answers(model: Any, frame: Any) -> np.ndarray:
    """Return what a model answers: probabilities of each class if it gives them, else predictions; one row for each row."""
    import numpy as np

    given = model.predict_proba(frame) if hasattr(model, "predict_proba") else model.predict(frame)
    made = np.asarray(given)
    if made.dtype.kind not in "fiub":  # classes with names
        return made.astype(str).reshape(len(made), -1)
    return made.astype(float).reshape(len(made), -1)


def compared(one: np.ndarray, other: np.ndarray, tolerance: float) -> dict[str, Any]:
    """Return how many rows have an answer that differs by more than `tolerance`, and the largest difference.

    Parameters
    ----------
    one, other : ndarray of shape (rows, outputs)
    tolerance : float
        At least 0. Two answers that are both no number, or the same infinity, are equal; one of two always differs.

    Returns
    -------
    dict
        ``rows``, ``differ`` and ``gap``; ``gap`` is over the answers that are numbers in both, and None for names of classes.

    Raises
    ------
    DataError
        If the two do not answer as many rows with as many numbers.

    Examples
    --------
    >>> import numpy as np
    >>> compared(np.array([[1.0], [2.0], [np.nan]]), np.array([[1.0], [2.5], [np.nan]]), 0.1)
    {'rows': 3, 'differ': 1, 'gap': 0.5}
    """
    import numpy as np

    if one.shape != other.shape or (one.dtype.kind == "f") != (other.dtype.kind == "f"):
        raise DataError("The two models answer in different shapes, so their predictions cannot be compared.")
    if one.dtype.kind != "f":
        return {"rows": len(one), "differ": int((one != other).any(axis=1).sum()), "gap": None}
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    both = np.isfinite(one) & np.isfinite(other)
    gaps = np.where(both & ~same, np.abs(np.where(both, one, 0.0) - np.where(both, other, 0.0)), 0.0)
    gaps = np.minimum(gaps, np.finfo(float).max)
    differ = ~same & (~both | (gaps > tolerance))
    return {"rows": len(one), "differ": int(differ.any(axis=1).sum()), "gap": float(gaps.max(initial=0.0))}


def settings_differing(one: Any, other: Any) -> list[str]:
    """Return a short text for each setting of the models that is not the same; values are told if they are plain.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> settings_differing(RandomForestClassifier(random_state=0), RandomForestClassifier(random_state=1))
    ['random_state of the model (recorded 0, used 1)']
    """
    kinds = [f"{type(model).__module__}.{type(model).__qualname__}" for model in (one, other)]
    if kinds[0] != kinds[1]:
        return ["kind of model"]
    if not hasattr(one, "get_params"):
        return []
    here, there = one.get_params(deep=True), other.get_params(deep=True)
    found = []
    for name in sorted(set(here) | set(there)):
        if not _plain(here.get(name)) or not _plain(there.get(name)) or not _NAME.fullmatch(name):
            continue
        if type(here.get(name)) is not type(there.get(name)) or here.get(name) != there.get(name):
            found.append(f"{name} of the model (recorded {_said(here, name)}, used {_said(there, name)})")
    return found[:MOST_NAMED]


def _plain(value: Any) -> bool:
    number = isinstance(value, float)
    return value is None or (math.isfinite(value) if number else isinstance(value, bool | int | str))


def _said(settings: Mapping[str, Any], name: str) -> str:
    if name not in settings:
        return "nothing"
    text = str(settings[name])
    return text if _WORD.fullmatch(text) else "another text"
