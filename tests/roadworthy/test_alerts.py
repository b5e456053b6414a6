"""Alerts reach a real server, or what became of them is returned; an address is never repeated."""

from __future__ import annotations

import json
import logging
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from roadworthy.alerts import CONCERNED, ROLES, Alert, alerts_for, deliver
from roadworthy.errors import RefusedError
from roadworthy.finding import Verdict
from roadworthy.judge import NIGHT_EXIT
from roadworthy.secrets import resolve
from roadworthy.workspace import Settings

MARK = "hunter2marker"


@pytest.fixture
def server():
    """A webhook that keeps what it gets; answers 500 on paths that say so, and never on /silent."""
    got, quiet = [], threading.Event()

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if "silent" in self.path:
                quiet.wait(10)
                return
            got.append((self.path, json.loads(body)))
            self.send_response(500 if "broken" in self.path else 200)
            self.end_headers()

        def log_message(self, *args):
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    running.daemon_threads = True
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    running.got = got
    yield running
    quiet.set()
    running.shutdown()
    running.server_close()


def settings(**alerts):
    return Settings.model_validate({"schema_version": 1, "name": "x", "time_zone": "UTC", "alerts": alerts})


def send(urls, role="operator", title="Loans must come off the road", body="Because."):
    """Send one alert to these addresses, each behind a reference of its own."""
    behind = {f"env:U{i}": url for i, url in enumerate(urls)}
    return deliver([Alert(role, title, body)], settings(**{role: list(behind)}), behind.__getitem__)


def address(server, path=""):
    return f"json://127.0.0.1:{server.server_port}/{path}"


def test_an_alert_arrives_as_it_was_written(server):
    body = "Accuracy: 70.0 %; <b>\"it's\"</b> {{ x }} 日本\nCard: http://cards/loan\nCommand: roadworthy switch status loan"
    assert [d.outcome for d in send([address(server, "hook")], body=body)] == ["sent"]
    ((path, message),) = server.got
    assert (path, message["title"], message["message"]) == ("/hook", "Loans must come off the road", body)


def test_each_address_of_a_role_has_its_own_fate(server):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = f"json://127.0.0.1:{unused.getsockname()[1]}/"
        got = send([address(server, "broken"), nobody, address(server, "good"), "no address", "nosuch://x", ""])
    assert [d.outcome for d in got] == ["failed", "failed", "sent", "failed", "failed", "failed"]
    assert got[0].reason == "The channel behind env:U0 did not accept the message."
    assert got[4].reason == "What env:U4 points at is not an Apprise address."
    assert [path for path, _ in server.got] == ["/broken", "/good"]


def test_a_server_that_never_answers_does_not_hold_the_night(server):
    assert send([address(server, "silent?rto=0.3&cto=0.3")])[0].outcome == "failed"


def test_a_role_without_an_address_is_told_to_nobody_and_that_is_said():
    got = deliver([Alert("guardian", "t", "b")], settings(owner=["env:X"]), lambda _: "json://127.0.0.1")
    assert [(d.outcome, d.reason) for d in got] == [("no channel", "roadworthy.yaml names no address under alerts.guardian.")]


def test_an_address_that_cannot_be_found_fails_and_the_others_are_sent(server):
    def follow(reference):
        if reference == "env:GONE":
            raise RefusedError("The environment variable GONE is not set.", "Set it.")
        if reference == "env:ODD":
            raise ValueError(MARK)
        return address(server)

    got = deliver([Alert("owner", "t", "b")], settings(owner=["env:GONE", "env:ODD", "env:FINE"]), follow)
    assert [(d.outcome, d.reason) for d in got] == [
        ("failed", "The environment variable GONE is not set. Set it."),
        ("failed", "The channel behind env:ODD broke (ValueError)."), ("sent", ""),
    ]


@pytest.mark.parametrize("url", [
    f"slack://{MARK}", f"nosuch://{MARK}/x", MARK, f"json://user:{MARK}@127.0.0.1:9/{MARK}",
    f"json://127.0.0.1:9/{MARK}?token={MARK}",
    f"mailto://{MARK}:{MARK}@127.0.0.1:9", f"json://{MARK}:99999999/", f"https://127.0.0.1:9/{MARK}", f"json://[{MARK}",
    f"{MARK}\n{MARK}",
])
def test_an_address_is_in_no_delivery_and_in_no_log(url, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    logging.getLogger("apprise").setLevel(logging.DEBUG)
    (got,) = send([url])
    out, err = capfd.readouterr()
    assert got.outcome == "failed" and got.reason
    assert MARK not in f"{got} {caplog.text} {out} {err}"


def test_a_sent_address_is_in_no_log(server, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    assert send([address(server, MARK)])[0].outcome == "sent"
    out, err = capfd.readouterr()
    assert MARK not in caplog.text + out + err


def test_a_secret_file_that_others_can_read_sends_nothing(server, tmp_path):
    file = tmp_path / "url"
    file.write_text(address(server))
    for mode, outcome in ((0o644, "failed"), (0o600, "sent")):
        file.chmod(mode)
        (got,) = deliver([Alert("owner", "t", "b")], settings(owner=["file:url"]), lambda r: resolve(r, tmp_path, {}))
        assert got.outcome == outcome
    assert len(server.got) == 1


# ------------------------------------------------------------------------------------------------ who is told what


def test_every_verdict_of_a_night_says_whom_it_concerns_and_nobody_is_woken_by_a_clear_one():
    assert set(CONCERNED) == set(NIGHT_EXIT)
    assert CONCERNED["clear"] == () and CONCERNED["stop"] == ROLES and CONCERNED["undecided"] == ("operator",)


@pytest.mark.parametrize(("word", "stopped", "said", "command"), [
    ("stop", "disabled", "taken off the road", "roadworthy switch status loan@1.0.0"),
    ("stop", "degraded", "answers by its fallback only", "roadworthy switch status loan@1.0.0"),
    ("stop", "", "must come off the road", "roadworthy switch status loan@1.0.0"),
    ("breach", "", "breaks a rule", ""), ("watch", "", "needs an eye", ""),
    ("undecided", "", "could not be judged", "roadworthy nightly --date 2026-04-09 --model loan"),
])
def test_an_alert_names_model_night_reason_card_and_command(word, stopped, said, command):
    verdict = Verdict("nightly", word, "It is so.", 0, {})
    made = alerts_for("loan@1.0.0", "Loans", verdict, "2026-04-09", "http://cards/loan", stopped)
    assert [a.role for a in made] == list(CONCERNED[word])
    for alert in made:
        assert alert.title == f"Loans (loan@1.0.0) {said}, night of 2026-04-09"
        assert alert.body.splitlines()[:2] == ["It is so.", "Card: http://cards/loan"]
        assert ("Command: " in alert.body) == bool(command) and command in alert.body
