"""k-anonymity, l-diversity and t-closeness of one table, beside pycanon on the same rows, in one run.

Usage: python benchmarks/anonymity.py [--rows 100000 10000000] [--beside 100000]

Six quasi-identifiers, which make two and a half million classes of ten million rows, and one sensitive column of words. Each size
is measured in a process of its own, so that its peak memory is its own. pycanon is asked for the same three numbers on `--beside`
rows, if it is installed; else it is skipped by name.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

QUASI = ["age", "sex", "region", "job", "household", "birthplace"]


def write(path: Path, rows: int) -> None:
    """Write the table; the values follow from the row's number, so every run has the same."""
    import duckdb

    path.parent.mkdir(parents=True, exist_ok=True)
    duckdb.sql("set threads = 2")
    duckdb.sql(f"""
        copy (
          select 18 + (hash(i) % 60)::int as age, case when hash(i + 1) % 2 = 0 then 'f' else 'm' end as sex,
            'region-' || (hash(i * 3) % 16) as region, 'job-' || (hash(i * 5) % 9) as job,
            (1 + hash(i * 7) % 5)::int as household, 'place-' || (hash(i * 17) % 30) as birthplace,
            'illness-' || (hash(i * 11) % 24) as illness,
            (hash(i * 13) % 2)::int as label
          from range({rows}) t(i)
        ) to '{path}' (format parquet)
    """)


def ours(path: Path) -> None:
    """Measure one file and print seconds, peak memory and what was found as JSON."""
    from checks.anonymity import measure
    from checks.subject import open_subject
    from tests.support import DAY, passport_of

    passport = passport_of(quasi_identifiers=QUASI, sensitive=["illness"], reference={"path": path.name})
    with open_subject(path.parent, passport, DAY) as subject:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began, busy = time.perf_counter(), time.process_time()
        found = {m.metric.partition(".")[2]: m.value for m in measure(subject)}
        taken, busy = time.perf_counter() - began, time.process_time() - busy
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": taken, "cpu": busy, "mib": peak / 1024, "before": before / 1024, "found": found}))


def beside(path: Path) -> None:
    """Ask pycanon for the same three numbers."""
    import pandas as pd
    from pycanon import anonymity

    table = pd.read_parquet(path)
    began = time.perf_counter()
    k = anonymity.k_anonymity(table, QUASI)
    found = {"k": k, "l": anonymity.l_diversity(table, QUASI, ["illness"]), "t": anonymity.t_closeness(table, QUASI, ["illness"])}
    print(json.dumps({"seconds": time.perf_counter() - began, "found": {name: float(value) for name, value in found.items()}}))


def child(how: str, path: Path) -> dict[str, object]:
    """Run one of the two in a fresh process."""
    done = subprocess.run([sys.executable, __file__, how, str(path)], check=True, capture_output=True, text=True, cwd=ROOT)
    answer: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return answer


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 10_000_000])
    parser.add_argument("--beside", type=int, default=100_000)
    parser.add_argument("--ours", type=Path)
    parser.add_argument("--pycanon", type=Path)
    asked = parser.parse_args()
    if asked.ours or asked.pycanon:
        ours(asked.ours) if asked.ours else beside(asked.pycanon)
        return
    with tempfile.TemporaryDirectory() as name:
        for rows in asked.rows:
            path = Path(name) / f"{rows}.parquet"
            write(path, rows)
            print(f"{rows:>10,} rows: {child('--ours', path)} load {os.getloadavg()[0]:.0f}", flush=True)
        if importlib.util.find_spec("pycanon") is None:
            print("Skipped: pycanon is not installed.")
            return
        path = Path(name) / "beside.parquet"
        write(path, asked.beside)
        print(f"{asked.beside:>10,} rows, pycanon: {child('--pycanon', path)} load {os.getloadavg()[0]:.0f}")


if __name__ == "__main__":
    main()
