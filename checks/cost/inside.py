"""The job inside: a model answers rows again and again while CodeCarbon counts the energy. Only here is CodeCarbon imported.

CodeCarbon is run offline: it writes no file, and what it prints or would send goes nowhere, for the process has neither a console
nor a network. It may not read the processor's own meter (RAPL) here, so it takes the power from a table by the processor's name.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checks.explainability.explainers import Model
from checks.isolation.artifact import load

if TYPE_CHECKING:
    import pyarrow as pa

PARTS = 6
"""Stretches of answers; the interval is of these."""
SECONDS = 0.5
"""A stretch ends with the answer after which it has taken so long."""
_ANYWHERE = "DEU"  # the country decides the emissions, which are not asked for, and not the energy


def main(
    order: dict[str, Any], tables: dict[str, pa.Table], files: dict[str, Path]
) -> tuple[dict[str, Any], dict[str, pa.Table]]:
    """Return of each stretch the rows answered, the seconds, and the joules of processor, memory and graphics card.

    Parameters
    ----------
    order : dict
        ``model`` as `checks.isolation.artifact.order_of` gives it, ``task``, ``classes``, ``columns``.
    tables : dict of str to pyarrow.Table
        ``rows`` with the declared features.
    files : dict of str to pathlib.Path
        ``artifact``.
    """
    model = Model(load(files["artifact"], order["model"]), order["task"], order["classes"], order["columns"])
    rows = tables["rows"].to_pandas(date_as_object=False)[model.reads]
    model.answers(rows)  # what is loaded late is loaded now
    tracker = _tracker()
    parts, last, processor = [], None, 0.0
    for place in range(PARTS):
        tracker.start_task(f"part {place}")
        answered, began, before = 0, time.perf_counter(), time.process_time()
        while not answered or time.perf_counter() - began < SECONDS:
            model.answers(rows)
            answered += len(rows)
        processor += time.process_time() - before
        last = tracker.stop_task(f"part {place}")
        joules = [3.6e6 * float(kwh or 0) for kwh in (last.cpu_energy, last.ram_energy, last.gpu_energy)]
        parts.append([answered, float(last.duration), *joules])
    tracker.stop()
    told = {key: str(getattr(last, key, ""))[:120] for key in ("codecarbon_version", "cpu_model", "cpu_count", "tracking_mode")}
    memory = float(getattr(last, "ram_total_size", 0.0))
    return {"parts": parts, "machine": told | {"memory_gb": memory, "processor_seconds": processor}}, {}


def _tracker() -> Any:
    """Return CodeCarbon's meter of this process.

    In a process namespace this process has a number that ``/proc`` does not know, or gives to another, whose time would be
    counted. So it is told the number that ``/proc`` has for it.
    """
    known = Path("/proc/self")
    if known.is_symlink():
        outside = int(known.readlink().name)
        os.getpid = lambda: outside
    from codecarbon import OfflineEmissionsTracker

    return OfflineEmissionsTracker(
        country_iso_code=_ANYWHERE, tracking_mode="process", measure_power_secs=3600, allow_multiple_runs=True,
        log_level="critical", save_to_file=False, save_to_api=False, save_to_logger=False,
    )
