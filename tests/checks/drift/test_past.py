"""Days counted in one grouped pass are measured as each night alone would have measured them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from checks import drift
from checks.drift.past import METRICS, PastDays
from checks.subject import open_subject
from roadworthy.canonical import canonical_json
from roadworthy.measurement import Measurement
from roadworthy.passport import Passport
from roadworthy.workspace import Workspace
from tests.acceptance.fleet import FLEET
from tests.support import DAY, passport_of, write_parquet


def told(measurements: list[Measurement]) -> list[bytes]:
    return sorted(canonical_json(m.as_dict()) for m in measurements)


class Memory:
    """Keeps the reference's profile for the nights of one test; each would count it anew."""

    def __init__(self) -> None:
        self.held: dict[bytes, Any] = {}

    def get(self, kind: str, key: Mapping[str, Any]) -> Any | None:
        return self.held.get(canonical_json([kind, dict(key)]))

    def put(self, kind: str, key: Mapping[str, Any], content: Any) -> None:
        self.held[canonical_json([kind, dict(key)])] = content


NIGHTS = Memory()


def alone(root: Path, passport: Passport, day: date, since: date | None = None) -> list[bytes]:
    """What the night of a day measures."""
    with open_subject(root, passport, day, since=since, kept=NIGHTS) as subject:
        return told([m for m in drift.measure(subject) if m.metric in METRICS])


def together(root: Path, passport: Passport, days: list[date], since: date | None = None) -> dict[date, list[bytes]]:
    with open_subject(root, passport, days[0]) as subject:
        past = PastDays(subject)
        past.count(sorted({one for day in days for one in past.window(day, since).days()}))
        return {day: told(past.measure(day, since)[1]) for day in days}


def days_to(last: date, n: int) -> list[date]:
    return [last - timedelta(days=back) for back in range(n - 1, -1, -1)]


@pytest.mark.parametrize("window", [1, pytest.param(3, marks=pytest.mark.long)])
def test_real_days_are_measured_as_their_nights_measure_them(window: int) -> None:
    """The days before the first batch are among them."""
    passport = Workspace.open(FLEET).passport("flights@1.0.0")
    passport = passport.model_copy(
        update={"windows": passport.windows.model_copy(update={"drift": window, "performance": 1, "fairness": 1})}
    )
    days = [date(2025, 3, 1), *days_to(date(2025, 4, 3), 3)]
    found = together(FLEET, passport, days)
    assert all(found[day] == alone(FLEET, passport, day) for day in days)
    assert any(b'"status":"measured"' in one for one in found[days[-1]])


def rows(n: int, seed: int, shift: float = 0.0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    income = rng.normal(shift, 1, n)
    income[rng.random(n) < 0.03] = np.nan
    return {
        "age": pa.array(rng.integers(18, 80, n), mask=rng.random(n) < 0.05), "income": income,
        "sex": np.array(["male", "female", "other"])[rng.integers(0, 3, n)], "prediction": rng.integers(0, 2, n),
        "score": rng.random(n), "label": rng.integers(0, 2, n), "id": np.arange(n),
    }


def without(column: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda held: {name: values for name, values in held.items() if name != column}


def as_words(held: dict[str, Any]) -> dict[str, Any]:
    return held | {"income": [f"{value:.2f}" for value in held["income"]]}


def empty(held: dict[str, Any]) -> dict[str, Any]:
    return {name: pa.array(values)[:0] for name, values in held.items()}


def new_word(held: dict[str, Any]) -> dict[str, Any]:
    return held | {"sex": np.where(held["age"].to_numpy(False) < 60, "unseen", held["sex"])}


CHANGES: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "no income": without("income"), "income in words": as_words, "no rows": empty, "a new word": new_word,
    "infinite": lambda held: held | {"income": np.full(len(held["age"]), np.inf)},
    "only nulls": lambda held: held | {"age": pa.nulls(len(held["age"]), pa.int64())},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve days, six of which are each hostile in another way, one missing, one cut, one whose pages are broken."""
    root = tmp_path_factory.mktemp("past")
    write_parquet(rows(900, 0), root / "reference" / "loan.parquet")
    changes = list(CHANGES.values())
    for index, day in enumerate(days_to(DAY, 12)):
        held = rows(150, index + 1, shift=index / 10)
        path = root / "batches" / f"{day}.parquet"
        if index != 5:
            write_parquet(changes[index - 6](held) if index >= 6 else held, path)
        if index == 1:
            path.write_bytes(path.read_bytes()[:-20])  # no footer
        if index == 3:
            content = bytearray(path.read_bytes())
            content[400:2_000] = bytes(1_600)  # pages that the footer promises
            path.write_bytes(content)
    for day in days_to(DAY, 12)[6:]:
        write_parquet({"id": np.arange(100), "label": [1] * 100}, root / "labels" / f"{day}.parquet")
    return root


@pytest.mark.parametrize(("declared", "looked_at"), [
    ({"windows": {"drift": 1}}, (0, 2, 4, 6, *range(8, 13))),
    pytest.param({"windows": {"drift": 2}}, (2, 5, 7, 8, 10), marks=pytest.mark.long),
    pytest.param({"windows": {"drift": 1}, "batches": {"due": False}}, (6, 9), marks=pytest.mark.long),
    ({"windows": {"drift": {"rows": 400, "days": 4}}}, (1, 4, 12)),
    ({"windows": {"drift": 1}, "drift": {"against": "rolling", "days": 3}}, (0, 12)),
    ({"windows": {"drift": 2}, "batches": {"labels": "labels/{date}.parquet", "key": "id"}}, (6, 8, 11)),
    ({"windows": {"drift": 1}, "reference": {"path": "reference/none.parquet"}}, (0, 12)),
], ids=["a day", "two days", "not due", "blocks", "rolling", "late labels", "no reference"])
def test_hostile_days_are_measured_as_their_nights_measure_them(
    made: Path, declared: dict[str, Any], looked_at: Sequence[int]
) -> None:
    passport, days = passport_of(**declared), days_to(DAY, 13)
    found = together(made, passport, [days[index] for index in looked_at])
    for day, past in found.items():
        assert past == alone(made, passport, day), day


def test_an_open_block_is_measured_from_its_first_day_on(made: Path) -> None:
    passport = passport_of(windows={"drift": {"rows": 400, "days": 20}})
    since = DAY - timedelta(days=2)
    assert together(made, passport, [DAY], since)[DAY] == alone(made, passport, DAY, since)


def test_names_that_are_patterns_are_taken_as_names(made: Path, tmp_path: Path) -> None:
    root = tmp_path / "a [b]*"
    shutil.copytree(made, root)
    days = days_to(DAY, 4)
    found = together(root, passport_of(), days)
    assert all(found[day] == alone(root, passport_of(), day) for day in days)


def test_a_day_that_was_counted_is_not_read_again(made: Path, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(made, root)
    day = days_to(DAY, 12)[0]
    with open_subject(root, passport_of(), day) as subject:
        past = PastDays(subject)
        past.count([day])
        (root / "batches" / f"{day}.parquet").unlink()
        table, found = past.measure(day)
    assert table.rows == 150
    assert {m.metric for m in found if m.status == "measured"} >= {"drift.psi", "drift.ks", "drift.missing_change"}


def test_what_was_forgotten_is_counted_again(made: Path) -> None:
    with open_subject(made, passport_of(), DAY) as subject:
        past = PastDays(subject)
        first = told(past.measure(DAY)[1])
        past.forget(DAY + timedelta(days=1))
        assert told(past.measure(DAY)[1]) == first


def test_a_changed_file_changes_the_digest_of_its_days_alone(made: Path, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(made, root)
    days = days_to(DAY, 4)

    def digests() -> list[str]:
        with open_subject(root, passport_of(windows={"drift": 2}), DAY) as subject:
            past = PastDays(subject)
            return [past.digest(past.rests_on(day)) for day in days]

    before = digests()
    write_parquet(rows(150, 99), root / "batches" / f"{days[1]}.parquet")
    assert [a == b for a, b in zip(before, digests(), strict=True)] == [True, False, False, True]
