"""Drift: whether tonight's data are the data that the model version was accepted on.

`measure` compares the batch with the reference: every declared input, protected attribute, score and decision by its
distribution, its blanks, its new categories and its broken numbers; the outcome by its rate; the table by its volume and its
columns. It reports distances, p-values and counts, and no opinion.

The rooms: `plan` chooses the cells from the reference, `profile` counts a table into them, `statistics` are distances of
counts, `shift` tests them, `tables` looks at the table as a whole, and `measure` puts them together.
"""

from checks.drift.measure import measure
from checks.drift.profile import profile_by_day

__all__ = ["measure", "profile_by_day"]
