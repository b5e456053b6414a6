"""What a vendor promised about calls, held against the log of serving.

A promise becomes a limit by subtraction: the measurement is what was measured minus what was promised (and for a time, what was
promised minus what was measured), so that the limit of a policy is 0 whatever the promise. The log is ours: it is what the
callers saw, with our own network in it.
"""

from __future__ import annotations

import math
from typing import Any

from checks.cost.log import Log, LogDay, read_log
from checks.cost.times import Latency
from checks.intervals import CONFIDENCE, normal_quantile, wilson
from checks.performance.sheet import worth_of
from checks.subject import Subject
from checks.vendor.sheet import Sheet
from roadworthy.vendors import Sla, Vendor
from roadworthy.window import Window


def promises(subject: Subject, vendor: Vendor, sheet: Sheet) -> None:
    """Write down by how much availability and the 95 % time of a call keep what the contract promises."""
    sla = vendor.contract.sla if vendor.contract is not None else None
    if sla is None or (sla.availability is None and sla.p95_ms is None):
        for short in ("availability_margin", "latency_margin_p95"):
            sheet.refuse(short, "insufficient", f"{sheet.file} names no promise about calls of {vendor.id} ('contract.sla').")
        return
    window = Window.ending(subject.day, sla.window_days)
    log = read_log(subject, window)
    sheet.inputs = {**sheet.inputs, **log.inputs}
    _availability(subject, vendor, sla, log, sheet)
    _latency(subject, vendor, sla, log, sheet)


def _availability(subject: Subject, vendor: Vendor, sla: Sla, log: Log, sheet: Sheet) -> None:
    short, promised, declared = "availability_margin", sla.availability, subject.passport.telemetry
    if promised is None:
        sheet.refuse(short, "insufficient", f"The contract with {vendor.id} promises no availability ('sla.availability').")
        return
    if log.problem or declared is None:
        sheet.refuse(short, log.status, log.problem)
        return
    if declared.failed is None and declared.status is None:
        said = "The log does not say which calls were answered ('telemetry.failed', or 'status' and 'answered')."
        sheet.refuse(short, "insufficient", said)
        return
    for role in ("failed", "status", "calls"):
        if role in log.gone:
            sheet.refuse(short, "error", f"The log has no column '{log.gone[role]}', which the passport names.")
            return
    days = [one for one in log.days if one.calls > 0]
    calls, failed = math.fsum(one.calls for one in days), math.fsum(one.failed for one in days)
    if not calls:
        sheet.refuse(short, "insufficient", "No call of the log says how it ended.", n=0)
        return
    share, worth = 1 - failed / calls, _worth(days, calls, failed)
    details: dict[str, Any] = {
        "claim": "measured", "promised": promised, "measured": share, "failed": round(failed), "days": len(days),
        "window_days": sla.window_days, "lines_left_out": sum(one.unusable for one in log.days) + log.undated,
    }
    if not worth:
        said = f"The calls are of one day ({days[0].day}), and some failed together; an interval needs two days."
        sheet.refuse(short, "insufficient", said, n=round(calls))
        return
    ends = wilson(share * worth, worth)
    needed = math.ceil(promised / (1 - promised) * normal_quantile(CONFIDENCE) ** 2)
    if worth < needed and ends.high >= promised:
        as_many = "" if worth >= calls else f" worth {math.floor(worth):,} independent ones,"
        said = f"{round(calls):,} calls, {share:.3%} answered,{as_many} cannot tell {promised:.3%}"
        said += f"; without a failure it takes {needed:,}."
        sheet.refuse(short, "insufficient", said, n=round(calls), details=details)
        return
    stats = {"effective_n": worth, "units": len(days), "failed": failed}
    how = f"share of calls answered minus the promise; Wilson interval on {math.floor(worth):,} independent calls"
    margin = (ends.low - promised, ends.high - promised)
    sheet.put(short, share - promised, margin, n=round(calls), how=how, stats=stats, details=details)


def _worth(days: list[LogDay], calls: float, failed: float) -> float:
    """Return how many independent calls these are worth: calls that fail on one day fail together.

    Without a failure nothing speaks for that, and all of them count; 0 where all calls are of one day and some failed.
    """
    if failed in (0.0, calls):
        return calls if failed == 0 else float(len(days))
    squares = math.fsum((one.failed - failed / calls * one.calls) ** 2 for one in days)
    return worth_of(failed / calls, calls, len(days), squares)


def _latency(subject: Subject, vendor: Vendor, sla: Sla, log: Log, sheet: Sheet) -> None:
    short, share = "latency_margin_p95", 0.95
    if sla.p95_ms is None:
        sheet.refuse(short, "insufficient", f"The contract with {vendor.id} promises no time of a call ('sla.p95_ms').")
        return
    found = Latency.read(subject, log)
    if isinstance(found, str):
        sheet.refuse(short, "error" if log.status == "error" or "wall_ms" in log.gone else "insufficient", found)
        return
    ends = found.ranks(share)
    if ends is None:
        sheet.refuse(short, "insufficient", found.too_few(share), n=found.n)
        return
    value, low, high = found.at(ends)
    promised = float(sla.p95_ms)
    details = {"claim": "measured", "promised": promised, "measured": value, "window_days": sla.window_days}
    how = f"promise minus order statistic {ends.value} of {found.n}; its interval by order statistics"
    stats = {"units": found.units, "effective_n": found.worth(share)}
    sheet.put(short, promised - value, (promised - high, promised - low), n=found.n, how=how, stats=stats, details=details)
