"""A job that loads a model and says only what it is: whether an artifact can be run here at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from checks.isolation import artifact, walls

if TYPE_CHECKING:
    import pyarrow as pa


def main(
    order: dict[str, Any], tables: dict[str, pa.Table], files: dict[str, Path]
) -> tuple[dict[str, Any], dict[str, pa.Table]]:
    """Return the type of the model in ``files["artifact"]``, None without one, and what walls stand; tables as they came."""
    loaded = None
    if "artifact" in files:
        kind = type(artifact.load(files["artifact"], order))
        loaded = f"{kind.__module__}.{kind.__qualname__}"[:200]
    return {"loaded": loaded, "walls": list(walls.standing())}, tables
