"""SHAP values of models of 30 columns in the user's own, and whether a night's memory grows with its rows.

Usage: python benchmarks/shap.py [--repeat 3] [--rows 10000 1000000]

Makes a table of 30 columns in a temporary folder, ten of them words, and pipelines that encode words one-hot before gradient
boosting (100 trees, scikit-learn's two kinds), a forest, a linear model and one that is asked as a whole. Each explains 2,000
rows in the user's columns, in isolation: starting the process, loading the artifact and folding back are in the seconds. Then
the measurements of a night are made of days of different sizes; each runs in a process of its own, and its peak memory is
printed, without the process inside, which gets the same 1,000 rows whatever the day holds.
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
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # not this folder, in which this file has the library's name

WORDS, NUMBERS, ASKED = 10, 20, 2_000
FEATURES = [*(f"word {i}" for i in range(WORDS)), *(f"number {i}" for i in range(NUMBERS))]
MODELS = (
    "GradientBoostingClassifier", "HistGradientBoostingClassifier", "RandomForestClassifier", "LogisticRegression",
    "MLPClassifier",
)


def table(rows: int, seed: int) -> Any:
    """Return a seeded table with its label."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(seed)
    made = {name: rng.choice([f"w{j}" for j in range(6)], rows) for name in FEATURES[:WORDS]}
    made |= {name: rng.normal(size=rows) for name in FEATURES[WORDS:]}
    frame = pd.DataFrame(made)
    drive = frame["number 0"] + frame["number 1"] * frame["number 2"] + (frame["word 0"] == "w1") - (frame["word 1"] == "w2")
    return frame.assign(label=(drive + rng.normal(size=rows) > 0).astype(int), prediction=1, score=0.5, sex="a")


def pipeline(kind: str) -> Any:
    """Return an untrained model of a kind, behind an encoder."""
    from sklearn import ensemble, linear_model, neural_network
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    sizes: dict[str, dict[str, Any]] = {
        "GradientBoostingClassifier": {"n_estimators": 100, "random_state": 0},
        "HistGradientBoostingClassifier": {"max_iter": 100, "random_state": 0},
        "RandomForestClassifier": {"n_estimators": 100, "random_state": 0},
        "LogisticRegression": {}, "MLPClassifier": {"max_iter": 20, "random_state": 0},
    }
    found = next(getattr(module, kind) for module in (ensemble, linear_model, neural_network) if hasattr(module, kind))
    words = OneHotEncoder(sparse_output=False, handle_unknown="ignore")
    columns = ColumnTransformer([("words", words, FEATURES[:WORDS]), ("numbers", StandardScaler(), FEATURES[WORDS:])])
    return make_pipeline(columns, found(**sizes[kind]))


def workspace(folder: Path, kind: str, rows: int) -> Any:
    """Write a trained model, a reference and a day; return the passport."""
    import skops.io

    from roadworthy.canonical import digest_file
    from tests.support import DAY, passport_of, write_parquet

    reference = table(4_000, 1)
    fitted = pipeline(kind).fit(reference[FEATURES], reference["label"])
    path = folder / "model.skops"
    skops.io.dump(fitted, path)
    trusted = ",".join(skops.io.get_untrusted_types(file=path))
    write_parquet(reference, folder / "reference/loan.parquet")
    write_parquet(table(rows, 2), folder / f"batches/{DAY}.parquet")
    return passport_of(
        features=FEATURES, no_artifact_because=None, extensions={"skops_trusted": trusted},
        artifact={"path": "model.skops", "sha256": digest_file(path), "format": "skops"},
    )


def explained(kind: str, repeat: int) -> str:
    """Explain rows by one kind of model and return a line of the table."""
    from checks.explainability.asking import drawn, of_artifact, wanted
    from checks.subject import open_subject
    from tests.support import DAY

    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        passport = workspace(folder, kind, ASKED)
        seconds, inside = [], []
        with open_subject(folder, passport, DAY) as subject:
            reference = drawn(subject, subject.reference, wanted(subject, subject.reference))
            rows = drawn(subject, subject.decided, wanted(subject, subject.decided), ASKED)
            for _ in range(repeat):
                before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
                found = of_artifact(subject).explain({"rows": rows}, reference)["rows"]
                seconds.append(time.perf_counter() - started)
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                inside.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    wall, cpu = statistics.median(seconds), statistics.median(inside)
    return f"| {kind} | {found.kind} | {len(found.rows):,} | {wall:.1f} | {cpu:.1f} | {found.additivity:.0e} |"


def night(rows: int) -> dict[str, float]:
    """Measure one night in this process and return its seconds and its peak memory in MiB."""
    from checks.explainability import attribution
    from checks.subject import open_subject
    from tests.support import DAY

    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        run = [sys.executable, __file__, "--write", str(folder), "--rows", str(rows)]
        passport_file = subprocess.run(run, check=True, capture_output=True, text=True).stdout.strip()
        from roadworthy.passport import Passport

        passport = Passport.model_validate_json(Path(passport_file).read_text(encoding="utf-8"))
        started = time.perf_counter()
        with open_subject(folder, passport, DAY) as subject:
            found = attribution.measure(subject)
    if not any(m.metric == attribution.SHARE and m.value is not None for m in found):
        raise SystemExit("The night was not explained.")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"wall": time.perf_counter() - started, "peak": peak}


def main() -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--write", type=Path)
    parser.add_argument("--night", action="store_true")
    given = parser.parse_args()
    if given.write is not None:
        passport = workspace(given.write, "HistGradientBoostingClassifier", given.rows[0])
        (given.write / "passport.json").write_text(passport.model_dump_json(), encoding="utf-8")
        print(given.write / "passport.json")
        return 0
    if given.night:
        print(json.dumps(night(given.rows[0])))
        return 0
    print(f"| model, 30 columns | how | rows of {ASKED:,} | wall s | CPU s inside | largest miss |\n|---|---|---|---|---|---|")
    for kind in MODELS:
        print(explained(kind, given.repeat), flush=True)
    print("\n| rows of the day | wall s | peak MiB |\n|---|---|---|")
    for rows in given.rows:
        done = subprocess.run(
            [sys.executable, __file__, "--night", "--rows", str(rows)], check=True, capture_output=True, text=True
        )
        told = json.loads(done.stdout.strip().splitlines()[-1])
        print(f"| {rows:,} | {told['wall']:.1f} | {told['peak']:.0f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
