"""What all commands share: where they print, the options that many have, and how a day is written."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import typer
from rich.console import Console

from roadworthy.errors import UsageError

out = Console(soft_wrap=True, highlight=False)
err = Console(stderr=True, soft_wrap=True, highlight=False)

WorkspaceOption = Annotated[
    str | None, typer.Option("--workspace", "-w", help="Whose models: a folder that holds roadworthy.yaml.", show_default=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def day_of(text: str) -> date:
    """Return the day that a text names.

    Raises
    ------
    UsageError
        If it names none.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"'{text}' is not a day.", "Write it as 2026-04-09.") from None
