"""What time has brought about in the switch and somebody must be told of: leases, broken glasses, reviews.

A pure function over what is stored. Each matter has a key that is the same as long as its episode lasts, so that it is told once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from roadworthy.switch.files import ACTIVE, DISABLED, scope_of
from roadworthy.switch.served import Served
from roadworthy.switch.store import Stored

Kind = Literal["lease-half", "lease-lapsed", "glass-ended", "review-due"]


@dataclass(frozen=True, slots=True)
class Matter:
    """Something to be told, and for a glass whose time is over, what its scope goes back to.

    Attributes
    ----------
    kind : str
        ``lease-half``, ``lease-lapsed``, ``glass-ended`` or ``review-due``.
    key : str
        The same for the whole episode.
    model, version, segment : str
    roles : tuple of str
        Who is told.
    says : str
    to : str
        The state that is to be written back; empty for anything but a glass.
    """

    kind: Kind
    key: str
    model: str
    version: str
    segment: str
    roles: tuple[str, ...]
    says: str
    to: str = ""


def matters(stored: Stored, now: str, today: str, canary: str = "") -> list[Matter]:
    """Return what is to be told at `now`.

    Parameters
    ----------
    stored : Stored
    now : str
        UTC, as the ledger stamps it.
    today : str
        The day in the workspace's time zone.
    canary : str, optional
        The model of drills, whose leases concern nobody.

    Examples
    --------
    >>> one = Served("credit", "1.0.0", "high", True, "2026-04-01", "2026-04-04T00:00", "2026-04-02T12:00")
    >>> [[m.kind for m in matters(Stored(service=[one]), f"2026-04-0{d}T13:00", "2026-04-02")] for d in (1, 2, 4)]
    [[], ['lease-half'], ['lease-lapsed']]
    """
    found = [matter for one in stored.service if one.model != canary for matter in _lease(one, now)]
    return [*found, *_terms(stored, now, today)]


def _lease(one: Served, now: str) -> Iterator[Matter]:
    if not one.lease_until or now < min(one.alert_at or one.lease_until, one.lease_until):
        return
    identity, until = f"{one.model}@{one.version}", f"{one.lease_until[:16].replace('T', ' ')} UTC"
    then = "its fallback answers" if one.fallback else "it refuses"
    mark = f"{identity}:{one.lease_until}"
    if now >= one.lease_until:
        said = f"The lease of {identity} lapsed on {until}: no night has decided about it in time, and {then} until one does."
        yield Matter("lease-lapsed", f"care:lease-lapsed:{mark}", one.model, one.version, "*", _ALL, said)
    else:
        said = f"Half of the lease of {identity} is over and no night has renewed it. On {until} it lapses, and then {then}."
        yield Matter("lease-half", f"care:lease-half:{mark}", one.model, one.version, "*", ("owner", "guardian"), said)


_ALL = ("owner", "guardian", "operator")


def _terms(stored: Stored, now: str, today: str) -> Iterator[Matter]:
    for row in stored.rows:
        one = stored.terms.get(row.stop.key)
        if one is None or one.fence != row.fence:
            continue
        scope = scope_of(*row.stop.key)
        if row.stop.state == ACTIVE and one.until and now >= one.until:
            to = one.then_state if one.then_state not in ("", ACTIVE) else DISABLED
            until = one.until[:16].replace("T", " ")
            said = f"The glass of {scope} was broken until {until} UTC; that time is over and it is {to} again."
            yield Matter("glass-ended", f"care:glass-ended:{row.fence}", *row.stop.key, _ALL, said, to)
        if row.stop.state != ACTIVE and one.review_by and today >= one.review_by:
            said = f"The stop of {scope} was to be looked at again by {one.review_by}. It holds until two people lift it."
            key = f"care:review-due:{row.fence}:{one.review_by}"
            yield Matter("review-due", key, *row.stop.key, ("owner", "guardian"), said)
