"""k, l and t against another library's numbers and against definitions counted row by row; names and values that are hostile."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from checks.anonymity import METRICS, measure
from checks.anonymity.classes import SMALL, Share, Sizes, sizes_of
from checks.anonymity.closeness import MOST_VALUES, look
from checks.intervals import wilson
from roadworthy.catalogue import catalogue
from roadworthy.measurement import Measurement
from tests.support import DAY, make_subject, passport_of

QUASI = ["age", "town"]


def people(rows: int) -> dict[str, list[Any]]:
    """Return a table made by arithmetic, so that another library can be given the very same."""
    i = range(rows)
    return {
        "age": [20 + (k * k) % 5 for k in i], "town": ["abcd"[(k * 7 + k // 9) % 4] for k in i],
        "pay": [(k * k * 3) % 17 * 100 for k in i], "ill": ["flu" if k % 3 else "cold" if k % 4 else "gout" for k in i],
        "yes": [int((k * 5) % 7 < 3) for k in i],
    }


# pycanon 1.3.6: k_anonymity, l_diversity and t_closeness of `people`, for pay (ordered distance), ill (equal distance), yes.
PYCANON = {
    24: (1, {"pay": (1, 0.5208333333333333), "ill": (1, 0.9166666666666666), "yes": (1, 0.5833333333333335)}),
    200: (8, {"pay": (3, 0.21918269230769236), "ill": (1, 0.33499999999999996), "yes": (2, 0.10846153846153844)}),
    1000: (44, {"pay": (9, 0.04430037313432835), "ill": (1, 0.33399999999999996), "yes": (2, 0.01976119402985077)}),
}


def by_name(measured: list[Measurement]) -> dict[str, Measurement]:
    return {" ".join([m.metric.removeprefix("privacy."), *m.over.values()]): m for m in measured}


@pytest.mark.parametrize("rows", PYCANON)
def test_k_and_l_are_those_of_pycanon_and_t_to_nine_digits(tmp_path: Path, rows: int) -> None:
    k, values = PYCANON[rows]
    passport = passport_of(quasi_identifiers=QUASI, sensitive=list(values))
    with make_subject(tmp_path, passport, people(rows)) as subject:
        found = by_name(measure(subject))
    assert found["k_anonymity"].value == k and found["highest_risk"].value == 1 / k
    for name, (fewest, farthest) in values.items():
        assert found[f"l_diversity {name}"].value == fewest
        assert found[f"t_closeness {name}"].value == pytest.approx(farthest, abs=1e-9)


def definitions(table: dict[str, list[Any]], sensitive: str, ordered: bool) -> tuple[int, int, float, int]:
    """Return k, l, t and the rows in small classes by counting row by row, as the papers define them."""
    keys = list(zip(*(table[name] for name in QUASI), strict=True))
    values = sorted(set(table[sensitive]), key=lambda v: (v is None, v if v is not None else 0))
    whole, within = Counter(table[sensitive]), dict[Any, Counter[Any]]()
    for key, value in zip(keys, table[sensitive], strict=True):
        within.setdefault(key, Counter())[value] += 1
    far = []
    for counts in within.values():
        apart = [counts[v] / counts.total() - whole[v] / whole.total() for v in values]
        total = sum(map(abs, itertools.accumulate(apart))) / max(1, len(values) - 1) if ordered else sum(map(abs, apart)) / 2
        far.append(total)
    sizes = [counts.total() for counts in within.values()]
    return min(sizes), min(len(c) for c in within.values()), max(far), sum(n for n in sizes if n < SMALL)


@pytest.mark.parametrize("seed", range(6))
def test_random_tables_with_blanks_are_counted_as_the_papers_define_it_in_pieces_of_any_size(tmp_path: Path, seed: int) -> None:
    r = np.random.default_rng(seed)
    n = int(r.integers(1, 400))
    table = {
        "age": [None if x == 7 else int(x) for x in r.integers(0, 8, n)],
        "town": [None if x == 5 else f"t{x}" for x in r.integers(0, 6, n)],
        "pay": [None if x == 9 else float(x) / 3 for x in r.integers(0, 10, n)],
        "ill": [None if x == 3 else f"i{x}" for x in r.integers(0, 4, n)],
    }
    with make_subject(tmp_path, passport_of(), table) as subject:
        for name, piece in (("pay", 1), ("ill", 7), ("pay", 250_000)):
            sizes, told = look(subject, subject.reference, QUASI, name, piece)
            k, fewest, farthest, small = definitions(table, name, ordered=name == "pay")
            assert (sizes.smallest, told.fewest, sizes.below(SMALL), sizes.rows) == (k, fewest, small, n)
            assert told.farthest == pytest.approx(farthest, abs=1e-12)
            assert sizes == sizes_of(subject, subject.reference, QUASI)


def test_a_number_of_many_values_is_cut_for_t_and_never_for_l(tmp_path: Path) -> None:
    table = {"age": [k % 2 for k in range(1000)], "town": ["x"] * 1000, "pay": [float(k) for k in range(1000)]}
    with make_subject(tmp_path, passport_of(), table) as subject:
        _, told = look(subject, subject.reference, QUASI, "pay")
    assert (told.values, told.parts, told.fewest) == (1000, MOST_VALUES, 500)
    assert told.farthest < 0.001  # both classes have ten rows in each part


def test_blanks_and_nan_are_one_value_of_their_own(tmp_path: Path) -> None:
    table = {"age": [1.0, None, float("nan"), 1.0], "town": ["a"] * 4, "ill": ["x", None, None, "y"]}
    with make_subject(tmp_path, passport_of(), table) as subject:
        sizes, told = look(subject, subject.reference, QUASI, "ill")
    assert sizes.classes == {2: 2} and (told.values, told.fewest, told.alike) == (3, 1, 2)


@pytest.mark.parametrize("name", ['a"b; drop view reference; --', "h", "g", "s", "n", "place", "q0", "ünï <b>"])
def test_no_name_of_a_column_is_taken_for_sql_or_for_one_of_ours(tmp_path: Path, name: str) -> None:
    table = {name: [1, 1, 2], "town": ["a", "a", "b"], "label": [1, 0, 1]}
    passport = passport_of(quasi_identifiers=[name, "town"], features=[name])
    with make_subject(tmp_path, passport, table) as subject:
        found = by_name(measure(subject))
    assert (found["k_anonymity"].value, found["l_diversity label"].value) == (1, 1)


def test_what_is_not_there_or_not_declared_is_never_a_number(tmp_path: Path) -> None:
    with make_subject(tmp_path / "a", passport_of(), people(24)) as subject:
        assert {(m.metric, m.status) for m in measure(subject)} == {(m, "not_applicable") for m in METRICS}
    with make_subject(tmp_path / "b", passport_of(quasi_identifiers=["age", "gone"]), people(24)) as subject:
        assert {(m.metric, m.status) for m in measure(subject)} == {(m, "error") for m in METRICS}
    with make_subject(tmp_path / "c", passport_of(quasi_identifiers=["age"])) as subject:
        assert {m.status for m in measure(subject)} == {"error"}
    with make_subject(tmp_path / "d", passport_of(quasi_identifiers=["age"], sensitive=["gone"]), people(24)) as subject:
        found = by_name(measure(subject))
        assert {found[f"{name} gone"].status for name in ("l_diversity", "t_closeness")} == {"error"}
        assert found["small_classes_change"].status == "error"
        assert found["k_anonymity"].value == 5


def test_finer_columns_are_seen_at_any_number_of_rows_and_a_small_day_of_the_same_people_is_not(tmp_path: Path) -> None:
    r = np.random.default_rng(1)

    def day(rows: int, step: int) -> dict[str, Any]:
        town, label = r.choice(["a", "b", "c"], rows), r.integers(0, 2, rows)
        return {"age": r.integers(20, 60, rows) // step * step, "town": town, "label": label}

    passport = passport_of(quasi_identifiers=QUASI)
    for folder, step, fine in (("same", 5, False), ("finer", 1, True)):
        with make_subject(tmp_path / folder, passport, day(3000, 5), {DAY: day(150, step)}) as subject:
            change = by_name(measure(subject))["small_classes_change"]
        assert change.n == 150 and change.low is not None and change.high is not None
        assert (change.low > 0.2) == fine and (change.low <= 0 <= change.high) != fine
        assert change.stats["reference_rows"] == 3000


def test_what_is_kept_of_a_reference_gives_the_same_numbers_and_holds_no_value(tmp_path: Path) -> None:
    kept: dict[str, Any] = {}

    class Shelf:
        def get(self, kind: str, key: Any) -> Any:
            found = kept.get(kind)
            return json.loads(found[1]) if found and found[0] == key else None

        def put(self, kind: str, key: Any, content: Any) -> None:
            kept[kind] = key, json.dumps(content)

    passport = passport_of(quasi_identifiers=QUASI, sensitive=["ill", "pay"])
    with make_subject(tmp_path, passport, people(200), {DAY: people(50)}, kept=Shelf()) as subject:
        first, again = measure(subject), measure(subject)
    assert [m.as_dict() for m in first] == [m.as_dict() for m in again]
    assert "flu" not in kept["anonymity"][1] and "flu" not in repr(first)
    assert all(m.metric in catalogue() for m in first)


def test_the_interval_of_the_share_holds_what_as_many_other_rows_have_on_average() -> None:
    r = np.random.default_rng(3)
    weights = r.dirichlet(np.full(300, 0.3))
    drawn = [Sizes({int(c): int(m) for c, m in zip(*np.unique(d[d > 0], return_counts=True), strict=True)}).at(400)
             for d in r.multinomial(400, weights, 600)]
    truth = float(np.mean([one.value for one in drawn]))
    held = [wilson(one.value * one.worth, one.worth) for one in drawn]
    assert np.mean([one.low <= truth <= one.high for one in held]) >= 0.93
    assert Share(0.5, 0.0, 101).worth == pytest.approx(100)  # without classes of exactly five it is a plain proportion


def test_a_part_of_the_rows_has_the_share_that_drawing_it_gives() -> None:
    r, sizes = np.random.default_rng(4), Sizes({1: 20, 3: 10, 8: 10, 30: 2})
    rows = np.repeat(np.arange(42), [1] * 20 + [3] * 10 + [8] * 10 + [30] * 2)
    shares = []
    for _ in range(400):
        counts = np.bincount(r.permutation(rows)[:60])
        shares.append(counts[counts < SMALL].sum() / 60)
    assert sizes.at(60).value == pytest.approx(np.mean(shares), abs=0.01)
