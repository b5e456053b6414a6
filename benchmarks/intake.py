"""Intake of a large raw file beside DuckDB's own copy of the same file to Parquet, in one run.

Usage: python benchmarks/intake.py [--rows 10000000] [--repeat 1]

One CSV file: a customer number that becomes a pseudonym, a day, numbers, categories, a note, a decision, a score and a
label, every customer different. The floor is ``copy (from read_csv) to parquet``, which checks no day, codes nothing and looks
for no identifier. Floor and intake run in turn in processes of their own; wall and CPU seconds and peak memory are
printed, with those of the process that makes pseudonyms.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import yaml

HERE = Path(__file__).resolve().parent
DAY = date(2026, 4, 9)
TYPES = {
    "age": "BIGINT", "income": "DOUBLE", "a": "DOUBLE", "b": "DOUBLE", "color": "VARCHAR", "origin": "VARCHAR", "note": "VARCHAR",
    "label": "BIGINT", "prediction": "BIGINT", "score": "DOUBLE",
}


class Peak:
    """The most that this process and those it started held together, in MiB; looked at ten times a second."""

    def __init__(self) -> None:
        self.found = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._ended.wait(0.1):
            everyone = ["self", *(child for task in Path("/proc/self/task").iterdir() for child in _children(task))]
            self.found = max(self.found, sum(_resident(one) for one in set(everyone)))

    def close(self) -> float:
        """Look no more, and return the most."""
        self._ended.set()
        self._thread.join()
        return self.found


def _children(task: Path) -> list[str]:
    try:
        return (task / "children").read_text(encoding="utf-8").split()
    except OSError:
        return []


def _resident(process: str) -> float:
    try:
        told = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in told.splitlines() if line.startswith("VmRSS")), 0.0)


def passport() -> Any:
    """Return the passport of the made table."""
    sys.path.insert(0, str(HERE.parent))
    from tests.support import passport_of

    return passport_of(
        features=["age", "income", "a", "b", "color", "origin"], protected=[],
        identifiers=[{"column": "customer_id", "purpose": "Complaints.", "basis": "Contract."}],
        intake={
            "path": "raw/{date}.csv", "format": "csv", "types": TYPES, "date": "day", "key": "env:BENCH_KEY",
        },
    )


def make(folder: Path, rows: int) -> None:
    """Write the raw file and a workspace around it."""
    settings = {"schema_version": 1, "name": "Benchmark", "time_zone": "UTC"}
    (folder / "roadworthy.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    (folder / "raw").mkdir()
    with duckdb.connect(config={"threads": 2}) as con:
        con.execute(
            f"copy (select 'C' || lpad(((i * 7919) % {rows})::varchar, 9, '0') as customer_id, "
            f"date '{DAY}' as day, "
            "round(hash(i) % 10000 / 100, 2) as income, (hash(i + 1) % 80)::int as age, "
            "round(hash(i + 2) % 50000 / 10000, 4) as a, "
            "round(hash(i + 3) % 50000 / 10000, 4) as b, ['red', 'green', 'blue'][1 + (hash(i + 4) % 3)::int] as color, "
            "['JFK', 'LGA', 'EWR', 'TXL'][1 + (hash(i + 5) % 4)::int] as origin, case when hash(i + 6) % 2 = 0 then "
            "'paid by card, delivery on Tuesday' else 'called about order ' || i end as note, "
            "(hash(i + 7) % 10 < 3)::int as label, "
            "(hash(i + 8) % 10 < 3)::int as prediction, round(hash(i + 9) % 10000 / 10000, 4) as score "
            f"from range({rows}) r(i)) "
            f"to '{folder / 'raw' / f'{DAY}.csv'}' (header)"
        )


def one(what: str, folder: Path) -> dict[str, float]:
    """Run the floor or the intake in this process."""
    raw, peak = folder / "raw" / f"{DAY}.csv", Peak()
    if what == "floor":
        con = duckdb.connect(config={"threads": 2})
        started, busy = time.perf_counter(), time.process_time()
        con.execute(f"copy (select * from read_csv('{raw}')) to '{folder / 'floor.parquet'}' (format parquet, compression zstd)")
    else:
        declared = passport()
        from checks.intake import take_in
        from roadworthy.ledger import Ledger
        from roadworthy.workspace import Workspace

        workspace = Workspace.open(folder)
        with Ledger.open(f"sqlite:///{folder}/state.sqlite") as ledger:
            started, busy = time.perf_counter(), time.process_time()
            done = take_in(workspace, ledger, declared, DAY, datetime.now(UTC), {"BENCH_KEY": "ab" * 32})
        if done.receipt["quarantined"] or done.reused:
            raise SystemExit(f"not a clean intake: {done.receipt['quarantine']}")
    wall, children = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = time.process_time() - busy + children.ru_utime + children.ru_stime
    return {"wall": wall, "cpu": cpu, "peak": peak.close()}


def main() -> None:
    """Run both in turn and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--one", nargs=2, metavar=("WHAT", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one(given.one[0], Path(given.one[1]))))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder, given.rows)
        size = (folder / "raw" / f"{DAY}.csv").stat().st_size
        print(f"{given.rows:,} rows, {size / 1e6:,.0f} MB of CSV.")
        print(f"{'':8}{'wall s':>9}{'CPU s':>9}{'peak MiB':>10}{'speed':>8}", flush=True)
        for _ in range(given.repeat):
            floor = 0.0
            for what in ("floor", "intake"):
                for made in (folder / ".roadworthy", folder / "batches"):
                    subprocess.run(["rm", "-rf", str(made)], check=True)
                command = [sys.executable, __file__, "--one", what, str(folder)]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ})
                run = json.loads(done.stdout.splitlines()[-1])
                floor = floor or run["wall"]
                print(f"{what:8}{run['wall']:9.2f}{run['cpu']:9.2f}{run['peak']:10.0f}{floor / run['wall']:8.2f}", flush=True)


if __name__ == "__main__":
    main()
