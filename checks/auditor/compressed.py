"""Unpack what joblib has compressed, to a bounded size, and refuse what is packed in a way that nobody here can look into."""

from __future__ import annotations

import bz2
import lzma
import zlib
from typing import Protocol

from checks.auditor.ground import Danger

_CHUNK = 1 << 20
_MEMORY = 256 << 20
_UNREADABLE = {b"\x04\x22\x4d\x18": "lz4", b"ZF": "an old form of joblib's zlib", b"\x28\xb5\x2f\xfd": "zstd"}


class _Unpacker(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Zlib:
    """`zlib`'s own object, asked as those of `bz2` and `lzma` are: what it has not yet looked at is its own affair."""

    def __init__(self, bits: int) -> None:
        self._object, self._left = zlib.decompressobj(bits), b""

    @property
    def eof(self) -> bool:
        return self._object.eof

    @property
    def unused_data(self) -> bytes:
        return self._object.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._left

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        made = self._object.decompress(self._left + data, max(max_length, 0))
        self._left = self._object.unconsumed_tail
        return made


def packed_as(content: bytes) -> str:
    """Return how joblib would unpack the file, or an empty text if it is not packed.

    Raises
    ------
    Danger
        If it is packed in a way that is not read here.

    Examples
    --------
    >>> packed_as(zlib.compress(b"model")), packed_as(bytes([0x80, 4]))
    ('zlib', '')
    """
    for magic, name in _UNREADABLE.items():
        if content.startswith(magic):
            raise Danger(f"It is packed as {name}, which is not looked into here.", "Store it without compression.")
    packings = {
        b"\x78": "zlib", b"\x1f\x8b": "gzip", b"BZ": "bz2", b"\xfd\x37\x7a\x58\x5a": "xz", b"\x5d\x00": "lzma",
    }
    return next((name for magic, name in packings.items() if content.startswith(magic)), "")


def unpacked(content: bytes, most: int) -> bytes:
    """Return the content, unpacked if it is packed.

    Parameters
    ----------
    content : bytes
    most : int
        Bytes; one that would become larger is refused before it does.

    Raises
    ------
    Danger
        If it is too large, damaged, or followed by other bytes.
    """
    packing = packed_as(content)
    if not packing:
        return content
    made: list[bytes] = []
    size = 0
    try:
        unpacker = _unpacker(packing)
        place = 0
        while not unpacker.eof:
            hungry = getattr(unpacker, "needs_input", True)
            piece = content[place : place + _CHUNK] if hungry else b""
            place += len(piece)
            made.append(unpacker.decompress(piece, _CHUNK))
            if hungry and not piece and not made[-1] and not unpacker.eof:
                raise Danger(f"It ends in the middle of what is packed as {packing}.")
            size += len(made[-1])
            if size > most:
                raise Danger(f"It unpacks to more than {most:,} bytes.")
    except (zlib.error, OSError, EOFError, ValueError, lzma.LZMAError) as problem:
        raise Danger(f"It is damaged: what is packed as {packing} cannot be unpacked.") from problem
    if unpacker.unused_data or place < len(content):
        raise Danger(f"Other bytes follow what is packed as {packing}.")
    return b"".join(made)


def _unpacker(packing: str) -> _Unpacker:
    if packing in ("zlib", "gzip"):
        return _Zlib(15 if packing == "zlib" else 31)
    if packing == "bz2":
        return bz2.BZ2Decompressor()
    return lzma.LZMADecompressor(lzma.FORMAT_XZ if packing == "xz" else lzma.FORMAT_ALONE, memlimit=_MEMORY)
