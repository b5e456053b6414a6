"""Markdown from data whose every cell may be hostile."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_SPECIAL = re.compile(r"([\\`*_{}\[\]|~$])")
_LEADING = re.compile(r"^([#+=>-]|\d+(?=[.)]\s))")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_AUTOLINK = re.compile(r"(?i)\b(https?|ftp|mailto|www)(?=[:.])")


def escape(text: str, longest: int = 300) -> str:
    r"""Return `text` so that Markdown shows it and does nothing else with it.

    Examples
    --------
    >>> print(escape("a|b <script>\n[x](y)"))
    a\|b &lt;script&gt; \[x\](y)
    """
    flat = _BIDI.sub("", _CONTROL.sub(" ", text)).strip()
    if len(flat) > longest:
        flat = flat[: longest - 1] + "…"
    flat = flat.replace("&", "&amp;")
    flat = _LEADING.sub(lambda m: m[1] + "\u2060" if m[1].isdigit() else "\\" + m[1], _SPECIAL.sub(r"\\\1", flat))
    return _AUTOLINK.sub(lambda m: m[1] + "\u2060", flat.replace("<", "&lt;").replace(">", "&gt;").replace("@", "&#64;"))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    r"""Return a Markdown table of escaped cells.

    Examples
    --------
    >>> print(table(["a", "b"], [["1|2", "x"]]))
    | a | b |
    | --- | --- |
    | 1\|2 | x |
    """
    lines = ["| " + " | ".join(escape(h) for h in head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(escape(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def link(text: str, target: str) -> str:
    """Return a link; a target with anything but the characters of an address is left out.

    Examples
    --------
    >>> link("Card", "https://host/card.html"), link("x", "javascript:alert(1)")
    ('[Card](https://host/card.html)', 'x')
    """
    safe = re.fullmatch(r"(https?|file)://[A-Za-z0-9._~:/?#@!$&*+,;=%-]*", target)
    return f"[{escape(text)}]({target})" if safe else escape(text)
