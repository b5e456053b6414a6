"""Names and categories are only names, in every kind of model and by every unit."""

from __future__ import annotations

import pytest

from tests.checks.fairness.support import measured, passport_of, pick

NAMES = ("c0_", "C1_", 'we"ird; --', "it's $mean_error", "{{ 7*7 }}", "c5_")
BINARY = {"kind": "binary", "label": NAMES[0], "score": NAMES[5], "positive": 1, "negative": 0}
TASKS = (
    {"kind": "regression", "label": NAMES[0], "prediction": NAMES[1]},
    BINARY | {"prediction": NAMES[1], "favourable": 0},
    BINARY | {"favourable": 1},
    {"kind": "multiclass", "label": NAMES[0], "prediction": NAMES[1], "classes": [0, 1], "favourable": 1},
)


@pytest.mark.parametrize("task", TASKS, ids=["number", "decision", "score", "classes"])
@pytest.mark.parametrize("unit", ["row", "entity"])
def test_hostile_columns_and_groups_are_measured_by_their_names(tmp_path, task, unit):
    n = 80
    rows = {
        NAMES[0]: [0, 1, 1, 0] * (n // 4), NAMES[1]: [0, 1, 0, 1, 1] * (n // 5),
        NAMES[2]: ["<b>", "<b>", None, "<b>", None] * (n // 5),
        NAMES[3]: ["a'; drop table t; --", "a"] * (n // 2), NAMES[4]: list(range(n // 2)) * 2,
        NAMES[5]: [0.2, 0.9, 0.5] * 26 + [0.1] * 2,
        "n": [1] * n, "roadworthy day": [1] * n,
    }
    passport = passport_of(
        task=task, independence={"unit": unit, "column": NAMES[4]},
        protected=[{"name": "b", "column": NAMES[2], "reference": "<b>"}, {"name": "a", "column": NAMES[3], "reference": "a"}],
    )
    found = measured(tmp_path, passport, rows)
    assert not [m for m in found if m.status == "error"]
    short = "intersection_mean_error_difference" if task["kind"] == "regression" else "intersection_selection_rate_difference"
    m = pick(found, short, b="(missing)", a="a'; drop table t; --")
    assert m.status in ("measured", "insufficient") and ("by entity" in m.method) == (unit == "entity" and m.status == "measured")
    assert all(m.low is None or m.low <= m.value <= m.high for m in found)
