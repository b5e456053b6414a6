"""Drift of one day beside the bare scan of the same file, in one run.

Usage: python benchmarks/drift.py [--rows 1000000] [--reference-rows 100000] [--repeat 5]

Makes seeded Parquet files in a temporary folder: 22 numbers, 10 categories, a score and a decision, 34 compared columns. The
floor is ``min, max, count`` of every column of the batch. Each is run alternately, several times, and the median is printed.
Imports are timed apart. Peak memory is that of a process of its own for each, less what the imports alone take.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

NUMBERS, CATEGORIES = 22, 10
LEVELS = (2, 3, 5, 8, 12, 20, 50, 1_000, 5_000, 50_000)
DAY = date(2026, 4, 9)


def expressions() -> list[str]:
    """Return SQL for each column: normal, log-uniform and zero-inflated numbers, skewed categories, a score, a decision."""
    normal = "sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random())"
    kinds = [f"{normal} * 3 + 1", "exp(random() * 5)::float", "case when random() < 0.6 then 0 else (random() * 1000)::int end",
             "case when random() < 0.05 then null else floor(random() * 12)::smallint end"]
    numbers = [f"{kinds[0 if i < 10 else 1 if i < 16 else 2 if i < 20 else 3]} as n{i}" for i in range(NUMBERS)]
    categories = [f"'level ' || floor(pow(random(), 2) * {levels})::int as c{i}" for i, levels in enumerate(LEVELS)]
    answers = ["random() as score", "(random() < 0.3)::tinyint as prediction", "(random() < 0.3)::tinyint as label"]
    return [*numbers, *categories, *answers]


def make(folder: Path, rows: int, reference_rows: int) -> None:
    """Write the reference and one batch."""
    import duckdb

    for path, n, seed in ((folder / "reference.parquet", reference_rows, 0.1), (folder / f"batches/{DAY}.parquet", rows, 0.2)):
        path.parent.mkdir(parents=True, exist_ok=True)
        with duckdb.connect(config={"threads": 1}) as con:  # random() is only the same again on one thread
            con.execute("select setseed(?)", [seed])
            rows_of = f"select {', '.join(expressions())} from range({n})"
            con.execute(f"copy ({rows_of}) to '{path}' (format parquet, compression zstd)")


def passport() -> Any:
    """Return the passport of the made table."""
    from tests.support import passport_of

    return passport_of(
        features=[f"n{i}" for i in range(NUMBERS)] + [f"c{i}" for i in range(CATEGORIES)], protected=[],
        reference={"path": "reference.parquet"},
    )


def one(what: str, folder: Path) -> dict[str, float]:
    """Run the floor or the family once in this process; return seconds of wall and CPU, and MiB of peak memory."""
    started, busy = time.perf_counter(), time.process_time()
    from checks import drift
    from checks.drift.plan import plan_of
    from checks.drift.profile import profile
    from checks.subject import open_subject

    card = passport()
    imports, import_cpu = time.perf_counter() - started, time.process_time() - busy
    with open_subject(folder, card, DAY) as subject:
        before = _peak()
        inputs = [*card.features, "score", "prediction"]
        plan = plan_of(subject.con, subject.reference, inputs) if what == "day" else None
        started, busy = time.perf_counter(), time.process_time()
        if what == "floor":
            columns = ", ".join(f'min("{c}"), max("{c}"), count("{c}")' for c in inputs)
            subject.con.execute(f"select {columns} from {subject.batch.name}").fetchall()
        elif plan is not None:
            profile(subject.con, subject.batch, plan)
        else:
            found = drift.measure(subject)
            if any(m.status == "error" for m in found):
                raise SystemExit("drift.measure had an error; the figures would mean nothing")
        return {"wall": time.perf_counter() - started, "cpu": time.process_time() - busy, "peak": _peak() - before,
                "resident": _peak(), "imports": imports, "import_cpu": import_cpu}


def _peak() -> float:
    kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kib / 1024 if sys.platform != "darwin" else kib / 1024 / 1024


def compare(rows: int, reference_rows: int, repeat: int) -> dict[str, dict[str, float]]:
    """Run everything in turn, each in a process of its own, and return the medians."""
    runs: dict[str, list[dict[str, float]]] = {"floor": [], "day": [], "measure": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"Making {rows:,} rows and a reference of {reference_rows:,}.", flush=True)
        make(folder, rows, reference_rows)
        for number in range(repeat):
            for what, found in runs.items():
                command = [sys.executable, __file__, "--one", what, str(folder)]
                found.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
            print(f"Round {number + 1} of {repeat} done.", flush=True)
    return {what: {key: statistics.median(run[key] for run in found) for key in found[0]} for what, found in runs.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--reference-rows", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--one", nargs=2, metavar=("WHAT", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one(given.one[0], Path(given.one[1]))))
        return
    found = compare(given.rows, given.reference_rows, given.repeat)
    floor = found["floor"]
    names = {"floor": "floor: min, max, count", "day": "profile of the day", "measure": "drift.measure, reference included"}
    print(f"\n{'':36}{'wall s':>9}{'CPU s':>9}{'CPU x floor':>13}{'peak MiB':>10}{'+ MiB':>8}")
    for what, run in found.items():
        ratio = run["cpu"] / floor["cpu"]
        print(f"{names[what]:36}{run['wall']:9.2f}{run['cpu']:9.2f}{ratio:13.2f}{run['resident']:10.0f}{run['peak']:8.0f}")
    print(f"Imports, not counted above: {floor['imports']:.2f} s wall, {floor['import_cpu']:.2f} s CPU.")


if __name__ == "__main__":
    main()
