"""What the tests of the family share."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from checks import fairness
from checks.fairness import errors, rates
from checks.fairness.counted import Cell
from checks.fairness.tally import Part, Tally
from roadworthy.passport import Protected
from tests.support import DAY, make_subject, passport_of

SOURCE = Path(__file__).parents[3] / "data" / "source"
SEX = {"name": "sex", "column": "sex", "reference": "male"}
AGE = {"name": "age", "column": "age", "reference": "old",
       "bins": [{"label": "young", "below": 30}, {"label": "old", "at_least": 30}]}
__all__ = ["AGE", "DAY", "SEX", "SOURCE", "credit", "errors", "measured", "one", "passport_of", "pick", "rates", "tally_of"]


def measured(root, passport, rows, **rest):
    """Measure the family on one day, which is its own reference."""
    with make_subject(root, passport, rows, {DAY: rows}, **rest) as subject:
        return fairness.measure(subject)


def pick(found, short, **over):
    """Return the one measurement of that metric over that group (or class and group, or attribute)."""
    wanted = {k: over.pop(k) for k in ("attribute", "cls") if k in over}
    wanted = {"class" if k == "cls" else k: v for k, v in wanted.items()} | ({"group": over} if over else {})
    [one] = [m for m in found if m.metric == f"fairness.{short}" and dict(m.over) == wanted]
    return one


def one(found, short):
    """Return the one measurement of that metric, over whatever part."""
    [m] = [m for m in found if m.metric == f"fairness.{short}"]
    return m


def credit(root, **task):
    """Measure German credit with a seeded score, by sex and age."""
    import numpy as np

    rows = pd.read_parquet(SOURCE / "german_credit.parquet")
    random = np.random.default_rng(7)
    rows["score"] = np.clip(0.5 + 0.2 * (rows["good_credit"] - 0.5) + random.normal(0, 0.2, len(rows)), 0, 1)
    rows["decision"] = (rows["score"] >= 0.5).astype(int)
    passport = passport_of(
        task={"label": "good_credit", "prediction": "decision", "score": "score", **task}, protected=[SEX, AGE],
    )
    return rows, measured(root, passport, rows)


def tally_of(counts, *, by_label=True, reference="a"):
    """Return a tally of ``{group: {(label, decision): rows}}``."""
    part = Part((Protected(name="g", column="g", reference=reference),))
    cells = tuple(Cell((name,), y, d, int(n)) for name, table in counts.items() for (y, d), n in table.items())
    return Tally(part, "labelled", "", by_label, cells)
