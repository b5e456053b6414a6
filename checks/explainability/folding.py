"""Which of the user's columns each transformed column was made of.

SHAP values of a pipeline speak of the columns that its last step reads. They are folded back by adding up, for each column of
the user, those of the transformed columns that were made of it alone; a value that several columns made together cannot be
shared out among them, so such a pipeline is not folded. The steps of scikit-learn that are known by name are read from what
they learned. Any other step is asked: one input column is exchanged between rows, and the outputs that change are made of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roadworthy.errors import DataError

Sources = list[frozenset[int]]
"""For each output column, the places of the input columns that it was made of."""

_ONE_TO_ONE = (
    "OrdinalEncoder", "StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "QuantileTransformer", "PowerTransformer",
    "Binarizer",
)
_EXCHANGES = 3


class Unfolded(DataError):
    """The steps cannot be folded back: a sentence why."""


def fold(steps: Sequence[Any], frame: Any, transformed: Any, seed: int) -> NDArray[np.int64]:
    """Return the place of the user's column that each transformed column was made of, shape (transformed columns,).

    Parameters
    ----------
    steps : sequence of fitted transformers
        In the order in which they are applied; may be empty.
    frame : pandas.DataFrame
        Rows as the user has them.
    transformed : ndarray or sparse matrix of shape (rows, transformed columns)
        What the steps made of them.
    seed : int
        For the exchange of rows, where a step is not known.

    Returns
    -------
    ndarray
        -1 for a column that no exchange changed, such as a constant.

    Raises
    ------
    Unfolded
        If a transformed column was made of several of the user's.
    """
    width = transformed.shape[1]
    names = [str(name) for name in frame.columns]
    found: Sources | None = [frozenset({place}) for place in range(len(names))]
    for step in steps:
        found = sources(step, found, names if step is steps[0] else None) if found is not None else None
    if found is None or len(found) != width:
        found = asked(steps, frame, transformed, seed)
    mixed = next((made for made in found if len(made) > 1), None)
    if mixed is not None:
        named = ", ".join(f"'{names[place]}'" for place in sorted(mixed)[:3])
        raise Unfolded(f"A column that the model reads was made of several ({named}), so its part cannot be shared out.")
    return np.array([next(iter(made), -1) for made in found], dtype=np.int64)


def sources(step: Any, inputs: Sources, names: Sequence[str] | None) -> Sources | None:
    """Return what each output of a fitted step was made of, read from what it learned; None for a step that is not known.

    Parameters
    ----------
    step : transformer
        Or ``"passthrough"``, or ``"drop"``.
    inputs : list of frozenset of int
        What each of its inputs was made of.
    names : sequence of str, optional
        Names of its inputs, for steps that choose columns by name.

    Examples
    --------
    >>> from sklearn.preprocessing import OneHotEncoder
    >>> step = OneHotEncoder(drop="first").fit([["a", "x"], ["b", "y"], ["c", "x"]])
    >>> [sorted(made) for made in sources(step, [frozenset({0}), frozenset({7})], None)]
    [[0], [0], [7]]
    """
    if isinstance(step, str):
        return inputs if step == "passthrough" else [] if step == "drop" else None
    kind = type(step).__name__ if type(step).__module__.startswith("sklearn.") else ""
    if kind in _ONE_TO_ONE or (kind == "FunctionTransformer" and step.func is None):
        return list(inputs)
    if kind == "Pipeline":
        found: Sources | None = inputs
        for place, (_, inner) in enumerate(step.steps):
            found = sources(inner, found, names if place == 0 else None) if found is not None and inner is not None else found
        return found
    if kind == "ColumnTransformer":
        return _columns(step, inputs, names)
    if kind == "FeatureUnion":
        parts = [sources(inner, inputs, names) for _, inner in step.transformer_list]
        return None if any(part is None for part in parts) else [made for part in parts for made in part or []]
    if kind == "OneHotEncoder":
        return [made for made, n in zip(inputs, _one_hot(step), strict=True) for _ in range(n)]
    if kind == "SimpleImputer":
        return _imputed(step, inputs)
    if kind == "MissingIndicator":
        return [inputs[place] for place in step.features_]
    if kind == "KBinsDiscretizer":
        each = [1] * len(inputs) if step.encode == "ordinal" else [int(n) for n in step.n_bins_]
        return [made for made, n in zip(inputs, each, strict=True) for _ in range(n)]
    if hasattr(step, "get_support"):
        return [made for made, kept in zip(inputs, step.get_support(), strict=True) if kept]
    return None


def _one_hot(step: Any) -> list[int]:
    """Return how many outputs each input has, with rare categories joined and dropped ones left out."""
    rare = getattr(step, "infrequent_categories_", None)
    found = []
    for place, known in enumerate(step.categories_):
        joined = rare[place] if rare is not None else None
        n = len(known) - (len(joined) - 1 if joined is not None and len(joined) else 0)
        dropped = step.drop_idx_ is not None and step.drop_idx_[place] is not None
        found.append(n - dropped)
    return found


def _imputed(step: Any, inputs: Sources) -> Sources:
    empty = np.array([value is None or (isinstance(value, float) and math.isnan(value)) for value in step.statistics_])
    kept = list(inputs) if step.keep_empty_features else [made for made, gone in zip(inputs, empty, strict=True) if not gone]
    return kept + ([inputs[place] for place in step.indicator_.features_] if step.indicator_ is not None else [])


def _columns(step: Any, inputs: Sources, names: Sequence[str] | None) -> Sources | None:
    width = max((part.stop for part in step.output_indices_.values()), default=0)
    made: list[frozenset[int] | None] = [None] * width
    for name, inner, chosen in step.transformers_:
        places = _places(chosen, names, len(inputs))
        if places is None:
            return None
        given = None if names is None else [names[place] for place in places]
        out, part = step.output_indices_[name], sources(inner, [inputs[place] for place in places], given)
        if inner == "drop" or out.stop == out.start:
            continue
        if part is None or len(part) != out.stop - out.start:
            return None
        made[out] = part
    return None if any(one is None for one in made) else [one for one in made if one is not None]


def _places(chosen: Any, names: Sequence[str] | None, width: int) -> list[int] | None:
    """Return the places of the columns that a part of a ColumnTransformer reads."""
    if isinstance(chosen, str | int):
        chosen = [chosen]
    if isinstance(chosen, slice):
        if any(isinstance(end, str) for end in (chosen.start, chosen.stop)):
            return None
        return list(range(width))[chosen]
    listed = list(chosen)
    if listed and all(isinstance(one, bool | np.bool_) for one in listed):
        return [place for place, kept in enumerate(listed) if kept]
    if all(isinstance(one, int | np.integer) for one in listed):
        return [int(one) % width for one in listed]
    if names is None or any(one not in names for one in listed):
        return None
    return [names.index(one) for one in listed]


def asked(steps: Sequence[Any], frame: Any, transformed: Any, seed: int) -> Sources:
    """Return what each transformed column was made of, as exchanging one input column after the other shows.

    Notes
    -----
    Each column is exchanged three times, so that a rare word is not overlooked because it met itself.
    """
    rng = np.random.default_rng(seed)
    before = dense(transformed)
    made: list[set[int]] = [set() for _ in range(before.shape[1])]
    for _ in range(_EXCHANGES):
        order = rng.permutation(len(frame))
        for place in range(frame.shape[1]):
            column = frame.iloc[order, place].set_axis(frame.index)
            exchanged = frame.copy()
            exchanged.isetitem(place, column)
            after = dense(apply(steps, exchanged))
            with np.errstate(invalid="ignore"):
                moved = ~((after == before) | (np.isnan(after) & np.isnan(before))).all(axis=0)
            for column in np.flatnonzero(moved):
                made[column].add(place)
    return [frozenset(one) for one in made]


def apply(steps: Sequence[Any], rows: Any) -> Any:
    """Return what the steps make of rows."""
    for step in steps:
        rows = rows if step is None or isinstance(step, str) else step.transform(rows)
    return rows


def dense(rows: Any) -> NDArray[np.float64]:
    """Return rows as an array of numbers."""
    made = rows.toarray() if hasattr(rows, "toarray") else rows
    return np.asarray(made, dtype=float)
