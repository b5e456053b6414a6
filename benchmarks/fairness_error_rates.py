"""How often the fairness rules are wrong: false alarms, misses, and verdicts that flip when rows are left out.

Usage: python benchmarks/fairness_error_rates.py [--draws 1000] [--policy data/policies/high.yaml]

Labels and decisions of a reference group and of smaller groups are drawn from known rates (fixed seeds) and judged by the
intervals of the checks against the limits and least numbers of the policy, without any correction and with one that holds
over all groups and metrics together (Sidak). docs/fairness.md shows the tables that this prints.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from checks.intervals import Interval, newcombe, ratio, wilson
from checks.intervals.simultaneous import sidak, widest_gap
from roadworthy.policy import Limit

SEED = 20261122
ROOT = Path(__file__).resolve().parent.parent
REFERENCE = 1000
Table = tuple[int, int, int, int]
"""Rows with a favourable label and decision, favourable label and other decision, and so on with the other label."""


@dataclass(frozen=True)
class Truth:
    """The true rates of a group."""

    base: float
    tpr: float
    fpr: float

    @property
    def cells(self) -> list[float]:
        """Shares of the four cells of a `Table`."""
        good, bad = self.base, 1 - self.base
        return [good * self.tpr, good * (1 - self.tpr), bad * self.fpr, bad * (1 - self.fpr)]


@dataclass(frozen=True)
class Judged:
    """One rule: a metric, its limit, and the least numbers it decides on."""

    metric: str
    limit: Limit
    n: int
    positives: int
    negatives: int

    def verdict(self, here: Table, there: Table, confidence: float = 0.95) -> str:
        """Return pass, fail, warn or insufficient, as a rule of test `interval` does."""
        labels = self.metric == "fairness.true_positive_rate_difference"
        few = [min(sides) for sides in zip(_sides(here, labels), _sides(there, labels), strict=True)]
        if min(sum(here), sum(there)) < self.n or few[0] < self.positives or few[1] < self.negatives:
            return "insufficient"
        found = interval(self.metric, here, there, confidence)
        if found is None:
            return "insufficient"
        if self.limit.holds(found.low) and self.limit.holds(found.high):
            return "pass"
        return "fail" if self.limit.excludes(found.low, found.high) else "warn"


def _sides(table: Table, labels: bool) -> tuple[int, int]:
    return (table[0] + table[1], table[2] + table[3]) if labels else (table[0] + table[2], table[1] + table[3])


def interval(metric: str, here: Table, there: Table, confidence: float = 0.95) -> Interval | None:
    """Return the interval that the check gives, at any confidence; None where the check says `insufficient`."""
    if metric == "fairness.true_positive_rate_difference":
        counts = (here[0], here[0] + here[1], there[0], there[0] + there[1])
        return newcombe(*counts, confidence) if counts[1] and counts[3] else None
    if metric == "fairness.false_positive_rate_difference":
        counts = (here[2], here[2] + here[3], there[2], there[2] + there[3])
        return newcombe(*counts, confidence) if counts[1] and counts[3] else None
    counts = (here[0] + here[2], sum(here), there[0] + there[2], sum(there))
    if metric == "fairness.selection_rate_difference":
        return newcombe(*counts, confidence)
    return ratio(*counts, confidence) if counts[2] else None


def rules(path: Path) -> list[Judged]:
    """Return the two rules about groups as the policy has them."""
    import yaml

    found = []
    for rule in yaml.safe_load(path.read_text(encoding="utf-8"))["rules"]:
        if rule["metric"] in ("fairness.selection_rate_ratio", "fairness.true_positive_rate_difference"):
            least = rule.get("min", {})
            wanted = (least.get(key, 0) for key in ("n", "positives", "negatives"))
            found.append(Judged(rule["metric"], Limit.parse(rule["limit"]), *wanted))
    if len(found) != 2:
        raise SystemExit(f"{path} does not judge the selection rate ratio and the true positive rate difference of groups.")
    return found


def draws(random: np.random.Generator, truth: Truth, size: int, times: int) -> list[Table]:
    """Draw groups of that size."""
    return [tuple(row) for row in random.multinomial(size, truth.cells, size=times).tolist()]


def failing(
    judged: Sequence[Judged], reference: Truth, small: Truth, size: int, groups: int, times: int, *, corrected: bool = False
) -> float:
    """Return the share of draws in which any group fails any rule."""
    random = np.random.default_rng([SEED, size, groups])
    there = draws(random, reference, REFERENCE, times)
    others = [draws(random, small, size, times) for _ in range(groups)]
    level = sidak(0.95, groups * len(judged)) if corrected else 0.95
    return sum(
        any(rule.verdict(group[i], there[i], level) == "fail" for group in others for rule in judged) for i in range(times)
    ) / times


FAIR = Truth(0.5, 0.8, 0.4), Truth(0.5, 0.8, 0.4)
AT_THE_LIMIT = Truth(0.5, 0.8, 0.4), Truth(0.5, 0.6, 0.36)  # ratio 0.48 / 0.6 = 0.8, true positive rates 0.2 apart
NO_MINIMUM = {"n": 0, "positives": 0, "negatives": 0}


def false_alarms(judged: Sequence[Judged], times: int) -> Iterator[tuple[object, ...]]:
    """Yield size, number of small groups, and how often any of them fails, where all true gaps are zero or at the limit."""
    bare = [Judged(rule.metric, rule.limit, 0, 0, 0) for rule in judged]
    for size, groups in product((20, 100, 500), (1, 4, 10)):
        yield (
            size, groups,
            failing(judged, *FAIR, size, groups, times), failing(bare, *FAIR, size, groups, times),
            failing(bare, *AT_THE_LIMIT, size, groups, times),
            failing(bare, *AT_THE_LIMIT, size, groups, times, corrected=True),
        )


def power(times: int) -> Iterator[tuple[str, float, float]]:
    """Yield what is to be found and how often it fails its limit, alone and corrected over four groups and two metrics."""
    wide = sidak(0.95, 8)
    cases: list[tuple[str, str, Truth, Truth, int]] = [
        ("selection rates 0.2 apart, limit 0.1, 500 against 1,000", "selection_rate_difference",
         Truth(0.5, 0.8, 0.4), Truth(0.5, 0.6, 0.2), 500),
        ("true positive rates 0.2 apart, limit 0.1, 250 positives against 500", "true_positive_rate_difference",
         Truth(0.5, 0.7, 0.2), Truth(0.5, 0.5, 0.2), 500),
    ]
    limit = Limit.parse("between -0.1 and 0.1")
    for words, short, reference, small, size in cases:
        random = np.random.default_rng(SEED)
        pairs = list(zip(draws(random, small, size, times), draws(random, reference, REFERENCE, times), strict=True))
        rule = Judged(f"fairness.{short}", limit, 0, 0, 0)
        yield words, *(sum(rule.verdict(a, b, c) == "fail" for a, b in pairs) / times for c in (0.95, wide))
    for words, small in (
        ("equalised odds 0.2 (true positive rates), limit 0.1, 250 positives and negatives", Truth(0.5, 0.5, 0.2)),
        ("equalised odds 0.2 (both rates), limit 0.1, 250 positives and negatives", Truth(0.5, 0.5, 0.4)),
    ):
        random, reference = np.random.default_rng(SEED), Truth(0.5, 0.7, 0.2)
        pairs = list(zip(draws(random, small, 500, times), draws(random, reference, REFERENCE, times), strict=True))
        single = [
            any(Judged(f"fairness.{short}", limit, 0, 0, 0).verdict(a, b) == "fail"
                for short in ("true_positive_rate_difference", "false_positive_rate_difference"))
            for a, b in pairs
        ]
        gaps = [
            widest_gap([[(t[0], t[0] + t[1]) for t in pair], [(t[2], t[2] + t[3]) for t in pair]]).low > 0.1 for pair in pairs
        ]
        yield words, sum(single) / times, sum(gaps) / times


def flips(judged: Sequence[Judged], times: int) -> tuple[int, int]:
    """Return how many 80 % subsamples turn a pass into a fail or back, and how many there were."""
    random = np.random.default_rng(SEED)
    turned = looked = 0
    for small, size in product((FAIR[1], AT_THE_LIMIT[1], Truth(0.5, 0.5, 0.3)), (100, 500)):
        [here], [there] = draws(random, small, size, 1), draws(random, FAIR[0], REFERENCE, 1)
        whole = [rule.verdict(here, there) for rule in judged]
        for _ in range(times):
            part = [tuple(random.multivariate_hypergeometric(t, int(0.8 * sum(t))).tolist()) for t in (here, there)]
            looked += 1
            turned += any({before, rule.verdict(*part)} == {"pass", "fail"} for before, rule in zip(whole, judged, strict=True))
    return turned, looked


def coverage(times: int) -> dict[str, tuple[float, float]]:
    """Return for each kind of 95 % interval the mean and the least share of draws in which it holds the truth.

    Grid: 20, 100 and 500 against 20 and 1,000, rates 0.1, 0.3, 0.5, 0.7 and 0.9 in both groups. A single rate needs no draws:
    its coverage is summed over all counts.
    """
    from scipy.stats import binom

    found: dict[str, list[float]] = {"rate (Wilson)": [], "difference (Newcombe)": [], "ratio (MOVER-R)": []}
    for n, p in product((20, 100, 500), (0.1, 0.3, 0.5, 0.7, 0.9)):
        ends = [wilson(x, n) for x in range(n + 1)]
        held = [x for x, end in enumerate(ends) if end.low <= p <= end.high]
        found["rate (Wilson)"].append(float(binom.pmf(held, n, p).sum()))
    for n, m, p, q in product((20, 100, 500), (20, 1000), (0.1, 0.3, 0.5, 0.7, 0.9), (0.1, 0.3, 0.5, 0.7, 0.9)):
        random = np.random.default_rng([SEED, n, m, int(10 * p), int(10 * q)])
        pairs = list(zip(random.binomial(n, p, times).tolist(), random.binomial(m, q, times).tolist(), strict=True))
        usable = [(x, y) for x, y in pairs if y]
        kinds: tuple[tuple[str, float, list[tuple[int, int]], Callable[[int, int], Interval]], ...] = (
            ("difference (Newcombe)", p - q, pairs, lambda x, y, n=n, m=m: newcombe(x, n, y, m)),
            ("ratio (MOVER-R)", p / q, usable, lambda x, y, n=n, m=m: ratio(x, n, y, m)),
        )
        for name, truth, counts, make in kinds:
            made = {pair: make(*pair) for pair in set(counts)}
            held = sum(made[pair].low <= truth <= made[pair].high for pair in counts)
            found[name].append(held / len(counts))
    return {name: (float(np.mean(rates)), min(rates)) for name, rates in found.items()}


def simultaneous(times: int) -> tuple[float, float]:
    """Return mean and least coverage of the interval of the widest gap, over sizes, numbers of groups, rates and true gaps."""
    rates = []
    for size, groups, share, gap in product((20, 100, 500), (2, 5, 10), (0.3, 0.5, 0.9), (0.0, 0.2)):
        random, sizes = np.random.default_rng([SEED, size, groups]), [size] * (groups - 1) + [500]
        shares = [share] * (groups - 1) + [share - gap]
        held = 0
        for chosen in random.binomial(sizes, shares, size=(times, groups)).tolist():
            found = widest_gap([list(zip(chosen, sizes, strict=True))])
            held += found.low <= gap <= found.high
        rates.append(held / times)
    return float(np.mean(rates)), min(rates)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--policy", type=Path, default=ROOT / "data/policies/high.yaml")
    given = parser.parse_args()
    judged = rules(given.policy)
    for rule in judged:
        print(f"{rule.metric}: {rule.limit.text}, n {rule.n}, positives {rule.positives}, negatives {rule.negatives}")
    print(f"\nShare of {given.draws:,} draws in which any small group fails any rule; reference group of {REFERENCE:,}")
    print("size  groups  fair  fair, no min  at both limits  at both limits, Sidak over groups and metrics")
    for size, groups, *shares in false_alarms(judged, given.draws):
        print(f"{size:>4}  {groups:>6}  " + "  ".join(f"{100 * share:6.2f} %" for share in shares), flush=True)
    print("\nShare of draws found: alone; corrected (Sidak over four groups and two metrics, or simultaneous)")
    for words, alone, corrected in power(given.draws):
        print(f"{words}: {100 * alone:.1f} %; {100 * corrected:.1f} %", flush=True)
    turned, looked = flips(judged, 100)
    print(f"\n80 % subsamples that turn a pass into a fail or back: {turned} of {looked}")
    for name, (mean, least) in coverage(given.draws).items():
        print(f"Coverage of the 95 % interval of a {name}: mean {100 * mean:.1f} %, least {100 * least:.1f} %", flush=True)
    mean, least = simultaneous(max(200, given.draws // 2))
    print(f"Coverage of the 95 % interval of the widest gap: mean {100 * mean:.1f} %, least {100 * least:.1f} %")


if __name__ == "__main__":
    main()
