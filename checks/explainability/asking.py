"""Ask for the SHAP values of a model's answers: of the artifact itself, run in isolation, or of a surrogate where there is none.

Nothing of a model is loaded here. Rows go out with the bytes of the artifact, numbers by row come back and are held against
what was asked for before they are used. They never leave this process as they are: what is measured from them are aggregates.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from checks.explainability.encoding import Encoding
from checks.explainability.explainers import spelt
from checks.explainability.inside import BACKGROUND
from checks.explainability.sample import generator, sample
from checks.explainability.surrogate import LEAST_FIDELITY, Surrogate, fit
from checks.isolation import IsolationError, Limits, ask
from checks.isolation.artifact import order_of
from checks.isolation.stopwatch import Timed
from checks.isolation.stopwatch import read as times_of
from checks.subject import Subject, Table
from roadworthy.canonical import digest_bytes
from roadworthy.errors import DataError
from roadworthy.passport import Passport
from roadworthy.sql import connect, quote

Numbers = NDArray[np.float64]

ROWS = 1_000
"""Rows of a table that are explained."""
CELLS = 200_000
"""Rows times columns: a table of 1,000 columns is explained in 200 rows."""
LIMITS = Limits(seconds=120, memory=4 << 30)
_TREES = (  # what skops must be told of trees that we grew ourselves
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "functools.partial",
    "sklearn.utils.validation.check_array",
)
_FEWEST = 50


@dataclass(frozen=True)
class Explained:
    """SHAP values of some rows in the user's columns.

    Attributes
    ----------
    columns : tuple of str
        The declared features.
    rows : ndarray of int
        Which of the rows handed over were explained; all of them unless the model is large.
    outputs : ndarray of shape (outputs, rows, columns)
        For several classes one output each, else one.
    bases : ndarray of shape (outputs,)
    margins : ndarray of shape (outputs, rows)
        What the model answers on the scale that is explained.
    answers : ndarray of shape (outputs, all rows handed over)
        What it answers as it is recorded: probabilities, or the number.
    kind : {"trees", "linear", "permutation"}
    scale : str
        ``log-odds``, ``probability``, ``predicted number``, ...
    method : str
    explained : {"model", "surrogate"}
    isolation : str
        ``network namespace`` or ``not isolated``.
    pairs : ndarray of shape (rows, columns, columns), optional
        Strength of what pairs of columns do together, in the upper half, and of what each does alone on the diagonal, in the
        rows `pair_rows`.
    no_pairs : str
        Why there are none.
    timed : Timed, optional
        What the model took to answer these rows, if it was timed.
    """

    columns: tuple[str, ...]
    rows: NDArray[np.int64]
    outputs: Numbers
    bases: Numbers
    margins: Numbers
    answers: Numbers
    kind: str
    scale: str
    method: str
    explained: str
    isolation: str
    pairs: Numbers | None = None
    no_pairs: str = ""
    pair_rows: NDArray[np.int64] | None = None
    timed: Timed | None = None

    @property
    def values(self) -> Numbers:
        """SHAP values of each row, shape (rows, columns): for several classes, of the class that it was given."""
        return np.asarray(self.outputs[self._given, np.arange(len(self.rows))])

    @property
    def base(self) -> Numbers:
        """What the values of each row are added to, shape (rows,)."""
        return np.asarray(self.bases[self._given])

    @property
    def _given(self) -> NDArray[np.int64]:
        return np.asarray(self.answers[:, self.rows].argmax(axis=0))

    @property
    def strength(self) -> Numbers:
        """Absolute SHAP values, shape (rows, columns), the mean over the outputs."""
        return np.asarray(np.abs(self.outputs).mean(axis=0))

    @property
    def additivity(self) -> float:
        """The largest miss of base and values against the answer, as a share of the answers' standard deviation."""
        missed = np.abs(self.bases[:, None] + self.outputs.sum(axis=2) - self.margins).max(axis=1)
        spread = self.margins.std(axis=1)
        scale = np.where(spread > 0, spread, np.maximum(np.abs(self.margins).max(axis=1), 1e-12))
        return float((missed / scale).max())


def explain_rows(subject: Subject, rows: pa.Table) -> Explained:
    """Return the SHAP values of the model's answers in some rows.

    Parameters
    ----------
    subject : checks.subject.Subject
        Its reference is what linear and unknown models are held against, and what a surrogate learns from.
    rows : pyarrow.Table
        With the declared features, in the user's own columns.

    Raises
    ------
    DataError
        Where there is neither a model nor a surrogate to ask, or a column is missing: a sentence why.
    checks.isolation.IsolationError
        Where the artifact could not be run: a sentence why. Nothing else is asked in its place.

    Examples
    --------
    >>> found = explain_rows(subject, rows)            # doctest: +SKIP
    >>> found.explained, found.values.shape == (rows.num_rows, len(found.columns))            # doctest: +SKIP
    ('model', True)
    """
    asked = of_artifact(subject) if subject.passport.artifact is not None else of_surrogate(subject)
    return asked.explain({"rows": rows}, drawn(subject, subject.reference, wanted(subject, subject.reference)))["rows"]


def wanted(subject: Subject, table: Table, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return SQL of the declared features as they are, by their names, and of what else is asked for.

    Raises
    ------
    DataError
        If the table cannot be read or lacks a feature.
    """
    if not table:
        raise DataError(table.problem)
    missing = [name for name in subject.passport.features if name not in table.columns]
    if missing:
        raise DataError(f"The {table.role} has no column '{missing[0]}', which the model reads.")
    return {name: quote(name) for name in subject.passport.features} | dict(extra or {})


def drawn(subject: Subject, table: Table, columns: Mapping[str, str], rows: int = ROWS) -> pa.Table:
    """Return a bounded sample of a table, with the columns by their names."""
    most = max(_FEWEST, min(rows, CELLS // max(1, len(columns))))
    keyed = {f"c{place}": sql for place, sql in enumerate(columns.values())}
    return sample(subject, table, keyed, most).rename_columns(list(columns))


@dataclass(frozen=True)
class Asked:
    """A model that can be asked for SHAP values.

    Attributes
    ----------
    passport : Passport
        Whose features and task they are.
    explained : {"model", "surrogate"}
    files : dict of str to pathlib.Path, or of str to bytes
        What is handed over.
    orders : list of dict
        How each of them is loaded.
    seed : int
    surrogate : Surrogate, optional
    """

    passport: Passport
    explained: str
    files: Mapping[str, Path | bytes]
    orders: Sequence[Mapping[str, Any]]
    seed: int
    surrogate: Surrogate | None = None

    def explain(
        self, tables: Mapping[str, pa.Table], background: pa.Table, interact: Sequence[str] = (), limits: Limits = LIMITS,
        timed: str = "",
    ) -> dict[str, Explained]:
        """Return the SHAP values of each table's rows.

        Parameters
        ----------
        tables : mapping of str to pyarrow.Table
        background : pyarrow.Table
            Rows of the reference.
        interact : sequence of str
            The tables whose interactions are wanted as well.
        limits : Limits
        timed : str
            The table with whose rows the model is timed; by default it is not.

        Raises
        ------
        IsolationError
        """
        features, task = tuple(self.passport.features), self.passport.task
        read = self.surrogate.encoding if self.surrogate is not None else None
        columns = list(features) if read is None else list(read.columns.values())
        handed = {BACKGROUND: background, **tables}
        order = {
            "models": list(self.orders), "task": "regression" if read is not None else task.kind,
            "classes": [] if read is not None or task.kind == "regression" else _classes(self.passport),
            "columns": columns, "interact": list(interact), "seed": int(generator(self.seed, "shap").integers(2**31)),
            "time": timed,
        }
        with _on_disk(self.files) as files:
            rows = {name: _features(table, features) if read is None else _coded(table, read) for name, table in handed.items()}
            answer = ask("checks.explainability.inside", order, rows, files, limits)
        width = len(columns)
        names = [features.index(name) for name in read.columns] if read is not None else list(range(width))
        found = {
            name: _checked(answer.values, answer.tables, name, table.num_rows, width, names, features, self, answer.isolation)
            for name, table in tables.items()
        }
        if timed:
            times = times_of(answer.values.get("timed"), tables[timed].num_rows, answer.seconds)
            found[timed] = replace(found[timed], timed=times)
        return found


def of_artifact(subject: Subject, passport: Passport | None = None) -> Asked:
    """Return the artifact of the subject's passport, or of another one, as something to ask.

    Raises
    ------
    checks.isolation.artifact.ArtifactError
        If the passport declares none.
    """
    passport = passport or subject.passport
    order = order_of(passport) | {"file": "artifact"}
    declared = passport.artifact
    path = subject.root / declared.path if declared is not None else subject.root
    return Asked(passport, "model", {"artifact": path}, [order], subject.seed)


def of_surrogate(subject: Subject, surrogate: Surrogate | None = None) -> Asked:
    """Return the surrogate of the subject's model as something to ask.

    Raises
    ------
    DataError
        If none can be made, or it agrees too little with the model to speak for it.
    """
    from skops.io import dumps

    surrogate = surrogate or fit(subject)
    if surrogate.fidelity < LEAST_FIDELITY:
        raise DataError(
            f"The surrogate explains {100 * max(0.0, surrogate.fidelity):.0f} % of the score, less than the "
            f"{100 * LEAST_FIDELITY:.0f} % from which on it speaks for the model."
        )
    files = {f"artifact-{place}": dumps(one) for place, one in enumerate(surrogate.trees)}
    orders = [
        {"file": name, "format": "skops", "sha256": digest_bytes(content), "trusted": list(_TREES)}
        for name, content in files.items()
    ]
    return Asked(subject.passport, "surrogate", files, orders, subject.seed, surrogate)


def _classes(passport: Passport) -> list[str]:
    task = passport.task
    return [spelt(value) for value in (task.classes if task.kind == "multiclass" else [task.positive])]


@contextmanager
def _on_disk(files: Mapping[str, Path | bytes]) -> Any:
    with tempfile.TemporaryDirectory(prefix="roadworthy-") as folder:
        found = {}
        for name, content in files.items():
            found[name] = content if isinstance(content, Path) else Path(folder) / name
            if isinstance(content, bytes):
                found[name].write_bytes(content)
        yield found


def _features(table: pa.Table, features: Sequence[str]) -> pa.Table:
    missing = [name for name in features if name not in table.column_names]
    if missing:
        raise DataError(f"The rows have no column '{missing[0]}', which the model reads.")
    return table.select(list(features))


def _coded(table: pa.Table, encoding: Encoding) -> pa.Table:
    """Return the rows as the surrogate reads them, by the names that its columns have in a sample."""
    con = connect("256MB", 1)
    try:
        con.register("handed", table)
        types = {row[0]: row[1] for row in con.execute("describe handed").fetchall()}
        selected = encoding.wanted(Table("rows", name="handed", columns=types))
        names = ", ".join(f"{sql} as {quote(key)}" for key, sql in selected.items())
        rows = con.sql(f"select {names or '1'} from handed").to_arrow_table()
    finally:
        con.close()
    matrix = encoding.matrix(rows)
    return pa.table({key: matrix[:, place] for place, key in enumerate(encoding.columns.values())})


def _checked(
    told: Mapping[str, Any], tables: Mapping[str, pa.Table], name: str, rows: int, width: int, names: Sequence[int],
    features: tuple[str, ...], asked: Asked, isolation: str,
) -> Explained:
    """Return what came back of one table if it is of the shape that was asked for."""
    try:
        bases = np.array([float(one) for one in told["base"][name]])
        k, table = len(bases), tables[name]
        chosen = table.column("row").to_numpy().astype(np.int64)
        outputs = np.zeros((k, len(chosen), len(features)))
        for place, feature in enumerate(names):
            for output in range(k):
                outputs[output, :, feature] = table.column(f"v{output}.{place}").to_numpy()
        margins = np.array([table.column(f"m{output}").to_numpy() for output in range(k)], dtype=float)
        given = np.array([tables[f"{name} answers"].column(f"a{output}").to_numpy() for output in range(k)], dtype=float)
        pairs, pair_rows, no_pairs = None, None, str(told["interactions"].get(name, ""))[:300]
        if f"{name} pairs" in tables:
            strength = tables[f"{name} pairs"]
            pair_rows = strength.column("row").to_numpy().astype(np.int64)
            pairs = np.zeros((strength.num_rows, len(features), len(features)))
            for a in range(width):
                for b in range(a, width):
                    first, second = sorted((names[a], names[b]))
                    pairs[:, first, second] = strength.column(f"{a}.{b}").to_numpy()
        kind, scale, method = (str(told[key])[:300] for key in ("kind", "scale", "method"))
        if asked.surrogate is not None and asked.passport.task.kind != "regression":
            scale = "probability"  # the surrogate's number is the model's probability
    except (KeyError, TypeError, ValueError, pa.ArrowException) as problem:
        raise IsolationError("The process inside cannot be believed: its answer has another shape.") from problem
    whole = chosen.size > 0 and chosen.min() >= 0 and chosen.max() < rows and bool((np.diff(chosen) > 0).all())
    whole = whole and (pair_rows is None or bool(np.isin(pair_rows, chosen).all() and (np.diff(pair_rows) > 0).all()))
    numbers = [outputs, bases, margins, given, *([] if pairs is None else [pairs])]
    if not whole or k == 0 or given.shape != (k, rows) or not all(np.isfinite(one).all() for one in numbers):
        raise IsolationError("The model's answers could not be explained: they hold what is no number.")
    return Explained(
        features, chosen, outputs, bases, margins, given, kind, scale, method, asked.explained, isolation, pairs, no_pairs,
        pair_rows,
    )
