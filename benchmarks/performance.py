"""Performance of one window beside the bare scan of the columns it reads.

Usage: python benchmarks/performance.py [--rows 1000000] [--repeat 5]

Makes a seeded Parquet file in a temporary folder: label, decision, a score with as many values as rows, the same score in 101
values, a class of ten and its prediction, and two numbers for a model that predicts one. The floor is ``min, max, count`` of the
columns. Each is run in a process of its own, alternately, several times; medians are printed. Imports are timed apart.
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

DAY = date(2026, 4, 9)
NAMES = {
    "floor": "floor: min, max, count", "binary": "binary, every score different", "ties": "binary, 101 scores",
    "days": "binary, every score different, by day", "parts": "binary, 101 scores, 29 segments by day",
    "number": "regression", "numbers": "regression, 29 segments by day", "classes": "ten classes by day",
}
REGRESSION = {"kind": "regression", "label": "truth", "prediction": "forecast"}
CLASSES = {"kind": "multiclass", "label": "class", "prediction": "taken", "classes": list(range(10))}
TASKS: dict[str, dict[str, Any]] = {
    "ties": {"score": "coarse"}, "parts": {"score": "coarse"}, "number": REGRESSION, "numbers": REGRESSION, "classes": CLASSES,
}
BY_DAY = ("days", "parts", "numbers", "classes")


def make(folder: Path, rows: int) -> None:
    """Write one day, which is its own reference."""
    import duckdb

    path = folder / f"batches/{DAY}.parquet"
    path.parent.mkdir(parents=True)
    with duckdb.connect(config={"threads": 1}) as con:  # random() is only the same again on one thread
        con.execute("select setseed(0.4)")
        con.execute(
            f"""copy (select label, (score >= 0.5)::tinyint as prediction, score, round(score, 2) as coarse, truth,
            truth + random() as forecast, truth::int % 10 as class, (truth + random())::int % 10 as taken, day from (
                select label, (random() + 0.2 * label) / 1.2 as score, random() * 10 as truth, day from (
                    select (random() < 0.3)::tinyint as label, (random() * 28)::int as day from range({rows})
                )
            )) to '{path}' (format parquet, compression zstd)"""
        )


def one(what: str, folder: Path) -> dict[str, float]:
    """Run one of them once in this process; return seconds of wall and CPU, and MiB of peak memory."""
    started = time.perf_counter()
    from checks import performance
    from checks.subject import open_subject
    from tests.support import passport_of

    imports = time.perf_counter() - started
    unit = {"unit": "block", "column": "day"} if what in BY_DAY else {"unit": "row"}
    segments = ["day"] if what in ("parts", "numbers") else []
    path = f"batches/{DAY}.parquet"
    card = passport_of(task=TASKS.get(what, {}), reference={"path": path}, independence=unit, segments=segments)
    with open_subject(folder, card, DAY) as subject:
        before, started, busy = _peak(), time.perf_counter(), time.process_time()
        if what == "floor":
            columns = ", ".join(f"min({c}), max({c}), count({c})" for c in ("label", "prediction", "score"))
            subject.con.execute(f"select {columns} from labelled").fetchall()
        else:
            found = performance.measure(subject)
            if any(m.status == "error" for m in found):
                raise SystemExit("performance.measure had an error; the figures would mean nothing")
        return {"wall": time.perf_counter() - started, "cpu": time.process_time() - busy, "peak": _peak() - before,
                "resident": _peak(), "imports": imports}


def _peak() -> float:
    kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kib / 1024 if sys.platform != "darwin" else kib / 1024 / 1024


def compare(rows: int, repeat: int) -> dict[str, dict[str, float]]:
    """Run everything in turn, each in a process of its own, and return the medians."""
    runs: dict[str, list[dict[str, float]]] = {kind: [] for kind in NAMES}
    with tempfile.TemporaryDirectory() as name:
        print(f"Making {rows:,} rows.", flush=True)
        make(Path(name), rows)
        for number in range(repeat):
            for what, found in runs.items():
                command = [sys.executable, __file__, "--one", what, name]
                found.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
            print(f"Round {number + 1} of {repeat} done.", flush=True)
    return {what: {key: statistics.median(run[key] for run in found) for key in found[0]} for what, found in runs.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--one", nargs=2, metavar=("WHAT", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one(given.one[0], Path(given.one[1]))))
        return
    found = compare(given.rows, given.repeat)
    floor = found["floor"]
    print(f"\n{'':38}{'wall s':>9}{'x floor':>9}{'CPU s':>9}{'x floor':>9}{'peak MiB':>10}{'+ MiB':>8}")
    for what, run in found.items():
        ratios = run["wall"] / floor["wall"], run["cpu"] / floor["cpu"]
        print(f"{NAMES[what]:38}{run['wall']:9.2f}{ratios[0]:9.2f}{run['cpu']:9.2f}{ratios[1]:9.2f}{run['resident']:10.0f}{run['peak']:8.0f}")
    print(f"Imports, not counted above: {floor['imports']:.2f} s.")


if __name__ == "__main__":
    main()
