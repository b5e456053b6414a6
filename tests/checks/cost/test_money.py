"""Money: known sums, one source and never two, and no number where a price, a budget or a line is missing."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from roadworthy.spending import Cost, Telemetry, Training
from tests.checks.cost.support import DAY, LOG, before, log_of, measured, one

BILL = "BilledCost,BillingCurrency,ChargePeriodStart,ChargePeriodEnd,ServiceName\n"


def bill(days: int, amount: float, currency: str = "EUR") -> str:
    """Return a bill of one charge a day."""
    rows = (f"{amount},{currency},{day}T00:00:00Z,{day + timedelta(days=1)}T00:00:00Z,serving" for day in before(days))
    return BILL + "\n".join(rows) + "\n"


def cost(**said: Any) -> dict[str, Any]:
    return {"currency": "EUR", **said}


def test_processor_time_calls_and_tokens_at_their_prices(tmp_path: Path) -> None:
    rows = log_of(28, cpu=[3_600_000.0] * 28, sent=[2000] * 28, got=[500] * 28, calls=[4] * 28)
    prices = {"cpu_hour": 0.5, "thousand_input_tokens": 0.01, "thousand_output_tokens": 0.04, "thousand_calls": 2.5}
    log = {**LOG, "input_tokens": "sent", "output_tokens": "got", "calls": "calls"}
    found = measured(tmp_path, rows, telemetry=log, cost=cost(prices=prices, budget_per_month=10))
    api = 2 * 0.01 + 0.5 * 0.04 + 0.004 * 2.5
    assert one(found, "api_spend").value == pytest.approx(28 * api)
    assert one(found, "cost_per_decision").value == pytest.approx((0.5 + api) / 100)
    month = one(found, "monthly_forecast")
    assert month.value == pytest.approx(30 * (0.5 + api)) and dict(month.over) == {"currency": "EUR"}
    assert one(found, "budget_used").value == pytest.approx(3 * (0.5 + api))
    assert one(found, "latency_p50").reason.startswith("A line of the log stands for several calls")


def test_the_bill_is_the_one_source_where_there_is_one(tmp_path: Path) -> None:
    said = cost(prices={"cpu_hour": 1e6}, bills={"path": "bill.csv", "services": ["serving"]}, budget_per_month=90)
    found = measured(tmp_path, log_of(28), cost=said, files={"bill.csv": bill(28, 4.0)})
    assert one(found, "monthly_forecast").value == pytest.approx(120.0)
    assert one(found, "cost_per_decision").value == pytest.approx(0.04)
    assert one(found, "budget_used").value == pytest.approx(4 / 3) and "bills" in one(found, "budget_used").details["source"]


def test_a_bill_needs_no_log_but_a_decision_does(tmp_path: Path) -> None:
    said = cost(bills={"path": "bill.csv", "services": ["serving"]})
    found = measured(tmp_path, None, telemetry=None, cost=said, files={"bill.csv": bill(28, 4.0)})
    assert one(found, "monthly_forecast").value == pytest.approx(120.0)
    assert one(found, "cost_per_decision").reason.startswith("How many decisions were served is not known.")
    assert one(found, "budget_used").reason == "The passport declares no budget ('cost.budget_per_month')."


def test_the_last_days_of_a_bill_that_is_not_final_are_predicted(tmp_path: Path) -> None:
    text = bill(28, 4.0).replace(f"4.0,EUR,{DAY}", f"0.1,EUR,{DAY}")
    said = cost(bills={"path": "b.csv", "services": ["serving"], "late_days": 1})
    found = measured(tmp_path, None, cost=said, files={"b.csv": text})
    assert one(found, "monthly_forecast").value == pytest.approx(120.0)


@pytest.mark.parametrize(("said", "value"), [("unknown", 120.0), ("nothing", 80.0)])
def test_a_day_without_a_line_is_what_the_passport_says(tmp_path: Path, said: str, value: float) -> None:
    lines = bill(30, 4.0).splitlines()
    text = "\n".join([lines[0], *(line for k, line in enumerate(lines[1:]) if k % 3)]) + "\n"
    terms = cost(bills={"path": "b.csv", "services": ["serving"]}, day_without_line=said)
    found = measured(tmp_path, None, cost=terms, files={"b.csv": text}, windows={"cost": 30})
    assert one(found, "monthly_forecast").value == pytest.approx(value, rel=0.01)


@pytest.mark.parametrize("amount", [-1.0, float("nan"), None, 1e18])
def test_a_sum_with_an_unusable_line_is_not_given(tmp_path: Path, amount: float | None) -> None:
    rows, log = log_of(28, paid=[1.0] * 27 + [amount]), {**LOG, "amount": "paid"}
    found = measured(tmp_path, rows, telemetry=log, cost=cost(budget_per_month=9))
    for short in ("monthly_forecast", "budget_used", "cost_per_decision"):
        m = one(found, short)
        assert m.status == "error" and "1 of 28 lines of the log hold no usable 'amount'" in m.reason


def test_a_bill_in_another_currency_is_refused(tmp_path: Path) -> None:
    said = cost(bills={"path": "b.csv", "services": ["serving"]})
    found = measured(tmp_path, None, cost=said, files={"b.csv": bill(28, 4.0, "USD")})
    assert one(found, "monthly_forecast").status == "error"
    assert "in USD, but the passport says EUR" in one(found, "budget_used").reason


def test_credits_may_outweigh_charges_and_a_budget_is_then_not_used(tmp_path: Path) -> None:
    said = cost(bills={"path": "b.csv", "services": ["serving"]}, budget_per_month=9)
    found = measured(tmp_path, None, cost=said, files={"b.csv": bill(28, -4.0)})
    assert one(found, "monthly_forecast").value == pytest.approx(-120.0) and one(found, "budget_used").value == 0.0


@pytest.mark.parametrize(("said", "short", "reason"), [
    (None, "budget_used", "declares nothing under 'cost'"),
    (cost(), "monthly_forecast", "prices neither calls nor tokens"),
    (cost(prices={"thousand_input_tokens": 1}), "api_spend", "names no column of the log with their number"),
    (cost(), "training_cost", "does not say what the training cost"),
], ids=str)
def test_what_is_not_declared_is_not_invented(tmp_path: Path, said: Any, short: str, reason: str) -> None:
    m = one(measured(tmp_path, log_of(28), cost=said), short)
    assert m.status == "insufficient" and reason in m.reason


def test_six_days_are_too_few_for_a_month(tmp_path: Path) -> None:
    m = one(measured(tmp_path, log_of(6), cost=cost(prices={"cpu_hour": 1}, budget_per_month=1)), "budget_used")
    assert m.status == "insufficient" and m.reason == "The cost of 6 of the last 28 days is known; a prediction needs 7."


BILLED = {"path": "b.csv", "services": ["serving"], "first": DAY - timedelta(days=9), "last": DAY - timedelta(days=5)}


@pytest.mark.parametrize(("training", "value", "claim"), [
    ({"amount": 12.5}, 12.5, "self-declared"),
    ({"cpu_hours": 10}, 5.0, "self-declared"),
    ({"bills": BILLED}, 20.0, "measured"),
])
def test_training_costs_what_is_stated_priced_or_billed(
    tmp_path: Path, training: dict[str, Any], value: float, claim: str
) -> None:
    found = measured(tmp_path, None, cost=cost(training=training, prices={"cpu_hour": 0.5}), files={"b.csv": bill(28, 4.0)})
    m = one(found, "training_cost")
    assert m.value == pytest.approx(value) and m.details["claim"] == claim


@pytest.mark.parametrize(("model", "said", "reason"), [
    (Cost, {"currency": "Euro"}, "currency"),
    (Cost, {"currency": "EUR", "budget_per_month": 0}, "greater than 0"),
    (Cost, {"currency": "EUR", "bills": {"path": "b.csv"}}, "all that the account was charged"),
    (Cost, {"currency": "EUR", "training": {"cpu_hours": 3}}, "needs a price"),
    (Training, {"amount": 1, "cpu_hours": 3}, "it needs one of"),
    (Telemetry, {"path": "l.parquet", "rows": "n", "status": "s"}, "go together"),
    (Telemetry, {"path": "l.parquet", "rows": "n", "status": "s", "answered": ["ok"], "failed": "f"}, "keep one"),
], ids=str)
def test_a_declaration_that_cannot_be_meant_does_not_load(model: Any, said: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        model.model_validate(said)
