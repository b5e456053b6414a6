"""How often the rules about people are wrong: who looks alike, who was trained on, and which columns are not needed.

Usage: python benchmarks/privacy_error_rates.py [--draws 2000] [--part alike|members|columns] [--policy data/policies/high.yaml]

Tables, attacks and models are drawn from a known truth (fixed seeds), measured with the families' own functions, and judged by
the rules of the policy as they stand. docs/error-rates.md shows the tables that this prints.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import cache
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import binom, norm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from checks.anonymity.classes import SMALL, Sizes
from checks.intervals import newcombe
from checks.membership.attacks import FALSE_POSITIVES, Told, halves, likelihood_ratio, told
from roadworthy.judge import Context, judge
from roadworthy.measurement import Measurement
from roadworthy.policy import Policy, read_policy

SEED = 20261122
HIGH = Path(__file__).resolve().parent.parent / "data/policies/high.yaml"
DAY = date(2026, 4, 9)
REFERENCE = 2_000
SHADOWS = 16
Shares = dict[str, float]
"""Share of draws that pass, whose interval crosses the limit, that lie beyond it, or have too little data."""
WORDS = ("pass", "crosses", "beyond", "too few")


def policy_of(path: Path = HIGH) -> Policy:
    """Return the policy with its rules about people alone."""
    whole = read_policy(path)
    return whole.model_copy(update={"rules": [r for r in whole.rules if r.metric.startswith("privacy.")]})


def said(policy: Policy, rule: str, m: Measurement) -> str:
    """Return one of `WORDS`: what the judge makes of a measurement by one rule at a gate."""
    [one] = [r for r in policy.rules if r.id == rule]
    alone = policy.model_copy(update={"rules": [one]})
    [found] = judge([m], alone, Context(tier="high", task="binary", when="gate", day=DAY)).findings
    if found.status in ("pass", "insufficient"):
        return "pass" if found.status == "pass" else "too few"
    if one.test == "exact" or found.low is None or found.high is None:
        return "beyond"
    return "beyond" if one.parsed.excludes(found.low, found.high) else "crosses"


def shares(policy: Policy, rule: str, draw: Callable[[np.random.Generator], Measurement], times: int, *seed: int) -> Shares:
    """Return what the rule says of measurements that are drawn."""
    random = np.random.default_rng([SEED, *seed])
    count = Counter(said(policy, rule, draw(random)) for _ in range(times))
    return {word: count[word] / times for word in WORDS}


# ------------------------------------------------------------------------------------------------ people who look alike


@cache
def people() -> NDArray[np.float64]:
    """Return how frequent each of 200 combinations of facts is among people: few common ones and many rare ones."""
    weights = np.random.default_rng(SEED).lognormal(0, 1.5, 200)
    return np.asarray(weights / weights.sum())


def expected(rows: int, finer: float = 0.0) -> float:
    """Return the share of so many rows that is expected in small classes, if a part of them is told apart by a finer column."""
    held = sum(j * binom.pmf(j, rows, (1 - finer) * people()).sum() for j in range(1, SMALL))
    return float(finer + held / rows)


def finer_for(rows: int, share: float) -> float:
    """Return the part that must be told apart for that expected share."""
    return float(brentq(lambda part: expected(rows, part) - share, 0, 1))


def sizes(random: np.random.Generator, rows: int, finer: float = 0.0) -> Sizes:
    """Draw rows and count their classes."""
    alone = int(random.binomial(rows, finer))
    drawn = random.multinomial(rows - alone, people())
    classes = Counter(drawn[drawn > 0].tolist())
    classes[1] += alone
    return Sizes({size: many for size, many in classes.items() if many})


def change(batch: Sizes, reference: Sizes) -> Measurement:
    """Return the change as `checks.anonymity.measure` has it, from counts."""
    rows = min(batch.rows, reference.rows)
    here, there = batch.at(rows), reference.at(rows)
    made = newcombe(here.value * here.worth, here.worth, there.value * there.worth, there.worth)
    return Measurement(
        "privacy.small_classes_change", value=here.value - there.value, low=made.low, high=made.high, confidence=0.95, n=rows,
    )


def no_finer(policy: Policy, times: int, rows: Sequence[int] = (100, 400, 1_000, 2_000)) -> Iterator[tuple[str, Shares]]:
    """Yield what `people-no-finer` says of days of the same people, and of days whose share stands exactly at the limit."""
    [limit] = [r.parsed.at_most for r in policy.rules if r.id == "people-no-finer"]
    for batch, (words, more) in product(rows, (("the same people", 0.0), ("at the limit", limit or 0.0))):
        at = min(batch, REFERENCE)
        finer = finer_for(at, expected(at) + more) if more else 0.0
        yield f"{batch:,} against {REFERENCE:,} rows, {words}", shares(
            policy, "people-no-finer",
            lambda r, batch=batch, finer=finer: change(sizes(r, batch, finer), sizes(r, REFERENCE)), times, REFERENCE, batch,
        )


def no_name(policy: Policy, times: int, rows: Sequence[int] = (500, 5_000)) -> Iterator[tuple[str, Shares]]:
    """Yield what `people-no-name` says of references drawn from people of whom that share is expected in small classes."""

    def drawn(random: np.random.Generator, n: int, finer: float) -> Measurement:
        found = sizes(random, n, finer)
        return Measurement("privacy.rows_in_small_classes", value=found.at(n).value, n=n)

    for n, share in product(rows, (0.90, 0.93, 0.95, 0.97)):
        finer = finer_for(n, share)
        yield f"{n:,} rows, {share:.2f} expected", shares(
            policy, "people-no-name", lambda r, n=n, finer=finer: drawn(r, n, finer), times, n, round(100 * share),
        )


# ------------------------------------------------------------------------------------------------ who was trained on


def auc(found: Told, by: str = "loss") -> Measurement:
    """Return the area as `checks.membership` has it."""
    return Measurement(
        "privacy.membership_auc", {"attack": by}, found.auc, found.interval.low, found.interval.high, 0.95,
        n=found.members + found.others,
    )


def by_loss(random: np.random.Generator, rows: int, apart: float) -> Told:
    """Attack so many members and as many others whose confidence is normal and, on average, so many deviations apart."""
    inside = np.arange(2 * rows) < rows
    return told((random.normal(size=2 * rows) + apart * inside)[None, :], inside[None, :], np.arange(2 * rows))


def by_ratio(random: np.random.Generator, rows: int, lift: float) -> Told:
    """Attack 16 models that learned from halves of the rows and are surer by `lift` of those that they learned from."""
    member = halves(random.integers(0, 2, rows), np.arange(rows), SHADOWS, int(random.integers(2**31)))
    sure = random.normal(size=rows) + random.normal(0, 1, (SHADOWS, rows)) + lift * member
    return told(likelihood_ratio(sure, member), member, np.arange(rows))


@cache
def lift_for(area: float) -> float:
    """Return the lift at which the strong attack has that area, on average over 10 x 5,000 rows."""

    def gap(lift: float) -> float:
        random = np.random.default_rng(SEED)
        return float(np.mean([by_ratio(random, 5_000, lift).auc for _ in range(10)])) - area

    return float(brentq(gap, 0, 3, xtol=1e-3))


def hidden(policy: Policy, times: int, rows: Sequence[int] = (40, 100, 400, 2_000)) -> Iterator[tuple[str, Shares]]:
    """Yield what `members-hidden` says where nothing leaks, and where the true area stands exactly at the limit."""
    [limit] = [r.parsed.at_most for r in policy.rules if r.id == "members-hidden"]
    at = limit or 0.0
    for n in rows:
        for words, apart in (("no leak", 0.0), ("at the limit", float(norm.ppf(at) * np.sqrt(2)))):
            yield f"loss, {n:,} members and as many others, {words}", shares(
                policy, "members-hidden", lambda r, n=n, apart=apart: auc(by_loss(r, n, apart)), times, n,
            )
    for n in [n for n in rows if n >= 100]:
        for words, lift in (("no leak", 0.0), ("at the limit", lift_for(at))):
            yield f"likelihood ratio, {n:,} rows, {words}", shares(
                policy, "members-hidden", lambda r, n=n, lift=lift: auc(by_ratio(r, n, lift), "likelihood ratio"),
                max(60, times // 4), n, 1,
            )


def named(policy: Policy, times: int, rows: Sequence[int] = (1_000, 4_000)) -> Iterator[tuple[str, Shares]]:
    """Yield what `members-not-named` says where nothing leaks, and where the share named stands exactly at the limit."""
    [limit] = [r.parsed.at_most for r in policy.rules if r.id == "members-not-named"]
    apart = float(norm.ppf(1 - FALSE_POSITIVES) - norm.ppf(1 - (limit or 0.0)))

    def drawn(random: np.random.Generator, n: int, far: float) -> Measurement:
        found = by_loss(random, n, far)
        over = {"attack": "loss", "at": "1 % false positives"}
        return Measurement("privacy.membership_tpr", over, found.named, found.low, found.high, 0.95, n=2 * n)

    for n in rows:
        for words, far in (("no leak", 0.0), ("at the limit", apart)):
            yield f"{n:,} members and as many others, {words}", shares(
                policy, "members-not-named", lambda r, n=n, far=far: drawn(r, n, far), times, n,
            )


# ------------------------------------------------------------------------------------------------ which columns are needed


def effect_for(times_margin: float, confirming: int) -> float:
    """Return the slope of a column without which the mean absolute error of a line rises by so many margins.

    The noise has a standard deviation of 1, so the error is on average sqrt(2 / pi) and strays by sqrt(1 - 2 / pi). Without a
    column of slope b it is sqrt(2 / pi) sqrt(1 + b squared). The margin is one standard error of the full model's own error.
    """
    margin = np.sqrt((1 - 2 / np.pi) / confirming)
    return float(np.sqrt((1 + times_margin * margin / np.sqrt(2 / np.pi)) ** 2 - 1))


def left_out(root: Path, random: np.random.Generator, rows: int, slope: float) -> list[str]:
    """Return the columns that a line of `much`, `some` of that slope, and `noise` is said to do as well without."""
    import pandas as pd
    from sklearn.linear_model import LinearRegression
    from skops.io import dumps

    from checks import minimisation
    from roadworthy.canonical import digest_bytes
    from tests.checks.membership.worlds import here
    from tests.support import make_subject, passport_of

    table = pd.DataFrame(random.normal(size=(rows, 3)), columns=["much", "some", "noise"])
    table["y"] = 3 * table["much"] + slope * table["some"] + random.normal(size=rows)
    features = ["much", "some", "noise"]
    model = LinearRegression().fit(table[features], table["y"])
    table["forecast"], table["sex"] = model.predict(table[features]), "male"
    content = dumps(model)
    (root / "model.skops").write_bytes(content)
    passport: dict[str, Any] = {
        "task": {"kind": "regression", "label": "y", "prediction": "forecast"}, "features": features,
        "artifact": {"path": "model.skops", "sha256": digest_bytes(content), "format": "skops"}, "no_artifact_because": None,
        "recipe": {"command": ["python"], "seed": 1}, "reference": {"seen": "in_sample"},
    }
    with make_subject(root, passport_of(**passport), table) as subject:
        return list(minimisation.measure(subject, here, seconds=600.0)[0].details["columns"])


def needed(
    times: int, rows: Sequence[int] = (300, 900), margins: Sequence[float] = (0, 0.5, 1, 2),
) -> Iterator[tuple[int, float, float, float]]:
    """Yield rows, by how many margins the loss truly rises without `some`, and how often it and `noise` are called not needed.

    A column that is not needed makes `inputs-needed` warn, so the third is the rule's false alarms where the loss truly rises by
    a margin or more, and the fourth is what it finds.
    """
    with TemporaryDirectory() as folder:
        for n, times_margin in product(rows, margins):
            random = np.random.default_rng([SEED, n, round(10 * times_margin)])
            slope = effect_for(times_margin, n // 3)
            found = [left_out(Path(folder), random, n, slope) for _ in range(times)]
            yield n, times_margin, float(np.mean(["some" in f for f in found])), float(np.mean(["noise" in f for f in found]))


def _table(title: str, rows: Iterator[tuple[str, Shares]]) -> None:
    print(f"\n{title}\n\n| what is drawn | {' | '.join(WORDS)} |\n|---|{'---|' * len(WORDS)}")
    for words, found in rows:
        print(f"| {words} | " + " | ".join(f"{100 * found[word]:.1f} %" for word in WORDS) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--part", choices=("alike", "members", "columns"))
    parser.add_argument("--policy", type=Path, default=HIGH)
    given = parser.parse_args()
    policy = policy_of(given.policy)
    if given.part in (None, "alike"):
        _table(f"`people-no-finer`, {given.draws:,} draws", no_finer(policy, given.draws))
        _table(f"`people-no-name`, {given.draws:,} draws", no_name(policy, given.draws))
    if given.part in (None, "members"):
        _table(f"`members-hidden`, {given.draws:,} draws (a quarter for the ratio)", hidden(policy, given.draws))
        _table(f"`members-not-named`, {given.draws:,} draws", named(policy, given.draws))
    if given.part in (None, "columns"):
        times = max(20, given.draws // 10)
        print(f"\n`inputs-needed`, {times:,} draws\n")
        print("| rows | without it the loss rises by | called not needed | noise is called not needed |\n|---|---|---|---|")
        for n, times_margin, some, noise in needed(times):
            print(f"| {n:,} | {times_margin:g} margins | {100 * some:.1f} % | {100 * noise:.1f} % |", flush=True)


if __name__ == "__main__":
    main()
