"""What is computed once and kept: profiles of references, importances, calibrations.

A kept thing is a JSON file named by the SHA-256 of its bytes. The ledger says which address belongs to which inputs, so a file
that was changed is found when it is read, and a reference that was counted once is the same reference years later. A file
that is gone is computed again.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from roadworthy.canonical import canonical_json, digest_bytes, digest_of, plain
from roadworthy.errors import StorageError, TamperedError
from roadworthy.ledger import Ledger


class Kept:
    """A folder of kept things and the ledger that vouches for them.

    Parameters
    ----------
    folder : pathlib.Path
        Made when the first thing is kept.
    ledger : Ledger
    model, version : str
        Whose things they are; they stand in the ledger's entries.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as name, Ledger.open(f"sqlite:///{name}/state.sqlite") as ledger:
    ...     kept = Kept(Path(name) / "kept", ledger, "credit", "1.0.0")
    ...     kept.put("reference-profile", {"reference": "ab12"}, {"rows": 3})
    ...     kept.get("reference-profile", {"reference": "ab12"}), kept.get("reference-profile", {"reference": "other"})
    ({'rows': 3}, None)
    """

    def __init__(self, folder: Path, ledger: Ledger, model: str, version: str) -> None:
        self.folder, self._ledger, self._model, self._version = folder, ledger, model, version

    def get(self, kind: str, key: Mapping[str, Any]) -> Any | None:
        """Return what was kept under the key, or None if nothing was or its file is gone.

        Raises
        ------
        TamperedError
            If the file is not what the ledger recorded.
        """
        entry = self._ledger.latest("kept", model=self._model, what=kind, of=digest_of(dict(key)))
        if entry is None:
            return None
        path = self.folder / f"{entry.body['sha256']}.json"
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as problem:
            raise StorageError(f"{path} cannot be read ({problem.strerror}).", "Check the disk and its permissions.") from None
        if digest_bytes(content) != entry.body["sha256"]:
            raise TamperedError(
                f"{path} is not what entry {entry.seq} of the ledger recorded.", "Delete the file; it is computed again."
            )
        return json.loads(content)

    def put(self, kind: str, key: Mapping[str, Any], content: Any) -> None:
        """Keep JSON values under the key; what was kept under it before is superseded in the ledger."""
        data = canonical_json(plain(content))
        address, of = digest_bytes(data), digest_of(dict(key))
        path = self.folder / f"{address}.json"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.folder, prefix=".", suffix=".part", delete=False) as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(file.name).replace(path)
        except OSError as problem:
            raise StorageError(f"{path} cannot be written ({problem.strerror}).", "Check disk space and permissions.") from None
        body = {"model": self._model, "version": self._version, "what": kind, "of": of, "sha256": address}
        self._ledger.append("kept", "automation", body, at=datetime.now(UTC), key=f"kept:{self._model}:{kind}:{of}:{address}")
