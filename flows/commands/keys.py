"""What commands that sign have in common: where the passphrase comes from, and what is signed."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import typer

from roadworthy.errors import UsageError
from roadworthy.workspace import Workspace

VARIABLE = "ROADWORTHY_PASSPHRASE"


def passphrase(key: Path, *, new: bool = False) -> bytes:
    """Return the passphrase of a key: from the environment, or asked for where somebody can type it."""
    found = os.environ.get(VARIABLE)
    if found is None:
        found = typer.prompt(f"Passphrase of {key}", hide_input=True, confirmation_prompt=new, err=True)
    return str(found).encode("utf-8", "surrogateescape")


def signed(key: Path | None, domain: bytes, statement: bytes) -> str:
    """Return the signature over exactly these bytes; empty without a key."""
    if key is None:
        return ""
    from roadworthy.signing import load_private, sign

    return sign(load_private(key, passphrase(key)), domain + statement)


def moment_of(text: str, workspace: Workspace) -> datetime:
    """Return the moment that a text names, in UTC; without a zone it is the workspace's.

    Raises
    ------
    UsageError
        If it names none.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"'{text}' is not a moment.", "Write it as 2026-04-09T06:30, or in UTC: 2026-04-09T04:30Z.") from None
    zoned = found if found.tzinfo is not None else found.replace(tzinfo=ZoneInfo(workspace.settings.time_zone))
    return zoned.astimezone(UTC)
