"""How often the fairness rules are wrong: false alarms, misses, and verdicts that flip when rows are left out.

Usage: python benchmarks/fairness_error_rates.py [--draws 1000] [--policy data/policies/high.yaml]

Labels and decisions of a reference group and of smaller groups are drawn from known rates (fixed seeds). From the counts the
family's own functions measure, and the judge judges by all fairness rules of the policy together, as it does in service:
intervals, least numbers, and the correction over groups, rules and nights. docs/fairness.md shows the tables that this prints.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from checks.fairness.counted import Cell
from checks.fairness.rates import measure_attribute
from checks.fairness.tally import Part, Tally
from checks.intervals import Interval, newcombe, ratio, wilson
from checks.intervals.simultaneous import widest_gap
from roadworthy.comparisons import NIGHTS, p_value
from roadworthy.finding import Finding
from roadworthy.judge import Context, judge
from roadworthy.measurement import Measurement
from roadworthy.passport import Protected
from roadworthy.policy import Limit, Policy, read_policy

SEED = 20261122
ROOT = Path(__file__).resolve().parent.parent
HIGH = ROOT / "data/policies/high.yaml"
REFERENCE = 1000
DAY = date(2026, 4, 9)
Table = tuple[int, int, int, int]
"""Rows with a favourable label and decision, favourable label and other decision, and so on with the other label."""
CODES = ((1, 1), (1, 0), (0, 1), (0, 0))


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


def fairness_of(path: Path = HIGH, **limits: str) -> Policy:
    """Return the policy with its fairness rules alone, with other limits where they are named by rule."""
    whole = read_policy(path)
    rules = [r for r in whole.rules if r.metric.startswith("fairness.")]
    changed = [r.model_copy(update={"limit": limits.get(r.id.replace("-", "_"), r.limit)}) for r in rules]
    return whole.model_copy(update={"rules": changed})


def only(metrics: Sequence[str], limit: str, *, alone: str = "fail") -> Policy:
    """Return a policy of one rule a metric, without least numbers, all with one limit."""
    rules = [
        {
            "id": short.replace("_", "-"), "metric": f"fairness.{short}", "limit": limit, "test": "interval", "breach": alone,
            "over": {"attribute" if short.startswith(("equalized", "demographic")) else "group": "any"},
            "because": "A simulation asks how often it is wrong.",
        }
        for short in metrics
    ]
    return Policy.model_validate({"schema_version": 1, "policy": "simulated", "title": "Simulated", "rules": rules})


def without_minimum(policy: Policy) -> Policy:
    """Return the same rules without the least numbers that they ask for."""
    empty = type(policy.rules[0].min)()
    return policy.model_copy(update={"rules": [r.model_copy(update={"min": empty}) for r in policy.rules]})


def measured(groups: Mapping[str, Table]) -> list[Measurement]:
    """Return what the fairness family measures of groups; the first is the reference group."""
    part = Part((Protected(name="g", column="g", reference=next(iter(groups))),))
    by_label = [Cell((name,), y, d, n) for name, table in groups.items() for (y, d), n in zip(CODES, table, strict=True)]
    labelled = Tally(part, "labelled", "", True, tuple(by_label))
    decided = Tally(part, "decided", "", False, tuple(cell._replace(label=None) for cell in by_label))
    names = [(name,) for name in groups]
    return [m for tally in (decided, labelled) for m in measure_attribute(names, tally, labelled)]


def findings(groups: Mapping[str, Table], policy: Policy, **says: Any) -> list[Finding]:
    """Return what the judge finds at a gate, or as `says` names it."""
    context = Context(**{"tier": "high", "task": "binary", "when": "gate", "day": DAY, **says})
    return judge(measured(groups), policy, context).findings


def fails(found: Sequence[Finding], *, corrected: bool = True) -> bool:
    """Say whether any comparison fails; without the correction also where only the correction made it a warning."""
    return any(f.status == "fail" or (not corrected and f.details.get("alone") == "fail") for f in found)


def draws(random: np.random.Generator, truth: Truth, size: int, times: int) -> list[Table]:
    """Draw groups of that size."""
    return [tuple(row) for row in random.multinomial(size, truth.cells, size=times).tolist()]


def failing(policy: Policy, reference: Truth, small: Truth, size: int, groups: int, times: int) -> tuple[float, float]:
    """Return the share of draws in which any group fails any rule: without the correction, and with it."""
    random = np.random.default_rng([SEED, size, groups])
    there = draws(random, reference, REFERENCE, times)
    others = [draws(random, small, size, times) for _ in range(groups)]
    alone = together = 0
    for i in range(times):
        found = findings({"reference": there[i], **{f"g{k:02}": group[i] for k, group in enumerate(others)}}, policy)
        alone += fails(found, corrected=False)
        together += fails(found)
    return alone / times, together / times


FAIR = Truth(0.5, 0.8, 0.4), Truth(0.5, 0.8, 0.4)
AT_THE_LIMIT = Truth(0.5, 0.8, 0.4), Truth(0.5, 0.6, 0.36)  # ratio 0.48 / 0.6 = 0.8, true positive rates 0.2 apart


def false_alarms(policy: Policy, times: int) -> Iterator[tuple[object, ...]]:
    """Yield size, number of small groups, and how often any of them fails, where all true gaps are zero or at the limit."""
    bare = without_minimum(policy)
    for size, groups in product((20, 100, 500), (1, 4, 10)):
        fair, fair_bare = failing(policy, *FAIR, size, groups, times)[1], failing(bare, *FAIR, size, groups, times)
        yield size, groups, fair, *fair_bare, *failing(bare, *AT_THE_LIMIT, size, groups, times)


@dataclass(frozen=True)
class Gap:
    """A true gap that is to be found."""

    words: str
    reference: Truth
    small: Truth
    rules: tuple[str, ...]
    size: int = 500


_ODDS = ("true_positive_rate_difference", "false_positive_rate_difference")
_ALL = ("selection_rate_difference", *_ODDS)
SELECTION = Gap("selection rates 0.6 and 0.4", Truth(0.5, 0.8, 0.4), Truth(0.5, 0.6, 0.2), _ALL)
ONE_RATE = Gap("equalised odds: true positive rates 0.7 and 0.5", Truth(0.5, 0.7, 0.2), Truth(0.5, 0.5, 0.2), _ODDS)
BOTH_RATES = Gap("equalised odds: both rates 0.2 apart", Truth(0.5, 0.7, 0.2), Truth(0.5, 0.5, 0.4), _ODDS)


def found_of(gap: Gap, policy: Policy, fair_groups: int, times: int, rules: Sequence[str], **says: Any) -> float:
    """Return how often any of the rules fails for the group that is treated worse, beside so many fair groups of its size."""
    random = np.random.default_rng([SEED, fair_groups])
    there, bad = draws(random, gap.reference, REFERENCE, times), draws(random, gap.small, gap.size, times)
    fair = [draws(random, gap.reference, gap.size, times) for _ in range(fair_groups)]
    found = 0
    for i in range(times):
        groups = {"reference": there[i], "worse": bad[i], **{f"g{k}": group[i] for k, group in enumerate(fair)}}
        found += any(
            f.status == "fail" and f.rule in rules and f.over.get("group", f.over) in ({"g": "worse"}, {"attribute": "g"})
            for f in findings(groups, policy, **says)
        )
    return found / times


def power(times: int) -> Iterator[tuple[str, str, int, float]]:
    """Yield what is to be found, by which rules, beside how many fair groups, and how often it is found; limit 0.1."""
    limit = "between -0.1 and 0.1"
    for gap in (SELECTION, ONE_RATE, BOTH_RATES):
        judged = [("selection_rate_difference",), gap.rules] if gap is SELECTION else [gap.rules]
        asked = ["selection-rate-difference"] if gap is SELECTION else [r.replace("_", "-") for r in _ODDS]
        for metrics, groups in product(judged, (0, 3)):
            yield gap.words, ", ".join(metrics), groups, found_of(gap, only(metrics, limit), groups, times, asked)
    for gap in (ONE_RATE, BOTH_RATES):
        widest = only(("equalized_odds_difference",), "<= 0.1")
        yield gap.words, "equalized_odds_difference", 0, found_of(gap, widest, 0, times, ["equalized-odds-difference"])


def flips(policy: Policy, times: int) -> tuple[int, int]:
    """Return how many 80 % subsamples turn a pass into a fail or back, and how many there were."""
    random = np.random.default_rng(SEED)
    turned = looked = 0
    for small, size in product((FAIR[1], AT_THE_LIMIT[1], Truth(0.5, 0.5, 0.3)), (100, 500)):
        [here], [there] = draws(random, small, size, 1), draws(random, FAIR[0], REFERENCE, 1)
        whole = {(f.rule, str(f.over)): f.status for f in findings({"reference": there, "small": here}, policy)}
        for _ in range(times):
            part = [tuple(random.multivariate_hypergeometric(t, int(0.8 * sum(t))).tolist()) for t in (there, here)]
            again = findings(dict(zip(("reference", "small"), part, strict=True)), policy)
            looked += 1
            turned += any({whole[f.rule, str(f.over)], f.status} == {"pass", "fail"} for f in again)
    return turned, looked


def years(times: int, window: int = 28, groups: int = 4) -> tuple[float, float]:
    """Return in which share of years any night fails, alone and corrected, if every group stands at its limit all year.

    Every night looks at the last 28 days, so nights share nearly all of their rows. A group has 20 rows a day, the reference
    group 60; one rule: selection rate difference within 0.2, true rates 0.4 and 0.6.
    """
    random, limit = np.random.default_rng([SEED, window]), Limit.parse("between -0.2 and 0.2")
    alone = together = 0
    for _ in range(times):
        days = 365 + window - 1
        chosen = [random.binomial(20, 0.4, days) for _ in range(groups)]
        there = np.convolve(random.binomial(60, 0.6, days), np.ones(window, dtype=int), "valid")
        sums = [np.convolve(one, np.ones(window, dtype=int), "valid") for one in chosen]
        worst = [1.0, 1.0]
        for night in range(365):
            for one in sums:
                m = _gap(int(one[night]), 20 * window, int(there[night]), 60 * window)
                worst[night > 0] = min(worst[night > 0], p_value(m, limit))
        alone += min(worst) <= 0.025
        together += worst[0] <= 0.025 / groups or worst[1] <= 0.025 / NIGHTS / groups
    return alone / times, together / times


def _gap(x: int, n: int, y: int, m: int) -> Measurement:
    made, metric = newcombe(x, n, y, m), "fairness.selection_rate_difference"
    stats = {"selected_group": x, "cases_group": n, "selected_reference": y, "cases_reference": m, "scale": "linear"}
    return Measurement(metric, {"group": {"g": "a"}}, x / n - y / m, made.low, made.high, 0.95, stats=stats)


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
    parser.add_argument("--policy", type=Path, default=HIGH)
    given = parser.parse_args()
    policy = fairness_of(given.policy)
    for rule in policy.rules:
        least = ", ".join(f"{name} {n}" for name, n in rule.min.model_dump().items() if n) or "no least number"
        print(f"{rule.id}: {rule.metric} {rule.limit}, {least}, {rule.breach}")
    print(f"\nShare of {given.draws:,} draws in which any small group fails any rule at a gate; reference group of {REFERENCE:,}")
    print("size  groups  fair  fair, no min: alone, corrected  every gap at its limit, no min: alone, corrected")
    for size, groups, *shares in false_alarms(policy, given.draws):
        print(f"{size:>4}  {groups:>6}  " + "  ".join(f"{100 * share:6.2f} %" for share in shares), flush=True)
    print("\nShare of draws in which a group that is treated worse fails; limit 0.1; 500 rows (250 positives) against 1,000")
    for words, metrics, beside, share in power(given.draws):
        print(f"{words}; judged: {metrics}; fair groups beside it: {beside}: {100 * share:.1f} %", flush=True)
    turned, looked = flips(policy, 100)
    print(f"\n80 % subsamples that turn a pass into a fail or back: {turned} of {looked}", flush=True)
    alone, together = years(max(100, given.draws // 5))
    print(f"Years at the limit in which any night fails: alone {100 * alone:.1f} %, corrected {100 * together:.1f} %", flush=True)
    for name, (mean, least) in coverage(given.draws).items():
        print(f"Coverage of the 95 % interval of a {name}: mean {100 * mean:.1f} %, least {100 * least:.1f} %", flush=True)
    mean, least = simultaneous(2 * given.draws)
    print(f"Coverage of the 95 % interval of the widest gap: mean {100 * mean:.1f} %, least {100 * least:.1f} %")


if __name__ == "__main__":
    main()
