"""How many different models one actor may stop in an hour.

Counting models instead of calls lets a stop be repeated as often as fear demands, and bounds what a stolen token can take down.
The limit never stands in the way of a single stop: an actor's first models of an hour always go through, and one actor's flood
takes nothing from another's.
"""

from __future__ import annotations

import threading
from collections import deque

HOUR = 3600.0


class Distinct:
    """Counts distinct keys per actor in a sliding hour.

    Parameters
    ----------
    most : int
        How many different ones an actor may name in an hour.

    Examples
    --------
    >>> limit = Distinct(2)
    >>> [limit.take("oscar", model, at) for model, at in (("a", 0.0), ("b", 1.0), ("a", 2.0), ("c", 3.0), ("c", 3602.0))]
    [0, 0, 0, 3597, 0]
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._seen: dict[str, deque[tuple[float, str]]] = {}
        self._lock = threading.Lock()

    def take(self, actor: str, key: str, now: float) -> int:
        """Return 0 if the actor may go on, else the seconds until the oldest one no longer counts."""
        with self._lock:
            mine = self._seen.setdefault(actor, deque())
            while mine and now - mine[0][0] >= HOUR:
                mine.popleft()
            if any(there == key for _, there in mine):
                return 0
            if len(mine) >= self._most:
                return max(1, int(HOUR - (now - mine[0][0])))
            mine.append((now, key))
            return 0
