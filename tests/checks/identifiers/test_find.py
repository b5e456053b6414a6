"""Columns: every planted kind is found, decoys are not, and no value comes out."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.identifiers import Found, find
from checks.identifiers.validators import install
from tests.checks.identifiers.planted import DECOYS, PLANTED, card, email, in_text, phone

ROWS = 200


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 2}) as opened:
        yield opened


@cache
def validating() -> duckdb.DuckDBPyConnection:
    opened = duckdb.connect(config={"threads": 1})
    install(opened)
    return opened


def look(con: duckdb.DuckDBPyConnection, **columns: Any) -> dict[str, Found]:
    con.register("looked_at", pa.table(columns))
    kinds = {row[0]: row[1] for row in con.execute("describe looked_at").fetchall()}
    return {one.column: one for one in find(con, "looked_at", kinds)}


@pytest.mark.parametrize(("check", "right", "wrong"), [
    ("card", "4111 1111 1111 1111", "4111 1111 1111 1112"),
    ("card", "378282246310005", "378282246310006"),
    ("iban", "GB82 WEST 1234 5698 7654 32", "GB82 WEST 1234 5698 7654 33"),  # the standard's own example
    ("iban", "MT84MALT011000012345MTLCAST001S", "MT84MALT011000012345MTLCAST002S"),
    ("uk_nhs", "943 476 5919", "943 476 5918"),
    ("de_tax", "86095742719", "86095742718"),
    ("fr_nir", "2 55 08 14 168 025 38", "2 55 08 14 168 025 39"),
    ("es_dni", "12345678Z", "12345678A"),
    ("es_dni", "X1234567L", "X1234567M"),
    ("nl_bsn", "111222333", "111222334"),
    ("se_person", "811218-9876", "811218-9877"),
    ("pl_pesel", "44051401359", "44051401358"),
    ("be_national", "85.07.30-033.28", "85.07.30-033.29"),
    ("ch_ahv", "756.9217.0769.85", "756.9217.0769.84"),
    ("br_cpf", "111.444.777-35", "111.444.777-36"),
    ("no_fnr", "01010750160", "01010750161"),
    ("fi_hetu", "131052-308T", "131052-308U"),
    ("ca_sin", "046-454-286", "046-454-287"),
    ("imei", "490154203237518", "490154203237519"),
    ("us_ssn", "123-45-6789", "000-45-6789"),
])
def test_published_examples_validate_and_their_slips_do_not(
    con: duckdb.DuckDBPyConnection, check: str, right: str, wrong: str
) -> None:
    install(con)
    assert con.execute(f"select id_{check}(?), id_{check}(?)", [right, wrong]).fetchall() == [(True, False)]


@given(st.text(max_size=40))
@settings(max_examples=40)
def test_no_text_makes_a_validator_fail_or_answer_nothing(text: str) -> None:
    from checks.identifiers.kinds import KINDS

    text = text.encode("utf-8", "ignore").decode()
    asked = ", ".join(f"id_{name}($1)" for name in sorted({k.validator for k in KINDS if k.validator}))
    assert None not in validating().execute(f"select {asked}", [text]).fetchall()[0]


def test_every_kind_is_found_in_a_column_of_its_own(con: duckdb.DuckDBPyConnection) -> None:
    r = random.Random(20261122)
    made = {column: [make(r) for _ in range(ROWS)] for column, make, _ in PLANTED.values()}
    found = look(con, **made)
    for name, (column, _, _) in PLANTED.items():
        kinds = found[column].kinds
        assert next(iter(kinds), None) == name.removesuffix(" (6)"), f"{column}: {kinds}"
        assert found[column].rows >= 0.98 * ROWS, name


def test_every_kind_is_found_in_free_text(con: duckdb.DuckDBPyConnection) -> None:
    r = random.Random(20261123)
    texts = [in_text(r, word + make(r)) for _, make, word in PLANTED.values() for _ in range(50)]
    found = look(con, note=texts)["note"]
    assert found.rows >= 0.98 * len(texts)
    named = {name for name, (_, _, word) in PLANTED.items() if not word} - {"IP address (6)"}
    assert set(found.kinds) >= named | {"identity number"}


def test_order_numbers_versions_times_and_cities_are_no_identifiers(con: duckdb.DuckDBPyConnection) -> None:
    r = random.Random(20261124)
    found = look(con, **{name: [make(r) for _ in range(ROWS)] for name, make in DECOYS.items()})
    assert {name: one.kinds for name, one in found.items() if one.kinds} == {}


def test_numbers_hold_card_and_phone_numbers_too(con: duckdb.DuckDBPyConnection) -> None:
    r = random.Random(20261125)
    cards = [int(card(r).replace(" ", "").replace("-", "")) for _ in range(ROWS)]
    with_gaps = pa.array([float(c) if i % 3 else None for i, c in enumerate(cards)])
    phones = [int(f"{r.randint(2, 9)}{r.randint(10, 99)}{r.randint(2, 9)}{r.randint(10**5, 10**6 - 1)}") for _ in range(ROWS)]
    counter = [3002345000 + i for i in range(ROWS)]
    found = look(con, n=pa.array(cards), gaps=with_gaps, reach=pa.array(phones), counter=pa.array(counter))
    assert list(found["n"].kinds) == list(found["gaps"].kinds) == ["card number"]
    assert list(found["reach"].kinds) == ["phone number"] and found["counter"].kinds == {}


def test_one_valid_order_number_in_ten_is_chance_and_three_in_ten_are_not(con: duckdb.DuckDBPyConnection) -> None:
    r = random.Random(20261126)
    orders = [f"order 4{r.randint(10**14, 10**15 - 1)}" for _ in range(2000)]
    mixed = [f"paid {card(r)}" if i % 3 == 0 else text for i, text in enumerate(orders)]
    found = look(con, orders=orders, mixed=mixed)
    assert found["orders"].kinds == {}
    assert found["mixed"].kinds["card number"].rows > 600


def test_a_single_address_in_a_long_column_of_prose_is_counted_exactly(con: duckdb.DuckDBPyConnection) -> None:
    texts = ["nothing to see here, thank you"] * 999 + ["ask jane.doe@example.org, or +49 170 1234567"]
    found = look(con, note=texts)["note"]
    assert (found.values, found.rows) == (1000, 1)
    assert {kind: of.rows for kind, of in found.kinds.items()} == {"e-mail": 1, "phone number": 1}


def test_no_value_leaves_the_column(con: duckdb.DuckDBPyConnection) -> None:
    r = random.Random(20261127)
    emails, phones = [email(r) for _ in range(50)], [phone(r) for _ in range(50)]
    said = repr(look(con, a=emails, b=phones, c=[f"text {e}" for e in emails]))
    assert not any(value in said for value in (*emails, *phones))


@pytest.mark.parametrize("name", ['we"ird; drop table x --', "'", "roadworthy", "t", "h0", "é"])
def test_names_of_columns_are_hostile(con: duckdb.DuckDBPyConnection, name: str) -> None:
    assert look(con, **{name: ["jane@example.org", None]})[name].rows == 1


def test_nested_values_are_read_and_columns_without_a_value_hold_nothing(con: duckdb.DuckDBPyConnection) -> None:
    found = look(con, tags=pa.array([["a", "jane@example.org"], []]), none=pa.array([None, None], pa.string()),
                 when=pa.array(["2024-01-01", None]).cast(pa.date32()))
    assert found["tags"].rows == 1 and found["none"].values == 0 and "when" not in found
