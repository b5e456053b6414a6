"""Digests of what a run rests on beside its batches: the log of serving, bills, the register of vendors and its documents.

They are part of what names a run, so that a bill that comes late or a document that is changed makes another run and is not
answered by the old one.
"""

from __future__ import annotations

from checks.cost.log import opening_of
from checks.intake.receipts import ENTRIES, receipt_days, receipt_path
from checks.subject import Subject
from roadworthy.canonical import digest_file
from roadworthy.errors import RoadworthyError
from roadworthy.ledger import Ledger
from roadworthy.vendors import FILE, read_vendors
from roadworthy.window import files_of


def beside_batches(subject: Subject) -> dict[str, dict[str, str]]:
    """Return the digest of each file by its path, for the log, the bills and the vendor; what cannot be read says so.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from tests.support import make_subject, passport_of
    >>> with TemporaryDirectory() as folder, make_subject(Path(folder), passport_of(vendor="acme")) as subject:
    ...     beside_batches(subject)
    {'telemetry': {}, 'bills': {}, 'training': {}, 'vendor': {'vendors.yaml': 'missing'}}
    """
    passport = subject.passport
    cost = passport.cost
    bills = cost.bills if cost is not None else None
    training = cost.training.bills if cost is not None and cost.training is not None else None
    named = {
        "telemetry": [passport.telemetry.path] if passport.telemetry is not None else [],
        "bills": [bills.path] if bills is not None else [],
        "training": [training.path] if training is not None else [],
        "vendor": _of_vendor(subject),
    }
    return {part: _digests(subject, paths) for part, paths in named.items()}


def recorded_receipts(ledger: Ledger, subject: Subject) -> dict[str, str]:
    """Return the digest that the ledger recorded last of each intake receipt that the night looks at, as `Subject.receipts`."""
    passport, found = subject.passport, dict[str, str]()
    for what, day in receipt_days(subject):
        entry = ledger.latest(ENTRIES[what], model=passport.model, version=passport.version, day=day.isoformat())
        if entry is not None:
            found[f"{what} {day}"] = str(entry.body["receipt"])
    return found


def receipts_there(subject: Subject) -> dict[str, str | None]:
    """Return the digest of each of those receipts as it lies there; None of one that does not."""
    passport = subject.passport
    places = {f"{what} {day}": receipt_path(subject.root, passport, day, what) for what, day in receipt_days(subject)}
    return {name: digest_file(path) if path.is_file() else None for name, path in places.items()}


def _of_vendor(subject: Subject) -> list[str]:
    who = subject.passport.vendor
    if who is None:
        return []
    try:
        vendor = read_vendors(subject.root).find(who)
    except RoadworthyError:
        return [FILE]  # its own digest tells a broken register from another; the check says what is wrong with it
    return [FILE, *(paper.path for paper in (vendor.documents if vendor is not None else []))]


def _digests(subject: Subject, paths: list[str]) -> dict[str, str]:
    opening, found = opening_of(subject), dict[str, str]()
    for pattern in paths:
        try:
            files = files_of(subject.root, pattern)
        except RoadworthyError:
            files = []
        if not files:
            found[pattern] = "missing"
        for path in files:
            try:
                found[str(path.relative_to(subject.root))] = opening.digest(path)
            except OSError as problem:
                found[str(path.relative_to(subject.root))] = f"unreadable: {problem.strerror}"
    return found
