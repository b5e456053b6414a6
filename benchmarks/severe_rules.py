"""How often the rules that stop a model would stop a good one, and how soon they find a bad one.

``python benchmarks/severe_rules.py`` prints two tables. Both rules are the demo fleet's own: a breach of them is ``severe``.

`day-not-lost`
    The share of wrong decisions on one day, judged by its whole Clopper-Pearson interval against 0.50. Computed for rows
    that err independently, and for days that differ as the reference's days do (a beta-binomial fitted to them), because
    flights of one day share one weather.
`forecast-of-use`
    R squared over 14 days, judged by its whole interval (days as units, t) against 0.50. Simulated by drawing runs of seven
    real days from the reference and inflating their errors until the whole has the R squared wanted, so that labels, days
    and errors keep their real shape. Nights of one year share days, as they do in service.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import betabinom, binom

from checks.intervals import by_influence, clopper_pearson

ROOT = Path(__file__).resolve().parent.parent
SEED = 20261122
NIGHTS = 365
LIMIT = 0.5
WINDOW, RUN, YEARS = 14, 7, 40


def main() -> None:
    """Print both tables."""
    day_not_lost()
    forecast_of_use(np.random.default_rng(SEED))


def table(title: str, head: list[str], rows: list[list[str]]) -> None:
    """Print a table as Markdown."""
    print(f"\n{title}\n\n| {' | '.join(head)} |\n|{'|'.join('---' for _ in head)}|")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def share(value: float) -> str:
    """Write a probability: zeros as such, tiny ones with their power."""
    return "0" if value == 0 else f"{value:.4f}" if value >= 0.0005 else f"{value:.0e}"


def lost_from(n: int) -> int:
    """Return the least number of wrong decisions of n whose interval lies wholly above the limit."""
    return next((k for k in range(n + 1) if clopper_pearson(k, n).low > LIMIT), n + 1)


def day_not_lost() -> None:
    """Probability that one night, and that a year of nights, stops the model, by its true share of errors."""
    reference = pd.read_parquet(ROOT / "data/references/flights.parquet").dropna(subset=["late15"])
    reference["wrong"] = reference["late15"].astype(int) != reference["predicted_late"]
    wrong = reference.groupby("flight_date")["wrong"].agg(["sum", "count"])
    rate = wrong["sum"].sum() / wrong["count"].sum()
    spread = within_day(wrong["sum"].to_numpy(), wrong["count"].to_numpy())
    stopped = sum(clopper_pearson(int(k), int(n)).low > LIMIT for k, n in wrong.to_numpy())
    print(f"Flights' reference: {rate:.3f} wrong; correlation of two flights of one day {spread:.3f};")
    print(f"{stopped} of {len(wrong)} days would stop.")
    rows = []
    for n, correlation in ((40, 0.0), (78, 0.0), (78, spread), (8000, 0.0)):
        least = lost_from(n)
        for p in (0.22, 0.30, 0.40, 0.45, 0.50, 0.60, 0.70):
            night = tail(least, n, p, correlation)
            year = 1 - (1 - night) ** NIGHTS
            rows.append([f"{n:,}", f"{correlation:.2f}", f"{p:.2f}", f"{least:,}", share(night), share(year)])
    head = ["rows a day", "correlation in a day", "true share wrong", "stops from", "one night", "a year of nights"]
    table("`day-not-lost`", head, rows)


def tail(least: int, n: int, p: float, correlation: float) -> float:
    """Return the probability of at least `least` wrong of n."""
    if correlation == 0:
        return float(binom.sf(least - 1, n, p))
    size = 1 / correlation - 1
    return float(betabinom.sf(least - 1, n, p * size, (1 - p) * size))


def within_day(k: np.ndarray[Any, Any], n: np.ndarray[Any, Any]) -> float:
    """Return the correlation of two rows of one day: the estimator of the analysis of variance (Ridout et al. 1999)."""
    days, total, p = len(k), n.sum(), k / n
    mean = k.sum() / total
    size = (total - (n**2).sum() / total) / (days - 1)
    between = (n * (p - mean) ** 2).sum() / (days - 1)
    within = (n * p * (1 - p)).sum() / (total - days)
    return float(max(0.0, (between - within) / (between + (size - 1) * within)))


def forecast_of_use(rng: np.random.Generator) -> None:
    """Probability that one night, and that any of a year's nights, stops the forecast, by its true R squared."""
    reference = pd.read_parquet(ROOT / "data/references/bikes.parquet").sort_values("timestamp")
    rows = []
    for true in (0.85, 0.70, 0.60, 0.55, 0.50, 0.45, 0.40, 0.30):
        stops, values = years(reference, inflation(reference, true), rng)
        seen = f"{values.mean():.2f} ± {values.std():.2f}"
        rows.append([f"{true:.2f}", seen, share(float(stops.mean())), share(float(stops.any(axis=1).mean()))])
    table("`forecast-of-use`", ["true R squared", "R squared of 14 days", "one night", "any night of a year"], rows)


def inflation(reference: pd.DataFrame, true: float) -> float:
    """Return the factor on the errors that makes the pooled R squared what is wanted."""
    truth = reference["bikers"].to_numpy(float)
    errors = reference["predicted_bikers"].to_numpy(float) - truth
    return float(np.sqrt((1 - true) * ((truth - truth.mean()) ** 2).sum() / (errors**2).sum()))


def years(reference: pd.DataFrame, inflate: float, rng: np.random.Generator) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return, by year and night, whether the night stops the forecast, and its R squared."""
    sums = np.array([day_sums(day, inflate) for _, day in reference.groupby("day")])
    stops, values = np.zeros((YEARS, NIGHTS), bool), np.zeros((YEARS, NIGHTS))
    for year in range(YEARS):
        starts = rng.integers(0, len(sums) - RUN + 1, size=(NIGHTS + WINDOW) // RUN + 1)
        order = (starts[:, None] + np.arange(RUN)).ravel()
        for night in range(NIGHTS):
            values[year, night], high = r_squared(sums[order[night:night + WINDOW]])
            stops[year, night] = high < LIMIT
    return stops, values


def day_sums(day: pd.DataFrame, inflate: float) -> tuple[float, float, float, float]:
    """Return a day's rows, sum and squares of the label, and squares of the error."""
    truth = day["bikers"].to_numpy(float)
    errors = inflate * (day["predicted_bikers"].to_numpy(float) - truth)
    return float(len(truth)), truth.sum(), (truth**2).sum(), (errors**2).sum()


def r_squared(sums: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Return R squared of the days and the upper end of its interval."""
    n, total, squares, errors = sums.T
    mean = total.sum() / n.sum()
    spread = squares - 2 * mean * total + n * mean**2
    ratio = errors.sum() / spread.sum()
    influence = (errors - ratio * spread) / spread.sum()
    return 1 - ratio, by_influence(1 - ratio, float((influence**2).sum()), len(sums)).high


if __name__ == "__main__":
    main()
