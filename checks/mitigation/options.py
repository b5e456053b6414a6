"""The options: what each needs, and in which order they are run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Option:
    """One way to decide.

    Attributes
    ----------
    name : str
        As measurements are over it.
    needs_attribute : bool
        Whether the protected attribute must be known of each person at the moment of the decision.
    retrained : bool
        Whether a model is trained for it.
    randomised : bool
        Whether the same person may be decided differently if asked again.
    """

    name: str
    needs_attribute: bool = False
    retrained: bool = False
    randomised: bool = False

    @property
    def facts(self) -> dict[str, Any]:
        """What every measurement of the option says of it."""
        return {"needs_attribute": self.needs_attribute, "retrained": self.retrained, "randomised": self.randomised}


AS_IS = Option("as_is")
THRESHOLDS = (
    Option("threshold_demographic_parity", needs_attribute=True, randomised=True),
    Option("threshold_equalized_odds", needs_attribute=True, randomised=True),
)
ONE_TRAINING = (Option("retrained", retrained=True), Option("reweighing", retrained=True))
MANY_TRAININGS = (Option("grid_search", retrained=True), Option("exponentiated_gradient", retrained=True, randomised=True))

STAGES = (THRESHOLDS, ONE_TRAINING, MANY_TRAININGS)
"""Cheapest first; each stage has a process of its own, so that one which is killed takes none of the earlier ones with it."""
OPTIONS = (AS_IS, *THRESHOLDS, *ONE_TRAINING, *MANY_TRAININGS)
