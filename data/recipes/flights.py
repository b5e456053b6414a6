"""Flights from New York, 2013: trained on 70 % of January to March; the other 30 % are the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recipes.shared import SEED, SOURCE, fit, pipeline, run

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

CATEGORIES = ("carrier", "origin", "dest")
NUMBERS = ("distance", "sched_hour", "weekday", "temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib")
FEATURES = (*CATEGORIES, *NUMBERS)
LABEL = "late15"
ROW_ORDER = ("flight_date", "row_id")
TRAINED_ON = 0.7
LAST_DAY = "2013-03-31"
THRESHOLD = 0.5


def rows() -> pd.DataFrame:
    """Return all flights by day and row number."""
    import pandas as pd

    return pd.read_parquet(SOURCE / "nyc_flights_2013.parquet").sort_values(list(ROW_ORDER), ignore_index=True)


def split() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return training and held-out rows of January to March, both in their first order."""
    import numpy as np

    found = rows()
    found = found[found["flight_date"] <= LAST_DAY].reset_index(drop=True)
    order = np.random.default_rng(SEED).permutation(len(found))
    cut = round(TRAINED_ON * len(found))
    return found.iloc[np.sort(order[:cut])], found.iloc[np.sort(order[cut:])]


def model() -> Pipeline:
    """Return the untrained model."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return pipeline(CATEGORIES, NUMBERS, HistGradientBoostingClassifier(early_stopping=False, random_state=0))


def trained_on() -> pd.DataFrame:
    """Return the flights that arrived, what the model is shown of them; a cancelled one has no label."""
    found, _ = split()
    return found.loc[found[LABEL].notna(), [*FEATURES, LABEL]]


def train() -> Pipeline:
    """Train on the flights that arrived."""
    found = trained_on()
    return fit(model(), found[list(FEATURES)], found[LABEL].astype("int8"))


if __name__ == "__main__":
    run(train, trained_on, ROW_ORDER)
