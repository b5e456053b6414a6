"""OpenFeature's own client on the guard."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEvent
from openfeature.exception import ErrorCode, OpenFeatureError

from roadworthy_guard import Guard
from roadworthy_guard.provider import SnapshotProvider
from tests.guard.service import Service, content, stop
from tests.guard.support import BOUND, served, until

V1 = EvaluationContext("someone", {"version": "1.0.0", "segment": "region:eu"})


@pytest.fixture
def client() -> Iterator[tuple[Service, OpenFeatureClient]]:
    with served(bounds={"high": BOUND}) as (service, guard):
        api.set_provider_and_wait(SnapshotProvider(guard), "guard")
        yield service, api.get_client("guard")
        api.clear_providers()


def test_active_degraded_and_stopped_as_the_client_sees_them(client: tuple[Service, OpenFeatureClient]) -> None:
    service, ask = client
    found = ask.get_boolean_details("model.credit.serve", False, V1)
    assert (found.value, found.variant, found.reason) == (True, "active", "STATIC")
    assert found.flag_metadata["fence"] == 0 and found.flag_metadata["sequence"] == 1
    rows = [stop("credit"), stop("flights", "degraded"), stop("bikes", segment="region:us"), stop("bare", "degraded")]
    service.put(content(2, stops=rows))
    until(lambda: not ask.get_boolean_value("model.credit.serve", False, V1))
    found = ask.get_boolean_details("model.credit.serve", True, V1)
    assert (found.value, found.variant, found.reason, found.flag_metadata["fence"]) == (False, "disabled", "DISABLED", 12)
    found = ask.get_boolean_details("model.flights.serve", False, V1)
    assert (found.value, found.variant, found.reason) == (True, "degraded", "TARGETING_MATCH")
    assert found.flag_metadata["fallback"] is True
    assert ask.get_boolean_value("model.bikes.serve", False, V1)
    assert not ask.get_boolean_value("model.bikes.serve", True, EvaluationContext("x", {"version": "1.0.0"}))
    assert not ask.get_boolean_value("model.bare.serve", True, V1)


def test_it_answers_in_coroutines(client: tuple[Service, OpenFeatureClient]) -> None:
    _, ask = client
    assert asyncio.run(ask.get_boolean_value_async("model.credit.serve", False, V1))


@pytest.mark.parametrize("attributes", [
    {}, {"version": 1}, {"version": ["1.0.0"]}, {"segment": None}, {"version": "1.0.0", "segment": 7},
])
def test_a_context_of_wrong_types_names_nothing_and_lets_no_default_decide(
    client: tuple[Service, OpenFeatureClient], attributes: Any
) -> None:
    service, ask = client
    service.put(content(2, stops=[stop("credit", segment="region:us")]))
    until(lambda: not ask.get_boolean_value("model.credit.serve", True, EvaluationContext("x", {"version": "1.0.0"})))
    found = ask.get_boolean_details("model.credit.serve", True, EvaluationContext("x", attributes))
    assert found.value is False and found.error_code is None


def test_a_model_nobody_knows_is_false_and_another_flag_is_not_found(client: tuple[Service, OpenFeatureClient]) -> None:
    _, ask = client
    found = ask.get_boolean_details("model.nobody.serve", True, V1)
    assert (found.value, found.reason, found.error_code) == (False, "UNKNOWN", None)
    for key in ("checkout", "model..serve", "model.credit.state", ""):
        found = ask.get_boolean_details(key, True, V1)
        assert (found.value, found.error_code) == (True, ErrorCode.FLAG_NOT_FOUND), "OpenFeature's rule: the default decides"


def test_only_errors_of_openfeature_are_raised(client: tuple[Service, OpenFeatureClient]) -> None:
    provider = SnapshotProvider(Guard.nothing())
    for key in ("model.credit.serve", "other", "\0", "model.\0.serve"):
        for method in ("string", "integer", "float", "object"):
            with pytest.raises(OpenFeatureError):
                getattr(provider, f"resolve_{method}_details")(key, None, None)
    assert provider.resolve_boolean_details("model.\0.serve", True).value is False
    assert client[1].get_string_details("model.credit.serve", "x", V1).error_code == ErrorCode.TYPE_MISMATCH


def test_events_are_told_and_a_switch_that_is_gone_is_false_not_the_default(client: tuple[Service, OpenFeatureClient]) -> None:
    service, ask = client
    heard: list[str] = []
    for event in (ProviderEvent.PROVIDER_CONFIGURATION_CHANGED, ProviderEvent.PROVIDER_STALE, ProviderEvent.PROVIDER_READY):
        ask.add_handler(event, lambda _, event=event: heard.append(event.name))
    service.put(content(2, stops=[stop("bikes")]))
    until(lambda: "PROVIDER_CONFIGURATION_CHANGED" in heard)
    heard.clear()
    service.mischief = lambda answer, nonce: (500, {}, b"")
    until(lambda: "PROVIDER_STALE" in heard)
    found = ask.get_boolean_details("model.credit.serve", True, V1)
    assert (found.value, found.variant, found.reason) == (False, "unknown", "UNKNOWN")
    service.mischief = None
    until(lambda: "PROVIDER_READY" in heard)
    assert ask.get_boolean_value("model.credit.serve", False, V1)


def test_a_provider_that_has_not_heard_the_switch_says_so() -> None:
    with pytest.raises(OpenFeatureError):
        api.set_provider_and_wait(SnapshotProvider(Guard.nothing(), wait=0.01), "nothing")
    found = api.get_client("nothing").get_boolean_details("model.credit.serve", True, V1)
    assert found.value is False
    api.clear_providers()
