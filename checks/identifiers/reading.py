"""Reading free text for identifiers, in SQL: what each text holds, and the text without it.

Texts are read kind by kind, in the order of `KINDS`; what one kind has taken is replaced before the next one reads, so that the
digits of an IBAN are not counted as a phone number. Counting and redacting are one query, so both mean the same by an identifier.
"""

from __future__ import annotations

from checks.identifiers.kinds import KINDS, MAY_HOLD, Kind
from roadworthy.sql import literal

SHORTEST = 6
"""Bytes of the shortest identifier of any kind: ``a@b.cd``."""
_GATES = {
    "at": "contains({t}, '@')",
    "digits": r"regexp_matches({t}, '[0-9](?:[^0-9A-Za-z,;]{{0,2}}[0-9]){{8}}')",
    "run": r"regexp_matches({t}, '[0-9](?:[^0-9A-Za-z,;]{{0,2}}[0-9]){{6}}')",
    "mixed": r"regexp_matches({t}, '[A-Z][ \-]?[0-9]|[0-9][ \-+]?[A-Z]|[0-9]{{6}}[-+][0-9]{{3}}')",
    "points": r"regexp_matches({t}, '[0-9A-Fa-f](?:[.:\-]|::)[0-9A-Fa-f]')",
}


def may_hold(text: str) -> str:
    """Return SQL that is false only where `text`, an SQL expression, cannot hold an identifier; much cheaper than reading."""
    return f"(strlen({text}) >= {SHORTEST} and regexp_matches({text}, {literal(MAY_HOLD)}))"


def valid(kind: Kind, value: str) -> str:
    """Return SQL of whether `value`, an SQL expression that matches a pattern of the kind, passes its validator."""
    return f"id_{kind.validator}({value})" if kind.validator else "true"


def steps() -> list[tuple[int, Kind, str, int]]:
    """Return each step of reading: its number, its kind, the pattern and the pattern's group that is the identifier."""
    found: list[tuple[int, Kind, str, int]] = []
    for kind in KINDS:
        for pattern, group in ((kind.context, 1), (kind.text, 0)):
            if pattern:
                found.append((len(found), kind, pattern, group))
    return found


def read(source: str, text: str, keep: str = "") -> str:
    """Return a query that reads every text of a relation.

    Parameters
    ----------
    source : str
        What stands after FROM.
    text : str
        SQL expression of the text; NULL is read as an empty text.
    keep : str, optional
        More columns, each with a comma before it, such as ``, row``.

    Returns
    -------
    str
        A query with `redacted`, the text with ``[kind]`` in the place of each identifier, and for step `i` of `steps` the counts
        ``c<i>``, strings that look like one, and ``h<i>``, those of them that are valid.
    """
    gates = ", ".join(f"{gate.format(t='t')} as g_{name}" for name, gate in _GATES.items())
    query = f"select t, {gates}{keep} from (select coalesce({text}, '') as t{keep} from {source})"
    counted, gated = "", ", ".join(f"g_{name}" for name in _GATES)
    for number, kind, pattern, group in steps():
        taken = f"case when g_{kind.gate} then regexp_extract_all(t, {literal(pattern)}, {group}) else [] end"
        query = f"select *, {taken} as c from ({query})"
        passing = f"list_filter(c, lambda x: {valid(kind, 'x')})"
        query = f"select *, case when len(c) > 0 then {passing} else [] end as h from ({query})"
        # Longest first: one phone number may be the beginning of another.
        longest = "list_sort(list_distinct(h), 'desc')"
        replaced = f"list_reduce({longest}, lambda text, x: replace(text, x, {literal(f'[{kind.name}]')}), t)"
        query = (
            f"select case when len(h) > 0 then {replaced} else t end as t, {gated}{keep}{counted}, "
            f"len(c) as c{number}, len(h) as h{number} from ({query})"
        )
        counted += f", c{number}, h{number}"
    return f"select t as redacted{keep}{counted} from ({query})"
