"""The job that runs in isolation: load the model, explain its answers in the rows handed over.

What it gives back are numbers by row, for the asking side to aggregate: `checks.explainability.asking` says of which shape.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from checks.explainability.explainers import Explanation, Interactions, Model, explain, interact
from checks.isolation import stopwatch
from checks.isolation.artifact import load

if TYPE_CHECKING:
    import pyarrow as pa

BACKGROUND = "background"


def main(
    order: dict[str, Any], tables: dict[str, pa.Table], files: dict[str, Path]
) -> tuple[dict[str, Any], dict[str, pa.Table]]:
    """Explain the rows of each table but the background.

    Parameters
    ----------
    order : dict
        ``models`` (each as `checks.isolation.artifact.order_of` gives it, with the name of its ``file``), ``task``, ``classes``,
        ``columns``, ``interact`` (names of tables), ``seed``, ``time`` (the table whose rows the first model is timed with, or
        none). The outputs of several models are put after each other.
    tables : dict of str to pyarrow.Table
        Rows with the declared features, and those of the reference under ``background``.
    files : dict of str to pathlib.Path

    Returns
    -------
    values : dict
        ``kind``, ``scale``, ``method``, ``timed``, and ``base`` by table; ``interactions`` by table: the sentence why there are
        none, or empty.
    tables : dict of str to pyarrow.Table
        By table: ``NAME`` (``row``, margins ``m0``, values ``v0.0`` by output and column), ``NAME answers`` (``a0`` of every
        row) and ``NAME pairs`` (strength ``0.1`` of each pair).
    """
    models = [Model(load(files[one["file"]], one), order["task"], order["classes"], order["columns"]) for one in order["models"]]
    background = _frame(tables[BACKGROUND])
    told: dict[str, Any] = {"base": {}, "interactions": {}}
    made: dict[str, pa.Table] = {}
    if order["time"]:  # first, while the process is cold
        frame = _frame(tables[order["time"]])
        told["timed"] = stopwatch.take(models[0].answers, frame[models[0].reads])
    for name, table in tables.items():
        if name == BACKGROUND:
            continue
        frame = _frame(table)
        found = [explain(model, frame, background, order["seed"]) for model in models]
        told |= {"kind": found[0].kind, "scale": found[0].scale, "method": found[0].method}
        told["base"][name] = [float(base) for one in found for base in one.base]
        made[name] = _values(found)
        made[f"{name} answers"] = _answers([model.answers(frame[model.reads]) for model in models])
        if name in order["interact"]:
            pairs = _interactions(models, found, frame.iloc[found[0].rows], order["seed"])
            told["interactions"][name] = pairs if isinstance(pairs, str) else ""
            if not isinstance(pairs, str):
                made[f"{name} pairs"] = _pairs(pairs, found[0].rows[pairs.rows])
    return told, made


def _frame(table: pa.Table) -> Any:
    return table.to_pandas(date_as_object=False)


def _values(found: list[Explanation]) -> pa.Table:
    import pyarrow as pa

    columns: dict[str, Any] = {"row": found[0].rows}
    outputs = [(one.margins[k], one.values[k]) for one in found for k in range(len(one.base))]
    for k, (margins, values) in enumerate(outputs):
        columns[f"m{k}"] = margins
        columns |= {f"v{k}.{column}": values[:, column] for column in range(values.shape[1])}
    return pa.table(columns)


def _answers(answers: list[Any]) -> pa.Table:
    import pyarrow as pa

    return pa.table({f"a{k}": one for k, one in enumerate(np.concatenate(answers))})


def _interactions(models: list[Model], found: list[Explanation], frame: Any, seed: int) -> Interactions | str:
    if found[0].kind == "permutation":
        return "The model was asked as a whole, which does not tell columns that act together from those that do not."
    if len(models) > 1:
        return "Several surrogates stand in for the model, and interactions are read from one."
    return interact(models[0], frame, seed)


def _pairs(pairs: Interactions, rows: Any) -> pa.Table:
    import pyarrow as pa

    width = pairs.strength.shape[1]
    columns: dict[str, Any] = {"row": rows}
    for a in range(width):
        for b in range(a, width):
            columns[f"{a}.{b}"] = pairs.strength[:, a, b] + (pairs.strength[:, b, a] if a != b else 0)
    return pa.table(columns)
