"""Ed25519 signatures of people: keys made and kept on the person's side, signatures over exact bytes.

>>> from tempfile import TemporaryDirectory
>>> from pathlib import Path
>>> with TemporaryDirectory() as folder:
...     public = generate(Path(folder) / "ada.pem", b"correct horse")
...     signature = sign(load_private(Path(folder) / "ada.pem", b"correct horse"), b"what is signed")
>>> is_signed_by(public, b"what is signed", signature), is_signed_by(public, b"something else", signature)
(True, False)
"""

from __future__ import annotations

import base64
import binascii
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from roadworthy.errors import RefusedError, StorageError, UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def generate(path: Path, passphrase: bytes) -> str:
    """Make a key pair; write the private key to `path`, encrypted and readable by its owner only.

    Parameters
    ----------
    path : pathlib.Path
        A new file; one that exists is never written over.
    passphrase : bytes
        At least 8 bytes.

    Returns
    -------
    str
        The public key as ``people.yaml`` wants it: base64 of the 32 raw bytes.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if len(passphrase) < 8:
        raise UsageError("A private key needs a passphrase of at least 8 characters.", "Use a sentence.")
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(passphrase)
    )
    try:
        # Created with its final mode, so there is no moment in which others could read it.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageError(f"{path} exists already.", "Name a new file; a key is never written over.") from None
    except OSError as problem:
        raise StorageError(f"The key could not be written to {path} ({problem.strerror}).", "Name another place.") from problem
    with os.fdopen(handle, "wb") as file:
        file.write(pem)
    return public_of(key)


def load_private(path: Path, passphrase: bytes) -> Ed25519PrivateKey:
    """Read a private key that `generate` wrote.

    Raises
    ------
    RefusedError
        If others may read the file, the passphrase is wrong, or it is not an encrypted Ed25519 key.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        mode, pem = path.stat().st_mode, path.read_bytes()
    except OSError as problem:
        raise UsageError(f"The key {path} cannot be read ({problem.strerror}).", "Name your private key.") from problem
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise RefusedError(f"The key {path} may be read by others (mode {stat.S_IMODE(mode):04o}).", f"Run: chmod 600 {path}")
    try:
        key = load_pem_private_key(pem, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise RefusedError(f"The key {path} does not open: it is not an encrypted key, or the passphrase is wrong.") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise RefusedError(f"The key {path} is not an Ed25519 key.", "Make one with 'generate'.")
    return key


def public_of(key: Ed25519PrivateKey) -> str:
    """Return the public key of `key`, base64 of the 32 raw bytes."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode("ascii")


def sign(key: Ed25519PrivateKey, data: bytes) -> str:
    """Return the signature of exactly these bytes, base64."""
    return base64.b64encode(key.sign(data)).decode("ascii")


def is_signed_by(public_key: str, data: bytes, signature: str) -> bool:
    """Say whether `signature` was made over `data` by the owner of `public_key`; anything malformed is no signature."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key, validate=True))
        key.verify(base64.b64decode(signature.strip(), validate=True), data)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True
