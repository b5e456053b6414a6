"""A year of days in grouped passes beside one profile of the same rows, and what a recorded day costs, in one run.

Usage: python benchmarks/backfill.py [--rows 1000000] [--days 365] [--reference-rows 100000] [--repeat 3] [--record 31]

Makes the table of benchmarks/drift.py (34 compared columns) twice: a file for each day, and all rows in one file. Compared,
each in a process of its own and in turn: one profile of the one file; one profile of the days' files; every day counted by
itself in grouped passes; the same with all that it takes to find, hash and open the files. The bar of the grouped passes is
twice one profile of the same files. Then some of the days are recorded as ``roadworthy backfill`` does: compared, judged,
written and entered in the ledger.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.drift import CATEGORIES, NUMBERS, expressions

FIRST = date(2025, 4, 10)
ROOT = Path(__file__).resolve().parent.parent
PEOPLE = """
schema_version: 1
people:
  - {id: olga, name: Olga, team: A, roles: [owner]}
  - {id: gustav, name: Gustav, team: B, roles: [guardian]}
  - {id: oscar, name: Oscar, team: C, roles: [operator]}
"""


def days_of(count: int) -> list[date]:
    """Return the days of the year, oldest first."""
    return [FIRST + timedelta(days=index) for index in range(count)]


def passport() -> Any:
    """Return the passport of the made table."""
    from tests.support import passport_of

    return passport_of(
        features=[f"n{i}" for i in range(NUMBERS)] + [f"c{i}" for i in range(CATEGORIES)], protected=[],
        reference={"path": "reference.parquet"},
    )


def make(folder: Path, rows: int, reference_rows: int, days: int) -> None:
    """Write a workspace: the reference, a batch for each day, and all rows in one file beside them."""
    import duckdb
    import yaml

    (folder / "batches").mkdir(parents=True)
    with duckdb.connect(config={"threads": 1}) as con:  # random() is only the same again on one thread
        for name, n, seed in (("reference", reference_rows, 0.1), ("all", rows, 0.2)):
            con.execute("select setseed(?)", [seed])
            made = f"select {', '.join(expressions())} from range({n})"
            con.execute(f"copy ({made}) to '{folder}/{name}.parquet' (format parquet, compression zstd)")
        each, every = rows // days, f"read_parquet('{folder}/all.parquet', file_row_number=true)"
        con.execute(f"create table made as select * from {every}")
        for index, day in enumerate(days_of(days)):
            end = rows if index == days - 1 else (index + 1) * each
            rows_of = f"file_row_number >= {index * each} and file_row_number < {end}"
            of_day = f"select * exclude (file_row_number) from made where {rows_of}"
            con.execute(f"copy ({of_day}) to '{folder}/batches/{day}.parquet' (format parquet, compression zstd)")
    (folder / "roadworthy.yaml").write_text("schema_version: 1\nname: Benchmark\ntime_zone: UTC\n", encoding="utf-8")
    (folder / "people.yaml").write_text(PEOPLE, encoding="utf-8")
    (folder / "policies").mkdir()
    (folder / "policies" / "limited.yaml").write_bytes((ROOT / "data" / "policies" / "limited.yaml").read_bytes())
    (folder / "models" / "loan").mkdir(parents=True)
    declared = passport().model_dump(exclude_none=True)
    (folder / "models" / "loan" / "1.0.0.yaml").write_text(yaml.safe_dump(declared), encoding="utf-8")


def one(what: str, folder: Path, days: list[date]) -> dict[str, float]:
    """Do one thing in this process; return its seconds of wall and CPU."""
    from checks.drift.past import PastDays
    from checks.drift.profile import profile, profile_by_day
    from checks.drift.reference import reference_profile
    from checks.subject import DAY_COLUMN, Table, days_table, open_subject
    from flows.past import record
    from roadworthy.ledger import Ledger
    from roadworthy.sql import quote
    from roadworthy.workspace import Workspace

    card = passport()
    with open_subject(folder, card, days[0]) as subject:
        plan, _ = reference_profile(subject)
        past = PastDays(subject)
        started, busy = time.perf_counter(), time.process_time()
        if what == "opened":
            for some in past.passes(days):
                past.count(some)
        elif what == "days":
            tables = [days_table(subject, some) for some in past.passes(days)]
            started, busy = time.perf_counter(), time.process_time()
            for table in tables:
                profile_by_day(subject.con, table, plan, quote(DAY_COLUMN))
        elif what == "record":
            workspace = Workspace.open(folder)
            with Ledger.open(workspace.state_url) as ledger:
                done = record(workspace, ledger, card.id, days, "automation", datetime.now(UTC))
            if any(day.how != "recorded" for day in done):
                raise SystemExit("a day was there before; the figures would mean nothing")
        else:
            files = [folder / "all.parquet"] if what == "one file" else [folder / "batches" / f"{day}.parquet" for day in days]
            scan = f"read_parquet({[str(path) for path in files]}, union_by_name=true)"
            columns = {row[0]: row[1] for row in subject.con.execute(f"describe select * from {scan}").fetchall()}
            profile(subject.con, Table("batch", scan, columns, 1), plan)
        return {"wall": time.perf_counter() - started, "cpu": time.process_time() - busy}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--reference-rows", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--record", type=int, default=31, help="Days to record as the command does; 0 for none.")
    parser.add_argument("--one", nargs=3, metavar=("WHAT", "FOLDER", "DAYS"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one(given.one[0], Path(given.one[1]), days_of(int(given.one[2])))))
        return
    runs: dict[str, list[dict[str, float]]] = {"one file": [], "days' files": [], "days": [], "opened": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "workspace"
        print(f"Making {given.rows:,} rows in {given.days} days and a reference of {given.reference_rows:,}.", flush=True)
        make(folder, given.rows, given.reference_rows, given.days)

        def run(what: str, days: int) -> dict[str, float]:
            command = [sys.executable, __file__, "--one", what, str(folder), str(days)]
            return dict(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout))

        for number in range(given.repeat):
            for what, found in runs.items():
                found.append(run(what, given.days))
            print(f"Round {number + 1} of {given.repeat} done.", flush=True)
        recorded = run("record", given.record) if given.record else None
    print(f"\n{'':34}{'CPU s':>8}{'wall s':>8}{'ratio CPU':>11}{'ratio wall':>12}")
    titles = {
        "one file": "One profile, all rows in one file", "days' files": "One profile, a file for each day",
        "days": "Every day by itself, grouped", "opened": "... with finding, hashing, opening",
    }
    medians = {what: {key: statistics.median(r[key] for r in found) for key in ("cpu", "wall")} for what, found in runs.items()}
    floor = medians["days' files"]
    for what, found in medians.items():
        ratios = f"{found['cpu'] / floor['cpu']:>11.2f}{found['wall'] / floor['wall']:>12.2f}"
        print(f"{titles[what]:34}{found['cpu']:>8.2f}{found['wall']:>8.2f}{ratios}")
    met = medians["days"]["cpu"] <= 2 * floor["cpu"] and medians["days"]["wall"] <= 2 * floor["wall"]
    print(f"Bar: every day at most twice one profile of the same files: {'met' if met else 'NOT met'}.")
    if recorded is not None:
        told = ", ".join(f"{1000 * recorded[key] / given.record:.0f} ms {key}" for key in ("cpu", "wall"))
        print(f"Recorded: {given.record} days, {told} a day, with everything from the count to the ledger.")


if __name__ == "__main__":
    main()
