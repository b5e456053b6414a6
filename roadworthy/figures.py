"""Numbers as people read them: in their unit, with digits enough to see on which side of a limit they lie."""

from __future__ import annotations

import math
from collections.abc import Callable


def number(value: float, unit: str, more: int = 0) -> str:
    """Write a number the way its unit is read, with `more` digits than usual.

    Examples
    --------
    >>> number(0.8275, "share"), number(0.7594, "ratio"), number(-0.0251, "difference"), number(29200, "count")
    ('82.8 %', '0.76', '-2.5 points', '29,200')
    >>> number(0.79996, "share"), number(0.79996, "share", 2)
    ('80.0 %', '79.996 %')
    """
    if unit == "share":
        return f"{trim(100 * value, 1 + more)} %"
    if unit == "difference":
        return f"{trim(100 * value, 1 + more)} points"
    if unit == "count":
        return trim(value, more)
    if unit == "ratio":
        return trim(value, 2 + more)
    text = trim(value, more) if abs(value) >= 1000 else f"{value + 0.0:.{3 + more}g}"
    return f"{text} s" if unit == "seconds" else text


def trim(value: float, places: int) -> str:
    """Write a number with so many decimals; zero has no sign.

    Examples
    --------
    >>> trim(1234.5, 0), trim(-0.001, 2)
    ('1,234', '0.00')
    """
    text = f"{value:,.{places}f}"
    return text.lstrip("-") if not text.strip("-0.,") else text


def digits(unit: str, fine: Callable[[Callable[[float], float]], bool]) -> int:
    """Return the fewest digits more than usual with which the numbers shown, as the reader reads them, are fine."""
    scale = 100 if unit in ("share", "difference") else 1

    def shown(more: int) -> Callable[[float], float]:
        return lambda value: float(number(value, unit, more).partition(" ")[0].replace(",", "")) / scale

    return next((more for more in range(10) if fine(shown(more))), 0)


def side(value: float, end: float) -> int:
    """Say on which side of an end a number lies: 1 above, -1 below, 0 upon it.

    Examples
    --------
    >>> side(0.8, 0.8), side(0.79, 0.8)
    (0, -1)
    """
    return 0 if math.isclose(value, end, rel_tol=1e-12, abs_tol=1e-15) else 1 if value > end else -1
