"""Many groups and metrics beside each other, night after night: when a group is surely beyond its limit.

Among thirty comparisons some interval lies beyond its limit by chance, and among three hundred nights more do. So a comparison
of groups fails only if its whole interval is beyond the limit and its p-value survives Holm's step-down over all groups and
metrics that the occasion judges: if every group stood exactly at its limit, any failure at all would have a chance of at most
the policy's `fairness_alpha`. A pass needs no such correction: that all groups are well is claimed only if each interval is
within its limit, and one group beyond it is enough to make that improbable, however many others there are (an
intersection-union test, Berger 1982).

A gate spends all of `fairness_alpha`. Nights look again and again at windows that overlap: the first night of a version under
these rules spends half, and each later one the 365th part of the other half, so that the first night and a year of nights
together spend no more than a gate. Nothing is assumed of how nights or groups depend on each other.

What a p-value is
    The chance of a gap as wide as the one seen, or wider, if the true one stood exactly at the limit. For two shares it is the
    score test of Farrington and Manning, from the counts behind them; for any other number it is told by the interval, as if
    the estimate were normal on the interval's scale.

References
----------
.. [1] Holm, S. (1979). A simple sequentially rejective multiple test procedure. Scandinavian Journal of Statistics 6.
.. [2] Farrington, C. P. and Manning, G. (1990). Test statistics and sample size formulae for comparative binomial trials with
       null hypothesis of non-zero risk difference or non-unity relative risk. Statistics in Medicine 9.
.. [3] Miettinen, O. and Nurminen, M. (1985). Comparative analysis of two rates. Statistics in Medicine 4.
.. [4] Berger, R. L. (1982). Multiparameter hypothesis testing and acceptance sampling. Technometrics 24.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

from roadworthy import deciding
from roadworthy.canonical import canonical_json, digest_of
from roadworthy.deciding import Outcome
from roadworthy.measurement import Measurement
from roadworthy.policy import Limit, Rule, When
from roadworthy.sentences import MOST_ROWS

NIGHTS = 365
"""Nights over which the half that the first one leaves is spent."""

_NORMAL = NormalDist()
_SMALLEST = 1e-300


class Shares(NamedTuple):
    """Two observed shares: ``x`` of ``n`` in the group, ``y`` of ``m`` in the reference group; fractions for clustered rows.

    Attributes
    ----------
    x, n, y, m : float
        ``0 <= x <= n``, ``n > 0``; ``0 <= y <= m``, ``m > 0``.
    """

    x: float
    n: float
    y: float
    m: float

    @classmethod
    def of(cls, measurement: Measurement) -> Shares | None:
        """Read the counts behind a measured difference or ratio of two shares; None if it is no such thing.

        The counts must give the measured value: a bound for rows that tell no group has counts too, but of another allocation.
        """
        stats, value = measurement.stats, measurement.value
        told = [_number(stats.get(f"{what}_{who}")) for who in ("group", "reference") for what in ("selected", "cases")]
        x, n, y, m = (number if number is not None else -1.0 for number in told)
        if value is None or not (0 <= x <= n and 0 <= y <= m and n > 0 and m > 0):
            return None
        ratio = stats.get("scale") == "log"
        if ratio and y == 0:
            return None
        counted = (x / n) / (y / m) if ratio else x / n - y / m
        if not math.isclose(value, counted, rel_tol=1e-9, abs_tol=1e-12):
            return None
        worth = [_number(stats.get(f"effective_n_{who}")) or size for who, size in (("group", n), ("reference", m))]
        return cls(x / n * worth[0], worth[0], y / m * worth[1], worth[1])

    def difference(self, at: float) -> float:
        """Return the score statistic of the hypothesis that the shares differ by `at`; positive if they differ by more [2]_.

        Examples
        --------
        The ends of Mee's 95 % interval of 56/70 - 48/80 in table II of Newcombe 1998 are 0.0533 and 0.3377.

        >>> round(Shares(56, 70, 48, 80).difference(0.0533), 2), round(Shares(56, 70, 48, 80).difference(0.3377), 2)
        (1.96, -1.96)
        """
        x, n, y, m = self
        p, q = self._at_difference(at)
        variance = p * (1 - p) / n + q * (1 - q) / m
        gap = x / n - y / m - at
        return gap / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, gap) if gap else 0.0

    def ratio(self, at: float) -> float:
        """Return the score statistic of the hypothesis that the ratio of the shares is `at` > 0 [2]_.

        Examples
        --------
        >>> round(Shares(56, 70, 48, 80).ratio(1.0), 2)
        2.65
        """
        x, n, y, m = self
        # The likeliest shares of which one is `at` times the other solve a quadratic.
        a, b, c = (n + m) * at, -((n + y) * at + x + m), x + y
        q = (-b - math.sqrt(max(0.0, b * b - 4 * a * c))) / (2 * a)
        q = min(max(q, 0.0), 1.0, 1.0 / at)
        p = min(1.0, at * q)
        variance = p * (1 - p) / n + at * at * q * (1 - q) / m
        gap = x / n - at * y / m
        return gap / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, gap) if gap else 0.0

    def _at_difference(self, at: float) -> tuple[float, float]:
        """Return the likeliest shares that differ by `at`: the root of a cubic in closed form [3]_."""
        x, n, y, m = self
        total, both = n + m, x + y
        third, second = total, (n + 2 * m) * at - total - both
        first, rest = (m * at - total - 2 * y) * at + both, y * at * (1 - at)
        cube = second**3 / (3 * third) ** 3 - first * second / (6 * third**2) + rest / (2 * third)
        reach = math.copysign(math.sqrt(max(0.0, second**2 / (3 * third) ** 2 - first / (3 * third))), cube)
        angle = (math.pi + math.acos(min(1.0, max(-1.0, cube / reach**3)))) / 3 if reach else 0.0
        q = 2 * reach * math.cos(angle) - second / (3 * third)
        q = min(max(q, 0.0, -at), 1.0, 1.0 - at)
        return min(1.0, max(0.0, q + at)), q


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def p_value(m: Measurement, limit: Limit) -> float:
    """Return how likely a number so far beyond the limit is, or a farther one, if the truth stands at that end of the limit.

    Parameters
    ----------
    m : Measurement
        Measured, with an interval.
    limit : Limit

    Returns
    -------
    float
        In (0, 1]; 1 if the number is within the limit.

    Examples
    --------
    >>> from roadworthy.policy import Limit
    >>> counts = {"selected_group": 20, "cases_group": 100, "selected_reference": 500, "cases_reference": 1000}
    >>> m = Measurement("fairness.selection_rate_difference", value=-0.3, low=-0.38, high=-0.21, confidence=0.95, stats=counts)
    >>> f"{p_value(m, Limit.parse('between -0.2 and 0.2')):.4f}"
    '0.0186'
    """
    if m.value is None or limit.holds(m.value):
        return 1.0
    end = limit.at_least if limit.at_least is not None and m.value <= limit.at_least else limit.at_most
    if end is None:
        return 1.0
    shares = Shares.of(m)
    if shares is not None and (end > 0 or m.stats.get("scale") != "log"):
        score = shares.ratio(end) if m.stats.get("scale") == "log" else shares.difference(end)
        return max(_SMALLEST, _NORMAL.cdf(-abs(score)))
    return _by_interval(m, m.value, end)


def _by_interval(m: Measurement, value: float, end: float) -> float:
    """Return the p-value that the interval's end on the side of the limit tells."""
    if m.low is None or m.high is None:
        return 1.0
    facing = m.high if value < end else m.low
    log = m.stats.get("scale") == "log" and min(value, end, facing) > 0
    distance, half = ((abs(math.log(a / b)) if log else abs(a - b)) for a, b in ((end, value), (facing, value)))
    if half == 0:
        return _SMALLEST if distance else 1.0
    z = _NORMAL.inv_cdf((1 + (m.confidence or 0.95)) / 2)
    return max(_SMALLEST, _NORMAL.cdf(-z * distance / half))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p-values [1]_: one that is at most alpha is a rejection, at a chance of alpha for any false one.

    Examples
    --------
    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03, 0.005])]
    [0.03, 0.06, 0.06, 0.02]
    """
    order = sorted(range(len(p_values)), key=lambda i: (p_values[i], i))
    found, most = [1.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        most = max(most, min(1.0, p_values[i] * (len(order) - rank)))
        found[i] = most
    return found


def corrected(rule: Rule) -> bool:
    """Say whether the rule's breaches are corrected over groups and metrics: those about groups that fail or stop."""
    return rule.metric.startswith("fairness.") and rule.test == "interval" and rule.breach != "warn"


def _key(rule: Rule, m: Measurement) -> tuple[object, ...]:
    return rule.id, canonical_json(m.over), m.value, m.low, m.high


class Comparisons:
    """All comparisons of groups that one occasion judges.

    Parameters
    ----------
    rules : sequence of Rule
        All rules that speak about the model on this occasion.
    measurements : sequence of Measurement
    alpha : float
        The policy's `fairness_alpha`.
    when : {"nightly", "gate"}
    day : str
        The day judged.
    history : mapping
        ``comparisons`` of the predecessor's state.
    baselines : mapping
        As the judge's context has them.

    Attributes
    ----------
    level : float
        What this occasion may spend.
    count : int
        Comparisons that could be tested.
    """

    def __init__(
        self, rules: Sequence[Rule], measurements: Sequence[Measurement], alpha: float, when: When, day: str,
        history: Mapping[str, Any], baselines: Mapping[str, Sequence[Measurement]],
    ) -> None:
        ours = [rule for rule in rules if corrected(rule)]
        keys: list[tuple[object, ...]] = []
        found: list[float] = []
        for rule in ours:
            for m in measurements:
                if m.status != "measured" or not rule.matches(m.metric, m.over) or not deciding.possible(m):
                    continue
                compared, trouble = deciding.against(rule, m, baselines)
                if trouble or compared.low is None or deciding.too_few(rule, compared):
                    continue
                keys.append(_key(rule, m))
                found.append(p_value(compared, rule.parsed))
        self.count = len(found)
        self._p = dict(zip(keys, found, strict=True))
        self._adjusted = dict(zip(keys, holm(found), strict=True))
        told = sorted([rule.id, rule.metric, rule.limit, canonical_json(rule.over).decode()] for rule in ours)
        self._rules, self._night, self._day = digest_of([alpha, told]), when == "nightly", day
        goes_on = history.get("rules") == self._rules and history.get("first", day) < day
        self._first = str(history["first"]) if goes_on else day
        self.level = alpha if not self._night else alpha / 2 / NIGHTS if goes_on else alpha / 2
        self._history = history

    def carried(self) -> dict[str, Any]:
        """Return what tomorrow must know: when these rules were first judged."""
        if not self._night or not self.count:
            return dict(self._history)
        return {"rules": self._rules, "first": self._first}

    def weighed(self, rule: Rule, m: Measurement, outcome: Outcome) -> Outcome:
        """Return what a breach of one comparison is among all of them: itself, or a warning that says why."""
        key = _key(rule, m)
        if not outcome.breached or key not in self._adjusted:
            return outcome
        adjusted = self._adjusted[key]
        details = {**outcome.details, "adjusted_p": adjusted, "comparisons": self.count, "level": self.level}
        if adjusted <= self.level:
            return outcome._replace(details=details)
        among = f"one of {self.count} comparisons" if self.count > 1 else "the only comparison"
        nights = " of a night in a year of nights" if self._night else ""
        note = f"Beyond the limit by itself; as {among}{nights} it may be chance."
        needed = self._needed(self._p[key], m.n)
        if needed is not None:
            note = f"{note} About {needed:,} rows of this kind would decide."
            details["rows_that_would_decide"] = needed
        return Outcome("warn", note, {**details, "alone": outcome.status})

    def _needed(self, p: float, n: int | None) -> int | None:
        """Return about how many rows would decide, if the gap stays as it is: the statistic grows with the square root of n."""
        seen, wanted = -_NORMAL.inv_cdf(p), -_NORMAL.inv_cdf(self.level / self.count)
        if not n or seen <= 0:
            return None
        needed = n * (wanted / seen) ** 2
        return math.ceil(round(needed, 6)) if n < needed <= MOST_ROWS else None
