"""The decision itself, against the protocol's sentences, then properties."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roadworthy_guard.content import BOUNDS, Content, Service, Stop, by_model
from roadworthy_guard.deciding import decide
from roadworthy_guard.decision import RANK, Decision

NOW = 1_000_000.0
SERVICE = {
    "credit": {"1.0.0": Service("high", fallback=True), "2.0.0": Service("high", fallback=False)},
    "bare": {"1.0.0": Service("high", fallback=False)},
    "flights": {"1.0.0": Service("limited", fallback=True)},
    "trains": {"1.0.0": Service("limited", fallback=False)},
    "bikes": {"1.0.0": Service("minimal", fallback=False)},
}


def switch(*stops: Stop, service: Any = SERVICE) -> Content:
    return Content(1, 57, BOUNDS, service, by_model(stops))


def ask(
    held: Content | None, model: str = "credit", version: str | None = "1.0.0", segment: str | None = None, *, age: float = 0.0,
    confirmed: bool = True, more: tuple[Stop, ...] = (), now: float = NOW,
) -> Decision:
    return decide(held, more, model, version, segment, age=age, confirmed=confirmed, moment=now, bounds=BOUNDS)[0]


def said(decision: Decision) -> tuple[bool, str, bool]:
    return decision.serves, decision.state, decision.fallback


SERVES, FALLBACK = (True, "active", False), (True, "degraded", True)


def test_active_serves_and_carries_what_a_log_needs() -> None:
    decision = ask(switch())
    assert said(decision) == SERVES and decision.reason == ""
    assert (decision.epoch, decision.sequence, decision.fence) == (1, 57, 0)


@pytest.mark.parametrize(("model", "version"), [
    ("nobody", "1.0.0"), ("credit", "9.9.9"), ("nobody", None), ("", None), ("*", None),
])
def test_what_the_store_does_not_know_is_refused(model: str, version: str | None) -> None:
    assert said(ask(switch(), model, version)) == (False, "unknown", False)


def test_nothing_held_refuses() -> None:
    assert said(ask(None)) == (False, "unknown", False)


def test_an_empty_set_refuses_everything() -> None:
    assert [ask(switch(service={}), model).serves for model in SERVICE] == [False] * len(SERVICE)


@pytest.mark.parametrize("state", ["unknown", "quarantined", "disabled"])
def test_a_stop_refuses_and_names_its_fence(state: str) -> None:
    decision = ask(switch(Stop("credit", "*", "*", state, "2026-11-29T03:00:00.000000Z", 12)))
    assert said(decision) == (False, state, False) and decision.fence == 12
    assert state in decision.reason and "2026-11-29" in decision.reason


def test_degraded_is_answered_by_the_fallback_and_high_without_one_refuses() -> None:
    held = switch(*(Stop(model, "*", "*", "degraded", fence=3) for model in SERVICE))
    assert said(ask(held, "credit")) == FALLBACK
    assert said(ask(held, "bare")) == (False, "degraded", False)
    assert "no fallback" in ask(held, "bare").reason
    assert said(ask(held, "flights")) == FALLBACK
    assert said(ask(held, "bikes")) == (True, "degraded", False)


def test_the_strictest_row_that_matches_decides() -> None:
    held = switch(
        Stop("credit", "*", "*", "degraded", fence=5), Stop("credit", "1.0.0", "*", "quarantined", fence=7),
        Stop("*", "*", "region:eu", "disabled", fence=9),
    )
    assert (ask(held, segment="region:us").state, ask(held, segment="region:us").fence) == ("quarantined", 7)
    assert (ask(held, segment="region:eu").state, ask(held, segment="region:eu").fence) == ("disabled", 9)
    assert ask(held, "flights", segment="region:eu").state == "disabled"
    assert said(ask(held, "flights", segment="region:us")) == SERVES


def test_what_a_request_leaves_out_matches_every_scope() -> None:
    held = switch(Stop("credit", "1.0.0", "region:eu", "disabled"))
    assert ask(held, segment=None).state == "disabled"
    assert ask(held, version=None, segment=None).state == "disabled"
    assert ask(held, version=None, segment="region:us").serves
    # No version named: the fallback must be there in every version in service.
    assert said(ask(switch(Stop("credit", "*", "*", "degraded")), version=None)) == (False, "degraded", False)


@pytest.mark.parametrize(("model", "inside", "past"), [
    ("credit", SERVES, (False, "unknown", False)), ("bare", SERVES, (False, "unknown", False)),
    ("flights", SERVES, FALLBACK), ("trains", SERVES, (False, "unknown", False)), ("bikes", SERVES, SERVES),
])
def test_past_its_bound_each_tier_does_what_the_protocol_says(model: str, inside: Any, past: Any) -> None:
    bound = BOUNDS[SERVICE[model]["1.0.0"].tier]
    assert said(ask(switch(), model, age=bound)) == inside and ask(switch(), model, age=bound).reason == ""
    after = ask(switch(), model, age=bound + 0.001)
    assert said(after) == past and "bound" in after.reason


def test_a_stop_never_grows_too_old() -> None:
    held = switch(Stop("bikes", "*", "*", "disabled"), Stop("credit", "*", "*", "quarantined"))
    for age in (0.0, 1e4, 1e9, math.inf):
        assert ask(held, "bikes", age=age).state == "disabled"
        assert ask(held, "credit", age=age).state == "quarantined"


def test_what_was_kept_but_not_confirmed_refuses_high_and_lets_the_rest_be_as_old_as_it_is() -> None:
    assert said(ask(switch(), "credit", confirmed=False)) == (False, "unknown", False)
    assert said(ask(switch(), "bikes", confirmed=False)) == SERVES
    assert said(ask(switch(), "flights", confirmed=False, age=301)) == FALLBACK


def test_a_lease_that_lapsed_is_the_fallback_or_a_refusal() -> None:
    service = {
        "credit": {"1.0.0": Service("high", fallback=True, lease_until=NOW)},
        "bare": {"1.0.0": Service("high", fallback=False, lease_until=NOW)},
    }
    held = switch(service=service)
    assert said(ask(held, "credit", now=NOW - 0.001)) == said(ask(held, "bare", now=NOW - 0.001)) == SERVES
    assert said(ask(held, "credit", now=NOW)) == FALLBACK
    assert said(ask(held, "bare", now=NOW)) == (False, "disabled", False) and "lease" in ask(held, "bare", now=NOW).reason


def test_a_break_glass_ends_and_time_alone_never_loosens() -> None:
    held = switch(Stop("credit", "*", "*", "active", fence=20, until=NOW, then_state="disabled"))
    assert (said(ask(held, now=NOW - 1)), ask(held, now=NOW - 1).fence) == (SERVES, 20)
    assert (said(ask(held, now=NOW)), ask(held, now=NOW).fence) == ((False, "disabled", False), 20)
    assert "until" in ask(held, now=NOW).reason
    assert ask(switch(Stop("credit", "*", "*", "disabled", until=NOW, then_state="active")), now=NOW + 1).state == "disabled"


def test_a_stop_file_counts_like_a_row() -> None:
    assert ask(switch(), more=(Stop("*", "*", "*", "disabled"),)).state == "disabled"
    assert ask(switch(), more=(Stop("flights", "*", "*", "disabled"),)).serves


# --- properties

names = st.sampled_from(["*", "credit", "flights", "bikes", "nobody"])
versions = st.sampled_from(["*", "1.0.0", "2.0.0"])
segments = st.sampled_from(["*", "a", "b"])
moments = st.sampled_from([NOW - 5, NOW + 7, NOW + 40, math.inf])
stops = st.builds(
    Stop, names, versions, segments, st.sampled_from(sorted(RANK)), st.just(""), st.integers(0, 50), moments,
    st.sampled_from(["", "disabled", "degraded", "active"]),
)
services = st.dictionaries(
    st.sampled_from(["credit", "flights", "bikes"]),
    st.dictionaries(
        st.sampled_from(["1.0.0", "2.0.0"]), st.builds(Service, st.sampled_from(sorted(BOUNDS)), st.booleans(), moments),
        min_size=1,
    ),
)
contents = st.builds(lambda rows, service: switch(*rows, service=service), st.lists(stops, max_size=5), services)
asked = st.tuples(names, st.sampled_from([None, "1.0.0", "2.0.0"]), st.sampled_from([None, "a", "b"]))
ages = st.sampled_from([0.0, 14.0, 16.0, 299.0, 400.0, 4000.0])


def strictness(decision: Decision) -> tuple[bool, bool, int]:
    return not decision.serves, decision.fallback or not decision.serves, RANK[decision.state]


@settings(max_examples=60)
@given(contents, asked, stops, ages)
def test_one_more_stop_never_makes_an_answer_looser(held: Content, what: Any, more: Stop, age: float) -> None:
    before = ask(held, *what, age=age)
    after = ask(held, *what, age=age, more=(more,))
    assert RANK[after.state] >= RANK[before.state] and (before.serves or not after.serves)


@settings(max_examples=60)
@given(contents, asked, ages)
def test_naming_less_is_never_answered_looser(held: Content, what: Any, age: float) -> None:
    model, version, segment = what
    full = ask(held, model, version or "1.0.0", segment or "a", age=age)
    for less in ((model, None, segment or "a"), (model, version or "1.0.0", None), (model, None, None)):
        if full.state != "unknown":  # a version that is not in service is unknown; another one may be
            vague = ask(held, *less, age=age)
            assert strictness(vague) >= strictness(full) or RANK[vague.state] > RANK[full.state]


@settings(max_examples=60)
@given(contents, asked, ages, st.floats(0, 5000), st.booleans())
def test_an_answer_holds_as_long_as_it_says_and_time_never_loosens_it(
    held: Content, what: Any, age: float, later: float, confirmed: bool
) -> None:
    def at(seconds: float) -> tuple[Decision, float]:
        return decide(held, (), *what, age=age + seconds, confirmed=confirmed, moment=NOW + seconds, bounds=BOUNDS)

    now, lasts = at(0.0)
    assert lasts >= 0.0
    then, _ = at(later)
    if later < lasts:
        assert replace(then, reason="") == replace(now, reason="")
    assert now.serves or not then.serves
    assert RANK[then.state] >= RANK[now.state]
