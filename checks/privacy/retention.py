"""Rows that are kept longer than the passport allows, by the days in the names of files and folders.

What is looked at are the batches, the labels, the raw files for intake, this version's part of the restricted store, where
drill-downs and quarantine lie, and the reference by its declared last day. Nothing is opened. Days count up to the day judged and
not up to today, so that a night says the same whenever it is run.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from checks.subject import Subject
from roadworthy.errors import RoadworthyError
from roadworthy.measurement import Measurement, not_measured
from roadworthy.retention import PLACES, Place
from roadworthy.window import days_of

METRIC = "privacy.kept_too_long"
_HOW = "count of days in the names of files and folders; no sample"
_SAY = "Write 'retention: {days: ..., because: ...}' into the passport."


def measure(subject: Subject) -> list[Measurement]:
    """Count the days whose rows are kept longer than declared.

    Parameters
    ----------
    subject : Subject

    Returns
    -------
    list of Measurement
        One. A day in two places counts twice. ``insufficient`` where nothing is declared though the passport names people's data;
        ``error`` where a place cannot be looked at.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from tests.support import DAY, make_subject, passport_of
    >>> passport = passport_of(retention={"days": 30, "because": "A complaint may come within a month."})
    >>> old = {DAY - timedelta(days=31): {"x": [1]}, DAY - timedelta(days=30): {"x": [1]}}
    >>> with TemporaryDirectory() as folder, make_subject(Path(folder), passport, None, old) as subject:
    ...     [m] = measure(subject)
    >>> m.value, m.details["places"]["batches"]
    (1.0, {'days': 1, 'oldest': '2026-03-09', 'age': 31})
    """
    passport, declared = subject.passport, subject.passport.retention
    if declared is None:
        if not (passport.protected or passport.identifiers or passport.quasi_identifiers):
            reason = "The passport declares no data of people and no time after which its rows have to go."
            return [not_measured(METRIC, "not_applicable", reason)]
        reason = f"The passport does not say how long rows may be kept, so nobody knows when they have to go. {_SAY}"
        return [not_measured(METRIC, "insufficient", reason)]
    try:
        found = too_old(subject)
    except (RoadworthyError, OSError) as problem:
        said = problem.sentence if isinstance(problem, RoadworthyError) else f"{problem.strerror}."
        return [not_measured(METRIC, "error", f"Not every place where rows are kept could be looked at: {said}")]
    told: dict[str, Any] = {
        place: {"days": len(days), "oldest": days[0].isoformat(), "age": (subject.day - days[0]).days}
        for place, days in found.items()
    }
    oldest = max((one["age"] for one in told.values()), default=0)
    unseen = [place for place in PLACES if place not in declared.exempt and not _seen(subject, place)]
    if unseen and not told:
        reason = f"Nothing that was looked at is too old, but not looked at were: {', '.join(unseen)}. Name them under 'exempt'."
        return [not_measured(METRIC, "insufficient", reason)]
    return [Measurement(
        METRIC, value=sum(len(days) for days in found.values()), method=_HOW,
        stats={"allowed_days": declared.days, "oldest": oldest},
        details={"places": told, "exempt": sorted(declared.exempt), "not_looked_at": unseen, "as_of": subject.day.isoformat()},
    )]


def too_old(subject: Subject) -> dict[str, list[date]]:
    """Return the days that are kept too long by the place where they lie, oldest first; places without one are left out.

    Raises
    ------
    RoadworthyError, OSError
        If a place cannot be looked at.
    """
    declared = subject.passport.retention
    if declared is None:
        return {}
    last = subject.day - timedelta(days=declared.days + 1)
    found = {place: _days(subject, place, last) for place in PLACES if place not in declared.exempt and _seen(subject, place)}
    return {place: days for place, days in found.items() if days}


def rests_on(subject: Subject) -> dict[str, list[str]] | str:
    """Return what names a run beside its batches: the days that are too old, so that a run after they are gone is another one."""
    try:
        return {place: [day.isoformat() for day in days] for place, days in too_old(subject).items()}
    except (RoadworthyError, OSError) as problem:
        return type(problem).__name__  # the measurement says what is wrong


def _seen(subject: Subject, place: Place) -> bool:
    """Say whether a place is one of this machine and known to the subject; what is not there holds nothing too old."""
    intake = subject.passport.intake
    if place == "raw":
        return intake is None or "://" not in intake.path
    if place == "restricted":
        return subject.restricted is not None
    return place != "reference" or subject.passport.reference.last is not None


def _days(subject: Subject, place: Place, last: date) -> list[date]:
    passport = subject.passport
    if place == "reference":
        return [day for day in [passport.reference.last] if day is not None and day <= last]
    if place == "restricted":
        return _folders(subject, last)
    raw = passport.intake.path if passport.intake is not None else None
    pattern = {"batches": passport.batches.path, "labels": passport.batches.labels, "raw": raw}[place]
    return days_of(subject.root, pattern, last) if pattern is not None else []


def _folders(subject: Subject, last: date) -> list[date]:
    """Return the days of this version's folders in the restricted store that hold anything."""
    passport = subject.passport
    above = subject.restricted / f"model={passport.model}" / f"version={passport.version}" if subject.restricted else None
    if above is None or not above.is_dir():
        return []
    found = []
    for folder in above.iterdir():
        try:
            day = date.fromisoformat(folder.name.removeprefix("date="))
        except ValueError:
            continue  # no folder of a day
        if day <= last and any(path.is_file() for path in folder.rglob("*")):
            found.append(day)
    return sorted(found)
