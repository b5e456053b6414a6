"""Sequential judgement: a test that may look every night and still keeps its error bound.

Only bounded losses on mature labels are tested this way. The null hypothesis is that, given the past, the expected loss of what
enters next is at most the limit, whatever came before; nothing is assumed about drift, season or the distribution of a day.

The test bets against the null. With a loss ``x`` in [0, 1], a limit ``m`` and a bet ``b`` in [0, 1/m], the factor
``1 + b (x - m)`` is not negative and its expectation given the past is at most 1 under the null. So a product of such factors is
a nonnegative supermartingale, and by Ville's inequality it ever reaches ``1/alpha`` with probability at most ``alpha``, over
any number of nights and however often one looks. Several fixed bets, each with its own share of the wealth, spare the choice
of one (Waudby-Smith and Ramdas 2024, Estimating means of bounded random variables by betting, the hedged grid).

A model that was good for a year would have lost nearly all of its wealth, and a decay would be found late. So the wealth is not
staked at once: the share `stake` of it goes in on the `t`-th night on which something enters, and these shares sum to 1. What is
not staked yet stays where it is, so staked and unstaked wealth together are still a nonnegative supermartingale that starts at
1: for each bet ``E[W(t) + rest(t) | past] <= W(t-1) + stake(t) + rest(t)``. The evidence counts what is staked only.
(This is the mixture over the day of change of Shiryaev and of Lorden, with a bound on the error and not on the mean delay.)

What enters
-----------
`enter` lets every row enter once. A day's rows enter on the first night that lists the day, which is when its labels are mature.
Labels that come later are rows that have not entered yet, and enter when they come; which rows they are may depend on anything
known before, and the null speaks of them too: given the past, the expected loss of a row whose label comes tonight is at most
the limit. (Labels that come late *because* they are bad would break this; `maturity_days` is there to wait for them.) Nothing
is ever taken back. A label that is corrected after it entered does not enter again: counts alone cannot tell a corrected row
from a new one, so as many of the largest new losses are left out as rows were lowered elsewhere, which can only lower the
evidence. Where a day, and not a row, is one observation, its mean enters once, on that first night; later labels of it are left
out and counted. The order is therefore known before the losses are, and the products above are what they are said to be.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

#: Bets as shares of the largest one allowed, 1/limit. Small ones find small excesses, large ones find large ones soon.
GRID = (0.02, 0.05, 0.08, 0.11, 0.15, 0.22, 0.3, 0.42, 0.55, 0.7, 0.85, 0.95)

#: How the wealth is spread over the bets. Rows that are right or wrong vary a lot, so that small bets grow fastest and get most
#: of it: what finds an excess of 10 points soonest, nine times of ten, is about a ninth of the largest bet. The mean of a day
#: varies little, so that large bets do as well.
WEIGHTS_OF_ROWS = (0.01, 0.02, 0.03, 0.85, 0.03, 0.01, 0.01, 0.01, 0.01, 0.01, 0.005, 0.005)
WEIGHTS_OF_DAYS = (1 / len(GRID),) * len(GRID)

FIRST_STAKE = 0.95


def stake(night: int) -> float:
    """Return the share of the wealth that is staked on the `night`-th night on which something enters; 1 is the first.

    All shares sum to 1. Each year of good nights makes a decay cost little more to find: ten times as many nights behind it
    cost a factor of a hundred in evidence, which is a few nights of a bad model.

    Examples
    --------
    >>> stake(1), round(sum(stake(t) for t in range(1, 100_000)), 4)
    (0.95, 1.0)
    """
    return FIRST_STAKE if night == 1 else (1 - FIRST_STAKE) / ((night - 1) * night)


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
class Entered:
    """What has entered already of the days that may still get labels.

    Attributes
    ----------
    since : str
        Days before this one never enter again; empty before the first night.
    days : mapping of str to sequence of (float, int)
        Loss counts that entered, by day.
    """

    since: str = ""
    days: Mapping[str, Sequence[tuple[float, int]]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values; `from_dict` is the inverse."""
        return {"since": self.since, "days": {day: [[loss, n] for loss, n in counts] for day, counts in self.days.items()}}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Entered:
        """Build it from `as_dict`'s output."""
        days = {str(day): tuple((float(loss), int(n)) for loss, n in counts) for day, counts in data["days"].items()}
        return cls(str(data["since"]), days)


class Entering(NamedTuple):
    """What enters tonight.

    Attributes
    ----------
    new : list of LossDay
        Oldest first.
    after : Entered
        What tomorrow must know.
    late : int
        Labels that came after their day had entered as one observation; they are left out.
    corrected : int
        Rows whose loss was another when it entered; nothing is taken back.
    """

    new: list[LossDay]
    after: Entered
    late: int
    corrected: int


def enter(before: Entered, days: Iterable[LossDay], first: str, by_day: bool) -> Entering:
    """Tell the rows that are new from those that have entered.

    Parameters
    ----------
    before : Entered
        What entered on earlier nights.
    days : iterable of LossDay
        All rows of tonight's window with a mature label.
    first : str
        First day of the window. Days before it are forgotten and will not enter again, so that the state stays small.
    by_day : bool
        True if a day, and not a row, is one independent observation.

    Returns
    -------
    Entering

    Raises
    ------
    ValueError
        If a loss is not in [0, 1] or a count is negative.

    Examples
    --------
    >>> day = LossDay("2026-04-01", ((0.0, 70), (1.0, 10)))
    >>> tonight = enter(Entered(), [day], "2026-04-01", by_day=False)
    >>> tomorrow = enter(tonight.after, [LossDay("2026-04-01", ((0.0, 71), (1.0, 12)))], "2026-04-01", by_day=False)
    >>> tonight.new == [day], tomorrow.new
    (True, [LossDay(day='2026-04-01', counts=((0.0, 1), (1.0, 2)))])
    """
    since = max(before.since, first)
    known: dict[str, Sequence[tuple[float, int]]] = {day: counts for day, counts in before.days.items() if day >= since}
    new, late, corrected = [], 0, 0
    for day in sorted(days, key=lambda d: d.day):
        if any(not 0 <= loss <= 1 or n < 0 for loss, n in day.counts):
            raise ValueError(f"a loss of {day.day} is outside [0, 1]")
        if day.day < since or day.n == 0:
            continue
        if day.day not in known:
            new.append(day)
            known[day.day] = tuple((float(loss), int(n)) for loss, n in day.counts)
            continue
        more, lowered = _difference(known[day.day], day.counts)
        corrected += lowered
        if by_day:
            late += max(0, day.n - sum(n for _, n in known[day.day]))
        elif rows := _without_largest(more, lowered):
            new.append(LossDay(day.day, rows))
            known[day.day] = _together(known[day.day], rows)
    return Entering(new, Entered(since, known), late, corrected)


def _difference(
    before: Sequence[tuple[float, int]], now: Sequence[tuple[float, int]]
) -> tuple[list[tuple[float, int]], int]:
    """Return what is more than before, smallest loss first, and how many rows are fewer."""
    had, has = Counter[float](), Counter[float]()
    for counter, counts in ((had, before), (has, now)):
        for loss, n in counts:
            counter[float(loss)] += int(n)
    lowered = sum(max(0, n - has[loss]) for loss, n in had.items())
    return sorted((loss, n - had[loss]) for loss, n in has.items() if n > had[loss]), lowered


def _without_largest(rows: Sequence[tuple[float, int]], left_out: int) -> tuple[tuple[float, int], ...]:
    room = sum(n for _, n in rows) - left_out
    found = []
    for loss, n in rows:
        if room > 0:
            found.append((loss, min(n, room)))
        room -= n
    return tuple(found)


def _together(before: Sequence[tuple[float, int]], rows: Sequence[tuple[float, int]]) -> tuple[tuple[float, int], ...]:
    total = Counter[float]()
    for loss, n in (*before, *rows):
        total[loss] += n
    return tuple(sorted(total.items()))


@dataclass(frozen=True, slots=True)
class Wealth:
    """The state of one test, carried from night to night.

    Attributes
    ----------
    log_wealth : tuple of float
        Natural logarithm of the staked wealth of each bet of `GRID`; minus infinity is written as None.
    through : str
        The newest day that entered; empty before the first.
    n : int
        Rows that entered.
    nights : int
        Nights on which something entered.
    """

    log_wealth: tuple[float, ...] = (-math.inf,) * len(GRID)
    through: str = ""
    n: int = 0
    nights: int = 0

    @property
    def e_value(self) -> float:
        """Evidence against the null: the staked wealth of all bets. At most 1 in expectation under the null."""
        top = max(self.log_wealth)
        if top == -math.inf:
            return 0.0
        return math.exp(min(top, 600.0)) * sum(math.exp(w - top) for w in self.log_wealth)

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values; `from_dict` is the inverse."""
        logs = [w if math.isfinite(w) else None for w in self.log_wealth]
        return {"log_wealth": logs, "through": self.through, "n": self.n, "nights": self.nights}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Wealth:
        """Build a state from `as_dict`'s output."""
        logs = tuple(-math.inf if w is None else float(w) for w in data["log_wealth"])
        return cls(logs, str(data["through"]), int(data["n"]), int(data["nights"]))


def bet(wealth: Wealth, new: Sequence[LossDay], limit: float, by_day: bool) -> Wealth:
    """Stake tonight's share and bet on what is new.

    Parameters
    ----------
    wealth : Wealth
        The state so far.
    new : sequence of LossDay
        What `enter` lets in; nothing is checked against what entered before.
    limit : float
        The largest expected loss that is still fine, in (0, 1).
    by_day : bool
        True if a day, and not a row, is one independent observation: then its mean enters once. Rows of one day that
        share a storm are not eighty witnesses.

    Returns
    -------
    Wealth
        The same if nothing is new.

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
    days = [day for day in new if day.n]
    for day in days:
        if any(not 0 <= loss <= 1 for loss, _ in day.counts):
            raise ValueError(f"a loss of {day.day} is outside [0, 1]")
    if not days:
        return wealth
    night = wealth.nights + 1
    logs, weights = [], WEIGHTS_OF_DAYS if by_day else WEIGHTS_OF_ROWS
    for share, weight, before in zip(GRID, weights, wealth.log_wealth, strict=True):
        size = share / limit
        staked = _log_sum(before, math.log(weight * stake(night)))
        for day in days:
            entering = [(day.mean, 1)] if by_day else day.counts
            staked += sum(count * math.log1p(size * (loss - limit)) for loss, count in entering)
        logs.append(staked)
    return Wealth(tuple(logs), max(wealth.through, *(d.day for d in days)), wealth.n + sum(d.n for d in days), night)


def _log_sum(a: float, b: float) -> float:
    top = max(a, b)
    return top + math.log(math.exp(a - top) + math.exp(b - top))
