"""Equal values have equal bytes and equal digests; what JSON cannot keep is refused."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.canonical import canonical_json, digest_bytes, digest_file, digest_of, plain

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_canonical_json_reads_back_as_the_same_value(value):
    assert json.loads(canonical_json(value)) == value


@given(st.dictionaries(TEXT, JSON, max_size=6), st.randoms())
def test_the_order_in_which_keys_were_put_in_does_not_matter(value, random):
    keys = list(value)
    random.shuffle(keys)
    assert digest_of({k: value[k] for k in keys}) == digest_of(value)


@pytest.mark.parametrize(("data", "digest"), [
    (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),     # NIST FIPS 180-4 examples
    (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
])
def test_digests_are_sha256(tmp_path, data, digest):
    assert digest_bytes(data) == digest
    (tmp_path / "x").write_bytes(data)
    assert digest_file(tmp_path / "x") == digest


def test_a_file_larger_than_one_piece_has_the_digest_of_its_bytes(tmp_path):
    data = bytes(range(256)) * 8192 + b"end"
    (tmp_path / "x").write_bytes(data)
    assert digest_file(tmp_path / "x") == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), {"a": [float("-inf")]}])
def test_a_number_that_is_not_finite_has_no_canonical_form(bad):
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(bad)


def test_numbers_of_numpy_become_plain_ones():
    scalars = {"a": np.int64(3), "b": np.float64(0.5), "c": np.array([1, 2]), "d": np.bool_(True), "e": np.str_("x")}
    got = plain({**scalars, "f": (1, (2,))})
    assert got == {"a": 3, "b": 0.5, "c": [1, 2], "d": True, "e": "x", "f": [1, [2]]}
    assert [type(v) for v in got.values()] == [int, float, list, bool, str, list]


@given(JSON)
def test_what_is_plain_stays_as_it_is(value):
    assert plain(value) == value


@pytest.mark.parametrize(("bad", "said"), [
    (float("nan"), "holds nan"),
    ([{"x": np.float64("inf")}], "holds inf"),
    (np.array([1.0, np.nan]), "holds nan"),
    ({1: "x"}, "the key 1, which is not text"),
    ({"x": {None: 1}}, "the key None"),
    (date(2026, 4, 9), "holds a date"),
    (Decimal("1.5"), "holds a Decimal"),
    ({"x": {1, 2}}, "holds a set"),
    (b"x", "holds a bytes"),
    ("\ud800", "not Unicode"),
    ({"\ud800": 1}, "not Unicode"),
])
def test_what_json_cannot_keep_is_refused_with_its_place(bad, said):
    with pytest.raises(ValueError, match=said) as caught:
        plain(bad, "the place")
    assert str(caught.value).startswith("the place")
    str(caught.value).encode()
