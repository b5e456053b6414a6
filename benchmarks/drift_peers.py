"""Drift beside the tools that people use today, on the same files, each in a process of its own.

Usage: python benchmarks/drift_peers.py [--rows 1000000] [--reference-rows 100000] [--python frouros=/path/to/python ...]

The files are those of `benchmarks/drift.py`: 22 numbers and 10 categories, and a score and a decision that ours compares too.
Ours is a night that finds its reference counted, as every night but the first does. Evidently's DataDriftPreset is run beside
it, without the two categories of 5,000 and 50,000 levels, which take it many minutes; ours has them. The Kolmogorov-Smirnov
tests of alibi-detect, frouros and NannyML are run on the 22 numbers beside ours on the same. What cannot be imported is
skipped by name; none of them but Evidently is a dependency, and ``--python`` names an interpreter that has one. Loading is
what it takes until rows can be compared. Peak memory is that of the process, imports included.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
DAY = date(2026, 4, 9)
NUMBERS = [f"n{i}" for i in range(22)]
CATEGORIES = [f"c{i}" for i in range(10)]
FEW_LEVELS = CATEGORIES[:8]
ABSENT = 3

Work = tuple[Callable[[], Any], Callable[[Any], Any]]


def frames(folder: Path, columns: list[str]) -> Any:
    """Return reference and batch as pandas frames."""
    import pandas

    paths = (folder / "reference.parquet", folder / f"batches/{DAY}-000.parquet")
    return tuple(pandas.read_parquet(path, columns=columns) for path in paths)


class Kept(dict[str, Any]):
    """What is kept of a reference, in memory; a workspace keeps it on disk."""

    def get(self, kind: str, key: Any = None) -> Any:
        return super().get(kind)

    def put(self, kind: str, key: Any, content: Any) -> None:
        self[kind] = content


def ours(columns: list[str], exact: bool = False, kept: Kept | None = None) -> Callable[[Path], Work]:
    def work(folder: Path) -> Work:
        sys.path.insert(0, str(HERE.parent))
        from checks import drift
        from checks.subject import open_subject
        from tests.support import passport_of

        card = passport_of(
            features=columns, protected=[], reference={"path": "reference.parquet"}, batches={"path": "batches/{date}*.parquet"},
        )
        if kept is not None:
            with open_subject(folder, card, DAY, kept=kept) as before:
                drift.reference_profile(before)
        opened = open_subject(folder, card, DAY, kept=kept)

        def run(subject: Any) -> None:
            found = drift.exact(subject, columns) if exact else drift.measure(subject)
            wrong = [m for m in found if m.status == "error"]
            if wrong:
                raise SystemExit(f"{wrong[0].metric}: {wrong[0].reason}")

        return opened.__enter__, run

    return work


def evidently(folder: Path) -> Work:
    os.environ["DO_NOT_TRACK"] = "1"
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    def load() -> Any:
        declared = DataDefinition(numerical_columns=NUMBERS, categorical_columns=FEW_LEVELS)
        return [Dataset.from_pandas(frame, data_definition=declared) for frame in frames(folder, [*NUMBERS, *FEW_LEVELS])]

    return load, lambda both: Report([DataDriftPreset()]).run(both[1], both[0]).dict()


def alibi_detect(folder: Path) -> Work:
    from alibi_detect.cd import KSDrift

    def load() -> Any:
        return [frame.to_numpy(dtype="float32", na_value=0) for frame in frames(folder, NUMBERS)]

    return load, lambda both: KSDrift(both[0]).predict(both[1])


def frouros(folder: Path) -> Work:
    from frouros.detectors.data_drift import KSTest

    def run(both: Any) -> None:
        for name in NUMBERS:
            detector = KSTest()
            detector.fit(X=both[0][name].dropna().to_numpy())
            detector.compare(X=both[1][name].dropna().to_numpy())

    return lambda: frames(folder, NUMBERS), run


def nannyml(folder: Path) -> Work:
    os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"
    from nannyml import UnivariateDriftCalculator

    def run(both: Any) -> None:
        calculator = UnivariateDriftCalculator(NUMBERS, continuous_methods=["kolmogorov_smirnov"], chunk_number=10)
        calculator.fit(both[0])
        calculator.calculate(both[1])

    return lambda: frames(folder, NUMBERS), run


EVERYTHING: dict[str, Callable[[Path], Work]] = {
    "roadworthy": ours([*NUMBERS, *CATEGORIES], kept=Kept()), "roadworthy, first night": ours([*NUMBERS, *CATEGORIES]),
    "evidently": evidently,
}
KOLMOGOROV: dict[str, Callable[[Path], Work]] = {
    "roadworthy, numbers": ours(NUMBERS, kept=Kept()), "roadworthy, exact": ours(NUMBERS, exact=True),
    "alibi_detect": alibi_detect, "frouros": frouros, "nannyml": nannyml,
}
TITLES = {
    "roadworthy": "all statistics, 34 columns", "roadworthy, first night": "reference counted too",
    "roadworthy, numbers": "all statistics, 24 columns",
    "roadworthy, exact": "KS and Wasserstein on every row", "evidently": "DataDriftPreset, 30 columns",
}


def one(name: str, folder: Path) -> None:
    """Run one in this process and print what it took; leave with `ABSENT` if it cannot be imported."""
    try:
        load, run = ({**EVERYTHING, **KOLMOGOROV}[name])(folder)
    except ImportError as problem:
        print(problem, file=sys.stderr)
        raise SystemExit(ABSENT) from None
    marks = [(time.perf_counter(), time.process_time())]
    loaded = load()
    marks.append((time.perf_counter(), time.process_time()))
    run(loaded)
    marks.append((time.perf_counter(), time.process_time()))
    kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak = kib / 1024 if sys.platform != "darwin" else kib / 1024 / 1024
    taken = {"load": marks[1][0] - marks[0][0], "wall": marks[2][0] - marks[1][0], "cpu": marks[2][1] - marks[1][1], "peak": peak}
    print(json.dumps(taken))


def show(names: list[str], folder: Path, pythons: dict[str, str]) -> None:
    """Run each in turn and print a table; ratios are to the first."""
    found: dict[str, dict[str, float]] = {}
    skipped = []
    for name in names:
        command = [pythons.get(name, sys.executable), __file__, "--one", name, str(folder)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode == ABSENT:
            skipped.append(f"{name} is not installed here, so it was skipped.")
        elif done.returncode:
            skipped.append(f"{name} failed: {(done.stderr.strip().splitlines() or ['no word'])[-1][:200]}")
        else:
            found[name] = json.loads(done.stdout.strip().splitlines()[-1])
    print(f"\n{'':62}{'load s':>8}{'wall s':>9}{'CPU s':>9}{'peak MiB':>10}{'time x':>9}{'memory x':>10}")
    first = next(iter(found.values()), None)
    for name, took in found.items():
        if first is not None:
            times = (took["load"] + took["wall"]) / (first["load"] + first["wall"])
            title = f"{name}: {TITLES.get(name, 'Kolmogorov-Smirnov, 22 numbers')}"
            print(f"{title:62}{took['load']:8.2f}{took['wall']:9.2f}{took['cpu']:9.2f}{took['peak']:10.0f}{times:9.1f}"
                  f"{took['peak'] / first['peak']:10.2f}", flush=True)
    for line in skipped:
        print(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--reference-rows", type=int, default=100_000)
    parser.add_argument("--python", action="append", default=[], metavar="NAME=PATH", help="interpreter that has a peer")
    parser.add_argument("--one", nargs=2, metavar=("NAME", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        one(given.one[0], Path(given.one[1]))
        return
    sys.path.insert(0, str(HERE))
    from drift import make  # type: ignore[import-not-found, unused-ignore]

    with tempfile.TemporaryDirectory() as name:
        print(f"Making {given.rows:,} rows and a reference of {given.reference_rows:,}.", flush=True)
        make(Path(name), given.rows, given.reference_rows)
        pythons = dict(entry.split("=", 1) for entry in given.python)
        for names in (EVERYTHING, KOLMOGOROV):
            show(list(names), Path(name), pythons)
    print("\nTimes are loading and comparing together; ours loads nothing, it reads the files as it compares.")


if __name__ == "__main__":
    main()
