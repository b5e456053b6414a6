"""Build the demo fleet from its five source tables: artifacts, references, batches by day, and their digests.

``python data/build.py`` writes the same bytes each time, with the versions of requirements.lock.
``python data/build.py --check`` builds nothing and says whether every file is the one that was built.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

HERE = Path(__file__).resolve().parent
MANIFEST = HERE / "manifest.json"
BUILT = ("artifacts", "references", "batches", "telemetry")

NIGHT = date(2025, 4, 17)
"""The demo night: flights replays 18 April 2013, bikes 19 May 2011, employment 2018, credit its last 40 applications."""

SHIFT = {"flights": 4382, "bikes": 5082}
"""Days from the table's calendar to the demo's: whole weeks, so weekdays stay."""

FIRST_BATCH = {"flights": date(2013, 4, 1), "bikes": date(2011, 4, 1)}
EMPLOYMENT_YEARS = {2016: NIGHT - timedelta(days=2), 2017: NIGHT - timedelta(days=1), 2018: NIGHT}
CREDIT_DAYS = 10

EMPLOYMENT_FEATURES = (
    "AGEP", "SCHL", "MAR", "RELP", "DIS", "ESP", "CIT", "MIG", "MIL", "ANC", "NATIVITY", "DEAR", "DEYE", "DREM", "SEX", "RAC1P",
)


def main() -> int:
    """Build, or with ``--check`` compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="build nothing; compare every file with its digest")
    if parser.parse_args().check:
        return check()
    check_sources()
    for model in (credit, employment, flights, bikes):
        print(f"{model.__name__}: {model()} days", flush=True)
    write_manifest()
    files = built_files()
    print(f"{len(files)} files, {sum(path.stat().st_size for path in files) / 1e6:.1f} MB; digests in {MANIFEST.name}")
    return 0


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def built_files() -> list[Path]:
    """Return every file in the folders that a build fills."""
    return [path for folder in BUILT for path in (HERE / folder).rglob("*") if path.is_file()]


def check_sources() -> None:
    """Stop unless the five tables are the ones whose digests came with them."""
    for name, told in json.loads((HERE / "source" / "manifest.json").read_text(encoding="utf-8")).items():
        found = sha256(HERE / "source" / name)
        if found != told["sha256_file"]:
            sys.exit(
                f"source/{name} has sha256 {found[:12]}..., but source/manifest.json says {told['sha256_file'][:12]}...: "
                "it is not the table that the fleet is built from."
            )


def check() -> int:
    """Say every file that is missing, changed, or was not built here; return 1 if there is one."""
    if not MANIFEST.is_file():
        print(f"{MANIFEST.name} is missing: run build.py.")
        return 1
    check_sources()
    told: dict[str, str] = json.loads(MANIFEST.read_text(encoding="utf-8"))["files"]
    here = {path.relative_to(HERE).as_posix() for path in built_files()}
    wrong = [f"{name}: missing" for name in sorted(set(told) - here)]
    wrong += [f"{name}: not in {MANIFEST.name}" for name in sorted(here - set(told))]
    wrong += [f"{name}: changed" for name in sorted(here & set(told)) if sha256(HERE / name) != told[name]]
    print("\n".join(wrong) if wrong else f"{len(told)} files are as built.")
    return 1 if wrong else 0


def write_manifest() -> None:
    """Record the digest of every built file and what built them."""
    from importlib.metadata import version

    from recipes.shared import TRUSTED

    files = {path.relative_to(HERE).as_posix(): sha256(path) for path in built_files()}
    MANIFEST.write_text(json.dumps({
        "schema_version": 1,
        "built_with": {name: version(name) for name in ("numpy", "pandas", "pyarrow", "scikit-learn", "scipy", "skops")},
        "skops_trusted": list(TRUSTED),
        "files": dict(sorted(files.items())),
    }, indent=1) + "\n", encoding="utf-8")


def write(table: pd.DataFrame, path: Path) -> None:
    """Write Parquet without what depends on the machine: no pandas metadata, no statistics, one row group."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    found = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
    plain = pa.schema([pa.field(f.name, pa.string() if pa.types.is_large_string(f.type) else f.type) for f in found.schema])
    pq.write_table(found.cast(plain), path, compression="zstd", compression_level=9, write_statistics=False, store_schema=False)


def write_day(model: str, day: date, table: pd.DataFrame) -> None:
    """Write one day's batch."""
    write(table, HERE / "batches" / model / f"date={day.isoformat()}" / "part.parquet")


def empty(model: str) -> None:
    """Remove the model's batches of an earlier build."""
    for path in sorted((HERE / "batches" / model).glob("date=*/part.parquet")):
        path.unlink()
        path.parent.rmdir()


def credit() -> int:
    """Write ten days of 40 held-out applications; the reference is the 600 others, scored out of fold."""
    from recipes import credit as recipe
    from recipes.shared import account, probability, save

    rows = recipe.rows()
    # A number by place in the permutation replaces the application's own: nothing in the workspace leads back to a name.
    rows["application_id"] = [f"case-{place:04d}" for place in range(1, len(rows) + 1)]
    model = recipe.train()
    save(model, HERE / "artifacts/credit/1.0.0.skops")
    account(recipe.trained_on(), recipe.ROW_ORDER, HERE / "artifacts/credit/1.0.0.record.json")
    reference, held = rows[:recipe.TRAINED_ON].copy(), rows[recipe.TRAINED_ON:].copy()
    reference["score"] = recipe.reference_scores(reference)
    held["score"] = probability(model, held[list(recipe.FEATURES)])
    keep = ["application_id", *recipe.FEATURES, "sex", "foreign_worker", "score", "decision", recipe.LABEL]
    for table in (reference, held):
        table["decision"] = (table["score"] >= recipe.THRESHOLD).astype("int8")
    write(reference[keep], HERE / "references/credit.parquet")
    empty("credit")
    size = len(held) // CREDIT_DAYS
    for k in range(CREDIT_DAYS):
        write_day("credit", NIGHT - timedelta(days=CREDIT_DAYS - 1 - k), held[keep].iloc[k * size:(k + 1) * size])
    return CREDIT_DAYS


def employment() -> int:
    """Write a vendor's answers: 2015 is the reference, each later year one day. Nothing is trained."""
    import pandas as pd

    table = pd.read_parquet(HERE / "source/ma_employment.parquet").sort_values(["year", "id"], ignore_index=True)
    table = table.astype({"AGEP": "int16", "employed": "int8", "prediction": "int8"})
    keep = [*EMPLOYMENT_FEATURES, "predicted_probability", "prediction", "employed"]
    write(table.loc[table["year"] == 2015, keep], HERE / "references/employment.parquet")
    empty("employment")
    for year, day in EMPLOYMENT_YEARS.items():
        write_day("employment", day, table.loc[table["year"] == year, keep])
    return len(EMPLOYMENT_YEARS)


def flights() -> int:
    """Write eighty flights a day from 1 April 2013; the reference is the held-out 30 % of January to March."""
    import pandas as pd
    from recipes import flights as recipe
    from recipes.shared import account, probability, save

    model = recipe.train()
    save(model, HERE / "artifacts/flights/1.0.0.skops")
    account(recipe.trained_on(), recipe.ROW_ORDER, HERE / "artifacts/flights/1.0.0.record.json")
    _, reference = recipe.split()
    rows = recipe.rows()
    rows = rows[rows["flight_date"] >= pd.Timestamp(FIRST_BATCH["flights"])].copy()
    keep = ["flight_date", *recipe.FEATURES, "score", "predicted_late", recipe.LABEL]
    for table in (reference := reference.copy(), rows):
        table["score"] = probability(model, table[list(recipe.FEATURES)])
        table["predicted_late"] = (table["score"] >= recipe.THRESHOLD).astype("int8")
        table["flight_date"] = table["flight_date"].dt.date
    write(reference[keep], HERE / "references/flights.parquet")
    days = by_day("flights", rows, "flight_date", keep)
    cost = pd.read_parquet(HERE / "source/inference_cost_log.parquet").sort_values("run_date", ignore_index=True)
    cost["run_date"] = [day.date() + timedelta(days=SHIFT["flights"]) for day in cost["run_date"]]
    write(cost, HERE / "telemetry/flights.parquet")
    return days


def bikes() -> int:
    """Write the hours of each day from 1 April 2011; the reference is January to March, predicted out of fold by whole days."""
    from recipes import bikes as recipe
    from recipes.shared import account, number, save

    model = recipe.train()
    save(model, HERE / "artifacts/bikes/1.0.0.skops")
    account(recipe.trained_on(), recipe.ROW_ORDER, HERE / "artifacts/bikes/1.0.0.record.json")
    rows = recipe.rows()
    reference = rows[rows["day"] <= recipe.LAST_DAY].copy()
    rows = rows[rows["day"] > recipe.LAST_DAY].copy()
    reference["predicted_bikers"] = recipe.reference_scores(reference)
    rows["predicted_bikers"] = number(model, rows[list(recipe.FEATURES)])
    keep = ["timestamp", "day", *recipe.FEATURES, "predicted_bikers", recipe.LABEL]
    write(reference[keep], HERE / "references/bikes.parquet")
    rows["date"] = rows["timestamp"].dt.date
    return by_day("bikes", rows, "date", keep)


def by_day(model: str, rows: pd.DataFrame, column: str, keep: list[str]) -> int:
    """Write each day of the table on the day of the demo's calendar that replays it."""
    empty(model)
    days = 0
    for day, table in rows.groupby(column, sort=True):
        write_day(model, day + timedelta(days=SHIFT[model]), table[keep])
        days += 1
    return days


if __name__ == "__main__":
    sys.exit(main())
