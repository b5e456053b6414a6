"""What an endpoint accepts and refuses, against a real server with TLS on 127.0.0.1."""

from __future__ import annotations

import json
import logging
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from checks import endpoint
from checks.endpoint import tls
from checks.endpoint.address import address_of
from roadworthy.measurement import Measurement
from roadworthy.serving import Probing
from tests.checks.endpoint.server import SECRET, Answer, Request, Served, reply, serving, sound
from tests.support import make_subject, passport_of

NOW = datetime.now(UTC)
LIMIT = {"requests": 3, "seconds": 60}
DECLARED = {"credentials": {"secret": "env:KEY"}, "rate_limit": LIMIT, "probe": {"method": "POST", "body": {"rows": []}}}


def ask(root: Path, url: str, *, state: str = "active", hosts: tuple[str, ...] = ("127.0.0.1",), past: bool = False,
        seconds: float = 5.0, **declared: Any) -> dict[str, Measurement]:
    said = {key: value for key, value in (DECLARED | declared).items() if value is not None}
    passport = passport_of(inference_url=url, endpoint=said)
    probing = Probing(NOW, state, hosts, past, seconds, {"KEY": SECRET})
    root.mkdir(exist_ok=True)
    with make_subject(root, passport) as subject:
        found = endpoint.measure(replace(subject, probing=probing))
    assert sorted(m.metric for m in found) == sorted(endpoint.FAMILY)
    return {m.metric.partition(".")[2]: m for m in found}


def values(found: dict[str, Measurement]) -> dict[str, float | str | None]:
    return {name: m.value if m.status == "measured" else m.status for name, m in found.items()}


@pytest.fixture
def w(tmp_path: Path) -> Iterator[Path]:
    """A workspace whose server's authority lies at ca.pem."""
    yield tmp_path


def test_a_sound_endpoint_is_found_sound_with_few_requests(w: Path) -> None:
    with serving(w, sound()) as served:
        found = ask(w, served.url, ca="ca.pem")
    assert values(found) == {
        "tls_version": 1.2, "certificate_days": 90, "certificate_valid": 1, "refuses_without_credentials": 1, "limits_rate": 1,
        "refuses_when_stopped": "not_applicable",
    }
    assert "the drill" in found["refuses_when_stopped"].reason and found["tls_version"].details["best"] == "1.3"
    assert len(served.requests) == 6 and served.connections <= 12  # two strangers, three answers and one refusal
    first = served.requests[0].head
    assert first.startswith("POST /v1/score?model=loan HTTP/1.1\r\n") and first.endswith('\r\n\r\n{"rows": []}')
    assert all(m.details["clock"] == "wall" for m in found.values())


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_server_of_an_old_version_is_found_out(w: Path, version: str) -> None:
    old = tls.VERSIONS[version]
    if tls.offer(version) is None:
        pytest.skip("this machine cannot offer the version")
    with serving(w, sound(), lowest=old, highest=old) as served:
        found = ask(w, served.url, ca="ca.pem")
    assert values(found)["tls_version"] == float(version) and values(found)["certificate_valid"] == 1
    assert found["tls_version"].details["said"] == {v: "accepted" if v == version else "refused" for v in tls.VERSIONS}


def test_of_versions_that_this_machine_cannot_offer_nothing_is_claimed(w: Path) -> None:
    sheet = endpoint.Sheet(NOW)
    said = tls.Spoken({"1.0": "not offered", "1.1": "refused", "1.2": "accepted", "1.3": "accepted"})
    endpoint._version(address_of("https://x/"), said, sheet)
    (found,) = sheet.found
    assert found.status == "insufficient" and "whether it accepts TLS 1.0" in found.reason


@pytest.mark.parametrize(("made", "ca", "days", "why"), [
    ({"days": -1}, "ca.pem", -1, "expired"), ({"host": "127.0.0.2"}, "ca.pem", 90, "mismatch"), ({}, None, 90, "certificate"),
])
def test_a_certificate_that_does_not_hold_gets_no_credentials(
    w: Path, made: dict[str, Any], ca: str | None, days: int, why: str
) -> None:
    with serving(w, sound(), **made) as served:
        found = ask(w, served.url, ca=ca)
    assert values(found) == {
        "tls_version": 1.2, "certificate_days": days, "certificate_valid": 0, "refuses_without_credentials": 1,
        "limits_rate": "insufficient", "refuses_when_stopped": "not_applicable",
    }
    assert why in found["certificate_valid"].details["differs"]
    assert not any(SECRET in one.head for one in served.requests)


def test_http_is_no_tls_and_gets_no_credentials(w: Path) -> None:
    with serving(w, sound(), encrypted=False) as served:
        found = ask(w, served.url.replace("https", "http"), state="disabled")
    assert values(found)["tls_version"] == 0 and values(found)["certificate_valid"] == 0
    assert values(found)["refuses_when_stopped"] == "insufficient" and not any(SECRET in one.head for one in served.requests)


def open_to_all(_served: Served, _request: Request) -> bytes:
    return reply(200)


def only_asks_for_some(_served: Served, request: Request) -> bytes:
    return reply(200) if request.credential else reply(401)


def to_a_login(served: Served, _request: Request) -> bytes:
    return reply(302, f"Location: https://127.0.0.1:{served.port}/elsewhere")


@pytest.mark.parametrize(("answer", "part"), [(open_to_all, 0.0), (only_asks_for_some, 0.5), (to_a_login, 0.0)])
def test_who_answers_strangers_is_found_out(w: Path, answer: Answer, part: float) -> None:
    with serving(w, answer) as served:
        found = ask(w, served.url, ca="ca.pem")
    assert values(found)["refuses_without_credentials"] == part
    assert values(found)["limits_rate"] == 0 and found["limits_rate"].details["sent"] == 5  # the declared three and two more
    assert not any("/elsewhere" in one.head for one in served.requests), "a redirect was followed"


def test_a_limit_that_does_not_say_when_to_come_back_is_no_limit(w: Path) -> None:
    def answer(served: Served, request: Request) -> bytes:
        said = sound()(served, request)
        return said.replace(b"Retry-After: 60\r\n", b"")

    with serving(w, answer) as served:
        found = ask(w, served.url, ca="ca.pem")["limits_rate"]
    assert (found.value, found.details["limited"], found.details["retry_after"]) == (0, True, False)


@pytest.mark.parametrize(("declared", "says"), [
    ({"rate_limit": None}, "declares no rate limit"), ({"most_requests": 6}, "may be sent"),
    ({"rate_limit": {"requests": 1, "seconds": 0.000001}}, "longer than"),
])
def test_a_limit_that_cannot_be_seen_is_not_called_missing(w: Path, declared: dict[str, Any], says: str) -> None:
    with serving(w, sound(limit=99)) as served:
        found = ask(w, served.url, ca="ca.pem", **declared)["limits_rate"]
    assert found.status == "insufficient" and says in found.reason
    assert len(served.requests) <= declared.get("most_requests", 30)


@pytest.mark.parametrize(("answer", "state", "wanted"), [
    (sound(stopped=True), "disabled", 1), (sound(stopped=True), "quarantined", 1), (sound(), "disabled", 0),
    (lambda s, r: reply(401) if SECRET not in r.head else reply(403), "disabled", 1),
    (lambda _s, _r: reply(403), "disabled", "insufficient"), (lambda _s, _r: reply(401), "disabled", "insufficient"),
    (to_a_login, "disabled", "error"), (lambda _s, _r: reply(429), "disabled", "insufficient"),
    (lambda _s, _r: reply(200, body=b'{"state": "stopped"}'), "disabled", 1),
    (lambda _s, _r: reply(200, body=b'{"state": "fine"}'), "disabled", 0),
    (sound(), "unknown", "insufficient"), (sound(), "degraded", "not_applicable"), (sound(), "partly", "not_applicable"),
])
def test_a_stopped_model_that_answers_is_found_out(w: Path, answer: Answer, state: str, wanted: float | str) -> None:
    with serving(w, answer) as served:
        found = ask(w, served.url, ca="ca.pem", state=state, stopped={"field": "state", "equals": "stopped"}, rate_limit=None)
    assert values(found)["refuses_when_stopped"] == wanted
    assert len(served.requests) <= 3


@pytest.mark.parametrize("answer", [
    lambda _s, _r: b"SSH-2.0-nothing\r\n\r\n", lambda _s, _r: b"", lambda _s, _r: b"HTTP/1.1 20x\r\n\r\n",
    lambda _s, _r: b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20_000, lambda _s, _r: b"\x00" * 200_000,
])
def test_what_is_not_http_is_an_error_and_no_refusal(w: Path, answer: Answer) -> None:
    with serving(w, answer) as served:
        found = ask(w, served.url, ca="ca.pem", state="disabled")
    assert values(found)["refuses_without_credentials"] == values(found)["refuses_when_stopped"] == "error"


def test_of_a_huge_answer_only_the_beginning_is_read(w: Path) -> None:
    huge = reply(200, body=b" " * 30_000_000)
    with serving(w, lambda _s, _r: huge) as served:
        started = time.monotonic()
        found = ask(w, served.url, ca="ca.pem", state="disabled", stopped={"field": "a", "equals": 1})
    assert values(found)["refuses_when_stopped"] == 0 and time.monotonic() - started < 3


def test_a_server_that_does_not_answer_costs_no_more_than_the_time_allowed(w: Path) -> None:
    def slow(_served: Served, _request: Request) -> bytes:
        time.sleep(1)
        return reply(200)

    with serving(w, slow) as served:
        started = time.monotonic()
        found = ask(w, served.url, ca="ca.pem", seconds=0.4)
    assert time.monotonic() - started < 0.4 * 4 + 1.5
    assert values(found)["refuses_without_credentials"] == "error" and values(found)["limits_rate"] == "error"


def test_a_closed_port_or_a_silent_one_is_an_error_of_everything(w: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        quiet = ask(w, f"https://127.0.0.1:{port}/", seconds=0.1)
    closed = ask(w, f"https://127.0.0.1:{port}/")
    for found in (quiet, closed):
        assert set(values(found).values()) == {"error"}


@pytest.mark.parametrize(("url", "more", "status", "says"), [
    ("https://127.0.0.1:9/", {"hosts": ()}, "not_applicable", "'probe_endpoints'"),
    ("https://127.0.0.1:9/", {"hosts": ("127.0.0.1:8", "example.org")}, "not_applicable", "'probe_endpoints'"),
    ("https://127.0.0.1:9/", {"past": True}, "not_applicable", "past"),
    ("ftp://127.0.0.1/", {}, "error", "neither https nor http"), ("https://127.0.0.1/a b", {}, "error", "blanks"),
    ("https://127.0.0.1/x\r\nEvil: 1", {}, "error", "inference URL"), ("https://u:pw@127.0.0.1/", {}, "error", "password"),
    ("https://127.0.0.1:99999/", {}, "error", "cannot be read"), ("https:///x", {}, "error", "no host"),
])
def test_nothing_is_asked_that_is_not_allowed_or_cannot_be(
    w: Path, url: str, more: dict[str, Any], status: str, says: str
) -> None:
    found = ask(w, url, **more)
    assert {m.status for m in found.values()} == {status} and all(says in m.reason for m in found.values())


def test_the_secret_is_nowhere_but_in_the_requests_that_need_it(w: Path, caplog: pytest.LogCaptureFixture) -> None:
    def echo(_served: Served, request: Request) -> bytes:
        told = request.credential
        return reply(302, f"Location: https://x/{told}", f"X-{told}: {told}", f"Retry-After: {told}", body=told.encode())

    def not_http(_served: Served, request: Request) -> bytes:
        return request.credential.encode() + b"\r\n\r\n"

    caplog.set_level(logging.DEBUG)
    for index, answer in enumerate((echo, not_http, sound(), sound(stopped=True))):
        with serving(w / str(index), answer) as served:
            for state in ("active", "disabled"):
                found = ask(w, served.url, ca=f"{index}/ca.pem", state=state)
                assert SECRET not in json.dumps([m.as_dict() for m in found.values()])
        assert any(SECRET in one.head for one in served.requests)
    assert SECRET not in caplog.text and SECRET not in repr(Probing(NOW, "active", environment={"KEY": SECRET}))


@pytest.mark.parametrize(("secret", "says"), [("", "not set"), ("a\nb", "cannot stand in a header"), ("gehé", "cannot stand")])
def test_a_secret_that_cannot_be_sent_is_said_without_it(w: Path, secret: str, says: str) -> None:
    with serving(w, sound()) as served:
        passport = passport_of(inference_url=served.url, endpoint=DECLARED | {"ca": "ca.pem"})
        with make_subject(w, passport) as subject:
            probing = Probing(NOW, "active", ("127.0.0.1",), environment={"KEY": secret})
            found = endpoint.measure(replace(subject, probing=probing))
    (limited,) = [m for m in found if m.metric == "endpoint.limits_rate"]
    assert limited.status == "insufficient" and says in limited.reason and (not secret or secret not in limited.reason)


def test_no_proxy_of_the_environment_is_asked(w: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with serving(w, sound()) as served:
        assert values(ask(w, served.url, ca="ca.pem"))["certificate_valid"] == 1


def test_an_authority_that_cannot_be_read_is_an_error_and_no_verdict_on_the_certificate(w: Path) -> None:
    (w / "other.pem").write_text("nothing")
    (w / "link.pem").symlink_to("/etc/hosts")
    with serving(w, sound()) as served:
        for name in ("missing.pem", "other.pem", "link.pem"):
            assert values(ask(w, served.url, ca=name))["certificate_valid"] == "error"


def test_days_are_counted_down_from_the_moment_of_asking(w: Path) -> None:
    with serving(w, sound(), days=10) as served:
        said = passport_of(inference_url=served.url, endpoint={"ca": "ca.pem"})
        with make_subject(w, said) as subject:
            later = Probing(NOW + timedelta(days=4), "active", ("127.0.0.1",))
            found = {m.metric: m for m in endpoint.measure(replace(subject, probing=later))}
    assert found["endpoint.certificate_days"].value == 6


def test_versions_are_offered_alone() -> None:
    for version, wanted in tls.VERSIONS.items():
        context = tls.offer(version)
        assert context is None or (context.minimum_version, context.maximum_version) == (wanted, wanted)
    assert tls.offer("1.3") is not None and ssl.HAS_TLSv1_3
