"""How often the judge is wrong: false alarms, power, false stops, delays, and verdicts across sizes, all simulated.

``python benchmarks/operating_characteristics.py`` prints the tables of ``docs/error-rates.md``; ``--part clean`` (``power``,
``stops``, ``sizes``) one of them; ``--scale 0.01`` a smaller run. Every part has a fixed seed of its own and uses the functions
that judge in service: `checks.drift.plan.plan_of` chooses the cells from a real table, `checks.drift.shift.shift` tests them, and
`roadworthy.judge.judge` decides by the rules as they stand in ``data/policies/high.yaml``. Only what the rows of a day are is
drawn directly: a multinomial count of the cells, from the distribution that the reference was drawn from.

Where a shortcut spares time, it is exact. Benjamini and Hochberg reject nothing where no p-value is at most alpha, so a day
without such a p-value is not handed to the judge. `p_values` is `shift`'s p-value, and `evidence` is `roadworthy.nights.bet`,
written for many days and years at once; tests compare them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import special, stats

from checks import intervals
from checks.drift.plan import ColumnPlan, plan_of
from checks.drift.profile import profile
from checks.drift.shift import LEAST_EXPECTED, more_than, shift, two_shares
from checks.drift.statistics import SMOOTHING
from checks.subject import Table
from roadworthy.budget import share_of
from roadworthy.judge import Context, judge
from roadworthy.measurement import Measurement
from roadworthy.nights import GRID, WEIGHTS_OF_DAYS, WEIGHTS_OF_ROWS, stake
from roadworthy.policy import Policy, read_policy

ROOT = Path(__file__).resolve().parent.parent
SEED = 20261122
DAY = date(2026, 4, 9)
YEAR = 365
REFERENCE_ROWS = 20_000
DAYS = 20_000
SIZES = (200, 500, 1_000, 10_000)
CONTEXT = Context("high", "binary", "nightly", DAY)
BAD = ("warn", "fail", "severe")
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


# ------------------------------------------------------------------------------------------------ the columns


@dataclass(frozen=True)
class Number:
    """A column of numbers: a share of zeros, and a continuous or whole distribution for the rest."""

    name: str
    law: Any
    zeros: float = 0.0
    blank: float = 0.0
    whole: bool = False

    def draw(self, rng: np.random.Generator, n: int, shift_by: float = 0.0) -> list[Any]:
        """Return `n` values, None for blanks."""
        values = np.asarray(self.law.rvs(size=n, random_state=rng), dtype=float) + shift_by
        values = np.where(rng.random(n) < self.zeros, 0.0, values)
        return [None if gone else float(v) for v, gone in zip(values, rng.random(n) < self.blank, strict=True)]

    def cells(self, plan: ColumnPlan, shift_by: float = 0.0) -> Floats:
        """Return the true share of each cell of a plan among the rows that are there."""
        edges = np.array(plan.edges)
        below = (1 - self.zeros) * np.asarray(self.law.cdf(edges - shift_by), dtype=float) + self.zeros * (edges >= 0)
        return np.maximum(0.0, np.diff(np.concatenate([[0.0], below, [1.0]])))


@dataclass(frozen=True)
class Word:
    """A column of words with Zipf-like shares."""

    name: str
    levels: int
    power: float = 1.0
    blank: float = 0.0

    @property
    def shares(self) -> Floats:
        """Share of each word."""
        weight = 1 / np.arange(1, self.levels + 1) ** self.power
        return np.asarray(weight / weight.sum(), dtype=float)

    def draw(self, rng: np.random.Generator, n: int) -> list[Any]:
        """Return `n` words, None for blanks."""
        words = rng.choice(self.levels, size=n, p=self.shares)
        return [None if gone else f"w{w}" for w, gone in zip(words, rng.random(n) < self.blank, strict=True)]

    def cells(self, plan: ColumnPlan) -> Floats:
        """Return the true share of each cell of a plan: the frequent words, the other known ones, the new ones."""
        share = {f"w{i}": float(p) for i, p in enumerate(self.shares)}
        top = [share[word] for word in plan.top]
        rest = sum(share[word] for word in plan.rest)
        return np.array([*top, rest, max(0.0, 1 - sum(top) - rest)])


NORMAL = Number("n0", stats.norm())
COLUMNS: tuple[Number | Word, ...] = (
    NORMAL, Number("n1", stats.norm(50, 9)), Number("n2", stats.uniform()), Number("n3", stats.expon(), blank=0.05),
    Number("n4", stats.lognorm(1.0)), Number("n5", stats.lognorm(2.0), blank=0.3), Number("n6", stats.cauchy()),
    Number("n7", stats.t(3)), Number("n8", stats.gamma(0.5)), Number("n9", stats.beta(0.3, 0.3)),
    Number("few0", stats.randint(0, 2), whole=True), Number("few1", stats.randint(1, 7), whole=True),
    Number("few2", stats.poisson(1.5), whole=True), Number("few3", stats.poisson(4), blank=0.1, whole=True),
    Number("tie0", stats.lognorm(1.0), zeros=0.6), Number("tie1", stats.expon(), zeros=0.95),
    Number("tie2", stats.poisson(30), zeros=0.3, whole=True), Number("tie3", stats.binom(80, 0.5), whole=True),
    Number("rare0", stats.bernoulli(0.01), whole=True), Number("rare1", stats.bernoulli(0.002), whole=True),
    Word("w0", 2, 0.0), Word("w1", 5), Word("w2", 15, blank=0.02), Word("w3", 30), Word("w4", 60, 1.5, blank=0.4),
    Word("w5", 200), Word("w6", 500, 1.2), Word("w7", 1_000), Word("w8", 1_500, 1.4), Word("w9", 3, 3.0),
)
SCORE = Number("score", stats.beta(2, 5))
POSITIVE = 0.25


@dataclass(frozen=True)
class World:
    """One reference of 20,000 rows, its plan and its counts, and the shares that a clean day has."""

    plans: dict[str, ColumnPlan]
    reference: dict[str, Ints]
    blanks: dict[str, int]
    positives: int


def world(rng: np.random.Generator, columns: Sequence[Number | Word] = COLUMNS, rows: int = REFERENCE_ROWS) -> World:
    """Draw a reference, and let the real code choose its cells and count it."""
    every = [*columns, SCORE]
    types = {c.name: pa.string() if isinstance(c, Word) else pa.int64() if c.whole else pa.float64() for c in every}
    table = pa.table({c.name: pa.array(c.draw(rng, rows)).cast(types[c.name]) for c in every})
    with duckdb.connect() as con:
        con.register("reference", table)
        shown = {row[0]: row[1] for row in con.execute("describe reference").fetchall()}
        opened = Table("reference", name="reference", columns=shown, rows=rows)
        plan = plan_of(con, opened, [c.name for c in every])
        counts = profile(con, opened, plan)
    reference = {name: np.array(found.cells, dtype=np.int64) for name, found in counts.columns.items()}
    blanks = {name: found.null for name, found in counts.columns.items()}
    return World(plan.columns, reference, blanks, int(rng.binomial(rows, POSITIVE)))


# ------------------------------------------------------------------------------------------------ a day


def policy_of(name: str = "high") -> Policy:
    """Return the policy's rules about drift that test many columns at once, as they stand."""
    policy = read_policy(ROOT / "data" / "policies" / f"{name}.yaml")
    return policy.model_copy(update={"rules": [r for r in policy.rules if r.metric.startswith("drift.") and r.test == "bh"]})


@cache
def _two_shares(k: int, n: int, k0: int, n0: int) -> float:
    return two_shares(k, n, k0, n0)


@cache
def _more_than(k: int, n: int, k0: int, n0: int) -> float:
    return more_than(k, n, k0, n0)


class Days:
    """Days that are drawn at once and measured one by one, as `checks.drift.measure` does: shifts, blanks, new words, outcome.

    Parameters
    ----------
    rng : numpy.random.Generator
    here : World
    rows, days : int
    moved : mapping of str to float
        By how much each number is moved; by default none is.
    """

    def __init__(
        self, rng: np.random.Generator, here: World, rows: int, days: int, moved: Mapping[str, float] | None = None
    ) -> None:
        self.here, self.rows, self.days = here, rows, days
        self.counts: dict[str, Ints] = {}
        self.blanks: dict[str, Ints] = {}
        for column in (*COLUMNS, SCORE):
            plan = here.plans[column.name]
            by = (moved or {}).get(column.name, 0.0)
            shares = column.cells(plan, by) if isinstance(column, Number) else column.cells(plan)
            self.blanks[column.name] = rng.binomial(rows, column.blank, size=days)
            self.counts[column.name] = rng.multinomial(rows - self.blanks[column.name], shares / shares.sum())
        self.positives = rng.binomial(rows, POSITIVE, size=days)

    def measured(self, day: int) -> list[Measurement]:
        """Return the measurements of one day."""
        found = [_shifted(c.name, self.here, self.counts[c.name][day]) for c in (*COLUMNS, SCORE)]
        found += [_blanks(c.name, self.here, int(self.blanks[c.name][day]), self.rows) for c in COLUMNS]
        found += [_new(c.name, self.here, self.counts[c.name][day]) for c in COLUMNS if isinstance(c, Word)]
        return [*found, _outcome(self.here, int(self.positives[day]), self.rows)]

    def may_alarm(self, policy: Policy) -> NDArray[np.bool_]:
        """Say for each day whether any p-value is at most alpha of its rule; without one nothing can be rejected."""
        alpha = {rule.metric: (rule.alpha or 0.0) * (1 + 1e-6) for rule in policy.rules}
        found = np.zeros(self.days, bool)
        for c in (*COLUMNS, SCORE):
            metric = "drift.score_psi" if c.name == SCORE.name else "drift.psi"
            plan = self.here.plans[c.name]
            reference, batch = comparable(plan, self.here.reference[c.name]), comparable(plan, self.counts[c.name])
            found |= p_values(reference, batch, plan.ordered) <= alpha[metric]
        for c in COLUMNS:
            blanks = [_two_shares(int(k), self.rows, self.here.blanks[c.name], REFERENCE_ROWS) for k in self.blanks[c.name]]
            found |= np.array(blanks) <= alpha["drift.missing_change"]
            if isinstance(c, Word):
                m, batch, singles = int(self.here.reference[c.name].sum()), self.counts[c.name], self.here.plans[c.name].singles
                new = zip(batch[:, -1].tolist(), batch.sum(axis=1).tolist(), strict=True)
                found |= np.array([_more_than(k, n, singles, m) for k, n in new]) <= alpha["drift.new_category_share"]
        outcome = [_two_shares(int(k), self.rows, self.here.positives, REFERENCE_ROWS) for k in self.positives]
        return np.asarray(found | (np.array(outcome) <= alpha["drift.label_rate_change"]), dtype=bool)


def comparable(plan: ColumnPlan, counts: Ints) -> Ints:
    """Return counts, one day or many, as `ColumnPlan.comparable` gives them."""
    return np.concatenate([counts[..., :-2], counts[..., -2:].sum(axis=-1, keepdims=True)], axis=-1) if plan.rest else counts


def p_values(reference: Ints, batch: Ints, ordered: bool) -> Floats:
    """Return `shift`'s p-value of each row of `batch`, of shape (days, cells), for many days at once; a test compares the two."""
    a, b = np.broadcast_to(reference.astype(float), batch.shape), batch.astype(float)
    n, m = b.sum(axis=1), a.sum(axis=1)
    expected = (a + b) * (np.minimum(n, m) / (n + m))[:, None]
    group = _neighbours(expected) if ordered else _rarest(expected)
    size = group.max(axis=1) + 1
    x, y = np.zeros(batch.shape), np.zeros(batch.shape)
    days = np.arange(len(batch))
    for cell in range(batch.shape[1]):
        x[days, group[:, cell]] += a[:, cell]
        y[days, group[:, cell]] += b[:, cell]
    there = np.arange(batch.shape[1]) < size[:, None]
    q, p = ((c + SMOOTHING) / (c.sum(axis=1) + SMOOTHING * size)[:, None] for c in (x, y))
    psi = np.where(there, (p - q) * np.log(p / q), 0.0).sum(axis=1) / (1 / n + 1 / m)
    share = (x + y) / (n + m)[:, None]
    pearson = np.zeros(len(batch))
    for counts, rows in ((x, m), (y, n)):
        want = share * rows[:, None]
        pearson += np.where(want > 0, (counts - want) ** 2 / np.where(want > 0, want, 1), 0.0).sum(axis=1)
    found = special.chdtrc(np.maximum(size - 1, 1), np.minimum(psi, pearson))
    for day in np.flatnonzero(size == 1):
        found[day] = _fisher(tuple(reference.tolist()), tuple(batch[day].tolist()), ordered)
    return np.asarray(found, dtype=float)


@cache
def _fisher(reference: tuple[int, ...], batch: tuple[int, ...], ordered: bool) -> float:
    return shift(reference, batch, ordered=ordered).p_value


def _neighbours(expected: Floats) -> Ints:
    """Return the group of each cell after `merge_ordered`."""
    group, number, filled = np.zeros(expected.shape, np.int64), np.zeros(len(expected), np.int64), np.zeros(len(expected))
    least = LEAST_EXPECTED * (1 - 1e-12)
    for cell in range(expected.shape[1]):
        full = filled >= least
        number, filled = number + full, np.where(full, 0.0, filled)
        group[:, cell], filled = number, filled + expected[:, cell]
    short = (filled < least) & (number > 0)
    return group - ((group == number[:, None]) & short[:, None])


def _rarest(expected: Floats) -> Ints:
    """Return the group of each cell after `merge_unordered`."""
    order = np.argsort(-expected, axis=1, kind="stable")
    falling = np.take_along_axis(expected, order, axis=1)
    alone = (falling >= LEAST_EXPECTED).sum(axis=1)
    behind = falling[:, ::-1].cumsum(axis=1)[:, ::-1]
    place = np.arange(expected.shape[1])
    enough = (behind >= LEAST_EXPECTED * (1 - 1e-12)) & (place <= alone[:, None])
    starts = np.where(alone == expected.shape[1], alone, np.where(enough, place, 0).max(axis=1))
    group = np.empty(expected.shape, np.int64)
    np.put_along_axis(group, order, np.minimum(place, starts[:, None]), axis=1)
    return group


def _shifted(name: str, here: World, batch: Ints) -> Measurement:
    plan = here.plans[name]
    reference, batch = comparable(plan, here.reference[name]), comparable(plan, batch)
    moved = shift(reference, batch, ordered=plan.ordered)
    n, m = int(batch.sum()), int(reference.sum())
    return Measurement(
        "drift.score_psi" if name == SCORE.name else "drift.psi", {"column": name}, moved.effect, moved.low, moved.high,
        intervals.CONFIDENCE, moved.p_value, min(n, m),
        {"psi": moved.psi, "cells": moved.cells, "batch_n": n, "reference_n": m},
    )


def _blanks(name: str, here: World, null: int, n: int) -> Measurement:
    k0 = here.blanks[name]
    p_value = _two_shares(null, n, k0, REFERENCE_ROWS)
    value = null / n - k0 / REFERENCE_ROWS
    ends = intervals.newcombe(null, n, k0, REFERENCE_ROWS) if p_value <= 0.01 else None  # read only where there is a rejection
    low, high, level = (ends.low, ends.high, intervals.CONFIDENCE) if ends else (None, None, None)
    return Measurement("drift.missing_change", {"column": name}, value, low, high, level, p_value, min(n, REFERENCE_ROWS))


def _new(name: str, here: World, batch: Ints) -> Measurement:
    n, m, k, singles = int(batch.sum()), int(here.reference[name].sum()), int(batch[-1]), here.plans[name].singles
    p_value = _more_than(k, n, singles, m)
    ends = intervals.wilson(k, n) if p_value <= 0.01 else None
    low, high, level = (ends.low, ends.high, intervals.CONFIDENCE) if ends else (None, None, None)
    return Measurement("drift.new_category_share", {"column": name}, k / n, low, high, level, p_value, n)


def _outcome(here: World, k: int, n: int) -> Measurement:
    ends = intervals.newcombe(k, n, here.positives, REFERENCE_ROWS)
    return Measurement(
        "drift.label_rate_change", value=k / n - here.positives / REFERENCE_ROWS, low=ends.low, high=ends.high,
        confidence=intervals.CONFIDENCE, p_value=_two_shares(k, n, here.positives, REFERENCE_ROWS), n=n,
    )


@dataclass(frozen=True)
class Said:
    """What the judge says of one day: series with a breach before persistence, and whether anything was too small to tell."""

    breaches: frozenset[tuple[str, str]] = frozenset()
    insufficient: int = 0


def judged(policy: Policy, measurements: list[Measurement]) -> Said:
    """Judge one day, as on a first night."""
    found = judge(measurements, policy, CONTEXT).findings
    return Said(
        frozenset((f.rule, str(f.over.get("column", ""))) for f in found if f.details.get("before", f.status) in BAD),
        sum(f.status == "insufficient" and f.required for f in found),
    )


def after_persistence(policy: Policy, said: Sequence[Said]) -> int:
    """Count days with an alarm that stood as long as its rule wants; the days follow each other."""
    persist = {rule.id: rule.persist for rule in policy.rules}
    alarms = 0
    for i, one in enumerate(said):
        for key in one.breaches:
            wanted = persist[key[0]]
            stood = 1 if wanted is None else sum(key in before.breaches for before in said[max(0, i + 1 - wanted.of):i + 1])
            if wanted is None or stood >= wanted.nights:
                alarms += 1
                break
    return alarms


def upper(hits: int, n: int) -> float:
    """Return the upper 95 % bound of a share, one-sided, after Clopper and Pearson (1934)."""
    return float(stats.beta.ppf(0.95, hits + 1, n - hits)) if hits < n else 1.0


# ------------------------------------------------------------------------------------------------ the parts


def clean(scale: float = 1.0, sizes: Sequence[int] = SIZES, worlds: int = 40) -> list[list[str]]:
    """Count clean days with any alarm, over several references, because all days of one share its luck."""
    policy, rows = policy_of(), []
    worlds = max(1, round(worlds * min(1.0, 10 * scale)))
    for size in sizes:
        rng = np.random.default_rng([SEED, 1, size])
        each = max(1, round(DAYS * scale / worlds))
        alarms = stood = short = 0
        by_rule: dict[str, int] = {}
        for _ in range(worlds):
            here = world(rng)
            drawn = Days(rng, here, size, each)
            said = [judged(policy, drawn.measured(i)) if may else Said() for i, may in enumerate(drawn.may_alarm(policy))]
            example = judged(policy, measured := drawn.measured(each - 1))
            alarms += sum(bool(one.breaches) for one in said)
            stood += after_persistence(policy, said)
            short += example.insufficient
            for rule in [rule for one in said for rule in {r for r, _ in one.breaches}]:
                by_rule[rule] = by_rule.get(rule, 0) + 1
        days = each * worlds
        most = ", ".join(f"{rule} {n}" for rule, n in sorted(by_rule.items(), key=lambda x: -x[1]))
        rows.append([
            f"{size:,}", f"{days:,}", f"{alarms:,}", percent(alarms / days), percent(upper(alarms, days)), f"{stood:,}",
            percent(upper(stood, days)), f"{short / worlds:.0f} of {len(measured)}", most or "none",
        ])
    return rows


def power(scale: float = 1.0, size: int = 1_000) -> list[list[str]]:
    """Count days on which a column that moved by half a standard deviation is found the same day."""
    policy, rows = policy_of(), []
    for name, by in (("n0", 0.5), ("n1", 4.5), ("n2", 0.5 * 12**-0.5), ("n3", 0.5), ("few3", 1.0), ("tie3", 0.5 * 20**0.5)):
        rng = np.random.default_rng([SEED, 2, size])
        found = days = 0
        for _ in range(10):
            here = world(rng)
            each = max(1, round(200 * scale))
            drawn = Days(rng, here, size, each, {name: by})
            days += each
            found += sum(("drift-inputs", name) in judged(policy, drawn.measured(i)).breaches for i in range(each))
        low = float(stats.beta.ppf(0.05, found, days - found + 1)) if found else 0.0
        column = next(c for c in COLUMNS if c.name == name)
        law = f"{column.law.dist.name}" if isinstance(column, Number) else "words"
        rows.append([law, f"{by:.3g}", f"{days:,}", percent(found / days), percent(low)])
    return rows


def evidence(wrong: Ints, n: int, limit: float, by_day: bool = False) -> Floats:
    """Return the evidence after each night, for `wrong` of shape (years, nights) of `n` rows a night; see `nights.bet`."""
    bets, weights = np.array(GRID) / limit, np.array(WEIGHTS_OF_DAYS if by_day else WEIGHTS_OF_ROWS)
    gains, losses = np.log1p(bets * (1 - limit)), np.log1p(-bets * limit)
    logs = np.full((wrong.shape[0], len(GRID)), -np.inf)
    found = np.empty(wrong.shape)
    for night in range(wrong.shape[1]):
        now = wrong[:, night, None]
        growth = np.log1p(bets * (now / n - limit)) if by_day else now * gains + (n - now) * losses
        logs = np.logaddexp(logs, np.log(weights * stake(night + 1))) + growth
        found[:, night] = np.exp(np.minimum(logs, 600.0)).sum(axis=1)
    return found


def first_stops(
    n: int, rate: float, limit: float, years: int, alpha: float, seed: int, spread: float = 0.0, good: int = 0
) -> Ints:
    """Return for each simulated year the night of its first stop, counted from 1, or a night after the year.

    Parameters
    ----------
    spread : float
        Correlation of two rows of one day; above 0 a day enters as one observation.
    good : int
        Nights before at a loss of half the limit; nights are counted after them.
    """
    rng = np.random.default_rng([seed, 3, n, round(1_000 * limit), round(1_000 * spread), good])
    nights = YEAR if not good else good + 60
    rates = np.where(np.arange(nights) < good, limit / 2, rate)
    if spread == 0:
        found = evidence(rng.binomial(n, np.broadcast_to(rates, (years, nights))), n, limit)
    else:
        size = 1 / spread - 1
        wrong = rng.binomial(n, rng.beta(rates * size, (1 - rates) * size, size=(years, nights)))
        found = evidence(wrong, n, limit, by_day=True)
    enough = found[:, good:] >= 1 / alpha
    return np.where(enough.any(axis=1), enough.argmax(axis=1) + 1, YEAR + 1)


def stops(scale: float = 1.0) -> tuple[list[list[str]], list[list[str]]]:
    """Return false stops at the limit, and how many nights a loss above its limit stays on the road."""
    alpha, false, late = 0.001 * share_of(1), [], []
    years = max(10, round(12_000 * scale))
    for n, spread in ((20, 0.0), (80, 0.0), (500, 0.0), (80, 0.05)):
        for limit in (0.24, 0.35):
            stopped = np.concatenate([
                first_stops(n, limit, limit, part, alpha, SEED + i, spread) <= YEAR for i, part in enumerate(_parts(years, 3_000))
            ])
            hits, first = int(stopped.sum()), int(stopped[:3_000].sum())
            unit = "rows" if spread == 0 else "days, correlation 0.05"
            false.append([
                str(n), unit, f"{limit:.2f}", str(first), f"{hits} of {years:,}", f"{upper(hits, years):.6f}", f"{alpha:.6f}",
            ])
    runs = max(10, round(1_000 * scale))
    for n, limit, rate, spread, good in (
        (20, 0.24, 0.34, 0.0, 0), (80, 0.24, 0.34, 0.0, 0), (500, 0.24, 0.34, 0.0, 0), (80, 0.24, 0.32, 0.0, 0),
        (80, 0.35, 0.45, 0.0, 0), (80, 0.24, 0.34, 0.0, 365), (80, 0.35, 0.60, 0.05, 0), (80, 0.35, 0.60, 0.05, 365),
    ):
        found = first_stops(n, rate, limit, runs, alpha, SEED, spread, good)
        unit = "rows" if spread == 0 else "days, correlation 0.05"
        late.append([
            str(n), unit, f"{limit:.2f}", f"{rate:.2f}", "new" if not good else "after a good year",
            *(_nights(float(np.quantile(found, q))) for q in (0.5, 0.9)),
        ])
    return false, late


def _nights(night: float) -> str:
    return "later than the run" if night > YEAR else f"{night:.0f}"


def _parts(total: int, most: int) -> list[int]:
    return [min(most, total - start) for start in range(0, total, most)]


def sizes(scale: float = 1.0) -> list[list[str]]:
    """Judge the same two distributions at three sizes: pass, too small, between, breach; and pass with breach."""
    policy = policy_of()
    rule = next(r for r in policy.rules if r.id == "drift-inputs").model_copy(update={"breach": "fail", "persist": None})
    policy = policy.model_copy(update={"rules": [rule]})
    limit = rule.parsed.at_most or 0.1
    others = [
        Measurement("drift.psi", {"column": f"other{i}"}, 0.0, 0.0, 0.01, 0.95, 1.0, 1_000,
                    {"psi": 0.0, "cells": 10, "batch_n": 10**6, "reference_n": 10**6}) for i in range(29)
    ]
    runs, rows = max(3, round(200 * scale)), []
    for like_day in (False, True):
        for part in (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0):
            rng = np.random.default_rng([SEED, 4, round(100 * part), like_day])
            q = tilted(part * limit)
            p = np.full(10, 0.1)
            words: list[list[str]] = []
            for _ in range(runs):
                said = []
                for n in (1_000, 100_000, 10_000_000):
                    m = n if like_day else REFERENCE_ROWS
                    reference, batch = rng.multinomial(m, p), rng.multinomial(n, q)
                    here = World({"x": ColumnPlan("x", "number", tuple(range(9)))}, {"x": reference}, {}, 0)
                    found = judge([_shifted("x", here, batch), *others], policy, CONTEXT).findings
                    one = next(f for f in found if f.over == {"column": "x"})
                    said.append(one.status if one.required else "within")
                words.append(said)
            both = sum("pass" in said and "fail" in said for said in words)
            shown = [_shares([said[i] for said in words]) for i in range(3)]
            against = "as many" if like_day else f"{REFERENCE_ROWS:,}"
            rows.append([against, f"{part:g} of the limit", *shown, str(both)])
    return rows


def tilted(effect: float) -> Floats:
    """Return shares of ten cells whose population stability index against equal shares is `effect`."""
    slope = np.linspace(-1, 1, 10)

    def psi(t: float) -> float:
        q = np.exp(t * slope)
        q /= q.sum()
        return float(((q - 0.1) * np.log(q / 0.1)).sum())

    low, high = 0.0, 5.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if psi(middle) < effect else (low, middle)
    q = np.exp(low * slope)
    return np.asarray(q / q.sum(), dtype=float)


def _shares(said: Sequence[str]) -> str:
    words = {"pass": "pass", "within": "moved, seems within", "warn": "moved, seems beyond", "fail": "breach",
             "insufficient": "too small"}
    return ", ".join(f"{words[s]} {percent(said.count(s) / len(said), 0)}" for s in words if s in said)


# ------------------------------------------------------------------------------------------------ printing


def percent(value: float, digits: int = 2) -> str:
    """Write a share."""
    return f"{100 * value:.{digits}f} %"


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table as Markdown."""
    print(f"\n{title}\n\n| {' | '.join(head)} |\n|{'|'.join('---' for _ in head)}|")
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


def main() -> None:
    """Print the tables asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--part", choices=["clean", "power", "stops", "sizes"])
    parser.add_argument("--scale", type=float, default=1.0, help="1 is what docs/error-rates.md shows")
    parser.add_argument("--size", type=int, help="clean: only days of so many rows")
    asked = parser.parse_args()
    started = time.process_time()
    if asked.part in (None, "clean"):
        head = ["rows a day", "days", "with an alarm", "share", "upper bound", "alarm after two of three nights", "upper bound",
                "too small to tell", "which rules"]
        table("Clean days, 30 columns", head, clean(asked.scale, (asked.size,) if asked.size else SIZES))
    if asked.part in (None, "power"):
        head = ["distribution", "moved by", "days", "found the same day", "lower bound"]
        table("Half a standard deviation in one of 30 columns, 1,000 rows a day", head, power(asked.scale))
    if asked.part in (None, "stops"):
        false, late = stops(asked.scale)
        head = ["labelled rows a day", "what is independent", "loss = limit", "false stops in the first 3,000 model-years",
                "in all", "upper bound", "promised at most"]
        table("False stops at the limit", head, false)
        head = ["labelled rows a day", "what is independent", "limit", "loss", "model", "nights, median", "nights, 90 %"]
        table("Nights until a loss above the limit stops the model", head, late)
    if asked.part in (None, "sizes"):
        head = ["reference", "true shift", "1,000 rows", "100,000 rows", "10,000,000 rows", "pass and breach in one run"]
        table("The same two distributions at three sizes", head, sizes(asked.scale))
    print(f"\n{time.process_time() - started:.0f} CPU seconds, seed {SEED}.")


if __name__ == "__main__":
    main()
