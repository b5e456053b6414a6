"""Who else could read keys and rows, or change the state: the same look as a night takes, with what closes each."""

from __future__ import annotations

from contextlib import suppress

from flows.doctor.check import Check
from flows.guarding import guarded_of
from roadworthy.errors import RoadworthyError
from roadworthy.passport import Passport, read_passport
from roadworthy.permissions import loose
from roadworthy.workspace import Workspace

SHOWN = 8


def kept(workspace: Workspace) -> Check:
    """Say what of the state, the keys and the rows is open to others, with the command that closes it."""
    what = "State, keys and rows"
    passports: list[Passport] = []
    for path in workspace.passports().values():
        with suppress(RoadworthyError):  # `passport lint` speaks about passports
            passports.append(read_passport(path)[0])
    try:
        found = loose(guarded_of(workspace, passports))
    except OSError as problem:
        return Check(what, False, f"Unknown: {problem.filename} cannot be looked at ({problem.strerror}).", "Check its owner.")
    if not found:
        return Check(what, True, "Only you can change the state and read keys and rows.")
    said = "; ".join(one.says for one in found[:SHOWN])
    more = f" And {len(found) - SHOWN} more." if len(found) > SHOWN else ""
    commands = "; ".join(dict.fromkeys(one.do for one in found[:SHOWN]))
    return Check(what, False, f"{said[:1].upper()}{said[1:]}.{more}", f"Run: {commands}")
