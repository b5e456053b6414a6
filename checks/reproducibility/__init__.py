"""Reproducibility: whether the recorded recipe still makes the artifact, and what differs where it does not.

A night checks the recorded digests of data, code and lock file and the versions of libraries (`measure`), which costs
milliseconds. The gate makes the artifact again (`remake`): the recorded command is run in a process without network and keys,
on copies of the recorded files, with the recorded seed, row order and number of threads; the bytes of what it made, and the
predictions of both models on the same rows, are compared. What differs is named. `docs/reproducibility.md` says what can and
cannot be seen.

The rooms: `facts` are the digests and versions, `making` runs the recipe, `account` is what a recipe says of its own training,
`inside` asks both models, `remake` puts everything together.
"""

from checks.reproducibility.facts import METRICS as FACTS
from checks.reproducibility.facts import measure, state
from checks.reproducibility.remake import METRICS as REMADE
from checks.reproducibility.remake import remake

__all__ = ["FACTS", "REMADE", "measure", "remake", "state"]
