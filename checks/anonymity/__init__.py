"""Anonymity: how many rows share a person's quasi-identifiers, and what such a class gives away.

Rows that agree in every quasi-identifier of the passport form a class. Who knows those few facts about somebody can tell no two
rows of the class apart, and whoever is alone in a class is found. `classes` counts the classes in one GROUP BY, `closeness` looks
at the sensitive values within them, `measure` makes the measurements.
"""

from checks.anonymity.measure import METRICS, measure

__all__ = ["METRICS", "measure"]
