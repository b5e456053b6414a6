"""Sequential judgement: a test that may look every night and still keeps its error bound.

Only bounded losses on mature labels are tested this way. The null hypothesis is that, given the past, the expected
loss is at most the limit, whatever came before; nothing is assumed about drift, season or the distribution of a day.

The test bets against the null. With a loss ``x`` in [0, 1], a limit ``m`` and a bet ``b`` in [0, 1/m], the wealth
``1 + b (x - m)`` has an expectation of at most 1 under the null, so a product of such factors is a nonnegative
supermartingale, and by Ville's inequality it ever reaches ``1/alpha`` with probability at most ``alpha``, over any
number of nights and however often one looks. Several fixed bets, each with its own share of the wealth, spare the
choice of one (Waudby-Smith and Ramdas 2024, Estimating means of bounded random variables by betting, the hedged grid).

Each row enters once, in the order in which labels matured: the state remembers the newest day it has seen and takes
only later ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Bets as shares of the largest one allowed, 1/limit. Small ones find small excesses, large ones find large ones soon.
GRID = tuple((k + 1) / 13 for k in range(12))


@dataclass(frozen=True, slots=True)
class LossDay:
    """The losses of one day's mature rows.

    Attributes
    ----------
    day : str
        ISO date of the batch.
    counts : sequence of (float, int)
        Loss in [0, 1] and how many rows have it. A binned loss is given by the lower edge of its bin, which keeps the
        test valid and costs power only.
    """

    day: str
    counts: Sequence[tuple[float, int]]

    @property
    def n(self) -> int:
        """Rows of the day."""
        return sum(count for _, count in self.counts)

    @property
    def mean(self) -> float:
        """Mean loss of the day."""
        return sum(loss * count for loss, count in self.counts) / self.n


@dataclass(frozen=True, slots=True)
class Wealth:
    """The state of one test, carried from night to night.

    Attributes
    ----------
    log_wealth : tuple of float
        Natural logarithm of the wealth of each bet of `GRID`.
    through : str
        The newest day that entered; empty before the first.
    n : int
        Rows that entered.
    """

    log_wealth: tuple[float, ...] = (0.0,) * len(GRID)
    through: str = ""
    n: int = 0

    @property
    def e_value(self) -> float:
        """Evidence against the null: the mean wealth of the bets. At most 1 in expectation under the null."""
        top = max(self.log_wealth)
        return math.exp(min(top, 600.0)) * sum(math.exp(w - top) for w in self.log_wealth) / len(self.log_wealth)

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values; `from_dict` is the inverse."""
        return {"log_wealth": list(self.log_wealth), "through": self.through, "n": self.n}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Wealth:
        """Build a state from `as_dict`'s output."""
        return cls(tuple(float(w) for w in data["log_wealth"]), str(data["through"]), int(data["n"]))


def bet(wealth: Wealth, days: Iterable[LossDay], limit: float, by_day: bool) -> Wealth:
    """Let the days that are new enter the test, oldest first.

    Parameters
    ----------
    wealth : Wealth
        The state so far.
    days : iterable of LossDay
        Days that `wealth` has seen are left out.
    limit : float
        The largest expected loss that is still fine, in (0, 1).
    by_day : bool
        True if a day, and not a row, is one independent observation: then its mean enters once. Rows of one day that
        share a storm are not eighty witnesses.

    Returns
    -------
    Wealth

    Raises
    ------
    ValueError
        If the limit is not in (0, 1) or a loss is not in [0, 1].

    Examples
    --------
    >>> bad = [LossDay(f"2026-04-{d:02}", ((0.0, 40), (1.0, 40))) for d in range(1, 8)]
    >>> bet(Wealth(), bad, 0.24, by_day=False).e_value > 1000
    True
    >>> fine = [LossDay("2026-04-01", ((0.0, 70), (1.0, 10)))]
    >>> bet(Wealth(), fine, 0.24, by_day=False).e_value < 1
    True
    """
    if not 0 < limit < 1:
        raise ValueError(f"a sequential limit lies between 0 and 1, not at {limit}")
    logs, through, n = list(wealth.log_wealth), wealth.through, wealth.n
    for day in sorted(days, key=lambda d: d.day):
        if day.day <= through or day.n == 0:
            continue
        if any(not 0 <= loss <= 1 for loss, _ in day.counts):
            raise ValueError(f"a loss of {day.day} is outside [0, 1]")
        entering = [(day.mean, 1)] if by_day else day.counts
        for index, share in enumerate(GRID):
            size = share / limit
            logs[index] += sum(count * math.log1p(size * (loss - limit)) for loss, count in entering)
        through, n = day.day, n + day.n
    return Wealth(tuple(logs), through, n)
