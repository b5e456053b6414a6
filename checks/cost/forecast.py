"""What the calendar month will have cost: what is known of it, and a prediction of its other days.

The days of the window are a sample; the days of the month that are not known yet, or of which there is no line, are predicted
from them, with an interval for their sum and not for a mean. Weekdays get means of their own, and a trend is carried on to the
end of the month, only where four weeks or more show them by a test at 1 %. Days that follow each other are alike, so the spread
of a sum is widened by the first-order autocorrelation.
"""

from __future__ import annotations

import calendar
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from scipy.special import fdtrc, stdtrit

from checks.intervals import CONFIDENCE

LEAST_DAYS = 7
"""Known days below which nothing is predicted: each weekday should have been seen."""
_WEEKS = 4
_ALPHA = 0.01
_MOST_ALIKE = 0.9
_NO_SLOPE = 1e-9  # of the largest cost: what rounding makes of costs that are all alike


@dataclass(frozen=True)
class Forecast:
    """A month's cost.

    Attributes
    ----------
    value, low, high : float
        The month's whole cost; equal where every day of it is known.
    spent : float
        On its known days up to the day judged.
    to_come : int
        Days that are predicted: those to come, and those that are not known.
    n : int
        Days that the prediction rests on.
    weekdays : bool
        Whether weekdays have means of their own.
    trend : bool
        Whether a straight trend is carried on.
    alike : float
        The autocorrelation of days that follow each other that was allowed for, 0 to 0.9.
    """

    value: float
    low: float
    high: float
    spent: float
    to_come: int
    n: int
    weekdays: bool
    trend: bool
    alike: float

    @property
    def method(self) -> str:
        """What a page calls it."""
        if not self.to_come:
            return "every day of the month is known"
        by = ("means by weekday" if self.weekdays else "one mean") + (" and a trend" if self.trend else "")
        return f"known days plus {self.to_come} days predicted from {self.n}, {by}; t prediction interval of their sum"


def month_of(day: date) -> list[date]:
    """Return the days of the calendar month that holds `day`.

    Examples
    --------
    >>> len(month_of(date(2024, 2, 10)))
    29
    """
    first = day.replace(day=1)
    return [first + timedelta(days=k) for k in range(calendar.monthrange(day.year, day.month)[1])]


def forecast(known: Mapping[date, float], day: date, window: int, confidence: float = CONFIDENCE) -> Forecast | None:
    """Predict the cost of the calendar month of a day.

    Parameters
    ----------
    known : mapping of date to float
        Cost by day; a day that is not in it is not known. Days after `day` are not read.
    day : date
        The day judged, the last that may be known.
    window : int
        Days, ending with `day`, that the prediction rests on.
    confidence : float

    Returns
    -------
    Forecast or None
        None where days must be predicted and fewer than `LEAST_DAYS` of the window are known.

    Notes
    -----
    Least squares on n days with design X; for h days to come whose rows add up to a, the variance of the error is
    ``s**2 (h c_h + a' inv(X'X) a c_n)`` with ``c_k = 1 + 2/k sum_j (k - j) r**j`` for an autocorrelation r (Box, Jenkins and
    Reinsel 2008, Time series analysis, 2.1), which is estimated with the correction of Marriott and Pope 1954 for short series; t
    with the degrees of freedom that are left, divided by ``c_n``. Costs that are never negative bound the interval by what is
    spent.

    Examples
    --------
    >>> april = {one: 10.0 + one.day % 2 for one in month_of(date(2026, 4, 1))[:20]}
    >>> found = forecast(april, date(2026, 4, 20), 28)
    >>> found.value, round(found.low, 1), round(found.high, 1), found.to_come
    (315.0, 310.8, 319.2, 10)
    """
    month, known = month_of(day), {one: float(cost) for one, cost in known.items() if one <= day}
    spent = math.fsum(known[one] for one in month if one in known)
    ahead = [one for one in month if one not in known]
    first = day - timedelta(days=window - 1)
    sample = {one: cost for one, cost in sorted(known.items()) if one >= first}
    n = len(sample)
    if not ahead:
        return Forecast(spent, spent, spent, spent, 0, n, False, False, 0.0)
    if n < LEAST_DAYS:
        return None
    fitted = _fitted(sample, day)
    h = len(ahead)
    summed = np.sum([_row(one, day, fitted.weekdays, fitted.trend) for one in ahead], axis=0)
    se = math.sqrt(fitted.variance * (h * _widening(fitted.alike, h) + float(summed @ fitted.inverse @ summed) * fitted.wide))
    value = spent + float(summed @ fitted.level)
    reach = float(stdtrit(fitted.freedom, (1 + confidence) / 2)) * se
    never_back = all(cost >= 0 for cost in known.values())
    value = max(value, spent) if never_back else value
    low = max(value - reach, spent) if never_back else value - reach
    return Forecast(value, low, value + reach, spent, h, n, fitted.weekdays, fitted.trend, fitted.alike)


@dataclass(frozen=True)
class _Fitted:
    weekdays: bool
    trend: bool
    level: Any
    inverse: Any
    variance: float
    alike: float
    wide: float
    freedom: float


def _fitted(sample: Mapping[date, float], day: date) -> _Fitted:
    """Return the plainest model that the sample does not speak against."""
    weekdays = _weekdays_differ(sample, day)
    sloped = _fit(sample, day, weekdays, trend=True)
    if sloped is not None:
        error = math.sqrt(sloped.variance * sloped.wide * float(sloped.inverse[-1, -1]))
        slope = abs(float(sloped.level[-1]))
        if slope > float(stdtrit(sloped.freedom, 1 - _ALPHA / 2)) * error and slope > _NO_SLOPE * max(map(abs, sample.values())):
            return sloped
    plain = _fit(sample, day, weekdays, trend=False)
    if plain is None:
        raise ValueError("a mean needs two days")
    return plain


def _fit(sample: Mapping[date, float], day: date, weekdays: bool, trend: bool) -> _Fitted | None:
    """Fit a mean, or one a weekday, and a slope if asked, by least squares; None where too few days are left."""
    rows = np.array([_row(one, day, weekdays, trend) for one in sample])
    left = len(rows) - rows.shape[1]
    if left < 1 or (trend and len(rows) < _WEEKS * 7):
        return None
    inverse = np.linalg.pinv(rows.T @ rows)
    level = inverse @ rows.T @ np.array(list(sample.values()))
    rest = {one: cost - float(row @ level) for (one, cost), row in zip(sample.items(), rows, strict=True)}
    alike = _alike(rest, rows.shape[1])
    wide = _widening(alike, len(rows))
    squares = math.fsum(x * x for x in rest.values())
    return _Fitted(weekdays, trend, level, inverse, squares / left, alike, wide, max(1.0, left / wide))


def _row(one: date, day: date, weekdays: bool, trend: bool) -> list[float]:
    groups = [float(one.weekday() == k) for k in range(7)] if weekdays else [1.0]
    return [*groups, (one - day).days / 30] if trend else groups


def _weekdays_differ(sample: Mapping[date, float], day: date) -> bool:
    """Say whether weekdays differ by more than chance, beside a slope; each must have been seen four times."""
    seen = [sum(one.weekday() == k for one in sample) for k in range(7)]
    if min(seen) < _WEEKS:
        return False
    apart, same = (_fit(sample, day, weekdays, trend=True) for weekdays in (True, False))
    if apart is None or same is None:
        return False
    freedom = len(sample) - 8
    within, between = apart.variance * freedom, same.variance * (len(sample) - 2) - apart.variance * freedom
    size = _NO_SLOPE * max(map(abs, sample.values()))
    if between <= size * size:
        return False
    return within <= size * size or float(fdtrc(6, freedom, between / 6 / (within / freedom))) < _ALPHA


def _alike(rest: Mapping[date, float], fitted: int) -> float:
    """Return the autocorrelation of neighbouring days, corrected for the shortness of the series, 0 to 0.9."""
    n, all_squares = len(rest), math.fsum(x * x for x in rest.values())
    pairs = [(x, rest[one + timedelta(days=1)]) for one, x in rest.items() if one + timedelta(days=1) in rest]
    if not pairs or all_squares == 0:
        return 0.0
    found = math.fsum(x * y for x, y in pairs) / len(pairs) / (all_squares / n)
    return min(_MOST_ALIKE, max(0.0, found + (fitted + (2 + fitted) * found) / n))


def _widening(alike: float, k: int) -> float:
    """Return how many times the variance of a sum of k such days is that of independent ones."""
    return 1 + 2 / k * math.fsum((k - j) * alike**j for j in range(1, k))
