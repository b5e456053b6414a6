"""What the tests of the family share."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from checks import cost
from checks.intervals import CONFIDENCE
from roadworthy.measurement import Measurement
from tests.support import DAY, make_subject, passport_of, write_parquet

LOG = {"path": "log.parquet", "rows": "rows", "wall_ms": "wall", "cpu_ms": "cpu", "date": "day"}
__all__ = ["CONFIDENCE", "DAY", "LOG", "before", "log_of", "measured", "one"]


def before(days: int) -> list[date]:
    """Return so many days that end with the day judged, oldest first."""
    return [DAY - timedelta(days=k) for k in reversed(range(days))]


def log_of(days: int, **columns: Any) -> dict[str, Any]:
    """Return a log of one line a day."""
    return {"day": before(days), "rows": [100] * days, "wall": [20.0] * days, "cpu": [10.0] * days, **columns}


def measured(
    root: Path, rows: Any, *, day: date = DAY, files: Mapping[str, str] | None = None, **passport: Any
) -> list[Measurement]:
    """Measure the family on a log; None writes none. `passport` is what the passport says besides."""
    if rows is not None:
        write_parquet(rows, root / "log.parquet")
    for name, text in (files or {}).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    with make_subject(root, passport_of(**{"telemetry": LOG, **passport}), day=day) as subject:
        return cost.measure(subject)


def one(found: list[Measurement], short: str) -> Measurement:
    """Return the one measurement of that metric."""
    [m] = [m for m in found if m.metric == f"cost.{short}"]
    return m
