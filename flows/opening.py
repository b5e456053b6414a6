"""Who opens which data: each opening by a flow is in the ledger before anything is read, with what it is for.

One entry an inspection and not one a file. It names paths, days, and how many files of how many bytes lie there; their digests
are in the evidence of the run, which are known only once they were read. The same opening again, of the same files by the same
code under the same policy, is the one that is recorded: a night that was killed and goes on opens its data for what it said.
How a person opens data is in `flows.looking`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from checks.subject import baseline_days, drift_window
from roadworthy.canonical import digest_of
from roadworthy.errors import RoadworthyError
from roadworthy.ledger import Entry, Ledger
from roadworthy.passport import Passport
from roadworthy.window import Window, files_of
from roadworthy.workspace import Workspace

KIND = "data-access"


def by_flow(
    workspace: Workspace, ledger: Ledger, passport: Passport, day: date, purpose: str, actor: str, now: datetime, *,
    first: date | None = None, raw: bool = False, **rests_on: str,
) -> Entry:
    """Record that a flow opens the data of a model version, before it does.

    Parameters
    ----------
    workspace : Workspace
    ledger : Ledger
    passport : Passport
    day : date
        The last day whose data are opened.
    purpose : str
        What for, such as ``nightly inspection of 2025-04-17``.
    actor : str
    now : datetime
        Wall time, with time zone.
    first : date, optional
        The first day judged, where there are several.
    raw : bool
        Only the raw files of intake are opened.
    **rests_on : str
        Digests of what else makes it another opening, such as that of the policy.

    Raises
    ------
    StorageError
        If it cannot be recorded; then nothing may be opened.
    """
    stamps: list[Any] = []
    what = [_told(workspace.root, *one, stamps) for one in (_raw(passport, day) if raw else _roles(passport, day, first or day))]
    body = {
        "model": passport.model, "version": passport.version, "by": "flow", "day": day.isoformat(), "purpose": purpose,
        "what": what, "outcome": "opened",
    }
    mark = digest_of([actor, purpose, passport.model_dump(mode="json"), what, stamps, rests_on])
    return ledger.append(KIND, actor, body, at=now, key=f"{KIND}:{passport.id}:{day.isoformat()}:{mark[:32]}")


Role = tuple[str, str, Sequence[date]]


def _raw(passport: Passport, day: date) -> Iterator[Role]:
    if passport.intake is not None:
        yield "raw", passport.intake.path, [day]


def _roles(passport: Passport, day: date, first: date) -> Iterator[Role]:
    """Yield what an inspection opens: the role, the declared path, and the days that stand in it."""
    yield "reference", passport.reference.path, ()
    windows, mature = passport.windows, first - timedelta(days=passport.task.maturity_days)
    shift = drift_window(passport, first)
    firsts = [shift.first, Window.ending(mature, windows.performance).first, Window.ending(first, windows.fairness).first]
    days = Window(min(firsts), day).days()
    yield "batches", passport.batches.path, days
    if passport.batches.labels is not None:
        yield "labels", passport.batches.labels, days
    baseline = [] if passport.drift.against == "fixed" else baseline_days(passport.drift, shift)
    if baseline:
        yield "baseline", passport.batches.path, sorted(baseline)
    if passport.telemetry is not None:
        yield "log of serving", passport.telemetry.path, ()
    if passport.recipe is not None and passport.recipe.training is not None:
        yield "training", passport.recipe.training, ()
    if passport.recipe is not None:
        for path in sorted(passport.recipe.data):
            yield "recipe", path, ()


def _told(root: Path, role: str, path: str, days: Sequence[date], stamps: list[Any]) -> dict[str, Any]:
    """Return what the ledger says of a role, and put sizes and times of its files into `stamps`."""
    files: list[Path] = []
    try:
        wanted: Sequence[date | None] = days or [None]
        files = [] if "://" in path else [file for day in wanted for file in files_of(root, path, day)]
        found = [(str(file.relative_to(root)), file.stat()) for file in dict.fromkeys(files)]
    except (RoadworthyError, OSError):
        found = []  # whoever opens them says what is wrong with them
    stamps.append([[name, at.st_size, at.st_mtime_ns] for name, at in found])
    span = {"first": days[0].isoformat(), "last": days[-1].isoformat()} if days else {}
    return {"role": role, "path": path, **span, "files": len(found), "bytes": sum(at.st_size for _, at in found)}
