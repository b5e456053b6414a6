"""What labels that came later say of the batch that they are for: how many keys came, and how many find no row."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from roadworthy.canonical import digest_file
from roadworthy.passport import Passport
from roadworthy.sql import literal, quote


def batch_digest(root: Path, passport: Passport, day: date) -> str | None:
    """Return the digest of a day's batch, with which its labels are compared; None if it has not come."""
    batch = _batch(root, passport, day)
    return digest_file(batch) if batch.is_file() else None


def of_labels(con: duckdb.DuckDBPyConnection, root: Path, passport: Passport, day: date, labels: Path) -> dict[str, Any]:
    """Return how many different keys came, and for how many of them the batch has no row.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
    root : pathlib.Path
        The workspace's folder.
    passport : Passport
        With ``batches.key``.
    day : date
        Of the batch.
    labels : pathlib.Path
        Parquet file of key and label, the key treated as in the batch.

    Returns
    -------
    dict
        ``what``, ``keys`` and ``keys_without_row``, which is None while there is no batch. Keys are compared as text.
    """
    came, batch = _keys(labels, passport), _batch(root, passport, day)
    found: dict[str, Any] = {"what": "labels", "keys": _number(con, f"select count(*) from {came}"), "keys_without_row": None}
    if batch.is_file():
        there = _keys(batch, passport)
        found["keys_without_row"] = _number(con, f"select count(*) from {came} l anti join {there} b on l.k = b.k")
    return found


def _batch(root: Path, passport: Passport, day: date) -> Path:
    return root / passport.batches.path.replace("{date}", day.isoformat())


def _keys(path: Path, passport: Passport) -> str:
    scan = f"read_parquet({literal(str(path))}, hive_partitioning=false)"
    return f"(select distinct cast({quote(str(passport.batches.key))} as varchar) as k from {scan})"


def _number(con: duckdb.DuckDBPyConnection, sql: str) -> int:
    row = con.execute(sql).fetchone()
    return int(row[0]) if row else 0
