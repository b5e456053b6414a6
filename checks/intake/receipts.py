"""Receipts: what intake says of a batch, and whether the batch at night is the one it speaks of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from checks.opening import Opening
from checks.subject import Subject
from roadworthy.measurement import Measurement, not_measured
from roadworthy.passport import Passport
from roadworthy.window import files_of

RECEIPT = "data_quality.intake_receipt"


def receipt_path(root: Path, passport: Passport, day: date) -> Path:
    """Return where the receipt of a model's day lies."""
    folder = root / ".roadworthy" / "receipts" / f"model={passport.model}" / f"version={passport.version}"
    return folder / f"{day.isoformat()}.json"


def read_receipt(path: Path) -> dict[str, Any] | None:
    """Return a receipt, or None where there is none that can be read."""
    try:
        found = json.loads(path.read_bytes())
        return found if isinstance(found, dict) and isinstance(found["batch"]["sha256"], str) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def measure_receipts(subject: Subject) -> Iterator[Measurement]:
    """Say whether every file of the batch has a receipt that names its digest.

    Yields
    ------
    Measurement
        ``data_quality.intake_receipt``: 1 if so; an ``error`` if not, with the first day that lacks one; ``not_applicable`` where
        the passport asks for none.
    """
    passport, batch = subject.passport, subject.batch
    if passport.intake is None or not passport.intake.required:
        yield not_measured(RECEIPT, "not_applicable", "The passport asks for no intake receipt.")
        return
    if not batch.days:
        yield not_measured(RECEIPT, "error" if passport.batches.due else "insufficient", batch.problem or "There is no batch.")
        return
    opening = Opening(subject.con, subject.root, passport, subject.links, subject.digests)
    for day in batch.days:
        receipt = read_receipt(receipt_path(subject.root, passport, day))
        files = files_of(subject.root, passport.batches.path, day)
        if receipt is None:
            yield not_measured(RECEIPT, "error", f"The batch of {day} has no intake receipt, which the passport asks for.")
            return
        if [opening.digest(path) for path in files] != [receipt["batch"]["sha256"]]:
            yield not_measured(RECEIPT, "error", f"The batch of {day} is not the one that its intake receipt names.")
            return
    yield Measurement(RECEIPT, value=1, n=len(batch.days), method="SHA-256 of each day's file against its receipt")
