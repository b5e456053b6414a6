"""Counts large tables on a Dask cluster: in parts, mapped through Prefect, and added up.

A profile of parts is the profile of the whole (`checks.drift.profile.merge`), so what a cluster counts is equal to what one
machine counts, to the last row. A part that a dead worker leaves behind is counted by another; its rows are added once, when
its answer is there. Whatever goes wrong beyond that, the table is counted here, and `ClusterCount.problem` says why: a cluster
makes a night faster and never undecided.

Inside a run of Prefect that has a server, each part is a task of that run and stands on its page. Without a server, as in
``roadworthy nightly`` on one machine, the workers would have nobody to tell, and the same function is mapped by Dask alone.

Dask's workers and scheduler run what they are sent and are trusted like this machine: use ``tls://`` or a closed network.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

import duckdb

from checks.drift.plan import Plan
from checks.drift.profile import Profile, merge, profile
from checks.subject import Subject, Table
from flows.cluster import PART_ROWS, Part, count_part, parts_of
from flows.inspect import code_digest
from roadworthy.errors import DataError

LEAST_ROWS = 5_000_000
"""Rows of a table below which one machine is done before a cluster has begun."""

ANSWERS_WITHIN = 10  # seconds
ALONE = 30  # seconds without any worker, after which nobody is waited for
LONGEST = 3600  # seconds

log = logging.getLogger(__name__)


def with_cluster(subject: Subject, address: str) -> tuple[Subject, ClusterCount]:
    """Return the subject with its tables counted on a cluster, and what counts them."""
    counter = ClusterCount(address, subject.con)
    return replace(subject, count=counter), counter


class ClusterCount:
    """Counts tables under plans on a cluster; as `checks.subject.Subject.count` takes it.

    Parameters
    ----------
    address : str
        Of the scheduler, such as ``tcp://10.0.0.5:8786``.
    con : duckdb.DuckDBPyConnection
        Where tables are counted that are small, or that the cluster cannot count.
    least_rows : int
        Tables of fewer rows are counted here.
    part_rows : int
        Rows of a part.
    answers_within : float
        Seconds in which the scheduler must answer.

    Attributes
    ----------
    problem : str
        Why the cluster did not count a table that it should have counted: one sentence; empty if it did.
    """

    def __init__(
        self,
        address: str,
        con: duckdb.DuckDBPyConnection,
        least_rows: int = LEAST_ROWS,
        part_rows: int = PART_ROWS,
        answers_within: float = ANSWERS_WITHIN,
    ) -> None:
        self._address, self._con, self._answers_within = address, con, answers_within
        self._least_rows, self._part_rows = least_rows, part_rows
        self.problem = ""

    def __call__(self, table: Table, plan: Plan) -> Profile:
        """Return the profile of a table, equal to `checks.drift.profile.profile`, wherever it was counted."""
        if self.problem or table.rows < self._least_rows or not table.files:
            return profile(self._con, table, plan)
        try:
            return self._on_cluster(table, plan)
        except Exception as failed:  # noqa: BLE001 - whatever a cluster does, the night goes on without it
            said = (str(failed).splitlines() or [""])[0][:160]
            self.problem = f"The cluster did not count the {table.role} ({type(failed).__name__}: {said}); it was counted here."
            log.warning("%s", self.problem)
            return profile(self._con, table, plan)

    def _on_cluster(self, table: Table, plan: Plan) -> Profile:
        types = {name: table.columns[name] for name in plan.columns if name in table.columns}
        if not types:
            raise DataError("The table has none of the planned columns.")
        parts = parts_of(table.files, self._part_rows)
        if sum(part.rows for part in parts) != table.rows or not _in_files(table, types):
            raise DataError("The table is more than its files.")  # such as a column of labels that came later
        with _client(self._address, self._answers_within) as client:
            client.wait_for_workers(1, timeout=self._answers_within)
            return reduce(merge, _map(client, parts, types, plan, table.role))


def _in_files(table: Table, types: dict[str, str]) -> bool:
    from pyarrow import parquet

    there = {name.lower() for path in table.files for name in parquet.read_schema(path).names}
    return {name.lower() for name in types} <= there


def _map(client: Any, parts: Sequence[Part], types: dict[str, str], plan: Plan, role: str) -> list[Profile]:
    """Return the profile of each part, in the order of the parts."""
    sent = {"types": types, "plan": plan, "code": code_digest()}
    futures = []
    for number, part in enumerate(parts, start=1):
        if in_prefect():
            futures.append(client.submit(_task(f"count {role} {number} of {len(parts)}"), part, **sent))
        else:
            futures.append(client.submit(count_part, part, **sent, pure=False, retries=2))
    _wait(client, futures)
    return list(client.gather(futures))


def _client(address: str, answers_within: float) -> Any:
    made: Any
    if in_prefect():
        from prefect_dask.client import PrefectDaskClient as made
    else:
        from distributed import Client as made
    return made(address, timeout=answers_within, set_as_default=False)


def _task(name: str) -> Any:
    """Return `count_part` as a task of Prefect."""
    from prefect import task
    from prefect.cache_policies import NO_CACHE

    return task(
        name="count", task_run_name=name, cache_policy=NO_CACHE, persist_result=False, retries=2, retry_delay_seconds=1,
        retry_condition_fn=_worth_a_retry,
    )(count_part)


def _worth_a_retry(_task: Any, _run: Any, state: Any) -> bool:
    return isinstance(state.result(raise_on_failure=False), OSError)


def in_prefect() -> bool:
    """Say whether this is inside a run of Prefect whose server the workers can tell."""
    if "prefect" not in sys.modules:
        return False
    from prefect.context import FlowRunContext, TaskRunContext
    from prefect.settings import PREFECT_API_URL

    return bool(FlowRunContext.get() or TaskRunContext.get()) and bool(PREFECT_API_URL.value())


def _wait(client: Any, futures: Sequence[Any]) -> None:
    """Wait for all parts or the first that failed; not for ever, and not for a cluster whose workers are all gone."""
    began = seen = time.monotonic()
    while not all(future.done() for future in futures) and not any(future.status == "error" for future in futures):
        time.sleep(0.05)
        now = time.monotonic()
        if now - seen < 2:
            continue
        if client.ncores():
            seen = now
        if now - seen > ALONE:
            raise TimeoutError(f"no worker for {ALONE} seconds")
        if now - began > LONGEST:
            raise TimeoutError(f"not done within {LONGEST} seconds")
