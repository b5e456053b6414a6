"""The four families of one night beside the bare scan of the same file, in one run.

Usage: python benchmarks/night.py [--rows 1000000] [--repeat 3]

One model: 22 numbers, 10 categories, a score, a decision and a label; two protected attributes; 37 data expectations. Each
family runs in a process of its own, in turn, several times; the median is printed. The floor is ``min, max, count`` of every
column. Imports are timed apart; peak memory is the whole process's.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml
from drift import CATEGORIES, DAY, LEVELS, NUMBERS, _peak, make

FAMILIES = ("data_quality", "drift", "performance", "fairness")
LIBRARIES = {
    "data_quality": "great_expectations",
    "fairness": "fairlearn.metrics",
    "performance": "scipy.stats",
    "drift": "scipy.stats",
}


def suite() -> dict[str, Any]:
    """Return 37 expectations of the kinds that real suites hold."""
    rules: list[dict[str, Any]] = [
        {"id": "rows", "type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}, "severity": "critical"},
    ]
    for i in range(NUMBERS):
        rules.append(
            {
                "id": f"n{i}-range",
                "type": "expect_column_values_to_be_between",
                "severity": "warning",
                "kwargs": {"column": f"n{i}", "min_value": -100, "max_value": 100_000},
            }
        )
    for i in range(CATEGORIES):
        rules.append(
            {
                "id": f"c{i}-there",
                "type": "expect_column_values_to_not_be_null",
                "kwargs": {"column": f"c{i}"},
                "severity": "critical",
            }
        )
    for i in range(4):
        values = [f"level {k}" for k in range(LEVELS[i])]
        rules.append(
            {
                "id": f"c{i}-known",
                "type": "expect_column_values_to_be_in_set",
                "kwargs": {"column": f"c{i}", "value_set": values},
                "severity": "critical",
            }
        )
    told = {"because": "A rule of a real suite says why it is there."}
    return {"schema_version": 1, "suite": "bench", "expectations": [{**rule, "meta": told} for rule in rules]}


def passport() -> Any:
    """Return the passport of the made table."""
    from tests.support import passport_of

    protected = [{"name": name, "column": name, "reference": "level 0", "values": {}, "bins": []} for name in ("c0", "c3")]
    return passport_of(
        features=[f"n{i}" for i in range(NUMBERS)] + [f"c{i}" for i in range(CATEGORIES)],
        protected=protected,
        reference={"path": "reference.parquet"},
        suite="suite.yaml",
    )


def one(what: str, folder: Path) -> dict[str, float]:
    """Run the floor or one family in this process."""
    started = time.perf_counter()
    from checks.subject import open_subject

    measure = None
    if what in FAMILIES:
        importlib.import_module(LIBRARIES[what])
        measure = importlib.import_module(f"checks.{what}").measure
    imports = time.perf_counter() - started
    card = passport()
    with open_subject(folder, card, DAY) as subject:
        started, busy = time.perf_counter(), time.process_time()
        if measure is None:
            names = [*card.features, "score", "prediction", "label"]
            subject.con.execute(
                f"select {', '.join(f'min({c}), max({c}), count({c})' for c in names)} from {subject.batch.name}"
            ).fetchall()
        else:
            errors = [m for m in measure(subject) if m.status == "error"]
            if errors:
                raise SystemExit(f"{what} had an error ({errors[0].reason}); the figures would mean nothing")
        return {"wall": time.perf_counter() - started, "cpu": time.process_time() - busy, "peak": _peak(), "imports": imports}


def main() -> None:
    """Run everything in turn and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--one", nargs=2, metavar=("WHAT", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one(given.one[0], Path(given.one[1]))))
        return
    runs: dict[str, list[dict[str, float]]] = {what: [] for what in ("floor", *FAMILIES)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"Making {given.rows:,} rows and a reference of 100,000.", flush=True)
        make(folder, given.rows, 100_000)
        (folder / "suite.yaml").write_text(yaml.safe_dump(suite()), encoding="utf-8")
        for number in range(given.repeat):
            for what, found in runs.items():
                command = [sys.executable, __file__, "--one", what, str(folder)]
                found.append(
                    json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
                )
            print(f"Round {number + 1} of {given.repeat} done.", flush=True)
    middle = {what: {key: statistics.median(run[key] for run in found) for key in found[0]} for what, found in runs.items()}
    floor = middle["floor"]
    print(f"\n{'':16}{'wall s':>9}{'x floor':>9}{'CPU s':>9}{'x floor':>9}{'peak MiB':>10}{'imports s':>11}")
    for what, run in middle.items():
        print(
            f"{what:16}{run['wall']:9.2f}{run['wall'] / floor['wall']:9.1f}{run['cpu']:9.2f}{run['cpu'] / floor['cpu']:9.1f}"
            f"{run['peak']:10.0f}{run['imports']:11.1f}"
        )
    wall, cpu = (sum(middle[f][key] for f in FAMILIES) for key in ("wall", "cpu"))
    peak = max(middle[f]["peak"] for f in FAMILIES)
    print(f"{'all four':16}{wall:9.2f}{wall / floor['wall']:9.1f}{cpu:9.2f}{cpu / floor['cpu']:9.1f}{peak:10.0f}")


if __name__ == "__main__":
    main()
