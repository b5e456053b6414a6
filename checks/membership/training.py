"""Trains the artifact's own estimator again on parts of its rows, inside the process that is run in isolation."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from checks.explainability.explainers import Model
from checks.isolation.artifact import load
from roadworthy.errors import RoadworthyError

if TYPE_CHECKING:
    import pyarrow as pa

Numbers = NDArray[np.float64]


class CannotTrainError(RoadworthyError):
    """The artifact is nothing that can be trained again: a sentence why."""


class Trainer:
    """The artifact, and clones of it trained on parts of the rows.

    Parameters
    ----------
    order : mapping
        ``artifact`` (for `checks.isolation.artifact.load`), ``task``, ``classes`` (their spellings, as the artifact knows them),
        ``columns`` (the declared features), ``seed``, ``threads``, ``seconds`` (of processor time).
    features : pyarrow.Table
    truth : ndarray of shape (rows,)
        As `checks.membership.rows.Rows.truth`.
    path : pathlib.Path
        The artifact.

    Raises
    ------
    checks.isolation.artifact.ArtifactError
    """

    def __init__(self, order: Mapping[str, Any], features: pa.Table, truth: Numbers, path: Path) -> None:
        self.until = time.process_time() + float(order["seconds"])
        self.order, self.task, self.columns = order, str(order["task"]), list(order["columns"])
        self.frame = features.to_pandas(date_as_object=False)
        self.label = truth if self.task == "regression" else truth.astype(np.int64)
        self.fitted = load(path, order["artifact"])
        self.longest = 0.0

    def own(self) -> Numbers:
        """Return what the artifact answers to every row, shape (outputs, rows)."""
        asked = Model(self.fitted, self.task, list(self.order["classes"]), self.columns)
        return asked.answers(self.frame[asked.reads])

    def in_time(self) -> bool:
        """Say whether another training like the longest so far would end in time.

        Processor time counts, so that a machine which is busy with other things measures the same.
        """
        return time.process_time() + self.longest <= self.until

    def answers(self, learned: NDArray[np.bool_], asked: NDArray[np.bool_], without: Sequence[str] = ()) -> Numbers:
        """Train a clone on some rows and return what it answers to others, shape (outputs, rows asked).

        Parameters
        ----------
        learned, asked : ndarray of bool, shape (rows,)
        without : sequence of str
            Columns that say nothing: each has in every row the value that is in the middle, or the most frequent, of the rows
            learned from. The estimator keeps its steps, and none of them misses a column by name.

        Raises
        ------
        CannotTrainError
            If it cannot be cloned.
        """
        from sklearn.base import clone
        from threadpoolctl import threadpool_limits

        began = time.process_time()
        if not hasattr(self.fitted, "fit") or not hasattr(self.fitted, "get_params"):
            raise CannotTrainError("The artifact is no estimator of scikit-learn, so it cannot be trained again.")
        reads = [str(name) for name in getattr(self.fitted, "feature_names_in_", self.columns)]
        frame = self.frame[reads]
        if without:
            frame = frame.assign(**{name: _silent(frame[name], learned) for name in without if name in reads})
        made = clone(self.fitted)
        loose = [name for name, value in made.get_params().items() if name.endswith("random_state") and value is None]
        made.set_params(**{name: int(self.order["seed"]) % 2**31 for name in loose})
        with threadpool_limits(int(self.order["threads"])), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made.fit(frame[learned], self.label[learned])
        classes = [] if self.task == "regression" else ["1"] if self.task == "binary" else [str(k) for k in self.order["places"]]
        answered = Model(made, self.task, classes, self.columns).answers(frame[asked])
        self.longest = max(self.longest, time.process_time() - began)
        return answered


def _silent(column: Any, learned: NDArray[np.bool_]) -> Any:
    """Return a column of the same type in which every row has one value, one that the rows learned from hold."""
    import pandas as pd

    known = column[learned].dropna()
    if known.empty:
        return column
    ranked = known.sort_values() if pd.api.types.is_numeric_dtype(known) else known.mode()
    value = ranked.iloc[len(ranked) // 2] if pd.api.types.is_numeric_dtype(known) else ranked.iloc[0]
    return pd.Series([value] * len(column), index=column.index).astype(column.dtype)
