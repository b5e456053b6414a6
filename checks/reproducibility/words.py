"""Names of other people's files, columns and settings in a sentence."""

from __future__ import annotations

from collections.abc import Sequence

NAMED = 5
_LONGEST = 80


def shown(name: str) -> str:
    r"""Return a name for a sentence: printable characters only, and not too long.

    Examples
    --------
    >>> shown("a\nb\x1b[31m"), len(shown("x" * 200))
    ('a?b?[31m', 80)
    """
    kept = printable(name)
    return kept if len(kept) <= _LONGEST else f"{kept[: _LONGEST - 3]}..."


def printable(text: str) -> str:
    """Return text with a question mark for each character that a terminal or a page might obey."""
    return "".join(c if c.isprintable() else "?" for c in text)


def listed(parts: Sequence[str], most: int = NAMED) -> str:
    """Return parts as a list in words, the first few of them.

    Examples
    --------
    >>> listed(["a", "b"]), listed(["a", "b", "c"], 2)
    ('a; b', 'a; b; and 1 more')
    """
    more = [f"and {len(parts) - most} more"] if len(parts) > most else []
    return "; ".join([*parts[:most], *more])
