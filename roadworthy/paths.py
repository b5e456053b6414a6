"""Paths that a file of the workspace declares: always inside it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator


def _inside(value: str) -> str:
    if Path(value).is_absolute() or ".." in Path(value).parts:
        raise ValueError(f"the path '{value[:80]}' leaves the workspace; paths are relative to it.")
    return value


Inside = Annotated[str, AfterValidator(_inside)]
"""A path relative to the workspace; whether anything lies there is asked when it is read."""
