"""What an inspection is told of how the fleet is operated, by who reads the ledger: checks never do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from roadworthy.ledger import Entry


@dataclass(frozen=True, slots=True)
class Drilled:
    """The last green drill of the kill switch, as it stands at a gate.

    Attributes
    ----------
    days : int or None
        Whole days of wall time since it; None if there was none.
    drill : str
        Its name; empty if there was none.
    sha256 : str
        Digest of its evidence.
    """

    days: int | None = None
    drill: str = ""
    sha256: str = ""

    @classmethod
    def of(cls, entry: Entry | None, now: datetime) -> Drilled:
        """Return what the ledger's entry of the last green drill says at `now`; one from the future is no age at all.

        Examples
        --------
        >>> Drilled.of(None, datetime(2026, 4, 9)).days is None
        True
        """
        if entry is None or entry.at > now:
            return cls()
        return cls((now - entry.at).days, str(entry.body.get("drill", "")), str(entry.body.get("sha256", "")))

    def rests_on(self) -> dict[str, int | str | None]:
        """Return what makes another gate of it: another drill, or another day."""
        return {"days": self.days, "sha256": self.sha256}
