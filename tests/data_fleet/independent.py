"""The demo nights in plain pandas, numpy and scikit-learn: answers that know nothing of Roadworthy's code.

Each function reads the same Parquet files as the checks and computes one number the long way, on rows.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import r2_score, roc_auc_score

DATA = Path(__file__).resolve().parents[2] / "data"


def rows(model: str, last: date, days: int) -> pd.DataFrame:
    """Return the batches of `days` days that end with `last`."""
    paths = [DATA / "batches" / model / f"date={last - timedelta(days=i)}" / "part.parquet" for i in reversed(range(days))]
    return pd.concat([pd.read_parquet(path) for path in paths if path.is_file()], ignore_index=True)


def reference(model: str) -> pd.DataFrame:
    return pd.read_parquet(DATA / "references" / f"{model}.parquet")


def flights(night: date, days: int = 14) -> pd.DataFrame:
    """Return the flights with an outcome whose labels are mature on `night`."""
    return rows("flights", night - timedelta(days=1), days).dropna(subset=["late15"])


def error_rate(found: pd.DataFrame, decision: str, label: str) -> float:
    return float((found[decision].astype(int) != found[label].astype(int)).mean())


def auc(found: pd.DataFrame, score: str, label: str) -> float:
    return float(roc_auc_score(found[label].astype(int), found[score]))


def r2(night: date, days: int = 14) -> float:
    found = rows("bikes", night - timedelta(days=1), days)
    return float(r2_score(found["bikers"], found["predicted_bikers"]))


def loss(night: date, days: int = 14) -> float:
    """Return the mean error as a share of 300 bikes, each counted in steps of 1/64 and rounded down."""
    found = rows("bikes", night - timedelta(days=1), days)
    share = ((found["predicted_bikers"] - found["bikers"]).abs() / 300).clip(upper=1)
    return float((np.floor(share * 64) / 64).mean())


def bias(night: date, days: int = 14) -> float:
    found = rows("bikes", night - timedelta(days=1), days)
    return float((found["predicted_bikers"] - found["bikers"]).mean())


def ratio(chosen: pd.Series, group: pd.Series, other: pd.Series) -> float:
    return float(chosen[group].mean() / chosen[other].mean())


def psi(now: pd.Series, before: pd.Series, bins: int = 10) -> float:
    """Return the population stability index on deciles of `before`, less what chance alone gives on average."""
    edges = np.unique(np.quantile(before, np.linspace(0, 1, bins + 1)[1:-1]))
    counts = [np.bincount(np.searchsorted(edges, side, side="right"), minlength=len(edges) + 1) + 0.5 for side in (now, before)]
    p, q = (c / c.sum() for c in counts)
    return float(max(0.0, ((p - q) * np.log(p / q)).sum() - len(edges) * (1 / len(now) + 1 / len(before))))


def expectation(night: date, model: str, name: str) -> bool:
    """Say whether the window's rows keep one line of the model's suite, written out again here."""
    found = rows(model, night, {"credit": 10, "employment": 1}.get(model, 14))
    lines = {
        "rows": lambda: {"credit": 20, "employment": 6000, "flights": 60, "bikes": 12}[model] <= len(found) <= 10000,
        "temperature-there": lambda: found["temp"].notna().mean() >= 0.95,
        "age-plausible": lambda: found["age" if model == "credit" else "AGEP"].between(0 if model != "credit" else 18, 100).all(),
    }
    return bool(lines[name]())


def answer(night: date, model: str, metric: str, over: str) -> float:
    """Return the number that README.md's table of expected outcomes gives for one line."""
    if metric == "data_quality.expectation":
        return float(expectation(night, model, over))
    if model == "bikes":
        return {"performance.r2": r2, "performance.bias": bias, "performance.loss": loss}[metric](night)
    if model == "flights":
        window = flights(night)
        return {
            "performance.error_rate": lambda: error_rate(window, "predicted_late", "late15"),
            "performance.day_error_rate": lambda: error_rate(flights(night, 1), "predicted_late", "late15"),
            "performance.roc_auc": lambda: auc(window, "score", "late15"),
            "drift.score_psi": lambda: psi(rows("flights", night, 14)["score"], reference("flights")["score"]),
            "drift.label_rate_change": lambda: float(window["late15"].mean() - reference("flights")["late15"].mean()),
        }[metric]()
    if model == "credit":
        window, decision, label, score = rows("credit", night, 10), "decision", "good_credit", "score"
        groups = {
            "age: 25 and under": (window["age"] <= 25, window["age"] > 25),
            "sex: women": (window["sex"] == "female", window["sex"] == "male"),
            "foreign-worker: not a foreign worker": (window["foreign_worker"] == "no", window["foreign_worker"] == "yes"),
        }
    else:
        window, decision, label, score = rows("employment", night, 1), "prediction", "employed", "predicted_probability"
        groups = {
            "disability: with a disability": (window["DIS"] == "1", window["DIS"] == "2"),
            "sex: women": (window["SEX"] == "2", window["SEX"] == "1"),
            "race: Black or African American": (window["RAC1P"] == "2", window["RAC1P"] == "1"),
            "race: two or more races": (window["RAC1P"] == "9", window["RAC1P"] == "1"),
            "citizenship: born in Puerto Rico or another territory": (window["CIT"] == "2", window["CIT"] == "1"),
            "age: 40 and over": (window["AGEP"] >= 40, window["AGEP"] < 40),
        }
    if metric == "performance.error_rate":
        return error_rate(window, decision, label)
    if metric == "performance.roc_auc":
        return auc(window, score, label)
    if metric == "drift.score_psi":
        return psi(window[score], reference(model)[score])
    if metric == "drift.label_rate_change":
        return float(window[label].mean() - reference(model)[label].mean())
    group, other = groups[over]
    if metric == "fairness.selection_rate_ratio":
        return ratio(window[decision], group, other)
    if metric == "fairness.true_positive_rate_difference":
        deserved = window[label] == 1
        return float(window[decision][group & deserved].mean() - window[decision][other & deserved].mean())
    raise KeyError(metric)
