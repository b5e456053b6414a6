"""A small version of benchmarks/privacy_error_rates.py: what docs/error-rates.md says of the rules about people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import privacy_error_rates as rates

POLICY = rates.policy_of()
DRAWS, AT_MOST = 60, 0.1
"""Seven or more of 60 are rarer than one in a thousand if one in forty is true."""


def test_days_of_the_same_people_pass_if_they_are_large_and_one_at_the_limit_is_hardly_ever_called_beyond_it() -> None:
    found = dict(rates.no_finer(POLICY, DRAWS, rows=(1_000,)))
    assert len(found) == 2
    for words, shares in found.items():
        assert shares["beyond"] <= (AT_MOST if "at the limit" in words else 0), words
        assert "at the limit" in words or shares["pass"] >= 0.95, words


def test_a_share_is_held_without_its_interval_so_a_reference_at_the_limit_is_a_coin_and_one_below_it_passes() -> None:
    found = dict(rates.no_name(POLICY, DRAWS, rows=(2_000,)))
    beyond = {words.partition(", ")[2]: shares["beyond"] for words, shares in found.items()}
    assert beyond["0.90 expected"] == 0 and beyond["0.97 expected"] == 1
    assert 0.3 <= beyond["0.95 expected"] <= 0.7, "a coin"


def test_a_model_that_leaks_nothing_is_not_called_beyond_the_limit_by_either_attack_nor_one_at_it() -> None:
    found = dict(rates.hidden(POLICY, DRAWS, rows=(100, 400)))
    assert {words.partition(",")[0] for words in found} == {"loss", "likelihood ratio"}
    for words, shares in found.items():
        assert shares["beyond"] <= (AT_MOST if "at the limit" in words else 0), words
        assert shares["pass"] <= AT_MOST or "no leak" in words, words
        assert shares["pass"] >= 0.95 or "400" not in words or "no leak" not in words, words


def test_nobody_is_called_named_where_nothing_leaks() -> None:
    found = dict(rates.named(POLICY, DRAWS, rows=(1_000,)))
    assert [shares["beyond"] <= AT_MOST for shares in found.values()] == [True, True]
    assert found["1,000 members and as many others, no leak"]["pass"] >= 0.95


def test_a_column_without_which_the_loss_rises_by_four_margins_is_kept_and_noise_is_not(tmp_path: Path) -> None:
    random = np.random.default_rng(rates.SEED)
    found = [rates.left_out(tmp_path, random, 300, rates.effect_for(4, 100)) for _ in range(4)]
    assert not any("much" in names or "some" in names for names in found)
    assert sum("noise" in names for names in found) >= 3


@pytest.mark.parametrize("rows", [60, 700])
def test_the_share_expected_is_that_of_many_draws(rows: int) -> None:
    random = np.random.default_rng(7)
    drawn = [rates.sizes(random, rows, 0.2).at(rows).value for _ in range(400)]
    assert rates.expected(rows, 0.2) == pytest.approx(np.mean(drawn), abs=5 * np.std(drawn) / 20)
