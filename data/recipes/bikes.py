"""Hired bikes in Washington, 2011: trained on January to March, on purpose with nothing that knows the season."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recipes.shared import SEED, SOURCE, fit, number, out_of_fold, pipeline, run

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

CATEGORIES = ("weathersit",)
NUMBERS = ("hr", "holiday", "weekday", "workingday", "temp", "atemp", "hum", "windspeed")
FEATURES = (*CATEGORIES, *NUMBERS)
LABEL = "bikers"
ROW_ORDER = ("timestamp",)
LAST_DAY = 90
"""31 March is the ninetieth day of 2011."""
FOLDS = 10


def rows() -> pd.DataFrame:
    """Return all hours in order."""
    import pandas as pd

    return pd.read_parquet(SOURCE / "bike_demand_2011.parquet").sort_values(list(ROW_ORDER), ignore_index=True)


def model() -> Pipeline:
    """Return the untrained model."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    return pipeline(CATEGORIES, NUMBERS, HistGradientBoostingRegressor(early_stopping=False, random_state=0))


def trained_on() -> pd.DataFrame:
    """Return every hour of January to March, what the model is shown of it."""
    found = rows()
    return found.loc[found["day"] <= LAST_DAY, [*FEATURES, LABEL]]


def train() -> Pipeline:
    """Train on every hour of January to March."""
    found = trained_on()
    return fit(model(), found[list(FEATURES)], found[LABEL])


def reference_scores(found: pd.DataFrame) -> Any:
    """Predict the training hours by models that have not seen their day: ten folds of whole days."""
    import numpy as np

    order = np.random.default_rng(SEED).permutation(LAST_DAY)
    fold_of_day = np.empty(LAST_DAY, dtype=int)
    fold_of_day[order] = np.arange(LAST_DAY) % FOLDS
    fold = fold_of_day[found["day"].to_numpy() - 1]
    return out_of_fold(model, found, features=FEATURES, label=LABEL, fold=fold, score=number)


if __name__ == "__main__":
    run(train, trained_on, ROW_ORDER)
