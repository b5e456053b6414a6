"""The mitigation plan: which way of treating groups more alike would do, what it costs, and what is recommended.

A pure function of measurements, findings and policy, as the judge is. `checks.mitigation` has measured what every option makes
of the held-out decisions; here that is held against the very rules that warned or failed, and against all other fairness rules
of the policy. A recommendation is a proposal to people: nothing is changed by it.

`values` is what a plan is, `weighing` holds options against rules, `words` says it.
"""

from roadworthy.mitigation.values import AS_IS, ATTACHMENT, TITLES, Change, Held, Moved, Option, Plan
from roadworthy.mitigation.weighing import COUNT, constraint_of, parts_of, plan, triggers
from roadworthy.mitigation.words import NEAR, points, says, way_of

__all__ = [
    "AS_IS", "ATTACHMENT", "COUNT", "NEAR", "TITLES", "Change", "Held", "Moved", "Option", "Plan", "constraint_of", "parts_of",
    "plan", "points", "says", "triggers", "way_of",
]
