"""Which files and folders of a workspace are for its own eyes: state, keys, and what holds rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from roadworthy.errors import RoadworthyError
from roadworthy.passport import Passport
from roadworthy.permissions import Guarded, loose
from roadworthy.workspace import Workspace

_SQLITE = "sqlite:///"


def guarded_of(workspace: Workspace, passports: Sequence[Passport]) -> list[Guarded]:
    r"""Return what is looked at, each once.

    Parameters
    ----------
    workspace : Workspace
    passports : sequence of Passport
        Whose keys are looked at.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     text = "schema_version: 1\nname: w\ntime_zone: Europe/Berlin\nalerts: {owner: ['file:chat']}\n"
    ...     _ = (Path(folder) / "roadworthy.yaml").write_text(text)
    ...     [one.path.name for one in guarded_of(Workspace.open(Path(folder)), []) if one.kind == "key"]
    ['chat']
    """
    found = [Guarded("state", path) for path in _state(workspace)]
    found += [Guarded("rows", workspace.restricted)]
    found += [Guarded("key", path) for path in _keys(workspace, passports)]
    return list(dict.fromkeys(found))


def open_to_others(guarded: Sequence[Guarded]) -> list[list[str]] | str:
    """Return what names a run: what is open to others now, so that a run after it was closed is another one."""
    try:
        return [[one.kind, one.says] for one in loose(guarded)]
    except OSError as problem:
        return type(problem).__name__  # the measurement says what is wrong


def _state(workspace: Workspace) -> Iterator[Path]:
    yield from (workspace.made, workspace.made / "switch", workspace.made / "kept")
    if workspace.state_url.startswith(_SQLITE):
        database = Path(workspace.state_url.removeprefix(_SQLITE))
        yield from (database.parent, database, *(database.with_name(database.name + end) for end in ("-wal", "-shm")))
    with suppress(RoadworthyError):  # evidence that lies in no folder is no file of this machine
        yield workspace.evidence


def _keys(workspace: Workspace, passports: Sequence[Passport]) -> Iterator[Path]:
    alerts = workspace.settings.alerts
    references: list[str | None] = [*alerts.owner, *alerts.guardian, *alerts.operator, workspace.settings.switch.token]
    with suppress(RoadworthyError):  # `passport lint` speaks about people
        references += [person.contact for person in workspace.people().people]
    for passport in passports:
        if passport.intake is not None:
            references += [passport.intake.key, *passport.intake.old_keys]
        if passport.endpoint is not None and passport.endpoint.credentials is not None:
            references.append(passport.endpoint.credentials.secret)
    for reference in references:
        if reference is not None and reference.startswith("file:"):
            with suppress(RuntimeError):  # no such home: whoever needs the secret says so
                yield workspace.root / Path(reference.removeprefix("file:")).expanduser()
