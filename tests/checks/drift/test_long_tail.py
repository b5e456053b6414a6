"""Words with a long tail: every further day of the same world holds categories that its reference has never seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from checks import drift
from tests.support import DAY, make_subject, passport_of

SHARES = (np.arange(1, 1501) ** -1.4) / (np.arange(1, 1501) ** -1.4).sum()
OF_SHARES = ("drift.psi", "drift.jensen_shannon", "drift.total_variation", "drift.cramers_v")


def words(rng: np.random.Generator, n: int, new: float = 0.0) -> dict[str, list[str]]:
    drawn = rng.choice(1500, size=n, p=SHARES)
    return {"age": ["brand new" if unseen else f"w{k}" for k, unseen in zip(drawn, rng.random(n) < new, strict=True)]}


@pytest.mark.parametrize("seed", range(3))
def test_a_day_of_the_same_world_has_not_moved_though_it_holds_words_never_seen(tmp_path: Path, seed: int):
    rng = np.random.default_rng(seed)
    passport = passport_of(features=["age"], protected=[])
    with make_subject(tmp_path, passport, words(rng, 20_000), {DAY: words(rng, 10_000)}) as subject:
        found = {m.metric: m for m in drift.measure(subject) if m.over == {"column": "age"} and m.value is not None}
    new = found["drift.new_category_share"]
    assert new.value > 0.01 and new.p_value > 0.001, "about as many as the reference's single words promise"
    assert found["drift.psi"].value < 0.01
    assert all(found[metric].value < 0.06 for metric in OF_SHARES)


def test_a_new_word_that_is_frequent_is_a_shift_and_a_new_category(tmp_path: Path):
    rng = np.random.default_rng(1)
    passport = passport_of(features=["age"], protected=[])
    with make_subject(tmp_path, passport, words(rng, 20_000), {DAY: words(rng, 10_000, new=0.25)}) as subject:
        found = {m.metric: m for m in drift.measure(subject) if m.over == {"column": "age"} and m.value is not None}
    assert found["drift.new_category_share"].p_value < 1e-9
    assert found["drift.psi"].value > 0.1 and found["drift.psi"].p_value < 1e-9
