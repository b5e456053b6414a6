"""Fairness of one window beside the one bare GROUP BY of attributes, label and decision, and beside fairlearn on the rows.

Usage: python benchmarks/fairness.py [--rows 1000000] [--repeat 5] [--against-rows]

Makes a seeded Parquet file in a temporary folder: four protected attributes (text of 2 and 9 values, age in years, a flag stored
as a number with fractions), label, decision and score. The family also sums the scores and compares the pairs of attributes,
which the GROUP BY and fairlearn's run on the rows do not. Each is run in a process of its own, alternately, several times;
medians are printed. Imports (fairlearn is most of them) are timed apart.
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
ATTRIBUTES = ("sex", "race", "age", "veteran")
NAMES = {
    "floor": "floor: one GROUP BY of all six", "measure": "fairness.measure, with pairs",
    "rows": "fairlearn's MetricFrame on the rows",
}


def make(folder: Path, rows: int) -> None:
    """Write one day, which is its own reference."""
    import duckdb

    path = folder / f"batches/{DAY}.parquet"
    path.parent.mkdir(parents=True)
    with duckdb.connect(config={"threads": 1}) as con:  # random() is only the same again on one thread
        con.execute("select setseed(0.3)")
        con.execute(
            f"""copy (select if(random() < 0.4, 'female', 'male') as sex, ('race ' || floor(pow(random(), 2) * 9)::int) as race,
            (18 + floor(random() * 60))::smallint as age, if(random() < 0.02, null, (random() < 0.1)::int::double) as veteran,
            (random() < 0.4)::tinyint as label, (random() < 0.3)::tinyint as prediction, random() as score from range({rows}))
            to '{path}' (format parquet, compression zstd)"""
        )


def passport() -> Any:
    """Return the passport of the made table."""
    from tests.support import passport_of

    ages = [{"label": "young", "below": 25}, {"label": "middle", "at_least": 25, "below": 60}, {"label": "old", "at_least": 60}]
    return passport_of(
        reference={"path": f"batches/{DAY}.parquet"},
        protected=[
            {"name": "sex", "column": "sex", "reference": "male"}, {"name": "race", "column": "race", "reference": "race 0"},
            {"name": "age", "column": "age", "reference": "middle", "bins": ages},
            {"name": "veteran", "column": "veteran", "reference": "no", "values": {"0": "no", "1": "yes"}},
        ],
    )


def one(what: str, folder: Path) -> dict[str, float]:
    """Run one of them once in this process; return seconds of wall and CPU, and MiB of peak memory."""
    started = time.perf_counter()
    from fairlearn.metrics import MetricFrame, false_positive_rate, selection_rate, true_positive_rate

    from checks import fairness
    from checks.subject import open_subject

    imports, listed = time.perf_counter() - started, ", ".join(ATTRIBUTES)
    with open_subject(folder, passport(), DAY) as subject:
        before, started, busy = _peak(), time.perf_counter(), time.process_time()
        if what == "floor":
            subject.con.execute(f"select {listed}, label, prediction, count(*) from decided group by all").fetchall()
        elif what == "rows":
            rows = subject.con.execute(f"select {listed}, label, prediction from decided").df()
            for name in ATTRIBUTES:
                frame = MetricFrame(
                    metrics={"selected": selection_rate, "tpr": true_positive_rate, "fpr": false_positive_rate},
                    y_true=rows["label"], y_pred=rows["prediction"],
                    sensitive_features=rows[name].astype("str").fillna("(missing)"),
                )
                if frame.by_group.empty:
                    raise SystemExit("fairlearn had no groups; the figures would mean nothing")
        else:
            found = fairness.measure(subject)
            if any(m.status == "error" for m in found):
                raise SystemExit("fairness.measure had an error; the figures would mean nothing")
        return {"wall": time.perf_counter() - started, "cpu": time.process_time() - busy, "peak": _peak() - before,
                "resident": _peak(), "imports": imports}


def _peak() -> float:
    kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kib / 1024 if sys.platform != "darwin" else kib / 1024 / 1024


def compare(rows: int, repeat: int, kinds: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """Run everything in turn, each in a process of its own, and return the medians."""
    runs: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
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
    parser.add_argument("--against-rows", action="store_true", help="also run fairlearn on the rows themselves, which is slow")
    parser.add_argument("--one", nargs=2, metavar=("WHAT", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one(given.one[0], Path(given.one[1]))))
        return
    found = compare(given.rows, given.repeat, ("floor", "measure", "rows") if given.against_rows else ("floor", "measure"))
    floor = found["floor"]
    print(f"\n{'':38}{'wall s':>9}{'x floor':>9}{'CPU s':>9}{'x floor':>9}{'peak MiB':>10}{'+ MiB':>8}")
    for what, run in found.items():
        ratios = run["wall"] / floor["wall"], run["cpu"] / floor["cpu"]
        print(f"{NAMES[what]:38}{run['wall']:9.2f}{ratios[0]:9.2f}{run['cpu']:9.2f}{ratios[1]:9.2f}{run['resident']:10.0f}{run['peak']:8.0f}")
    print(f"Imports, not counted above: {floor['imports']:.2f} s.")


if __name__ == "__main__":
    main()
