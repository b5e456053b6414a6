"""Whether a signature of OpenSSF model-signing holds: refused here on its own account, accepted by the library alone.

A signature is a Sigstore bundle: a DSSE envelope around an in-toto statement, which lists each file with its digest. Whatever is
wrong with it is found with `cryptography` and named, so that an installation without the library still refuses a wrong key or a
changed file. To accept one, the library must have said so too.

References
----------
.. [1] https://github.com/sigstore/model-transparency
.. [2] https://github.com/secure-systems-lab/dsse/blob/master/protocol.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import importlib
import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HOW_TO_INSTALL = "Install it with the extra 'signing': pip install 'roadworthy[signing]'."
_PAYLOAD = "application/vnd.in-toto+json"
_PREDICATE = "https://model_signing/signature/v1.0"
_NAMED = 3


class Broken(Exception):
    """The signature does not hold: a sentence why."""


def check(bundle: bytes, key: bytes, digests: Mapping[str, str]) -> None:
    """Refuse a signature that does not hold over exactly these files.

    Parameters
    ----------
    bundle : bytes
        The signature.
    key : bytes
        The public key in PEM.
    digests : mapping of str to str
        SHA-256 of each file by its path in the folder; of one file alone by ``.``.

    Raises
    ------
    Broken
        With what is wrong, by name.

    Examples
    --------
    >>> check(b"{}", b"", {})
    Traceback (most recent call last):
    checks.artifact.seal.Broken: The public key is no P-256 key in PEM.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    public, payload, signature, hint = _public(key), *_envelope(bundle)
    if hint and hint != _fingerprint(public):
        raise Broken("It was made with another key than the passport names.")
    told = _PAYLOAD.encode()
    signed = b"DSSEv1 %d %b %d %b" % (len(told), told, len(payload), payload)
    try:
        public.verify(signature, signed, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as problem:
        raise Broken("It was made with another key, or changed afterwards.") from problem
    _compare(_resources(payload), digests)


def _public(key: bytes) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        public = load_pem_public_key(key)
    except (ValueError, TypeError, UnsupportedAlgorithm) as problem:
        raise Broken("The public key is no P-256 key in PEM.") from problem
    if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, ec.SECP256R1):
        raise Broken("The public key is no P-256 key in PEM.")
    return public


def _fingerprint(public: Any) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return hashlib.sha256(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _envelope(bundle: bytes) -> tuple[bytes, bytes, str]:
    """Return payload, signature and the fingerprint of the key, which may be empty."""
    try:
        found = json.loads(bundle)
        envelope = found["dsseEnvelope"]
        (one,) = envelope["signatures"]
        payload, signature = (base64.b64decode(text, validate=True) for text in (envelope["payload"], one["sig"]))
        hint = found["verificationMaterial"].get("publicKey", {}).get("hint", "")
        if envelope["payloadType"] != _PAYLOAD or not isinstance(hint, str):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, binascii.Error) as problem:
        raise Broken("It is no signature of model-signing.") from problem
    return payload, signature, hint


def _resources(payload: bytes) -> dict[str, str]:
    try:
        statement = json.loads(payload)
        predicate = statement["predicate"]
        listed = [(one["name"], one["digest"], one["algorithm"]) for one in predicate["resources"]]
        plain = statement["predicateType"] == _PREDICATE and predicate["serialization"]["method"] == "files"
    except (ValueError, KeyError, TypeError, RecursionError) as problem:
        raise Broken("What is signed is no list of files.") from problem
    found = {name: digest for name, digest, kind in listed if kind == "sha256" and isinstance(name, str)}
    if not plain or not listed or len(found) != len(listed):
        raise Broken("What is signed is no list of files with their SHA-256.")
    return found


def _compare(signed: Mapping[str, Any], there: Mapping[str, str]) -> None:
    for said, names in (
        ("is not what was signed", sorted(name for name in signed if name in there and signed[name] != there[name])),
        ("is there and was not signed", sorted(set(there) - set(signed))),
        ("was signed and is not there", sorted(set(signed) - set(there))),
    ):
        if names:
            shown = [ascii(name[:80]) if name != "." else "the artifact" for name in names[:_NAMED]]
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            raise Broken(f"{', '.join(shown)}{more} {said}.")


def library_accepts(model: Path, bundle: Path, key: Path) -> bool:
    """Return True if model-signing accepts the signature, and False if it is not installed.

    Raises
    ------
    Broken
        If it refuses it.
    """
    if importlib.util.find_spec("model_signing") is None:
        return False
    verifying = importlib.import_module("model_signing.verifying")
    try:
        verifying.Config().use_elliptic_key_verifier(public_key=key).verify(model, bundle)
    except Exception as problem:  # it raises whatever its own libraries do
        raise Broken(f"model-signing refuses it ({type(problem).__name__}).") from problem
    return True
