"""What a service tells its guards: the whole switch in canonical bytes, signed, with proof of how old it is.

The content holds no reasons and no names. Its age is signed for one request at a time, with the nonce that the request brought:
neither a proxy nor a recording can make an old answer look young, and no clock but the reader's own stopwatch takes part.
The formats are in docs/switch-protocol.md.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roadworthy.canonical import canonical_json, digest_bytes
from roadworthy.errors import RefusedError, StorageError, UsageError
from roadworthy.switch import terms
from roadworthy.switch.files import ACTIVE, Stop
from roadworthy.switch.store import Stored

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SNAPSHOT = b"roadworthy-snapshot-v1\n"
FRESH = b"roadworthy-fresh-v1\n"
NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}")
#: How many seconds a reader may go on by what it read, by risk tier.
BOUNDS: Mapping[str, int] = {"high": 15, "limited": 300, "minimal": 3600}


def content(stored: Stored, lines: Sequence[Stop], bounds: Mapping[str, int] = BOUNDS) -> bytes:
    """Return the switch as canonical JSON; the same switch gives the same bytes.

    Parameters
    ----------
    stored : Stored
        The database's side.
    lines : sequence of Stop
        The STOP files' side.
    bounds : mapping of tier to int
        Seconds.

    Examples
    --------
    >>> content(Stored(), [])[:60]
    b'{"bounds":{"high":15,"limited":300,"minimal":3600},"epoch":1'
    """
    stops: list[dict[str, Any]] = []
    for row in stored.rows:
        one = stored.terms.get(row.stop.key)
        ends = one if one is not None and one.fence == row.fence and one.until else None
        if row.stop.state != ACTIVE or ends is not None:
            stops.append(_stop(row.stop, row.fence, ends))
    stops += [_stop(line, 0, None) for line in lines]
    service: dict[str, dict[str, Any]] = {}
    for version in stored.service:
        said = {"tier": version.tier, "fallback": version.fallback, "lease_until": version.lease_until}
        service.setdefault(version.model, {})[version.version] = said
    order = ("model", "version", "segment", "state", "since", "fence")
    unique = {canonical_json(stop): stop for stop in stops}
    return canonical_json(
        {
            "schema_version": 1, "epoch": stored.epoch, "sequence": stored.sequence, "bounds": dict(bounds), "service": service,
            "stops": sorted(unique.values(), key=lambda stop: [str(stop[name]) for name in order]),
        }
    )


def _stop(stop: Stop, fence: int, ends: terms.Terms | None) -> dict[str, Any]:
    return {
        "model": stop.model, "version": stop.version, "segment": stop.segment, "state": stop.state, "since": stop.at,
        "fence": fence, "until": ends.until if ends else "", "then_state": ends.then_state if ends else "",
    }


@dataclass(frozen=True, slots=True)
class Signed:
    """A content with its signature, its digest and its ETag."""

    content: bytes
    digest: str
    epoch: int
    sequence: int
    body: bytes

    @property
    def etag(self) -> str:
        """The digest, quoted."""
        return f'"{self.digest}"'


class Signer:
    """Signs snapshots and their freshness with the service's own key.

    Parameters
    ----------
    key : Ed25519PrivateKey
    """

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        raw = key.public_key().public_bytes_raw()
        self.public = base64.b64encode(raw).decode("ascii")
        self.keyid = hashlib.sha256(raw).hexdigest()[:16]

    @classmethod
    def load(cls, path: Path) -> Signer:
        """Read the service's key: PEM, not encrypted because nobody is there to type, readable by its owner only.

        Raises
        ------
        UsageError
            If there is none.
        RefusedError
            If others may read it, or it is no Ed25519 key.
        """
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            mode, pem = path.stat().st_mode, path.read_bytes()
        except OSError as problem:
            said = f"The service's key {path} cannot be read ({problem.strerror})."
            raise UsageError(said, f"Make one: roadworthy switch key {path}") from problem
        if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
            raise RefusedError(f"The service's key {path} may be read by others.", f"Run: chmod 600 {path}")
        try:
            key = load_pem_private_key(pem, None)
        except (ValueError, TypeError):
            raise RefusedError(f"{path} is not an unencrypted private key in PEM.") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise RefusedError(f"{path} is not an Ed25519 key.")
        return cls(key)

    @classmethod
    def make(cls, path: Path) -> Signer:
        """Make the service's key and write it to a new file that only its owner can read."""
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        key = Ed25519PrivateKey.generate()
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise UsageError(f"{path} exists already.", "Name a new file; a key is never written over.") from None
        except OSError as problem:
            said = f"The key could not be written to {path} ({problem.strerror})."
            raise StorageError(said, "Name another place.") from problem
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
        return cls(key)

    def sign_bytes(self, data: bytes) -> bytes:
        """Return the signature of exactly these bytes, which must begin with the words that say what they are for."""
        return self._key.sign(data)

    def is_mine(self, data: bytes, signature: bytes) -> bool:
        """Say whether this key made a signature."""
        from cryptography.exceptions import InvalidSignature

        try:
            self._key.public_key().verify(signature, data)
        except InvalidSignature:
            return False
        return True

    def sign(self, content: bytes, epoch: int, sequence: int) -> Signed:
        """Sign a content; once for each change."""
        signature = base64.b64encode(self._key.sign(SNAPSHOT + content)).decode("ascii")
        said = {"content": _url(content), "keyid": self.keyid, "signature": signature}
        return Signed(content, digest_bytes(content), epoch, sequence, canonical_json(said))

    def fresh(self, signed: Signed, *, nonce: str, age_ms: int, time: str) -> str:
        """Sign how old a content is, for the request that brought `nonce`.

        Parameters
        ----------
        signed : Signed
        nonce : str
            16 to 64 characters of the URL-safe base64 alphabet.
        age_ms : int
            Milliseconds since the store was read, by a monotonic clock.
        time : str
            The service's wall clock, UTC.

        Returns
        -------
        str
            The value of the header ``Roadworthy-Fresh``.
        """
        if not NONCE.fullmatch(nonce):
            raise ValueError("a nonce is 16 to 64 characters of A-Z a-z 0-9 _ -")
        said = canonical_json(
            {
                "digest": signed.digest, "epoch": signed.epoch, "sequence": signed.sequence, "keyid": self.keyid,
                "nonce": nonce, "age_ms": age_ms, "time": time,
            }
        )
        return f"{_url(said)}.{_url(self._key.sign(FRESH + said))}"


def _url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
