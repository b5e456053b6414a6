"""The one plain sentence about an alarm that its Owner reads, composed from the passport's words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from roadworthy.passport import Passport
from roadworthy.sentences import number

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)
_LONGEST = 60
_WORTH_SAYING = 0.005  # half a point


def plain_sentence(
    passport: Passport, day: date, told: Mapping[str, Any], column: str, share: float, segment: tuple[str, str] | None
) -> str:
    """Say how far the score moved, which column carries most of it, since when, and in which segment.

    Parameters
    ----------
    passport : Passport
    day : date
        The day judged; dates of its year are told without the year.
    told : mapping
        Details of the column's measurement: ``move``, ``carries``, ``unexplained``, ``of``, and where known ``class``, ``since``,
        ``since_before`` and ``estimated_cost``.
    column : str
        The column that carries most.
    share : float
        How much of the move it carries.
    segment : (str, str), optional
        Column and value of the segment that carries most of the move.

    Examples
    --------
    >>> from tests.support import passport_of
    >>> passport = passport_of(glossary={"score": "chance of repayment", "age": "age of the applicant"})
    >>> told = {"of": "score", "move": 0.031, "carries": 0.019, "unexplained": 0.1, "since": "2026-04-03", "since_before": False}
    >>> plain_sentence(passport, date(2026, 4, 9), told, "age", 0.61, ("region", "north"))
    'The chance of repayment moved up by 3.1 points on average; age of the applicant carries about 60 % of that, since 3 April;
     most where region is north.'
    """
    unit = "own" if passport.task.kind == "regression" else "difference"
    of = short(passport.word(told["of"]))
    what = f"share of '{short(str(told['class']))}'" if told.get("class") else of
    text = f"The {what} moved {'up' if told['move'] > 0 else 'down'} by {number(abs(told['move']), unit)} on average"
    word = short(passport.word(column))
    if share > 1.05:
        way = "up" if told["carries"] > 0 else "down"
        alone = number(abs(told["carries"]), unit)
        text += f"; {word} alone would have moved it {way} by {alone}, and other columns held against it"
    elif share > 0:
        text += f"; {word} carries about {about(share)} % of that"
    if "since" in told and share > 0:
        text += f", {'at least ' if told.get('since_before') else ''}since {_day(date.fromisoformat(told['since']), day)}"
    lost = -told.get("estimated_cost", {}).get("carries", 0.0)
    if lost >= _WORTH_SAYING and share > 0:
        text += f", and costs about {number(lost, 'difference')} of accuracy as far as scores tell"
    if told["unexplained"] >= 0.5:
        text += f"; about {about(told['unexplained'])} % of it no column explains"
    if segment is not None:
        text += f"; most where {short(passport.word(segment[0]))} is {short(segment[1])}"
    return f"{text}."


def about(share: float) -> int:
    """Return a share in per cent as people say it: to the next five from ten on.

    Examples
    --------
    >>> about(0.612), about(0.038), about(0.0001)
    (60, 4, 0)
    """
    percent = 100 * share
    return 5 * round(percent / 5) if percent >= 10 else round(percent)


def short(word: str) -> str:
    """Return a word of other people's data on one line and not too long.

    Examples
    --------
    >>> short("wind   speed")
    'wind speed'
    """
    plain = " ".join(word.split())
    return plain if len(plain) <= _LONGEST else plain[:_LONGEST] + "..."


def _day(then: date, now: date) -> str:
    return f"{then.day} {_MONTHS[then.month - 1]}" + ("" if then.year == now.year else f" {then.year}")
