"""What every auditor shares: the bounds of its patience, and the one way to say no."""

from __future__ import annotations

import re
from dataclasses import dataclass

from roadworthy.errors import RoadworthyError


class Danger(RoadworthyError):
    """Something in the file that may run, hides, or cannot be read for certain: a sentence that says what, and where."""


@dataclass(frozen=True)
class Bounds:
    """How much of a file is looked at before it is refused for its size.

    Attributes
    ----------
    content : int
        Bytes of the file, and of all that is packed in it once it is unpacked.
    steps : int
        Opcodes of a pickle, and values of a JSON text.
    members : int
        Files in an archive.
    """

    content: int = 1 << 30
    steps: int = 5_000_000
    members: int = 100_000


def shown(text: str, most: int = 80) -> str:
    """Return a name that a file holds as it may stand in a sentence: short, and without anything but plain characters.

    Examples
    --------
    >>> shown("os:sys" + chr(27) + "tem")
    "'os:sys?tem'"
    """
    plain = re.sub(r"[^\x21-\x7e ]", "?", text[: most + 1])
    return f"'{plain[:most]}...'" if len(text) > most else f"'{plain}'"
