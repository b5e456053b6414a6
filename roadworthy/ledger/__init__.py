"""The append-only record of every act, by whom, on what evidence.

>>> from datetime import UTC, datetime
>>> from tempfile import TemporaryDirectory
>>> with TemporaryDirectory() as folder, Ledger.open(f"sqlite:///{folder}/state.sqlite") as ledger:
...     entry = ledger.append("release", "ada", {"model": "credit", "state": "live"}, at=datetime(2026, 4, 1, tzinfo=UTC))
...     entry.seq, ledger.head() == (1, entry.hash), ledger.verify()
(1, True, [])

An entry holds digests and ids, never data and never a float. Each entry's hash covers its own bytes and the hash of the
entry before, so an edit, a deletion or a swap anywhere shows. What a chain alone cannot show is a tail that was cut off or
a history that was rewritten from its first entry: that takes a head kept elsewhere.

It lies in an SQLite file or, by URL, in PostgreSQL; what the two say differently stands in `sqlite` and `postgres`, and in no
other module.
"""

from roadworthy.ledger.chain import Entry
from roadworthy.ledger.log import Ledger

__all__ = ["Entry", "Ledger"]
