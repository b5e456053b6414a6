"""One opinion on one file: what it is, whether that is what was declared, and what was found in it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from checks.auditor import pickles
from checks.auditor.archives import audit_skops
from checks.auditor.compressed import packed_as, unpacked
from checks.auditor.ground import Bounds, Danger
from checks.auditor.plain import audit_json, audit_onnx, audit_safetensors, audit_text

SAFE_FORMATS = ("skops", "onnx", "safetensors", "json", "text")
"""Formats that hold no program, so that loading them runs none."""
VERSION = 1
"""Raised whenever the same file may get another opinion."""
_READERS: dict[str, Callable[[bytes, Bounds], int]] = {
    "skops": audit_skops, "onnx": audit_onnx, "safetensors": audit_safetensors, "json": audit_json, "text": audit_text,
}


@dataclass(frozen=True)
class Opinion:
    """What the auditor says of a file.

    Attributes
    ----------
    found : str
        What the bytes are: a format, or ``pickle``, ``packed pickle``, ``archive``, ``unknown``.
    clean : bool
        Whether it was read to its end and nothing was found that may run, hides, or cannot be read for certain.
    said : str
        What was found, in a sentence; empty if it is clean.
    steps : int
        How many opcodes, values or operators were looked at; 0 if it is not clean.
    """

    found: str
    clean: bool
    said: str = ""
    steps: int = 0


def opinion_of(content: bytes, declared: str, bounds: Bounds | None = None, also: Collection[str] = ()) -> Opinion:
    """Look through a file as the format says that it is declared to be.

    Parameters
    ----------
    content : bytes
    declared : str
        A format of the passport.
    bounds : Bounds, optional
    also : collection of str
        What a pickle may name besides the list, each as ``module:Class``.

    Examples
    --------
    >>> opinion_of(b'{"weights": [1]}', "json")
    Opinion(found='json', clean=True, said='', steps=16)
    >>> opinion_of(b'{"weights": [1]}', "skops").said
    'It is no archive from its first byte to its last.'
    """
    bounds = bounds or Bounds()
    found = kind_of(content)
    try:
        if len(content) > bounds.content:
            raise Danger(f"It is larger than {bounds.content:,} bytes.")
        if declared in ("pickle", "joblib"):
            _, steps = audited_pickle(content, declared, bounds, also)
            return Opinion(found, True, steps=steps)
        reader = _READERS.get(declared)
        if reader is None:
            raise Danger("It is of a format that is not looked into here.")
        steps = reader(content, bounds)
        return Opinion(declared, True, steps=steps)
    except Danger as danger:
        return Opinion(found, False, danger.sentence)


def audited_pickle(
    content: bytes, declared: str, bounds: Bounds | None = None, also: Collection[str] = ()
) -> tuple[bytes, int]:
    """Return the very bytes of a pickle that were followed to their end, unpacked, and how many opcodes they have.

    Whoever loads must load these: what is unpacked once more could be unpacked otherwise.

    Parameters
    ----------
    content : bytes
    declared : {"pickle", "joblib"}
    bounds : Bounds, optional
    also : collection of str
        See `opinion_of`.

    Raises
    ------
    Danger
        If it is not clean.
    """
    bounds = bounds or Bounds()
    joblib = declared == "joblib"
    if joblib:
        content = unpacked(content, bounds.content)
    if not content.startswith(b"\x80"):
        raise Danger("It does not begin as a pickle of today does.")
    return content, pickles.audit(content, bounds, joblib=joblib, also=also)


def kind_of(content: bytes) -> str:
    """Return what the first bytes of a file say that it is; what has no mark of its own is ``unknown``.

    Examples
    --------
    >>> kind_of(bytes([0x80, 4, 0x95])), kind_of(b"PK" + bytes([3, 4])), kind_of(b"{}")
    ('pickle', 'archive', 'unknown')
    """
    if content[:1] == b"\x80" and content[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return "pickle"
    if content.startswith(b"PK"):
        return "archive"
    try:
        return "packed pickle" if packed_as(content) else "unknown"
    except Danger:
        return "packed pickle"
