"""Estimated performance of one day beside the bare scan of the columns it reads; and how often its intervals hold the truth.

Usage: python benchmarks/estimate.py [--rows 1000000] [--repeat 5]
       python benchmarks/estimate.py --coverage 1000

Makes a seeded Parquet file in a temporary folder, which is the reference too: label, decision, a score with as many values as
rows, an attribute of four groups, three class scores, and two numbers. The floor is ``min, max, count`` of the columns. Each is
run in a process of its own, alternately, several times; medians are printed. What the reference taught is kept, as it is from
the second night on; "first night" counts the learning too. Two windows are read, the batch and the labelled days (for the
miss), both with all the rows. Models of several classes and of numbers read a bounded sample of rows of each.

With --coverage the worlds of tests/checks/estimate/worlds.py are run that often and the table of docs/estimate.md is printed.
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
    "floor": "floor: min, max, count", "binary": "binary", "first": "binary, first night", "groups": "binary, by 4 groups",
    "classes": "three classes (sample)", "number": "regression (sample)",
}
TASKS: dict[str, dict[str, Any]] = {
    "number": {"kind": "regression", "label": "truth", "prediction": "forecast"},
    "classes": {
        "kind": "multiclass", "label": "which", "prediction": "chosen", "classes": [0, 1, 2], "class_scores": ["p0", "p1", "p2"],
    },
}
SEX = [{"name": "region", "column": "region", "reference": "0"}]


class Shelf:
    """A kept store in memory."""

    def __init__(self) -> None:
        self.held: dict[str, Any] = {}

    def get(self, kind: str, key: Any) -> Any:
        return self.held.get(json.dumps([kind, key]))

    def put(self, kind: str, key: Any, content: Any) -> None:
        self.held[json.dumps([kind, key])] = content


def make(folder: Path, rows: int) -> None:
    """Write one day, which is its own reference."""
    import duckdb

    path = folder / f"batches/{DAY}.parquet"
    path.parent.mkdir(parents=True)
    with duckdb.connect(config={"threads": 1}) as con:  # random() is only the same again on one thread
        con.execute("select setseed(0.4)")
        con.execute(
            f"""copy (select (random() < score)::tinyint as label, (score >= 0.5)::tinyint as prediction, score,
            (random() * 4)::int % 4 as region, a / (a + b + c) as p0, b / (a + b + c) as p1, c / (a + b + c) as p2,
            case when a >= greatest(b, c) then 0 when b >= c then 1 else 2 end as chosen,
            case when random() < a / (a + b + c) then 0 when random() < b / (b + c) then 1 else 2 end as which,
            age, random() as income, age * 10 + random() * age as truth, age * 10 as forecast from (
                select random() as score, random() as a, random() as b, random() as c, random() as age from range({rows})
            )) to '{path}' (format parquet, compression zstd)"""
        )


def one(what: str, folder: Path) -> dict[str, float]:
    """Run one of them once in this process; return seconds of wall and CPU, and MiB of peak memory."""
    started = time.perf_counter()
    import scipy.optimize  # noqa: F401
    import sklearn.ensemble  # noqa: F401

    from checks import estimate
    from checks.subject import open_subject
    from tests.support import passport_of

    imports = time.perf_counter() - started
    protected = SEX if what == "groups" else []
    card = passport_of(task=TASKS.get(what, {}), reference={"path": f"batches/{DAY}.parquet"}, protected=protected)
    with open_subject(folder, card, DAY, kept=Shelf()) as subject:
        if what in ("binary", "groups"):
            estimate.measure(subject)
        before, started, busy = _peak(), time.perf_counter(), time.process_time()
        if what == "floor":
            columns = ", ".join(f"min({c}), max({c}), count({c})" for c in ("label", "prediction", "score"))
            subject.con.execute(f"select {columns} from batch").fetchall()
        else:
            found = estimate.measure(subject)
            if any(m.status == "error" for m in found):
                raise SystemExit("estimate.measure had an error; the figures would mean nothing")
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


def table_of_coverage(repeats: int) -> None:
    """Print the table of docs/estimate.md."""
    from tests.checks.estimate.worlds import a_number, by_days, coverage, three_classes, two_values

    worlds = [
        ("two values", two_values, 1, {"base": base, "moved": moved, "reference": m, "batch": n})
        for m, n in ((600, 400), (2000, 400), (2000, 10_000)) for base, moved in ((0.0, 0.0), (0.0, 0.7), (-1.5, 0.0))
    ]
    worlds += [("three classes", three_classes, 1, {"moved": moved, "reference": 1000, "batch": 400}) for moved in (0.0, 0.3)]
    worlds += [("two values, 50 rows a day", by_days, 2, {"reference": 4000, "batch": 500})]
    worlds += [("a number", a_number, 3, {"moved": moved, "reference": 1500, "batch": 300}) for moved in (0.0, 0.3)]
    print("| world | reference | batch | moved by | runs | mean coverage | by metric | largest mean error |")
    print("|---|---|---|---|---|---|---|---|")
    for name, world, dear, case in worlds:
        found = coverage(world, max(20, repeats // dear), **case)
        held = [share for share, _, _ in found.values()]
        by = ", ".join(f"{metric} {share:.1%}" for metric, (share, _, _) in found.items())
        worst = max(found.values(), key=lambda one: abs(one[1]) / one[2])
        rare = ", rare" if case.get("base") else ""
        size = f"{case['reference']:,} | {case['batch']:,} | {case.get('moved', 0.0)} | {max(20, repeats // dear)}"
        print(f"| {name}{rare} | {size} | "
              f"**{sum(held) / len(held):.1%}** | {by} | {abs(worst[1]) / worst[2]:.0%} of the width |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--coverage", type=int, metavar="RUNS")
    parser.add_argument("--one", nargs=2, metavar=("WHAT", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one(given.one[0], Path(given.one[1]))))
        return
    if given.coverage:
        table_of_coverage(given.coverage)
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
