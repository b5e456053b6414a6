"""Receipts: what intake says of a batch, and whether the batch at night is the one it speaks of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, Literal

from checks.opening import Opening
from checks.subject import Subject
from roadworthy.measurement import Measurement, not_measured
from roadworthy.passport import Passport
from roadworthy.window import files_of

RECEIPT = "data_quality.intake_receipt"
What = Literal["batch", "labels"]
ENTRIES: dict[What, str] = {"batch": "intake", "labels": "intake-labels"}
"""Kind of the ledger's entry of each."""


def receipt_path(root: Path, passport: Passport, day: date, what: What = "batch") -> Path:
    """Return where the receipt of a model's day lies, of its batch or of the labels that came later."""
    folder = root / ".roadworthy" / "receipts" / f"model={passport.model}" / f"version={passport.version}"
    return folder / f"{day.isoformat()}{'' if what == 'batch' else '.labels'}.json"


def receipt_days(subject: Subject) -> list[tuple[What, date]]:
    """Return what must have a receipt: the batch of each day that is looked at, and the labels of each day that has some."""
    passport, batch = subject.passport, subject.batch
    if passport.intake is None or not passport.intake.required:
        return []
    found: list[tuple[What, date]] = [("batch", day) for day in batch.days]
    if passport.intake.labels is not None and passport.batches.labels is not None:
        days = sorted({*batch.days, *subject.labelled.days, *subject.decided.days})
        found += [("labels", day) for day in days if files_of(subject.root, passport.batches.labels, day)]
    return found


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

    Notes
    -----
    Whoever can write into the workspace can write a receipt. With `Subject.receipts`, the digests that the ledger recorded, each
    receipt must be the recorded one, to the byte.
    """
    passport, batch = subject.passport, subject.batch
    if passport.intake is None or not passport.intake.required:
        yield not_measured(RECEIPT, "not_applicable", "The passport asks for no intake receipt.")
        return
    if not batch.days:
        yield not_measured(RECEIPT, "error" if passport.batches.due else "insufficient", batch.problem or "There is no batch.")
        return
    wanted = receipt_days(subject)
    for what, day in wanted:
        if wrong := _wrong(subject, what, day):
            yield not_measured(RECEIPT, "error", f"{'The batch of' if what == 'batch' else 'The labels of'} {day} {wrong}")
            return
    recorded = "" if subject.receipts is None else ", and of each receipt against the ledger"
    yield Measurement(RECEIPT, value=1, n=len(wanted), method=f"SHA-256 of each day's file against its receipt{recorded}")


def _wrong(subject: Subject, what: What, day: date) -> str:
    """Return the rest of a sentence on what is wrong with a day's receipt, or nothing."""
    passport = subject.passport
    path = receipt_path(subject.root, passport, day, what)
    receipt = read_receipt(path)
    if receipt is None:
        return f"{'has' if what == 'batch' else 'have'} no intake receipt, which the passport asks for."
    opening = Opening(subject.con, subject.root, passport, subject.links, subject.digests)
    files = files_of(subject.root, passport.batches.path if what == "batch" else passport.batches.labels or "", day)
    if [opening.digest(file) for file in files] != [receipt["batch"]["sha256"]]:
        return f"{'is not the one that its' if what == 'batch' else 'are not those that their'} intake receipt names."
    if subject.receipts is None:
        return ""
    recorded = subject.receipts.get(f"{what} {day}")
    if recorded is None:
        return "came with a receipt that the ledger knows nothing of: nobody has recorded it."
    forged = "came with a receipt that is not the one in the ledger: it was forged, or changed afterwards."
    return "" if opening.digest(path) == recorded else forged
