"""The one place that knows Great Expectations' code: imported late, kept quiet, and mended for DuckDB.

Great Expectations 1.24.1 has no DuckDB data source. Through SQLAlchemy it works once one thing is mended: it closes the
connection before it fetches, and DuckDB's result dies with the connection (40 of 41 expectations fail), so a result is
buffered where the library runs its queries. The mend touches a private method; the version is pinned and checked.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from checks.data_quality.shapes import Engine
from roadworthy.errors import DataError

if TYPE_CHECKING:
    import duckdb

PINNED = "1.24.1"
FORMAT = "BOOLEAN_ONLY"


@cache
def great_expectations() -> SimpleNamespace:
    """Import Great Expectations (seconds, once for each process), quiet, and mend it for DuckDB.

    Returns
    -------
    types.SimpleNamespace
        ``open(con, view, engine)`` is a context manager that gives a validator; ``build(type, kwargs, id)`` an
        expectation; ``unexpected(validator, configuration)`` the unexpected count of an evaluated one; ``Suite`` and
        ``Error`` are the library's.

    Raises
    ------
    DataError
        If it is not the version that the mend was made for.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    os.environ["DO_NOT_TRACK"] = "1"
    try:
        version = metadata.version("great-expectations")
    except metadata.PackageNotFoundError:
        version = "no version"
    if version != PINNED:
        raise DataError(f"Great Expectations {PINNED} is needed, but {version} is installed.", "Install from requirements.lock.")
    import duckdb_engine
    import sqlalchemy
    from great_expectations import ExpectationSuite
    from great_expectations.core.batch import Batch
    from great_expectations.exceptions.exceptions import GreatExpectationsError
    from great_expectations.execution_engine.pandas_execution_engine import PandasExecutionEngine
    from great_expectations.execution_engine.sqlalchemy_batch_data import SqlAlchemyBatchData
    from great_expectations.execution_engine.sqlalchemy_execution_engine import SqlAlchemyExecutionEngine
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from great_expectations.validator.validator import Validator

    atexit.register(_let_go)
    logging.captureWarnings(False)  # the import turned it on for the whole process
    logging.getLogger("great_expectations").setLevel(logging.CRITICAL + 1)  # its log lines quote cells

    class Remembering:
        """Keep what was counted: the library gives a caller either booleans or raw values."""

        def resolve_metrics(self, metrics_to_resolve: Any, *rest: Any, **more: Any) -> Any:
            wanted = list(metrics_to_resolve)
            found = super().resolve_metrics(wanted, *rest, **more)  # type: ignore[misc]
            for metric in wanted:
                if metric.metric_name == "column_values.nonnull.unexpected_count" and metric.id in found:
                    self.nulls[metric.metric_domain_kwargs["column"]] = int(found[metric.id] or 0)
                if metric.metric_name.endswith((".unexpected_count", "unexpected_rows_query.table")) and metric.id in found:
                    self.counts[metric.id] = found[metric.id]
            return found

        @property
        def nulls(self) -> dict[str, int]:
            kept: dict[str, int] = self.__dict__.setdefault("_nulls", {})
            return kept

        @property
        def counts(self) -> dict[Any, Any]:
            kept: dict[Any, Any] = self.__dict__.setdefault("_counts", {})
            return kept

    class OnDuckDB(Remembering, SqlAlchemyExecutionEngine):
        """Fetch before the connection closes: DuckDB's result does not outlive it."""

        def execute_query(self, query: Any) -> Any:
            with self.get_connection() as connection:
                return self._execute_query_with_recovery(connection, query).freeze()()

        def execute_query_in_transaction(self, query: Any) -> Any:
            return self.execute_query(query)

    class OnPandas(Remembering, PandasExecutionEngine):
        pass

    @contextmanager
    def opened(con: duckdb.DuckDBPyConnection, view: str, engine: Engine) -> Iterator[Any]:
        if engine == "pandas":
            frame = con.sql(f"select * from {view}").to_arrow_table().to_pandas(date_as_object=False)
            executor: Any = OnPandas()
            data: Any = frame
            pool = None
        else:
            # The library never lets go of an engine; a connection that it held to the end would outlive DuckDB itself.
            held = [con]
            pool = sqlalchemy.create_engine(
                "duckdb:///:memory:", creator=lambda: duckdb_engine.ConnectionWrapper(held[0].cursor()),
                poolclass=sqlalchemy.pool.NullPool,
            )
            executor = OnDuckDB(engine=pool)
            data = SqlAlchemyBatchData(execution_engine=executor, table_name=view, create_temp_table=False)
        validator = Validator(execution_engine=executor, batches=[Batch(data=data)])
        validator.metrics_calculator.show_progress_bars = False
        try:
            yield validator
        finally:
            if pool is not None:
                pool.dispose()
                pool.dialect._type_memos.clear()  # it holds DuckDB's types for as long as the process lives
                held.clear()

    def build(name: str, kwargs: dict[str, Any], identity: str) -> Any:
        return ExpectationConfiguration(type=name, kwargs=kwargs, meta={"id": identity}).to_domain_obj()

    def unexpected(validator: Any, configuration: Any) -> int | None:
        executor = validator.execution_engine
        needs = configuration.to_domain_obj().get_validation_dependencies(
            execution_engine=executor, runtime_configuration={"result_format": FORMAT},
        )
        own = [m for m in needs.get_metric_configurations() if m.id in executor.counts]
        told = [m for m in own if m.metric_name != "column_values.nonnull.unexpected_count"] or own
        if not told:
            return None
        value = executor.counts[told[0].id]
        if isinstance(value, list):
            return int(value[0]["unexpected"]) if value else 0
        return int(value)

    return SimpleNamespace(open=opened, build=build, unexpected=unexpected, Suite=ExpectationSuite, Error=GreatExpectationsError)


def _let_go() -> None:
    """Empty duckdb-engine's modules at exit.

    Loaded beside Great Expectations they outlive DuckDB's binding, which then prints pages of "leaked" on the user's screen.
    """
    for name in [n for n in sys.modules if n.partition(".")[0] == "duckdb_engine"]:
        vars(sys.modules[name]).clear()
