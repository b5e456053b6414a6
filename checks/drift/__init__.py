"""Drift: whether tonight's data are the data that the model version was accepted on.

`measure` compares the batch with its baseline, which is the reference or the days that the passport names: every declared
input, protected attribute, score and decision by its distribution, its blanks, its new and vanished categories and its broken
numbers; the outcome by its rate; the table by its volume and its columns. It reports distances, p-values and counts, and no
opinion.

The rooms: `edges` and `plan` choose the cells from the baseline, `profile` counts a table into them, `reference` keeps what
was counted once, `statistics`, `kolmogorov` and `transport` are distances of counts, `shift` tests them, `compare` makes
measurements of two profiles, `exact` compares rows without cells, `tables` looks at the table as a whole, `blocks` waits for
enough rows, and `measure` puts them together.
"""

from checks.drift.compare import compare
from checks.drift.exact import exact
from checks.drift.measure import measure
from checks.drift.profile import profile_by_day
from checks.drift.reference import reference_profile

__all__ = ["compare", "exact", "measure", "profile_by_day", "reference_profile"]
