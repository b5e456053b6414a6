"""The job that leaves columns out, for a process of its own: train without them and say how wrong each row is then.

Which columns are left out together is chosen here, on rows that have no say later; whether the model then does as well is for the
asking side to decide, on the losses of other rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from checks.membership.training import CannotTrainError, Trainer
from roadworthy.errors import RoadworthyError

if TYPE_CHECKING:
    import pyarrow as pa

Numbers = NDArray[np.float64]

CONFIRM = -1
"""The fold of the rows that have no say in the choice."""


def main(
    order: Mapping[str, Any], tables: Mapping[str, pa.Table], files: Mapping[str, Path]
) -> tuple[dict[str, Any], dict[str, pa.Table]]:
    """Return the losses without each column, and without more and more of them together.

    Parameters
    ----------
    order : mapping
        As `checks.membership.training.Trainer` takes it, with ``personal``: columns to leave out first, among those that seem not
        to be needed.
    tables : mapping
        ``features``, and ``control`` with ``truth`` and ``fold`` (`CONFIRM`, or 0 and up).
    files : mapping
        ``artifact``.

    Returns
    -------
    values : dict
        ``tried`` and ``path``: places of the columns that were left out alone, and of those left out together, in order;
        ``why_not``: why nothing could be trained, or empty; ``late``: whether time ran out.
    tables : dict
        ``choosing``: ``full`` and ``w0``, ``w1``, ... by column, on the rows of a fold; ``confirming``: ``full`` and ``s1``,
        ``s2``, ... by the number of columns left out, on the others.
    """
    import pyarrow as pa

    control = tables["control"]
    truth = np.asarray(control.column("truth").to_numpy(), dtype=float)
    fold = np.asarray(control.column("fold").to_numpy(), dtype=np.int64)
    work = _Work(Trainer(order, tables["features"], truth, files["artifact"]), truth, fold)
    told: dict[str, Any] = {"tried": [], "path": [], "why_not": "", "late": False}
    choosing: dict[str, Any] = {}
    confirming: dict[str, Any] = {}
    try:
        choosing["full"] = work.crossed(())
        full = confirming["full"] = work.confirmed(())
        error = float(full.std(ddof=1) / np.sqrt(len(full)))
        for place, name in enumerate(work.columns):
            choosing[f"w{place}"] = work.crossed((name,))
            told["tried"].append(place)
        for place in work.path(choosing, list(order["personal"])):
            told["path"].append(place)
            left_out = tuple(work.columns[k] for k in told["path"])
            without = confirming[f"s{len(told['path'])}"] = work.confirmed(left_out)
            if float((without - full).mean()) > error:
                break  # this set will not be confirmed, and none after it is looked at
    except TimeoutError:
        told["late"] = True
        told["path"] = told["path"][: len(confirming) - 1] if confirming else []
    except CannotTrainError as problem:
        told["why_not"] = problem.sentence
    except (RoadworthyError, ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RuntimeError) as problem:
        # The message of a library may hold a value of a row; its kind does not.
        told["why_not"] = f"Training again failed ({type(problem).__name__})."
    made = {"choosing": choosing, "confirming": confirming}
    return told, {name: pa.table(columns) for name, columns in made.items() if columns}


class _Work:
    """Losses of clones, in folds among the rows that choose, and from those to the rows that confirm."""

    def __init__(self, trainer: Trainer, truth: Numbers, fold: NDArray[np.int64]) -> None:
        self.trainer, self.truth, self.fold, self.columns = trainer, truth, fold, trainer.columns

    def crossed(self, without: Sequence[str]) -> Numbers:
        made = np.zeros(len(self.fold))
        for k in np.unique(self.fold[self.fold != CONFIRM]):
            here = self.fold == k
            made[here] = self._losses((self.fold != CONFIRM) & ~here, here, without)
        return np.asarray(made[self.fold != CONFIRM])

    def confirmed(self, without: Sequence[str]) -> Numbers:
        return self._losses(self.fold != CONFIRM, self.fold == CONFIRM, without)

    def path(self, choosing: Mapping[str, Numbers], personal: Sequence[str]) -> Any:
        """Yield the columns to leave out together: as long as the loss stays within a standard error of the full model's."""
        full = choosing["full"]
        error = float(full.std(ddof=1) / np.sqrt(len(full)))
        lost = [float((choosing[f"w{k}"] - full).mean()) for k in range(len(self.columns))]
        seems = [k for k in range(len(self.columns)) if lost[k] <= error]
        left: list[int] = []
        for place in sorted(seems, key=lambda k: (self.columns[k] not in personal, lost[k])):
            if len(left) + 1 == len(self.columns):
                return  # a model of no column is none
            together = self.crossed([self.columns[k] for k in (*left, place)])
            if float((together - full).mean()) <= error:
                left.append(place)
                yield place

    def _losses(self, learned: NDArray[np.bool_], asked: NDArray[np.bool_], without: Sequence[str]) -> Numbers:
        if not self.trainer.in_time():
            raise TimeoutError
        return losses(self.truth[asked], self.trainer.answers(learned, asked, without), self.trainer.task)


def losses(truth: Numbers, answers: Numbers, kind: str) -> Numbers:
    """Return how wrong each answer is.

    Parameters
    ----------
    truth : ndarray of shape (rows,)
    answers : ndarray of shape (outputs, rows)
    kind : {"binary", "multiclass", "regression"}

    Returns
    -------
    ndarray of shape (rows,)
        The squared error of the chance, between 0 and 1 (Brier 1950; for several classes half the sum over them); of a number
        the absolute error, in its own unit.

    Examples
    --------
    >>> losses(np.array([1.0, 0.0]), np.array([[0.8, 0.5]]), "binary").round(2).tolist()
    [0.04, 0.25]
    >>> losses(np.array([1.0]), np.array([[0.5], [0.5]]), "multiclass").tolist()
    [0.25]
    """
    if kind == "regression":
        return np.asarray(np.abs(truth - answers[0]))
    if kind == "binary":
        return np.asarray((answers[0] - (truth == 1)) ** 2)
    right = np.arange(len(answers))[:, None] == truth[None, :]
    return np.asarray(((answers - right) ** 2).sum(axis=0) / 2)
