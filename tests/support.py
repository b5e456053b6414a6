"""Small workspaces on disk for tests of the checks: real Parquet, a real passport, a real subject."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from checks.subject import Subject, open_subject
from roadworthy.passport import Passport

DAY = date(2026, 4, 9)

_MINIMAL: dict[str, Any] = {
    "schema_version": 1,
    "model": "loan",
    "version": "1.0.0",
    "title": "Loan decisions",
    "summary": "Decides who gets a loan.",
    "risk_tier": "limited",
    "roles": {"owner": "olga", "guardian": "gustav", "operator": "oscar"},
    "task": {
        "kind": "binary", "label": "label", "prediction": "prediction", "score": "score",
        "positive": 1, "negative": 0, "favourable": 1,
    },
    "features": ["age", "income"],
    "protected": [{"name": "sex", "column": "sex", "reference": "male"}],
    "reference": {"path": "reference/loan.parquet"},
    "batches": {"path": "batches/{date}.parquet"},
    "windows": {"drift": 1, "performance": 1, "fairness": 1},
    "no_artifact_because": "A test needs none.",
    "risk_assessment": {"summary": "A test.", "by": "gustav", "dated": date(2026, 1, 1)},
    "use": {"intended": ["Tests."], "excluded": ["Anything else."], "human_oversight": "None."},
    "plain": {"what": "Tests.", "affected": "Nobody.", "weakness": "All.", "switch_off": "Nothing."},
}


def passport_of(**overrides: Any) -> Passport:
    """Return a minimal valid passport with `overrides`.

    A mapping is merged into the default one (``task={"maturity_days": 3}``), except that a task with a `kind` of its own
    replaces the default task as a whole; anything else replaces the default. None removes a key. If `protected` becomes
    empty, a reason is filled in.
    """
    data = dict(_MINIMAL)
    for key, value in overrides.items():
        merged = isinstance(value, Mapping) and isinstance(data.get(key), Mapping) and not (key == "task" and "kind" in value)
        data[key] = {k: v for k, v in {**data[key], **value}.items() if v is not None} if merged else value
    if not data.get("protected"):
        data.setdefault("no_protected_because", "A test needs none.")
    return Passport.model_validate({key: value for key, value in data.items() if value is not None})


def as_table(rows: Any) -> pa.Table:
    """Return a pyarrow table, a pandas frame or a mapping of columns as a pyarrow table."""
    if isinstance(rows, pa.Table):
        return rows
    return pa.table(dict(rows)) if isinstance(rows, Mapping) else pa.Table.from_pandas(rows, preserve_index=False)


def write_parquet(rows: Any, path: Path) -> Path:
    """Write a table (see `as_table`) and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(as_table(rows), path)
    return path


@contextmanager
def make_subject(
    root: Path, passport: Passport, reference: Any = None, batches: Mapping[date, Any] | None = None, day: date = DAY,
    **opening: Any,
) -> Iterator[Subject]:
    """Write reference and batches (see `as_table`) where the passport says and open the subject of `day`.

    A reference of None and a day not named are not written: the file is missing. `opening` goes to `open_subject`
    (memory_limit, threads, spill).
    """
    if reference is not None:
        write_parquet(reference, root / passport.reference.path)
    for when, rows in (batches or {}).items():
        write_parquet(rows, root / passport.batches.path.replace("{date}", when.isoformat()))
    with open_subject(root, passport, day, **opening) as subject:
        yield subject
