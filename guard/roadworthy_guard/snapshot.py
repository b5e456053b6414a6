"""What comes over the wire: the signed envelope, the token that says how young it is, and what is held of both."""

from __future__ import annotations

import hmac
import math
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from roadworthy_guard import clock, words
from roadworthy_guard.content import Content, read
from roadworthy_guard.keys import verifies

SNAPSHOT = b"roadworthy-snapshot-v1\n"
FRESH = b"roadworthy-fresh-v1\n"
GARBAGE, SIGNATURE, STALE, ORDER = "garbage", "signature", "stale", "order"
_MAX_TOKEN = 4096


class Ignored(Exception):
    """Something came that changes nothing.

    Attributes
    ----------
    kind : str
        ``garbage`` (not understood), ``signature`` (by no pinned key), ``stale`` (not an answer to this request) or
        ``order`` (older than what is held).
    """

    def __init__(self, kind: str, why: str) -> None:
        self.kind = kind
        super().__init__(why)


@dataclass(frozen=True, slots=True)
class Fresh:
    """What the service signed of the moment at which it answered.

    Attributes
    ----------
    age : float
        Seconds between its last look at the store and its signature.
    moment : float
        Its wall clock, in seconds since 1970.
    digest : str
        SHA-256 of the content this is about.
    order : tuple of int
        Epoch and sequence.
    """

    age: float
    moment: float
    digest: str
    order: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a guard holds.

    Attributes
    ----------
    content : Content
    sent : float
        Ticks at which the request was sent, or the tables were read.
    aged : float
        Seconds that the content was old already then.
    moment : float
        The present at `sent`, in seconds since 1970.
    confirmed : bool
        False for what was read from the guard's own file.
    """

    content: Content
    sent: float
    aged: float
    moment: float
    confirmed: bool = True

    def age_at(self, ticks: float) -> float:
        """Return how many seconds old it is; infinity if the clock cannot be right."""
        return self.aged + (ticks - self.sent) if ticks >= self.sent else math.inf

    def moment_at(self, ticks: float) -> float:
        """Return the present by the service's clock and the seconds that were counted since."""
        return self.moment + max(0.0, ticks - self.sent)


def envelope(body: bytes, keys: Mapping[str, Ed25519PublicKey]) -> Content:
    """Return the content of a signed envelope.

    Raises
    ------
    Ignored
        If it is not understood, or not signed by a pinned key.
    """
    try:
        found = words.mapping(words.parse(body))
        content, signature = words.from_base64(found.get("content")), words.from_base64(found.get("signature"), 64)
        keyid = words.text(found.get("keyid"))
    except ValueError as problem:
        raise Ignored(GARBAGE, f"The envelope cannot be understood: {problem}.") from None
    if not verifies(keys.get(keyid), signature, SNAPSHOT + content):
        raise Ignored(SIGNATURE, "The snapshot is not signed by a pinned key.")
    try:
        return read(content)
    except ValueError as problem:
        raise Ignored(GARBAGE, f"The snapshot is signed but cannot be understood: {problem}.") from None


def fresh(header: str | None, keys: Mapping[str, Ed25519PublicKey], nonce: str | None) -> Fresh:
    """Return what the token of an answer says.

    Parameters
    ----------
    header : str or None
        ``Roadworthy-Fresh``.
    keys : mapping
    nonce : str or None
        What this very request sent; None to read a token that was kept, and to believe no more than its signature.

    Raises
    ------
    Ignored
        If it is missing, not understood, not signed by a pinned key, or an answer to another request.
    """
    if header is None or len(header) > _MAX_TOKEN or header.count(".") != 1:
        raise Ignored(GARBAGE, "The answer has no token of its age.")
    try:
        said, signature = (words.from_base64(part) for part in header.split("."))
        found = words.mapping(words.parse(said))
        token = Fresh(
            words.whole(found.get("age_ms")) / 1000, clock.parse(found.get("time")), words.text(found.get("digest")),
            (words.whole(found.get("epoch")), words.whole(found.get("sequence"))),
        )
        keyid, heard = words.text(found.get("keyid")), words.text(found.get("nonce"))
    except ValueError as problem:
        raise Ignored(GARBAGE, f"The token of its age cannot be understood: {problem}.") from None
    if nonce is not None and not hmac.compare_digest(heard.encode(), nonce.encode()):
        raise Ignored(STALE, "The token answers another request; a recording or a cache sent it.")
    if not verifies(keys.get(keyid), signature, FRESH + said):
        raise Ignored(SIGNATURE, "The token of its age is not signed by a pinned key.")
    return token


def fits(content: Content, token: Fresh) -> None:
    """Check that a token speaks of this content.

    Raises
    ------
    Ignored
        If it speaks of another.
    """
    if token.digest != content.digest or token.order != content.order:
        raise Ignored(STALE, "The token of its age speaks of another snapshot.")
