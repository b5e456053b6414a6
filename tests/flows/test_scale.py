"""Counting in parts, on this machine and on a cluster of two worker processes."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.drift.plan import Plan, plan_of
from checks.drift.profile import Profile, merge, profile
from checks.subject import Table
from flows.cluster import count_part, parts_of
from flows.inspect import code_digest, inspect
from flows.measuring import FAMILIES
from flows.scale import ClusterCount
from roadworthy.errors import DataError
from roadworthy.ledger import Ledger
from roadworthy.sql import connect, literal
from roadworthy.workspace import Workspace
from tests.acceptance.fleet import copy_fleet
from tests.acceptance.test_bad_input import NIGHT


def rows(n: int, seed: int = 1) -> dict[str, Any]:
    """Numbers with NaN, infinities and NULL, whole numbers, words, truths, dates."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    x[rng.random(n) < 0.02] = np.nan
    x[rng.random(n) < 0.02] = np.inf
    words = np.array(["a", "b", "", "late", "ü"])[rng.integers(0, 5, n)]
    return {
        "x": pa.array(x, mask=rng.random(n) < 0.1), "k": rng.integers(0, 9, n), "w": pa.array(words, mask=rng.random(n) < 0.1),
        "t": rng.random(n) < 0.3, "d": pa.array(rng.integers(0, 9_000, n).astype("datetime64[D]")),
    }


def opened(con: Any, folder: Path, files: Mapping[str, Any], *, group: int = 50) -> tuple[Table, Plan]:
    """Write files, open them as one table as a subject does, and plan by that very table."""
    paths = []
    for name, content in files.items():
        paths.append(folder / f"{name}.parquet")
        pq.write_table(pa.table(content), paths[-1], row_group_size=group)
    listed = ", ".join(f"'{path}'" for path in paths)
    con.execute(f"create or replace view batch as select * from read_parquet([{listed}], union_by_name=true)")
    columns = {row[0]: row[1] for row in con.execute("describe batch").fetchall()}
    [(n,)] = con.execute("select count(*) from batch").fetchall()
    table = Table("batch", "batch", columns, n, files=tuple(paths))
    return table, plan_of(con, table, list(columns))


def in_parts(table: Table, plan: Plan, most: int) -> Profile:
    types = {name: table.columns[name] for name in plan.columns}
    return reduce(merge, (count_part(part, types, plan, code_digest()) for part in parts_of(table.files, most)))


@settings(max_examples=30)
@given(
    sizes=st.lists(st.integers(0, 400), min_size=1, max_size=4), group=st.integers(1, 150), most=st.integers(1, 500),
)
def test_parts_hold_every_row_once_and_are_no_larger_than_asked(
    tmp_path_factory: pytest.TempPathFactory, sizes: Sequence[int], group: int, most: int
) -> None:
    folder = tmp_path_factory.mktemp("parts")
    files = []
    for index, n in enumerate(sizes):
        files.append(folder / f"{index}.parquet")
        pq.write_table(pa.table({"x": np.arange(n)}), files[-1], row_group_size=group)
    parts = parts_of(files, most)
    held = [(s.file, row) for part in parts for s in part.stretches for row in range(s.first, s.first + s.rows)]
    assert held == [(str(path), row) for path, n in zip(files, sizes, strict=True) for row in range(n)]
    assert all(part.rows <= max(most, group) for part in parts)


@pytest.mark.parametrize("most", [60, 10_000])
def test_parts_add_up_to_the_profile_of_the_whole(tmp_path: Path, most: int) -> None:
    con = connect()
    table, plan = opened(con, tmp_path, {"a": rows(200, 1), "b": rows(90, 2)})
    assert in_parts(table, plan, most) == profile(con, table, plan)


def test_files_of_other_types_are_counted_as_the_whole_table_is(tmp_path: Path) -> None:
    """A file without a column, one with whole numbers for broken ones, one with numbers for words, one with other letters."""
    con, all_there = connect(), rows(120)
    other = {**rows(80, 2), "w": np.arange(80) % 3, "X": rows(80, 3)["k"]}
    del other["x"], other["d"]
    table, plan = opened(con, tmp_path, {"a": all_there, "b": other})
    assert table.columns["w"] == "VARCHAR"
    found = in_parts(table, plan, 70)
    assert found == profile(con, table, plan)
    assert found.columns["d"].null == 80


def test_a_worker_refuses_other_code_and_other_files(tmp_path: Path) -> None:
    con = connect()
    table, plan = opened(con, tmp_path, {"a": rows(50)})
    [part] = parts_of(table.files)
    with pytest.raises(DataError, match="another version"):
        count_part(part, table.columns, plan, "other")
    opened(con, tmp_path, {"a": rows(51)})
    with pytest.raises(DataError, match="another size"):
        count_part(part, table.columns, plan, code_digest())


def test_a_table_that_is_more_than_its_files_is_counted_here(tmp_path: Path) -> None:
    con = connect()
    table, _ = opened(con, tmp_path, {"a": rows(60)})
    con.execute(f"create or replace view batch as select *, 1 as label from read_parquet([{literal(str(table.files[0]))}])")
    joined = replace(table, columns={**table.columns, "label": "INTEGER"})
    plan = plan_of(con, joined, list(joined.columns))
    count = ClusterCount("tcp://127.0.0.1:1", con, least_rows=0)
    assert count(joined, plan) == profile(con, joined, plan)
    assert "more than its files" in count.problem


def test_small_tables_ask_no_cluster(tmp_path: Path) -> None:
    con = connect()
    table, plan = opened(con, tmp_path, {"a": rows(60)})
    count = ClusterCount("tcp://127.0.0.1:1", con)
    assert count(table, plan) == profile(con, table, plan)
    assert count.problem == ""


def test_a_cluster_that_does_not_answer_is_said_and_the_table_counted_here(tmp_path: Path) -> None:
    con = connect()
    table, plan = opened(con, tmp_path, {"a": rows(60)})
    count = ClusterCount("tcp://127.0.0.1:1", con, least_rows=0, answers_within=0.5)
    assert count(table, plan) == profile(con, table, plan)
    assert "cluster did not count the batch" in count.problem and "counted here" in count.problem


def test_a_night_of_small_tables_asks_no_cluster(tmp_path: Path) -> None:
    copy_fleet(tmp_path, "bikes", until=NIGHT, keep=3)
    with (tmp_path / "roadworthy.yaml").open("a") as settings:
        settings.write("dask: tcp://127.0.0.1:1\n")
    workspace, drift = Workspace.open(tmp_path), tuple(family for family in FAMILIES if family[0] == "drift")
    with Ledger.open(workspace.state_url) as ledger:
        done = inspect(workspace, ledger, "bikes@1.0.0", NIGHT, "nightly", "automation", datetime.now(UTC), families=drift)
    assert any(m.value is not None for m in done.bundle.measurements)
    assert "cluster" not in done.bundle.run["problems"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two worker processes that listen on the loopback address only; no dashboard."""
    from distributed import LocalCluster

    made: Any = LocalCluster
    with made(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1") as running:
        yield running


def test_two_worker_processes_count_what_one_machine_counts(cluster: Any, tmp_path: Path) -> None:
    con = connect()
    table, plan = opened(con, tmp_path, {name: rows(500, seed) for seed, name in enumerate("abcd")}, group=100)
    count = ClusterCount(cluster.scheduler_address, con, least_rows=0, part_rows=200)
    assert count(table, plan) == profile(con, table, plan)
    assert count.problem == ""


@pytest.mark.long
def test_a_worker_killed_on_the_way_loses_and_doubles_no_row(cluster: Any, tmp_path: Path) -> None:
    from distributed import Client

    con = connect()
    table, plan = opened(con, tmp_path, {name: rows(60_000, seed) for seed, name in enumerate("abcdefgh")}, group=5_000)
    client: Any = Client(cluster.scheduler_address, set_as_default=False)  # type: ignore[no-untyped-call]
    killed: list[int] = []

    def kill_one_at_work(pids: Mapping[str, int]) -> None:
        """Kill a worker that has finished a part and is counting another."""
        while not killed:
            held, busy = client.has_what(), client.processing()
            for address, pid in pids.items():
                if held.get(address) and busy.get(address):
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)
                    return
            time.sleep(0.01)

    with client:
        killer = threading.Thread(target=kill_one_at_work, args=(client.run(os.getpid),), daemon=True)
        killer.start()
        count = ClusterCount(cluster.scheduler_address, con, least_rows=0, part_rows=5_000)
        found = count(table, plan)
        killer.join(30)
        assert count.problem == "", "the cluster itself must have counted it"
        assert killed, "the table was counted before a worker could be killed"
        assert found == profile(con, table, plan)


HELD: dict[str, Any] = {}


def counting() -> Any:
    """What the flow below runs; the workers are told of it by its name, so it holds nothing that cannot be sent."""
    return HELD["counting"]()


@pytest.mark.long
@pytest.mark.prefect
def test_in_a_run_of_prefect_each_part_is_a_task_of_it(prefect_server: None, cluster: Any, tmp_path: Path) -> None:
    from prefect import flow
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import TaskRunFilter, TaskRunFilterName

    con = connect()
    table, plan = opened(con, tmp_path, {name: rows(500, seed) for seed, name in enumerate("abc")}, group=100)
    count = ClusterCount(cluster.scheduler_address, con, least_rows=0, part_rows=500)

    HELD["counting"] = lambda: count(table, plan)
    assert flow(counting, name="counting", persist_result=False)() == profile(con, table, plan)
    assert count.problem == ""
    names = [f"count batch {i} of 3" for i in (1, 2, 3)]
    wanted = TaskRunFilter(name=TaskRunFilterName(any_=names))
    with get_client(sync_client=True) as client:
        for _ in range(60):  # the workers tell the server in their own time
            seen = client.read_task_runs(task_run_filter=wanted)
            if sorted(run.name for run in seen if run.state_name == "Completed") == names:
                break
            time.sleep(0.5)
    assert sorted(run.name for run in seen) == names
    assert {run.state_name for run in seen} == {"Completed"}
