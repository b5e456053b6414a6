"""Text before it leaves: identifiers are gone, everything else is still there."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.identifiers import redact, redact_all
from tests.checks.identifiers.planted import DECOYS, PLANTED, in_text


def test_every_planted_identifier_is_gone() -> None:
    r = random.Random(20261128)
    values = [(name, word, make(r)) for name, (_, make, word) in PLANTED.items() for _ in range(100)]
    left = redact_all([in_text(r, word + value) for _, word, value in values])
    missed = Counter(name for (name, _, value), text in zip(values, left, strict=True) if value in text)
    assert {name: n for name, n in missed.items() if n > 2} == {}


@pytest.mark.parametrize("text", [
    "Order 2024-00012345 of 2024-03-01 at 10:30, version 4.12.7.1, see icon@2x.png",
    "v10.200.3.44 was released; 17:30:45; 12 x 300 x 400; 1700000000",
    "From Berlin to San Francisco in 2024, 3.14159265358979 times 2.71828182845904",
    "",
    "Weiß nicht, très bien, 東京",
])
def test_what_is_no_identifier_stays_to_the_letter(text: str) -> None:
    assert redact(text) == text


def test_most_decoys_stay_in_a_sentence() -> None:
    r = random.Random(20261129)
    texts = [f"see {make(r)} for it" for make in DECOYS.values() for _ in range(20)]
    changed = [text for text, left in zip(texts, redact_all(texts), strict=True) if left != text]
    assert len(changed) <= 0.01 * len(texts), changed[:5]


def test_kinds_do_not_eat_each_other() -> None:
    text = "IBAN DE89 3704 0044 0532 0130 00 BIC COBADEFF, card 4111-1111-1111-1111, tel. +49 (0)170 1234567, jane@example.org."
    assert redact(text) == "IBAN [IBAN] BIC COBADEFF, card [card number], tel. [phone number], [e-mail]."


@given(st.lists(st.text(max_size=60), max_size=3))
@settings(max_examples=8)
def test_redacting_twice_is_redacting_once(texts: list[str]) -> None:
    texts = [text.encode("utf-8", "ignore").decode() for text in texts]
    once = redact_all(texts)
    assert redact_all(once) == once


def test_half_a_character_is_refused() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        redact("\ud800")
