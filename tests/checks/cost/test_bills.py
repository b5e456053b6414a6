"""Bills in the shape of FOCUS: the columns and the spelling of its published sample, and lines that must not be guessed at."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from checks.cost.bills import Billed, read_bills
from roadworthy.spending import Bills
from roadworthy.window import Window
from tests.support import make_subject, passport_of, write_parquet

# The order of columns, the quotes, NULL for nothing and tags as JSON are those of the FOCUS 1.2 sample of the FinOps Foundation.
HEAD = "BilledCost,BillingCurrency,ChargeCategory,ChargePeriodEnd,ChargePeriodStart,EffectiveCost,ResourceId,ServiceName,Tags"
SAMPLE = (
    '468.17049576,"USD","Usage","2024-09-10T13:00:00Z","2024-09-10T12:00:00Z",468.17049576,"i-00c9715656c4","Compute Cloud",'
    '"{""cost_center"": ""CC-2042"", ""team"": ""growth"", ""environment"": ""prod""}"',
    '227.28753400000005,"USD","Purchase","2024-09-13T18:00:00Z","2024-09-13T17:00:00Z",0,"vm-3759","Functions",NULL',
    '-111.02780094,"USD","Credit","2024-09-05T14:00:00Z","2024-09-05T13:00:00Z",-111.02780094,NULL,"Simple Storage",'
    '"{""application"": ""NimbusAPI"", ""team"": ""growth""}"',
    '573.39625692,"USD","Usage","2024-09-10T00:00:00Z","2024-09-09T23:00:00Z",573.39625692,"inst-844","Load Balancing",'
    '"{""application"": ""NimbusAPI"", ""environment"": ""staging""}"',
)
MONTH = Window(date(2024, 9, 1), date(2024, 9, 30))


def read(
    root: Path, lines: tuple[str, ...] | dict[str, Any], window: Window = MONTH, path: str = "bill.csv", **chosen: Any
) -> Billed:
    if isinstance(lines, dict):
        write_parquet(lines, root / path)
    else:
        (root / path).write_text("\n".join([HEAD, *lines]) + "\n", encoding="utf-8")
    with make_subject(root, passport_of()) as subject:
        return read_bills(subject, Bills(path=path, **chosen), "USD", window)


def line(cost: object = 1, *, currency: str = "USD", start: str = "2024-09-10T12:00:00Z", end: str = "2024-09-10T13:00:00Z",
         tags: str = '{"team": "growth"}') -> str:
    quoted = tags.replace('"', '""')
    return f'{cost},"{currency}","Usage","{end}","{start}",{cost},"r","s","{quoted}"'


def test_lines_are_chosen_by_tag_and_every_kind_of_charge_counts(tmp_path: Path) -> None:
    found = read(tmp_path, SAMPLE, tags={"team": "growth"})
    assert found.days == {date(2024, 9, 10): 468.17049576, date(2024, 9, 5): -111.02780094}
    assert found.total == pytest.approx(357.14269482) and found.credits == pytest.approx(-111.02780094) and found.digest
    assert read(tmp_path, SAMPLE, resources=["vm-3759"], cost="EffectiveCost").days == {date(2024, 9, 13): 0.0}
    assert read(tmp_path, SAMPLE, services=["Load Balancing"]).days == {date(2024, 9, 9): 573.39625692}
    assert not read(tmp_path, SAMPLE, tags={"team": "growth", "environment": "dev"}).days


def test_parquet_says_the_same_whatever_type_tags_and_times_have(tmp_path: Path) -> None:
    zoned = pa.timestamp("us", tz="America/New_York")
    rows = {
        "BilledCost": [2.5, 4.0], "BillingCurrency": ["USD", "USD"], "ResourceId": ["a", "b"],
        "ChargePeriodStart": pa.array([datetime(2024, 9, 10, 22), datetime(2024, 9, 11)], zoned),
        "ChargePeriodEnd": pa.array([datetime(2024, 9, 10, 23), datetime(2024, 9, 12)], zoned),
        "Tags": pa.array([[("team", "growth")], [("team", "other")]], pa.map_(pa.string(), pa.string())),
    }
    assert read(tmp_path, rows, path="bill.parquet", tags={"team": "growth"}).days == {date(2024, 9, 10): 2.5}


def test_a_charge_for_several_days_is_spread_and_its_end_is_out(tmp_path: Path) -> None:
    found = read(tmp_path, (line(30, start="2024-09-01T00:00:00Z", end="2024-10-01T00:00:00Z"),), tags={"team": "growth"})
    assert len(found.days) == 30 and set(found.days.values()) == {1.0} and found.lines == 1
    part = read(tmp_path, (line(30, start="2024-08-25T00:00:00Z", end="2024-09-04T00:00:00Z"),), tags={"team": "growth"})
    assert part.days == {date(2024, 9, d): 3.0 for d in (1, 2, 3)}


@pytest.mark.parametrize(("lines", "says"), [
    ((line(), line(currency="EUR")), "EUR, USD, but the passport says USD"),
    ((line(currency="EUR"),), "are in EUR"),
    ((line(currency=""),), "are in none"),
    ((line("NULL"),), "no number as 'BilledCost'"),
    ((line("nan"),), "no number as 'BilledCost'"),
    ((line("inf"),), "no number as 'BilledCost'"),
    ((line(start="yesterday"),), "no charge period"),
    ((line(start="2024-09-10T13:00:00Z", end="2024-09-10T13:00:00Z"),), "no charge period"),
    ((line(start="2022-09-10T13:00:00Z", end="2024-09-10T13:00:00Z"),), "no charge period"),
    ((line(tags="{team: growth"),), "tags that are no JSON"),
], ids=str)
def test_a_line_that_cannot_be_read_makes_the_sum_unknown(tmp_path: Path, lines: tuple[str, ...], says: str) -> None:
    found = read(tmp_path, lines, tags={"team": "growth"})
    assert found.status == "error" and says in found.problem and not found.days


def test_another_currency_outside_the_window_or_the_choice_is_no_matter(tmp_path: Path) -> None:
    old = line(currency="EUR", start="2023-09-10T12:00:00Z", end="2023-09-10T13:00:00Z")
    others = line(currency="EUR", tags='{"team": "other"}')
    assert read(tmp_path, (line(), old, others), tags={"team": "growth"}).days == {date(2024, 9, 10): 1.0}


@pytest.mark.parametrize("key", ["a/b", "a~b", 'q"uo', "it's", "$.x", "*", "drop table"])
def test_hostile_tags_are_text(tmp_path: Path, key: str) -> None:
    lines = (line(7, tags=json.dumps({key: "it's; --"})), line(9))
    assert read(tmp_path, lines, tags={key: "it's; --"}).total == 7.0


@pytest.mark.parametrize(("path", "says"), [("no.csv", "There is no bill"), ("bill.xlsx", "must be all Parquet or all CSV")])
def test_no_bill_and_a_bill_of_another_kind(tmp_path: Path, path: str, says: str) -> None:
    (tmp_path / "bill.xlsx").write_text("PK", encoding="utf-8")
    with make_subject(tmp_path, passport_of()) as subject:
        assert says in read_bills(subject, Bills(path=path, services=["s"]), "USD", MONTH).problem


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    found = read(tmp_path, {"BilledCost": [1.0]}, path="bill.parquet", services=["s"])
    assert found.status == "error" and "'BillingCurrency'" in found.problem
