"""How often a lost day alarms where the model is good, and how often where it is bad.

``python benchmarks/severe_rules.py`` prints a table of the rule `day-not-lost`: the share of wrong decisions on one day, judged
by its whole Clopper-Pearson interval against 0.50. Computed for rows that err independently, and for days that differ as the
reference's days do (a beta-binomial fitted to them), because flights of one day share one weather.

The table is why no rule about one night stops a model. What does, all nights together, is in ``operating_characteristics.py``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import betabinom, binom

from checks.intervals import clopper_pearson

ROOT = Path(__file__).resolve().parent.parent
NIGHTS = 365
LIMIT = 0.5


def main() -> None:
    """Print the table."""
    day_not_lost()


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
    """Probability that one night, and that a year of nights, alarms, by the true share of errors."""
    reference = pd.read_parquet(ROOT / "data/references/flights.parquet").dropna(subset=["late15"])
    reference["wrong"] = reference["late15"].astype(int) != reference["predicted_late"]
    wrong = reference.groupby("flight_date")["wrong"].agg(["sum", "count"])
    rate = wrong["sum"].sum() / wrong["count"].sum()
    spread = within_day(wrong["sum"].to_numpy(), wrong["count"].to_numpy())
    stopped = sum(clopper_pearson(int(k), int(n)).low > LIMIT for k, n in wrong.to_numpy())
    print(f"Flights' reference: {rate:.3f} wrong; correlation of two flights of one day {spread:.3f};")
    print(f"{stopped} of {len(wrong)} days would alarm.")
    rows = []
    for n, correlation in ((40, 0.0), (78, 0.0), (78, spread), (8000, 0.0)):
        least = lost_from(n)
        for p in (0.22, 0.30, 0.40, 0.45, 0.50, 0.60, 0.70):
            night = tail(least, n, p, correlation)
            year = 1 - (1 - night) ** NIGHTS
            rows.append([f"{n:,}", f"{correlation:.2f}", f"{p:.2f}", f"{least:,}", share(night), share(year)])
    head = ["rows a day", "correlation in a day", "true share wrong", "alarms from", "one night", "a year of nights"]
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


if __name__ == "__main__":
    main()
