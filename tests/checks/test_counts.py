"""Which rows count as positive, favourable, or of a group, however the file stores them."""

from __future__ import annotations

import math

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.counts import columns_of, decision_column, favourable, group, positive, spellings
from roadworthy.passport import Bin, Protected
from roadworthy.sql import quote
from tests.support import passport_of

# One of its own: the module's shared connection may be left in the middle of another test's result.
DATABASE = duckdb.connect()

ONES = [
    "1::tinyint", "1::bigint", "1.0::double", "1.00::decimal(5,2)", "'1'", "'1.0'", "true", "'true'", "'True'",
    "'1'::enum('0','1')",
]
ZEROS = ["0::tinyint", "0::hugeint", "0.0::double", "-0.0::double", "0.00::decimal(5,2)", "'0'", "false", "'False'"]
NEITHER = ["null", "'nan'::double", "'inf'::double", "2", "'yes'", "''", "[1]", "{'a': 1}", "date '2020-01-01'", "'01'", "'1 '"]


def ask(sql: str, value: str, name: str = "x") -> object:
    (row,) = DATABASE.execute(f"select {sql} from (select {value} as {name})").fetchall()
    assert row is not None
    return row[0]


@pytest.mark.parametrize("declared", [(1, 0), (True, False), ("1", "0"), ("true", "false")])
def test_a_label_means_the_same_in_every_storage(declared):
    passport = passport_of(task={"label": "x", "positive": declared[0], "negative": declared[1], "favourable": declared[1]})
    for value in ONES:
        assert ask(positive(passport, "x"), value) == 1, value
        assert ask(favourable(passport, "x"), value) == 0, value
    for value in ZEROS:
        assert ask(positive(passport, "x"), value) == 0, value
        assert ask(favourable(passport, "x"), value) == 1, value
    for value in NEITHER:
        assert ask(positive(passport, "x"), value) is None, value
        assert ask(favourable(passport, "x"), value) is None, value


@pytest.mark.parametrize("declared", [(1, 0), (True, False), ("1", "0"), ("yes", "no"), (2, 1)])
def test_a_known_type_is_faster_and_means_the_same(declared):
    passport = passport_of(task={"label": "x", "positive": declared[0], "negative": declared[1], "favourable": declared[1]})
    for value in [*ONES, *ZEROS, *NEITHER]:
        (row,) = DATABASE.execute(f"select typeof({value})").fetchall()
        for meaning in (positive, favourable):
            assert ask(meaning(passport, "x", row[0]), value) == ask(meaning(passport, "x"), value), (value, row[0])


def test_words_are_compared_exactly_and_nan_equals_nothing():
    passport = passport_of(task={"label": "x", "positive": "nan", "negative": "No", "favourable": "No"})
    assert ask(positive(passport, "x"), "'nan'::double") is None
    assert ask(positive(passport, "x"), "'nan'") is None
    assert ask(positive(passport, "x"), "'No'") == 0
    assert ask(positive(passport, "x"), "'no'") is None


@pytest.mark.parametrize(("score", "expected"), [
    ("0.5", 1), ("1", 1), ("0.4999999", 0), ("0", 0), ("'0.7'", 1), ("-0.1", None), ("1.1", None),
    ("'nan'::double", None), ("'inf'::double", None), ("null", None), ("'high'", None),
])
def test_a_score_alone_decides_from_a_half_up(score, expected):
    passport = passport_of(task={"prediction": None, "score": "x", "favourable": 0})
    assert decision_column(passport) == "x"
    assert ask(positive(passport, "x"), score) == expected
    assert ask(favourable(passport, "x"), score) == (None if expected is None else 1 - expected)


def test_a_column_that_is_prediction_and_score_is_read_as_decision():
    passport = passport_of(task={"prediction": "x", "score": "x"})
    assert ask(positive(passport, "x"), "0.7") is None


def test_multiclass_knows_only_its_classes():
    task = {"kind": "multiclass", "label": "l", "prediction": "x", "classes": ["a", "b", 3], "favourable": "a"}
    passport = passport_of(task=task)
    assert [ask(favourable(passport, "x"), v) for v in ("'a'", "'b'", "3.0", "'c'", "null")] == [1, 0, 0, None, None]


def test_asking_for_what_is_not_declared_is_an_error():
    regression = passport_of(task={"kind": "regression", "label": "y", "prediction": "p"})
    with pytest.raises(ValueError, match="no positive"):
        positive(regression, "y")
    with pytest.raises(ValueError, match="no favourable"):
        favourable(regression, "y")


AGE = Protected(
    name="age", column="x", reference="old",
    bins=[Bin(label="it's <b>", at_least=18, below=25), Bin(label="old", at_least=25, below=99.5)],
)


@pytest.mark.parametrize(("value", "label"), [
    ("18", "it's <b>"), ("24.999", "it's <b>"), ("25", "old"), ("'30'", "old"), ("99.4::decimal(4,1)", "old"),
    ("99.5", "(outside)"), ("17", "(outside)"), ("'inf'::double", "(outside)"), ("'-inf'::double", "(outside)"),
    ("'old'", "(outside)"), ("date '2020-01-01'", "(outside)"), ("null", "(missing)"), ("'nan'::double", "(missing)"),
])
def test_bins_take_their_lower_end_and_not_their_upper(value, label):
    assert ask(group(AGE), value) == label


def test_infinity_is_outside_even_an_open_bin():
    age = Protected(name="age", column="x", reference="all", bins=[Bin(label="all", at_least=0)])
    assert ask(group(age), "'inf'::double") == "(outside)"


SEX = Protected(name="sex", column="x", reference="male", values={"1": "male", "2": "fem'ale"})


@pytest.mark.parametrize(("value", "label"), [
    ("1", "male"), ("2.0::double", "fem'ale"), ("'2'", "fem'ale"), ("2.000::decimal(6,3)", "fem'ale"), ("3", "3"),
    ("3.0::double", "3"), ("'v3.0'", "v3.0"), ("''", ""), ("null", "(missing)"), ("'nan'::double", "(missing)"),
    ("'NaN'", "(missing)"), ("'{{ }}'", "{{ }}"), ("'性别'", "性别"),
])
def test_values_get_their_word_or_keep_their_text(value, label):
    assert ask(group(SEX), value) == label


TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))


@given(TEXT.filter(bool), TEXT)
def test_no_name_and_no_value_breaks_out_of_the_sql(name, value):
    protected = Protected(name="g", column=name, reference="known", values={value: "known"})
    (row,) = DATABASE.execute(f"select {group(protected)} from (select ? as {quote(name)})", [value]).fetchall()
    assert row == ("(missing)" if value.lower() == "nan" else "known",)


@given(st.integers(-10**12, 10**12))
def test_a_whole_number_is_found_as_integer_double_and_text(number):
    passport = passport_of(task={"label": "x", "positive": number, "negative": "other", "favourable": "other"})
    for value in (f"{number}::bigint", f"'{number}'", f"{number}::double" if abs(number) < 2**53 else "null"):
        expected = None if value == "null" else 1
        assert ask(positive(passport, "x"), value) == expected


@given(st.floats())
def test_spellings_of_any_float_text_never_raise(number):
    assert (spellings(str(number)) == ()) == math.isnan(number)


def test_columns_are_listed_once_with_every_role():
    passport = passport_of(
        features=["age", "sex"], identifiers=[{"column": "id", "purpose": "p", "basis": "b"}], time="at",
        independence={"unit": "entity", "column": "id"}, leaks=["casual"], segments=["sex"], quasi_identifiers=["age"],
    )
    found = columns_of(passport)
    assert list(found) == ["age", "sex", "label", "prediction", "score", "id", "casual", "at"]
    assert found["sex"] == ("feature", "protected", "segment")
    assert found["id"] == ("identifier", "unit")
