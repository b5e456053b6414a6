"""The pages of reviewed cases: reasons as JSON for programs, as Markdown for people.

They hold rows, so they lie where `checks.restricted` puts them.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from roadworthy.passport import Passport

_LONGEST = 80
_SPECIAL = re.compile(r"([\\`*_{}\[\]#|~!@]|:(?=//)|(?<=www)\.)")
_PROTECTED = "a protected attribute; a notice may not hide it, and it may be no lawful reason"


@dataclass(frozen=True)
class Reason:
    """One reason of a case.

    Attributes
    ----------
    column, words : str
        The column and the glossary's words for it.
    value, typical : str
        What the case has, and what favourable decisions have; the latter empty where it is not known.
    behind : float
        How far the case falls behind the average of favourable decisions by it, on the scale that is explained.
    protected : bool
        Whether the column is a protected attribute.
    """

    column: str
    words: str
    value: str
    typical: str
    behind: float
    protected: bool


@dataclass(frozen=True)
class Case:
    """One unfavourable decision.

    Attributes
    ----------
    case : int
        Number on the page.
    id : str
        Digest of where the row lies; it leads to no person.
    file : str
    row : int
        Where it lies, for whoever may read the data.
    behind : float
        How far it falls behind the average of favourable decisions by all columns together.
    reasons : list of Reason
        The strongest first; empty if no single column counts against it.
    """

    case: int
    id: str
    file: str
    row: int
    behind: float
    reasons: list[Reason]


def pages(passport: Passport, head: Mapping[str, Any], cases: Sequence[Case]) -> dict[str, bytes]:
    """Return the pages by the ending of their files; the same cases give the same bytes."""
    made = [asdict(case) | {"reasons": [_clean(reason) for reason in case.reasons]} for case in cases]
    text = json.dumps({**head, "cases": made}, ensure_ascii=False, indent=1, sort_keys=True)
    return {"json": f"{text}\n".encode(), "md": ("\n".join(_lines(passport, head, cases)) + "\n").encode()}


def told(reason: Reason) -> str:
    """Say a reason in words.

    Examples
    --------
    >>> told(Reason("duration", "length of the loan in months", "48", "18 in the middle", 0.7, False))
    'length of the loan in months: 48; favourable decisions have 18 in the middle'
    """
    beside = f"; favourable decisions have {reason.typical}" if reason.typical else ""
    return f"{_plain(reason.words)}: {_plain(reason.value)}{_plain(beside, 2 * _LONGEST)}"


def _lines(passport: Passport, head: Mapping[str, Any], cases: Sequence[Case]) -> Iterator[str]:
    yield f"# Reasons for unfavourable decisions: {_escaped(passport.title)} {_escaped(passport.version)}, {head['day']}"
    yield ""
    yield (
        f"For review, not for sending. At most {head['most']} reasons each: the columns by which the score falls furthest behind "
        f"{head['baseline']}. Identifiers are left out."
    )
    if head["explained"] == "surrogate":
        yield ""
        yield f"These are reasons of a copy of the model (fidelity {head['fidelity']:.2f}), not of the model itself."
    for case in cases:
        yield ""
        yield f"## Case {case.case} ({case.id})"
        yield ""
        if not case.reasons:
            yield "No single reason: no column counts against this case more than chance explains."
        for number, reason in enumerate(case.reasons, start=1):
            flag = f" **({_PROTECTED})**" if reason.protected else ""
            yield f"{number}. {_escaped(told(reason))}{flag}"


def _clean(reason: Reason) -> dict[str, Any]:
    """Return a reason as JSON values, with its words."""
    return asdict(reason) | {"value": _plain(reason.value), "typical": _plain(reason.typical), "says": told(reason)}


def _plain(text: str, longest: int = _LONGEST) -> str:
    """Return a text without characters that nobody sees, not too long."""
    seen = "".join(" " if unicodedata.category(c)[0] == "C" else c for c in text)
    return seen if len(seen) <= longest else f"{seen[:longest]}..."


def _escaped(text: str) -> str:
    flat = _plain(text, 4 * _LONGEST).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\1", flat)
