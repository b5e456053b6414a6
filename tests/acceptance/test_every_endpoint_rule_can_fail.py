"""Every rule about the endpoint: a sound server holds it; a server that lets go of one thing, asked by a night, breaks it.

The servers are real ones, with TLS, on 127.0.0.1.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from _pytest.mark import ParameterSet

from checks.endpoint import tls
from flows.probing import probing_of
from roadworthy.evidence import Bundle
from roadworthy.ledger import Ledger
from roadworthy.policy import read_policy
from roadworthy.switch import Switch
from roadworthy.workspace import Workspace
from tests.acceptance.fleet import FLEET, copy_fleet, run_night
from tests.checks.endpoint.server import SECRET, Answer, Served, reply, serving, sound

NIGHT: date = yaml.safe_load((FLEET / "expected.yaml").read_text(encoding="utf-8"))["night"]


@dataclass(frozen=True)
class Case:
    """A server, and whether the model is stopped while it is asked."""

    answer: Answer = field(default_factory=sound)
    stopped: bool = False
    made: dict[str, Any] = field(default_factory=dict)


SOUND, SOUNDLY_STOPPED = Case(), Case(sound(stopped=True), stopped=True)
OLD = {"lowest": ssl.TLSVersion.TLSv1, "highest": ssl.TLSVersion.TLSv1}
BROKEN_BY = {
    "endpoint-tls": Case(made=OLD),
    "endpoint-certificate": Case(made={"days": -1}),
    "endpoint-certificate-soon": Case(made={"days": 13}),
    "endpoint-credentials": Case(lambda _served, _request: reply(200)),
    "endpoint-rate": Case(sound(limit=99)),
    "endpoint-stopped": Case(stopped=True),
}


def rules() -> list[ParameterSet]:
    """Return every rule of every policy; what an earlier policy has is broken again in the long tier."""
    found, seen = [], set[str]()
    for policy in [read_policy(path) for path in sorted((FLEET / "policies").glob("*.yaml"))]:
        for rule in [one for one in policy.rules if one.metric.startswith("endpoint.")]:
            marks = [pytest.mark.long] if rule.id in seen else []
            seen.add(rule.id)
            found.append(pytest.param(policy.policy, rule.id, marks=marks))
    return found


def workspace_of(root: Path, policy: str, served: Served, allowed: str = "127.0.0.1") -> Workspace:
    copy_fleet(root, "credit", until=NIGHT, keep=1)
    path, settings = root / "models" / "credit" / "1.0.0.yaml", root / "roadworthy.yaml"
    passport = yaml.safe_load(path.read_text(encoding="utf-8")) | {
        "policy": policy, "inference_url": served.url,
        "endpoint": {
            "credentials": {"secret": "file:endpoint.key"}, "rate_limit": {"requests": 3, "seconds": 60}, "ca": "ca.pem",
            "probe": {"method": "POST", "body": {"rows": []}},
        },
    }
    path.write_text(yaml.safe_dump(passport), encoding="utf-8")
    settings.write_text(f"{settings.read_text(encoding='utf-8')}probe_endpoints: ['{allowed}']\n", encoding="utf-8")
    (root / "ca.pem").write_bytes(served.ca.read_bytes())
    (root / "endpoint.key").touch(mode=0o600)
    (root / "endpoint.key").write_text(SECRET)
    return Workspace.open(root)


def stop(workspace: Workspace, **scope: str) -> None:
    with Ledger.open(workspace.state_url) as ledger:
        Switch.open(workspace, ledger).stop("credit", by="ingrid.solberg", reason="A test.", at=datetime.now(UTC), **scope)


@contextmanager
def night(folder: Path, policy: str, case: Case) -> Iterator[tuple[Workspace, Bundle, Served]]:
    with serving(folder / "server", case.answer, **case.made) as served:
        workspace = workspace_of(folder / "w", policy, served)
        if case.stopped:
            stop(workspace)
        yield workspace, run_night(workspace, NIGHT, only=["endpoint"]).bundle, served


def said(bundle: Bundle) -> dict[str, str]:
    return {f.rule: f.status for f in bundle.findings if f.metric.startswith("endpoint.")}


@pytest.fixture(scope="module")
def as_it_is(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Case], dict[str, str]]:
    known: dict[tuple[str, bool], dict[str, str]] = {}

    def statuses(policy: str, case: Case) -> dict[str, str]:
        if (policy, case.stopped) not in known:
            with night(tmp_path_factory.mktemp("sound"), policy, case) as (_, bundle, _served):
                known[policy, case.stopped] = said(bundle)
        return known[policy, case.stopped]

    return statuses


@pytest.mark.parametrize(("policy", "rule"), rules(), ids=str)
def test_a_server_that_lets_go_breaks_the_rule(
    tmp_path: Path, policy: str, rule: str, as_it_is: Callable[[str, Case], dict[str, str]]
) -> None:
    (declared,) = [one for one in read_policy(FLEET / "policies" / f"{policy}.yaml").rules if one.id == rule]
    case = BROKEN_BY[rule]
    if case.made == OLD and tls.offer("1.0") is None:
        pytest.skip("this machine cannot offer TLS 1.0")
    assert as_it_is(policy, SOUNDLY_STOPPED if case.stopped else SOUND)[rule] == "pass"
    with night(tmp_path, policy, case) as (_, bundle, _served):
        assert said(bundle)[rule] == declared.breach


def test_the_secret_of_the_endpoint_is_in_no_file_but_its_own(tmp_path: Path) -> None:
    with night(tmp_path, "high", SOUND) as (workspace, _, served):
        assert any(SECRET in request.head for request in served.requests)
    held = [path.name for path in workspace.root.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert held == ["endpoint.key"]


def test_a_host_that_is_not_allowed_is_never_connected_to(tmp_path: Path) -> None:
    with serving(tmp_path / "server", sound()) as served:
        workspace = workspace_of(tmp_path / "w", "high", served, allowed="127.0.0.1:1")
        bundle = run_night(workspace, NIGHT, only=["endpoint"]).bundle
        assert served.connections == 0
    assert {f.status for f in bundle.findings if f.metric.startswith("endpoint.")} == {"insufficient"}
    assert not any(f.required for f in bundle.findings if f.metric.startswith("endpoint."))


def test_what_the_switch_says_is_told_and_a_past_night_asks_nothing(tmp_path: Path) -> None:
    with serving(tmp_path / "server", sound()) as served:
        workspace = workspace_of(tmp_path / "w", "high", served)
    passport, now = workspace.passport("credit@1.0.0"), datetime.now(UTC)
    stop(workspace, segment="north")
    partly = probing_of(workspace, passport, NIGHT, "nightly", now)
    assert partly is not None and (partly.state, partly.past) == ("partly", False)  # its days are replayed
    settings = workspace.root / "roadworthy.yaml"
    settings.write_text(settings.read_text(encoding="utf-8").replace("clock: replay", "clock: wall"), encoding="utf-8")
    stop(workspace, version="1.0.0")
    for when, day, past in (("nightly", NIGHT, True), ("gate", NIGHT, False), ("nightly", now.date() - timedelta(days=1), False)):
        found = probing_of(Workspace.open(workspace.root), passport, day, when, now)
        assert found is not None and (found.state, found.past) == ("disabled", past)
