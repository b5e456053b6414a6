"""The stop: the files first, then the row, then the ledger; whatever fails is said and stops nothing else."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from roadworthy.errors import RoadworthyError, StorageError
from roadworthy.ledger import database, sqlite
from roadworthy.ledger.chain import Execute
from roadworthy.ledger.postgres import UnreachableError
from roadworthy.switch import files, table, terms
from roadworthy.switch.files import RANK, Stop
from roadworthy.switch.places import Places
from roadworthy.switch.terms import Terms

Transaction = Callable[[], AbstractContextManager[Execute]]


@dataclass(slots=True)
class Outcome:
    """What a change of the switch came to.

    Attributes
    ----------
    state : str
        What the scope is now.
    changed : bool
        False if it was as strict before, or a wider stop held it.
    reached : list of pathlib.Path
        STOP files that hold, the workspace's own first.
    unreached : list of str
        A sentence for each place that could not be written; the others hold.
    fence : int
        The ledger's entry; 0 if it could not be written.
    """

    state: str
    changed: bool = False
    reached: list[Path] = field(default_factory=list)
    unreached: list[str] = field(default_factory=list)
    fence: int = 0


def write_own(places: Places, stop: Stop) -> Outcome:
    """Write the workspace's own STOP file: the first thing that a stop does."""
    outcome = Outcome(stop.state)
    folder: OSError | None = None
    try:
        places.folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        folder = problem
    _write(places.folder, stop, outcome, folder)
    return outcome


def finish(places: Places, stop: Stop, outcome: Outcome, transaction: Transaction) -> Outcome:
    """Write the other STOP files, the row and the ledger's entry.

    Raises
    ------
    StorageError
        If the stop holds nowhere.
    """
    if files_for(stop):
        for folder in places.targets:
            # A target is not made: under a share that is not mounted, that would only look like success.
            _write(folder, stop, outcome)
    stored = False
    try:
        with transaction() as execute:
            outcome.changed, outcome.fence = table.tighten(execute, stop)
        stored = True
    except (RoadworthyError, sqlite3.Error, OSError, ValueError) as problem:
        outcome.unreached.append(_sentence(problem, "The ledger has no entry of it"))
        if not isinstance(problem, UnreachableError):  # a server that does not answer would only be waited for twice
            with suppress(RoadworthyError, sqlite3.Error, OSError, ValueError):  # they would say the same again
                with transaction() as execute:
                    outcome.changed, outcome.fence = table.tighten(execute, stop, record=False)
                stored = True
    if not stored and not outcome.reached:
        raise StorageError(
            f"{stop.scope} could NOT be made {stop.state} anywhere: " + " ".join(outcome.unreached),
            f"Make a file named {files.file_name(stop.model)} in {places.folder} by hand, or stop the process that serves it.",
        )
    return outcome


def review_by(transaction: Transaction, stop: Stop, outcome: Outcome, day: str) -> None:
    """Note the day on which a stop that holds must be looked at again; what fails is said in `outcome` and lifts nothing."""
    what = f"The review of {stop.scope} by {day} could not be noted"
    if not outcome.fence:
        outcome.unreached.append(f"{what}, because the stop has no entry in the ledger yet.")
        return
    try:
        with transaction() as execute:
            terms.put(execute, Terms(*stop.key, outcome.fence, review_by=day))
    except (RoadworthyError, sqlite3.Error, OSError, ValueError) as problem:
        outcome.unreached.append(_sentence(problem, what))


def files_for(stop: Stop) -> bool:
    """Say whether a state has a file: a STOP file refuses, so `degraded` has none."""
    return RANK[stop.state] > RANK[files.UNKNOWN]


def direct(places: Places, wait: float = sqlite.WAIT_SECONDS) -> Transaction:
    """Return transactions on the workspace's database without SQLAlchemy."""

    @contextmanager
    def transaction() -> Iterator[Execute]:
        if not places.url:
            raise StorageError(places.problem)
        with database.writing(places.url, wait) as execute:
            yield execute

    return transaction


@contextmanager
def reading(places: Places, wait: float) -> Iterator[Execute]:
    """Let queries run on one view of the workspace's database, without SQLAlchemy.

    Raises
    ------
    StorageError
        If it is not known or cannot be read; its cause is FileNotFoundError where there is no SQLite file yet.
    """
    if not places.url:
        raise StorageError(places.problem or "No database is named.")
    with database.reading(places.url, wait) as execute:
        yield execute


def _write(folder: Path, stop: Stop, outcome: Outcome, before: OSError | None = None) -> None:
    path = folder / files.file_name(stop.model)
    try:
        outcome.changed = files.write(folder, stop) or outcome.changed
        outcome.reached.append(path)
    except OSError as problem:
        cause = before or problem  # that the folder is missing says less than why it could not be made
        outcome.unreached.append(f"The STOP file {path} could not be written ({cause.strerror or cause}).")


def _sentence(problem: Exception, what: str) -> str:
    said = problem.sentence if isinstance(problem, RoadworthyError) else f"{problem}."
    return f"{what}: {said}"
