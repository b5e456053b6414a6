"""JSON and base64 as the protocol has them: one way to write, and nothing that could be read in two ways."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable
from typing import Any

MAX_BYTES = 4 * 1024 * 1024
_MAX_DEPTH = 16


def canonical(value: Any) -> bytes:
    """Return a value as canonical JSON (RFC 8785, for values without fractions).

    Examples
    --------
    >>> canonical({"b": 1, "a": ["x"]})
    b'{"a":["x"],"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def parse(data: bytes) -> Any:
    """Read JSON that comes from elsewhere.

    Raises
    ------
    ValueError
        If it is larger than 4 MB, nested deeper than 16, holds NaN or the same key twice, or is not JSON.

    Examples
    --------
    >>> parse(b'{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ...
    ValueError: a key stands there twice
    """
    if len(data) > MAX_BYTES:
        raise ValueError("it is larger than 4 MB")
    try:
        value = json.loads(data.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_once)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if _depth(value) > _MAX_DEPTH:
        raise ValueError("it is nested too deeply")
    return value


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not a number")


def _once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    pairs = list(pairs)
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key stands there twice")
    return made


def _depth(value: Any) -> int:
    deepest, todo = 0, [(value, 1)]
    while todo and deepest <= _MAX_DEPTH:
        one, level = todo.pop()
        deepest = max(deepest, level)
        if isinstance(one, dict):
            todo += [(inner, level + 1) for inner in one.values()]
        elif isinstance(one, list):
            todo += [(inner, level + 1) for inner in one]
    return deepest


def digest(data: bytes) -> str:
    """Return the SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def from_base64(text: object, size: int | None = None) -> bytes:
    r"""Decode base64, or base64url with or without padding.

    Raises
    ------
    ValueError
        If it is not base64, or not of `size` bytes.

    Examples
    --------
    >>> from_base64("_-8="), from_base64("_-8"), from_base64("/+8=")
    (b'\xff\xef', b'\xff\xef', b'\xff\xef')
    """
    if not isinstance(text, str) or not text.isascii():
        raise ValueError("it is not base64")
    plain = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        data = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except binascii.Error:
        raise ValueError("it is not base64") from None
    if size is not None and len(data) != size:
        raise ValueError(f"it is not {size} bytes long")
    return data


def whole(value: object, least: int = 0) -> int:
    """Return a whole number that SQLite and PostgreSQL can hold.

    Raises
    ------
    ValueError
        If it is something else; true and false are no numbers.
    """
    if type(value) is not int or not least <= value < 2**63:
        raise ValueError("it is not a whole number in range")
    return value


def text(value: object, most: int = 4096) -> str:
    """Return a text of bounded length that is Unicode.

    Raises
    ------
    ValueError
        If it is something else.
    """
    if not isinstance(value, str) or len(value) > most:
        raise ValueError("it is not a text, or too long")
    if not value.isascii():
        value.encode()  # half of a surrogate pair is no text; UnicodeEncodeError is a ValueError
    return value


def mapping(value: object) -> dict[str, Any]:
    """Return an object of JSON.

    Raises
    ------
    ValueError
        If it is something else.
    """
    if not isinstance(value, dict):
        raise ValueError("it is not an object")
    return value


def sequence(value: object) -> list[Any]:
    """Return a list of JSON.

    Raises
    ------
    ValueError
        If it is something else.
    """
    if not isinstance(value, list):
        raise ValueError("it is not a list")
    return value
