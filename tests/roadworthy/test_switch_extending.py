"""A lease is extended once, by Owner and Guardian together, and only while it holds; receipts say where a stop has arrived."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from roadworthy.errors import RefusedError, RoadworthyError
from roadworthy.ledger import Ledger
from roadworthy.ledger.chain import stamp
from roadworthy.people_lock import begin
from roadworthy.signing import sign
from roadworthy.switch import Switch, extending, may_serve, proof, served
from roadworthy.switch.quick import stop_now
from roadworthy.switch.service.instances import Instance, Instances
from roadworthy.switch.terms import rows as terms
from roadworthy.workspace import Workspace
from tests.roadworthy.records import NOW, add_version, at, make_workspace
from tests.roadworthy.test_switch_requests import KEYS, write_people

END = NOW + timedelta(hours=72)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = make_workspace(tmp_path / "w")
    add_version(made.root, "credit", "1.0.0", risk_tier="high")
    write_people(made, KEYS)
    return made


@pytest.fixture
def ledger(workspace: Workspace) -> Iterator[Ledger]:
    with Ledger.open(workspace.state_url) as opened:
        with opened.transaction() as execute:
            served.put_in(execute, [("credit", "1.0.0", "high", False), ("bikes", "2.0.0", "limited", False)], NOW)
        yield opened


def extended(workspace: Workspace, ledger: Ledger, until: datetime = END + timedelta(hours=72), **changes: Any) -> int:
    when = changes.pop("at", at(60))
    said = extending.DOMAIN + extending.draft(workspace, ledger, "credit", "1.0.0", until=until, at=when)
    signed = {"owner": ("olga", sign(KEYS["olga"], said)), "guardian": ("gustav", sign(KEYS["gustav"], said))}
    for role, (who, key) in changes.items():
        signed[role] = (who, sign(KEYS[key], said) if key else "")
    return extending.extend(workspace, ledger, "credit", "1.0.0", until=until, at=when, **signed)


def test_both_sign_once_and_the_lease_ends_when_they_said(workspace: Workspace, ledger: Ledger) -> None:
    entry = extended(workspace, ledger)
    assert [may_serve(workspace.root, "credit", now=END + timedelta(hours=h)).state for h in (71.9, 72)] == ["active", "disabled"]
    with ledger.reading() as execute:
        ((statement, signatures),) = execute("select statement, signatures from switch_signed where fence = :f", {"f": entry})
    assert stamp(END) in statement
    assert "olga" in signatures and "gustav" in signatures
    with pytest.raises(RefusedError, match="extended already, by gustav"):
        extended(workspace, ledger, END + timedelta(hours=100))
    with ledger.transaction() as execute:  # a night that decides begins a lease of its own, which may be extended again
        assert served.renew(execute, "credit", "1.0.0", evidence="ab" * 32, at=END + timedelta(hours=71))
        assert served.rows(execute, "credit")[0].extended_by == ""


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"owner": ("oscar", "oscar")}, "oscar is not the Owner"),
        ({"guardian": ("gerda", "gerda")}, "gerda is not the Guardian"),
        ({"guardian": ("gustav", "olga")}, "The signature is not Gustav's"),
        ({"owner": ("olga", "")}, "Olga has a key and did not sign"),
        ({"until": END}, "can be extended by up to 72 hours"),
        ({"until": END + timedelta(hours=72, seconds=1)}, "can be extended by up to 72 hours"),
        ({"at": END}, "only a night renews it now"),
    ],
)
def test_whatever_is_less_leaves_the_lease_as_it_is(
    workspace: Workspace, ledger: Ledger, changes: dict[str, Any], says: str
) -> None:
    before = ledger.head()
    with pytest.raises(RefusedError, match=says):
        extended(workspace, ledger, **changes)
    assert ledger.head() == before
    assert may_serve(workspace.root, "credit", now=END).state == "disabled"


def test_a_key_that_the_lock_does_not_hold_proves_nothing(workspace: Workspace, ledger: Ledger) -> None:
    begin(workspace.root, workspace.people())
    assert extended(workspace, ledger) > 0
    # Somebody puts a key of their own where the Guardian's was.
    write_people(workspace, {**KEYS, "gustav": KEYS["gerda"], "gerda": KEYS["gustav"]})
    with ledger.transaction() as execute:
        served.renew(execute, "credit", "1.0.0", evidence="cd" * 32, at=at(120) + timedelta(days=6))
    with pytest.raises(RefusedError, match=r"entry of gustav in people.yaml is not what people.lock says"):
        extended(workspace, ledger, NOW + timedelta(days=10), guardian=("gustav", "gerda"), at=at(180) + timedelta(days=6))


def test_a_version_without_a_lease_has_nothing_to_extend(workspace: Workspace, ledger: Ledger) -> None:
    for model, version, says in (("bikes", "2.0.0", "serves without a lease"), ("bikes", "9", "is not in service")):
        with pytest.raises(RoadworthyError, match=says):
            extending.draft(workspace, ledger, model, version, until=END, at=NOW)


def test_the_receipts_of_a_stop_are_those_of_its_own_sequence(workspace: Workspace, ledger: Ledger) -> None:
    """The lease that is renewed afterwards raises the sequence; it must neither prove nor disprove the stop before it."""
    Switch.open(workspace, ledger).stop("credit", by="oscar", reason="Wrong.", at=at(1))
    with ledger.transaction() as execute:
        served.renew(execute, "credit", "1.0.0", evidence="ab" * 32, at=at(30))
        entry = proof.last_stop(execute, "credit")
        assert entry is not None
        order = entry.body["epoch"], entry.body["sequence"]
        beats = Instances()
        for name, models, sequence, minute in (
            ("a", ("credit",), order[1], 31), ("b", ("*",), order[1] - 1, 31), ("c", ("bikes",), 0, 31),
            ("d", ("credit",), order[1] - 1, 5), ("e", ("credit",), order[1] - 1, 0),
        ):
            beats.beat(Instance(name, models, order[0], sequence, stamp(at(minute))))
        beats.beat(Instance("f", ("credit",), 1, 0, stamp(at(31)), left_at=stamp(at(31))))
        assert not proof.proof_of(execute, entry, at(31)).confirmed  # nobody has said anything
        beats.write(execute, at(31))
        found = proof.proof_of(execute, entry, at(31))
    assert {one.instance: one.word for one in found.receipts} == {
        "a": "confirmed", "b": "late", "d": "lost", "e": "never seen",
    }
    assert (found.confirmed, found.scope, found.fence) == (False, "credit", entry.seq)


def test_a_stop_keeps_the_day_of_its_review_whoever_makes_it(workspace: Workspace, ledger: Ledger, capsys: Any) -> None:
    Switch.open(workspace, ledger).stop("credit", by="oscar", reason="Wrong.", at=at(1), review_by="2026-11-30")
    command = ["bikes", "--reason", "x", "--workspace", str(workspace.root), "--review-by"]
    assert stop_now([*command, "soon"], at(2)) == 64
    assert may_serve(workspace.root, "bikes", now=at(2)).state == "active"
    assert stop_now([*command, "2026-12-01"], at(2)) == 0
    with ledger.reading() as execute:
        assert {one.model: one.review_by for one in terms(execute)} == {"credit": "2026-11-30", "bikes": "2026-12-01"}


def test_what_serves_can_be_stopped_without_a_passport_and_is_not_taken_out_by_the_night(
    workspace: Workspace, ledger: Ledger
) -> None:
    with ledger.transaction() as execute:
        served.put_canary(execute, "zz-canary", "drill-1", NOW)
        served.put_canary(execute, "zz-canary", "drill-2", NOW)
        served.put_in(execute, [("credit", "1.0.0", "high", False)], NOW, keep=("zz-canary",))
        assert [(one.model, one.version) for one in served.rows(execute)] == [("credit", "1.0.0"), ("zz-canary", "drill-2")]
    switch = Switch.open(workspace, ledger)
    assert switch.stop("zz-canary", version="drill-2", by="automation", reason="Drill.", at=NOW).changed
    assert may_serve(workspace.root, "zz-canary", "drill-2", now=NOW).state == "disabled"
    with pytest.raises(RoadworthyError, match="There is no version 'drill-9' of zz-canary"):
        switch.stop("zz-canary", version="drill-9", by="automation", reason="Drill.", at=NOW)
