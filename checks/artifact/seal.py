"""Whether a signature of OpenSSF model-signing holds: read here to the end, and by the library too where that is installed.

A signature is a Sigstore bundle: a DSSE envelope around an in-toto statement, which lists each file with its digest. A key that
the passport names needs no certificate, no log and no network, so `cryptography` is enough to verify it. The library brings a
client for all three (seventeen packages); it is an extra, and where it is there it must agree.

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

VERSION = 2
"""Of what is asked of a signature; an answer to another question is not taken for this one's."""
_BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_STATEMENT = "https://in-toto.io/Statement/v1"
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
        found = _read(bundle)
        envelope = found["dsseEnvelope"]
        (one,) = envelope["signatures"]
        payload, signature = (base64.b64decode(text, validate=True) for text in (envelope["payload"], one["sig"]))
        hint = found["verificationMaterial"].get("publicKey", {}).get("hint", "")
        if found["mediaType"] != _BUNDLE or envelope["payloadType"] != _PAYLOAD or not isinstance(hint, str):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, binascii.Error) as problem:
        raise Broken("It is no signature of model-signing.") from problem
    return payload, signature, hint


def _read(content: bytes) -> Any:
    """Return JSON; a name that stands twice is refused, because two readers may believe two different ones."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError
        return found

    return json.loads(content, object_pairs_hook=once)


def _resources(payload: bytes) -> dict[str, str]:
    """Return the digest of each file that is signed; what the statement says of itself must agree."""
    try:
        statement = _read(payload)
        predicate = statement["predicate"]
        (subject,) = statement["subject"]
        told = predicate["serialization"]
        listed = [(one["name"], one["digest"]) for one in predicate["resources"] if one["algorithm"] == "sha256"]
        digests = [bytes.fromhex(digest) for _, digest in listed]
        agrees = subject["digest"]["sha256"] == hashlib.sha256(b"".join(digests)).hexdigest()
        plain = (statement["_type"], statement["predicateType"], told["method"]) == (_STATEMENT, _PREDICATE, "files")
        whole = 0 < len(listed) == len(predicate["resources"]) and {len(one) for one in digests} == {hashlib.sha256().digest_size}
    except (ValueError, KeyError, TypeError, RecursionError) as problem:
        raise Broken("What is signed is no list of files.") from problem
    found = {name: digest for name, digest in listed if isinstance(name, str)}
    if not plain or not whole or len(found) != len(listed):
        raise Broken("What is signed is no list of files with their SHA-256.")
    if not agrees:
        raise Broken("The digest of the whole is not that of the files that are listed.")
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


def library_agrees(model: Path, bundle: Path, key: Path) -> bool:
    """Return True if model-signing holds the signature for good too, and False if it is not installed.

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
