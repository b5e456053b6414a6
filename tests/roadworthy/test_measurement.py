"""A measurement is finite, whole and the same after it was kept."""

from __future__ import annotations

import json
import math
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.canonical import canonical_json
from roadworthy.measurement import STATUSES, Measurement, not_measured

FINITE = st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@pytest.mark.parametrize("field", ["value", "low", "high", "confidence", "p_value"])
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, np.float32("nan")])
def test_no_number_that_is_not_finite_gets_in(field, number):
    good = {"value": 0.5, "low": 0.4, "high": 0.6, "confidence": 0.95, "p_value": 0.5}
    with pytest.raises(ValueError, match=f"m.x: {field} is"):
        Measurement("m.x", **{**good, field: number})


@pytest.mark.parametrize("field", ["over", "stats", "details", "inputs"])
@pytest.mark.parametrize("bad", [{"a": {"b": [math.nan]}}, {"a": date(2026, 1, 1)}, {"a": {3: "x"}}, {"a": "\ud800"}])
def test_a_mapping_that_evidence_cannot_keep_fails_where_it_was_made(field, bad):
    with pytest.raises(ValueError, match=f"^m.x: {field}"):
        Measurement("m.x", value=1.0, **{field: bad})


@pytest.mark.parametrize(("wrong", "said"), [
    ({"value": None}, "there is no value"),
    ({"low": 0.1}, "both ends"),
    ({"high": 0.1}, "both ends"),
    ({"low": 0.6, "high": 0.4}, "runs from 0.6 to 0.4"),
    ({"p_value": 1.0000001}, "p-value"),
    ({"p_value": -0.1}, "p-value"),
    ({"confidence": 95}, "confidence"),
    ({"confidence": 0.0}, "confidence"),
    ({"n": -1}, "-1 rows"),
    ({"status": "ok"}, "no status 'ok'"),
    ({"status": "error"}, "needs a reason and no value"),
    ({"status": "error", "reason": "x"}, "needs a reason and no value"),
    ({"status": "insufficient", "value": None}, "needs a reason"),
])
def test_what_cannot_be_is_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        Measurement("m.x", **{"value": 0.5, **wrong})


@pytest.mark.parametrize("status", [s for s in STATUSES if s != "measured"])
def test_what_was_not_measured_has_a_reason_and_no_number(status):
    got = not_measured("m.x", status, "There is no data.", over={"column": "a"}, n=3)
    assert (got.value, got.low, got.p_value, got.status, got.n) == (None, None, None, status, 3)
    with pytest.raises(ValueError, match="needs a reason"):
        not_measured("m.x", status, "")


def test_numbers_of_numpy_become_plain_ones():
    over, stats = {"group": {"age": np.int64(3)}}, {"positives": np.int32(2)}
    m = Measurement("m.x", over, np.float64(0.5), np.float32(0.25), np.int8(1), n=np.int64(7), stats=stats)
    assert [type(x) for x in (m.value, m.low, m.high, m.n, m.stats["positives"])] == [float, float, float, int, int]
    assert canonical_json(m.as_dict())


@given(
    st.dictionaries(TEXT, TEXT | st.dictionaries(TEXT, TEXT, max_size=2), max_size=2),
    FINITE, st.floats(0, 1), st.integers(0, 10**12),
    st.dictionaries(TEXT, st.integers() | st.lists(st.tuples(FINITE, st.integers(0, 9)), max_size=2), max_size=2), TEXT,
)
def test_a_measurement_is_the_same_after_it_was_kept_as_json(over, value, p, n, stats, method):
    m = Measurement("m.x", over, value, value, value, 0.95, p, n, stats, method, {"batch": "9f"}, details={"a": [1, None]})
    assert Measurement.from_dict(json.loads(canonical_json(m.as_dict()))) == m


def test_a_measurement_cannot_be_changed_nor_changes_with_what_it_was_made_of():
    over = {"group": {"sex": "female"}}
    m = Measurement("m.x", over, 0.5)
    over["group"]["sex"] = "male"
    assert m.over == {"group": {"sex": "female"}}
    with pytest.raises(AttributeError):
        m.value = 0.6
