"""Suites and subjects for the tests of data quality."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from checks import data_quality
from checks.subject import Subject
from roadworthy.measurement import Measurement
from tests.support import DAY, make_subject, passport_of

META = {"because": "A test needs a reason."}


def rule(kind: str, severity: str = "critical", identity: str = "", **kwargs: Any) -> dict[str, Any]:
    """Return one expectation; without an id it is numbered by `suite_of`."""
    return {"id": identity, "type": kind, "kwargs": kwargs, "severity": severity, "meta": META}


def suite_of(*rules: dict[str, Any]) -> dict[str, Any]:
    listed = [{**one, "id": one["id"] or f"e{i}"} for i, one in enumerate(rules)]
    return {"schema_version": 1, "suite": "test", "expectations": listed}


def write_suite(root: Path, *rules: dict[str, Any]) -> Path:
    path = root / "suite.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(suite_of(*rules), allow_unicode=True), encoding="utf-8")
    return path


@contextmanager
def subject_of(root: Path, rows: Any, *rules: dict[str, Any], reference: Any = None, **passport: Any) -> Iterator[Subject]:
    """Open a subject whose batch of the day has these rows (None: no batch) and whose suite has these rules."""
    if rules:
        write_suite(root, *rules)
        passport.setdefault("suite", "suite.yaml")
    with make_subject(root, passport_of(**passport), reference, {} if rows is None else {DAY: rows}) as subject:
        yield subject


def expectations(subject: Subject) -> list[Measurement]:
    """Return the measurements of the suite, without those for severities that have no expectation."""
    found = [m for m in data_quality.measure(subject) if m.metric == "data_quality.expectation"]
    return [m for m in found if m.over.get("expectation") != "(none)"]


def outcome(root: Path, rows: Any, one: dict[str, Any], **passport: Any) -> Measurement:
    """Return what became of a single rule."""
    with subject_of(root, rows, one, **passport) as subject:
        (found,) = expectations(subject)
        return found
