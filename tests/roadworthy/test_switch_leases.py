"""A lease is renewed by nights that decide and by nothing else; silence takes a high-risk model off the road."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roadworthy.ledger import Ledger
from roadworthy.ledger.chain import stamp
from roadworthy.switch import Switch, clock, may_serve, served, status, store
from roadworthy.switch.files import RANK, Stop
from roadworthy.switch.matching import decide
from roadworthy.switch.served import LEASES, Served
from roadworthy.workspace import Workspace
from tests.roadworthy.records import NOW, at, make_workspace

HIGH = ("credit", "1.0.0", "high", True)
ONE = "ab" * 32


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path / "w")


@pytest.fixture
def ledger(workspace: Workspace) -> Iterator[Ledger]:
    with Ledger.open(workspace.state_url) as opened:
        yield opened


def put_in(ledger: Ledger, *versions: tuple[str, str, str, bool], minutes: int = 0, unread: tuple[str, ...] = ()) -> bool:
    with ledger.transaction() as execute:
        return served.put_in(execute, versions, at(minutes), unread=unread)


def stored(ledger: Ledger) -> store.Stored:
    with ledger.transaction() as execute:
        store.install(execute)
        return store.load(execute)


def state(workspace: Workspace, hours: float, model: str = "credit", version: str | None = "1.0.0") -> str:
    return may_serve(workspace.root, model, version, now=NOW + timedelta(hours=hours)).state


def test_what_was_never_put_in_service_is_refused(workspace: Workspace, ledger: Ledger) -> None:
    assert state(workspace, 0) == "unknown"
    put_in(ledger, HIGH)
    assert [state(workspace, 0, version=v) for v in ("1.0.0", None, "9")] == ["active", "active", "unknown"]
    put_in(ledger)  # retired
    assert state(workspace, 0) == "unknown"


@pytest.mark.parametrize(("fallback", "then"), [(True, "degraded"), (False, "disabled")])
def test_a_lease_lapses_after_72_hours_to_the_fallback_or_to_a_refusal(
    workspace: Workspace, ledger: Ledger, fallback: bool, then: str
) -> None:
    put_in(ledger, ("credit", "1.0.0", "high", fallback), ("bikes", "2.0.0", "limited", False))
    assert [state(workspace, 71.99), state(workspace, 72), state(workspace, 1000)] == ["active", then, then]
    assert state(workspace, 1000, "bikes", "2.0.0") == "active"  # its tier needs no lease
    (lapse,) = status(workspace.root, NOW + timedelta(hours=72))
    assert (lapse.model, lapse.state, lapse.by, lapse.held_by) == ("credit", then, "automation", ("lease",))
    assert "no night has decided about it in time" in lapse.reason


def test_a_decided_night_renews_once_for_its_evidence_and_is_in_the_ledger(workspace: Workspace, ledger: Ledger) -> None:
    put_in(ledger, HIGH)
    with ledger.transaction() as execute:
        before = clock.read(execute)
        assert served.renew(execute, "credit", "1.0.0", evidence=ONE, at=NOW + timedelta(hours=24))
        assert clock.read(execute) == (before[0], before[1] + 1)
        assert not served.renew(execute, "credit", "1.0.0", evidence=ONE, at=NOW + timedelta(hours=90))
        assert not served.renew(execute, "credit", "2.0.0", evidence=ONE, at=NOW)
    assert [state(workspace, 95), state(workspace, 96)] == ["active", "degraded"]
    entry = ledger.latest("lease", model="credit")
    assert entry is not None
    assert (entry.body["evidence"], entry.body["until"]) == (ONE, stamp(NOW + timedelta(hours=96)))
    assert ledger.verify() == []


def test_a_clock_that_was_set_back_shortens_no_lease(workspace: Workspace, ledger: Ledger) -> None:
    put_in(ledger, HIGH)
    with ledger.transaction() as execute:
        assert not served.renew(execute, "credit", "1.0.0", evidence=ONE, at=NOW - timedelta(days=9))
    assert state(workspace, 71) == "active"


def test_the_alert_comes_at_half_of_the_lease(ledger: Ledger) -> None:
    put_in(ledger, HIGH)
    (one,) = stored(ledger).service
    assert one.alert_at == stamp(NOW + LEASES["high"] / 2)


def test_putting_in_service_again_switches_nothing_on_and_renews_nothing(workspace: Workspace, ledger: Ledger) -> None:
    put_in(ledger, HIGH)
    Switch.open(workspace, ledger).stop("credit", by="oscar", reason="Wrong.", at=NOW)
    sequence = stored(ledger).sequence
    assert not put_in(ledger, HIGH, minutes=60 * 60)
    assert stored(ledger).sequence == sequence
    assert put_in(ledger, HIGH, ("credit", "2.0.0", "high", True), minutes=60)
    assert stored(ledger).sequence == sequence + 1
    assert [state(workspace, 1, version=v) for v in (None, "1.0.0", "2.0.0")] == ["disabled"] * 3
    assert stored(ledger).service[0].lease_until == stamp(NOW + LEASES["high"])


def test_a_version_whose_passport_cannot_be_read_stays_as_it_was(workspace: Workspace, ledger: Ledger) -> None:
    put_in(ledger, HIGH)
    put_in(ledger, unread=("credit@1.0.0",))
    assert [one.version for one in stored(ledger).service] == ["1.0.0"]


def test_a_raised_tier_gets_a_lease_and_a_lowered_one_loses_it(ledger: Ledger) -> None:
    put_in(ledger, ("credit", "1.0.0", "limited", True))
    assert stored(ledger).service[0].lease_until == ""
    put_in(ledger, HIGH, minutes=60)
    assert stored(ledger).service[0].lease_until == stamp(at(60) + LEASES["high"])
    put_in(ledger, ("credit", "1.0.0", "limited", True), minutes=70)
    assert stored(ledger).service[0].lease_until == ""


def test_a_row_in_service_that_cannot_be_understood_refuses_everything(workspace: Workspace, ledger: Ledger) -> None:
    put_in(ledger, HIGH, ("bikes", "2.0.0", "limited", False))
    with ledger.transaction() as execute:
        execute("update switch_service set tier = 'harmless' where model = 'credit'", {})
    assert [state(workspace, 0), state(workspace, 0, "bikes", "2.0.0")] == ["unknown", "unknown"]


# The rule itself, on whatever is held.

names, versions = st.sampled_from(["credit", "bikes", "*"]), st.sampled_from(["1", "2", "*"])
segments = st.sampled_from(["eu", "us", "*"])
stops = st.lists(
    st.builds(
        Stop, names, versions, segments, st.sampled_from(["degraded", "unknown", "quarantined", "disabled"]),
        st.sampled_from(["2026-04-01", "2026-04-02"]), st.just("oscar"), st.just("x"),
    ),
    max_size=5,
)
service = st.lists(
    st.builds(Served, st.sampled_from(["credit", "bikes"]), st.sampled_from(["1", "2"]), st.sampled_from(["limited", "high"]),
              st.booleans(), st.just("2026-01-01"), st.sampled_from(["", "2026-04-03"])),
    max_size=4, unique_by=lambda s: (s.model, s.version),
)
moments = st.sampled_from(["2026-04-02T00", "2026-04-04T00"])


@given(stops, stops, service, moments, st.sampled_from([None, "1", "2"]), st.sampled_from([None, "eu", "us"]))
@settings(max_examples=200)
def test_one_more_stop_never_loosens_and_less_said_is_never_served_more(
    held: list[Stop], more: list[Stop], live: list[Served], now: str, version: str | None, segment: str | None
) -> None:
    answer = decide(held, live, "credit", version, segment, now)
    assert RANK[decide([*held, *more], live, "credit", version, segment, now).state] >= RANK[answer.state]
    assert decide(list(reversed(held)), live, "credit", version, segment, now).state == answer.state
    wider = decide(held, live, "credit", None, None, now)
    known = {one.version for one in live if one.model == "credit"}
    if version is None or version in known:
        assert RANK[wider.state] >= RANK[answer.state]
    else:
        assert RANK[answer.state] >= RANK["unknown"]
    if answer.serves:
        mine = [one for one in live if one.model == "credit" and version in (None, one.version)]
        assert mine
        assert all(one.fallback or not one.lease_until or now < one.lease_until for one in mine)
        assert answer.state == "active" or all(one.fallback or one.tier != "high" for one in mine)
