"""What a drill puts in service, what it must see, and how it leaves the switch as it found it.

The canary is a model that nobody serves: no passport, a name of its own, tier ``high``, no fallback. Each drill puts a new
version of it in service, stops that one, and puts another new one in its place. Nothing is ever switched on again, so no rule
about who may switch on had to be loosened for drills. A version that is no longer in service is unknown and refused, whatever
its row says; that is why the next drill may sweep its row and its STOP line away.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roadworthy.canonical import canonical_json, digest_bytes
from roadworthy.errors import StorageError, UsageError
from roadworthy.ledger import chain
from roadworthy.ledger.chain import Execute, stamp
from roadworthy.switch import clock, files, served, store, table
from roadworthy.switch.files import ACTIVE
from roadworthy.switch.places import Places, models

if TYPE_CHECKING:
    from roadworthy.ledger import Entry, Ledger

FOLDER = "drills"
_VERSION = re.compile(r"drill-\d{8}t\d{12}(-after)?")


@dataclass
class Drill:
    """One drill, as it is kept.

    Attributes
    ----------
    id : str
        Also the version of the canary that is stopped.
    model : str
    began : str
        UTC.
    problems : list of str
        A sentence for each thing that was not as it must be; a drill without any is green.
    ms : dict
        Milliseconds since the stop was sent, by the drill's own monotonic clock: ``stopped`` (the call returned), ``refused``
        (the last place refused), ``receipts`` (the last live instance acknowledged), ``again`` (a new version served).
    refused : dict
        Milliseconds until each place refused: a service's address, or ``here``.
    instances : dict
        Names by word: ``confirmed``, ``late``, ``lost``, ``never seen``.
    acted : list of str
        First and last moment at which an instance acted, by its own clock, UTC; empty without instances.
    enabling : list of str
        How an enable without signatures was refused, a sentence for each place.
    """

    id: str
    model: str
    began: str
    services: list[str] = field(default_factory=list)
    fence: int = 0
    problems: list[str] = field(default_factory=list)
    ms: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    instances: dict[str, list[str]] = field(default_factory=dict)
    acted: list[str] = field(default_factory=list)
    enabling: list[str] = field(default_factory=list)

    @property
    def green(self) -> bool:
        """Everything was as it must be."""
        return not self.problems

    def as_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {"schema_version": 1, **asdict(self), "green": self.green}


def new_id(now: datetime) -> str:
    """Return the name of a drill.

    Examples
    --------
    >>> new_id(datetime(2026, 4, 9, 4, 0, 1, 25, tzinfo=UTC))
    'drill-20260409t040001000025'
    """
    return now.astimezone(UTC).strftime("drill-%Y%m%dt%H%M%S%f")


def check_canary(root: Path, model: str) -> None:
    """Refuse a canary that is a real model.

    Raises
    ------
    UsageError
        If the workspace has a folder for it.
    """
    if model in models(root):
        said = f"'{model}' is a model of this workspace, so a drill cannot stop it as its canary."
        raise UsageError(said, "Name another under 'switch: canary' in roadworthy.yaml.")


def put_in(execute: Execute, places: Places, model: str, version: str, at: datetime) -> None:
    """Put a version of the canary in service and sweep away what earlier drills left; inside a write transaction."""
    store.install(execute)
    chain.install(execute)
    check_canary(places.root, model)
    served.put_canary(execute, model, version, at)
    for row in table.rows(execute, model):
        if row.stop.model == model and _VERSION.fullmatch(row.stop.version) and row.stop.version != version:
            _sweep(execute, row, at)


def _sweep(execute: Execute, row: table.Row, at: datetime) -> None:
    if row.stop.state != ACTIVE:
        body = {
            "model": row.stop.model, "version": row.stop.version, "segment": row.stop.segment, "from": row.stop.state,
            "to": ACTIVE, "reason": "A drill is over; this version of the canary is not in service and stays refused.",
            "act": "drill-swept", "evidence": "",
        }
        chain.append(execute, "switch", "automation", body, at=at)
    scope = {"model": row.stop.model, "version": row.stop.version, "segment": row.stop.segment}
    for name in ("switch", "switch_terms"):
        execute(f"delete from {name} where model = :model and version = :version and segment = :segment", scope)
    clock.advance(execute)


def lift_lines(places: Places, model: str, keep: str, now: datetime) -> None:
    """Take the STOP lines of earlier drills out of the folders; one that cannot be stays, and refuses what nobody serves."""
    for folder in (places.folder, *places.targets):
        try:
            lines = files.read(folder / files.file_name(model))
            for line in lines:
                if _VERSION.fullmatch(line.version) and line.version != keep:
                    files.lift(folder, model, line.version, line.segment, stamp(now))
        except OSError:
            continue


def write(made: Path, drill: Drill) -> str:
    """Keep a drill as a file that is named by its own digest, and return the digest.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    data = canonical_json(drill.as_dict()) + b"\n"
    digest, folder = digest_bytes(data), made / FOLDER
    temporary = folder / f".{digest}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(folder / f"{digest}.json")
    except OSError as problem:
        said = f"The evidence of the drill cannot be written to {folder} ({problem.strerror})."
        raise StorageError(said, "Check disk space and permissions.") from problem
    return digest


def record(ledger: Ledger, drill: Drill, digest: str, at: datetime) -> Entry:
    """Enter a drill in the ledger, green or red."""
    body = {
        "drill": drill.id, "model": drill.model, "green": drill.green, "problems": [p[:500] for p in drill.problems[:50]],
        "ms": dict(drill.ms), "services": len(drill.services), "fence": drill.fence, "sha256": digest,
        "instances": {word: len(names) for word, names in drill.instances.items()},
    }
    return ledger.append("drill", "automation", body, at=at, key=f"drill:{drill.id}")


def last_green(ledger: Ledger) -> Entry | None:
    """Return the newest green drill, or None."""
    return ledger.latest("drill", green=True)


def read(made: Path, digest: str) -> Mapping[str, Any]:
    """Return a drill's evidence as it was kept."""
    found: Mapping[str, Any] = json.loads((made / FOLDER / f"{digest}.json").read_bytes())
    return found
