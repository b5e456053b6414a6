"""Taking identifiers out of text before it leaves: the same reading as that of columns, for texts in hand."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from checks.identifiers.reading import may_hold, read
from checks.identifiers.validators import install
from roadworthy.sql import connect

if TYPE_CHECKING:
    import duckdb

_ONE_AT_A_TIME = threading.Lock()


def redact(text: str) -> str:
    """Return the text with ``[kind]`` in the place of each identifier in it.

    Names of people and addresses are not identifiers that a pattern can find; they stay.

    Parameters
    ----------
    text : str

    Examples
    --------
    >>> redact("Mail jane.doe@example.org or call +49 170 1234567 about order 4711.")
    'Mail [e-mail] or call [phone number] about order 4711.'
    """
    return redact_all([text])[0]


def redact_all(texts: Sequence[str]) -> list[str]:
    """Return each text as `redact` does; many at once are much faster than one by one.

    Raises
    ------
    ValueError
        If a text is not Unicode (half of a surrogate pair).
    """
    for text in texts:
        if not text.isascii():
            text.encode()
    import pyarrow as pa

    if not texts:
        return []
    out = list(texts)
    with _ONE_AT_A_TIME:
        con = _connection()
        con.register("texts", pa.table({"number": range(len(out)), "v": pa.array(out, pa.string())}))
        try:
            source = f"(select number, v from texts where {may_hold('v')})"
            for redacted, number in con.execute(f"select redacted, number from ({read(source, 'v', ', number')})").fetchall():
                out[number] = redacted
        finally:
            con.unregister("texts")
    return out


@cache
def _connection() -> duckdb.DuckDBPyConnection:
    con = connect()
    install(con)
    return con
