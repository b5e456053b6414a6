"""One answer of the doctor."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, whether it is fit, what was found, and what to do where it is not.

    Examples
    --------
    >>> Check("Disk", False, "120 MB are free.", "Free some space.").ok
    False
    """

    what: str
    ok: bool
    says: str
    do: str = ""
