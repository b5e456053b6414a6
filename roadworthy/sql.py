"""DuckDB connections that stay within bounds and offline, and the one way to quote a name.

Names of columns and files come from other people's data and are hostile: a quoted identifier is the only form in
which one ever reaches SQL; values are bound as parameters.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

DISABLED_OPTIMIZERS = "statistics_propagation,filter_pushdown"
"""DuckDB 2.0 takes the minimum and maximum in a Parquet footer for those of all values; writers such as pyarrow leave NaN out
of them. With these two steps ``isnan(x)`` finds no NaN in such a file and ``x <= 1`` holds for one (duckdb/duckdb 25521).
Every connection that reads files of other people goes without them."""


def quote(name: str) -> str:
    """Return `name` as an SQL identifier.

    Raises
    ------
    ValueError
        If the name holds a NUL character, which no SQL identifier can.

    Examples
    --------
    >>> quote('age'), quote('we"ird; --')
    ('"age"', '"we""ird; --"')
    """
    if "\x00" in name:
        raise ValueError("a column name holds a NUL character")
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return `text` as an SQL string literal, for the places that take no parameter (a view over files).

    Examples
    --------
    >>> literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def connect(memory_limit: str = "1GB", threads: int | None = None, spill: Path | None = None) -> duckdb.DuckDBPyConnection:
    """Open an in-memory DuckDB that downloads nothing and spills to disk above `memory_limit`.

    Parameters
    ----------
    memory_limit : str
        DuckDB's own limit; above it, operators write to `spill`.
    threads : int, optional
        By default all cores.
    spill : pathlib.Path, optional
        Folder for temporary files; by default DuckDB's own choice.
    """
    import duckdb

    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory_limit,
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "preserve_insertion_order": "false",
        "disabled_optimizers": DISABLED_OPTIMIZERS,
    }
    if threads is not None:
        config["threads"] = threads
    if spill is not None:
        config["temp_directory"] = str(spill)
    return duckdb.connect(":memory:", config=config)
