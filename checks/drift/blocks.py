"""Blocks of days: where one day is too small to tell, days are pooled until they hold enough rows.

Blocks follow each other and never overlap, so each row is judged once and nights stay independent. Until a block closes, what
its columns look like so far is told as an estimate and decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from checks.subject import Subject
from roadworthy.measurement import Measurement, not_measured


def hold_back(subject: Subject, measurements: Sequence[Measurement]) -> list[Measurement]:
    """Return measurements over columns with the block they speak of; while it is open they are ``insufficient``.

    Where the passport declares no blocks, nothing changes.
    """
    pool = subject.pool
    if pool is None:
        return list(measurements)
    return [m if "column" not in m.over or m.status != "measured" else _told(m, pool) for m in measurements]


def _told(m: Measurement, pool: dict[str, object]) -> Measurement:
    details = {**m.details, "pool": pool}
    if pool["closed"]:
        return replace(m, details=details)
    since, rows, needed = pool["since"], pool["rows"], pool["needed"]
    reason = f"The days since {since} hold {rows:,} rows; {needed:,} decide."
    details["estimate"] = m.value
    return not_measured(m.metric, "insufficient", reason, over=m.over, n=m.n, stats=m.stats, inputs=m.inputs, details=details)
