"""Read the list of parts of a model and its environment: CycloneDX or SPDX, in JSON."""

from __future__ import annotations

import json
from typing import Any, NamedTuple


class Unlisted(Exception):
    """The file is no list of parts: a sentence why."""


class Parts(NamedTuple):
    """What a list of parts says of itself: its standard, and how many parts it names."""

    standard: str
    named: int


def read(content: bytes) -> Parts:
    """Return the standard of a list of parts and how many it names.

    Raises
    ------
    Unlisted
        If it is of a shape that is not known, or names no part.

    Examples
    --------
    >>> read(b'{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"type": "library", "name": "numpy"}]}')
    Parts(standard='CycloneDX 1.6', named=1)
    """
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as problem:
        raise Unlisted("It cannot be read as JSON.") from problem
    standard, parts = _of(found)
    if not isinstance(parts, list) or not all(isinstance(one, dict) for one in parts):
        raise Unlisted(f"It is no {standard} that is known here.")
    if not parts:
        raise Unlisted("It names no part.")
    return Parts(standard, len(parts))


def _of(found: Any) -> tuple[str, Any]:
    if isinstance(found, dict):
        if found.get("bomFormat") == "CycloneDX" and isinstance(found.get("specVersion"), str):
            return f"CycloneDX {found['specVersion'][:10]}", found.get("components")
        if isinstance(found.get("spdxVersion"), str):
            return found["spdxVersion"][:10], found.get("packages")
        if "spdx.org" in str(found.get("@context")):
            graph = found.get("@graph")
            packages = [one for one in graph if isinstance(one, dict) and str(one.get("type")).endswith("Package")] if isinstance(
                graph, list
            ) else None
            return "SPDX 3", packages
    raise Unlisted("It is neither CycloneDX nor SPDX in JSON.")
