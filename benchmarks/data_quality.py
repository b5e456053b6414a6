"""Data quality of one day beside the bare scan of the same file, in one run.

Usage: python benchmarks/data_quality.py [--rows 1000000] [--reference-rows 100000] [--repeat 5] [--engine duckdb]

One model: 22 numbers, 10 categories, a score, a decision and a label; 37 expectations of nine types, some of them violated;
the strength of 32 columns alone. The floor reads every value of every column (a hash of each; minimum and maximum would be
answered from the file's own statistics). Floor and family run in turn in processes of their own; the median is printed,
imports apart. Peak memory is the whole process's, with the imports' share beside it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml
from drift import CATEGORIES, DAY, NUMBERS, _peak, make


def suite() -> dict[str, Any]:
    """Return 37 expectations of the kinds that real suites hold."""
    rules: list[tuple[str, dict[str, Any]]] = [
        ("expect_table_row_count_to_be_between", {"min_value": 1}),
        ("expect_column_mean_to_be_between", {"column": "n0", "min_value": 0, "max_value": 2}),
        ("expect_column_median_to_be_between", {"column": "n1", "min_value": 0, "max_value": 2}),
        ("expect_column_stdev_to_be_between", {"column": "n2", "min_value": 1, "max_value": 4}),
        ("expect_column_values_to_be_unique", {"column": "score"}),
        ("expect_column_pair_values_a_to_be_greater_than_b", {"column_A": "n10", "column_B": "n0", "mostly": 0.5}),
        (
            "unexpected_rows_expectation",
            {"unexpected_rows_query": "select 1 from {batch} where not regexp_full_match(c2, 'level \\d')"},
        ),
    ]
    rules += [("expect_column_values_to_be_between", {"column": f"n{i}", "min_value": -100, "max_value": 90}) for i in range(18)]
    rules += [("expect_column_values_to_not_be_null", {"column": f"n{i}"}) for i in range(18, NUMBERS)]
    rules += [("expect_column_values_to_not_be_null", {"column": f"c{i}"}) for i in range(4, 8)]
    known = [f"level {k}" for k in range(12)]
    rules += [("expect_column_values_to_be_in_set", {"column": f"c{i}", "value_set": known}) for i in range(4)]
    meta = {"because": "A benchmark needs rules."}
    listed = [{"id": f"e{i}", "type": t, "kwargs": k, "severity": "warning", "meta": meta} for i, (t, k) in enumerate(rules)]
    return {"schema_version": 1, "suite": "bench", "expectations": listed}


def passport(engine: str) -> Any:
    """Return the passport of the made table."""
    from tests.support import passport_of

    return passport_of(
        features=[f"n{i}" for i in range(NUMBERS)] + [f"c{i}" for i in range(CATEGORIES)], protected=[],
        reference={"path": "reference.parquet"}, suite="suite.yaml", suite_engine=engine,
    )


def one(what: str, folder: Path, engine: str) -> dict[str, float]:
    """Run the floor, the suite, the strengths or the family in this process."""
    started = time.perf_counter()
    from checks import data_quality
    from checks.data_quality.leakage import strengths
    from checks.data_quality.library import great_expectations
    from checks.subject import open_subject

    if what != "floor":
        great_expectations()
    imports, loaded = time.perf_counter() - started, _peak()
    with open_subject(folder, passport(engine), DAY) as subject:
        started, busy = time.perf_counter(), time.process_time()
        if what == "floor":
            subject.con.execute(f"select bit_xor(hash(columns(*))) from {subject.batch.name}").fetchall()
        elif what == "strengths":
            list(strengths(subject))
        else:
            measured = data_quality.measure(subject)
            if wrong := [m.reason for m in measured if m.status == "error"]:
                raise SystemExit(f"an error would make the figures meaningless: {wrong[0]}")
        wall, cpu = time.perf_counter() - started, time.process_time() - busy
        return {"wall": wall, "cpu": cpu, "peak": _peak(), "loaded": loaded, "imports": imports}


def main() -> None:
    """Run everything in turn and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--reference-rows", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--engine", choices=("duckdb", "pandas"), default="duckdb")
    parser.add_argument("--one", nargs=2, metavar=("WHAT", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one(given.one[0], Path(given.one[1]), given.engine)))
        return
    runs: dict[str, list[dict[str, float]]] = {"floor": [], "family": [], "strengths": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"Making {given.rows:,} rows and a reference of {given.reference_rows:,}.", flush=True)
        make(folder, given.rows, given.reference_rows)
        asked = suite()
        if given.engine == "pandas":
            asked["expectations"] = [e for e in asked["expectations"] if e["type"] != "unexpected_rows_expectation"]
        (folder / "suite.yaml").write_text(yaml.safe_dump(asked), encoding="utf-8")
        print(f"{len(asked['expectations'])} expectations on {given.engine}.", flush=True)
        for number in range(given.repeat):
            for what, found in runs.items():
                command = [sys.executable, __file__, "--engine", given.engine, "--one", what, str(folder)]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                found.append(json.loads(done.stdout.splitlines()[-1]))
            print(f"Round {number + 1} of {given.repeat} done.", flush=True)
    middle = {what: {key: statistics.median(run[key] for run in found) for key in found[0]} for what, found in runs.items()}
    floor = middle["floor"]
    print(f"\n{'':12}{'wall s':>9}{'x floor':>9}{'CPU s':>9}{'x floor':>9}{'peak MiB':>10}{'of it imports':>15}{'imports s':>11}")
    for what, run in middle.items():
        print(
            f"{what:12}{run['wall']:9.2f}{run['wall'] / floor['wall']:9.1f}{run['cpu']:9.2f}{run['cpu'] / floor['cpu']:9.1f}"
            f"{run['peak']:10.0f}{run['loaded']:15.0f}{run['imports']:11.1f}"
        )


if __name__ == "__main__":
    main()
