"""What a model without a log of serving costs to ask, timed by the inspection itself and called so.

The times are taken in the process in which the model is explained (`checks.isolation.stopwatch`), so that none is started for
them. They are a floor: a serving system adds its network, its queue and its neighbours. Each stands over a part of its own, so
that a rule about the log is never answered by them.
"""

from __future__ import annotations

from collections.abc import Sequence

from checks.cost.sheet import Sheet, ratio_by_day
from checks.intervals import CONFIDENCE
from checks.intervals.quantiles import fewest, ranks
from checks.isolation.stopwatch import Timed
from checks.subject import Subject
from roadworthy.measurement import Measurement

SOURCE = "the inspection's own timing"
LABEL = f"{SOURCE}, one thread, cold process, not the serving system"
PLACE = "timed"
"""Under this word and the digest of the rows, `Subject.once` holds the times, or the sentence why there are none."""
_OVER = {"source": SOURCE}
_RATES = {"wall_ms_per_1000": 0, "cpu_ms_per_1000": 1}
_LATENCIES = {"latency_p50": 0.50, "latency_p95": 0.95}


def own_timing(subject: Subject) -> list[Measurement]:
    """Measure the times that the inspection took itself, of a model that has an artifact and names no log.

    Parameters
    ----------
    subject : checks.subject.Subject
        Explained before; see `checks.explainability.attribution`.

    Returns
    -------
    list of Measurement
        Milliseconds for each 1,000 rows over ``{"source": SOURCE}``; of a call over ``{"own_timing": "single row"}`` and
        ``{"own_timing": "whole sample"}``. Nothing for a model with a log, or without an artifact.
    """
    if not wanted(subject):
        return []
    found = subject.once.get(f"{PLACE} {subject.decided.digest}", "The model was not run.")
    sheet = Sheet(subject.inputs, {"timed by": LABEL})
    if not isinstance(found, Timed):
        for short in _RATES:
            sheet.refuse(short, "insufficient", f"The inspection could not time the model. {found}", over=_OVER)
        return sheet.found
    for short, place in _RATES.items():
        _per_thousand(sheet, short, [call[place] for call in found.whole], found.rows)
    for kind, calls in (("single row", found.single), ("whole sample", found.whole)):
        for short, share in _LATENCIES.items():
            _latency(sheet, short, share, kind, [wall for wall, _ in calls], found.rows if kind == "whole sample" else 1)
    return sheet.found


def wanted(subject: Subject) -> bool:
    """Say whether the inspection has to take the times: there is an artifact, and no log is named."""
    return subject.passport.artifact is not None and subject.passport.telemetry is None


def _per_thousand(sheet: Sheet, short: str, calls: Sequence[float], rows: int) -> None:
    value, interval = ratio_by_day([1000 * one for one in calls], [rows] * len(calls))
    n = rows * len(calls)
    if interval is None:
        sheet.refuse(short, "insufficient", "There was time for one call only; an interval needs two.", over=_OVER, n=n)
        return
    how = f"{LABEL}: {len(calls)} calls with {rows} rows each, sum over sum of rows, by calls"
    sheet.put(short, value, interval, n=n, how=how, over=_OVER, stats={"units": len(calls)})


def _latency(sheet: Sheet, short: str, share: float, kind: str, calls: Sequence[float], rows: int) -> None:
    over, n, ends = {"own_timing": kind}, len(calls), ranks(len(calls), share, CONFIDENCE)
    if ends is None:
        said = f"{n} calls, as many as there was time for, do not resolve the {share:.0%} quantile; it takes {fewest(share)}."
        sheet.refuse(short, "insufficient", said, over=over, n=n)
        return
    value, low, high = (sorted(calls)[place - 1] for place in ends)
    how = f"{LABEL}: order statistics {ends.low} and {ends.high} of {n} calls with {rows} {'row' if rows == 1 else 'rows'} each"
    sheet.put(short, value, (low, high), n=n, how=how, over=over)
