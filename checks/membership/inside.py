"""The job of the attacks, for a process of its own: ask the artifact, train its shadows, and say how sure each is of each row.

What it gives back are numbers by row, for the asking side to hold against who learned from what. It is told which rows each
shadow learns from and decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from checks.membership.confidence import SHARP, confidence
from checks.membership.training import CannotTrainError, Trainer
from roadworthy.errors import RoadworthyError

if TYPE_CHECKING:
    import pyarrow as pa


def main(
    order: Mapping[str, Any], tables: Mapping[str, pa.Table], files: Mapping[str, Path]
) -> tuple[dict[str, Any], dict[str, pa.Table]]:
    """Return the confidences of the artifact and of its shadows.

    Parameters
    ----------
    order : mapping
        As `checks.membership.training.Trainer` takes it, with ``spread``, ``own`` (whether the artifact itself is asked) and
        ``shadows`` (how many).
    tables : mapping
        ``features``, and ``control`` with ``truth`` and, by shadow, ``m0``, ``m1``, ...: whether it learns from the row.
    files : mapping
        ``artifact``.

    Returns
    -------
    values : dict
        ``shadows``: how many were trained in time; ``why_not``: why none was, or empty; ``kind``: the estimator's name.
    tables : dict
        ``confidence``: ``own`` and ``s0``, ``s1``, ..., row by row.
    """
    import pyarrow as pa

    truth = np.asarray(tables["control"].column("truth").to_numpy(), dtype=float)
    trainer = Trainer(order, tables["features"], truth, files["artifact"])
    spread, everyone = float(order["spread"]), np.ones(len(truth), dtype=bool)
    made: dict[str, Any] = {}
    if order["own"]:
        made["own"] = confidence(truth, trainer.own(), trainer.task, spread, SHARP)
    told = {"shadows": 0, "why_not": "", "kind": type(trainer.fitted).__name__}
    try:
        for k in range(int(order["shadows"])):
            if not trainer.in_time():
                break
            learned = np.asarray(tables["control"].column(f"m{k}").to_numpy(), dtype=bool)
            made[f"s{k}"] = confidence(truth, trainer.answers(learned, everyone), trainer.task, spread)
            told["shadows"] = k + 1
    except CannotTrainError as problem:
        told["why_not"] = problem.sentence
    except (RoadworthyError, ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RuntimeError) as problem:
        # The message of a library may hold a value of a row; its kind does not.
        told["why_not"] = f"Training again failed ({type(problem).__name__})."
    return told, {"confidence": pa.table(made)} if made else {}
