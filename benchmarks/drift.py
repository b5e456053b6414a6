"""Drift of one day beside the bare scan of the same files, in one run; and a year of days beside one profile.

Usage: python benchmarks/drift.py [--rows 1000000 ...] [--reference-rows 100000] [--repeat 5] [--by-day]

Makes seeded Parquet files (zstd) in a temporary folder: 22 numbers, 10 categories, a score and a decision, 34 compared
columns. The floor is ``min, max, count`` of every column of the batch. Each is run alternately, several times, in a process
of its own, and the median is printed. Imports are timed apart. Peak memory is that of the process.

Several ``--rows`` (100000 1000000 10000000) also give the exponent of time over rows. More than ten million rows are reached
by listing one file of ten million several times over, by hard links, so that the disk need not hold them.

``--by-day`` spreads the rows over 365 daily files and counts all days in one pass, beside one profile of the same files.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

NUMBERS, CATEGORIES = 22, 10
LEVELS = (2, 3, 5, 8, 12, 20, 50, 1_000, 5_000, 50_000)
DAY = date(2026, 4, 9)
DAYS = 365
MOST_WRITTEN = 10_000_000


def expressions() -> list[str]:
    """Return SQL for each column: normal, log-uniform and zero-inflated numbers, skewed categories, a score, a decision."""
    normal = "sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random())"
    kinds = [f"{normal} * 3 + 1", "exp(random() * 5)::float", "case when random() < 0.6 then 0 else (random() * 1000)::int end",
             "case when random() < 0.05 then null else floor(random() * 12)::smallint end"]
    numbers = [f"{kinds[0 if i < 10 else 1 if i < 16 else 2 if i < 20 else 3]} as n{i}" for i in range(NUMBERS)]
    categories = [f"'level ' || floor(pow(random(), 2) * {levels})::int as c{i}" for i, levels in enumerate(LEVELS)]
    answers = ["random() as score", "(random() < 0.3)::tinyint as prediction", "(random() < 0.3)::tinyint as label"]
    return [*numbers, *categories, *answers]


def write(path: Path, rows: int, seed: float) -> None:
    """Write a seeded file."""
    import duckdb

    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(config={"threads": 1}) as con:  # random() is only the same again on one thread
        con.execute("select setseed(?)", [seed])
        rows_of = f"select {', '.join(expressions())} from range({rows})"
        con.execute(f"copy ({rows_of}) to '{path}' (format parquet, compression zstd)")


def make(folder: Path, rows: int, reference_rows: int) -> None:
    """Write the reference and one batch, of hard links to one file if it is large."""
    write(folder / "reference.parquet", reference_rows, 0.1)
    at_once = min(rows, MOST_WRITTEN)
    if rows % at_once:
        raise SystemExit(f"More than {MOST_WRITTEN:,} rows must be a multiple of it.")
    first = folder / f"batches/{DAY}-000.parquet"
    write(first, at_once, 0.2)
    for copy in range(1, rows // at_once):
        (folder / f"batches/{DAY}-{copy:03}.parquet").hardlink_to(first)


def make_year(folder: Path, rows: int, reference_rows: int) -> None:
    """Write the reference and a file for each of 365 days."""
    write(folder / "reference.parquet", reference_rows, 0.1)
    for back in range(DAYS):
        write(folder / f"batches/{DAY - timedelta(days=back)}.parquet", rows // DAYS, back / DAYS)


def passport() -> Any:
    """Return the passport of the made table."""
    from tests.support import passport_of

    return passport_of(
        features=[f"n{i}" for i in range(NUMBERS)] + [f"c{i}" for i in range(CATEGORIES)], protected=[],
        reference={"path": "reference.parquet"}, batches={"path": "batches/{date}*.parquet"},
    )


class Memory:
    """Keeps what is kept, for the length of a run."""

    def __init__(self) -> None:
        self.content: Any = None

    def get(self, kind: str, key: Any) -> Any:
        return self.content

    def put(self, kind: str, key: Any, content: Any) -> None:
        self.content = json.loads(json.dumps(content))


def one(what: str, folder: Path) -> dict[str, float]:
    """Run one thing once in this process; return seconds of wall and CPU, and MiB of peak memory."""
    started, busy = time.perf_counter(), time.process_time()
    from checks import drift
    from checks.drift.profile import profile
    from checks.subject import DAY_COLUMN, days_table, open_subject
    from roadworthy.sql import quote

    card = passport()
    imports, import_cpu = time.perf_counter() - started, time.process_time() - busy
    with open_subject(folder, card, DAY, kept=Memory(), spill=folder / "spill") as subject:
        inputs = [*card.features, "score", "prediction"]
        plan = drift.reference_profile(subject)[0] if what in ("day", "night", "exact", "one", "year") else None
        year = days_table(subject, [DAY - timedelta(days=back) for back in range(DAYS)]) if what in ("one", "year") else None
        before = _peak()
        started, busy = time.perf_counter(), time.process_time()
        if what == "floor":
            columns = ", ".join(f'min("{c}"), max("{c}"), count("{c}")' for c in inputs)
            subject.con.execute(f"select {columns} from {subject.batch.name}").fetchall()
        elif year is not None and plan is not None:
            if what == "one":
                profile(subject.con, year, plan)
            elif len(drift.profile_by_day(subject.con, year, plan, quote(DAY_COLUMN))) != DAYS:
                raise SystemExit("a day is missing; the figures would mean nothing")
        elif what == "day" and plan is not None:
            profile(subject.con, subject.batch, plan)
        elif what == "exact":
            if any(m.status != "measured" for m in drift.exact(subject, ["n0"])):
                raise SystemExit("drift.exact had an error; the figures would mean nothing")
        elif any(m.status == "error" for m in drift.measure(subject)):
            raise SystemExit("drift.measure had an error; the figures would mean nothing")
        return {"wall": time.perf_counter() - started, "cpu": time.process_time() - busy, "peak": _peak() - before,
                "resident": _peak(), "imports": imports, "import_cpu": import_cpu}


def _peak() -> float:
    kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kib / 1024 if sys.platform != "darwin" else kib / 1024 / 1024


Runs = dict[str, dict[str, float]]

NAMES = {
    "floor": "floor: min, max, count", "day": "profile of the day", "night": "drift.measure, reference kept",
    "measure": "drift.measure, reference made", "exact": "exact distances of one column",
    "one": "one profile of the year", "year": "365 profiles in one pass",
}


def compare(folder: Path, whats: Sequence[str], repeat: int) -> Runs:
    """Run everything in turn, each in a process of its own, and return the medians."""
    runs: dict[str, list[dict[str, float]]] = {what: [] for what in whats}
    for number in range(repeat):
        for what, found in runs.items():
            command = [sys.executable, __file__, "--one", what, str(folder)]
            found.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
        print(f"Round {number + 1} of {repeat} done.", flush=True)
    return {what: {key: statistics.median(run[key] for run in found) for key in found[0]} for what, found in runs.items()}


def show(found: Runs, rows: int) -> None:
    """Print a table; ratios are to its first line."""
    base = next(iter(found.values()))
    print(f"\n{f'{rows:,} rows':36}{'wall s':>9}{'CPU s':>9}{'CPU x first':>13}{'peak MiB':>10}{'+ MiB':>8}")
    for what, run in found.items():
        ratio = run["cpu"] / base["cpu"]
        print(f"{NAMES[what]:36}{run['wall']:9.2f}{run['cpu']:9.2f}{ratio:13.2f}{run['resident']:10.0f}{run['peak']:8.0f}")
    print(f"Imports, not counted above: {base['imports']:.2f} s wall, {base['import_cpu']:.2f} s CPU.", flush=True)


def exponents(sizes: dict[int, Runs]) -> None:
    """Print how time grows with rows between the smallest and the largest size: 1 is linear."""
    small, large = min(sizes), max(sizes)
    for what in sizes[small]:
        for clock in ("cpu", "wall"):
            power = math.log(sizes[large][what][clock] / sizes[small][what][clock]) / math.log(large / small)
            print(f"{NAMES[what]:36}{clock:>5} grows with rows to the power of {power:.2f}, {small:,} to {large:,}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--reference-rows", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--by-day", action="store_true", help="365 days in one pass, beside one profile of the same rows")
    parser.add_argument("--one", nargs=2, metavar=("WHAT", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one(given.one[0], Path(given.one[1]))))
        return
    sizes: dict[int, Runs] = {}
    for rows in given.rows:
        with tempfile.TemporaryDirectory() as name:
            print(f"Making {rows:,} rows and a reference of {given.reference_rows:,}.", flush=True)
            (make_year if given.by_day else make)(Path(name), rows, given.reference_rows)
            whats = ("one", "year") if given.by_day else ("floor", "day", "night", "measure", "exact")
            sizes[rows] = compare(Path(name), whats, given.repeat)
            show(sizes[rows], rows)
    if len(sizes) > 1:
        print()
        exponents(sizes)


if __name__ == "__main__":
    main()
