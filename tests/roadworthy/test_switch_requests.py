"""To switch a high-risk model on again, two people sign the same bytes; everything less is refused by name."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from roadworthy.errors import RefusedError, RoadworthyError, TamperedError
from roadworthy.ledger import Ledger
from roadworthy.people_lock import DOMAIN as PEOPLE
from roadworthy.people_lock import add, begin, difference, read
from roadworthy.signing import is_signed_by, public_of, sign
from roadworthy.switch import Switch, enabling, files, may_serve, once, requests, served
from roadworthy.switch.requests import DOMAIN, Wish
from roadworthy.workspace import Workspace
from tests.roadworthy.records import NOW, add_version, at, make_workspace, record, write_yaml

KEYS = {who: Ed25519PrivateKey.from_private_bytes(who.encode().ljust(32)) for who in ("olga", "gustav", "gerda", "oscar")}


def write_people(workspace: Workspace, keys: dict[str, Ed25519PrivateKey]) -> None:
    roles = {"olga": "owner", "gustav": "guardian", "gerda": "guardian", "oscar": "operator"}
    people: list[dict[str, Any]] = [{"id": who, "name": who.capitalize(), "roles": [role]} for who, role in roles.items()]
    for person in people:
        if person["id"] in keys:
            person["public_key"] = public_of(keys[person["id"]])
    write_yaml(workspace.root / "people.yaml", {"schema_version": 1, "people": people})


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
            served.put_in(execute, [("credit", "1.0.0", "high", False)], NOW)
        Switch.open(workspace, opened).stop("credit", by="automation", reason="Wrong.", evidence="ab" * 32, at=NOW)
        yield opened


def wish(**changes: Any) -> Wish:
    return replace(Wish("credit", "*", "*", "oscar", "Mended.", at(20)), **changes)


def gate(workspace: Workspace, ledger: Ledger, minute: int = 10, word: str = "go") -> str:
    address, _ = record(workspace, ledger, "credit", "1.0.0", run_id=f"g{minute}", when="gate", word=word, now=at(minute))
    return str(address.sha256)


def asked(workspace: Workspace, ledger: Ledger, one: Wish | None = None, key: str = "oscar") -> requests.Asked:
    one = one or wish()
    return enabling.ask(workspace, ledger, one, sign(KEYS[key], DOMAIN + enabling.draft(workspace, ledger, one)))


def approve(workspace: Workspace, ledger: Ledger, one: requests.Asked, by: str = "gustav", **changes: Any) -> Any:
    signature = changes.pop("signature", sign(KEYS[changes.pop("key", by)], DOMAIN + one.statement.encode()))
    return enabling.approve(workspace, ledger, one.id, by=by, signature=signature, **{"at": at(30), **changes})


def test_two_signatures_over_the_same_bytes_lie_beside_the_row(workspace: Workspace, ledger: Ledger) -> None:
    address = gate(workspace, ledger)
    one = asked(workspace, ledger)
    assert [w.id for w in _waiting(ledger)] == [one.id]
    assert may_serve(workspace.root, "credit", now=at(25)).state == "disabled"  # asking changes nothing
    done = approve(workspace, ledger, one)
    assert (done.state, may_serve(workspace.root, "credit", now=at(31)).state) == ("active", "active")
    assert not list(workspace.root.rglob("STOP*"))
    entry = ledger.latest("switch", model="credit")
    assert entry is not None
    assert (entry.body["signed"], entry.body["gates"], entry.body["request"]) == (True, [address], one.id)
    with ledger.reading() as execute:
        ((fence, statement, signatures),) = execute("select fence, statement, signatures from switch_signed", {})
    assert fence == entry.seq == done.fence
    by = {s["by"]: s["signature"] for s in json.loads(signatures)}
    assert sorted(by) == ["gustav", "oscar"]
    assert all(is_signed_by(public_of(KEYS[who]), b"roadworthy-enable-v1\n" + statement.encode(), by[who]) for who in by)
    assert json.loads(statement)["fence"] == 1
    assert _waiting(ledger) == []
    assert ledger.verify() == []


def _waiting(ledger: Ledger) -> list[requests.Asked]:
    with ledger.transaction() as execute:
        return requests.waiting(execute, at(25))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"by": "oscar"}, "is not a Guardian"),
        ({"by": "gerda"}, "is not the Guardian of credit@1.0.0"),
        ({"signature": ""}, "Gustav has a key and did not sign"),
        ({"key": "olga"}, "The signature is not Gustav's over this request"),
        ({"signature": "bm90IG9uZQ=="}, "The signature is not Gustav's"),
        ({"at": at(20) + timedelta(hours=24)}, "expired"),
    ],
)
def test_an_approval_that_is_not_the_guardians_own_is_refused(
    workspace: Workspace, ledger: Ledger, changes: dict[str, Any], says: str
) -> None:
    gate(workspace, ledger)
    one = asked(workspace, ledger)
    before = ledger.head()
    with pytest.raises(RefusedError, match=says):
        approve(workspace, ledger, one, **changes)
    assert ledger.head() == before
    assert may_serve(workspace.root, "credit", now=at(31)).state == "disabled"


def test_who_asks_does_not_approve(workspace: Workspace, ledger: Ledger) -> None:
    gate(workspace, ledger)
    one = asked(workspace, ledger, wish(requested_by="gustav"), key="gustav")
    with pytest.raises(RefusedError, match="that takes two people"):
        approve(workspace, ledger, one)


def test_a_request_must_be_signed_by_who_asks(workspace: Workspace, ledger: Ledger) -> None:
    statement = enabling.draft(workspace, ledger, wish())
    for signature, says in (("", "did not sign"), (sign(KEYS["olga"], DOMAIN + statement), "is not Oscar's")):
        with pytest.raises(RefusedError, match=says):
            enabling.ask(workspace, ledger, wish(), signature)


def test_without_keys_a_high_risk_model_stays_off(workspace: Workspace, ledger: Ledger) -> None:
    write_people(workspace, {})
    evidence = gate(workspace, ledger)
    with pytest.raises(RefusedError, match="Oscar has no public key"):
        Switch.open(workspace, ledger).enable(
            "credit", requested_by="oscar", approved_by="gustav", evidence=evidence, reason="x", at=at(20)
        )


def test_a_newer_stop_voids_the_request_and_its_approval(workspace: Workspace, ledger: Ledger) -> None:
    one = asked(workspace, ledger)
    files.write(workspace.made / "switch", files.Stop.make("credit", None, None, state="disabled", at=at(25), by="x", reason="y"))
    (workspace.made / "switch" / "STOP.credit").touch()
    with ledger.transaction() as execute:
        execute("update switch set state = 'quarantined', fence = 99 where model = 'credit'", {})
    gate(workspace, ledger, 28)
    with pytest.raises(RefusedError, match="The fence moved"):
        approve(workspace, ledger, one)


def test_a_stop_file_made_by_hand_after_the_request_voids_it(workspace: Workspace, ledger: Ledger) -> None:
    import os

    one = asked(workspace, ledger)
    gate(workspace, ledger)
    path = workspace.made / "switch" / "STOP.credit"
    path.write_bytes(b"")
    os.utime(path, (at(25).timestamp(), at(25).timestamp()))
    with pytest.raises(RefusedError, match="The fence moved"):
        approve(workspace, ledger, one)


def test_an_approval_is_used_once(workspace: Workspace, ledger: Ledger) -> None:
    gate(workspace, ledger)
    one = asked(workspace, ledger)
    approve(workspace, ledger, one)
    Switch.open(workspace, ledger).stop("credit", by="oscar", reason="Again.", at=at(40))
    with pytest.raises(RefusedError, match="was used already"):
        approve(workspace, ledger, one, at=at(50))
    assert may_serve(workspace.root, "credit", now=at(51)).state == "disabled"


def test_the_gate_is_looked_up_and_must_be_the_newest(workspace: Workspace, ledger: Ledger) -> None:
    one = asked(workspace, ledger)
    with pytest.raises(RefusedError, match=r"There is no gate run of credit@1\.0\.0"):
        approve(workspace, ledger, one)
    gate(workspace, ledger, 10)
    gate(workspace, ledger, 11, word="no-go")
    with pytest.raises(RefusedError, match="ended 'no-go'"):
        approve(workspace, ledger, one)
    named = asked(workspace, ledger, wish(gates=(gate(workspace, ledger, 12),)))
    gate(workspace, ledger, 13, word="no-go")
    with pytest.raises(RefusedError, match=r"A newer gate run of credit@1\.0\.0 ended 'no-go'"):
        approve(workspace, ledger, named)


def test_a_request_that_was_unsigned_is_not_approved_once_a_high_risk_version_is_concerned(
    workspace: Workspace, ledger: Ledger
) -> None:
    add_version(workspace.root, "credit", "1.0.0", risk_tier="limited")
    write_people(workspace, {who: KEYS[who] for who in ("gustav", "olga")})
    one = enabling.ask(workspace, ledger, wish())
    add_version(workspace.root, "credit", "1.0.0", risk_tier="high")
    gate(workspace, ledger)
    with pytest.raises(RefusedError, match="Oscar has no public key"):
        approve(workspace, ledger, one)


@pytest.mark.parametrize(
    "change", ["requested_by = 'olga'", "segment = 'eu'", "fence = 0", "statement = replace(statement, 'Mend', 'X')"]
)
def test_a_request_that_was_changed_where_it_is_kept_is_refused(workspace: Workspace, ledger: Ledger, change: str) -> None:
    gate(workspace, ledger)
    one = asked(workspace, ledger)
    with ledger.transaction() as execute:
        execute(f"update switch_request set {change}", {})
    with pytest.raises(RefusedError):
        approve(workspace, ledger, one)
    assert may_serve(workspace.root, "credit", now=at(31)).state == "disabled"


def test_an_unsigned_request_that_was_changed_where_it_is_kept_is_refused_too(workspace: Workspace, ledger: Ledger) -> None:
    add_version(workspace.root, "credit", "1.0.0", risk_tier="limited")
    write_people(workspace, {})
    gate(workspace, ledger)
    one = enabling.ask(workspace, ledger, wish())
    with ledger.transaction() as execute:
        execute("update switch_request set requested_by = 'olga'", {})
    with pytest.raises(RefusedError, match="is not what was signed"):
        approve(workspace, ledger, one, signature="")
    with ledger.transaction() as execute:
        execute("update switch_request set requested_by = 'oscar'", {})
    assert approve(workspace, ledger, one, signature="").state == "active"


def test_two_people_with_one_key_are_one(workspace: Workspace) -> None:
    write_people(workspace, {**KEYS, "oscar": KEYS["gustav"]})
    with pytest.raises(RoadworthyError, match="two people have two keys"):
        workspace.people()


# In an emergency.


def test_a_broken_glass_ends_by_itself(workspace: Workspace, ledger: Ledger) -> None:
    one = asked(workspace, ledger, wish(until=at(70)))
    assert approve(workspace, ledger, one).state == "active"
    assert [may_serve(workspace.root, "credit", now=at(m)).state for m in (69, 70, 500)] == ["active", "disabled", "disabled"]
    assert "that time is over" in may_serve(workspace.root, "credit", now=at(70)).reason
    entry = ledger.latest("switch", model="credit")
    assert entry is not None
    assert (entry.body["act"], entry.body["gates"]) == ("break-glass", [])


def test_a_broken_glass_takes_two_people_and_an_hour_at_most(workspace: Workspace, ledger: Ledger) -> None:
    with pytest.raises(RefusedError, match="an hour at most"):
        asked(workspace, ledger, wish(until=at(81)))
    one = asked(workspace, ledger, wish(until=at(80)))
    with pytest.raises(RefusedError, match="did not sign"):
        approve(workspace, ledger, one, signature="")


def test_a_stop_while_the_glass_is_broken_holds(workspace: Workspace, ledger: Ledger) -> None:
    approve(workspace, ledger, asked(workspace, ledger, wish(until=at(70))))
    Switch.open(workspace, ledger).stop("credit", by="oscar", reason="Worse.", at=at(40), to="quarantined")
    assert [may_serve(workspace.root, "credit", now=at(m)).state for m in (41, 90)] == ["quarantined", "quarantined"]


# Sent twice.


def test_the_same_key_gets_the_first_answer_for_a_day_and_another_body_is_a_conflict(ledger: Ledger) -> None:
    with ledger.transaction() as execute:
        assert once.answered(execute, "k", b"body", NOW) is None
        once.keep(execute, "k", b"body", {"fence": 1}, NOW)
        once.keep(execute, "k", b"body", {"fence": 2}, NOW)  # by a second service, which was asked at the same moment
        assert once.answered(execute, "k", b"body", NOW) == {"fence": 1}
        with pytest.raises(once.ConflictError, match="used for another request"):
            once.answered(execute, "k", b"other", NOW)
        assert once.answered(execute, "k", b"body", NOW + timedelta(hours=24)) is None


def test_an_answer_that_is_no_longer_true_gives_way_to_the_next_and_to_no_other(ledger: Ledger) -> None:
    with ledger.transaction() as execute:
        once.keep(execute, "k", b"body", {"fence": 1}, NOW)
        once.keep(execute, "k", b"body", {"fence": 7}, NOW, instead_of={"fence": 1})
        once.keep(execute, "k", b"body", {"fence": 8}, NOW, instead_of={"fence": 1})
        assert once.answered(execute, "k", b"body", NOW) == {"fence": 7}


def test_requests_of_one_key_take_turns_and_one_that_hangs_holds_up_no_other_for_long() -> None:
    turns = once.Turns()
    with turns.of("k", 1.0), ThreadPoolExecutor(1) as pool:
        def other(key: str) -> float:
            began = time.monotonic()
            with turns.of(key, 0.2):
                return time.monotonic() - began

        assert pool.submit(other, "another").result() < 0.1
        assert 0.15 < pool.submit(other, "k").result() < 2.0
        assert turns.waiting() == 1
    assert turns.waiting() == 0


# Who may sign is itself signed.


def test_each_version_of_the_people_is_signed_by_a_guardian_of_the_one_before(workspace: Workspace) -> None:
    write_people(workspace, {who: KEYS[who] for who in ("gustav", "oscar")})
    root = begin(workspace.root, workspace.people()).root
    write_people(workspace, KEYS)
    assert difference(read(workspace.root), workspace.people()) == ["gerda", "olga"]
    lock = add(workspace.root, workspace.people(), "gustav", KEYS["gustav"])
    assert (lock.versions, lock.root, difference(lock, workspace.people())) == (2, root, [])
    assert read(workspace.root, root) == lock
    with pytest.raises(TamperedError, match="is not the one that is pinned"):
        read(workspace.root, "00" * 32)


@pytest.mark.parametrize(("by", "key"), [("oscar", "oscar"), ("gerda", "gerda"), ("gustav", "gerda"), ("nobody", "gustav")])
def test_nobody_else_adds_a_version(workspace: Workspace, by: str, key: str) -> None:
    write_people(workspace, {who: KEYS[who] for who in ("gustav", "oscar")})
    begin(workspace.root, workspace.people())
    write_people(workspace, KEYS)
    with pytest.raises(RefusedError, match="cannot sign the next"):
        add(workspace.root, workspace.people(), by, KEYS[key])


def test_a_lock_changed_by_hand_is_found(workspace: Workspace) -> None:
    begin(workspace.root, workspace.people())
    mallory = Ed25519PrivateKey.generate()
    write_people(workspace, {**KEYS, "gerda": mallory})
    path = workspace.root / "people.lock"
    good = json.loads(path.read_bytes())
    first = {name: value for name, value in good[0].items() if name != "signature"}
    from roadworthy.canonical import canonical_json, digest_bytes
    from roadworthy.people_lock import extract

    new = {"by": "gerda", "people": extract(workspace.people()), "previous": digest_bytes(canonical_json(first))}
    forged = [*good, {**new, "signature": sign(mallory, PEOPLE + canonical_json(new))}]
    for versions in (forged, [{**good[0], "extra": 1}], good + good, {"a": 1}, "[", [None]):
        path.write_text(versions if isinstance(versions, str) else json.dumps(versions))
        with pytest.raises(TamperedError):
            read(workspace.root)
