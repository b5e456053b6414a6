"""Pseudonyms of many values: the hashing alone, by Python's standard library, here or in a process beside.

One Python process hashes values one after another and lets nothing else happen meanwhile. Where there are millions, a process of
its own does it: ``python -I -m roadworthy.coding``, which is told the key on its input and keeps nothing.
"""

from __future__ import annotations

import hashlib
import struct
import subprocess
import sys
from array import array
from collections.abc import Iterable
from itertools import pairwise
from typing import IO

WIDTH = 64
"""Characters of a pseudonym."""
KEYS = 64
"""Bytes of each of the two padded keys."""
_ORDER = struct.Struct("<QQQ")
_INT = array("i")
_AT_ONCE = 8192
"""Values of which the process beside holds more than their bytes; they fit into a processor's cache."""


def joined(inner: bytes, outer: bytes, scope: bytes, values: Iterable[bytes]) -> bytes:
    """Return HMAC-SHA-256 of ``scope 0x00 value`` for each value, as hexadecimal digits one after another.

    Parameters
    ----------
    inner, outer : bytes
        The key, padded to a block and combined with the two pads of RFC 2104.
    scope : bytes
    values : iterable of bytes

    Examples
    --------
    >>> import hmac
    >>> inner, outer = (bytes(b ^ pad for b in b"k".ljust(KEYS, bytes(1))) for pad in (0x36, 0x5C))
    >>> joined(inner, outer, b"s", [b"x"]).decode() == hmac.new(b"k", b"s" + bytes(1) + b"x", "sha256").hexdigest()
    True
    """
    # The blocks of the key are digested once and copied, which is what makes it fast.
    begin, end = hashlib.sha256(inner + scope + b"\x00").copy, hashlib.sha256(outer).copy
    found: list[bytes] = []
    for value in values:
        first, second = begin(), end()
        first.update(value)
        second.update(first.digest())
        found.append(second.digest())
    return b"".join(found).hex().encode()


class Beside:
    """A process that makes pseudonyms under one key, until it is closed or this process ends, in whatever way.

    Raises
    ------
    OSError, EOFError
        From any use, if the process could not be started or has ended.
    """

    def __init__(self, inner: bytes, outer: bytes) -> None:
        command = [sys.executable, "-I", "-m", "roadworthy.coding"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={}, start_new_session=True,
        )
        self._send(inner + outer)

    def joined(self, scope: bytes, ends: memoryview, data: memoryview) -> bytes:
        """Return what `joined` does.

        Parameters
        ----------
        scope : bytes
        ends : memoryview
            Of 32-bit integers: where in `data` each value begins, and where the last one ends.
        data : memoryview
        """
        self._send(_ORDER.pack(len(scope), ends.nbytes, data.nbytes), scope, ends, data)
        return _exactly(self._process.stdout, (ends.nbytes // _INT.itemsize - 1) * WIDTH)

    def _send(self, *pieces: bytes | memoryview) -> None:
        into = self._process.stdin
        if into is None:
            raise OSError("no pipe")
        for piece in pieces:
            into.write(piece)
        into.flush()

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


def _exactly(source: IO[bytes] | None, size: int) -> bytes:
    found = source.read(size) if source is not None and size else b""
    if len(found) < size:
        raise EOFError
    return found


def main(source: IO[bytes], target: IO[bytes]) -> None:
    """Answer on `target` what comes on `source`, until it ends."""
    try:
        inner, outer = _exactly(source, KEYS), _exactly(source, KEYS)
        while True:
            scope, ends, data = (_exactly(source, size) for size in _ORDER.unpack(_exactly(source, _ORDER.size)))
            at = array("i", ends)
            for begin in range(0, len(at) - 1, _AT_ONCE):
                some = pairwise(at[begin : begin + _AT_ONCE + 1])
                target.write(joined(inner, outer, scope, [data[a:b] for a, b in some]))
            target.flush()
    except EOFError:
        return


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer)
