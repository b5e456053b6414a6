"""Where a database server keeps ledger and switch: reachable, writable, durable, and not readable on the way."""

from __future__ import annotations

from collections.abc import Iterator

from flows.doctor.check import Check
from roadworthy.errors import StorageError
from roadworthy.ledger.probe import probe
from roadworthy.workspace import FILE, Workspace


def server(workspace: Workspace) -> Iterator[Check]:
    """Look at the database server that state_url names. An entry is written for trial and undone."""
    try:
        found = probe(workspace.state_url)
    except StorageError as problem:
        yield Check("State", False, problem.sentence, problem.do)
        return
    yield Check("State", True, f"{found.name} (PostgreSQL {found.version}) can be written.")
    if found.loses:
        said = f"{found.name} may lose what it has acknowledged when its machine fails ({', '.join(found.loses)})."
        yield Check("State's durability", False, said, "Set them to on in postgresql.conf.")
    else:
        yield Check("State's durability", True, "An entry is on disk before it is acknowledged.")
    if found.local or found.encrypted:
        yield Check("State's connection", True, "Under TLS." if found.encrypted else "On this machine.")
    else:
        yield Check("State's connection", False, f"What is read and written at {found.name} goes over the network in the clear.",
                    f"Add sslmode=verify-full to state_url in {FILE}.")
