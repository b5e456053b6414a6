"""What a guard keeps on disk between two starts: written whole or not at all, and readable by its owner only."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from roadworthy_guard import words
from roadworthy_guard.clock import Clock, boot
from roadworthy_guard.snapshot import GARBAGE, Fresh, Ignored, Snapshot, envelope, fits, fresh


class Kept:
    """A file that holds one JSON object.

    Parameters
    ----------
    path : pathlib.Path
        Its folder is made if it is missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, Any] | None:
        """Return what is there; None if there is no file.

        Raises
        ------
        OSError
            If it cannot be read.
        ValueError
            If it is not one JSON object of schema_version 1.
        """
        try:
            with self.path.open("rb") as file:
                data = file.read(2 * words.MAX_BYTES)
        except FileNotFoundError:
            return None
        found = words.mapping(words.parse(data))
        if found.get("schema_version") != 1:
            raise ValueError("its schema_version is not 1")
        return found

    def write(self, value: Mapping[str, Any]) -> None:
        """Replace the file in one step.

        Raises
        ------
        OSError
            If it cannot be written; what was there before is still there.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_name(f".{self.path.name}.{os.urandom(8).hex()}.tmp")
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(words.canonical({"schema_version": 1, **value}))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise


class KeptEnvelope:
    """The last envelope that the service sent, with what is needed to know its age after a new start.

    Parameters
    ----------
    kept : Kept
    keys : mapping
        The pinned keys; the file is believed no more than the wire.
    clock : Clock
    """

    def __init__(self, kept: Kept, keys: Mapping[str, Ed25519PublicKey], clock: Clock) -> None:
        self._kept = kept
        self._keys = keys
        self._clock = clock
        self._boot = boot()

    def read(self) -> Snapshot | None:
        """Return what was kept, unconfirmed; None if nothing was.

        Its age is counted by the clock that cannot be set if the machine has not been started anew since. Otherwise the
        wall's clock is asked; one that is behind the token makes it infinitely old.

        Raises
        ------
        Ignored
            If the file cannot be believed.
        OSError
            If it cannot be read.
        """
        try:
            found = self._kept.read()
            if found is None:
                return None
            body, header = words.text(found.get("envelope"), 2 * words.MAX_BYTES), words.text(found.get("fresh"), 4096)
            same_boot = self._boot != "" and found.get("boot") == self._boot
            ticks = words.whole(found.get("ticks_ms")) / 1000
        except ValueError as problem:
            raise Ignored(GARBAGE, f"{self._kept.path} cannot be understood: {problem}.") from None
        content, token = envelope(body.encode(), self._keys), fresh(header, self._keys, None)
        fits(content, token)
        return Snapshot(content, self._clock.ticks(), self._age(token, ticks, same_boot), token.moment, confirmed=False)

    def _age(self, token: Fresh, ticks: float, same_boot: bool) -> float:
        now = self._clock.ticks()
        passed = now - ticks if same_boot and now >= ticks else self._clock.wall() - token.moment
        return token.age + passed if passed >= 0 else math.inf

    def write(self, body: bytes, header: str, sent: float) -> None:
        """Keep an envelope that was verified, its token, and the ticks at which it was asked for.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        ticks = int(sent * 1000)
        self._kept.write({"envelope": body.decode("ascii"), "fresh": header, "ticks_ms": ticks, "boot": self._boot})
