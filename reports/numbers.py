"""Numbers as people read them: digits follow the interval, a blank that never breaks stands before a unit.

A page never prints a float's own text. How many digits are honest follows from how wide the interval is; a value is never
rounded onto the limit it misses.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from roadworthy.policy import Limit

NBSP = "\u00a0"
MINUS = "\u2212"
DASH = "\u2013"
_MOST_DIGITS = 6
_DEFAULT_DIGITS = {"share": 1, "difference": 1, "ratio": 2, "count": 0, "seconds": 1}
_MOST_BY_UNIT = {"share": 2, "difference": 2, "ratio": 3}
_HUNDREDFOLD = ("share", "difference")
_SUFFIX = {"share": f"{NBSP}%", "difference": f"{NBSP}points", "seconds": f"{NBSP}s"}
_LOOSE_UNIT = re.compile(r"(?<=\d) (?=%|points\b)")
_LOOSE_N = re.compile(r"\bn = (?=\d)")
_HYPHEN_MINUS = re.compile(r"(?<![\w.)-])-(?=\.?\d)")


def figure(
    value: float | None, unit: str, low: float | None = None, high: float | None = None, near: Iterable[float] = ()
) -> str:
    """Write one number with its unit.

    Parameters
    ----------
    value : float or None
        None is written as a dash.
    unit : str
        Of the catalogue: ``share``, ``ratio``, ``difference``, ``count``, ``seconds``, ``own``.
    low, high : float, optional
        The interval, which decides the digits.
    near : iterable of float
        Limits that the number must not be rounded onto.

    Examples
    --------
    >>> figure(0.8712, "share", 0.863, 0.879).replace(NBSP, "_"), figure(0.30000000000000004, "ratio")
    ('87.1_%', '0.30')
    >>> figure(0.7996, "ratio", near=[0.80]), figure(29200, "count"), figure(-0.025, "difference").replace(NBSP, "_")
    ('0.7996', '29,200', '−2.5_points')
    """
    if value is None:
        return DASH
    suffix = _SUFFIX.get(unit, "")
    text = _plain(value, unit, digits(value, unit, low, high, near))
    return text + (suffix.removesuffix("s") if unit == "difference" and text.lstrip(MINUS) == "1" else suffix)


def interval(low: float | None, high: float | None, unit: str) -> str:
    """Write an interval, its unit once.

    Examples
    --------
    >>> interval(0.63, 0.92, "ratio"), interval(None, None, "share"), interval(-0.03, 0.011, "difference").replace(NBSP, "_")
    ('0.63 to 0.92', '–', '−3.0 to 1.1_points')
    """
    if low is None or high is None:
        return DASH
    shown = max(digits(end, unit, low, high) for end in (low, high))
    return f"{_plain(low, unit, shown)} to {_plain(high, unit, shown)}" + _SUFFIX.get(unit, "")


def digits(value: float, unit: str, low: float | None = None, high: float | None = None, near: Iterable[float] = ()) -> int:
    """Return how many digits after the point are honest.

    The last digit shown is worth at most a fifth of the interval's width; a share never has more than two after the point.

    Examples
    --------
    >>> digits(0.76, "ratio", 0.63, 0.92), digits(0.8275, "share", 0.821, 0.834), digits(0.8275, "share", 0.7, 0.9)
    (2, 1, 0)
    """
    scale = 100.0 if unit in _HUNDREDFOLD else 1.0
    if unit == "count" or (unit == "share" and value in (0.0, 1.0)):
        found = 0
    elif low is not None and high is not None and high > low:
        fine = math.ceil(math.log10(5) - math.log10(scale * (high - low)) - 1e-9)
        found = min(_MOST_BY_UNIT.get(unit, 4), max(2 if unit == "ratio" else 0, fine))
    elif unit == "own":
        found = 0 if abs(value) >= 1000 else 3 if abs(value) < 1 else 2 if abs(value) < 10 else 1
    else:
        found = _DEFAULT_DIGITS[unit]
    for limit in near:
        while found < _MOST_DIGITS and value != limit and _plain(value, unit, found) == _plain(limit, unit, found):
            found += 1
    return found


def limit_text(text: str, unit: str) -> str:
    """Write a rule's limit in words, with the digits the policy gives it.

    Examples
    --------
    >>> limit_text(">= 0.80", "ratio"), limit_text(">= 0.995", "share").replace(NBSP, "_"), limit_text("<= 0", "count")
    ('at least 0.80', 'at least 99.5_%', 'at most 0')
    >>> limit_text("between -0.10 and 0.10", "difference").replace(NBSP, "_")
    'between −10 and 10_points'
    """
    limit = Limit.parse(text)
    written = max((len(m) for m in re.findall(r"\.(\d+)", text)), default=0)
    shown = max(0, written - 2) if unit in _HUNDREDFOLD else written
    suffix = _SUFFIX.get(unit, "")
    ends = [None if end is None else _plain(end, unit, shown) for end in (limit.at_least, limit.at_most)]
    if ends[0] is not None and ends[1] is not None:
        return f"between {ends[0]} and {ends[1]}{suffix}"
    if ends[0] is not None:
        return f"{'more than' if limit.strict else 'at least'} {ends[0]}{suffix}"
    return f"{'less than' if limit.strict else 'at most'} {ends[1]}{suffix}"


def count(value: int | None) -> str:
    """Write a number of things.

    Examples
    --------
    >>> count(32000), count(None)
    ('32,000', '–')
    """
    return DASH if value is None else f"{value:,}"


def plural(value: int, one: str, many: str | None = None) -> str:
    """Write a number with its noun.

    Examples
    --------
    >>> plural(1, "model"), plural(3, "entry", "entries")
    ('1 model', '3 entries')
    """
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def tidy(sentence: str) -> str:
    """Set blanks that never break and real minus signs into a sentence that was composed elsewhere.

    Examples
    --------
    >>> tidy("fell by -2.5 % on 2026-04-09, n = 76").replace(NBSP, "_")
    'fell by −2.5_% on 2026-04-09, n_=_76'
    """
    said = _LOOSE_UNIT.sub(NBSP, sentence)
    said = _LOOSE_N.sub(f"n{NBSP}={NBSP}", said)
    return _HYPHEN_MINUS.sub(MINUS, said)


def _plain(value: float, unit: str, shown: int) -> str:
    scaled = 100.0 * value if unit in _HUNDREDFOLD else value
    text = f"{abs(scaled):,.{shown}f}"
    nothing = not text.strip("0.,")
    if nothing and scaled != 0 and unit == "own":
        return f"{'>' + MINUS if scaled < 0 else '<'}{10.0**-shown:.{shown}f}"
    return text if nothing or scaled > 0 else MINUS + text
