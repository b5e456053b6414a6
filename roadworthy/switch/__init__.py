"""The switch: may this model serve, and how it is taken off the road.

States are ordered: ``active`` < ``degraded`` (the fallback answers) < ``quarantined`` (it runs, nobody sees the answers) <
``disabled``, for a model, a version and a segment; the most restrictive match wins. One principal may make it stricter at any
time. Making it looser takes two people, one of them the Guardian, and a green gate that is younger than the stop.

A stop is held twice: by a row beside the ledger and by a file, ``STOP`` or ``STOP.<model>``, in the workspace and in every
folder of ``stop_targets``. The file is written first. ``may_serve`` reads both. An operator with nothing but a shell stops a
model with ``touch .roadworthy/switch/STOP.<model>``.

==============  =====================================================================
``files``       STOP files: written, read, lifted
``table``       the rows beside the ledger
``clock``       epoch and sequence: the order of changes
``served``      the versions in service and their leases
``terms``       reviews of stops, and the end of a broken glass
``store``       all of these, read at once
``matching``    the one rule that decides about a request
``places``      where a workspace keeps both
``stopping``    the stop itself: files first, then the record
``requests``    what is asked and signed to switch on again
``enabling``    switching on again: the checks, and the change
``extending``   extending a lease by two signatures
``measures``    what a severe night does: off the road, or the fallback first
``calling``     calls services: to stop, and to see from outside
``proof``       where a stop has arrived
``care``        what time has brought about and somebody must be told of
``drilling``    the canary, and what a drill must see
``state``       the face: `Switch`, `may_serve`, `status`
``quick``       ``roadworthy switch stop`` before anything heavy is imported
==============  =====================================================================

Nothing here imports more than the standard library before a stop is written.
"""

from roadworthy.switch.matching import Decision
from roadworthy.switch.state import Held, Switch, may_serve, status
from roadworthy.switch.stopping import Outcome

__all__ = ["Decision", "Held", "Outcome", "Switch", "may_serve", "status"]
