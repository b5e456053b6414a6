"""Membership inference: whether the model's answers tell who was in its training data.

A night runs the attack by loss (`measure`), which costs a tenth of a second once the artifact has been asked about its members;
the gate trains shadows and runs the attack by likelihood ratio (`attack`). The cheap one alone is false comfort: on boosted
trees it may name hardly anyone where the strong one names one member in eight. `docs/membership.md` has the table.

The rooms: `rows` are members and others, `confidence` is the number that an attack reads, `attacks` are the attacks and their
intervals, `training` and `inside` run in a process of their own, `measure` puts everything together.
"""

from checks.membership.measure import METRICS, SECONDS, attack, measure

__all__ = ["METRICS", "SECONDS", "attack", "measure"]
