"""Data minimisation: which columns the model does not need, as far as can be measured.

Runs at the gate, with the artifact's estimator trained again without columns in a process of its own. `inside` trains and
chooses, `measure` decides on rows that had no say in the choice. `docs/membership.md` says what it can and cannot see.
"""

from checks.minimisation.measure import METRICS, SECONDS, measure

__all__ = ["METRICS", "SECONDS", "measure"]
