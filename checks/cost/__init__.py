"""Cost: processor time, latency, money, energy; from the log of serving that the passport names, or not at all.

The log is added up by day in DuckDB. What is said in money rests on declared prices, bills and budgets; see `checks.cost.money`.
Nothing is guessed for a model without a log, a price or a budget: those numbers are ``insufficient``, and say what is missing.
"""

from __future__ import annotations

from checks.cost import energy, money, times
from checks.cost.log import Log, read_log
from checks.cost.sheet import FAMILY, Sheet
from checks.subject import Subject
from roadworthy.measurement import Measurement
from roadworthy.window import Window

__all__ = ["FAMILY", "measure"]


def measure(subject: Subject) -> list[Measurement]:
    """Measure every cost metric of the catalogue.

    Parameters
    ----------
    subject : checks.subject.Subject
        Its batches are not read, only the log and the bills that its passport names, up to the day judged; but where the passport
        asks for the energy and the log does not tell it, its model answers a sample.

    Returns
    -------
    list of Measurement
        One for each metric of the family. Times are in milliseconds and over ``{"source": "log"}``, money is over its currency.

    Examples
    --------
    >>> from datetime import timedelta
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from tests.support import DAY, make_subject, passport_of, write_parquet
    >>> named = {"path": "log.parquet", "rows": "rows", "cpu_ms": "cpu", "date": "day"}
    >>> days = [DAY - timedelta(days=k) for k in range(3)]
    >>> with TemporaryDirectory() as folder, make_subject(Path(folder), passport_of(telemetry=named)) as subject:
    ...     _ = write_parquet({"day": days, "rows": [80, 80, 40], "cpu": [8.0, 9.0, 3.0]}, Path(folder) / "log.parquet")
    ...     found = {m.metric: m for m in measure(subject)}
    >>> found["cost.cpu_ms_per_1000"].value, found["cost.latency_p95"].status, found["cost.budget_used"].status
    (100.0, 'insufficient', 'insufficient')
    """
    passport = subject.passport
    window = Window.ending(subject.day, passport.windows.cost)
    whole = Window(min(window.first, subject.day.replace(day=1)), subject.day)  # the month's days before the window are known too
    long = read_log(subject, whole)
    log = _of_window(long, window)
    sheet = Sheet(log.inputs, {"days": len(log.days), "days_without_line": len(window.days()) - len(log.days)})
    _of_the_log(log, sheet)
    declared = passport.telemetry
    for short, role in times.RATES.items():
        if log.problem:
            sheet.refuse(short, log.status, log.problem, over=times.LOG)
        else:
            times.per_thousand(log, sheet, getattr(declared, role), short, role, times.LOG)
    times.latencies(subject, log, sheet)
    energy.measure(subject, log, sheet)
    spent = money.spent_by_day(subject, long, whole)
    of_money = Sheet(spent.inputs or log.inputs)
    money.month(subject, spent, of_money)
    money.per_decision(subject, spent, log, of_money)
    money.api_spend(subject, log, of_money)
    money.training(subject, of_money)
    return [*sheet.found, *of_money.found]


def _of_window(log: Log, window: Window) -> Log:
    days = tuple(log.within(window))
    none = "" if days or log.problem else f"The log has no line from {window.first} to {window.last}."
    return Log(window, days, log.undated, log.table, log.status, log.problem or none, log.gone)


def _of_the_log(log: Log, sheet: Sheet) -> None:
    """Write down how much of the window the log tells, and how many of its lines cannot be read."""
    if log.problem:
        for short in ("log_coverage", "log_unusable_share"):
            sheet.refuse(short, log.status, log.problem)
        return
    wanted = len(log.window.days())
    sheet.put("log_coverage", len(log.days) / wanted, None, n=wanted, how="count of days; no sample")
    lines = sum(one.lines for one in log.days) + log.undated
    bad = sum(one.unusable for one in log.days) + log.undated
    details = {"lines": lines, "unusable": bad, "undated": log.undated, "columns_missing": sorted(log.gone.values())}
    sheet.put("log_unusable_share", 1.0 if log.gone else bad / lines, None, n=lines, how="count; no sample", details=details)
