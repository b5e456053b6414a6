"""Models that predict a number: a model of the size of the error, learnt on the reference, says how large errors are today.

Direct loss estimation (NannyML): gradient-boosted trees learn the absolute and the squared error from the features and the
prediction. Trees read rows, so the reference and the window each give a bounded, seeded sample; what is fitted lives for one
call and is never stored.

How sure it is
    `FOLDS` models are fitted, each without one fold of the reference. Their residuals on the fold they have not seen say
    how far single errors stray from what is expected, and how much the units of independence err together; the larger of the
    spread between the models (a delete-a-group jackknife) and the uncertainty of the residuals' mean stands for the error of
    the model itself. Trees do not look beyond the inputs that they have seen: where the inputs moved far, the
    estimate is drawn towards the errors of the reference, and the interval does not say so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from checks.counts import group, is_numeric
from checks.estimate.calibration import Floats, Whole, design_effect
from checks.estimate.confidence import quantile_of
from checks.estimate.sheet import LEAST_ROWS, SAMPLE, WHOLE, Refusal, Sheet, check, few, sampled
from checks.intervals import Interval, on_scale
from checks.performance.columns import number
from checks.subject import Subject, Table
from roadworthy.sql import literal, quote

METRICS = ("mae", "rmse")
FOLDS = 4
LEAST_LABELLED = 100
MOST_CATEGORIES = 100
TREES = {"max_iter": 40, "max_leaf_nodes": 15, "learning_rate": 0.1, "min_samples_leaf": 20, "max_bins": 64}
HOW = "direct loss estimation, gradient-boosted trees"


@dataclass(frozen=True)
class Inputs:
    """What the trees read: the prediction and the features, as columns of numbers.

    Attributes
    ----------
    numbers, words : tuple of str
        Features that are numbers on the reference, and those that are words.
    codes : dict of str to dict of str to int
        By feature of words: code of each of its frequent values on the reference.
    """

    numbers: tuple[str, ...]
    words: tuple[str, ...]
    codes: dict[str, dict[str, int]]


@dataclass(frozen=True)
class Rows:
    """A sample of rows: the trees' inputs, the error where labels are read, units and groups; and how many it stands for."""

    inputs: Floats
    error: Floats
    unit: Whole
    groups: dict[str, NDArray[Any]]
    total: int


@dataclass(frozen=True)
class Expert:
    """Models of one loss, and what they showed on the rows that each has not seen.

    Attributes
    ----------
    models : tuple
    scale : float
        The loss is learnt in units of this.
    relative : float
        Variance of a row's loss about what is expected, as a multiple of that squared.
    left : float
        Variance of the mean residual, by unit of independence.
    correlation : float
        Of the residuals within a unit.
    units : int
        0 where rows are the units.
    """

    models: tuple[Any, ...]
    scale: float
    relative: float
    left: float
    correlation: float
    units: int

    def expected(self, inputs: Floats) -> Floats:
        """Return the expected loss by model and row."""
        return np.asarray([np.maximum(0.0, model.predict(inputs)) * self.scale for model in self.models])


def regression(subject: Subject, sheet: Sheet) -> None:
    """Write down every estimate of a model that predicts a number."""
    try:
        _check(subject, subject.reference, labelled=True)
        shape = _shape(subject)
        reference = take(subject, subject.reference, shape, labelled=True)
        _enough(subject, reference)
    except Refusal as no:
        sheet.refuse(METRICS, WHOLE, no.status, no.reason, subject.batch)
        _refuse_miss(sheet, no)
        return
    import sklearn.ensemble  # noqa: F401  # a limit holds for the libraries that are loaded when it is set
    from threadpoolctl import threadpool_limits

    # Sums of gradients depend on the number of threads, and threads that wait for each other are slower than one.
    with threadpool_limits(1, user_api="openmp"):
        _both_windows(subject, sheet, reference, shape)


def _both_windows(subject: Subject, sheet: Sheet, reference: Rows, shape: Inputs) -> None:
    experts: dict[str, Expert] = {}
    for table, labelled in ((subject.batch, False), (subject.labelled, True)):
        try:
            _check(subject, table, labelled=labelled)
            rows = take(subject, table, shape, labelled=labelled)
            if len(rows.inputs) < LEAST_ROWS:
                raise Refusal("insufficient", few(len(rows.inputs), f"{'a mature label and ' if labelled else ''}a prediction"))
        except Refusal as no:
            if labelled:
                _refuse_miss(sheet, no)
            else:
                sheet.refuse(METRICS, WHOLE, no.status, no.reason, table)
            continue
        experts = experts or _experts(reference, shape, subject)
        absent = sorted({*shape.numbers, *shape.words} - set(table.columns))
        told = {"learnt_on": len(reference.inputs), **({"absent": absent} if absent else {})}
        if labelled:
            _missed(sheet, rows, experts, told)
        else:
            _of_batch(sheet, rows, experts, told)


def _of_batch(sheet: Sheet, rows: Rows, experts: Mapping[str, Expert], told: Mapping[str, Any]) -> None:
    table = sheet.subject.batch
    found = {name: expert.expected(rows.inputs) for name, expert in experts.items()}
    told = {"excluded": {"without_prediction": table.rows - rows.total}, **told}
    for over, mine in _parts(rows):
        n, total = int(mine.sum()), rows.total if not over else round(rows.total * float(mine.mean()))
        if n < LEAST_ROWS:
            sheet.refuse(METRICS, over, "insufficient", few(n, "a prediction"), table, n=n)
            continue
        for name, expert in experts.items():
            value, interval = estimate(name, found[name][:, mine], expert, rows.unit[mine], total)
            details = {"sampled": n, "of": total, **told}
            sheet.put(name, over, value, interval, n=n, stats={}, how=HOW, table=table, details=details)


def _missed(sheet: Sheet, rows: Rows, experts: Mapping[str, Expert], told: Mapping[str, Any]) -> None:
    n = len(rows.error)
    with np.errstate(over="ignore"):
        true = {"mae": float(np.abs(rows.error).mean()), "rmse": math.sqrt(float((rows.error**2).mean()))}
    for name, expert in experts.items():
        value, interval = estimate(name, expert.expected(rows.inputs), expert, rows.unit, n)
        sheet.miss(name, (value, interval, n), true[name], f"{HOW}, minus labels", {"sampled": n, "of": rows.total, **told})


def _parts(rows: Rows) -> Iterator[tuple[Mapping[str, Any], NDArray[np.bool_]]]:
    yield WHOLE, np.ones(len(rows.inputs), dtype=bool)
    for attribute, names in rows.groups.items():
        for name in np.unique(names).tolist():
            yield {"group": {attribute: name}}, names == name


def _refuse_miss(sheet: Sheet, no: Refusal) -> None:
    for name in METRICS:
        sheet.refuse(["miss"], {"metric": name}, no.status, no.reason, sheet.subject.labelled)


def _check(subject: Subject, table: Table, *, labelled: bool) -> None:
    task, unit = subject.passport.task, subject.passport.independence.column
    check(subject.passport, table, [task.prediction, task.label if labelled else None, unit])


def _enough(subject: Subject, reference: Rows) -> None:
    n, independence = len(reference.error), subject.passport.independence
    if n < LEAST_LABELLED:
        raise Refusal("insufficient", few(n, "a label and a prediction", LEAST_LABELLED, " of the reference"))
    with np.errstate(over="ignore"):
        fits = math.isfinite(float((reference.error**4).sum()))  # the spread of squared errors is needed
    if not fits:
        raise Refusal("error", "The numbers are too large to compute with.")
    if independence.unit != "row" and len(np.unique(reference.unit)) < FOLDS:
        raise Refusal("insufficient", f"The rows of the reference are of fewer than the {FOLDS} {independence.unit}s needed.")


def _shape(subject: Subject) -> Inputs:
    """Return what the trees can read of the reference: numbers, and words with their frequent values."""
    table, passport = subject.reference, subject.passport
    features = [c for c in passport.features if table.has(c)]
    numbers = tuple(c for c in features if is_numeric(table.columns[c]))
    # Trees cannot learn from a date, which never comes again.
    words = tuple(c for c in features if c not in numbers and not table.columns[c].startswith(("DATE", "TIME")))
    codes = {}
    for column in words:
        text = f"cast({quote(column)} as varchar)"
        order = f"group by 1 order by count(*) desc, 1 limit {MOST_CATEGORIES}"
        values = subject.con.execute(f"select {text} from {table.name} where {text} is not null {order}").fetchall()
        codes[column] = {str(value): code for code, (value,) in enumerate(values)}
    return Inputs(numbers, words, codes)


def take(subject: Subject, table: Table, shape: Inputs, *, labelled: bool) -> Rows:
    """Return a bounded, seeded sample of the rows with a prediction; with labels too if asked."""
    passport = subject.passport
    task, unit = passport.task, passport.independence.column
    prediction = number(table, task.prediction)
    truth = number(table, task.label) if labelled else "0"
    usable = f"({prediction}) is not null and ({truth}) is not null"
    asked, columns = [prediction, truth], [task.prediction or "", *([task.label] if labelled else [])]
    for column in shape.numbers:
        asked.append(number(table, column) if table.has(column) else "null::double")
    for column in shape.words:
        asked.append(_coded(column, shape.codes[column]) if table.has(column) else "null::double")
    groups = [p for p in passport.protected if table.has(p.column)]
    asked += [f"cast({quote(unit)} as varchar)" if unit else "null", *(group(p) for p in groups)]
    columns += [c for c in (*shape.numbers, *shape.words) if table.has(c)] + [p.column for p in groups] + ([unit] if unit else [])
    found, total = sampled(subject, table, columns, usable, asked, SAMPLE)
    read = 2 + len(shape.numbers) + len(shape.words)
    inputs = np.stack([np.asarray(found[i], dtype=np.float64) for i in (0, *range(2, read))], axis=1)
    error = np.asarray(found[1], dtype=np.float64) - inputs[:, 0]
    whose = np.arange(len(inputs))
    if unit:
        whose = np.unique(np.asarray([str(u) for u in found[read]]), return_inverse=True)[1]
    shown = {p.name: column.astype(str) for p, column in zip(groups, found[read + 1 :], strict=True)}
    return Rows(inputs, error, whose, shown, total)


def _coded(column: str, codes: Mapping[str, int]) -> str:
    """Return SQL of the code of a value; a value that the reference has not, or seldom, is NULL, as if it were missing."""
    cases = " ".join(f"when {literal(value)} then {code}" for value, code in codes.items())
    return f"cast(case cast({quote(column)} as varchar) {cases} end as double)" if cases else "null::double"


def _experts(reference: Rows, shape: Inputs, subject: Subject) -> dict[str, Expert]:
    """Fit the models of both losses."""
    clustered = subject.passport.independence.unit != "row"
    order = np.random.default_rng(subject.seed).permutation(int(reference.unit.max()) + 1)
    folds = order[reference.unit] % FOLDS
    first = 1 + len(shape.numbers)
    mask = np.arange(reference.inputs.shape[1]) >= first
    losses = {"mae": np.abs(reference.error), "rmse": reference.error**2}
    return {name: _expert(reference, loss, folds, mask, clustered, subject.seed) for name, loss in losses.items()}


def _expert(reference: Rows, loss: Floats, folds: Whole, words: NDArray[np.bool_], clustered: bool, seed: int) -> Expert:
    from sklearn.ensemble import HistGradientBoostingRegressor

    scale = float(loss.mean()) or 1.0
    expected, models = np.zeros(len(loss)), []
    for fold in range(FOLDS):
        rest, own = folds != fold, folds == fold
        model = HistGradientBoostingRegressor(**TREES, categorical_features=words, early_stopping=False, random_state=seed)
        model.fit(reference.inputs[rest], loss[rest] / scale)
        expected[own] = np.maximum(0.0, model.predict(reference.inputs[own])) * scale
        models.append(model)
    left, n = loss - expected, len(loss)
    squares = float((left**2).sum())
    relative = squares / max(float((expected**2).sum()), 1e-300)
    together = float((np.bincount(reference.unit, left) ** 2).sum())
    size = float((np.bincount(reference.unit).astype(float) ** 2).sum()) / n
    correlation = 0.0
    if clustered and size > 1 and squares > 0:
        correlation = min(1.0, max(0.0, (together / squares - 1) / (size - 1)))
    units = len(np.unique(reference.unit)) if clustered else 0
    return Expert(tuple(models), scale, relative, (together if clustered else squares) / n**2, correlation, units)


def estimate(name: str, expected: Floats, expert: Expert, unit: Whole, total: int) -> tuple[float, Interval]:
    """Return the metric of rows with these expected losses, and its interval.

    Parameters
    ----------
    name : {"mae", "rmse"}
    expected : numpy.ndarray, shape (models, rows)
    expert : Expert
    unit : numpy.ndarray of int
        Unit of each row.
    total : int
        Rows that these are a sample of.
    """
    each, n = expected.mean(axis=1), expected.shape[1]
    mean, value = expected.mean(axis=0), float(each.mean())
    size = float((np.bincount(unit).astype(float) ** 2).sum()) / n if expert.units else 1.0
    own = expert.relative * float((mean**2).sum()) / n**2 * design_effect(expert.correlation, size)
    seen = n / max(total, n)
    own = own * seen + (1 - seen) * float(mean.var()) / n
    between = (len(each) - 1) / len(each) * float(((each - value) ** 2).sum())
    se = math.sqrt(own + max(between, expert.left))
    quantile = quantile_of(min(expert.units, len(np.unique(unit))))
    made = on_scale(value, se, "log" if value > 0 else "linear", quantile, "out-of-fold log delta-method")
    if name == "rmse":
        made = made._replace(low=math.sqrt(max(0.0, made.low)), high=math.sqrt(made.high), se=made.se / 2)
        value = math.sqrt(value)
    return value, made._replace(low=max(0.0, made.low))
