"""Money: what a day of serving cost, a decision, somebody else's interface, the month, and the training.

A day's cost comes from one source, never from two: the bills, if the passport names some; else the log, by the amounts on its
lines or by declared prices. Where a price, a currency or a budget is not declared there is no number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from checks.cost.bills import Billed, read_bills
from checks.cost.forecast import LEAST_DAYS, forecast
from checks.cost.log import Log, LogDay
from checks.cost.sheet import Sheet, ratio_by_day
from checks.subject import Subject
from roadworthy.measurement import Status
from roadworthy.spending import Cost, Prices, Telemetry
from roadworthy.window import Window

NO_MONEY = "The passport declares nothing under 'cost', so nothing can be said in money."
_HOUR = 3_600_000  # milliseconds
_TOKENS = (("input_tokens", "thousand_input_tokens"), ("output_tokens", "thousand_output_tokens"))


@dataclass(frozen=True)
class Spent:
    """What serving cost, by day.

    Attributes
    ----------
    days : dict of date to float
        Days of which nothing is known are not in it.
    source : str
        Where it comes from, in words.
    status, problem : str
        Why nothing can be said; an empty problem if something can.
    inputs : dict of str to str
    """

    days: dict[date, float] = field(default_factory=dict)
    source: str = ""
    status: Status = "insufficient"
    problem: str = ""
    inputs: dict[str, str] = field(default_factory=dict)


def spent_by_day(subject: Subject, log: Log, window: Window) -> Spent:
    """Return what each day of a window cost, from the bills or from the log."""
    cost = subject.passport.cost
    if cost is None:
        return Spent(problem=NO_MONEY)
    if cost.bills is not None:
        last = subject.day - timedelta(days=cost.bills.late_days)
        billed = read_bills(subject, cost.bills, cost.currency, Window(window.first, max(window.first, last)))
        inputs = {"bills": billed.digest} if billed.digest else {}
        if billed.problem:
            return Spent(status=billed.status, problem=billed.problem, inputs=inputs)
        days = {one: amount for one, amount in billed.days.items() if one <= last}
        return Spent(_filled(days, cost, Window(window.first, last)), f"bills ({cost.bills.cost})", inputs=inputs)
    if log.problem:
        return Spent(status=log.status, problem=log.problem, inputs=log.inputs)
    priced, source, problem = _priced(cost, subject.passport.telemetry, log, window)
    if problem:
        return Spent(status="error" if source else "insufficient", problem=problem, inputs=log.inputs)
    return Spent(_filled(priced, cost, window), source, inputs=log.inputs)


def _filled(days: dict[date, float], cost: Cost, window: Window) -> dict[date, float]:
    nothing = dict.fromkeys(window.days(), 0.0) if cost.day_without_line == "nothing" and window.first <= window.last else {}
    return {**nothing, **days}


def _priced(cost: Cost, declared: Telemetry | None, log: Log, window: Window) -> tuple[dict[date, float], str, str]:
    """Return the log's cost by day, its source, and the sentence why there is none; with a source it is a mistake in the log."""
    days = log.within(window)
    if declared is not None and declared.amount is not None:
        if problem := _unsure(log, days, ("amount",)):
            return {}, "log", problem
        return {one.day: one.sums["amount"] for one in days}, "amounts on the log's lines", ""
    api, source, problem = api_by_day(cost.prices, declared, log, days)
    priced = cost.prices.thousand_calls, cost.prices.thousand_input_tokens, cost.prices.thousand_output_tokens
    if problem and any(one is not None for one in priced):
        return {}, source, problem
    price = cost.prices.cpu_hour
    if price is None or declared is None or declared.cpu_ms is None:
        return api, source, problem
    if problem := _unsure(log, days, ("cpu_ms",)):
        return {}, "log", problem
    both = {one.day: one.sums["cpu_ms"] / _HOUR * float(price) + api.get(one.day, 0.0) for one in days}
    return both, f"processor time{' and ' + source if source else ''} at declared prices", ""


def api_by_day(
    prices: Prices, declared: Telemetry | None, log: Log, days: list[LogDay]
) -> tuple[dict[date, float], str, str]:
    """Return what calls and tokens cost by day, what was priced, and what is wrong with it."""
    tokens = [(role, float(price)) for role, key in _TOKENS if (price := getattr(prices, key)) is not None]
    calls = None if prices.thousand_calls is None else float(prices.thousand_calls)
    if declared is None or (not tokens and calls is None):
        return {}, "", "The passport prices neither calls nor tokens ('cost.prices')."
    for role, _ in tokens:
        if getattr(declared, role) is None:
            return {}, "", f"The passport prices {role.replace('_', ' ')} and names no column of the log with their number."
    source = " and ".join([*(role.replace("_", " ") for role, _ in tokens), *(["calls"] if calls is not None else [])])
    used = [role for role, _ in tokens] + (["calls"] if calls is not None and declared.calls is not None else [])
    if problem := _unsure(log, days, tuple(used)):
        return {}, source, problem
    found = {}
    for one in days:
        called = one.sums["calls"] if "calls" in one.sums else float(one.lines)
        parts = [one.sums[role] / 1000 * price for role, price in tokens]
        found[one.day] = math.fsum([*parts, called / 1000 * (calls or 0.0)])
    return found, source, ""


def _unsure(log: Log, days: list[LogDay], roles: tuple[str, ...]) -> str:
    """Say why a sum over these roles would be too small; empty if it would not."""
    for role in roles:
        if role in log.gone:
            return f"The log has no column '{log.gone[role]}', which the passport names under 'telemetry.{role}'."
        if bad := sum(one.bad[role] for one in days):
            lines = sum(one.lines for one in days)
            return f"{bad:,} of {lines:,} lines of the log hold no usable '{role}', so the sum of money is not known."
    if log.undated and roles:
        return f"{log.undated:,} lines of the log have no day that can be read, so the sum of money is not known."
    return ""


def month(subject: Subject, spent: Spent, sheet: Sheet) -> None:
    """Write down what the calendar month will have cost, and that against the budget."""
    cost, days = subject.passport.cost, subject.passport.windows.cost
    if cost is None or spent.problem:
        for short in ("monthly_forecast", "budget_used"):
            sheet.refuse(short, spent.status, spent.problem or NO_MONEY)
        return
    found = forecast(spent.days, subject.day, days)
    budget = cost.budget_per_month
    if found is None:
        known = sum(subject.day - timedelta(days=days) < one <= subject.day for one in spent.days)
        said = f"The cost of {known} of the last {days} days is known; a prediction needs {LEAST_DAYS}."
        for short in ("monthly_forecast", "budget_used"):
            sheet.refuse(short, "insufficient", said, n=known)
        return
    details = {
        "source": spent.source, "spent": found.spent, "days_predicted": found.to_come, "by_weekday": found.weekdays,
        "trend": found.trend, "autocorrelation": round(found.alike, 3), "currency": cost.currency,
        "month": f"{subject.day:%Y-%m}", "window_days": days,
    }
    over = {"currency": cost.currency}
    sheet.put(
        "monthly_forecast", found.value, (found.low, found.high), n=found.n, how=found.method, over=over, details=details
    )
    if budget is None:
        sheet.refuse("budget_used", "insufficient", "The passport declares no budget ('cost.budget_per_month').")
        return
    value, low, high = (max(0.0, x / float(budget)) for x in (found.value, found.low, found.high))
    details |= {"budget": float(budget)}
    sheet.put("budget_used", value, (low, high), n=found.n, how=f"{found.method}; over the budget", details=details)


def per_decision(subject: Subject, spent: Spent, log: Log, sheet: Sheet) -> None:
    """Write down what one decision cost: the cost of the window's days over the rows that were served on them."""
    cost, window = subject.passport.cost, Window.ending(subject.day, subject.passport.windows.cost)
    if cost is None or spent.problem:
        sheet.refuse("cost_per_decision", spent.status, spent.problem or NO_MONEY)
        return
    over = {"currency": cost.currency}
    if log.problem:
        said = f"How many decisions were served is not known. {log.problem}"
        sheet.refuse("cost_per_decision", log.status, said)
        return
    days = [one for one in log.within(window) if one.day in spent.days]
    rows = math.fsum(one.sums["rows"] for one in days)
    if problem := _unsure(log, days, ("rows",)):
        sheet.refuse("cost_per_decision", "error", problem)
        return
    if rows <= 0:
        sheet.refuse("cost_per_decision", "insufficient", "No day has both a cost and rows served.", n=0)
        return
    value, interval = ratio_by_day([spent.days[one.day] for one in days], [one.sums["rows"] for one in days])
    if interval is None:
        said = "One day has both a cost and rows served; an interval needs two."
        sheet.refuse("cost_per_decision", "insufficient", said, n=round(rows))
        return
    how = f"cost over rows served, by {len(days)} days"
    sheet.put(
        "cost_per_decision", value, interval, n=round(rows), how=how, over=over, stats={"units": len(days)},
        details={"source": spent.source, "currency": cost.currency},
    )


def api_spend(subject: Subject, log: Log, sheet: Sheet) -> None:
    """Write down what calls of somebody else's interface cost in the window, by the log and declared prices."""
    passport = subject.passport
    cost, window = passport.cost, Window.ending(subject.day, passport.windows.cost)
    if cost is None:
        sheet.refuse("api_spend", "insufficient", NO_MONEY)
        return
    if log.problem:
        sheet.refuse("api_spend", log.status, log.problem)
        return
    days = log.within(window)
    found, source, problem = api_by_day(cost.prices, passport.telemetry, log, days)
    if problem or not days:
        said = problem or f"The log has no line from {window.first} to {window.last}."
        sheet.refuse("api_spend", "error" if problem and source else "insufficient", said)
        return
    details: dict[str, Any] = {
        "source": f"{source} at declared prices", "currency": cost.currency, "days": len(days),
        "days_without_line": passport.windows.cost - len(days),
        "used": {role: math.fsum(one.sums[role] for one in days) for role, _ in _TOKENS if role in days[0].sums},
    }
    lines = sum(one.lines for one in days)
    sheet.put("api_spend", math.fsum(found.values()), None, n=lines, how="sum over every line; no sample", over={
        "currency": cost.currency}, details=details)


def training(subject: Subject, sheet: Sheet) -> None:
    """Write down what the version cost to train, with whose word it is."""
    cost = subject.passport.cost
    if cost is None or cost.training is None:
        said = NO_MONEY if cost is None else "The passport does not say what the training cost ('cost.training')."
        sheet.refuse("training_cost", "insufficient", said)
        return
    declared, over = cost.training, {"currency": cost.currency}
    if declared.bills is not None:
        billed: Billed = read_bills(subject, declared.bills, cost.currency, Window(declared.bills.first, declared.bills.last))
        if billed.problem:
            sheet.refuse("training_cost", billed.status, billed.problem)
            return
        details: Mapping[str, Any] = {"claim": "measured", "currency": cost.currency, "bills": billed.digest}
        how = f"sum of the bills ({declared.bills.cost}); no sample"
        sheet.put("training_cost", billed.total, None, n=billed.lines, how=how, over=over, details=details)
        return
    hours = declared.cpu_hours is not None
    value = float(declared.cpu_hours or 0) * float(cost.prices.cpu_hour or 0) if hours else float(declared.amount or 0)
    how = "stated processor time at a declared price" if hours else "as stated in the passport"
    sheet.put(
        "training_cost", value, None, n=1, how=how, over=over, details={"claim": "self-declared", "currency": cost.currency}
    )
