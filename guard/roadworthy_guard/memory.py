"""The stops that an embedded guard has seen, which hold until two people have signed that they do not.

Kept in the guard's file, so that a new process knows what an old one saw, and shared by processes that keep the same file:
each adds what it finds there to its own, and what was lifted is lifted again from the same signatures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from roadworthy_guard import clock, words
from roadworthy_guard.content import Stop, state
from roadworthy_guard.decision import ACTIVE, ANY, DISABLED, RANK, UNKNOWN
from roadworthy_guard.enabling import Enabled, check
from roadworthy_guard.kept import Kept
from roadworthy_guard.people import People

Scope = tuple[str, str, str]


class Memory:
    """What was seen and what was proved.

    Parameters
    ----------
    kept : Kept or None
        Where it is kept; None to remember only as long as the process lives.
    """

    def __init__(self, kept: Kept | None) -> None:
        self._kept = kept
        self.stops: dict[Scope, Stop] = {}
        self.proved: dict[Scope, int] = {}
        self.people: tuple[str, ...] = ()
        self.order = (-1, -1)
        self.wall = 0.0
        self.problem = ""
        self._broken = False
        self._written: Any = None
        self._checked: dict[tuple[str, str, str], Enabled | None] = {}

    def see(self, stop: Stop, now: float) -> None:
        """Remember a stop; of one scope the strictest state, the newest fence and the newest moment, none of them to come."""
        before = self.stops.get(stop.scope)
        since = min(stop.since or clock.written(now), clock.written(now))
        if before is not None:
            stricter = max(before.state, stop.state, key=RANK.__getitem__)
            stop = Stop(*stop.scope, stricter, max(before.since, since), max(before.fence, stop.fence))
        else:
            stop = Stop(*stop.scope, stop.state, since, stop.fence)
        self.stops[stop.scope] = stop

    def holding(
        self, rows: Sequence[Stop], signed: Mapping[int, tuple[str, str]], people: People | None, now: float
    ) -> list[Stop]:
        """Return the stops that hold, from the rows of the table, what is remembered and what was signed.

        Parameters
        ----------
        rows : sequence of Stop
            Every row of ``switch``, the active ones too.
        signed : mapping
            ``switch_signed``: fence to statement and signatures.
        people : People or None
            Who may sign; None if ``people.lock`` cannot be believed, and then nothing is proved anew.
        now : float
            The present, in seconds since 1970.
        """
        active = {row.scope: row for row in rows if row.state == ACTIVE}
        for row in rows:
            if row.state != ACTIVE:
                self.see(row, now)
        proofs: dict[Scope, list[Enabled]] = {}
        if people is not None and (active or self.stops):
            proofs = self._proofs(signed, people, {*active, *self.stops})
        found = []
        for scope in {*self.stops, *active}:
            held, on = self.stops.get(scope), active.get(scope)
            until = self._lifted(held, on, proofs.get(scope, [])) if on is not None else None
            if on is not None and until is not None:
                # What was signed for a time ends then, whatever the table says of its terms.
                ends, then = min(on.until, until), on.then_state or (held.state if held is not None else DISABLED)
                found.append(Stop(*scope, ACTIVE, on.since, on.fence, ends, then if ends < math.inf else ""))
                if until == math.inf:
                    self.proved[scope] = on.fence
                    self.stops.pop(scope, None)
            elif held is not None:
                found.append(held)
            elif on is not None:
                said = "it was switched on again without the signatures of two people"
                found.append(Stop(*scope, UNKNOWN, on.since, on.fence, said=said))
        return found

    def _lifted(self, stop: Stop | None, row: Stop, proofs: Sequence[Enabled]) -> float | None:
        """Return until when what was signed makes the row active, in seconds since 1970; None if it does not."""
        if stop is None and self.proved.get(row.scope) == row.fence:
            return math.inf
        fits = [
            proof.until for proof in proofs
            if (proof.lifts < row.fence if stop is None else proof.lifts >= stop.fence and proof.asked_at >= stop.since)
        ]
        return max(fits, default=None)

    def _proofs(
        self, signed: Mapping[int, tuple[str, str]], people: People, wanted: set[Scope]
    ) -> dict[Scope, list[Enabled]]:
        """Return what was proved of some scopes. Each statement is checked once for each version of the people."""
        checked: dict[tuple[str, str, str], Enabled | None] = {}
        found: dict[Scope, list[Enabled]] = {}
        for statement, signatures in signed.values():
            key = (statement, signatures, people.digests[-1])
            if key not in self._checked:
                try:
                    self._checked[key] = check(statement, signatures, people)
                except ValueError:
                    self._checked[key] = None  # it proves nothing, so what it was to lift holds
            proof = checked[key] = self._checked[key]
            if proof is not None and proof.scope in wanted:
                found.setdefault(proof.scope, []).append(proof)
        self._checked = checked
        return found

    def load(self) -> list[Stop]:
        """Add what the file holds; return a stop of everything if it cannot be understood, else nothing."""
        if self._kept is None:
            return []
        self._broken = False
        try:
            found = self._kept.read()
            if found is not None:
                self._add(found)
                self._written = found
        except (OSError, ValueError, TypeError) as problem:
            self._broken = True
            self.problem = f"{self._kept.path} cannot be read: {problem}"
            said = f"the guard's own file {self._kept.path.name} cannot be read, so the stops that were seen are not known"
            return [Stop(ANY, ANY, ANY, UNKNOWN, said=said)]
        return []

    def save(self) -> None:
        """Write the file if what is remembered has changed, or a minute has passed."""
        if self._kept is None or self._broken:  # what cannot be read is left for a person to look at
            return
        value = {
            "schema_version": 1,
            "stops": [[*s.scope, s.state, s.since, s.fence] for _, s in sorted(self.stops.items())],
            "proved": [[*scope, fence] for scope, fence in sorted(self.proved.items())],
            "people": list(self.people), "order": list(self.order), "wall": int(self.wall // 60) * 60,
        }
        if value == self._written:
            return
        try:
            self._kept.write(value)
            self._written, self.problem = value, ""
        except OSError as problem:
            self.problem = f"{self._kept.path} cannot be written: {problem.strerror}"

    def _add(self, found: Mapping[str, Any]) -> None:
        stops = [
            Stop(words.text(a), words.text(b), words.text(c), state(d), words.text(e), words.whole(f))
            for a, b, c, d, e, f in words.sequence(found.get("stops"))
        ]
        proved = {
            (words.text(a), words.text(b), words.text(c)): words.whole(f) for a, b, c, f in words.sequence(found.get("proved"))
        }
        people = tuple(words.text(one) for one in words.sequence(found.get("people")))
        epoch, sequence = (words.whole(one, -1) for one in words.sequence(found.get("order")))
        wall = float(words.whole(found.get("wall")))
        for stop in stops:
            self.see(stop, wall if stop.since == "" else clock.parse(stop.since))
        for scope, fence in proved.items():
            self.proved[scope] = max(fence, self.proved.get(scope, -1))
        self.people = max(self.people, people, key=len)
        self.order = max(self.order, (epoch, sequence))
        self.wall = max(self.wall, wall)
