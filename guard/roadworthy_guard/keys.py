"""Ed25519 public keys that are pinned, and signatures checked with them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from roadworthy_guard.decision import GuardError
from roadworthy_guard.words import from_base64


def keyid(raw: bytes) -> str:
    """Return the first 16 hex digits of the SHA-256 of a raw public key.

    Examples
    --------
    >>> keyid(bytes(32))
    '66687aadf862bd77'
    """
    return hashlib.sha256(raw).hexdigest()[:16]


def pinned(keys: Iterable[str]) -> Mapping[str, Ed25519PublicKey]:
    """Return the keys by their id.

    Parameters
    ----------
    keys : iterable of str
        Base64 of the 32 raw bytes. More than one while a key is being replaced.

    Raises
    ------
    GuardError
        If there is none, or one is not a key.
    """
    found = {}
    if isinstance(keys, str):
        raise GuardError("'keys' is a text. Give a list of public keys.")
    for text in keys:
        try:
            raw = from_base64(text, 32)
            found[keyid(raw)] = Ed25519PublicKey.from_public_bytes(raw)
        except ValueError as problem:
            said = f"A pinned key cannot be used: {problem}. Give base64 of the 32 raw bytes of an Ed25519 key."
            raise GuardError(said) from None
    if not found:
        raise GuardError("No key is pinned. Name the public key of the switch service in 'keys'.")
    return found


def verifies(key: Ed25519PublicKey | None, signature: bytes, signed: bytes) -> bool:
    """Say whether `signature` over `signed` was made with `key`."""
    if key is None:
        return False
    try:
        key.verify(signature, signed)
    except InvalidSignature:
        return False
    return True
