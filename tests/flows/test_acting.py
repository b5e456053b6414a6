"""A severe night stops first and tells afterwards: this host, then every service, then the record of the incident."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import uvicorn

from flows import care, champions, drilling, incidents
from flows.act import stop
from flows.inspect import Inspected
from roadworthy.errors import RoadworthyError, StorageError, UsageError
from roadworthy.evidence import EvidenceStore, bundle_files, read_bundle
from roadworthy.finding import Finding, Verdict
from roadworthy.ledger import Ledger, chain
from roadworthy.ledger.chain import stamp
from roadworthy.switch import Switch, may_serve, served, table, terms
from roadworthy.switch import drilling as drills
from roadworthy.switch.calling import Caller
from roadworthy.switch.files import Stop
from roadworthy.switch.places import places
from roadworthy.switch.service import create
from roadworthy.switch.service.instances import Instance, Instances
from roadworthy.switch.snapshot import Signer
from roadworthy.switch.table import tighten
from roadworthy.verify import verify
from roadworthy.workspace import Workspace
from tests.roadworthy.records import add_version, write_yaml
from tests.roadworthy.service.house import make_house, token

DAY = date(2026, 4, 9)
NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def house(tmp_path: Path) -> Workspace:
    made = make_house(tmp_path / "w")
    fallback = {"kind": "rule", "what": "Last month's mean answers."}
    add_version(made.root, "bikes", "2.0.0", fallback=fallback)
    return made


@pytest.fixture
def ledger(house: Workspace) -> Iterator[Ledger]:
    with Ledger.open(house.state_url) as opened:
        yield opened


def with_services(workspace: Workspace, *urls: str, **more: Any) -> Workspace:
    """Name services in the settings, with the token of the house's automation in a file of its own."""
    secret = workspace.root / "token"
    secret.write_text(token("nightly"))
    secret.chmod(0o600)
    told = {"schema_version": 1, "name": "test", "time_zone": "Europe/Berlin", **more}
    write_yaml(workspace.root / "roadworthy.yaml", {**told, "switch": {"services": list(urls), "token": "file:token"}})
    return Workspace.open(workspace.root)


def severe(
    workspace: Workspace, ledger: Ledger, *, day: date = DAY, model: str = "bikes", version: str = "2.0.0",
    on_severe: str = "disable", word: str = "stop",
) -> Inspected:
    """Record a night whose finding is severe, as an inspection leaves it."""
    passport = workspace.passport(f"{model}@{version}")
    rules = [{"id": "loss", "on_severe": on_severe}]
    run = {
        "run_id": f"nightly-{day}", "when": "nightly", "model": model, "version": version, "day": day.isoformat(),
        "actor": "automation", "finished_at": datetime.now(UTC).isoformat(), "passport": passport.model_dump(mode="json"),
        "policy": {"content": {"rules": rules}},
    }
    finding = Finding("loss", "performance.loss", {}, "severe", "Too often wrong.", "Wrong.", "<= 0.2", value=0.4, n=100)
    verdict = Verdict("nightly", word, "The loss | is <b>too</b> high.", 2, {"severe": 1})  # type: ignore[arg-type]
    files = bundle_files(run, {"waivers": []}, [], [finding], verdict, {})
    address = EvidenceStore(workspace.evidence).write(model, version, day, run["run_id"], files)
    bundle = read_bundle(address.path, address.sha256)
    body = {
        "run_id": run["run_id"], "model": model, "version": version, "day": day.isoformat(), "when": "nightly", "verdict": word,
        "evidence": address.sha256, "path": address.relative,
    }
    ledger.append("run", "automation", body, at=datetime.now(UTC), key=f"run:{address.sha256}")
    return Inspected(f"{model}@{version}", bundle, reused=False)


def seen_by(answers: list[Any]) -> tuple[Caller, list[httpx.Request]]:
    """Return a caller whose service gives these answers in turn, the last one for ever."""
    asked: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        answer = answers[min(len(asked), len(answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer[0], json=answer[1])

    return Caller("rw_secret", httpx.MockTransport(handle), lambda _seconds: None), asked


TAKEN = (200, {"model": "bikes", "state": "disabled", "durable": True, "epoch": 1, "sequence": 9})


def test_the_host_is_stopped_before_any_service_is_asked(house: Workspace, ledger: Ledger) -> None:
    workspace = with_services(house, "http://127.0.0.1:1", "http://127.0.0.1:2")
    held: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        held.append(may_serve(workspace.root, "bikes", "2.0.0").state)
        return httpx.Response(*TAKEN[:1], json=TAKEN[1])

    done = stop(workspace, ledger, severe(workspace, ledger), datetime.now(UTC), caller=Caller("t", httpx.MockTransport(handle)))
    assert held == ["disabled", "disabled"]
    assert (done.stopped, done.state, done.unreached) == (True, "disabled", [])
    (entry,) = ledger.entries("incident")
    times = [entry.body[name] for name in ("judged_at", "file_at", "row_at")] + [one["at"] for one in entry.body["services"]]
    assert all(times) and times[0] <= times[1] <= times[2] <= min(times[3:])


@pytest.mark.parametrize(
    ("answers", "tries", "says"),
    [
        ([httpx.ConnectError("no"), httpx.ReadTimeout("slow"), TAKEN], 3, ""),
        ([httpx.ConnectError("no")], 5, "http://127.0.0.1:1 cannot be reached"),
        ([(503, {"error": "Store."}), TAKEN], 2, ""),
        ([(403, {"error": "Not yours."})], 1, "http://127.0.0.1:1 answered 403: Not yours."),
        ([(429, {"error": "Too much."})], 1, "answered 429"),
        ([(200, [])], 1, "no answer of a switch"),
    ],
)
def test_a_service_is_tried_again_where_that_can_help_and_named_where_it_was_not_reached(
    house: Workspace, ledger: Ledger, answers: list[Any], tries: int, says: str
) -> None:
    workspace = with_services(house, "http://127.0.0.1:1")
    caller, asked = seen_by(answers)
    done = stop(workspace, ledger, severe(workspace, ledger), datetime.now(UTC), caller=caller)
    assert len(asked) == tries
    assert len({request.headers["idempotency-key"] for request in asked}) == 1
    assert asked[0].headers["idempotency-key"] == f"nightly-{DAY}:loss:bikes@2.0.0"
    body = json.loads(asked[0].content)
    assert (body["model"], body["version"], body["state"]) == ("bikes", "2.0.0", "disabled") and len(body["evidence"]) == 64
    assert says in " ".join(done.unreached) and bool(done.unreached) == bool(says)
    assert may_serve(workspace.root, "bikes", "2.0.0").state == "disabled"
    assert "rw_secret" not in "".join(str(entry.body) for entry in ledger.entries())


def test_the_same_night_again_is_the_same_stop(house: Workspace, ledger: Ledger) -> None:
    night = severe(house, ledger)
    assert stop(house, ledger, night, datetime.now(UTC)).stopped
    before = ledger.head()
    again = stop(house, ledger, night, datetime.now(UTC))
    assert (again.stopped, again.incident, ledger.head()) == (False, "", before)


def test_an_incident_that_a_killed_run_did_not_open_is_opened_by_the_next(house: Workspace, ledger: Ledger) -> None:
    night = severe(house, ledger)
    Switch.open(house, ledger).stop(
        "bikes", version="2.0.0", by="automation", reason="x", evidence=night.bundle.address, at=datetime.now(UTC)
    )
    done = stop(house, ledger, night, datetime.now(UTC))
    assert (done.stopped, len(list(ledger.entries("incident")))) == (False, 1)


def test_where_nothing_can_be_written_the_services_are_still_told(house: Workspace, ledger: Ledger) -> None:
    workspace = with_services(house, "http://127.0.0.1:1")
    night = severe(workspace, ledger)

    caller, asked = seen_by([TAKEN])
    (workspace.root / ".roadworthy" / "switch").write_text("a file where the folder must be")
    with ledger.transaction() as execute:
        execute("create view switch as select '' as model", {})  # a table that nothing can be written to
    done = stop(workspace, ledger, night, datetime.now(UTC), caller=caller)
    assert (done.stopped, len(asked)) == (True, 1)
    assert any("STOP file" in sentence for sentence in done.unreached)
    refuses, _ = seen_by([(403, {"error": "No."})])
    with pytest.raises(StorageError, match="could NOT be made disabled anywhere"):
        stop(workspace, ledger, severe(workspace, ledger, day=DAY + timedelta(days=1)), datetime.now(UTC), caller=refuses)


def test_a_past_that_cannot_be_read_keeps_no_model_on_the_road(house: Workspace, ledger: Ledger) -> None:
    workspace = with_services(house)
    severe(workspace, ledger, day=DAY - timedelta(days=1), on_severe="degrade", word="clear")
    night = severe(workspace, ledger, on_severe="degrade")
    with ledger.transaction() as execute:
        execute("drop trigger ledger_no_update", {})
        execute("update ledger set hash = 'x' where kind = 'run'", {})
    with suppress(RoadworthyError):  # what comes after the stop may say that the ledger was changed
        stop(workspace, ledger, night, datetime.now(UTC))
    assert may_serve(workspace.root, "bikes").state == "disabled"


def test_degrade_first_is_for_the_first_night_and_for_who_has_a_fallback(house: Workspace, ledger: Ledger) -> None:
    first = stop(house, ledger, severe(house, ledger, on_severe="degrade"), datetime.now(UTC))
    assert (first.state, may_serve(house.root, "bikes", "2.0.0").state) == ("degraded", "degraded")
    second = stop(house, ledger, severe(house, ledger, on_severe="degrade", day=DAY + timedelta(days=1)), datetime.now(UTC))
    assert (second.state, may_serve(house.root, "bikes", "2.0.0").state) == ("disabled", "disabled")
    other = stop(house, ledger, severe(house, ledger, on_severe="degrade", model="credit", version="1.0.0"), datetime.now(UTC))
    assert other.state == "disabled"  # it declares no fallback
    assert stop(house, ledger, severe(house, ledger, word="breach", day=DAY + timedelta(days=2)), datetime.now(UTC)).state == ""


def test_an_incident_tells_of_receipts_and_of_being_switched_on_by_new_entries(house: Workspace, ledger: Ledger) -> None:
    done = stop(house, ledger, severe(house, ledger), datetime.now(UTC))
    (opened,) = ledger.entries("incident")
    with ledger.transaction() as execute:
        beats = Instances()
        for name, sequence in (("a", 10**6), ("b", 0)):
            beats.beat(Instance(name, ("bikes",), 1, sequence, stamp(datetime.now(UTC)), stamp(datetime.now(UTC))))
        beats.write(execute, datetime.now(UTC))
    now, embedded = stamp(datetime.now(UTC)), house.made / "guards"
    embedded.mkdir()
    told = {"schema_version": 1, "models": ["bikes"], "epoch": 1, "sequence": 10**6, "acted_at": now, "seen_at": now}
    (embedded / "here.json").write_text(json.dumps(told))
    incidents.settle(house, ledger, [done.incident], wait=0.0)
    with ledger.transaction() as execute:
        signed = {"requested_by": "olga", "approved_by": "gustav"}
        body = {"model": "bikes", "version": "2.0.0", "segment": "*", "to": "active", **signed}
        chain.append(execute, "switch", "gustav", body, at=datetime.now(UTC))
    assert incidents.refresh(house, ledger, datetime.now(UTC)) == [done.incident]
    assert incidents.refresh(house, ledger, datetime.now(UTC)) == []
    entries = incidents.of(ledger, done.incident)
    assert [e.body["event"] for e in entries] == ["opened", "receipts", "switched-on"]
    assert (entries[1].body["acknowledged"], entries[1].body["late"], entries[1].body["confirmed"]) == (2, ["b"], False)
    assert entries[0] == opened
    page = (house.made / "incidents" / f"{done.incident}.md").read_text(encoding="utf-8")
    assert "not confirmed: 2 acknowledged" in page and "approved by gustav" in page and "<b>" not in page
    told = json.loads((house.made / "incidents" / f"{done.incident}.json").read_text(encoding="utf-8"))
    assert [e["entry"] for e in told["entries"]] == [e.seq for e in entries]


def test_each_incident_is_told_of_its_own_end_and_a_segment_is_not_the_whole(house: Workspace, ledger: Ledger) -> None:
    def switched_on(segment: str = "*") -> None:
        body = {"model": "bikes", "version": "2.0.0", "segment": segment, "to": "active", "requested_by": "olga"}
        with ledger.transaction() as execute:
            chain.append(execute, "switch", "gustav", {**body, "approved_by": "gustav"}, at=datetime.now(UTC))

    def again(day: date) -> str:
        with ledger.transaction() as execute:
            table.install(execute)
            execute("update switch set state = 'active'", {})
        (house.made / "switch" / "STOP.bikes").unlink(missing_ok=True)
        return stop(house, ledger, severe(house, ledger, day=day), datetime.now(UTC)).incident

    first = again(DAY)
    switched_on("eu")
    assert incidents.refresh(house, ledger, datetime.now(UTC)) == []
    switched_on()
    assert incidents.refresh(house, ledger, datetime.now(UTC)) == [first]
    second = again(DAY + timedelta(days=1))
    switched_on()
    assert incidents.refresh(house, ledger, datetime.now(UTC)) == [second]
    for name in (first, second):
        assert [e.body["event"] for e in incidents.of(ledger, name)].count("switched-on") == 1


class FakeRegistry:
    """Stands in for `mlflow.MlflowClient`, with the methods that are used of it and their names as documented."""

    def __init__(self, alias: str | None, broken: Exception | None = None) -> None:
        self.aliases: dict[str, Any] = {} if alias is None else {"champion": int(alias)}  # MLflow returns numbers on SQLite
        self.tags: dict[str, str] = {}
        self.broken = broken

    def get_registered_model(self, name: str) -> Any:
        return SimpleNamespace(aliases=self.aliases)

    def set_registered_model_alias(self, name: str, alias: str, version: str) -> None:
        self.aliases[alias] = version

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        del self.aliases[alias]

    def set_model_version_tag(self, name: str, version: str, key: str, value: str) -> None:
        if self.broken:
            raise self.broken
        self.tags[f"{version}:{key}"] = value


@pytest.mark.parametrize(
    ("alias", "before", "held", "then"),
    [("2", "clear", False, "1"), ("2", "stop", False, None), ("2", "clear", True, None), ("7", "clear", False, 7)],
)
def test_the_alias_goes_back_to_the_last_version_that_was_good(
    house: Workspace, ledger: Ledger, alias: str, before: str, held: bool, then: Any
) -> None:
    workspace = with_services(house, mlflow_url="sqlite:///none.db")
    for version, number, since in (("1.0.0", "1", date(2025, 1, 1)), ("2.0.0", "2", date(2026, 1, 1))):
        adopted = {"since": since, "by": "olga", "because": "It served before."}
        words = {"mlflow.model": "bikes", "mlflow.version": number}
        add_version(workspace.root, "bikes", version, adopted=adopted, extensions=words)
    severe(workspace, ledger, version="1.0.0", word=before, day=DAY - timedelta(days=9))
    if held:
        Switch.open(workspace, ledger).stop("bikes", version="1.0.0", by="oscar", reason="x", at=datetime.now(UTC))
    fake = FakeRegistry(alias)

    def move(client: FakeRegistry) -> Any:
        return champions.move_back(
            workspace, ledger, "bikes", "2.0.0", state="disabled", fence=7, evidence="ab12", now=datetime.now(UTC),
            connect=lambda url: client,
        )

    moved = move(fake)
    assert moved.done and fake.aliases.get("champion") == then
    assert fake.tags == {"2:roadworthy.state": "disabled", "2:roadworthy.fence": "7", "2:roadworthy.evidence": "ab12"}
    away = move(FakeRegistry("2", ConnectionError("token=hunter2")))
    assert not away.done and "hunter2" not in away.says


@contextmanager
def serving(workspace: Workspace, tmp_path: Path) -> Iterator[str]:
    """Serve the switch of a workspace on a real port, in a thread."""
    server = uvicorn.Server(uvicorn.Config(create(workspace, Signer.make(tmp_path / "key.pem")), port=0, log_level="critical"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


def beat(url: str, name: str, order: dict[str, int]) -> dict[str, int]:
    body = {"instance": name, "models": ["zz-canary"], "epoch": order["epoch"], "sequence": order["sequence"], "acted_at": ""}
    answer = httpx.post(f"{url}/v1/heartbeat", json=body, headers={"Authorization": f"Bearer {token('scoring')}"})
    found: dict[str, int] = answer.json()
    return found


def test_a_drill_stops_the_canary_and_sees_it_refused_from_outside(house: Workspace, ledger: Ledger, tmp_path: Path) -> None:
    """The instance acknowledges what the service says as a guard does; a second drill sweeps away what the first left."""
    over = threading.Event()
    with serving(house, tmp_path) as url:
        workspace = with_services(house, url)

        def guard() -> None:
            order = {"epoch": 0, "sequence": 0}
            while not over.wait(0.1):
                order = beat(url, "a", order)

        thread = threading.Thread(target=guard, daemon=True)
        thread.start()
        time.sleep(1.5)  # until the service has written the first heartbeat
        first = drilling.run(workspace, ledger, wait=8)
        assert first.problems == []
        assert set(first.refused) == {"here", url}
        assert first.instances["confirmed"] == ["scoring/a"] and 0 <= first.ms["refused"] <= 8000
        assert len(first.enabling) == 2
        assert may_serve(workspace.root, "zz-canary", first.id).state == "disabled"  # stopped, and not in service any more
        assert may_serve(workspace.root, "zz-canary", f"{first.id}-after").state == "active"
        second = drilling.run(workspace, ledger, wait=8)
        over.set()
        thread.join()
    assert second.green
    assert may_serve(workspace.root, "zz-canary", first.id).state == "unknown"
    with ledger.reading() as execute:
        assert [row[0] for row in execute("select version from switch where model = 'zz-canary'", {})] == []
        assert {one.version for one in served.rows(execute, "zz-canary")} == {f"{second.id}-after"}
    entry = drills.last_green(ledger)
    assert entry is not None and entry.body["drill"] == second.id
    assert drills.read(workspace.made, entry.body["sha256"])["refused"] == second.refused
    assert verify(workspace).state == "valid"
    kept = workspace.made / "drills" / f"{entry.body['sha256']}.json"
    kept.write_text(kept.read_text().replace("drill-", "Drill-"))
    assert verify(workspace).state == "tampered"


def test_a_drill_is_red_where_a_service_is_away_or_an_instance_does_not_acknowledge(house: Workspace, ledger: Ledger) -> None:
    workspace = with_services(house, NOBODY)
    with ledger.transaction() as execute:
        beats = Instances()
        beats.beat(Instance("slow", ("zz-canary",), 1, 0, stamp(datetime.now(UTC) + timedelta(seconds=60))))
        beats.write(execute, datetime.now(UTC))
    found = drilling.run(workspace, ledger, wait=0.3, caller=Caller("t", pause=lambda _s: None))
    assert not found.green
    said = " ".join(found.problems)
    assert f"{NOBODY} cannot be reached" in said and "slow" in said and f"still served at: {NOBODY}" in said
    assert may_serve(workspace.root, "zz-canary", found.id).state == "disabled"  # the stop is written here all the same
    alert = ledger.latest("alert", model="zz-canary")
    assert alert is not None
    assert {one["role"] for one in alert.body["deliveries"]} == {"operator", "guardian"}
    assert drills.last_green(ledger) is None


def test_a_drill_of_what_may_not_serve_anyway_proves_nothing(house: Workspace, ledger: Ledger) -> None:
    folder = house.root / ".roadworthy" / "switch"
    folder.mkdir()
    (folder / "STOP").touch()
    found = drilling.run(house, ledger, wait=0.1)
    assert found.problems == [
        "Before the stop the canary did not serve at: here.", "A new version of the canary did not serve at: here.",
    ]


def test_a_drill_never_touches_a_real_model(house: Workspace, ledger: Ledger) -> None:
    told = {"schema_version": 1, "name": "test", "time_zone": "UTC", "switch": {"canary": "credit"}}
    write_yaml(house.root / "roadworthy.yaml", told)
    with pytest.raises(UsageError, match="'credit' is a model of this workspace"):
        drilling.run(Workspace.open(house.root), ledger)
    assert may_serve(house.root, "credit", "1.0.0").state == "active"
    assert list(ledger.entries("drill")) == []


def test_what_time_has_brought_about_is_told_once_and_written_back(house: Workspace, ledger: Ledger) -> None:
    now = datetime.now(UTC)
    with ledger.transaction() as execute:
        drills.put_in(execute, places(house.root), "zz-canary", drills.new_id(now), now)  # its lease concerns nobody
        _, fence = tighten(execute, Stop.make("bikes", "2.0.0", None, state="disabled", at=now, by="oscar", reason="x"))
        terms.put(execute, terms.Terms("bikes", "2.0.0", "*", fence, review_by="2020-01-01"))
    early = care.look_after(house, ledger, now)
    assert [word in early[0] for word in ("was to be looked at again", "bikes@2.0.0")] == [True, True] and len(early) == 1
    assert care.look_after(house, ledger, now) == []
    with ledger.transaction() as execute:  # an hour that two people opened
        _, fence = tighten(execute, Stop.make("credit", None, None, state="disabled", at=now, by="oscar", reason="x"))
        execute("update switch set state = 'active' where model = 'credit'", {})
        until = stamp(now + timedelta(minutes=30))
        terms.put(execute, terms.Terms("credit", "*", "*", fence, until=until, then_state="disabled"))
    later = now + timedelta(minutes=30)
    assert "glass of credit was broken" in " ".join(care.look_after(house, ledger, later))
    with ledger.reading() as execute:
        assert execute("select state from switch where model = 'credit'", {}) == [("disabled",)]
    assert (house.root / ".roadworthy" / "switch" / "STOP.credit").is_file()
    half, lapsed = (" ".join(care.look_after(house, ledger, now + timedelta(hours=h))) for h in (40, 73))
    assert "Half of the lease of credit@1.0.0" in half and "zz-canary" not in half
    assert "The lease of credit@1.0.0 lapsed" in lapsed and "zz-canary" not in lapsed
    assert care.look_after(house, ledger, now + timedelta(hours=80)) == []
    roles = {e.body["matter"]: {d["role"] for d in e.body["deliveries"]} for e in ledger.entries("care")}
    two, three = {"owner", "guardian"}, {"owner", "guardian", "operator"}
    assert roles == {"review-due": two, "glass-ended": three, "lease-half": two, "lease-lapsed": three}
